//! What can be seen of a running node from outside: its [`Status`], its metrics, and the HTTP server that shows them.
//!
//! | path | what it answers |
//! |---|---|
//! | `/healthz` | 200 while the service loop is alive (it ticked within 30 s), else 503 |
//! | `/readyz` | 200 when the node can be relied on, else 503 with `{"ready":false,"reasons":[…],"details":[…]}` |
//! | `/metrics` | OpenMetrics text |
//! | `/status` | [`Status`] as JSON |
//!
//! Reasons not to be ready: `starting`, `stalled` (the loop does not tick), `no_endpoint`, `behind`, `draining`,
//! `breaker_open`, `standby`, `paused_by_operator`, `paused_by_node: <why>` (see [`PauseStatus`]), `earns_nothing` (see
//! [`crate::earning`]), `held_unprovable`, `market_unprovable`, `reading_history`, `held_late`, `pause_fails` and `suspended` (see
//! [`crate::concern::Concern`]). `details` has the sentences.
//!
//! docs/reference/metrics.md lists the metrics. Labels only have values from closed lists or from the configuration, never slots,
//! addresses or messages.

mod address_file;
#[cfg(test)]
mod alerts_tests;
pub mod disk;
mod guard;
mod http;
mod metrics;
mod process;
mod status;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use address_file::{AddressFile, read_address_file};
pub use http::{ServeError, Server, serve};
pub use status::{
    BalanceStatus, BreakerStatus, CAUGHT_UP_WITHIN, ChainStatus, ConcernStatus, ENDED_KEPT, EndedSlot,
    EndpointStatus, NodeStatus, OpenSlot, PauseStatus, StakeStatus, Status, WorkersStatus,
};

use metrics::Metrics;

/// A loop that has not ticked for this long is taken for dead.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(30);

/// Takes what the service says about itself. Cheap to clone; nothing it does waits for a reader.
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    /// None until the service has said something.
    status: Arc<Mutex<Option<Arc<Status>>>>,
    alive: Arc<Alive>,
    metrics: Metrics,
}

/// When the loop last ticked.
#[derive(Debug)]
struct Alive {
    since: Instant,
    /// Milliseconds after `since`.
    tick: AtomicU64,
}

impl Alive {
    fn age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.tick.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("alive", &self.0.alive).finish_non_exhaustive()
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}

impl Monitor {
    pub fn new() -> Self {
        let status = Arc::new(Mutex::new(None));
        let alive = Arc::new(Alive { since: Instant::now(), tick: AtomicU64::new(0) });
        let metrics = Metrics::new(status.clone(), alive.clone());
        Self(Arc::new(Inner { status, alive, metrics }))
    }

    /// What the node is like now.
    pub fn publish(&self, mut status: Status) {
        status.ended.truncate(ENDED_KEPT);
        let status = Arc::new(status);
        let before = lock(&self.0.status).replace(status);
        // Freed outside the lock.
        drop(before);
    }

    /// The loop is alive.
    pub fn tick(&self) {
        let now = u64::try_from(self.0.alive.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.alive.tick.store(now, Ordering::Relaxed);
    }

    /// A slot ended: proven, rescued, lost, missed, expired, cancelled or dropped.
    pub fn slot_ended(&self, how: &'static str) {
        self.0.metrics.slot_ended(how);
    }

    /// A phase of a slot's life took this long.
    pub fn phase(&self, phase: &'static str, took: Duration) {
        self.0.metrics.phase(phase, took);
    }

    /// Something failed.
    pub fn failure(&self, code: &'static str) {
        self.0.metrics.failure(code);
    }

    /// A race was lost.
    pub fn loss(&self, code: &'static str) {
        self.0.metrics.loss(code);
    }

    /// A reorg took `depth` blocks back.
    pub fn reorg(&self, depth: u64) {
        self.0.metrics.reorg(depth);
    }

    /// What was published last.
    pub fn status(&self) -> Option<Arc<Status>> {
        lock(&self.0.status).clone()
    }

    /// Whether the loop has ticked of late.
    pub fn alive(&self) -> bool {
        self.0.alive.age() < ALIVE_WITHIN
    }

    /// Why the node is not ready; nothing if it is.
    pub fn unready(&self) -> Vec<&'static str> {
        unready(self.status().as_deref(), self.alive())
    }

    /// The metrics as OpenMetrics text.
    pub fn metrics(&self) -> String {
        self.0.metrics.encode()
    }

    #[cfg(test)]
    fn without_ticks_since(&self, age: Duration) -> Self {
        let since = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        let alive = Arc::new(Alive { since, tick: AtomicU64::new(0) });
        let status = self.0.status.clone();
        let metrics = Metrics::new(status.clone(), alive.clone());
        Self(Arc::new(Inner { status, alive, metrics }))
    }
}

fn unready(status: Option<&Status>, alive: bool) -> Vec<&'static str> {
    let mut reasons = status.map_or_else(|| vec!["starting"], Status::unready);
    if !alive {
        reasons.push("stalled");
    }
    reasons
}

/// Nothing that is locked here can be left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
