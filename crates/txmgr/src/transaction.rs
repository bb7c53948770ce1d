//! A transaction that was signed for one nonce, from before its first broadcast until its block is final.

use alloy::primitives::{Address, B256, Bytes, U256};
use provery_types::BlockRef;
use serde::{Deserialize, Serialize};

/// A call that was signed for one nonce of a key. It is stored before it is first broadcast, and until its receipt's block
/// is too deep for a reorg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTransaction {
    /// The account of the key that signs.
    pub account: Address,
    /// Of the account: every transaction that is signed for this call has it.
    pub nonce: u64,
    /// What it is for: an order with the same tag and the same calldata is this one.
    pub tag: String,
    /// What the call is, in logs and errors.
    pub kind: String,
    /// None deploys a contract.
    pub to: Option<Address>,
    /// Calldata, or the new contract's creation code.
    pub data: Bytes,
    /// Wei of the chain's own currency.
    pub value: U256,
    /// Gas limit.
    pub gas: u64,
    /// Most wei that it may cost in all, as was last said.
    pub budget: Option<U256>,
    /// How the budget is spent.
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
    pub reserve: U256,
    /// Chain time (unix seconds) before which it should be there: fees are raised sooner when that is near.
    pub due: Option<u64>,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// By which endpoints know it: what replaces it has another.
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
    /// Which of those signed for the nonce it was.
    pub tx_hash: B256,
    /// The block that it is in.
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
    /// Gas used.
    pub gas: u64,
    /// Wei of the chain's own currency: for gas, and what a rollup took besides.
    pub wei: U256,
}
