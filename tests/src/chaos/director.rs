//! Faults of processes and of the chain, by seed: which, when, to whom.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy::primitives::Address;
use eyre::Result;
use futures::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    crash::patience_ms,
    dice::Dice,
    hopeless::{GIVING_UP_S, HOPELESS_MS, Hopeless, Reopened},
    ledger::Key,
    log::{EventLog, now_ms},
    miner::Miner,
    node::{Next, Node},
    pool::Pool,
    proc,
    reports::Reports,
    stage::{RACE, RACE_EXPIRY},
    standby::Bus,
};

/// What it is called that a reorganisation met a nonce that a node had given up.
pub(super) const EMPTIED: &str = "emptied_nonce";
/// The deepest reorganisation that a node must follow.
pub(super) const DEEPEST: u64 = 64;
/// Deeper ones than this come only so often.
const DEEP: u64 = 10;
/// Blocks after which nodes know a slot, and have hardly proven it.
const NOTICED: u64 = 2;
/// Blocks, and so seconds of chain time at least, between two jumps past a slot's end: a holder keeps most of its window.
const BETWEEN_EXPIRIES: u64 = 5 * RACE_EXPIRY;
/// How long the chain waits for a node to say how its slots are.
const STATUS_WITHIN: Duration = Duration::from_millis(300);
/// How often it is looked whether a node can be led to its crash point.
const LEAD_EVERY: Duration = Duration::from_millis(80);
/// How long a node without a crash point is left alone in a run that is all about them.
const UNARMED_MS: u64 = 15_000;

/// A fault of a process or of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Reorg,
    Sigkill,
    CrashPoint,
    Sigterm,
    Sigstop,
    WorkerKill,
    DiskFull,
    ClockSkew,
    BaseFeeSpike,
    SlowProver,
    FailedProof,
    Outage,
    GivenUp,
    NatsAway,
}

impl Fault {
    pub(super) const ALL: [Self; 14] = [
        Self::Reorg,
        Self::Sigkill,
        Self::CrashPoint,
        Self::Sigterm,
        Self::Sigstop,
        Self::WorkerKill,
        Self::DiskFull,
        Self::ClockSkew,
        Self::BaseFeeSpike,
        Self::SlowProver,
        Self::FailedProof,
        Self::Outage,
        Self::GivenUp,
        Self::NatsAway,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reorg => "reorg",
            Self::Sigkill => "sigkill",
            Self::CrashPoint => "crash_point",
            Self::Sigterm => "sigterm",
            Self::Sigstop => "sigstop",
            Self::WorkerKill => "worker_kill",
            Self::DiskFull => "disk_full",
            Self::ClockSkew => "clock_skew",
            Self::BaseFeeSpike => "base_fee_spike",
            Self::SlowProver => "slow_prover",
            Self::FailedProof => "failed_proof",
            Self::Outage => "outage",
            Self::GivenUp => "given_up",
            Self::NatsAway => "nats_away",
        }
    }

    /// How often, next to the others.
    fn weight(self) -> f64 {
        match self {
            Self::Reorg => 3.0,
            Self::Sigkill | Self::CrashPoint | Self::Sigstop => 2.0,
            Self::Sigterm | Self::SlowProver | Self::FailedProof => 0.5,
            _ => 1.0,
        }
    }

    /// What a measurement of memory is compatible with: nothing that ends a process.
    fn gentle(self) -> bool {
        matches!(self, Self::Reorg | Self::Sigstop | Self::ClockSkew | Self::BaseFeeSpike | Self::Outage)
    }

    /// Whether a run that kills makes sure of it. Crashes come when they come.
    pub(super) fn sure(self, plan: &Plan) -> bool {
        self != Self::CrashPoint && self.possible(plan)
    }

    /// Whether the run has what it befalls.
    fn possible(self, plan: &Plan) -> bool {
        match self {
            Self::NatsAway => plan.paired(),
            // Where all is about crash points, nodes are led to this one.
            // It takes a node out for a while, which a short run has not got.
            Self::GivenUp => plan.workers && !plan.crash_points && plan.seconds >= GIVING_UP_S,
            _ => plan.workers || !self.wants_workers(),
        }
    }

    /// What needs provers that prove in processes of their own.
    pub(super) fn wants_workers(self) -> bool {
        matches!(self, Self::WorkerKill | Self::SlowProver | Self::FailedProof | Self::GivenUp)
    }
}

