//! Events in, tables out.

use alloy::primitives::{
    LogData,
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
        version: 1,
        leastRescue: U96::ZERO,
        chain: 0,
        circuitTerms: U256::ZERO,
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
        link: U256::ZERO,
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
        Event::MarketCreated { market: MARKET, creator: PROVER, capacity: 4, origin: U256::ZERO },
        Event::TermsSet { market: MARKET, terms_hash: hash, from: 0, terms: terms() },
        Event::ProverRegistered { prover: PROVER, id: 1, uri: "u".into() },
        Event::AllocationSet {
            prover: PROVER,
            market: MARKET,
            units: 5,
            exposure: 5,
            from_version: 1,
            to_version: 1,
        },
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
        Event::WorkloadLog { log: LogData::default() },
    ])
}

#[test]
fn slots_end_as_told() {
    let history = History::replay(&events());
    let first = history.slot(MARKET, 1).expect("is known");
    assert_eq!(first.passed_over, 2);
    assert_eq!(first.statement_inputs, [U256::from(8)]);
    assert!(matches!(first.outcome, Outcome::Proven { payee: PROVER, at: 108, .. }), "{:?}", first.outcome);
    assert_eq!(history.slot(MARKET, 2).expect("is known").outcome, Outcome::Open);
    assert_eq!(history.terms(first.terms_hash), Some(&terms()));
    assert_eq!(history.prover_by_id(1), Some(PROVER));
}

#[test]
fn bonds_are_counted_until_the_slot_ends() {
    let events = events();
    let unit = U256::from(100);
    let free = |history: &History| history.record(PROVER, MARKET, 1, unit).expect("is known").free;
    assert_eq!(free(&History::before_opening(&events, MARKET, 1)), 500);
    assert_eq!(free(&History::before_opening(&events, MARKET, 2)), 470);
    assert_eq!(free(&History::replay(&events[..8])), 440);
    assert_eq!(free(&History::replay(&events)), 470);
}

#[test]
fn a_slot_transfer_moves_the_bond_and_not_the_draw() {
    let taker = Address::repeat_byte(8);
    let mut events = events();
    events.truncate(8);
    let transferred =
        Event::SlotTransferred { slot: Slot { prover: taker, ..slot(2) }, from: PROVER, price: 0 };
    events.extend(log(vec![transferred]));
    let history = History::replay(&events);
    let bond = U256::from(30);
    assert_eq!((history.bonded(PROVER, MARKET), history.bonded(taker, MARKET)), (bond, bond));
    let record = history.slot(MARKET, 2).expect("is known");
    assert_eq!((record.slot.prover, record.assigned), (taker, PROVER));
}

#[test]
fn before_a_slot_nothing_after_it_counts() {
    let events = events();
    let history = History::before_opening(&events, MARKET, 2);
    assert!(history.slot(MARKET, 2).is_none());
    assert!(!history.provers[&PROVER].paused);
    assert!(History::replay(&events).provers[&PROVER].paused);
}

/// A slot of a chain that builds on `premise`.
fn link(id: u64, premise: u64) -> Event {
    let slot = Slot { link: U256::from(premise), ..slot(id) };
    Event::SlotOpened { slot, terms_hash: B256::repeat_byte(1), statement_inputs: vec![] }
}

fn proven(id: u64, payee: Address) -> Event {
    let (reward, premium, missed_by) = (U256::from(10), U256::ZERO, None);
    Event::SlotProven { market: MARKET, id, payee, reward, premium, missed_by }
}

fn pending(id: u64, payee: Address) -> Event {
    Event::SlotPending { market: MARKET, id, payee, right: true, claim: U256::from(id) }
}

#[test]
fn a_held_slash_keeps_the_bond_until_it_is_resolved() {
    let rescuer = Address::repeat_byte(8);
    let mut events = events();
    events.truncate(6);
    events.extend(log(vec![link(1, 0), link(2, 1), pending(2, rescuer), proven(2, rescuer)]));
    let bond = U256::from(30);
    let history = History::replay(&events);
    assert_eq!(history.bonded(PROVER, MARKET), bond + bond);
    let market = &history.markets[&MARKET];
    assert!(market.slots[&2].is_held());
    assert_eq!(market.premise(&market.slots[&2].slot), ChainStatus::Open);

    let resolved = |premium: u64| {
        let resolved = Event::SlotResolved { market: MARKET, id: 2, premium: U256::from(premium) };
        let all: Vec<_> = events.iter().cloned().chain(log(vec![resolved])).collect();
        let history = History::replay(&all);
        let Outcome::Proven { missed_by, premium, .. } = history.markets[&MARKET].slots[&2].outcome.clone()
        else {
            panic!("is proven");
        };
        (history.bonded(PROVER, MARKET), missed_by, premium)
    };
    assert_eq!(resolved(15), (bond, Some(PROVER), U256::from(15)), "slashed");
    assert_eq!(resolved(0), (bond, None, U256::ZERO), "undone");
}

#[test]
fn what_builds_on_a_slot_falls_with_it() {
    let mut events = events();
    events.truncate(6);
    let established = Event::SlotEstablished { market: MARKET, id: 1, claim: U256::from(1) };
    let cut = Event::ChainCut { market: MARKET, id: 2, head: 1, claim: U256::from(1) };
    let dropped = Event::SlotDropped { market: MARKET, id: 3, fee: U256::from(4) };
    events.extend(log(vec![link(1, 0), link(2, 1), link(3, 2), established, cut, link(4, 1), dropped]));
    let history = History::replay(&events);
    let market = &history.markets[&MARKET];
    let chain_status: Vec<_> = market.slots.values().map(|slot| slot.chain_status).collect();
    assert_eq!(
        chain_status,
        [ChainStatus::Established, ChainStatus::Fallen, ChainStatus::Fallen, ChainStatus::Open]
    );
    assert!(matches!(market.slots[&3].outcome, Outcome::Dropped { .. }));
    assert_eq!(history.bonded(PROVER, MARKET), U256::from(90), "one of four bonds is free");
}

#[test]
fn a_draw_sees_exposure_versions_and_suspension_market_by_market() {
    let mut events = events();
    events.truncate(6);
    let set = |exposure, to_version| Event::AllocationSet {
        prover: PROVER,
        market: MARKET,
        units: 5,
        exposure,
        from_version: 2,
        to_version,
    };
    let suspended = Event::ProverSuspended { prover: PROVER, market: U256::from(2) };
    events.extend(log(vec![set(3, 4), suspended]));
    let history = History::replay(&events);
    let unit = U256::from(100);
    let of = |market, version| history.record(PROVER, market, version, unit).expect("is known");
    assert_eq!((of(MARKET, 3).free, of(MARKET, 3).accepts, of(MARKET, 3).suspended), (300, true, false));
    assert!(!of(MARKET, 1).accepts && !of(MARKET, 5).accepts);
    assert!(of(U256::from(2), 1).suspended);
}
