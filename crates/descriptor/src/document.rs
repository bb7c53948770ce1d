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
    pub proof_system: ProofSystem,
    pub curve: Curve,
    /// Rows of the constraint system; left out where the proof system has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<u64>,
    /// In the verifier's order.
    pub public_inputs: Vec<PublicInput>,
    /// Whether the artifacts show that the payee takes part in the constraints. Without it, proofs are committed to before they are
    /// shown.
    pub payee_bound: bool,
    pub verifier: VerifierInterface,
    /// Files by what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<Role, Artifact>,
    pub setup: Setup,
    pub witness: Witness,
    pub input: SlotInput,
    /// What proofs were measured to cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<CostPoint>,
    /// What the circuit's authors add, in their own words. No program acts on it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub notes: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProofSystem {
    Groth16,
    Plonk,
    Fflonk,
    Halo2,
    Sp1,
    Risc0,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    Bn254,
}

/// A public input, in the verifier's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicInput {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: InputType,
    pub role: PublicRole,
    /// Its place among the circuit's own public signals, from 0, where that is another: circom has outputs first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u32>,
    /// What it stands for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub meaning: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Any element of the scalar field.
    Field,
    Address,
    Bool,
    Uint32,
    Uint64,
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
    Workload { name: String },
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
    pub constraints: u64,
    /// Of the whole proof, witness included; the median.
    pub milliseconds: u64,
    /// The process's peak.
    pub mebibytes: u64,
    /// Whoever measured, if it signed: an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Why a document is no descriptor.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    #[error("the descriptor has {0} bytes, more than {MAX_BYTES}; shorten its notes")]
    TooLong(usize),
    #[error("the descriptor is not valid: {0}; write it with `provery circuit describe`")]
    Syntax(#[from] serde_json::Error),
    #[error("the descriptor is not in RFC 8785's canonical form, so its hash is not the registered one; write it with `provery circuit describe`")]
    NotCanonical,
    #[error("the descriptor is of version {0} and this program reads {VERSION}; get a program that knows it")]
    Version(u32),
    #[error("the descriptor contradicts itself: {0}; write it with `provery circuit describe`")]
    Contradiction(String),
    #[error("the descriptor hashes to {actual} and {expected} is registered; fetch it again")]
    Digest { expected: Digest, actual: Digest },
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

    /// Whether the document agrees with itself.
    pub fn validate(&self) -> Result<(), DescriptorError> {
        let contradiction = |what: String| Err(DescriptorError::Contradiction(what));
        if self.name.is_empty() || self.name.len() > 64 || !is_plain(&self.name) {
            return contradiction(format!(
                "`{}` is no name: 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with a dot",
                self.name.escape_default()
            ));
        }
        if self.public_inputs.len() > MAX_PUBLIC_INPUTS {
            return contradiction(format!("{} public inputs are more than {MAX_PUBLIC_INPUTS}", self.public_inputs.len()));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.public_inputs.iter().find(|input| !names.insert(&input.name)) {
            return contradiction(format!("two public inputs are named {}", twice.name.escape_default()));
        }
        if !self.public_inputs.is_sorted_by_key(|input| input.role) {
            return contradiction("the statement's public inputs come first, then the outputs, then the payee".to_owned());
        }
        match (self.inputs_of(PublicRole::Payee).count(), self.payee_bound) {
            (0, false) | (1, _) => {}
            (0, true) => return contradiction("it says that the payee is bound, and no public input is the payee".to_owned()),
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

/// Safe as a name of a file or directory.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_word(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests;
