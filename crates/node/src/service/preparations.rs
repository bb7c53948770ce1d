//! What is had before a proof begins, and beside the loop: inputs that are not on the chain, and the word of a slot's circuit that it
//! can be proven.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, U256};
use futures::{FutureExt as _, future::BoxFuture};
use provery_descriptor::{Artifact, FetchError, Fetcher, Reach};
use provery_types::{SlotKey, text};
use provery_worker::{Checked, Job, ProofRunner};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    handles::{Handles, MOST_WORDS},
    room::{Asking, Room},
};
use crate::{
    book::{Book, Edition, Moved, Named, Policy},
    error::NodeError,
    inputs::Inputs,
};

/// For one look at a circuit, which takes a place that others wait for: as long as a witness may take.
const CHECK_TIME: Duration = Duration::from_secs(300);
/// For one fetch, redirects and all.
const FETCH_TIME: Duration = Duration::from_secs(300);
/// Before what failed is tried again: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Between two looks for inputs that nobody wants any more.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Something was had, or not.
pub(super) enum Ready {
    Fetched { market: U256, artifact: Artifact, result: Result<(), String> },
    Checked { key: SlotKey, statement: B256, edition: Edition, result: Checked, took: Duration },
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
    room: Room,
    asking: Asking,
    failed_fetches: HashMap<Named, Rest>,
    /// There was no room for them, unless they are of a slot that is held.
    unfit: HashMap<Named, Rest>,
    failed_checks: HashMap<SlotKey, Rest>,
    tidied: Instant,
    /// For one look at a circuit.
    pub(super) check_time: Duration,
    stop: CancellationToken,
}

impl Preparations {
    /// `reach`: which servers may be asked.
    pub(super) fn new(runner: Arc<dyn ProofRunner>, inputs: Inputs, reach: Reach) -> Self {
        let (fetcher, room, asking, failed_fetches, unfit, failed_checks, stop) = Default::default();
        let tidied = Instant::now();
        inputs.drop_unfinished();
        Self {
            runner,
            inputs,
            reach,
            fetcher,
            room,
            asking,
            failed_fetches,
            unfit,
            failed_checks,
            tidied,
            check_time: CHECK_TIME,
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

    pub(super) fn fetches(&mut self, book: &mut Book, policy: &Policy) -> Vec<BoxFuture<'static, Ready>> {
        let mut tasks = Vec::new();
        if self.room.is_full() {
            return tasks;
        }
        let held = book.held_links();
        self.room.count(&held);
        let (mut begun, mut unfit) = (Vec::new(), Vec::new());
        let Self { room, failed_fetches, unfit: no_room, .. } = self;
        book.links(policy, |link| {
            let named = (link.artifact.digest, link.artifact.size);
            let is_held = link.held || held.contains(&named);
            let rests = does_rest(failed_fetches, &named) || (!is_held && does_rest(no_room, &named));
            if !rests && !room.is_fetching(&named) {
                if !room.fits(link.market, named, is_held) {
                    unfit.push(link.artifact.clone());
                } else if room.begin(link.market, named, is_held) {
                    begun.push((link.market, link.artifact.clone()));
                }
            }
            if room.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if !unfit.is_empty() {
            warn!(
                inputs = unfit.len(),
                "inputs not fetched, since those of slots that are not held take too much room"
            );
        }
        for artifact in unfit {
            rest(&mut self.unfit, (artifact.digest, artifact.size));
            book.fetched(
                &artifact,
                Err("the inputs of slots that nobody here holds take too much room".to_owned()),
            );
        }
        for (market, artifact) in begun {
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

    pub(super) fn checks(&mut self, book: &mut Book, policy: &Policy) -> Vec<BoxFuture<'static, Ready>> {
        let mut tasks = Vec::new();
        if self.asking.is_full() {
            return tasks;
        }
        let mut unchecked = book.unchecked(policy);
        // What took too long before gives way to what was never looked at.
        unchecked.sort_by_key(|key| self.failed_checks.get(key).map_or(0, |rest| rest.failures));
        for key in unchecked {
            let rests = does_rest(&self.failed_checks, &key);
            if rests || !self.asking.has_place(key.market) {
                continue;
            }
            let Some(statement) = book.record(key).map(|record| record.slot.statement) else { continue };
            // Of what is in the job.
            let edition = book.edition(key);
            let Ok(job) = book.job(key) else { continue };
            self.asking.begin(key.market);
            let check = self.runner.check(Job { key, statement, circuit: job.circuit, bytes: job.bytes });
            let check_time = self.check_time;
            let check = async move {
                let begun = Instant::now();
                let result = match timeout(check_time, AssertUnwindSafe(check).catch_unwind()).await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) => Checked::Failed("the check panicked, which is a bug".to_owned()),
                    Err(_) => Checked::Failed(format!("it takes longer than {} s", check_time.as_secs())),
                };
                Ready::Checked { key, statement, edition, result, took: begun.elapsed() }
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
                let result = result.map_err(|error| text::shown(&error, MOST_WORDS));
                let named = (artifact.digest, artifact.size);
                self.room.ended(market, named, result.is_ok());
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
            Ready::Checked { key, statement, edition, result, took } => {
                self.asking.ended(key.market, took);
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
                        let why = text::shown(&why, MOST_WORDS);
                        handles.trouble(Some(key), "unprovable", &why, false);
                        Ok(book.checked(key, edition, Some(why))?)
                    }
                    Checked::Failed(error) => {
                        let error = text::shown(&error, MOST_WORDS);
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
    fn tidy(&mut self, book: &mut Book) {
        if self.tidied.elapsed() < TIDY_EVERY {
            return;
        }
        self.tidied = Instant::now();
        self.tidy_now(book);
    }

    pub(super) fn tidy_now(&mut self, book: &mut Book) {
        let mut wanted = book.tidy_links();
        wanted.extend(self.room.fetching());
        self.unfit.retain(|named, _| wanted.contains(named));
        self.failed_fetches.retain(|named, _| wanted.contains(named));
        self.failed_checks.retain(|key, _| !book.is_over(*key));
        self.room.retain(&wanted);
        self.inputs.retain(&wanted.into_iter().map(|(digest, _)| digest).collect());
    }

    /// Nothing more is had: this node ends.
    pub(super) fn stop(&mut self) {
        self.stop.cancel();
    }

    /// What was under way is no longer waited for.
    pub(super) fn abandon(&mut self) {
        self.room.abandon();
        self.asking.abandon();
    }
}

fn does_rest<K: std::hash::Hash + Eq>(rests: &HashMap<K, Rest>, key: &K) -> bool {
    rests.get(key).is_some_and(|rest| Instant::now() < rest.until)
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
