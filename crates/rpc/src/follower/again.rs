//! The second reading of blocks near the head: when it is due, and what is done about it. See [`crate::logs`].

use std::{collections::VecDeque, time::Duration};

use alloy::primitives::B256;
use tokio::{task::JoinSet, time::Instant};

use super::{Follower, Update};
use crate::logs::{Reader, Reading, Verdict};

/// Blocks remembered for it.
const MOST: usize = 2_048;

/// And afterwards, in case that something in them turns out to have been left out.
const KEPT: usize = 512;

/// Most blocks of one look, which lie no further apart.
const AT_ONCE: u64 = 256;

/// How often one block is told anew.
const TELLINGS: usize = 3;

/// A block that was read, and when it is to be read again, if it still is.
#[derive(Clone, Debug)]
struct Once {
    reading: Reading,
    told: Instant,
    next: Option<(Step, Instant)>,
    is_disputed: bool,
}

impl Once {
    fn number(&self) -> u64 {
        self.reading.header.block.number
    }
}

/// The second readings of a block, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Of what matters most: after a tenth of the time that was set.
    Soon,
    /// After that time.
    Later,
    /// After ten times as long.
    Last,
}

impl Step {
    fn after(self, again: Duration) -> Duration {
        match self {
            Self::Soon => again / 10,
            Self::Later => again,
            Self::Last => again * 10,
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Soon => Some(Self::Later),
            Self::Later => Some(Self::Last),
            Self::Last => None,
        }
    }
}

/// What is read again, and when: decisions alone, no requests.
#[derive(Debug)]
struct Schedule {
    again: Duration,
    /// By height.
    blocks: VecDeque<Once>,
    /// Hashes of those that were told anew.
    retold: VecDeque<B256>,
}

impl Schedule {
    /// A block was read. `is_urgent`: it is to be looked at soon, too.
    fn read(&mut self, reading: Reading, is_urgent: bool, now: Instant) {
        self.cut(reading.header.block.number.saturating_sub(1));
        let step = if is_urgent { Step::Soon } else { Step::Later };
        let next = Some((step, now + step.after(self.again)));
        self.blocks.push_back(Once { reading, told: now, next, is_disputed: false });
        let is_read = |once: &Once| once.next.is_none() && !once.is_disputed;
        while self.blocks.len() > MOST || self.blocks.len() > KEPT && self.blocks.front().is_some_and(is_read)
        {
            self.blocks.pop_front();
        }
    }

    /// Blocks after this height are read anew, or are no more.
    fn cut(&mut self, to: u64) {
        while self.blocks.back().is_some_and(|once| once.number() > to) {
            self.blocks.pop_back();
        }
    }

    /// Something was left out after this block: what is remembered of that is read at once. Whether anything is.
    fn hurry(&mut self, after: u64, now: Instant) -> bool {
        let mut any = false;
        for once in self.blocks.iter_mut().rev().take_while(|once| once.number() > after) {
            once.next = Some((Step::Later, now));
            any = true;
        }
        any
    }

    /// What is to be read now, if anything, and whether it is late: blocks of one endpoint and one step. What is due soon goes with
    /// it.
    fn due(&self, now: Instant) -> Option<(Vec<Reading>, bool)> {
        let is_due = |once: &&Once| once.next.is_some_and(|(_, due)| due <= now);
        let first = self.blocks.iter().find(is_due)?;
        let (step, _) = first.next?;
        let (soon, end) = (now + step.after(self.again) / 2, first.number().saturating_add(AT_ONCE));
        let with = |once: &&Once| {
            (first.number()..end).contains(&once.number())
                && once.reading.by == first.reading.by
                && once.next.is_some_and(|(other, due)| other == step && due <= soon)
        };
        let readings = self.blocks.iter().filter(with).map(|once| once.reading.clone());
        Some((readings.collect(), step != Step::Soon))
    }

    /// What came of it. The lowest block that is to be told anew, if there is one.
    fn learn(&mut self, verdicts: &[(B256, Verdict)], now: Instant) -> Option<u64> {
        let mut anew = None;
        for (hash, verdict) in verdicts {
            let Some(once) = self.blocks.iter_mut().find(|once| once.reading.header.block.hash == *hash)
            else {
                continue;
            };
            let Some((step, _)) = once.next else { continue };
            let retold = self.retold.iter().filter(|other| *other == hash).count();
            once.is_disputed =
                *verdict == Verdict::Disputed || *verdict == Verdict::Other && retold >= TELLINGS;
            if *verdict == Verdict::Other && !once.is_disputed {
                self.retold.push_back(*hash);
                anew = Some(anew.map_or(once.number(), |lowest: u64| lowest.min(once.number())));
            }
            // A look that came to nothing is made up for by the next, and the last by another.
            let comes_again = once.is_disputed || *verdict == Verdict::Unread && step != Step::Soon;
            once.next = match step.next() {
                _ if comes_again => Some((step, now + self.again)),
                Some(next) => Some((next, once.told + next.after(self.again))),
                None => None,
            };
        }
        while self.retold.len() > MOST {
            self.retold.pop_front();
        }
        anew
    }

