//! Work brought in step with the facts: what each slot's stage becomes. Nothing is written here; what is to be is added to the
//! changes of one transaction.

use provery_types::SlotKey;

use super::{Book, Moved, unix_millis};
use crate::{
    error::NodeError,
    facts::{Ending, SlotFact},
    slots::{Action, Input, Work, step},
    store::{Changes, WorkRecord},
};

impl Book {
    /// What facts about these slots lead to.
    pub(super) fn reconcile(
        &mut self,
        keys: impl IntoIterator<Item = SlotKey>,
        changes: &mut Changes,
    ) -> Result<Vec<Moved>, NodeError> {
        let mut moved = Vec::new();
        for key in keys {
            let Some(fact) = self.facts.slot(key).cloned() else {
                // A reorg took the slot back. Its proof stays: the slot may well be opened again as it was.
                self.duty.forget(key);
                if let Some(record) = self.work.remove(&key) {
                    changes.forget.push(key);
                    let step = step(record.work, &Input::Replaced);
                    let actions =
                        step.actions.into_iter().filter(|action| *action == Action::CancelProof).collect();
                    let (before, after) = (Some(record.work.stage), step.work.stage);
                    moved.push(Moved { key, before, after, actions, won: false });
                }
                continue;
            };
            if !self.serves(key.market) {
                continue;
            }
            moved.extend(self.reconcile_one(key, &fact, changes)?);
        }
        Ok(moved)
    }

    fn reconcile_one(
        &mut self,
        key: SlotKey,
        fact: &SlotFact,
        changes: &mut Changes,
    ) -> Result<Option<Moved>, NodeError> {
        let known = self.work.get(&key).cloned();
        let before = known.as_ref().map(|record| record.work.stage);
        let held_before = known.as_ref().is_some_and(|record| record.slot.prover == self.me);
        let mut record = known.unwrap_or_else(|| WorkRecord {
            work: Work::default(),
            slot: fact.slot.clone(),
            seen_ms: unix_millis(),
        });
        let mut inputs = Vec::new();
        if record.slot.statement != fact.slot.statement {
            inputs.push(Input::Replaced);
        } else if record.slot != fact.slot {
            inputs.push(Input::Changed);
        }
        match &fact.ended {
            Some(ended) => inputs.push(self.ending_input(&ended.how)),
            None if record.work.stage.ended() => {
                inputs.push(Input::Reopened { has_proof: self.has_proof(key)? })
            }
            None => {}
        }
        record.slot = fact.slot.clone();
        let mut actions = Vec::new();
        for input in &inputs {
            let next = step(record.work, input);
            record.work = next.work;
            actions.extend(next.actions);
        }
        let after = record.work.stage;
        let won = fact.ended.is_none() && fact.slot.prover == self.me && !held_before;
        if self.work.get(&key) != Some(&record) {
            changes.work.push((key, record.clone()));
            if actions.contains(&Action::DropProof) {
                changes.drop_proofs.push(key);
            }
            self.work.insert(key, record);
        }
        let changed = before != Some(after) || !actions.is_empty() || won;
        Ok(changed.then_some(Moved { key, before, after, actions, won }))
    }

    fn ending_input(&self, ending: &Ending) -> Input {
        match ending {
            Ending::Proven { payee, .. } => Input::Proven { payee: *payee, by_me: *payee == self.me },
            Ending::Expired => Input::Expired,
            Ending::Cancelled => Input::Cancelled,
            Ending::Dropped { .. } => Input::Dropped,
        }
    }

    /// What an input to one slot leads to.
    pub(super) fn advance(&mut self, key: SlotKey, input: &Input, changes: &mut Changes) -> Option<Moved> {
        let record = self.work.get_mut(&key)?;
        let before = record.work;
        let step = step(before, input);
        if step.work == before && step.actions.is_empty() {
            return None;
        }
        record.work = step.work;
        changes.work.push((key, record.clone()));
        if step.actions.contains(&Action::DropProof) {
            changes.drop_proofs.push(key);
        }
        Some(Moved {
            key,
            before: Some(before.stage),
            after: step.work.stage,
            actions: step.actions,
            won: false,
        })
    }
}
