//! Proofs in child processes: a crash, or memory running out, in one of them is a failed attempt and nothing more.
//!
//! A process is started when a job finds none idle, kept between jobs with its keys loaded, and killed to cancel. It dies
//! with its parent, whatever happened to that: its input ends.

use std::{
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy::primitives::B256;
use futures::future::BoxFuture;
use provery_proving::ProofOutput;
use tokio::sync::{Semaphore, oneshot};
use tracing::{debug, warn};

use crate::{
    Job, JobWatch, Outcome, ProofRunner,
    child::{Child, End, Recipe},
    protocol::Request,
};

/// How a job went for a process.
#[derive(Debug)]
pub enum Attempt {
    /// There is a proof.
    Proved(ProofOutput),
    /// There is no such proof, or no key for it: another attempt would go the same way.
    Failed(String),
    /// It was told to stop.
    Cancelled,
    /// The process was lost; another attempt may go better.
    Died(String),
}

/// A bounded number of worker processes.
#[derive(Clone)]
pub struct Processes {
    inner: Arc<Inner>,
}

struct Inner {
    recipe: Recipe,
    count: usize,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
    next: AtomicU64,
}

/// A kept process: send it a place, and it comes there, unless it has died.
type Idle = oneshot::Sender<oneshot::Sender<Child>>;

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes")
            .field("program", &self.inner.recipe.program)
            .field("count", &self.inner.count)
            .finish_non_exhaustive()
    }
}

impl Processes {
    /// At most `count` processes of `program worker --stdio --keys <keys_dir> <args>`. None is started yet.
    pub fn new(program: impl Into<PathBuf>, keys_dir: PathBuf, args: Vec<OsString>, count: usize) -> Self {
        let mut all: Vec<OsString> = ["worker", "--stdio", "--keys"].map(OsString::from).to_vec();
        all.push(keys_dir.into());
        all.extend(args);
        let count = count.max(1);
        let recipe = Recipe { program: program.into(), args: all };
        let inner = Inner {
            recipe,
            count,
            permits: Semaphore::new(count),
            idle: Mutex::default(),
            next: AtomicU64::new(1),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Jobs at a time; more wait.
    pub fn count(&self) -> usize {
        self.inner.count
    }

    /// Run one job, for a proof that verifies with the key of this hash if there is one.
    pub async fn attempt(
        &self,
        circuit: &str,
        key_hash: Option<B256>,
        job: Vec<u8>,
        watch: &JobWatch,
    ) -> Attempt {
        let permit = tokio::select! {
            biased;
            () = watch.cancel.cancelled() => return Attempt::Cancelled,
            permit = self.inner.permits.acquire() => permit,
        };
        // It is never closed.
        let Ok(_permit) = permit else { return Attempt::Cancelled };
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let request = Request { id, circuit: circuit.to_owned(), key_hash, job: job.into() };
        while let Some(mut child) = self.kept().await {
            match child.prove(&request, watch).await {
                // It died in its sleep: that is no attempt.
                End::Died { message, taken: false } => {
                    warn!(error = message, "an idle worker process was gone")
                }
                end => return self.ended(child, end),
            }
        }
        let mut child = match Child::spawn(&self.inner.recipe) {
            Ok(child) => child,
            Err(error) => {
                let program = self.inner.recipe.program.display();
                return Attempt::Died(format!(
                    "the worker process {program} could not be started ({error}); check that the program is there and memory is free"
                ));
            }
        };
        debug!("worker process started");
        let end = child.prove(&request, watch).await;
        self.ended(child, end)
    }

    fn ended(&self, child: Child, end: End) -> Attempt {
        match end {
            End::Proved(output) => {
                self.keep(child);
                Attempt::Proved(output)
            }
            End::Failed(message) => {
                self.keep(child);
                Attempt::Failed(message)
            }
            End::Cancelled => Attempt::Cancelled,
            End::Died { message, .. } => Attempt::Died(message),
        }
    }

    /// Keep a process for the next job. Whoever holds it waits for its end meanwhile, so that none becomes a zombie.
    fn keep(&self, mut child: Child) {
        let (idle, called) = oneshot::channel::<oneshot::Sender<Child>>();
        tokio::spawn(async move {
            tokio::select! {
                // Nobody will call any more: dropping the process kills it.
                place = called => if let Ok(place) = place { let _ = place.send(child); },
                status = child.ended() => warn!(?status, "an idle worker process ended"),
            }
        });
        self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }

    /// A process that was kept and is still alive.
    async fn kept(&self) -> Option<Child> {
        loop {
            let idle = self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let (place, arrives) = oneshot::channel();
            if idle.send(place).is_ok()
                && let Ok(child) = arrives.await
            {
                return Some(child);
            }
        }
    }
}

impl ProofRunner for Processes {
    fn run(&self, job: Job, watch: JobWatch) -> BoxFuture<'static, Outcome> {
        let this = self.clone();
        Box::pin(async move {
            match this.attempt(&job.circuit, None, job.bytes, &watch).await {
                Attempt::Proved(output) => Outcome::Proved(output),
                Attempt::Cancelled => Outcome::Cancelled,
                Attempt::Failed(message) | Attempt::Died(message) => Outcome::Failed(message),
            }
        })
    }

    fn name(&self) -> &'static str {
        "processes"
    }
}
