//! Where nodes are to kill themselves: every persisted transition, before and after its write, the rarest first.

use std::{collections::BTreeMap, sync::Mutex};

use super::dice::Dice;

/// Points as `PROVERY_CRASH` names them.
pub(super) const POINTS: [&str; 23] = [
    "block",
    "reorg",
    "proof",
    "compact",
    "work:seen",
    "work:waiting",
    "work:ignored",
    "work:queued",
    "work:proving",
    "work:proved",
    "work:submitting",
    "work:settled",
    "work:lost",
    "work:expired",
    "work:cancelled",
    "work:failed",
    "pending:signed",
    "pending:replaced",
    "pending:mined",
    "pending:unmined",
    "pending:removed",
    "meta:paused",
    "meta:resumed",
];

/// A point with its side, as `PROVERY_CRASH` wants it, apart from the count.
pub(super) type Place = (&'static str, &'static str);

/// The prover's return: only a node that has paused its prover comes to it.
const RETURN: &str = "meta:resumed";

/// Whether a node comes to a point because its proofs fail, and hardly otherwise.
fn wants_failures(point: &str) -> bool {
    matches!(point, "work:failed" | "meta:paused")
}

/// What is to be wrong with a node's proofs for it to come to a point soon: they fail, or others are faster.
pub(super) fn worker_fault(point: &str) -> Option<&'static str> {
    match point {
        point if wants_failures(point) => Some("fail:100"),
        "work:lost" => Some("slow:1500"),
        _ => None,
    }
}

/// What a slot must pay at least, in whole units of the asset, for a node to take it: more than a race does, if it is to ignore some.
pub(super) fn min_reward(point: Option<&str>) -> &'static str {
    if point == Some("work:ignored") { "3.5" } else { "1" }
}

/// How long a node may wait at a point before it is given another, in milliseconds; `block_ms` are between two blocks.
pub(super) fn patience_ms(point: &str, block_ms: u64) -> u64 {
    match point {
        // Comes with every 128th block.
        "compact" => 20_000 + 128 * block_ms,
        // Five failures in a row, with pauses.
        point if wants_failures(point) => 90_000,
        _ => 40_000,
    }
}

/// Met so often that the first few times are passed by.
fn frequent(point: &str) -> u64 {
    match point {
        "block" => 40,
        "work:seen" | "work:queued" | "work:proving" | "work:proved" | "work:submitting" | "work:settled" => {
            3
        }
        "proof" | "pending:signed" | "pending:mined" => 3,
        _ => 1,
    }
}

/// Who is to crash where.
#[derive(Debug)]
pub(super) struct CrashPlan {
    /// How often each place is to be met.
    wanted: u64,
    rows: Mutex<BTreeMap<Place, Row>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    armed: u64,
    hit: u64,
    stopped: u64,
}

impl CrashPlan {
    pub(super) fn new(wanted: u64) -> Self {
        Self { wanted, rows: Mutex::default() }
    }

    /// The next place, and how many times it is to be met first. Places that were hit least come first, of these the
    /// ones that were tried least. A node that is `absent` has paused its prover, and will take that back.
    pub(super) fn next(&self, dice: &mut Dice, absent: bool) -> (Place, u64) {
        let Ok(mut rows) = self.rows.lock() else { return (("block", "before"), 1) };
        let row = |place: &Place| rows.get(place).copied().unwrap_or_default();
        // A place that is tried again and again in vain must not starve the others.
        let order = |place: &Place| (row(place).hit + row(place).armed / 4, row(place).armed);
        let enough = self.wanted.max(1 + places().map(|place| row(&place).hit).min().unwrap_or(0));
        // The occasion is rare, so it is not left to another; and a crash after the write ends it.
        let returning = places()
            .filter(|place| absent && place.0 == RETURN && row(place).hit < enough)
            .min_by_key(|place| row(place).hit);
        let mut best: Vec<Place> = match returning {
            Some(place) => vec![place],
            None => places().filter(|(point, _)| *point != RETURN).collect(),
        };
        best.sort_by_key(order);
        let least = best.first().map(order);
        best.retain(|place| Some(order(place)) == least);
        let place = dice.pick(&best).copied().unwrap_or(("block", "before"));
        rows.entry(place).or_default().armed += 1;
        (place, dice.between(1, frequent(place.0)))
    }

    /// Places that were not met as often as wanted, and how often they are still to be.
    pub(super) fn missing(&self) -> Vec<(String, u64)> {
        let lacking = |(place, hits): (String, u64)| Some((place, self.wanted.saturating_sub(hits)));
        self.hits().into_iter().filter_map(lacking).filter(|(_, left)| *left > 0).collect()
    }

    pub(super) fn hit(&self, place: Place) {
        if let Ok(mut rows) = self.rows.lock() {
            rows.entry(place).or_default().hit += 1;
        }
    }

    /// A node stopped there, and goes on.
    pub(super) fn stopped(&self, place: Place) {
        if let Ok(mut rows) = self.rows.lock() {
            rows.entry(place).or_default().stopped += 1;
        }
    }

    /// Crashes by `<point>:<side>`, with those that never came about.
    pub(super) fn hits(&self) -> BTreeMap<String, u64> {
        self.by_place(|row| row.hit)
    }

    /// As [`Self::hits`], of stops.
    pub(super) fn stops(&self) -> BTreeMap<String, u64> {
        self.by_place(|row| row.stopped)
    }

    fn by_place(&self, of: impl Fn(Row) -> u64) -> BTreeMap<String, u64> {
        let rows = self.rows.lock().map(|rows| rows.clone()).unwrap_or_default();
        let row = |place: Place| rows.get(&place).copied().unwrap_or_default();
        places().map(|place| (format!("{}:{}", place.0, place.1), of(row(place)))).collect()
    }
}

fn places() -> impl Iterator<Item = Place> {
    POINTS.iter().flat_map(|point| [(*point, "before"), (*point, "after")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_its_turn_before_any_gets_a_second() {
        let plan = CrashPlan::new(1);
        let mut dice = Dice::of(&[1]);
        let mut seen = std::collections::BTreeSet::new();
        let mut absent = false;
        assert_eq!(plan.missing().len(), 2 * POINTS.len());
        for _ in 0..2 * POINTS.len() {
            let (place, _) = plan.next(&mut dice, absent);
            assert!(seen.insert(place), "{place:?} twice");
            plan.hit(place);
            absent = place == ("meta:paused", "after")
                || place == (RETURN, "before")
                || absent && place.0 != RETURN;
        }
        assert!(plan.hits().values().all(|hits| *hits == 1));
        assert!(plan.missing().is_empty());
    }

    #[test]
    fn a_return_is_waited_for_only_where_it_comes() {
        let plan = CrashPlan::new(1);
        let mut dice = Dice::of(&[1]);
        assert!((0..500).all(|_| plan.next(&mut dice, false).0.0 != RETURN));
        assert_eq!(plan.next(&mut dice, true).0.0, RETURN);
    }
}
