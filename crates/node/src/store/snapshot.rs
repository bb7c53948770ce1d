//! A data directory looked at from outside: nothing in it is locked, made or changed.
//!
//! The file is read into memory and opened there, so that a repair after a kill is made in the copy, and a node that starts
//! meanwhile finds its file free.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use alloy::primitives::B256;
use provery_txmgr::{DayOutlay, PendingTransaction};
use provery_types::{BlockRef, Event, LoggedEvent, SlotKey};
use redb::{
    Builder, ReadTransaction, ReadableDatabase as _, ReadableTable as _, StorageBackend as _,
    backends::InMemoryBackend,
};

use super::{BLOCKS, EVENTS, Identity, META, SCHEMA, StoreError, WORK, WorkRecord, decode, key_at, pending};

/// What the file says.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which chain, market and prover it is about.
    pub identity: Identity,
    /// The last block whose effects are stored.
    pub position: Option<BlockRef>,
    /// Of every slot that is not forgotten.
    pub work: Vec<(SlotKey, WorkRecord)>,
    /// The transactions that ended slots.
    pub endings: HashMap<SlotKey, B256>,
    /// Transactions that were signed and are not final yet.
    pub pending: Vec<PendingTransaction>,
    /// What transactions cost whose pending transactions are forgotten.
    pub outlays: Vec<DayOutlay>,
}

/// The process that holds the directory, as it wrote itself down; nothing if none does.
pub fn holder(dir: &Path) -> Result<Option<String>, StoreError> {
    let failed = |source| StoreError::Directory { path: dir.to_owned(), source };
    let path = dir.join("node.lock");
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = holder.trim();
            Ok(Some(if holder.is_empty() { "unknown" } else { holder }.to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Read what a node left in `dir`. No node may be running there.
pub fn read(dir: &Path) -> Result<Snapshot, StoreError> {
    let path = dir.join("node.redb");
    let failed = |reason: String| StoreError::Open { path: path.clone(), reason };
    let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let backend = InMemoryBackend::new();
    backend
        .set_len(bytes.len() as u64)
        .and_then(|()| backend.write(0, &bytes))
        .map_err(|error| failed(format!("{error:?}")))?;
    drop(bytes);
    let database = Builder::new().create_with_backend(backend).map_err(|error| failed(error.to_string()))?;
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let schema = meta.get("schema")?.map(|value| decode::<u32>(value.value())).transpose()?;
    if schema != Some(SCHEMA) {
        let found = schema.unwrap_or_default();
        return Err(StoreError::Schema { path: dir.to_owned(), found, expected: SCHEMA });
    }
    let identity = meta.get("identity")?.map(|value| decode::<Identity>(value.value())).transpose()?;
    let identity = identity.ok_or_else(|| failed("it says not what it is about".to_owned()))?;
    let position = match transaction.open_table(BLOCKS)?.last()? {
        Some((_, block)) => Some(decode::<BlockRef>(block.value())?),
        None => None,
    };
    let mut work = Vec::new();
    for row in transaction.open_table(WORK)?.iter()? {
        let (row_key, record) = row?;
        work.push((key_at(row_key.value()), decode(record.value())?));
    }
    Ok(Snapshot {
        identity,
        position,
        work,
        endings: endings(&transaction)?,
        pending: read_pending(&transaction)?,
        outlays: pending::read_outlays(&transaction, None)?,
    })
}

fn endings(transaction: &ReadTransaction) -> Result<HashMap<SlotKey, B256>, StoreError> {
    let mut endings = HashMap::new();
    for row in transaction.open_table(EVENTS)?.iter()? {
        let logged: LoggedEvent = decode(row?.1.value())?;
        if let Event::SlotProven { market, id, .. }
        | Event::SlotExpired { market, id, .. }
        | Event::SlotCancelled { market, id }
        | Event::SlotDropped { market, id, .. } = logged.event
        {
            endings.insert(SlotKey { market, id }, logged.tx_hash);
        }
    }
    Ok(endings)
}

fn read_pending(transaction: &ReadTransaction) -> Result<Vec<PendingTransaction>, StoreError> {
    let table = transaction.open_table(pending::PENDING)?;
    table.iter()?.map(|row| decode(row?.1.value())).collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, U256};

    use super::{
        super::{Changes, DataDir, Store},
        *,
    };

    fn identity() -> Identity {
        Identity { chain_id: 1, market: Address::repeat_byte(1), prover: Address::repeat_byte(2) }
    }

    #[test]
    fn a_look_changes_nothing_and_does_not_disturb_the_node() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(DataDir::open(dir.path()).expect("locks"), &identity()).expect("opens");
        let record = WorkRecord { work: Default::default(), slot: Default::default(), seen_ms: 5 };
        let key = SlotKey { market: U256::from(1), id: 7 };
        store.commit_work(&Changes { work: vec![(key, record)], ..Changes::default() }).expect("writes");
        assert_eq!(holder(dir.path()).expect("looks"), Some(std::process::id().to_string()));
        drop(store);
        assert_eq!(holder(dir.path()).expect("looks"), None);
        let before = fs::read(dir.path().join("node.redb")).expect("reads");
        let names = || {
            let entries = fs::read_dir(dir.path()).expect("lists");
            let mut names: Vec<_> = entries.map(|entry| entry.expect("lists").file_name()).collect();
            names.sort();
            names
        };
        let there = names();
        let snapshot = read(dir.path()).expect("reads");
        assert_eq!(snapshot.identity, identity());
        assert_eq!(snapshot.work.len(), 1);
        assert_eq!(snapshot.work[0].0, key);
        assert_eq!(names(), there);
        assert_eq!(fs::read(dir.path().join("node.redb")).expect("reads"), before);
    }

    #[test]
    fn what_is_no_data_directory_is_not_made_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let none = dir.path().join("none");
        assert_eq!(holder(&none).expect("looks"), None);
        assert!(matches!(read(&none), Err(StoreError::Open { .. })));
        assert!(!none.exists());
        fs::write(dir.path().join("node.redb"), "nonsense").expect("writes");
        assert!(matches!(read(dir.path()), Err(StoreError::Open { .. })));
        fs::write(dir.path().join("node.redb"), "").expect("writes");
        assert!(read(dir.path()).is_err());
    }
}
