//! Nonces, fees, signatures, and what to make of a broadcast that failed.
//!
//! A node's words for "nonce too low" or "already known" differ from one client to the next, so they are never read:
//! after a failure the chain's state says which it was.

use std::time::Duration;

use alloy::{
    eips::eip2718::Encodable2718,
    network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder},
    primitives::{B256, U256},
    providers::{Provider, utils::Eip1559Estimation},
    transports::{RpcError, TransportError},
};
use tokio::time::sleep;

use super::{Inner, SendError};
use crate::{Call, ChainError};

/// Broadcasts of one transaction before its failure is reported.
const BROADCASTS: u32 = 4;

/// One nonce's transactions: the first, and those that replaced it with higher fees.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) nonce: u64,
    gas: u64,
    fees: Eip1559Estimation,
    /// Oldest first, never empty.
    pub(super) hashes: Vec<B256>,
}

impl Attempt {
    pub(super) fn newest(&self) -> B256 {
        self.hashes.last().copied().unwrap_or_default()
    }
}

/// A signed transaction.
struct Signed {
    hash: B256,
    raw: Vec<u8>,
}

impl Inner {
    /// Sign with the next nonce and send. The nonce is used up only when the node has the transaction.
    pub(super) async fn broadcast(&self, call: &Call, gas: u64) -> Result<Attempt, SendError> {
        let mut next = self.nonce.lock().await;
        let fees = self.fees().await?;
        let mut conflicts = 0;
        loop {
            // Taken, so that a caller that goes away in between leaves nothing but a question for the node.
            let nonce = match next.take() {
                Some(nonce) => nonce,
                None => self.pending_nonce().await?,
            };
            let signed = self.sign(call, nonce, gas, fees).await?;
            match self.submit(&signed).await {
                Ok(()) => {
                    *next = Some(nonce + 1);
                    return Ok(Attempt { nonce, gas, fees, hashes: vec![signed.hash] });
                }
                Err(error) => {
                    conflicts += 1;
                    if conflicts < BROADCASTS && self.pending_nonce().await? != nonce {
                        tracing::warn!(
                            nonce,
                            kind = call.kind,
                            "the nonce was used elsewhere, taking the next"
                        );
                        continue;
                    }
                    return Err(self.named(call, gas, fees, error).await);
                }
            }
        }
    }

    /// Replace the attempt's transaction by one with fees a quarter higher (nodes want at least a tenth).
    pub(super) async fn bump(&self, call: &Call, attempt: &mut Attempt) {
        let now = self.fees().await.unwrap_or(attempt.fees);
        let raised = |old: u128, now: u128| now.max(old + old / 4 + 1);
        let fees = Eip1559Estimation {
            max_fee_per_gas: raised(attempt.fees.max_fee_per_gas, now.max_fee_per_gas),
            max_priority_fee_per_gas: raised(
                attempt.fees.max_priority_fee_per_gas,
                now.max_priority_fee_per_gas,
            ),
        };
        let replaced = match self.sign(call, attempt.nonce, attempt.gas, fees).await {
            Ok(signed) => self.submit(&signed).await.map(|()| signed.hash).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match replaced {
            Ok(hash) => {
                tracing::info!(kind = call.kind, nonce = attempt.nonce, tx = %hash, "fees raised");
                attempt.fees = fees;
                attempt.hashes.push(hash);
            }
            Err(reason) => {
                tracing::warn!(kind = call.kind, nonce = attempt.nonce, reason, "fees could not be raised")
            }
        }
    }

    /// Whether the account's nonce moved past the attempt's.
    pub(super) async fn nonce_taken(&self, attempt: &Attempt) -> Result<bool, ChainError> {
        let count = self.rpc.provider().get_transaction_count(self.signer.address()).await;
        Ok(count.map_err(|error| self.rpc.error("eth_getTransactionCount", error))? > attempt.nonce)
    }

    async fn pending_nonce(&self) -> Result<u64, ChainError> {
        let count = self.rpc.provider().get_transaction_count(self.signer.address()).pending().await;
        count.map_err(|error| self.rpc.error("eth_getTransactionCount", error))
    }

    async fn fees(&self) -> Result<Eip1559Estimation, ChainError> {
        let fees = self.rpc.provider().estimate_eip1559_fees().await;
        fees.map_err(|error| self.rpc.error("eth_feeHistory", error))
    }

    async fn sign(
        &self,
        call: &Call,
        nonce: u64,
        gas: u64,
        fees: Eip1559Estimation,
    ) -> Result<Signed, SendError> {
        let wallet = EthereumWallet::from(self.signer.clone());
        let request = self
            .request(call)
            .with_chain_id(self.rpc.chain_id())
            .with_nonce(nonce)
            .with_gas_limit(gas)
            .with_max_fee_per_gas(fees.max_fee_per_gas)
            .with_max_priority_fee_per_gas(fees.max_priority_fee_per_gas);
        let envelope = request
            .build(&wallet)
            .await
            .map_err(|error| SendError::Signing { kind: call.kind, reason: error.to_string() })?;
        Ok(Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718() })
    }

    /// Send until the node has it. When no answer comes the same bytes are sent again, which can do no harm.
    async fn submit(&self, signed: &Signed) -> Result<(), TransportError> {
        let mut failures = 0;
        loop {
            let Err(error) = self.rpc.provider().send_raw_transaction(&signed.raw).await else {
                return Ok(());
            };
            if let Ok(Some(_)) = self.rpc.provider().get_transaction_by_hash(signed.hash).await {
                return Ok(());
            }
            failures += 1;
            if matches!(error, RpcError::ErrorResp(_)) || failures >= BROADCASTS {
                return Err(error);
            }
            let wait = Duration::from_millis(250) * 2u32.pow(failures);
            tracing::warn!(%error, failures, "broadcast failed, sending again");
            sleep(wait).await;
        }
    }

    async fn named(
        &self,
        call: &Call,
        gas: u64,
        fees: Eip1559Estimation,
        error: TransportError,
    ) -> SendError {
        if !matches!(error, RpcError::ErrorResp(_)) {
            return self.rpc.error("eth_sendRawTransaction", error).into();
        }
        let needed = call.value + U256::from(gas) * U256::from(fees.max_fee_per_gas);
        match self.rpc.balance(self.signer.address()).await {
            Ok(balance) if balance < needed => {
                SendError::Underfunded { kind: call.kind, account: self.signer.address(), balance, needed }
            }
            _ => self.refused(call, error).await,
        }
    }
}
