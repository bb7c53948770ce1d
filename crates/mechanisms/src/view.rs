//! What a mechanism sees of the world, and what it answers.

use std::fmt;

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256},
    sol_types::SolCall,
};
use provery_types::{Slot, Terms};

use crate::reward::Curve;

/// An open slot as one prover sees it.
#[derive(Clone, Debug)]
pub struct SlotView<'a> {
    /// The slot as last told.
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
    /// Whether who rescues the slot gets a part of its holder's bond: not if what it builds on fell.
    pub bond_at_stake: bool,
    /// Asset wei below which a slot that this prover does not hold is not worth a proof: what it costs, and what it wants
    /// on top.
    pub minimum_reward: u128,
    /// Seconds until a worker is free to start another proof.
    pub queue_seconds: u64,
    /// Whether this prover takes on slots at all: not while its proofs or sends fail.
    pub taking: bool,
    /// The key that sends, on behalf of `me`.
    pub key: Address,
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// Known to this prover alone; sealed bids are derived from it, so that they survive the loss of its disk.
    pub secret: B256,
    /// What the slot's mechanism has said about it, in order.
    pub log: &'a [LogData],
}

impl SlotView<'_> {
    /// The second from which the slot can be expired and no longer proven.
    pub fn expires_at(&self) -> u64 {
        expires_at(self.slot, self.terms)
    }

    /// Seconds from now until a proof started after those in the queue is delivered.
    pub fn delivery_seconds(&self) -> u64 {
        self.queue_seconds.saturating_add(self.estimated_proving_seconds)
    }

    /// Whether to take the slot on at `price` (asset wei) if that starts its clock now: only what pays, and what is
    /// finished within the exclusive window, the queue included.
    pub fn accepts_price(&self, price: u128) -> bool {
        self.taking
            && self.delivery_seconds() < u64::from(self.terms.exclusiveWindow)
            && self.curve(price).earned(self.delivery_seconds()) >= self.minimum_reward
    }

    /// The least price (asset wei, at most the terms') at which [`SlotView::accepts_price`] holds.
    pub fn least_price(&self) -> Option<u128> {
        let most = self.terms.price.to::<u128>();
        if !self.accepts_price(most) {
            return None;
        }
        // The reward never falls as the price rises, so halving finds the least.
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.accepts_price(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(high)
    }

    fn curve(&self, price: u128) -> Curve {
        Curve { price, ..Curve::of(self.slot, self.terms) }
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

/// A market between two slots, as one prover sees it.
#[derive(Clone, Debug)]
pub struct MarketView<'a> {
    /// The market's id.
    pub market: U256,
    /// The terms of slots opened from now on.
    pub terms: &'a Terms,
    /// The slot that opens next.
    pub next_slot: u64,
    /// The prover that the right to the next slot would be for.
    pub me: Address,
    /// The key that sends, on behalf of `me`.
    pub key: Address,
    /// Whether this prover takes on slots at all: see [`SlotView::taking`].
    pub taking: bool,
    /// The seed of the round for the next slot, once the chain has it. A reorg may put another in its place.
    pub seed: Option<B256>,
    /// What the mechanism has said about the next slot.
    pub log: &'a [LogData],
    /// Chain time in unix seconds.
    pub now: u64,
    /// What this prover expects a proof and its delivery to take.
    pub estimated_proving_seconds: u64,
    /// Asset wei below which a slot is not worth a proof: see [`SlotView::minimum_reward`].
    pub minimum_reward: u128,
    /// Proofs that this prover makes at a time.
    pub workers: u64,
    /// Slots that this prover holds, in any market, and has not proven.
    pub held: u64,
    /// Asset wei that may be bonded in this market on top of what is.
    pub room: U256,
}

/// Something to compute for the right to a slot: a nonce whose output is below the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Puzzle {
    /// The market whose next slot it is about.
    pub market: U256,
    /// The slot that the right is to.
    pub slot: u64,
    /// The round's, of 128 bits.
    pub seed: B256,
    /// Outputs below this win.
    pub target: U256,
    /// Whom the right is for: the output depends on it, so that nobody else has use for a solution.
    pub prover: Address,
}

