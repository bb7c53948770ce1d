//! An epoch's seed, brought in.

use std::time::Duration;

use provery_rpc::{Call, Chain, SeedError};
use provery_txmgr::{Mined, Order, Sender, make_block};
use tracing::{debug, warn};

use super::Service;
use super::budgets::Spending;
use super::sends::Sent;
use super::upkeep::Task;
use crate::error::NodeError;
use crate::outcome::Class;

/// How long a development chain is given to make the seed's block by itself.
const IDLE: Duration = Duration::from_secs(5);

impl Service {
    /// Find what shows the epoch's seed, and send it.
    pub(super) fn start_seed(&mut self, epoch: u64) {
        let task = Task::Seed(epoch);
        self.upkeep.began(&task, seed_tag(epoch));
        let spending = self.upkeep_spending(&task, Duration::ZERO);
        let (chain, sender) = (self.chain.clone(), self.sender.clone());
        self.sends
            .spawn(async move { Sent::Seed { result: bring(&chain, &sender, epoch, spending).await, task } });
    }

    /// A look for a seed is over: it is in, or its block is not mined yet, or something failed.
    pub(super) fn seed_done(&mut self, task: &Task, result: Result<Option<Mined>, NodeError>) {
        match result {
            Ok(Some(mined)) => self.upkeep_done(task, Ok(mined)),
            Ok(None) => {
                debug!(action = task.name(), "the seed's block is not mined yet");
                self.upkeep.ended(task, Some(Class::NotYet));
            }
            Err(NodeError::Send(error)) => self.upkeep_done(task, Err(error)),
            Err(error) => {
                warn!(action = task.name(), error = %error, "the seed cannot be looked for; it is tried again later");
                self.upkeep.ended(task, Some(Class::Failing));
            }
        }
    }
}

fn seed_tag(epoch: u64) -> String {
    format!("seed:{epoch}")
}

async fn bring(
    chain: &Chain,
    sender: &Sender,
    epoch: u64,
    Spending { budget, reserve, due }: Spending,
) -> Result<Option<Mined>, NodeError> {
    let Some(call) = find(chain, sender, epoch).await? else { return Ok(None) };
    let order = Order { budget, reserve, due, tag: seed_tag(epoch), ..Order::new(call) };
    Ok(Some(sender.deliver(order).await?))
}

/// The call that brings a seed in; nothing while its block is to come. On a development chain that mines only what it is sent, no
/// block ever comes by itself, so that one is made.
async fn find(chain: &Chain, sender: &Sender, epoch: u64) -> Result<Option<Call>, NodeError> {
    if let Some(call) = look(chain, epoch).await? {
        return Ok(Some(call));
    }
    if !chain.rpc().is_development() {
        return Ok(None);
    }
    tokio::time::sleep(IDLE).await;
    if let Some(call) = look(chain, epoch).await? {
        return Ok(Some(call));
    }
    make_block(chain, sender).await?;
    look(chain, epoch).await
}

async fn look(chain: &Chain, epoch: u64) -> Result<Option<Call>, NodeError> {
    match chain.bring_seed(epoch).await {
        Ok(call) => Ok(Some(call)),
        Err(SeedError::NotYet { .. }) => Ok(None),
        Err(SeedError::Chain(error)) => Err(error.into()),
    }
}
