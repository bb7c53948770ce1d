//! The chain's time.

use std::time::Instant;

use alloy::primitives::B256;
use provery_rpc::believable;
use provery_types::BlockRef;

/// Seconds by which a block may be earlier than was thought, without time having gone back: between blocks it is estimated.
const SLACK: u64 = 15;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::service) struct ChainClock {
    /// The last block's hash and time, and when it was seen.
    block: Option<(B256, u64, Instant)>,
}

impl ChainClock {
    /// This is the chain's last block, perhaps still. Whether time went back: after a reorg, when a chain that stood still goes
    /// on where it was, or when the block before was not what it seemed.
    pub(super) fn block(&mut self, block: &BlockRef, is_development: bool) -> bool {
        if self.block.is_some_and(|(hash, ..)| hash == block.hash) {
            return false;
        }
        let before = self.now();
        let timestamp = believable(block.timestamp, is_development);
        self.block = Some((block.hash, timestamp, Instant::now()));
        timestamp.saturating_add(SLACK) < before
    }

    /// Chain time, in unix seconds: the last block's, and what has passed since.
    pub(super) fn now(&self) -> u64 {
        self.block.map_or(0, |(_, timestamp, seen)| timestamp.saturating_add(seen.elapsed().as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: u8, timestamp: u64) -> BlockRef {
        BlockRef { hash: B256::repeat_byte(id), timestamp, ..BlockRef::default() }
    }

    #[test]
    fn chain_time_is_the_blocks() {
        let mut clock = ChainClock::default();
        assert_eq!(clock.now(), 0);
        assert!(!clock.block(&block(1, 1_000), true));
        assert!((1_000..1_002).contains(&clock.now()));
        assert!(!clock.block(&block(2, 1_002), true));
        assert!((1_002..1_004).contains(&clock.now()));
    }

    #[test]
    fn chain_time_goes_back_with_the_chain() {
        let mut clock = ChainClock::default();
        clock.block(&block(1, 90_000), true);
        assert!(!clock.block(&block(1, 90_000), true), "still the same block");
        assert!(clock.block(&block(2, 1_000), true));
        assert!((1_000..1_002).contains(&clock.now()));
        assert!(!clock.block(&block(3, 995), true), "a reorg of a few seconds decides nothing anew");
    }

    #[test]
    fn a_block_from_the_future_does_not_move_time_there() {
        let wall =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let mut clock = ChainClock::default();
        clock.block(&block(1, wall + 86_400), false);
        assert!((wall..wall + 120).contains(&clock.now()));
    }
}
