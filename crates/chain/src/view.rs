//! What one endpoint in particular says of the chain. The follower asks one endpoint at a time, so that its answers
//! belong together and it is known whose they are.

use std::{ops::RangeInclusive, sync::Arc};

use alloy::{
    primitives::{B256, Bytes},
    providers::{Provider, RootProvider},
    rpc::types::{Filter, Header as RpcHeader, Log},
    transports::{RpcError, TransportError},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ChainError,
    endpoints::{Pool, batched},
    headers::{Header, RawHeader},
};

#[derive(Clone, Debug)]
pub(crate) struct View {
    pool: Arc<Pool>,
    provider: RootProvider,
    at: usize,
}

#[derive(Clone, Debug, Deserialize)]
struct RawReceipt {
    logs: Vec<Log>,
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
        let head: Option<RawHeader> = self
            .provider
            .client()
            .request(METHOD, json!(["latest", false]))
            .await
            .map_err(|error| self.error(METHOD, error))?;
        let head = Header::from(head.ok_or_else(|| self.inconsistent(METHOD, "it has no newest block"))?);
        self.pool.note_head(self.at, head.block.number);
        Ok(head)
    }

    /// Its blocks of these heights, in their order. One it does not have is an error: it may be behind.
    pub(crate) async fn headers(&self, heights: &[u64]) -> Result<Vec<Header>, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let params: Vec<Value> =
            heights.iter().map(|height| json!([format!("{height:#x}"), false])).collect();
        let found: Vec<Option<RawHeader>> = batched(&self.pool, &self.provider, self.at, METHOD, &params)
            .await
            .map_err(|error| self.error(METHOD, error))?;
        let header = |(found, height): (Option<RawHeader>, &u64)| {
            let header = Header::from(found.ok_or(ChainError::BlockNotFound(*height))?);
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

    /// The logs that match in each of these blocks, by hash, whether or not they are canonical.
    pub(crate) async fn logs(&self, blocks: &[Header], filter: &Filter) -> Result<Vec<Vec<Log>>, ChainError> {
        const METHOD: &str = "eth_getLogs";
        let params: Vec<[Filter; 1]> =
            blocks.iter().map(|header| [filter.clone().at_block_hash(header.block.hash)]).collect();
        batched(&self.pool, &self.provider, self.at, METHOD, &params)
            .await
            .map_err(|error| self.error(METHOD, error))
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

    /// All logs of a block, from its receipts. None if it does not know the block.
    pub(crate) async fn receipt_logs(&self, block: B256) -> Result<Option<Vec<Log>>, ChainError> {
        const METHOD: &str = "eth_getBlockReceipts";
        let all: Result<Option<Vec<RawReceipt>>, _> =
            self.provider.client().request(METHOD, json!([block])).await;
        let receipts = match all {
            Ok(None) => return Ok(None),
            Ok(Some(receipts)) => receipts,
            // Older nodes do not know the method.
            Err(RpcError::ErrorResp(_)) => match self.receipts_one_by_one(block).await? {
                None => return Ok(None),
                Some(receipts) => receipts,
            },
            Err(error) => return Err(self.error(METHOD, error)),
        };
        let logs: Vec<Log> = receipts.into_iter().flat_map(|receipt| receipt.logs).collect();
        if logs.iter().any(|log| log.block_hash != Some(block)) {
            return Err(self.inconsistent(METHOD, "a receipt of another block"));
        }
        Ok(Some(logs))
    }

    async fn receipts_one_by_one(&self, block: B256) -> Result<Option<Vec<RawReceipt>>, ChainError> {
        let block: Option<RawTransactions> = self
            .provider
            .client()
            .request("eth_getBlockByHash", json!([block, false]))
            .await
            .map_err(|error| self.error("eth_getBlockByHash", error))?;
        let Some(block) = block else { return Ok(None) };
        let params: Vec<[B256; 1]> = block.transactions.iter().map(|tx| [*tx]).collect();
        let receipts: Vec<Option<RawReceipt>> =
            batched(&self.pool, &self.provider, self.at, "eth_getTransactionReceipt", &params)
                .await
                .map_err(|error| self.error("eth_getTransactionReceipt", error))?;
        Ok(receipts.into_iter().collect())
    }
}
