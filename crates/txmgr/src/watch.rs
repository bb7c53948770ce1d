//! What is known of the chain from polls before.

use std::time::Instant;

use provery_rpc::Settled;
use provery_types::BlockRef;

/// Where the last look left off.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The head that every mined pending transaction was checked against.
    pub(crate) head: Option<BlockRef>,
    /// Looks in a row at a lower one.
    pub(crate) lower: u32,
    pub(crate) looked: Option<Instant>,
    /// The last look was not whole.
    pub(crate) again: bool,
    pub(crate) count: u64,
    /// What is too deep for a reorg, and when that was asked.
    pub(crate) settled: Settled,
    pub(crate) asked_settled: Option<Instant>,
    /// A nonce that nothing has, and looks in a row that found it so.
    pub(crate) gap: Option<(u64, u32)>,
}
