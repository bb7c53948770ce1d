//! What was withheld is known by the numbers of what was told, and by nothing else.

use super::{
    tests::{begun, key, open},
    *,
};
use crate::testing::{MARKET, ME, OTHER, World, block};

const LONG: u64 = 400;

/// Of which slots or blocks nothing was told, and in which block of the chain the one before them was.
fn untold(book: &mut Book) -> Vec<(bool, u64, u64, u64)> {
    let gaps = book.untold(LONG).into_iter();
    gaps.map(|it| (it.counted.rollup.is_some(), it.missing.first, it.missing.last, it.missing.after))
        .collect()
}

/// Four blocks of a rollup, from the chain's block 2 on.
fn four(world: &mut World) -> Vec<(BlockRef, Vec<LoggedEvent>)> {
    (2..=5).map(|number| (block(number), world.post(number, ME, None))).collect()
}

#[test]
fn a_slot_that_was_withheld_is_known_by_the_next_and_found_when_its_block_is_read_again() {
    let (directory, mut book, mut world) = begun();
    let history = four(&mut world);
    for (block, events) in &history {
        let told = if block.number == 3 { &[][..] } else { &events[..] };
        book.block(*block, told).expect("stored");
    }
    assert_eq!(untold(&mut book), [(false, 2, 2, 2)]);
    assert!(book.record(key(2)).is_none());
    // It outlives a restart.
    drop(book);
    let (mut book, _) = open(directory.path());
    assert_eq!(untold(&mut book), [(false, 2, 2, 2)]);
    let concern = book.untold(LONG)[0].concern("it is read again");
    assert!(concern.is_alarm() && concern.message.contains("no endpoint told of slot 2 of market 1"));
    book.reorg(block(1)).expect("taken back");
    assert_eq!(untold(&mut book), [], "what showed it is taken back");
    for (block, events) in &history {
        book.block(*block, events).expect("stored");
    }
    assert_eq!(untold(&mut book), []);
    assert_eq!(book.at_hand(key(4)), Ok(()));
    assert_eq!(book.record(key(2)).map(|record| record.slot.prover), Some(ME));
}

#[test]
fn a_posted_block_that_was_withheld_alone_is_known_by_its_slot() {
    let (_directory, mut book, mut world) = begun();
    for (block, events) in four(&mut world) {
        let told = if block.number == 3 { &events[..1] } else { &events[..] };
        book.block(block, told).expect("stored");
        let expected = if block.number < 3 { vec![] } else { vec![(true, 2, 2, 2)] };
        assert_eq!(untold(&mut book), expected, "as soon as its slot is told");
    }
    // For as long as what builds on it cannot be proven.
    book.block(block(5 + 2 * LONG), &[]).expect("stored");
    assert_eq!(untold(&mut book), [(true, 2, 2, 2)]);
}

#[test]
fn a_gap_that_nothing_fills_stands_for_as_long_as_its_slots_may_be_open() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = World::new();
    // Whose slots are no blocks.
    world.terms.requester = OTHER;
    book.block(block(1), &world.beginning()).expect("stored");
    for (block, events) in four(&mut world) {
        let told = if block.number == 3 { &[][..] } else { &events[..1] };
        book.block(block, told).expect("stored");
    }
    book.block(block(4 + LONG - 1), &[]).expect("stored");
    assert_eq!(untold(&mut book), [(false, 2, 2, 2)]);
    book.block(block(4 + LONG), &[]).expect("stored");
    assert_eq!(untold(&mut book), []);
}

#[test]
fn whatever_the_market_says_of_a_slot_shows_that_it_was_opened() {
    let (_directory, mut book, mut world) = begun();
    let history = four(&mut world);
    book.block(history[0].0, &history[0].1).expect("stored");
    book.block(block(3), &world.prove(3, 3, OTHER, None)).expect("stored");
    assert_eq!(untold(&mut book), [(false, 2, 3, 2)]);
}

#[test]
fn nothing_is_missing_of_other_markets_nor_of_a_rollup_that_makes_no_sense() {
    let (_directory, mut book, mut world) = begun();
    let mut events = world.post(2, ME, None);
    book.block(block(2), &events).expect("stored");
    events[0].block = block(3);
    if let provery_types::Event::SlotOpened { slot, .. } = &mut events[0].event {
        (slot.market, slot.id) = (U256::from(9), 700);
    }
    book.block(block(3), &events[..1]).expect("stored");
    let nonsense = crate::testing::posted(90, 80, U256::ZERO, U256::ZERO, &[]);
    let malformed = World::at(4, 1, crate::testing::cut_short());
    book.block(block(4), &[World::at(4, 0, nonsense), malformed]).expect("stored");
    assert_eq!(untold(&mut book), []);
    assert_eq!(book.facts().next_slot(MARKET), 2);
}

#[test]
fn what_compaction_forgets_is_not_missed_and_a_gap_is_not_forgotten() {
    let far = COMPACT_EVERY + 2 * KEEP_BLOCKS;
    for withheld in [None, Some(3)] {
        let (directory, mut book, mut world) = begun();
        for (block, events) in four(&mut world) {
            let told = if Some(block.number) == withheld { &[][..] } else { &events[..] };
            book.block(block, told).expect("stored");
        }
        // All but the first are over.
        for id in 2..=4 {
            book.block(block(4 + id), &world.prove(4 + id, id, OTHER, None)).expect("stored");
        }
        let gap = withheld.map(|_| (false, 2, 2, 2));
        let open_gaps = |book: &mut Book| {
            let mut gaps = untold(book);
            gaps.retain(|it| !it.0);
            gaps
        };
        assert_eq!(book.untold(9_000).len(), usize::from(withheld.is_some()));
        book.block(block(far), &[]).expect("stored and compacted");
        let later = world.post(far + 1, ME, None);
        book.block(block(far + 1), &later).expect("stored");
        for _ in 0..2 {
            let gaps: Vec<_> =
                book.untold(9_000).into_iter().filter(|it| it.counted.rollup.is_none()).collect();
            let found: Vec<_> =
                gaps.iter().map(|it| (false, it.missing.first, it.missing.last, it.missing.after)).collect();
            assert_eq!(found, gap.into_iter().collect::<Vec<_>>(), "{withheld:?}");
            drop(book);
            (book, _) = open(directory.path());
        }
        assert_eq!(open_gaps(&mut book), [], "its slot's time is over");
        // What is missing later is known by what was told before.
        let next = [world.post(far + 2, ME, None), world.post(far + 3, ME, None)];
        book.block(block(far + 3), &next[1]).expect("stored");
        assert_eq!(open_gaps(&mut book), [(false, 6, 6, far + 1)], "{withheld:?}");
    }
}
