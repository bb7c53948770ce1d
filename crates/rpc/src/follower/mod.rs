//! What happened, block by block, by block hash.
//!
//! alloy's `watch_canonical_logs_from` was considered. It asks for logs by number first and by hash only when in doubt,
//! keeps its history in memory alone (a reorg while the client is down goes unseen), and ends at the first RPC error
//! with that history lost. This follower asks by hash, resumes from the blocks its caller stored, and outlives errors.

mod again;
mod opinions;
mod past;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::B256;
use provery_types::{BlockRef, LoggedEvent};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Chain, ChainError,
    endpoints::{Because, DEEP},
    finality::{self, Finality},
    fork::{self, Doubt, Fork},
    headers::{Header, Link, link},
    logs::{RANGE, Reader},
    view::View,
};
use again::Again;
use opinions::Opinions;
use past::{FAR, Past};

/// Blocks near the head that are read at once.
const PIECE: u64 = 64;

/// Known blocks that are compared with the chain's in one request.
const COMPARED: usize = 100;

/// How often it is asked what is final.
const FINALITY: Duration = Duration::from_secs(30);

/// See [`FollowerConfig::again`].
const AGAIN: Duration = Duration::from_secs(30);

/// After a hint the block may take a moment to arrive at the endpoint that is asked: so many looks, so far apart.
const EAGER: u32 = 4;
const EAGER_POLL: Duration = Duration::from_millis(250);

/// How a follower follows.
#[derive(Clone, Debug)]
pub struct FollowerConfig {
    /// Time between two looks at the head.
    pub poll: Duration,
    /// Blocks that are all remembered; closer to the head than this, every block is told of. Further down some are, until they
    /// are final.
    pub keep: usize,
    /// Longest wait between attempts while the node fails.
    pub max_backoff: Duration,
    /// Time between two looks at all endpoints, if there are several.
    pub look: Duration,
    /// A block near the head is read a second time after this, and once more after ten times as long: its logs may not have
    /// been what they seemed. After a tenth, where something speaks for that.
    pub again: Duration,
    /// Look at the head at once when this is notified.
    pub wake: Option<Arc<Notify>>,
}

impl FollowerConfig {
    /// Looks at the head every `poll`; all else is as usual.
    pub fn new(poll: Duration) -> Self {
        Self {
            poll,
            keep: 256,
            max_backoff: Duration::from_secs(15),
            look: poll.saturating_mul(10),
            again: AGAIN,
            wake: None,
        }
    }
}

/// A step of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The next block.
    Block {
        /// The block.
        block: BlockRef,
        /// What it says, in the order of its logs.
        events: Vec<LoggedEvent>,
    },
    /// Blocks far behind the head, in one go: those with events, and the last.
    Range(Vec<(BlockRef, Vec<LoggedEvent>)>),
    /// What was said before the deployment grew: see [`Follower::adopt`]. Read up to block `next`, or to where it is known
    /// already.
    Past {
        /// In the order of the chain, of all the deployment's contracts: some may be known already.
        events: Vec<LoggedEvent>,
        /// The first block that is still to be read so; `None` if there is none.
        next: Option<u64>,
    },
    /// Blocks after `to` are no longer part of the chain: undo what they did.
    Reorg {
        /// The last block that still is.
        to: BlockRef,
    },
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
    /// Reorganisations followed.
    pub reorgs: u64,
    /// Blocks undone by the deepest of them.
    pub deepest_reorg: u64,
    /// Blocks undone by the last of them.
    pub last_reorg_depth: u64,
    /// A block of which endpoints tell different logs, and nothing says whose are right.
    pub disputed: Option<u64>,
}

