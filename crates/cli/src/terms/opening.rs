//! What a market's mechanism is told when a slot opens.

use alloy::primitives::Bytes;
use eyre::Result;
use provery_rpc::SeedError;
use provery_txmgr::make_block;
use provery_types::Terms;

use super::mechanism_at;
use crate::session::Session;

/// As given; or, where slots are drawn, what brings the epoch's seed in if nobody has yet.
pub(crate) async fn opening_data(session: &Session, terms: &Terms, given: &Bytes) -> Result<Bytes> {
    let draws =
        mechanism_at(session.deployment(), terms.mechanism).is_some_and(|mechanism| mechanism.draws());
    if !given.is_empty() || !draws {
        return Ok(given.clone());
    }
    let (chain, sender) = (&session.chain, session.sender()?);
    match chain.drawn_opening_data().await {
        // A chain that mines only what it is sent.
        Err(SeedError::NotYet { .. }) if make_block(chain, sender).await? => {
            Ok(chain.drawn_opening_data().await?)
        }
        data => Ok(data?),
    }
}
