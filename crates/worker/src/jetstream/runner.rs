//! The node's side: asks for proofs, waits, checks what comes back.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use async_nats::jetstream::message::PublishMessage;
use futures::{StreamExt, future::BoxFuture};
use provery_proving::{Phase, ProofOutput, ProofVerifier};
use provery_types::text::plain;
use provery_workloads::Workloads;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    JobProgress, NatsConfig, NatsError, Ticket, Verdict,
    bus::{Bus, Places},
    job_id, keys as pushed,
};
use crate::{
    Checked, Job, JobWatch, Outcome, ProofRunner,
    in_process::{blocking, no_keys},
};

/// How long NATS may be away before a job counts as failed. It can then be asked for again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the server is asked, in case a message was missed.
const LOOK: Duration = Duration::from_secs(2);
/// How often a job that has no result is queued again, in case the server lost it.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// After how long it is said that nobody works on a job.
const LONELY: Duration = Duration::from_secs(15);
/// What taking a job back may take.
const WITHDRAW: Duration = Duration::from_secs(3);
/// Between attempts to reach the server.
const RETRY: Duration = Duration::from_millis(500);
/// No result has more bytes.
const MOST_RESULT: u64 = 64 << 20;

/// Hands jobs to whatever workers listen on NATS.
///
/// Cancelling a job stops its worker. Dropping the future, as when the node dies, does not: the job lives on, and
/// whoever asks for it next, this node after a restart or its stand-by, attaches to it or finds it done.
#[derive(Clone)]
pub struct Jetstream {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    keys_dir: PathBuf,
    circuits: HashMap<String, Arc<dyn ProofVerifier>>,
    /// Once the server has what it takes; `None` again after an error, since the server may have lost it.
    places: Mutex<Option<Places>>,
}

/// One job, as far as it has come. Kept while the connection comes and goes.
struct Asked {
    ticket: Ticket,
    bytes: Arc<Vec<u8>>,
    verifier: Arc<dyn ProofVerifier>,
    /// The generation that was asked for, and when.
    queued: Option<(u64, Instant)>,
    /// When the server last answered.
    heard: Instant,
    /// When nobody had taken it yet; `None` once somebody has, or it was said.
    lonely: Option<Instant>,
}

impl fmt::Debug for Jetstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jetstream").field("host", &self.inner.bus.host()).finish_non_exhaustive()
    }
}

impl Jetstream {
    /// Jobs of `circuits`, whose keys are under `keys_dir`. Returns whether or not the server can be reached.
    pub async fn connect(
        config: &NatsConfig,
        keys_dir: &Path,
        circuits: &[String],
    ) -> Result<Self, NatsError> {
        let bus = Bus::connect(config, "provery node").await?;
        let mut verifiers = HashMap::new();
        for circuit in circuits {
            verifiers.insert(circuit.clone(), Workloads::default().verifier(circuit, keys_dir, None)?);
        }
        let inner =
            Inner { bus, keys_dir: keys_dir.to_owned(), circuits: verifiers, places: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Put the keys on the server, so that workers have them before the first job. Tries, and says so, until it has
    /// succeeded or is cancelled; jobs need not wait for it.
    pub async fn prepare(&self, shutdown: CancellationToken) {
        let mut said = false;
        loop {
            let result = tokio::select! {
                () = shutdown.cancelled() => return,
                result = self.inner.prepared() => result,
            };
            match result {
                Ok(_) => {
                    info!(host = self.inner.bus.host(), "NATS is ready for jobs");
                    return;
                }
                Err(error) if !said => {
                    warn!(%error, "NATS is not ready for jobs; trying again");
                    said = true;
                }
                Err(error) => debug!(%error, "NATS is still not ready for jobs"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(RETRY) => {}
            }
        }
    }
}

impl ProofRunner for Jetstream {
    fn run(&self, job: Job, watch: JobWatch) -> BoxFuture<'static, Outcome> {
        let inner = self.inner.clone();
        Box::pin(async move { inner.run(job, watch).await })
    }

    /// Here, where the proofs of workers are checked, too.
    fn check(&self, job: Job) -> BoxFuture<'static, Checked> {
        let verifier = self.inner.circuits.get(&job.circuit).cloned();
        Box::pin(async move {
            let Some(verifier) = verifier else { return Checked::Failed(no_keys(&job.circuit)) };
            blocking(move |progress| verifier.check(&job.bytes, progress)).await
        })
    }

    fn name(&self) -> &'static str {
        "nats"
    }
}

