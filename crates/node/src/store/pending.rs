//! The sender's journal, in the node's own file.

use std::{ops::RangeInclusive, sync::Arc};

use alloy::primitives::{Address, B256};
use provery_txmgr::{DayOutlay, Journal, JournalError, Outlay, PendingTransaction};
use redb::{
    ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError, WriteTransaction,
};

use super::{META, OWN_TURNS, OWN_TURNS_KEPT, Store, StoreError, crash::point, decode, encode, get};
use crate::pause::{PAUSE, RESUME};

pub(super) const PENDING: TableDefinition<([u8; 20], u64), &[u8]> = TableDefinition::new("pending");
/// What a key's transactions cost on a day.
pub(super) const SPENT: TableDefinition<([u8; 20], u64), &[u8]> = TableDefinition::new("spent");

/// Pending transactions in a [`Store`].
#[derive(Clone, Debug)]
pub struct PendingTable(Arc<Store>);

impl PendingTable {
    /// Any key's, in this store.
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

impl Journal for PendingTable {
    fn load(&self, account: Address) -> Result<Vec<PendingTransaction>, JournalError> {
        self.0.pending(Some(account)).map_err(failed)
    }

    fn put(&self, pending: &PendingTransaction) -> Result<(), JournalError> {
        self.0.put_pending(pending).map_err(failed)
    }

    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError> {
        self.0.remove_intent(account, nonce).map_err(failed)
    }

    fn close(&self, account: Address, nonce: u64, cost: &DayOutlay) -> Result<(), JournalError> {
        self.0.close_intent(account, nonce, cost).map_err(failed)
    }

    fn outlays(&self, account: Address) -> Result<Vec<DayOutlay>, JournalError> {
        self.0.outlays(account).map_err(failed)
    }
}

fn failed(error: StoreError) -> JournalError {
    JournalError(error.to_string())
}

impl Store {
    /// Pending transactions, of one key or of every key, by nonce.
    pub fn pending(&self, account: Option<Address>) -> Result<Vec<PendingTransaction>, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(PENDING)?;
        table.range(range(account))?.map(|row| decode(row?.1.value())).collect()
    }

    fn put_pending(&self, pending: &PendingTransaction) -> Result<(), StoreError> {
        let row = (pending.account.into_array(), pending.nonce);
        let before = {
            let transaction = self.database.begin_read()?;
            let row = transaction.open_table(PENDING)?.get(row)?;
            row.map(|row| decode::<PendingTransaction>(row.value())).transpose()?
        };
        let point = match before {
            Some(before) if before.signed.len() != pending.signed.len() => point::PENDING_REPLACED,
            Some(before) if before.mined.is_some() && pending.mined.is_none() => point::PENDING_UNMINED,
            Some(before) if before.signed == pending.signed => point::PENDING_MINED,
            _ => point::PENDING_SIGNED,
        };
        let turn = match pending.kind.as_str() {
            PAUSE if point == point::PENDING_SIGNED => Some(point::PAUSED),
            RESUME if point == point::PENDING_SIGNED => Some(point::RESUMED),
            _ => None,
        };
        let points: Vec<String> = [Some(point), turn].into_iter().flatten().map(str::to_owned).collect();
        self.write(&points, |transaction| {
            transaction.open_table(PENDING)?.insert(row, encode(pending)?.as_slice())?;
            if matches!(pending.kind.as_str(), PAUSE | RESUME) {
                note_turns(transaction, pending.signed.iter().map(|signed| signed.hash))?;
            }
            Ok(())
        })
    }

    fn close_intent(&self, account: Address, nonce: u64, cost: &DayOutlay) -> Result<(), StoreError> {
        let account = account.into_array();
        self.write(&[point::PENDING_REMOVED.to_owned()], |transaction| {
            transaction.open_table(PENDING)?.remove((account, nonce))?;
            let mut table = transaction.open_table(SPENT)?;
            let day = (account, cost.day);
            let before = table.get(day)?.map(|row| decode::<Outlay>(row.value())).transpose()?;
            let mut outlay = before.unwrap_or_default();
            outlay += cost.outlay;
            table.insert(day, encode(&outlay)?.as_slice())?;
            Ok(())
        })
    }

    /// What the closed pending transactions of a key cost, by day.
    fn outlays(&self, account: Address) -> Result<Vec<DayOutlay>, StoreError> {
        read_outlays(&self.database.begin_read()?, Some(account))
    }

    /// A transaction that this node did not sign turned out to be a node's own pause.
    pub fn add_own_turn(&self, hash: B256) -> Result<(), StoreError> {
        self.write(&[], |transaction| note_turns(transaction, [hash]))
    }

    fn remove_intent(&self, account: Address, nonce: u64) -> Result<(), StoreError> {
        self.write(&[point::PENDING_REMOVED.to_owned()], |transaction| {
            transaction.open_table(PENDING)?.remove((account.into_array(), nonce))?;
            Ok(())
        })
    }
}

