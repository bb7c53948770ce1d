//! Slots that fell with their premise tie up funds and room until somebody drops them, and held slashes wait for somebody to
//! resolve them. Provers do both; if they do not for a while, the sequencer does.

use std::time::Duration;

use eyre::Result;
use provery_indexer::{ChainStatus, Outcome};
use provery_rpc::Call;
use serde_json::json;

use super::{Sequencer, event};

/// How long others are given.
pub(super) const AFTER: Duration = Duration::from_secs(60);
/// Slots ended at one time.
const MOST: usize = 16;

impl Sequencer<'_> {
    /// End what can be ended. Nothing depends on it, so what goes wrong is only said.
    pub(super) async fn tidy(&mut self) {
        if let Err(error) = self.end_slots().await {
            tracing::warn!(%error, "slots that fell could not be ended");
        }
    }

    async fn end_slots(&self) -> Result<()> {
        let history = self.session.history().await?;
        let Some(market) = history.markets.get(&self.record.market) else { return Ok(()) };
        let calls = self.session.calls();
        let ends = market.slots.values().filter_map(|record| {
            let terms = history.terms(record.terms_hash)?;
            let call: Call = match (&record.outcome, record.pending) {
                (Outcome::Open, _) if record.chain_status == ChainStatus::Fallen => {
                    calls.drop_slot(&record.slot, terms, &record.statement_inputs)
                }
                (_, Some(pending))
                    if !pending.resolved && market.premise(&record.slot) != ChainStatus::Open =>
                {
                    calls.resolve(&record.slot, terms, pending.payee, pending.right, pending.claim)
                }
                _ => return None,
            };
            Some((record.slot.id, call))
        });
        for (slot, call) in ends.take(MOST) {
            let kind = call.kind;
            match self.session.send(call).await {
                Ok(mined) => self.context.out.line(&event(
                    "ended",
                    json!({ "slot": slot, "by": kind, "tx": mined.tx_hash, "gas": mined.gas_used }),
                )),
                // Somebody was first.
                Err(error) => tracing::debug!(slot, kind, %error, "not ended"),
            }
        }
        Ok(())
    }
}
