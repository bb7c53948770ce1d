//! Nothing is bonded for before what proves it is at hand.

use alloy::{primitives::B256, sol_types::SolEvent as _};
use provery_bindings::Mining;
use provery_mechanisms::{acceptance::Bounds, sealed_bid_auction};
use provery_types::Event;

use super::tests::{auction_world, key, kinds, mined_world, open, policy, stage};
use provery_workloads::Workloads;

use super::*;
use crate::{
    concern::Concern,
    earning::Lack,
    testing::{MARKET, ME, MINING, OTHER, World, block, cut_short, genesis, is_genesis},
};

/// The beginning without what the rollup said in it, and that.
fn without_genesis(world: &World) -> (Vec<LoggedEvent>, Vec<LoggedEvent>) {
    let (genesis, rest) = world.beginning().into_iter().partition(is_genesis);
    (rest, genesis)
}

fn alarms(book: &mut Book) -> Vec<&'static str> {
    let fast = Policy { estimated_proving_seconds: 1, ..policy(1_010) };
    let concerns = book.concerns(&Bounds::default(), &fast, true, U256::from(1_000));
    concerns.iter().filter(|concern| concern.is_alarm()).map(|concern| concern.code).collect()
}

#[test]
fn nothing_is_bid_for_until_the_markets_beginning_is_known() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = auction_world();
    let (beginning, genesis) = without_genesis(&world);
    book.block(block(1), &beginning).expect("stored");
    book.block(block(2), &world.post(2, Address::ZERO, None)).expect("stored");
    assert_eq!(book.lack(MARKET), Some(Lack::History));
    assert_eq!(kinds(&mut book, &policy(1_010)), []);
    book.block(block(3), &genesis).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit")], "it came later");
}

#[test]
fn nothing_is_taken_on_while_history_is_read_or_keys_are_missing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = auction_world();
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &world.post(2, Address::ZERO, None)).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit")]);
    book.facts_mut().await_past(MARKET, true);
    assert_eq!((book.lack(MARKET), kinds(&mut book, &policy(1_010))), (Some(Lack::Reading), Vec::new()));
    book.facts_mut().await_past(MARKET, false);
    book.know_circuits(["another".to_owned()]);
    assert!(matches!(book.lack(MARKET), Some(Lack::Keys { .. })));
    assert_eq!(kinds(&mut book, &policy(1_010)), []);
}

#[test]
fn nothing_is_bid_for_whose_block_was_not_posted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = auction_world();
    book.block(block(1), &world.beginning()).expect("stored");
    let opened = world.post(2, Address::ZERO, None);
    book.block(block(2), &opened[..1]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), []);
    assert!(matches!(book.at_hand(key(1)), Err(Gap::Slot(_))));
    book.block(block(3), &opened[1..]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit")]);
}

#[test]
fn a_bid_is_not_revealed_for_what_cannot_be_proven_if_that_risks_more_than_it_saves() {
    for (bid_bond, kept) in [(7u64, false), (2_000, true)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut book, _) = open(directory.path());
        let mut world = auction_world();
        let params = sealed_bid_auction::Params {
            commit_window: 40,
            reveal_window: 30,
            settle_window: 30,
            bid_bond: bid_bond.into(),
        };
        world.terms.mechanismParams = B256::from(params.pack());
        book.block(block(1), &world.beginning()).expect("stored");
        book.block(block(2), &world.post(2, Address::ZERO, None)).expect("stored");
        let (_, commit) = book.actions(&policy(1_010)).remove(0);
        let memo = <provery_bindings::SealedBidAuction::commitCall as alloy::sol_types::SolCall>::abi_decode(
            &commit.data,
        )
        .expect("a commit")
        .memo;
        let bid = provery_bindings::SealedBidAuction::BidCommitted { market: MARKET, slot: 1, key: ME, memo };
        book.block(block(3), &[world.says(3, 1, bid.encode_log_data())]).expect("stored");
        assert_eq!(kinds(&mut book, &policy(1_045)), [(1, "reveal")]);
        book.facts_mut().await_past(MARKET, true);
        assert_eq!(!kinds(&mut book, &policy(1_045)).is_empty(), kept, "a bond of 2,000 against {bid_bond}");
    }
}

