//! Logs → events, of one block by its hash or of a range of old blocks.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
    rpc::types::{Filter, Log},
    transports::RpcError,
};
use futures::{StreamExt, TryStreamExt, stream};
use provery_types::{BlockRef, Event, LoggedEvent, Source};

use crate::{Chain, ChainError, Rpc};

/// Blocks asked for at once. A node that finds this too much is asked for less.
pub(crate) const RANGE: u64 = 2_000;

/// Block headers asked for at once.
const CONCURRENT: usize = 8;

/// Everything the deployment's contracts said from block `from` to block `to`, both included, in order.
pub async fn history(chain: &Chain, from: u64, to: u64) -> Result<Vec<LoggedEvent>, ChainError> {
    let reader = Reader::new(chain);
    let mut events = Vec::new();
    let mut next = from.max(chain.deployment().block);
    while next <= to {
        let last = to.min(next + RANGE - 1);
        let end = chain.rpc().block(last).await?.ok_or(ChainError::BlockNotFound(last))?;
        for (_, found) in reader.range(next, end).await? {
            events.extend(found);
        }
        next = last + 1;
    }
    Ok(events)
}

/// Reads and decodes the logs of a deployment's contracts.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    rpc: Rpc,
    sources: BTreeMap<Address, Source>,
}

impl Reader {
    pub(crate) fn new(chain: &Chain) -> Self {
        Self { rpc: chain.rpc().clone(), sources: chain.deployment().sources() }
    }

    fn filter(&self) -> Filter {
        Filter::new().address(self.sources.keys().copied().collect::<Vec<_>>())
    }

    /// The events of exactly this block, whether or not it is still canonical.
    pub(crate) async fn block(&self, block: BlockRef) -> Result<Vec<LoggedEvent>, ChainError> {
        let filter = self.filter().at_block_hash(block.hash);
        let logs = self
            .rpc
            .provider()
            .get_logs(&filter)
            .await
            .map_err(|error| self.rpc.error("eth_getLogs", error))?;
        self.decode(&logs, block)
    }

    /// The events of the blocks from `from` to `end`, grouped by block; blocks without events are left out, `end` is
    /// not. Fails if the chain changed under the request.
    pub(crate) async fn range(
        &self,
        from: u64,
        end: BlockRef,
    ) -> Result<Vec<(BlockRef, Vec<LoggedEvent>)>, ChainError> {
        let mut logs: BTreeMap<u64, (B256, Vec<Log>)> = BTreeMap::new();
        let mut moved = false;
        each_range(&self.rpc, self.filter(), from, end.number, |log| {
            let (Some(number), Some(hash)) = (log.block_number, log.block_hash) else {
                moved = true;
                return;
            };
            let entry = logs.entry(number).or_insert_with(|| (hash, Vec::new()));
            moved |= entry.0 != hash;
            entry.1.push(log);
        })
        .await?;
        logs.entry(end.number).or_insert_with(|| (end.hash, Vec::new()));
        // Collected first: with the closure over borrowed logs in the stream, the future would not be `Send`.
        let hashes: Vec<B256> = logs.values().map(|(hash, _)| *hash).collect();
        let blocks: Vec<BlockRef> = stream::iter(hashes)
            .map(|hash| async move {
                self.rpc
                    .block_by_hash(hash)
                    .await?
                    .ok_or_else(|| self.inconsistent("a log's block is unknown"))
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        let still = self.rpc.block(end.number).await?.map(|block| block.hash);
        if moved || still != Some(end.hash) || logs.values().last().map(|(hash, _)| *hash) != Some(end.hash) {
            return Err(self.inconsistent("the chain changed while its logs were read"));
        }
        logs.into_values()
            .zip(blocks)
            .map(|((_, logs), block)| Ok((block, self.decode(&logs, block)?)))
            .collect()
    }

    fn decode(&self, logs: &[Log], block: BlockRef) -> Result<Vec<LoggedEvent>, ChainError> {
        let mut events = Vec::with_capacity(logs.len());
        for log in logs {
            if log.removed || log.block_hash != Some(block.hash) {
                return Err(self.inconsistent("a log is not of the block that was asked for"));
            }
            let (Some(tx_hash), Some(log_index)) = (log.transaction_hash, log.log_index) else {
                return Err(self.inconsistent("a log has no place in its block"));
            };
            let address = log.address();
            let Some(source) = self.sources.get(&address) else { continue };
            if let Some(event) = Event::decode(*source, &log.inner.data)? {
                events.push(LoggedEvent { event, address, block, tx_hash, log_index });
            }
        }
        events.sort_by_key(|event| event.log_index);
        Ok(events)
    }

    fn inconsistent(&self, reason: &str) -> ChainError {
        ChainError::Inconsistent {
            url: self.rpc.name().to_string(),
            method: "eth_getLogs",
            reason: reason.to_string(),
        }
    }
}

/// Every log that matches, from block `from` to block `to`, in order, in requests as large as the node will answer.
pub(crate) async fn each_range(
    rpc: &Rpc,
    filter: Filter,
    from: u64,
    to: u64,
    mut found: impl FnMut(Log),
) -> Result<(), ChainError> {
    let mut size = RANGE;
    let mut next = from;
    while next <= to {
        let last = to.min(next + size - 1);
        match rpc.provider().get_logs(&filter.clone().from_block(next).to_block(last)).await {
            Ok(logs) => {
                logs.into_iter().for_each(&mut found);
                next = last + 1;
                size = RANGE.min(size * 2);
            }
            Err(RpcError::ErrorResp(payload)) if size > 1 => {
                tracing::debug!(size, code = payload.code, message = %payload.message, "log range refused, halving it");
                size /= 2;
            }
            Err(error) => return Err(rpc.error("eth_getLogs", error)),
        }
    }
    Ok(())
}
