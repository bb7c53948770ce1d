//! What a sender writes down before it sends: one pending transaction a nonce, so that a process that dies between signing and being
//! mined knows afterwards what it did.

use std::{collections::BTreeMap, fmt, sync::Mutex};

use crate::{outlay::DayOutlay, transaction::PendingTransaction};
use alloy::primitives::Address;

/// Why a pending transaction could not be written or read: nothing is sent then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is to be sent could not be written down ({0}); check the disk of the data directory")]
pub struct JournalError(pub String);

/// Where pending transactions are kept. What a call wrote is durable when it returns.
pub trait Journal: Send + Sync + fmt::Debug {
    /// The pending transactions of a key, by nonce.
    fn load(&self, account: Address) -> Result<Vec<PendingTransaction>, JournalError>;

    /// Write a pending transaction, in place of any of the same nonce.
    fn put(&self, pending: &PendingTransaction) -> Result<(), JournalError>;

    /// Forget the pending transaction of a nonce, if there is one.
    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError>;

    /// Forget the pending transaction of a nonce whose block is too deep for a reorg, and note what it cost: both or neither.
    fn close(&self, account: Address, nonce: u64, _cost: &DayOutlay) -> Result<(), JournalError> {
        self.remove(account, nonce)
    }

    /// What the closed pending transactions of a key cost; nothing where that is not kept.
    fn outlays(&self, _account: Address) -> Result<Vec<DayOutlay>, JournalError> {
        Ok(Vec::new())
    }
}

/// For programs that send and end: what they send is not remembered.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<(Address, u64), PendingTransaction>>);

impl Memory {
    fn with<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<(Address, u64), PendingTransaction>) -> T,
    ) -> Result<T, JournalError> {
        let mut all = self.0.lock().map_err(|error| JournalError(error.to_string()))?;
        Ok(act(&mut all))
    }
}

impl Journal for Memory {
    fn load(&self, account: Address) -> Result<Vec<PendingTransaction>, JournalError> {
        self.with(|all| all.range((account, 0)..=(account, u64::MAX)).map(|(_, it)| it.clone()).collect())
    }

    fn put(&self, pending: &PendingTransaction) -> Result<(), JournalError> {
        self.with(|all| {
            all.insert((pending.account, pending.nonce), pending.clone());
        })
    }

    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError> {
        self.with(|all| {
            all.remove(&(account, nonce));
        })
    }
}
