//! A node under test: started, watched, started again whenever it ends, until the run is over.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use eyre::{Context, Result, eyre};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    crash::{CrashPlan, Place, min_reward, worker_fault},
    dice::Dice,
    features::Features,
    http,
    log::{EventLog, now_ms},
    proc,
    proxy::Proxy,
    reports::Reports,
    stage::{ADDED, Cli, MARKETS, Prover},
};

/// Memory and descriptors of a process at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub instance: u64,
    pub at_ms: u64,
    pub resident_kib: u64,
    pub descriptors: u64,
}

/// Of nodes with a crash point, so many in a million stop there instead.
const STOPS_PPM: u32 = 150_000;

/// How the next process is started.
#[derive(Clone, Debug, Default)]
pub(super) struct Next {
    /// `PROVERY_CRASH`: where, and at which time.
    pub crash: Option<(Place, u64)>,
    /// There it stops for a while, instead of being killed.
    pub stop: bool,
    /// `PROVERY_WORKER_FAULT`.
    pub worker_fault: Option<&'static str>,
    /// Whether a crash point is to be picked.
    pub arm: bool,
}

#[derive(Debug, Default)]
struct State {
    pid: Option<u32>,
    instance: u64,
    started_ms: u64,
    /// Why it is about to end, if the run sees to it.
    ending: Option<&'static str>,
    next: Next,
    /// What it runs with, and whether it is to stop there rather than to be killed.
    armed: Option<Place>,
    stops: bool,
    /// Proofs of the process that runs fail.
    failing: bool,
    /// The prover may be paused on-chain by the node.
    absent: bool,
    /// Unix milliseconds until which no other fault is to meet it.
    busy_until: u64,
    /// Unix milliseconds until which its disk is full.
    full_until: u64,
    unexpected: Vec<String>,
    /// Processes that ended before they said that they started, and that ended because their disk was full.
    failed_starts: u64,
    disk_ends: u64,
    last_words: Vec<String>,
}

/// What all nodes share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub cli: Cli,
    /// How many there are.
    pub nodes: usize,
    pub features: Features,
    pub log: EventLog,
    pub reports: Arc<Reports>,
    pub crashes: Arc<CrashPlan>,
    pub seed: u64,
    /// Where nodes with one prover meet, if two have.
    pub bus: Option<String>,
    /// Cancelled once the market that was added is to be served.
    pub serves_added: CancellationToken,
    /// Every start is armed, until the run is calm.
    pub always_armed: bool,
    pub calm: CancellationToken,
    pub stop: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Node {
    pub index: usize,
    pub prover: Prover,
    pub proxies: Vec<Proxy>,
    pub data_dir: PathBuf,
    shared: Shared,
    state: Mutex<State>,
    samples: Mutex<Vec<Sample>>,
}

impl Node {
    pub(super) fn new(
        index: usize,
        prover: Prover,
        proxies: Vec<Proxy>,
        dir: &Path,
        shared: Shared,
    ) -> Result<Arc<Self>> {
        let data_dir = dir.join(format!("node-{}", prover.name));
        std::fs::create_dir_all(&data_dir)?;
        Ok(Arc::new(Self {
            index,
            prover,
            proxies,
            data_dir,
            shared,
            state: Mutex::default(),
            samples: Mutex::default(),
        }))
    }

    /// Whether it is told which markets to serve. Every other node serves every rollup's of the deployment.
    pub(super) fn is_told(&self) -> bool {
        self.index % 2 == 1
    }

    /// Whether another node has the same prover: then proofs are made elsewhere.
    pub(super) fn paired(&self) -> bool {
        self.shared.bus.is_some() && (self.index == 0 || self.index + 1 == self.shared.nodes)
    }

    /// Whether it is the other node of a prover.
    pub(super) fn stands_by(&self) -> bool {
        self.paired() && self.index > 0
    }

    pub(super) fn name(&self) -> &str {
        &self.prover.name
    }

