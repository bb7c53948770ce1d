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
    /// The data directory failed, or cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A transaction could not be sent, or failed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A proof could not be made.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// A workload cannot prove a slot, or serve a market.
    #[error(transparent)]
    Workload(#[from] Refusal),
    /// A task failed and took the node down.
    #[error(transparent)]
    Task(#[from] SupervisorError),
    /// A workload cannot read the state that was stored of it: why not.
    #[error("a stored state cannot be read ({0}): remove the data directory to follow the chain anew")]
    Snapshot(String),
    /// Nothing here proves the circuit.
    #[error("no keys are loaded for circuit {circuit}: generate or fetch them, see `provery keys`")]
    NoBackend {
        /// The circuit's name.
        circuit: String,
    },
    /// No event tells of this slot.
    #[error("market {} has no slot {}: see `provery slot list`", .0.market, .0.id)]
    SlotNotFound(SlotKey),
    /// The slot ended before its proof began.
    #[error("slot {key} has already ended ({state}): there is nothing left to prove")]
    SlotEnded {
        /// The slot.
        key: SlotKey,
        /// How it ended.
        state: SlotState,
    },
    /// Nobody ended the slot, and it can no longer be proven.
    #[error("slot {key} has passed its time and can no longer be proven: anyone may expire it now")]
    SlotOver {
        /// The slot.
        key: SlotKey,
    },
    /// Only another prover may be paid for the slot now.
    #[error(
        "slot {key} is reserved for {holder} until unix second {until}: prove it after that, or as that prover"
    )]
    SlotHeld {
        /// The slot.
        key: SlotKey,
        /// Its holder's address, or "its mechanism" while nobody holds it.
        holder: String,
        /// Unix seconds from which on anyone may prove it.
        until: u64,
    },
    /// No event tells of the terms that this slot was opened under.
    #[error(
        "the terms of slot {0} were not found on the chain: the deployment file's first block is too late"
    )]
    TermsNotFound(SlotKey),
    /// The status page cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The node stopped and could not pause its prover.
    #[error(
        "the node stopped, and prover {prover} is still in the draws ({why}): slots that it is given are missed and their bonds lost; \
         run `provery prover pause` with its key, or start the node again"
    )]
    LeftInDraws {
        /// Who can still be drawn.
        prover: Address,
        /// Why it is not paused.
        why: String,
    },
    /// The proof was cancelled, or its thread broke off.
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
