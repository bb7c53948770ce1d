//! What a sender asks of the node: counts, prices, receipts; and how it signs and broadcasts.
//!
//! A node's words for "nonce too low" or "already known" differ from one client to the next, so they are never read:
//! after a failure the chain's state says which it was.

use crate::{
    error::SendError,
    fees::{self, Cost},
    outbox::Outbox,
    transaction::{PendingTransaction, Signed},
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    network::{NetworkTransactionBuilder, TransactionBuilder, TransactionResponse},
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::{Transaction, TransactionRequest},
    transports::{RpcError, TransportError, TransportErrorKind},
};
use provery_bindings::{DecodedError, decode_revert};
use provery_rpc::{Call, ChainError, DataFees, Fees, Quote, Receipt, Surcharge, View};
use provery_types::BlockRef;

/// What a call may cost more than its estimate if an epoch begins in between: seeding it, and a fresh version of every
/// tree node that the call changes.
const NEXT_EPOCH_GAS: u64 = 150_000;

/// Gas of an empty transfer where only execution is paid for.
const TRANSFER_GAS: u64 = 21_000;
/// Times the limit that is known to be enough: an estimate above that is not believed of one endpoint.
const FAR_ABOVE: u64 = 4;

/// What became of a broadcast.
#[derive(Debug)]
pub(crate) enum Broadcast {
    Taken,
    /// An endpoint answered with an error and does not know the transaction.
    Refused(TransportError),
    /// No answer that says anything. The transaction may have arrived.
    Unanswered(TransportError),
}

/// What a call takes that was signed for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// So much gas.
    Takes(u64),
    Reverts,
    /// Nobody says.
    Unknown,
}

/// What an endpoint knows of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    No,
    PendingSet,
    InBlock,
}

impl Known {
    fn of(found: Option<Transaction>) -> Self {
        match found {
            Some(transaction) if transaction.block_hash().is_some() => Self::InBlock,
            Some(_) => Self::PendingSet,
            None => Self::No,
        }
    }
}

/// A call's parts that do not change from one of its transactions to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    pub kind: &'a str,
    pub to: Option<Address>,
    pub data: &'a Bytes,
    pub value: U256,
}

impl<'a> From<&'a PendingTransaction> for Payload<'a> {
    fn from(pending: &'a PendingTransaction) -> Self {
        Self { kind: &pending.kind, to: pending.to, data: &pending.data, value: pending.value }
    }
}

impl<'a> From<&'a Call> for Payload<'a> {
    fn from(call: &'a Call) -> Self {
        Self { kind: call.kind, to: call.to, data: &call.data, value: call.value }
    }
}

impl Outbox {
    pub(crate) fn request(&self, payload: Payload<'_>) -> TransactionRequest {
        let request = TransactionRequest::default()
            .with_from(self.signer.address())
            .with_input(payload.data.clone())
            .with_value(payload.value);
        match payload.to {
            Some(to) => request.with_to(to),
            None => request.into_create(),
        }
    }

    /// Gas that a call would use and its limit, or what it would fail with now.
    pub(crate) async fn estimate(&self, call: &Call) -> Result<(u64, u64), SendError> {
        let most = self.config.max_gas;
        let needed = match self.rpc.provider().estimate_gas(self.request(call.into())).await {
            Ok(gas) => gas,
            Err(error) => return Err(self.refused(call, error).await),
        };
        if needed > most {
            return Err(SendError::GasTooHigh { kind: call.kind, needed, limit: most });
        }
        Ok((needed, self.roomy(needed)))
    }

    /// What the chain takes for bytes; refused by name if this program does not know.
    pub(crate) async fn data_fees(&self) -> Result<DataFees, SendError> {
        match self.rpc.data_fees().await? {
            DataFees::Unknown(what) => Err(SendError::Unsupported { what }),
            known => Ok(known),
        }
    }

    /// What a transaction with this calldata costs besides its gas.
    pub(crate) async fn surcharge(&self, calldata: &[u8]) -> Result<Surcharge, SendError> {
        Ok(self.rpc.surcharge_by(self.data_fees().await?, calldata).await?)
    }

    /// What an empty transfer to oneself takes.
    pub(crate) async fn cancel_cost(&self) -> Result<Cost, SendError> {
        let (gas, surcharge) =
            tokio::join!(self.rpc.transfer_gas(self.signer.address()), self.surcharge(&[]));
        // A transfer takes no less anywhere.
        let gas = gas?.clamp(TRANSFER_GAS, self.config.max_gas);
        // What is more than a plain transfer's may have changed by the time it is mined.
        let limit =
            if gas <= TRANSFER_GAS { gas } else { gas.saturating_add(gas / 5).min(self.config.max_gas) };
        Ok(Cost { gas, limit, surcharge: surcharge? })
    }

    /// Wei that the key has for a pending transaction, or for a new one, besides what others that wait may take.
    pub(crate) async fn funds(&self, nonce: Option<u64>, value: U256) -> Result<U256, ChainError> {
        let balance = self.balance(value.saturating_add(U256::from(1))).await?;
        Ok(balance.saturating_sub(self.pending_set().promised(nonce)).saturating_sub(value))
    }

