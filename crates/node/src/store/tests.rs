//! The file, opened and reopened.

use alloy::primitives::aliases::{U40, U96};
use provery_types::Event;

use super::*;
use crate::slots::SlotStage;

fn identity() -> Identity {
    Identity { chain_id: 31337, market: Address::repeat_byte(1), prover: Address::repeat_byte(2) }
}

/// A block of its own, below which [`KEEP_BLOCKS`] may be taken back.
fn commit_block(
    store: &Store,
    block: &BlockRef,
    events: &[LoggedEvent],
    changes: &Changes,
) -> Result<(), StoreError> {
    let floor = block.number.saturating_sub(KEEP_BLOCKS);
    store.commit_blocks(&[(*block, events.to_vec())], floor, changes)
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(DataDir::open(path)?, &identity())
}

fn block(number: u64) -> BlockRef {
    BlockRef {
        number,
        hash: B256::with_last_byte(number as u8),
        parent_hash: B256::with_last_byte(number.wrapping_sub(1) as u8),
        timestamp: 1_000 + number,
    }
}

fn event(number: u64, log_index: u64) -> LoggedEvent {
    LoggedEvent {
        event: Event::EpochSeeded { epoch: number, seed: U256::from(log_index) },
        address: Address::repeat_byte(3),
        block: block(number),
        tx_hash: B256::ZERO,
        log_index,
    }
}

fn key(id: u64) -> SlotKey {
    SlotKey { market: U256::ONE, id }
}

fn record(stage: SlotStage) -> WorkRecord {
    let slot = Slot {
        market: U256::ONE,
        id: 1,
        statement: B256::repeat_byte(7),
        prover: Address::repeat_byte(2),
        price: U96::from(5),
        openedAt: U40::from(1_000),
        startedAt: U40::from(1_000),
        exclusiveUntil: U40::from(1_100),
        capacity: 16,
        link: U256::ZERO,
    };
    WorkRecord { work: Work { stage, attempts: 2 }, slot, seen_ms: 12 }
}

fn with_work(id: u64, stage: SlotStage) -> Changes {
    Changes { work: vec![(key(id), record(stage))], ..Changes::default() }
}

fn stored_proof() -> StoredProof {
    StoredProof {
        statement: B256::repeat_byte(7),
        payee: Address::repeat_byte(2),
        made_at: 5,
        public_inputs: vec![U256::MAX, U256::ZERO],
        proof: Bytes::from_static(&[1, 2, 3]),
    }
}

#[test]
fn a_block_with_all_it_leads_to_survives() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    let events = [event(5, 0), event(5, 3)];
    commit_block(&store, &block(5), &events, &with_work(1, SlotStage::Queued)).expect("stored");
    store
        .commit_proof(key(1), &stored_proof(), &with_work(1, SlotStage::Proved { not_before: 9 }))
        .expect("stored");
    drop(store);

    let store = open(directory.path()).expect("the same file");
    let loaded = store.load().expect("read");
    assert_eq!(loaded.blocks, [block(5)]);
    assert_eq!(loaded.events, events);
    assert_eq!(loaded.work, [(key(1), record(SlotStage::Proved { not_before: 9 }))]);
    assert_eq!(store.proof(key(1)).expect("read"), Some(stored_proof()));
    assert_eq!(store.proof(key(2)).expect("read"), None);
}

#[test]
fn a_transaction_cut_short_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    commit_block(&store, &block(5), &[event(5, 0)], &with_work(1, SlotStage::Seen)).expect("stored");
    {
        // What a crash half-way through a block leaves behind: a transaction that never commits.
        let transaction = store.database.begin_write().expect("begun");
        let bytes = encode(&block(6)).expect("encoded");
        transaction.open_table(BLOCKS).expect("a table").insert(6, bytes.as_slice()).expect("inserted");
        super::apply(&transaction, &with_work(1, SlotStage::Queued)).expect("applied");
    }
    drop(store);
    let loaded = open(directory.path()).expect("the same file").load().expect("read");
    assert_eq!(loaded.blocks, [block(5)], "the cursor did not move");
    assert_eq!(loaded.work, [(key(1), record(SlotStage::Seen))], "nor did the work");
}