/// Follows a deployment's events.
///
/// [`Self::next`] gives the same update again until [`Self::stored`] is called: the cursor moves only when the caller
/// has stored the update's effects, and [`Self::cursor`] is what to store with them. Of blocks that make no sense it may ask for
/// another endpoint's word first ([`Self::doubt`]).
#[derive(Debug)]
pub struct Follower {
    chain: Chain,
    reader: Reader,
    config: FollowerConfig,
    /// Oldest first; the last is where the caller is.
    cursor: VecDeque<BlockRef>,
    ready: VecDeque<Update>,
    health: watch::Sender<Health>,
    doubt: Doubt,
    finality: Finality,
    /// When that was asked.
    asked_finality: Option<Instant>,
    /// Old blocks, and blocks near the head, read at once: less while requests fail.
    span: u64,
    piece: u64,
    again: Again,
    opinions: Opinions,
    past: Option<Past>,
    past_span: u64,
    /// Whose turn it is: the past's, or the head's.
    past_next: bool,
    /// Hurried looks left.
    eager: u32,
    /// When all endpoints were looked at last, and the look that is going on.
    looked: Option<Instant>,
    looking: JoinSet<()>,
}

impl Follower {
    /// Follow from `cursor`, the blocks that an earlier follower's [`Self::cursor`] gave, oldest first; from the
    /// deployment's first block if there are none.
    pub fn new(chain: Chain, cursor: impl IntoIterator<Item = BlockRef>, config: FollowerConfig) -> Self {
        let reader = Reader::new(&chain);
        let cursor: VecDeque<_> = cursor.into_iter().collect();
        let again = Again::new(config.again);
        let health = watch::Sender::new(Health { position: cursor.back().copied(), ..Health::default() });
        Self {
            chain,
            reader,
            config,
            cursor,
            ready: VecDeque::new(),
            health,
            doubt: Doubt::default(),
            finality: Finality::Unknown,
            asked_finality: None,
            span: RANGE,
            piece: PIECE,
            again,
            opinions: Opinions::default(),
            past: None,
            past_span: RANGE,
            past_next: false,
            eager: 0,
            looked: None,
            looking: JoinSet::new(),
        }
    }

    /// The deployment has grown: what it has now is followed from here on, and what it said from block `from` on is told in
    /// [`Update::Past`], beside what happens meanwhile.
    pub fn adopt(&mut self, chain: Chain, from: Option<u64>) {
        self.reader = Reader::new(&chain);
        self.chain = chain;
        // Read without what is new, and not stored.
        self.ready.clear();
        self.again.clear();
        let known = self.cursor.back().map(|tip| tip.number);
        if let (Some(from), Some(to)) = (from, known) {
            self.past = Some(Past { next: from, to });
            self.past_span = RANGE;
        }
    }

    /// The blocks to resume from, oldest first.
    pub fn cursor(&self) -> impl Iterator<Item = &BlockRef> {
        self.cursor.iter()
    }

