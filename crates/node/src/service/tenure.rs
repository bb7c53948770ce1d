//! From when to when this node acts: as the leader, if it is one of several, and until what it holds is finished once it is told to
//! stop.

use std::time::{Duration, Instant};

use serde_json::json;
use tracing::{info, warn};

use super::handles::Handles;
use crate::book::Unfinished;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    is_acting: bool,
    draining: Option<Draining>,
    /// What a node that is about to end waits for, as last said.
    waits_for: Option<WaitsFor>,
    /// Whether the prover is in draws, as was asked at the end: before all was read that events tell of it.
    pub drawn: Option<bool>,
}

/// Until when what is held is finished.
#[derive(Clone, Copy, Debug)]
struct Draining {
    by: Instant,
    /// When the pause no longer waits for bids.
    pause_by: Instant,
}

/// What keeps a node from ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WaitsFor {
    /// What is not finished.
    pub left: Unfinished,
    /// Transactions that may bind it to more.
    pub binding: usize,
    /// A pause.
    pub leaving: bool,
}

impl Tenure {
    /// This node acts.
    pub(super) fn act(&mut self) {
        self.is_acting = true;
    }

    pub(super) fn is_acting(&self) -> bool {
        self.is_acting
    }

    /// Another node acts. Whether it was this one until now.
    pub(super) fn step_down(&mut self, handles: &Handles) -> bool {
        if !std::mem::take(&mut self.is_acting) {
            return false;
        }
        warn!("another node acts from now on");
        handles.reporter.node("standby", json!({}));
        true
    }

    /// Phase one of an end: nothing new is taken on, and the slots that are `held` are finished.
    pub(super) fn drain(&mut self, held: usize, handles: &Handles) {
        let (now, bound) = (Instant::now(), handles.config.drain);
        // A pause must fit into the time that there is.
        let patience: Duration = bound.saturating_sub(handles.config.shutdown_bound);
        self.draining = Some(Draining { by: now + bound, pause_by: now + patience });
        info!(held, bound_s = bound.as_secs(), "node takes nothing more on and finishes what it holds");
        handles.reporter.node("draining", json!({ "held": held }));
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether a pause because of stopping no longer waits for bids.
    pub(super) fn is_pause_due(&self, now: Instant) -> bool {
        self.draining.is_some_and(|draining| now >= draining.pause_by)
    }

    /// Whether this node was told to stop and all is finished, or the bound is reached. While blocks are told again (`is_retold`),
    /// what is left is not known.
    pub(super) fn is_over(&mut self, waits_for: WaitsFor, is_retold: bool) -> bool {
        let Some(draining) = self.draining else { return false };
        let WaitsFor { left, binding, leaving } = waits_for;
        let held = left.count() + binding;
        if Instant::now() >= draining.by {
            warn!(held, "slots that are held are left to the next start");
            return true;
        }
        if is_retold {
            return false;
        }
        let waits_for = Some(waits_for).filter(|_| held > 0 || leaving);
        if waits_for != self.waits_for {
            self.waits_for = waits_for;
            let Unfinished { held, deliveries, bids } = left;
            info!(held, deliveries, bids, binding, pause = leaving, "what the node waits for before it ends");
        }
        waits_for.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_told_to_stop_ends_once_nothing_is_left_or_its_time_is_up() {
        let nothing = WaitsFor::default();
        assert!(!Tenure::default().is_over(nothing, false), "nobody told it to");
        let now = Instant::now();
        let (by, pause_by) = (now + Duration::from_secs(60), now + Duration::from_secs(50));
        let mut tenure = Tenure { draining: Some(Draining { by, pause_by }), ..Tenure::default() };
        let held = WaitsFor { left: Unfinished { held: 1, ..Unfinished::default() }, ..nothing };
        let bound = WaitsFor { binding: 1, ..nothing };
        let paused = WaitsFor { leaving: true, ..nothing };
        for waits_for in [held, bound, paused] {
            assert!(!tenure.is_over(waits_for, false), "{waits_for:?}");
        }
        assert!(!tenure.is_over(nothing, true), "what is left is not known");
        assert!(tenure.is_over(nothing, false));
        assert!(!tenure.is_pause_due(now) && tenure.is_pause_due(pause_by));
        tenure.draining = Some(Draining { by: now, pause_by });
        assert!(tenure.is_over(held, true));
    }
}
