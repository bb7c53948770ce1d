//! What the chain has said: a fold of the events of canonical blocks, and of nothing else.
//!
//! A reorg is answered by folding again from what the store still holds, so nothing here can be undone wrongly. What no
//! later decision can need is pruned once it is too deep for a reorg ([`Facts::prune`]), and its events with it
//! ([`obsolete`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, B256, LogData, U256};
use provery_mechanisms::{
    slot_transfer::TransferOffer,
    upkeep::{Leaf, ProverStatus},
};
use provery_types::{Deployment, Event, LoggedEvent, Slot, SlotExt as _, SlotKey, Terms};
use provery_workloads::{Refusal, Tracked, Workloads};

mod draws;
mod fold;
mod inputs;
mod obsolete;
#[cfg(test)]
mod proving_tests;
mod relevance;
mod shared;
#[cfg(test)]
mod tests;
mod told;

pub use draws::Draws;
pub use obsolete::obsolete;
pub use relevance::trimmed;
pub use shared::Shown;
pub use told::{Counted, Line, Missing};

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

#[derive(Clone, Copy, Debug, Default)]
struct ProverFact {
    id: u32,
    paused: bool,
    /// The last pause or resumption that is not this node's own, if that was a pause.
    held_out: Option<B256>,
    /// Where the last pause or resumption is: block and index in it.
    turned: (u64, u64),
}

/// Provers without stake in any market that is served of whom it is remembered that they are paused: they may come to have some.
pub(crate) const PAUSES_KEPT: usize = 4_096;

/// A market's terms: those in force, and those announced.
#[derive(Clone, Copy, Debug, Default)]
struct MarketTerms {
    current: B256,
    /// By hash, and from when they may be used (unix seconds).
    announced: Option<(B256, u64)>,
}

