//! What mechanisms and the secondary market make a node do apart from proving.

use alloy::{
    primitives::aliases::U96,
    sol_types::{SolCall, SolEvent},
};
use provery_bindings::{Mining, SealedBidAuction, SlotTransfers};
use provery_types::Event;

use std::path::Path;

use super::{
    tests::{asks_world, auction_world, begun, key, kinds, mined_world, open, policy, stage},
    *,
};
use crate::testing::{ASKS, MARKET, ME, MINING, OTHER, World, block};

/// Slots 1 and 2 open in blocks 2 and 3 and are undecided for 100 seconds.
fn auctions(path: &Path) -> (Book, World) {
    let (mut book, _) = open(path);
    let mut world = auction_world();
    book.block(block(1), &world.beginning()).expect("stored");
    for number in [2, 3] {
        book.block(block(number), &world.post(number, Address::ZERO, None)).expect("stored");
    }
    (book, world)
}

fn committed(slot: u64, key: Address) -> alloy::primitives::LogData {
    SealedBidAuction::BidCommitted { market: MARKET, slot, key, memo: B256::ZERO }.encode_log_data()
}

#[test]
fn bids_count_as_work_that_may_come() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = auctions(directory.path());
    // A proof takes 60 of 100 seconds: one can be finished, two cannot.
    let slow = Policy { estimated_proving_seconds: 60, ..policy(1_010) };
    assert_eq!(kinds(&mut book, &slow), [(1, "commit"), (2, "commit")]);
    book.block(block(4), &[world.says(4, 1, committed(1, ME))]).expect("stored");
    assert_eq!(kinds(&mut book, &slow), [], "the second would be late if the first is won");
    assert_eq!(kinds(&mut book, &Policy { workers: 2, ..slow }), [(2, "commit")]);
    assert_eq!(kinds(&mut book, &policy(1_010)), [(2, "commit")], "fast enough for both");
    assert_eq!(kinds(&mut book, &Policy { taking: false, ..policy(1_010) }), []);
}

#[test]
fn nothing_is_bid_for_under_terms_that_were_not_accepted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = auctions(directory.path());
    // As this node sealed it: only its own price can be revealed.
    let (_, commit) = book.actions(&policy(1_010)).into_iter().find(|(key, _)| key.id == 1).expect("bids");
    let memo = SealedBidAuction::commitCall::abi_decode(&commit.data).expect("a commit").memo;
    let bid = SealedBidAuction::BidCommitted { market: MARKET, slot: 1, key: ME, memo }.encode_log_data();
    book.block(block(4), &[world.says(4, 1, bid)]).expect("stored");
    let later = Event::AllocationSet {
        prover: ME,
        market: MARKET,
        units: 5,
        exposure: 5,
        from_version: 2,
        to_version: 2,
    };
    book.block(block(5), &[World::at(5, 0, later)]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), []);
    // What was bid before is seen through.
    assert_eq!(kinds(&mut book, &policy(1_045)), [(1, "reveal")]);
}

#[test]
fn what_a_mechanism_said_survives_a_restart_and_not_a_reorg() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    {
        let (mut book, world) = auctions(directory.path());
        book.block(block(4), &[world.says(4, 1, committed(1, ME))]).expect("stored");
    }
    let (mut book, _) = open(directory.path());
    assert_eq!(kinds(&mut book, &policy(1_010)), [(2, "commit")]);
    book.reorg(block(3)).expect("rolled back");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit"), (2, "commit")]);
}

#[test]
fn another_contract_cannot_speak_for_the_mechanism() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = auctions(directory.path());
    let forged = LoggedEvent { address: MINING, ..world.says(4, 1, committed(1, ME)) };
    book.block(block(4), &[forged]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit"), (2, "commit")]);
}

#[test]
fn whoever_leads_begins_to_prove_before_the_settlement() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = auctions(directory.path());
    let revealed =
        SealedBidAuction::BidRevealed { market: MARKET, slot: 1, key: ME, price: U96::from(5), leads: true };
    let said = [committed(1, ME), revealed.encode_log_data()];
    book.block(block(4), &said.map(|log| world.says(4, 1, log))).expect("stored");
    book.decide(&policy(1_050)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
    assert_eq!(kinds(&mut book, &policy(1_050)), [(1, "settle")], "too late to bid on the other");
}

fn started(slot: u64) -> alloy::primitives::LogData {
    let (target, bond) = (U256::from(4), U96::from(7));
    Mining::RoundStarted { market: MARKET, slot, target, ticketBond: bond }.encode_log_data()
}

