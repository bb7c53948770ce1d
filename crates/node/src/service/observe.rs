//! What the service tells its [`Monitor`].

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use provery_rpc::EndpointHealth;

use super::Service;
use super::pause_reason::PauseReason;
use crate::book::unix_millis;
use crate::concern::Concern;
use crate::config::NodeConfig;
use crate::earning::{Situation, earns_nothing};
use crate::error::NodeError;
use crate::monitor::{
    AddressFile, BalanceStatus, BreakerStatus, ChainStatus, ConcernStatus, EndpointStatus, Monitor,
    NodeStatus, PauseStatus, Server, StakeStatus, Status, WorkersStatus, disk,
};
use crate::pause::Turn;
use crate::slots::SlotStage;
use crate::store::StoreError;

/// A status is made no more often than this.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// The server, with its address taken.
pub(super) fn bind(config: &NodeConfig) -> Result<Option<Server>, NodeError> {
    Ok(config.http.map(Server::bind).transpose()?)
}

/// Write down where the server is, in the data directory that this node holds.
pub(super) fn place(config: &NodeConfig, at: Option<SocketAddr>) -> Result<Option<AddressFile>, NodeError> {
    AddressFile::clear(&config.data_dir);
    let write = |address| {
        AddressFile::write(&config.data_dir, address)
            .map_err(|source| StoreError::Directory { path: config.data_dir.clone(), source }.into())
    };
    at.map(write).transpose()
}

/// What makes a status.
#[derive(Debug)]
pub(super) struct Watch {
    pub monitor: Monitor,
    started_at: u64,
    published: Option<Instant>,
}

impl Watch {
    pub fn new(monitor: Monitor) -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { monitor, started_at, published: None }
    }

    pub fn reorg(&self, depth: u64) {
        self.monitor.reorg(depth);
    }

    /// A slot that this node had to do with has ended.
    pub fn ended(&self, outcome: &'static str, took: Option<Duration>, phases: &[(&'static str, Duration)]) {
        self.monitor.slot_ended(outcome);
        if let Some(took) = took {
            self.monitor.phase("slot", took);
        }
        phases.iter().for_each(|(phase, took)| self.monitor.phase(phase, *took));
    }
}

