//! What happened before, in one go, as the best endpoint tells it.

use std::collections::BTreeMap;

use alloy::{
    primitives::B256,
    rpc::types::{Filter, Log},
};
use futures::{StreamExt, TryStreamExt, stream};
use provery_types::{BlockRef, LoggedEvent};

use crate::{
    Chain, ChainError, Rpc,
    logs::{RANGE, Reader},
};

/// Block headers asked for at once.
const CONCURRENT: usize = 8;

/// Everything the deployment's contracts said from block `from` to block `to`, both included, in order. For commands,
/// which may be run again: a node that withholds logs is not noticed here, as the [follower](crate::Follower) does.
pub async fn history(chain: &Chain, from: u64, to: u64) -> Result<Vec<LoggedEvent>, ChainError> {
    let mut reader = Reader::new(chain);
    reader.set_lenient(true);
    let mut events = Vec::new();
    let mut next = from.max(chain.deployment().block);
    while next <= to {
        let last = to.min(next + RANGE - 1);
        let end = chain.rpc().block(last).await?.ok_or(ChainError::BlockNotFound(last))?;
        events.extend(range(chain.rpc(), &reader, next, end).await?);
        next = last + 1;
    }
    Ok(events)
}

/// The events of the blocks from `from` to `end`. Fails if the chain changed under the request.
async fn range(rpc: &Rpc, reader: &Reader, from: u64, end: BlockRef) -> Result<Vec<LoggedEvent>, ChainError> {
    let changed = || ChainError::Inconsistent {
        url: rpc.name().to_string(),
        method: "eth_getLogs",
        reason: "the chain changed while its logs were read".to_string(),
    };
    let mut logs: BTreeMap<u64, (B256, Vec<Log>)> = BTreeMap::new();
    let mut moved = false;
    each_range(rpc, reader.filter().clone(), from, end.number, |log| {
        let (Some(number), Some(hash)) = (log.block_number, log.block_hash) else {
            moved = true;
            return;
        };
        let entry = logs.entry(number).or_insert_with(|| (hash, Vec::new()));
        moved |= entry.0 != hash;
        entry.1.push(log);
    })
    .await?;
    // Collected first: with the closure over borrowed logs in the stream, the future would not be `Send`.
    let hashes: Vec<B256> = logs.values().map(|(hash, _)| *hash).collect();
    let blocks: Vec<BlockRef> = stream::iter(hashes)
        .map(|hash| async move { rpc.block_by_hash(hash).await?.ok_or_else(changed) })
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    let still = rpc.block(end.number).await?.map(|block| block.hash);
    if moved || still != Some(end.hash) || logs.get(&end.number).is_some_and(|(hash, _)| *hash != end.hash) {
        return Err(changed());
    }
    let mut events = Vec::new();
    for ((_, logs), block) in logs.into_values().zip(blocks) {
        events.extend(reader.decode(rpc.name(), &logs, block)?);
    }
    Ok(events)
}

/// Every log that matches, from block `from` to block `to`, in order: each piece from the best endpoint that tells it.
pub(crate) async fn each_range(
    rpc: &Rpc,
    filter: Filter,
    from: u64,
    to: u64,
    mut found: impl FnMut(Log),
) -> Result<(), ChainError> {
    let mut next = from;
    while next <= to {
        let (logs, last) = first_logs(rpc, &filter, next, to).await?;
        logs.into_iter().for_each(&mut found);
        next = last + 1;
    }
    Ok(())
}

async fn first_logs(rpc: &Rpc, filter: &Filter, from: u64, to: u64) -> Result<(Vec<Log>, u64), ChainError> {
    let mut failure = None;
    for view in rpc.trusted() {
        match view.first_logs(from, to, filter).await {
            Ok(found) => return Ok(found),
            Err(error) => {
                tracing::debug!(rpc = view.name(), %error, "an endpoint told no logs");
                failure.get_or_insert(error);
            }
        }
    }
    Err(failure.unwrap_or(ChainError::BlockNotFound(from)))
}
