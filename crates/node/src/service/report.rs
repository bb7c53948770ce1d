//! What is said when work moves. However a slot ends, one line of the log says how, if this node had anything to do with it.

use std::time::Duration;

use alloy::primitives::U256;
use serde_json::json;
use tracing::{info, warn};

use super::Service;
use super::journey::in_millis;
use crate::book::Moved;
use crate::facts::{Ended, Ending, SlotKey};
use crate::report::millis;
use crate::slots::SlotStage;

/// How a slot ended, for this prover. Losing is not failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Proven by this prover, which held it or took it when it was open to all.
    Proven,
    /// Proven by this prover after another missed it.
    Rescued,
    /// Proven by another, after work went into it here.
    Lost,
    /// Held by this prover, and proven by another.
    Missed,
    Expired,
    Cancelled,
    Dropped,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Rescued => "rescued",
            Self::Lost => "lost",
            Self::Missed => "missed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Dropped => "dropped",
        }
    }
}

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
        if let Some(outcome) = self.outcome(step, &ended.how) {
            self.say(key, outcome, ended);
        }
    }

    /// What the end means here; nothing if this node had nothing to do with the slot.
    fn outcome(&self, step: &Moved, how: &Ending) -> Option<Outcome> {
        let me = self.config.prover;
        let mine = self.book.record(step.key).is_some_and(|record| record.slot.prover == me);
        let engaged = step.before.is_some_and(|before| before.engaged());
        match how {
            Ending::Proven { payee, missed_by, .. } if *payee == me => {
                Some(if missed_by.is_some() { Outcome::Rescued } else { Outcome::Proven })
            }
            Ending::Proven { missed_by, .. } if *missed_by == Some(me) => Some(Outcome::Missed),
            Ending::Proven { .. } => {
                let worked = self.effort(step.key).is_some() || matches!(step.after, SlotStage::Lost { .. });
                worked.then_some(Outcome::Lost)
            }
            Ending::Expired => (mine || engaged).then_some(Outcome::Expired),
            Ending::Cancelled => engaged.then_some(Outcome::Cancelled),
            Ending::Dropped { .. } => (mine || engaged).then_some(Outcome::Dropped),
        }
    }

    fn say(&self, key: SlotKey, outcome: Outcome, ended: &Ended) {
        let took = self.since_seen(key);
        let phases = self.journeys.get(&key).map(|journey| journey.phases()).unwrap_or_default();
        let phases_ms = in_millis(&phases).to_string();
        let (reward, premium) = match ended.how {
            Ending::Proven { reward, premium, .. } => (reward, premium),
            _ => Default::default(),
        };
        let wasted_ms = self.effort(key).map(millis);
        self.watch.ended(outcome.name(), took, &phases);
        info!(
            market = %key.market, slot = key.id, outcome = outcome.name(), tx = %ended.tx, %reward, %premium,
            ms = took.map(millis), phases_ms, "slot ended"
        );
        match (&ended.how, outcome) {
            (Ending::Proven { missed_by, .. }, Outcome::Proven | Outcome::Rescued) => {
                let mut fields = json!({ "reward": wei(reward), "premium": wei(premium), "tx": ended.tx });
                self.reporter.slot("settled", key, took, fields.clone());
                if missed_by.is_some() {
                    fields["missed_by"] = json!(missed_by);
                    self.reporter.slot("rescued", key, took, fields);
                }
            }
            (Ending::Proven { payee, .. }, _) => {
                let slashed = outcome == Outcome::Missed;
                if slashed {
                    warn!(
                        market = %key.market, slot = key.id, to = %payee, code = "slot_missed",
                        "slot was missed and the bond slashed"
                    );
                }
                let fields = json!({ "to": payee, "slashed": slashed, "wasted_ms": wasted_ms });
                self.reporter.slot("lost", key, None, fields);
            }
            (Ending::Expired, _) => self.reporter.slot("expired", key, None, json!({})),
            (Ending::Cancelled, _) => self.reporter.slot("cancelled", key, None, json!({})),
            (Ending::Dropped { fee }, _) => {
                self.reporter.slot("dropped", key, None, json!({ "fee": wei(*fee) }));
            }
        }
    }

    fn effort(&self, key: SlotKey) -> Option<Duration> {
        self.journeys.get(&key).and_then(|journey| journey.effort())
    }
}

/// Asset wei as reports have it.
pub(super) fn wei(amount: U256) -> serde_json::Value {
    json!(amount.to_string())
}
