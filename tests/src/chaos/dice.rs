//! Decisions that a seed makes: the same seed, place and index always decide the same.

use alloy::primitives::keccak256;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A stream of decisions.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

/// Parts in a million.
pub(super) const MILLION: u32 = 1_000_000;

impl Dice {
    /// The stream of a place, such as (seed, node, request).
    pub(super) fn of(place: &[u64]) -> Self {
        let bytes: Vec<u8> = place.iter().flat_map(|part| part.to_be_bytes()).collect();
        Self(ChaCha8Rng::from_seed(keccak256(bytes).0))
    }

    /// A number below `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `ppm` times in a million.
    pub(super) fn chance(&mut self, ppm: u32) -> bool {
        self.below(MILLION.into()) < u64::from(ppm)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.chance(MILLION / 2)
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_decides_the_same_and_another_does_not() {
        let draw = |place: &[u64]| Dice::of(place).bytes(16);
        assert_eq!(draw(&[1, 2, 3]), draw(&[1, 2, 3]));
        assert_ne!(draw(&[1, 2, 3]), draw(&[1, 2, 4]));
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_meet_both() {
        let mut dice = Dice::of(&[7]);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| dice.between(3, 5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert!((0..100).all(|_| !dice.chance(0) && dice.chance(MILLION)));
    }
}