#[test]
fn a_round_is_known_before_its_slot_and_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = mined_world();
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    book.block(block(3), &[world.says(3, 2, started(2))]).expect("stored");
    book.block(block(4), &world.prove(4, 1, ME, None)).expect("stored");
    // Long after, when everything that is over has been forgotten.
    book.block(block(COMPACT_EVERY + 2 * KEEP_BLOCKS), &[]).expect("stored");
    drop(book);
    let (mut book, _) = open(directory.path());
    assert_eq!(book.rounds(&policy(1_010)), [(MINING, key(2))]);
    assert_eq!(book.puzzles(&policy(1_010), |_| None), [], "the seed is not known");
    let seed = |at| (at == key(2)).then_some(B256::repeat_byte(3));
    let puzzles = book.puzzles(&policy(1_010), seed);
    assert!(book.record(key(1)).is_none(), "the slot before is forgotten");
    assert_eq!(puzzles.len(), 1, "of a slot to come, nothing is");
    let (contract, puzzle) = puzzles[0];
    assert_eq!((contract, puzzle.slot, puzzle.target), (MINING, 2, U256::from(4)));
    assert_eq!(puzzle.seed, B256::repeat_byte(3));
    assert_ne!(book.puzzles(&policy(1_010), |_| Some(B256::ZERO)), puzzles, "another seed is another puzzle");
    assert_eq!(book.rounds(&Policy { taking: false, ..policy(1_010) }), []);
}

#[test]
fn a_right_that_could_not_be_used_is_not_mined_for() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = mined_world();
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    book.block(block(3), &[world.says(3, 2, started(2))]).expect("stored");
    assert_eq!(book.rounds(&policy(1_010)), [(MINING, key(2))]);
    let stale = Event::AllocationSet {
        prover: ME,
        market: MARKET,
        units: 5,
        exposure: 5,
        from_version: 2,
        to_version: 2,
    };
    book.block(block(4), &[World::at(4, 0, stale)]).expect("stored");
    assert_eq!(book.rounds(&policy(1_010)), [], "the terms are not accepted");
    assert_eq!(book.puzzles(&policy(1_010), |_| Some(B256::ZERO)), []);
}

#[test]
fn an_ask_stands_while_a_slot_could_be_bonded_under_terms_that_are_accepted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let world = asks_world();
    book.block(block(1), &world.beginning()).expect("stored");
    let standing = book.standing(&policy(1_010));
    let [(market, contract, request)] = &standing[..] else { panic!("one market: {standing:?}") };
    assert_eq!((*market, *contract), (MARKET, ASKS));
    assert!(!request.is_empty());
    let nothing = [0; 6 * 32];
    let posts = |book: &mut Book, policy: &Policy| {
        book.stands(MARKET, &nothing, policy).map(|action| (action.kind, action.to))
    };
    assert_eq!(posts(&mut book, &policy(1_010)), Some(("ask", ASKS)));
    assert_eq!(posts(&mut book, &Policy { taking: false, ..policy(1_010) }), None);
    let stale = Event::AllocationSet {
        prover: ME,
        market: MARKET,
        units: 5,
        exposure: 5,
        from_version: 2,
        to_version: 2,
    };
    book.block(block(2), &[World::at(2, 0, stale)]).expect("stored");
    assert_eq!(book.standing(&policy(1_010)), [], "the terms are not accepted");
    assert_eq!(posts(&mut book, &policy(1_010)), None);
}

#[test]
fn a_slot_that_cannot_be_proven_in_time_is_offered_once() {
    let (_directory, mut book, mut world) = begun();
    for number in [2, 3] {
        book.block(block(number), &world.post(number, ME, None)).expect("stored");
    }
    book.decide(&policy(1_004)).expect("decided");
    book.input(key(1), &Input::ProofStarted).expect("stored");
    // Both end around 1,100: a proof of 60 seconds at 1,010 leaves no time for another.
    let slow = Policy { estimated_proving_seconds: 60, offer_transfers: Some(-5), ..policy(1_010) };
    assert_eq!(kinds(&mut book, &slow), [], "what it builds on is open, so it costs no bond");
    assert_eq!(kinds(&mut book, &Policy { offer_transfers: Some(0), ..slow }), [(2, "offer_transfer")]);
    book.block(block(4), &[World::established(4, 0, 1)]).expect("stored");
    let actions = book.actions(&slow);
    assert_eq!(kinds(&mut book, &slow), [(2, "offer_transfer")]);
    let call = SlotTransfers::offerTransferCall::abi_decode(&actions[0].1.data).expect("an offer");
    assert_eq!((call.slot.id, i128::try_from(call.offer.price)), (2, Ok(-5)));
    assert_eq!(kinds(&mut book, &Policy { offer_transfers: None, ..slow }), []);

    let offered = Event::TransferOffered {
        market: MARKET,
        id: 2,
        prover: ME,
        digest: B256::ZERO,
        to: None,
        price: -5,
        valid_until: 1_102,
    };
    let logged = LoggedEvent { event: offered, ..world.says(5, 2, committed(2, ME)) };
    book.block(block(5), &[logged]).expect("stored");
    assert_eq!(kinds(&mut book, &slow), [], "one offer stands");
}

