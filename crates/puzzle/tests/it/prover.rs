//! Keys and proofs of tickets.

use ark_bn254::{Bn254, Fr};
use ark_groth16::{Groth16, Proof};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use provery_circuits::word::{self, Word};
use provery_proving::{ArkworksBackend, Halo2curves, ProveError, proof, solidity};
use provery_puzzle::{CIRCUIT_NAME, Miner, PuzzleCircuit, PuzzleProver, load_keys, load_verifying};

const MINER: Miner = Miner { seed: [1; 32], market: [0; 32], prover: [0x11; 20] };

#[test]
fn tickets_are_proven_as_the_verifier_reads_them() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let prover = PuzzleProver::generate(b"seed", directory.path()).expect("the setup works");
    assert_eq!(prover.manifest().circuit, CIRCUIT_NAME);
    assert_eq!(prover.manifest().public_inputs, 2);
    assert!(prover.manifest().development);
    let verifying = load_verifying(directory.path(), Some(prover.key_hash())).expect("they are fresh");
    let source = solidity::generate(&verifying.key, "PuzzleVerifier").expect("both inputs are bound");
    assert!(source.contains("contract PuzzleVerifier"));

    let ticket = MINER.ticket(5);
    let proven = prover.prove(&ticket.challenge, &()).expect("every challenge has an output");
    assert_eq!(proven.output, ticket.output);

    let prepared = ark_groth16::prepare_verifying_key(&verifying.key);
    let verifies = |inputs: [&Word; 2], proof: &Proof<Bn254>| {
        let inputs = inputs.map(|input| word::to_field(input).expect("it is canonical"));
        Groth16::<Bn254>::verify_proof(&prepared, proof, &inputs).expect("two inputs are given")
    };
    let original = proof::decode(&proven.proof).expect("the proof is well formed");
    let mut rng = StdRng::seed_from_u64(4);
    let rerandomised = Groth16::<Bn254>::rerandomize_proof(&verifying.key, &original, &mut rng);
    assert_ne!(proof::encode(&rerandomised), proven.proof, "other bytes");
    let mut wrong = ticket.output;
    wrong[31] ^= 1;
    for proof in [&original, &rerandomised] {
        assert!(verifies([&ticket.challenge, &ticket.output], proof), "the same ticket");
        assert!(!verifies([&ticket.challenge, &wrong], proof), "no other output");
        assert!(!verifies([&MINER.ticket(6).challenge, &ticket.output], proof), "no other challenge");
        assert!(!verifies([&ticket.output, &ticket.challenge], proof), "the challenge comes first");
    }

    // A prover that lies in the circuit gets no proof at all.
    let lie = [&ticket.challenge, &wrong].map(|input| word::to_field(input).expect("it is canonical"));
    let keys = load_keys(directory.path(), None).expect("they are fresh");
    let error = ArkworksBackend::new(keys, Halo2curves)
        .prove_circuit(PuzzleCircuit { inputs: Some(lie) }, &())
        .expect_err("it is false");
    assert!(matches!(error, ProveError::Unsatisfied { .. }), "{error}");

    let error = prover.prove(&[0xff; 32], &()).expect_err("it is no field element");
    assert!(matches!(error, ProveError::Job { .. }), "{error}");
    let last: Fr = -Fr::from(1u8);
    assert!(prover.prove(&word::from_field(&last), &()).is_ok());
}
