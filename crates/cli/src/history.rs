//! What the contracts' events tell: every market, slot and prover, in order. Pure: events in, tables out.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};
use provery_mechanisms::{draw::Record, weights::Weights};
use provery_types::{Event, LoggedEvent, Slot, SlotExt, Terms, text};

/// How a slot ended, if it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Proven {
        payee: Address,
        reward: U256,
        premium: U256,
        missed_by: Option<Address>,
        at: u64,
        tx: B256,
    },
    Expired {
        forfeited: U256,
        at: u64,
        tx: B256,
    },
    Cancelled {
        at: u64,
        tx: B256,
    },
    /// With its premise, or because its requester paid its holder `fee`.
    Dropped {
        fee: U256,
        at: u64,
        tx: B256,
    },
}

/// A proof that was paid while the slot's premise was open: the words that `resolve` needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    pub payee: Address,
    pub right: bool,
    pub claim: U256,
    /// Whether the premise was settled since.
    pub resolved: bool,
}

/// Where a slot of a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was proven right, and everything it builds on.
    Established,
    /// Neither it nor anything it builds on fell.
    Open,
    /// It will never be established.
    Fallen,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Open => "open",
            Self::Fallen => "fallen",
        }
    }
}

#[derive(Debug, Clone)]
pub struct SlotHistory {
    /// As last told: an allocation after opening changes it, and a hand-over.
    pub slot: Slot,
    /// Whom the mechanism gave it to, whoever holds it now; zero if nobody.
    pub allocated: Address,
    pub terms_hash: B256,
    pub statement_inputs: Vec<U256>,
    pub opened_block: u64,
    pub opened_tx: B256,
    /// Provers drawn and passed over before one fitted.
    pub passed_over: u64,
    pub outcome: Outcome,
    pub pending: Option<Pending>,
    pub standing: Standing,
}

impl SlotHistory {
    /// Whether the slash of its holder's bond waits for its premise.
    pub fn is_held(&self) -> bool {
        self.pending.is_some_and(|pending| {
            !pending.resolved && !self.slot.prover.is_zero() && pending.payee != self.slot.prover
        })
    }
}

#[derive(Debug, Clone, Default)]
pub struct MarketHistory {
    pub creator: Address,
    pub capacity: u32,
    pub terms_hash: B256,
    pub weights: Weights,
    pub slots: BTreeMap<u64, SlotHistory>,
    passed_over: BTreeMap<u64, u64>,
}

impl MarketHistory {
    /// Whether what a slot builds on stands; the origin always does.
    pub fn premise(&self, slot: &Slot) -> Standing {
        match slot.premise() {
            0 => Standing::Established,
            premise => self.slots.get(&premise).map_or(Standing::Open, |record| record.standing),
        }
    }
}

/// What a prover put behind a market.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocation {
    pub units: u64,
    /// Units that may be bonded at once.
    pub exposure: u64,
    /// Versions of the terms that it accepts.
    pub from_version: u32,
    pub to_version: u32,
}

#[derive(Debug, Clone, Default)]
pub struct ProverHistory {
    pub id: u32,
    pub uri: String,
    pub paused: bool,
    /// By market.
    pub allocations: BTreeMap<U256, Allocation>,
    pub submitters: Vec<Address>,
    /// Keys that it nominated and that have not answered.
    pub nominated: Vec<Address>,
    /// Markets that it is suspended in.
    suspended: BTreeSet<U256>,
    /// Market → asset wei reserved by open slots.
    bonds: BTreeMap<U256, U256>,
}

#[derive(Debug, Clone, Default)]
pub struct History {
    pub markets: BTreeMap<U256, MarketHistory>,
    pub provers: BTreeMap<Address, ProverHistory>,
    pub seeds: BTreeMap<u64, U256>,
    terms: BTreeMap<B256, Terms>,
    ids: BTreeMap<u32, Address>,
}

