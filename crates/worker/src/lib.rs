//! Where proofs are made: in this process, in processes of their own, on other machines, behind one trait ([`ProofRunner`]);
//! and the lease that decides which of several nodes acts.
//!
//! | module | what it holds |
//! |---|---|
//! | [`in_process`] | proofs on blocking threads of this process |
//! | [`processes`] | proofs in child processes, which may crash, run out of memory or be killed |
//! | [`child`] | one such process, from its parent's side |
//! | [`stdio`] | the same, from its own side: `provery worker --stdio` |
//! | [`protocol`] | what the two say to each other, a line of JSON each |
//! | [`fault`] | proofs that fail, crash or dawdle on purpose, for tests |
//! | [`external`] | proofs by programs and services of others, checked here |
//! | [`jetstream`] | proofs on other machines, over NATS |
//! | [`lease`] | which of several nodes acts |

mod child;
pub mod external;
pub mod fault;
mod in_process;
pub mod jetstream;
pub mod lease;
mod processes;
pub mod protocol;
mod routed;
pub mod stdio;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use alloy::primitives::B256;
use futures::future::BoxFuture;
use provery_proving::{Phase, ProofOutput, ProveError};
use provery_types::{SlotKey, text::plain};
use tokio_util::sync::CancellationToken;

pub use in_process::InProcess;
pub use jetstream::{Jetstream, NatsConfig, NatsError};
pub use processes::{Attempt, Processes};
pub use routed::Routed;

/// A proof to make.
#[derive(Clone)]
pub struct Job {
    /// The slot that the proof is for.
    pub key: SlotKey,
    /// What the proof will be about.
    pub statement: B256,
    /// Whose keys it takes.
    pub circuit: String,
    /// What the backend is given.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("key", &self.key)
            .field("circuit", &self.circuit)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// How a proof went.
#[derive(Debug)]
pub enum Outcome {
    /// A proof that verifies.
    Proved(ProofOutput),
    /// It was stopped because it was told to.
    Cancelled,
    /// No machine makes a proof of the job: why, in a sentence.
    Refused(String),
    /// There is no proof, and this machine, or what it relies on, is at fault: why, in a sentence.
    Failed(String),
}

impl Outcome {
    /// Of a proof that was not made.
    pub(crate) fn of(error: &ProveError) -> Self {
        match error {
            ProveError::Cancelled => Self::Cancelled,
            error if error.is_of_job() => Self::Refused(plain(&error.to_string())),
            error => Self::Failed(plain(&error.to_string())),
        }
    }
}

/// What a look at a job found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It can be proven, as far as that can be told without a proof.
    Sound,
    /// No machine makes a proof of it: why, in a sentence.
    Refused(String),
    /// It was not looked at to the end: why, in a sentence.
    Failed(String),
}

impl Checked {
    pub(crate) fn of(result: Result<(), ProveError>) -> Self {
        match result {
            Ok(()) => Self::Sound,
            Err(error) if error.is_of_job() => Self::Refused(plain(&error.to_string())),
            Err(error) => Self::Failed(plain(&error.to_string())),
        }
    }
}

/// Runs jobs, wherever that is.
pub trait ProofRunner: Send + Sync + fmt::Debug {
    /// Run one job to its end. Dropping the future, or cancelling through `watch`, stops it at once.
    fn run(&self, job: Job, watch: JobWatch) -> BoxFuture<'static, Outcome>;

    /// Look whether a job can be proven, without proving it and beside whatever is being proven. Dropping the future stops it.
    fn check(&self, job: Job) -> BoxFuture<'static, Checked>;

    /// Where jobs are run, in a word.
    fn name(&self) -> &'static str;
}

/// How a job is watched and stopped.
#[derive(Clone)]
pub struct JobWatch {
    /// Cancelling it stops the job.
    pub cancel: CancellationToken,
    /// Told of each phase as it begins.
    pub phase: Arc<dyn Fn(Phase) + Send + Sync>,
}

impl JobWatch {
    /// Nobody watches; `cancel` stops it.
    pub fn unwatched(cancel: CancellationToken) -> Self {
        Self { cancel, phase: Arc::new(|_| {}) }
    }
}

impl fmt::Debug for JobWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobWatch").field("cancelled", &self.cancel.is_cancelled()).finish_non_exhaustive()
    }
}
