//! The reward curve: the twin of the contracts' `RewardCurve` (`tests/vectors/reward_curve.json`).

use provery_types::{CircuitTerms, Slot, Terms};

use crate::split::share_up;

/// What a slot pays by the time of delivery: the whole price until `fast_window`, linear to the floor at
/// `exclusive_window`, the floor after. Never increasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// Asset wei, at most 96 bits.
    pub price: u128,
    /// Share of the price, in bps, that a proof is paid from the end of the exclusive window on.
    pub floor_bps: u16,
    /// Seconds from the start of the clock.
    pub fast_window: u32,
    /// Seconds from the start of the clock.
    pub exclusive_window: u32,
    /// Share of the reward, in bps, that is the circuit's author's.
    pub royalty_bps: u16,
}

impl Curve {
    /// The curve of a slot opened under `terms`.
    pub fn of(slot: &Slot, terms: &Terms) -> Self {
        Self {
            price: slot.price.to::<u128>(),
            floor_bps: terms.floorBps,
            fast_window: terms.fastWindow,
            exclusive_window: terms.exclusiveWindow,
            royalty_bps: CircuitTerms::read(terms).royalty_bps,
        }
    }

    /// The least a proof is paid, royalty included, rounded up.
    pub fn floor(&self) -> u128 {
        share_up(self.price, self.floor_bps)
    }

    /// What whoever proves gets of what a proof is paid.
    pub fn after_royalty(&self, reward: u128) -> u128 {
        CircuitTerms { royalty_bps: self.royalty_bps, ..CircuitTerms::default() }.after_royalty(reward)
    }

    /// What a proof delivered `elapsed` seconds after the start of the clock earns whoever proves, in asset wei.
    pub fn earned(&self, elapsed: u64) -> u128 {
        self.after_royalty(self.reward(elapsed))
    }

    /// What a proof delivered `elapsed` seconds after the start of the clock is paid, royalty included, in asset wei.
    pub fn reward(&self, elapsed: u64) -> u128 {
        let fast = u64::from(self.fast_window);
        let end = u64::from(self.exclusive_window);
        let floor = self.floor();
        if elapsed >= end {
            return floor;
        }
        if elapsed <= fast {
            return self.price;
        }
        let fallen = self.price.saturating_sub(floor);
        floor + fallen * u128::from(end - elapsed) / u128::from(end - fast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cases, number};

    #[test]
    fn shared_vectors() {
        for case in cases(include_str!("../../../tests/vectors/reward_curve.json")) {
            let curve = Curve {
                price: number(&case["price"]),
                floor_bps: number(&case["floorBps"]) as u16,
                fast_window: number(&case["fastWindow"]) as u32,
                exclusive_window: number(&case["exclusiveWindow"]) as u32,
                royalty_bps: 0,
            };
            assert_eq!(curve.reward(number(&case["elapsed"]) as u64), number(&case["reward"]), "{case}");
        }
    }

    #[test]
    fn never_rises_and_never_falls_under_the_floor() {
        for (price, floor_bps) in [(1u128, 1u16), (7, 3_333), (1_000_003, 9_999), ((1 << 96) - 1, 1)] {
            let curve = Curve { price, floor_bps, fast_window: 3, exclusive_window: 17, royalty_bps: 0 };
            let paid: Vec<u128> = (0..30).map(|elapsed| curve.reward(elapsed)).collect();
            assert!(paid.is_sorted_by(|sooner, later| sooner >= later), "{curve:?}: {paid:?}");
            assert_eq!(paid[0], price);
            assert!(paid.iter().all(|reward| *reward >= curve.floor()));
            assert_eq!(paid[29], curve.floor());
        }
    }
}