    /// The same for a new pending transaction, as the endpoint tells it that knows of most.
    pub(crate) async fn most_funds(&self, value: U256) -> U256 {
        if !self.rpc.is_several() {
            return U256::ZERO;
        }
        let most = self.rpc.richest(self.signer.address()).await.unwrap_or_default();
        most.saturating_sub(self.pending_set().promised(None)).saturating_sub(value)
    }

    /// Wei that the key has. Where one endpoint says it is less than this, the others are asked, too.
    pub(crate) async fn balance(&self, wanted: U256) -> Result<U256, ChainError> {
        self.rpc.surest_balance(self.signer.address(), wanted).await
    }

    /// What endpoints say one by one of a call of which one of them says that it fails, or takes more than any limit. `least` is a
    /// limit that is known to be enough.
    pub(crate) async fn estimated_elsewhere(&self, call: &Call, least: u64) -> Option<(u64, u64)> {
        let gas = believed(&self.estimates(self.request(call.into())).await, least)?;
        Some((gas, self.roomy(gas)))
    }

    /// Gas that one endpoint says is used; where that is beyond all reason, the others are asked, too.
    pub(crate) async fn least_said(&self, request: TransactionRequest, gas: u64, least: u64) -> u64 {
        if !is_beyond(gas, least) {
            return gas;
        }
        let said = self.estimates(request).await;
        said.into_iter().fold(gas, u64::min)
    }

    /// What each endpoint says that answers, if there are several: no more than any limit.
    async fn estimates(&self, request: TransactionRequest) -> Vec<u64> {
        if !self.rpc.is_several() {
            return Vec::new();
        }
        let ask = |view: View| {
            let request = request.clone();
            async move { view.estimate(request).await }
        };
        let mut all = self.rpc.everyone(ask).await;
        all.retain(|gas| *gas <= self.config.max_gas);
        all
    }

    pub(crate) fn roomy(&self, needed: u64) -> u64 {
        self.config.max_gas.min(needed.saturating_add(needed / 5).saturating_add(NEXT_EPOCH_GAS))
    }

    /// What a pending transaction's call takes on top of the newest block. That it fails is believed if no endpoint says otherwise.
    pub(crate) async fn estimate_again(&self, pending: &PendingTransaction) -> Again {
        let request = self.request(pending.into());
        let most = self.config.max_gas;
        let elsewhere = match self.rpc.provider().estimate_gas(request.clone()).block(BlockId::latest()).await
        {
            Ok(gas) if gas <= most => {
                return Again::Takes(self.least_said(request, gas, pending.spend.least).await);
            }
            // No limit that is signed for here would be enough.
            Ok(_) => self.estimates(request).await,
            Err(RpcError::ErrorResp(payload)) if payload.as_revert_data().is_some() => {
                self.estimates(request).await
            }
            Err(_) => return Again::Unknown,
        };
        believed(&elsewhere, pending.spend.least).map_or(Again::Reverts, Again::Takes)
    }

    /// What a pending transaction takes as of now: by its estimate, if there is one and the limit is not the caller's, else as it was signed last.
    pub(crate) fn cost_now(
        &self,
        pending: &PendingTransaction,
        again: Again,
        surcharge: Surcharge,
        funds: Option<U256>,
        quote: Quote,
    ) -> Cost {
        let gas = match again {
            Again::Takes(gas) if !pending.spend.given => gas,
            _ => {
                let gas = Some(pending.spend.expected).filter(|gas| *gas > 0).unwrap_or(pending.gas);
                return Cost { gas, limit: pending.gas, surcharge };
            }
        };
        // Never less than was thought enough before.
        let roomy = self.roomy(gas).max(pending.spend.least).max(pending.gas);
        let spendable = funds.unwrap_or(U256::MAX).saturating_sub(surcharge.at(roomy));
        Cost { gas, limit: fees::limit(gas, roomy, spendable, quote), surcharge }
    }

    /// Transactions of the key up to a block, or with those that wait to be mined.
    pub(crate) async fn count(&self, block: BlockNumberOrTag) -> Result<u64, ChainError> {
        let count = self.rpc.provider().get_transaction_count(self.signer.address()).block_id(block.into());
        count.await.map_err(|error| self.rpc.error("eth_getTransactionCount", error))
    }

    /// Sign a transaction for a nonce.
    pub(crate) async fn sign(
        &self,
        payload: Payload<'_>,
        nonce: u64,
        gas: u64,
        fees: Fees,
    ) -> Result<Signed, SendError> {
        let request =
            self.request(payload).with_chain_id(self.rpc.chain_id()).with_nonce(nonce).with_gas_limit(gas);
        let request = match fees.legacy {
            true => request.with_gas_price(fees.max),
            false => request.with_max_fee_per_gas(fees.max).with_max_priority_fee_per_gas(fees.tip),
        };
        let unsigned = request.build_unsigned().map_err(|error| SendError::Incomplete {
            kind: payload.kind.to_owned(),
            reason: error.to_string(),
        })?;
        let signed = self.signer.sign_transaction(unsigned).await;
        let envelope = signed.map_err(|error| SendError::Signing { kind: payload.kind.to_owned(), error })?;
        Ok(Signed {
            hash: *envelope.tx_hash(),
            raw: envelope.encoded_2718().into(),
            max_fee: fees.max,
            max_priority_fee: fees.tip,
            cancels: false,
        })
    }