impl Inner {
    /// Everything on the server that jobs take.
    async fn prepared(&self) -> Result<Places, NatsError> {
        let ready = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(places) = ready {
            return Ok(places);
        }
        let places = self.bus.places().await?;
        for (circuit, verifier) in &self.circuits {
            let hash = B256::from(*verifier.key_hash());
            pushed::offer(&self.bus, &places, &self.keys_dir, circuit, hash).await?;
        }
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = Some(places.clone());
        Ok(places)
    }

    async fn run(&self, job: Job, watch: JobWatch) -> Outcome {
        let Some(verifier) = self.circuits.get(&job.circuit).cloned() else {
            return Outcome::Failed(no_keys(&job.circuit));
        };
        let key_hash = B256::from(*verifier.key_hash());
        let ticket = Ticket {
            id: job_id(&job.circuit, key_hash, &job.bytes),
            circuit: job.circuit,
            key_hash,
            bytes: job.bytes.len() as u64,
            generation: 0,
        };
        let now = Instant::now();
        let mut asked = Asked {
            ticket,
            bytes: Arc::new(job.bytes),
            verifier,
            queued: None,
            heard: now,
            lonely: Some(now),
        };
        let mut said = false;
        loop {
            let result = tokio::select! {
                biased;
                () = watch.cancel.cancelled() => {
                    let _ = timeout(WITHDRAW, self.withdraw(&asked)).await;
                    return Outcome::Cancelled;
                }
                result = self.ask(&mut asked, &watch) => result,
            };
            match result {
                Ok(outcome) => return outcome,
                Err(error) => {
                    *self.places.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    if asked.heard.elapsed() > PATIENCE {
                        return Outcome::Failed(error.to_string());
                    }
                    if !said {
                        warn!(%error, "a job cannot be handed over; trying again");
                        said = true;
                    }
                }
            }
            tokio::select! {
                () = watch.cancel.cancelled() => {}
                () = sleep(RETRY) => {}
            }
        }
    }

    /// What a worker says of a job is no proof: it is the job's fault only if it is found so here.
    async fn judge(&self, asked: &Asked, said: String) -> Outcome {
        let (verifier, bytes) = (asked.verifier.clone(), asked.bytes.clone());
        match blocking(move |progress| verifier.check(&bytes, progress)).await {
            Checked::Refused(_) => Outcome::Refused(said),
            Checked::Sound | Checked::Failed(_) => Outcome::Failed(said),
        }
    }

    /// Ask for a proof until it is there.
    async fn ask(&self, asked: &mut Asked, watch: &JobWatch) -> Result<Outcome, NatsError> {
        let places = self.prepared().await?;
        // Listening comes before looking, so that nothing falls between.
        let listen = "listen for results";
        let limit = super::ANSWER;
        let results = self.bus.client.subscribe(self.bus.result_subject(&asked.ticket));
        let mut results = self.bus.within(limit, listen, results).await?;
        let progress = self.bus.client.subscribe(self.bus.progress_subject(&asked.ticket));
        let mut progress = self.bus.within(limit, listen, progress).await?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.tick().await;
        loop {
            let last = self.bus.verdict(&places, &asked.ticket).await?;
            asked.heard = Instant::now();
            let (sequence, verdict) = last.map_or((0, None), |(sequence, verdict)| (sequence, Some(verdict)));
            let ours = asked.queued.is_some_and(|(generation, _)| sequence > generation);
            match verdict {
                Some(proved) if proved.is_proof() => {
                    return self.take(asked, &places, sequence, proved).await;
                }
                Some(Verdict::Failed { worker, message }) if ours => {
                    return Ok(Outcome::Failed(format!("worker {worker}: {}", plain(&message))));
                }
                Some(Verdict::Refused { worker, message }) if ours => {
                    return Ok(self.judge(asked, format!("worker {worker}: {}", plain(&message))).await);
                }
                // It failed before we asked, or another node took it back: it is ours to ask for.
                _ => asked.ticket.generation = sequence,
            }
            let due = asked
                .queued
                .is_none_or(|(generation, at)| generation != sequence || at.elapsed() > ASK_AGAIN);
            if due {
                self.queue(asked, &places).await?;
                asked.queued = Some((sequence, Instant::now()));
            }
            self.wait(asked, watch, &mut results, &mut progress, &mut look).await;
        }
    }

    /// Until there may be something new.
    async fn wait(
        &self,
        asked: &mut Asked,
        watch: &JobWatch,
        results: &mut async_nats::Subscriber,
        progress: &mut async_nats::Subscriber,
        look: &mut tokio::time::Interval,
    ) {
        loop {
            tokio::select! {
                Some(_) = results.next() => return,
                _ = look.tick() => {
                    if asked.lonely.is_some_and(|since| since.elapsed() > LONELY) {
                        asked.lonely = None;
                        warn!(circuit = asked.ticket.circuit, "no worker on NATS has taken a job so far");
                    }
                    return;
                }
                Some(told) = progress.next() => match serde_json::from_slice(&told.payload) {
                    Ok(JobProgress::Taken { worker }) => {
                        asked.lonely = None;
                        info!(worker, "a worker has taken the job");
                    }
                    Ok(JobProgress::Phase { phase }) => {
                        asked.lonely = None;
                        if let Some(phase) = Phase::named(&phase) {
                            (watch.phase)(phase);
                        }
                    }
                    Err(_) => {}
                },
            }
        }
    }

