//! The fold from events to rows.

use provery_types::BlockRef;

use super::*;
use crate::Cost;

const ME: Address = Address::repeat_byte(1);
const KEY: Address = Address::repeat_byte(2);
const OTHER: Address = Address::repeat_byte(3);

/// Events by transaction: each is a block of its own, a quarter of a day after the one before.
fn log(transactions: Vec<Vec<Event>>) -> Vec<LoggedEvent> {
    let mut logged = Vec::new();
    for (number, events) in (0..).zip(transactions) {
        for (log_index, event) in (0..).zip(events) {
            logged.push(LoggedEvent {
                event,
                address: Address::ZERO,
                block: BlockRef { number, timestamp: number * DAY / 4, ..Default::default() },
                tx_hash: B256::with_last_byte(number as u8),
                log_index,
            });
        }
    }
    logged
}

fn scope() -> Scope {
    Scope { prover: ME, from_block: 0, from_day: 0 }
}

fn proven(market: u64, payee: Address, reward: u64, premium: u64) -> Event {
    let (market, reward, premium) = (U256::from(market), U256::from(reward), U256::from(premium));
    let missed_by = (!premium.is_zero()).then_some(OTHER);
    Event::SlotProven { market, id: 1, payee, reward, premium, missed_by }
}

fn submitter(allowed: bool) -> Event {
    Event::SubmitterSet { prover: ME, submitter: KEY, allowed }
}

fn expired(market: u64) -> Event {
    Event::SlotExpired { market: U256::from(market), id: 2, forfeited: U256::ZERO }
}

fn slashed(prover: Address, amount: u64) -> Event {
    Event::StakeSlashed { prover, market: U256::from(1), amount: U256::from(amount) }
}

fn seeded() -> Event {
    Event::EpochSeeded { epoch: 1, seed: U256::ZERO }
}

fn rows_of(scope: &Scope, events: &[LoggedEvent]) -> BTreeMap<Key, Row> {
    scope.rows(&History::replay(events), events)
}

/// With the cost of everything that was asked for, paid by `payer`: 100 gas at 3 wei.
fn rows_paid(scope: &Scope, events: &[LoggedEvent], payer: Address) -> BTreeMap<Key, Row> {
    let mut history = History::replay(events);
    for (block, tx) in scope.candidates(&history, events) {
        history.note_cost(tx, block, Cost { payer, gas: 100, wei: U256::from(300) });
    }
    scope.rows(&history, events)
}

fn row(rows: &BTreeMap<Key, Row>, market: u64, day: u64) -> Row {
    rows[&(Some(U256::from(market)), day)]
}

#[test]
fn income_and_losses_go_to_their_market_and_day() {
    let events = log(vec![
        vec![proven(1, ME, 10, 0)],
        vec![slashed(OTHER, 9), proven(1, ME, 5, 4)],
        vec![proven(2, ME, 7, 0)],
        vec![proven(1, OTHER, 100, 0)],
        vec![slashed(ME, 40), proven(1, OTHER, 1, 2)],
    ]);
    let scope = scope();
    let rows = rows_paid(&scope, &events, ME);
    assert_eq!(rows.len(), 3);
    let first = row(&rows, 1, 0);
    assert_eq!((first.slots, first.income, first.premium), (2, U256::from(15), U256::from(4)));
    assert_eq!((first.gas_used, first.gas_wei), (200, U256::from(600)));
    assert_eq!(first.net(), I256::unchecked_from(19));
    assert_eq!(row(&rows, 2, 0).income, U256::from(7));
    let lost = row(&rows, 1, 1);
    assert_eq!((lost.slots, lost.slashed, lost.gas_used), (0, U256::from(40), 0));
    assert_eq!(lost.net(), I256::unchecked_from(-40));
}

#[test]
fn only_receipts_that_may_matter_are_asked_for() {
    let opened = Event::SlotOpened {
        slot: provery_types::Slot { prover: ME, ..slot(ME) },
        terms_hash: B256::ZERO,
        statement_inputs: Vec::new(),
    };
    let events = log(vec![
        vec![Event::ProverRegistered { prover: ME, id: 7, uri: String::new() }],
        vec![seeded(), opened],
        vec![proven(1, OTHER, 1, 0)],
        vec![proven(1, ME, 1, 0)],
        vec![expired(1)],
        vec![Event::WeightSet { market: U256::from(1), id: 8, weight: 1, epoch: 1 }],
        vec![Event::WeightSet { market: U256::from(1), id: 7, weight: 1, epoch: 1 }],
        vec![seeded()],
        vec![Event::Staked { prover: OTHER, amount: U256::from(1) }],
    ]);
    let asked: Vec<u8> =
        scope().candidates(&History::replay(&events), &events).iter().map(|(_, hash)| hash[31]).collect();
    assert_eq!(asked, [0, 3, 4, 6, 7]);
}

