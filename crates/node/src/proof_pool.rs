//! A bounded number of proofs at a time.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use provery_proving::Phase;
use provery_types::SlotKey;
use provery_worker::{Job, JobWatch, Outcome, ProofRunner};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::report::Reporter;

/// A worker is done.
#[derive(Debug)]
pub struct Finished {
    /// The slot that the proof is for.
    pub key: SlotKey,
    /// What was to be proven.
    pub statement: B256,
    /// How it went.
    pub outcome: Outcome,
    /// From its start to its end.
    pub took: Duration,
}

/// A proof under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The slot that the proof is for.
    pub key: SlotKey,
    /// As its backend calls it; nothing before the first.
    pub phase: Option<&'static str>,
    /// When it was started.
    pub since: Instant,
}

/// The handles of a proof under way.
#[derive(Debug)]
struct Proof {
    statement: B256,
    cancel: CancellationToken,
    task: AbortHandle,
}

/// A bounded number of workers.
#[derive(Debug)]
pub struct Workers {
    runner: Arc<dyn ProofRunner>,
    most: usize,
    running: HashMap<SlotKey, Proof>,
    finished: mpsc::UnboundedSender<Finished>,
    status: Arc<watch::Sender<Vec<Running>>>,
    reporter: Arc<Reporter>,
}

impl Workers {
    /// `most` proofs at a time, each of which may itself use every core. Results arrive at the receiver.
    pub fn new(
        runner: Arc<dyn ProofRunner>,
        most: usize,
        reporter: Arc<Reporter>,
    ) -> (Self, mpsc::UnboundedReceiver<Finished>) {
        let (finished, results) = mpsc::unbounded_channel();
        let status = Arc::new(watch::Sender::new(Vec::new()));
        (Self { runner, most: most.max(1), running: HashMap::new(), finished, status, reporter }, results)
    }

