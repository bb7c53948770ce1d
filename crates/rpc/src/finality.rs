//! What of a chain is final, and which blocks are to be remembered until they are: decisions alone, no requests.
//!
//! Depth in blocks says little by itself: 256 blocks are an hour on one chain and a minute on another. Where the chain says
//! what is finalized, that counts; where it does not, time does.

use std::collections::VecDeque;

use provery_types::BlockRef;

/// Without finality, a block this many seconds below the tip is taken for final.
const SETTLED: u64 = 1_800;

/// A finalized block this many seconds below the head means nothing: the chain has stopped finalizing, or never did.
const STALE: u64 = 86_400;

/// Of the blocks below those that are all kept, one in so many is.
pub(crate) const SPARSE: u64 = 32;

/// Whether a block is old enough, next to the head, to be taken for final where the chain does not say.
pub fn is_settled(timestamp: u64, head: u64) -> bool {
    head.saturating_sub(timestamp) >= SETTLED
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// Blocks up to this height are final.
    UpTo(u64),
    /// The chain does not say.
    Unknown,
}

/// What a finalized block says, next to the head.
pub(crate) fn of(head: &BlockRef, finalized: Option<BlockRef>) -> Finality {
    match finalized {
        // Height 0 is what a chain says that has not finalized anything, or never does.
        Some(block)
            if block.number > 0
                && block.number <= head.number
                && head.timestamp.saturating_sub(block.timestamp) < STALE =>
        {
            Finality::UpTo(block.number)
        }
        _ => Finality::Unknown,
    }
}

impl Finality {
    /// The last block of which no reorganisation is to be followed, given that the last `keep` blocks always may be taken
    /// back.
    pub fn last(self, head: u64, keep: u64) -> u64 {
        let deep = head.saturating_sub(keep);
        match self {
            Self::UpTo(height) => deep.min(height),
            Self::Unknown => deep,
        }
    }
}

/// Up to which height blocks are too deep for a reorganisation, given what every endpoint says that answers: the most careful of
/// them counts, and what was told but once does not. Heads are not linked to anything here, and one may be made up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// One of them has said what is finalized: from then on, depth in blocks alone says nothing.
    tagged: bool,
    before: Option<u64>,
    now: Option<u64>,
}

impl Settled {
    /// Of each endpoint the height of its head, and what it says is final.
    pub fn told(&mut self, said: &[(u64, Finality)], keep: u64) {
        let tagged = said.iter().any(|(_, finality)| *finality != Finality::Unknown);
        self.tagged |= tagged;
        let least = said.iter().map(|(head, finality)| finality.last(*head, keep)).min();
        self.before = std::mem::replace(&mut self.now, least.filter(|_| tagged || !self.tagged));
    }

    /// Whether one of them says what is finalized. Without, depth in blocks says little: see [`is_settled`].
    pub fn is_tagged(self) -> bool {
        self.tagged
    }

    /// Whether a block of this height is too deep for a reorganisation, by what was told last and the time before.
    pub fn covers(self, height: u64) -> bool {
        self.before.zip(self.now).is_some_and(|(before, now)| height <= before.min(now))
    }
}

