//! What happened, block by block, by block hash.
//!
//! alloy's `watch_canonical_logs_from` was considered. It asks for logs by number first and by hash only when in doubt,
//! keeps its history in memory alone (a reorg while the client is down goes unseen), and ends at the first RPC error
//! with that history lost. This follower asks by hash, resumes from the blocks its caller stored, and outlives errors.

use std::{collections::VecDeque, time::Duration};

use provery_types::{BlockRef, LoggedEvent};
use tokio::{sync::watch, time::Instant};

use crate::{
    Chain, ChainError,
    logs::{RANGE, Reader},
};

/// How a follower follows.
#[derive(Clone, Copy, Debug)]
pub struct FollowerConfig {
    /// Time between two looks at the head.
    pub poll: Duration,
    /// Blocks remembered; a deeper reorg cannot be followed. Closer to the head than this, blocks are read one by one.
    pub keep: usize,
    /// Longest wait between attempts while the node fails.
    pub max_backoff: Duration,
}

impl FollowerConfig {
    pub fn new(poll: Duration) -> Self {
        Self { poll, keep: 128, max_backoff: Duration::from_secs(15) }
    }
}

/// A step of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The next block. Far behind the head, blocks without events are left out.
    Block { block: BlockRef, events: Vec<LoggedEvent> },
    /// Blocks after `to` are no longer part of the chain: undo what they did.
    Reorg { to: BlockRef },
}

/// How a follower is doing.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// The chain's newest block.
    pub head: Option<BlockRef>,
    /// The last block whose effects are stored.
    pub position: Option<BlockRef>,
    /// Failures since the node last answered.
    pub failures: u32,
    /// When they began.
    pub failing_since: Option<Instant>,
    /// The last of them.
    pub last_error: Option<String>,
}

/// Follows a deployment's events.
///
/// [`Self::next`] gives the same update again until [`Self::stored`] is called: the cursor moves only when the caller
/// has stored the update's effects, and [`Self::cursor`] is what to store with them.
#[derive(Debug)]
pub struct Follower {
    chain: Chain,
    reader: Reader,
    config: FollowerConfig,
    /// Oldest first; the last is where the caller is.
    cursor: VecDeque<BlockRef>,
    ready: VecDeque<Update>,
    health: watch::Sender<Health>,
}

impl Follower {
    /// Follow from `cursor`, the blocks that an earlier follower's [`Self::cursor`] gave, oldest first; from the
    /// deployment's first block if there are none.
    pub fn new(chain: Chain, cursor: impl IntoIterator<Item = BlockRef>, config: FollowerConfig) -> Self {
        let reader = Reader::new(&chain);
        let cursor: VecDeque<_> = cursor.into_iter().collect();
        let health = watch::Sender::new(Health { position: cursor.back().copied(), ..Health::default() });
        Self { chain, reader, config, cursor, ready: VecDeque::new(), health }
    }

    /// The blocks to resume from, oldest first.
    pub fn cursor(&self) -> impl Iterator<Item = &BlockRef> {
        self.cursor.iter()
    }

    /// A view of how the follower is doing.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// The next update; waits for one. While the node fails it warns and tries again. It may be dropped at any point
    /// and called again. An error is final.
    pub async fn next(&mut self) -> Result<Update, ChainError> {
        loop {
            if let Some(update) = self.ready.front() {
                return Ok(update.clone());
            }
            match self.advance().await {
                Ok(found) => {
                    self.recovered();
                    if !found {
                        tokio::time::sleep(self.config.poll).await;
                    }
                }
                Err(error) if error.is_transient() => {
                    let wait = self.failed(&error);
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The effects of the update that [`Self::next`] gave last are stored: go on.
    pub fn stored(&mut self) {
        match self.ready.pop_front() {
            Some(Update::Block { block, .. }) => {
                self.cursor.push_back(block);
                while self.cursor.len() > self.config.keep.max(1) {
                    self.cursor.pop_front();
                }
            }
            Some(Update::Reorg { to }) => self.cursor.retain(|block| block.number <= to.number),
            None => return,
        }
        let position = self.cursor.back().copied();
        self.health.send_modify(|health| health.position = position);
    }

    /// Fill `ready` with what comes next; false if there is nothing yet.
    async fn advance(&mut self) -> Result<bool, ChainError> {
        let rpc = self.chain.rpc();
        let head = rpc.head().await?;
        self.health.send_modify(|health| health.head = Some(head));
        let tip = self.cursor.back().copied();
        if let Some(tip) = tip.filter(|tip| head.number <= tip.number) {
            if head.hash == tip.hash || self.cursor.contains(&head) {
                return Ok(false); // Nothing new, or a node that lags behind one that was asked before.
            }
            return self.find_fork(head).await;
        }
        let next = tip.map_or(self.chain.deployment().block, |tip| tip.number + 1);
        if next > head.number {
            return Ok(false);
        }
        let first = if next == head.number { head } else { self.block(next).await? };
        if tip.is_some_and(|tip| first.parent_hash != tip.hash) {
            return self.find_fork(head).await;
        }
        let near = self.config.keep as u64;
        if head.number - next > near {
            let end = self.block((next + RANGE - 1).min(head.number - near)).await?;
            let blocks = self.reader.range(next, end).await?;
            if self.block(next).await?.hash != first.hash {
                return Ok(false); // The chain changed since; look again.
            }
            self.ready = blocks.into_iter().map(|(block, events)| Update::Block { block, events }).collect();
        } else {
            let events = self.reader.block(first).await?;
            self.ready.push_back(Update::Block { block: first, events });
        }
        Ok(true)
    }

    /// The newest block we know that the chain still has.
    async fn find_fork(&mut self, head: BlockRef) -> Result<bool, ChainError> {
        for known in self.cursor.iter().rev() {
            if known.number > head.number {
                continue;
            }
            if self.block(known.number).await?.hash == known.hash {
                let to = *known;
                if self.cursor.back() == Some(known) {
                    return Ok(false); // The node spoke of two chains in one breath; look again.
                }
                tracing::info!(to = to.number, hash = %to.hash, "chain reorganised");
                self.ready.push_back(Update::Reorg { to });
                return Ok(true);
            }
        }
        match self.cursor.front() {
            Some(oldest) => Err(ChainError::ReorgTooDeep { oldest: *oldest }),
            None => Ok(false),
        }
    }

    async fn block(&self, number: u64) -> Result<BlockRef, ChainError> {
        self.chain.rpc().block(number).await?.ok_or(ChainError::BlockNotFound(number))
    }

    fn recovered(&self) {
        if self.health.borrow().failures > 0 {
            tracing::info!(rpc = self.chain.rpc().name(), "the RPC answers again");
            self.health.send_modify(|health| {
                health.failures = 0;
                health.failing_since = None;
                health.last_error = None;
            });
        }
    }

    /// Note the failure; how long to wait.
    fn failed(&self, error: &ChainError) -> Duration {
        let mut failures = 0;
        self.health.send_modify(|health| {
            health.failures += 1;
            failures = health.failures;
            health.failing_since.get_or_insert_with(Instant::now);
            health.last_error = Some(error.to_string());
        });
        let wait = self.config.poll.saturating_mul(1 << failures.min(10)).min(self.config.max_backoff);
        tracing::warn!(%error, failures, retry_ms = wait.as_millis() as u64, "the RPC failed");
        wait
    }
}
