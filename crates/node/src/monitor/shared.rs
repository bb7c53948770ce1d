//! What the loop's side and the readers' side of the monitor share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::status::Status;

/// A loop that has not ticked for this long is taken for dead.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(30);

/// What was published last; nothing until the service has said something.
pub(super) type Published = Arc<Mutex<Option<Arc<Status>>>>;

/// When the loop last ticked.
#[derive(Debug)]
pub(super) struct Alive {
    since: Instant,
    /// Milliseconds after `since`.
    tick: AtomicU64,
}

impl Alive {
    /// Not ticked since `since`.
    pub(super) fn since(since: Instant) -> Self {
        Self { since, tick: AtomicU64::new(0) }
    }

    /// The loop is alive.
    pub(super) fn tick(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tick.store(now, Ordering::Relaxed);
    }

    /// Since it last was.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.tick.load(Ordering::Relaxed)))
    }
}

/// Why the node is not ready; nothing if it is.
pub(super) fn unready(status: Option<&Status>, alive: bool) -> Vec<&'static str> {
    let mut reasons = status.map_or_else(|| vec!["starting"], Status::unready);
    if !alive {
        reasons.push("stalled");
    }
    reasons
}

/// Nothing that is locked here can be left half-changed by a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
