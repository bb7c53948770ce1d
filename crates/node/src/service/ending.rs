//! How the loop ends: nothing new is taken on, what is held is finished, the prover leaves the draws, and what is ready is delivered.
//! Here since every component has a part in it.

use std::time::Instant;

use serde_json::json;
use tracing::{error, info, warn};

use super::{
    Service,
    keeper_task::KeeperTask,
    presence::{draws, pause_call},
    tenure::WaitsFor,
};
use crate::{book::Unfinished, error::NodeError};

impl Service {
    /// Take nothing more on.
    pub(super) fn drain(&mut self) {
        let held = self.unfinished().count();
        self.tenure.drain(held, &self.handles);
        self.keeper.puzzles.stop();
    }

    fn unfinished(&self) -> Unfinished {
        self.book.unfinished(&self.policy(), self.handles.config.drain.as_secs())
    }

    /// Whether this node was told to stop, and is done.
    pub(super) fn is_over(&mut self) -> bool {
        if !self.tenure.is_draining() {
            return false;
        }
        let (left, binding) = match self.tenure.is_acting() {
            true => (self.unfinished(), self.keeper.binding()),
            false => Default::default(),
        };
        // The pause is waited for, unless it cannot be had.
        let hopeless = self.presence.trouble().is_some_and(|trouble| trouble.lasting);
        let leaving = self.keeper.runs(&KeeperTask::Pause) || self.stays_in_draws() && !hopeless;
        let is_retold = self.intake.is_retold(&self.book);
        self.tenure.is_over(WaitsFor { left, binding, leaving }, is_retold)
    }

    fn stays_in_draws(&self) -> bool {
        draws::stays_in_draws(&self.handles, &self.book, self.tenure.drawn)
    }

    /// Another node acts: leave everything to it, and only follow.
    pub(super) fn step_down(&mut self) -> Result<(), NodeError> {
        if !self.tenure.step_down(&self.handles) {
            return Ok(());
        }
        self.proofs.abandon();
        self.keeper.abandon();
        self.account.abandon();
        self.presence.abandon();
        self.deliveries.abandon();
        self.preparations.abandon();
        self.tasks.abandon();
        let moved = self.book.restart()?;
        self.follow_up(moved);
        Ok(())
    }

    /// Deliver what is ready, within the bound, and stop.
    pub(super) async fn wind_down(mut self) -> Result<(), NodeError> {
        info!("node is stopping");
        self.proofs.abandon();
        self.keeper.puzzles.stop();
        self.preparations.stop();
        let policy = self.policy();
        self.start_deliveries(&policy)?;
        let bound = self.handles.config.shutdown_bound;
        let deadline = Instant::now() + bound;
        if !self.intake.caught_up(&self.book) {
            // The rest of the bound is for the pause.
            let answered = draws::ask_whether_drawn(&self.handles.chain, self.handles.me(), bound / 2).await;
            let known = draws::known_drawn(&self.handles, &self.book);
            self.tenure.drawn = Some(draws::is_drawn(answered, known));
        }
        let turn = draws::turn(&self.handles, &self.book);
        if self.stays_in_draws() && !turn.coming.unwrap_or(false) && self.keeper.may(&KeeperTask::Pause) {
            self.send(KeeperTask::Pause, pause_call(&self.handles, &turn), &policy);
        }
        while self.tasks.count() > 0 {
            match tokio::time::timeout_at(deadline.into(), self.tasks.next()).await {
                Ok(Some(done)) => self.done(done)?,
                Ok(None) => break,
                Err(_) => {
                    warn!(sends = self.tasks.count(), "sends under way are left to the next start");
                    break;
                }
            }
        }
        if !self.stays_in_draws() {
            info!("node stopped");
            return Ok(());
        }
        let prover = self.handles.me();
        let trouble = self.presence.trouble().map(|trouble| trouble.message.clone());
        let why = trouble.unwrap_or_else(|| "no pause was mined in time".to_owned());
        error!(code = "left_in_draws", %prover, why, "the node stopped and its prover is still in the draws");
        self.handles.reporter.node("warning", json!({ "code": "left_in_draws", "message": why }));
        Err(NodeError::LeftInDraws { prover, why })
    }
}
