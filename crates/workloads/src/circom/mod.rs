//! Circuits written in circom: any circuit, by its descriptor and the files that this names. A market's requester says what each
//! slot is proven from by the events of `ISlotInputsEvents`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tracker`] | the inputs that were posted, by the statements they are for |
//! | [`job`] | what proves a slot, as bytes |
//! | [`layout`] | the market's order of public inputs, and the circuit's |
//! | [`files`] | a circuit's descriptor and artifacts on disk |
//! | [`backend`] | proofs of jobs, with public inputs in the market's order |

pub mod backend;
pub mod files;
pub mod job;
pub mod layout;
pub mod tracker;

use std::{path::Path, sync::Arc};

use alloy::primitives::{B256, U256};
use provery_descriptor::Digest;
use provery_proving::{KeyError, ProofBackend, ProofVerifier, keys::Manifest};
use provery_types::{RollupRecord, text::plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Circuit, Groth16Proof, Refusal, Shape, Tracker, Why, Witnesses, Workload};
use backend::{CircuitBackend, CircuitVerifier};
use tracker::Inputs;

/// Its word in deployment files.
pub const NAME: &str = "circom";

/// What the names of its circuits begin with, before the descriptor's sha256 in hexadecimal digits.
const PREFIX: &str = "circom-";

/// See the module.
pub static WORKLOAD: Circom = Circom;

/// The workload.
#[derive(Clone, Copy, Debug)]
pub struct Circom;

impl Workload for Circom {
    fn name(&self) -> &'static str {
        NAME
    }

    fn circuit(&self, name: &str) -> Option<Arc<dyn Circuit>> {
        Some(Arc::new(Described { descriptor: descriptor_of(name)? }))
    }

    fn described(&self, descriptor: B256) -> Option<Arc<dyn Circuit>> {
        Some(Arc::new(Described { descriptor: Digest(descriptor.0) }))
    }

    fn default_parameters(&self) -> Value {
        serde_json::json!(Parameters { input: Input::Posted })
    }

    fn example(&self) -> String {
        circuit_name(&Digest::of(b""))
    }

    fn track(&self, _: u64, record: &RollupRecord) -> Result<Box<dyn Tracker>, Refusal> {
        let Parameters { input } = Parameters::of(record)?;
        Ok(Box::new(Inputs::new(record, input)))
    }
}

/// What the deployment file says of a market in this workload's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// What slots are proven from.
    pub input: Input,
}

/// What slots are proven from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// What the requester posts or links for each statement.
    Posted,
    /// The statement says everything.
    Statement,
}

impl Parameters {
    /// Of a market of the deployment file.
    pub fn of(record: &RollupRecord) -> Result<Self, Refusal> {
        serde_json::from_value(record.parameters.clone()).map_err(|error| {
            let message = format!(
                "the deployment file's parameters of {} cannot be read ({error}); they are {{\"input\": \"posted\"}}, or \
                 \"statement\" if slots need no input besides what they state",
                plain(&record.name)
            );
            Refusal::new(Why::Parameters, message)
        })
    }
}

/// How deployment files, jobs and directories of keys name the circuit of a descriptor.
pub fn circuit_name(descriptor: &Digest) -> String {
    format!("{PREFIX}{}", descriptor.to_hex())
}

/// The descriptor's digest in a circuit's name.
pub fn descriptor_of(name: &str) -> Option<Digest> {
    let digits = name.strip_prefix(PREFIX)?;
    format!("sha256:{digits}").parse().ok()
}

/// The circuit that a descriptor describes.
#[derive(Clone, Copy, Debug)]
struct Described {
    descriptor: Digest,
}

impl Circuit for Described {
    fn name(&self) -> String {
        circuit_name(&self.descriptor)
    }

    fn descriptor_hash(&self) -> B256 {
        B256::from(self.descriptor.0)
    }

    /// Every job is of full size.
    fn size(&self) -> u64 {
        1
    }

    fn setup(&self, _: &[u8], _: &Path) -> Result<Manifest, KeyError> {
        Err(KeyError::Foreign { circuit: self.name() })
    }

    fn prover(&self, keys: &Path, hash: Option<&[u8; 32]>) -> Result<Arc<dyn ProofBackend>, KeyError> {
        Ok(Arc::new(CircuitBackend::open(&files::Files::open(keys, &self.descriptor)?, hash)?))
    }

    fn witness(&self, keys: &Path, hash: Option<&[u8; 32]>) -> Result<Option<Witnesses>, KeyError> {
        let files = files::Files::open(keys, &self.descriptor)?;
        let backend = Box::new(CircuitBackend::open(&files, hash)?);
        Ok(Some(Witnesses { backend, zkey: files.artifacts.zkey }))
    }

    fn verifier(&self, keys: &Path, hash: Option<&[u8; 32]>) -> Result<Arc<dyn ProofVerifier>, KeyError> {
        Ok(Arc::new(CircuitVerifier::open(&files::Files::open(keys, &self.descriptor)?, hash)?))
    }

    fn shape(&self, keys: Option<&Path>) -> Result<Option<Shape>, KeyError> {
        let Some(keys) = keys else { return Ok(None) };
        let wrong = |reason: String| KeyError::Described { circuit: self.name(), reason };
        let layout = layout::Layout::of(&files::descriptor(keys, &self.descriptor)?).map_err(wrong)?;
        Ok(Some(Shape { outputs: layout.outputs(), payee_bound: layout.payee_bound() }))
    }

    fn in_market_order(&self, keys: &Path, signals: Vec<U256>) -> Result<Vec<U256>, KeyError> {
        let wrong = |reason: String| KeyError::Described { circuit: self.name(), reason };
        let descriptor = files::descriptor(keys, &self.descriptor)?;
        let layout = layout::Layout::of(&descriptor).map_err(wrong)?;
        layout.in_market_order(&signals).ok_or_else(|| {
            wrong(format!("the proof has {} public signals and the circuit {}", signals.len(), layout.len()))
        })
    }

    fn groth16(
        &self,
        keys: &Path,
        public_inputs: &[U256],
        proof: &[u8],
    ) -> Result<Option<Groth16Proof>, KeyError> {
        let wrong = |reason: String| KeyError::Described { circuit: self.name(), reason };
        let layout = layout::Layout::of(&files::descriptor(keys, &self.descriptor)?).map_err(wrong)?;
        let salt = if layout.payee_bound() { 0 } else { backend::SALT_BYTES };
        Ok(layout
            .in_circuit_order(public_inputs)
            .zip(proof.get(salt..))
            .map(|(signals, points)| Groth16Proof { points: points.to_vec(), signals }))
    }

    fn sample(&self) -> Result<Vec<u8>, Refusal> {
        let message =
            "a circuit from elsewhere has no sample of its own: measure it with `provery circuit bench`";
        Err(Refusal::new(Why::Unusable, message))
    }

    /// With an input of whoever measures: what slots bring is the requester's.
    fn how_to_measure(&self) -> String {
        format!("provery circuit bench {} --input INPUT.json", self.name())
    }

    fn how_to_get(&self, id: B256, _: bool) -> String {
        format!("provery circuit fetch {id}")
    }
}

#[cfg(test)]
mod tests;