/// What closed pending transactions cost, by day: of one key, or of every key.
pub(super) fn read_outlays(
    transaction: &ReadTransaction,
    account: Option<Address>,
) -> Result<Vec<DayOutlay>, StoreError> {
    let table = match transaction.open_table(SPENT) {
        Ok(table) => table,
        // An older program's file, looked at from outside.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let rows = table.range(range(account))?.map(|row| {
        let (day, outlay) = row?;
        Ok(DayOutlay { day: day.value().1, outlay: decode(outlay.value())? })
    });
    rows.collect()
}

fn range(account: Option<Address>) -> RangeInclusive<([u8; 20], u64)> {
    match account {
        Some(account) => (account.into_array(), 0)..=(account.into_array(), u64::MAX),
        None => ([0; 20], 0)..=([u8::MAX; 20], u64::MAX),
    }
}

/// What pauses or resumes the prover is known by its hash before it can be in a block.
fn note_turns(
    transaction: &WriteTransaction,
    signed: impl IntoIterator<Item = B256>,
) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META)?;
    let mut turns: Vec<B256> = get(&meta, OWN_TURNS)?.unwrap_or_default();
    let known = turns.len();
    for hash in signed {
        if !turns.contains(&hash) {
            turns.push(hash);
        }
    }
    if turns.len() > known {
        turns.drain(..turns.len().saturating_sub(OWN_TURNS_KEPT));
        meta.insert(OWN_TURNS, encode(&turns)?.as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Bytes, U256};
    use provery_txmgr::{Signed, Spent};

    use super::{
        super::{DataDir, Identity, snapshot},
        *,
    };

    #[test]
    fn whose_pause_it_is_is_on_disk_before_it_is_sent_and_outlives_its_intent() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let identity = Identity { chain_id: 1, market: Address::ZERO, prover: Address::ZERO };
        let open =
            || Arc::new(Store::open(DataDir::open(dir.path()).expect("locks"), &identity).expect("opens"));
        let signed = |byte| Signed {
            hash: B256::repeat_byte(byte),
            raw: Bytes::new(),
            max_fee: 1,
            max_priority_fee: 1,
            cancels: false,
        };
        let pending = |kind: &str, hashes: &[u8]| PendingTransaction {
            account: Address::ZERO,
            nonce: 1,
            tag: kind.to_owned(),
            kind: kind.to_owned(),
            to: None,
            data: Bytes::new(),
            value: U256::ZERO,
            gas: 1,
            budget: None,
            spend: Default::default(),
            deadline: None,
            signed: hashes.iter().map(|byte| signed(*byte)).collect(),
            mined: None,
        };
        let store = open();
        let table = PendingTable::new(store.clone());
        table.put(&pending(PAUSE, &[1])).expect("written");
        table.put(&pending(PAUSE, &[1, 2])).expect("written");
        table.put(&pending("prove", &[3])).expect("written");
        table.put(&pending(RESUME, &[4])).expect("written");
        table.remove(Address::ZERO, 1).expect("removed");
        drop((table, store));
        let store = open();
        assert_eq!(store.own_turns().expect("read"), [1, 2, 4].map(B256::repeat_byte));
        let table = PendingTable::new(store.clone());
        for _ in 0..OWN_TURNS_KEPT {
            table.put(&pending(PAUSE, &[7, 8, 9])).expect("written");
        }
        assert!(store.own_turns().expect("read").len() <= OWN_TURNS_KEPT);
    }

    #[test]
    fn what_an_intent_cost_is_noted_once_when_it_is_forgotten_and_read_from_outside_too() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let identity = Identity { chain_id: 1, market: Address::ZERO, prover: Address::ZERO };
        let open =
            || Arc::new(Store::open(DataDir::open(dir.path()).expect("locks"), &identity).expect("opens"));
        let key = Address::repeat_byte(7);
        let spent = Spent { transactions: 1, gas: 30, wei: U256::from(u128::MAX) };
        let cost = |day, reverted| DayOutlay { day, outlay: Outlay { reverted, ..Outlay::default() } };
        let table = PendingTable::new(open());
        for (nonce, day) in [(1, 20_000), (2, 20_000), (3, 20_001)] {
            table.close(key, nonce, &cost(day, spent)).expect("noted");
        }
        table.close(Address::ZERO, 1, &cost(5, spent)).expect("noted");
        drop(table);
        let mut twice = spent;
        twice += spent;
        let expected = [cost(20_000, twice), cost(20_001, spent)];
        assert_eq!(PendingTable::new(open()).outlays(key).expect("read"), expected);
        let snapshot = snapshot::read(dir.path()).expect("read");
        assert_eq!(snapshot.outlays, [cost(5, spent), expected[0], expected[1]]);
    }
}
