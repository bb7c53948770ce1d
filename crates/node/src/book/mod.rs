//! The node's book: facts, the work they lead to, and the store that keeps both. No effects but on disk.
//!
//! Work is reconciled with the facts whenever they change: by a block, a reorg or a restart. The same few lines serve
//! all three, since [`crate::slots::step`] does not mind being told twice.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, B256, U256};
use provery_mechanisms::{Decision, Mechanism};
use provery_types::{BlockRef, Deployment, LoggedEvent, Slot, SlotKey, Terms};
use provery_workloads::{Fetched, Workloads};

use crate::{
    error::NodeError,
    facts::{Facts, is_turn_of, trimmed},
    slots::{Action, Input, SlotStage},
    store::{Changes, KEEP_BLOCKS, Loaded, Past, Store, StoreError, StoredProof, WorkRecord},
};

mod bids;
mod compact;
mod decisions;
mod duty;
mod ends;
mod past;
mod prepared;
mod queue;
mod reconcile;
mod terms;
mod trade;
mod turns;
mod untold;

pub use decisions::Unfinished;
pub use duty::Gap;
pub use ends::Due;
pub use prepared::{Edition, Named};
pub use terms::MarketDecision;
pub use untold::Untold;

#[cfg(test)]
mod action_tests;
#[cfg(test)]
mod compact_tests;
#[cfg(test)]
mod duty_tests;
#[cfg(test)]
mod effort_tests;
#[cfg(test)]
mod ends_tests;
#[cfg(test)]
mod past_tests;
#[cfg(test)]
pub(crate) mod prepared_tests;
#[cfg(test)]
mod reread_tests;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod terms_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod untold_tests;
#[cfg(test)]
mod workload_tests;

/// The store is compacted whenever the head passes a multiple of this: however often the node starts anew.
const COMPACT_EVERY: u64 = 128;

/// A slot's work moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which slot.
    pub key: SlotKey,
    /// Nothing if the slot is new.
    pub before: Option<SlotStage>,
    /// The stage that it is in now.
    pub after: SlotStage,
    /// What to do at once.
    pub actions: Vec<Action>,
    /// The slot has just become this prover's, and is open.
    pub won: bool,
}

/// What a decision takes into account apart from the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Chain time in unix seconds.
    pub now: u64,
    /// Seconds that a proof and its delivery are expected to take.
    pub estimated_proving_seconds: u64,
    /// Whether to prove slots that are open to all and not this prover's.
    pub rescue: bool,
    /// Asset wei below which a slot that this prover does not hold is not worth a proof.
    pub minimum_reward: u128,
    /// Proofs at a time.
    pub workers: u64,
    /// Asset wei in a unit of stake.
    pub stake_unit: U256,
    /// Whether to take on slots: not while proofs or sends fail.
    pub taking: bool,
    /// Asset wei for which a slot that cannot be proven in time is offered to others; never, if not given.
    pub offer_transfers: Option<i128>,
    /// Whether to take slots that others offer.
    pub accept_transfers: bool,
    /// The key that sends.
    pub key: Address,
    /// Known to this node alone: see [`secret`](provery_mechanisms::SlotView::secret).
    pub secret: B256,
}

/// See the module.
#[derive(Debug)]
pub struct Book {
    store: Arc<Store>,
    deployment: Deployment,
    me: Address,
    markets: Option<Vec<U256>>,
    workloads: Workloads,
    facts: Facts,
    work: BTreeMap<SlotKey, WorkRecord>,
    head: Option<BlockRef>,
    /// What is known of the past of each market that this node keeps.
    past: Vec<Past>,
    mechanisms: BTreeMap<Address, &'static dyn Mechanism>,
    duty: duty::Duty,
    prepared: prepared::Prepared,
    /// Bytes that came from elsewhere.
    inputs: Box<dyn Fetched>,
    turns: RefCell<turns::Turns>,
    /// How many decisions were computed: what the work is.
    decisions: u64,
    /// How often what waits was counted.
    queues: Cell<u64>,
}

