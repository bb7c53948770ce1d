//! What was said of each slot's decision last: only another one is new.

use std::collections::HashMap;

use provery_types::SlotKey;

use crate::slots::SlotStage;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::service) struct Said(HashMap<SlotKey, (&'static str, &'static str)>);

impl Said {
    /// Whether this is another decision than the last one about the slot.
    pub(super) fn is_new(&mut self, key: SlotKey, stage: SlotStage, reason: &'static str) -> bool {
        let said = (stage.name(), reason);
        self.0.insert(key, said) != Some(said)
    }

    /// A slot is over, or was never there.
    pub(super) fn forget(&mut self, gone: impl Fn(SlotKey) -> bool) {
        self.0.retain(|key, _| !gone(*key));
    }

    pub(super) fn over(&mut self, key: SlotKey) {
        self.0.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MARKET;

    #[test]
    fn a_decision_is_said_once_however_often_it_is_taken() {
        let (mut said, key) = (Said::default(), SlotKey { market: MARKET, id: 1 });
        let wait = |until| SlotStage::Waiting { until };
        assert!(said.is_new(key, wait(5), "not_taking"));
        for until in [10, 15, 20] {
            assert!(!said.is_new(key, wait(until), "not_taking"), "the same wait goes on");
        }
        assert!(said.is_new(key, wait(30), "too_late"), "for another reason");
        assert!(said.is_new(key, SlotStage::Queued, "open_to_all"));
        assert!(!said.is_new(key, SlotStage::Queued, "open_to_all"), "after a proof that failed");
        assert!(said.is_new(SlotKey { id: 2, ..key }, SlotStage::Queued, "open_to_all"));
        said.over(key);
        assert!(said.is_new(key, SlotStage::Queued, "open_to_all"), "a reorg brought it back");
    }
}
