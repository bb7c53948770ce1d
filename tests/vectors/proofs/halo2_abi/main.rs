//! The proof of halo2/main.rs with the verifier that halo2-solidity-verifier generates, the verifying key in its code: to stdout as
//! JSON, the same at every run. `node tests/vectors/proofs/halo2.mjs abi` runs it.

use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    dev::MockProver,
    halo2curves::{
        bn256::{Bn256, Fr},
        ff::PrimeField,
    },
    plonk::{
        Advice, Circuit, Column, ConstraintSystem, Error, Fixed, Instance, create_proof, keygen_pk, keygen_vk,
    },
    poly::{
        Rotation,
        commitment::Params,
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::ProverSHPLONK,
        },
    },
    transcript::TranscriptWriterBuffer,
};
use halo2_solidity_verifier::{BatchOpenScheme, Keccak256Transcript, SolidityGenerator};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

#[derive(Clone, Copy)]
struct SampleConfig {
    a: Column<Advice>,
    b: Column<Advice>,
    c: Column<Advice>,
    /// Coefficients of a, c and a * b.
    q_a: Column<Fixed>,
    q_c: Column<Fixed>,
    q_ab: Column<Fixed>,
}

#[derive(Clone, Default)]
struct Sample {
    w: Fr,
    payee: Fr,
}

impl Sample {
    fn instances(&self) -> Vec<Fr> {
        vec![self.w * self.w, self.w * self.w * self.w, self.payee]
    }
}

impl Circuit<Fr> for Sample {
    type Config = SampleConfig;
    type FloorPlanner = SimpleFloorPlanner;

    fn without_witnesses(&self) -> Self {
        Self::default()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        let [a, b, c] = [(); 3].map(|_| meta.advice_column());
        let [q_a, q_c, q_ab] = [(); 3].map(|_| meta.fixed_column());
        let instance: Column<Instance> = meta.instance_column();
        for column in [a, b, c] {
            meta.enable_equality(column);
        }
        meta.create_gate("q_a * a + q_c * c + q_ab * a * b + instance = 0", |meta| {
            let [a, b, c] = [a, b, c].map(|column| meta.query_advice(column, Rotation::cur()));
            let [q_a, q_c, q_ab] = [q_a, q_c, q_ab].map(|column| meta.query_fixed(column, Rotation::cur()));
            let instance = meta.query_instance(instance, Rotation::cur());
            Some(q_a * a.clone() + q_c * c + q_ab * a * b + instance)
        });
        SampleConfig { a, b, c, q_a, q_c, q_ab }
    }

    fn synthesize(&self, config: Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let one = Fr::one();
        layouter.assign_region(
            || "",
            |mut region| {
                // The instances, one a row.
                let mut cells = Vec::new();
                for (row, instance) in self.instances().into_iter().enumerate() {
                    region.assign_fixed(|| "", config.q_a, row, || Value::known(-one))?;
                    cells.push(region.assign_advice(|| "", config.a, row, || Value::known(instance))?);
                }
                // w * w = x, x * w = out.
                for row in [3, 4] {
                    region.assign_fixed(|| "", config.q_ab, row, || Value::known(one))?;
                    region.assign_fixed(|| "", config.q_c, row, || Value::known(-one))?;
                }
                let w = region.assign_advice(|| "", config.a, 3, || Value::known(self.w))?;
                w.copy_advice(|| "", &mut region, config.b, 3)?;
                cells[0].copy_advice(|| "", &mut region, config.c, 3)?;
                cells[0].copy_advice(|| "", &mut region, config.a, 4)?;
                w.copy_advice(|| "", &mut region, config.b, 4)?;
                cells[1].copy_advice(|| "", &mut region, config.c, 4)?;
                Ok(())
            },
        )
    }
}

fn main() {
    let params = ParamsKZG::<Bn256>::setup(5, ChaCha20Rng::seed_from_u64(1));
    let circuit = Sample { w: Fr::from(12345), payee: Fr::from(0xa11ce) };
    let instances = circuit.instances();
    MockProver::run(params.k(), &circuit, vec![instances.clone()]).unwrap().assert_satisfied();
    let vk = keygen_vk(&params, &circuit).unwrap();
    let solidity =
        SolidityGenerator::new(&params, &vk, BatchOpenScheme::Bdfg21, instances.len()).render().unwrap();
    let pk = keygen_pk(&params, vk, &circuit).unwrap();

    let mut transcript = Keccak256Transcript::new(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<_>, _, _, _, _>(
        &params,
        &pk,
        &[circuit],
        &[&[&instances]],
        ChaCha20Rng::seed_from_u64(2),
        &mut transcript,
    )
    .unwrap();
    let proof = transcript.finalize();

    let words: Vec<String> = instances
        .iter()
        .map(|instance| {
            let mut word = instance.to_repr();
            word.as_mut().reverse();
            format!("0x{}", hex::encode(word))
        })
        .collect();
    let fixture = serde_json::json!({
        "inputs": words,
        "proof": format!("0x{}", hex::encode(proof)),
        "solidity": solidity,
    });
    println!("{fixture}");
}
