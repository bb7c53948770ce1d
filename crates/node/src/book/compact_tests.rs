//! What is forgotten is what no reorg can bring back: by chance, whatever the order of things.

use std::collections::BTreeMap;

use super::{
    tests::{key, open},
    *,
};
use crate::{
    facts::{PAUSES_KEPT, SlotFact},
    testing::{MARKET, ME, OTHER, World, allocated, block, deployment},
};
use provery_types::Event;

/// Blocks between two that say something: a few of these are as deep as a reorg reaches.
const APART: u64 = 70;

fn stranger(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// One block of whatever may happen.
pub(super) fn some_block(
    number: u64,
    world: &mut World,
    chance: &mut Chance,
    state: &mut (u64, u64, u32),
) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    let (opened, proven, version) = state;
    if chance.below(3) > 0 {
        events.extend(world.post(number, [ME, OTHER][chance.below(2) as usize], None));
        *opened += 1;
    }
    if chance.below(2) == 0 && proven < opened && events.is_empty() {
        *proven += 1;
        events.extend(world.prove(number, *proven, OTHER, None));
    }
    for index in 10..10 + chance.below(4) {
        let prover = stranger(chance.below(4));
        events.push(World::at(
            number,
            index,
            match chance.below(7) {
                0 => Event::ProverPaused { prover },
                1 => Event::ProverResumed { prover },
                2 => Event::ProverSuspended { prover, market: MARKET },
                3 => Event::ProverReinstated { prover, market: MARKET },
                4 => allocated(prover, 0),
                5 => {
                    *version += 1;
                    let terms = Terms { version: *version, ..world.terms.clone() };
                    let from = 1_000 + number + [0, 100][chance.below(2) as usize];
                    let terms_hash = provery_types::terms_hash(&terms);
                    Event::TermsSet { market: MARKET, terms_hash, from, terms }
                }
                _ => allocated(prover, chance.below(3)),
            },
        ));
    }
    if chance.below(12) == 0 {
        let nonsense = crate::testing::posted(99, 99, U256::ZERO, U256::ZERO, &[]);
        events.push(World::at(number, 20, nonsense));
    }
    events
}

/// Facts without what is of no use any more, as text, and which open slots can be proven.
pub(super) fn gist(facts: &mut Facts, deep: u64) -> BTreeMap<String, String> {
    facts.prune(deep);
    let mut gist = BTreeMap::new();
    let mut say = |what: String, is: String| gist.insert(what, is);
    let open: Vec<SlotFact> = facts.slots().map(|(_, fact)| fact.clone()).collect();
    say("terms".into(), format!("{:?} {:?}", facts.market_terms(MARKET), facts.announced_terms(MARKET)));
    say("candidates".into(), format!("{:?}", facts.candidates(MARKET)));
    say("established".into(), format!("{:?}", facts.established(MARKET)));
    for prover in (0..4).map(stranger).chain([ME, OTHER]) {
        // Without stake nothing follows from the rest.
        let commitment = Some(facts.commitment(MARKET, prover)).filter(|it| it.units > 0);
        // And nothing is asked of others' leaves.
        let leaves = commitment.filter(|_| prover == ME).map(|_| facts.leaves(prover));
        say(format!("stake {prover}"), format!("{commitment:?} {leaves:?}"));
    }
    for fact in open {
        let provable = facts.ready(SlotKey::of(&fact.slot)).map_err(|refusal| refusal.to_string());
        say(format!("slot {}", fact.slot.id), format!("{fact:?} {provable:?}"));
    }
    gist
}

fn same(found: BTreeMap<String, String>, expected: &BTreeMap<String, String>, what: &str) {
    assert!(found.keys().eq(expected.keys()), "{what}");
    for (name, is) in found {
        assert_eq!(Some(&is), expected.get(&name), "{what}: {name}");
    }
}

