//! The run from start to end.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use eyre::{Result, bail, ensure};
use futures::future::join_all;
use provery_node::slots::SlotStage;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    crash::CrashPlan,
    dice::Dice,
    direct::Direct,
    director::{Director, EMPTIED, Fault, Plan},
    faults::Rates,
    features::Features,
    ledger::Ledger,
    log::EventLog,
    memory,
    miner::{BASE_FEES, Miner, beat},
    node::{self, Node},
    pool::Pool,
    proxy::{self, Proxy},
    reports::Reports,
    sequencer::Sequencer,
    stage::{self, MARKETS, Prover, Stage},
    standby::Bus,
    summary::Summary,
    verdict::{self, Case},
};
use addition::MARKET_ADDED;
use watcher::Watcher;

mod addition;
mod watcher;

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long faults are injected, at least.
    pub seconds: u64,
    pub seed: u64,
    pub provers: u64,
    /// Injections of each fault on the wire that are wanted.
    pub quota: u64,
    /// Nothing is killed and faults are rare.
    pub soak: bool,
    /// Every start of a node has a crash point.
    pub crash_points: bool,
    /// Crashes at each point, before and after, that are wanted.
    pub crashes: u64,
    /// Of the asset; the seed decides if it is not said.
    pub decimals: Option<u8>,
    /// Milliseconds between blocks.
    pub block_ms: u64,
    pub dir: PathBuf,
}

/// How long the run waits, without any fault, for another slot to end.
const PATIENCE: Duration = Duration::from_secs(200);
/// Seconds for anything else that is sure to come, on however slow a machine.
const SURELY_S: u64 = 240;
/// Listeners of each node, once it takes several endpoints.
const LISTENERS: u64 = 2;

/// Run it. `say` is told what goes on, as lines of JSON.
pub async fn run(options: &Options, say: &dyn Fn(Value)) -> Result<Summary> {
    let dir = stage::prepare(&options.dir)?;
    let log = EventLog::create(&dir.join("events.jsonl"))?;
    let anvil = stage::chain().await?;
    let rpc = Direct::new(anvil.port());
    let miner =
        Arc::new(Mutex::new(Miner::new(rpc.clone(), Ledger::new(rpc.clone(), BTreeMap::new()), log.clone())));
    let (block_interval, interval) = watch::channel(Duration::from_millis(60));
    let beating = tokio::spawn(beat(miner.clone(), interval));
    let exclusive = exclusive_window(options);
    let decimals = options.decimals.unwrap_or_else(|| stage::decimals(options.seed));
    say(json!({ "event": "stage", "step": format!("the asset has {decimals} decimals") }));
    let stage = stage::set(&dir, &rpc, options.provers, exclusive, decimals, &|step| {
        say(json!({ "event": "stage", "step": step }))
    })
    .await?;
    {
        let mut miner = miner.lock().await;
        miner.ledger = Ledger::new(rpc.clone(), stage.deployment.sources());
        miner.ledger.read().await?;
    }
    let mut dice = Dice::of(&[options.seed, 5]);
    let base_fee = dice.pick(&BASE_FEES).copied().unwrap_or(BASE_FEES[0]);
    miner.lock().await.set_calm(base_fee);
    say(json!({ "event": "stage", "step": format!("the base fee is {} gwei", base_fee / 1_000_000_000) }));
    block_interval.send_replace(Duration::from_millis(options.block_ms));
    let features = Features::of(&stage.cli).await?;
    say(json!({ "event": "features", "features": format!("{features:?}") }));
    let run = Run::new(options.clone(), dir, log, rpc, miner, stage, features).await?;
    let result = tokio::select! {
        result = run.all(say) => result,
        stopped = beating => match stopped {
            Ok(Err(error)) => Err(error.wrap_err("the chain stopped")),
            _ => bail!("the chain stopped"),
        },
    };
    run.stop.cancel();
    // Nodes go before the chain does.
    for kept in run.kept.lock().await.drain(..) {
        let _ = timeout(Duration::from_secs(30), kept).await;
    }
    drop(anvil);
    result
}

