//! What the follower brings: blocks and reorganisations, time, and what seems to be withheld.

mod clock;
mod rereads;

use std::time::Instant;

use provery_rpc::Chain;
use provery_types::BlockRef;
use tokio::sync::watch;
use tracing::{info, warn};

use super::feed::Feed;
use crate::{book::Book, concern::Concern};
use clock::ChainClock;
use rereads::Rereads;

/// See the module.
pub(super) struct Intake {
    pub feed: Feed,
    /// The chain with its deployment, for whatever outlives this service.
    served: watch::Sender<Chain>,
    clock: ChainClock,
    /// Blocks of which events are missing.
    rereads: Rereads,
    /// Reorganisations that the follower has told of.
    reorgs: u64,
}

impl Intake {
    pub(super) fn new(feed: Feed, served: watch::Sender<Chain>) -> Self {
        let (clock, rereads) = Default::default();
        Self { feed, served, clock, rereads, reorgs: 0 }
    }

    /// Chain time in unix seconds.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The deployment has grown.
    pub(super) fn grew(&self, chain: Chain) {
        self.served.send_replace(chain);
    }

    /// Whether the facts are recent enough to act on.
    pub(super) fn caught_up(&self, book: &Book) -> bool {
        if self.is_retold(book) {
            return false;
        }
        let head = self.feed.health.borrow().head;
        match (book.head(), head) {
            (Some(at), Some(head)) => at.number + 2 >= head.number,
            _ => false,
        }
    }

    /// Whether blocks that have not changed are told again, and not all that was known of them is known now.
    pub(super) fn is_retold(&self, book: &Book) -> bool {
        self.rereads.are_under_way(book.head(), Instant::now())
    }

    /// Blocks after `to` are taken back, and the head was `head`: how many a reorganisation took; nothing if the chain has not
    /// changed and they are only read again.
    pub(super) fn taken_back(&mut self, to: BlockRef, head: u64) -> Option<u64> {
        let reorgs = self.feed.health.borrow().reorgs;
        let is_same_chain = std::mem::replace(&mut self.reorgs, reorgs) == reorgs;
        self.rereads.taken_back(head, is_same_chain, Instant::now());
        (!is_same_chain).then(|| {
            warn!(to = to.number, "reorg: blocks were taken back");
            head.saturating_sub(to.number)
        })
    }

    /// Time is that of the last block taken in, which hangs from all before it: a head alone may be made up. Whether it went back,
    /// so that what was decided by a later time is to be decided anew.
    pub(super) fn time_went_back(&mut self, book: &Book, is_development: bool) -> bool {
        let Some(head) = book.head() else { return false };
        if !self.clock.block(&head, is_development) {
            return false;
        }
        warn!(block = head.number, now = self.now(), "the chain's time went back");
        true
    }

    /// Look whether all was told, and have read again what seems to be missing. A slot stays open for `longest` seconds at most.
    pub(super) fn mind_untold(&mut self, book: &mut Book, longest: u64) {
        let gaps = book.untold(longest);
        let Some(after) = self.rereads.due(gaps, Instant::now()) else { return };
        info!(after, "events are missing, and their blocks are read again");
        self.feed.reread(after);
    }

    /// What came after a block is read again, or cannot be.
    pub(super) fn reread_answered(&mut self, after: u64, is_read: bool) {
        if !is_read {
            warn!(after, "blocks of which events are missing lie too far back to be read again");
            self.rereads.forgotten(after);
        }
    }

    /// What the operator should know of what was withheld.
    pub(super) fn concerns(&self) -> impl Iterator<Item = Concern> {
        self.rereads.concerns()
    }
}
