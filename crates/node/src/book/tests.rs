//! Blocks, reorgs and restarts, against a store on disk.

use std::path::Path;

use provery_mechanisms::{mining, sealed_bid_auction, standing_asks};

use provery_workloads::Workloads;

use super::*;
use crate::{
    store::{DataDir, Identity},
    testing::{ASKS, AUCTION, MARKET, ME, MINING, OTHER, World, block, deployment, terms},
};

pub(super) fn open(path: &Path) -> (Book, Vec<BlockRef>) {
    let identity = Identity { chain_id: 31337, market: deployment().market(), prover: ME };
    let store = Store::open(DataDir::open(path).expect("free"), &identity).expect("a store");
    Book::open(Arc::new(store), deployment(), ME, None, Workloads::default()).expect("a book")
}

/// A new book that has read the first block.
pub(super) fn begun() -> (tempfile::TempDir, Book, World) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    (directory, book, world)
}

pub(super) fn auction_world() -> World {
    let params =
        sealed_bid_auction::Params { commit_window: 40, reveal_window: 30, settle_window: 30, bid_bond: 7 };
    let terms = Terms { mechanism: AUCTION, mechanismParams: B256::from(params.pack()), ..terms() };
    let mut world = World::new();
    world.terms = terms;
    world
}

pub(super) fn mined_world() -> World {
    let params = mining::Params { interval: 9, ticket_bond: 7, initial_bits: 1 };
    let terms = Terms { mechanism: MINING, mechanismParams: B256::from(params.pack()), ..terms() };
    let mut world = World::new();
    world.terms = terms;
    world
}

pub(super) fn asks_world() -> World {
    let params = standing_asks::Params { tick: 10, weight: 0, match_window: 20 };
    let terms = Terms { mechanism: ASKS, mechanismParams: B256::from(params.pack()), ..terms() };
    let mut world = World::new();
    world.terms = terms;
    world
}

pub(super) fn kinds(book: &mut Book, policy: &Policy) -> Vec<(u64, &'static str)> {
    book.actions(policy).into_iter().map(|(key, action)| (key.id, action.kind)).collect()
}

pub(super) fn key(id: u64) -> SlotKey {
    SlotKey { market: MARKET, id }
}

pub(super) fn stage(book: &Book, id: u64) -> SlotStage {
    book.record(key(id)).expect("a record").work.stage
}

pub(super) fn policy(now: u64) -> Policy {
    Policy {
        now,
        estimated_proving_seconds: 10,
        rescue: true,
        minimum_reward: 0,
        workers: 1,
        stake_unit: U256::from(1_000),
        taking: true,
        offer_transfers: None,
        accept_transfers: false,
        key: ME,
        secret: B256::ZERO,
    }
}

fn proof_of(book: &Book, id: u64) -> StoredProof {
    let statement = book.facts().slot(key(id)).expect("a slot").slot.statement;
    StoredProof { statement, payee: ME, made_at: 5, public_inputs: vec![U256::ONE], proof: vec![1].into() }
}

/// A book with slot 1 mine and slot 2 another's, opened in blocks 2 and 3.
fn two_slots(path: &Path) -> (Book, World) {
    let (mut book, cursor) = open(path);
    assert!(cursor.is_empty());
    let mut world = World::new();
    assert!(book.block(block(1), &world.beginning()).expect("stored").is_empty());
    let won = book.block(block(2), &world.post(2, ME, None)).expect("stored");
    assert!(won.len() == 1 && won[0].won);
    let held = book.block(block(3), &world.post(3, OTHER, None)).expect("stored");
    assert!(held.len() == 1 && !held[0].won);
    (book, world)
}

#[test]
fn mine_is_queued_and_anothers_waits_until_it_is_open_to_all() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
    assert_eq!(stage(&book, 2), SlotStage::Waiting { until: 1_103 });
    assert!(book.decide(&policy(1_005)).expect("decided").is_empty(), "nothing new to say");
    book.decide(&policy(1_103)).expect("decided");
    assert_eq!(stage(&book, 2), SlotStage::Queued, "a rescue: the only other prover is the one that missed");
}

#[test]
fn without_rescues_only_what_is_mine_is_proven() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    book.decide(&Policy { rescue: false, ..policy(1_200) }).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
    assert_eq!(stage(&book, 2), SlotStage::Ignored);
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    {
        let (mut book, _) = two_slots(directory.path());
        book.decide(&policy(1_110)).expect("decided");
        for id in [1, 2] {
            book.input(key(id), &Input::ProofStarted).expect("stored");
        }
        let proof = proof_of(&book, 1);
        book.proved(key(1), &proof).expect("stored");
        book.input(key(1), &Input::SendStarted).expect("stored");
    }
    let (book, cursor) = open(directory.path());
    assert_eq!(cursor, [block(1), block(2), block(3)]);
    assert_eq!(stage(&book, 1), SlotStage::Proved { not_before: 0 }, "not proven again");
    assert!(book.proof(key(1)).expect("read").is_some());
    assert_eq!(stage(&book, 2), SlotStage::Queued, "a proof that was cut short starts over");
}

#[test]
fn a_slot_proven_by_another_cancels_the_proof() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = two_slots(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    book.input(key(1), &Input::ProofStarted).expect("stored");
    let moved = book.block(block(4), &world.prove(4, 1, OTHER, Some(ME))).expect("stored");
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].actions, [Action::CancelProof]);
    assert_eq!(stage(&book, 1), SlotStage::Lost { payee: OTHER });
}

