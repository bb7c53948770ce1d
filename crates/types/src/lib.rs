//! Domain values that every other crate speaks in. No I/O.

pub mod amount;
mod circuit_terms;
mod decode;
mod deployment;
mod event;
mod hash;
mod slot;
pub mod text;
mod typed_data;

pub use alloy::primitives::{Address, B256, U256};
pub use amount::{AssetUnit, Currency};
pub use circuit_terms::{CircuitTerms, circuit_id, proof_commitment};
pub use decode::{DecodeError, Source};
pub use deployment::{
    CIRCUIT_REGISTRY, ContractRecord, DELEGATION_POOL, DELEGATION_POOL_POLICIES, DELEGATION_POOLS,
    Deployment, DeploymentError, EPOCH_SEEDS, PROOF_MARKET, PROOF_MARKET_EXT, PROVER_REGISTRY,
    PUZZLE_VERIFIER, REQUIRED_CONTRACTS, RollupRecord, SLOT_TRANSFERS, TERMS_RULES, is_development_chain,
};
pub use event::{BlockRef, Event, LoggedEvent};
pub use hash::{slot_hash, statement_hash, terms_hash};
pub use provery_bindings::{Slot, Terms};
pub use slot::{SlotExt, SlotKey, SlotState, TermsExt};
pub use typed_data::TypedData;