impl MarketTerms {
    fn pass(&mut self, now: u64) {
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

/// See the module.
#[derive(Debug, Default)]
pub struct Facts {
    scope: relevance::Scope,
    terms: HashMap<B256, Terms>,
    market_terms: BTreeMap<U256, MarketTerms>,
    /// The terms that a version of a market's stands for; the last of them, where they got better.
    versions: BTreeMap<(U256, u32), B256>,
    slots: BTreeMap<SlotKey, SlotFact>,
    /// Of each market, the last slot that is proven right with all that it builds on.
    established: BTreeMap<U256, u64>,
    provers: BTreeMap<Address, ProverFact>,
    /// Transactions by which this node paused or resumed its prover, the last of them.
    own_turns: BTreeSet<B256>,
    commitments: BTreeMap<(U256, Address), Commitment>,
    /// The markets in which a prover has a commitment.
    markets_of: BTreeMap<Address, BTreeSet<U256>>,
    /// Who is in which market's draws, as follows from the rest.
    draws: BTreeMap<U256, Draws>,
    /// Who is out of a market's draws after misses there.
    suspended: BTreeSet<(U256, Address)>,
    /// Who came back to a market's draws, and the block in which it first proved a slot there that it held, since then.
    returns: BTreeMap<(U256, Address), Option<u64>>,
    weights: BTreeMap<(U256, u32), u64>,
    /// The last epochs known to have a seed, or to have none for good.
    seeded: BTreeSet<u64>,
    /// By the rollup's address.
    tracked: BTreeMap<Address, Tracked>,
    /// Markets of the deployment file that no workload of this program can prove.
    refused: BTreeMap<U256, Refusal>,
    /// Markets of whose past not all is at hand yet: nothing is taken for known there.
    incomplete: BTreeSet<U256>,
    /// By the rollup's address, where not all that is on disk is shown to its workload.
    shown: BTreeMap<Address, Shown>,
    /// What mechanisms said about slots, also about ones that have not opened yet.
    logs: BTreeMap<(SlotKey, Address), Vec<LogData>>,
    /// The newest slot of each market.
    newest: BTreeMap<U256, u64>,
    /// ProverStatus offers to hand a slot over, by digest.
    offers: BTreeMap<SlotKey, BTreeMap<B256, TransferOffer>>,
    /// How far the numbers of slots and of posted blocks were told.
    told: told::Told,
}

impl Facts {
    /// Nothing said yet, and nobody's in particular. Rollups are tracked where `deployment` says they are.
    pub fn new(deployment: &Deployment) -> Self {
        let mut facts = Self::default();
        facts.track_all(deployment, None, &Workloads::default());
        facts
    }

    /// Chain time is `now`: terms that were announced for then or before are in force.
    pub fn pass(&mut self, now: u64) {
        for terms in self.market_terms.values_mut() {
            terms.pass(now);
        }
    }

    fn pass_in(&mut self, market: U256, now: u64) {
        if let Some(terms) = self.market_terms.get_mut(&market) {
            terms.pass(now);
        }
    }

    /// While the past of these markets is still being read.
    pub(crate) fn awaiting(self, incomplete: BTreeSet<U256>) -> Self {
        Self { incomplete, ..self }
    }

    /// Whether all that was ever said of a market is at hand: its blocks, its slots, its terms. Of a market that is not, nothing
    /// may be bonded for.
    pub fn is_complete(&self, market: U256) -> bool {
        !self.incomplete.contains(&market)
    }

    #[cfg(test)]
    pub(crate) fn await_past(&mut self, market: U256, is_awaited: bool) {
        if is_awaited {
            self.incomplete.insert(market)
        } else {
            self.incomplete.remove(&market)
        };
    }

    /// Whether an event waits for the past of its market: in order, or not at all.
    pub(crate) fn holds_back(&self, logged: &LoggedEvent) -> bool {
        match slots_market(&logged.event) {
            Some(market) => !self.is_complete(*market),
            None => {
                self.read_by(logged).is_some_and(|markets| markets.iter().all(|it| !self.is_complete(*it)))
            }
        }
    }

    /// Whether it cannot be told yet what an event is good for, since what was before it is still being read.
    pub(crate) fn may_matter_later(&self, logged: &LoggedEvent) -> bool {
        match (any_market(&logged.event), self.read_by(logged)) {
            (Some(market), _) => !self.is_complete(*market),
            (None, Some(_)) => self.is_read_later(logged),
            (None, None) => !self.incomplete.is_empty() && names_none(&logged.event),
        }
    }

    /// Whether a market of whose past not all is at hand reads the contract that says this: others may read it, too.
    pub(crate) fn is_read_later(&self, logged: &LoggedEvent) -> bool {
        self.read_by(logged).is_some_and(|markets| markets.iter().any(|market| !self.is_complete(*market)))
    }

    /// The markets whose workloads read the contract that says this, if any does.
    fn read_by(&self, logged: &LoggedEvent) -> Option<Vec<U256>> {
        if !matches!(logged.event, Event::WorkloadLog { .. }) {
            return None;
        }
        let markets: Vec<U256> = self.watchers(logged.address).map(Tracked::id).collect();
        (!markets.is_empty()).then_some(markets)
    }

    /// A market's known slots from this one on.
    fn from(&self, key: SlotKey) -> impl Iterator<Item = SlotKey> {
        self.slots.range(key..=SlotKey { id: u64::MAX, ..key }).map(|(key, _)| *key)
    }

    /// What became of what a slot builds on.
    pub fn premise(&self, fact: &SlotFact) -> Premise {
        let premise = fact.slot.premise();
        if fact.premise_fell {
            Premise::Fallen
        } else if premise == 0 || premise <= self.established(fact.slot.market) {
            Premise::Established
        } else {
            Premise::Open
        }
    }

    /// The last slot of a market that is proven right with all that it builds on; 0 is the chain's origin.
    pub fn established(&self, market: U256) -> u64 {
        self.established.get(&market).copied().unwrap_or_default()
    }

    /// Every slot known, in order.
    pub fn slots(&self) -> impl Iterator<Item = (SlotKey, &SlotFact)> {
        self.slots.iter().map(|(key, fact)| (*key, fact))
    }

    /// Nothing if the slot is not known, or forgotten.
    pub fn slot(&self, key: SlotKey) -> Option<&SlotFact> {
        self.slots.get(&key)
    }

    /// The terms with this hash.
    pub fn terms(&self, hash: B256) -> Option<&Terms> {
        self.terms.get(&hash)
    }

    /// Every market that has terms.
    pub fn markets(&self) -> impl Iterator<Item = U256> {
        self.market_terms.keys().copied()
    }

    /// A market's current terms.
    pub fn market_terms(&self, market: U256) -> Option<&Terms> {
        self.terms.get(&self.market_terms.get(&market)?.current)
    }

    /// A market's terms of a version.
    pub fn terms_of_version(&self, market: U256, version: u32) -> Option<&Terms> {
        self.terms.get(self.versions.get(&(market, version))?)
    }

    /// A market's terms that are announced, and from when they may be used (unix seconds).
    pub fn announced_terms(&self, market: U256) -> Option<(&Terms, u64)> {
        let (hash, from) = self.market_terms.get(&market)?.announced?;
        Some((self.terms.get(&hash)?, from))
    }

    /// What the mechanism at `mechanism` said about a slot, in order.
    pub fn log(&self, key: SlotKey, mechanism: Address) -> &[LogData] {
        self.logs.get(&(key, mechanism)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of the slot that opens next in a market.
    pub fn next_slot(&self, market: U256) -> u64 {
        let newest = self.newest.get(&market).copied().max(self.newest_told(market));
        newest.unwrap_or_default().saturating_add(1)
    }

    /// ProverStatus offers to hand a slot over.
    pub fn offers(&self, key: SlotKey) -> impl Iterator<Item = &TransferOffer> {
        self.offers.get(&key).into_iter().flat_map(BTreeMap::values)
    }

    /// Whether an epoch's seed was brought in.
    pub fn seeded(&self, epoch: u64) -> bool {
        self.seeded.contains(&epoch)
    }

    /// Provers in a market's draws: those who take turns at its open slots.
    pub fn draws(&self, market: U256) -> Option<&Draws> {
        self.draws.get(&market)
    }

    /// Who is in a market's draws.
    #[cfg(test)]
    pub fn candidates(&self, market: U256) -> Vec<Address> {
        self.draws(market).map(|draws| draws.members().iter().copied().collect()).unwrap_or_default()
    }

    /// Every prover in the draws of any market that is known here.
    pub fn all_candidates(&self) -> Vec<Address> {
        let all: BTreeSet<&Address> = self.draws.values().flat_map(|draws| draws.members()).collect();
        all.into_iter().copied().collect()
    }

    /// Whether a prover is in a market's draws, and may be given its slots by other means.
    pub fn in_draws(&self, market: U256, prover: Address) -> bool {
        self.draws.get(&market).is_some_and(|draws| draws.members().contains(&prover))
    }

    /// Something about a prover in a market changed: who allocated is registered, whether or not that was seen.
    fn settle(&mut self, market: U256, prover: Address) {
        let committed = self.commitment(market, prover).units > 0;
        let paused = self.provers.get(&prover).is_some_and(|fact| fact.paused);
        let is_in = committed && !paused && !self.suspended(market, prover);
        self.draws.entry(market).or_default().put(prover, is_in);
    }

    fn settle_everywhere(&mut self, prover: Address) {
        for market in self.markets_of.get(&prover).cloned().unwrap_or_default() {
            self.settle(market, prover);
        }
    }

    /// Whether a prover is out of a market's draws after misses there.
    pub fn suspended(&self, market: U256, prover: Address) -> bool {
        self.suspended.contains(&(market, prover))
    }

    /// A prover's record, as events tell it.
    pub fn prover_status(&self, prover: Address) -> ProverStatus {
        let known = self.provers.get(&prover);
        known.map_or_else(ProverStatus::default, |it| ProverStatus {
            registered: it.id != 0,
            paused: it.paused,
        })
    }

    /// Whether whoever is not this node last said that a prover is out of the draws.
    pub fn held_out(&self, prover: Address) -> bool {
        self.held_out_by(prover).is_some()
    }

    /// By which transaction.
    pub fn held_out_by(&self, prover: Address) -> Option<B256> {
        self.provers.get(&prover)?.held_out
    }

    /// What this node signed to pause or resume its prover; said before the events of it are applied.
    pub fn own_turns(&mut self, hashes: impl IntoIterator<Item = B256>) {
        self.own_turns = hashes.into_iter().collect();
    }

    /// A prover's number; nothing if it is not registered.
    pub fn prover_id(&self, prover: Address) -> Option<u32> {
        self.provers.get(&prover).map(|fact| fact.id).filter(|id| *id != 0)
    }

    /// What a prover puts behind a market.
    pub fn commitment(&self, market: U256, prover: Address) -> Commitment {
        self.commitments.get(&(market, prover)).copied().unwrap_or_default()
    }

    /// A prover's markets, with what it has in each one's draws.
    pub fn leaves(&self, prover: Address) -> Vec<(U256, Leaf)> {
        let Some(fact) = self.provers.get(&prover) else { return Vec::new() };
        let markets = self.markets_of.get(&prover).into_iter().flatten();
        let leaf = |market: U256, committed: &Commitment| Leaf {
            allocation: committed.units,
            weight: self.weights.get(&(market, fact.id)).copied().unwrap_or_default(),
            suspended: self.suspended(market, prover),
            unproven: self.returns.get(&(market, prover)) == Some(&None),
        };
        markets.map(|market| (*market, leaf(*market, &self.commitment(*market, prover)))).collect()
    }

    /// Forget slots that were settled in `deep` (a block no reorg will reach) or before, and blocks that nothing open builds
    /// on. The answer is the slots forgotten.
    pub fn prune(&mut self, deep: u64) -> Vec<SlotKey> {
        let over =
            |fact: &SlotFact| fact.settled() && fact.ended.as_ref().is_some_and(|ended| ended.block <= deep);
        let gone: Vec<SlotKey> =
            self.slots.iter().filter(|(_, fact)| over(fact)).map(|(key, _)| *key).collect();
        for key in &gone {
            self.slots.remove(key);
            self.offers.remove(key);
        }
        self.logs.retain(|(key, _), _| gone.binary_search(key).is_err());
        self.prune_terms();
        self.prune_provers();
        for tracked in self.tracked.values_mut() {
            let market = tracked.id();
            let known = self.slots.range(SlotKey { market, id: 0 }..=SlotKey { market, id: u64::MAX });
            tracked.forget(&known.map(|(key, _)| key.id).collect::<Vec<_>>(), deep);
        }
        gone
    }

    /// Terms that no slot, market or acceptance of this prover's stands on are forgotten: a market's creator may announce many.
    fn prune_terms(&mut self) {
        let Some(me) = self.scope.me else { return };
        let accepted = |market: U256, version: u32| self.commitment(market, me).to_version == version;
        let mut needed: BTreeSet<B256> = self.slots.values().map(|fact| fact.terms_hash).collect();
        for terms in self.market_terms.values() {
            needed.insert(terms.current);
            needed.extend(terms.announced.map(|(hash, _)| hash));
        }
        let kept = self.versions.iter().filter(|((market, version), _)| accepted(*market, *version));
        needed.extend(kept.map(|(_, hash)| *hash));
        self.terms.retain(|hash, _| needed.contains(hash));
        self.versions.retain(|_, hash| needed.contains(hash));
    }

    /// Strangers who took their stake back from every market that is served are forgotten, but for what holds of them if they
    /// come again: a suspension, and a pause.
    fn prune_provers(&mut self) {
        let gone: Vec<(U256, Address)> = self
            .commitments
            .iter()
            .filter(|((market, prover), committed)| {
                committed.units == 0 && self.is_stranger(*prover) && !self.suspended(*market, *prover)
            })
            .map(|(key, _)| *key)
            .collect();
        for (market, prover) in gone {
            self.commitments.remove(&(market, prover));
            self.returns.remove(&(market, prover));
            if let Some(markets) = self.markets_of.get_mut(&prover) {
                markets.remove(&market);
                if markets.is_empty() {
                    self.markets_of.remove(&prover);
                }
            }
        }
        let outside = |prover: &Address| self.is_stranger(*prover) && !self.markets_of.contains_key(prover);
        let outsiders = self.provers.iter().filter(|(prover, _)| outside(prover));
        let (paused, others): (Vec<_>, Vec<_>) = outsiders.partition(|(_, fact)| fact.paused);
        let mut gone: Vec<Address> = others.into_iter().map(|(prover, _)| *prover).collect();
        let mut paused: Vec<_> = paused.into_iter().map(|(prover, fact)| (fact.turned, *prover)).collect();
        paused.sort_unstable();
        let too_many = paused.len().saturating_sub(PAUSES_KEPT);
        gone.extend(paused.into_iter().take(too_many).map(|(_, prover)| prover));
        for prover in gone {
            self.provers.remove(&prover);
        }
    }
}

/// The market of an event about slots and their terms.
pub(crate) fn slots_market(event: &Event) -> Option<&U256> {
    match event {
        Event::TermsSet { market, .. }
        | Event::SlotProven { market, .. }
        | Event::SlotExpired { market, .. }
        | Event::SlotCancelled { market, .. }
        | Event::SlotDropped { market, .. }
        | Event::SlotPending { market, .. }
        | Event::SlotResolved { market, .. }
        | Event::SlotEstablished { market, .. }
        | Event::ChainCut { market, .. }
        | Event::TransferOffered { market, .. }
        | Event::MechanismLog { market, .. } => Some(market),
        Event::SlotOpened { slot, .. }
        | Event::SlotAssigned { slot }
        | Event::SlotTransferred { slot, .. } => Some(&slot.market),
        _ => None,
    }
}

/// The market of an event about slots, terms or stake.
pub(crate) fn any_market(event: &Event) -> Option<&U256> {
    slots_market(event).or(match event {
        Event::AllocationSet { market, .. }
        | Event::WeightSet { market, .. }
        | Event::ProverSuspended { market, .. }
        | Event::ProverReinstated { market, .. } => Some(market),
        _ => None,
    })
}

/// Whether an event is about a market all the same: only what was said before tells about which.
pub(crate) fn names_none(event: &Event) -> bool {
    matches!(event, Event::ProverPaused { .. } | Event::ProverResumed { .. } | Event::TransferRevoked { .. })
}

/// Whether a prover is paused or resumed.
pub(crate) fn is_turn_of(event: &Event, prover: Address) -> bool {
    matches!(event, Event::ProverPaused { prover: it } | Event::ProverResumed { prover: it } if *it == prover)
}
