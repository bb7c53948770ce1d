//! Whether this node is well: whether it takes on new slots, and comes back from a suspension.

use std::time::{Duration, Instant};

/// Failures in a row after which the node does not come back from a suspension by itself.
const UNWELL_AFTER: u32 = 3;
/// How long after the last failure one more slot is tried, if nothing that failed is still at hand.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// Proofs and sends that failed since the last that did not.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: u32,
    last: Option<Instant>,
}

impl Health {
    pub fn failed(&mut self) {
        self.failed_at(Instant::now());
    }

    fn failed_at(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether to come back from a suspension.
    pub fn well(&self) -> bool {
        self.failures < UNWELL_AFTER
    }

    /// Whether to take on another slot: not while one is failing (`failing`), nor soon after.
    pub fn taking(&self, failing: bool) -> bool {
        self.taking_at(Instant::now(), failing)
    }

    fn taking_at(&self, now: Instant, failing: bool) -> bool {
        let rested = self.last.is_none_or(|last| now.saturating_duration_since(last) >= PROBE_AFTER);
        self.failures == 0 || (rested && !failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_stops_the_taking_until_a_success_or_a_rest() {
        let start = Instant::now();
        let mut health = Health::default();
        assert!(health.taking_at(start, false) && health.well());
        health.failed_at(start);
        assert!(!health.taking_at(start, false));
        assert!(health.well(), "one failure is no illness");
        assert!(health.taking_at(start + PROBE_AFTER, false), "one more is tried");
        assert!(!health.taking_at(start + PROBE_AFTER, true), "not while what failed is still failing");
        health.failed_at(start);
        health.failed_at(start);
        assert!(!health.well());
        health.succeeded();
        assert!(health.taking_at(start, true) && health.well());
    }
}
