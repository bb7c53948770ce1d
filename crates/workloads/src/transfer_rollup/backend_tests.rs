use ark_bn254::Bn254;
use ark_groth16::Groth16;
use provery_circuits::{
    BlockJob, BlockStatement, Fr, Params, State, Traffic,
    payload::JobTerms,
    state::BlockContext,
    word::{self, Word},
};

use provery_proving::{ProofBackend, ProveError, keys, proof};

use super::backend::{self, BlockBackend};
use crate::Workloads;

fn params(block_txs: usize) -> Params {
    Params::new(block_txs).expect("a small block is allowed")
}

fn job(block_txs: usize, claim: impl FnOnce(Word) -> Word) -> BlockJob {
    let params = params(block_txs);
    let mut traffic = Traffic::new(7, 4);
    let state = State::from_genesis(&traffic.genesis_bytes()).expect("the traffic's genesis is valid");
    let domain = word::from_field(&Fr::from(42));
    let data = traffic.next_block(&state, block_txs, &domain).expect("it fits the state");
    let context = BlockContext { params, domain: Fr::from(42) };
    let root = state.clone().apply_block(&data, &context).expect("it fits the circuit").new_root;
    let terms = JobTerms { params, payee: [0x11; 20], domain, claimed_root: claim(word::from_field(&root)) };
    BlockJob::from_state(&state, &data, &terms).expect("the claim is canonical")
}

#[test]
fn jobs_become_proofs_for_the_market() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    backend::generate_keys(&params(1), b"seed", directory.path()).expect("the setup works");
    let verifying =
        keys::load_verifying(directory.path(), "transfer-block-d16-n1", None).expect("they are fresh");
    let keys =
        backend::load_keys(&params(1), directory.path(), Some(&verifying.hash)).expect("they are fresh");
    let backend = BlockBackend::new(keys);
    assert_eq!(backend.circuit(), "transfer-block-d16-n1");

    let wrong = |_| word::from_field(&Fr::from(1));
    for (job, correct) in [(job(1, |root| root), 1), (job(1, wrong), 0)] {
        let output = backend.prove(&job.to_bytes(), &()).expect("any claim can be proven right or wrong");
        assert_eq!(output.public_inputs, job.public_inputs_market());
        assert_eq!(output.public_inputs.len(), 6);
        assert_eq!(output.public_inputs[4][31], correct);
        assert_eq!(output.public_inputs[5][12..], [0x11; 20]);

        // What the on-chain verifier does with it.
        let (groth16, rest) = output.proof.split_at(proof::PROOF_BYTES);
        let (commitment, data) = rest.split_at(32);
        assert_eq!(commitment, word::from_field(&job.fingerprint().commitment));
        assert_eq!(data, job.data());
        let groth16 = proof::decode(groth16).expect("the proof is well formed");
        let prepared = ark_groth16::prepare_verifying_key(&verifying.key);
        let verifies = |statement: &BlockStatement| {
            let inputs = statement.fingerprint(data, &params(1)).expect("it is canonical").groth16_inputs();
            Groth16::<Bn254>::verify_proof(&prepared, &groth16, &inputs).expect("three inputs are given")
        };
        let statement = *job.statement();
        assert!(verifies(&statement));
        assert!(!verifies(&BlockStatement { payee: [0x12; 20], ..statement }));
        assert!(!verifies(&BlockStatement { correct: !statement.correct, ..statement }));
    }

    let error =
        backend.prove(&job(2, |root| root).to_bytes(), &()).expect_err("the keys are for one transfer");
    assert!(
        matches!(&error, ProveError::Circuit { actual, .. } if actual == "transfer-block-d16-n2"),
        "{error}"
    );
    for bytes in [&b""[..], b"garbage"] {
        let error = backend.prove(bytes, &()).expect_err("it is no job");
        assert!(matches!(error, ProveError::Job { .. }), "{error}");
    }
}

#[test]
fn the_sample_is_a_full_block_that_leads_where_it_says() {
    let circuit = Workloads::default().circuit("transfer-block-d16-n2").expect("its own");
    let sample = circuit.sample().expect("it can be made");
    let job = BlockJob::from_bytes(&sample).expect("a job");
    assert!(job.statement().correct);
    assert_eq!((job.params(), circuit.size()), (params(2), 2));
}
