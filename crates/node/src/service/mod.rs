//! The loop: chain updates, finished proofs and finished sends come in; proofs and transactions go out. Everything that
//! is decided is decided by [`crate::book`]; everything that is done is done here.

mod errands;
mod feed;
mod health;
mod observe;
mod pace;
mod report;
mod sends;
mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, U256};
use provery_chain::{Chain, Sender, Update};
use provery_mechanisms::{Decision, Reason};
use provery_proving::{ProofBackend, ProofOutput};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::book::{Book, Moved, Policy};
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::facts::SlotKey;
use crate::observe::Observer;
use crate::report::Reporter;
use crate::slots::{Action, Input, SlotStage};
use crate::store::{DataDir, Identity, Store, StoredProof};
use crate::supervisor::{Supervisor, TaskError};
use crate::worker::{Finished, InProcess, Job, Outcome, Workers, phase_name};

use errands::Mine;
use feed::Feed;
use health::Health;
use observe::Watch;
use pace::Pace;
use sends::Sent;
use upkeep::Upkeep;

/// Seconds before a proof that failed is tried again.
const PROOF_RETRY: u64 = 5;
/// What the loop's own end may take on top of the bound for a last delivery.
const GRACE: Duration = Duration::from_secs(2);

/// Run a node until `shutdown` is cancelled or something fails for good.
///
/// `backends` are the circuits this node can prove. `sender` signs: it may be the prover itself or anyone, since the payee
/// is a public input of the proof.
pub async fn run(
    config: NodeConfig,
    chain: Chain,
    sender: Sender,
    backends: Vec<Arc<dyn ProofBackend>>,
    shutdown: CancellationToken,
) -> Result<(), NodeError> {
    let reporter = Arc::new(if config.report {
        Reporter::stdout(config.prover)
    } else {
        Reporter::silent(config.prover)
    });
    let result = supervise(config, chain, sender, backends, shutdown, reporter.clone()).await;
    if let Err(error) = &result {
        let fields = json!({ "code": error.code(), "message": error.to_string(), "retried": false });
        reporter.node("error", fields);
    }
    reporter.node("stopped", json!({}));
    result
}

async fn supervise(
    config: NodeConfig,
    chain: Chain,
    sender: Sender,
    backends: Vec<Arc<dyn ProofBackend>>,
    shutdown: CancellationToken,
    reporter: Arc<Reporter>,
) -> Result<(), NodeError> {
    let deployment = chain.deployment().clone();
    for rollup in &deployment.rollups {
        let serves = config.markets.as_ref().is_none_or(|markets| markets.contains(&rollup.market));
        let known = |circuit: &str| backends.iter().any(|backend| backend.circuit() == circuit);
        if let Some(circuit) = serves.then(|| circuit_name(rollup.block_txs)).flatten()
            && !known(&circuit)
        {
            return Err(NodeError::NoBackend { circuit });
        }
    }
    let directory = DataDir::open(&config.data_dir)?;
    let identity =
        Identity { chain_id: deployment.chain_id, market: deployment.market(), prover: config.prover };
    let store = Arc::new(Store::open(directory, &identity)?);
    let server = observe::bind(&config)?;
    let (book, cursor) = Book::open(store, deployment, config.prover, config.markets.clone())?;
    let params = chain.registry_params().await?;
    let resumed = book.work().filter(|(_, record)| record.work.stage.engaged()).count();
    info!(prover = %config.prover, data_dir = %config.data_dir.display(), resumed, "node started");
    let at = book.head().map(|head| head.number);
    reporter.node("started", json!({ "block": at, "resumed": resumed }));

    let mut supervisor = Supervisor::new(shutdown.clone(), config.shutdown_bound + GRACE);
    let (feed, follow) = Feed::new(chain.clone(), cursor, config.poll);
    supervisor.spawn("follower", {
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                ended = follow => ended.map_err(TaskError::from),
            }
        }
    });
    let observer = Observer::new();
    let (money, seen) = tokio::sync::watch::channel(None);
    let (key, low) = (sender.address(), config.low_balance_proofs);
    let watching = observe::watch_money(chain.clone(), key, config.prover, low, money, shutdown.clone());
    supervisor.spawn("money", async move {
        watching.await;
        Ok(())
    });
    // The place is given up when the node ends.
    let _place = server.map(|(server, place)| {
        let (observer, shutdown) = (observer.clone(), shutdown.clone());
        supervisor.spawn("status page", async move {
            server.run(observer, shutdown).await.map_err(TaskError::from)
        });
        place
    });
    let runner = Arc::new(InProcess(backends.clone()));
    let (workers, results) = Workers::new(runner, config.workers, reporter.clone());
    let pace = Pace::new(config.first_estimate);
    let upkeep = Upkeep::new(params.epoch_length);
    let service = Service {
        config,
        chain,
        sender,
        backends,
        book,
        feed,
        workers,
        pace,
        upkeep,
        reporter,
        sends: JoinSet::new(),
        unconfirmed: HashMap::new(),
        reasons: HashMap::new(),
        health: Health::default(),
        mine: None,
        effort: HashMap::new(),
        watch: Watch::new(observer, seen),
        shutdown,
    };
    supervisor.spawn("service", async move { service.run(results).await.map_err(TaskError::from) });
    supervisor.run().await.map_err(NodeError::from)
}

