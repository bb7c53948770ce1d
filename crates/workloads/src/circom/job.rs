//! What proves a slot, as bytes between the tracker and the circuit's backend.

use alloy::primitives::{Address, Bytes, U256};
use serde::{Deserialize, Serialize};

/// A slot's statement, whom its proof pays, and what the requester says it is proven from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CircuitJob {
    /// The statement inputs, in the market's order.
    pub statement: Vec<U256>,
    /// Who is paid.
    pub payee: Address,
    /// Each snarkjs' input.json, or a witness as circom's programs write it; empty if the statement says everything. The first that
    /// proves the statement is taken.
    pub inputs: Vec<Bytes>,
}

impl CircuitJob {
    /// As a backend is given it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Nothing in it has a form that JSON has not.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The job in the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}
