//! What a sender asks of the node: counts, prices, receipts; and how it signs and broadcasts.
//!
//! A node's words for "nonce too low" or "already known" differ from one client to the next, so they are never read:
//! after a failure the chain's state says which it was.

use alloy::{
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder, TransactionResponse},
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::{TransactionReceipt, TransactionRequest},
    transports::{RpcError, TransportError},
};
use provery_bindings::{DecodedError, decode_revert};
use provery_types::BlockRef;

use super::{
    Inner, SendError,
    fees::{Fees, Quote, TRANSFER_GAS},
};
use crate::{
    Call, ChainError,
    journal::{Intent, Signed},
};

/// Blocks whose tips say what a usual one is, and which part of their transactions paid less.
const TIP_BLOCKS: u64 = 10;
const TIP_PERCENTILE: f64 = 20.0;
/// What a call may cost more than its estimate if an epoch begins in between: seeding it, and a fresh version of every
/// tree node that the call changes.
const NEXT_EPOCH_GAS: u64 = 150_000;

/// What became of a broadcast.
#[derive(Debug)]
pub(super) enum Broadcast {
    Taken,
    /// An endpoint answered with an error and does not know the transaction.
    Refused(TransportError),
    /// No answer that says anything. The transaction may have arrived.
    Unanswered(TransportError),
}

/// What an endpoint knows of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    No,
    Pending,
    InBlock,
}

/// A call's parts that do not change from one of its transactions to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    pub kind: &'a str,
    pub to: Option<Address>,
    pub data: &'a Bytes,
    pub value: U256,
}

impl<'a> From<&'a Intent> for Payload<'a> {
    fn from(intent: &'a Intent) -> Self {
        Self { kind: &intent.kind, to: intent.to, data: &intent.data, value: intent.value }
    }
}

impl<'a> From<&'a Call> for Payload<'a> {
    fn from(call: &'a Call) -> Self {
        Self { kind: call.kind, to: call.to, data: &call.data, value: call.value }
    }
}

impl Inner {
    pub(super) fn request(&self, payload: Payload<'_>) -> TransactionRequest {
        let request = TransactionRequest::default()
            .with_from(self.signer.address())
            .with_input(payload.data.clone())
            .with_value(payload.value);
        match payload.to {
            Some(to) => request.with_to(to),
            None => request.into_create(),
        }
    }

    /// Gas limit of a call, or what it would fail with now.
    pub(super) async fn estimate(&self, call: &Call) -> Result<u64, SendError> {
        let most = self.config.max_gas;
        let needed = match self.rpc.provider().estimate_gas(self.request(call.into())).await {
            Ok(gas) => gas,
            Err(error) => return Err(self.refused(call, error).await),
        };
        if needed > most {
            return Err(SendError::GasTooHigh { kind: call.kind, needed, limit: most });
        }
        Ok(most.min(needed + needed / 5 + NEXT_EPOCH_GAS))
    }

    /// Whether an intent would revert on top of the newest block; not, if no endpoint can say.
    pub(super) async fn reverts(&self, intent: &Intent) -> bool {
        let request = self.request(intent.into());
        match self.rpc.provider().estimate_gas(request).block(BlockId::latest()).await {
            Err(RpcError::ErrorResp(payload)) => payload.as_revert_data().is_some(),
            _ => false,
        }
    }

    /// Transactions of the key up to a block, or with those that wait to be mined.
    pub(super) async fn count(&self, block: BlockNumberOrTag) -> Result<u64, ChainError> {
        let count = self.rpc.provider().get_transaction_count(self.signer.address()).block_id(block.into());
        count.await.map_err(|error| self.rpc.error("eth_getTransactionCount", error))
    }

    /// What gas costs now.
    pub(super) async fn quote(&self) -> Result<Quote, ChainError> {
        let provider = self.rpc.provider();
        let history = provider.get_fee_history(TIP_BLOCKS, BlockNumberOrTag::Latest, &[TIP_PERCENTILE]).await;
        let history = history.map_err(|error| self.rpc.error("eth_feeHistory", error))?;
        let base = history.base_fee_per_gas.iter().rev().take(2).max().copied().unwrap_or_default();
        let rewards = history.reward.unwrap_or_default();
        let mut tips: Vec<u128> =
            rewards.iter().filter_map(|block| block.first().copied()).filter(|tip| *tip > 0).collect();
        tips.sort_unstable();
        Ok(Quote::new(base, tips.get(tips.len() / 2).copied().unwrap_or_default()))
    }

