//! How slots end that no proof ends: what is due now.

use provery_mechanisms::{
    upkeep::{expire_at, resolve_at, should_drop},
    view::expires_at,
};
use provery_types::{SlotKey, Terms};

use super::{Book, Policy, queue::Queue, turns::Turn};
use crate::{
    facts::{Pending, Premise, SlotFact},
    slots::SlotStage,
};

/// What is to be sent for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nobody proved it in time.
    Expire,
    /// It was proven before its premise was settled.
    Resolve,
    /// It fell with its premise, and is not worth a proof.
    Drop,
}

impl Book {
    /// What is due now, by slot.
    pub fn due(&mut self, policy: &Policy) -> Vec<(SlotKey, Due)> {
        let mut due = Vec::new();
        let mut fallen = Vec::new();
        let unsettled = self.facts.slots().filter(|(key, fact)| !fact.settled() && self.serves(key.market));
        for (key, fact) in unsettled {
            let Some(terms) = self.facts.terms(fact.terms_hash) else { continue };
            if let Some(pending) = fact.pending {
                if self.resolves(fact, pending, policy.now) {
                    due.push((key, Due::Resolve));
                }
                continue;
            }
            let expired = policy.now >= expires_at(&fact.slot, terms);
            let rank = || self.rank(Turn::Upkeep, &fact.slot);
            if expired && policy.now >= expire_at(&fact.slot, terms, self.me, rank) {
                // The holder of one that fell is credited what would be burned.
                let fallen = fact.premise_fell && !fact.slot.prover.is_zero();
                due.push((key, if fallen { Due::Drop } else { Due::Expire }));
            } else if fact.premise_fell && fact.slot.prover == self.me {
                fallen.push((key, terms.clone()));
            }
        }
        let queue = if fallen.is_empty() { Queue::default() } else { self.queue(policy) };
        for (key, terms) in fallen {
            if self.drops(key, &terms, policy, &queue) {
                due.push((key, Due::Drop));
            }
        }
        due
    }

    fn resolves(&self, fact: &SlotFact, pending: Pending, now: u64) -> bool {
        let since = fact.premise_settled_at.unwrap_or_default();
        self.facts.premise(fact) != Premise::Open
            && now
                >= resolve_at(&fact.slot, pending.payee, since, self.me, || {
                    self.rank(Turn::Upkeep, &fact.slot)
                })
    }

    /// Whether to drop a slot of this prover's whose premise fell. What is being proven or delivered goes on.
    fn drops(&mut self, key: SlotKey, terms: &Terms, policy: &Policy, queue: &Queue) -> bool {
        let Some(record) = self.work.get(&key) else { return false };
        let slot = record.slot.clone();
        let provable = match record.work.stage {
            SlotStage::Proving | SlotStage::Proved { .. } | SlotStage::Submitting => return false,
            SlotStage::Ignored | SlotStage::Failed => false,
            _ => self.at_hand(key).is_ok(),
        };
        let queued = self.queue_seconds(key, policy, queue);
        let delivery = queued.saturating_add(policy.estimated_proving_seconds);
        should_drop(&slot, terms, policy.now, delivery, policy.minimum_reward, provable)
    }
}