impl Book {
    /// Read the store and reconcile. The answer includes the cursor to follow the chain from, oldest block first.
    pub fn open(
        store: Arc<Store>,
        deployment: Deployment,
        me: Address,
        markets: Option<Vec<U256>>,
        workloads: Workloads,
    ) -> Result<(Self, Vec<BlockRef>), NodeError> {
        let mut loaded = store.load()?;
        let head = loaded.blocks.last().copied();
        let wanted = past::wanted(&deployment, markets.as_deref(), &workloads);
        let past = past::begin(&store, &deployment, &wanted, &store.pasts()?, &mut loaded)?;
        let facts = fold(&deployment, me, markets.as_deref(), &workloads, &loaded, &past)?;
        let Loaded { blocks, work, .. } = loaded;
        let work = work.into_iter().collect();
        let mechanisms = provery_mechanisms::registry().iter().copied();
        let mechanisms = mechanisms.map(|it| (deployment.address(it.name()), it)).collect();
        let (duty, prepared, turns) = Default::default();
        let mut book = Self {
            store,
            deployment,
            me,
            markets,
            workloads,
            facts,
            work,
            head,
            past,
            mechanisms,
            duty,
            prepared,
            inputs: Box::new(()),
            turns,
            decisions: 0,
            queues: Cell::new(0),
        };
        book.restart()?;
        Ok((book, blocks))
    }

    /// Nothing that was being done goes on: say what there is to do instead.
    pub fn restart(&mut self) -> Result<Vec<Moved>, NodeError> {
        let mut changes = Changes::default();
        let mut moved = Vec::new();
        for key in self.work.keys().copied().collect::<Vec<_>>() {
            let has_proof = self.has_proof(key)?;
            moved.extend(self.advance(key, &Input::Restarted { has_proof }, &mut changes));
        }
        let everything = self.keys();
        moved.extend(self.reconcile(everything, &mut changes)?);
        self.store.commit_work(&changes)?;
        Ok(moved)
    }

    /// What the events up to the head tell.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    #[cfg(test)]
    pub(crate) fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Where it is kept.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The last block taken in.
    pub fn head(&self) -> Option<BlockRef> {
        self.head
    }

    /// Every slot's work, in order.
    pub fn work(&self) -> impl Iterator<Item = (SlotKey, &WorkRecord)> {
        self.work.iter().map(|(key, record)| (*key, record))
    }

    /// A slot's work; nothing if the slot is not known, or forgotten.
    pub fn record(&self, key: SlotKey) -> Option<&WorkRecord> {
        self.work.get(&key)
    }

    /// Whether a slot has ended, or is not known any more.
    pub fn is_over(&self, key: SlotKey) -> bool {
        self.record(key).is_none_or(|record| record.work.stage.ended())
    }

    /// How long ago this node first saw a slot.
    pub fn since_seen(&self, key: SlotKey) -> Option<Duration> {
        let seen = self.record(key)?.seen_ms;
        Some(Duration::from_millis(unix_millis().saturating_sub(seen)))
    }

    /// Whether a proof of a slot at hand has failed and is to be tried again.
    pub fn failing(&self) -> bool {
        self.work.values().any(|record| {
            let over = record.work.stage.ended()
                || matches!(record.work.stage, SlotStage::Failed | SlotStage::Ignored);
            record.work.attempts > 0 && !over
        })
    }

    /// A slot that is open, and its terms.
    pub fn open_slot(&self, key: SlotKey) -> Option<(&Slot, &Terms)> {
        let fact = self.facts.slot(key).filter(|fact| fact.ended.is_none())?;
        Some((&fact.slot, self.facts.terms(fact.terms_hash)?))
    }

    /// Whether a slot fell with what it builds on: its bond is not at stake any more.
    pub fn fell(&self, key: SlotKey) -> bool {
        self.facts.slot(key).is_some_and(|fact| fact.premise_fell)
    }

    /// Whether this node serves a market.
    pub fn serves(&self, market: U256) -> bool {
        self.facts.is_served(market)
    }

    /// Whether this node is to serve a market, even if it cannot.
    pub fn is_to_serve(&self, market: U256) -> bool {
        self.serves(market) || self.facts.refusal(market).is_some()
    }

