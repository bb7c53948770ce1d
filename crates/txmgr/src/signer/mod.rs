//! Who signs for an account: a key in this process, or a program elsewhere that is asked over HTTP. What a signer answers is
//! checked against what it was asked to sign before anybody uses it.

mod error;
mod remote;
#[cfg(test)]
mod tests;
mod wire;

use alloy::{
    consensus::{SignableTransaction as _, TxEnvelope, TypedTransaction},
    network::TxSignerSync as _,
    primitives::{Address, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use provery_types::TypedData;

pub use error::SignerError;
pub use remote::RemoteSigner;

/// Signs for one account.
#[derive(Clone, Debug)]
pub enum Signer {
    /// A key in this process.
    Local(PrivateKeySigner),
    /// A program that has the key.
    Remote(RemoteSigner),
}

impl From<PrivateKeySigner> for Signer {
    fn from(key: PrivateKeySigner) -> Self {
        Self::Local(key)
    }
}

impl From<RemoteSigner> for Signer {
    fn from(remote: RemoteSigner) -> Self {
        Self::Remote(remote)
    }
}

impl Signer {
    /// The account.
    pub fn address(&self) -> Address {
        match self {
            Self::Local(key) => key.address(),
            Self::Remote(remote) => remote.address(),
        }
    }

    /// The key, if it is here.
    pub fn key(&self) -> Option<&PrivateKeySigner> {
        match self {
            Self::Local(key) => Some(key),
            Self::Remote(_) => None,
        }
    }

    /// Whether it can be asked, and has the account's key.
    pub async fn ready(&self) -> Result<(), SignerError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Remote(remote) => remote.ready().await,
        }
    }

    /// The transaction as given, with the account's signature.
    pub(crate) async fn sign_transaction(
        &self,
        mut transaction: TypedTransaction,
    ) -> Result<TxEnvelope, SignerError> {
        let signature = match self {
            Self::Local(key) => key.sign_transaction_sync(&mut transaction).map_err(SignerError::key)?,
            Self::Remote(remote) => remote.sign_transaction(&transaction).await?,
        };
        Ok(transaction.into_signed(signature).into())
    }

    /// The account's signature of a message.
    pub async fn sign_typed(&self, data: &TypedData) -> Result<Signature, SignerError> {
        match self {
            Self::Local(key) => key.sign_hash_sync(&data.digest).map_err(SignerError::key),
            Self::Remote(remote) => remote.sign_typed(data).await,
        }
    }
}
