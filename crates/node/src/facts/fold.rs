//! How each event changes the facts.

use alloy::primitives::U256;
use provery_mechanisms::slot_transfer::TransferOffer;
use provery_types::{Event, LoggedEvent, SlotExt as _, SlotKey};

use super::{
    Commitment, Ended, Ending, Facts, MarketTerms, Pending, ProverFact, SlotFact, inputs::source_log,
};

/// Epochs of which it is kept that they have a seed: the coming one, this one, and some to be on the safe side.
const SEEDS_KEPT: usize = 4;

impl Facts {
    /// Whether an event is one that [`Facts::apply`] looks at.
    pub fn wants(event: &Event) -> bool {
        matches!(
            event,
            Event::TermsSet { .. }
                | Event::SlotOpened { .. }
                | Event::SlotAssigned { .. }
                | Event::SlotTransferred { .. }
                | Event::TransferOffered { .. }
                | Event::TransferRevoked { .. }
                | Event::MechanismLog { .. }
                | Event::SlotProven { .. }
                | Event::SlotExpired { .. }
                | Event::SlotCancelled { .. }
                | Event::SlotDropped { .. }
                | Event::SlotPending { .. }
                | Event::SlotResolved { .. }
                | Event::SlotEstablished { .. }
                | Event::ChainCut { .. }
                | Event::ProverRegistered { .. }
                | Event::AllocationSet { .. }
                | Event::WeightSet { .. }
                | Event::ProverPaused { .. }
                | Event::ProverResumed { .. }
                | Event::ProverSuspended { .. }
                | Event::ProverReinstated { .. }
                | Event::EpochSeeded { .. }
                | Event::EpochSeedless { .. }
                | Event::WorkloadLog { .. }
        )
    }

    /// Whether an event is for a workload, and changes nothing but what is known of the inputs of slots.
    pub(crate) fn is_for_workload(event: &Event) -> bool {
        matches!(event, Event::WorkloadLog { .. })
    }

    /// Take in the next event. The answer is the slots it is about.
    pub fn apply(&mut self, logged: &LoggedEvent) -> Vec<SlotKey> {
        self.count(logged);
        match &logged.event {
            Event::TermsSet { market, terms_hash, from, terms } => {
                self.terms.insert(*terms_hash, terms.clone());
                self.versions.insert((*market, terms.version), *terms_hash);
                // Those announced before may be in force, though no slot has opened since.
                self.pass_in(*market, logged.block.timestamp);
                let known = self.market_terms.entry(*market).or_default();
                if *from > logged.block.timestamp {
                    known.announced = Some((*terms_hash, *from));
                } else {
                    known.current = *terms_hash;
                }
            }
            Event::ProverRegistered { prover, id, .. } => {
                self.provers.insert(*prover, ProverFact { id: *id, ..ProverFact::default() });
                self.settle_everywhere(*prover);
            }
            Event::AllocationSet { prover, market, units, exposure, from_version, to_version } => {
                let (units, exposure) = (*units, *exposure);
                let (from_version, to_version) = (*from_version, *to_version);
                let commitment = Commitment { units, exposure, from_version, to_version };
                self.commitments.insert((*market, *prover), commitment);
                self.markets_of.entry(*prover).or_default().insert(*market);
                self.settle(*market, *prover);
            }
            Event::WeightSet { market, id, weight, .. } => {
                self.weights.insert((*market, *id), *weight);
            }
            Event::ProverPaused { prover } | Event::ProverResumed { prover } => {
                let paused = matches!(logged.event, Event::ProverPaused { .. });
                let own = self.own_turns.contains(&logged.tx_hash);
                let fact = self.provers.entry(*prover).or_default();
                fact.paused = paused;
                fact.turned = (logged.block.number, logged.log_index);
                if !own {
                    fact.held_out = paused.then_some(logged.tx_hash);
                }
                self.settle_everywhere(*prover);
            }
            Event::ProverSuspended { prover, market } => {
                self.suspended.insert((*market, *prover));
                self.settle(*market, *prover);
            }
            Event::ProverReinstated { prover, market } => {
                self.suspended.remove(&(*market, *prover));
                self.returns.insert((*market, *prover), None);
                self.settle(*market, *prover);
            }
            // Either way there is nothing more to bring.
            Event::EpochSeeded { epoch, .. } | Event::EpochSeedless { epoch } => {
                self.seeded.insert(*epoch);
                while self.seeded.len() > SEEDS_KEPT {
                    self.seeded.pop_first();
                }
            }
            Event::SlotEstablished { market, id, .. } => {
                if let Some(tracked) = self.tracked.values_mut().find(|it| it.id() == *market) {
                    tracked.established(*id);
                }
                self.establish(SlotKey { market: *market, id: *id }, logged.block.timestamp);
            }
            Event::ChainCut { market, id, .. } => {
                return self.cut(SlotKey { market: *market, id: *id }, logged.block.timestamp);
            }
            Event::WorkloadLog { .. } => {
                if let Some(log) = source_log(logged) {
                    self.take_in(&log);
                }
            }
            _ => return self.apply_to_slot(logged).into_iter().collect(),
        }
        Vec::new()
    }