    fn with<T: Default>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        self.state.lock().map(|mut state| of(&mut state)).unwrap_or_default()
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.with(|state| state.pid)
    }

    /// Up for at least so long, and told of the chain.
    pub(super) fn up_for(&self, ms: u64) -> bool {
        let (pid, instance, since) = self.with(|state| (state.pid, state.instance, state.started_ms));
        pid.is_some() && since + ms <= now_ms() && self.shared.reports.started(self.index) == Some(instance)
    }

    /// Whether a fault may meet it now; if so, no other does for `ms`.
    pub(super) fn claim(&self, ms: u64) -> bool {
        let now = now_ms();
        self.with(|state| {
            let free = state.pid.is_some() && state.busy_until <= now;
            if free {
                state.busy_until = now + ms;
            }
            free
        })
    }

    /// Whether a fault of the run has it stopped, or its disk full, or has just had.
    pub(super) fn hindered(&self) -> bool {
        let now = now_ms();
        self.with(|state| state.busy_until + 1_000 > now)
    }

    pub(super) fn armed(&self) -> Option<(Place, u64)> {
        self.with(|state| state.armed.map(|place| (place, state.started_ms)))
    }

    /// Whether its proofs are to fail.
    pub(super) fn failing(&self) -> bool {
        self.with(|state| state.failing)
    }

    /// Kill it as `why`; it comes back as `next` says. Whether there was anything to kill.
    pub(super) fn kill(&self, why: &'static str, next: Next) -> bool {
        let pid = self.with(|state| {
            state.next = next;
            state.ending = Some(why);
            state.pid
        });
        let signal = if why == "sigterm" { Signal::TERM } else { Signal::KILL };
        pid.is_some_and(|pid| proc::signal(pid, signal))
    }

    /// Its disk is full for a while.
    pub(super) fn full_for(&self, ms: u64) {
        self.with(|state| state.full_until = now_ms() + ms);
    }

    /// Starts that came to nothing, and ends because of a full disk.
    pub(super) fn forgiven(&self) -> (u64, u64) {
        self.with(|state| (state.failed_starts, state.disk_ends))
    }

    /// Ends that nobody caused.
    pub(super) fn unexpected(&self) -> Vec<String> {
        self.with(|state| state.unexpected.clone())
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().map(|samples| samples.clone()).unwrap_or_default()
    }

    /// Look at its memory and descriptors.
    pub(super) fn sample(&self) {
        let (pid, instance) = self.with(|state| (state.pid, state.instance));
        let Some(pid) = pid else { return };
        let (Some(resident_kib), Some(descriptors)) = (proc::resident_kib(pid), proc::descriptors(pid))
        else {
            return;
        };
        if let Ok(mut samples) = self.samples.lock() {
            samples.push(Sample { instance, at_ms: now_ms(), resident_kib, descriptors });
        }
    }

    /// Its `/status`, if it serves one.
    pub(super) async fn status(&self) -> Option<Value> {
        // The address, and below it the process that serves it.
        let served = std::fs::read_to_string(self.data_dir.join("node.http")).ok()?;
        let address = served.lines().next()?.trim();
        serde_json::from_slice(&http::get(address, "/status").await.ok()?).ok()
    }

    /// Run it until the run is over.
    pub(super) async fn keep(self: Arc<Self>) -> Result<()> {
        let mut instance = 0;
        while !self.shared.stop.is_cancelled() {
            instance += 1;
            let mut child = self.start(instance)?;
            let status = tokio::select! {
                status = child.wait() => status?,
                never = self.continued(instance) => match never {},
                () = self.shared.stop.cancelled() => {
                    if let Some(pid) = child.id() {
                        proc::signal(pid, Signal::CONT);
                        proc::signal(pid, Signal::TERM);
                    }
                    match tokio::time::timeout(Duration::from_secs(20), child.wait()).await {
                        Ok(status) => status?,
                        Err(_) => {
                            self.shared.log.note("does_not_stop", self.name(), Value::Null);
                            child.kill().await?;
                            break;
                        }
                    }
                }
            };
            // Its last words are on their way.
            sleep(Duration::from_millis(50)).await;
            self.ended(instance, status);
            let mut dice = Dice::of(&[self.shared.seed, 77, self.index as u64, instance]);
            tokio::select! {
                () = sleep(Duration::from_millis(dice.between(50, 1_200))) => {}
                () = self.shared.stop.cancelled() => break,
            }
        }
        Ok(())
    }

    /// Let a process go on that has stopped where it was to.
    async fn continued(&self, instance: u64) -> std::convert::Infallible {
        let mut dice = Dice::of(&[self.shared.seed, 79, self.index as u64, instance]);
        let mut place = None;
        loop {
            sleep(Duration::from_millis(50)).await;
            let (pid, armed) = self.with(|state| (state.pid.filter(|_| state.stops), state.armed));
            // It may have been a fault that stopped it first: then it comes to its place later, and goes on from there, too.
            place = armed.or(place);
            let Some((pid, place)) = pid.zip(place).filter(|(pid, _)| proc::stopped(*pid)) else { continue };
            let ms = dice.between(400, 4_000);
            self.with(|state| {
                // A fault that stopped it just now lets it go on, too: that does no harm.
                (state.armed, state.busy_until) = (None, state.busy_until.max(now_ms() + ms));
            });
            sleep(Duration::from_millis(ms)).await;
            proc::signal(pid, Signal::CONT);
            self.shared.crashes.stopped(place);
            let details = json!({ "point": place.0, "side": place.1, "instance": instance, "ms": ms });
            self.shared.log.injected("stop_point", self.name(), details);
        }
    }

    fn ended(&self, instance: u64, status: std::process::ExitStatus) {
        use std::os::unix::process::ExitStatusExt as _;
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        let (ending, armed, words) = self.with(|state| {
            state.pid = None;
            let (ending, armed) = (state.ending.take(), state.armed.take());
            let hit = armed.filter(|_| ending.is_none() && killed);
            state.absent = match hit {
                Some(("meta:resumed", side)) => side == "before",
                Some(("meta:paused", side)) => side == "after",
                _ => ending == Some("sigterm") || state.failing,
            };
            (ending, armed, state.last_words.clone())
        });
        match (ending, armed) {
            (Some(_), _) => {}
            (None, Some(place)) if killed => {
                self.shared.crashes.hit(place);
                let details = json!({ "point": place.0, "side": place.1, "instance": instance });
                self.shared.log.injected("crash_point", self.name(), details);
            }
            _ if self.shared.stop.is_cancelled() && status.success() => {}
            // A program that gives up at the start is started again, by whoever runs nodes as by the run.
            _ if self.shared.reports.started(self.index) != Some(instance) => {
                self.shared.log.note("did_not_start", self.name(), json!({ "said": words }));
                self.with(|state| state.failed_starts += 1);
            }
            _ if self.with(|state| state.full_until + 500 > now_ms()) => {
                self.shared.log.note("ended_by_full_disk", self.name(), json!({ "said": words }));
                self.with(|state| state.disk_ends += 1);
            }
            _ => {
                let text =
                    format!("{}: {status}; {}", self.name(), words.last().cloned().unwrap_or_default());
                self.shared.log.note("ended_by_itself", self.name(), json!({ "how": text, "said": words }));
                self.with(|state| state.unexpected.push(text));
            }
        }
    }

    fn start(self: &Arc<Self>, instance: u64) -> Result<Child> {
        let mut dice = Dice::of(&[self.shared.seed, 78, self.index as u64, instance]);
        let (mut next, absent) = self.with(|state| (std::mem::take(&mut state.next), state.absent));
        if next.arm || (self.shared.always_armed && instance > 1 && !self.shared.calm.is_cancelled()) {
            let (place, nth) = self.shared.crashes.next(&mut dice, absent);
            next.worker_fault = worker_fault(place.0).or(next.worker_fault);
            next.stop = dice.chance(STOPS_PPM);
            next.crash = Some((place, nth));
        }
        // Writing past a limit is to be an error, not the end: the signal is ignored, and stays ignored in what is run.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.shared.cli.program).arg("node");
        self.shared.cli.equip(&mut command, Some(&self.prover.key));
        command.args([
            "--json",
            "--poll-ms",
            "100",
            "--first-estimate",
            "3",
            "--min-reward",
            min_reward(next.crash.map(|((point, _), _)| point)),
            "--data-dir",
        ]);
        command.arg(&self.data_dir);
        let served =
            MARKETS.iter().filter(|market| **market != ADDED || self.shared.serves_added.is_cancelled());
        for market in served.filter(|_| self.is_told()) {
            command.args(["--market", &market.to_string()]);
        }
        if let Some(bus) = self.shared.bus.as_deref().filter(|_| self.paired()) {
            command.args(["--standby", "--nats-url", bus]);
        }
        let urls = if self.shared.features.many_urls { &self.proxies[..] } else { &self.proxies[..1] };
        for proxy in urls {
            command.args(["--rpc-url", &proxy.url()]);
        }
        if self.shared.features.http {
            command.args(["--http", "127.0.0.1:0"]);
        }
        if self.shared.features.drain {
            command.args(["--drain-seconds", "3"]);
        }
        let crash = next.crash.map(|((point, side), nth)| {
            format!("{point}:{side}:{nth}{}", if next.stop { ":stop" } else { "" })
        });
        if let Some(crash) = &crash {
            command.env("PROVERY_CRASH", crash);
        }
        if let Some(fault) = next.worker_fault {
            command
                .env("PROVERY_WORKER_FAULT", fault)
                .env("PROVERY_WORKER_FAULT_SEED", self.shared.seed.to_string());
        }
        // Threads that outnumber the cores mostly wait for each other.
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = (cores / self.shared.nodes).max(1);
        let mut child = command
            .env("RAYON_NUM_THREADS", threads.to_string())
            .env("PROVERY_LOG", std::env::var("PROVERY_LOG").unwrap_or_else(|_| "info".into()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .wrap_err("a node does not start")?;
        let details = json!({ "instance": instance, "crash": crash, "worker_fault": next.worker_fault });
        self.shared.log.note("started", self.name(), details);
        self.with(|state| {
            state.pid = child.id();
            state.instance = instance;
            state.started_ms = now_ms();
            state.ending = None;
            (state.armed, state.stops) = (next.crash.map(|(place, _)| place), next.stop);
            state.failing = next.worker_fault.is_some_and(|fault| fault.starts_with("fail"));
            state.last_words.clear();
        });
        let out = child.stdout.take().ok_or_else(|| eyre!("no standard output"))?;
        let err = child.stderr.take().ok_or_else(|| eyre!("no standard error"))?;
        let node = self.clone();
        self.listen(out, "jsonl", move |line| {
            if let Ok(line) = serde_json::from_str(line) {
                node.shared.reports.line(node.index, instance, &line);
            }
        })?;
        let node = self.clone();
        self.listen(err, "log", move |line| {
            node.with(|state| {
                state.last_words.push(line.to_owned());
                let more = state.last_words.len().saturating_sub(5);
                state.last_words.drain(..more);
            });
        })?;
        Ok(child)
    }

    /// Keep what it says in a file, and tell `of` each line. Through a pipe, so that no limit on files meets it.
    fn listen(
        &self,
        from: impl AsyncRead + Unpin + Send + 'static,
        ending: &str,
        of: impl Fn(&str) + Send + 'static,
    ) -> Result<()> {
        let path = self.data_dir.with_extension(ending);
        let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
        let mut lines = BufReader::new(from).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = writeln!(file, "{line}");
                of(&line);
            }
        });
        Ok(())
    }
}
