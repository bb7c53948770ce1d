//! What this prover puts behind its markets: new terms accepted within the operator's bounds, and what the operator should know.

use alloy::primitives::{Address, U256};
use provery_rpc::{Call, Chain};
use provery_txmgr::{SendError, Sender};
use serde_json::json;
use tracing::{error, info, warn};

use super::Service;
use super::upkeep::Task;
use crate::book::MarketDecision;
use crate::concern::Concern;
use crate::error::NodeError;

impl Service {
    /// Whether the key that sends is the prover's own: only that one may commit its stake.
    fn is_prover(&self) -> bool {
        self.sender.address() == self.config.prover
    }

    fn decisions(&self) -> Vec<MarketDecision> {
        let tunables = self.tunables();
        self.book.decisions(&tunables.accept, tunables.minimum_reward)
    }

    /// Markets whose coming terms are to be accepted.
    pub(super) fn acceptable(&self) -> Vec<Task> {
        if !self.is_prover() {
            return Vec::new();
        }
        let decisions = self.decisions().into_iter();
        let ready = |it: &MarketDecision| it.versions().is_some() && self.book.lack(it.market).is_none();
        decisions.filter(ready).map(|it| Task::Accept(it.market)).collect()
    }

    /// The same stake behind a market, for more versions of its terms.
    pub(super) fn accept(&self, market: U256) -> Option<Call> {
        let decision = self.decisions().into_iter().find(|it| it.market == market)?;
        let (units, exposure) = (decision.commitment.units, decision.commitment.exposure);
        let versions = decision.versions()?;
        info!(%market, to_version = versions.end(), "terms are accepted");
        Some(self.chain.calls().allocate(market, U256::from(units), U256::from(exposure), versions))
    }

    /// Look at what the operator should know, and say what is new. While the chain is not read up to its head (`caught_up`), a
    /// market's beginning may be yet to come.
    pub(super) fn mind_concerns(&mut self, caught_up: bool) {
        let tunables = self.tunables();
        let mut concerns =
            self.book.concerns(&tunables.accept, &self.policy(), self.is_prover(), self.upkeep.stake_unit());
        concerns.retain(|concern| caught_up || concern.code != Concern::MARKET_UNPROVABLE);
        concerns.extend(self.alarms());
        concerns.extend(self.rereads.concerns());
        for concern in &concerns {
            let known =
                |it: &&Concern| (it.code, it.market, it.slot) == (concern.code, concern.market, concern.slot);
            if self.concerns.iter().find(known).is_none() {
                let (code, slot, message) = (concern.code, concern.slot, concern.message.as_str());
                match concern.is_alarm() {
                    true => error!(code, market = %concern.market, slot, message, "stake is at risk"),
                    false => warn!(code, market = %concern.market, slot, message, "the operator should know"),
                }
                let market = concern.market.to_string();
                let fields = json!({ "code": code, "market": market, "slot": slot, "message": message });
                self.reporter.node(if concern.is_alarm() { "alarm" } else { "warning" }, fields);
            }
        }
        self.concerns = concerns;
    }
}

/// A key that its prover nominated says that it serves it, and waits until that is so.
pub(super) async fn serve(chain: &Chain, sender: &Sender, prover: Address) -> Result<(), NodeError> {
    let key = sender.address();
    if key == prover || chain.prover_of_submitter(key).await? == Some(prover) {
        return Ok(());
    }
    if !chain.is_nominated(prover, key).await? {
        warn!(%key, %prover, "the key is no submitter of the prover: it can deliver proofs and nothing else");
        return Ok(());
    }
    match sender.send(chain.calls().serve(prover)).await {
        Ok(mined) => info!(%key, %prover, tx = %mined.tx_hash, "the key serves the prover from now on"),
        // Another node with this key was faster.
        Err(SendError::Reverted { .. }) if chain.prover_of_submitter(key).await? == Some(prover) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
