//! The document and its parts. Numbers are integers, so that every program writes them alike.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    artifact::{Artifact, Role},
    digest::Digest,
};

/// The version that this program reads and writes.
pub const VERSION: u32 = 1;
/// A longer document is refused, bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// More public inputs are refused.
pub const MAX_PUBLIC_INPUTS: usize = 1_024;
/// More URLs of an artifact than this are refused: each may cost whoever fetches a minute.
pub const MAX_URLS: usize = 8;
/// Every number is a whole one up to this, which all readers of JSON agree on.
const MOST_EXACT: u64 = (1 << 53) - 1;

/// Everything a prover has to know of a circuit before it serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// Of this format: 1.
    pub version: u32,
    /// How deployment files, jobs and directories of keys name the circuit: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it proves, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// By what it is proven.
    pub proof_system: ProofSystem,
    /// Over what.
    pub curve: Curve,
    /// Rows of the constraint system; left out where the proof system has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<u64>,
    /// In the verifier's order.
    pub public_inputs: Vec<PublicInput>,
    /// Whether the artifacts show that the payee takes part in the constraints. Without it, proofs are committed to before they are
    /// shown.
    pub payee_bound: bool,
    /// The contract that checks proofs.
    pub verifier: VerifierInterface,
    /// Files by what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<Role, Artifact>,
    /// Where the keys come from.
    pub setup: Setup,
    /// What computes the witness.
    pub witness: Witness,
    /// What the witness is computed from.
    pub input: SlotInput,
    /// What proofs were measured to cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<CostPoint>,
    /// What the circuit's authors add, in their own words. No program acts on it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub notes: Value,
}

/// By what proofs are made and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProofSystem {
    /// Groth16.
    Groth16,
    /// PLONK as snarkjs has it.
    Plonk,
    /// FFLONK as snarkjs has it.
    Fflonk,
    /// halo2 with KZG.
    Halo2,
    /// SP1, wrapped for the EVM.
    Sp1,
    /// RISC Zero, wrapped for the EVM.
    Risc0,
}

/// The curve that proofs are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// The one that the EVM's precompiles compute on; circom calls it bn128.
    Bn254,
}

/// A public input, in the verifier's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicInput {
    /// As the circuit calls it.
    pub name: String,
    /// Which values it takes.
    #[serde(rename = "type")]
    pub kind: InputType,
    /// Who fixes it.
    pub role: PublicRole,
    /// Its place among the circuit's own public signals, from 0, where that is another: circom has outputs first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u32>,
    /// What it stands for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub meaning: String,
}

/// Which values a public input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Any element of the scalar field.
    Field,
    /// An account, as a number below 2^160.
    Address,
    /// 0 or 1.
    Bool,
    /// Below 2^32.
    Uint32,
    /// Below 2^64.
    Uint64,
    /// Below 2^128.
    Uint128,
}

/// Who fixes a public input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PublicRole {
    /// The slot's statement.
    Statement,
    /// The prover: what the circuit computes.
    Output,
    /// The prover: who is paid.
    Payee,
}

/// The contract that checks proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifierInterface {
    /// What the contract looks like from outside: `IVerifier`, or what an adapter stands before (`snarkjs-groth16`, `snarkjs-plonk`,
    /// `snarkjs-fflonk`, `halo2`, `sp1`, `risc0`).
    pub interface: String,
    /// As the verifier contract reports it (`keyHash()`), if it does: 32 bytes of lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
}

/// Where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Setup {
    /// Somebody knows the secrets: worthless outside of a development chain.
    Development,
    /// Several people contributed, of whom one honest one is enough.
    Ceremony {
        /// Of what they contributed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transcript: Option<Digest>,
    },
    /// The proof system needs none, or one that every circuit shares.
    Universal,
}

/// What computes the witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Witness {
    /// circom's WebAssembly: the artifact `witnessWasm`.
    CircomWasm,
    /// circom's graph: the artifact `witnessGraph`.
    CircomGraph,
    /// A workload of this program.
    Workload {
        /// As deployment files call it.
        name: String,
    },
    /// A program that the prover's operator configures.
    External,
}

