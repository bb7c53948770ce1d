//! A worker's side: takes jobs from NATS, proves them in processes of its own, leaves the results.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, hex};
use async_nats::jetstream::{AckKind, Message, consumer::PullConsumer};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    ACK_WAIT, ANSWER, JobProgress, MOST_ATTEMPTS, NatsConfig, NatsError, Ticket, Verdict,
    bus::{Bus, Places},
    job_id, keys,
};
use crate::{Attempt, JobWatch, Processes};

/// How long one request for a job waits for one.
const PULL: Duration = Duration::from_secs(1);
/// The same, if there is more than one kind of job to ask for in turn.
const PULL_ONE_OF_MANY: Duration = Duration::from_millis(200);
/// How often it is looked for new kinds of jobs.
const DISCOVER: Duration = Duration::from_secs(1);
/// How long keys that could not be had are let be.
const KEYS_RETRY: Duration = Duration::from_secs(10);
/// Between attempts to reach the server.
const RETRY: Duration = Duration::from_millis(500);
/// How long it is tried to leave a result.
const LEAVE: Duration = Duration::from_secs(120);
/// Before a job whose process died is handed out again.
const AFTER_DEATH: Duration = Duration::from_secs(1);

/// What happens at a worker, as one JSON object each with a field `event`: `started`, `serving`, `keys_fetched`, `taken`,
/// `proved`, `failed`, `died`, `cancelled`, `given_back`, `already_done`, `stopped`.
pub type WorkerEvent = Arc<dyn Fn(Value) + Send + Sync>;

/// What a worker is told.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The server that hands out jobs.
    pub nats: NatsConfig,
    /// How this worker is called where people read it.
    pub name: String,
    /// Where keys are, and are put when they are fetched.
    pub keys_dir: PathBuf,
    /// Only these circuits; every one if there are none.
    pub circuits: Vec<String>,
}

/// A kind of jobs that this worker can do.
#[derive(Clone)]
struct Served {
    hash: B256,
    consumer: PullConsumer,
}

#[derive(Clone)]
struct Server {
    config: Arc<ServeConfig>,
    bus: Bus,
    processes: Processes,
    report: WorkerEvent,
    served: Arc<watch::Sender<Vec<Served>>>,
    shutdown: CancellationToken,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Serve jobs, as many at a time as `processes` are, until `shutdown` is cancelled. A job under way is then given back,
/// for another worker to begin at once.
pub async fn serve(
    config: ServeConfig,
    processes: Processes,
    report: WorkerEvent,
    shutdown: CancellationToken,
) -> Result<(), NatsError> {
    let bus = Bus::connect(&config.nats, &format!("provery worker {}", config.name)).await?;
    report(json!({ "event": "started", "worker": config.name, "jobs": processes.count() }));
    let count = processes.count();
    let served = Arc::new(watch::Sender::new(Vec::new()));
    let server = Server {
        config: Arc::new(config),
        bus,
        processes,
        report: report.clone(),
        served,
        shutdown: shutdown.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(server.clone().discover());
    for _ in 0..count {
        tasks.spawn(server.clone().work());
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(panic) = ended {
            // The rest of the worker would go on crippled.
            error!(error = %panic, "a part of the worker panicked; stopping");
            shutdown.cancel();
        }
    }
    report(json!({ "event": "stopped" }));
    Ok(())
}

impl Server {
    /// Sleep, unless it is time to stop.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = sleep(time) => {}
        }
    }

    /// Find out what kinds of jobs there are, and get the keys for those that are to be served.
    async fn discover(self) {
        let mut refused: Vec<(B256, Instant)> = Vec::new();
        let mut said = false;
        while !self.shutdown.is_cancelled() {
            match self.look(&mut refused).await {
                Ok(()) => said = false,
                Err(error) if !said => {
                    warn!(%error, "NATS cannot be asked for jobs; trying again");
                    said = true;
                }
                Err(error) => debug!(%error, "NATS can still not be asked for jobs"),
            }
            self.pause(DISCOVER).await;
        }
    }

    async fn look(&self, refused: &mut Vec<(B256, Instant)>) -> Result<(), NatsError> {
        let places = self.bus.places().await?;
        let names = places.jobs.consumer_names().try_collect::<Vec<String>>();
        let names = self.bus.within(ANSWER, "tell its consumers", names).await?;
        refused.retain(|(_, at)| at.elapsed() < KEYS_RETRY);
        for name in names {
            let Some(hash) = hex::decode(&name).ok().and_then(|hash| B256::try_from(&hash[..]).ok()) else {
                continue;
            };
            let known = self.served.borrow().iter().any(|served| served.hash == hash);
            if known || refused.iter().any(|(other, _)| *other == hash) {
                continue;
            }
            match self.adopt(&places, hash).await {
                Ok(true) => {}
                Ok(false) => refused.push((hash, Instant::now())),
                Err(error) => {
                    warn!(%error, key_hash = %hash, "jobs cannot be served for want of their keys");
                    refused.push((hash, Instant::now()));
                }
            }
        }
        Ok(())
    }

