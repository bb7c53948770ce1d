//! How slots end, for this prover, and what is said of it.

use alloy::primitives::Address;
use provery_types::{Event, LoggedEvent, SlotExt as _, SlotKey};
use serde_json::json;
use tracing::{info, warn};

use super::{
    reported::Reported,
    slot_timings::{SlotTimings, in_millis},
};
use crate::{
    book::{Book, Moved},
    facts::{Ended, Ending},
    report::{millis, wei},
    service::handles::Handles,
    slots::SlotStage,
};

/// How a slot ended, for this prover. Losing is not failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
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
    /// What the end means here; nothing if this node had nothing to do with the slot. `worked`: some of a proof was made.
    pub(super) fn of(step: &Moved, how: &Ending, worked: bool, me: Address, book: &Book) -> Option<Self> {
        let mine = book.record(step.key).is_some_and(|record| record.slot.prover == me);
        let engaged = step.before.is_some_and(|before| before.engaged());
        match how {
            Ending::Proven { payee, .. } => {
                let worked = worked || matches!(step.after, SlotStage::Lost { .. });
                proven(me, *payee, missed_by(step.key, book), worked)
            }
            Ending::Expired => (mine || engaged).then_some(Self::Expired),
            Ending::Cancelled => engaged.then_some(Self::Cancelled),
            Ending::Dropped { .. } => (mine || engaged).then_some(Self::Dropped),
        }
    }

    pub(super) fn name(self) -> &'static str {
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

/// Whose bond is slashed for a slot, or held for it until its premise is settled.
fn missed_by(key: SlotKey, book: &Book) -> Option<Address> {
    let fact = book.facts().slot(key)?;
    let Some(Ended { how: Ending::Proven { payee, missed_by, .. }, .. }) = &fact.ended else {
        return None;
    };
    let held = fact.pending.is_some().then(|| fact.slot.holder()).flatten();
    missed_by.or(held.filter(|holder| holder != payee))
}

/// Say what became of a bond that was held.
pub(super) fn report_resolved(logged: &LoggedEvent, reported: &mut Reported, handles: &Handles, book: &Book) {
    let Event::SlotResolved { market, id, premium } = logged.event else { return };
    let key = SlotKey { market, id };
    let Some(fact) = book.facts().slot(key) else { return };
    let Some(Ended { how: Ending::Proven { payee, .. }, .. }) = &fact.ended else { return };
    let (me, payee, holder) = (handles.me(), *payee, fact.slot.prover);
    if payee != me && holder != me || !reported.is_new(key, "resolved", logged.tx_hash) {
        return;
    }
    let slashed = !premium.is_zero() && holder == me;
    info!(%market, slot = id, %premium, slashed, "slot settled with its premise");
    if slashed {
        warn!(%market, slot = id, to = %payee, code = "slot_missed", "slot was missed and the bond slashed");
    }
    handles.reporter.slot("resolved", key, None, json!({ "premium": wei(premium), "slashed": slashed }));
}

/// One line of the log, and what whoever watches is told.
pub(super) fn say(
    key: SlotKey,
    outcome: Outcome,
    ended: &Ended,
    timings: Option<&SlotTimings>,
    handles: &Handles,
    book: &Book,
) {
    let (reporter, took) = (&handles.reporter, book.since_seen(key));
    let phases = timings.map(SlotTimings::phases).unwrap_or_default();
    let phases_ms = in_millis(&phases).to_string();
    let (reward, premium) = match ended.how {
        Ending::Proven { reward, premium, .. } => (reward, premium),
        _ => Default::default(),
    };
    let wasted_ms = timings.and_then(SlotTimings::effort).map(millis);
    handles.monitor.slot_ended(outcome.name());
    if let Some(took) = took {
        handles.monitor.phase("slot", took);
    }
    phases.iter().for_each(|(phase, took)| handles.monitor.phase(phase, *took));
    info!(
        market = %key.market, slot = key.id, outcome = outcome.name(), tx = %ended.tx, %reward, %premium,
        ms = took.map(millis), phases_ms, "slot ended"
    );
    match (&ended.how, outcome) {
        (Ending::Proven { missed_by, .. }, Outcome::Proven | Outcome::Rescued) => {
            let mut fields = json!({ "reward": wei(reward), "premium": wei(premium), "tx": ended.tx });
            reporter.slot("settled", key, took, fields.clone());
            if outcome == Outcome::Rescued {
                fields["missed_by"] = json!(self::missed_by(key, book));
                fields["held"] = json!(missed_by.is_none());
                reporter.slot("rescued", key, took, fields);
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
            reporter.slot("lost", key, None, fields);
        }
        (Ending::Expired, _) => reporter.slot("expired", key, None, json!({})),
        (Ending::Cancelled, _) => reporter.slot("cancelled", key, None, json!({})),
        (Ending::Dropped { fee }, _) => {
            reporter.slot("dropped", key, None, json!({ "fee": wei(*fee) }));
        }
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
