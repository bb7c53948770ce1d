//! Where a chain left the blocks we know: decisions alone, no requests.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::B256;
use provery_types::BlockRef;

/// Times in a row that a doubtful reorganisation must be seen.
const LOOKS: u32 = 3;

/// Abandoned blocks remembered.
const ABANDONED: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    /// The newest block we know is still part of the chain.
    None,
    /// Blocks after `to` were replaced; `first` is what the chain has at the next height that we know.
    After { to: BlockRef, first: BlockRef },
    /// None of the blocks we know is part of the chain: look deeper.
    Deeper,
    /// The answers are of more than one chain.
    Torn,
}

/// Compare the blocks we know, newest first, with what the chain has at their heights.
pub(crate) fn find(known: &[BlockRef], canonical: &BTreeMap<u64, BlockRef>) -> Fork {
    let torn = canonical.iter().any(|(height, block)| {
        let parent = height.checked_sub(1).and_then(|below| canonical.get(&below));
        block.number != *height || parent.is_some_and(|parent| parent.hash != block.parent_hash)
    });
    if torn {
        return Fork::Torn;
    }
    let has = |block: &BlockRef| canonical.get(&block.number).is_some_and(|it| it.hash == block.hash);
    match known.iter().position(has) {
        None => Fork::Deeper,
        Some(0) => Fork::None,
        Some(at) => match canonical.get(&known[at - 1].number) {
            Some(first) if first.number == known[at].number + 1 && first.parent_hash != known[at].hash => {
                Fork::Torn
            }
            Some(first) => Fork::After { to: known[at], first: *first },
            None => Fork::Torn,
        },
    }
}

/// What makes a reorganisation doubtful, so that it must be seen more than once: a node that is behind, or that still
/// has a chain that was abandoned before, tells of just that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubt {
    abandoned: VecDeque<B256>,
    seen: Option<(B256, u32)>,
}

impl Doubt {
    /// Whether these blocks were abandoned before.
    pub(crate) fn knows<'a>(&self, mut blocks: impl Iterator<Item = &'a BlockRef>) -> bool {
        blocks.any(|block| self.abandoned.contains(&block.hash))
    }

    /// The same thing was seen once more; whether that is often enough.
    pub(crate) fn persists(&mut self, what: B256) -> bool {
        let times = match self.seen {
            Some((before, times)) if before == what => times + 1,
            _ => 1,
        };
        self.seen = Some((what, times));
        times >= LOOKS
    }

    /// The chain goes on from what we know.
    pub(crate) fn clear(&mut self) {
        self.seen = None;
    }

    /// These blocks are given up.
    pub(crate) fn abandon(&mut self, blocks: impl Iterator<Item = B256>) {
        self.abandoned.extend(blocks);
        let surplus = self.abandoned.len().saturating_sub(ABANDONED);
        self.abandoned.drain(..surplus);
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::chain;

    fn blocks(branch: u8, from: u64, to: u64, parent: B256) -> Vec<BlockRef> {
        chain(branch, from, to, parent).iter().map(|header| header.block).collect()
    }

    fn newest_first(blocks: &[BlockRef]) -> Vec<BlockRef> {
        blocks.iter().rev().copied().collect()
    }

    fn by_height<'a>(blocks: impl IntoIterator<Item = &'a BlockRef>) -> BTreeMap<u64, BlockRef> {
        blocks.into_iter().map(|block| (block.number, *block)).collect()
    }

    #[test]
    fn the_fork_is_the_last_block_in_common() {
        let ours = blocks(1, 0, 100, B256::ZERO);
        for depth in [1, 2, 8, 64, 99] {
            let to = ours[100 - depth];
            let theirs = blocks(2, to.number + 1, 100, to.hash);
            let canonical = by_height(ours.iter().take(101 - depth).chain(&theirs));
            assert_eq!(find(&newest_first(&ours), &canonical), Fork::After { to, first: theirs[0] });
        }
    }

    #[test]
    fn a_chain_that_has_our_newest_block_has_no_fork() {
        let ours = blocks(1, 0, 10, B256::ZERO);
        assert_eq!(find(&newest_first(&ours), &by_height(&ours)), Fork::None);
        assert_eq!(find(&newest_first(&ours[..6]), &by_height(&ours)), Fork::None);
    }

    #[test]
    fn another_chain_is_deeper_than_anything_known() {
        let ours = blocks(1, 5, 10, B256::ZERO);
        assert_eq!(find(&newest_first(&ours), &by_height(&blocks(2, 5, 10, B256::ZERO))), Fork::Deeper);
        assert_eq!(find(&newest_first(&ours), &BTreeMap::new()), Fork::Deeper);
    }

    #[test]
    fn answers_from_before_and_after_a_reorg_are_torn() {
        let ours = blocks(1, 0, 10, B256::ZERO);
        let theirs = blocks(2, 6, 10, ours[5].hash);
        let stale_above = by_height(ours[..6].iter().chain(&theirs[..2]).chain(&ours[8..]));
        assert_eq!(find(&newest_first(&ours), &stale_above), Fork::Torn);
        let unlinked = by_height(ours[..6].iter().chain(&blocks(2, 6, 10, B256::repeat_byte(7))));
        assert_eq!(find(&newest_first(&ours), &unlinked), Fork::Torn);
    }

    #[test]
    fn known_blocks_may_lie_apart() {
        let ours = blocks(1, 0, 100, B256::ZERO);
        let known: Vec<BlockRef> = [90, 60, 30].map(|height| ours[height]).to_vec();
        let theirs = blocks(2, 71, 100, ours[70].hash);
        let canonical = by_height([&theirs[19], &ours[60], &ours[30]]);
        assert_eq!(find(&known, &canonical), Fork::After { to: ours[60], first: theirs[19] });
    }

    #[test]
    fn a_doubtful_reorg_must_be_seen_three_times_in_a_row() {
        let mut doubt = Doubt::default();
        let (one, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        assert!(!doubt.persists(one) && !doubt.persists(one) && !doubt.persists(other));
        assert!(!doubt.persists(one) && !doubt.persists(one));
        doubt.clear();
        assert!(!doubt.persists(one) && !doubt.persists(one) && doubt.persists(one));
    }

    #[test]
    fn abandoned_blocks_are_remembered() {
        let mut doubt = Doubt::default();
        let old = blocks(1, 0, 600, B256::ZERO);
        doubt.abandon(old.iter().map(|block| block.hash));
        assert!(doubt.knows(old[600..].iter()));
        assert!(!doubt.knows(old[..10].iter()), "only so many");
        assert!(!doubt.knows(blocks(2, 0, 5, B256::ZERO).iter()));
    }
}
