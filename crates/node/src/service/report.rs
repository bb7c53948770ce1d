//! What is said when work moves.

use serde_json::json;
use tracing::{info, warn};

use super::Service;
use super::sends::{wei, whole_millis};
use crate::book::Moved;
use crate::facts::Ending;
use crate::report::millis;
use crate::slots::SlotStage;

impl Service {
    /// Report a slot that was won or ended.
    pub(super) fn report(&self, step: &Moved) {
        let key = step.key;
        if step.won && !step.after.ended() {
            let until = self.book.record(key).map(|record| record.slot.exclusiveUntil.to::<u64>());
            info!(market = %key.market, slot = key.id, exclusive_until = until, "slot won");
            self.reporter.slot("slot_won", key, None, json!({ "exclusive_until": until }));
        }
        if !step.after.ended() || step.before == Some(step.after) {
            return;
        }
        let Some(ended) = self.book.facts().slot(key).and_then(|fact| fact.ended.as_ref()) else { return };
        let mine = self.book.record(key).is_some_and(|record| record.slot.prover == self.config.prover);
        match &ended.how {
            Ending::Proven { payee, reward, premium, missed_by } if *payee == self.config.prover => {
                let took = self.since_seen(key);
                self.watch.observer.slot_ended(if missed_by.is_some() { "rescued" } else { "proven" });
                if let Some(took) = took {
                    self.watch.observer.phase("slot", took);
                }
                let fields = json!({ "reward": wei(*reward), "premium": wei(*premium), "tx": ended.tx });
                info!(
                    market = %key.market, slot = key.id, %reward, %premium, tx = %ended.tx, ms = whole_millis(took),
                    "slot settled"
                );
                self.reporter.slot("settled", key, took, fields.clone());
                if let (Some(missed_by), serde_json::Value::Object(mut fields)) = (missed_by, fields) {
                    fields.insert("missed_by".to_owned(), json!(missed_by));
                    self.reporter.slot("rescued", key, took, fields.into());
                }
            }
            Ending::Proven { payee, missed_by, .. } => {
                let slashed = *missed_by == Some(self.config.prover);
                if slashed {
                    warn!(market = %key.market, slot = key.id, to = %payee, "slot was missed and the bond slashed");
                }
                let wasted =
                    self.effort.get(&key).map(|(since, took)| took.unwrap_or_else(|| since.elapsed()));
                if slashed || wasted.is_some() || matches!(step.after, SlotStage::Lost { .. }) {
                    let wasted_ms = wasted.map(millis);
                    info!(market = %key.market, slot = key.id, to = %payee, slashed, wasted_ms, "slot lost");
                    self.watch.observer.slot_ended(if slashed { "missed" } else { "lost" });
                    let fields = json!({ "to": payee, "slashed": slashed, "wasted_ms": wasted_ms });
                    self.reporter.slot("lost", key, None, fields);
                }
            }
            Ending::Expired => {
                if mine || step.before.is_some_and(|before| before.engaged()) {
                    info!(market = %key.market, slot = key.id, "slot expired");
                    self.watch.observer.slot_ended("expired");
                    self.reporter.slot("expired", key, None, json!({}));
                }
            }
            Ending::Cancelled => self.watch.observer.slot_ended("cancelled"),
        }
    }
}