#[test]
fn gas_counts_when_a_key_of_the_prover_paid_it() {
    let events = log(vec![
        vec![expired(1)],
        vec![submitter(true)],
        vec![expired(1)],
        vec![seeded()],
        vec![submitter(false)],
        vec![expired(1)],
    ]);
    let scope = scope();
    let gas = |from| -> Vec<(Key, u64)> {
        let rows = rows_paid(&scope, &events, from);
        rows.into_iter().map(|(key, row)| (key, row.gas_used)).collect()
    };
    // Before it was allowed it paid for itself or another; its removal it could have sent itself.
    assert_eq!(gas(KEY), [((None, 0), 100), ((None, 1), 100), ((Some(U256::from(1)), 0), 100)]);
    assert_eq!(gas(OTHER), []);
    assert_eq!(gas(ME).iter().map(|row| row.1).sum::<u64>(), 600);
}

#[test]
fn a_transaction_is_paid_once() {
    let events = log(vec![vec![proven(1, ME, 1, 0), proven(2, ME, 2, 0), proven(2, ME, 3, 0)]]);
    let scope = scope();
    let rows = rows_paid(&scope, &events, ME);
    assert_eq!((row(&rows, 1, 0).gas_used, row(&rows, 2, 0).gas_used), (100, 0));
    assert_eq!((row(&rows, 2, 0).slots, row(&rows, 2, 0).income), (2, U256::from(5)));
}

#[test]
fn time_limits_leave_out_all_but_the_keys() {
    let events = log(vec![
        vec![submitter(true)],
        vec![proven(1, ME, 1, 0)],
        vec![proven(1, ME, 2, 0)],
        vec![proven(1, ME, 4, 0)],
        vec![proven(1, ME, 8, 0)],
    ]);
    for (scope, income) in [
        (Scope { from_block: 2, ..scope() }, 14),
        (Scope { from_day: 1, ..scope() }, 8),
        (Scope { from_day: 2, ..scope() }, 0),
    ] {
        let rows = rows_paid(&scope, &events, KEY);
        let mut total = Row::default();
        rows.values().for_each(|row| total += *row);
        assert_eq!(total.income, U256::from(income));
        assert_eq!(total.gas_used, 100 * total.slots, "its key pays");
    }
}

fn slot(prover: Address) -> provery_types::Slot {
    use alloy::primitives::aliases::{U40, U96};
    provery_types::Slot {
        market: U256::from(1),
        id: 1,
        statement: B256::ZERO,
        prover,
        price: U96::from(1),
        openedAt: U40::from(1),
        startedAt: U40::from(1),
        exclusiveUntil: U40::from(1),
        capacity: 4,
        link: U256::ZERO,
    }
}

#[test]
fn a_right_that_changes_hands_has_its_price() {
    let moved = |from, to, price| Event::SlotTransferred { slot: slot(to), from, price };
    let net = |events: Vec<Event>| {
        let events = log(vec![events]);
        rows_of(&scope(), &events).values().map(Row::net).sum::<I256>()
    };
    assert_eq!(net(vec![moved(ME, OTHER, 5)]), I256::unchecked_from(5));
    assert_eq!(net(vec![moved(OTHER, ME, 5)]), I256::unchecked_from(-5));
    assert_eq!(net(vec![moved(ME, OTHER, -3)]), I256::unchecked_from(-3));
    assert_eq!(net(vec![moved(OTHER, KEY, 5), moved(ME, ME, 5)]), I256::ZERO);
}

#[test]
fn what_comes_with_the_premise_counts_when_it_comes() {
    let market = U256::from(1);
    let opened =
        |prover| Event::SlotOpened { slot: slot(prover), terms_hash: B256::ZERO, statement_inputs: vec![] };
    let pending = |payee| Event::SlotPending { market, id: 1, payee, right: true, claim: U256::ZERO };
    let resolved = |premium: u64| Event::SlotResolved { market, id: 1, premium: U256::from(premium) };
    let dropped = Event::SlotDropped { market, id: 1, fee: U256::from(4) };
    let of = |transactions| {
        let events = log(transactions);
        let rows = rows_of(&scope(), &events);
        let mut total = Row::default();
        rows.values().for_each(|row| total += *row);
        (total.premium, total.fees, total.net())
    };
    let number = |number: u64| U256::from(number);
    let rescued = vec![vec![opened(OTHER)], vec![pending(ME), proven(1, ME, 5, 0)], vec![resolved(7)]];
    assert_eq!(of(rescued), (number(7), number(0), I256::try_from(12).expect("fits")));
    let another = vec![vec![opened(OTHER)], vec![pending(OTHER)], vec![resolved(7)]];
    assert_eq!(of(another), (number(0), number(0), I256::ZERO));
    let fell = vec![vec![opened(ME)], vec![dropped]];
    assert_eq!(of(fell), (number(0), number(4), I256::try_from(4).expect("fits")));
}