    /// Serve the jobs of one key, if they are to be served here.
    async fn adopt(&self, places: &Places, hash: B256) -> Result<bool, NatsError> {
        let Some(manifest) = keys::manifest(&self.bus, places, hash).await? else { return Ok(false) };
        let circuit = manifest.circuit.clone();
        if !self.config.circuits.is_empty() && !self.config.circuits.contains(&circuit) {
            return Ok(false);
        }
        if keys::ensure(&self.bus, places, &self.config.keys_dir, &manifest, hash).await? {
            (self.report)(json!({ "event": "keys_fetched", "circuit": circuit, "key_hash": hash }));
        }
        let consumer = self.bus.consumer(places, hash).await?;
        info!(circuit, "serving jobs");
        (self.report)(json!({ "event": "serving", "circuit": circuit, "key_hash": hash }));
        self.served.send_modify(|served| served.push(Served { hash, consumer }));
        Ok(true)
    }

    /// One job after another.
    async fn work(self) {
        let mut changed = self.served.subscribe();
        while !self.shutdown.is_cancelled() {
            let served = changed.borrow_and_update().clone();
            if served.is_empty() {
                tokio::select! {
                    () = self.shutdown.cancelled() => return,
                    changed = changed.changed() => if changed.is_err() { return },
                }
                continue;
            }
            let wait = if served.len() == 1 { PULL } else { PULL_ONE_OF_MANY };
            for one in &served {
                if self.shutdown.is_cancelled() {
                    return;
                }
                match self.pull(one, wait).await {
                    Ok(Some(message)) => {
                        if let Err(error) = self.handle(message).await {
                            warn!(%error, "a job was not brought to its end; NATS hands it out again");
                        }
                    }
                    Ok(None) => {}
                    Err(error) => {
                        debug!(%error, "no job could be asked for");
                        // The server may have lost the consumer: it is looked for again.
                        self.served.send_modify(|served| served.retain(|other| other.hash != one.hash));
                        self.pause(RETRY).await;
                    }
                }
            }
        }
    }

    async fn pull(&self, served: &Served, wait: Duration) -> Result<Option<Message>, NatsError> {
        let next = async {
            let mut batch = served.consumer.batch().max_messages(1).expires(wait).messages().await?;
            match batch.next().await {
                Some(message) => message.map(Some),
                None => Ok(None),
            }
        };
        self.bus.within(wait + ANSWER, "give a job", next).await
    }

    /// Bring one job to its end, or leave it to be handed out again.
    async fn handle(&self, message: Message) -> Result<(), NatsError> {
        let attempt = message.info().map_or(1, |info| info.delivered);
        let ticket: Ticket = match serde_json::from_slice(&message.payload) {
            Ok(ticket) => ticket,
            Err(error) => {
                warn!(%error, "a message on the work queue is no job");
                return self.acknowledge(&message, AckKind::Term).await;
            }
        };
        let cancelled = self.bus.client.subscribe(self.bus.cancel_subject(&ticket));
        let mut cancelled = self.bus.within(ANSWER, "listen for cancellations", cancelled).await?;
        let places = self.bus.places().await?;
        // Where the last worker was lost after it was done, or nobody wants the job any more.
        if let Some((sequence, verdict)) = self.bus.verdict(&places, &ticket).await?
            && (verdict.is_proof() || sequence > ticket.generation)
        {
            (self.report)(json!({ "event": "already_done", "job": ticket.id }));
            self.acknowledge(&message, AckKind::Ack).await?;
            self.bus.forget(&places.blobs, &ticket.blob()).await;
            return Ok(());
        }
        (self.report)(json!({
            "event": "taken", "job": ticket.id, "circuit": ticket.circuit, "attempt": attempt,
        }));
        info!(job = %ticket.id, circuit = ticket.circuit, attempt, "job taken");
        let taken = JobProgress::Taken { worker: self.config.name.clone() };
        self.bus
            .tell(self.bus.progress_subject(&ticket), serde_json::to_vec(&taken).unwrap_or_default())
            .await;

        let watch = self.watch(&ticket);
        let stop = watch.cancel.clone();
        let started = Instant::now();
        let (by_asker, ended) = {
            let mut beat = interval(ACK_WAIT / 3);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let proof = self.prove(&places, &ticket, attempt, &watch);
            tokio::pin!(proof);
            let mut by_asker = false;
            loop {
                tokio::select! {
                    ended = &mut proof => break (by_asker, ended),
                    _ = beat.tick() => {
                        // If it does not come through, the job goes to another worker; the first result stands.
                        let _ = timeout(ANSWER, message.ack_with(AckKind::Progress)).await;
                    }
                    Some(_) = cancelled.next(), if !by_asker => {
                        by_asker = true;
                        stop.cancel();
                    }
                    () = self.shutdown.cancelled(), if !stop.is_cancelled() => stop.cancel(),
                }
            }
        };
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let worker = self.config.name.clone();
        match ended {
            Ended::Judged(verdict) => {
                let (event, text) = match &verdict {
                    Verdict::Failed { message, .. } => ("failed", Some(message.clone())),
                    Verdict::Refused { message, .. } => ("refused", Some(message.clone())),
                    _ => ("proved", None),
                };
                let stands = self.leave(&message, &places, &ticket, &verdict).await?;
                info!(job = %ticket.id, ms, stands, event, "job done");
                (self.report)(json!({
                    "event": event, "job": ticket.id, "ms": ms, "stands": stands, "message": text,
                }));
            }
            Ended::Stopped if by_asker => {
                info!(job = %ticket.id, "job cancelled");
                self.acknowledge(&message, AckKind::Ack).await?;
                (self.report)(json!({ "event": "cancelled", "job": ticket.id, "ms": ms }));
            }
            Ended::Stopped => {
                self.acknowledge(&message, AckKind::Nak(None)).await?;
                (self.report)(json!({ "event": "given_back", "job": ticket.id, "ms": ms }));
            }
            Ended::Lost(text) => {
                warn!(job = %ticket.id, attempt, error = text, "a worker process was lost");
                (self.report)(json!({ "event": "died", "job": ticket.id, "ms": ms, "message": text }));
                if attempt < MOST_ATTEMPTS {
                    return self.acknowledge(&message, AckKind::Nak(Some(AFTER_DEATH))).await;
                }
                let failed =
                    Verdict::Failed { worker, message: format!("given up after {attempt} attempts: {text}") };
                self.leave(&message, &places, &ticket, &failed).await?;
            }
        }
        Ok(())
    }

