//! Every error is one sentence that says what happened and what to do about it.

use std::path::PathBuf;

use ark_relations::gr1cs::SynthesisError;

/// Keys that could not be generated or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// One of a circuit's key files is not there.
    #[error(
        "{path} is missing, so there are no keys for circuit {circuit}: run `provery keys generate` or copy it there"
    )]
    Missing {
        /// The circuit's name.
        circuit: String,
        /// Where the file should be.
        path: PathBuf,
    },

    /// The circuit's files come from elsewhere, and are not here.
    #[error("the {what} of circuit {circuit} is not here: run `provery circuit fetch`")]
    NotFetched {
        /// The circuit's name.
        circuit: String,
        /// What is missing.
        what: String,
    },

    /// The circuit's keys come from elsewhere.
    #[error(
        "the keys of circuit {circuit} come with its descriptor, so none are made here: run `provery circuit fetch`"
    )]
    Foreign {
        /// The circuit's name.
        circuit: String,
    },

    /// A descriptor, or what it names, cannot be used.
    #[error("circuit {circuit} cannot be proven here: {reason}")]
    Described {
        /// The circuit's name.
        circuit: String,
        /// What is wrong with it.
        reason: String,
    },

    /// Nothing this program proves has such a circuit.
    #[error(
        "no workload of this program is proven with circuit {circuit}: check its name, or get a version that knows it"
    )]
    UnknownCircuit {
        /// The name that was asked for.
        circuit: String,
    },

    /// A manifest says of a development key that it is none.
    #[error(
        "{path} comes from a development setup, whose secrets are known, though its manifest says otherwise: get the keys of a ceremony, or set the manifest right"
    )]
    Disguised {
        /// The verifying key's file.
        path: PathBuf,
    },

    /// A key file is cut short, or longer than it was.
    #[error(
        "{path} has {actual} bytes where {expected} were written: run `provery keys generate` or copy it again"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length by the manifest, in bytes.
        expected: u64,
        /// Its length, in bytes.
        actual: u64,
    },

    /// The file does not begin as proving keys do.
    #[error("{path} is not a Provery proving key: run `provery keys generate` or copy the right file there")]
    NotAProvingKey {
        /// The file.
        path: PathBuf,
    },

    /// The file is in a format of another version of this program.
    #[error("{path} has key format {actual} and this program reads {expected}: run `provery keys generate`")]
    Version {
        /// The file.
        path: PathBuf,
        /// The format that this program reads.
        expected: u32,
        /// The format that the file has.
        actual: u32,
    },

    /// A key file is not the one that its manifest is about.
    #[error("{path} hashes to {actual} instead of {expected}: run `provery keys generate` or copy it again")]
    Hash {
        /// The file.
        path: PathBuf,
        /// sha256 by the manifest, in hex.
        expected: String,
        /// sha256 of the file, in hex.
        actual: String,
    },

    /// A manifest is another circuit's.
    #[error(
        "{path} holds keys for circuit {actual}, not {expected}: point to the directory that `provery keys generate` wrote for it"
    )]
    Circuit {
        /// The manifest.
        path: PathBuf,
        /// Name of the circuit whose keys were asked for.
        expected: String,
        /// Name of the circuit that it is about.
        actual: String,
    },

    /// The verifying key is not the one that is registered on chain.
    #[error(
        "{path} has key hash {actual} but the deployment was made with {expected}: run `provery keys generate` with the deployment's seed"
    )]
    KeyHash {
        /// The verifying key's file.
        path: PathBuf,
        /// sha256 of the registered key's file, in hex.
        expected: String,
        /// sha256 of this file, in hex.
        actual: String,
    },

    /// Keys of the circuit are there already, and they are of another setup.
    #[error(
        "{directory} has keys with hash {there} already, and those to import have {brought}: move away those that are not wanted"
    )]
    Another {
        /// Where they are.
        directory: PathBuf,
        /// sha256 of the verifying key's file that is there, in hex.
        there: String,
        /// sha256 of the one that was to be imported, in hex.
        brought: String,
    },

    /// A proving key and the verifying key beside it are not of one setup, or the manifest's counts are others.
    #[error("{path} belongs to another verifying key: run `provery keys generate` to write both anew")]
    Mismatch {
        /// The proving key's file.
        path: PathBuf,
    },

    /// A manifest or a key does not decode, or would accept forged proofs.
    #[error("{path} is malformed ({reason}): run `provery keys generate` or copy it again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// New development keys would take the place of others.
    #[error("{directory} holds keys that are not from a development setup: generate into another directory")]
    NotDevelopment {
        /// Where those are.
        directory: PathBuf,
    },

    /// A circuit's name that is no good name for a directory.
    #[error("the name {name:?} cannot be a circuit's: use letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name.
        name: String,
    },

    /// The circuit has more constraints than a key file can count.
    #[error(
        "circuit {circuit} has {constraints} constraints, more than a key can hold: use smaller parameters"
    )]
    TooLarge {
        /// The circuit's name.
        circuit: String,
        /// How many it has.
        constraints: usize,
    },

    /// The circuit's constraints could not be generated.
    #[error(
        "circuit {circuit} could not be synthesised ({source}): this is a bug in the circuit or its parameters"
    )]
    Synthesis {
        /// The circuit's name.
        circuit: String,
        /// What arkworks said.
        source: SynthesisError,
    },

    /// The file system refused.
    #[error("{path} could not be read or written ({source}): check its permissions and the free disk space")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