/// What a run asks of its director.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    /// No process is killed, and faults are rare.
    pub soak: bool,
    /// Mostly crash points.
    pub crash_points: bool,
    /// Whether provers prove in processes of their own.
    pub workers: bool,
    /// Milliseconds between blocks.
    pub block_ms: u64,
    /// For how long faults are injected.
    pub seconds: u64,
    /// Seconds of chain time that all skews together may take, apart from those that end a race: these are
    /// [`BETWEEN_EXPIRIES`] blocks apart.
    pub most_skew: u64,
}

impl Plan {
    /// Whether two nodes have one prover.
    pub(super) fn paired(&self) -> bool {
        !self.soak && !self.crash_points
    }
}

#[derive(Debug)]
pub(super) struct Director {
    pub plan: Plan,
    pub miner: Arc<Mutex<Miner>>,
    pub nodes: Vec<Arc<Node>>,
    pub reports: Arc<Reports>,
    pub pool: Arc<Pool>,
    pub log: EventLog,
    pub bus: Option<Arc<Bus>>,
    /// A node that is to give a slot up.
    pub hopeless: Option<Hopeless>,
    /// Slots that nodes had given up and that came anew, or did not.
    pub reopened: Vec<Reopened>,
    /// Told of each reorganisation.
    pub reorgs: tokio::sync::watch::Sender<u64>,
    pub by_stage: BTreeMap<String, u64>,
    /// The head from which on a reorganisation may be deep again.
    pub next_deep: u64,
    /// And from which on one may be made for a node that waits for it.
    pub next_led: u64,
    /// And from which on the clock may jump past a slot's end.
    pub next_expiry: u64,
}

