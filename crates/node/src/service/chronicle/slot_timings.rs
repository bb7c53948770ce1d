//! Where the time goes between a slot's opening and its proof's transaction.

use std::time::{Duration, Instant};

use provery_txmgr::SendTimings;
use serde_json::{Map, Value, json};

use crate::report::millis;

/// One slot's way through the node, as far as this process saw it.
#[derive(Debug)]
pub(in crate::service) struct SlotTimings {
    /// Unix milliseconds at which the slot's block was taken in.
    pub seen_ms: u64,
    seen: Instant,
    decided: Option<Instant>,
    prepare: Duration,
    started: Option<Instant>,
    /// When the proof came back, and how long it took.
    proved: Option<(Instant, Duration)>,
    store: Duration,
    sending: Option<Instant>,
    send: Option<SendTimings>,
}

impl SlotTimings {
    pub(crate) fn begin(seen_ms: u64) -> Self {
        Self {
            seen_ms,
            seen: Instant::now(),
            decided: None,
            prepare: Duration::ZERO,
            started: None,
            proved: None,
            store: Duration::ZERO,
            sending: None,
            send: None,
        }
    }

    /// To be proven.
    pub(crate) fn decided(&mut self) {
        self.decided.get_or_insert_with(Instant::now);
    }

    /// Handed to a worker, after `prepare` spent on the witness's inputs.
    pub(crate) fn started(&mut self, prepare: Duration) {
        self.prepare = prepare;
        self.started = Some(Instant::now());
        self.proved = None;
    }

    /// A proof is back.
    pub(crate) fn proved(&mut self, took: Duration) {
        self.proved = Some((Instant::now(), took));
    }

    /// And on disk.
    pub(crate) fn stored(&mut self) {
        if let Some((at, _)) = self.proved {
            self.store = at.elapsed();
        }
    }

    pub(crate) fn sending(&mut self) {
        self.sending = Some(Instant::now());
    }

    pub(crate) fn sent(&mut self, timings: SendTimings) {
        self.send = Some(timings);
    }

    /// Whether its transaction is under way.
    pub(crate) fn under_way(&self) -> bool {
        self.sending.is_some() && self.send.is_none()
    }

    /// Time spent on a proof, whether or not it came back.
    pub(crate) fn effort(&self) -> Option<Duration> {
        match (self.proved, self.started) {
            (Some((_, took)), _) => Some(took),
            (None, Some(started)) => Some(started.elapsed()),
            _ => None,
        }
    }

    /// The phases there were, in order.
    pub(crate) fn phases(&self) -> Vec<(&'static str, Duration)> {
        let mut phases = Vec::new();
        let Some(decided) = self.decided else { return phases };
        phases.push(("decide", decided - self.seen));
        if let Some(started) = self.started {
            phases.push(("queue", started.duration_since(decided).saturating_sub(self.prepare)));
            phases.push(("prepare", self.prepare));
        }
        if let Some((at, took)) = self.proved {
            phases.push(("prove", took));
            phases.push(("store", self.store));
            if let Some(sending) = self.sending {
                phases.push(("wait", sending.duration_since(at).saturating_sub(self.store)));
            }
        }
        if let Some(send) = &self.send {
            phases.push(("estimate", send.estimate));
            phases.push(("sign", send.sign));
            phases.push(("broadcast", send.broadcast));
        }
        phases
    }
}

/// Milliseconds by phase, for reports.
pub(in crate::service) fn in_millis(phases: &[(&'static str, Duration)]) -> Value {
    phases.iter().map(|(name, took)| ((*name).to_owned(), json!(millis(*took)))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_to_what_there_was() {
        let mut timings = SlotTimings::begin(0);
        assert!(timings.phases().is_empty() && timings.effort().is_none());
        timings.decided();
        timings.started(Duration::ZERO);
        assert!(timings.effort().is_some());
        timings.proved(Duration::from_millis(700));
        timings.stored();
        timings.sending();
        let names: Vec<_> = timings.phases().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["decide", "queue", "prepare", "prove", "store", "wait"]);
        assert_eq!(in_millis(&timings.phases())["prove"], 700);
        assert_eq!(timings.effort(), Some(Duration::from_millis(700)));
    }
}
