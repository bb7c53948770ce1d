//! A contract that the workloads of two markets read.

use std::path::Path;

use alloy::primitives::{Address, U256};
use provery_types::{Event, RollupRecord};
use provery_workloads::Why;

use super::{
    tests::key,
    workload_tests::{of_squares, open_with, said, square},
    *,
};
use crate::testing::{MARKET, ME, ROLLUP, World, block};

const OTHER_MARKET: U256 = U256::from_limbs([2, 0, 0, 0]);

fn alone() -> Deployment {
    let rollups = of_squares().rollups[..1].to_vec();
    Deployment { rollups, ..of_squares() }
}

/// A second market, whose slots are about what the first one's rollup says.
fn both() -> Deployment {
    let mut both = alone();
    both.rollups.push(RollupRecord {
        name: "second".to_owned(),
        address: Address::repeat_byte(0x78),
        market: OTHER_MARKET,
        sources: vec![ROLLUP],
        ..both.rollups[0].clone()
    });
    both
}

fn open(path: &Path, deployment: Deployment) -> Book {
    open_with(path, deployment).expect("a book")
}

/// A slot of the second market.
fn other_square(number: u64, id: u64, of: u64) -> LoggedEvent {
    let mut opened = LoggedEvent { log_index: 50, ..square(number, id, of) };
    if let Event::SlotOpened { slot, .. } = &mut opened.event {
        slot.market = OTHER_MARKET;
    }
    opened
}

/// Blocks 1 to 4: seven is said, and a slot about it is over.
fn history() -> Vec<(BlockRef, Vec<LoggedEvent>)> {
    vec![
        (block(1), World::new().beginning()),
        (block(2), vec![said(2, 1, U256::from(7))]),
        (block(3), vec![square(3, 1, 7)]),
        (block(4), World::new().prove(4, 1, ME, None)),
    ]
}

/// The first market has forgotten that seven was said; the second has not.
fn each_knows_what_it_should(book: &mut Book) {
    assert_eq!(book.job(key(2)).map_err(|refusal| refusal.why), Err(Why::NotPosted));
    assert!(book.job(SlotKey { market: OTHER_MARKET, id: 1 }).is_ok());
}

#[test]
fn what_a_shared_contract_said_is_read_for_a_market_that_comes_later_and_shown_to_no_other_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = open(directory.path(), alone());
    book.blocks(&history(), 0).expect("stored");
    let far = 4 * COMPACT_EVERY;
    book.block(block(far), &[]).expect("stored and compacted");
    assert_eq!(book.adopt(both()).expect("stored"), Some(1));
    let past: Vec<LoggedEvent> = history().into_iter().flat_map(|(_, events)| events).collect();
    book.past(&past, None).expect("stored");
    let slots = [square(far + 1, 2, 7), other_square(far + 1, 1, 7)];
    book.block(block(far + 1), &slots).expect("stored");
    each_knows_what_it_should(&mut book);
    drop(book);
    let mut book = open(directory.path(), both());
    each_knows_what_it_should(&mut book);
    // Compacted with one that needs it and one that does not; and after a reorganisation.
    book.block(block(2 * far), &[]).expect("stored and compacted");
    each_knows_what_it_should(&mut book);
    book.reorg(block(2 * far - 10)).expect("rolled back");
    each_knows_what_it_should(&mut book);
    let later = 2 * far - 9;
    book.block(block(later), &[said(later, 1, U256::from(9)), square(later, 3, 9)]).expect("stored");
    drop(book);
    let mut book = open(directory.path(), both());
    each_knows_what_it_should(&mut book);
    assert!(book.job(key(3)).is_ok(), "what is said from then on is shown to both");
}

#[test]
fn a_reorganisation_of_blocks_that_were_read_again_is_shown_as_it_comes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = open(directory.path(), alone());
    book.blocks(&history(), 0).expect("stored");
    book.adopt(both()).expect("stored");
    let past: Vec<LoggedEvent> = history().into_iter().flat_map(|(_, events)| events).collect();
    book.past(&past, None).expect("stored");
    book.reorg(block(2)).expect("rolled back");
    // Another block 3 with another log at another place.
    book.block(block(3), &[said(3, 7, U256::from(9)), square(3, 1, 9)]).expect("stored");
    assert!(book.facts().is_complete(MARKET) && book.job(key(1)).is_ok());
    drop(book);
    assert!(open(directory.path(), both()).job(key(1)).is_ok());
}