impl Service {
    /// The loop is alive; now and then, say what is so.
    pub(super) fn observe(&mut self) {
        self.watch.monitor.tick();
        let due = self.watch.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY);
        if due {
            self.watch.published = Some(Instant::now());
            let situation = self.situation();
            let caught_up = self.caught_up();
            // While blocks are told again, what was so before them is still so.
            if !self.rereads() {
                self.mind_concerns(caught_up);
            }
            // Before that much is not known that soon will be.
            if caught_up {
                self.mind_earning(&situation);
            }
            self.watch.monitor.publish(self.status(&situation));
        }
    }

    fn status(&self, situation: &Situation) -> Status {
        let taking = self.policy().taking;
        let facts = self.book.facts();
        let ending = |key| facts.slot(key).and_then(|fact| fact.ended.as_ref()).map(|ended| ended.tx);
        let (slots, open, ended) = disk::slots(self.book.work(), self.config.prover, ending);
        let queue = slots.get(SlotStage::Queued.name()).copied().unwrap_or_default();
        let seen = self.upkeep.seen();
        let pause_reason = self.pause_reason.map(PauseReason::name);
        let breaker_open = !self.health.taking(self.book.failing());
        Status {
            node: NodeStatus {
                prover: self.config.prover,
                key: Some(self.sender.address()),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                started_at: self.watch.started_at,
                role: self.role().name().to_owned(),
                draining: self.draining,
                taking,
                breaker: BreakerStatus {
                    open: breaker_open,
                    reason: self.health.reason().filter(|_| breaker_open).or(pause_reason).map(str::to_owned),
                    failures: self.health.failures(),
                },
                paused_on_chain: facts.prover_status(self.config.prover).paused,
                paused: pause_status(&self.turn(), self.pause_reason()),
                earns_nothing: self.caught_up() && earns_nothing(situation),
            },
            chain: self.chain_status(),
            slots,
            open,
            ended,
            outbox: self.sender.status(),
            workers: WorkersStatus {
                runner: self.workers.runner().to_owned(),
                most: self.workers.most() as u64,
                running: self.workers.status().borrow().len() as u64,
                queue,
            },
            asset: Some(self.chain.asset().unit()),
            stake: seen.map(|seen| StakeStatus {
                free: seen.stake.saturating_sub(seen.bonded).to_string(),
                bonded: seen.bonded.to_string(),
                credit: seen.credit.to_string(),
            }),
            balance: self.funds.balance().map(|balance| BalanceStatus {
                wei: balance.to_string(),
                low: self.funds.low(),
                proofs_left: self.funds.proofs_left(),
            }),
            concerns: self.concerns.iter().map(concern).collect(),
            shortfalls: self.shortfalls.clone(),
        }
    }

    fn chain_status(&self) -> ChainStatus {
        let health = self.feed.health.borrow();
        let head = health.head.map(|head| head.number);
        let position = self.book.head().map(|head| head.number);
        ChainStatus {
            chain_id: self.chain.rpc().chain_id(),
            head,
            position,
            lag_blocks: head.unwrap_or_default().saturating_sub(position.unwrap_or_default()),
            head_age_secs: health
                .head
                .map_or(0, |head| (unix_millis() / 1_000).saturating_sub(head.timestamp)),
            unread_secs: health.failing_since.map_or(0, |since| since.elapsed().as_secs()),
            last_error: health.last_error.clone(),
            reorgs: health.reorgs,
            deepest_reorg: health.deepest_reorg,
            endpoints: self.chain.rpc().endpoints().into_iter().map(endpoint).collect(),
        }
    }
}

/// Whose pause keeps the prover out of the draws, or is about to, and why. A node whose own pause or resumption is not mined yet is
/// not to be relied on.
fn pause_status(turn: &Turn, pause_reason: Option<PauseReason>) -> Option<PauseStatus> {
    if !turn.paused && turn.coming.is_none() {
        return None;
    }
    Some(match turn.paused && turn.held {
        true => PauseStatus { by: "operator".to_owned(), why: None },
        false => PauseStatus {
            by: "node".to_owned(),
            why: Some(pause_reason.map_or("coming_back", PauseReason::name).to_owned()),
        },
    })
}

fn concern(concern: &Concern) -> ConcernStatus {
    ConcernStatus {
        code: concern.code.to_owned(),
        alarm: concern.is_alarm(),
        market: concern.market.to_string(),
        slot: concern.slot,
        message: concern.message.clone(),
    }
}

fn endpoint(health: EndpointHealth) -> EndpointStatus {
    EndpointStatus {
        name: health.name,
        up: health.up,
        head: health.head,
        lag_blocks: health.lag_blocks,
        failures: health.failures,
        total_failures: health.total_failures,
        requests: health.requests,
        last_error: health.last_error,
        left_because: health.left_because.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_once_its_own_resumption_is_mined_and_read() {
        let says = |turn: Turn, pause_reason| pause_status(&turn, pause_reason).map(|it| (it.by, it.why));
        let turn = |paused, coming| Turn { registered: true, paused, coming, held: false };
        let node = |why: &str| Some(("node".to_owned(), Some(why.to_owned())));
        assert_eq!(says(turn(false, None), None), None);
        assert_eq!(says(turn(true, None), None), node("coming_back"));
        assert_eq!(says(turn(true, Some(false)), None), node("coming_back"));
        // A restart came between the pause and its block: both are under way.
        assert_eq!(says(turn(false, Some(false)), None), node("coming_back"));
        assert_eq!(says(turn(false, Some(true)), Some(PauseReason::Overloaded)), node("overloaded"));
        let held = Turn { held: true, ..turn(true, None) };
        assert_eq!(says(held, None), Some(("operator".to_owned(), None)));
    }
}
