//! What a sender writes down before it sends: one intent a nonce, so that a process that dies between signing and being
//! mined knows afterwards what it did.

use std::{collections::BTreeMap, fmt, sync::Mutex};

use alloy::primitives::{Address, B256, Bytes, U256};
use provery_types::BlockRef;
use serde::{Deserialize, Serialize};

use crate::outlay::DayOutlay;

/// A call that was signed for one nonce of a key. It is stored before it is first broadcast, and until its receipt's block
/// is too deep for a reorg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub account: Address,
    pub nonce: u64,
    /// What it is for: an order with the same tag and the same calldata is this one.
    pub tag: String,
    /// What the call is, in logs and errors.
    pub kind: String,
    /// None deploys a contract.
    pub to: Option<Address>,
    pub data: Bytes,
    /// Wei of the chain's own currency.
    pub value: U256,
    /// Gas limit.
    pub gas: u64,
    /// Most wei that it may cost in all, as was last said.
    pub budget: Option<U256>,
    #[serde(default)]
    pub spend: Spend,
    /// Chain time (unix seconds) from which on it is worthless.
    pub deadline: Option<u64>,
    /// Oldest first, never empty: the transaction, and what replaced it with higher fees.
    pub signed: Vec<Signed>,
    /// Where one of them was seen mined.
    pub mined: Option<MinedAt>,
}

/// How a call's budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spend {
    /// Gas that it is expected to use, which is less than its limit; 0 if that is not known.
    pub expected: u64,
    /// Its gas limit is the caller's, and not by an estimate.
    pub given: bool,
    /// Gas limit that is known to be enough, and is the least whatever is estimated; 0 if none is.
    pub least: u64,
    /// Wei that are left to the key for what is more urgent.
    pub keep: U256,
    /// Chain time (unix seconds) before which it should be there: fees are raised sooner when that is near.
    pub due: Option<u64>,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    pub hash: B256,
    /// As it is broadcast.
    pub raw: Bytes,
    /// Wei a unit of gas.
    pub max_fee: u128,
    /// Wei a unit of gas.
    pub max_priority_fee: u128,
    /// An empty transfer to oneself, which takes the nonce of a call that has become worthless.
    pub cancels: bool,
}

/// A receipt's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinedAt {
    pub tx_hash: B256,
    pub block: BlockRef,
    /// Whether the transaction did what it should, rather than revert.
    pub success: bool,
    /// What it cost; nothing if an older program wrote it down.
    #[serde(default)]
    pub paid: Option<Paid>,
}

/// What a transaction took of its sender, besides what it sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    pub gas: u64,
    pub wei: U256,
}

/// Why an intent could not be written or read: nothing is sent then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is to be sent could not be written down ({0}); check the disk of the data directory")]
pub struct JournalError(pub String);

/// Where intents are kept. What a call wrote is durable when it returns.
pub trait Journal: Send + Sync + fmt::Debug {
    /// The intents of a key, by nonce.
    fn load(&self, account: Address) -> Result<Vec<Intent>, JournalError>;

    /// Write an intent, in place of any of the same nonce.
    fn put(&self, intent: &Intent) -> Result<(), JournalError>;

    /// Forget the intent of a nonce, if there is one.
    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError>;

    /// Forget the intent of a nonce whose block is too deep for a reorg, and note what it cost: both or neither.
    fn close(&self, account: Address, nonce: u64, _cost: &DayOutlay) -> Result<(), JournalError> {
        self.remove(account, nonce)
    }

    /// What the closed intents of a key cost; nothing where that is not kept.
    fn outlays(&self, _account: Address) -> Result<Vec<DayOutlay>, JournalError> {
        Ok(Vec::new())
    }
}

/// For programs that send and end: what they send is not remembered.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<(Address, u64), Intent>>);

impl Memory {
    fn with<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<(Address, u64), Intent>) -> T,
    ) -> Result<T, JournalError> {
        let mut intents = self.0.lock().map_err(|error| JournalError(error.to_string()))?;
        Ok(act(&mut intents))
    }
}

impl Journal for Memory {
    fn load(&self, account: Address) -> Result<Vec<Intent>, JournalError> {
        self.with(|intents| {
            intents.range((account, 0)..=(account, u64::MAX)).map(|(_, it)| it.clone()).collect()
        })
    }

    fn put(&self, intent: &Intent) -> Result<(), JournalError> {
        self.with(|intents| {
            intents.insert((intent.account, intent.nonce), intent.clone());
        })
    }

    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError> {
        self.with(|intents| {
            intents.remove(&(account, nonce));
        })
    }
}
