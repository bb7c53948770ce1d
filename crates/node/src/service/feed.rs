//! The follower as a task of its own, so that nothing the loop does interrupts a request half-way.

use std::{future::Future, sync::Arc, time::Duration};

use provery_rpc::{Chain, ChainError, Follower, FollowerConfig, Health, Update};
use provery_types::BlockRef;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// What is fed.
pub(super) enum Fed {
    /// An update, and who waits to know what became of it.
    Update(Told, oneshot::Sender<Taken>),
    /// The deployment has grown to this one; who waits to know from which block on the past is to be read.
    Deployment(Chain, oneshot::Sender<Option<u64>>),
    /// Whether what came after this block is read again.
    Reread(u64, bool),
}

/// An update, and what is known of it.
pub(super) struct Told {
    pub update: Update,
    /// The height below which no reorganisation reaches.
    pub floor: u64,
    /// No other endpoint can tell it otherwise.
    pub is_sure: bool,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Its effects are on disk.
    Stored,
    /// It makes no sense, and nothing of it is: another endpoint is to tell it.
    Doubted,
}

/// Updates, one at a time. The cursor moves when an update is said to be stored.
pub(super) struct Feed {
    pub updates: mpsc::Receiver<Fed>,
    pub health: watch::Receiver<Health>,
    rereads: mpsc::UnboundedSender<u64>,
}

/// Where a feed begins.
pub(super) struct Start {
    pub cursor: Vec<BlockRef>,
    /// The block from which on the past is to be read, if any of it is.
    pub past_from: Option<u64>,
}

impl Feed {
    /// The feed and the task that feeds it. Deployments that come in `grown` are followed from then on.
    pub(super) fn new(
        chain: Chain,
        start: Start,
        poll: Duration,
        wake: Arc<Notify>,
        mut grown: mpsc::Receiver<Chain>,
    ) -> (Self, impl Future<Output = Result<(), ChainError>> + Send) {
        let config = FollowerConfig { wake: Some(wake), ..FollowerConfig::new(poll) };
        let mut follower = Follower::new(chain.clone(), start.cursor, config);
        if start.past_from.is_some() {
            follower.adopt(chain, start.past_from);
        }
        let health = follower.health();
        let (send, updates) = mpsc::channel(1);
        let (rereads, mut to_reread) = mpsc::unbounded_channel();
        let task = async move {
            loop {
                tokio::select! {
                    Some(after) = to_reread.recv() => {
                        let is_read = follower.reread(after);
                        if send.send(Fed::Reread(after, is_read)).await.is_err() {
                            return Ok(());
                        }
                    }
                    update = follower.next() => {
                        let (taken, answer) = oneshot::channel();
                        let (floor, is_sure) = (follower.floor(), follower.is_sure());
                        let told = Told { update: update?, floor, is_sure };
                        if send.send(Fed::Update(told, taken)).await.is_err() {
                            return Ok(());
                        }
                        match answer.await {
                            Ok(Taken::Stored) => follower.stored(),
                            Ok(Taken::Doubted) => follower.doubt(),
                            Err(_) => return Ok(()),
                        }
                    }
                    Some(chain) = grown.recv() => {
                        let (adopted, answer) = oneshot::channel();
                        if send.send(Fed::Deployment(chain.clone(), adopted)).await.is_err() {
                            return Ok(());
                        }
                        let Ok(from) = answer.await else { return Ok(()) };
                        follower.adopt(chain, from);
                    }
                }
            }
        };
        (Self { updates, health, rereads }, task)
    }

    /// Have what came after this block read again. [`Fed::Reread`] is the answer.
    pub(super) fn reread(&self, after: u64) {
        // It is gone only if the node is going down.
        let _ = self.rereads.send(after);
    }
}