impl History {
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a LoggedEvent>) -> Self {
        let mut history = Self::default();
        for event in events {
            history.apply(event);
        }
        history
    }

    /// The world just before a slot was opened.
    pub fn before_opening(events: &[LoggedEvent], market: U256, id: u64) -> Self {
        let opening = |event: &LoggedEvent| matches!(&event.event, Event::SlotOpened { slot, .. } if slot.market == market && slot.id == id);
        Self::replay(events.iter().take_while(|event| !opening(event)))
    }

    pub fn terms(&self, hash: B256) -> Option<&Terms> {
        self.terms.get(&hash)
    }

    pub fn prover_by_id(&self, id: u32) -> Option<Address> {
        self.ids.get(&id).copied()
    }

    pub fn slot(&self, market: U256, id: u64) -> Option<&SlotHistory> {
        self.markets.get(&market)?.slots.get(&id)
    }

    /// Asset wei of a prover that open slots of `market` reserve.
    pub fn bonded(&self, prover: Address, market: U256) -> U256 {
        self.provers.get(&prover).and_then(|prover| prover.bonds.get(&market)).copied().unwrap_or_default()
    }

    /// What a draw in `market`, for a slot under `version` of its terms, would have seen of a prover.
    pub fn record(&self, prover: Address, market: U256, version: u32, stake_unit: U256) -> Option<Record> {
        let record = self.provers.get(&prover)?;
        let allocation = record.allocations.get(&market).copied().unwrap_or_default();
        let bonded = self.bonded(prover, market);
        let exposed = stake_unit.saturating_mul(U256::from(allocation.units.min(allocation.exposure)));
        Some(Record {
            paused: record.paused,
            suspended: record.suspended.contains(&market),
            accepts: (allocation.from_version..=allocation.to_version).contains(&version),
            free: exposed.saturating_sub(bonded).saturating_to(),
        })
    }

    fn apply(&mut self, logged: &LoggedEvent) {
        let (at, tx) = (logged.block.timestamp, logged.tx_hash);
        match &logged.event {
            Event::MarketCreated { market, creator, capacity, .. } => {
                let record = self.markets.entry(*market).or_default();
                (record.creator, record.capacity) = (*creator, *capacity);
            }
            Event::TermsSet { market, terms_hash, terms, from } => {
                self.terms.insert(*terms_hash, terms.clone());
                // What is only announced is in force once a slot opens under it.
                if *from <= at {
                    self.markets.entry(*market).or_default().terms_hash = *terms_hash;
                }
            }
            Event::ProversPassedOver { market, slot, count } => {
                self.markets.entry(*market).or_default().passed_over.insert(*slot, *count);
            }
            Event::SlotOpened { slot, terms_hash, statement_inputs } => {
                let market = self.markets.entry(slot.market).or_default();
                market.terms_hash = *terms_hash;
                let opened = SlotHistory {
                    slot: slot.clone(),
                    allocated: slot.prover,
                    terms_hash: *terms_hash,
                    statement_inputs: statement_inputs.clone(),
                    opened_block: logged.block.number,
                    opened_tx: tx,
                    passed_over: market.passed_over.remove(&slot.id).unwrap_or_default(),
                    outcome: Outcome::Open,
                    pending: None,
                    standing: Standing::Open,
                };
                market.slots.insert(slot.id, opened);
                self.bond(slot.market, slot.id, true);
            }
            Event::SlotAllocated { slot } => {
                if let Some(record) = self.markets.entry(slot.market).or_default().slots.get_mut(&slot.id) {
                    record.slot = slot.clone();
                    record.allocated = slot.prover;
                }
                self.bond(slot.market, slot.id, true);
            }
            Event::SlotHandedOver { slot, .. } => {
                // The old holder's bond is free again, the new one's is bound.
                self.bond(slot.market, slot.id, false);
                if let Some(record) = self.markets.entry(slot.market).or_default().slots.get_mut(&slot.id) {
                    record.slot = slot.clone();
                }
                self.bond(slot.market, slot.id, true);
            }
            Event::SlotProven { market, id, payee, reward, premium, missed_by } => {
                let (payee, reward, premium, missed_by) = (*payee, *reward, *premium, *missed_by);
                self.end(*market, *id, Outcome::Proven { payee, reward, premium, missed_by, at, tx });
            }
            Event::SlotExpired { market, id, forfeited } => {
                self.end(*market, *id, Outcome::Expired { forfeited: *forfeited, at, tx });
            }
            Event::SlotCancelled { market, id } => self.end(*market, *id, Outcome::Cancelled { at, tx }),
            Event::SlotDropped { market, id, fee } => {
                self.end(*market, *id, Outcome::Dropped { fee: *fee, at, tx });
            }
            Event::SlotPending { market, id, payee, right, claim } => {
                let pending = Pending { payee: *payee, right: *right, claim: *claim, resolved: false };
                self.with_slot(*market, *id, |slot| slot.pending = Some(pending));
            }
            Event::SlotResolved { market, id, premium } => self.resolve(*market, *id, *premium),
            Event::SlotEstablished { market, id, .. } => {
                self.with_slot(*market, *id, |slot| slot.standing = Standing::Established);
            }
            Event::ChainCut { market, id, .. } => {
                // The slots that stand are one line, in the order of their ids.
                let market = self.markets.entry(*market).or_default();
                for (_, slot) in market.slots.range_mut(id..) {
                    slot.standing = Standing::Fallen;
                }
            }
            Event::ProverRegistered { prover, id, uri } => {
                self.ids.insert(*id, *prover);
                let record = self.provers.entry(*prover).or_default();
                record.id = *id;
                record.uri = text::shown(uri, text::URI_BYTES);
            }
            Event::UriSet { prover, uri } => {
                self.provers.entry(*prover).or_default().uri = text::shown(uri, text::URI_BYTES);
            }
            Event::SubmitterSet { prover, submitter, allowed } => {
                let submitters = &mut self.provers.entry(*prover).or_default().submitters;
                submitters.retain(|known| known != submitter);
                if *allowed {
                    submitters.push(*submitter);
                }
                self.provers.entry(*prover).or_default().nominated.retain(|known| known != submitter);
            }
            Event::SubmitterNominated { prover, submitter } => {
                let record = self.provers.entry(*prover).or_default();
                if !record.nominated.contains(submitter) && !record.submitters.contains(submitter) {
                    record.nominated.push(*submitter);
                }
            }
            Event::AllocationSet { prover, market, units, exposure, from_version, to_version } => {
                let (units, exposure) = (*units, *exposure);
                let (from_version, to_version) = (*from_version, *to_version);
                let allocation = Allocation { units, exposure, from_version, to_version };
                self.provers.entry(*prover).or_default().allocations.insert(*market, allocation);
            }
            Event::WeightSet { market, id, weight, epoch } => {
                self.markets.entry(*market).or_default().weights.set(*id, *weight, *epoch);
            }
            Event::ProverPaused { prover } => self.provers.entry(*prover).or_default().paused = true,
            Event::ProverResumed { prover } => self.provers.entry(*prover).or_default().paused = false,
            Event::ProverSuspended { prover, market } => {
                self.provers.entry(*prover).or_default().suspended.insert(*market);
            }
            Event::ProverReinstated { prover, market } => {
                self.provers.entry(*prover).or_default().suspended.remove(market);
            }
            Event::EpochSeeded { epoch, seed } => {
                self.seeds.insert(*epoch, *seed);
            }
            // Amounts that the chain answers for itself, and what concerns the rollup alone.
            _ => {}
        }
    }

    fn with_slot(&mut self, market: U256, id: u64, change: impl FnOnce(&mut SlotHistory)) {
        if let Some(slot) = self.markets.get_mut(&market).and_then(|market| market.slots.get_mut(&id)) {
            change(slot);
        }
    }

    /// A slash that was held is paid, with a premium for the rescuer, or undone.
    fn resolve(&mut self, market: U256, id: u64, paid: U256) {
        if self.slot(market, id).is_some_and(SlotHistory::is_held) {
            self.bond(market, id, false);
        }
        self.with_slot(market, id, |slot| {
            let holder = slot.slot.prover;
            if let Some(pending) = &mut slot.pending {
                pending.resolved = true;
            }
            if let (Outcome::Proven { premium, missed_by, .. }, false) = (&mut slot.outcome, paid.is_zero()) {
                (*premium, *missed_by) = (paid, Some(holder));
            }
        });
    }

    fn end(&mut self, market: U256, id: u64, outcome: Outcome) {
        // A bond whose slash is held stays where it is.
        if !self.slot(market, id).is_some_and(SlotHistory::is_held) {
            self.bond(market, id, false);
        }
        if let Some(record) = self.markets.entry(market).or_default().slots.get_mut(&id) {
            record.outcome = outcome;
        }
    }

    /// Count a slot's bond in, or out.
    fn bond(&mut self, market: U256, id: u64, reserved: bool) {
        let Some(record) = self.markets.get(&market).and_then(|market| market.slots.get(&id)) else { return };
        if record.slot.prover.is_zero() {
            return;
        }
        let bond =
            self.terms.get(&record.terms_hash).map(|terms| terms.bond.to::<U256>()).unwrap_or_default();
        let total = self.provers.entry(record.slot.prover).or_default().bonds.entry(market).or_default();
        *total = if reserved { total.saturating_add(bond) } else { total.saturating_sub(bond) };
    }
}

#[cfg(test)]
mod tests;
