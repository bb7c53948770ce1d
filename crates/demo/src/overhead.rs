//! What a proof's delivery takes apart from the proof: from the block that opens a slot to the transaction being sent.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::percentiles::{Percentiles, percentiles};

/// Phases in the order they come in; `prove` and `queue` (for a worker that is at another proof) are shown and not counted.
const PHASES: [&str; 10] =
    ["notice", "decide", "queue", "prepare", "prove", "store", "wait", "estimate", "sign", "broadcast"];

/// Milliseconds by phase, over slots that were proven by who held them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overhead {
    by_phase: BTreeMap<&'static str, Vec<u64>>,
    totals: Vec<u64>,
}

/// Medians for the summary.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OverheadSummary {
    /// From the slot's block to the transaction being sent, without proof and queue.
    pub total_ms: Percentiles,
    pub by_phase_ms: BTreeMap<&'static str, u64>,
}

impl Overhead {
    /// Take in a node's report that a proof was sent. `opened_ms` is when the slot's block was first seen, by a look every
    /// few milliseconds.
    pub(crate) fn sent(&mut self, opened_ms: u64, line: &Value) {
        let Some(seen_ms) = line["seen_ms"].as_u64() else { return };
        let notice = seen_ms.saturating_sub(opened_ms);
        let mut total = 0;
        for phase in PHASES {
            let ms = if phase == "notice" { Some(notice) } else { line["phases"][phase].as_u64() };
            let Some(ms) = ms else { continue };
            self.by_phase.entry(phase).or_default().push(ms);
            if !matches!(phase, "prove" | "queue") {
                total += ms;
            }
        }
        self.totals.push(total);
    }

    pub(crate) fn summary(&self) -> OverheadSummary {
        let medians = self.by_phase.iter().map(|(phase, all)| (*phase, percentiles(all.iter().copied()).p50));
        OverheadSummary { total_ms: percentiles(self.totals.iter().copied()), by_phase_ms: medians.collect() }
    }
}

impl OverheadSummary {
    /// One line for people.
    pub(crate) fn text(&self) -> String {
        let phases: Vec<String> = PHASES
            .iter()
            .filter_map(|phase| Some(format!("{phase} {}", self.by_phase_ms.get(phase)?)))
            .collect();
        format!(
            "overhead, from the slot's block to the transaction being sent, apart from proof and queue: {} ms median, \
             {} ms p95 (by phase: {})\n",
            self.total_ms.p50,
            self.total_ms.p95,
            phases.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_proof_nor_queue_is_overhead() {
        let mut overhead = Overhead::default();
        let phases =
            serde_json::json!({ "decide": 1, "queue": 5_000, "prepare": 20, "prove": 3_000, "sign": 4 });
        overhead.sent(1_000, &serde_json::json!({ "seen_ms": 1_100, "phases": phases }));
        overhead.sent(1_000, &serde_json::json!({ "phases": {} }));
        let summary = overhead.summary();
        assert_eq!(summary.total_ms.p50, 125);
        assert_eq!(summary.by_phase_ms["prove"], 3_000);
        assert!(summary.text().contains("notice 100, decide 1, queue 5000"));
    }
}