/// Seconds that a holder has for itself: the deepest reorganisation and the longest row of faults fit in several times.
fn exclusive_window(options: &Options) -> u64 {
    (options.seconds / 2).clamp(240, 900)
}

/// A run whose stage is set.
struct Run {
    options: Options,
    log: EventLog,
    rpc: Direct,
    miner: Arc<Mutex<Miner>>,
    stage: Stage,
    features: Features,
    exclusive: u64,
    rates: Arc<Rates>,
    pool: Arc<Pool>,
    reports: Arc<Reports>,
    crashes: Arc<CrashPlan>,
    nodes: Vec<Arc<Node>>,
    kept: Mutex<Vec<JoinHandle<Result<()>>>>,
    /// What nodes with one prover share.
    bus: Option<Arc<Bus>>,
    /// Posts the blocks of the rollup that comes while nodes run.
    added: OnceLock<Sequencer>,
    /// Cancelled once nodes are to serve it.
    serves_added: CancellationToken,
    /// No fault is injected any more, and no block posted.
    calm: CancellationToken,
    stop: CancellationToken,
}

impl Run {
    async fn new(
        options: Options,
        dir: PathBuf,
        log: EventLog,
        rpc: Direct,
        miner: Arc<Mutex<Miner>>,
        stage: Stage,
        features: Features,
    ) -> Result<Self> {
        let exclusive = exclusive_window(&options);
        let rates = Arc::new(Rates::new(options.quota, options.soak));
        let pool = Arc::new(Pool::default());
        let reports = Arc::new(Reports::default());
        let crashes = Arc::new(CrashPlan::new(options.crashes));
        let (calm, stop, serves_added) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        // What measures memory or waits at places wants every node to prove for itself.
        let paired = !options.soak && !options.crash_points;
        let bus = if paired { Some(Arc::new(Bus::start(&stage.cli, &dir).await?)) } else { None };
        let of_nodes = node::Shared {
            cli: stage.cli.clone(),
            nodes: stage.provers.len() + usize::from(paired),
            features,
            log: log.clone(),
            reports: reports.clone(),
            crashes: crashes.clone(),
            seed: options.seed,
            always_armed: options.crash_points,
            bus: bus.as_ref().map(|bus| bus.url()),
            serves_added: serves_added.clone(),
            calm: calm.clone(),
            stop: stop.clone(),
        };
        let of_proxies = proxy::Shared {
            seed: options.seed,
            upstream: rpc.address().to_owned(),
            rates: rates.clone(),
            pool: pool.clone(),
            log: log.clone(),
        };
        let mut nodes = Vec::new();
        // The last of them is the first one's standby.
        let mut provers = stage.provers.clone();
        provers.extend(stage.provers.first().filter(|_| paired).map(Prover::standby));
        for (index, prover) in provers.iter().enumerate() {
            let mut proxies = Vec::new();
            for listener in 0..LISTENERS {
                proxies.push(Proxy::start(of_proxies.clone(), &prover.name, index as u64, listener).await?);
            }
            nodes.push(Node::new(index, prover.clone(), proxies, &dir, of_nodes.clone())?);
        }
        let kept = Mutex::default();
        Ok(Self {
            options,
            log,
            rpc,
            miner,
            stage,
            features,
            exclusive,
            rates,
            pool,
            reports,
            crashes,
            nodes,
            kept,
            bus,
            added: OnceLock::new(),
            serves_added,
            calm,
            stop,
        })
    }