#[test]
fn an_offer_that_pays_is_taken_and_the_slot_is_then_mine() {
    let (_directory, mut book, mut world) = begun();
    book.block(block(2), &world.post(2, OTHER, None)).expect("stored");
    book.block(block(3), &[offered(&world, 3, 1, 0)]).expect("stored");
    let taker = Policy { accept_transfers: true, ..policy(1_010) };
    assert_eq!(kinds(&mut book, &taker), [(1, "accept_transfer")]);
    assert_eq!(kinds(&mut book, &policy(1_010)), []);
    assert_eq!(kinds(&mut book, &Policy { minimum_reward: 2_000, ..taker }), [], "at a loss");

    let slot = Slot { prover: ME, ..book.facts().slot(key(1)).expect("a slot").slot.clone() };
    let taken = Event::SlotTransferred { slot, from: OTHER, price: 0 };
    let logged = LoggedEvent { event: taken, ..world.says(4, 1, committed(1, ME)) };
    let moved = book.block(block(4), &[logged]).expect("stored");
    assert!(moved.iter().any(|step| step.won));
    assert_eq!(kinds(&mut book, &taker), []);
    book.decide(&policy(1_010)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
}

fn offered(world: &World, number: u64, id: u64, price: i128) -> LoggedEvent {
    let digest = B256::with_last_byte(id as u8);
    let valid_until = 1_101;
    let event =
        Event::TransferOffered { market: MARKET, id, prover: OTHER, digest, to: None, price, valid_until };
    LoggedEvent { event, ..world.says(number, id, committed(id, ME)) }
}

#[test]
fn only_what_is_known_to_be_provable_is_taken_over() {
    let (_directory, mut book, mut world) = begun();
    let hidden = U256::from(77);
    book.block(block(2), &world.post(2, OTHER, Some(hidden))).expect("stored");
    let from = world.state.clone();
    book.block(block(3), &world.post_on(3, OTHER, &from, Some(hidden), None)).expect("stored");
    let taker = Policy { accept_transfers: true, ..policy(1_010) };
    book.block(block(4), &[offered(&world, 4, 2, -1_000)]).expect("stored");
    assert_eq!(kinds(&mut book, &taker), [], "what it builds on is open, and a state that nobody knows");
    book.block(block(5), &[World::established(5, 0, 1)]).expect("stored");
    assert_eq!(kinds(&mut book, &taker), [], "whoever established it hides its state");
    book.block(block(6), &[offered(&world, 6, 1, 0)]).expect("stored");
    assert_eq!(kinds(&mut book, &taker), [(1, "accept_transfer")], "this one's is known");
}

#[test]
fn nobody_is_paid_to_take_a_slot_on_a_hidden_state() {
    let (_directory, mut book, mut world) = begun();
    let hidden = U256::from(77);
    book.block(block(2), &world.post(2, OTHER, Some(hidden))).expect("stored");
    let from = world.state.clone();
    book.block(block(3), &world.post_on(3, ME, &from, Some(hidden), None)).expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    book.input(key(2), &Input::Unprovable).expect("stored");
    let asks = |price| Policy { offer_transfers: Some(price), ..policy(1_010) };
    assert_eq!(kinds(&mut book, &asks(-5)), []);
    assert_eq!(kinds(&mut book, &asks(0)), [(2, "offer_transfer")]);
}

fn exposes(number: u64, exposure: u64) -> LoggedEvent {
    let set = Event::AllocationSet {
        prover: ME,
        market: MARKET,
        units: 5,
        exposure,
        from_version: 1,
        to_version: 1,
    };
    World::at(number, 7, set)
}

#[test]
fn no_more_is_bid_for_than_can_be_bonded() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = auctions(directory.path());
    // A unit is 1,000 and a bond 2,000.
    book.block(block(4), &[exposes(4, 3)]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit")], "one of two at once");
    book.block(block(5), &[world.says(5, 2, committed(2, ME))]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [], "what may be won takes it all");
    book.block(block(6), &[exposes(6, 4)]).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit")]);
    // So does what is held.
    book.block(block(7), &world.post(7, ME, None)).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), []);
    book.block(block(8), &world.prove_early(8, 3, ME)).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [(1, "commit")], "its holder's proof frees it");
    book.reorg(block(7)).expect("rolled back");
    book.block(block(8), &world.prove_early(8, 3, OTHER)).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_010)), [], "another's leaves it held");
}

