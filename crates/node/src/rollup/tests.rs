//! Jobs from synthetic events.

use alloy::primitives::B256;
use provery_types::LoggedEvent;

use super::*;
use crate::facts::{Facts, SlotKey};
use crate::testing::{MARKET, ME, OTHER, World, deployment};

fn facts(events: &[LoggedEvent]) -> Facts {
    let mut facts = Facts::new(&deployment());
    for logged in events {
        facts.apply(logged);
    }
    facts
}

fn prepare(facts: &mut Facts, id: u64) -> Result<Prepared, RollupError> {
    let fact = facts.slot(SlotKey { market: MARKET, id }).cloned().expect("a slot");
    facts.rollup_of_market(MARKET).expect("a rollup").prepare(&fact, ME)
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
        assert!(prepared.correct);
        let job = BlockJob::from_bytes(&prepared.job).expect("a job");
        assert_eq!(job.statement().payee, ME.into_array());
        let inputs = facts.slot(SlotKey { market: MARKET, id }).expect("a slot").inputs.clone();
        let stated: Vec<U256> = job.public_inputs_market().into_iter().map(U256::from_be_bytes).collect();
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
    assert!(!prepare(&mut facts, 1).expect("provable").correct);
    assert!(matches!(prepare(&mut facts, 2), Err(RollupError::UnknownState { number: 2 })));
}

fn root(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
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
    let claims: Vec<bool> = (1..=3).map(|id| prepare(&mut facts, id).expect("provable").correct).collect();
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
    assert!(prepare(&mut facts, 4).expect("provable").correct);
    assert!(!prepare(&mut facts, 3).expect("provable").correct);
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
    assert!(prepare(&mut whole, 4).expect("provable").correct);
    // It is so after what is over has been forgotten: the block that fell is needed, and kept.
    whole.prune(1_000);
    assert!(whole.slot(SlotKey { market: MARKET, id: 2 }).is_none());
    assert!(prepare(&mut whole, 4).expect("provable").correct);
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
    let obsolete = crate::facts::obsolete(&events, &pruned, &pruned);
    let mut refolded = Facts::new(&deployment());
    for (address, rollup) in pruned.rollups() {
        let (number, state) = rollup.base().expect("a base");
        assert_eq!(number, 3);
        refolded.restore_rollup(address, number, &state.to_bytes()).expect("restored");
    }
    for logged in events.iter().filter(|it| !obsolete.contains(&(it.block.number, it.log_index))) {
        refolded.apply(logged);
    }
    let mut later = world.post(9, ME, Some(root(&genesis)));
    later.extend(world.post_on(10, ME, &genesis, None, None));
    for facts in [&mut pruned, &mut refolded] {
        later.iter().for_each(|logged| drop(facts.apply(logged)));
        assert!(!prepare(facts, 4).expect("provable").correct);
        assert!(prepare(facts, 5).expect("provable").correct);
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
    let base = |facts: &Facts| facts.rollups().next().and_then(|(_, it)| it.base()).map(|(number, _)| number);
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
    assert!(prepare(&mut facts, 5).expect("provable").correct);
    // Once that is over, the base moves, and what fell is forgotten.
    world.expire(10, 4).iter().for_each(|logged| drop(facts.apply(logged)));
    let dropped = Event::SlotDropped { market: MARKET, id: 5, fee: U256::ZERO };
    facts.apply(&World::at(11, 0, dropped));
    facts.prune(11);
    assert_eq!(base(&facts), Some(3));
    let rollup = facts.rollup_of_market(MARKET).expect("a rollup");
    assert!(rollup.posted.is_empty() && rollup.states.is_empty(), "nothing is needed");
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
        let error = prepare(&mut facts(&events), 1).expect_err("refused");
        assert!(
            matches!(error, RollupError::StatementMismatch { field: found, .. } if found == field),
            "{error}"
        );
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
    let error = prepare(&mut facts(&events), 1).expect_err("refused");
    assert!(matches!(error, RollupError::StatementMismatch { field: "statement hash", .. }));
}

#[test]
fn a_slot_without_a_block_or_a_genesis_is_refused() {
    let mut world = World::new();
    let beginning = world.beginning();
    let posted = world.post(2, ME, None);
    let without_block = [&beginning[..], &posted[..1]].concat();
    assert!(matches!(prepare(&mut facts(&without_block), 1), Err(RollupError::NotPosted(1))));
    let without_genesis = [&beginning[1..], &posted[..]].concat();
    assert!(matches!(prepare(&mut facts(&without_genesis), 1), Err(RollupError::NoGenesis)));
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
    let obsolete = crate::facts::obsolete(&events, &pruned, &pruned);
    let mut refolded = Facts::new(&deployment());
    for (address, rollup) in pruned.rollups() {
        let (number, state) = rollup.base().expect("a base");
        assert_eq!(number, 3);
        refolded.restore_rollup(address, number, &state.to_bytes()).expect("restored");
    }
    let mut kept = 0;
    for logged in &events {
        if !obsolete.contains(&(logged.block.number, logged.log_index)) {
            refolded.apply(logged);
            kept += 1;
        }
    }
    assert!(kept < events.len() - 6);
    assert_eq!([4, 5].map(|id| prepare(&mut refolded, id).expect("provable")), expected);
    assert_eq!(refolded.candidates(MARKET), pruned.candidates(MARKET));
}
