//! Named tasks that live and die together.
//!
//! A task that fails takes the node down with an error that names it; a restartable one is started again, after a pause
//! that doubles each time it fails soon after it started. When the token is cancelled, tasks are given a bound to end
//! by themselves, and are then stopped.

use std::{collections::HashMap, future::Future, time::Duration};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// A task's error, whatever it is.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

type TaskResult = Result<(), TaskError>;

/// The first pause before a restart.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A task that ran this long starts with the first pause again.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// Why the node went down.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A task ended with an error.
    #[error("{source}")]
    Failed {
        /// The task's name.
        task: &'static str,
        /// Its error.
        source: TaskError,
    },
    /// A task panicked.
    #[error("the task {task:?} panicked, which is a bug; its message is in the log")]
    Panicked {
        /// The task's name.
        task: &'static str,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<TaskResult>,
    names: HashMap<Id, &'static str>,
    token: CancellationToken,
    bound: Duration,
}

impl Supervisor {
    /// `bound` is how long tasks may take to end once `token` is cancelled.
    pub fn new(token: CancellationToken, bound: Duration) -> Self {
        Self { tasks: JoinSet::new(), names: HashMap::new(), token, bound }
    }

    /// Start a task whose failure is the node's.
    pub fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Start a task that is started again when it fails or panics.
    pub fn spawn_restartable<M, F>(&mut self, name: &'static str, mut make: M)
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let token = self.token.clone();
        self.spawn(name, async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let started = Instant::now();
                // Aborts the inner task if this one is stopped.
                let mut inner = JoinSet::new();
                inner.spawn(make());
                match inner.join_next().await {
                    Some(Ok(Ok(()))) | None => return Ok(()),
                    Some(Ok(Err(source))) => {
                        warn!(task = name, error = %source, "task failed and is restarted")
                    }
                    Some(Err(panic)) => error!(task = name, error = %panic, "task panicked and is restarted"),
                }
                if started.elapsed() >= SETTLED_AFTER {
                    pause = FIRST_PAUSE;
                }
                tokio::select! {
                    () = token.cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Wait until the token is cancelled or a task ends, then end the others. The first failure is the result.
    pub async fn run(mut self) -> Result<(), SupervisorError> {
        let mut result = Ok(());
        let token = self.token.clone();
        tokio::select! {
            () = token.cancelled() => {}
            ended = self.tasks.join_next_with_id() => result = self.ended(ended),
        }
        token.cancel();
        let deadline = Instant::now() + self.bound;
        loop {
            match tokio::time::timeout_at(deadline, self.tasks.join_next_with_id()).await {
                Ok(None) => break,
                Ok(ended) => {
                    let later = self.ended(ended);
                    if result.is_ok() {
                        result = later;
                    }
                }
                Err(_) => {
                    warn!(tasks = self.tasks.len(), "tasks did not end in time and are stopped");
                    self.tasks.shutdown().await;
                    break;
                }
            }
        }
        result
    }

    fn ended(&self, ended: Option<Result<(Id, TaskResult), JoinError>>) -> Result<(), SupervisorError> {
        let name = |id: Id| self.names.get(&id).copied().unwrap_or("unnamed");
        match ended {
            None => Ok(()),
            Some(Ok((id, Ok(())))) => {
                debug!(task = name(id), "task ended");
                Ok(())
            }
            Some(Ok((id, Err(source)))) => {
                error!(task = name(id), error = %source, "task failed");
                Err(SupervisorError::Failed { task: name(id), source })
            }
            Some(Err(join)) if join.is_cancelled() => Ok(()),
            Some(Err(join)) => {
                error!(task = name(join.id()), error = %join, "task panicked");
                Err(SupervisorError::Panicked { task: name(join.id()) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_failure_ends_everything_and_is_named() {
        let token = CancellationToken::new();
        let mut supervisor = Supervisor::new(token.clone(), Duration::from_secs(1));
        let other = token.clone();
        supervisor.spawn("other", async move {
            other.cancelled().await;
            Ok(())
        });
        supervisor.spawn("doomed", async { Err("no more".into()) });
        let error = supervisor.run().await.expect_err("it failed");
        assert!(matches!(error, SupervisorError::Failed { task: "doomed", .. }), "{error}");
        assert!(token.is_cancelled());
    }

    #[tokio::test]
    async fn a_restartable_task_comes_back() {
        let token = CancellationToken::new();
        let mut supervisor = Supervisor::new(token, Duration::from_secs(1));
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        supervisor.spawn_restartable("flaky", move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Err("not yet".into()),
                    1 => panic!("nor now"),
                    _ => Ok(()),
                }
            }
        });
        supervisor.run().await.expect("the third run is well");
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_task_that_will_not_end_is_stopped() {
        let token = CancellationToken::new();
        let mut supervisor = Supervisor::new(token.clone(), Duration::from_millis(80));
        supervisor.spawn("stubborn", std::future::pending());
        token.cancel();
        let started = Instant::now();
        supervisor.run().await.expect("no failure");
        assert!((80..5_000).contains(&started.elapsed().as_millis()));
    }
}
