//! Whether all slots of a market, and all blocks of its rollup, were told of. A market numbers its slots one after the other, a
//! rollup posts a block with each, and a block names the one that it builds on, so what comes after tells of what was withheld.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use provery_types::{BlockRef, Event, LoggedEvent, SlotKey};
use provery_workloads::Numbered;
use serde::{Deserialize, Serialize};

use super::{Facts, inputs::source_log};

/// Gaps of one line that are remembered: the newest.
const GAPS_KEPT: usize = 16;

/// Whose numbers are counted: a market's slots, or the blocks that a rollup posted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Counted {
    /// The market's id.
    pub market: U256,
    /// Whose blocks they are; nothing if they are the market's slots.
    pub rollup: Option<Address>,
}

/// Numbers that must have been told, and were not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Missing {
    /// The lowest.
    pub first: u64,
    /// The highest, which is missing too.
    pub last: u64,
    /// The chain's block in which the last one before them was told.
    pub after: u64,
    /// The chain's block that showed that they are missing, and its time (unix seconds).
    pub shown_in: u64,
    /// That block's time (unix seconds).
    pub shown_at: u64,
}

/// How far one line of numbers was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What was said up to this block is counted already: of it not every event is kept.
    until: u64,
    /// The highest number told of; nothing if none was, and where the line begins is not known either.
    newest: Option<u64>,
    /// The block in which that was told.
    told_in: u64,
    missing: Vec<Missing>,
}

impl Line {
    /// The first number is 1.
    fn begins(&mut self, block: &BlockRef) {
        if block.number > self.until && self.newest.is_none() {
            (self.newest, self.told_in) = (Some(0), block.number);
        }
    }

    /// This number is told of.
    fn told(&mut self, number: u64, block: &BlockRef) {
        self.fill(number);
        if block.number > self.until && self.newest.is_none_or(|newest| number >= newest) {
            (self.newest, self.told_in) = (Some(number), block.number);
        }
    }

    /// Numbers from `first` on up to this one were there before, as this block shows.
    fn implied(&mut self, first: u64, last: u64, block: &BlockRef) {
        let Some(newest) = self.newest.filter(|newest| last > *newest && block.number > self.until) else {
            return;
        };
        let first = first.max(newest.saturating_add(1));
        let (after, shown_in, shown_at) = (self.told_in, block.number, block.timestamp);
        self.missing.push(Missing { first, last, after, shown_in, shown_at });
        self.newest = Some(last);
        self.bound();
    }

    fn fill(&mut self, number: u64) {
        let Some(at) = self.missing.iter().position(|gap| (gap.first..=gap.last).contains(&number)) else {
            return;
        };
        let gap = self.missing.remove(at);
        let before = (number > gap.first).then(|| Missing { last: number - 1, ..gap });
        let after = (number < gap.last).then(|| Missing { first: number + 1, ..gap });
        self.missing.splice(at..at, before.into_iter().chain(after));
        self.bound();
    }

    fn bound(&mut self) {
        let too_many = self.missing.len().saturating_sub(GAPS_KEPT);
        self.missing.drain(..too_many);
    }
}

/// Every line that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told(BTreeMap<Counted, Line>);

impl Told {
    fn slots(&mut self, market: U256) -> &mut Line {
        self.0.entry(Counted { market, rollup: None }).or_default()
    }

    fn blocks(&mut self, market: U256, rollup: Address) -> &mut Line {
        self.0.entry(Counted { market, rollup: Some(rollup) }).or_default()
    }
}

impl Facts {
    /// Count on from these.
    pub(crate) fn counted_so_far(&mut self, lines: impl IntoIterator<Item = (Counted, Line)>) {
        self.told.0.extend(lines);
    }

    /// The lines as they are now, of which no event up to block `until` need be counted again.
    pub(crate) fn counted_until(&self, until: u64) -> impl Iterator<Item = (Counted, Line)> {
        let line = move |line: &Line| Line { until: line.until.max(until), ..line.clone() };
        self.told.0.iter().map(move |(counted, it)| (*counted, line(it)))
    }

    /// What must have been told of what is served, and was not. A rollup that says what makes no sense may name any block.
    pub fn untold(&self) -> impl Iterator<Item = (Counted, Missing)> {
        let sensible = |counted: &Counted| {
            let tracked = counted.rollup.map(|address| self.tracked.get(&address));
            tracked.is_none_or(|tracked| tracked.is_some_and(|tracked| tracked.nonsense().is_none()))
        };
        let lines = self.told.0.iter().filter(move |(counted, _)| {
            self.is_served(counted.market) && self.is_complete(counted.market) && sensible(counted)
        });
        lines.flat_map(|(counted, line)| line.missing.iter().map(|gap| (*counted, *gap)))
    }

    /// Whether each slot of a market that this contract opens comes with a numbered log of its workload's.
    fn numbers_slots(&self, rollup: Address, market: U256) -> bool {
        self.tracked.get(&rollup).is_some_and(|tracked| tracked.id() == market && tracked.numbers_slots())
    }

    /// A market's newest slot, if it is known from its number: also if all that was opened has been forgotten.
    pub(super) fn newest_told(&self, market: U256) -> Option<u64> {
        self.told.0.get(&Counted { market, rollup: None })?.newest
    }