    /// The client's side of the mechanism whose contract is at `address`.
    pub fn mechanism(&self, address: Address) -> Option<&'static dyn Mechanism> {
        self.mechanisms.get(&address).copied()
    }

    /// The stored proof of a slot, if it proves what the slot states and pays this prover.
    pub fn proof(&self, key: SlotKey) -> Result<Option<StoredProof>, StoreError> {
        let Some(fact) = self.facts.slot(key) else { return Ok(None) };
        let proof = self.store.proof(key)?;
        Ok(proof.filter(|proof| proof.statement == fact.slot.statement && proof.payee == self.me))
    }

    fn has_proof(&self, key: SlotKey) -> Result<bool, StoreError> {
        Ok(self.proof(key)?.is_some())
    }

    /// Take in blocks, and what they said. Events, work and cursor are on disk when this returns. No reorg reaches below block
    /// `floor`.
    pub fn blocks(
        &mut self,
        blocks: &[(BlockRef, Vec<LoggedEvent>)],
        floor: u64,
    ) -> Result<Vec<Moved>, NodeError> {
        Ok(self.take_in(blocks, floor, true)?.unwrap_or_default())
    }

    /// The same; but unless it `is_sure` that they are the chain's, nothing of them is taken in, and nothing is the answer, if what is
    /// said of a market in them makes no sense: from then on none of it would be believed.
    pub fn take_in(
        &mut self,
        blocks: &[(BlockRef, Vec<LoggedEvent>)],
        floor: u64,
        is_sure: bool,
    ) -> Result<Option<Vec<Moved>>, NodeError> {
        let Some((last, _)) = blocks.last() else { return Ok(Some(Vec::new())) };
        let senseless = self.facts.senseless();
        let mut kept = Vec::with_capacity(blocks.len());
        let mut touched = BTreeSet::new();
        for (block, events) in blocks {
            let mut wanted = Vec::new();
            // One after the other: which is wanted may follow from the one before.
            for logged in events {
                if is_turn_of(&logged.event, self.me) {
                    self.facts.own_turns(self.store.own_turns()?);
                }
                if self.facts.concerns(logged) {
                    if !self.facts.holds_back(logged) {
                        touched.extend(self.facts.apply(logged));
                    }
                    wanted.push(trimmed(logged));
                }
            }
            kept.push((*block, wanted));
        }
        if !is_sure && self.facts.senseless() > senseless {
            let loaded = self.store.load()?;
            self.refold(&loaded, self.head.map_or(0, |head| head.timestamp))?;
            return Ok(None);
        }
        self.facts.pass(last.timestamp);
        let mut changes = Changes::default();
        let moved = self.reconcile(touched, &mut changes)?;
        self.store.commit_blocks(&kept, floor, &changes)?;
        let before = self.head.replace(*last).map_or(0, |head| head.number);
        if last.number / COMPACT_EVERY > before / COMPACT_EVERY {
            self.compact(floor.min(last.number.saturating_sub(KEEP_BLOCKS)))?;
        }
        Ok(Some(moved))
    }

    /// One block, of a chain of which [`KEEP_BLOCKS`] may be taken back.
    #[cfg(test)]
    pub(crate) fn block(&mut self, block: BlockRef, events: &[LoggedEvent]) -> Result<Vec<Moved>, NodeError> {
        self.blocks(&[(block, events.to_vec())], block.number.saturating_sub(KEEP_BLOCKS))
    }

    /// The facts anew, from what is on disk, at chain time `now`. What was made of the ones before counts no more.
    fn refold(&mut self, loaded: &Loaded, now: u64) -> Result<(), NodeError> {
        let markets = self.markets.as_deref();
        self.facts = fold(&self.deployment, self.me, markets, &self.workloads, loaded, &self.past)?;
        self.facts.pass(now);
        self.duty.clear();
        self.turns.get_mut().clear();
        Ok(())
    }

    /// Take back every block after `to`.
    pub fn reorg(&mut self, to: BlockRef) -> Result<Vec<Moved>, NodeError> {
        let mut loaded = self.store.load()?;
        loaded.events.retain(|logged| logged.block.number <= to.number);
        loaded.blocks.retain(|block| block.number <= to.number);
        // Before the events are gone: what is read twice does no harm.
        if past::cut(&mut self.past, to.number) {
            self.store.set_pasts(&self.past)?;
        }
        if past::cut_shown(&mut loaded.shown, to.number) {
            self.store.set_shown(&loaded.shown)?;
        }
        self.refold(&loaded, to.timestamp)?;
        let mut changes = Changes::default();
        let everything = self.keys();
        let moved = self.reconcile(everything, &mut changes)?;
        self.store.roll_back(to.number, &changes)?;
        self.head = Some(to);
        Ok(moved)
    }

    /// A pause or resumption turned out to be a node's own.
    pub fn own_turn(&mut self, hash: B256) -> Result<(), NodeError> {
        self.store.add_own_turn(hash)?;
        let loaded = self.store.load()?;
        self.refold(&loaded, self.head.map_or(0, |head| head.timestamp))
    }

    /// Something happened to a slot on this side of the chain.
    pub fn input(&mut self, key: SlotKey, input: &Input) -> Result<Option<Moved>, StoreError> {
        let mut changes = Changes::default();
        let moved = self.advance(key, input, &mut changes);
        if !changes.is_empty() {
            self.store.commit_work(&changes)?;
        }
        Ok(moved)
    }

    /// A proof is finished: store it with the work it completes.
    pub fn proved(&mut self, key: SlotKey, proof: &StoredProof) -> Result<Option<Moved>, StoreError> {
        let mut changes = Changes::default();
        let moved = self.advance(key, &Input::ProofDone, &mut changes);
        self.store.commit_proof(key, proof, &changes)?;
        Ok(moved)
    }

    /// The chain's time went back: what was decided by a later one is decided anew.
    pub fn time_went_back(&mut self) -> Result<Vec<Moved>, StoreError> {
        let mut changes = Changes::default();
        let keys: Vec<SlotKey> = self.work.keys().copied().collect();
        let moved = keys
            .into_iter()
            .filter_map(|key| self.advance(key, &Input::TimeWentBack, &mut changes))
            .collect();
        if !changes.is_empty() {
            self.store.commit_work(&changes)?;
        }
        Ok(moved)
    }

    /// Ask the mechanisms about every slot that a decision could move.
    pub fn decide(&mut self, policy: &Policy) -> Result<Vec<(Moved, Decision)>, NodeError> {
        let mut moved = Vec::new();
        let mut changes = Changes::default();
        // What was not at hand may be now.
        for key in self.no_longer_wanting() {
            self.advance(key, &Input::Changed, &mut changes);
        }
        let due = |record: &WorkRecord| match record.work.stage {
            SlotStage::Seen | SlotStage::Queued | SlotStage::Proving | SlotStage::Proved { .. } => true,
            SlotStage::Waiting { until } => until <= policy.now,
            _ => false,
        };
        let keys: Vec<SlotKey> =
            self.work.iter().filter(|(_, record)| due(record)).map(|(key, _)| *key).collect();
        let mut queue = if keys.is_empty() { queue::Queue::default() } else { self.queue(policy) };
        for key in keys {
            let Some(decision) = self.decision_in(key, policy, &queue) else { continue };
            self.decisions += 1;
            let before = self.work.get(&key).map(|record| record.work.stage);
            let idle = before.is_some_and(|stage| !stage.engaged());
            if idle && matches!(decision, Decision::Prove { .. }) && self.at_hand(key).is_err() {
                self.duty.wants(key);
                moved
                    .extend(self.advance(key, &Input::Unprovable, &mut changes).map(|step| (step, decision)));
                continue;
            }
            let has_proof = idle && matches!(decision, Decision::Prove { .. }) && self.has_proof(key)?;
            if let Some(step) = self.advance(key, &Input::Decided { decision, has_proof }, &mut changes) {
                if let Some(record) = self.work.get(&key) {
                    queue.moved(key, &record.slot, before, step.after);
                }
                moved.push((step, decision));
            }
        }
        if !changes.is_empty() {
            self.store.commit_work(&changes)?;
        }
        Ok(moved)
    }

    /// Decisions computed so far, and provers put into a slot's order: what passes cost.
    pub fn effort(&self) -> (u64, u64) {
        (self.decisions, self.turns.borrow().hashes())
    }

    fn keys(&self) -> BTreeSet<SlotKey> {
        self.work.keys().copied().chain(self.facts.slots().map(|(key, _)| key)).collect()
    }
}

fn fold(
    deployment: &Deployment,
    me: Address,
    markets: Option<&[U256]>,
    workloads: &Workloads,
    loaded: &Loaded,
    past: &[Past],
) -> Result<Facts, NodeError> {
    let mut facts = Facts::of(deployment, me, markets, workloads).awaiting(past::incomplete(past));
    facts.own_turns(loaded.own_turns.iter().copied());
    facts.counted_so_far(loaded.told.iter().cloned());
    facts.show_only(loaded.shown.iter().cloned());
    for (rollup, snapshot) in &loaded.snapshots {
        facts.restore(*rollup, snapshot).map_err(NodeError::Snapshot)?;
    }
    for logged in &loaded.events {
        // A node that served more markets kept more.
        if facts.is_ours(logged) && !facts.holds_back(logged) {
            facts.apply(logged);
        }
    }
    if let Some(head) = loaded.blocks.last() {
        facts.pass(head.timestamp);
    }
    Ok(facts)
}

pub(crate) fn unix_millis() -> u64 {
    crate::report::millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