/// Forget of the blocks that are known, oldest first, what need not be: all of the last `keep` stay, and below them one in
/// [`SPARSE`], down to one that is final.
pub(crate) fn thin(known: &mut VecDeque<BlockRef>, keep: usize, finality: Finality) {
    let Some(tip) = known.back().copied() else { return };
    let keep = (keep as u64).max(1);
    let recent = tip.number.saturating_sub(keep - 1);
    let is_final = |block: &BlockRef| match finality {
        Finality::UpTo(height) => block.number <= height,
        Finality::Unknown => is_settled(block.timestamp, tip.timestamp),
    };
    // The newest that is final, and not among those that are all kept, is the oldest that is needed.
    let floor =
        known.iter().rev().find(|block| block.number < recent && is_final(block)).map(|block| block.number);
    known.retain(|block| {
        block.number >= recent
            || Some(block.number) == floor
            || floor.is_none_or(|floor| block.number > floor) && block.number.is_multiple_of(SPARSE)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64, timestamp: u64) -> BlockRef {
        BlockRef { number, timestamp, ..BlockRef::default() }
    }

    /// Blocks up to `tip`, `step` of them a second.
    fn chain(tip: u64, a_second: u64) -> VecDeque<BlockRef> {
        (0..=tip).map(|number| block(number, number / a_second)).collect()
    }

    fn numbers(known: &VecDeque<BlockRef>) -> Vec<u64> {
        known.iter().map(|block| block.number).collect()
    }

    #[test]
    fn what_a_chain_calls_finalized_counts_if_it_means_something() {
        let head = block(1_000, 100_000);
        assert_eq!(of(&head, Some(block(900, 99_000))), Finality::UpTo(900));
        assert_eq!(of(&head, None), Finality::Unknown);
        assert_eq!(of(&head, Some(block(0, 99_999))), Finality::Unknown, "nothing was finalized yet");
        assert_eq!(of(&head, Some(block(900, 100))), Finality::Unknown, "it has stood still for a day");
        assert_eq!(of(&head, Some(block(1_001, 100_001))), Finality::Unknown, "it is above the head");
        assert_eq!(Finality::UpTo(900).last(1_000, 256), 744);
        assert_eq!(Finality::UpTo(700).last(1_000, 256), 700);
        assert_eq!(Finality::Unknown.last(100, 256), 0);
    }

    #[test]
    fn a_block_is_settled_once_every_endpoint_has_said_so_twice() {
        let covers = |said: &[&[(u64, Finality)]]| {
            let mut settled = Settled::default();
            said.iter().for_each(|said| settled.told(said, 64));
            settled.covers(500)
        };
        let (far, near) = ((1_000_000, Finality::Unknown), (520, Finality::Unknown));
        let deep = (600, Finality::Unknown);
        assert!(covers(&[&[deep], &[deep]]), "blocks count where a chain does not say what is final");
        assert!(!covers(&[&[far]]) && !covers(&[&[far], &[near]]), "a far head is not believed at once");
        assert!(!covers(&[&[far, near], &[far, near]]), "nor where another endpoint has none");
        assert!(!covers(&[&[far], &[]]) && !covers(&[]), "no answer settles nothing");
        let (early, late) = ((9_000, Finality::UpTo(499)), (9_000, Finality::UpTo(500)));
        assert!(!covers(&[&[early], &[early]]), "8,500 blocks are minutes on some chains");
        assert!(covers(&[&[late], &[late]]) && !covers(&[&[late, early], &[late, early]]));
        assert!(!covers(&[&[late], &[far]]), "where what is final was told, its absence says nothing");
    }

    #[test]
    fn on_a_fast_chain_blocks_are_remembered_until_they_are_final() {
        // Four blocks a second, finalized twenty minutes later.
        let mut known = chain(10_000, 4);
        thin(&mut known, 256, Finality::UpTo(5_200));
        let kept = numbers(&known);
        assert_eq!(kept.first(), Some(&5_200), "a reorganisation of all that is not final can be followed");
        assert_eq!(kept.len(), 256 + 1 + (9_745 - 5_200) / 32);
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] <= SPARSE));
        assert!((9_745..=10_000).all(|number| kept.contains(&number)));
    }

    #[test]
    fn without_finality_blocks_are_remembered_by_time() {
        let mut known = chain(10_000, 4);
        thin(&mut known, 256, Finality::Unknown);
        let oldest = known[0];
        assert!((SETTLED..SETTLED + 10).contains(&(2_500 - oldest.timestamp)), "{oldest:?}");
        // Twelve seconds a block: 256 blocks are enough by far.
        let mut known: VecDeque<BlockRef> = (0..=1_000).map(|number| block(number, number * 12)).collect();
        thin(&mut known, 256, Finality::Unknown);
        assert_eq!(numbers(&known), (744..=1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_chain_that_finalizes_at_once_keeps_as_many_as_it_was_told() {
        let mut known = chain(1_000, 1);
        thin(&mut known, 16, Finality::UpTo(1_000));
        assert_eq!(numbers(&known), (984..=1_000).collect::<Vec<_>>());
        let mut one = VecDeque::from([block(5, 5)]);
        thin(&mut one, 16, Finality::Unknown);
        assert_eq!(numbers(&one), [5]);
        thin(&mut VecDeque::new(), 16, Finality::Unknown);
    }

    #[test]
    fn thinning_again_forgets_nothing_more() {
        for (a_second, finality) in
            [(4, Finality::UpTo(5_200)), (4, Finality::Unknown), (1, Finality::UpTo(9_990))]
        {
            let mut known = chain(10_000, a_second);
            thin(&mut known, 256, finality);
            let once = known.clone();
            thin(&mut known, 256, finality);
            assert_eq!(known, once);
        }
    }
}
