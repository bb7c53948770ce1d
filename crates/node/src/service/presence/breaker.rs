//! A circuit breaker over proofs and sends: whether this node takes on new slots, and stays in the draws.
//!
//! One failure stops the taking until something succeeds or a rest is over. After [`UNWELL_AFTER`] in a row the breaker is
//! open: the prover is paused on-chain, too, for a rest that doubles each time the first thing tried after it fails.

use std::time::{Duration, Instant};

/// Failures in a row that open the breaker.
const UNWELL_AFTER: u32 = 3;
/// How long after the last failure one more slot is tried, if nothing that failed is still at hand.
const PROBE_AFTER: Duration = Duration::from_secs(60);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Proofs and sends that failed since the last that did not.
#[derive(Debug, Default)]
pub(in crate::service) struct Breaker {
    failures: u32,
    last: Option<(Instant, &'static str)>,
}

impl Breaker {
    /// Something failed, for a reason with this code.
    pub(crate) fn failed(&mut self, code: &'static str) {
        self.failed_at(Instant::now(), code);
    }

    fn failed_at(&mut self, now: Instant, code: &'static str) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((now, code));
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Why nothing is taken on, while that is so.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.last.map(|(_, code)| code)
    }

    /// Whether to be in the draws: not while the breaker is open.
    pub(crate) fn well(&self) -> bool {
        self.well_at(Instant::now())
    }

    fn well_at(&self, now: Instant) -> bool {
        self.failures < UNWELL_AFTER || self.rested_at(now)
    }

    /// Whether to take on another slot: not while one is failing (`failing`), nor soon after.
    pub(crate) fn taking(&self, failing: bool) -> bool {
        self.taking_at(Instant::now(), failing)
    }

    fn taking_at(&self, now: Instant, failing: bool) -> bool {
        self.failures == 0 || (self.rested_at(now) && !failing)
    }

    fn rested_at(&self, now: Instant) -> bool {
        self.last.is_none_or(|(last, _)| now.saturating_duration_since(last) >= self.rest())
    }

    fn rest(&self) -> Duration {
        let doublings = self.failures.saturating_sub(UNWELL_AFTER).min(8);
        (PROBE_AFTER * 2u32.pow(doublings)).min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_stops_the_taking_until_a_success_or_a_rest() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        assert!(breaker.taking_at(start, false) && breaker.well_at(start));
        breaker.failed_at(start, "proof_failed");
        assert!(!breaker.taking_at(start, false));
        assert!(breaker.well_at(start), "one failure is no illness");
        assert!(breaker.taking_at(start + PROBE_AFTER, false), "one more is tried");
        assert!(!breaker.taking_at(start + PROBE_AFTER, true), "not while what failed is still failing");
        breaker.succeeded();
        assert!(breaker.taking_at(start, true) && breaker.well_at(start));
    }

    #[test]
    fn the_breaker_opens_at_the_third_failure_and_rests_longer_each_time() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..UNWELL_AFTER {
            assert!(breaker.well_at(start));
            breaker.failed_at(start, "send_failing");
        }
        assert!(!breaker.well_at(start) && breaker.reason() == Some("send_failing"));
        let rested = start + PROBE_AFTER;
        assert!(breaker.well_at(rested) && breaker.taking_at(rested, false), "one is tried");
        breaker.failed_at(rested, "send_failing");
        assert!(!breaker.well_at(rested + PROBE_AFTER), "and the next rest is twice as long");
        assert!(breaker.well_at(rested + 2 * PROBE_AFTER));
        for _ in 0..40 {
            breaker.failed_at(start, "send_failing");
        }
        assert!(breaker.well_at(start + LONGEST_REST));
    }
}
