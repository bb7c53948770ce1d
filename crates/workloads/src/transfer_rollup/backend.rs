//! The reference rollup's blocks: their keys, and the backend that turns block jobs into proofs for the market.

use std::path::Path;

use alloy::primitives::U256;
use provery_circuits::{BlockCircuit, BlockJob, BlockStatement, Params, payload};
use serde_json::json;

use provery_proving::{
    ArkworksBackend, Engine, Groth16Check, KeyError, Progress, ProofBackend, ProofOutput, ProofVerifier,
    ProveError, fastest,
    keys::{self, Keys, Manifest, VerifyingKeyFile},
    proof,
};

use crate::Groth16Proof;

/// Parameters as the manifest of a block circuit's keys holds them.
pub fn manifest_params(params: &Params) -> serde_json::Value {
    json!({ "blockTxs": params.block_txs() })
}

/// Run a development setup of the block circuit: see [`keys::generate`].
pub fn generate_keys(params: &Params, seed: &[u8], directory: &Path) -> Result<Manifest, KeyError> {
    keys::generate(
        BlockCircuit::blank(*params),
        &params.circuit_name(),
        manifest_params(params),
        seed,
        directory,
    )
}

/// Load the keys of the block circuit: see [`keys::load`].
pub fn load_keys(params: &Params, directory: &Path, expected: Option<&[u8; 32]>) -> Result<Keys, KeyError> {
    keys::load(directory, &params.circuit_name(), expected)
}

/// Proves [`BlockJob`]s. Its output is what the market takes: the statement, the prover's output and the payee as public
/// inputs, and a proof that carries the block's bytes.
#[derive(Debug)]
pub struct BlockBackend {
    groth16: ArkworksBackend,
}

impl BlockBackend {
    /// A backend with the fastest engine.
    pub fn new(keys: Keys) -> Self {
        Self::with_engine(keys, fastest())
    }

    /// A backend with this engine, however fast it is.
    pub fn with_engine(keys: Keys, engine: impl Engine + 'static) -> Self {
        Self { groth16: ArkworksBackend::new(keys, engine) }
    }

    /// What the keys are of: the circuit, its parameters and the files' hashes.
    pub fn manifest(&self) -> &Manifest {
        self.groth16.manifest()
    }

    /// sha256 of the verifying key's file, as registered on chain.
    pub fn key_hash(&self) -> &[u8; 32] {
        self.groth16.key_hash()
    }

    /// Prove a job that need not be decoded.
    pub fn prove_job(&self, job: &BlockJob, progress: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let circuit = job.params().circuit_name();
        if circuit != self.circuit() {
            return Err(ProveError::Circuit { expected: self.circuit().to_owned(), actual: circuit });
        }
        let proven = self.groth16.prove_circuit(job.circuit(), progress)?;
        if proven.inputs != job.groth16_inputs() {
            return Err(ProveError::Invalid);
        }
        Ok(ProofOutput {
            public_inputs: job.public_inputs_market(),
            proof: payload::proof_bytes(&proof::encode(&proven.proof), job),
            timings: proven.timings,
        })
    }
}

impl ProofBackend for BlockBackend {
    fn circuit(&self) -> &str {
        &self.manifest().circuit
    }

    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let job = BlockJob::from_bytes(job).map_err(|error| ProveError::Job { reason: error.to_string() })?;
        self.prove_job(&job, progress)
    }
}

/// Checks proofs that were made elsewhere, by hands that need not be trusted.
#[derive(Debug)]
pub struct BlockVerifier {
    circuit: String,
    groth16: Groth16Check,
}

impl BlockVerifier {
    /// Checks proofs against this verifying key.
    pub fn new(key: &VerifyingKeyFile) -> Self {
        Self { circuit: key.manifest.circuit.clone(), groth16: Groth16Check::new(key) }
    }
}

impl ProofVerifier for BlockVerifier {
    fn key_hash(&self) -> &[u8; 32] {
        self.groth16.key_hash()
    }

    fn verify(&self, job: &[u8], output: &ProofOutput) -> Result<(), ProveError> {
        let job = BlockJob::from_bytes(job).map_err(|error| ProveError::Job { reason: error.to_string() })?;
        let circuit = job.params().circuit_name();
        if circuit != self.circuit {
            return Err(ProveError::Circuit { expected: self.circuit.clone(), actual: circuit });
        }
        let points = output.proof.first_chunk::<{ proof::PROOF_BYTES }>().ok_or(ProveError::Foreign)?;
        let whole = output.public_inputs == job.public_inputs_market()
            && output.proof == payload::proof_bytes(points, &job);
        if whole && self.groth16.holds(points, &job.groth16_inputs()) {
            Ok(())
        } else {
            Err(ProveError::Foreign)
        }
    }
}

/// The Groth16 proof in a block's proof, and its public signals C, r, y.
pub fn groth16(params: &Params, public_inputs: &[U256], proof: &[u8]) -> Option<Groth16Proof> {
    let &[old_root, new_root, _, domain, correct, payee] = public_inputs else { return None };
    let (points, rest) = proof.split_at_checked(proof::PROOF_BYTES)?;
    let (commitment, data) = rest.split_at_checked(32)?;
    let mut paid = [0; 20];
    paid.copy_from_slice(&payee.to_be_bytes::<32>()[12..]);
    let statement = BlockStatement {
        payee: paid,
        domain: domain.to_be_bytes(),
        old_root: old_root.to_be_bytes(),
        claimed_root: new_root.to_be_bytes(),
        correct: correct == U256::ONE,
    };
    let signals = statement.fingerprint(data, params).ok()?.groth16_inputs();
    let words: Vec<[u8; 32]> = signals.iter().map(proof::word).collect();
    if words.first().is_none_or(|word| word[..] != *commitment) {
        return None;
    }
    let signals = words.into_iter().map(U256::from_be_bytes).collect();
    Some(Groth16Proof { points: points.to_vec(), signals })
}
