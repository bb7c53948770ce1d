//! What is said when work moves. However a slot ends, one line of the log says how, if this node had anything to do with it.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use provery_types::{Event, LoggedEvent, SlotExt as _, SlotKey};
use serde_json::json;
use tracing::{info, warn};

use super::Service;
use super::slot_timings::in_millis;
use crate::book::Moved;
use crate::facts::{Ended, Ending};
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
    pub(super) fn report(&mut self, step: &Moved) {
        let key = step.key;
        if step.won && !step.after.ended() {
            let until = self.book.record(key).map(|record| record.slot.exclusiveUntil.to::<u64>());
            if self.returns.is_news(key, "won", U256::from(until.unwrap_or_default()).into()) {
                info!(market = %key.market, slot = key.id, exclusive_until = until, "slot won");
                self.reporter.slot("slot_won", key, None, json!({ "exclusive_until": until }));
            }
        }
        if !step.after.ended() || step.before == Some(step.after) {
            return;
        }
        let Some(ended) = self.book.facts().slot(key).and_then(|fact| fact.ended.clone()) else { return };
        if let Some(outcome) = self.outcome(step, &ended.how)
            && self.returns.is_news(key, outcome.name(), ended.tx)
        {
            self.say(key, outcome, &ended);
        }
    }

    /// What the end means here; nothing if this node had nothing to do with the slot.
    fn outcome(&self, step: &Moved, how: &Ending) -> Option<Outcome> {
        let me = self.config.prover;
        let mine = self.book.record(step.key).is_some_and(|record| record.slot.prover == me);
        let engaged = step.before.is_some_and(|before| before.engaged());
        match how {
            Ending::Proven { payee, .. } => {
                let worked = self.effort(step.key).is_some() || matches!(step.after, SlotStage::Lost { .. });
                proven(me, *payee, self.missed_by(step.key), worked)
            }
            Ending::Expired => (mine || engaged).then_some(Outcome::Expired),
            Ending::Cancelled => engaged.then_some(Outcome::Cancelled),
            Ending::Dropped { .. } => (mine || engaged).then_some(Outcome::Dropped),
        }
    }

    /// Whose bond is slashed for a slot, or held for it until its premise is settled.
    fn missed_by(&self, key: SlotKey) -> Option<Address> {
        let fact = self.book.facts().slot(key)?;
        let Some(Ended { how: Ending::Proven { payee, missed_by, .. }, .. }) = &fact.ended else {
            return None;
        };
        let held = fact.pending.is_some().then(|| fact.slot.allocated_to()).flatten();
        missed_by.or(held.filter(|holder| holder != payee))
    }

    /// A bond that was held was paid out, or is free again.
    pub(super) fn report_resolved(&mut self, logged: &LoggedEvent) {
        let Event::SlotResolved { market, id, premium } = logged.event else { return };
        let key = SlotKey { market, id };
        let Some(fact) = self.book.facts().slot(key) else { return };
        let Some(Ended { how: Ending::Proven { payee, .. }, .. }) = &fact.ended else { return };
        let (me, payee, holder) = (self.config.prover, *payee, fact.slot.prover);
        if payee != me && holder != me || !self.returns.is_news(key, "resolved", logged.tx_hash) {
            return;
        }
        let slashed = !premium.is_zero() && holder == me;
        info!(%market, slot = id, %premium, slashed, "slot settled with its premise");
        if slashed {
            warn!(%market, slot = id, to = %payee, code = "slot_missed", "slot was missed and the bond slashed");
        }
        self.reporter.slot("resolved", key, None, json!({ "premium": wei(premium), "slashed": slashed }));
    }

    fn say(&self, key: SlotKey, outcome: Outcome, ended: &Ended) {
        let took = self.since_seen(key);
        let phases = self.slot_timings.get(&key).map(|timings| timings.phases()).unwrap_or_default();
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
                if outcome == Outcome::Rescued {
                    fields["missed_by"] = json!(self.missed_by(key));
                    fields["held"] = json!(missed_by.is_none());
                    self.reporter.slot("rescued", key, took, fields);
                }
            }
            (Ending::Proven { payee, missed_by, .. }, _) => {
                // Of a slot whose premise is open the bond is held, and the slash is told when that is settled.
                let slashed = outcome == Outcome::Missed && missed_by.is_some();
                if outcome == Outcome::Missed && !slashed {
                    warn!(
                        market = %key.market, slot = key.id, to = %payee, code = "slot_missed",
                        "slot was missed and the bond is held until its premise is settled"
                    );
                }
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
        self.slot_timings.get(&key).and_then(|timings| timings.effort())
    }
}

/// What a proof by `payee` means for the prover `me`.
fn proven(me: Address, payee: Address, missed_by: Option<Address>, worked: bool) -> Option<Outcome> {
    match missed_by {
        Some(_) if payee == me => Some(Outcome::Rescued),
        None if payee == me => Some(Outcome::Proven),
        Some(holder) if holder == me => Some(Outcome::Missed),
        _ => worked.then_some(Outcome::Lost),
    }
}

/// Asset wei as reports have it.
pub(super) fn wei(amount: U256) -> serde_json::Value {
    json!(amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ME, OTHER};

    #[test]
    fn losing_is_not_missing() {
        assert_eq!(proven(ME, ME, None, true), Some(Outcome::Proven));
        assert_eq!(proven(ME, ME, Some(OTHER), true), Some(Outcome::Rescued));
        assert_eq!(proven(ME, OTHER, Some(ME), false), Some(Outcome::Missed));
        assert_eq!(proven(ME, OTHER, Some(OTHER), true), Some(Outcome::Lost));
        assert_eq!(proven(ME, OTHER, None, true), Some(Outcome::Lost), "its bond was freed");
        assert_eq!(proven(ME, OTHER, None, false), None);
    }
}
