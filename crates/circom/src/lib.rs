//! Circuits written in circom, from the files that circom and snarkjs write: `.r1cs`, `.zkey`, `.wtns`, `.sym`, `.wasm`, and
//! snarkjs' JSON. Proves with the engine that proves our own circuits.
//!
//! Every file is untrusted: what is wrong with one is an error that says so, and no length in it is believed before that many bytes
//! were seen. Files are mapped, so they must be replaced by renaming, never be written to in place.
//!
//! Witness programs come as WebAssembly, which circom writes, or as graphs of circom-witnesscalc, whose format is read here: its crate
//! brings arkworks of another version beside ours, a protobuf compiler, and bindgen, which needs libclang where it is built.

mod backend;
mod calculator;
mod container;
mod describe;
pub mod descriptor;
mod error;
mod field;
mod graph;
mod input;
mod json;
mod prove;
mod r1cs;
mod setup;
mod sym;
mod wtns;
mod zkey;

pub use backend::{Artifacts, CircomBackend, JobInput, Prepared, WitnessBackend};
pub use calculator::{Limits, OpenError, WitnessCalculator};
pub use describe::{Artifact, Description, PublicInput, describe};
pub use descriptor::{DeriveError, SampleError};
pub use error::{CircomError, FileError, InputError, JsonError, Names, WitnessError};
pub use graph::WitnessGraph;
pub use input::Input;
pub use json::{ProofJson, VerifyingKeyJson, public_from_json, public_to_json};
pub use prove::Proven;
pub use r1cs::{R1cs, Shape};
pub use setup::write_development_key;
pub use sym::{Signal, Sym};
pub use wtns::Wtns;
pub use zkey::Zkey;
