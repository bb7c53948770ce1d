//! What this node sends apart from proofs, by name, and what comes back from it.

use alloy::primitives::U256;
use provery_txmgr::Mined;
use provery_types::SlotKey;

use crate::error::NodeError;

/// One thing to send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum KeeperTask {
    /// An epoch's.
    Seed(u64),
    Expire(SlotKey),
    /// Settle a proof that waited for its premise.
    Resolve(SlotKey),
    /// End a slot that fell with its premise.
    Drop(SlotKey),
    Pause,
    /// After this node's own pause.
    Resume,
    /// After a suspension in a market.
    Reinstate(U256),
    Sync(U256),
    /// New terms of a market, within the operator's bounds.
    Accept(U256),
    Withdraw,
    /// What a mechanism keeps of this prover in a market, by what is done about it.
    Standing(U256, &'static str),
    /// A mechanism's or the secondary market's, by name.
    MechanismAction(SlotKey, &'static str),
}

impl KeeperTask {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Seed(_) => "seed",
            Self::Expire(_) => "expire",
            Self::Resolve(_) => "resolve",
            Self::Drop(_) => "drop",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reinstate(_) => "reinstate",
            Self::Sync(_) => "sync",
            Self::Accept(_) => "accept",
            Self::Withdraw => "withdraw",
            Self::Standing(_, kind) | Self::MechanismAction(_, kind) => kind,
        }
    }

    /// The slot that it is about, if it is about one.
    pub(super) fn slot(&self) -> Option<SlotKey> {
        match self {
            Self::Expire(key) | Self::Resolve(key) | Self::Drop(key) | Self::MechanismAction(key, _) => {
                Some(*key)
            }
            _ => None,
        }
    }
}

/// A keeper task that is over: its transaction is mined, or there was nothing to send yet, or it failed.
pub(super) struct Returned {
    pub task: KeeperTask,
    pub result: Result<Option<Mined>, NodeError>,
}
