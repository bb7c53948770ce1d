//! The chain as one poll found it, and what is known from those before.

use std::time::Instant;

use crate::outbox::Outbox;
use provery_rpc::{Quote, Settled};
use provery_types::BlockRef;
use tokio::sync::OnceCell;

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

/// One look at the chain.
pub(crate) struct ChainSnapshot<'a> {
    pub(crate) outbox: &'a Outbox,
    pub(crate) head: BlockRef,
    /// Transactions of the key up to the head, as an endpoint counts.
    pub(crate) count: u64,
    pub(crate) settled: Settled,
    pub(crate) quote: OnceCell<Quote>,
}
