//! A file by its digest: an OCI content descriptor, so that any registry or web server can serve it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::Digest;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// What proofs are made with: a .zkey, or this program's own format.
    ProvingKey,
    /// What proofs are checked with, as JSON or in this program's own format.
    VerifyingKey,
    /// The program that computes a witness: WebAssembly.
    WitnessWasm,
    /// The witness as a graph of operations.
    WitnessGraph,
    /// The circuit's constraints: .r1cs.
    Constraints,
    /// Names of the circuit's signals: .sym.
    Symbols,
    /// What the setup's participants contributed.
    Transcript,
}

impl Role {
    /// As descriptors and messages name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProvingKey => "provingKey",
            Self::VerifyingKey => "verifyingKey",
            Self::WitnessWasm => "witnessWasm",
            Self::WitnessGraph => "witnessGraph",
            Self::Constraints => "constraints",
            Self::Symbols => "symbols",
            Self::Transcript => "transcript",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file that a circuit needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifact {
    /// What the bytes are, for instance `application/vnd.provery.zkey`.
    pub media_type: String,
    /// Of all its bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Where it can be had; each is tried in turn. Nobody has to trust the servers: bytes whose digest differs are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<Url>,
}
