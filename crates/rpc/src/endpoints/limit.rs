//! How much an endpoint takes at once, learned from what it took and what it refused. Pure.

/// So many of the largest size are taken before one that was refused is tried again: the first time, and at most.
const SOON: u32 = 16;
const RARELY: u32 = 1_024;

/// What is known of the largest size that is taken, if there is such a size: what limits it may also be what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    most: u64,
    /// To ask for next.
    size: u64,
    /// The largest that was taken, and the smallest that was refused.
    good: u64,
    refused: Option<u64>,
    /// How many of the largest size were taken since a larger one was tried, and how many are to be.
    calm: u32,
    patience: u32,
}

impl Limit {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, size: most, good: 0, refused: None, calm: 0, patience: SOON }
    }

    /// How much to ask for.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// So much was asked for and answered.
    pub(crate) fn took(&mut self, asked: u64) {
        if self.refused.is_some_and(|refused| asked >= refused) {
            (self.refused, self.calm, self.patience) = (None, 0, SOON);
        }
        self.good = self.good.max(asked);
        if asked < self.size {
            return; // There was no more to ask for.
        }
        let Some(refused) = self.refused else {
            self.size = self.good.saturating_mul(2).clamp(1, self.most);
            return;
        };
        self.size = self.between(refused);
        if self.size == self.good {
            self.calm += 1;
            if self.calm >= self.patience {
                self.calm = 0;
                self.size = refused;
            }
        }
    }

    /// So much was asked for, and all but the first `answered` of it refused.
    pub(crate) fn refused(&mut self, asked: u64, answered: u64) {
        if asked <= 1 {
            // Nothing is smaller, so it was not for the size.
            *self = Self::new(self.most);
            return;
        }
        if self.refused.is_some_and(|refused| asked >= refused) {
            self.patience = (self.patience * 2).min(RARELY);
        }
        if asked <= self.good {
            (self.good, self.patience) = (0, SOON);
        }
        let smallest = if answered > 0 { answered + 1 } else { asked };
        let refused = self.refused.map_or(smallest, |refused| refused.min(smallest));
        self.good = self.good.max(answered).min(refused - 1);
        self.refused = Some(refused);
        self.calm = 0;
        self.size = if self.good > 0 { self.between(refused) } else { (asked / 2).max(1) };
    }

    /// A size that narrows the limit, or the largest that is taken once it is known well enough.
    fn between(&self, refused: u64) -> u64 {
        let room = refused - self.good;
        if room > 1 + self.good / 8 { self.good + room / 2 } else { self.good }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ask for `total` things of an endpoint that takes at most `most` at once: requests, and how many were refused.
    fn ask(limit: &mut Limit, total: u64, most: u64) -> (u64, u64) {
        let (mut left, mut requests, mut refusals) = (total, 0, 0);
        while left > 0 {
            let size = limit.size().min(left);
            requests += 1;
            if size > most {
                refusals += 1;
                limit.refused(size, 0);
            } else {
                left -= size;
                limit.took(size);
            }
        }
        (requests, refusals)
    }

    #[test]
    fn a_refused_range_is_remembered_and_seldom_tried_again() {
        for most in [1, 2, 5, 10, 100, 999, 1_999] {
            let mut limit = Limit::new(2_000);
            let (_, learning) = ask(&mut limit, 4_000, most);
            assert!(learning <= 20, "{most}: {learning}");
            let (requests, refusals) = ask(&mut limit, most * 2_000, most);
            assert!(refusals * 100 <= requests, "{most}: {refusals} of {requests} were refused");
            assert!(requests <= 2_300, "{most}: {requests} requests where 2000 would do");
        }
    }

    #[test]
    fn what_was_not_limited_before_is_asked_in_whole() {
        let mut limit = Limit::new(2_000);
        assert_eq!(ask(&mut limit, 20_000, 2_000), (10, 0));
    }

    #[test]
    fn a_limit_that_is_lifted_is_noticed() {
        let mut limit = Limit::new(2_000);
        ask(&mut limit, 10_000, 10);
        let (requests, _) = ask(&mut limit, 1_000_000, 2_000);
        assert!(requests < 2_000, "{requests}");
        assert_eq!(limit.size(), 2_000);
    }

    #[test]
    fn a_limit_that_falls_is_followed_down() {
        let mut limit = Limit::new(2_000);
        ask(&mut limit, 10_000, 1_000);
        let (requests, refusals) = ask(&mut limit, 1_000, 3);
        assert!(requests < 450 && refusals < 20, "{requests} {refusals}");
    }

    #[test]
    fn of_what_was_answered_in_part_so_much_is_asked_for_next() {
        let mut limit = Limit::new(100);
        limit.refused(100, 20);
        assert_eq!(limit.size(), 20);
        limit.took(20);
        assert_eq!(limit.size(), 20);
    }

    #[test]
    fn a_refusal_of_one_says_nothing_of_size() {
        let mut limit = Limit::new(100);
        while limit.size() > 1 {
            limit.refused(limit.size(), 0);
        }
        limit.refused(1, 0);
        assert_eq!(limit, Limit::new(100));
    }
}