    fn watch(&self, ticket: &Ticket) -> JobWatch {
        let (bus, subject) = (self.bus.clone(), self.bus.progress_subject(ticket));
        let phase = move |phase: provery_proving::Phase| {
            let event = JobProgress::Phase { phase: phase.as_str().to_owned() };
            let (bus, subject) = (bus.clone(), subject.clone());
            // A word on the way, which may be lost.
            tokio::spawn(async move {
                bus.tell(subject, serde_json::to_vec(&event).unwrap_or_default()).await;
            });
        };
        JobWatch { cancel: CancellationToken::new(), phase: Arc::new(phase) }
    }

    async fn prove(&self, places: &Places, ticket: &Ticket, attempt: i64, watch: &JobWatch) -> Ended {
        let worker = self.config.name.clone();
        let failed = |message: String| Ended::Judged(Verdict::Failed { worker: worker.clone(), message });
        if attempt > MOST_ATTEMPTS {
            return failed(format!(
                "given up: {MOST_ATTEMPTS} workers took the job and were lost with it; their logs say why"
            ));
        }
        let blob = ticket.blob();
        let bytes = tokio::select! {
            () = watch.cancel.cancelled() => return Ended::Stopped,
            bytes = self.bus.get(&places.blobs, &blob, ticket.bytes) => bytes,
        };
        let bytes = match bytes {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ended::Lost("the job's bytes are not on NATS".to_owned()),
            Err(error) => return Ended::Lost(error.to_string()),
        };
        if job_id(&ticket.circuit, ticket.key_hash, &bytes) != ticket.id {
            return failed("the job's bytes are not those it is named after".to_owned());
        }
        match self.processes.attempt(&ticket.circuit, Some(ticket.key_hash), bytes, watch).await {
            Attempt::Proved(output) => Ended::Judged(Verdict::Proved { worker, proof: output.into() }),
            Attempt::Refused(message) => Ended::Judged(Verdict::Refused { worker, message }),
            Attempt::Failed(message) => failed(message),
            Attempt::Cancelled => Ended::Stopped,
            Attempt::Died(message) => Ended::Lost(message),
        }
    }

    /// Leave a result, then acknowledge the job, then forget its bytes: a worker lost in between is made up for by the
    /// next, which finds the result. The answer is whether it is the first.
    async fn leave(
        &self,
        message: &Message,
        places: &Places,
        ticket: &Ticket,
        verdict: &Verdict,
    ) -> Result<bool, NatsError> {
        let since = Instant::now();
        let stands = loop {
            match self.bus.judge(places, ticket, verdict).await {
                Ok(stands) => break stands,
                Err(error) if since.elapsed() > LEAVE => return Err(error),
                Err(error) => debug!(%error, "a result could not be left; trying again"),
            }
            let _ = timeout(ANSWER, message.ack_with(AckKind::Progress)).await;
            sleep(RETRY).await;
        };
        self.acknowledge(message, AckKind::Ack).await?;
        self.bus.forget(&places.blobs, &ticket.blob()).await;
        Ok(stands)
    }

    /// Until the server says that it has heard it.
    async fn acknowledge(&self, message: &Message, kind: AckKind) -> Result<(), NatsError> {
        self.bus.within(ANSWER, "take an acknowledgement", message.double_ack_with(kind)).await
    }
}

/// How a job ended here.
enum Ended {
    Judged(Verdict),
    Stopped,
    /// Not the job's fault, or it cannot be told.
    Lost(String),
}
