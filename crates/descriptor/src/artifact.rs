//! A file by its digest: an OCI content descriptor, so that any registry or web server can serve it.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
};

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

impl Role {
    /// What such a file is, as OCI writes it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::ProvingKey => "application/vnd.provery.zkey",
            Self::VerifyingKey => "application/json",
            Self::WitnessWasm => "application/wasm",
            Self::WitnessGraph => "application/vnd.provery.witness-graph",
            Self::Constraints => "application/vnd.provery.r1cs",
            Self::Symbols => "text/csv",
            Self::Transcript => "application/octet-stream",
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

/// Why a file is not the artifact that is described.
// Of each variant its message says what it is, with all of its fields.
#[allow(missing_docs)]
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("{path}, the artifact {role}, cannot be read: {source}; check its path and permissions")]
    Io { role: Role, path: PathBuf, source: io::Error },
    #[error("{path} has {actual} bytes and the artifact {role} has {expected}; get the right file")]
    Size { role: Role, path: PathBuf, expected: u64, actual: u64 },
    #[error("{path} has the digest {actual} and the artifact {role} has {expected}; get the right file")]
    Digest { role: Role, path: PathBuf, expected: Digest, actual: Digest },
}

impl Artifact {
    /// Whether a file is this artifact, to the last byte.
    pub fn verify(&self, role: Role, path: &Path) -> Result<(), ArtifactError> {
        let io = |source| ArtifactError::Io { role, path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let (actual, expected) = (file.metadata().map_err(io)?.len(), self.size);
        if actual != expected {
            return Err(ArtifactError::Size { role, path: path.to_owned(), expected, actual });
        }
        let (actual, _) = Digest::of_reader(file).map_err(io)?;
        let expected = self.digest;
        if actual != expected {
            return Err(ArtifactError::Digest { role, path: path.to_owned(), expected, actual });
        }
        Ok(())
    }
}
