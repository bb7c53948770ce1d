//! The fold itself: every market, slot and prover, in order.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::{Address, B256, I256, U256};
use provery_mechanisms::draw::Record;
use provery_types::{Event, LoggedEvent, Slot, Terms, text};

use crate::{
    record::{
        At, ChainStatus, Cost, MarketHistory, Outcome, Payout, PayoutKind, Pending, ProverHistory, Signer,
        Slash, SlotRecord, Split, Stake,
    },
    totals::{Share, Totals, signed},
};

#[cfg(test)]
mod tests;

/// What is remembered one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Slots of a market of which nothing more will be said, the newest. All others are always kept.
    pub slots: usize,
    /// Payouts, slashes and costs, each, the newest.
    pub records: usize,
}

impl Keep {
    /// Everything.
    pub const ALL: Self = Self { slots: usize::MAX, records: usize::MAX };
}

impl Default for Keep {
    fn default() -> Self {
        Self::ALL
    }
}

/// What the events come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    keep: Keep,
    /// By id.
    pub markets: BTreeMap<U256, MarketHistory>,
    /// By address.
    pub provers: BTreeMap<Address, ProverHistory>,
    /// Seeds of epochs.
    pub seeds: BTreeMap<u64, U256>,
    terms: BTreeMap<B256, Terms>,
    ids: BTreeMap<u32, Address>,
    payouts: VecDeque<Payout>,
    slashes: VecDeque<Slash>,
    totals: BTreeMap<Share, Totals>,
    /// By block and transaction.
    costs: BTreeMap<(u64, B256), Cost>,
}

impl History {
    /// Nothing yet, to be told events one by one.
    pub fn new(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }

    /// What these come to, with everything kept.
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

    /// What was paid, in the order of the chain.
    pub fn payouts(&self) -> impl Iterator<Item = &Payout> {
        self.payouts.iter()
    }

    /// What was slashed, in the order of the chain.
    pub fn slashes(&self) -> impl Iterator<Item = &Slash> {
        self.slashes.iter()
    }

    /// Totals by market, mechanism and prover, in this order, from the first event on.
    pub fn totals(&self) -> impl Iterator<Item = (Share, Totals)> {
        self.totals.iter().map(|(share, totals)| (*share, *totals))
    }

    /// The totals of those shares that fit, together.
    pub fn total(&self, fit: impl Fn(&Share) -> bool) -> Totals {
        let mut sum = Totals::default();
        self.totals().filter(|(share, _)| fit(share)).for_each(|(_, totals)| sum += totals);
        sum
    }

    /// What the transaction at `at` cost, if that was noted.
    pub fn cost(&self, at: At) -> Option<Cost> {
        self.costs.get(&(at.block, at.tx)).copied()
    }

    /// Note what a transaction of block `block` cost, by its receipt.
    pub fn note_cost(&mut self, tx: B256, block: u64, cost: Cost) {
        self.costs.insert((block, tx), cost);
        while self.costs.len() > self.keep.records {
            self.costs.pop_first();
        }
    }

    /// What was noted of transactions up to block `to`, to be noted again.
    pub(crate) fn take_costs(&mut self, to: u64) -> BTreeMap<(u64, B256), Cost> {
        let mut costs = std::mem::take(&mut self.costs);
        costs.retain(|(block, _), _| *block <= to);
        costs
    }

    pub(crate) fn put_costs(&mut self, costs: BTreeMap<(u64, B256), Cost>) {
        self.costs = costs;
    }

    /// Whether `key` may sign for `prover` in the transaction whose first event is at `at`.
    pub fn signs(&self, prover: Address, key: Address, at: At) -> bool {
        let signers = self.provers.get(&prover).map(|prover| prover.signers.as_slice()).unwrap_or_default();
        let may = |it: &Signer| it.key == key && it.since < at && it.until.is_none_or(|until| at <= until);
        key == prover || signers.iter().any(may)
    }

    /// The terms with this hash, if a `TermsSet` told of them.
    pub fn terms(&self, hash: B256) -> Option<&Terms> {
        self.terms.get(&hash)
    }

    /// The prover that registered as the `id`th.
    pub fn prover_by_id(&self, id: u32) -> Option<Address> {
        self.ids.get(&id).copied()
    }

