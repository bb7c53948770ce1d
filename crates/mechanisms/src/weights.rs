//! The frozen weights of a market, replayed from `WeightSet` events: the twin of the contracts' weight tree.
//!
//! The contract keeps a packed sum tree; a draw from it equals a linear scan over the provers in the order of their
//! ids, and that is what this does. A leaf's weight at epoch `e` is the newest one whose effective epoch is at most `e`.

use std::collections::BTreeMap;

use alloy::primitives::U256;

/// Weights of one market, by prover id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    leaves: BTreeMap<u32, BTreeMap<u64, u64>>,
}

/// Where a random number landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The prover's id.
    pub id: u32,
    /// `random mod total`.
    pub point: u64,
    /// The prover's weight.
    pub weight: u64,
    /// All weights of the epoch.
    pub total: u64,
}

impl Weights {
    /// A leaf's weight is `weight` from `epoch` on.
    pub fn set(&mut self, id: u32, weight: u64, epoch: u64) {
        self.leaves.entry(id).or_default().insert(epoch, weight);
    }

    /// The weight of a prover at `epoch`.
    pub fn at(&self, id: u32, epoch: u64) -> u64 {
        self.leaves
            .get(&id)
            .and_then(|versions| versions.range(..=epoch).next_back())
            .map_or(0, |(_, weight)| *weight)
    }

    /// The newest weight of a prover, in effect or not.
    pub fn newest(&self, id: u32) -> u64 {
        self.leaves.get(&id).and_then(|versions| versions.last_key_value()).map_or(0, |(_, weight)| *weight)
    }

    /// All weights at `epoch`.
    pub fn total(&self, epoch: u64) -> u64 {
        self.leaves.keys().map(|id| self.at(*id, epoch)).sum()
    }

    /// Provers with weight at `epoch`, in the order of their ids.
    pub fn provers(&self, epoch: u64) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.leaves.keys().map(move |id| (*id, self.at(*id, epoch))).filter(|(_, weight)| *weight > 0)
    }

    /// Whom `random` picks at `epoch`; nobody if there is no weight.
    pub fn draw(&self, random: U256, epoch: u64) -> Option<Drawn> {
        let total = self.total(epoch);
        if total == 0 {
            return None;
        }
        let point = (random % U256::from(total)).to::<u64>();
        let mut before = 0u64;
        for (id, weight) in self.provers(epoch) {
            if point < before + weight {
                return Some(Drawn { id, point, weight, total });
            }
            before += weight;
        }
        None
    }

    /// Forget versions that no draw at `epoch` or later can read.
    pub fn prune(&mut self, epoch: u64) {
        self.leaves.retain(|_, versions| {
            if let Some(current) = versions.range(..=epoch).next_back().map(|(at, _)| *at) {
                *versions = versions.split_off(&current);
            }
            versions.len() > 1 || versions.values().any(|weight| *weight > 0)
        });
    }

    /// Every version kept, as (id, weight, epoch).
    pub fn versions(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.leaves
            .iter()
            .flat_map(|(id, versions)| versions.iter().map(move |(epoch, weight)| (*id, *weight, *epoch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_vectors() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/weight_tree.json"))
                .expect("vectors are JSON");
        let numbers = |value: &serde_json::Value| -> Vec<u64> {
            value.as_array().expect("a list").iter().map(|it| it.as_u64().expect("a number")).collect()
        };
        let scenarios = file["scenarios"].as_array().expect("a list");
        assert!(!scenarios.is_empty());
        for scenario in scenarios {
            let name = &scenario["name"];
            let mut weights = Weights::default();
            let [ids, values, epochs] =
                ["id", "weight", "epoch"].map(|field| numbers(&scenario["writes"][field]));
            for ((id, weight), epoch) in ids.into_iter().zip(values).zip(epochs) {
                weights.set(id as u32, weight, epoch);
            }
            let draws = &scenario["draws"];
            let [epochs, totals, winners] = ["epoch", "total", "winner"].map(|field| numbers(&draws[field]));
            let randoms = draws["random"].as_array().expect("a list");
            assert!(!randoms.is_empty());
            for (index, random) in randoms.iter().enumerate() {
                let random: U256 = random.as_str().expect("a word").parse().expect("a word");
                let drawn = weights.draw(random, epochs[index]);
                assert_eq!(drawn.map_or(0, |drawn| drawn.total), totals[index], "{name}, draw {index}");
                assert_eq!(
                    drawn.map_or(0, |drawn| u64::from(drawn.id)),
                    winners[index],
                    "{name}, draw {index}"
                );
            }
        }
    }

    #[test]
    fn a_weight_holds_from_its_epoch_on() {
        let mut weights = Weights::default();
        weights.set(1, 5, 3);
        weights.set(1, 9, 4);
        weights.set(1, 8, 4);
        assert_eq!([2, 3, 4, 9].map(|epoch| weights.at(1, epoch)), [0, 5, 8, 8]);
        assert_eq!(weights.newest(1), 8);
        assert_eq!(weights.at(2, 9), 0);
    }

    #[test]
    fn a_draw_is_a_scan_in_the_order_of_ids() {
        let mut weights = Weights::default();
        weights.set(7, 2, 1);
        weights.set(2, 1, 1);
        weights.set(5, 3, 1);
        weights.set(6, 4, 2);
        let drawn: Vec<u32> =
            (0..7).map(|random| weights.draw(U256::from(random), 1).expect("there is weight").id).collect();
        assert_eq!(drawn, [2, 5, 5, 5, 7, 7, 2]);
        assert_eq!(weights.draw(U256::ZERO, 0), None);
        let max = weights.draw(U256::MAX, 2).expect("there is weight");
        assert_eq!(max.total, 10);
        assert_eq!(U256::from(max.point), U256::MAX % U256::from(10));
    }

    #[test]
    fn pruning_changes_no_draw_from_then_on() {
        let mut weights = Weights::default();
        for (id, weight, epoch) in
            [(1, 4, 1), (1, 5, 3), (1, 6, 8), (2, 7, 2), (2, 0, 4), (3, 0, 5), (3, 9, 7)]
        {
            weights.set(id, weight, epoch);
        }
        let mut pruned = weights.clone();
        pruned.prune(5);
        for epoch in 5..10 {
            assert_eq!(pruned.provers(epoch).collect::<Vec<_>>(), weights.provers(epoch).collect::<Vec<_>>());
        }
        assert_eq!(pruned.versions().count(), 4);
    }
}