    /// Queue a job, unless it is already.
    async fn queue(&self, asked: &Asked, places: &Places) -> Result<(), NatsError> {
        let ticket = &asked.ticket;
        if !self.bus.has(&places.blobs, &ticket.blob()).await? {
            self.bus.put(&places.blobs, &ticket.blob(), &asked.bytes).await?;
        }
        if let Some((sequence, queued)) = self.queued(places, ticket).await {
            if queued.is_some_and(|queued| queued.generation == ticket.generation) {
                return Ok(());
            }
            // Of a generation that has ended: nobody will work on it, and it is in the way.
            let delete = places.jobs.delete_message(sequence);
            self.bus.within(super::ANSWER, "take back a job", delete).await?;
        }
        let payload = serde_json::to_vec(ticket).map_err(|error| self.bus.nonsense(ticket.name(), error))?;
        let message = PublishMessage::build().payload(payload.into()).message_id(format!(
            "{}:{}",
            ticket.name(),
            ticket.generation
        ));
        match self.bus.publish("take a job", self.bus.job_subject(ticket), message).await {
            Ok(_) => Ok(()),
            // Another node may have been faster by a moment.
            Err(_) if self.queued(places, ticket).await.is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The job as it is in the queue, and its sequence there.
    async fn queued(&self, places: &Places, ticket: &Ticket) -> Option<(u64, Option<Ticket>)> {
        let subject = self.bus.job_subject(ticket);
        let message = timeout(super::ANSWER, places.jobs.get_last_raw_message_by_subject(&subject)).await;
        let message = message.ok()?.ok()?;
        Some((message.sequence, serde_json::from_slice(&message.payload).ok()))
    }

    /// Take a proof, if it is one.
    async fn take(
        &self,
        asked: &Asked,
        places: &Places,
        sequence: u64,
        verdict: Verdict,
    ) -> Result<Outcome, NatsError> {
        let (worker, proof) = match verdict {
            Verdict::Proved { worker, proof } => (worker, Some(proof)),
            Verdict::ProvedLarge { worker } => {
                let name = asked.ticket.result_blob();
                let bytes = self.bus.get(&places.blobs, &name, MOST_RESULT).await?;
                let full = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                match full {
                    Some(Verdict::Proved { proof, .. }) => (worker, Some(proof)),
                    _ => (worker, None),
                }
            }
            _ => return Ok(Outcome::Cancelled),
        };
        let (verifier, bytes) = (asked.verifier.clone(), asked.bytes.clone());
        let output = proof.map(ProofOutput::from);
        let checked = tokio::task::spawn_blocking(move || match output {
            Some(output) => verifier.verify(&bytes, &output).map(|()| output).map_err(|e| e.to_string()),
            None => Err("the proof that a worker announced is not there".to_owned()),
        });
        match checked.await.unwrap_or_else(|panic| Err(format!("the proof cannot be checked: {panic}"))) {
            Ok(output) => Ok(Outcome::Proved(output)),
            Err(message) => {
                warn!(worker, error = message, "a worker handed in what is no proof of its job");
                // So that whoever asks again is not answered with it.
                let failed = Verdict::Failed { worker: worker.clone(), message: message.clone() };
                self.bus.replace(places, &asked.ticket, sequence, &failed).await?;
                Ok(Outcome::Failed(format!("worker {worker}: {message}")))
            }
        }
    }

    /// Stop whoever is at it, and see that nobody begins.
    async fn withdraw(&self, asked: &Asked) {
        let Some((generation, _)) = asked.queued else { return };
        let ticket = Ticket { generation, ..asked.ticket.clone() };
        self.bus.tell(self.bus.cancel_subject(&ticket), Vec::new()).await;
        let Ok(places) = self.prepared().await else { return };
        // Workers look at this before they begin.
        if let Err(error) = self.bus.judge(&places, &ticket, &Verdict::Cancelled).await {
            debug!(%error, "a job could not be taken back");
        }
        if let Some((sequence, _)) = self.queued(&places, &ticket).await {
            let _ = places.jobs.delete_message(sequence).await;
        }
        self.bus.forget(&places.blobs, &ticket.blob()).await;
    }
}