    /// This block was not told as it is, and it cannot be told anew.
    fn give_up(&mut self, height: u64) {
        self.blocks
            .iter_mut()
            .filter(|once| once.number() == height)
            .for_each(|once| once.is_disputed = true);
    }

    fn disputed(&self) -> Option<u64> {
        self.blocks.iter().find(|once| once.is_disputed).map(Once::number)
    }
}

/// The second readings of a follower's blocks.
#[derive(Debug)]
pub(super) struct Again {
    schedule: Schedule,
    looking: JoinSet<Vec<(B256, Verdict)>>,
}

impl Again {
    pub(super) fn new(again: Duration) -> Self {
        let schedule = Schedule { again, blocks: VecDeque::new(), retold: VecDeque::new() };
        Self { schedule, looking: JoinSet::new() }
    }

    /// A block was read; `is_several`: there is another endpoint to ask.
    pub(super) fn read(&mut self, reading: Reading, is_several: bool) {
        let is_urgent = reading.is_doubtful || is_several && !reading.marks.is_empty();
        self.schedule.read(reading, is_urgent, Instant::now());
    }

    pub(super) fn cut(&mut self, to: u64) {
        self.schedule.cut(to);
    }

    /// What was read is not what will be.
    pub(super) fn clear(&mut self) {
        self.schedule.blocks.clear();
        self.looking = JoinSet::new();
    }

    fn look(&mut self, reader: &Reader) {
        if !self.looking.is_empty() {
            return;
        }
        let Some((readings, is_late)) = self.schedule.due(Instant::now()) else { return };
        let reader = reader.clone();
        self.looking.spawn(async move { reader.again(&readings, is_late).await });
    }
}

impl Follower {
    /// Something after the block of height `after` was left out, as what came later shows: read again what is remembered of it,
    /// beside the following. A block of which more is told then is taken back and told anew. False if none of it is
    /// remembered.
    pub fn reread(&mut self, after: u64) -> bool {
        self.again.schedule.hurry(after, Instant::now())
    }

    /// Tell again what came after the block of height `after`, or after the next below that is remembered. False if nothing that is
    /// remembered lies before it.
    fn take_back(&mut self, after: u64) -> bool {
        let tip = self.cursor.back().map(|tip| tip.number);
        let to = self.cursor.iter().rev().find(|known| known.number <= after).copied();
        let Some(to) = to.filter(|to| Some(to.number) != tip) else { return false };
        // Read before it was known, and not stored.
        self.ready.clear();
        self.ready.push_back(Update::Reorg { to });
        true
    }