/// The input of a slot: what the witness is computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlotInput {
    /// Of the input without the payee, which the prover adds; a JSON Schema.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub schema: Value,
    /// Where it comes from.
    pub sources: BTreeSet<InputSource>,
}

/// Where a slot's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputSource {
    /// Bytes of the chain's `SlotInputs` contract.
    Posted,
    /// A URL and a hash, of the same contract.
    Url,
    /// An event of the requester.
    Event,
    /// The statement says everything.
    Statement,
}

/// What a proof cost on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostPoint {
    /// Processor, cores and threads.
    pub machine: String,
    /// Of the circuit that was proven.
    pub constraints: u64,
    /// Of the whole proof, witness included; the median.
    pub milliseconds: u64,
    /// The process's peak.
    pub mebibytes: u64,
    /// Whoever measured, if it signed: an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Of [`CostPoint::message`], by the signer, as accounts sign texts (EIP-191): 65 bytes, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl CostPoint {
    /// What whoever measured signs: for which circuit, and every figure. `key_hash` is the verifier's, as the descriptor has it.
    pub fn message(&self, circuit: &str, key_hash: &str) -> String {
        format!(
            "Provery proof cost\ncircuit: {circuit}\nkeyHash: {key_hash}\nmachine: {}\nconstraints: {}\nmilliseconds: {}\nmebibytes: {}",
            self.machine, self.constraints, self.milliseconds, self.mebibytes
        )
    }
}

/// Why a document is no descriptor.
// Of each variant its message says what it is, with all of its fields.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    #[error("the descriptor has {0} bytes, more than {MAX_BYTES}; shorten its notes")]
    TooLong(usize),
    #[error("the descriptor is not valid: {0}; write it with `provery circuit describe`")]
    Syntax(String),
    #[error(
        "the descriptor is not in RFC 8785's canonical form, so its hash is not the registered one; write it with `provery circuit describe`"
    )]
    NotCanonical,
    #[error("the descriptor is of version {0} and this program reads {VERSION}; get a program that knows it")]
    Version(u32),
    #[error("the descriptor contradicts itself: {0}; write it with `provery circuit describe`")]
    Contradiction(String),
    #[error("the descriptor hashes to {actual} and {expected} is registered; fetch it again")]
    Digest { expected: Digest, actual: Digest },
}

/// What a document says goes into an error: not all of it.
impl From<serde_json::Error> for DescriptorError {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax(error.to_string().chars().filter(|c| !c.is_control()).take(300).collect())
    }
}

impl Descriptor {
    /// Read a document whose digest is known.
    pub fn registered(bytes: &[u8], expected: Digest) -> Result<Self, DescriptorError> {
        let actual = Digest::of(bytes);
        if actual != expected {
            return Err(DescriptorError::Digest { expected, actual });
        }
        Self::parse(bytes)
    }

