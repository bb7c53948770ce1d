//! What one endpoint in particular says of the chain. The follower asks one endpoint at a time, so that its answers
//! belong together and it is known whose they are.

use std::{ops::RangeInclusive, sync::Arc};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::{Filter, Header as RpcHeader, Log, TransactionRequest},
    transports::{RpcError, TransportError},
};
use provery_types::BlockRef;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ChainError,
    endpoints::{Pool, batched},
    finality::{self, Finality},
    headers::Header,
    receipts::{RawReceipt, Receipts},
};

/// One endpoint of a connection, by itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    pool: Arc<Pool>,
    provider: RootProvider,
    at: usize,
}

#[derive(Clone, Debug, Deserialize)]
struct RawTransactions {
    transactions: Vec<B256>,
}

impl View {
    pub(crate) fn new(pool: Arc<Pool>, provider: RootProvider, at: usize) -> Self {
        Self { pool, provider, at }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn name(&self) -> &str {
        self.pool.name(self.at)
    }

    fn error(&self, method: &'static str, error: TransportError) -> ChainError {
        if error.is_deser_error() {
            self.pool.failed(self.at, format!("{method}: {error}"));
        }
        ChainError::rpc(self.name(), method, error)
    }

    pub(crate) fn inconsistent(&self, method: &'static str, reason: impl Into<String>) -> ChainError {
        ChainError::Inconsistent { url: self.name().to_string(), method, reason: reason.into() }
    }

    /// Its newest block.
    pub(crate) async fn head(&self) -> Result<Header, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let head: Option<Header> = self
            .provider
            .client()
            .request(METHOD, json!(["latest", false]))
            .await
            .map_err(|error| self.error(METHOD, error))?;
        let head = self.sealed(head.ok_or_else(|| self.inconsistent(METHOD, "it has no newest block"))?)?;
        self.pool.note_head(self.at, head.block.number);
        Ok(head)
    }

