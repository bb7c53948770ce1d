//! Proofs on blocking threads of this process: told to stop through a flag that the backend looks at between its steps.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use provery_proving::{Phase, Progress, ProofBackend, ProveError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{Checked, Job, JobWatch, Outcome, ProofRunner};

/// Proves with its own backends, one a circuit. A panic in a backend is a failed proof and no more; running out of memory
/// is the end of this process, too.
#[derive(Clone)]
pub struct InProcess(pub Vec<Arc<dyn ProofBackend>>);

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let circuits: Vec<_> = self.0.iter().map(|backend| backend.circuit()).collect();
        f.debug_tuple("InProcess").field(&circuits).finish()
    }
}

impl ProofRunner for InProcess {
    fn run(&self, job: Job, watch: JobWatch) -> BoxFuture<'static, Outcome> {
        let backend = self.0.iter().find(|backend| backend.circuit() == job.circuit).cloned();
        Box::pin(async move {
            let Some(backend) = backend else {
                return Outcome::Failed(no_keys(&job.circuit));
            };
            let progress = Watched { stop: watch.cancel.child_token(), phase: watch.phase };
            let cancelled = progress.stop.clone();
            // The future may be dropped; the thread then stops by itself.
            let _stop = progress.stop.clone().drop_guard();
            let proof = tokio::task::spawn_blocking(move || backend.prove(&job.bytes, &progress));
            match proof.await {
                Ok(Ok(output)) => Outcome::Proved(output),
                _ if cancelled.is_cancelled() => Outcome::Cancelled,
                Ok(Err(error)) => Outcome::of(&error),
                Err(panic) => {
                    warn!(error = %panic, "a proof panicked");
                    Outcome::Failed(PANICKED.to_owned())
                }
            }
        })
    }

    fn check(&self, job: Job) -> BoxFuture<'static, Checked> {
        let backend = self.0.iter().find(|backend| backend.circuit() == job.circuit).cloned();
        Box::pin(async move {
            let Some(backend) = backend else { return Checked::Failed(no_keys(&job.circuit)) };
            blocking(move |progress| backend.check(&job.bytes, progress)).await
        })
    }

    fn name(&self) -> &'static str {
        "in-process"
    }
}

/// A check on a blocking thread, which stops by itself once nobody waits for it.
pub(crate) async fn blocking(
    check: impl FnOnce(&dyn Progress) -> Result<(), ProveError> + Send + 'static,
) -> Checked {
    let JobWatch { cancel: stop, phase } = JobWatch::unwatched(CancellationToken::new());
    let _stop = stop.clone().drop_guard();
    let progress = Watched { stop, phase };
    match tokio::task::spawn_blocking(move || check(&progress)).await {
        Ok(result) => Checked::of(result),
        Err(panic) => {
            warn!(error = %panic, "a check of a job panicked");
            Checked::Failed(PANICKED.to_owned())
        }
    }
}

pub(crate) const PANICKED: &str = "the proof backend panicked, which is a bug; its message is in the log";

/// What is said when a job's circuit is not served.
pub(crate) fn no_keys(circuit: &str) -> String {
    format!("there are no keys for circuit {circuit}; make or copy them, and start again")
}

struct Watched {
    stop: CancellationToken,
    phase: Arc<dyn Fn(Phase) + Send + Sync>,
}

impl Progress for Watched {
    fn phase(&self, phase: Phase) {
        (self.phase)(phase);
    }

    fn cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }
}
