//! What history is made of: one type a record.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, I256, U256};
use provery_mechanisms::weights::Weights;
use provery_types::{LoggedEvent, Slot};

/// Where in the chain something was said. Ordered by block, then by log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Its height.
    pub block: u64,
    /// The log's index in its block.
    pub log: u64,
    /// Unix seconds.
    pub time: u64,
    /// The transaction's hash.
    pub tx: B256,
}

impl At {
    /// Where this was said.
    pub fn of(logged: &LoggedEvent) -> Self {
        Self {
            block: logged.block.number,
            log: logged.log_index,
            time: logged.block.timestamp,
            tx: logged.tx_hash,
        }
    }
}

/// How a slot ended, if it has. Amounts are base units of the asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has not.
    Open,
    /// A proof was accepted and paid.
    Proven {
        /// Who was paid.
        payee: Address,
        /// From the slot's price.
        reward: U256,
        /// From the bond of who missed it.
        premium: U256,
        /// Whose bond was slashed for it.
        missed_by: Option<Address>,
        /// Unix seconds.
        at: u64,
        /// The transaction that proved it.
        tx: B256,
    },
    /// Nobody proved it in time.
    Expired {
        /// Burned of the slot's price.
        forfeited: U256,
        /// Unix seconds.
        at: u64,
        /// The transaction that ended it.
        tx: B256,
    },
    /// Its requester took it back before anybody held it.
    Cancelled {
        /// Unix seconds.
        at: u64,
        /// The transaction that ended it.
        tx: B256,
    },
    /// With its premise, or because its requester paid its holder `fee`.
    Dropped {
        /// Of the slot's price, for its holder.
        fee: U256,
        /// Unix seconds.
        at: u64,
        /// The transaction that ended it.
        tx: B256,
    },
}

impl Outcome {
    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }

    /// Who was paid for a proof.
    pub fn payee(&self) -> Option<Address> {
        match self {
            Self::Proven { payee, .. } => Some(*payee),
            _ => None,
        }
    }
}

/// A proof that was paid while the slot's premise was open: the words that `resolve` needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Whose proof it was.
    pub payee: Address,
    /// Whether the proof says that the slot's claim is right.
    pub right: bool,
    /// What a slot that builds on it continues.
    pub claim: U256,
    /// Whether the premise was settled since.
    pub resolved: bool,
}

/// Where a slot of a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainStatus {
    /// It was proven right, and everything it builds on.
    Established,
    /// Neither it nor anything it builds on fell.
    Open,
    /// It will never be established.
    Fallen,
}

impl ChainStatus {
    /// A word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Open => "open",
            Self::Fallen => "fallen",
        }
    }
}

/// A slot, from its opening to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRecord {
    /// As last told: an assignment after the opening changes it, and a transfer.
    pub slot: Slot,
    /// Whom the mechanism gave it to, whoever holds it now; zero if nobody.
    pub assigned: Address,
    /// Of the terms that it is bound to.
    pub terms_hash: B256,
    /// The fixed public inputs, in order.
    pub statement_inputs: Vec<U256>,
    /// Where that was said.
    pub opened: At,
    /// Provers drawn and passed over before one fitted.
    pub passed_over: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// `None` if its premise was settled when it was proven, or it was not proven.
    pub pending: Option<Pending>,
    /// Whether it, with what it builds on, is established, open or fallen.
    pub chain_status: ChainStatus,
    /// Whether nothing more will be said of it.
    pub(crate) settled: bool,
}

impl SlotRecord {
    /// Who has the right to it, or had it when it ended.
    pub fn holder(&self) -> Option<Address> {
        (!self.slot.prover.is_zero()).then_some(self.slot.prover)
    }

    /// Who holds it, or, of a slot that nobody held, who proved it.
    pub fn winner(&self) -> Option<Address> {
        self.holder().or_else(|| self.outcome.payee())
    }

    /// Whether its proof was paid and waits for what it builds on.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some_and(|pending| !pending.resolved)
    }

    /// Whether the slash of its holder's bond waits for its premise.
    pub fn is_held(&self) -> bool {
        self.is_pending()
            && self.holder().is_some_and(|holder| self.pending.is_some_and(|pending| pending.payee != holder))
    }
}

