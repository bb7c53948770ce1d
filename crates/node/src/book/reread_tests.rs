//! Blocks that are read again without having changed leave the book as it was: by chance, whatever was done in them.

use std::collections::BTreeMap;

use super::{
    compact_tests::{Chance, gist, some_block},
    tests::{open, policy},
    *,
};
use crate::testing::{ME, World, block};
use provery_types::Event;

/// Blocks between two that say something: a few of these are as deep as a reorg reaches.
const APART: u64 = 40;

/// What the node did of its own accord, as far as chance has it.
fn act(book: &mut Book, chance: &mut Chance) {
    let now = book.head().map_or(0, |head| head.timestamp);
    book.decide(&policy(now + chance.below(120))).expect("decided");
    let keys: Vec<SlotKey> = book.work().map(|(key, _)| key).collect();
    for key in keys {
        let Some(stage) = book.record(key).map(|record| record.work.stage) else { continue };
        match (stage, chance.below(3)) {
            (SlotStage::Queued, 0) => drop(book.input(key, &Input::ProofStarted).expect("stored")),
            (SlotStage::Proving, 0) => {
                drop(book.input(key, &Input::ProofFailed { retry_at: now }).expect("stored"))
            }
            (SlotStage::Proving, 1) => {
                let statement = book.facts().slot(key).expect("a slot").slot.statement;
                let (public_inputs, proof) = (vec![U256::from(key.id)], vec![1].into());
                let made = StoredProof { statement, payee: ME, made_at: now - 1_000, public_inputs, proof };
                book.proved(key, &made).expect("stored");
            }
            (SlotStage::Proved { .. }, 0) => drop(book.input(key, &Input::SendStarted).expect("stored")),
            _ => {}
        }
    }
}

/// Pauses and resumptions of this prover, by this node or by its operator.
fn turn(number: u64, book: &Book, chance: &mut Chance) -> Option<LoggedEvent> {
    let paused = book.facts().prover_status(ME).paused;
    if chance.below(3) > 0 {
        return None;
    }
    let event = if paused { Event::ProverResumed { prover: ME } } else { Event::ProverPaused { prover: ME } };
    let logged =
        LoggedEvent { tx_hash: B256::from(U256::from(7_000 + number)), ..World::at(number, 30, event) };
    if chance.below(2) == 0 {
        book.store().add_own_turn(logged.tx_hash).expect("stored");
    }
    Some(logged)
}

/// Slots of which a proof is stored.
fn proven(book: &Book) -> BTreeSet<SlotKey> {
    let has_proof = |key: &SlotKey| book.proof(*key).expect("read").is_some();
    book.work().map(|(key, _)| key).filter(has_proof).collect()
}

/// All that the book knows of the chain, and of every slot's end.
fn all(book: &mut Book, deep: u64) -> BTreeMap<String, String> {
    let loaded = book.store().load().expect("read");
    let mut all = BTreeMap::new();
    let mut say = |what: String, is: String| all.insert(what, is);
    for logged in &loaded.events {
        let (number, index) = (logged.block.number, logged.log_index);
        say(format!("event {number} {index}"), format!("{logged:?}"));
    }
    say("blocks".into(), format!("{:?}", loaded.blocks.last()));
    say("own turns".into(), format!("{:?}", loaded.own_turns));
    say("told".into(), format!("{:?}", loaded.told));
    for (key, record) in &loaded.work {
        let ended = record.work.stage.ended();
        say(format!("work {key}"), format!("{:?} {ended}", record.slot));
        assert_eq!(book.record(*key), Some(record), "what is on disk is what is known");
    }
    all.extend(gist(book.facts_mut(), deep));
    let portrait = book.facts().portrait().into_iter();
    all.extend(portrait.map(|(name, is)| (format!("fact {name}"), is)));
    all
}

#[test]
fn blocks_that_are_read_again_leave_the_book_as_it_was() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(unix_millis);
    println!("seed {seed}");
    let mut chance = Chance(seed);
    for round in 0..30 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut book, _) = open(directory.path());
        let mut world = World::new();
        let mut history = vec![(block(1), world.beginning())];
        book.block(block(1), &history[0].1).expect("stored");
        let mut state = (0, 0, 1);
        let mut deep = 0;
        for step in 1..10 + chance.below(6) {
            let number = step * APART;
            let mut events = some_block(number, &mut world, &mut chance, &mut state);
            events.extend(turn(number, &book, &mut chance));
            let before = book.head().map_or(0, |head| head.number);
            book.block(block(number), &events).expect("stored");
            if number / COMPACT_EVERY > before / COMPACT_EVERY {
                deep = number.saturating_sub(KEEP_BLOCKS);
            }
            history.push((block(number), events));
            act(&mut book, &mut chance);
        }
        let (before, proofs) = (all(&mut book, deep), proven(&book));
        let floor = book.head().map_or(0, |head| head.number.saturating_sub(KEEP_BLOCKS)).max(1);
        let within: Vec<BlockRef> =
            history.iter().map(|(block, _)| *block).filter(|block| block.number >= floor).collect();
        for again in 0..2 {
            let to = within[chance.below(within.len() as u64) as usize];
            book.reorg(to).expect("taken back");
            if chance.below(2) == 0 {
                act(&mut book, &mut chance);
            }
            if chance.below(3) == 0 {
                drop(book);
                (book, _) = open(directory.path());
            }
            for (block, events) in history.iter().filter(|(block, _)| block.number > to.number) {
                book.block(*block, events).expect("stored");
            }
            let after = all(&mut book, deep);
            let what = format!("seed {seed}, round {round}, time {again}: back to {}", to.number);
            // Which events are still on disk depends on when it was looked what can go: nothing follows from those that are gone, or
            // the facts would differ, here or after a restart.
            let is_event = |name: &str| name.starts_with("event ");
            let same = |after: &BTreeMap<String, String>, what: &str| {
                for (name, is) in before.iter().filter(|(name, _)| !is_event(name)) {
                    assert_eq!(after.get(name), Some(is), "{what}: {name}");
                }
            };
            same(&after, &what);
            let is_more = |name: &str| !before.contains_key(name) && !is_event(name);
            let more: Vec<_> = after.iter().filter(|(name, _)| is_more(name)).collect();
            assert!(more.is_empty(), "{what}: {more:?}");
            assert!(proven(&book).is_superset(&proofs), "{what}: none is made again");
            drop(book);
            (book, _) = open(directory.path());
            same(&all(&mut book, deep), &format!("{what}, and a restart"));
        }
    }
}
