//! Blocks that are taken back often come again with the same in them, and those that are read again always do: what was told
//! of them is not told twice.

use std::collections::{HashSet, VecDeque};

use alloy::primitives::B256;
use provery_types::SlotKey;

/// News that is remembered: more than the blocks that can be taken back usually lead to.
const NEWS_KEPT: usize = 4_096;

/// What was said of a slot, and by which event.
type Item = (SlotKey, &'static str, B256);

/// See the module.
#[derive(Debug, Default)]
pub(in crate::service) struct News {
    /// The newest last.
    told: VecDeque<Item>,
    /// Told of blocks that may have been taken back since.
    again: HashSet<Item>,
}

impl News {
    /// Blocks were taken back, and whatever was said may come again.
    pub(super) fn taken_back(&mut self) {
        self.again.extend(self.told.iter().copied());
    }

    /// Whether this is news; from now on it is not.
    pub(super) fn is_news(&mut self, key: SlotKey, what: &'static str, by: B256) -> bool {
        let item = (key, what, by);
        if self.again.remove(&item) {
            return false;
        }
        self.told.push_back(item);
        if self.told.len() > NEWS_KEPT
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
    fn what_comes_again_as_it_was_is_no_news() {
        let (mut news, key) = (News::default(), SlotKey { market: MARKET, id: 1 });
        let [one, other] = [B256::repeat_byte(1), B256::repeat_byte(2)];
        assert!(news.is_news(key, "won", one) && news.is_news(key, "proven", one));
        news.taken_back();
        assert!(!news.is_news(key, "won", one) && !news.is_news(key, "proven", one));
        news.taken_back();
        assert!(news.is_news(key, "proven", other), "in another transaction");
        assert!(!news.is_news(key, "won", one), "once more");
        assert!(news.is_news(SlotKey { id: 2, ..key }, "won", one));
        for id in 0..2 * NEWS_KEPT as u64 {
            news.taken_back();
            news.is_news(SlotKey { id, ..key }, "expired", one);
        }
        assert!(news.told.len() <= NEWS_KEPT && news.again.len() <= NEWS_KEPT);
    }
}
