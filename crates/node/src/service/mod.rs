//! The loop: chain updates, finished proofs and finished sends come in; proofs and transactions go out. Everything that
//! is decided is decided by [`crate::book`]; everything that is done is done here.

mod actions;
mod alarms;
mod budgets;
mod chain_clock;
mod commitments;
mod earning;
mod ending;
pub mod fee_budget;
mod feed;
mod funds;
mod grown;
mod health;
mod lifecycle;
pub(crate) mod margin;
mod observe;
mod pause_reason;
mod proofs;
mod report;
mod rereads;
mod returns;
mod rounds;
mod said;
mod seeds;
mod sends;
mod slot_timings;
mod upkeep;
mod whose;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use provery_mechanisms::{Decision, Reason};
use provery_rpc::{Chain, Update};
use provery_txmgr::Sender;
use provery_types::{BlockRef, LoggedEvent, SlotKey};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};

use crate::book::{Book, Moved, Policy, Unfinished, unix_millis};
use crate::concern::Concern;
use crate::config::{NodeConfig, Tunables};
use crate::earning::Shortfall;
use crate::error::NodeError;
use crate::proof_pool::{Finished, Workers};
use crate::report::Reporter;
use crate::slots::{Action, Input, SlotStage};
use crate::stop::Stop;
use provery_worker::lease::Role;

pub use lifecycle::{Parts, run};

use actions::Mine;
use chain_clock::ChainClock;
use earning::Deposits;
use feed::{Fed, Feed};
use funds::Funds;
use health::Health;
use margin::Margin;
use observe::Watch;
use pause_reason::{PauseReason, PauseTrouble};
use rereads::Rereads;
use returns::Returns;
use rounds::Rounds;
use said::Said;
use sends::Sent;
use slot_timings::SlotTimings;
use upkeep::Upkeep;
use whose::Whose;

struct Service {
    config: NodeConfig,
    chain: Chain,
    /// The same, for whatever outlives this service.
    served: watch::Sender<Chain>,
    sender: Sender,
    circuits: Vec<String>,
    book: Book,
    feed: Feed,
    workers: Workers,
    chain_clock: ChainClock,
    upkeep: Upkeep,
    reporter: Arc<Reporter>,
    sends: JoinSet<Sent>,
    /// Proofs that were mined, or refused because the slot had ended, and the block by which an event must have said so.
    unconfirmed: HashMap<SlotKey, u64>,
    reasons: HashMap<SlotKey, Reason>,
    said: Said,
    /// Blocks of which events are missing.
    rereads: Rereads,
    /// What comes again with blocks that were taken back.
    returns: Returns,
    /// Reorganisations that the follower has told of.
    reorgs: u64,
    health: Health,
    funds: Funds,
    /// Whether slots pay for the gas of their proofs.
    margin: Margin,
    /// The mining puzzle that is being worked on.
    mine: Option<Mine>,
    rounds: Rounds,
    /// Where the time goes, of slots that are not over.
    slot_timings: HashMap<SlotKey, SlotTimings>,
    /// Why nothing is taken on, as last said.
    pause_reason: Option<PauseReason>,
    overloaded: bool,
    /// What the operator should know, as last said.
    concerns: Vec<Concern>,
    /// Why nothing will be earned, as last said.
    shortfalls: Vec<Shortfall>,
    deposits: watch::Receiver<Deposits>,
    /// Whether the prover is a delegation pool.
    pool: bool,
    draining: bool,
    /// When a pause because of stopping no longer waits for bids.
    pause_by: Option<Instant>,
    /// What a node that is about to end waits for, as last said: what is not finished, what may bind it to more, a pause.
    waits_for: Option<(Unfinished, usize, bool)>,
    /// Whether the prover is in draws, as was asked at the end: before all was read that events tell of it.
    drawn: Option<bool>,
    /// Bids whose bond is lost soon unless this is sent.
    late_bids: Vec<(SlotKey, &'static str)>,
    /// Why the last pause that was tried could not be had.
    pause_trouble: Option<PauseTrouble>,
    /// Looks for whose a pause is that this node knows nothing of.
    whose: Whose,
    watch: Watch,
    /// Whether this node is the one that acts, if it is one of several.
    roles: watch::Receiver<Role>,
    acting: bool,
}

/// What a service is made of, apart from its settings.
struct Wiring {
    sender: Sender,
    book: Book,
    feed: Feed,
    workers: Workers,
    upkeep: Upkeep,
    reporter: Arc<Reporter>,
    watch: Watch,
    roles: watch::Receiver<Role>,
    deposits: watch::Receiver<Deposits>,
    pool: bool,
    served: watch::Sender<Chain>,
}

impl Service {
    fn new(config: &NodeConfig, parts: &Parts, wiring: Wiring) -> Self {
        let Wiring { sender, book, feed, workers, upkeep, reporter, watch, roles, deposits, pool, served } =
            wiring;
        let chain = served.borrow().clone();
        Self {
            config: config.clone(),
            chain,
            served,
            sender,
            circuits: parts.circuits.clone(),
            book,
            feed,
            workers,
            chain_clock: ChainClock::new(config.first_estimate),
            upkeep,
            reporter,
            sends: JoinSet::new(),
            unconfirmed: HashMap::new(),
            reasons: HashMap::new(),
            said: Said::default(),
            rereads: Rereads::default(),
            returns: Returns::default(),
            reorgs: 0,
            health: Health::default(),
            funds: Funds::new(config.low_balance_proofs),
            margin: Margin::default(),
            mine: None,
            rounds: Rounds::default(),
            slot_timings: HashMap::new(),
            pause_reason: None,
            overloaded: false,
            concerns: Vec::new(),
            shortfalls: Vec::new(),
            deposits,
            pool,
            draining: false,
            pause_by: None,
            waits_for: None,
            drawn: None,
            whose: Whose::default(),
            late_bids: Vec::new(),
            pause_trouble: None,
            watch,
            roles,
            acting: false,
        }
    }

