//! Why a node stops, or a slot could not be proven by hand.

use alloy::primitives::Address;
use provery_proving::ProveError;
use provery_rpc::ChainError;
use provery_txmgr::SendError;
use provery_types::{SlotKey, SlotState};
use provery_workloads::Refusal;

use crate::{monitor::ServeError, store::StoreError, supervisor::SupervisorError};

/// Each says what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error(transparent)]
    Workload(#[from] Refusal),
    #[error(transparent)]
    Task(#[from] SupervisorError),
    #[error("a stored state cannot be read ({0}): remove the data directory to follow the chain anew")]
    Snapshot(String),
    #[error("no keys are loaded for circuit {circuit}: generate or fetch them, see `provery keys`")]
    NoBackend { circuit: String },
    #[error("market {} has no slot {}: see `provery slot list`", .0.market, .0.id)]
    SlotNotFound(SlotKey),
    #[error("slot {key} has already ended ({state}): there is nothing left to prove")]
    SlotEnded { key: SlotKey, state: SlotState },
    #[error("slot {key} has passed its time and can no longer be proven: anyone may expire it now")]
    SlotOver { key: SlotKey },
    #[error(
        "slot {key} is reserved for {holder} until unix second {until}: prove it after that, or as that prover"
    )]
    SlotHeld { key: SlotKey, holder: String, until: u64 },
    #[error(
        "the terms of slot {0} were not found on the chain: the deployment file's first block is too late"
    )]
    TermsNotFound(SlotKey),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(
        "the node stopped, and prover {prover} is still in the draws ({why}): slots that it is given are missed and their bonds lost; \
         run `provery prover pause` with its key, or start the node again"
    )]
    LeftInDraws { prover: Address, why: String },
    #[error("the proof was stopped")]
    Stopped,
}

impl NodeError {
    /// A stable word for reports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Snapshot(_) => "store",
            Self::Chain(_) => "chain",
            Self::Send(_) => "send",
            Self::Prove(_) => "prove",
            Self::Workload(refusal) => refusal.why.code(),
            Self::Task(_) => "task",
            Self::NoBackend { .. } => "no_keys",
            Self::SlotNotFound(_) => "slot_not_found",
            Self::SlotEnded { .. } => "slot_ended",
            Self::SlotOver { .. } => "slot_over",
            Self::SlotHeld { .. } => "slot_held",
            Self::TermsNotFound(_) => "terms_not_found",
            Self::Serve(_) => "http",
            Self::LeftInDraws { .. } => "left_in_draws",
            Self::Stopped => "stopped",
        }
    }
}