    fn apply_to_slot(&mut self, logged: &LoggedEvent) -> Option<SlotKey> {
        match &logged.event {
            Event::SlotOpened { slot, terms_hash, statement_inputs } => {
                let key = SlotKey::of(slot);
                let fact = SlotFact {
                    slot: slot.clone(),
                    terms_hash: *terms_hash,
                    inputs: statement_inputs.clone(),
                    ended: None,
                    pending: None,
                    fell: false,
                    premise_fell: false,
                    premise_settled_at: None,
                };
                self.slots.insert(key, fact);
                self.newest.insert(key.market, key.id);
                // Announced terms are in force once a slot has opened under them.
                if let Some(terms) = self.market_terms.get_mut(&key.market)
                    && terms.announced.is_some_and(|(hash, _)| hash == *terms_hash)
                {
                    *terms = MarketTerms { current: *terms_hash, announced: None };
                }
                return Some(key);
            }
            Event::SlotAssigned { slot } | Event::SlotTransferred { slot, .. } => {
                let key = SlotKey::of(slot);
                // An offer is of the slot as its holder had it.
                self.offers.remove(&key);
                self.slots.get_mut(&key)?.slot = slot.clone();
                return Some(key);
            }
            Event::TransferOffered { market, id, digest, to, price, valid_until, .. } => {
                let key = SlotKey { market: *market, id: *id };
                let offer = TransferOffer { to: *to, price: *price, valid_until: *valid_until };
                self.offers.entry(key).or_default().insert(*digest, offer);
                return Some(key);
            }
            Event::TransferRevoked { digest, .. } => {
                self.offers.values_mut().for_each(|offers| {
                    offers.remove(digest);
                });
            }
            Event::MechanismLog { market, slot, log } => {
                let key = SlotKey { market: *market, id: *slot };
                // A mechanism speaks of a slot from the opening of the one before. So the number is known even when all
                // that was opened has been forgotten.
                // Only the market's own mechanism knows.
                if self.market_terms(*market).is_some_and(|terms| terms.mechanism == logged.address) {
                    let newest = self.newest.entry(*market).or_default();
                    *newest = (*newest).max(slot.saturating_sub(1));
                }
                self.logs.entry((key, logged.address)).or_default().push(log.clone());
                return Some(key);
            }
            Event::SlotProven { market, id, payee, reward, premium, missed_by } => {
                let (payee, reward, premium, missed_by) = (*payee, *reward, *premium, *missed_by);
                let held = |fact: &SlotFact| fact.slot.prover == payee;
                if self.slots.get(&SlotKey { market: *market, id: *id }).is_some_and(held)
                    && let Some(proven) = self.returns.get_mut(&(*market, payee))
                {
                    proven.get_or_insert(logged.block.number);
                }
                return self.end(*market, *id, Ending::Proven { payee, reward, premium, missed_by }, logged);
            }
            Event::SlotExpired { market, id, .. } => return self.end(*market, *id, Ending::Expired, logged),
            Event::SlotCancelled { market, id } => return self.end(*market, *id, Ending::Cancelled, logged),
            Event::SlotDropped { market, id, fee } => {
                return self.end(*market, *id, Ending::Dropped { fee: *fee }, logged);
            }
            Event::SlotPending { market, id, payee, right, claim } => {
                let key = SlotKey { market: *market, id: *id };
                let pending = Pending { payee: *payee, right: *right, claim: *claim };
                self.slots.get_mut(&key)?.pending = Some(pending);
                return Some(key);
            }
            Event::SlotResolved { market, id, premium } => {
                let key = SlotKey { market: *market, id: *id };
                self.resolve(key, *premium, logged.block.number);
                return Some(key);
            }
            _ => {}
        }
        None
    }

    fn end(&mut self, market: U256, id: u64, how: Ending, logged: &LoggedEvent) -> Option<SlotKey> {
        let key = SlotKey { market, id };
        self.slots.get_mut(&key)?.ended = Some(Ended { how, tx: logged.tx_hash, block: logged.block.number });
        Some(key)
    }

    /// A pending proof is settled. A premium is what it gets of a bond that is slashed only now.
    fn resolve(&mut self, key: SlotKey, settled: U256, in_block: u64) {
        let Some(fact) = self.slots.get_mut(&key) else { return };
        fact.pending = None;
        let holder = fact.slot.holder();
        if let Some(Ended { how: Ending::Proven { premium, missed_by, .. }, block, .. }) = &mut fact.ended {
            *block = in_block;
            if !settled.is_zero() {
                (*premium, *missed_by) = (settled, holder);
            }
        }
    }

    /// A slot falls with all that builds on it. Slots that stand are one line, in the order of their ids: whatever is after
    /// the one that falls and known now builds on it.
    fn cut(&mut self, key: SlotKey, at: u64) -> Vec<SlotKey> {
        let touched: Vec<SlotKey> = self.from(key).collect();
        for it in &touched {
            let Some(fact) = self.slots.get_mut(it) else { continue };
            if *it == key {
                fact.fell = true;
            } else if !fact.premise_fell {
                (fact.premise_fell, fact.premise_settled_at) = (true, Some(at));
            }
        }
        touched
    }

    fn establish(&mut self, key: SlotKey, at: u64) {
        self.established.insert(key.market, key.id);
        let later: Vec<SlotKey> = self.from(key).collect();
        for it in later {
            if let Some(fact) = self.slots.get_mut(&it)
                && fact.slot.premise() == key.id
                && !fact.premise_fell
            {
                fact.premise_settled_at = Some(at);
            }
        }
    }
}