    fn role(&self) -> Role {
        *self.roles.borrow()
    }

    fn tunables(&self) -> Tunables {
        self.config.tuned()
    }

    async fn run(
        mut self,
        mut results: mpsc::UnboundedReceiver<Finished>,
        stop: Stop,
    ) -> Result<(), NodeError> {
        let mut tick = tokio::time::interval(self.config.poll);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drained_by: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.now.cancelled() => break,
                () = stop.drain.cancelled(), if !self.draining => {
                    self.begin_drain();
                    drained_by = Some(Instant::now() + self.config.drain);
                }
                Some(finished) = results.recv() => self.finished(finished)?,
                Some(sent) = self.sends.join_next() => self.sent(sent)?,
                // The follower is gone only if the node is going down.
                Some(fed) = self.feed.updates.recv() => match fed {
                    Fed::Update(update, floor, stored) => {
                        self.update(update, floor)?;
                        let _ = stored.send(());
                    }
                    Fed::Deployment(chain, adopted) => {
                        let from = self.book.adopt(chain.deployment().clone())?;
                        self.chain = chain.clone();
                        self.served.send_replace(chain);
                        let _ = adopted.send(from);
                    }
                    Fed::Reread(after, is_read) => self.reread_answered(after, is_read),
                },
                _ = tick.tick() => {}
            }
            self.act()?;
            self.observe();
            if drained_by.is_some_and(|by| self.drained(by)) {
                break;
            }
        }
        self.wind_down().await
    }

    fn update(&mut self, update: Update, floor: u64) -> Result<(), NodeError> {
        let moved = match update {
            Update::Block { block, events } => self.take_in(&[(block, events)], floor)?,
            Update::Range(blocks) => self.take_in(&blocks, floor)?,
            Update::Past { events, next } => {
                debug!(next, events = events.len(), "events of before a rollup was known");
                self.book.past(&events, next)?
            }
            Update::Reorg { to } => {
                let head = self.book.head().map_or(to.number, |head| head.number);
                let reorgs = self.feed.health.borrow().reorgs;
                let is_same_chain = std::mem::replace(&mut self.reorgs, reorgs) == reorgs;
                self.rereads.taken_back(head, is_same_chain, Instant::now());
                self.returns.taken_back();
                if !is_same_chain {
                    warn!(to = to.number, "reorg: blocks were taken back");
                    self.watch.reorg(head.saturating_sub(to.number));
                }
                let mut moved = self.book.reorg(to)?;
                self.keep_proofs(&mut moved, head);
                // Slots that it took back may never return.
                self.slot_timings.retain(|key, _| self.book.record(*key).is_some());
                self.reasons.retain(|key, _| self.book.record(*key).is_some());
                self.said.forget(|key| self.book.record(key).is_none());
                moved
            }
        };
        for step in moved {
            self.follow_up(&step);
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        blocks: &[(BlockRef, Vec<LoggedEvent>)],
        floor: u64,
    ) -> Result<Vec<Moved>, NodeError> {
        let events = || blocks.iter().flat_map(|(_, events)| events);
        if let Some((block, _)) = blocks.last() {
            debug!(block = block.number, events = events().count(), "block");
        }
        let moved = self.book.blocks(blocks, floor)?;
        events().for_each(|logged| self.report_resolved(logged));
        Ok(moved)
    }

    /// Whether the facts are recent enough to act on.
    fn caught_up(&self) -> bool {
        if self.rereads() {
            return false;
        }
        let head = self.feed.health.borrow().head;
        match (self.book.head(), head) {
            (Some(at), Some(head)) => at.number + 2 >= head.number,
            _ => false,
        }
    }

    /// Time is that of the last block taken in, which hangs from all before it: a head alone may be made up. What was decided
    /// by a later time is decided anew.
    fn mind_time(&mut self) -> Result<(), NodeError> {
        let Some(head) = self.book.head() else { return Ok(()) };
        if !self.chain_clock.block(&head, self.chain.rpc().is_development()) {
            return Ok(());
        }
        warn!(block = head.number, now = self.chain_clock.now(), "the chain's time went back");
        for step in self.book.time_went_back()? {
            self.follow_up(&step);
        }
        Ok(())
    }

    fn act(&mut self) -> Result<(), NodeError> {
        // Nor is it earlier because blocks that have not changed are told again.
        if self.rereads() {
            return Ok(());
        }
        self.mind_time()?;
        if !self.caught_up() {
            return Ok(());
        }
        self.mind_untold();
        self.look();
        self.look_whose_pause();
        if !self.role().may_act() {
            return self.step_down();
        }
        self.acting = true;
        if self.config.upkeep {
            self.mind_pause_reason();
        }
        let policy = self.policy();
        for (step, decision) in self.book.decide(&policy)? {
            let key = step.key;
            let reason = decision.reason();
            if self.said.is_news(key, step.after, reason.name()) {
                self.say_decision(key, step.after, reason);
            }
            if let Decision::Prove { reason } = decision
                && step.after.engaged()
            {
                self.reasons.insert(key, reason);
                self.slot_timings.entry(key).or_insert_with(|| SlotTimings::begin(unix_millis())).decided();
            }
            self.follow_up(&step);
        }
        self.mind_returns()?;
        self.retry_unconfirmed(policy.now)?;
        self.renew_budgets(&policy);
        self.start_proofs()?;
        self.start_deliveries(policy.now)?;
        self.start_actions(&policy);
        self.start_mining(&policy);
        if self.config.upkeep {
            self.start_upkeep(policy.now);
        }
        Ok(())
    }

    fn say_decision(&mut self, key: SlotKey, stage: SlotStage, reason: Reason) {
        let (stage, reason) = (stage.name(), reason.name());
        match self.book.at_hand(key).err().filter(|_| stage == SlotStage::Ignored.name()) {
            Some(gap) => {
                warn!(market = %key.market, slot = key.id, stage, reason, gap = %gap, "what proves the slot is not at hand")
            }
            None => info!(market = %key.market, slot = key.id, stage, reason, "decided"),
        }
    }

    /// Another node acts: leave everything to it, and only follow.
    fn step_down(&mut self) -> Result<(), NodeError> {
        if !std::mem::take(&mut self.acting) {
            return Ok(());
        }
        warn!("another node acts from now on");
        self.reporter.node("standby", json!({}));
        self.workers.abandon_all();
        self.returns.clear_proofs();
        self.stop_mining();
        self.rounds = Rounds::default();
        self.sends.abort_all();
        self.upkeep.abandoned();
        self.whose = Whose::default();
        self.unconfirmed.clear();
        for step in self.book.restart()? {
            self.follow_up(&step);
        }
        Ok(())
    }

    fn policy(&self) -> Policy {
        let tunables = self.tunables();
        Policy {
            now: self.chain_clock.now(),
            estimated_proving_seconds: self.chain_clock.estimate_seconds(),
            rescue: tunables.rescue,
            minimum_reward: tunables.minimum_reward,
            workers: self.config.workers.max(1) as u64,
            stake_unit: self.upkeep.stake_unit(),
            taking: !self.draining
                && self.pause_reason().is_none()
                && self.health.taking(self.book.failing()),
            hand_over: tunables.hand_over,
            take_over: tunables.take_over,
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
        if step.after.ended() {
            self.said.over(step.key);
        }
        if step.before.is_none() {
            self.slot_timings.insert(step.key, SlotTimings::begin(unix_millis()));
        }
        self.report(step);
        if step.after.ended() || step.after == SlotStage::Ignored {
            self.reasons.remove(&step.key);
            // The event often comes before the receipt.
            if self.slot_timings.get(&step.key).is_some_and(|timings| !timings.under_way()) {
                self.slot_timings.remove(&step.key);
            }
        }
    }

    fn input(&mut self, key: SlotKey, input: &Input) -> Result<(), NodeError> {
        if let Some(step) = self.book.input(key, input)? {
            self.follow_up(&step);
        }
        Ok(())
    }

    /// Say that something is wrong.
    fn trouble(&self, key: Option<SlotKey>, code: &'static str, message: &str, retried: bool) {
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