    async fn all(&self, say: &dyn Fn(Value)) -> Result<Summary> {
        let keeping = self.nodes.iter().map(|node| tokio::spawn(node.clone().keep()));
        self.kept.lock().await.extend(keeping);
        self.until(SURELY_S, "the nodes do not start", async || {
            Ok(self.nodes.iter().all(|node| node.up_for(0)))
        })
        .await?;
        if self.features.http {
            self.until(SURELY_S, "the nodes' status pages do not answer", async || {
                let pages = join_all(self.nodes.iter().map(|node| node.status())).await;
                Ok(pages.iter().all(Option::is_some))
            })
            .await?;
        }
        say(json!({ "event": "started", "nodes": self.nodes.len() }));

        let director = Director {
            plan: self.plan(),
            miner: self.miner.clone(),
            nodes: self.nodes.clone(),
            reports: self.reports.clone(),
            pool: self.pool.clone(),
            log: self.log.clone(),
            bus: self.bus.clone(),
            hopeless: None,
            reopened: Vec::new(),
            reorgs: watch::Sender::new(0),
            by_stage: SlotStage::NAMES.into_iter().map(|name| (name.to_owned(), 0)).collect(),
            next_deep: 0,
            next_led: 0,
            next_expiry: 0,
        };
        let reorgs = director.reorgs.subscribe();
        let directing = CancellationToken::new();
        let mut watcher = Watcher::new(self, reorgs);
        self.rates.switch(true);
        let mut directed = tokio::spawn(director.run(directing.clone()));
        let inject = async {
            tokio::select! {
                injected = async { tokio::try_join!(self.inject(say), self.add()) } => { injected?; }
                early = &mut directed => {
                    early??;
                    bail!("the director went home early");
                }
            }
            self.rates.switch(false);
            directing.cancel();
            self.calm.cancel();
            let director = directed.await??;
            self.settle(say).await?;
            Ok::<_, eyre::Report>((director.by_stage, director.reopened))
        };
        let (by_stage, reopened) = tokio::select! {
            injected = inject => injected?,
            watched = watcher.watch() => { watched?; bail!("the run is not watched any more") }
        };
        let wedges = watcher.wedges;
        let mut summary = Summary {
            seed: self.options.seed,
            seconds: self.options.seconds,
            decimals: self.stage.chain.asset().decimals(),
            healed_blocks_max: wedges.longest(),
            healed: wedges.healed.len() as u64,
            reorgs_by_stage: by_stage,
            injected: self.injected(),
            crash_points: self.crashes.hits(),
            stop_points: self.crashes.stops(),
            replacements: self.pool.replaced() as u64,
            ..Summary::default()
        };
        let mut healed = wedges.healed;
        healed.sort_unstable();
        summary.healed_blocks_p50 = healed.get(healed.len() / 2).copied().unwrap_or(0);
        // The chain stands still from here, and is read anew.
        let _still = self.miner.lock().await;
        let mut ledger = Ledger::new(self.rpc.clone(), self.stage.deployment.sources());
        ledger.read().await?;
        let case = Case {
            stage: &self.stage,
            nodes: &self.nodes,
            reports: &self.reports,
            features: self.features,
            reopened: &reopened,
            ledger: &ledger,
            url: self.rpc.url(),
            block_ms: self.options.block_ms,
        };
        case.judge(&mut summary).await?;
        summary.judge();
        let steep = summary.rss_slope_mib_per_h.filter(|slope| *slope >= memory::STEEP);
        if let Some(slope) = steep.filter(|_| summary.rss_window_s >= memory::STEEP_WINDOW_S) {
            summary.failures.push(format!("memory grows by {slope} MiB an hour"));
        }
        if !self.options.soak {
            for (fault, wanted) in self.missing() {
                summary.failures.push(format!("{fault} was to happen {wanted} more times"));
            }
            summary.failures.extend(self.unmet().into_iter().map(|fault| format!("{fault} never happened")));
        }
        Ok(summary)
    }

    /// What the director is asked for.
    fn plan(&self) -> Plan {
        Plan {
            seed: self.options.seed,
            soak: self.options.soak,
            crash_points: self.options.crash_points,
            workers: self.features.worker,
            block_ms: self.options.block_ms,
            seconds: self.options.seconds,
            most_skew: self.exclusive / 8 * (1 + self.options.seconds / self.exclusive),
        }
    }

    /// [`Self::add_market`], unless nothing is to be ended.
    async fn add(&self) -> Result<()> {
        if self.options.soak { Ok(()) } else { self.add_market().await }
    }

    /// Counts by fault; a fault that never came about counts zero.
    fn injected(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> =
            Fault::ALL.into_iter().map(|fault| (fault.name().to_owned(), 0)).collect();
        counts.extend(super::faults::Wire::ALL.into_iter().map(|fault| (fault.name().to_owned(), 0)));
        counts.extend([MARKET_ADDED, EMPTIED].map(|name| (name.to_owned(), 0)));
        counts.extend(self.log.counts());
        counts
    }

