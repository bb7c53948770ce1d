//! What end-to-end tests share: a real anvil, a way to break the wire to it, and a deployment on it.

mod anvil;
pub mod chaos;
mod deploy;
mod program;
mod wire;

pub use anvil::{Anvil, key, program as anvil_program};
pub use deploy::{EPOCH_LENGTH, STAKE_UNIT, deploy_core, terms};
pub use program::{Provery, Said, Town, program};
pub use wire::Wire;
