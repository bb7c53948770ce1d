//! Slots that end, or settle, without a proof of this node's.

use std::path::Path;

use provery_types::Event;

use super::{
    tests::{begun, key, open, policy, stage},
    *,
};
use crate::{
    facts::Premise,
    testing::{MARKET, ME, OTHER, World, block},
};

/// Slots 1 to 3 on one another, held by OTHER, ME and OTHER, opened in blocks 2 to 4.
fn line(path: &Path) -> (Book, World) {
    let (mut book, _) = open(path);
    let mut world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    for (number, holder) in [(2, OTHER), (3, ME), (4, OTHER)] {
        book.block(block(number), &world.post(number, holder, None)).expect("stored");
    }
    (book, world)
}

fn due(book: &mut Book, now: u64) -> Vec<(u64, Due)> {
    book.due(&policy(now)).into_iter().map(|(key, due)| (key.id, due)).collect()
}

#[test]
fn a_pending_slot_is_settled_once_its_premise_is_established() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    {
        let (mut book, world) = line(directory.path());
        book.block(block(5), &world.prove_early(5, 2, OTHER)).expect("stored");
        assert_eq!(stage(&book, 2), SlotStage::Settled { by_me: false, payee: OTHER });
        assert_eq!(due(&mut book, 1_300), [], "its premise is open");
        book.block(block(6), &world.prove(6, 1, OTHER, None)).expect("stored");
    }
    let (mut book, _) = open(directory.path());
    // It is this prover's bond that is held.
    assert_eq!(due(&mut book, 1_006), [(2, Due::Resolve)]);
    // Long after, when all that is settled has been forgotten.
    book.block(block(COMPACT_EVERY + 2 * KEEP_BLOCKS), &[]).expect("stored and compacted");
    assert!(book.record(key(1)).is_none());
    assert_eq!(stage(&book, 2), SlotStage::Settled { by_me: false, payee: OTHER });
    assert_eq!(due(&mut book, 1_050), [(2, Due::Resolve)]);
    let resolved = Event::SlotResolved { market: MARKET, id: 2, premium: U256::from(1_000) };
    let number = COMPACT_EVERY + 2 * KEEP_BLOCKS + 1;
    let settled = [World::established(number, 0, 2), World::at(number, 1, resolved)];
    book.block(block(number), &settled).expect("stored");
    assert_eq!(due(&mut book, 1_050), []);
}

#[test]
fn others_settle_in_turn_what_nobody_has_a_bond_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = line(directory.path());
    book.block(block(5), &world.prove(5, 1, OTHER, None)).expect("stored");
    // Its holder proved it while slot 2 was open; then slot 2 fell.
    book.block(block(6), &world.prove_early(6, 3, OTHER)).expect("stored");
    book.block(block(7), &[World::cut(7, 0, 2)]).expect("stored");
    let since = block(7).timestamp;
    assert_eq!(due(&mut book, since), [], "its payee goes first");
    assert_eq!(due(&mut book, since + 30), [(3, Due::Resolve)]);
}

#[test]
fn a_reorg_opens_a_premise_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = line(directory.path());
    book.block(block(5), &world.prove_early(5, 2, OTHER)).expect("stored");
    book.block(block(6), &[World::cut(6, 0, 1)]).expect("stored");
    assert_eq!(due(&mut book, 1_006), [(2, Due::Resolve)], "its premise fell: the bond is free");
    book.reorg(block(5)).expect("rolled back");
    assert_eq!(due(&mut book, 1_006), []);
    let fact = book.facts().slot(key(2)).expect("a slot");
    assert!(!fact.premise_fell && fact.pending.is_some());
    assert_eq!(book.facts().premise(fact), Premise::Open);
    book.reorg(block(4)).expect("rolled back");
    assert!(book.facts().slot(key(2)).is_some_and(|fact| fact.ended.is_none() && fact.pending.is_none()));
}

#[test]
fn a_slot_that_fell_with_its_premise_is_proven_if_it_can_be() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = line(directory.path());
    book.block(block(5), &[World::cut(5, 0, 1)]).expect("stored");
    book.decide(&policy(1_005)).expect("decided");
    assert_eq!(stage(&book, 2), SlotStage::Queued);
    assert_eq!(due(&mut book, 1_005), [], "the whole reward is to be had");
    let dear = Policy { minimum_reward: 950, ..policy(1_005) };
    assert_eq!(book.due(&dear), [(key(2), Due::Drop)], "a proof costs more than it earns");
    book.input(key(2), &Input::ProofStarted).expect("stored");
    assert_eq!(book.due(&dear), [], "what is begun is finished");
    // Too late for that: it is dropped all the same, and not expired, which would burn what its holder can have.
    assert_eq!(due(&mut book, 1_403), [(2, Due::Drop)]);
    assert_eq!(due(&mut book, 1_450), [(1, Due::Expire), (2, Due::Drop), (3, Due::Drop)]);
}

#[test]
fn a_slot_that_fell_and_cannot_be_proven_is_dropped_at_once() {
    let (_directory, mut book, mut world) = begun();
    let invented = U256::from(77);
    book.block(block(2), &world.post(2, OTHER, Some(invented))).expect("stored");
    let from = world.state.clone();
    book.block(block(3), &world.post_on(3, ME, &from, Some(invented), None)).expect("stored");
    book.decide(&policy(1_003)).expect("decided");
    assert_eq!(due(&mut book, 1_003), [], "while its premise is open nobody may drop it");
    book.block(block(4), &[World::cut(4, 0, 1)]).expect("stored");
    assert_eq!(due(&mut book, 1_004), [(2, Due::Drop)]);
    let dropped = Event::SlotDropped { market: MARKET, id: 2, fee: U256::from(100) };
    book.block(block(5), &[World::at(5, 0, dropped)]).expect("stored");
    assert_eq!(stage(&book, 2), SlotStage::Dropped);
    assert_eq!(due(&mut book, 1_500), [(1, Due::Expire)]);
    book.reorg(block(4)).expect("rolled back");
    assert_eq!(stage(&book, 2), SlotStage::Seen);
}