    /// The height below which no reorganisation is followed: what lies deeper may be forgotten. As of what is stored, and of
    /// what [`Self::next`] gave last.
    pub fn floor(&self) -> u64 {
        self.cursor.front().map_or(self.chain.deployment().block, |block| block.number)
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
            self.look_around().await;
            self.read_again();
            if !self.ready.is_empty() {
                continue;
            }
            self.past_next = self.past.is_some() && !self.past_next && !self.opinions.are_sought();
            match self.advance().await {
                Ok(found) => {
                    self.recovered();
                    if !found && (self.past.is_none() || self.opinions.are_sought()) {
                        self.idle().await;
                    }
                }
                Err(error) if error.is_transient() => {
                    let wait = self.failed(&error);
                    sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The effects of the update that [`Self::next`] gave last are stored: go on.
    pub fn stored(&mut self) {
        match self.ready.pop_front() {
            Some(Update::Block { block, .. }) => self.cursor.push_back(block),
            Some(Update::Range(blocks)) => self.cursor.extend(blocks.into_iter().map(|(block, _)| block)),
            Some(Update::Past { next, .. }) => match (next, &mut self.past) {
                (Some(next), Some(past)) => past.next = next,
                _ => self.past = None,
            },
            Some(Update::Reorg { to }) => {
                self.cursor.retain(|block| block.number <= to.number);
                self.again.cut(to.number);
                if let Some(past) = &mut self.past {
                    past.cut(to.number);
                }
            }
            None => return,
        }
        self.opinions.settled();
        finality::thin(&mut self.cursor, self.config.keep, self.finality);
        let position = self.cursor.back().copied();
        self.health.send_modify(|health| health.position = position);
    }

    /// Wait until the next look is due.
    async fn idle(&mut self) {
        let hurried = self.eager > 0;
        self.eager = self.eager.saturating_sub(1);
        let wait = if hurried { self.config.poll.min(EAGER_POLL) } else { self.config.poll };
        match &self.config.wake {
            None => sleep(wait).await,
            Some(wake) => tokio::select! {
                () = sleep(wait) => {}
                () = wake.notified() => self.eager = EAGER,
            },
        }
    }

    /// With several endpoints, see now and then who lags and who contradicts: beside the following, except at first,
    /// when it is not known whom to follow.
    async fn look_around(&mut self) {
        let rpc = self.chain.rpc();
        while self.looking.try_join_next().is_some() {}
        if !rpc.is_several() || !self.looking.is_empty() {
            return;
        }
        let due = self.looked.is_none_or(|at| at.elapsed() >= self.config.look) || rpc.is_suspicious();
        if !due {
            return;
        }
        let known: BTreeMap<u64, B256> = self.cursor.iter().map(|block| (block.number, block.hash)).collect();
        if self.looked.is_none() {
            rpc.look(&known).await;
        } else {
            let rpc = rpc.clone();
            self.looking.spawn(async move { rpc.look(&known).await });
        }
        self.looked = Some(Instant::now());
    }

    /// Fill `ready` with what comes next, as the best endpoint has it that gives an answer which makes sense; false if
    /// there is nothing yet.
    async fn advance(&mut self) -> Result<bool, ChainError> {
        let advanced = self.advance_with_any().await;
        self.reader.set_lenient(false);
        advanced
    }

    async fn advance_with_any(&mut self) -> Result<bool, ChainError> {
        loop {
            let mut failure = None;
            let mut unreadable = true;
            let mut views = self.chain.rpc().trusted();
            views.retain(|view| !self.opinions.has_told(view.at()));
            let (is_sought, any) = (self.opinions.are_sought(), !views.is_empty());
            for view in views {
                let advanced = match self.past {
                    Some(past) if self.past_next => self.read_past(&view, past).await,
                    _ => self.advance_with(&view).await,
                };
                match advanced {
                    // Who is behind tells nothing.
                    Ok(false) if is_sought => {}
                    Ok(found) => {
                        self.opinions.told(view.at());
                        return Ok(found);
                    }
                    Err(error) if error.is_transient() || matches!(error, ChainError::Decode(_)) => {
                        tracing::debug!(rpc = view.name(), %error, "an endpoint did not help");
                        unreadable &= matches!(error, ChainError::Decode(_));
                        failure.get_or_insert(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if is_sought {
                self.opinions.nobody_told(any);
                return Ok(false);
            }
            match failure {
                // All tell it alike, so it is the chain's, and one contract's nonsense keeps nobody from the others.
                Some(_) if unreadable => self.reader.set_lenient(true),
                Some(ChainError::Decode(error)) => {
                    let reason = error.to_string();
                    let url = self.chain.rpc().name().to_string();
                    return Err(ChainError::Inconsistent { url, method: "eth_getLogs", reason });
                }
                failure => return Err(failure.unwrap_or(ChainError::BlockNotFound(0))),
            }
        }
    }

    async fn advance_with(&mut self, view: &View) -> Result<bool, ChainError> {
        let head = view.head().await?;
        let tip = self.cursor.back().copied();
        if tip.is_none_or(|tip| tip.number <= head.block.number) {
            self.health.send_modify(|health| health.head = Some(head.block));
        }
        let next = tip.map_or(self.chain.deployment().block, |tip| tip.number + 1);
        if head.block.number < next {
            let Some(tip) = tip else { return Ok(false) };
            if head.block.hash == tip.hash {
                self.doubt.clear();
                return Ok(false);
            }
            if self.cursor.iter().rev().any(|known| known.hash == head.block.hash) {
                return Ok(false); // An answer from before.
            }
            return self.find_fork(view, head.block).await;
        }
        self.ask_finality(view, &head.block).await?;
        let near = self.config.keep as u64;
        let is_old = head.block.number - next > near;
        let last_final = self.finality.last(head.block.number, near);
        if is_old && next <= last_final {
            return self.read_final(view, tip, next, last_final, head.block).await;
        }
        let last = match is_old {
            true => (next + self.span.min(RANGE) - 1).min(head.block.number - near),
            false => (next + self.piece - 1).min(head.block.number),
        };
        // Before anything can fail or be dropped: what succeeds makes up for it. So an endpoint that answers little gets a
        // block at a time in the end.
        match is_old {
            true => self.span = (self.span / 2).max(1),
            false => self.piece = (self.piece / 2).max(1),
        }
        let headers = match next == head.block.number {
            true => vec![head],
            false => view.headers_of(next..=last).await?,
        };
        match link(tip.as_ref(), next, &headers) {
            Link::Linked => {}
            Link::Elsewhere => return self.find_fork(view, head.block).await,
            Link::Torn => return Err(view.inconsistent("eth_getBlockByNumber", "blocks that are no chain")),
        }
        if is_old {
            let told = self.reader.range(view, &headers).await?;
            self.span = RANGE.min(self.span * 4);
            self.read(Some(Update::Range(told)));
        } else {
            let told = self.reader.blocks(view, &headers).await?;
            self.piece = PIECE.min(self.piece * 4);
            let is_several = self.chain.rpc().is_several();
            let mut updates = Vec::with_capacity(told.len());
            for (reading, events) in told {
                updates.push(Update::Block { block: reading.header.block, events });
                self.again.read(reading, is_several);
            }
            self.read(updates);
        }
        Ok(true)
    }

    /// These come next.
    fn read(&mut self, updates: impl IntoIterator<Item = Update>) {
        self.doubt.clear();
        self.eager = 0;
        self.ready = updates.into_iter().collect();
    }

    async fn ask_finality(&mut self, view: &View, head: &BlockRef) -> Result<(), ChainError> {
        if self.asked_finality.is_none_or(|at| at.elapsed() >= FINALITY) {
            self.finality = view.finality(head).await?;
            self.asked_finality = Some(Instant::now());
        }
        Ok(())
    }

    /// Whether the chain left the blocks we know, and where: by what it has at their heights, not by what its head is.
    async fn find_fork(&mut self, view: &View, head: BlockRef) -> Result<bool, ChainError> {
        let known: Vec<BlockRef> =
            self.cursor.iter().rev().filter(|known| known.number <= head.number).copied().collect();
        let mut canonical = BTreeMap::new();
        let mut compared = 0;
        for piece in known.chunks(COMPARED) {
            let heights: Vec<u64> = piece.iter().rev().map(|known| known.number).collect();
            for Header { block, .. } in view.headers(&heights).await? {
                canonical.insert(block.number, block);
            }
            compared += piece.len();
            match fork::find(&known[..compared], &canonical) {
                Fork::None => {
                    self.doubt.clear();
                    return Ok(false); // It spoke of two chains in one breath; look again.
                }
                Fork::Torn => {
                    return Err(view.inconsistent("eth_getBlockByNumber", "blocks that are no chain"));
                }
                Fork::Deeper => {}
                Fork::After { to, first } => {
                    return self.leave_chain(view, head, to, first, &canonical).await;
                }
            }
        }
        self.too_deep(view, head, &canonical).await
    }

    /// The chain seems to have gone another way after `to`; `first` is what it has at the next height we know.
    async fn leave_chain(
        &mut self,
        view: &View,
        head: BlockRef,
        to: BlockRef,
        first: BlockRef,
        canonical: &BTreeMap<u64, BlockRef>,
    ) -> Result<bool, ChainError> {
        if first.number - to.number > FAR {
            return Err(view.inconsistent("eth_getBlockByNumber", "blocks that are no chain"));
        }
        if first.number > to.number + 1 {
            let between = view.headers_of(to.number + 1..=first.number).await?;
            let leads_here = between.last().is_some_and(|last| last.block.hash == first.hash);
            if !leads_here || link(Some(&to), to.number + 1, &between) != Link::Linked {
                return Err(view.inconsistent("eth_getBlockByNumber", "blocks that are no chain"));
            }
        }
        let tip = self.cursor.back().copied().unwrap_or(to);
        let depth = tip.number - to.number;
        let replaced = canonical.range(first.number..).map(|(_, block)| block);
        let mut is_doubtful = head.number < tip.number || self.doubt.knows(replaced);
        if depth >= DEEP && self.chain.rpc().is_several() {
            let known = self.cursor.iter().find(|known| known.number == first.number).map(|known| known.hash);
            let verdict = self.chain.rpc().vote(first.number, known).await;
            match verdict.agreed {
                Some(agreed) if agreed != first.hash => {
                    return Err(view.inconsistent("eth_getBlockByNumber", "a block that others do not have"));
                }
                Some(_) => is_doubtful |= verdict.with.len() < 2,
                None => is_doubtful = true,
            }
        }
        if is_doubtful && !self.doubt.persists(first.hash) {
            tracing::debug!(
                rpc = view.name(),
                to = to.number,
                depth,
                "a reorganisation is doubtful, looking again"
            );
            return Ok(false);
        }
        tracing::info!(to = to.number, hash = %to.hash, depth, "chain reorganised");
        self.doubt
            .abandon(self.cursor.iter().filter(|known| known.number > to.number).map(|known| known.hash));
        self.health.send_modify(|health| {
            health.head = Some(head);
            health.reorgs += 1;
            health.last_reorg_depth = depth;
            health.deepest_reorg = health.deepest_reorg.max(depth);
        });
        self.ready.push_back(Update::Reorg { to });
        Ok(true)
    }

    /// The chain has none of the blocks we know. That is final only if nobody else has them.
    async fn too_deep(
        &mut self,
        view: &View,
        head: BlockRef,
        canonical: &BTreeMap<u64, BlockRef>,
    ) -> Result<bool, ChainError> {
        let Some(oldest) = self.cursor.front().copied() else { return Ok(false) };
        let Some(instead) = canonical.get(&oldest.number) else {
            // A chain on one's own machine is begun anew now and then; any other may have sent us to an endpoint that is behind.
            let rpc = self.chain.rpc();
            let is_anew = rpc.is_development() && rpc.others(view, oldest.number).await.1.is_empty();
            if is_anew && self.doubt.persists(B256::ZERO) {
                return Err(ChainError::ReorgTooDeep { oldest });
            }
            let reason = format!("its chain ends at block {}, before any block we know", head.number);
            return Err(view.inconsistent("eth_getBlockByNumber", reason));
        };
        let (others, hashes) = self.chain.rpc().others(view, oldest.number).await;
        if hashes.iter().any(|(_, hash)| *hash == oldest.hash) {
            self.chain.rpc().blame(view, Because::Contradicting);
            return Err(view.inconsistent("eth_getBlockByNumber", "another chain than the other endpoints"));
        }
        if hashes.len() < others {
            return Err(view.inconsistent("eth_getBlockByNumber", "another chain than before"));
        }
        if !self.doubt.persists(instead.hash) {
            return Ok(false);
        }
        Err(ChainError::ReorgTooDeep { oldest })
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
