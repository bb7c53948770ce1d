//! Proof backends behind one trait, and the keys they prove with. Knows nothing of chains.

mod backend;
mod engine;
mod error;
mod groth16;
pub mod import;
mod key_file;
pub mod key_import;
pub mod keys;
mod matrix;
pub mod proof;
mod raw;
pub mod solidity;

pub use backend::{Clock, Phase, Progress, ProofBackend, ProofOutput, ProofVerifier, alive};
pub use engine::{Arkworks, Domain, Engine, Halo2curves, fastest};
pub use error::{KeyError, ProofFormatError, ProveError};
pub use groth16::{ArkworksBackend, Groth16Check, PHASES, Proven};
pub use key_file::ProvingKeyFile;
pub use raw::{RawG1, RawG2};

#[cfg(test)]
mod tests;
