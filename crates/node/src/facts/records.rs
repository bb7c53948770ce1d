//! What is known of one slot, one prover, one market's terms.

use alloy::primitives::{Address, B256, U256};
use provery_types::Slot;

/// How a slot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a proof that was paid.
    Proven {
        /// Whom the proof paid.
        payee: Address,
        /// Asset wei from the slot's escrow.
        reward: U256,
        /// Asset wei from a slashed bond; 0 if none was slashed.
        premium: U256,
        /// Whose bond was slashed; nothing if none was.
        missed_by: Option<Address>,
    },
    /// Its time passed without a proof.
    Expired,
    /// Its requester took it back.
    Cancelled,
    /// With its premise, or for a fee: its holder is credited `fee` asset wei.
    Dropped {
        /// Asset wei.
        fee: U256,
    },
}

/// A slot's ending and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// By a proof, by time, or by whose word.
    pub how: Ending,
    /// The transaction that ended it.
    pub tx: B256,
    /// The last block that had a part in it: a proof that waited for its premise ends there.
    pub block: u64,
}

/// A proof that was paid while what its slot builds on is open: what settling it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose proof it is.
    pub payee: Address,
    /// Whether the proof says that the slot's claim is right.
    pub right: bool,
    /// What a slot that builds on this one continues.
    pub claim: U256,
}

/// What became of what a slot builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// Not settled yet.
    Open,
    /// Proven right, with all that it builds on. So is what the first slot builds on, and what a slot that stands alone does.
    Established,
    /// Proven wrong or ended unproven, or built on one that was.
    Fallen,
}

/// A slot as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotFact {
    /// As the market has it.
    pub slot: Slot,
    /// Hash of the terms that it was opened under.
    pub terms_hash: B256,
    /// The words that hash to the slot's statement.
    pub inputs: Vec<U256>,
    /// Nothing while it is open.
    pub ended: Option<Ended>,
    /// Proven, and not settled: `ended` says how it was proven.
    pub pending: Option<Pending>,
    /// It fell: proven wrong, or ended unproven.
    pub fell: bool,
    /// What it builds on fell.
    pub premise_fell: bool,
    /// When what it builds on was established, or fell, if that was seen (unix seconds).
    pub premise_settled_at: Option<u64>,
}

impl SlotFact {
    /// Whether the chain is through with it.
    pub fn settled(&self) -> bool {
        self.ended.is_some() && self.pending.is_none()
    }
}

/// A prover as its events tell it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProverFact {
    pub(super) id: u32,
    pub(super) paused: bool,
    /// The last pause or resumption that is not this node's own, if that was a pause.
    pub(super) held_out: Option<B256>,
    /// Where the last pause or resumption is: block and index in it.
    pub(super) turned: (u64, u64),
}

/// A market's terms: those in force, and those announced.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MarketTerms {
    pub(super) current: B256,
    /// By hash, and from when they may be used (unix seconds).
    pub(super) announced: Option<(B256, u64)>,
}

impl MarketTerms {
    pub(super) fn pass(&mut self, now: u64) {
        if let Some((hash, from)) = self.announced
            && from <= now
        {
            *self = Self { current: hash, announced: None };
        }
    }
}

/// What a prover said it puts behind a market, in units, and under which versions of the terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commitment {
    /// Units of its stake; 0 if it is not in the market.
    pub units: u64,
    /// What of it may be bonded at once.
    pub exposure: u64,
    /// The first version accepted.
    pub from_version: u32,
    /// The last version accepted.
    pub to_version: u32,
}

impl Commitment {
    /// Whether it answers for slots under this version of the terms.
    pub fn accepts(&self, version: u32) -> bool {
        (self.from_version..=self.to_version).contains(&version)
    }
}
