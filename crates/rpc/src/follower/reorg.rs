//! When the chain left the blocks we know: where, whether that is believed, and what is too deep.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use provery_types::BlockRef;

use super::{Follower, Update, past::FAR};
use crate::{
    ChainError,
    endpoints::{Because, DEEP},
    fork::{self, Fork},
    headers::{Header, Link, link},
    view::View,
};

/// Known blocks that are compared with the chain's in one request.
const COMPARED: usize = 100;

impl Follower {
    /// Whether the chain left the blocks we know, and where: by what it has at their heights, not by what its head is.
    pub(super) async fn find_fork(&mut self, view: &View, head: BlockRef) -> Result<bool, ChainError> {
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
}