#[test]
fn a_reorg_takes_blocks_and_their_events_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    for number in 5..=9 {
        let changes = with_work(number, SlotStage::Seen);
        commit_block(&store, &block(number), &[event(number, 1)], &changes).expect("stored");
    }
    let changes = Changes { forget: vec![key(8), key(9)], ..Changes::default() };
    store.roll_back(7, &changes).expect("rolled back");
    let loaded = store.load().expect("read");
    assert_eq!(loaded.blocks, [block(5), block(6), block(7)]);
    assert_eq!(loaded.events, [event(5, 1), event(6, 1), event(7, 1)]);
    assert_eq!(loaded.work.iter().map(|(key, _)| key.id).collect::<Vec<_>>(), [5, 6, 7]);
}

#[test]
fn the_cursor_reaches_back_to_what_is_final() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    let blocks: Vec<_> = (1..=1_000).map(|number| (block(number), Vec::new())).collect();
    store.commit_blocks(&blocks, 500, &Changes::default()).expect("stored");
    let kept: Vec<u64> = store.load().expect("read").blocks.iter().map(|block| block.number).collect();
    assert_eq!(kept[..3], [500, 512, 544], "the last that is final, and some between");
    assert_eq!(kept[9..], (744..=1_000).collect::<Vec<_>>(), "the newest all");
    store.commit_blocks(&[(block(1_001), Vec::new())], 600, &Changes::default()).expect("stored");
    assert_eq!(store.load().expect("read").blocks[0], block(608));
}

#[test]
fn the_cursor_is_bounded() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    commit_block(&store, &block(1), &[], &Changes::default()).expect("stored");
    commit_block(&store, &block(1 + KEEP_BLOCKS), &[], &Changes::default()).expect("stored");
    commit_block(&store, &block(2 + KEEP_BLOCKS), &[], &Changes::default()).expect("stored");
    let blocks = store.load().expect("read").blocks;
    assert_eq!(
        blocks.iter().map(|block| block.number).collect::<Vec<_>>(),
        [1 + KEEP_BLOCKS, 2 + KEEP_BLOCKS]
    );
}

#[test]
fn compaction_deletes_what_it_is_told_and_proofs_that_nothing_owns() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    commit_block(&store, &block(5), &[event(5, 0), event(5, 1)], &with_work(1, SlotStage::Seen))
        .expect("stored");
    store.commit_proof(key(1), &stored_proof(), &Changes::default()).expect("stored");
    store.commit_proof(key(2), &stored_proof(), &Changes::default()).expect("stored");
    let young = StoredProof { made_at: 6, ..stored_proof() };
    store.commit_proof(key(3), &young, &Changes::default()).expect("stored");
    assert_eq!(store.events_until(4).expect("read"), []);
    assert_eq!(store.events_until(5).expect("read").len(), 2);
    let rollup = Address::repeat_byte(9);
    let start = Start { snapshots: vec![(rollup, vec![1, 2])], ..Start::default() };
    store.compact(5, &[(5, 0)], &start, &Changes::default()).expect("compacted");
    let loaded = store.load().expect("read");
    assert_eq!(loaded.events, [event(5, 1)]);
    assert_eq!(loaded.snapshots, [(rollup, vec![1, 2])]);
    assert!(store.proof(key(1)).expect("read").is_some());
    assert!(store.proof(key(2)).expect("read").is_none());
    assert!(store.proof(key(3)).expect("read").is_some(), "a reorg may have taken its slot back just now");
}

#[test]
fn a_file_about_something_else_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    drop(open(directory.path()).expect("a new file"));
    let other = Identity { prover: Address::repeat_byte(8), ..identity() };
    let data_dir = DataDir::open(directory.path()).expect("free");
    assert!(matches!(Store::open(data_dir, &other), Err(StoreError::Foreign { .. })));
}

#[test]
fn a_file_of_another_schema_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = open(directory.path()).expect("a new file");
    let transaction = store.database.begin_write().expect("begun");
    let bytes = encode(&(SCHEMA + 1)).expect("encoded");
    transaction.open_table(META).expect("a table").insert("schema", bytes.as_slice()).expect("inserted");
    transaction.commit().expect("committed");
    drop(store);
    assert!(matches!(open(directory.path()), Err(StoreError::Schema { found, .. }) if found == SCHEMA + 1));
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("node.redb"), "not a database").expect("written");
    assert!(matches!(open(directory.path()), Err(StoreError::Open { .. })));
}
