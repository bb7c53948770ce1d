//! What is had before a proof begins, and beside the loop: inputs that are not on the chain, and the word of a slot's circuit that it
//! can be proven.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, U256};
use futures::{FutureExt as _, future::BoxFuture};
use provery_descriptor::{Artifact, Digest, FetchError, Fetcher, Reach};
use provery_types::SlotKey;
use provery_worker::{Checked, Job, ProofRunner};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::handles::Handles;
use crate::{
    book::{Book, Moved, Policy},
    error::NodeError,
    inputs::Inputs,
};

/// Fetched at a time, and of one market's: a server that takes its time takes no other market's.
const MOST_FETCHES: (usize, usize) = (8, 2);
/// Circuits asked at a time; of each market one.
const MOST_CHECKS: usize = 4;
/// For one fetch, redirects and all.
const FETCH_TIME: Duration = Duration::from_secs(300);
/// Before what failed is tried again: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Between two looks for inputs that nobody wants any more.
const TIDY_EVERY: Duration = Duration::from_secs(300);

type Named = (Digest, u64);

/// Something was had, or not.
pub(super) enum Ready {
    Fetched { market: U256, artifact: Artifact, result: Result<(), String> },
    Checked { key: SlotKey, statement: B256, edition: u64, result: Checked },
    Stopped,
}

/// What failed, and how often.
#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    until: Instant,
}

/// See the module.
pub(super) struct Preparations {
    runner: Arc<dyn ProofRunner>,
    inputs: Inputs,
    reach: Reach,
    /// Made when it is needed first.
    fetcher: Option<Fetcher>,
    fetching: HashMap<Named, U256>,
    checking: HashSet<SlotKey>,
    failed_fetches: HashMap<Named, Rest>,
    failed_checks: HashMap<SlotKey, Rest>,
    tidied: Instant,
    stop: CancellationToken,
}

impl Preparations {
    /// `reach`: which servers may be asked.
    pub(super) fn new(runner: Arc<dyn ProofRunner>, inputs: Inputs, reach: Reach) -> Self {
        let (fetcher, fetching, checking, failed_fetches, failed_checks, stop) = Default::default();
        let tidied = Instant::now();
        Self {
            runner,
            inputs,
            reach,
            fetcher,
            fetching,
            checking,
            failed_fetches,
            failed_checks,
            tidied,
            stop,
        }
    }