    /// Sign a transaction for a nonce.
    pub(super) async fn sign(
        &self,
        payload: Payload<'_>,
        nonce: u64,
        gas: u64,
        fees: Fees,
    ) -> Result<Signed, SendError> {
        let wallet = EthereumWallet::from(self.signer.clone());
        let request = self
            .request(payload)
            .with_chain_id(self.rpc.chain_id())
            .with_nonce(nonce)
            .with_gas_limit(gas)
            .with_max_fee_per_gas(fees.max)
            .with_max_priority_fee_per_gas(fees.tip);
        let envelope = request.build(&wallet).await.map_err(|error| SendError::Signing {
            kind: payload.kind.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Signed {
            hash: *envelope.tx_hash(),
            raw: envelope.encoded_2718().into(),
            max_fee: fees.max,
            max_priority_fee: fees.tip,
            cancels: false,
        })
    }

    /// Sign an empty transfer to oneself for a nonce.
    pub(super) async fn sign_cancel(&self, kind: &str, nonce: u64, fees: Fees) -> Result<Signed, SendError> {
        let to = Some(self.signer.address());
        let nothing = Payload { kind, to, data: &Bytes::new(), value: U256::ZERO };
        let signed = self.sign(nothing, nonce, TRANSFER_GAS, fees).await?;
        Ok(Signed { cancels: true, ..signed })
    }

    /// Send once. Whatever an error says, a transaction that is known afterwards was taken.
    pub(super) async fn broadcast(&self, signed: &Signed) -> Broadcast {
        let Err(error) = self.rpc.provider().send_raw_transaction(&signed.raw).await else {
            return Broadcast::Taken;
        };
        match self.known(signed.hash).await {
            Ok(Known::Pending | Known::InBlock) => Broadcast::Taken,
            Ok(Known::No) if matches!(error, RpcError::ErrorResp(_)) => Broadcast::Refused(error),
            _ => Broadcast::Unanswered(error),
        }
    }

    pub(super) async fn known(&self, hash: B256) -> Result<Known, ChainError> {
        let transaction = self.rpc.provider().get_transaction_by_hash(hash).await;
        let transaction = transaction.map_err(|error| self.rpc.error("eth_getTransactionByHash", error))?;
        Ok(match transaction {
            Some(transaction) if transaction.block_hash().is_some() => Known::InBlock,
            Some(_) => Known::Pending,
            None => Known::No,
        })
    }

    /// The receipt of one of an intent's transactions, if its block is canonical.
    pub(super) async fn receipt(
        &self,
        intent: &Intent,
    ) -> Result<Option<(TransactionReceipt, BlockRef)>, ChainError> {
        for signed in intent.signed.iter().rev() {
            let Some(receipt) = self.receipt_of(signed.hash).await? else { continue };
            let (Some(number), Some(hash)) = (receipt.block_number, receipt.block_hash) else { continue };
            if let Some(block) = self.rpc.block(number).await?.filter(|block| block.hash == hash) {
                return Ok(Some((receipt, block)));
            }
        }
        Ok(None)
    }

    pub(super) async fn receipt_of(&self, hash: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        let receipt = self.rpc.provider().get_transaction_receipt(hash).await;
        let receipt = receipt.map_err(|error| self.rpc.error("eth_getTransactionReceipt", error))?;
        // An answer about something else is none.
        Ok(receipt.filter(|receipt| receipt.transaction_hash == hash))
    }

    /// Why a mined transaction failed: what it fails with on top of its block, which holds whatever came before it.
    pub(super) async fn replay(&self, intent: &Intent, block: BlockRef) -> DecodedError {
        let request = self.request(intent.into());
        let answer = self.rpc.provider().call(request).block(block.number.into()).await;
        let unnamed = || DecodedError { name: "Reverted".to_string(), args: Vec::new() };
        match answer {
            Err(RpcError::ErrorResp(payload)) => {
                payload.as_revert_data().and_then(|data| decode_revert(&data)).unwrap_or_else(unnamed)
            }
            _ => unnamed(),
        }
    }

    /// An error answer to a call or to a transaction, named by what it was rather than by its words.
    pub(super) async fn refused(&self, call: &Call, error: TransportError) -> SendError {
        let RpcError::ErrorResp(payload) = error else {
            return self.rpc.error("eth_estimateGas", error).into();
        };
        if let Some(data) = payload.as_revert_data() {
            let unnamed = || DecodedError {
                name: "Reverted".to_string(),
                args: if data.is_empty() { Vec::new() } else { vec![("data".to_string(), data.to_string())] },
            };
            return SendError::reverted(call.kind, decode_revert(&data).unwrap_or_else(unnamed), None);
        }
        match self.rpc.balance(self.signer.address()).await {
            Ok(balance) if balance < call.value => SendError::Underfunded {
                kind: call.kind,
                account: self.signer.address(),
                balance,
                needed: call.value,
            },
            _ => SendError::Rejected {
                kind: call.kind,
                code: payload.code,
                message: payload.message.into_owned(),
            },
        }
    }

    pub(super) fn senseless(&self, reason: &str) -> ChainError {
        ChainError::Inconsistent {
            url: self.rpc.name().to_string(),
            method: "eth_getTransactionReceipt",
            reason: reason.to_string(),
        }
    }
}
