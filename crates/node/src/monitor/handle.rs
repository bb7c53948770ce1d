//! The loop's side of the monitor, and what its readers ask.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    metrics::Metrics,
    shared::{ALIVE_WITHIN, Alive, Published, lock, unready},
    status::{ENDED_KEPT, Status},
};

/// Takes what the service says about itself. Cheap to clone; nothing it does waits for a reader.
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    status: Published,
    alive: Arc<Alive>,
    metrics: Metrics,
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
    /// Nothing is published yet, and the loop is alive as of now.
    pub fn new() -> Self {
        let status = Arc::new(Mutex::new(None));
        let alive = Arc::new(Alive::since(Instant::now()));
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
        self.0.alive.tick();
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
    pub(super) fn without_ticks_since(&self, age: Duration) -> Self {
        let since = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        let alive = Arc::new(Alive::since(since));
        let status = self.0.status.clone();
        let metrics = Metrics::new(status.clone(), alive.clone());
        Self(Arc::new(Inner { status, alive, metrics }))
    }
}