    /// Begin with what is missing, the most urgent first.
    pub(super) fn start(&mut self, book: &mut Book, policy: &Policy) -> Vec<BoxFuture<'static, Ready>> {
        self.tidy(book);
        let mut tasks = self.fetches(book, policy);
        tasks.extend(self.checks(book, policy));
        tasks
    }

    fn fetches(&mut self, book: &mut Book, policy: &Policy) -> Vec<BoxFuture<'static, Ready>> {
        let mut tasks = Vec::new();
        for (market, artifact) in book.links(policy) {
            let named = (artifact.digest, artifact.size);
            let of_market = self.fetching.values().filter(|other| **other == market).count();
            if self.fetching.len() >= MOST_FETCHES.0
                || of_market >= MOST_FETCHES.1
                || self.fetching.contains_key(&named)
                || self.failed_fetches.get(&named).is_some_and(|rest| Instant::now() < rest.until)
            {
                continue;
            }
            self.fetching.insert(named, market);
            let (fetcher, store) = (self.fetcher(), self.inputs.store().clone());
            let fetch = async move {
                let fetching =
                    async { fetcher?.file(&artifact, &store).await.map_err(|error| plain(&error)) };
                let result = match timeout(FETCH_TIME, AssertUnwindSafe(fetching).catch_unwind()).await {
                    Ok(Ok(result)) => result.map(|_| ()),
                    Ok(Err(_)) => Err("the fetch panicked, which is a bug".to_owned()),
                    Err(_) => Err(format!("it takes longer than {} s", FETCH_TIME.as_secs())),
                };
                Ready::Fetched { market, artifact, result }
            };
            tasks.push(self.until_stopped(fetch));
        }
        tasks
    }

    fn checks(&mut self, book: &mut Book, policy: &Policy) -> Vec<BoxFuture<'static, Ready>> {
        let mut tasks = Vec::new();
        for (key, edition) in book.unchecked(policy) {
            let is_asked = self.checking.iter().any(|other| other.market == key.market);
            let rests = self.failed_checks.get(&key).is_some_and(|rest| Instant::now() < rest.until);
            if is_asked || rests || self.checking.len() >= MOST_CHECKS {
                continue;
            }
            let Some(statement) = book.record(key).map(|record| record.slot.statement) else { continue };
            let Ok(job) = book.job(key) else { continue };
            self.checking.insert(key);
            let check = self.runner.check(Job { key, statement, circuit: job.circuit, bytes: job.bytes });
            let check = async move {
                let result = AssertUnwindSafe(check).catch_unwind().await;
                let result = result
                    .unwrap_or_else(|_| Checked::Failed("the check panicked, which is a bug".to_owned()));
                Ready::Checked { key, statement, edition, result }
            };
            tasks.push(self.until_stopped(check));
        }
        tasks
    }

    fn until_stopped(&self, task: impl Future<Output = Ready> + Send + 'static) -> BoxFuture<'static, Ready> {
        let stop = self.stop.clone();
        async move { stop.run_until_cancelled(task).await.unwrap_or(Ready::Stopped) }.boxed()
    }

    fn fetcher(&mut self) -> Result<Fetcher, String> {
        if let Some(fetcher) = &self.fetcher {
            return Ok(fetcher.clone());
        }
        let made =
            Fetcher::new(self.reach).map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(self.fetcher.insert(made).clone())
    }

    /// Something was had, or not.
    pub(super) fn ready(
        &mut self,
        ready: Ready,
        handles: &Handles,
        book: &mut Book,
    ) -> Result<Option<Moved>, NodeError> {
        match ready {
            Ready::Fetched { market, artifact, result } => {
                let named = (artifact.digest, artifact.size);
                self.fetching.remove(&named);
                match &result {
                    Ok(()) => {
                        info!(%market, digest = %artifact.digest, bytes = artifact.size, "input fetched");
                        self.failed_fetches.remove(&named);
                    }
                    Err(error) => {
                        warn!(%market, digest = %artifact.digest, error, "input not fetched, it is asked for again");
                        handles.monitor.failure("inputs_unfetched");
                        rest(&mut self.failed_fetches, named);
                    }
                }
                book.fetched(&artifact, result);
                Ok(None)
            }
            Ready::Checked { key, statement, edition, result } => {
                self.checking.remove(&key);
                // A reorganisation put another slot in its place.
                if book.record(key).is_none_or(|record| record.slot.statement != statement) {
                    return Ok(None);
                }
                match result {
                    Checked::Sound => {
                        debug!(market = %key.market, slot = key.id, "slot can be proven");
                        self.failed_checks.remove(&key);
                        Ok(book.checked(key, edition, None)?)
                    }
                    Checked::Refused(why) => {
                        self.failed_checks.remove(&key);
                        handles.trouble(Some(key), "unprovable", &why, false);
                        Ok(book.checked(key, edition, Some(why))?)
                    }
                    Checked::Failed(error) => {
                        warn!(market = %key.market, slot = key.id, error, "whether a slot can be proven is not known, it is looked at again");
                        handles.monitor.failure("check_failed");
                        rest(&mut self.failed_checks, key);
                        Ok(None)
                    }
                }
            }
            Ready::Stopped => Ok(None),
        }
    }

    /// Inputs of slots that are over go.
    fn tidy(&mut self, book: &Book) {
        if self.tidied.elapsed() < TIDY_EVERY || !self.fetching.is_empty() {
            return;
        }
        self.tidied = Instant::now();
        let wanted = book.linked();
        self.failed_fetches.retain(|(digest, _), _| wanted.contains(digest));
        self.failed_checks.retain(|key, _| !book.is_over(*key));
        self.inputs.retain(&wanted);
    }

    /// Nothing more is had: this node ends.
    pub(super) fn stop(&mut self) {
        self.stop.cancel();
    }

    /// What was under way is no longer waited for.
    pub(super) fn abandon(&mut self) {
        self.fetching.clear();
        self.checking.clear();
    }
}

fn rest<K: std::hash::Hash + Eq>(rests: &mut HashMap<K, Rest>, key: K) {
    let failures = rests.get(&key).map_or(0, |rest| rest.failures);
    let pause = (REST.0 * 2u32.saturating_pow(failures.min(8))).min(REST.1);
    rests.insert(key, Rest { failures: failures + 1, until: Instant::now() + pause });
}

/// An operator's words for what another wrote the URL of.
fn plain(error: &FetchError) -> String {
    match error {
        FetchError::Private { host, address } => {
            format!("{host} leads to {address}, which is no public address, and others are not asked")
        }
        other => other.to_string(),
    }
}