#[test]
fn a_reorg_finds_all_that_it_could_bring_back_whatever_was_forgotten() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(unix_millis);
    println!("seed {seed}");
    let mut chance = Chance(seed);
    for round in 0..40 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut book, _) = open(directory.path());
        let mut world = World::new();
        let mut history = vec![(block(1), world.beginning())];
        book.block(block(1), &history[0].1).expect("stored");
        let mut state = (0, 0, 1);
        let mut deep = 0;
        for step in 1..8 + chance.below(6) {
            let number = step * APART;
            let events = some_block(number, &mut world, &mut chance, &mut state);
            let before = book.head().map_or(0, |head| head.number);
            book.block(block(number), &events).expect("stored");
            if number / COMPACT_EVERY > before / COMPACT_EVERY {
                deep = number.saturating_sub(KEEP_BLOCKS);
            }
            history.push((block(number), events));
        }
        let floor = book.head().map_or(0, |head| head.number.saturating_sub(KEEP_BLOCKS)).max(1);
        let within: Vec<BlockRef> =
            history.iter().map(|(block, _)| *block).filter(|block| block.number >= floor).collect();
        let to = within[chance.below(within.len() as u64) as usize];
        let mut expected = Facts::of(&deployment(), ME, None, &Default::default());
        for logged in
            history.iter().filter(|(block, _)| block.number <= to.number).flat_map(|(_, events)| events)
        {
            if expected.concerns(logged) {
                expected.apply(logged);
            }
        }
        expected.pass(to.timestamp);
        book.reorg(to).expect("rolled back");
        let what = format!("seed {seed}, round {round}: back to {} with {deep} compacted", to.number);
        let expected = gist(&mut expected, deep);
        same(gist(book.facts_mut(), deep), &expected, &what);
        drop(book);
        let (mut book, _) = open(directory.path());
        same(gist(book.facts_mut(), deep), &expected, &format!("{what}, begun again"));
    }
}

#[test]
fn who_paused_before_it_had_stake_here_has_no_turn_and_strangers_pauses_have_a_bound() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    book.block(block(1), &World::new().beginning()).expect("stored");
    let pauses = |from: u64, count: u64| {
        (from..from + count)
            .map(|n| World::at(2, n + 1, Event::ProverPaused { prover: stranger(n) }))
            .collect::<Vec<_>>()
    };
    let many = PAUSES_KEPT as u64 + 500;
    book.block(block(2), &pauses(0, many)).expect("stored");
    let resumed = World::at(3, 0, Event::ProverResumed { prover: stranger(many - 1) });
    book.block(block(3), &[resumed]).expect("stored");
    book.block(block(2 * COMPACT_EVERY + KEEP_BLOCKS), &[]).expect("stored and compacted");
    let kept = book.store().load().expect("read").events.into_iter();
    let kept = kept
        .filter(|logged| matches!(logged.event, Event::ProverPaused { .. } | Event::ProverResumed { .. }));
    assert_eq!(kept.count(), PAUSES_KEPT);
    drop(book);
    let (mut book, _) = open(directory.path());
    let next = 2 * COMPACT_EVERY + KEEP_BLOCKS + 1;
    let came = [many - 1, many - 2].map(|n| World::at(next, n, allocated(stranger(n), 1)));
    book.block(block(next), &came).expect("stored");
    assert_eq!(book.facts().candidates(MARKET), [stranger(many - 1), ME, OTHER], "the other is paused");
}

#[test]
fn nonsense_that_a_reorg_takes_back_leaves_the_rollup_as_it_was() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    for number in 2..=4 {
        book.block(block(number), &world.post(number, ME, None)).expect("stored");
    }
    let at = 2 * COMPACT_EVERY + KEEP_BLOCKS;
    let nonsense = crate::testing::posted(9, 9, U256::ZERO, U256::ZERO, &[]);
    book.block(block(at - 10), &[]).expect("stored");
    book.block(block(at - 1), &[World::at(at - 1, 0, nonsense)]).expect("stored");
    assert!(book.lack(MARKET).is_some());
    book.block(block(at), &[]).expect("stored and compacted");
    book.reorg(block(at - 10)).expect("rolled back");
    assert_eq!(book.lack(MARKET), None);
    for id in 1..=3 {
        assert_eq!(book.at_hand(key(id)), Ok(()));
    }
}
