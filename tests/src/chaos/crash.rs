//! Where nodes are to kill themselves: every persisted transition, before and after its write, the rarest first.

use std::{collections::BTreeMap, sync::Mutex};

use super::dice::Dice;

/// Points as `PROVERY_CRASH` names them.
pub const POINTS: [&str; 23] = [
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
    "intent:signed",
    "intent:replaced",
    "intent:mined",
    "intent:unmined",
    "intent:removed",
    "meta:paused",
    "meta:resumed",
];

/// A point with its side, as `PROVERY_CRASH` wants it, apart from the count.
pub type Place = (&'static str, &'static str);

/// Met so often that the first few times are passed by.
fn frequent(point: &str) -> u64 {
    match point {
        "block" => 40,
        "work:seen" | "work:queued" | "work:proving" | "work:proved" | "work:submitting" | "work:settled" => {
            3
        }
        "proof" | "intent:signed" | "intent:mined" => 3,
        _ => 1,
    }
}

/// Who is to crash where.
#[derive(Debug, Default)]
pub struct CrashPlan {
    rows: Mutex<BTreeMap<Place, Row>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    armed: u64,
    hit: u64,
}

impl CrashPlan {
    /// The next place, and how many times it is to be met first. Places that were hit least come first, of these the
    /// ones that were tried least.
    pub fn next(&self, dice: &mut Dice) -> (Place, u64) {
        let places = POINTS.iter().flat_map(|point| [(*point, "before"), (*point, "after")]);
        let Ok(mut rows) = self.rows.lock() else { return (("block", "before"), 1) };
        let order = |place: &Place| {
            let row = rows.get(place).copied().unwrap_or_default();
            // A place that is tried again and again in vain must not starve the others.
            (row.hit + row.armed / 4, row.armed)
        };
        let mut best: Vec<Place> = places.collect();
        best.sort_by_key(order);
        let least = best.first().map(order);
        best.retain(|place| Some(order(place)) == least);
        let place = dice.pick(&best).copied().unwrap_or(("block", "before"));
        rows.entry(place).or_default().armed += 1;
        (place, dice.between(1, frequent(place.0)))
    }

    pub fn hit(&self, place: Place) {
        if let Ok(mut rows) = self.rows.lock() {
            rows.entry(place).or_default().hit += 1;
        }
    }

    /// Crashes by `<point>:<side>`, with those that never came about.
    pub fn hits(&self) -> BTreeMap<String, u64> {
        let rows = self.rows.lock().map(|rows| rows.clone()).unwrap_or_default();
        let mut hits: BTreeMap<String, u64> = BTreeMap::new();
        for point in POINTS {
            for side in ["before", "after"] {
                hits.insert(format!("{point}:{side}"), rows.get(&(point, side)).map_or(0, |row| row.hit));
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_its_turn_before_any_gets_a_second() {
        let plan = CrashPlan::default();
        let mut dice = Dice::of(&[1]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2 * POINTS.len() {
            let (place, _) = plan.next(&mut dice);
            assert!(seen.insert(place), "{place:?} twice");
            plan.hit(place);
        }
        assert!(plan.hits().values().all(|hits| *hits == 1));
    }
}
