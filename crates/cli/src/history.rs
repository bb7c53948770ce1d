//! What the contracts' events tell: every market, slot and prover, in order. Pure: events in, tables out.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use provery_mechanisms::{lottery::Record, weights::Weights};
use provery_types::{Event, LoggedEvent, Slot, Terms};

/// How a slot ended, if it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Proven { payee: Address, reward: U256, premium: U256, missed_by: Option<Address>, at: u64, tx: B256 },
    Expired { forfeited: U256, at: u64, tx: B256 },
    Cancelled { at: u64, tx: B256 },
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

#[derive(Debug, Clone, Default)]
pub struct ProverHistory {
    pub id: u32,
    pub uri: String,
    pub paused: bool,
    pub suspended: bool,
    /// Market → units.
    pub allocations: BTreeMap<U256, u64>,
    pub submitters: Vec<Address>,
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

    /// What a draw in `market` would have seen of a prover.
    pub fn record(&self, prover: Address, market: U256, stake_unit: U256) -> Option<Record> {
        let record = self.provers.get(&prover)?;
        let units = record.allocations.get(&market).copied().unwrap_or_default();
        let bonded = self.bonded(prover, market);
        let free = stake_unit.saturating_mul(U256::from(units)).saturating_sub(bonded);
        Some(Record { paused: record.paused, suspended: record.suspended, free: free.saturating_to() })
    }

