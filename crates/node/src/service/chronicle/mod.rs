//! What is told of slots, in the log and to whoever watches: decisions that are new, ends, and where the time went.

mod endings;
mod reported;
mod said;
pub(super) mod slot_timings;

use std::collections::HashMap;

use alloy::primitives::U256;
use provery_mechanisms::{Decision, Reason};
use provery_types::{LoggedEvent, SlotKey};
use serde_json::json;
use tracing::{info, warn};

use super::handles::Handles;
use crate::{
    book::{Book, Moved, unix_millis},
    slots::SlotStage,
};
use endings::Outcome;
use reported::Reported;
use said::Said;
use slot_timings::SlotTimings;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    said: Said,
    reported: Reported,
    /// Why slots are proven.
    reasons: HashMap<SlotKey, Reason>,
    /// Where the time goes, of slots that are not over.
    timings: HashMap<SlotKey, SlotTimings>,
}

impl Chronicle {
    /// A slot was decided about.
    pub(super) fn decided(&mut self, step: &Moved, decision: Decision, book: &mut Book) {
        let (key, reason) = (step.key, decision.reason());
        if self.said.is_new(key, step.after, reason.name()) {
            say_decision(key, step.after, reason, book);
        }
        if let Decision::Prove { reason } = decision
            && step.after.engaged()
        {
            self.reasons.insert(key, reason);
            self.timings_of(key).decided();
        }
    }

    /// A slot's work moved.
    pub(super) fn moved(&mut self, step: &Moved, handles: &Handles, book: &Book) {
        if step.after.ended() {
            self.said.over(step.key);
        }
        if step.before.is_none() {
            self.timings.insert(step.key, SlotTimings::begin(unix_millis()));
        }
        self.report_won(step, handles, book);
        self.report_end(step, handles, book);
        if step.after.ended() || step.after == SlotStage::Ignored {
            self.reasons.remove(&step.key);
            // The event often comes before the receipt.
            if self.timings.get(&step.key).is_some_and(|timings| !timings.under_way()) {
                self.timings.remove(&step.key);
            }
        }
    }

    fn report_won(&mut self, step: &Moved, handles: &Handles, book: &Book) {
        let key = step.key;
        if !step.won || step.after.ended() {
            return;
        }
        let until = book.record(key).map(|record| record.slot.exclusiveUntil.to::<u64>());
        if self.reported.is_new(key, "won", U256::from(until.unwrap_or_default()).into()) {
            info!(market = %key.market, slot = key.id, exclusive_until = until, "slot won");
            handles.reporter.slot("slot_won", key, None, json!({ "exclusive_until": until }));
        }
    }

    /// However a slot ends, one line of the log says how, if this node had anything to do with it.
    fn report_end(&mut self, step: &Moved, handles: &Handles, book: &Book) {
        let key = step.key;
        if !step.after.ended() || step.before == Some(step.after) {
            return;
        }
        let Some(ended) = book.facts().slot(key).and_then(|fact| fact.ended.clone()) else { return };
        let timings = self.timings.get(&key);
        let worked = timings.and_then(SlotTimings::effort).is_some();
        if let Some(outcome) = Outcome::of(step, &ended.how, worked, handles.me(), book)
            && self.reported.is_new(key, outcome.name(), ended.tx)
        {
            endings::say(key, outcome, &ended, timings, handles, book);
        }
    }

    /// A bond that was held was paid out, or is free again.
    pub(super) fn resolved(&mut self, logged: &LoggedEvent, handles: &Handles, book: &Book) {
        endings::report_resolved(logged, &mut self.reported, handles, book);
    }

    /// Blocks were taken back, and whatever was said may come again.
    pub(super) fn taken_back(&mut self) {
        self.reported.taken_back();
    }

    /// Slots that a reorg took back may never return.
    pub(super) fn forget_gone(&mut self, book: &Book) {
        self.timings.retain(|key, _| book.record(*key).is_some());
        self.reasons.retain(|key, _| book.record(*key).is_some());
        self.said.forget(|key| book.record(key).is_none());
    }

    /// A slot whose transaction is through has nothing more to tell once it is over.
    pub(super) fn delivered(&mut self, key: SlotKey, book: &Book) {
        if book.is_over(key) {
            self.timings.remove(&key);
        }
    }

    /// Why a slot is proven.
    pub(super) fn reason(&self, key: SlotKey) -> Reason {
        self.reasons.get(&key).copied().unwrap_or(Reason::Assigned)
    }

    /// A slot's timings, which begin now if they have not.
    pub(super) fn timings_of(&mut self, key: SlotKey) -> &mut SlotTimings {
        self.timings.entry(key).or_insert_with(|| SlotTimings::begin(unix_millis()))
    }

    /// The timings of a slot, if it is not over.
    pub(super) fn timings(&mut self, key: SlotKey) -> Option<&mut SlotTimings> {
        self.timings.get_mut(&key)
    }
}

fn say_decision(key: SlotKey, stage: SlotStage, reason: Reason, book: &mut Book) {
    let (stage, reason) = (stage.name(), reason.name());
    match book.at_hand(key).err().filter(|_| stage == SlotStage::Ignored.name()) {
        Some(gap) => {
            warn!(market = %key.market, slot = key.id, stage, reason, gap = %gap, "what proves the slot is not at hand")
        }
        None => info!(market = %key.market, slot = key.id, stage, reason, "decided"),
    }
}
