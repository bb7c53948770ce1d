//! Jobs from synthetic events.

use alloy::primitives::B256;
use provery_types::LoggedEvent;

use provery_types::{Event, statement_hash};
use provery_workloads::{
    Job, Refusal, Why,
    testing::{about, root},
};

use super::*;
use crate::testing::{MARKET, ME, OTHER, World, deployment};

fn facts(events: &[LoggedEvent]) -> Facts {
    let mut facts = Facts::new(&deployment());
    for logged in events {
        facts.apply(logged);
    }
    facts
}

fn prepare(facts: &mut Facts, id: u64) -> Result<Job, Refusal> {
    facts.job(SlotKey { market: MARKET, id }, ME, &())
}

fn refusal(facts: &mut Facts, id: u64) -> Why {
    prepare(facts, id).expect_err("refused").why
}

/// The last block of which only the state after it is kept.
fn base(facts: &Facts) -> Option<u64> {
    let (_, snapshot) = facts.snapshots().next()?;
    let state = snapshot.split(|byte| *byte == b'\n').next()?.len() + 1;
    Some(u64::from_be_bytes(*snapshot[state..].first_chunk()?))
}

/// The facts from what is kept of these events once they were pruned.
fn refold(events: &[LoggedEvent], pruned: &Facts) -> Facts {
    let obsolete = obsolete(events, pruned, pruned);
    let mut refolded = Facts::new(&deployment());
    for (address, snapshot) in pruned.snapshots() {
        refolded.restore(address, &snapshot).expect("restored");
    }
    for logged in events.iter().filter(|it| !obsolete.contains(&(it.block.number, it.log_index))) {
        refolded.apply(logged);
    }
    refolded
}

#[test]
fn blocks_are_prepared_on_top_of_one_another() {
    let mut world = World::new();
    let mut events = world.beginning();
    for number in 2..=4 {
        events.extend(world.post(number, ME, None));
    }
    let mut facts = facts(&events);
    // The last first: what it builds on is computed on the way.
    for id in [3, 1, 2] {
        let prepared = prepare(&mut facts, id).expect("provable");
        assert!(prepared.claim_correct);
        let (payee, stated) = about(&prepared.bytes);
        assert_eq!(payee, ME);
        let inputs = facts.slot(SlotKey { market: MARKET, id }).expect("a slot").inputs.clone();
        assert_eq!(stated[..4], inputs, "the proof is about the slot's statement");
        assert_eq!(stated[4..], [U256::ONE, U256::from_be_bytes(ME.into_word().0)]);
    }
}

#[test]
fn a_wrong_claim_is_proven_wrong_and_what_builds_on_an_invented_root_cannot_be_proven() {
    let mut world = World::new();
    let mut events = world.beginning();
    let invented = U256::from(77);
    events.extend(world.post(2, ME, Some(invented)));
    let from = world.state.clone();
    events.extend(world.post_on(3, ME, &from, Some(invented), None));
    let mut facts = facts(&events);
    assert!(!prepare(&mut facts, 1).expect("provable").claim_correct);
    assert_eq!(refusal(&mut facts, 2), Why::Hidden);
}

#[test]
fn a_block_on_a_claim_of_the_genesis_is_provable() {
    let mut world = World::new();
    let genesis = world.state.clone();
    let mut events = world.beginning();
    events.extend(world.post(2, ME, None));
    // Wrong: a block changes something. The next goes on from the genesis all the same.
    events.extend(world.post(3, ME, Some(root(&genesis))));
    events.extend(world.post_on(4, ME, &genesis, None, None));
    let mut facts = facts(&events);
    let claims: Vec<bool> =
        (1..=3).map(|id| prepare(&mut facts, id).expect("provable").claim_correct).collect();
    assert_eq!(claims, [true, false, true]);
}

#[test]
fn a_block_on_a_claim_of_an_older_blocks_state_is_provable() {
    let mut world = World::new();
    let mut events = world.beginning();
    events.extend(world.post(2, ME, None));
    let older = world.state.clone();
    events.extend(world.post(3, ME, None));
    events.extend(world.post(4, ME, Some(root(&older))));
    events.extend(world.post_on(5, ME, &older, None, None));
    let mut facts = facts(&events);
    // Asked for first: nothing has been computed yet.
    assert!(prepare(&mut facts, 4).expect("provable").claim_correct);
    assert!(!prepare(&mut facts, 3).expect("provable").claim_correct);
}

#[test]
fn a_block_on_one_that_fell_is_provable_if_the_claim_was_of_a_real_state() {
    let mut world = World::new();
    let mut events = world.beginning();
    events.extend(world.post(2, ME, None));
    let before = world.state.clone();
    // Block 2 expires and falls; block 3 builds on block 1 and claims the state that block 2 led to.
    events.extend(world.post(3, ME, None));
    let after_fallen = world.state.clone();
    events.extend(world.expire(4, 2));
    events.extend(world.post_on(5, ME, &before, None, Some(root(&after_fallen))));
    events.extend(world.post_on(6, ME, &after_fallen, None, None));
    let mut whole = facts(&events);
    assert!(prepare(&mut whole, 4).expect("provable").claim_correct);
    // It is so after what is over has been forgotten: the block that fell is needed, and kept.
    whole.prune(1_000);
    assert!(whole.slot(SlotKey { market: MARKET, id: 2 }).is_none());
    assert!(prepare(&mut whole, 4).expect("provable").claim_correct);
}

