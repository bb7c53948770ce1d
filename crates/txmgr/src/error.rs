//! Why a transaction did not do what it was sent for.

use crate::{journal::JournalError, signer::SignerError};
use alloy::primitives::{Address, B256, U256};
use provery_bindings::DecodedError;
use provery_rpc::ChainError;
use provery_types::Currency;

/// Each says what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A contract said no. `tx_hash` is there if the transaction was mined; otherwise nothing was sent.
    #[error("{kind} was refused: {name}{}", if .detail.is_empty() { String::new() } else { format!(" ({detail})") })]
    Reverted {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// The contract's error, by its name in Solidity.
        name: String,
        /// The error's arguments, as people read them; empty if it has none.
        detail: String,
        /// The transaction that was mined; None if nothing was sent.
        tx_hash: Option<B256>,
    },
    /// The key has too little of the chain's own currency.
    #[error("{account} has {} to pay for {kind} and needs {}; send it at least {}", gas(*.balance), gas(*.needed), gas(.needed.saturating_sub(*.balance)))]
    Underfunded {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// The key's account.
        account: Address,
        /// Wei that it has.
        balance: U256,
        /// Wei that it needs at least.
        needed: U256,
    },
    /// Of the asset, as people read it.
    #[error("{account} has {balance} for {kind} and needs {needed}; send it at least {missing}")]
    AssetUnderfunded {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// Whose asset it is.
        account: Address,
        /// What the account has.
        balance: String,
        /// What the call takes.
        needed: String,
        /// What must be added for it.
        missing: String,
    },
    /// It takes more gas than one transaction may have.
    #[error(
        "{kind} would take {needed} gas and one transaction may have {limit} (2^24, EIP-7825), so nothing was sent; send less in one transaction"
    )]
    GasTooHigh {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// Gas that it was estimated to take.
        needed: u64,
        /// Most gas for one transaction.
        limit: u64,
    },
    /// An endpoint refused it, and no contract did.
    #[error("the RPC refused {kind} ({code}: {message})")]
    Rejected {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// The JSON-RPC error's code.
        code: i64,
        /// The JSON-RPC error's message.
        message: String,
    },
    /// Another transaction of the key was mined in its place.
    #[error(
        "nonce {nonce} of {account} went to another transaction than {kind}; let only one program use a key"
    )]
    NonceTaken {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// The key's account.
        account: Address,
        /// The nonce that both have.
        nonce: u64,
    },
    /// It was waited for as long as anybody waits. It stays in the outbox.
    #[error(
        "{kind} was not mined in {seconds} s and may be yet (transaction {tx_hash}); check the node's fees and connection"
    )]
    TimedOut {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// Seconds that were waited.
        seconds: u64,
        /// The newest transaction signed for it; zero if the outbox has forgotten it.
        tx_hash: B256,
    },
    /// It was sent, and cannot be looked for.
    #[error(
        "{kind} was sent (transaction {tx_hash}) and no endpoint tells what became of it: {reason}; look it up elsewhere before you send it again"
    )]
    Unseen {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// The newest transaction signed for it; zero if the outbox has forgotten it.
        tx_hash: B256,
        /// What last went wrong in looking for it.
        reason: String,
    },
    /// There is no signature.
    #[error("{kind} was not sent: {error}")]
    Signing {
        /// What the call is, in logs and errors.
        kind: String,
        /// Why not.
        error: SignerError,
    },
    /// Something is missing of it that a transaction has.
    #[error("{kind} cannot be made a transaction ({reason}); report this")]
    Incomplete {
        /// What the call is, in logs and errors.
        kind: String,
        /// What is missing.
        reason: String,
    },
    /// Gas costs more than may be spent.
    #[error(
        "gas for {kind} costs {} now and {} may be spent on it; wait until gas is cheaper, raise the budget, or send the key more", gas(*.needed), gas(*.budget)
    )]
    TooDear {
        /// What the call is, in logs and errors.
        kind: &'static str,
        /// Wei that may be spent: the order's budget, or what the reserve leaves of the key's balance if that is less.
        budget: U256,
        /// Wei that it costs at least, as fees are now.
        needed: U256,
    },
    /// It became worthless before it was mined.
    #[error(
        "{kind} was given up, as it was no longer of use before it was mined; nothing more needs to be done"
    )]
    Abandoned {
        /// What the call is, in logs and errors.
        kind: &'static str,
    },
    /// The chain charges in a way that is not known here.
    #[error("this is {what}: this program cannot price transactions there; use another chain")]
    Unsupported {
        /// What kind of chain it is.
        what: &'static str,
    },
    /// What is pending could not be read from disk or written there.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An endpoint could not be asked, or its answer is of no use.
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
            Self::Signing { error, .. } => error.is_transient(),
            Self::TimedOut { .. }
            | Self::Unseen { .. }
            | Self::NonceTaken { .. }
            | Self::TooDear { .. }
            | Self::Journal(_) => true,
            _ => false,
        }
    }
}
