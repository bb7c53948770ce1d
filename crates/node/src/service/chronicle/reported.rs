//! Blocks that are taken back often come again with the same in them, and those that are read again always do: what was told
//! of them is not told twice.

use std::collections::{HashSet, VecDeque};

use alloy::primitives::B256;
use provery_types::SlotKey;

/// Events that are remembered: more than the blocks that can be taken back usually lead to.
const MOST_KEPT: usize = 4_096;

/// What was said of a slot, and by which event.
type Item = (SlotKey, &'static str, B256);

/// See the module.
#[derive(Debug, Default)]
pub(in crate::service) struct Reported {
    /// The newest last.
    told: VecDeque<Item>,
    /// Told of blocks that may have been taken back since.
    again: HashSet<Item>,
}

impl Reported {
    /// Blocks were taken back, and whatever was said may come again.
    pub(super) fn taken_back(&mut self) {
        self.again.extend(self.told.iter().copied());
    }

    /// Whether this was not told before; from now on it was.
    pub(super) fn is_new(&mut self, key: SlotKey, what: &'static str, by: B256) -> bool {
        let item = (key, what, by);
        if self.again.remove(&item) {
            return false;
        }
        self.told.push_back(item);
        if self.told.len() > MOST_KEPT
            && let Some(old) = self.told.pop_front()
        {
            self.again.remove(&old);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MARKET;

    #[test]
    fn what_comes_again_as_it_was_is_not_new() {
        let (mut reported, key) = (Reported::default(), SlotKey { market: MARKET, id: 1 });
        let [one, other] = [B256::repeat_byte(1), B256::repeat_byte(2)];
        assert!(reported.is_new(key, "won", one) && reported.is_new(key, "proven", one));
        reported.taken_back();
        assert!(!reported.is_new(key, "won", one) && !reported.is_new(key, "proven", one));
        reported.taken_back();
        assert!(reported.is_new(key, "proven", other), "in another transaction");
        assert!(!reported.is_new(key, "won", one), "once more");
        assert!(reported.is_new(SlotKey { id: 2, ..key }, "won", one));
        for id in 0..2 * MOST_KEPT as u64 {
            reported.taken_back();
            reported.is_new(SlotKey { id, ..key }, "expired", one);
        }
        assert!(reported.told.len() <= MOST_KEPT && reported.again.len() <= MOST_KEPT);
    }
}
