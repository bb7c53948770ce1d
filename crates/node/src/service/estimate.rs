//! How long a proof takes, as this node has seen.

use std::time::Duration;

/// Seconds a finished proof takes to be delivered.
const DELIVERY: Duration = Duration::from_secs(2);

/// A moving average.
#[derive(Debug)]
pub(super) struct Estimate(Duration);

impl Estimate {
    /// `first`: before any proof was made.
    pub(super) fn new(first: Duration) -> Self {
        Self(first)
    }

    /// A proof took this long.
    pub(super) fn proved(&mut self, took: Duration) {
        self.0 = (self.0 * 3 + took) / 4;
    }

    /// Seconds that a proof and its delivery are expected to take.
    pub(super) fn seconds(&self) -> u64 {
        let whole = self.0 + DELIVERY;
        whole.as_secs() + u64::from(whole.subsec_nanos() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_what_proofs_take() {
        let mut estimate = Estimate::new(Duration::from_secs(20));
        assert_eq!(estimate.seconds(), 22);
        for _ in 0..30 {
            estimate.proved(Duration::from_millis(3_400));
        }
        assert_eq!(estimate.seconds(), 6);
    }
}
