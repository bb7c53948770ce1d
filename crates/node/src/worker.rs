//! Proofs, made on blocking threads so that the loop stays free.
//!
//! A worker is told to stop through a flag that the backend looks at between its steps.
//! A panic in a backend is a failed proof and no more.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use provery_proving::{Phase, Progress, ProofBackend, ProofOutput, ProveError};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::facts::SlotKey;
use crate::report::Reporter;

/// A proof to make.
pub struct Job {
    pub key: SlotKey,
    /// What the proof will be about.
    pub statement: B256,
    pub backend: Arc<dyn ProofBackend>,
    /// What the backend is given.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("key", &self.key)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// How a proof went.
#[derive(Debug)]
pub enum Outcome {
    Proved(ProofOutput),
    Cancelled,
    Failed(String),
}

/// A worker is done.
#[derive(Debug)]
pub struct Finished {
    pub key: SlotKey,
    pub statement: B256,
    pub outcome: Outcome,
    pub took: Duration,
}

/// A proof under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub key: SlotKey,
    pub phase: Option<&'static str>,
    pub since: Instant,
}

/// A bounded number of workers.
#[derive(Debug)]
pub struct Workers {
    most: usize,
    running: HashMap<SlotKey, Arc<AtomicBool>>,
    finished: mpsc::UnboundedSender<Finished>,
    status: Arc<watch::Sender<Vec<Running>>>,
    reporter: Arc<Reporter>,
}

impl Workers {
    /// `most` proofs at a time, each of which may itself use every core. Results arrive at the receiver.
    pub fn new(most: usize, reporter: Arc<Reporter>) -> (Self, mpsc::UnboundedReceiver<Finished>) {
        let (finished, results) = mpsc::unbounded_channel();
        let status = Arc::new(watch::Sender::new(Vec::new()));
        (Self { most: most.max(1), running: HashMap::new(), finished, status, reporter }, results)
    }

    /// What is being proven, and in which phase.
    pub fn status(&self) -> watch::Receiver<Vec<Running>> {
        self.status.subscribe()
    }

    /// Whether a job would be taken.
    pub fn idle(&self) -> bool {
        self.running.len() < self.most
    }

    /// Whether a worker is at this slot, even if it was told to stop.
    pub fn busy_with(&self, key: SlotKey) -> bool {
        self.running.contains_key(&key)
    }

    /// Start a proof. Nothing happens, and the answer is false, if no worker is idle or one is at this slot already.
    pub fn start(&mut self, job: Job) -> bool {
        if !self.idle() || self.busy_with(job.key) {
            return false;
        }
        let (key, statement) = (job.key, job.statement);
        let cancel = Arc::new(AtomicBool::new(false));
        self.running.insert(key, cancel.clone());
        let since = Instant::now();
        self.status.send_modify(|running| running.push(Running { key, phase: None, since }));
        let progress = Watched {
            key,
            since,
            cancel: cancel.clone(),
            status: self.status.clone(),
            reporter: self.reporter.clone(),
        };
        let finished = self.finished.clone();
        let status = self.status.clone();
        tokio::spawn(async move {
            let proof = tokio::task::spawn_blocking(move || job.backend.prove(&job.bytes, &progress)).await;
            let outcome = match proof {
                // Even if it was told to stop: a proof that is there may be of use after a reorg.
                Ok(Ok(output)) => Outcome::Proved(output),
                Ok(Err(ProveError::Cancelled)) => Outcome::Cancelled,
                _ if cancel.load(Ordering::Relaxed) => Outcome::Cancelled,
                Ok(Err(error)) => Outcome::Failed(error.to_string()),
                Err(panic) => {
                    warn!(slot = key.id, error = %panic, "a proof panicked");
                    Outcome::Failed(
                        "the proof backend panicked, which is a bug; its message is in the log".to_owned(),
                    )
                }
            };
            status.send_modify(|running| running.retain(|proof| proof.key != key));
            // Nobody listens when the node is going down.
            let _ = finished.send(Finished { key, statement, outcome, took: since.elapsed() });
        });
        true
    }

    /// Tell the worker at this slot to stop.
    pub fn cancel(&self, key: SlotKey) {
        if let Some(flag) = self.running.get(&key) {
            info!(market = %key.market, slot = key.id, "proof cancelled");
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Tell every worker to stop.
    pub fn cancel_all(&self) {
        self.running.values().for_each(|flag| flag.store(true, Ordering::Relaxed));
    }

    /// A result was taken off the receiver: its worker is idle again.
    pub fn done(&mut self, key: SlotKey) {
        self.running.remove(&key);
    }
}

/// Passes a backend's progress on, and the wish to stop back to it.
struct Watched {
    key: SlotKey,
    since: Instant,
    cancel: Arc<AtomicBool>,
    status: Arc<watch::Sender<Vec<Running>>>,
    reporter: Arc<Reporter>,
}

impl Progress for Watched {
    fn phase(&self, phase: Phase) {
        let name = phase_name(phase);
        info!(market = %self.key.market, slot = self.key.id, phase = name, "proving");
        self.reporter.slot("phase", self.key, Some(self.since.elapsed()), json!({ "phase": name }));
        self.status.send_modify(|running| {
            for proof in running.iter_mut().filter(|proof| proof.key == self.key) {
                proof.phase = Some(name);
            }
        });
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// A phase as logs and reports name it.
pub fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Witness => "witness",
        Phase::Fft => "fft",
        Phase::Msm => "msm",
        Phase::Verify => "verify",
    }
}