/// A proof that was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The job's bytes are not one of this circuit's.
    #[error("the job could not be read ({reason}): it must come from the same version of this program")]
    Job {
        /// What is wrong with them.
        reason: String,
    },

    /// The job is another circuit's.
    #[error("the job is for circuit {actual} but the keys are for {expected}: load the keys of its circuit")]
    Circuit {
        /// Name of the circuit whose keys are loaded.
        expected: String,
        /// Name of the circuit that the job is for.
        actual: String,
    },

    /// The circuit has other numbers of variables than the key.
    #[error(
        "the circuit has {actual_inputs} inputs and {actual_witnesses} witnesses where the key has {expected_inputs} and {expected_witnesses}: run `provery keys generate` for this version of the circuit"
    )]
    Shape {
        /// The key's public inputs, without the constant one.
        expected_inputs: usize,
        /// The key's witnesses.
        expected_witnesses: usize,
        /// The circuit's public inputs, without the constant one.
        actual_inputs: usize,
        /// The circuit's witnesses.
        actual_witnesses: usize,
    },

    /// The statement does not hold for this witness.
    #[error(
        "the witness does not satisfy constraint {constraint}: the statement is false, or the key is for another version of the circuit"
    )]
    Unsatisfied {
        /// The first constraint that is not satisfied, counted from 0.
        constraint: usize,
    },

    /// The circuit's variables could not be assigned.
    #[error("the circuit could not be synthesised ({0}): this is a bug in the circuit or in the job")]
    Synthesis(#[from] SynthesisError),

    /// Whoever wanted the proof no longer does.
    #[error("the proof was cancelled")]
    Cancelled,

    /// The job is one that nobody can prove.
    #[error("{reason}")]
    Unprovable {
        /// In a whole sentence.
        reason: String,
    },

    /// A backend's own reason, of which the job is innocent.
    #[error("{reason}")]
    Refused {
        /// In a whole sentence.
        reason: String,
    },

    /// The proof was made and does not verify.
    #[error(
        "the finished proof does not verify: the proving key does not belong to its verifying key, run `provery keys generate`"
    )]
    Invalid,

    /// A proof from elsewhere is not one of the job's statement under this key.
    #[error(
        "the proof that was handed in is not one of this job: whoever made it has other keys, another version, or ill will"
    )]
    Foreign,
}

impl ProveError {
    /// Whether the job is at fault: then no machine proves it, and this one is as well as before.
    pub fn is_of_job(&self) -> bool {
        match self {
            Self::Job { .. } | Self::Unsatisfied { .. } | Self::Synthesis(_) | Self::Unprovable { .. } => {
                true
            }
            Self::Circuit { .. }
            | Self::Shape { .. }
            | Self::Cancelled
            | Self::Refused { .. }
            | Self::Invalid
            | Self::Foreign => false,
        }
    }
}

/// Bytes that are not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFormatError {
    /// There are too few or too many bytes.
    #[error("a proof has {expected} bytes, not {actual}: pass it as the prover wrote it")]
    Length {
        /// How many a proof has.
        expected: usize,
        /// How many there are.
        actual: usize,
    },

    /// A coordinate is no element of the field in its one encoding.
    #[error(
        "coordinate {index} of the proof is not below the field's modulus: pass the proof as the prover wrote it"
    )]
    Coordinate {
        /// Which of the eight, from 0, in their order in the bytes.
        index: usize,
    },

    /// A point is no point of its curve, or the one at infinity.
    #[error(
        "point {point} of the proof is infinity or not on the curve: pass the proof as the prover wrote it"
    )]
    NotOnCurve {
        /// `A`, `B` or `C`.
        point: char,
    },

    /// A point of the curve is not in the group that proofs are from.
    #[error("point {point} of the proof is not in the group: pass the proof as the prover wrote it")]
    NotInGroup {
        /// Always `B`: in G1 every point of the curve is in the group.
        point: char,
    },
}
