//! What end-to-end tests share: a real anvil, a way to break the wire to it, and a deployment on it.
// What only the tests beside it read.
#![allow(missing_docs)]

mod anvil;
pub mod chaos;
mod circom;
mod deploy;
mod dialect;
mod files;
mod foreign;
mod history;
mod jobs;
mod nats;
mod program;
mod relay;
mod wire;

pub use anvil::{Anvil, key, program as anvil_program};
pub use circom::Circom;
pub use deploy::{EPOCH_LENGTH, STAKE_UNIT, deploy_core, deploy_core_for, strict_token, terms};
pub use dialect::{Dialect, Stack};
pub use files::serve;
pub use foreign::Hardhat;
pub use history::History;
pub use jobs::{CIRCUIT, alive, children, job, keys_dir, kill, until, verifier, wrapper};
pub use nats::{Nats, Worker};
pub use program::{Provery, Said, Town, compiled, compiled_adapter, program};
pub use relay::{Faults, Relay};
pub use wire::Wire;
