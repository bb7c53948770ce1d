//! Time: the chain's, and a proof's.

use std::time::{Duration, Instant};

use provery_types::BlockRef;

/// Seconds a finished proof takes to be delivered.
const DELIVERY: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// The newest block's time, and when it was seen.
    block: Option<(u64, Instant)>,
    /// A moving average.
    proof: Duration,
}

impl Pace {
    pub fn new(first_estimate: Duration) -> Self {
        Self { block: None, proof: first_estimate }
    }

    /// A block was seen, perhaps again.
    pub fn block(&mut self, block: &BlockRef) {
        if self.block.is_none_or(|(timestamp, _)| timestamp < block.timestamp) {
            self.block = Some((block.timestamp, Instant::now()));
        }
    }

    /// A proof took this long.
    pub fn proved(&mut self, took: Duration) {
        self.proof = (self.proof * 3 + took) / 4;
    }

    /// Chain time, in unix seconds: the newest block's, and what has passed since.
    pub fn now(&self) -> u64 {
        self.block.map_or(0, |(timestamp, seen)| timestamp.saturating_add(seen.elapsed().as_secs()))
    }

    /// What a proof and its delivery are expected to take.
    pub fn estimate_seconds(&self) -> u64 {
        let whole = self.proof + DELIVERY;
        whole.as_secs() + u64::from(whole.subsec_nanos() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_what_proofs_take() {
        let mut pace = Pace::new(Duration::from_secs(20));
        assert_eq!(pace.estimate_seconds(), 22);
        for _ in 0..30 {
            pace.proved(Duration::from_millis(3_400));
        }
        assert_eq!(pace.estimate_seconds(), 6);
    }

    #[test]
    fn chain_time_is_the_blocks() {
        let mut pace = Pace::new(Duration::ZERO);
        assert_eq!(pace.now(), 0);
        pace.block(&BlockRef { timestamp: 1_000, ..BlockRef::default() });
        assert!((1_000..1_002).contains(&pace.now()));
    }
}
