//! Blocks far below the head, by ranges: those that are final, and old ones once more.
//!
//! Nothing ties the logs of a range to the chain but the header of its last block, so no endpoint is believed alone for that.

use provery_types::BlockRef;

use super::{Follower, PIECE, Update};
use crate::{ChainError, headers::Header, view::View};

/// Most final blocks that are read at once.
pub(super) const FAR: u64 = 64_000;

/// Old blocks that are read for what is new in the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) next: u64,
    /// The last block that was followed without it.
    pub(super) to: u64,
}

impl Past {
    /// What is above is read again anyhow.
    pub(super) fn cut(&mut self, to: u64) {
        self.to = self.to.min(to);
        self.next = self.next.min(to.saturating_add(1));
    }
}

impl Follower {
    /// Blocks that are final, from `next` on: no header for each, and as many at once as the endpoint takes.
    pub(super) async fn read_final(
        &mut self,
        view: &View,
        tip: Option<BlockRef>,
        next: u64,
        last_final: u64,
        head: BlockRef,
    ) -> Result<bool, ChainError> {
        let span = self.span;
        let last = (next + span - 1).min(last_final);
        // Before anything can fail or be dropped: what succeeds makes up for it.
        self.span = (span / 2).max(PIECE);
        let heights: Vec<u64> = tip.iter().map(|tip| tip.number).chain([last]).collect();
        let headers = view.headers(&heights).await?;
        let Some(end) = headers.last().copied() else { return Ok(false) };
        if tip.is_some_and(|tip| headers.first().is_none_or(|first| first.block.hash != tip.hash)) {
            return self.find_fork(view, head).await;
        }
        self.agree(view, &end).await?;
        let told = self.reader.past(view, next, &end).await?;
        self.span = FAR.min(span * 2);
        self.read(Some(Update::Range(told)));
        Ok(true)
    }

    /// Old blocks once more, for what the deployment has now and had not then.
    pub(super) async fn read_past(&mut self, view: &View, past: Past) -> Result<bool, ChainError> {
        if past.next > past.to {
            self.ready.push_back(Update::Past { events: Vec::new(), next: None });
            return Ok(true);
        }
        let span = self.past_span;
        let last = (past.next + span - 1).min(past.to);
        self.past_span = (span / 2).max(PIECE);
        let end = view.headers(&[last]).await?.pop().ok_or(ChainError::BlockNotFound(last))?;
        let strange = self.cursor.iter().any(|known| known.number == last && known.hash != end.block.hash);
        if strange {
            // That it is so is for the head's turn to find out.
            return Err(view.inconsistent("eth_getBlockByNumber", "another chain than before"));
        }
        self.agree(view, &end).await?;
        let told = self.reader.past(view, past.next, &end).await?;
        self.past_span = FAR.min(span * 2);
        let events = told.into_iter().flat_map(|(_, events)| events).collect();
        self.ready.push_back(Update::Past { events, next: (last < past.to).then_some(last + 1) });
        Ok(true)
    }

    /// Whether the other endpoints that answer have the last block of a range, too. Where they do not, and no majority says who
    /// is right, nothing is read before what we know of the chain, or whoever runs this, has told them apart.
    async fn agree(&self, view: &View, end: &Header) -> Result<(), ChainError> {
        let rpc = self.chain.rpc();
        let Err(other) = rpc.seconded(view, &end.block).await else { return Ok(()) };
        if let Some(tip) = self.cursor.back() {
            rpc.vote(tip.number, Some(tip.hash)).await;
        }
        tracing::warn!(
            rpc = view.name(),
            other,
            block = end.block.number,
            "endpoints disagree on an old block"
        );
        let reason =
            format!("its block {} is not the one that {other} has; ask a third endpoint", end.block.number);
        Err(view.inconsistent("eth_getBlockByNumber", reason))
    }
}
