//! How a sender sends.

use std::time::Duration;

/// How a sender sends.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Time between two looks at the chain.
    pub poll: Duration,
    /// Blocks on top of the receipt's before it counts.
    pub confirmations: u64,
    /// Blocks on top of the receipt's before the pending transaction is forgotten, and where the chain says what is finalized, not before that:
    /// a reorg of fewer only makes it be sent again.
    pub keep: u64,
    /// A transaction that was not mined in this many blocks in which it could have been, nor in this much of the chain's time, is
    /// replaced with higher fees.
    pub bump_after_blocks: u64,
    /// The chain's time that must have passed as well: see [`Self::bump_after_blocks`].
    pub bump_after: Duration,
    /// Nobody waits longer than this for a transaction to be mined. It stays in the outbox.
    pub give_up_after: Duration,
    /// Time before an order is due (in the chain's time) in which it is hurried.
    pub hurry_within: Duration,
    /// Most gas for one transaction.
    pub max_gas: u64,
}

impl SenderConfig {
    /// The usual bounds, with this time between two looks at the chain.
    pub fn new(poll: Duration) -> Self {
        Self {
            poll,
            confirmations: 0,
            keep: 64,
            bump_after_blocks: 2,
            // Two blocks of a chain that has one every two seconds; where they come quicker, a few seconds are many blocks.
            bump_after: Duration::from_secs(4),
            give_up_after: Duration::from_secs(300),
            hurry_within: Duration::from_secs(24),
            max_gas: 1 << 24,
        }
    }
}