impl Director {
    /// Inject until told to stop. Every fault is over by then, or soon after by itself.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<Self> {
        let mut dice = Dice::of(&[self.plan.seed, 1]);
        let mut tried: BTreeMap<Fault, f64> = BTreeMap::new();
        let mut skewed = 0;
        loop {
            let (least, most) = match self.plan {
                Plan { soak: true, .. } => (8_000, 20_000),
                // Crashes come by themselves.
                Plan { crash_points: true, .. } => (2_500, 5_500),
                _ => (900, 2_600),
            };
            let next = Instant::now() + Duration::from_millis(dice.between(least, most));
            while Instant::now() < next {
                tokio::select! {
                    () = sleep(LEAD_EVERY) => {}
                    () = stop.cancelled() => return Ok(self),
                }
                if self.plan.crash_points {
                    self.lead(&mut dice).await?;
                }
                self.despair(&mut dice).await?;
            }
            self.rotate(&mut dice);
            let mut choices: Vec<Fault> = Fault::ALL
                .into_iter()
                .filter(|fault| !self.plan.soak || fault.gentle())
                .filter(|fault| fault.possible(&self.plan))
                .filter(|fault| *fault != Fault::CrashPoint || !self.plan.crash_points)
                .filter(|fault| *fault != Fault::ClockSkew || skewed < self.plan.most_skew)
                .collect();
            let done = |fault: &Fault| tried.get(fault).copied().unwrap_or(0.0) / fault.weight();
            choices.sort_by(|a, b| done(a).total_cmp(&done(b)));
            choices.truncate(3);
            let Some(fault) = dice.pick(&choices).copied() else { continue };
            let done = match fault {
                Fault::Reorg => self.reorg(&mut dice).await?,
                Fault::BaseFeeSpike => self.spike().await,
                Fault::ClockSkew => {
                    let seconds = dice.between(2, 6);
                    skewed += seconds;
                    self.miner.lock().await.skew(seconds).await?;
                    self.log.injected(fault.name(), "chain", json!({ "seconds": seconds }));
                    true
                }
                other => self.hit_node(other, &mut dice),
            };
            // One that found nobody to meet has its turn again soon, but not before others.
            *tried.entry(fault).or_default() += if done { 1.0 } else { 0.2 };
        }
    }

    /// A node that waits too long for its crash point gets another one, as does one that has none where all are to.
    fn rotate(&self, dice: &mut Dice) {
        for node in &self.nodes {
            let over = match node.armed() {
                Some((place, since)) => since + patience_ms(place.0, self.plan.block_ms) < now_ms(),
                None => self.plan.crash_points && node.up_for(UNARMED_MS),
            };
            if over && node.claim(500) {
                self.log.note("disarmed", node.name(), json!({}));
                let arm = self.plan.crash_points || dice.coin();
                node.kill("rotated", Next { arm, ..Next::default() });
            }
        }
    }

    /// Bring nodes to the places at which they are to crash: a jump of the base fee while a transaction waits for its
    /// block, a reorganisation that takes the newest one back, a clock that jumps past a race's end.
    async fn lead(&mut self, dice: &mut Dice) -> Result<()> {
        for node in self.nodes.clone() {
            let Some(((point, _), _)) = node.armed().filter(|_| node.up_for(0)) else { continue };
            let of = node.prover.address;
            let mut miner = self.miner.clone().lock_owned().await;
            match point {
                "pending:replaced" if !miner.spiking() => {
                    let nonce = miner.count(of, "latest").await?;
                    if !self.pool.of_nonce(of, nonce).is_empty() {
                        miner.jump();
                        self.log.injected(Fault::BaseFeeSpike.name(), "chain", json!({ "for": node.name() }));
                    }
                }
                "pending:unmined" | "reorg" => {
                    let head = miner.ledger.head();
                    let mined = miner
                        .ledger
                        .blocks
                        .iter()
                        .rev()
                        .take(DEEP as usize)
                        .find(|(_, block)| block.txs.iter().any(|tx| tx.from == of));
                    let depth = mined.map(|(number, _)| head - number + 1);
                    if let Some(depth) = depth.filter(|_| head >= self.next_led) {
                        self.next_led = head + DEEP;
                        let known = self.stages().await;
                        let put_back = dice.coin();
                        self.take_back(miner, depth, put_back, false, &known, dice).await?;
                    }
                }
                "work:expired" => {
                    let head = miner.ledger.head();
                    let opened = miner.ledger.just_opened(RACE, DEEP as usize);
                    if opened.is_some_and(|opened| head >= opened + NOTICED) && head >= self.next_expiry {
                        self.next_expiry = head + BETWEEN_EXPIRIES;
                        miner.skew(RACE_EXPIRY).await?;
                        let details = json!({ "seconds": RACE_EXPIRY, "for": node.name() });
                        self.log.injected(Fault::ClockSkew.name(), "chain", details);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn reorg(&mut self, dice: &mut Dice) -> Result<bool> {
        let miner = self.miner.clone().lock_owned().await;
        let head = miner.ledger.head();
        // Shallow ones are more frequent, as everywhere, and the chain must get on between two deep ones.
        let deep = head >= self.next_deep;
        let mut depth: u64 = [1, 1, 1, 2, 4, 8, if deep { 32 } else { 6 }, if deep { DEEPEST } else { 3 }]
            [dice.below(8) as usize];
        depth = dice.between(depth.div_ceil(2), depth);
        // As the slots are before it: the nodes follow at once.
        let known = self.stages().await;
        let most = if deep { DEEPEST } else { DEEP };
        if let Some(rare) = self.rarest(&miner, &known).filter(|rare| *rare <= most && dice.coin()) {
            depth = rare;
        }
        // A nonce that was given up is rarer still.
        let of: Vec<Address> = self.nodes.iter().map(|node| node.prover.address).collect();
        let emptied = miner.ledger.last_emptied(&of).map(|number| head - number + 1);
        if let Some(emptied) = emptied.filter(|emptied| *emptied <= most && dice.coin()) {
            depth = emptied;
        }
        let mut before_seed = false;
        if let Some(seed) = miner.ledger.seed_block()
            && deep
            && head >= seed
            && head - seed + 2 <= DEEPEST
            && dice.chance(300_000)
        {
            // The first block replaced keeps its randomness, so it must not be the seed's own.
            depth = head - seed + 2;
            before_seed = true;
        }
        if depth > DEEP {
            self.next_deep = head + DEEPEST;
        }
        let put_back = dice.coin();
        self.take_back(miner, depth, put_back, before_seed, &known, dice).await?;
        Ok(true)
    }

    /// What every node says of its slots.
    pub(super) async fn stages(&self) -> Vec<BTreeMap<Key, String>> {
        join_all(self.nodes.iter().map(|node| stages(node))).await
    }

    /// The depth at which a slot is taken back that is, in some node, in the stage that reorganisations have met least.
    fn rarest(&self, miner: &Miner, known: &[BTreeMap<Key, String>]) -> Option<u64> {
        let (head, slots) = (miner.ledger.head(), miner.ledger.slots());
        let mut rows: Vec<(u64, u64)> = Vec::new();
        for (key, stage) in known.iter().flatten() {
            let Some(row) = slots.get(key) else { continue };
            let met = self.by_stage.get(stage).copied().unwrap_or(0);
            // Its end will do, which is later.
            let touched = row.end.as_ref().map_or(row.opened_in, |(block, _)| *block);
            rows.push((met, head.saturating_sub(touched) + 1));
        }
        rows.into_iter().filter(|(_, depth)| *depth <= DEEPEST).min().map(|(_, depth)| depth)
    }

    /// Replace the last `depth` blocks. With `put_back` their transactions come again.
    pub(super) async fn take_back(
        &mut self,
        mut miner: OwnedMutexGuard<Miner>,
        depth: u64,
        put_back: bool,
        before_seed: bool,
        known: &[BTreeMap<Key, String>],
        dice: &mut Dice,
    ) -> Result<()> {
        let done = miner.reorg(depth, put_back, dice).await?;
        drop(miner);
        if done.depth == 0 {
            return Ok(());
        }
        self.reports.reorganised();
        self.reorgs.send_modify(|count| *count += 1);
        for node in self.nodes.iter().filter(|node| !node.stands_by()) {
            let count = done.emptied.iter().filter(|of| **of == node.prover.address).count();
            (0..count).for_each(|_| self.log.injected(EMPTIED, node.name(), json!({ "put_back": put_back })));
        }
        let mut met: BTreeMap<String, u64> = BTreeMap::new();
        for (node, known) in self.nodes.iter().zip(known) {
            for (key, _) in &done.touched {
                let stage =
                    known.get(key).map(String::as_str).or_else(|| self.reports.stage(node.index, *key));
                let stage = stage.unwrap_or("seen").to_owned();
                *met.entry(stage.clone()).or_default() += 1;
                *self.by_stage.entry(stage).or_default() += 1;
            }
        }
        let details = json!({
            "depth": done.depth, "dropped": done.dropped, "put_back": done.put_back, "before_seed": before_seed,
            "stages": met,
        });
        self.log.injected("reorg", "chain", details);
        Ok(())
    }

    async fn spike(&self) -> bool {
        let mut miner = self.miner.lock().await;
        let calm = !miner.spiking();
        if calm {
            miner.spike();
            self.log.injected("base_fee_spike", "chain", json!({}));
        }
        calm
    }

    /// Whether it came about.
    fn hit_node(&mut self, fault: Fault, dice: &mut Dice) -> bool {
        if fault == Fault::NatsAway {
            let ms = dice.between(1_000, 14_000);
            if let Some(bus) = &self.bus {
                bus.away(Duration::from_millis(ms));
                self.log.injected(fault.name(), "nats", json!({ "ms": ms }));
            }
            return self.bus.is_some();
        }
        let ms = match fault {
            Fault::GivenUp => HOPELESS_MS,
            Fault::Sigstop => dice.between(400, 4_000),
            Fault::DiskFull => dice.between(1_000, 4_000),
            Fault::Outage => dice.between(2_000, 5_000),
            _ => 1_000,
        };
        // Proofs of a node with a standby are made by nobody that could be told to fail.
        let hears = |node: &&Arc<Node>| !fault.wants_workers() || !node.paired();
        let fit: Vec<Arc<Node>> = self.nodes.iter().filter(hears).cloned().collect();
        let Some(node) = dice.pick(&fit).cloned() else { return false };
        if fault == Fault::GivenUp && self.hopeless.is_some() || !node.claim(ms + 500) {
            return false;
        }
        let Some(pid) = node.pid() else { return false };
        let plain = Next { arm: self.plan.crash_points || dice.coin(), ..Next::default() };
        let with = |worker_fault| Next { worker_fault: Some(worker_fault), ..Next::default() };
        let hit = match fault {
            Fault::Sigkill => node.kill("sigkill", plain),
            Fault::CrashPoint => {
                // In the log when the node crashes there.
                return node.kill("to be armed", Next { arm: true, ..Next::default() });
            }
            Fault::Sigterm => node.kill("sigterm", plain),
            Fault::GivenUp => {
                // In the log when a reorganisation meets what it has given up.
                self.hopeless = Some(Hopeless::new(node.clone()));
                return node.kill("to give up", with("fail:100"));
            }
            Fault::SlowProver => node.kill("slow_prover", with("slow:1500")),
            Fault::FailedProof => {
                node.kill("failed_proof", with(if dice.coin() { "fail:25" } else { "crash:25" }))
            }
            Fault::WorkerKill => {
                dice.pick(&proc::children(pid)).is_some_and(|child| proc::signal(*child, Signal::KILL))
            }
            Fault::Sigstop => {
                let children = proc::children(pid);
                let target = if dice.coin() { dice.pick(&children).copied().unwrap_or(pid) } else { pid };
                let stopped = proc::signal(target, Signal::STOP);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    proc::signal(target, Signal::CONT);
                });
                stopped
            }
            Fault::DiskFull => {
                let full = proc::limit_files(pid, Some(1));
                node.full_for(ms);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    proc::limit_files(pid, None);
                });
                full
            }
            Fault::Outage => {
                node.proxies.iter().for_each(|proxy| proxy.outage(Duration::from_millis(ms)));
                true
            }
            Fault::Reorg | Fault::ClockSkew | Fault::BaseFeeSpike | Fault::NatsAway => false,
        };
        if hit {
            self.log.injected(fault.name(), node.name(), json!({ "pid": pid, "ms": ms }));
        }
        hit
    }
}

/// Stages of slots, by the node's own word, if it says something before the chain has to go on.
pub(super) async fn stages(node: &Node) -> BTreeMap<Key, String> {
    let Ok(Some(status)) = timeout(STATUS_WITHIN, node.status()).await else { return BTreeMap::new() };
    let rows =
        ["open", "ended"].into_iter().flat_map(|list| status[list].as_array().cloned().unwrap_or_default());
    rows.filter_map(|row| {
        let market = row["market"].as_u64().or_else(|| row["market"].as_str()?.parse().ok())?;
        Some(((market, row["slot"].as_u64()?), row["stage"].as_str()?.to_owned()))
    })
    .collect()
}
