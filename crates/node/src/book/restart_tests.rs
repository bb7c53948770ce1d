//! Random lives of a book, with reorgs and restarts anywhere in them.

use provery_types::Event;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::{
    tests::{begun, key, open, policy, stage},
    *,
};
use crate::testing::{ME, OTHER, World, block};

/// Steps of one life, and lives.
const STEPS: usize = 120;
const LIVES: u64 = 12;

/// What must hold at every moment.
fn check(book: &Book, seed: u64, step: usize) {
    for (key, record) in book.work() {
        let fact = book.facts().slot(key);
        let place = format!("seed {seed}, step {step}, slot {}: {:?}", key.id, record.work);
        let fact = fact.unwrap_or_else(|| panic!("{place}: there is no such slot"));
        assert_eq!(record.work.stage.ended(), fact.ended.is_some(), "{place}, chain: {:?}", fact.ended);
        if let SlotStage::Settled { by_me, payee } = record.work.stage {
            assert_eq!(by_me, payee == ME, "{place}");
        }
        if matches!(record.work.stage, SlotStage::Proved { .. } | SlotStage::Submitting) {
            assert!(book.has_proof(key).expect("read"), "{place}: nothing to send");
        }
    }
}

fn live(seed: u64) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut book, _) = open(directory.path());
    let mut world = World::new();
    // Canonical blocks from 1 on, with their events.
    let mut chain: Vec<Vec<LoggedEvent>> = vec![world.beginning()];
    book.block(block(1), &chain[0]).expect("stored");
    let mut slots = 0;
    for at in 0..STEPS {
        let now = 1_000 + u64::from(random.next_u32() % 300);
        let id = 1 + u64::from(random.next_u32()) % slots.max(1);
        let known = book.record(key(id)).is_some();
        let number = chain.len() as u64 + 1;
        match random.next_u32() % 12 {
            0 if slots < 4 => {
                let events = world.post(number, if random.next_u32() % 3 == 0 { OTHER } else { ME }, None);
                book.block(block(number), &events).expect("stored");
                chain.push(events);
                slots += 1;
            }
            1 if known && book.open_slot(key(id)).is_some() => {
                let payee = if random.next_u32() % 2 == 0 { ME } else { OTHER };
                let events = world.prove(number, id, payee, None);
                book.block(block(number), &events[1..]).expect("stored");
                chain.push(events[1..].to_vec());
            }
            2 => {
                book.block(block(number), &[]).expect("stored");
                chain.push(Vec::new());
            }
            3 => {
                // Never below the blocks that opened slots: the world's numbering goes on from there.
                let opened = |events: &Vec<LoggedEvent>| {
                    events.iter().any(|it| matches!(it.event, Event::SlotOpened { .. }))
                };
                let floor = chain.iter().rposition(opened).map_or(0, |at| at) + 1;
                let to = floor + random.next_u32() as usize % (chain.len() - floor + 1);
                if to < chain.len() {
                    chain.truncate(to);
                    book.reorg(block(to as u64)).expect("rolled back");
                }
            }
            4 => {
                let proofs: Vec<SlotKey> = (1..=slots)
                    .map(key)
                    .filter(|key| book.open_slot(*key).is_some() && book.has_proof(*key).expect("read"))
                    .collect();
                let before: Vec<(SlotKey, WorkRecord)> =
                    book.work().map(|(key, record)| (key, record.clone())).collect();
                drop(book);
                let cursor;
                (book, cursor) = open(directory.path());
                assert_eq!(cursor.last().map(|block| block.number), Some(chain.len() as u64), "seed {seed}");
                for (key, record) in before.iter().filter(|(key, _)| proofs.contains(key)) {
                    if matches!(record.work.stage, SlotStage::Proved { .. } | SlotStage::Submitting) {
                        let stage = stage(&book, key.id);
                        assert_eq!(
                            stage,
                            SlotStage::Proved { not_before: 0 },
                            "seed {seed}, step {at}: proven again"
                        );
                    }
                }
                let again: Vec<_> = book.work().map(|(key, record)| (key, record.clone())).collect();
                drop(book);
                (book, _) = open(directory.path());
                assert_eq!(
                    again,
                    book.work().map(|(key, record)| (key, record.clone())).collect::<Vec<_>>(),
                    "seed {seed}, step {at}: a second restart changes something"
                );
            }
            5 if known && matches!(stage(&book, id), SlotStage::Proving) => {
                let statement = book.facts().slot(key(id)).expect("a slot").slot.statement;
                let proof = StoredProof {
                    statement,
                    payee: ME,
                    made_at: 5,
                    public_inputs: vec![],
                    proof: vec![1].into(),
                };
                book.proved(key(id), &proof).expect("stored");
                assert!(book.proved(key(id), &proof).expect("stored").is_none(), "told twice");
            }
            6 | 7 => {
                book.decide(&policy(now)).expect("decided");
                assert!(book.decide(&policy(now)).expect("decided").is_empty(), "seed {seed}, step {at}");
            }
            kind if known => {
                let input = match kind {
                    8 => Input::ProofStarted,
                    9 => Input::SendStarted,
                    10 => Input::SendFailed { retry_at: now },
                    _ => Input::ProofFailed { retry_at: now },
                };
                book.input(key(id), &input).expect("stored");
                if kind != 11 {
                    assert!(
                        book.input(key(id), &input).expect("stored").is_none(),
                        "seed {seed}, step {at}: {input:?}"
                    );
                }
            }
            _ => {}
        }
        check(&book, seed, at);
    }
}

