//! What a mechanism sees of the world, and what it answers.

use std::fmt;

use alloy::primitives::Address;
use provery_types::{Slot, Terms};

/// An open slot as one prover sees it.
#[derive(Clone, Debug)]
pub struct SlotView<'a> {
    pub slot: &'a Slot,
    /// The terms the slot was opened under, which need not be the market's current ones.
    pub terms: &'a Terms,
    /// The payee of this prover's proofs.
    pub me: Address,
    /// Chain time in unix seconds.
    pub now: u64,
    /// What this prover expects a proof and its delivery to take.
    pub estimated_proving_seconds: u64,
    /// This prover's place among those who may rescue the slot (see [`crate::phase::rescue_rank`]); 0 goes first.
    pub rescue_rank: u64,
    /// Asset wei below which a slot that nobody reserved for this prover is not worth a proof.
    pub minimum_reward: u128,
}

impl SlotView<'_> {
    /// The second from which the slot can be expired and no longer proven.
    pub fn expires_at(&self) -> u64 {
        expires_at(self.slot, self.terms)
    }

    /// The second from which anyone may prove.
    pub fn exclusive_until(&self) -> u64 {
        self.slot.exclusiveUntil.to::<u64>()
    }
}

/// The second from which a slot can be expired and no longer proven.
pub fn expires_at(slot: &Slot, terms: &Terms) -> u64 {
    slot.openedAt.to::<u64>().saturating_add(u64::from(terms.expiryWindow))
}

/// What to do about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Prove it now.
    Prove { reason: Reason },
    /// Ask again at `until`.
    Wait { until: u64, reason: Reason },
    /// Leave it alone for good.
    Ignore { reason: Reason },
}

impl Decision {
    pub fn reason(&self) -> Reason {
        match *self {
            Self::Prove { reason } | Self::Wait { reason, .. } | Self::Ignore { reason } => reason,
        }
    }
}

/// Why a decision was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The slot is allocated to this prover.
    Allocated,
    /// It was, the window is over, and nobody has rescued it: the bond can still be kept.
    AllocatedLate,
    /// Another prover missed it, and it is this prover's turn to rescue it.
    Rescue,
    /// Nobody holds it and it is open to all.
    OpenToAll,
    /// Another prover holds it and has time left.
    HeldByAnother,
    /// Its mechanism may still allocate it.
    Undecided,
    /// It is open to all, and others go first so that proofs are not wasted.
    OthersFirst,
    /// It has expired.
    Expired,
    /// A proof would come after it has expired.
    TooLate,
    /// It pays less than this prover asks for.
    PaysTooLittle,
}

impl Reason {
    /// A short word for logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allocated => "allocated",
            Self::AllocatedLate => "allocated_late",
            Self::Rescue => "rescue",
            Self::OpenToAll => "open_to_all",
            Self::HeldByAnother => "held_by_another",
            Self::Undecided => "undecided",
            Self::OthersFirst => "others_first",
            Self::Expired => "expired",
            Self::TooLate => "too_late",
            Self::PaysTooLittle => "pays_too_little",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
