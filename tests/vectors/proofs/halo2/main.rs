//! A Halo2 (KZG, BN254) proof of "I know w with w^2 = x, w^3 = out" for a payee, and the Solidity verifier that snark-verifier
//! generates: to stdout as JSON, the same at every run. `node tests/vectors/proofs/halo2.mjs` runs it.

use std::rc::Rc;

use halo2_base::halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    dev::MockProver,
    halo2curves::{
        bn256::{Bn256, Fq, Fr, G1Affine},
        ff::PrimeField,
    },
    plonk::{
        Advice, Assigned, Circuit, Column, ConstraintSystem, Error, Fixed, Instance, create_proof, keygen_pk,
        keygen_vk,
    },
    poly::{
        Rotation,
        commitment::{Params, ParamsProver},
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::ProverGWC,
        },
    },
    transcript::TranscriptWriterBuffer,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use snark_verifier::{
    loader::evm::EvmLoader,
    pcs::kzg::{Gwc19, KzgAs},
    system::halo2::{Config, compile, transcript::evm::EvmTranscript},
    verifier::{self, SnarkVerifier},
};

type PlonkVerifier = verifier::plonk::PlonkVerifier<KzgAs<Bn256, Gwc19>>;

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
    type Params = ();

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
                let value = |value: Fr| Value::known(Assigned::Trivial(value));
                // The instances, one a row.
                let [x, out, _payee] = [0, 1, 2].map(|row| {
                    region.assign_fixed(config.q_a, row, Assigned::Trivial(-one));
                    region.assign_advice(config.a, row, value(self.instances()[row]))
                });
                // w * w = x, x * w = out.
                for row in [3, 4] {
                    region.assign_fixed(config.q_ab, row, Assigned::Trivial(one));
                    region.assign_fixed(config.q_c, row, Assigned::Trivial(-one));
                }
                let w = region.assign_advice(config.a, 3, value(self.w));
                w.copy_advice(&mut region, config.b, 3);
                x.copy_advice(&mut region, config.c, 3);
                x.copy_advice(&mut region, config.a, 4);
                w.copy_advice(&mut region, config.b, 4);
                out.copy_advice(&mut region, config.c, 4);
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
    let pk = keygen_pk(&params, vk, &circuit).unwrap();

    let mut transcript = TranscriptWriterBuffer::<_, G1Affine, _>::init(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverGWC<_>, _, _, EvmTranscript<_, _, _, _>, _>(
        &params,
        &pk,
        &[circuit],
        &[&[&instances]],
        ChaCha20Rng::seed_from_u64(2),
        &mut transcript,
    )
    .unwrap();
    let proof: Vec<u8> = transcript.finalize();

    let counts = vec![instances.len()];
    let protocol = compile(&params, pk.get_vk(), Config::kzg().with_num_instance(counts.clone()));
    let kzg = (params.get_g()[0], params.g2(), params.s_g2()).into();
    let loader = EvmLoader::new::<Fq, Fr>();
    let protocol = protocol.loaded(&loader);
    let mut transcript = EvmTranscript::<_, Rc<EvmLoader>, _, _>::new(&loader);
    let loaded = transcript.load_instances(counts);
    let parsed = PlonkVerifier::read_proof(&kzg, &protocol, &loaded, &mut transcript).unwrap();
    PlonkVerifier::verify(&kzg, &protocol, &loaded, &parsed).unwrap();

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
        "solidity": loader.solidity_code(),
    });
    println!("{fixture}");
}
