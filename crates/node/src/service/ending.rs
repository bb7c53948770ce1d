//! How a node ends: nothing new is taken on, what is held is finished, the prover leaves the draws, and what is ready is delivered.

use std::time::Instant;

use serde_json::json;
use tracing::{error, info, warn};

use super::upkeep::Task;
use super::{Service, pause_reason};
use crate::book::Unfinished;
use crate::error::NodeError;

impl Service {
    /// Phase one of an end: nothing new is taken on, and what is held is finished.
    pub(super) fn begin_drain(&mut self) {
        self.draining = true;
        // A pause must fit into the time that there is.
        self.pause_by = Some(Instant::now() + self.config.drain.saturating_sub(self.config.shutdown_bound));
        let held = self.unfinished().count();
        info!(
            held,
            bound_s = self.config.drain.as_secs(),
            "node takes nothing more on and finishes what it holds"
        );
        self.reporter.node("draining", json!({ "held": held }));
        self.stop_mining();
    }

    fn unfinished(&self) -> Unfinished {
        self.book.unfinished(&self.policy(), self.config.drain.as_secs())
    }

    /// Whether all is finished, or the bound is reached.
    pub(super) fn drained(&mut self, by: Instant) -> bool {
        let left = if self.acting { self.unfinished() } else { Unfinished::default() };
        let binding = if self.acting { self.upkeep.binding() } else { 0 };
        let held = left.count() + binding;
        if Instant::now() >= by {
            warn!(held, "slots that are held are left to the next start");
            return true;
        }
        if self.rereads() {
            return false;
        }
        // The pause is waited for, unless it cannot be had.
        let hopeless = self.pause_trouble.as_ref().is_some_and(|trouble| trouble.lasting);
        let leaving = self.upkeep.runs(&Task::Pause) || self.stays_in_draws() && !hopeless;
        let waits_for = Some((left, binding, leaving)).filter(|_| held > 0 || leaving);
        if waits_for != self.waits_for {
            self.waits_for = waits_for;
            let Unfinished { held, deliveries, bids } = left;
            info!(held, deliveries, bids, binding, pause = leaving, "what the node waits for before it ends");
        }
        waits_for.is_none()
    }

    /// Deliver what is ready, within the bound, and stop.
    pub(super) async fn wind_down(mut self) -> Result<(), NodeError> {
        info!("node is stopping");
        self.workers.abandon_all();
        self.stop_mining();
        self.start_deliveries(self.chain_clock.now())?;
        let deadline = Instant::now() + self.config.shutdown_bound;
        if !self.caught_up() {
            let (chain, prover) = (self.chain.clone(), self.config.prover);
            // The rest of the bound is for the pause.
            let answered =
                pause_reason::ask_whether_drawn(&chain, prover, self.config.shutdown_bound / 2).await;
            self.drawn = Some(pause_reason::is_drawn(answered, self.known_drawn()));
        }
        if self.stays_in_draws() && !self.turn().coming.unwrap_or(false) && self.upkeep.may(&Task::Pause) {
            self.send_pause();
        }
        while !self.sends.is_empty() {
            match tokio::time::timeout_at(deadline.into(), self.sends.join_next()).await {
                Ok(Some(sent)) => self.sent(sent)?,
                Ok(None) => break,
                Err(_) => {
                    warn!(sends = self.sends.len(), "sends under way are left to the next start");
                    break;
                }
            }
        }
        if !self.stays_in_draws() {
            info!("node stopped");
            return Ok(());
        }
        let prover = self.config.prover;
        let why = self
            .pause_trouble
            .map_or_else(|| "no pause was mined in time".to_owned(), |trouble| trouble.message);
        error!(code = "left_in_draws", %prover, why, "the node stopped and its prover is still in the draws");
        self.reporter.node("warning", json!({ "code": "left_in_draws", "message": why }));
        Err(NodeError::LeftInDraws { prover, why })
    }
}
