//! A circuit's descriptor: made from the files of circom and snarkjs, and checked against them.

mod check;
mod derive;
mod sample;
mod schema;

use std::{collections::BTreeMap, path::PathBuf};

use provery_descriptor::{DescriptorError, InputSource, InputType, Role};
use serde_json::Value;

use crate::{
    backend::Artifacts,
    error::{FileError, JsonError, WitnessError},
};

pub use check::{Finding, check, verifying_key};
pub use derive::{Given, Payee, derive};
pub use sample::{Sample, sample};

/// Files of a circuit by what they are for.
pub type Files = BTreeMap<Role, PathBuf>;

/// What a backend needs of a circuit's files; nothing without a key to prove with.
pub fn artifacts(files: &Files) -> Option<Artifacts> {
    let file = |role| files.get(&role).cloned();
    Some(Artifacts {
        zkey: file(Role::ProvingKey)?,
        wasm: file(Role::WitnessWasm),
        graph: file(Role::WitnessGraph),
        r1cs: file(Role::Constraints),
        sym: file(Role::Symbols),
    })
}

/// Why there is no descriptor of a circuit.
// Of each variant its message says what it is, with all of its fields.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    #[error("the descriptor of a circuit needs its {0}: give the file that circom or snarkjs wrote")]
    Missing(Role),

    #[error(
        "{path} has no name for public signal {signal}: give the .sym that circom wrote beside the .r1cs"
    )]
    Unnamed { path: PathBuf, signal: usize },

    #[error("the circuit has no public signal {name}: it has {known}")]
    NoSignal { name: String, known: String },

    #[error(
        "the circuit has no public signal named payee: say which one is with `--payee`, or with `--no-payee` that none is"
    )]
    NoPayee,

    #[error(
        "no constraint of the circuit depends on {name}, so a proof could be paid to anybody: every constraint of the .r1cs was \
         looked at as a polynomial with like terms added up, those that snarkjs adds for public inputs are not counted, and {name} \
         drops out of all of them; constrain it (`signal square; square <== {name} * {name};`), or leave it out with `--no-payee`"
    )]
    Unbound { name: String },

    #[error(
        "{name} is an output of the circuit, and a payee is an input: whoever proves would compute who is paid; declare it as a public \
         input, or say with `--no-payee` that none is paid"
    )]
    OutputPayee { name: String },

    #[error(
        "{path} is another key than the one in the .zkey: export it again with `snarkjs zkey export verificationkey`"
    )]
    OtherKey { path: PathBuf },

    #[error(
        "the key is a development key, made from a seed that its maker knows: leave out the ceremony's transcript, or take the \
         key that the ceremony ended with"
    )]
    NotOfCeremony,

    #[error("{url} is no address of a folder ({reason}): give one such as https://example.org/circuits/")]
    UrlBase { url: String, reason: String },

    #[error(transparent)]
    File(#[from] FileError),

    #[error(transparent)]
    Key(#[from] JsonError),

    #[error(transparent)]
    Program(#[from] WitnessError),

    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
}

/// Why a sample proof is none of a circuit.
// Of each variant its message says what it is, with all of its fields.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error(
        "the sample has {actual} public signals and the descriptor has {expected}: it is of another circuit"
    )]
    Count { expected: usize, actual: usize },

    #[error(
        "the key has {actual} public signals and the descriptor has {expected}: it is of another circuit"
    )]
    Key { expected: usize, actual: usize },

    #[error(
        "the sample's {name} is {value}, which is no {kind:?}: make the sample anew, or describe the signal by another type"
    )]
    Kind { name: String, value: String, kind: InputType },

    #[error(
        "the sample proof does not verify with the circuit's key: make it anew with `snarkjs groth16 prove`"
    )]
    Invalid,

    #[error(transparent)]
    Json(#[from] JsonError),
}

/// How a descriptor says where inputs come from and what they look like, if its maker says so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputGiven {
    /// Where a slot's input comes from; posted bytes, if nothing is said.
    pub sources: Vec<InputSource>,
    /// The input's JSON Schema; made from the .sym, if nothing is said.
    pub schema: Option<Value>,
}
