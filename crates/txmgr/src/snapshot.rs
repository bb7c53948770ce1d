//! The chain as one poll found it.

use crate::outbox::Outbox;
use provery_rpc::{Quote, Settled};
use provery_types::BlockRef;
use tokio::sync::OnceCell;

/// One look at the chain.
pub(crate) struct ChainSnapshot<'a> {
    pub(crate) outbox: &'a Outbox,
    pub(crate) head: BlockRef,
    /// Transactions of the key up to the head, as an endpoint counts.
    pub(crate) count: u64,
    pub(crate) settled: Settled,
    pub(crate) quote: OnceCell<Quote>,
}
