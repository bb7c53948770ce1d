//! The follower as a task of its own, so that nothing the loop does interrupts a request half-way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use provery_chain::{Chain, ChainError, Follower, FollowerConfig, Health, Update};
use provery_types::BlockRef;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// An update, the height below which no reorganisation reaches, and who waits for it to be stored.
pub(super) type Fed = (Update, u64, oneshot::Sender<()>);

/// Updates, one at a time. The cursor moves when the update's `stored` is answered.
pub(super) struct Feed {
    pub updates: mpsc::Receiver<Fed>,
    pub health: watch::Receiver<Health>,
}

impl Feed {
    /// The feed and the task that feeds it.
    pub fn new(
        chain: Chain,
        cursor: Vec<BlockRef>,
        poll: Duration,
        wake: Arc<Notify>,
    ) -> (Self, impl Future<Output = Result<(), ChainError>> + Send) {
        let mut follower =
            Follower::new(chain, cursor, FollowerConfig { wake: Some(wake), ..FollowerConfig::new(poll) });
        let health = follower.health();
        let (send, updates) = mpsc::channel(1);
        let task = async move {
            loop {
                let update = follower.next().await?;
                let (stored, answer) = oneshot::channel();
                if send.send((update, follower.floor(), stored)).await.is_err() || answer.await.is_err() {
                    return Ok(());
                }
                follower.stored();
            }
        };
        (Self { updates, health }, task)
    }
}
