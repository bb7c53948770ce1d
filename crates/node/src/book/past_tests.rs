//! Markets that come to be kept after the data directory was made.

use std::path::Path;

use super::tests::{key, open, policy, stage};
use provery_workloads::{Refusal, Why, Workloads};

use super::*;
use crate::{
    store::{DataDir, Identity},
    testing::{MARKET, ME, OTHER, ROLLUP, World, allocated, block, deployment},
};
use provery_types::Event;

/// As the deployment was before there was a rollup.
fn small() -> Deployment {
    Deployment { rollups: Vec::new(), ..deployment() }
}

fn open_small(path: &Path) -> Book {
    let identity = Identity { chain_id: 31337, market: deployment().market(), prover: ME };
    let store = Store::open(DataDir::open(path).expect("free"), &identity).expect("a store");
    Book::open(Arc::new(store), small(), ME, None, Workloads::default()).expect("a book").0
}

/// Blocks 1 to 6, in which slots 1 to 4 are opened, and the first is proven.
fn history() -> Vec<(BlockRef, Vec<LoggedEvent>)> {
    let mut world = World::new();
    let mut blocks = vec![(block(1), world.beginning())];
    blocks.extend((2..=4).map(|number| (block(number), world.post(number, ME, None))));
    blocks.push((block(5), world.prove(5, 1, ME, None)));
    blocks.push((block(6), world.post(6, ME, None)));
    blocks
}

/// What a follower that does not know the rollup's contract reads of a block.
fn without_rollup(events: &[LoggedEvent]) -> Vec<LoggedEvent> {
    events.iter().filter(|logged| logged.address != ROLLUP).cloned().collect()
}

fn events(blocks: &[(BlockRef, Vec<LoggedEvent>)]) -> Vec<LoggedEvent> {
    blocks.iter().flat_map(|(_, events)| events.clone()).collect()
}

/// A book that has followed blocks 1 to 4 without the rollup.
fn late(path: &Path) -> Book {
    let mut book = open_small(path);
    for (block, events) in &history()[..4] {
        book.block(*block, &without_rollup(events)).expect("stored");
    }
    assert!(book.facts().slot(key(1)).is_none());
    book
}

/// Everything is known, and the slots that are open can be proven.
fn knows_all(book: &mut Book) {
    assert!(book.facts().is_complete(MARKET));
    assert_eq!(book.past_from(), None);
    let whole = tempfile::tempdir().expect("a temporary directory");
    let (mut other, _) = open(whole.path());
    other.blocks(&history(), 0).expect("stored");
    for id in 1..=4 {
        assert_eq!(book.facts().slot(key(id)), other.facts().slot(key(id)));
    }
    assert_eq!(book.facts().candidates(MARKET), other.facts().candidates(MARKET));
    book.decide(&policy(1_008)).expect("decided");
    for id in 2..=4 {
        assert_eq!(stage(book, id), SlotStage::Queued);
        assert!(book.job(key(id)).is_ok());
    }
}

#[test]
fn a_market_that_comes_later_is_known_once_all_of_its_past_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = late(directory.path());
    let history = history();
    assert_eq!(book.adopt(deployment()).expect("stored"), Some(1));
    assert!(!book.facts().is_complete(MARKET));
    // What happens meanwhile waits for what was before.
    for (block, events) in &history[4..] {
        book.block(*block, events).expect("stored");
    }
    assert!(book.past(&events(&history[..2]), Some(3)).expect("stored").is_empty());
    assert!(!book.facts().is_complete(MARKET) && book.facts().slot(key(4)).is_none());
    let moved = book.past(&events(&history[2..4]), None).expect("stored");
    assert!(moved.iter().any(|step| step.key == key(2) && step.won));
    knows_all(&mut book);
    drop(book);
    knows_all(&mut open(directory.path()).0);
}

#[test]
fn a_directory_that_knows_no_such_market_reads_its_past_after_a_restart_and_goes_on_where_it_was() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    drop(late(directory.path()));
    let (mut book, _) = open(directory.path());
    let history = history();
    assert_eq!((book.past_from(), book.facts().is_complete(MARKET)), (Some(1), false));
    book.past(&events(&history[..2]), Some(3)).expect("stored");
    drop(book);
    let (mut book, _) = open(directory.path());
    assert_eq!((book.past_from(), book.facts().is_complete(MARKET)), (Some(3), false));
    book.past(&events(&history[2..4]), None).expect("stored");
    for (block, events) in &history[4..] {
        book.block(*block, events).expect("stored");
    }
    knows_all(&mut book);
}

#[test]
fn a_reorg_takes_back_of_the_past_what_it_takes_back_of_the_chain() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = late(directory.path());
    let history = history();
    book.adopt(deployment()).expect("stored");
    book.past(&events(&history[..3]), Some(4)).expect("stored");
    book.reorg(block(1)).expect("rolled back");
    assert_eq!(book.past_from(), Some(2));
    book.past(&[], None).expect("stored");
    // From here on all is read as it comes.
    for (block, events) in &history[1..] {
        book.block(*block, events).expect("stored");
    }
    knows_all(&mut book);
}

#[test]
fn compaction_leaves_alone_what_waits_for_its_past() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = late(directory.path());
    let history = history();
    book.adopt(deployment()).expect("stored");
    for (block, events) in &history[4..] {
        book.block(*block, events).expect("stored");
    }
    book.past(&events(&history[..2]), Some(3)).expect("stored");
    book.block(block(COMPACT_EVERY + 2 * KEEP_BLOCKS), &[]).expect("stored and compacted");
    book.past(&events(&history[2..4]), None).expect("stored");
    assert!(book.facts().is_complete(MARKET));
    assert_eq!(book.facts().candidates(MARKET), [ME, OTHER], "others' stake, too");
    for id in 2..=4 {
        assert!(book.job(key(id)).is_ok());
    }
}