    /// A slot; none if it was not opened, or is forgotten ([`Keep::slots`]).
    pub fn slot(&self, market: U256, id: u64) -> Option<&SlotRecord> {
        self.markets.get(&market)?.slots.get(&id)
    }

    /// Base units of the asset of a prover that open slots of `market` reserve.
    pub fn bonded(&self, prover: Address, market: U256) -> U256 {
        self.provers.get(&prover).and_then(|prover| prover.bonds.get(&market)).copied().unwrap_or_default()
    }

    /// What a draw in `market`, for a slot under `version` of its terms, would have seen of a prover.
    pub fn record(&self, prover: Address, market: U256, version: u32, stake_unit: U256) -> Option<Record> {
        let record = self.provers.get(&prover)?;
        let allocation = record.stakes.get(&market).copied().unwrap_or_default();
        let bonded = self.bonded(prover, market);
        let exposed = stake_unit.saturating_mul(U256::from(allocation.units.min(allocation.exposure)));
        Some(Record {
            paused: record.paused,
            suspended: record.suspended.contains(&market),
            accepts: (allocation.from_version..=allocation.to_version).contains(&version),
            free: exposed.saturating_sub(bonded).saturating_to(),
        })
    }

    /// Take in the next event of the chain.
    pub fn apply(&mut self, logged: &LoggedEvent) {
        let here = At::of(logged);
        let (at, tx) = (here.time, here.tx);
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
                market.opened += 1;
                market.forget(self.keep.slots);
                let opened = SlotRecord {
                    slot: slot.clone(),
                    assigned: slot.prover,
                    terms_hash: *terms_hash,
                    statement_inputs: statement_inputs.clone(),
                    opened: here,
                    passed_over: market.passed_over.remove(&slot.id).unwrap_or_default(),
                    outcome: Outcome::Open,
                    pending: None,
                    chain_status: ChainStatus::Open,
                    settled: false,
                };
                market.slots.insert(slot.id, opened);
                self.assigned(slot);
            }
            Event::SlotAssigned { slot } => {
                if let Some(record) = self.markets.entry(slot.market).or_default().slots.get_mut(&slot.id) {
                    record.slot = slot.clone();
                    record.assigned = slot.prover;
                }
                self.assigned(slot);
            }
            Event::SlotTransferred { slot, from, price } => {
                // The old holder's bond is free again, the new one's is bound.
                self.bond(slot.market, slot.id, false);
                if let Some(record) = self.markets.entry(slot.market).or_default().slots.get_mut(&slot.id) {
                    record.slot = slot.clone();
                }
                self.bond(slot.market, slot.id, true);
                if slot.prover != *from {
                    let price = I256::try_from(*price).unwrap_or_default();
                    for (to, amount) in [(*from, price), (slot.prover, -price)] {
                        self.pay(here, slot.market, slot.id, to, PayoutKind::TransferOffer, amount);
                    }
                }
            }
            Event::SlotProven { market, id, payee, reward, premium, missed_by } => {
                let (payee, reward, premium, missed_by) = (*payee, *reward, *premium, *missed_by);
                self.end(*market, *id, Outcome::Proven { payee, reward, premium, missed_by, at, tx });
                self.delivered(*market, *id, payee);
                self.pay(here, *market, *id, payee, PayoutKind::Reward, signed(reward));
                self.pay(here, *market, *id, payee, PayoutKind::Premium, signed(premium));
                if let Some(missed_by) = missed_by {
                    self.tally(*market, *id, missed_by, |totals| totals.missed += 1);
                }
            }
            Event::RoyaltyPaid { market, id, author, amount } => {
                self.pay(here, *market, *id, *author, PayoutKind::Royalty, signed(*amount));
            }
            Event::SlotExpired { market, id, forfeited } => {
                self.end(*market, *id, Outcome::Expired { forfeited: *forfeited, at, tx });
                let market = self.markets.entry(*market).or_default();
                market.burned = market.burned.saturating_add(*forfeited);
            }
            Event::SlotCancelled { market, id } => self.end(*market, *id, Outcome::Cancelled { at, tx }),
            Event::SlotDropped { market, id, fee } => {
                self.end(*market, *id, Outcome::Dropped { fee: *fee, at, tx });
                if let Some(holder) = self.slot(*market, *id).and_then(SlotRecord::holder) {
                    self.pay(here, *market, *id, holder, PayoutKind::DropFee, signed(*fee));
                }
            }
            Event::SlotPending { market, id, payee, right, claim } => {
                let pending = Pending { payee: *payee, right: *right, claim: *claim, resolved: false };
                self.with_slot(*market, *id, |slot| slot.pending = Some(pending));
            }
            Event::SlotResolved { market, id, premium } => self.resolve(here, *market, *id, *premium),
            Event::SlotEstablished { market, id, claim } => {
                self.markets.entry(*market).or_default().established = (*id, *claim);
                self.with_slot(*market, *id, |slot| slot.chain_status = ChainStatus::Established);
                self.settle(*market, *id);
            }
            Event::ChainCut { market, id, .. } => {
                // The slots that stand are one line, in the order of their ids.
                let fallen: Vec<u64> = match self.markets.get_mut(market) {
                    Some(market) => market
                        .slots
                        .range_mut(id..)
                        .map(|(id, slot)| {
                            slot.chain_status = ChainStatus::Fallen;
                            *id
                        })
                        .collect(),
                    None => Vec::new(),
                };
                fallen.into_iter().for_each(|id| self.settle(*market, id));
            }
            // The registry's word comes first, the market's completes it.
            Event::StakeSlashed { prover, market, amount } => {
                self.slash(Slash { at: here, market: *market, prover: *prover, amount: *amount, slot: None });
            }
            Event::BondSlashed { market, id, prover, to_rescuer, to_requester, burned } => {
                let split = Split { to_rescuer: *to_rescuer, to_requester: *to_requester, burned: *burned };
                self.slashed(here, *market, *id, *prover, split);
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
                self.signer(here, *prover, *submitter, *allowed);
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
                let stake = Stake { units, exposure, from_version, to_version };
                self.provers.entry(*prover).or_default().stakes.insert(*market, stake);
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
            // Amounts that the chain answers for itself, and what concerns the requester alone.
            _ => {}
        }
    }

    fn with_slot(&mut self, market: U256, id: u64, change: impl FnOnce(&mut SlotRecord)) {
        if let Some(slot) = self.markets.get_mut(&market).and_then(|market| market.slots.get_mut(&id)) {
            change(slot);
        }
    }

    /// A slash that was held is paid, with a premium for the rescuer, or undone.
    fn resolve(&mut self, here: At, market: U256, id: u64, paid: U256) {
        let held = self.slot(market, id).is_some_and(SlotRecord::is_held);
        if held {
            self.bond(market, id, false);
            if paid.is_zero() {
                self.markets.entry(market).or_default().slashes_undone += 1;
            }
        }
        let mut rescue = None;
        self.with_slot(market, id, |slot| {
            let holder = slot.slot.prover;
            if let Some(pending) = &mut slot.pending {
                pending.resolved = true;
            }
            if let (Outcome::Proven { payee, premium, missed_by, .. }, false) =
                (&mut slot.outcome, paid.is_zero())
            {
                (*premium, *missed_by) = (paid, Some(holder));
                rescue = Some((*payee, holder));
            }
        });
        if let Some((payee, holder)) = rescue {
            self.pay(here, market, id, payee, PayoutKind::Premium, signed(paid));
            self.tally(market, id, holder, |totals| totals.missed += 1);
        }
        self.settle(market, id);
    }

    fn end(&mut self, market: U256, id: u64, outcome: Outcome) {
        // A bond whose slash is held stays where it is.
        let held = self.slot(market, id).is_some_and(SlotRecord::is_held);
        if held {
            self.markets.entry(market).or_default().slashes_held += 1;
        } else {
            self.bond(market, id, false);
        }
        self.with_slot(market, id, |slot| slot.outcome = outcome);
        self.settle(market, id);
    }

    /// A slot that its mechanism gave to somebody, or to nobody.
    fn assigned(&mut self, slot: &Slot) {
        self.bond(slot.market, slot.id, true);
        if !slot.prover.is_zero() {
            self.tally(slot.market, slot.id, slot.prover, |totals| totals.won += 1);
        }
    }

    fn delivered(&mut self, market: U256, id: u64, payee: Address) {
        let (holder, assigned) =
            self.slot(market, id).map_or((None, Address::ZERO), |slot| (slot.holder(), slot.assigned));
        self.tally(market, id, payee, |totals| {
            totals.delivered += 1;
            totals.won += u64::from(assigned.is_zero());
            totals.rescued += u64::from(holder.is_some_and(|holder| holder != payee));
        });
    }

    fn pay(&mut self, at: At, market: U256, slot: u64, to: Address, kind: PayoutKind, amount: I256) {
        if amount.is_zero() && kind != PayoutKind::Reward {
            return;
        }
        self.tally(market, slot, to, |totals| match kind {
            PayoutKind::Reward => totals.rewards += amount.unsigned_abs(),
            PayoutKind::Premium => totals.premiums += amount.unsigned_abs(),
            PayoutKind::DropFee => totals.drop_fees += amount.unsigned_abs(),
            PayoutKind::Royalty => totals.royalties += amount.unsigned_abs(),
            PayoutKind::TransferOffer => totals.transfers += amount,
        });
        self.payouts.push_back(Payout { at, market, slot, to, kind, amount });
        while self.payouts.len() > self.keep.records {
            self.payouts.pop_front();
        }
    }

    fn slash(&mut self, slash: Slash) {
        self.slashes.push_back(slash);
        // One more, for the market's word about it is still to come.
        while self.slashes.len() > self.keep.records.saturating_add(1) {
            self.slashes.pop_front();
        }
    }

    /// The market's word about a slash.
    fn slashed(&mut self, here: At, market: U256, id: u64, prover: Address, split: Split) {
        let Split { to_rescuer, to_requester, burned } = split;
        let amount = to_rescuer.saturating_add(to_requester).saturating_add(burned);
        let open = |slash: &&mut Slash| {
            slash.slot.is_none() && (slash.at.tx, slash.market, slash.prover) == (here.tx, market, prover)
        };
        match self.slashes.iter_mut().rev().take_while(|slash| slash.at.tx == here.tx).find(open) {
            Some(slash) => slash.slot = Some((id, split)),
            None => self.slash(Slash { at: here, market, prover, amount, slot: Some((id, split)) }),
        }
        self.tally(market, id, prover, |totals| totals.slashed = totals.slashed.saturating_add(amount));
        let market = self.markets.entry(market).or_default();
        market.burned = market.burned.saturating_add(burned);
    }

    /// Count something for a prover, under the rule that the slot was opened by.
    fn tally(&mut self, market: U256, id: u64, prover: Address, count: impl FnOnce(&mut Totals)) {
        let terms = self.slot(market, id).and_then(|slot| self.terms.get(&slot.terms_hash));
        let mechanism = terms.map(|terms| terms.mechanism).unwrap_or_default();
        count(self.totals.entry(Share { market, mechanism, prover }).or_default());
    }

    fn signer(&mut self, here: At, prover: Address, key: Address, allowed: bool) {
        let signers = &mut self.provers.entry(prover).or_default().signers;
        let chain_status = signers.iter_mut().find(|it| it.key == key && it.until.is_none());
        match (allowed, chain_status) {
            (true, None) => signers.push(Signer { key, since: here, until: None }),
            (false, Some(signer)) => signer.until = Some(here),
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Note that a slot is over, if nothing more will be said of it but in this transaction.
    fn settle(&mut self, market: U256, id: u64) {
        let Some(record) = self.markets.get(&market).and_then(|market| market.slots.get(&id)) else { return };
        let chained = self.terms.get(&record.terms_hash).is_none_or(|terms| terms.chain != 0);
        let stands = chained && record.chain_status == ChainStatus::Open && record.outcome.payee().is_some();
        if record.settled || record.outcome.is_open() || record.is_pending() || stands {
            return;
        }
        let Some(market) = self.markets.get_mut(&market) else { return };
        if let Some(record) = market.slots.get_mut(&id) {
            record.settled = true;
        }
        market.over.push_back(id);
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
