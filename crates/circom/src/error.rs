//! Every error is one sentence that says what happened and what to do about it.

// Of each variant its message says what it is, with all of its fields.
#![allow(missing_docs)]

use std::{fmt, path::PathBuf, time::Duration};

use provery_proving::{ProofFormatError, ProveError, import::ImportError, solidity::SolidityError};

/// More names than this do not help anyone in a sentence.
const MOST_NAMED: usize = 8;

/// A circom artifact that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path} could not be read ({source}): check its path and permissions")]
    Io { path: PathBuf, source: std::io::Error },

    #[error("{path} is no {expected} file: it does not begin with {expected:?}")]
    Kind { path: PathBuf, expected: &'static str },

    #[error(
        "{path} has format version {actual} and this program reads {expected}: write it with a circom or snarkjs of today"
    )]
    Version { path: PathBuf, expected: u32, actual: u32 },

    #[error("{path} is cut off: its {what} would end at byte {end} of {length}: copy it again")]
    Truncated { path: PathBuf, what: String, end: u64, length: u64 },

    #[error(
        "{path} is for {found}, and Provery proves on bn254: compile the circuit and make its keys for bn254 (circom calls it bn128)"
    )]
    Curve { path: PathBuf, found: String },

    #[error(
        "{path} is a key for {found}, and this reads keys for groth16: make it with `snarkjs groth16 setup`"
    )]
    Protocol { path: PathBuf, found: String },

    #[error("{path} is malformed ({reason}): copy it again or make it anew")]
    Malformed { path: PathBuf, reason: String },

    #[error("{path} has a verifying key that must not be used: {source}")]
    Key { path: PathBuf, source: SolidityError },

    #[error("{path} belongs to another circuit: it has {actual} {what} where the key has {expected}")]
    Mismatch { path: PathBuf, what: &'static str, expected: u64, actual: u64 },
}

/// An input that no witness can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("the input is no JSON ({reason}): pass what snarkjs takes as input.json")]
    Json { reason: String },

    #[error("the input is no JSON object: pass {{\"signal\": value, …}}")]
    NotAnObject,

    #[error(
        "the value of {signal} is {found}: pass a whole number, or one in quotes (decimal, or hexadecimal after 0x)"
    )]
    Value { signal: String, found: String },

    #[error(
        "the value of {signal} is a number above 2^53, which JSON does not keep exactly: put it in quotes"
    )]
    Inexact { signal: String },

    #[error("the elements of {signal} are objects and numbers at once: pass one kind")]
    Mixed { signal: String },

    #[error(
        "the name {signal} is longer than {most} bytes, and no circuit's input is called so: pass the circuit's own"
    )]
    Name { signal: String, most: usize },

    #[error("the input sets more than {most} signals: pass those that the circuit has, arrays as arrays")]
    Signals { most: usize },
}

/// A witness that was not made.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error(transparent)]
    Input(#[from] InputError),

    #[error("the circuit has no input {signal}: check its spelling against the circuit's `signal input`s")]
    UnknownSignal { signal: String },

    #[error("{signal} got {actual} values and the circuit takes {expected}: pass as many as its array has")]
    ValueCount { signal: String, expected: u64, actual: usize },

    #[error("the input sets {set} of the circuit's {expected} input values{missing}: pass them all", missing = not_set(.missing))]
    Missing { set: u64, expected: u64, missing: Vec<String> },

    #[error("the circuit refuses the input: an assertion failed{at}", at = at(.messages))]
    Assert { messages: Vec<String> },

    #[error("the circuit's program failed with {what}{signal}{at}", signal = while_setting(.signal), at = at(.messages))]
    Circuit { what: String, signal: Option<String>, messages: Vec<String> },

    #[error("the circuit's program trapped ({reason}){signal}: compile it again with circom 2", signal = while_setting(.signal))]
    Trap { reason: String, signal: Option<String> },

    #[error(
        "the circuit's program needed more than {fuel} steps: it may never end; raise the limit if it is a large circuit"
    )]
    Steps { fuel: u64 },

    #[error(
        "the circuit's program ran for more than {limit:?}: it may never end; raise the limit if it is a large circuit"
    )]
    Time { limit: Duration },

    #[error(
        "the circuit's program asked for more than {limit} bytes of memory: raise the limit if it is a large circuit"
    )]
    Memory { limit: usize },

    #[error(
        "the file is no program of a circom 2 circuit ({reason}): pass the .wasm that `circom --wasm` wrote"
    )]
    NotCircom { reason: String },

    #[error(
        "the file is no graph of circom-witnesscalc ({reason}): make it anew from the circuit, or pass the .wasm that circom wrote"
    )]
    NotGraph { reason: String },

    #[error(
        "the circuit's program is for {found}, and Provery proves on bn254: compile the circuit for bn254 (circom calls it bn128)"
    )]
    Curve { found: String },

    #[error("the circuit's program was cancelled")]
    Cancelled,
}

