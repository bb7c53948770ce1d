//! What the operator is told: the status that is published, what should be known before it costs, and why nothing is earned.

mod alarms;
pub(super) mod deposits;
mod scene;
mod shortfalls;
mod status;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::{concern::Concern, earning::Shortfall};
use deposits::Deposits;
pub(super) use scene::Scene;

/// A status is made no more often than this.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub(super) struct Briefing {
    /// Unix seconds.
    started_at: u64,
    published: Option<Instant>,
    /// What the operator should know, as last said.
    concerns: Vec<Concern>,
    /// Why nothing will be earned, as last said.
    shortfalls: Vec<Shortfall>,
    deposits: watch::Receiver<Deposits>,
    /// Whether the prover is a delegation pool.
    is_pool: bool,
}

impl Briefing {
    pub(super) fn new(deposits: watch::Receiver<Deposits>, is_pool: bool) -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (concerns, shortfalls) = Default::default();
        Self { started_at, published: None, concerns, shortfalls, deposits, is_pool }
    }

    /// Whether there is to be a status again.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY);
        if due {
            self.published = Some(Instant::now());
        }
        due
    }

    /// Say what is new, and publish what is so. `of_book`: what the operator should know of slots and markets; nothing while blocks
    /// are told again, for what was so before them is still so.
    pub(super) fn publish(&mut self, scene: &Scene<'_>, of_book: Option<Vec<Concern>>) {
        let situation = shortfalls::situation(scene, &self.deposits.borrow(), self.is_pool);
        if let Some(of_book) = of_book {
            self.mind_concerns(scene, of_book);
        }
        // Before that much is not known that soon will be.
        if scene.is_caught_up {
            shortfalls::mind(&mut self.shortfalls, &situation, scene.handles);
        }
        let status = status::status(scene, &situation, self.started_at, &self.concerns, &self.shortfalls);
        scene.handles.monitor.publish(status);
    }

    /// While the chain is not read up to its head, a market's beginning may be yet to come.
    fn mind_concerns(&mut self, scene: &Scene<'_>, mut concerns: Vec<Concern>) {
        concerns.retain(|concern| scene.is_caught_up || concern.code != Concern::MARKET_UNPROVABLE);
        concerns.extend(alarms::alarms(&alarms::signs(scene)));
        concerns.extend(scene.intake.concerns());
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
                let event = if concern.is_alarm() { "alarm" } else { "warning" };
                scene.handles.reporter.node(event, fields);
            }
        }
        self.concerns = concerns;
    }
}