/// A puzzle's solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// What leads to the output: a number that the prover tried.
    pub nonce: U256,
    /// Below the puzzle's target.
    pub output: U256,
    /// That the output is the nonce's, as the puzzle's verifier reads it.
    pub proof: Bytes,
}

/// A transaction that a mechanism calls for, apart from the proof itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MechanismAction {
    /// What it is, in logs, reports and gas tables.
    pub kind: &'static str,
    /// The contract that is called: the mechanism's, or that with the transfers' offers.
    pub to: Address,
    /// The call, encoded.
    pub data: Bytes,
    /// The time (unix seconds) from which on and until which it is of use, where that has an end.
    pub within: Option<(u64, u64)>,
}

impl MechanismAction {
    /// One that is of use at any time.
    pub fn new(kind: &'static str, to: Address, call: &impl SolCall) -> Self {
        Self { kind, to, data: call.abi_encode().into(), within: None }
    }

    /// Of use from `since` on and until `until` (unix seconds).
    pub fn within(self, since: u64, until: u64) -> Self {
        Self { within: Some((since, until)), ..self }
    }

    /// Whether hardly any of its time is left.
    pub fn is_late(&self, now: u64) -> bool {
        self.within.is_some_and(|(since, until)| {
            until.saturating_sub(now).saturating_mul(3) < until.saturating_sub(since)
        })
    }

    /// Where a contract's own `Slot` and `Terms` would be in the way: the arguments come encoded.
    pub fn encoded(kind: &'static str, to: Address, selector: [u8; 4], arguments: &[u8]) -> Self {
        Self { kind, to, data: [selector.as_slice(), arguments].concat().into(), within: None }
    }
}

/// What to do about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Prove it now.
    Prove {
        /// Why.
        reason: Reason,
    },
    /// Ask again at `until`.
    Wait {
        /// Unix seconds.
        until: u64,
        /// Why.
        reason: Reason,
    },
    /// Leave it alone for good.
    Ignore {
        /// Why.
        reason: Reason,
    },
}

impl Decision {
    /// Why it was taken, whatever it is.
    pub fn reason(&self) -> Reason {
        match *self {
            Self::Prove { reason } | Self::Wait { reason, .. } | Self::Ignore { reason } => reason,
        }
    }
}

/// Why a decision was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The slot is assigned to this prover.
    Assigned,
    /// It was, the window is over, and nobody has rescued it: the bond can still be kept.
    AssignedLate,
    /// Another prover missed it, and it is this prover's turn to rescue it.
    Rescue,
    /// Nobody holds it and it is open to all.
    OpenToAll,
    /// Another prover holds it and has time left.
    HeldByAnother,
    /// Its mechanism may still assign it.
    Undecided,
    /// This prover leads its auction: the proof is begun before the slot is settled.
    Leading,
    /// It is open to all, and others go first so that proofs are not wasted.
    OthersFirst,
    /// It has expired.
    Expired,
    /// A proof would come after it has expired.
    TooLate,
    /// It pays less than this prover asks for.
    PaysTooLittle,
    /// This prover takes on nothing at present.
    NotTaking,
}

impl Reason {
    /// A short word for logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::AssignedLate => "assigned_late",
            Self::Rescue => "rescue",
            Self::OpenToAll => "open_to_all",
            Self::HeldByAnother => "held_by_another",
            Self::Undecided => "undecided",
            Self::Leading => "leading",
            Self::OthersFirst => "others_first",
            Self::Expired => "expired",
            Self::TooLate => "too_late",
            Self::PaysTooLittle => "pays_too_little",
            Self::NotTaking => "not_taking",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
