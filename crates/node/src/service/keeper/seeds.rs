//! An epoch's seed, brought in.

use std::time::Duration;

use provery_rpc::{Call, Chain, SeedError};
use provery_txmgr::{Mined, Order, Sender, make_block};

use crate::{error::NodeError, service::budgets::Spending};

/// How long a development chain is given to make the seed's block by itself.
const IDLE: Duration = Duration::from_secs(5);

/// The tag of its order.
pub(super) fn tag(epoch: u64) -> String {
    format!("seed:{epoch}")
}

/// Find what shows the epoch's seed, and send it; nothing if the seed's block is not mined yet.
pub(super) async fn bring(
    chain: &Chain,
    sender: &Sender,
    epoch: u64,
    Spending { budget, reserve, due }: Spending,
) -> Result<Option<Mined>, NodeError> {
    let Some(call) = find(chain, sender, epoch).await? else { return Ok(None) };
    let order = Order { budget, reserve, due, tag: tag(epoch), ..Order::new(call) };
    Ok(Some(sender.deliver(order).await?))
}

/// The call that brings a seed in; nothing while its block is to come. On a development chain that mines only what it is sent, no
/// block ever comes by itself, so that one is made.
async fn find(chain: &Chain, sender: &Sender, epoch: u64) -> Result<Option<Call>, NodeError> {
    if let Some(call) = seed_call(chain, epoch).await? {
        return Ok(Some(call));
    }
    if !chain.rpc().is_development() {
        return Ok(None);
    }
    tokio::time::sleep(IDLE).await;
    if let Some(call) = seed_call(chain, epoch).await? {
        return Ok(Some(call));
    }
    make_block(chain, sender).await?;
    seed_call(chain, epoch).await
}

async fn seed_call(chain: &Chain, epoch: u64) -> Result<Option<Call>, NodeError> {
    match chain.bring_seed(epoch).await {
        Ok(call) => Ok(Some(call)),
        Err(SeedError::NotYet { .. }) => Ok(None),
        Err(SeedError::Chain(error)) => Err(error.into()),
    }
}
