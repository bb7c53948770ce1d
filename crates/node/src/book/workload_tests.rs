//! A workload of a few lines goes through the book as those of the list do.

use std::{path::Path, sync::Arc};

use alloy::primitives::{Address, LogData, U256};
use provery_types::{Event, RollupRecord, Slot, statement_hash, terms_hash};
use provery_workloads::{
    Why, Workloads,
    testing::squares::{self, SAID},
};
use serde_json::json;

use super::{
    tests::{key, policy},
    *,
};
use crate::{
    earning::Lack,
    store::{DataDir, Identity},
    testing::{MARKET, ME, ROLLUP, World, block, deployment},
};

const LIMIT: u64 = 1_000;

/// The market of [`MARKET`]'s rollup proves squares; a second one has a workload that nobody knows.
pub(super) fn of_squares() -> Deployment {
    let mut deployment = deployment();
    let rollup = &mut deployment.rollups[0];
    (rollup.workload, rollup.circuit) = ("squares".to_owned(), "square".to_owned());
    rollup.parameters = json!({ "limit": LIMIT });
    let unknown = RollupRecord {
        name: "shop".to_owned(),
        address: Address::repeat_byte(0x77),
        market: U256::from(2),
        workload: "knitting".to_owned(),
        ..rollup.clone()
    };
    deployment.rollups.push(unknown);
    deployment
}

pub(super) fn open_with(path: &Path, deployment: Deployment) -> Result<Book, NodeError> {
    let identity = Identity { chain_id: deployment.chain_id, market: deployment.market(), prover: ME };
    let store = Store::open(DataDir::open(path).expect("free"), &identity).expect("a store");
    let workloads = Workloads::default().and(&squares::WORKLOAD);
    let mut book = Book::open(Arc::new(store), deployment, ME, None, workloads)?.0;
    book.know_circuits(["square".to_owned()]);
    Ok(book)
}

fn open(path: &Path) -> Book {
    open_with(path, of_squares()).expect("a book")
}

pub(super) fn said(number: u64, index: u64, value: U256) -> LoggedEvent {
    let log = LogData::new_unchecked(vec![SAID], value.to_be_bytes_vec().into());
    LoggedEvent { address: ROLLUP, ..World::at(number, index, Event::WorkloadLog { log }) }
}

pub(super) fn square(number: u64, id: u64, of: u64) -> LoggedEvent {
    let inputs = vec![U256::from(of * of)];
    let slot = match World::new().post(number, ME, None).remove(0).event {
        Event::SlotOpened { slot, .. } => Slot { id, statement: statement_hash(&inputs), ..slot },
        other => panic!("{other:?}"),
    };
    let terms_hash = terms_hash(&World::new().terms);
    World::at(number, 0, Event::SlotOpened { slot, terms_hash, statement_inputs: inputs })
}

/// Blocks 1 to 3: the market, seven, and a slot about its square.
fn begun(path: &Path) -> Book {
    let mut book = open(path);
    book.block(block(1), &World::new().beginning()).expect("stored");
    book.block(block(2), &[said(2, 1, U256::from(7))]).expect("stored");
    book.block(block(3), &[square(3, 1, 7)]).expect("stored");
    book
}

#[test]
fn an_event_and_a_slot_become_a_job() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = begun(directory.path());
    assert_eq!((book.lack(MARKET), book.at_hand(key(1))), (None, Ok(())));
    book.decide(&policy(1_004)).expect("decided");
    assert_eq!(book.record(key(1)).map(|it| it.work.stage), Some(SlotStage::Queued));
    let job = book.job(key(1)).expect("ready");
    assert_eq!((job.circuit.as_str(), job.bytes.len(), job.deadline), ("square", 52, 1_103));
    // What nobody said is refused by name, until somebody says it.
    book.block(block(4), &[square(4, 2, 9)]).expect("stored");
    assert_eq!(book.job(key(2)).map_err(|refusal| refusal.why), Err(Why::NotPosted));
    assert!(book.at_hand(key(2)).is_err());
    book.block(block(5), &[said(5, 1, U256::from(9))]).expect("stored");
    assert_eq!(book.at_hand(key(2)), Ok(()));
}

#[test]
fn a_reorganisation_rolls_it_back_and_a_restart_brings_it_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = begun(directory.path());
    book.block(block(4), &[said(4, 1, U256::from(9)), square(4, 2, 9)]).expect("stored");
    let before = [1, 2].map(|id| book.job(key(id)).expect("ready"));
    drop(book);
    let mut book = open(directory.path());
    assert_eq!([1, 2].map(|id| book.job(key(id)).expect("ready")), before);
    book.reorg(block(3)).expect("rolled back");
    // The slot comes again, and the number does not.
    book.block(block(4), &[square(4, 2, 9)]).expect("stored");
    assert_eq!(book.job(key(1)).expect("ready"), before[0]);
    assert_eq!(book.job(key(2)).map_err(|refusal| refusal.why), Err(Why::NotPosted));
    drop(book);
    let mut book = open(directory.path());
    assert!(book.job(key(1)).is_ok() && book.job(key(2)).is_err());
}

