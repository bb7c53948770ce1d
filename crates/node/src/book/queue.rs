//! What waits for a worker, counted once a pass.

use std::collections::{BTreeMap, BTreeSet};

use provery_types::{Slot, SlotKey};

use super::{Book, Policy};
use crate::slots::SlotStage;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Slots that are proven or about to be, and the end of their windows if they only wait.
    taken: BTreeMap<SlotKey, Option<u64>>,
    /// The ends of windows of those that wait, in order.
    waiting: Vec<u64>,
    /// Slots that this node may still win because it bid on them.
    bids: BTreeSet<SlotKey>,
}

impl Queue {
    /// A slot has gone from one stage to another.
    pub(super) fn moved(&mut self, key: SlotKey, slot: &Slot, before: Option<SlotStage>, after: SlotStage) {
        if before == Some(after) {
            return;
        }
        if let Some(Some(until)) = self.taken.remove(&key) {
            let at = self.waiting.partition_point(|other| *other < until);
            if self.waiting.get(at) == Some(&until) {
                self.waiting.remove(at);
            }
        }
        self.take(key, slot, after);
    }

    fn take(&mut self, key: SlotKey, slot: &Slot, stage: SlotStage) {
        match stage {
            SlotStage::Proving => {
                self.taken.insert(key, None);
            }
            SlotStage::Queued => {
                let until = slot.exclusiveUntil.to::<u64>();
                self.taken.insert(key, Some(until));
                self.waiting.insert(self.waiting.partition_point(|other| *other <= until), until);
            }
            _ => {}
        }
    }

    /// Proofs that are made before one of `key`. `held_until`: the end of its window, if it is this prover's: of its own slots
    /// the node proves the most urgent first.
    fn ahead(&self, key: SlotKey, held_until: Option<u64>) -> usize {
        let proving = self.taken.len() - self.waiting.len();
        let waiting =
            held_until.map_or(self.waiting.len(), |until| self.waiting.partition_point(|it| *it <= until));
        let itself = match self.taken.get(&key) {
            Some(None) => 1,
            Some(Some(until)) => usize::from(held_until.is_none_or(|held| *until <= held)),
            None => 0,
        };
        let bids = match held_until {
            Some(_) => 0,
            None => self.bids.iter().filter(|bid| **bid != key && !self.taken.contains_key(bid)).count(),
        };
        (proving + waiting + bids).saturating_sub(itself)
    }
}

impl Book {
    pub(super) fn queue(&self, policy: &Policy) -> Queue {
        self.queues.update(|queues| queues + 1);
        let mut queue = Queue::default();
        for (key, record) in &self.work {
            queue.take(*key, &record.slot, record.work.stage);
        }
        let undecided = self.facts.slots().filter(|(_, fact)| fact.slot.prover.is_zero());
        queue.bids = undecided.map(|(key, _)| key).filter(|key| self.bid(*key, policy).is_some()).collect();
        queue
    }

    /// Seconds until a worker is free for the slot `key`: what is queued or being proven apart from it, and what this node
    /// may still win because it has bid on it, shared among the workers.
    pub(super) fn queue_seconds(&self, key: SlotKey, policy: &Policy, queue: &Queue) -> u64 {
        let held = self.work.get(&key).filter(|record| record.slot.prover == self.me);
        let ahead = queue.ahead(key, held.map(|record| record.slot.exclusiveUntil.to::<u64>())) as u64;
        ahead.saturating_mul(policy.estimated_proving_seconds).div_ceil(policy.workers.max(1))
    }
}