    /// Beside the following, read again what is due, and go back to a block that was not told as it is.
    pub(super) fn read_again(&mut self) {
        while let Some(looked) = self.again.looking.try_join_next() {
            let verdicts = match looked {
                Ok(verdicts) => verdicts,
                Err(error) => {
                    tracing::error!(%error, "a second reading ended");
                    self.again.schedule.blocks.clear();
                    continue;
                }
            };
            let anew = self.again.schedule.learn(&verdicts, Instant::now());
            if let Some(height) = anew {
                if self.take_back(height.saturating_sub(1)) {
                    tracing::warn!(block = height, "a block is told anew: its logs were not what was told");
                } else {
                    tracing::error!(
                        block = height,
                        "a block was not told as it is, and lies too deep to be told anew"
                    );
                    self.again.schedule.give_up(height);
                }
            }
            let disputed = self.again.schedule.disputed();
            self.health
                .send_if_modified(|health| std::mem::replace(&mut health.disputed, disputed) != disputed);
        }
        self.again.look(&self.reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::chain;

    const AGAIN: Duration = Duration::from_secs(30);

    fn reading(number: u64) -> Reading {
        let header = chain(1, number, number, B256::ZERO)[0];
        Reading { header, marks: Vec::new(), by: 0, is_doubtful: false }
    }

    fn schedule(blocks: impl IntoIterator<Item = (u64, bool)>, now: Instant) -> Schedule {
        let mut schedule = Schedule { again: AGAIN, blocks: VecDeque::new(), retold: VecDeque::new() };
        blocks.into_iter().for_each(|(number, is_urgent)| schedule.read(reading(number), is_urgent, now));
        schedule
    }

    fn schedule_of_read(now: Instant) -> Schedule {
        let mut schedule = schedule((1..=2_000).map(|number| (number, false)), now);
        schedule.blocks.iter_mut().for_each(|once| once.next = None);
        schedule
    }

    fn due(schedule: &Schedule, now: Instant) -> Option<(Vec<u64>, bool)> {
        let (readings, is_late) = schedule.due(now)?;
        Some((readings.iter().map(|reading| reading.header.block.number).collect(), is_late))
    }

    fn all(numbers: &[u64], verdict: Verdict) -> Vec<(B256, Verdict)> {
        numbers.iter().map(|number| (reading(*number).header.block.hash, verdict)).collect()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_block_is_read_again_and_once_more_and_an_urgent_one_before() {
        let now = Instant::now();
        let mut schedule = schedule([(1, false), (2, true), (3, false)], now);
        assert_eq!(due(&schedule, now + secs(2)), None);
        assert_eq!(due(&schedule, now + secs(3)), Some((vec![2], false)));
        assert_eq!(schedule.learn(&all(&[2], Verdict::Unread), now + secs(3)), None);
        assert_eq!(due(&schedule, now + secs(29)), None, "it is made up for later");
        assert_eq!(due(&schedule, now + secs(30)), Some((vec![1, 2, 3], true)));
        schedule.learn(&all(&[1, 2], Verdict::Same), now + secs(30));
        schedule.learn(&all(&[3], Verdict::Unread), now + secs(30));
        assert_eq!(due(&schedule, now + secs(60)), Some((vec![3], true)), "until it is");
        schedule.learn(&all(&[3], Verdict::Same), now + secs(60));
        assert_eq!(due(&schedule, now + secs(299)), None);
        assert_eq!(due(&schedule, now + secs(300)), Some((vec![1, 2, 3], true)));
        schedule.learn(&all(&[1, 2, 3], Verdict::Same), now + secs(300));
        assert_eq!(due(&schedule, now + secs(9_000)), None);
        // Unless something was left out.
        assert!(schedule.hurry(1, now + secs(9_000)) && !schedule.hurry(3, now + secs(9_000)));
        assert_eq!(due(&schedule, now + secs(9_000)), Some((vec![2, 3], true)));
    }

    #[test]
    fn the_lowest_block_that_was_not_told_as_it_is_is_told_anew_but_not_for_ever() {
        let now = Instant::now();
        let mut schedule = schedule((1..=5).map(|number| (number, false)), now);
        let mut at = now;
        for _ in 0..TELLINGS {
            assert_eq!(schedule.learn(&all(&[2, 4], Verdict::Other), at), Some(2));
            schedule.cut(1);
            at += secs(1);
            (2..=5).for_each(|number| schedule.read(reading(number), true, at));
        }
        assert_eq!(schedule.learn(&all(&[2, 4], Verdict::Other), at), None);
        assert_eq!(schedule.disputed(), Some(2), "but it is said");
        schedule.learn(&all(&[2, 4], Verdict::Same), at);
        assert_eq!(schedule.disputed(), None);
    }

    #[test]
    fn only_so_many_are_remembered_and_what_is_cut_is_not() {
        let now = Instant::now();
        let mut schedule = schedule((1..=5_000).map(|number| (number, false)), now);
        assert_eq!(schedule.blocks.len(), MOST);
        let mut read = schedule_of_read(now);
        read.read(reading(5_001), false, now);
        assert_eq!(read.blocks.len(), KEPT, "fewer of those that need not be read again");
        schedule.cut(4_990);
        assert_eq!(schedule.blocks.back().map(|once| once.reading.header.block.number), Some(4_990));
        assert_eq!(due(&schedule, now + secs(30)).map(|(numbers, _)| numbers.len() as u64), Some(AT_ONCE));
    }

    #[test]
    fn a_look_is_of_blocks_that_one_endpoint_told_at_one_step() {
        let now = Instant::now();
        let mut schedule = schedule((1..=3).map(|number| (number, false)), now);
        schedule.blocks[1].reading.by = 1;
        assert_eq!(due(&schedule, now + secs(30)), Some((vec![1, 3], true)));
        schedule.learn(&all(&[1], Verdict::Same), now + secs(30));
        schedule.read(reading(4), false, now + secs(299));
        assert_eq!(due(&schedule, now + secs(299)), Some((vec![2], true)));
        schedule.learn(&all(&[2, 3], Verdict::Same), now + secs(300));
        assert_eq!(due(&schedule, now + secs(300)), Some((vec![1, 3], true)), "not the one just told");
    }
}
