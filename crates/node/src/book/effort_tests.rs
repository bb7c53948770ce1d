//! A pass costs what changed, and not all provers times all slots.

use std::time::Instant;

use provery_mechanisms::{acceptance::Bounds, phase, upkeep};
use provery_types::Event;

use super::{
    tests::{key, open, policy},
    turns::{Turn, Turns},
    *,
};
use crate::{
    facts::Draws,
    testing::{MARKET, ME, OTHER, World, allocated, block},
};

const SLOTS: u64 = 1_000;
const PROVERS: u64 = 4_096;

fn prover(n: u64) -> Address {
    Address::left_padding_from(&n.to_be_bytes())
}

/// Many slots that are open to all, and many provers that take turns at them.
fn crowded(path: &std::path::Path) -> (Book, World) {
    let (mut book, _) = open(path);
    let mut world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    let joined = (10..).zip(2..PROVERS).map(|(index, n)| World::at(2, index, allocated(prover(n), 1)));
    book.block(block(2), &joined.collect::<Vec<_>>()).expect("stored");
    let sample = world.post(3, OTHER, None);
    let opened = (1..=SLOTS).map(|id| {
        let mut opened = LoggedEvent { log_index: id, ..sample[0].clone() };
        if let Event::SlotOpened { slot, .. } = &mut opened.event {
            slot.id = id;
        }
        opened
    });
    book.block(block(3), &opened.collect::<Vec<_>>()).expect("stored");
    (book, world)
}

/// What the service does at every tick, and more than it does between two.
fn pass(book: &mut Book, policy: &Policy) {
    book.overload(policy, false);
    book.decide(policy).expect("decided");
    book.actions(policy);
    book.due(policy);
    book.concerns(&Bounds::default(), policy, true, U256::from(1_000));
    crate::monitor::disk::slots(book.work(), ME, |_| None);
}

#[test]
fn an_idle_pass_over_many_slots_and_provers_looks_at_what_changed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = crowded(directory.path());
    // They are open to all, and other provers' turns come first.
    let idle = Policy { estimated_proving_seconds: 3, ..policy(1_150) };
    pass(&mut book, &idle);
    let (decisions, hashes) = book.effort();
    assert!(decisions <= SLOTS && hashes <= SLOTS * PROVERS, "each once: {decisions}, {hashes}");

    // Chain time goes on, and blocks come: nothing is due.
    for number in 4..14 {
        book.block(block(number), &[]).expect("stored");
        pass(&mut book, &idle);
    }
    assert_eq!(book.effort(), (decisions, hashes), "nothing changed");

    // One prover leaves: it is put into each slot's order once, where that is asked for.
    let left = World::at(14, 0, Event::ProverPaused { prover: prover(7) });
    book.block(block(14), &[left]).expect("stored");
    let later = Policy { now: 1_340, ..idle };
    pass(&mut book, &later);
    let (decided, hashed) = book.effort();
    assert!(decided - decisions <= SLOTS, "those whose time came: {}", decided - decisions);
    assert!(hashed - hashes <= 2 * SLOTS, "and one prover a slot: {}", hashed - hashes);

    // The best of some, so that what else this machine does counts little.
    const PASSES: u32 = 20;
    let batch = || {
        let started = Instant::now();
        (0..PASSES).for_each(|_| pass(&mut book, &later));
        started.elapsed() / PASSES
    };
    let took = std::iter::repeat_with(batch).take(10).min().unwrap_or_default();
    let share = took.as_secs_f64() * 4.0 * 100.0;
    println!(
        "an idle pass over {SLOTS} open slots and {PROVERS} provers takes {took:.2?}: {share:.1}% of a core at four a second"
    );
}

#[test]
fn what_waits_is_counted_once_a_pass_however_many_slots_fell() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    for number in 2..=20 {
        book.block(block(number), &world.post(number, ME, None)).expect("stored");
    }
    book.block(block(21), &[World::cut(21, 0, 2)]).expect("stored");
    let fallen = book.facts().slots().filter(|(_, fact)| fact.premise_fell).count();
    assert!(fallen > 10, "{fallen}");
    let before = book.queues.get();
    book.due(&policy(1_022));
    assert_eq!(book.queues.get() - before, 1);
}

#[test]
fn slots_that_wait_for_their_time_are_not_decided_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = crowded(directory.path());
    // Held by another for a while yet.
    let early = policy(1_010);
    pass(&mut book, &early);
    let (decisions, hashes) = book.effort();
    assert_eq!((decisions, hashes), (SLOTS, 0), "nobody takes turns yet");
    (0..20).for_each(|_| pass(&mut book, &early));
    assert_eq!(book.effort(), (decisions, hashes));
    assert!(book.record(key(SLOTS)).is_some_and(|it| matches!(it.work.stage, SlotStage::Waiting { .. })));
}

#[test]
fn places_follow_whoever_comes_and_goes() {
    let seed: u64 = unix_millis();
    println!("seed {seed}");
    let mut state = seed | 1;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut draws = Draws::default();
    let mut turns = Turns::default();
    let slots: Vec<Slot> =
        (1..=5).map(|id| Slot { market: MARKET, id, prover: prover(id), ..Slot::default() }).collect();
    for _ in 0..2_000 {
        let who = if random(20) == 0 { ME } else { prover(random(40) + 1) };
        draws.put(who, random(2) == 0);
        let slot = &slots[random(5) as usize];
        let members: Vec<Address> = draws.members().iter().copied().collect();
        let rescue = turns.rank(Turn::Rescue, slot, ME, Some(&draws));
        assert_eq!(rescue, phase::rescue_rank(slot, ME, &members), "seed {seed}");
        let kept = turns.rank(Turn::Upkeep, slot, ME, Some(&draws));
        assert_eq!(kept, upkeep::upkeep_rank(upkeep::slot_salt(slot), ME, &members), "seed {seed}");
    }
}
