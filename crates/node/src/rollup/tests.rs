//! Jobs from synthetic events.

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
fn a_wrong_claim_is_proven_wrong_and_what_builds_on_it_cannot_be_proven() {
    let mut world = World::new();
    let mut events = world.beginning();
    events.extend(world.post(2, ME, Some(U256::from(77))));
    let mut next = world.post(3, ME, None);
    // The sequencer builds on its own claim.
    let rebuilt = |inputs: &mut Vec<U256>| inputs[0] = U256::from(77);
    for logged in &mut next {
        match &mut logged.event {
            Event::SlotOpened { slot, statement_inputs, .. } => {
                rebuilt(statement_inputs);
                slot.statement = statement_hash(statement_inputs);
            }
            Event::BlockPosted { old_root, .. } => *old_root = U256::from(77),
            _ => {}
        }
    }
    events.extend(next);
    let mut facts = facts(&events);
    assert!(!prepare(&mut facts, 1).expect("provable").correct);
    assert!(matches!(prepare(&mut facts, 2), Err(RollupError::UnknownState { number: 2 })));
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
    let obsolete = crate::facts::obsolete(&events, &pruned);
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