    /// Let faults happen until the time is over and the quotas are reached, or twice the time is.
    async fn inject(&self, say: &dyn Fn(Value)) -> Result<()> {
        let started = Instant::now();
        let window = Duration::from_secs(2);
        let (least, most) =
            (Duration::from_secs(self.options.seconds), Duration::from_secs(2 * self.options.seconds));
        let mut round = 0_u64;
        loop {
            sleep(window).await;
            let passed = started.elapsed();
            let all = self.options.soak || self.missing().is_empty() && self.unmet().is_empty();
            if passed >= most || passed >= least && all {
                return Ok(());
            }
            self.rates.adapt(window, (least * 9 / 10).saturating_sub(passed));
            round += 1;
            if round.is_multiple_of(2) {
                say(self.progress(passed).await);
            }
        }
    }

    /// Faults on the wire and crashes that have not happened as often as wanted, and how often they are still to.
    fn missing(&self) -> Vec<(String, u64)> {
        let faults = self.rates.missing().into_iter().map(|(fault, left)| (fault.to_owned(), left));
        faults.chain(self.crashes.missing()).collect()
    }

    /// Faults of processes and the chain that have not happened yet, though they were to.
    fn unmet(&self) -> Vec<&'static str> {
        let counts = self.log.counts();
        let director = self.plan();
        let sure = Fault::ALL.into_iter().filter(|fault| fault.sure(&director)).map(Fault::name);
        sure.chain([MARKET_ADDED]).filter(|name| !counts.contains_key(*name)).collect()
    }

    async fn progress(&self, passed: Duration) -> Value {
        let miner = self.miner.lock().await;
        let slots = miner.ledger.slots();
        let open = slots.values().filter(|row| row.end.is_none()).count();
        json!({
            "event": "progress", "at_s": passed.as_secs(), "block": miner.ledger.head(), "slots": slots.len(),
            "open": open, "faults": self.log.counts().values().sum::<u64>(),
            "nodes": self.nodes.iter().filter(|node| node.up_for(0)).count(),
            "missing": self.missing().len(),
        })
    }

    /// Without faults, every slot ends, and every node comes to know.
    async fn settle(&self, say: &dyn Fn(Value)) -> Result<()> {
        say(json!({ "event": "settling" }));
        for node in &self.nodes {
            // One that runs with a crash point would go on to crash, and one whose proofs fail would prove nothing.
            if node.armed().is_some() || node.failing() {
                node.kill("disarmed", node::Next::default());
            }
        }
        let open = async || {
            let miner = self.miner.lock().await;
            MARKETS.into_iter().map(|market| miner.ledger.open(market).len()).sum::<usize>()
        };
        let (mut before, mut moved) = (usize::MAX, Instant::now());
        loop {
            let now = open().await;
            if now == 0 {
                break;
            }
            if now < before {
                (before, moved) = (now, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                // The verdict says which.
                self.log.note("unsettled", "chain", json!({ "open": now }));
                break;
            }
            sleep(Duration::from_millis(300)).await;
        }
        let settled = async || Ok(self.quiet().await);
        if let Err(error) = self.until(SURELY_S, "nodes are not done", settled).await {
            self.log.note("unsettled", "nodes", json!({ "why": error.to_string() }));
        }
        // What is mined becomes deep enough to be told of.
        let head = self.log.head();
        self.until(SURELY_S, "blocks do not come", async || Ok(self.log.head() >= head + 12)).await
    }

    /// Whether every node is up and, as far as it tells, has nothing left to send.
    async fn quiet(&self) -> bool {
        for node in &self.nodes {
            if !node.up_for(3_000) {
                return false;
            }
            if let Some(status) = node.status().await
                && verdict::unmined(&status) > 0
            {
                return false;
            }
        }
        true
    }

    async fn until(&self, seconds: u64, what: &str, of: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !of().await? {
            ensure!(
                Instant::now() < deadline,
                "{what} within {seconds} s; see {}",
                self.log.path().display()
            );
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}
