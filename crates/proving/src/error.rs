//! Every error is one sentence that says what happened and what to do about it.

use std::path::PathBuf;

use ark_relations::gr1cs::SynthesisError;

/// Keys that could not be generated or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "{path} is missing, so there are no keys for circuit {circuit}: run `provery keys generate` or copy it there"
    )]
    Missing { circuit: String, path: PathBuf },

    #[error(
        "no workload of this program is proven with circuit {circuit}: check its name, or get a version that knows it"
    )]
    UnknownCircuit { circuit: String },

    #[error(
        "{path} comes from a development setup, whose secrets are known, though its manifest says otherwise: get the keys of a ceremony, or set the manifest right"
    )]
    Disguised { path: PathBuf },

    #[error(
        "{path} has {actual} bytes where {expected} were written: run `provery keys generate` or copy it again"
    )]
    Length { path: PathBuf, expected: u64, actual: u64 },

    #[error("{path} is not a Provery proving key: run `provery keys generate` or copy the right file there")]
    NotAProvingKey { path: PathBuf },

    #[error("{path} has key format {actual} and this program reads {expected}: run `provery keys generate`")]
    Version { path: PathBuf, expected: u32, actual: u32 },

    #[error("{path} hashes to {actual} instead of {expected}: run `provery keys generate` or copy it again")]
    Hash { path: PathBuf, expected: String, actual: String },

    #[error(
        "{path} holds keys for circuit {actual}, not {expected}: point to the directory that `provery keys generate` wrote for it"
    )]
    Circuit { path: PathBuf, expected: String, actual: String },

    #[error(
        "{path} has key hash {actual} but the deployment was made with {expected}: run `provery keys generate` with the deployment's seed"
    )]
    KeyHash { path: PathBuf, expected: String, actual: String },

    #[error("{path} belongs to another verifying key: run `provery keys generate` to write both anew")]
    Mismatch { path: PathBuf },

    #[error("{path} is malformed ({reason}): run `provery keys generate` or copy it again")]
    Malformed { path: PathBuf, reason: String },

    #[error("{directory} holds keys that are not from a development setup: generate into another directory")]
    NotDevelopment { directory: PathBuf },

    #[error("the name {name:?} cannot be a circuit's: use letters, digits, `-`, `_` and `.`")]
    Name { name: String },

    #[error(
        "circuit {circuit} has {constraints} constraints, more than a key can hold: use smaller parameters"
    )]
    TooLarge { circuit: String, constraints: usize },

    #[error(
        "circuit {circuit} could not be synthesised ({source}): this is a bug in the circuit or its parameters"
    )]
    Synthesis { circuit: String, source: SynthesisError },

    #[error("{path} could not be read or written ({source}): check its permissions and the free disk space")]
    Io { path: PathBuf, source: std::io::Error },
}

/// A proof that was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error("the job could not be read ({reason}): it must come from the same version of this program")]
    Job { reason: String },

    #[error("the job is for circuit {actual} but the keys are for {expected}: load the keys of its circuit")]
    Circuit { expected: String, actual: String },

    #[error(
        "the circuit has {actual_inputs} inputs and {actual_witnesses} witnesses where the key has {expected_inputs} and {expected_witnesses}: run `provery keys generate` for this version of the circuit"
    )]
    Shape { expected_inputs: usize, expected_witnesses: usize, actual_inputs: usize, actual_witnesses: usize },

    #[error(
        "the witness does not satisfy constraint {constraint}: the statement is false, or the key is for another version of the circuit"
    )]
    Unsatisfied { constraint: usize },

    #[error("the circuit could not be synthesised ({0}): this is a bug in the circuit or in the job")]
    Synthesis(#[from] SynthesisError),

    #[error("the proof was cancelled")]
    Cancelled,

    /// A backend's own reason, in a whole sentence.
    #[error("{reason}")]
    Refused { reason: String },

    #[error(
        "the finished proof does not verify: the proving key does not belong to its verifying key, run `provery keys generate`"
    )]
    Invalid,

    #[error(
        "the proof that was handed in is not one of this job: whoever made it has other keys, another version, or ill will"
    )]
    Foreign,
}

/// Bytes that are not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFormatError {
    #[error("a proof has {expected} bytes, not {actual}: pass it as the prover wrote it")]
    Length { expected: usize, actual: usize },

    #[error(
        "coordinate {index} of the proof is not below the field's modulus: pass the proof as the prover wrote it"
    )]
    Coordinate { index: usize },

    #[error(
        "point {point} of the proof is infinity or not on the curve: pass the proof as the prover wrote it"
    )]
    NotOnCurve { point: char },

    #[error("point {point} of the proof is not in the group: pass the proof as the prover wrote it")]
    NotInGroup { point: char },
}
