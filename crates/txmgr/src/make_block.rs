//! Blocks on chains that make none by themselves.

use alloy::primitives::U256;
use provery_rpc::{Call, Chain};
use provery_types::is_development_chain;

use crate::{error::SendError, sender::Sender};

/// On a development chain, make a block by a transaction that does nothing: one that mines only what it is sent never comes
/// to the time of a seed by itself. Whether this is such a chain.
pub async fn make_block(chain: &Chain, sender: &Sender) -> Result<bool, SendError> {
    if !is_development_chain(chain.rpc().chain_id()) {
        return Ok(false);
    }
    let nothing = Call { kind: "make_block", ..Call::transfer(sender.address(), U256::ZERO) };
    sender.send(nothing).await?;
    Ok(true)
}
