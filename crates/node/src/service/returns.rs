//! Blocks that are taken back often come again with the same in them, and those that are read again always do. What was begun
//! for their slots goes on, and what was reported of them is not reported twice.

use std::collections::{HashMap, HashSet, VecDeque};

use alloy::primitives::B256;
use provery_types::SlotKey;

use super::Service;
use crate::book::Moved;
use crate::error::NodeError;
use crate::slots::{Action, Input, SlotStage};

/// Reports that are remembered: more than the blocks that can be taken back usually lead to.
const REPORTS_KEPT: usize = 4_096;
/// Blocks after the one that was the head in which a slot must be there again, or its proof is of no use.
const WITHIN: u64 = 2;

/// What was said of a slot, and by which event.
type Report = (SlotKey, &'static str, B256);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// Proofs under way of slots that were taken back, and the block by which these must have come again.
    proofs: HashMap<SlotKey, u64>,
    /// The newest last.
    reported: VecDeque<Report>,
    /// Reported of blocks that may have been taken back since.
    again: HashSet<Report>,
}

impl Returns {
    /// Blocks were taken back, and whatever was said may come again.
    pub fn taken_back(&mut self) {
        self.again.extend(self.reported.iter().copied());
    }

    /// Whether this is news; from now on it is not.
    pub fn is_news(&mut self, key: SlotKey, what: &'static str, by: B256) -> bool {
        let report = (key, what, by);
        if self.again.remove(&report) {
            return false;
        }
        self.reported.push_back(report);
        if self.reported.len() > REPORTS_KEPT
            && let Some(old) = self.reported.pop_front()
        {
            self.again.remove(&old);
        }
        true
    }

    pub fn clear_proofs(&mut self) {
        self.proofs.clear();
    }
}

impl Service {
    /// Slots may be gone with the blocks that they were in: a proof of one goes on for a moment all the same.
    pub(super) fn keep_proofs(&mut self, moved: &mut [Moved], head: u64) {
        for step in moved.iter_mut().filter(|step| self.book.record(step.key).is_none()) {
            let (cancels, rest): (Vec<_>, Vec<_>) =
                step.actions.drain(..).partition(|action| *action == Action::CancelProof);
            step.actions = rest;
            if !cancels.is_empty() {
                self.returns.proofs.insert(step.key, head.saturating_add(WITHIN));
            }
        }
    }

    /// Take up the proofs of slots that are there again, and stop those of slots that are not.
    pub(super) fn mind_returns(&mut self) -> Result<(), NodeError> {
        let head = self.book.head().map_or(0, |head| head.number);
        for (key, by) in self.returns.proofs.clone() {
            let proven = self.workers.proves(key);
            let known = self.book.record(key).map(|record| (record.work.stage, record.slot.statement));
            match known {
                _ if proven.is_none() => {}
                None if head < by => continue,
                Some((SlotStage::Seen, statement)) if proven == Some(statement) => continue,
                Some((SlotStage::Queued, statement)) if proven == Some(statement) => {
                    self.input(key, &Input::ProofStarted)?;
                }
                // Kept when it is done.
                Some((SlotStage::Waiting { .. }, statement)) if proven == Some(statement) => {}
                _ => self.workers.cancel(key),
            }
            self.returns.proofs.remove(&key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MARKET;

    #[test]
    fn what_comes_again_as_it_was_is_no_news() {
        let (mut returns, key) = (Returns::default(), SlotKey { market: MARKET, id: 1 });
        let [one, other] = [B256::repeat_byte(1), B256::repeat_byte(2)];
        assert!(returns.is_news(key, "won", one) && returns.is_news(key, "proven", one));
        returns.taken_back();
        assert!(!returns.is_news(key, "won", one) && !returns.is_news(key, "proven", one));
        returns.taken_back();
        assert!(returns.is_news(key, "proven", other), "in another transaction");
        assert!(!returns.is_news(key, "won", one), "once more");
        assert!(returns.is_news(SlotKey { id: 2, ..key }, "won", one));
        for id in 0..2 * REPORTS_KEPT as u64 {
            returns.taken_back();
            returns.is_news(SlotKey { id, ..key }, "expired", one);
        }
        assert!(returns.reported.len() <= REPORTS_KEPT && returns.again.len() <= REPORTS_KEPT);
    }
}