fn circuit_name(block_txs: u64) -> Option<String> {
    let params = provery_circuits::Params::new(usize::try_from(block_txs).ok()?).ok()?;
    Some(params.circuit_name())
}

struct Service {
    config: NodeConfig,
    chain: Chain,
    sender: Sender,
    backends: Vec<Arc<dyn ProofBackend>>,
    book: Book,
    feed: Feed,
    workers: Workers,
    pace: Pace,
    upkeep: Upkeep,
    reporter: Arc<Reporter>,
    sends: JoinSet<Sent>,
    /// Proofs that were mined, or refused because the slot had ended, and the block by which an event must have said so.
    unconfirmed: HashMap<SlotKey, u64>,
    reasons: HashMap<SlotKey, Reason>,
    health: Health,
    /// The mining puzzle that is being worked on.
    mine: Option<Mine>,
    /// When the proof of a slot was begun, and how long it took if it is done.
    effort: HashMap<SlotKey, (Instant, Option<Duration>)>,
    watch: Watch,
    shutdown: CancellationToken,
}

impl Service {
    async fn run(mut self, mut results: mpsc::UnboundedReceiver<Finished>) -> Result<(), NodeError> {
        let mut tick = tokio::time::interval(self.config.poll);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(finished) = results.recv() => self.finished(finished)?,
                Some(sent) = self.sends.join_next() => self.sent(sent)?,
                Some((update, stored)) = self.feed.updates.recv() => {
                    self.update(update)?;
                    // The follower is gone only if the node is going down.
                    let _ = stored.send(());
                }
                _ = tick.tick() => {}
            }
            self.act()?;
            self.observe();
        }
        self.wind_down().await
    }

    fn update(&mut self, update: Update) -> Result<(), NodeError> {
        let moved = match update {
            Update::Block { block, events } => {
                debug!(block = block.number, events = events.len(), "block");
                self.pace.block(&block);
                self.book.block(block, &events)?
            }
            Update::Reorg { to } => {
                warn!(to = to.number, "reorg: blocks were taken back");
                let head = self.book.head().map_or(to.number, |head| head.number);
                self.watch.reorg(head.saturating_sub(to.number));
                self.book.reorg(to)?
            }
        };
        for step in moved {
            self.follow_up(&step);
        }
        Ok(())
    }

    /// Whether the facts are recent enough to act on.
    fn caught_up(&mut self) -> bool {
        let head = self.feed.health.borrow().head;
        match (self.book.head(), head) {
            (Some(at), Some(head)) if at.number + 2 >= head.number => {
                self.pace.block(&head);
                true
            }
            _ => false,
        }
    }

    fn act(&mut self) -> Result<(), NodeError> {
        if !self.caught_up() {
            return Ok(());
        }
        let policy = self.policy();
        for (step, decision) in self.book.decide(&policy)? {
            let key = step.key;
            info!(
                market = %key.market, slot = key.id, stage = step.after.name(), reason = decision.reason().name(),
                "decided"
            );
            if let Decision::Prove { reason } = decision {
                self.reasons.insert(key, reason);
            }
            self.follow_up(&step);
        }
        self.retry_unconfirmed(policy.now)?;
        self.start_proofs()?;
        self.start_deliveries(policy.now)?;
        self.start_errands(&policy);
        self.start_mining(&policy);
        if self.config.upkeep {
            self.start_upkeep(policy.now);
        }
        Ok(())
    }

    fn policy(&self) -> Policy {
        let tuned = self.config.tuned();
        Policy {
            now: self.pace.now(),
            estimated_proving_seconds: self.pace.estimate_seconds(),
            rescue: tuned.rescue,
            minimum_reward: tuned.minimum_reward,
            workers: self.config.workers.max(1) as u64,
            taking: tuned.taking && self.health.taking(self.book.failing()),
            hand_over: tuned.hand_over,
            take_over: tuned.take_over,
            key: self.sender.address(),
            secret: self.config.secret,
        }
    }

    /// Effects and reports of work that moved.
    fn follow_up(&mut self, step: &Moved) {
        if step.actions.contains(&Action::CancelProof) {
            self.workers.cancel(step.key);
        }
        if step.after.ended() || step.after == SlotStage::Seen {
            self.unconfirmed.remove(&step.key);
        }
        self.report(step);
        if step.after.ended() {
            self.effort.remove(&step.key);
        }
    }

    fn input(&mut self, key: SlotKey, input: &Input) -> Result<(), NodeError> {
        if let Some(step) = self.book.input(key, input)? {
            self.follow_up(&step);
        }
        Ok(())
    }

    fn start_proofs(&mut self) -> Result<(), NodeError> {
        while self.workers.idle() {
            let Some(key) = self.next_to_prove() else { return Ok(()) };
            let Some(fact) = self.book.facts().slot(key).cloned() else { return Ok(()) };
            let prover = self.config.prover;
            let prepared = match self.book.facts_mut().rollup_of_market(key.market) {
                Some(rollup) => rollup.prepare(&fact, prover).map_err(NodeError::from),
                None => Err(crate::rollup::RollupError::UnknownMarket(key.market).into()),
            };
            let job = prepared.and_then(|prepared| {
                let circuit = prepared.circuit;
                if !self.backends.iter().any(|backend| backend.circuit() == circuit) {
                    return Err(NodeError::NoBackend { circuit });
                }
                let statement = fact.slot.statement;
                Ok((Job { key, statement, circuit, bytes: prepared.job }, prepared.correct))
            });
            let (job, correct) = match job {
                Ok(job) => job,
                Err(error) => {
                    self.trouble(Some(key), error.code(), &error.to_string(), false);
                    self.input(key, &Input::Unprovable)?;
                    continue;
                }
            };
            let reason = self.reasons.get(&key).copied().unwrap_or(Reason::Allocated);
            if !self.workers.start(job) {
                return Ok(());
            }
            info!(market = %key.market, slot = key.id, reason = reason.name(), claim_correct = correct, "proof started");
            self.effort.insert(key, (Instant::now(), None));
            self.reporter.slot("proving", key, self.since_seen(key), json!({ "reason": reason.name() }));
            self.input(key, &Input::ProofStarted)?;
        }
        Ok(())
    }

    /// The queued slot whose time runs out first, this prover's own before others'.
    fn next_to_prove(&self) -> Option<SlotKey> {
        let queued = self
            .book
            .work()
            .filter(|(key, record)| record.work.stage == SlotStage::Queued && !self.workers.busy_with(*key));
        let urgency = |record: &crate::store::WorkRecord| {
            (record.slot.prover != self.config.prover, record.slot.exclusiveUntil.to::<u64>())
        };
        queued.min_by_key(|(_, record)| urgency(record)).map(|(key, _)| key)
    }

    fn finished(&mut self, finished: Finished) -> Result<(), NodeError> {
        let Finished { key, statement, outcome, took } = finished;
        self.workers.done(key);
        match outcome {
            Outcome::Proved(output) => {
                self.health.succeeded();
                self.watch.observer.phase("proof", took);
                self.pace.proved(took);
                if let Some(effort) = self.effort.get_mut(&key) {
                    effort.1 = Some(took);
                }
                self.keep(key, statement, &output, took)
            }
            Outcome::Cancelled => self.input(key, &Input::ProofCancelled),
            Outcome::Failed(message) => {
                self.health.failed();
                self.trouble(Some(key), "proof_failed", &message, true);
                let retry_at = self.pace.now().saturating_add(PROOF_RETRY);
                self.input(key, &Input::ProofFailed { retry_at })
            }
        }
    }

    fn keep(
        &mut self,
        key: SlotKey,
        statement: B256,
        output: &ProofOutput,
        took: Duration,
    ) -> Result<(), NodeError> {
        if self.book.record(key).is_some_and(|record| record.slot.statement != statement) {
            // A reorg put another slot in this one's place.
            return self.input(key, &Input::ProofCancelled);
        }
        let proof = StoredProof {
            statement,
            payee: self.config.prover,
            public_inputs: output.public_inputs.iter().map(|word| U256::from_be_bytes(*word)).collect(),
            proof: output.proof.clone().into(),
        };
        let phases: serde_json::Map<_, _> = output
            .timings
            .iter()
            .map(|(phase, time)| (phase_name(*phase).to_owned(), json!(crate::report::millis(*time))))
            .collect();
        info!(market = %key.market, slot = key.id, ms = crate::report::millis(took), "proved");
        self.reporter.slot("proved", key, Some(took), json!({ "phases": phases }));
        if let Some(step) = self.book.proved(key, &proof)? {
            self.follow_up(&step);
        }
        Ok(())
    }

    /// Deliver what is ready, within the bound, and stop.
    async fn wind_down(mut self) -> Result<(), NodeError> {
        info!("node is stopping");
        self.observe_now();
        self.workers.cancel_all();
        self.stop_mining();
        self.start_deliveries(self.pace.now())?;
        let deadline = Instant::now() + self.config.shutdown_bound;
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
        info!("node stopped");
        Ok(())
    }

    /// Say that something is wrong.
    fn trouble(&self, key: Option<SlotKey>, code: &'static str, message: &str, retried: bool) {
        self.watch.observer.failure(code);
        let fields = json!({ "code": code, "message": message, "retried": retried });
        match key {
            Some(key) => {
                error!(market = %key.market, slot = key.id, code, message, retried, "slot is in trouble");
                self.reporter.slot("error", key, None, fields);
            }
            None => {
                error!(code, message, retried, "node is in trouble");
                self.reporter.node("error", fields);
            }
        }
    }
}