#[test]
fn nothing_is_bid_for_while_a_settlement_would_find_the_prover_unable() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = auctions(directory.path());
    for (number, event) in
        [(4, Event::ProverPaused { prover: ME }), (6, Event::ProverSuspended { prover: ME, market: MARKET })]
    {
        book.block(block(number), &[World::at(number, 7, event)]).expect("stored");
        assert_eq!(kinds(&mut book, &policy(1_010)), []);
        book.reorg(block(number - 1)).expect("rolled back");
        assert_eq!(kinds(&mut book, &policy(1_010)).len(), 2);
        book.block(block(number), &[]).expect("stored");
        book.block(block(number + 1), &[]).expect("stored");
    }
}

#[test]
fn a_right_that_could_not_be_bonded_is_not_mined_for() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = mined_world();
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    book.block(block(3), &[world.says(3, 2, started(2)), exposes(3, 3)]).expect("stored");
    assert_eq!(book.rounds(&policy(1_010)), [], "all that is exposed is bonded");
    assert_eq!(book.puzzles(&policy(1_010), |_| Some(B256::ZERO)), []);
    book.block(block(4), &world.prove(4, 1, ME, None)).expect("stored");
    assert_eq!(book.rounds(&policy(1_010)), [(MINING, key(2))]);
}

#[test]
fn bids_and_tickets_that_are_out_are_to_be_finished() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = auctions(directory.path());
    let none = Policy { taking: false, ..policy(1_010) };
    assert_eq!((book.unfinished(&none, 120).count(), book.bids_out(&none)), (0, 0));
    book.block(block(4), &[world.says(4, 1, committed(1, ME)), world.says(4, 2, committed(2, OTHER))])
        .expect("stored");
    assert_eq!((book.unfinished(&none, 120).count(), book.bids_out(&none)), (1, 1));
    assert_eq!(book.bid_at_stake(key(1), &none), U256::from(7));
    assert_eq!(book.bid_at_stake(key(2), &none), U256::ZERO, "another's");
    let revealed =
        SealedBidAuction::BidRevealed { market: MARKET, slot: 1, key: ME, price: U96::from(5), leads: true };
    book.block(block(5), &[world.says(5, 1, revealed.encode_log_data())]).expect("stored");
    book.decide(&policy(1_050)).expect("decided");
    assert_eq!(book.unfinished(&none, 120).count(), 1, "it leads, and is counted once");
    let settling = Policy { now: 1_075, ..none };
    assert_eq!(kinds(&mut book, &settling), [(1, "settle")], "though nothing new is taken on");
    assert_eq!(book.bids_out(&Policy { now: 1_102, ..none }), 0, "too late for it");
}

#[test]
fn a_ticket_is_to_be_finished_until_its_slot_opens() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let mut world = mined_world();
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &world.post(2, OTHER, None)).expect("stored");
    let taken = Mining::TicketTaken { market: MARKET, slot: 2, prover: ME, key: ME };
    let said = [started(2), taken.encode_log_data()].map(|log| world.says(3, 2, log));
    book.block(block(3), &said).expect("stored");
    let stopping = Policy { taking: false, ..policy(1_010) };
    assert_eq!((book.unfinished(&stopping, 120).count(), book.bids_out(&stopping)), (1, 1));
    let quiet = Policy { now: 1_002 + 120, ..stopping };
    assert_eq!(
        (book.unfinished(&quiet, 120).count(), book.bids_out(&quiet)),
        (0, 1),
        "no slot opens any more"
    );
    book.block(block(4), &world.post(4, ME, None)).expect("stored");
    let held = Unfinished { held: 1, ..Unfinished::default() };
    assert_eq!((book.unfinished(&stopping, 120), book.bids_out(&stopping)), (held, 0), "the slot is, now");
}