#[test]
fn what_is_not_read_is_not_kept_and_what_is_over_is_forgotten_on_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = begun(directory.path());
    let logs = |book: &Book| {
        let events = book.store().events_until(u64::MAX).expect("read");
        events.iter().filter(|logged| matches!(logged.event, Event::WorkloadLog { .. })).count()
    };
    assert_eq!(logs(&book), 1, "of another topic nothing is kept");
    book.block(block(4), &World::new().prove(4, 1, ME, None)).expect("stored");
    let far = COMPACT_EVERY * 4;
    book.block(block(far), &[]).expect("stored and compacted");
    assert_eq!(logs(&book), 0);
    let later = [said(far + 1, 1, U256::from(3)), square(far + 1, 2, 3)];
    book.block(block(far + 1), &later).expect("stored");
    drop(book);
    assert!(open(directory.path()).job(key(2)).is_ok());
}

#[test]
fn nonsense_and_workloads_that_nobody_knows_are_refused_by_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = begun(directory.path());
    assert!(!book.serves(U256::from(2)) && book.serves(MARKET));
    assert!(matches!(book.lack(U256::from(2)), Some(Lack::Refused(why)) if why.contains("knitting")));
    book.block(block(4), &[said(4, 1, U256::from(LIMIT + 1))]).expect("stored");
    let quarantined = |book: &Book| matches!(book.lack(MARKET), Some(Lack::Quarantined(_)));
    assert!(quarantined(&book) && book.job(key(1)).is_err());
    // It outlives what is forgotten, and a restart.
    book.block(block(COMPACT_EVERY * 4), &[]).expect("stored and compacted");
    drop(book);
    let book = open(directory.path());
    assert!(quarantined(&book));
    drop(book);
    // A directory that holds another workload's state is not misread.
    let error = open_with(directory.path(), deployment()).map(|_| ()).expect_err("of squares");
    assert!(matches!(&error, NodeError::Snapshot(why) if why.contains("squares")), "{error}");
}

#[test]
fn a_record_that_is_refused_keeps_no_other_of_its_market_from_being_served() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut both = of_squares();
    // Of the same market, and before or after it in the file.
    both.rollups[1].market = MARKET;
    for rollups in [both.rollups.clone(), both.rollups.iter().rev().cloned().collect()] {
        let deployment = Deployment { rollups, ..both.clone() };
        let mut book = open_with(directory.path(), deployment).expect("a book");
        if book.head().is_none() {
            book.block(block(1), &World::new().beginning()).expect("stored");
            book.block(block(2), &[said(2, 1, U256::from(7))]).expect("stored");
            book.block(block(3), &[square(3, 1, 7)]).expect("stored");
        }
        assert_eq!((book.lack(MARKET), book.at_hand(key(1))), (None, Ok(())));
        assert!(book.job(key(1)).is_ok());
    }
}

#[test]
fn nonsense_that_one_endpoint_tells_is_not_acted_on_before_another_is_asked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = begun(directory.path());
    let nonsense = vec![(block(4), vec![said(4, 1, U256::from(LIMIT + 1)), square(4, 2, 9)])];
    let before = (book.facts().slots().count(), book.store().events_until(u64::MAX).expect("read"));
    assert_eq!(book.take_in(&nonsense, 0, false).expect("read"), None);
    assert_eq!((book.head(), book.lack(MARKET)), (Some(block(3)), None), "nothing of it is taken in");
    let after = (book.facts().slots().count(), book.store().events_until(u64::MAX).expect("read"));
    assert_eq!(before, after);
    assert!(book.job(key(1)).is_ok());
    // Another tells it as it is.
    let truth = vec![(block(4), vec![said(4, 1, U256::from(9)), square(4, 2, 9)])];
    assert!(book.take_in(&truth, 0, false).expect("stored").is_some());
    assert!(book.job(key(2)).is_ok());
    // All of them tell it.
    let nonsense = vec![(block(5), vec![said(5, 1, U256::from(LIMIT + 1))])];
    assert_eq!(book.take_in(&nonsense, 0, false).expect("read"), None);
    assert!(book.take_in(&nonsense, 0, true).expect("stored").is_some());
    assert!(matches!(book.lack(MARKET), Some(Lack::Quarantined(_))));
    // Said once: what comes after it is taken in.
    assert!(book.take_in(&[(block(6), Vec::new())], 0, false).expect("stored").is_some());
}
