//! The follower as a task of its own, so that nothing the loop does interrupts a request half-way.

use std::{future::Future, sync::Arc, time::Duration};

use provery_rpc::{Chain, ChainError, Follower, FollowerConfig, Health, Update};
use provery_types::BlockRef;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// What is fed.
pub(super) enum Fed {
    /// An update, the height below which no reorganisation reaches, and who waits for it to be stored.
    Update(Update, u64, oneshot::Sender<()>),
    /// The deployment has grown to this one; who waits to know from which block on the past is to be read.
    Deployment(Chain, oneshot::Sender<Option<u64>>),
    /// Whether what came after this block is read again.
    Reread(u64, bool),
}

/// Updates, one at a time. The cursor moves when the update's `stored` is answered.
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
                        let (stored, answer) = oneshot::channel();
                        let fed = Fed::Update(update?, follower.floor(), stored);
                        if send.send(fed).await.is_err() || answer.await.is_err() {
                            return Ok(());
                        }
                        follower.stored();
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
