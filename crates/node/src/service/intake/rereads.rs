//! Blocks that are read again, because what came after them shows that something in them was withheld.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use provery_types::BlockRef;

use crate::{book::Untold, concern::Concern, facts::Counted};

/// How long after it was seen, or after the time before, a gap's blocks are read again: an endpoint whose index is late has what
/// it had not, and another may be asked by then. What is not found by the last of them is left to the operator.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(240)];

/// How long what is read again is waited for before anything is decided without it.
const WAIT: Duration = Duration::from_secs(60);

/// What was done about a gap.
#[derive(Clone, Copy, Debug)]
struct Tries {
    made: usize,
    next: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::service) struct Rereads {
    gaps: Vec<Untold>,
    /// By what was counted, and the block after which something is missing: what is found of it makes no new gap.
    tries: HashMap<(Counted, u64), Tries>,
    back: Option<Back>,
}

/// Blocks that have not changed were taken back, and are told again.
#[derive(Clone, Copy, Debug)]
struct Back {
    /// The head as it was before.
    to: u64,
    /// Waited for no longer than this.
    until: Instant,
}

impl Rereads {
    /// Whether blocks are told again, and not all that was known of them is known now.
    pub(super) fn are_under_way(&self, head: Option<BlockRef>, now: Instant) -> bool {
        let lies_ahead = |number| head.is_none_or(|head| head.number < number);
        self.back.is_some_and(|back| now < back.until && lies_ahead(back.to))
    }

    /// These gaps stand, now that all is read. The answer is the block after which is to be read again, if that is due.
    pub(super) fn due(&mut self, gaps: Vec<Untold>, now: Instant) -> Option<u64> {
        self.back = None;
        let key = |gap: &Untold| (gap.counted, gap.missing.after);
        self.tries.retain(|it, _| gaps.iter().any(|gap| key(gap) == *it));
        self.gaps = gaps;
        let mut after: Option<u64> = None;
        for gap in &self.gaps {
            let first = Tries { made: 0, next: now + PAUSES[0] };
            let tries = self.tries.entry(key(gap)).or_insert(first);
            if tries.made < PAUSES.len() && tries.next <= now {
                after = Some(after.map_or(gap.after(), |after| after.min(gap.after())));
            }
        }
        // Whatever lies behind that block is read again, too.
        let after = after?;
        for (_, tries) in self.tries.iter_mut().filter(|((_, told_in), _)| *told_in >= after) {
            tries.made = tries.made.saturating_add(1);
            tries.next = now + PAUSES.get(tries.made).copied().unwrap_or_default();
        }
        Some(after)
    }

    /// The follower remembers nothing of what came after that block.
    pub(super) fn forgotten(&mut self, after: u64) {
        let beyond = self.tries.iter_mut().filter(|((_, told_in), _)| told_in.saturating_sub(1) <= after);
        beyond.for_each(|(_, tries)| tries.made = PAUSES.len());
    }

    /// Blocks were taken back, up to the head that was `head`; if the chain has not changed, they come again as they are.
    pub(super) fn taken_back(&mut self, head: u64, is_same_chain: bool, now: Instant) {
        if is_same_chain {
            let to = self.back.map_or(head, |back| back.to.max(head));
            self.back = Some(Back { to, until: now + WAIT });
        }
    }

    /// What the operator should know of it.
    pub(super) fn concerns(&self) -> impl Iterator<Item = Concern> {
        self.gaps.iter().map(|gap| {
            let made = self.tries.get(&(gap.counted, gap.missing.after)).map_or(0, |tries| tries.made);
            gap.concern(match made < PAUSES.len() {
                true => "these blocks are read again, a few times",
                false => {
                    "these blocks were read again and tell no more, or lie too far back to be read again"
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;
    use crate::{facts::Missing, testing::block};

    fn gap(first: u64, after: u64) -> Untold {
        let counted = Counted { market: U256::ONE, rollup: None };
        let missing = Missing { first, last: first, after, shown_in: after + 2, shown_at: 0 };
        Untold { counted, missing }
    }

    #[test]
    fn a_gap_has_its_blocks_read_again_a_few_times_and_at_growing_intervals() {
        let (mut rereads, start) = (Rereads::default(), Instant::now());
        let mut asked = Vec::new();
        for second in 0..2_000 {
            let now = start + Duration::from_secs(second);
            // What is found of it does not make it another.
            let first = if second < 100 { 3 } else { 4 };
            asked.extend(rereads.due(vec![gap(first, 10)], now).map(|after| (second, after)));
        }
        assert_eq!(asked, [(0, 9), (15, 9), (75, 9), (315, 9)]);
        let said = rereads.concerns().next().expect("it stands");
        assert!(said.is_alarm() && said.message.contains("tell no more"), "{}", said.message);
        assert_eq!(rereads.due(Vec::new(), start), None);
        assert_eq!((rereads.concerns().count(), rereads.tries.len()), (0, 0), "it is filled");
    }

    #[test]
    fn what_lies_too_far_back_is_asked_for_once() {
        let (mut rereads, now) = (Rereads::default(), Instant::now());
        assert_eq!(rereads.due(vec![gap(3, 10)], now), Some(9));
        rereads.forgotten(9);
        assert_eq!(rereads.due(vec![gap(3, 10)], now + Duration::from_secs(900)), None);
        assert_eq!(rereads.due(vec![gap(3, 10), gap(7, 30)], now), Some(29), "another is not concerned");
    }

    #[test]
    fn what_is_told_again_is_not_waited_for_without_end() {
        let (mut rereads, now) = (Rereads::default(), Instant::now());
        rereads.taken_back(20, false, now);
        assert!(!rereads.are_under_way(Some(block(19)), now), "a reorganisation");
        rereads.taken_back(20, true, now);
        rereads.taken_back(12, true, now);
        assert!(rereads.are_under_way(Some(block(19)), now));
        assert!(!rereads.are_under_way(Some(block(20)), now), "all is back");
        assert!(!rereads.are_under_way(Some(block(15)), now + WAIT), "the chain is shorter now");
    }
}