#[test]
fn nothing_is_mined_for_in_a_market_whose_slots_cannot_be_proven() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = mined_world();
    let (beginning, genesis) = without_genesis(&world);
    let started = Mining::RoundStarted {
        market: MARKET,
        slot: 2,
        target: U256::from(5),
        ticketBond: alloy::primitives::aliases::U96::from(7),
    };
    book.block(block(1), &beginning).expect("stored");
    let opened = world.post(2, Address::ZERO, None);
    book.block(block(2), &opened[..1]).expect("stored");
    book.block(block(3), &[world.says(3, 2, started.encode_log_data())]).expect("stored");
    let seed = |_| Some(B256::repeat_byte(3));
    assert_eq!((book.rounds(&policy(1_010)), book.puzzles(&policy(1_010), seed)), (Vec::new(), Vec::new()));
    book.block(block(4), &genesis).expect("stored");
    assert_eq!(book.rounds(&policy(1_010)), [], "what it builds on was not posted");
    book.block(block(5), &opened[1..]).expect("stored");
    assert_eq!(book.rounds(&policy(1_010)), [(MINING, key(2))]);
    assert_eq!(book.puzzles(&policy(1_010), seed).len(), 1);
}

#[test]
fn a_held_slot_that_cannot_be_proven_is_an_alarm_until_it_can() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = World::new();
    let (beginning, genesis) = without_genesis(&world);
    book.block(block(1), &beginning).expect("stored");
    assert_eq!(alarms(&mut book), [Concern::MARKET_UNPROVABLE], "it may be given slots");
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    assert_eq!(alarms(&mut book), [Concern::HELD_UNPROVABLE, Concern::MARKET_UNPROVABLE]);
    book.decide(&policy(1_010)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Ignored);
    assert!(book.decide(&policy(1_011)).expect("decided").is_empty(), "nothing new to say");
    book.block(block(3), &genesis).expect("stored");
    book.decide(&policy(1_012)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued, "it is looked at again");
    // As after a restart: what was queued is not decided anew.
    book.facts_mut().await_past(MARKET, true);
    book.give_up(key(1)).expect("stored");
    assert_eq!(
        (stage(&book, 1), book.decide(&policy(1_012)).expect("decided").len()),
        (SlotStage::Ignored, 0)
    );
    book.facts_mut().await_past(MARKET, false);
    book.decide(&policy(1_012)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
    assert_eq!(alarms(&mut book), [""; 0]);
}

#[test]
fn a_hidden_state_under_a_premise_that_was_proven_is_an_alarm() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    let hidden = U256::from(77);
    book.block(block(2), &world.post(2, OTHER, Some(hidden))).expect("stored");
    let from = world.state.clone();
    book.block(block(3), &world.post_on(3, ME, &from, Some(hidden), None)).expect("stored");
    assert_eq!(alarms(&mut book), [""; 0], "it falls, and no bond is lost");
    book.block(block(4), &[World::established(4, 0, 1)]).expect("stored");
    assert_eq!(alarms(&mut book), [Concern::HELD_UNPROVABLE], "somebody knows it");
}

/// A second rollup in the deployment file, and its market.
const FOREIGN: Address = Address::repeat_byte(0x77);
const ITS_MARKET: U256 = U256::from_limbs([2, 0, 0, 0]);

fn open_two(path: &std::path::Path, markets: Option<Vec<U256>>) -> Book {
    let mut deployment = crate::testing::deployment();
    let mut rollup = deployment.rollups[0].clone();
    (rollup.address, rollup.market, rollup.name) = (FOREIGN, ITS_MARKET, "foreign".to_owned());
    deployment.rollups.push(rollup);
    let identity =
        crate::store::Identity { chain_id: deployment.chain_id, market: deployment.market(), prover: ME };
    let directory = crate::store::DataDir::open(path).expect("free");
    let store = Store::open(directory, &identity).expect("a store");
    Book::open(Arc::new(store), deployment, ME, markets, Workloads::default()).expect("a book").0
}

fn said(number: u64, index: u64, event: Event) -> LoggedEvent {
    LoggedEvent { address: FOREIGN, ..World::at(number, index, event) }
}

fn posted(number: u64, parent: u64) -> Event {
    crate::testing::posted(number, parent, U256::ONE, U256::ONE, &[1])
}