#[test]
fn no_restart_or_reorg_loses_a_proof_or_leaves_what_the_chain_does_not_say() {
    for seed in 0..LIVES {
        live(seed);
    }
}

#[test]
fn what_binds_nobody_overloads_nobody() {
    let (_directory, mut book, mut world) = begun();
    for number in 2..=4 {
        book.block(block(number), &world.post(number, Address::ZERO, None)).expect("stored");
    }
    book.decide(&policy(1_005)).expect("decided");
    let slow = Policy { estimated_proving_seconds: 99, ..policy(1_005) };
    assert!(!book.overload(&slow, false) && !book.overload(&slow, true));
    // One that it holds as well: those wait for it.
    book.block(block(5), &world.post(5, ME, None)).expect("stored");
    book.decide(&policy(1_005)).expect("decided");
    assert!(!book.overload(&Policy { estimated_proving_seconds: 49, ..slow }, false));
    assert!(book.overload(&slow, false));
}

#[test]
fn a_proof_that_binds_nobody_makes_way_for_what_would_be_late() {
    let (_directory, mut book, mut world) = begun();
    book.block(block(2), &world.post(2, Address::ZERO, None)).expect("stored");
    // Whoever's turn it was did not come.
    book.decide(&policy(1_120)).expect("decided");
    book.input(key(1), &Input::ProofStarted).expect("stored");
    assert_eq!(stage(&book, 1), SlotStage::Proving);
    let tight = Policy { estimated_proving_seconds: 48, ..policy(1_007) };
    assert_eq!(book.makes_way(&tight), None);
    book.block(block(3), &world.post(3, ME, None)).expect("stored");
    book.decide(&policy(1_120)).expect("decided");
    assert_eq!(book.makes_way(&Policy { estimated_proving_seconds: 47, ..tight }), None, "there is time");
    assert_eq!(book.makes_way(&tight), Some(key(1)));
    assert!(!book.overload(&tight, false), "nor does it count");
}

#[test]
fn a_queue_that_outgrows_the_window_is_an_overload_until_it_has_halved() {
    let (_directory, mut book, mut world) = begun();
    for number in 2..=4 {
        book.block(block(number), &world.post(number, ME, None)).expect("stored");
    }
    book.decide(&policy(1_005)).expect("decided");
    assert_eq!(book.unfinished(&policy(1_005), 120).count(), 3);
    // The window is 100 seconds: four proofs of 24 fit, of 25 they do not.
    let at = |estimate| Policy { estimated_proving_seconds: estimate, ..policy(1_005) };
    assert!(!book.overload(&at(24), false));
    assert!(book.overload(&at(25), false));
    assert!(book.overload(&at(13), true), "not over yet");
    assert!(!book.overload(&at(12), true));
    assert!(!book.overload(&Policy { workers: 2, ..at(25) }, false), "two at a time");
}

#[test]
fn a_pause_that_turns_out_to_be_of_a_node_before_holds_nobody_out() {
    let (directory, mut book, _) = begun();
    book.block(block(2), &[World::at(2, 0, Event::ProverPaused { prover: ME })]).expect("stored");
    let hash = book.facts().held_out_by(ME).expect("taken for the operator's");
    book.own_turn(hash).expect("stored");
    assert!(book.facts().prover_status(ME).paused && !book.facts().held_out(ME));
    drop(book);
    let (book, _) = open(directory.path());
    assert!(book.facts().prover_status(ME).paused && !book.facts().held_out(ME));
}
