//! One connection to NATS, and the names of everything there.

use std::{fmt::Display, future::Future, time::Duration};

use alloy::primitives::{B256, hex};
use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    jetstream::{
        self, consumer,
        message::PublishMessage,
        object_store::{self, ObjectStore},
        stream::{self, DirectGetErrorKind, DiscardPolicy, RetentionPolicy, Stream},
    },
};
use tokio::{io::AsyncReadExt, time::timeout};
use tracing::{info, warn};

use super::{ACK_WAIT, ANSWER, KEPT, MOST_ATTEMPTS, NatsConfig, NatsError, TRANSFER, Ticket, Verdict};

/// Publishing the same again within this time is noticed by the server.
const DUPLICATES: Duration = Duration::from_secs(120);

/// A connection. It is made, and made again when it is lost, in the background.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    pub client: Client,
    pub js: jetstream::Context,
    prefix: String,
    host: String,
}

/// What the streams and stores are, once they exist.
#[derive(Clone)]
pub(super) struct Places {
    pub jobs: Stream,
    results: Stream,
    pub blobs: ObjectStore,
    pub keys: ObjectStore,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

/// An address without what may be secret in it.
pub(super) fn host(url: &str) -> String {
    let one = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
    };
    url.split(',').map(|url| one(url.trim())).collect::<Vec<_>>().join(",")
}