    fn apply(&mut self, logged: &LoggedEvent) {
        let (at, tx) = (logged.block.timestamp, logged.tx_hash);
        match &logged.event {
            Event::MarketCreated { market, creator, capacity } => {
                let record = self.markets.entry(*market).or_default();
                (record.creator, record.capacity) = (*creator, *capacity);
            }
            Event::TermsSet { market, terms_hash, terms } => {
                self.terms.insert(*terms_hash, terms.clone());
                self.markets.entry(*market).or_default().terms_hash = *terms_hash;
            }
            Event::ProversPassedOver { market, slot, count } => {
                self.markets.entry(*market).or_default().passed_over.insert(*slot, *count);
            }
            Event::SlotOpened { slot, terms_hash, statement_inputs } => {
                let market = self.markets.entry(slot.market).or_default();
                let opened = SlotHistory {
                    slot: slot.clone(),
                    allocated: slot.prover,
                    terms_hash: *terms_hash,
                    statement_inputs: statement_inputs.clone(),
                    opened_block: logged.block.number,
                    opened_tx: tx,
                    passed_over: market.passed_over.remove(&slot.id).unwrap_or_default(),
                    outcome: Outcome::Open,
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
            Event::ProverRegistered { prover, id, uri } => {
                self.ids.insert(*id, *prover);
                let record = self.provers.entry(*prover).or_default();
                record.id = *id;
                record.uri.clone_from(uri);
            }
            Event::UriSet { prover, uri } => self.provers.entry(*prover).or_default().uri.clone_from(uri),
            Event::SubmitterSet { prover, submitter, allowed } => {
                let submitters = &mut self.provers.entry(*prover).or_default().submitters;
                submitters.retain(|known| known != submitter);
                if *allowed {
                    submitters.push(*submitter);
                }
            }
            Event::AllocationSet { prover, market, units } => {
                self.provers.entry(*prover).or_default().allocations.insert(*market, *units);
            }
            Event::WeightSet { market, id, weight, epoch } => {
                self.markets.entry(*market).or_default().weights.set(*id, *weight, *epoch);
            }
            Event::ProverPaused { prover } => self.provers.entry(*prover).or_default().paused = true,
            Event::ProverSuspended { prover } => self.provers.entry(*prover).or_default().suspended = true,
            Event::ProverResumed { prover } => {
                let record = self.provers.entry(*prover).or_default();
                (record.paused, record.suspended) = (false, false);
            }
            Event::EpochSeeded { epoch, seed } => {
                self.seeds.insert(*epoch, *seed);
            }
            // Amounts that the chain answers for itself, and what concerns the rollup alone.
            _ => {}
        }
    }

    fn end(&mut self, market: U256, id: u64, outcome: Outcome) {
        self.bond(market, id, false);
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
mod tests {
    use alloy::primitives::{
        Bytes,
        aliases::{U40, U96},
    };
    use provery_types::BlockRef;

    use super::*;

    const PROVER: Address = Address::repeat_byte(7);
    const MARKET: U256 = U256::from_limbs([1, 0, 0, 0]);

    fn terms() -> Terms {
        Terms {
            requester: Address::ZERO,
            mechanism: Address::ZERO,
            mechanismParams: B256::ZERO,
            circuit: B256::ZERO,
            verifier: Address::ZERO,
            price: U96::from(10),
            bond: U96::from(30),
            fastWindow: 1,
            exclusiveWindow: 2,
            expiryWindow: 4,
            floorBps: 1,
            rescuerBps: 1,
            requesterBps: 1,
            forfeitBps: 100,
            outputs: 0,
            callbackGas: 0,
        }
    }

    fn slot(id: u64) -> Slot {
        Slot {
            market: MARKET,
            id,
            statement: B256::ZERO,
            prover: PROVER,
            price: U96::from(10),
            openedAt: U40::from(1),
            startedAt: U40::from(1),
            exclusiveUntil: U40::from(3),
            capacity: 4,
        }
    }

    fn log(events: Vec<Event>) -> Vec<LoggedEvent> {
        let at = |number: u64| BlockRef { number, timestamp: 100 + number, ..Default::default() };
        let logged = |(index, event): (usize, Event)| LoggedEvent {
            event,
            address: Address::ZERO,
            block: at(index as u64),
            tx_hash: B256::repeat_byte(index as u8),
            log_index: index as u64,
        };
        events.into_iter().enumerate().map(logged).collect()
    }

    fn events() -> Vec<LoggedEvent> {
        let hash = B256::repeat_byte(1);
        log(vec![
            Event::MarketCreated { market: MARKET, creator: PROVER, capacity: 4 },
            Event::TermsSet { market: MARKET, terms_hash: hash, terms: terms() },
            Event::ProverRegistered { prover: PROVER, id: 1, uri: "u".into() },
            Event::AllocationSet { prover: PROVER, market: MARKET, units: 5 },
            Event::WeightSet { market: MARKET, id: 1, weight: 5, epoch: 9 },
            Event::ProversPassedOver { market: MARKET, slot: 1, count: 2 },
            Event::SlotOpened { slot: slot(1), terms_hash: hash, statement_inputs: vec![U256::from(8)] },
            Event::SlotOpened { slot: slot(2), terms_hash: hash, statement_inputs: vec![] },
            Event::SlotProven {
                market: MARKET,
                id: 1,
                payee: PROVER,
                reward: U256::from(10),
                premium: U256::ZERO,
                missed_by: None,
            },
            Event::ProverPaused { prover: PROVER },
            Event::BlockPosted {
                number: 1,
                parent: 0,
                old_root: U256::ZERO,
                new_root: U256::ZERO,
                data: Bytes::new(),
            },
        ])
    }

    #[test]
    fn slots_end_as_told() {
        let history = History::replay(&events());
        let first = history.slot(MARKET, 1).expect("is known");
        assert_eq!(first.passed_over, 2);
        assert_eq!(first.statement_inputs, [U256::from(8)]);
        assert!(
            matches!(first.outcome, Outcome::Proven { payee: PROVER, at: 108, .. }),
            "{:?}",
            first.outcome
        );
        assert_eq!(history.slot(MARKET, 2).expect("is known").outcome, Outcome::Open);
        assert_eq!(history.terms(first.terms_hash), Some(&terms()));
        assert_eq!(history.prover_by_id(1), Some(PROVER));
    }

    #[test]
    fn bonds_are_counted_until_the_slot_ends() {
        let events = events();
        let unit = U256::from(100);
        let free = |history: &History| history.record(PROVER, MARKET, unit).expect("is known").free;
        assert_eq!(free(&History::before_opening(&events, MARKET, 1)), 500);
        assert_eq!(free(&History::before_opening(&events, MARKET, 2)), 470);
        assert_eq!(free(&History::replay(&events[..8])), 440);
        assert_eq!(free(&History::replay(&events)), 470);
    }

    #[test]
    fn a_hand_over_moves_the_bond_and_not_the_draw() {
        let taker = Address::repeat_byte(8);
        let mut events = events();
        events.truncate(8);
        let handed =
            Event::SlotHandedOver { slot: Slot { prover: taker, ..slot(2) }, from: PROVER, price: 0 };
        events.extend(log(vec![handed]));
        let history = History::replay(&events);
        let bond = U256::from(30);
        assert_eq!((history.bonded(PROVER, MARKET), history.bonded(taker, MARKET)), (bond, bond));
        let record = history.slot(MARKET, 2).expect("is known");
        assert_eq!((record.slot.prover, record.allocated), (taker, PROVER));
    }

    #[test]
    fn before_a_slot_nothing_after_it_counts() {
        let events = events();
        let history = History::before_opening(&events, MARKET, 2);
        assert!(history.slot(MARKET, 2).is_none());
        assert!(!history.provers[&PROVER].paused);
        assert!(History::replay(&events).provers[&PROVER].paused);
    }
}
