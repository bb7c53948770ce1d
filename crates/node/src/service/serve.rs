//! A key that may send on its prover's behalf.

use alloy::primitives::Address;
use provery_rpc::Chain;
use provery_txmgr::{SendError, Sender};
use tracing::{info, warn};

use crate::error::NodeError;

/// A key that its prover nominated says that it serves it, and waits until that is so. Whether it does is the answer.
pub(super) async fn serve(chain: &Chain, sender: &Sender, prover: Address) -> Result<bool, NodeError> {
    let key = sender.address();
    if key == prover || chain.prover_of_submitter(key).await? == Some(prover) {
        return Ok(true);
    }
    if !chain.is_nominated(prover, key).await? {
        warn!(%key, %prover, "the key is no submitter of the prover: it can deliver proofs and nothing else");
        return Ok(false);
    }
    match sender.send(chain.calls().serve(prover)).await {
        Ok(mined) => info!(%key, %prover, tx = %mined.tx_hash, "the key serves the prover from now on"),
        // Another node with this key was faster.
        Err(SendError::Reverted { .. }) if chain.prover_of_submitter(key).await? == Some(prover) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}