#[test]
fn the_genesis_is_known_when_the_base_has_moved_on() {
    let mut world = World::new();
    let genesis = world.state.clone();
    let mut events = world.beginning();
    for number in 2..=4 {
        events.extend(world.post(number, OTHER, None));
    }
    for id in 1..=3 {
        events.extend(world.prove(4 + id, id, OTHER, None));
    }
    let mut pruned = facts(&events);
    pruned.prune(1_000);
    assert_eq!(base(&pruned), Some(3));
    let mut refolded = refold(&events, &pruned);
    let mut later = world.post(9, ME, Some(root(&genesis)));
    later.extend(world.post_on(10, ME, &genesis, None, None));
    for facts in [&mut pruned, &mut refolded] {
        later.iter().for_each(|logged| drop(facts.apply(logged)));
        assert!(!prepare(facts, 4).expect("provable").claim_correct);
        assert!(prepare(facts, 5).expect("provable").claim_correct);
    }
}

#[test]
fn the_base_waits_for_an_open_block_that_needs_what_is_before_it() {
    let mut world = World::new();
    let mut events = world.beginning();
    events.extend(world.post(2, OTHER, None));
    events.extend(world.prove(3, 1, OTHER, None));
    let mut facts = facts(&events);
    facts.prune(3);
    assert_eq!(base(&facts), Some(1));
    // Two blocks on the base; then one that goes back to the state after the first of them.
    let mut more = world.post(4, OTHER, None);
    let between = world.state.clone();
    more.extend(world.post(5, OTHER, None));
    more.extend(world.prove(6, 2, OTHER, None));
    more.extend(world.prove(7, 3, OTHER, None));
    more.extend(world.post(8, OTHER, Some(root(&between))));
    more.extend(world.post_on(9, ME, &between, None, None));
    more.iter().for_each(|logged| drop(facts.apply(logged)));
    facts.prune(7);
    assert_eq!(base(&facts), Some(1), "block 5 starts from the state after block 2");
    assert!(prepare(&mut facts, 5).expect("provable").claim_correct);
    // Once that is over, the base moves, and what fell is forgotten.
    world.expire(10, 4).iter().for_each(|logged| drop(facts.apply(logged)));
    let dropped = Event::SlotDropped { market: MARKET, id: 5, fee: U256::ZERO };
    facts.apply(&World::at(11, 0, dropped));
    facts.prune(11);
    assert_eq!(base(&facts), Some(3));
    let tracked = format!("{:?}", facts.tracked(MARKET));
    assert!(tracked.contains("posted: 0") && tracked.contains("states: 0"), "nothing is needed: {tracked}");
}

#[test]
fn a_slot_that_states_something_else_is_refused() {
    for (index, field) in [(0, "old root"), (1, "new root"), (2, "data hash"), (3, "domain")] {
        let mut world = World::new();
        let mut events = world.beginning();
        events.extend(world.post(2, ME, None));
        for logged in &mut events {
            if let Event::SlotOpened { slot, statement_inputs, .. } = &mut logged.event {
                statement_inputs[index] += U256::ONE;
                slot.statement = statement_hash(statement_inputs);
            }
        }
        let refusal = prepare(&mut facts(&events), 1).expect_err("refused");
        assert!(refusal.why == Why::Mismatch && refusal.to_string().contains(field), "{refusal}");
    }
}

#[test]
fn a_statement_that_is_not_the_hash_of_its_inputs_is_refused() {
    let mut world = World::new();
    let mut events = world.beginning();
    events.extend(world.post(2, ME, None));
    for logged in &mut events {
        if let Event::SlotOpened { slot, .. } = &mut logged.event {
            slot.statement = B256::ZERO;
        }
    }
    assert_eq!(refusal(&mut facts(&events), 1), Why::Mismatch);
}

#[test]
fn a_slot_without_a_block_or_a_genesis_is_refused() {
    let mut world = World::new();
    let beginning = world.beginning();
    let posted = world.post(2, ME, None);
    let without_block = [&beginning[..], &posted[..1]].concat();
    assert_eq!(refusal(&mut facts(&without_block), 1), Why::NotPosted);
    let without_genesis = [&beginning[1..], &posted[..]].concat();
    assert_eq!(refusal(&mut facts(&without_genesis), 1), Why::NotBegun);
}

#[test]
fn pruning_moves_the_base_and_changes_no_job() {
    let mut world = World::new();
    let mut events = world.beginning();
    for number in 2..=6 {
        events.extend(world.post(number, OTHER, None));
    }
    for id in 1..=3 {
        events.extend(world.prove(6 + id, id, OTHER, None));
    }
    let mut whole = facts(&events);
    let expected = [4, 5].map(|id| prepare(&mut whole, id).expect("provable"));

    let mut pruned = facts(&events);
    let gone = pruned.prune(9);
    assert_eq!(gone.iter().map(|key| key.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!([4, 5].map(|id| prepare(&mut pruned, id).expect("provable")), expected);

    // Folding what is left on top of the base gives the same again.
    let kept = events.len() - obsolete(&events, &pruned, &pruned).len();
    assert!(kept < events.len() - 6);
    assert_eq!(base(&pruned), Some(3));
    let mut refolded = refold(&events, &pruned);
    assert_eq!([4, 5].map(|id| prepare(&mut refolded, id).expect("provable")), expected);
    assert_eq!(refolded.candidates(MARKET), pruned.candidates(MARKET));
}