/// A stranger's text in a sentence, no longer than it takes to know it again.
pub(crate) fn cut(text: &str) -> String {
    const SHOWN: usize = 64;
    if text.chars().nth(SHOWN).is_none() {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(SHOWN).collect::<String>())
}

pub(crate) fn graph_malformed(reason: &str) -> WitnessError {
    WitnessError::NotGraph { reason: reason.to_owned() }
}

fn at(messages: &[String]) -> String {
    if messages.is_empty() { String::new() } else { format!(" ({})", messages.join("; ")) }
}

fn while_setting(signal: &Option<String>) -> String {
    signal.as_ref().map_or_else(String::new, |signal| format!(" while {signal} was set"))
}

fn not_set(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", not {}", names.join(", ")) }
}

/// Names of the signals that a sentence is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let shown = self.0.len().min(MOST_NAMED);
        write!(f, ", of signals {}", self.0[..shown].join(", "))?;
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A proof of a circom circuit that was not made.
#[derive(Debug, thiserror::Error)]
pub enum CircomError {
    #[error(transparent)]
    File(#[from] FileError),

    #[error(transparent)]
    Witness(#[from] WitnessError),

    #[error(
        "the witness does not satisfy constraint {constraint}{names}: the statement is false, or the witness is for another version of the circuit"
    )]
    Unsatisfied { constraint: u64, names: Names },

    #[error(
        "the witness has {actual} values and the key has {expected}: it is for another circuit, or another version of it"
    )]
    WitnessLength { expected: u64, actual: u64 },

    #[error(
        "the job is an input and there is no program to make a witness of it: give the circuit's .wasm, or a .wtns as the job"
    )]
    NoCalculator,

    #[error(
        "the finished proof does not verify, though its witness satisfies the circuit: the proving key is damaged, or another circuit's; get it again"
    )]
    Invalid,

    #[error(
        "the finished proof does not verify, and without the circuit's .r1cs it does not show why: the witness satisfies other \
         constraints"
    )]
    Unchecked,

    #[error("the witness that was handed in cannot be read: {0}")]
    Given(#[source] FileError),

    #[error(transparent)]
    Json(#[from] JsonError),

    #[error(transparent)]
    Prove(#[from] ProveError),
}

impl CircomError {
    /// Whether input or circuit are at fault, so that no machine makes a proof of it.
    pub fn is_of_job(&self) -> bool {
        match self {
            Self::Witness(error) => !matches!(
                error,
                WitnessError::NotCircom { .. }
                    | WitnessError::NotGraph { .. }
                    | WitnessError::Curve { .. }
                    | WitnessError::Cancelled
                    // What a program takes is the circuit's, whatever the input; that it was not to be had is this machine's.
                    | WitnessError::Time { .. }
                    | WitnessError::Memory { .. }
            ),
            Self::Unsatisfied { .. }
            // A circuit that names no program takes witnesses alone; one that is named has to be there.
            | Self::NoCalculator | Self::WitnessLength { .. } | Self::Unchecked | Self::Given(_) => true,
            Self::Prove(error) => error.is_of_job(),
            Self::File(_) | Self::Invalid | Self::Json(_) => false,
        }
    }
}

impl From<CircomError> for ProveError {
    fn from(error: CircomError) -> Self {
        match error {
            CircomError::Prove(error) => error,
            CircomError::Witness(WitnessError::Cancelled) => Self::Cancelled,
            other if other.is_of_job() => Self::Unprovable { reason: other.to_string() },
            other => Self::Refused { reason: other.to_string() },
        }
    }
}

/// JSON of snarkjs that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    #[error("the {what} is not JSON as snarkjs writes it ({reason}): pass the file as snarkjs wrote it")]
    Json { what: &'static str, reason: String },

    #[error("the {what} is for {found}, and Provery proves with groth16 on bn254 (snarkjs calls it bn128)")]
    System { what: &'static str, found: String },

    #[error(
        "{field} of the {what} is no number below the field's modulus: pass the file as snarkjs wrote it"
    )]
    Number { what: &'static str, field: String },

    #[error("{field} of the {what} is not in affine form: its last coordinate must be 1")]
    Projective { what: &'static str, field: String },

    #[error(transparent)]
    Key(#[from] ImportError),

    #[error(transparent)]
    Proof(#[from] ProofFormatError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_lacks_is_no_fault_of_the_slot() {
        let limit = Duration::from_secs(1);
        for error in [WitnessError::Time { limit }, WitnessError::Memory { limit: 1 }] {
            assert!(!CircomError::Witness(error).is_of_job());
        }
        assert!(CircomError::Witness(WitnessError::Steps { fuel: 1 }).is_of_job());
        assert!(CircomError::Witness(WitnessError::Assert { messages: Vec::new() }).is_of_job());
    }

    #[test]
    fn a_strangers_text_is_cut() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(1_000)).chars().count(), 65);
    }
}
