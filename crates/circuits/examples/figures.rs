//! Hashes a second; constraints, density and synthesis times: `cargo run -p provery-circuits --example figures [BLOCK_TXS…]`.

use std::{env, error::Error, time::Instant};

use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, OptimizationGoal, R1CS_PREDICATE_LABEL,
    SynthesisError, SynthesisMode,
};
use provery_circuits::{
    BlockCircuit, BlockJob, Fr, Params, State, Traffic, gadgets::Builder, payload::JobTerms, poseidon, word,
};

/// Hashes that are timed.
const HASHES: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes = env::args().skip(1).map(|arg| arg.parse()).collect::<Result<Vec<usize>, _>>()?;
    if sizes.is_empty() {
        sizes = vec![1, 2, 8];
    }
    let started = Instant::now();
    let mut node = Fr::from(1u8);
    for _ in 0..HASHES {
        node = poseidon::hash(&[node, node]);
    }
    let rate = f64::from(HASHES) / started.elapsed().as_secs_f64();
    println!("{rate:.0} hashes of two elements a second ({})", word::from_field(&node)[31]);
    for block_txs in sizes {
        let params = Params::new(block_txs)?;
        let domain = word::from_field(&Fr::from(1u8));
        let mut traffic = Traffic::new(1, 64);
        let state = State::from_genesis(&traffic.genesis_bytes())?;
        let data = traffic.next_block(&state, block_txs, &domain)?;
        let terms = JobTerms { params, payee: [1; 20], domain, claimed_root: domain };
        let started = Instant::now();
        let job = BlockJob::from_state(&state, &data, &terms)?;
        let native = started.elapsed();

        let circuit = job.circuit();
        let cs = Builder::witness_only();
        let started = Instant::now();
        circuit.generate_constraints(cs.clone())?;
        let witness = started.elapsed();

        let started = Instant::now();
        let cs = system(BlockCircuit::blank(params))?;
        let setup = started.elapsed();
        let matrices = &cs.to_matrices()?[R1CS_PREDICATE_LABEL];
        let entries: Vec<usize> = matrices.iter().map(|matrix| matrix.iter().map(Vec::len).sum()).collect();
        let mut in_b = vec![false; cs.num_variables()];
        for (_, variable) in matrices[1].iter().flatten() {
            in_b[*variable] = true;
        }
        println!(
            "{}: {} constraints, {} variables ({} in B), entries of A, B, C {entries:?}; native {native:?}, \
             witness {witness:?}, matrices {setup:?}, job {} bytes",
            params.circuit_name(),
            cs.num_constraints(),
            cs.num_variables(),
            in_b.iter().filter(|used| **used).count(),
            job.to_bytes().len(),
        );
    }
    Ok(())
}

/// A circuit's constraints as key generation sees them.
fn system(circuit: impl ConstraintSynthesizer<Fr>) -> Result<ConstraintSystemRef<Fr>, SynthesisError> {
    let cs = ConstraintSystem::new_ref();
    cs.set_optimization_goal(OptimizationGoal::Constraints);
    cs.set_mode(SynthesisMode::Setup);
    circuit.generate_constraints(cs.clone())?;
    cs.finalize();
    Ok(cs)
}
