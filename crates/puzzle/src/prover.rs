//! The keys, and the prover of tickets.

use std::path::Path;

use provery_circuits::{Word, word};
use provery_proving::{
    ArkworksBackend, Engine, KeyError, Progress, ProveError, fastest,
    keys::{self, Keys, Manifest, VerifyingKeyFile},
    proof::{self, PROOF_BYTES},
};
use serde_json::json;

use crate::chain::{CIRCUIT_NAME, PuzzleCircuit, STEPS};

/// A proof that the chain of hashes from a challenge ends at `output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PuzzleProof {
    /// The end of the chain, below the field's modulus: a function of the challenge alone.
    pub output: Word,
    /// The Groth16 proof as the verifier reads it.
    pub proof: [u8; PROOF_BYTES],
}

/// Run a development setup of the puzzle: see [`keys::generate`]. Takes a few seconds.
pub fn generate_keys(seed: &[u8], directory: &Path) -> Result<Manifest, KeyError> {
    let params = json!({ "steps": STEPS });
    keys::generate(PuzzleCircuit::blank(), CIRCUIT_NAME, params, seed, directory)
}

/// Load the keys of the puzzle: see [`keys::load`].
pub fn load_keys(directory: &Path, expected: Option<&[u8; 32]>) -> Result<Keys, KeyError> {
    keys::load(directory, CIRCUIT_NAME, expected)
}

/// Load the puzzle's verifying key alone, of which [`provery_proving::solidity::generate`] makes the verifier.
pub fn load_verifying(directory: &Path, expected: Option<&[u8; 32]>) -> Result<VerifyingKeyFile, KeyError> {
    keys::load_verifying(directory, CIRCUIT_NAME, expected)
}

/// Proves the outputs of challenges. The nonce whose output wins is found before, with
/// [`crate::Miner::search`].
#[derive(Debug)]
pub struct PuzzleProver {
    groth16: ArkworksBackend,
}

impl PuzzleProver {
    /// A prover with the fastest engine.
    pub fn new(keys: Keys) -> Self {
        Self::with_engine(keys, fastest())
    }

    /// A prover with the arithmetic of `engine`.
    pub fn with_engine(keys: Keys, engine: impl Engine + 'static) -> Self {
        Self { groth16: ArkworksBackend::new(keys, engine) }
    }

    /// Make the keys from `seed` unless they are there, and load them.
    pub fn generate(seed: &[u8], directory: &Path) -> Result<Self, KeyError> {
        generate_keys(seed, directory)?;
        Self::load(directory, None)
    }

    /// Load the keys. `expected` is the hash of the verifying key's file, if it is known.
    pub fn load(directory: &Path, expected: Option<&[u8; 32]>) -> Result<Self, KeyError> {
        Ok(Self::new(load_keys(directory, expected)?))
    }

    /// What its keys say about themselves.
    pub fn manifest(&self) -> &Manifest {
        self.groth16.manifest()
    }

    /// sha256 of the verifying key's file.
    pub fn key_hash(&self) -> &[u8; 32] {
        self.groth16.key_hash()
    }

    /// Prove the output of `challenge`, a word below the field's modulus. Blocking; the proof was verified when this
    /// returns.
    pub fn prove(&self, challenge: &Word, progress: &dyn Progress) -> Result<PuzzleProof, ProveError> {
        let challenge = word::to_field(challenge).ok_or_else(|| ProveError::Job {
            reason: "the challenge is not below the field's modulus".to_owned(),
        })?;
        let proven = self.groth16.prove_circuit(PuzzleCircuit::of(&challenge), progress)?;
        match proven.inputs.as_slice() {
            [start, output] if *start == challenge => {
                Ok(PuzzleProof { output: word::from_field(output), proof: proof::encode(&proven.proof) })
            }
            _ => Err(ProveError::Invalid),
        }
    }
}
