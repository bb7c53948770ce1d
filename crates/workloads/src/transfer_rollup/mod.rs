//! The reference rollup: transfers between accounts, posted as bytes, each block a slot.
//!
//! | module | what it holds |
//! |---|---|
//! | [`contract`] | what its operator sends to its contract, and asks it |
//! | [`events`] | what its contract says, decoded |
//! | [`tracker`] | its states, and the jobs that prove its blocks |
//! | [`backend`] | the keys of its circuit, and what turns jobs into proofs for the market |

pub mod backend;
pub mod contract;
pub mod events;
pub mod tracker;

use std::{path::Path, sync::Arc};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue as _,
};
use provery_circuits::{BlockContext, BlockJob, Params, State, Traffic, payload::JobTerms, word};
use provery_proving::{
    KeyError, ProofBackend, ProofVerifier,
    keys::{self, Manifest},
};
use provery_types::{RollupRecord, text::plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Circuit, Groth16Proof, Refusal, Shape, Tracker, Why, Workload, descriptor_hash};
use backend::{BlockBackend, BlockVerifier};
use tracker::Rollup;

/// Its word in deployment files.
pub const NAME: &str = "transfer_rollup";

/// See the module.
pub static WORKLOAD: TransferRollup = TransferRollup;

/// The workload.
#[derive(Clone, Copy, Debug)]
pub struct TransferRollup;

impl Workload for TransferRollup {
    fn name(&self) -> &'static str {
        NAME
    }

    fn circuit(&self, name: &str) -> Option<Arc<dyn Circuit>> {
        Some(Arc::new(BlockSize(params(name)?)))
    }

    fn example(&self) -> String {
        "transfer-block-d16-n8".to_owned()
    }

    fn track(&self, chain_id: u64, record: &RollupRecord) -> Result<Box<dyn Tracker>, Refusal> {
        Ok(Box::new(Rollup::new(record, params_of(record)?, chain_id)))
    }
}

/// What the deployment file says of a rollup in this workload's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Who posts its blocks.
    pub sequencer: Address,
}

impl Parameters {
    /// Of a rollup of the deployment file.
    pub fn of(record: &RollupRecord) -> Result<Self, Refusal> {
        let name = plain(&record.name);
        if record.workload != NAME {
            let message = format!("rollup {name} has workload {}, not {NAME}", plain(&record.workload));
            return Err(Refusal::new(Why::UnknownWorkload, message));
        }
        serde_json::from_value(record.parameters.clone()).map_err(|error| {
            let message = format!(
                "the deployment file's parameters of rollup {name} cannot be read ({error}); write the file anew with \
                 `provery deploy`"
            );
            Refusal::new(Why::Parameters, message)
        })
    }

    /// As the deployment file has them.
    pub fn to_value(&self) -> Value {
        serde_json::json!(self)
    }
}

/// What a rollup's signatures and proofs are bound to.
pub fn domain(chain_id: u64, rollup: Address) -> U256 {
    U256::from_be_bytes(keccak256((U256::from(chain_id), rollup).abi_encode()).0) >> 8
}

/// The block size that a circuit of this name is made for.
pub fn params(circuit: &str) -> Option<Params> {
    let (_, transfers) = circuit.rsplit_once("-n")?;
    let params = Params::new(transfers.parse().ok()?).ok()?;
    (params.circuit_name() == circuit).then_some(params)
}

/// The block size of a rollup of the deployment file.
pub fn params_of(record: &RollupRecord) -> Result<Params, Refusal> {
    params(&record.circuit).ok_or_else(|| {
        let (name, circuit) = (plain(&record.name), plain(&record.circuit));
        let message = format!(
            "the deployment gives rollup {name} circuit {circuit}, which is of no possible block size; write it anew with \
             `provery deploy`"
        );
        Refusal::new(Why::Circuit, message)
    })
}

/// The block circuit of one size.
#[derive(Clone, Copy, Debug)]
struct BlockSize(Params);

/// Accounts in the state that a sample block is applied to.
const SAMPLE_ACCOUNTS: usize = 64;

impl Circuit for BlockSize {
    fn name(&self) -> String {
        self.0.circuit_name()
    }

    fn descriptor_hash(&self) -> B256 {
        descriptor_hash(&self.0.descriptor())
    }

    fn shape(&self, _: Option<&Path>) -> Result<Option<Shape>, KeyError> {
        Ok(Some(Shape { outputs: 1, payee_bound: true }))
    }

    /// Transfers.
    fn size(&self) -> u64 {
        self.0.block_txs() as u64
    }

    fn setup(&self, seed: &[u8], directory: &Path) -> Result<Manifest, KeyError> {
        backend::generate_keys(&self.0, seed, directory)
    }

    fn prover(&self, directory: &Path, hash: Option<&[u8; 32]>) -> Result<Arc<dyn ProofBackend>, KeyError> {
        Ok(Arc::new(BlockBackend::new(backend::load_keys(&self.0, directory, hash)?)))
    }

    fn verifier(
        &self,
        directory: &Path,
        hash: Option<&[u8; 32]>,
    ) -> Result<Arc<dyn ProofVerifier>, KeyError> {
        Ok(Arc::new(BlockVerifier::new(&keys::load_verifying(directory, &self.name(), hash)?)))
    }

    fn groth16(
        &self,
        _: &Path,
        public_inputs: &[U256],
        proof: &[u8],
    ) -> Result<Option<Groth16Proof>, KeyError> {
        Ok(backend::groth16(&self.0, public_inputs, proof))
    }

    /// A full block.
    fn sample(&self) -> Result<Vec<u8>, Refusal> {
        let wrong = |error: &dyn std::fmt::Display| Refusal::new(Why::Unusable, error.to_string());
        let mut traffic = Traffic::new(7, SAMPLE_ACCOUNTS);
        let state = State::from_genesis(&traffic.genesis_bytes()).map_err(|error| wrong(&error))?;
        let domain = word::from_field(&word::reduce(b"calibrate"));
        let data = traffic.next_block(&state, self.0.block_txs(), &domain).map_err(|error| wrong(&error))?;
        let context = BlockContext { params: self.0, domain: word::reduce(&domain) };
        let applied = state.clone().apply_block(&data, &context).map_err(|error| wrong(&error))?;
        let claimed_root = word::from_field(&applied.new_root);
        let terms = JobTerms { params: self.0, payee: [0x11; 20], domain, claimed_root };
        Ok(BlockJob::from_state(&state, &data, &terms).map_err(|error| wrong(&error))?.to_bytes())
    }
}

#[cfg(test)]
mod backend_tests;
