//! Days, and what the node noted.

use provery_txmgr::Outlay;

use super::*;

#[test]
fn days_have_dates() {
    let at = |seconds: u64| date(seconds / DAY);
    assert_eq!(at(0), "1970-01-01");
    assert_eq!(at(951_782_400), "2000-02-29");
    assert_eq!(at(1_795_366_350), "2026-11-22");
    assert_eq!(at(4_107_542_399), "2100-02-28");
    assert_eq!(at(4_107_542_400), "2100-03-01");
}

#[test]
fn what_failed_transactions_cost_is_in_the_gas_and_apart() {
    let paid = Row { gas_used: 100, gas_wei: U256::from(300), ..Row::default() };
    let mut rows = BTreeMap::from([((Some(U256::from(1)), 0), paid)]);
    let spent = |wei: u64| Spent { transactions: 1, gas: wei / 3, wei: U256::from(wei) };
    let outlay = Outlay { succeeded: spent(300), reverted: spent(90), cancelled: spent(30) };
    let quiet = Outlay { succeeded: spent(300), ..Outlay::default() };
    let days =
        [(0, outlay), (1, outlay), (2, quiet), (3, outlay)].map(|(day, outlay)| DayOutlay { day, outlay });
    add_failed(&mut rows, &days, 1);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [(None, 1), (None, 3), (Some(U256::from(1)), 0)]);
    let mut total = Row::default();
    rows.values().for_each(|row| total += *row);
    // What succeeded is in the receipts.
    assert_eq!((total.gas_used, total.gas_wei), (100 + 80, U256::from(300 + 240)));
    assert_eq!((total.failed, total.failed_gas_wei), (4, U256::from(240)));
}