#[test]
fn one_rollups_nonsense_is_that_markets() {
    let nonsense = [
        vec![posted(5, 5)],
        vec![posted(5, 9), posted(9, 5)],
        vec![posted(0, 0)],
        vec![posted(5, 4), posted(5, 3)],
        vec![cut_short()],
        vec![genesis(U256::ONE), genesis(U256::from(2))],
    ];
    for events in nonsense {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut world = World::new();
        let mut book = open_two(directory.path(), None);
        let mut all = world.beginning();
        all.extend((100..).zip(events.clone()).map(|(index, event)| said(1, index, event)));
        book.block(block(1), &all).expect("stored");
        assert!(matches!(book.lack(ITS_MARKET), Some(Lack::Quarantined(_))), "{events:?}");
        assert_eq!(book.lack(MARKET), None);
        book.block(block(2), &world.post(2, ME, None)).expect("stored");
        book.decide(&policy(1_010)).expect("decided");
        assert_eq!(stage(&book, 1), SlotStage::Queued, "the others go on");
        // What it says from then on is not kept; and that it is in quarantine outlives what was forgotten, and a restart.
        let before = book.store().events_until(u64::MAX).expect("read").len();
        book.block(block(3), &[said(3, 0, posted(50, 49))]).expect("stored");
        assert_eq!(book.store().events_until(u64::MAX).expect("read").len(), before);
        let far = COMPACT_EVERY * 4;
        book.block(block(far), &world.prove(far, 1, ME, None)).expect("stored");
        book.block(block(far * 2), &[]).expect("stored and compacted");
        drop(book);
        let book = open_two(directory.path(), None);
        assert!(matches!(book.lack(ITS_MARKET), Some(Lack::Quarantined(_))), "{events:?}");
        assert_eq!(book.lack(MARKET), None);
    }
}

#[test]
fn what_is_not_served_is_not_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let size = || std::fs::metadata(directory.path().join("node.redb")).expect("a file").len();
    let mut book = open_two(directory.path(), Some(vec![MARKET]));
    let mut world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    let kept = book.store().events_until(u64::MAX).expect("read").len();
    // Churn that every node has, so that what is measured is what strangers add.
    (2..=20).for_each(|number| {
        book.block(block(number), &[]).expect("stored");
    });
    let before = size();
    let sample = world.post(21, OTHER, None);
    const BLOCKS: u64 = 100;
    const EACH: u64 = 200;
    for number in 21..21 + BLOCKS {
        let mut events = Vec::new();
        for index in 0..EACH {
            let id = (number - 21) * EACH + index + 1;
            let mut opened = LoggedEvent { log_index: 4 * index, block: block(number), ..sample[0].clone() };
            if let Event::SlotOpened { slot, .. } = &mut opened.event {
                (slot.market, slot.id) = (ITS_MARKET, id);
            }
            let posted = crate::testing::posted(id, id - 1, U256::ONE, U256::ONE, &[7; 1_024]);
            let registered = Event::ProverRegistered {
                prover: Address::left_padding_from(&id.to_be_bytes()),
                id: 100 + id as u32,
                uri: "https://example.org/".repeat(50),
            };
            let mut terms = world.terms.clone();
            terms.price = alloy::primitives::aliases::U96::from(id);
            let terms_hash = provery_types::terms_hash(&terms);
            let set = Event::TermsSet { market: ITS_MARKET, terms_hash, from: 0, terms };
            events.push(opened);
            events.push(said(number, 4 * index + 1, posted));
            events.push(World::at(number, 4 * index + 2, registered));
            events.push(World::at(number, 4 * index + 3, set));
        }
        book.block(block(number), &events).expect("stored");
    }
    assert_eq!(book.store().events_until(u64::MAX).expect("read").len(), kept);
    assert_eq!((book.facts().slots().count(), book.work().count()), (0, 0));
    let grown = size().saturating_sub(before);
    assert!(grown < 1 << 20, "{} foreign slots added {grown} bytes", BLOCKS * EACH);
}

#[test]
fn terms_that_nothing_stands_on_are_forgotten() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    let version = |version: u32| Terms { version, ..world.terms.clone() };
    for number in 2..=60 {
        let terms = version(number as u32);
        let terms_hash = provery_types::terms_hash(&terms);
        // They are in force a few seconds later, without a slot that says so.
        let from = block(number).timestamp + 5;
        let set = Event::TermsSet { market: MARKET, terms_hash, from, terms };
        book.block(block(number), &[World::at(number, 0, set)]).expect("stored");
    }
    assert_eq!(
        book.facts().market_terms(MARKET).map(|terms| terms.version),
        Some(1),
        "none has come into force"
    );
    book.block(block(70), &[]).expect("stored");
    let now = book.facts().market_terms(MARKET).cloned();
    assert_eq!(now.as_ref().map(|terms| terms.version), Some(60));
    book.block(block(COMPACT_EVERY * 4), &[]).expect("stored and compacted");
    let kept = book.store().events_until(u64::MAX).expect("read");
    let versions: Vec<u32> = kept
        .iter()
        .filter_map(|logged| match &logged.event {
            Event::TermsSet { terms, .. } => Some(terms.version),
            _ => None,
        })
        .collect();
    assert_eq!(versions, [1, 60], "what was accepted, and what is in force");
    drop(book);
    let (book, _) = open(directory.path());
    assert_eq!(book.facts().market_terms(MARKET).cloned(), now);
    assert_eq!(book.facts().terms_of_version(MARKET, 1).map(|terms| terms.version), Some(1));
}
