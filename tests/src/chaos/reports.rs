//! What nodes say on stdout, slot by slot.

use std::{collections::BTreeMap, sync::Mutex};

use alloy::primitives::B256;
use serde_json::Value;

use super::{ledger::Key, log::now_ms};

/// A proof that a node reported.
#[derive(Clone, Debug)]
struct Proved {
    at_ms: u64,
    statement: Option<B256>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By node and slot: the stage that the last line stands for.
    stages: BTreeMap<(usize, Key), &'static str>,
    proved: BTreeMap<(usize, Key), Vec<Proved>>,
    /// Unix milliseconds of the last proof that was begun.
    proving: BTreeMap<(usize, Key), u64>,
    /// Unix milliseconds of lines after which a proof may be made again: it failed, or the slot went away.
    dropped: BTreeMap<(usize, Key), Vec<u64>>,
    errors: BTreeMap<String, u64>,
    /// Which nodes said that they started.
    started: BTreeMap<usize, u64>,
    /// What open slots state now.
    statements: BTreeMap<Key, B256>,
    reorgs_ms: Vec<u64>,
}

/// All nodes' lines.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Inner>);

impl Reports {
    fn with<T: Default>(&self, of: impl FnOnce(&mut Inner) -> T) -> T {
        self.0.lock().map(|mut inner| of(&mut inner)).unwrap_or_default()
    }

    /// A line of a node's process.
    pub(super) fn line(&self, node: usize, instance: u64, line: &Value) {
        let now = now_ms();
        let event = line["event"].as_str().unwrap_or_default().to_owned();
        let market = line["market"].as_str().and_then(|market| market.parse().ok());
        let key = market.zip(line["slot"].as_u64());
        self.with(|inner| {
            match event.as_str() {
                "started" => {
                    inner.started.insert(node, instance);
                }
                "error" => {
                    let code = line["code"].as_str().unwrap_or("unknown").to_owned();
                    *inner.errors.entry(code).or_default() += 1;
                }
                _ => {}
            }
            let Some(key) = key else { return };
            let place = (node, key);
            let stage = match event.as_str() {
                "slot_won" => Some("queued"),
                "proving" => Some("proving"),
                "proved" => Some("proved"),
                "submitted" => Some("submitting"),
                "settled" | "rescued" => Some("settled"),
                "lost" => Some("lost"),
                "expired" => Some("expired"),
                _ => None,
            };
            if let Some(stage) = stage {
                inner.stages.insert(place, stage);
            }
            match event.as_str() {
                "proved" => {
                    let told = line["statement"].as_str().and_then(|text| text.parse().ok());
                    let statement = told.or_else(|| inner.statements.get(&key).copied());
                    inner.proved.entry(place).or_default().push(Proved { at_ms: now, statement });
                }
                "proving" => {
                    inner.proving.insert(place, now);
                }
                "lost" | "expired" | "error" => inner.dropped.entry(place).or_default().push(now),
                _ => {}
            }
        });
    }

    /// The newest process of a node that said that it started.
    pub(super) fn started(&self, node: usize) -> Option<u64> {
        self.with(|inner| inner.started.get(&node).copied())
    }

    pub(super) fn statements(&self, statements: BTreeMap<Key, B256>) {
        self.with(|inner| inner.statements = statements);
    }

    pub(super) fn reorganised(&self) {
        self.with(|inner| inner.reorgs_ms.push(now_ms()));
    }

    /// The stage a node last spoke of.
    pub(super) fn stage(&self, node: usize, key: Key) -> Option<&'static str> {
        self.with(|inner| inner.stages.get(&(node, key)).copied())
    }

    /// Whether a node has begun a proof of a slot since then.
    pub(super) fn proving_since(&self, node: usize, key: Key, at_ms: u64) -> bool {
        self.with(|inner| inner.proving.get(&(node, key)).is_some_and(|last| *last >= at_ms))
    }

    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        self.with(|inner| inner.errors.clone())
    }

    /// Proofs that were made although the same node had a proof of the same statement on disk, with nothing in between that
    /// could have cost it that proof: no end of its process does; and those that only a reorganisation explains.
    pub(super) fn proven_again(&self) -> (u64, u64) {
        self.with(|inner| {
            let (mut again, mut after_reorg) = (0, 0);
            for ((node, key), proofs) in &inner.proved {
                for pair in proofs.windows(2) {
                    let [first, second] = pair else { continue };
                    let between =
                        |times: &[u64]| times.iter().any(|ms| (first.at_ms..=second.at_ms).contains(ms));
                    let dropped = inner.dropped.get(&(*node, *key)).is_some_and(|times| between(times));
                    if first.statement.is_none() || first.statement != second.statement || dropped {
                        continue;
                    }
                    if between(&inner.reorgs_ms) { after_reorg += 1 } else { again += 1 }
                }
            }
            (again, after_reorg)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proved() -> Value {
        json!({ "event": "proved", "market": "1", "slot": 3, "statement": B256::repeat_byte(1) })
    }

    #[test]
    fn a_statement_proven_twice_by_a_living_node_is_counted() {
        let reports = Reports::default();
        let proved = proved();
        reports.line(0, 1, &proved);
        reports.line(1, 1, &proved);
        assert_eq!(reports.proven_again(), (0, 0), "two nodes may prove the same");
        reports.line(0, 1, &proved);
        assert_eq!(reports.proven_again(), (1, 0));
    }

    #[test]
    fn a_proof_that_was_begun_before_is_not_one_since() {
        let reports = Reports::default();
        let line = json!({ "event": "proving", "market": "1", "slot": 3 });
        assert!(!reports.proving_since(0, (1, 3), 0));
        reports.line(0, 1, &line);
        assert!(reports.proving_since(0, (1, 3), 1) && !reports.proving_since(1, (1, 3), 1));
        assert!(!reports.proving_since(0, (1, 3), now_ms() + 1_000));
    }

    #[test]
    fn a_proof_outlives_the_process_that_made_it() {
        let reports = Reports::default();
        let proved = proved();
        reports.line(0, 1, &proved);
        assert_eq!(reports.stage(0, (1, 3)), Some("proved"));
        reports.line(0, 2, &proved);
        assert_eq!(reports.proven_again(), (1, 0));
    }

    #[test]
    fn a_proof_that_was_dropped_may_be_made_again() {
        let reports = Reports::default();
        let proved = proved();
        reports.line(0, 1, &proved);
        reports.line(0, 1, &json!({ "event": "lost", "market": "1", "slot": 3 }));
        reports.line(0, 1, &proved);
        assert_eq!(reports.proven_again(), (0, 0));
    }
}