    /// Take an event into account, before it is applied.
    pub(crate) fn count(&mut self, logged: &LoggedEvent) {
        let block = &logged.block;
        match &logged.event {
            // Its first terms come with the market itself.
            Event::TermsSet { market, .. } => {
                if !self.market_terms.contains_key(market) {
                    self.told.slots(*market).begins(block);
                }
            }
            Event::SlotOpened { slot, terms_hash, .. } => {
                let line = self.told.slots(slot.market);
                line.implied(1, slot.id.saturating_sub(1), block);
                line.told(slot.id, block);
                // What it is about is told of in the same transaction.
                let requester = self.terms.get(terms_hash).map(|terms| terms.requester);
                if let Some(rollup) =
                    requester.filter(|requester| self.numbers_slots(*requester, slot.market))
                {
                    self.told.blocks(slot.market, rollup).implied(slot.id, slot.id, block);
                }
            }
            Event::WorkloadLog { .. } => {
                let Some(log) = source_log(logged) else { return };
                let said = self
                    .watchers(logged.address)
                    .filter_map(|it| Some((it.id(), it.address(), it.numbered(&log)?)));
                for (market, rollup, said) in said.collect::<Vec<_>>() {
                    let line = self.told.blocks(market, rollup);
                    match said {
                        Numbered::Begins => line.begins(block),
                        Numbered::Number(number) => line.told(number, block),
                    }
                }
            }
            event => {
                if let Some(SlotKey { market, id }) = shown_by(event) {
                    self.told.slots(market).implied(1, id, block);
                }
            }
        }
    }
}

/// The slot that must have been opened before the market says this of it.
fn shown_by(event: &Event) -> Option<SlotKey> {
    match event {
        Event::SlotAssigned { slot } | Event::SlotTransferred { slot, .. } => Some(SlotKey::of(slot)),
        Event::SlotProven { market, id, .. }
        | Event::SlotExpired { market, id, .. }
        | Event::SlotCancelled { market, id }
        | Event::SlotDropped { market, id, .. }
        | Event::SlotPending { market, id, .. }
        | Event::SlotResolved { market, id, .. }
        | Event::SlotEstablished { market, id, .. }
        | Event::ChainCut { market, id, .. } => Some(SlotKey { market: *market, id: *id }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block;

    fn missing(line: &Line) -> Vec<(u64, u64, u64)> {
        line.missing.iter().map(|gap| (gap.first, gap.last, gap.after)).collect()
    }

    fn opened(line: &mut Line, number: u64, in_block: u64) {
        line.implied(1, number - 1, &block(in_block));
        line.told(number, &block(in_block));
    }

    #[test]
    fn a_number_that_is_left_out_is_missing_until_it_is_told() {
        let mut line = Line::default();
        line.begins(&block(1));
        opened(&mut line, 1, 2);
        opened(&mut line, 2, 2);
        assert_eq!(missing(&line), []);
        opened(&mut line, 6, 5);
        assert_eq!(missing(&line), [(3, 5, 2)]);
        line.told(4, &block(3));
        assert_eq!(missing(&line), [(3, 3, 2), (5, 5, 2)]);
        line.told(3, &block(3));
        line.told(5, &block(4));
        assert_eq!(missing(&line), []);
        opened(&mut line, 7, 6);
        assert_eq!(missing(&line), [], "none after them is missing");
        // Something is said of the ninth.
        line.implied(1, 9, &block(8));
        assert_eq!(missing(&line), [(8, 9, 6)]);
    }

    #[test]
    fn the_first_is_missing_only_where_the_beginning_is_known() {
        let mut known = Line::default();
        known.begins(&block(1));
        opened(&mut known, 2, 3);
        assert_eq!(missing(&known), [(1, 1, 1)]);
        let mut unknown = Line::default();
        unknown.implied(1, 4, &block(2));
        opened(&mut unknown, 9, 3);
        assert_eq!(missing(&unknown), []);
        opened(&mut unknown, 11, 4);
        assert_eq!(missing(&unknown), [(10, 10, 3)]);
    }

    #[test]
    fn what_is_counted_already_is_not_counted_again_and_fills_gaps_all_the_same() {
        let mut line = Line { until: 10, ..Line::default() };
        line.begins(&block(1));
        opened(&mut line, 3, 4);
        opened(&mut line, 8, 9);
        assert_eq!((missing(&line), line.newest), (vec![], None));
        opened(&mut line, 12, 11);
        opened(&mut line, 15, 12);
        line.until = 20;
        opened(&mut line, 99, 12);
        assert_eq!(missing(&line), [(13, 14, 11)]);
        line.told(13, &block(12));
        assert_eq!(missing(&line), [(14, 14, 11)]);
    }

    #[test]
    fn whatever_numbers_come_the_gaps_have_a_bound() {
        let mut line = Line::default();
        line.begins(&block(1));
        for n in 1..200 {
            opened(&mut line, 3 * n, n + 1);
        }
        opened(&mut line, u64::MAX, 300);
        assert_eq!(line.missing.len(), GAPS_KEPT);
        line.told(u64::MAX - 5, &block(300));
        line.told(u64::MAX, &block(301));
        assert_eq!(line.missing.len(), GAPS_KEPT);
        assert_eq!(line.missing.last().map(|gap| (gap.first, gap.last)), Some((u64::MAX - 4, u64::MAX - 1)));
    }
}