    /// What it says of what is final, next to its newest block. A chain may have no such thing.
    pub(crate) async fn finality(&self, head: &BlockRef) -> Result<Finality, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let asked: Result<Option<Header>, _> =
            self.provider.client().request(METHOD, json!(["finalized", false])).await;
        match asked {
            Ok(found) => {
                self.pool.told_finality(self.at);
                Ok(finality::of(head, found.map(|header| header.block)))
            }
            Err(RpcError::ErrorResp(error)) if self.pool.lacks_finality(self.at, &error) => {
                Ok(Finality::Unknown)
            }
            Err(error) => Err(self.error(METHOD, error)),
        }
    }

    /// For requests that are not made here: it asks this endpoint and no other.
    pub fn provider(&self) -> &RootProvider {
        &self.provider
    }

    pub(crate) async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.provider.get_balance(account).await.map_err(|error| self.error("eth_getBalance", error))
    }

    /// Gas that a call would use.
    pub async fn estimate(&self, request: TransactionRequest) -> Result<u64, ChainError> {
        let gas = self.provider.estimate_gas(request).await;
        gas.map_err(|error| self.error("eth_estimateGas", error))
    }

    /// A header, unless its fields were made up.
    fn sealed(&self, header: Header) -> Result<Header, ChainError> {
        if self.pool.believes(self.at, header.is_sealed) {
            return Ok(header);
        }
        let reason = format!("block {} is not what its hash says", header.block.number);
        Err(self.inconsistent("eth_getBlockByNumber", reason))
    }

    /// Its blocks of these heights, in their order. One it does not have is an error: it may be behind.
    pub(crate) async fn headers(&self, heights: &[u64]) -> Result<Vec<Header>, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let params: Vec<Value> =
            heights.iter().map(|height| json!([format!("{height:#x}"), false])).collect();
        let found: Vec<Option<Header>> = batched(&self.pool, &self.provider, self.at, METHOD, &params)
            .await
            .map_err(|error| self.error(METHOD, error))?;
        let header = |(found, height): (Option<Header>, &u64)| {
            let header = self.sealed(found.ok_or(ChainError::BlockNotFound(*height))?)?;
            if header.block.number == *height {
                Ok(header)
            } else {
                Err(self.inconsistent(METHOD, format!("block {} for {height}", header.block.number)))
            }
        };
        found.into_iter().zip(heights).map(header).collect()
    }

    /// One of its blocks, with every field that its hash is made of.
    pub(crate) async fn full_header(&self, height: u64) -> Result<RpcHeader, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let found: Option<RpcHeader> = self
            .provider
            .client()
            .request(METHOD, json!([format!("{height:#x}"), false]))
            .await
            .map_err(|error| self.error(METHOD, error))?;
        let header = found.ok_or(ChainError::BlockNotFound(height))?;
        if header.inner.number != height {
            return Err(self.inconsistent(METHOD, format!("block {} for {height}", header.inner.number)));
        }
        Ok(header)
    }

    /// The encoding of a block's header, where the node says it.
    pub(crate) async fn raw_header(&self, height: u64) -> Result<Bytes, ChainError> {
        const METHOD: &str = "debug_getRawHeader";
        let raw = self.provider.client().request(METHOD, json!([format!("{height:#x}")])).await;
        raw.map_err(|error| self.error(METHOD, error))
    }

    pub(crate) async fn headers_of(&self, heights: RangeInclusive<u64>) -> Result<Vec<Header>, ChainError> {
        self.headers(&heights.collect::<Vec<_>>()).await
    }

    /// The logs that match in each of these blocks, by hash, whether or not they are canonical. Where that is refused, by
    /// height or from receipts, of the same blocks.
    pub(crate) async fn logs(&self, blocks: &[Header], filter: &Filter) -> Result<Vec<Vec<Log>>, ChainError> {
        const METHOD: &str = "eth_getLogs";
        if !self.pool.refuses_logs_by_hash(self.at) {
            let params: Vec<[Filter; 1]> =
                blocks.iter().map(|header| [filter.clone().at_block_hash(header.block.hash)]).collect();
            match batched(&self.pool, &self.provider, self.at, METHOD, &params).await {
                Ok(found) => return Ok(found),
                Err(RpcError::ErrorResp(refusal)) => {
                    tracing::debug!(rpc = self.name(), code = refusal.code, message = %refusal.message, "logs by hash were refused");
                }
                Err(error) => return Err(self.error(METHOD, error)),
            }
        }
        let found = self.logs_otherwise(blocks, filter).await?;
        // Not before: a block that it does not have is refused too.
        self.pool.note_no_logs_by_hash(self.at);
        Ok(found)
    }

    /// The same as [`Self::logs`], by height: the blocks must still be the chain's when the answer is there.
    async fn logs_otherwise(&self, blocks: &[Header], filter: &Filter) -> Result<Vec<Vec<Log>>, ChainError> {
        const METHOD: &str = "eth_getLogs";
        let heights: Vec<u64> = blocks.iter().map(|header| header.block.number).collect();
        let params: Vec<[Filter; 1]> =
            heights.iter().map(|height| [filter.clone().from_block(*height).to_block(*height)]).collect();
        let found: Vec<Vec<Log>> = match batched(&self.pool, &self.provider, self.at, METHOD, &params).await {
            Ok(found) => found,
            Err(RpcError::ErrorResp(_)) => return self.logs_from_receipts(blocks, filter).await,
            Err(error) => return Err(self.error(METHOD, error)),
        };
        let still = self.headers(&heights).await?;
        let same = blocks.iter().zip(&still).all(|(header, still)| header.block.hash == still.block.hash);
        let ours = |(header, logs): (&Header, &Vec<Log>)| {
            logs.iter().all(|log| log.block_hash == Some(header.block.hash))
        };
        if !same || !blocks.iter().zip(&found).all(ours) {
            return Err(self.inconsistent(METHOD, "the chain changed while its logs were read"));
        }
        Ok(found)
    }

    async fn logs_from_receipts(
        &self,
        blocks: &[Header],
        filter: &Filter,
    ) -> Result<Vec<Vec<Log>>, ChainError> {
        let mut found = Vec::with_capacity(blocks.len());
        for Header { block, .. } in blocks {
            let receipts = self.receipts(block.hash).await?.ok_or(ChainError::BlockNotFound(block.number))?;
            if self.transactions(block.hash).await?.is_none_or(|all| all != receipts.transactions) {
                return Err(self.inconsistent("eth_getBlockReceipts", "receipts are missing"));
            }
            found.push(
                receipts.logs.into_iter().filter(|log| filter.address.matches(&log.address())).collect(),
            );
        }
        Ok(found)
    }

    /// The logs that match from block `from` to block `to`, in requests as large as the node will answer.
    pub(crate) async fn logs_from(
        &self,
        from: u64,
        to: u64,
        filter: &Filter,
    ) -> Result<Vec<Log>, ChainError> {
        let mut found = Vec::new();
        let mut next = from;
        while next <= to {
            let (logs, last) = self.first_logs(next, to, filter).await?;
            found.extend(logs);
            next = last + 1;
        }
        Ok(found)
    }

    /// The logs that match from block `from` on, as far as the node will tell in one request and at most to block `to`; and
    /// how far that is.
    pub(crate) async fn first_logs(
        &self,
        from: u64,
        to: u64,
        filter: &Filter,
    ) -> Result<(Vec<Log>, u64), ChainError> {
        loop {
            let size = self.pool.range_size(self.at).min(to.saturating_sub(from) + 1);
            let last = from + size - 1;
            match self.provider.get_logs(&filter.clone().from_block(from).to_block(last)).await {
                Ok(logs) => {
                    self.pool.range_taken(self.at, size);
                    return Ok((logs, last));
                }
                Err(error) if self.pool.range_refused(self.at, size, &error) => {
                    tracing::debug!(rpc = self.name(), size, %error, "a range of logs was refused, asking for less");
                }
                Err(error) => return Err(self.error("eth_getLogs", error)),
            }
        }
    }

    /// A block's receipts. None if it does not know the block.
    pub(crate) async fn receipts(&self, block: B256) -> Result<Option<Receipts>, ChainError> {
        const METHOD: &str = "eth_getBlockReceipts";
        let all: Result<Option<Vec<RawReceipt>>, _> =
            self.provider.client().request(METHOD, json!([block])).await;
        let found = match all {
            Ok(None) => return Ok(None),
            Ok(Some(found)) => found,
            // Older nodes do not know the method.
            Err(RpcError::ErrorResp(_)) => match self.receipts_one_by_one(block).await? {
                None => return Ok(None),
                Some(found) => found,
            },
            Err(error) => return Err(self.error(METHOD, error)),
        };
        let receipts = Receipts::new(found);
        if receipts.logs.iter().any(|log| log.block_hash != Some(block)) {
            return Err(self.inconsistent(METHOD, "a receipt of another block"));
        }
        Ok(Some(receipts))
    }

    /// The transactions of a block, in order. None if it does not know the block.
    pub(crate) async fn transactions(&self, block: B256) -> Result<Option<Vec<B256>>, ChainError> {
        const METHOD: &str = "eth_getBlockByHash";
        let found: Option<RawTransactions> = self
            .provider
            .client()
            .request(METHOD, json!([block, false]))
            .await
            .map_err(|error| self.error(METHOD, error))?;
        Ok(found.map(|block| block.transactions))
    }

    async fn receipts_one_by_one(&self, block: B256) -> Result<Option<Vec<RawReceipt>>, ChainError> {
        let Some(transactions) = self.transactions(block).await? else { return Ok(None) };
        let params: Vec<[B256; 1]> = transactions.iter().map(|tx| [*tx]).collect();
        let receipts: Vec<Option<RawReceipt>> =
            batched(&self.pool, &self.provider, self.at, "eth_getTransactionReceipt", &params)
                .await
                .map_err(|error| self.error("eth_getTransactionReceipt", error))?;
        Ok(receipts.into_iter().collect())
    }
}
