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
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    Checked, Job, JobWatch, Outcome, ProofRunner,
    child::{Child, End, Recipe},
    protocol::Request,
};

/// Processes that look at jobs without proving them.
const MOST_CHECKS: usize = 2;

/// How a job went for a process.
#[derive(Debug)]
pub enum Attempt {
    /// There is a proof.
    Proved(ProofOutput),
    /// No machine makes a proof of the job.
    Refused(String),
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
    /// Checks at a time: they do not wait for proofs.
    checks: Semaphore,
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
            checks: Semaphore::new(MOST_CHECKS),
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
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let request = Request { id, circuit: circuit.to_owned(), key_hash, job: job.into(), check: false };
        match self.hand_over(&self.inner.permits, request, watch).await {
            End::Proved(output) => Attempt::Proved(output),
            End::Refused(message) => Attempt::Refused(message),
            End::Failed(message) => Attempt::Failed(message),
            End::Cancelled => Attempt::Cancelled,
            End::Died { message, .. } => Attempt::Died(message),
            End::Sound => {
                Attempt::Failed("the worker process was asked for a proof and made none".to_owned())
            }
        }
    }

    async fn hand_over(&self, permits: &Semaphore, request: Request, watch: &JobWatch) -> End {
        let permit = tokio::select! {
            biased;
            () = watch.cancel.cancelled() => return End::Cancelled,
            permit = permits.acquire() => permit,
        };
        // It is never closed.
        let Ok(_permit) = permit else { return End::Cancelled };
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
                let message = format!(
                    "the worker process {program} could not be started ({error}); check that the program is there and memory is free"
                );
                return End::Died { message, taken: false };
            }
        };
        debug!("worker process started");
        let end = child.prove(&request, watch).await;
        self.ended(child, end)
    }

    fn ended(&self, child: Child, end: End) -> End {
        if !matches!(end, End::Cancelled | End::Died { .. }) {
            self.keep(child);
        }
        end
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
                Attempt::Refused(message) => Outcome::Refused(message),
                Attempt::Cancelled => Outcome::Cancelled,
                Attempt::Failed(message) | Attempt::Died(message) => Outcome::Failed(message),
            }
        })
    }

    fn check(&self, job: Job) -> BoxFuture<'static, Checked> {
        let this = self.clone();
        Box::pin(async move {
            let id = this.inner.next.fetch_add(1, Ordering::Relaxed);
            let request =
                Request { id, circuit: job.circuit, key_hash: None, job: job.bytes.into(), check: true };
            let watch = JobWatch::unwatched(CancellationToken::new());
            match this.hand_over(&this.inner.checks, request, &watch).await {
                End::Sound => Checked::Sound,
                End::Refused(message) => Checked::Refused(message),
                End::Failed(message) | End::Died { message, .. } => Checked::Failed(message),
                End::Proved(_) | End::Cancelled => Checked::Failed("the check was broken off".to_owned()),
            }
        })
    }

    fn name(&self) -> &'static str {
        "processes"
    }
}
