//! The chain's time, as far as it can be believed.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that a block may be ahead of this machine's clock. Consensus leaves a proposer less than that.
const AHEAD: u64 = 60;

/// A block's time, or as late as it can be by this machine's clock. On a development chain time may be anything: tests jump.
pub fn believable(timestamp: u64, is_development: bool) -> u64 {
    bounded(timestamp, wall(), is_development)
}

fn bounded(timestamp: u64, wall: u64, is_development: bool) -> u64 {
    if is_development { timestamp } else { timestamp.min(wall.saturating_add(AHEAD)) }
}

fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_from_the_future_is_as_late_as_it_can_be_and_no_later() {
        for (timestamp, believed) in [(5_000, 5_000), (9_990, 9_990), (10_050, 10_050), (99_999, 10_060)] {
            assert_eq!(bounded(timestamp, 10_000, false), believed);
        }
        assert_eq!(bounded(99_999, 10_000, true), 99_999);
        assert_eq!(bounded(u64::MAX, u64::MAX, false), u64::MAX);
    }
}