    /// Sign an empty transfer to oneself for a nonce.
    pub(crate) async fn sign_cancel(
        &self,
        kind: &str,
        nonce: u64,
        limit: u64,
        fees: Fees,
    ) -> Result<Signed, SendError> {
        let to = Some(self.signer.address());
        let nothing = Payload { kind, to, data: &Bytes::new(), value: U256::ZERO };
        let signed = self.sign(nothing, nonce, limit, fees).await?;
        Ok(Signed { cancels: true, ..signed })
    }

    /// Send once. Whatever an error says, a transaction that is known afterwards was taken.
    pub(crate) async fn broadcast(&self, signed: &Signed) -> Broadcast {
        let error = match self.rpc.provider().send_raw_transaction(&signed.raw).await {
            Ok(taken) if *taken.tx_hash() == signed.hash => return Broadcast::Taken,
            Ok(_) => TransportErrorKind::custom_str("another transaction's hash came back"),
            Err(error) => error,
        };
        match self.known(signed.hash).await {
            Ok(Known::PendingSet | Known::InBlock) => Broadcast::Taken,
            Ok(Known::No) if matches!(error, RpcError::ErrorResp(_)) => Broadcast::Refused(error),
            _ => Broadcast::Unanswered(error),
        }
    }

    /// The most that any endpoint knows of a transaction: one that lags, or keeps no index, proves nothing.
    pub(crate) async fn known(&self, hash: B256) -> Result<Known, ChainError> {
        const METHOD: &str = "eth_getTransactionByHash";
        let transaction = self.rpc.provider().get_transaction_by_hash(hash).await;
        let known = Known::of(transaction.map_err(|error| self.rpc.error(METHOD, error))?);
        if known == Known::InBlock || !self.rpc.is_several() {
            return Ok(known);
        }
        let ask = |view: View| async move {
            let transaction = view.provider().get_transaction_by_hash(hash).await;
            Ok(Known::of(transaction.map_err(|error| self.rpc.error(METHOD, error))?))
        };
        Ok(self.rpc.everyone(ask).await.into_iter().fold(known, Known::max))
    }

    /// The transactions of the block in which the chain's count passed a nonce, looked for from block `from` to `until`, where it
    /// has; nothing if no endpoint tells counts or blocks that old.
    pub(crate) async fn beside(&self, nonce: u64, from: u64, until: u64) -> Option<Vec<B256>> {
        let (mut before, mut passed) = (from.checked_sub(1)?, until);
        if before >= passed || self.count(BlockNumberOrTag::Number(before)).await.ok()? > nonce {
            return None;
        }
        while passed - before > 1 {
            let middle = before + (passed - before) / 2;
            match self.count(BlockNumberOrTag::Number(middle)).await.ok()? {
                count if count > nonce => passed = middle,
                _ => before = middle,
            }
        }
        let block = self.rpc.provider().get_block_by_number(passed.into()).await.ok()??;
        Some(block.transactions.hashes().collect())
    }

    /// The receipt of one of a pending transaction's transactions, if its block is canonical.
    pub(crate) async fn receipt(
        &self,
        pending: &PendingTransaction,
    ) -> Result<Option<(Receipt, BlockRef)>, ChainError> {
        for signed in pending.signed.iter().rev() {
            let Some(receipt) = self.rpc.receipt(signed.hash).await? else { continue };
            let (Some(number), Some(hash)) = (receipt.inner.block_number, receipt.inner.block_hash) else {
                continue;
            };
            if let Some(block) = self.rpc.block(number).await?.filter(|block| block.hash == hash) {
                return Ok(Some((receipt, block)));
            }
        }
        Ok(None)
    }

    /// Why a mined transaction failed: what it fails with on top of its block, which holds whatever came before it.
    pub(crate) async fn replay(&self, pending: &PendingTransaction, block: BlockRef) -> DecodedError {
        let request = self.request(pending.into());
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
    pub(crate) async fn refused(&self, call: &Call, error: TransportError) -> SendError {
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
        match self.balance(call.value).await {
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
}

/// Whether an estimate is far above the limit that is known to be enough, if one is: it may be said to make a call too dear.
fn is_beyond(gas: u64, least: u64) -> bool {
    least > 0 && gas / FAR_ABOVE > least
}

/// Of what endpoints say the most, but for what is beyond all reason.
pub(crate) fn believed(said: &[u64], least: u64) -> Option<u64> {
    let sane = said.iter().copied().filter(|gas| !is_beyond(*gas, least)).max();
    sane.or_else(|| said.iter().copied().min())
}