impl Bus {
    /// Begin to connect as `name`. Fails only if the configuration makes no sense.
    pub(crate) async fn connect(config: &NatsConfig, name: &str) -> Result<Self, NatsError> {
        let well_named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if config.prefix.is_empty() || config.prefix.len() > 64 || !config.prefix.chars().all(well_named) {
            return Err(NatsError::Prefix(config.prefix.clone()));
        }
        let servers: Result<Vec<ServerAddr>, _> =
            config.url.split(',').map(|url| url.trim().parse()).collect();
        // The parser's own words would repeat the address, and what is secret in it.
        let servers = servers.map_err(|_| NatsError::Address(host(&config.url)))?;
        let host = host(&config.url);
        let named = host.clone();
        let mut options = ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .connection_timeout(ANSWER)
            .request_timeout(Some(ANSWER))
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(100).saturating_mul(1 << attempts.min(5)).min(Duration::from_secs(2))
            })
            .event_callback(move |event| {
                let host = named.clone();
                async move {
                    match event {
                        Event::Connected => info!(host, "connected to NATS"),
                        Event::Disconnected => {
                            warn!(host, "the connection to NATS is lost; connecting again")
                        }
                        event => warn!(host, %event, "NATS says"),
                    }
                }
            });
        if let Some(path) = &config.credentials {
            let unreadable = |reason: String| NatsError::Credentials { path: path.clone(), reason };
            let text =
                tokio::fs::read_to_string(path).await.map_err(|error| unreadable(error.to_string()))?;
            let line = text.lines().next().map(str::trim).filter(|line| !line.is_empty());
            let line = line.ok_or_else(|| unreadable("its first line is empty".to_owned()))?;
            options = match line.split_once(':') {
                Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
                None => options.token(line.to_owned()),
            };
        }
        let client = options.connect(servers).await.map_err(|error| NatsError::Unavailable {
            host: host.clone(),
            doing: "be connected to",
            reason: error.to_string(),
        })?;
        let mut js = jetstream::new(client.clone());
        js.set_timeout(ANSWER);
        Ok(Self { client, js, prefix: config.prefix.clone(), host })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What a request answers, or why it does not in time.
    pub(crate) async fn within<T, E: Display>(
        &self,
        limit: Duration,
        doing: &'static str,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, NatsError> {
        let failed = |reason| NatsError::Unavailable { host: self.host.clone(), doing, reason };
        match timeout(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("no answer in time".to_owned())),
        }
    }

    /// Make sure that every stream and store exists.
    pub(super) async fn places(&self) -> Result<Places, NatsError> {
        let p = &self.prefix;
        let jobs = stream::Config {
            name: format!("{p}-jobs"),
            description: Some("proofs to make".to_owned()),
            subjects: vec![format!("{p}.jobs.*.*")],
            retention: RetentionPolicy::WorkQueue,
            max_age: KEPT,
            // A job is queued once, whoever asks for it.
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            duplicate_window: DUPLICATES,
            ..Default::default()
        };
        let results = stream::Config {
            name: format!("{p}-results"),
            description: Some("how proofs went".to_owned()),
            subjects: vec![format!("{p}.results.*")],
            max_age: KEPT,
            max_messages_per_subject: 1,
            allow_direct: true,
            duplicate_window: DUPLICATES,
            ..Default::default()
        };
        let jobs = self.within(2 * ANSWER, "keep jobs", self.js.get_or_create_stream(jobs)).await?;
        let results = self.within(2 * ANSWER, "keep results", self.js.get_or_create_stream(results)).await?;
        let blobs = self.store(format!("{p}-blobs"), KEPT).await?;
        let keys = self.store(format!("{p}-keys"), Duration::ZERO).await?;
        Ok(Places { jobs, results, blobs, keys })
    }

    async fn store(&self, bucket: String, max_age: Duration) -> Result<ObjectStore, NatsError> {
        if let Ok(Ok(store)) = timeout(ANSWER, self.js.get_object_store(&bucket)).await {
            return Ok(store);
        }
        let config = object_store::Config { bucket, max_age, ..Default::default() };
        self.within(2 * ANSWER, "keep objects", self.js.create_object_store(config)).await
    }

    /// The consumer of one key's jobs: a worker that is silent for [`ACK_WAIT`] loses its job to another. One attempt
    /// more than are made: the last is to say that there were too many.
    pub(super) async fn consumer(
        &self,
        places: &Places,
        key_hash: B256,
    ) -> Result<consumer::PullConsumer, NatsError> {
        let name = hex::encode(key_hash);
        let config = consumer::pull::Config {
            durable_name: Some(name.clone()),
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver: MOST_ATTEMPTS + 1,
            filter_subject: format!("{}.jobs.{name}.*", self.prefix),
            ..Default::default()
        };
        self.within(2 * ANSWER, "hand out jobs", places.jobs.get_or_create_consumer(&name, config)).await
    }

    pub(super) fn job_subject(&self, ticket: &Ticket) -> String {
        format!("{}.jobs.{}.{}", self.prefix, hex::encode(ticket.key_hash), ticket.name())
    }

    pub(super) fn result_subject(&self, ticket: &Ticket) -> String {
        format!("{}.results.{}", self.prefix, ticket.name())
    }

    pub(super) fn progress_subject(&self, ticket: &Ticket) -> String {
        format!("{}.progress.{}", self.prefix, ticket.name())
    }

    pub(super) fn cancel_subject(&self, ticket: &Ticket) -> String {
        format!("{}.cancel.{}", self.prefix, ticket.name())
    }

    /// The last verdict on a job, and its sequence. One that cannot be read counts as a failure.
    pub(super) async fn verdict(
        &self,
        places: &Places,
        ticket: &Ticket,
    ) -> Result<Option<(u64, Verdict)>, NatsError> {
        let subject = self.result_subject(ticket);
        let last = async {
            match places.results.direct_get_last_for_subject(subject).await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        let last = self.within(ANSWER, "look for a result", last).await?;
        Ok(last.map(|message| {
            let verdict = serde_json::from_slice(&message.payload).unwrap_or_else(|error| Verdict::Failed {
                worker: String::new(),
                message: format!("the result that a worker left cannot be read: {error}"),
            });
            (message.sequence, verdict)
        }))
    }

    /// Leave a verdict if none was since this generation. The answer is whether it is the one that stands.
    pub(super) async fn judge(
        &self,
        places: &Places,
        ticket: &Ticket,
        verdict: &Verdict,
    ) -> Result<bool, NatsError> {
        let last = self.verdict(places, ticket).await?.map_or(0, |(sequence, _)| sequence);
        if last > ticket.generation {
            return Ok(false);
        }
        self.replace(places, ticket, last, verdict).await?;
        Ok(true)
    }

    /// Leave a verdict in the place of the one with this sequence.
    pub(super) async fn replace(
        &self,
        places: &Places,
        ticket: &Ticket,
        sequence: u64,
        verdict: &Verdict,
    ) -> Result<(), NatsError> {
        let json = |error: serde_json::Error| self.nonsense(ticket.name(), error);
        let mut payload = serde_json::to_vec(verdict).map_err(json)?;
        if payload.len() > LARGE
            && let Verdict::Proved { worker, .. } = verdict
        {
            self.put(&places.blobs, &ticket.result_blob(), &payload).await?;
            let pointer = Verdict::ProvedLarge { worker: worker.clone() };
            payload = serde_json::to_vec(&pointer).map_err(json)?;
        }
        let message =
            PublishMessage::build().payload(payload.into()).expected_last_subject_sequence(sequence);
        self.publish("keep a result", self.result_subject(ticket), message).await.map(|_| ())
    }

    /// Publish into a stream; the answer is the message's sequence there.
    pub(super) async fn publish(
        &self,
        doing: &'static str,
        subject: String,
        message: PublishMessage,
    ) -> Result<u64, NatsError> {
        let publish = async { self.js.send_publish(subject, message).await?.await };
        self.within(2 * ANSWER, doing, publish).await.map(|ack| ack.sequence)
    }

    /// Tell whoever listens. It is no loss if nobody does.
    pub(super) async fn tell(&self, subject: String, payload: Vec<u8>) {
        let told = async {
            self.client.publish(subject, payload.into()).await?;
            Ok::<_, async_nats::Error>(self.client.flush().await?)
        };
        let _ = timeout(Duration::from_secs(1), told).await;
    }

    /// Put an object into a store.
    pub(super) async fn put(
        &self,
        store: &ObjectStore,
        name: &str,
        mut bytes: &[u8],
    ) -> Result<(), NatsError> {
        self.within(TRANSFER, "take an object", store.put(name, &mut bytes)).await.map(|_| ())
    }

    /// An object of at most `most` bytes; `None` if there is none.
    pub(super) async fn get(
        &self,
        store: &ObjectStore,
        name: &str,
        most: u64,
    ) -> Result<Option<Vec<u8>>, NatsError> {
        if !self.has(store, name).await? {
            return Ok(None);
        }
        let mut object = self.within(ANSWER, "give an object", store.get(name)).await?;
        if object.info().size as u64 > most {
            return Err(self.nonsense(name.to_owned(), "it is too large"));
        }
        let mut bytes = Vec::with_capacity(object.info().size);
        self.within(TRANSFER, "give an object", object.read_to_end(&mut bytes)).await?;
        Ok(Some(bytes))
    }

    /// Whether there is such an object.
    pub(super) async fn has(&self, store: &ObjectStore, name: &str) -> Result<bool, NatsError> {
        let info = async {
            match store.info(name).await {
                Ok(info) => Ok(!info.deleted),
                Err(error) if error.kind() == object_store::InfoErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.within(ANSWER, "look for an object", info).await
    }

    /// Delete objects; what cannot be deleted now goes by its age.
    pub(super) async fn forget(&self, store: &ObjectStore, name: &str) {
        let _ = timeout(ANSWER, store.delete(name)).await;
    }

    pub(super) fn nonsense(&self, what: String, reason: impl Display) -> NatsError {
        NatsError::Malformed { what, reason: reason.to_string() }
    }
}

/// Results with more bytes than this go through the object store: a message may have a MiB in all.
const LARGE: usize = 512 << 10;