/// A market, its slots and its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarketHistory {
    /// The only account that may change its terms for slots to come, or take back unused funds.
    pub creator: Address,
    /// Slots that may be open at once.
    pub capacity: u32,
    /// Of the terms in force, as far as events tell.
    pub terms_hash: B256,
    /// What its draws draw from, by prover id and epoch.
    pub weights: Weights,
    /// By id; of those that are over, the newest ([`crate::Keep`]).
    pub slots: BTreeMap<u64, SlotRecord>,
    /// Slots that were ever opened.
    pub opened: u64,
    /// Base units of the asset that were burned: of slashed bonds, and of the prices of slots that expired.
    pub burned: U256,
    /// Slashes that were held for a premise.
    pub slashes_held: u64,
    /// Those of them that were undone, because the premise fell.
    pub slashes_undone: u64,
    /// The newest slot that is established, with what it claims.
    pub established: (u64, U256),
    pub(crate) passed_over: BTreeMap<u64, u64>,
    /// Slots that are over and remembered, in the order in which that became so.
    pub(crate) over: std::collections::VecDeque<u64>,
    /// Every slot up to this one was known, though some are forgotten.
    pub(crate) forgotten: u64,
}

impl MarketHistory {
    /// Forget the oldest of those that are over, but for `keep`.
    pub(crate) fn forget(&mut self, keep: usize) {
        while self.over.len() > keep {
            let Some(old) = self.over.pop_front() else { break };
            self.slots.remove(&old);
            self.forgotten = self.forgotten.max(old);
        }
    }

    /// Whether what a slot builds on stands; the origin always does.
    pub fn premise(&self, slot: &Slot) -> ChainStatus {
        use provery_types::SlotExt as _;
        match slot.premise() {
            0 => ChainStatus::Established,
            premise => match self.slots.get(&premise) {
                Some(record) => record.chain_status,
                // What fell takes what builds on it along; so what stands builds on what was established.
                None if premise <= self.forgotten => ChainStatus::Established,
                None => ChainStatus::Open,
            },
        }
    }
}

/// What a prover put behind a market.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stake {
    /// Units of the deployment's stake unit.
    pub units: u64,
    /// Units that may be bonded at once.
    pub exposure: u64,
    /// The first version of the terms that it accepts.
    pub from_version: u32,
    /// The last one.
    pub to_version: u32,
}

/// A key that may sign for a prover, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signer {
    /// What signs.
    pub key: Address,
    /// It may in transactions after this one.
    pub since: At,
    /// It may no longer in transactions after this one.
    pub until: Option<At>,
}

/// A prover, as far as its events tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProverHistory {
    /// Counts from 1 by registration; 0 if that was not told of.
    pub id: u32,
    /// Where its metadata are, as far as that can be shown.
    pub uri: String,
    /// By itself, in every market.
    pub paused: bool,
    /// By market.
    pub stakes: BTreeMap<U256, Stake>,
    /// Keys that act for it now.
    pub submitters: Vec<Address>,
    /// Keys that it nominated and that have not answered.
    pub nominated: Vec<Address>,
    /// Every key that may or might sign for it.
    pub signers: Vec<Signer>,
    /// Markets that it is suspended in.
    pub(crate) suspended: BTreeSet<U256>,
    /// Market → base units of the asset reserved by open slots.
    pub(crate) bonds: BTreeMap<U256, U256>,
}

/// What a payment was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PayoutKind {
    /// A proof, from the slot's price.
    Reward,
    /// A rescue, from the bond of who missed the slot.
    Premium,
    /// The end of a slot that was held and dropped.
    DropFee,
    /// A part of somebody's reward, for the author of the circuit.
    Royalty,
    /// A right that changed hands; below zero for who paid.
    TransferOffer,
}

/// A payment to a prover. What is nothing is not recorded, but for rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payout {
    /// Where it was paid.
    pub at: At,
    /// The slot's market.
    pub market: U256,
    /// The slot's id within the market.
    pub slot: u64,
    /// Whose credit it is.
    pub to: Address,
    /// What it was for.
    pub kind: PayoutKind,
    /// Base units of the asset.
    pub amount: I256,
}

/// How a slashed bond was split, in base units of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// For who proved the slot.
    pub to_rescuer: U256,
    /// Into the market's funds.
    pub to_requester: U256,
    /// For nobody.
    pub burned: U256,
}

/// A bond that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slash {
    /// Where it was lost.
    pub at: At,
    /// The market whose slot was missed.
    pub market: U256,
    /// Whose bond it was.
    pub prover: Address,
    /// Base units of the asset.
    pub amount: U256,
    /// For which slot and into what it went: the market's word, which follows the registry's.
    pub slot: Option<(u64, Split)>,
}

/// Who paid for a transaction, and how much: what its receipt says, for events do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Who sent it.
    pub payer: Address,
    /// Gas that it used.
    pub gas: u64,
    /// Wei of the chain's own coin: for gas, and what a rollup took for the transaction's bytes.
    pub wei: U256,
}