    /// Read a document. Only the canonical form is taken: any other would have another digest.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        if bytes.len() > MAX_BYTES {
            return Err(DescriptorError::TooLong(bytes.len()));
        }
        let descriptor: Self = serde_json::from_slice(bytes)?;
        if descriptor.version != VERSION {
            return Err(DescriptorError::Version(descriptor.version));
        }
        if descriptor.to_bytes()? != bytes {
            return Err(DescriptorError::NotCanonical);
        }
        descriptor.validate()?;
        Ok(descriptor)
    }

    /// The canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DescriptorError> {
        Ok(serde_json_canonicalizer::to_vec(self)?)
    }

    /// What is registered on the chain.
    pub fn digest(&self) -> Result<Digest, DescriptorError> {
        Ok(Digest::of(&self.to_bytes()?))
    }

    /// The public inputs of a role, in order.
    pub fn inputs_of(&self, role: PublicRole) -> impl Iterator<Item = &PublicInput> {
        self.public_inputs.iter().filter(move |input| input.role == role)
    }

    /// For each public input its place among the circuit's own; nothing if these are not each named once.
    pub fn signals(&self) -> Option<Vec<usize>> {
        let place = |(index, input): (usize, &PublicInput)| {
            input.signal.map_or(Some(index), |signal| usize::try_from(signal).ok())
        };
        let places: Vec<usize> = self.public_inputs.iter().enumerate().map(place).collect::<Option<_>>()?;
        let all: BTreeSet<usize> = places.iter().copied().collect();
        all.into_iter().eq(0..places.len()).then_some(places)
    }

    /// Whether the document agrees with itself.
    pub fn validate(&self) -> Result<(), DescriptorError> {
        let contradiction = |what: String| Err(DescriptorError::Contradiction(what));
        if let Some(number) = serde_json::to_value(self).ok().and_then(|document| inexact(&document)) {
            return contradiction(format!("the number {number} is no whole one up to 2^53 - 1"));
        }
        if self.name.is_empty() || self.name.len() > 64 || !is_plain(&self.name) {
            return contradiction(format!(
                "`{}` is no name: 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with a dot",
                self.name.escape_default()
            ));
        }
        if self.public_inputs.len() > MAX_PUBLIC_INPUTS {
            return contradiction(format!(
                "{} public inputs are more than {MAX_PUBLIC_INPUTS}",
                self.public_inputs.len()
            ));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.public_inputs.iter().find(|input| !names.insert(&input.name)) {
            return contradiction(format!("two public inputs are named {}", twice.name.escape_default()));
        }
        if !self.public_inputs.is_sorted_by_key(|input| input.role) {
            return contradiction(
                "the statement's public inputs come first, then the outputs, then the payee".to_owned(),
            );
        }
        if self.signals().is_none() {
            return contradiction(
                "the public inputs' signals do not name each of the circuit's once".to_owned(),
            );
        }
        match (self.inputs_of(PublicRole::Payee).count(), self.payee_bound) {
            (0, false) | (1, _) => {}
            (0, true) => {
                return contradiction(
                    "it says that the payee is bound, and no public input is the payee".to_owned(),
                );
            }
            (more, _) => return contradiction(format!("{more} public inputs are the payee")),
        }
        let needs = match &self.witness {
            Witness::CircomWasm => Some(Role::WitnessWasm),
            Witness::CircomGraph => Some(Role::WitnessGraph),
            Witness::Workload { .. } | Witness::External => None,
        };
        if let Some(role) = needs.filter(|role| !self.artifacts.contains_key(role)) {
            return contradiction(format!("its witness needs the artifact {role}, which it does not name"));
        }
        if let Some((role, artifact)) = self.artifacts.iter().find(|(_, it)| it.urls.len() > MAX_URLS) {
            return contradiction(format!("{role} has {} URLs, more than {MAX_URLS}", artifact.urls.len()));
        }
        if self.input.sources.is_empty() {
            return contradiction("it does not say where a slot's input comes from".to_owned());
        }
        if let Some(hash) = &self.verifier.key_hash
            && !is_word(hash)
        {
            return contradiction(format!("`{}` is no 32-byte key hash", hash.escape_default()));
        }
        Ok(())
    }

    /// The JSON Schema of the format, as the repository publishes it.
    pub fn schema() -> Value {
        let mut schema = schemars::schema_for!(Self).to_value();
        schema["$id"] = "https://provery.example/schemas/circuit-descriptor-1.json".into();
        schema["title"] = "Circuit descriptor".into();
        schema
    }
}

/// A number that other programs might read or write as another one.
fn inexact(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            magnitude.is_none_or(|it| it > MOST_EXACT).then(|| number.to_string().chars().take(40).collect())
        }
        Value::Array(items) => items.iter().find_map(inexact),
        Value::Object(members) => members.values().find_map(inexact),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// Safe as a name of a file or directory.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_word(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests;