    /// Where proofs are made, in a word.
    pub fn runner(&self) -> &'static str {
        self.runner.name()
    }

    /// Proofs at a time.
    pub fn most(&self) -> usize {
        self.most
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

    /// What is being proven for this slot, unless it was told to stop.
    pub fn proves(&self, key: SlotKey) -> Option<B256> {
        self.running.get(&key).filter(|proof| !proof.cancel.is_cancelled()).map(|proof| proof.statement)
    }

    /// Start a proof. Nothing happens, and the answer is false, if no worker is idle or one is at this slot already.
    pub fn start(&mut self, job: Job) -> bool {
        if !self.idle() || self.busy_with(job.key) {
            return false;
        }
        let (key, statement) = (job.key, job.statement);
        let cancel = CancellationToken::new();
        let since = Instant::now();
        self.status.send_modify(|running| running.push(Running { key, phase: None, since }));
        let watch = self.watch(key, since, cancel.clone());
        let finished = self.finished.clone();
        let status = self.status.clone();
        // In a task of its own, so that a panic of the runner is a failed proof too.
        let proof = tokio::spawn(self.runner.run(job, watch));
        self.running.insert(key, Proof { statement, cancel: cancel.clone(), task: proof.abort_handle() });
        tokio::spawn(async move {
            let outcome = match proof.await {
                // Even if it was told to stop: a proof that is there may be of use after a reorg.
                Ok(Outcome::Proved(output)) => Outcome::Proved(output),
                _ if cancel.is_cancelled() => Outcome::Cancelled,
                Ok(outcome) => outcome,
                Err(abandoned) if abandoned.is_cancelled() => Outcome::Cancelled,
                Err(panic) => {
                    error!(market = %key.market, slot = key.id, error = %panic, "a proof runner panicked");
                    Outcome::Failed(
                        "the proof runner panicked, which is a bug; its message is in the log".into(),
                    )
                }
            };
            status.send_modify(|running| running.retain(|proof| proof.key != key));
            // Nobody listens when the node is going down.
            let _ = finished.send(Finished { key, statement, outcome, took: since.elapsed() });
        });
        true
    }

    fn watch(&self, key: SlotKey, since: Instant, cancel: CancellationToken) -> JobWatch {
        let (status, reporter) = (self.status.clone(), self.reporter.clone());
        let phase = move |phase: Phase| {
            let name = phase.as_str();
            info!(market = %key.market, slot = key.id, phase = name, "proving");
            reporter.slot("phase", key, Some(since.elapsed()), json!({ "phase": name }));
            status.send_modify(|running| {
                for proof in running.iter_mut().filter(|proof| proof.key == key) {
                    proof.phase = Some(name);
                }
            });
        };
        JobWatch { cancel, phase: Arc::new(phase) }
    }

    /// Stop the proof of this slot.
    pub fn cancel(&self, key: SlotKey) {
        if let Some(proof) = self.running.get(&key) {
            info!(market = %key.market, slot = key.id, "proof cancelled");
            proof.cancel.cancel();
        }
    }

    /// Have nothing more to do with any proof. Those of this machine stop; one that another machine makes goes on, for
    /// whoever asks for it next.
    pub fn abandon_all(&self) {
        self.running.values().for_each(|proof| proof.task.abort());
    }

    /// A result was taken off the receiver: its worker is idle again.
    pub fn done(&mut self, key: SlotKey) {
        self.running.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use futures::future::BoxFuture;
    use provery_proving::ProofOutput;
    use provery_worker::Checked;

    use super::*;

    fn job(id: u64) -> Job {
        let key = SlotKey { market: U256::ONE, id };
        Job { key, statement: B256::ZERO, circuit: "c".to_owned(), bytes: vec![1] }
    }

    fn proof() -> ProofOutput {
        ProofOutput { public_inputs: vec![[1; 32]], proof: vec![3, 4], timings: Vec::new() }
    }

    /// What a runner does is in the slot's number.
    #[derive(Debug)]
    struct Scripted;

    impl ProofRunner for Scripted {
        fn run(&self, job: Job, watch: JobWatch) -> BoxFuture<'static, Outcome> {
            Box::pin(async move {
                (watch.phase)(Phase::new("msm"));
                match job.key.id {
                    0 => Outcome::Proved(proof()),
                    1 => panic!("as it should"),
                    2 => Outcome::Failed("no".to_owned()),
                    _ => {
                        watch.cancel.cancelled().await;
                        // Whatever it says now, it was cancelled.
                        Outcome::Failed("killed".to_owned())
                    }
                }
            })
        }

        fn check(&self, _: Job) -> BoxFuture<'static, Checked> {
            Box::pin(async { Checked::Sound })
        }

        fn name(&self) -> &'static str {
            "scripted"
        }
    }

    #[tokio::test]
    async fn a_pool_is_bounded_and_survives_its_runner() {
        let reporter = Arc::new(Reporter::silent(crate::testing::ME));
        let (mut workers, mut results) = Workers::new(Arc::new(Scripted), 2, reporter);
        for id in [0, 1, 2] {
            assert!(workers.start(job(id)));
            assert!(!workers.start(job(id)), "one is at this slot");
            let finished = results.recv().await.expect("a result");
            assert!(workers.busy_with(finished.key));
            match (id, finished.outcome) {
                (0, Outcome::Proved(_)) => {}
                (1, Outcome::Failed(message)) => assert!(message.contains("panicked"), "{message}"),
                (2, Outcome::Failed(message)) => assert_eq!(message, "no"),
                other => panic!("{other:?}"),
            }
            workers.done(finished.key);
        }
        let mut status = workers.status();
        assert!(workers.start(job(3)) && workers.start(job(4)));
        assert!(!workers.idle() && !workers.start(job(5)), "two at a time");
        let phases = |running: &Vec<Running>| running.iter().all(|proof| proof.phase == Some("msm"));
        assert_eq!(status.wait_for(phases).await.expect("a status").len(), 2);
        workers.cancel(job(4).key);
        let finished = results.recv().await.expect("a result");
        assert!(matches!((finished.key.id, finished.outcome), (4, Outcome::Cancelled)));
        workers.abandon_all();
        let finished = results.recv().await.expect("a result");
        assert!(matches!((finished.key.id, finished.outcome), (3, Outcome::Cancelled)));
        assert!(status.borrow().is_empty());
    }
}