#[test]
fn a_reorg_takes_an_end_back_and_the_proof_is_delivered_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = two_slots(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    book.input(key(1), &Input::ProofStarted).expect("stored");
    let proof = proof_of(&book, 1);
    book.proved(key(1), &proof).expect("stored");
    book.block(block(4), &world.prove(4, 1, ME, None)).expect("stored");
    book.block(block(5), &world.expire(5, 2)).expect("stored");
    assert_eq!(stage(&book, 1), SlotStage::Settled { by_me: true, payee: ME });
    assert_eq!(stage(&book, 2), SlotStage::Expired);
    book.reorg(block(3)).expect("rolled back");
    assert_eq!(book.head(), Some(block(3)));
    assert_eq!(stage(&book, 1), SlotStage::Proved { not_before: 0 });
    assert_eq!(stage(&book, 2), SlotStage::Seen);
    drop(book);
    let (book, cursor) = open(directory.path());
    assert_eq!(cursor.last(), Some(&block(3)));
    assert_eq!(stage(&book, 1), SlotStage::Proved { not_before: 0 });
}

#[test]
fn a_slot_that_a_reorg_took_back_is_known_again_when_it_returns() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    book.input(key(1), &Input::ProofStarted).expect("stored");
    let proof = proof_of(&book, 1);
    let moved = book.reorg(block(1)).expect("rolled back");
    assert!(moved.iter().any(|step| step.key == key(1) && step.actions == [Action::CancelProof]));
    assert!(book.record(key(1)).is_none());
    // The same transaction in a later block; a worker had finished in between.
    book.proved(key(1), &proof).expect("stored");
    book.block(block(2), &[]).expect("stored");
    book.block(block(3), &World::new().post(3, ME, None)).expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Proved { not_before: 0 }, "the old proof serves");
}

#[test]
fn a_proof_outlives_a_compaction_between_a_reorg_and_its_slots_return() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    let proof = proof_of(&book, 1);
    book.proved(key(1), &proof).expect("stored");
    book.reorg(block(1)).expect("rolled back");
    book.block(block(COMPACT_EVERY), &[]).expect("stored and compacted");
    let next = COMPACT_EVERY + 1;
    book.block(block(next), &World::new().post(next, ME, None)).expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Proved { not_before: 0 }, "the old proof serves");
}

#[test]
fn a_slot_that_was_given_up_is_tried_again_when_a_reorg_brings_it_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    for _ in 0..crate::slots::MAX_ATTEMPTS {
        book.decide(&policy(1_004)).expect("decided");
        book.input(key(1), &Input::ProofStarted).expect("stored");
        book.input(key(1), &Input::ProofFailed { retry_at: 1_004 }).expect("stored");
    }
    assert_eq!(stage(&book, 1), SlotStage::Failed);
    book.reorg(block(1)).expect("rolled back");
    assert!(book.record(key(1)).is_none());
    book.block(block(2), &World::new().post(2, ME, None)).expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
}

#[test]
fn a_slot_replaced_by_a_reorg_starts_over() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    let proof = proof_of(&book, 1);
    book.proved(key(1), &proof).expect("stored");
    book.reorg(block(1)).expect("rolled back");
    book.block(block(2), &World::new().post(2, ME, Some(U256::from(5)))).expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued, "a proof of something else does not serve");
}

#[test]
fn compaction_forgets_what_is_over_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let before = {
        let (mut book, world) = two_slots(directory.path());
        book.block(block(4), &world.prove(4, 1, ME, None)).expect("stored");
        book.block(block(COMPACT_EVERY + KEEP_BLOCKS), &[]).expect("stored");
        assert!(book.record(key(1)).is_none(), "its end is too deep for a reorg");
        assert!(book.record(key(2)).is_some());
        book.job(key(2)).expect("provable")
    };
    let (mut book, _) = open(directory.path());
    assert!(book.facts().slot(key(1)).is_none());
    assert_eq!(book.job(key(2)).expect("provable"), before);
}

#[test]
fn what_a_time_that_never_was_decided_is_decided_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = two_slots(directory.path());
    book.decide(&policy(90_000)).expect("decided");
    assert_eq!((stage(&book, 1), stage(&book, 2)), (SlotStage::Ignored, SlotStage::Ignored), "as if expired");
    book.time_went_back().expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
    assert!(matches!(stage(&book, 2), SlotStage::Waiting { until } if until < 2_000));
    // So is what was decided before a restart.
    book.decide(&policy(90_000)).expect("decided");
    drop(book);
    let (mut book, _) = open(directory.path());
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(stage(&book, 1), SlotStage::Queued);
}

#[test]
fn a_range_of_blocks_is_taken_in_as_its_blocks_one_by_one() {
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut world = World::new();
    let mut blocks = vec![(block(1), world.beginning())];
    blocks.extend((2..=4).map(|number| (block(number), world.post(number, ME, None))));
    blocks.push((block(5), world.prove(5, 1, ME, None)));
    let (mut single, _) = open(one.path());
    for (block, events) in &blocks {
        single.block(*block, events).expect("stored");
    }
    let (mut range, _) = open(other.path());
    range.blocks(&blocks, 0).expect("stored");
    assert_eq!(range.head(), single.head());
    for id in 1..=3 {
        assert_eq!(range.facts().slot(key(id)), single.facts().slot(key(id)));
        assert_eq!(stage(&range, id), stage(&single, id));
    }
    drop(range);
    let (range, cursor) = open(other.path());
    assert_eq!((range.head(), cursor.len()), (Some(block(5)), 5));
}
