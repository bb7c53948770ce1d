//! Why a transaction did not do what it was sent for.

use crate::journal::JournalError;
use alloy::primitives::{Address, B256, U256};
use provery_bindings::DecodedError;
use provery_rpc::ChainError;
use provery_types::Currency;

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A contract said no. `tx_hash` is there if the transaction was mined; otherwise nothing was sent.
    #[error("{kind} was refused: {name}{}", if .detail.is_empty() { String::new() } else { format!(" ({detail})") })]
    Reverted { kind: &'static str, name: String, detail: String, tx_hash: Option<B256> },
    #[error("{account} has {} to pay for {kind} and needs {}; send it at least {}", gas(*.balance), gas(*.needed), gas(.needed.saturating_sub(*.balance)))]
    Underfunded { kind: &'static str, account: Address, balance: U256, needed: U256 },
    /// Of the asset, as people read it.
    #[error("{account} has {balance} for {kind} and needs {needed}; send it at least {missing}")]
    AssetUnderfunded {
        kind: &'static str,
        account: Address,
        balance: String,
        needed: String,
        missing: String,
    },
    #[error(
        "{kind} would take {needed} gas and one transaction may have {limit} (2^24, EIP-7825), so nothing was sent; send less in one transaction"
    )]
    GasTooHigh { kind: &'static str, needed: u64, limit: u64 },
    #[error("the RPC refused {kind} ({code}: {message})")]
    Rejected { kind: &'static str, code: i64, message: String },
    #[error(
        "nonce {nonce} of {account} went to another transaction than {kind}; let only one program use a key"
    )]
    NonceTaken { kind: &'static str, account: Address, nonce: u64 },
    #[error(
        "{kind} was not mined in {seconds} s and may be yet (transaction {tx_hash}); check the node's fees and connection"
    )]
    TimedOut { kind: &'static str, seconds: u64, tx_hash: B256 },
    #[error(
        "{kind} was sent (transaction {tx_hash}) and no endpoint tells what became of it: {reason}; look it up elsewhere before you send it again"
    )]
    Unseen { kind: &'static str, tx_hash: B256, reason: String },
    #[error("{kind} could not be signed ({reason})")]
    Signing { kind: String, reason: String },
    #[error(
        "gas for {kind} costs {} now and {} may be spent on it; wait until gas is cheaper, raise the budget, or send the key more", gas(*.needed), gas(*.budget)
    )]
    TooDear { kind: &'static str, budget: U256, needed: U256 },
    #[error(
        "{kind} was given up, as it was no longer of use before it was mined; nothing more needs to be done"
    )]
    Abandoned { kind: &'static str },
    #[error("this is {what}: this program cannot price transactions there; use another chain")]
    Unsupported { what: &'static str },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Rpc(#[from] ChainError),
}

/// What is paid for gas, as people read it.
fn gas(wei: U256) -> String {
    Currency::gas().show(wei)
}

impl SendError {
    pub(crate) fn reverted(kind: &'static str, error: DecodedError, tx_hash: Option<B256>) -> Self {
        Self::Reverted { kind, detail: error.detail(), name: error.name, tx_hash }
    }

    /// The name of the contract's error, if a contract said no.
    pub fn revert_name(&self) -> Option<&str> {
        match self {
            Self::Reverted { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether sending again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rpc(error) => error.is_transient(),
            Self::TimedOut { .. }
            | Self::Unseen { .. }
            | Self::NonceTaken { .. }
            | Self::TooDear { .. }
            | Self::Journal(_) => true,
            _ => false,
        }
    }
}