#[test]
fn what_names_no_market_is_kept_while_one_is_read() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = late(directory.path());
    let history = history();
    let [early, late] = [Address::repeat_byte(0x77), Address::repeat_byte(0x78)];
    let digest = B256::repeat_byte(5);
    let offered = Event::TransferOffered {
        market: MARKET,
        id: 2,
        prover: ME,
        digest,
        to: None,
        price: 1,
        valid_until: 9_000,
    };
    // Said before the market was known, or while it is read.
    let before = [
        World::at(4, 10, allocated(early, 1)),
        World::at(4, 11, allocated(late, 1)),
        World::at(4, 12, Event::ProverPaused { prover: early }),
        World::at(4, 13, Event::ProverPaused { prover: late }),
        World::at(4, 14, offered),
    ];
    book.adopt(deployment()).expect("stored");
    let meanwhile = [
        World::at(5, 10, Event::ProverResumed { prover: late }),
        World::at(5, 11, Event::TransferRevoked { prover: ME, digest }),
    ];
    book.block(block(5), &[history[4].1.clone(), meanwhile.to_vec()].concat()).expect("stored");
    book.block(block(6), &history[5].1).expect("stored");
    book.past(&events(&history[..2]), Some(3)).expect("stored");
    book.block(block(COMPACT_EVERY + 2 * KEEP_BLOCKS), &[]).expect("stored and compacted");
    let rest = [events(&history[2..4]), before.to_vec()].concat();
    book.past(&rest, None).expect("stored");
    assert_eq!(book.facts().candidates(MARKET), [ME, OTHER, late]);
    assert_eq!(book.facts().offers(key(2)).count(), 0, "it is revoked");
}

#[test]
fn a_rollup_that_comes_to_a_market_that_was_served_has_a_past_of_its_own() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let identity = Identity { chain_id: 31337, market: deployment().market(), prover: ME };
    let store = Store::open(DataDir::open(directory.path()).expect("free"), &identity).expect("a store");
    let (mut book, _) =
        Book::open(Arc::new(store), small(), ME, Some(vec![MARKET]), Workloads::default()).expect("a book");
    let history = history();
    for (block, events) in &history[..4] {
        book.block(*block, &without_rollup(events)).expect("stored");
    }
    assert_eq!(book.past_from(), None, "all that was said of the market was read");
    assert_eq!(book.adopt(deployment()).expect("stored"), Some(1), "and nothing of the rollup");
    for (block, events) in &history[4..] {
        book.block(*block, events).expect("stored");
    }
    book.past(&events(&history[..4]), None).expect("stored");
    knows_all(&mut book);
}

/// As a program does that cannot prove the market.
fn open_refusing(path: &Path) -> Book {
    let identity = Identity { chain_id: 31337, market: deployment().market(), prover: ME };
    let store = Store::open(DataDir::open(path).expect("free"), &identity).expect("a store");
    let workloads = Workloads::default().refusing(ROLLUP, Refusal::new(Why::Circuit, "another descriptor"));
    Book::open(Arc::new(store), deployment(), ME, None, workloads).expect("a book").0
}

#[test]
fn a_market_that_was_refused_for_a_while_is_read_again_as_a_whole() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let history = history();
    let far = |times: u64| block(times * (COMPACT_EVERY + 2 * KEEP_BLOCKS));
    // What is kept of it before is a state and the blocks after that; at once, and after blocks in which nothing was read of it.
    for (kept, is_forgotten) in [(false, false), (true, false), (true, true)] {
        let path = directory.path().join(format!("{kept}-{is_forgotten}"));
        let (mut book, _) = open(&path);
        let (before, meanwhile) = history.split_at(if kept { 6 } else { 4 });
        book.blocks(before, 0).expect("stored");
        if kept {
            book.block(far(1), &[]).expect("stored and compacted");
        }
        drop(book);
        let mut book = open_refusing(&path);
        assert_eq!((book.serves(MARKET), book.past_from()), (false, None));
        book.blocks(meanwhile, 0).expect("stored");
        if is_forgotten {
            book.block(far(2), &[]).expect("stored and compacted");
        }
        drop(book);
        let (mut book, _) = open(&path);
        assert_eq!((book.past_from(), book.facts().is_complete(MARKET)), (Some(1), false));
        book.past(&events(&history), None).expect("stored");
        assert_eq!((book.past_from(), book.lack(MARKET)), (None, None));
        for id in 2..=4 {
            assert!(book.job(key(id)).is_ok(), "slot {id}");
        }
        drop(book);
        let (mut book, _) = open(&path);
        assert!(
            book.past_from().is_none() && book.job(key(4)).is_ok(),
            "and all of it is at hand from then on"
        );
    }
}

#[test]
fn a_refused_market_of_a_new_directory_is_not_taken_for_known() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let history = history();
    let mut book = open_refusing(directory.path());
    book.blocks(&history, 0).expect("stored");
    assert!(book.adopt(deployment()).expect("stored").is_none(), "it is refused still");
    drop(book);
    let (mut book, _) = open(directory.path());
    assert_eq!(book.past_from(), Some(1));
    book.past(&events(&history), None).expect("stored");
    knows_all(&mut book);
}
