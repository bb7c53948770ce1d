//! What a slot is worth to this prover, and what its transactions may therefore cost. Whole numbers, rounded down.

use alloy::primitives::U256;
use provery_mechanisms::reward::Curve;
use provery_types::{Slot, Terms};

/// All of it, in bps.
pub(super) const ALL: u64 = 10_000;
/// Asset wei in a whole asset.
const ASSET: u64 = 1_000_000_000_000_000_000;

/// Asset wei that a proof delivered at `now` (unix seconds) earns or saves: its reward and, if that is at stake, its bond.
pub(super) fn of_proof(slot: &Slot, terms: &Terms, at_stake: bool, now: u64) -> U256 {
    let elapsed = now.saturating_sub(slot.startedAt.to::<u64>());
    let reward = U256::from(Curve::of(slot, terms).reward(elapsed));
    reward.saturating_add(if at_stake { terms.bond.to::<U256>() } else { U256::ZERO })
}

/// Asset wei that may be spent on a transaction that furthers the hold on a slot: a tenth of its price, and half of the bond of
/// a bid that is lost without it. It takes two, to reveal and to settle, to have that back.
pub(super) fn of_errand(price: U256, bid_bond: U256) -> U256 {
    (price / U256::from(10)).saturating_add(bid_bond / U256::from(2))
}

/// Wei of the chain's currency that `worth` asset wei allow for gas: `bps` of them, at `rate` wei a whole asset.
pub(super) fn budget(worth: U256, rate: U256, bps: u64) -> U256 {
    worth.saturating_mul(rate) / U256::from(ASSET) * U256::from(bps) / U256::from(ALL)
}

/// A gas limit for a proof that could not be estimated: the settlement, the rollup's callback with the 1/64 that calls
/// hold back, and 60 gas for each byte of calldata (16 for itself, the rest for binding it to the proof).
pub(super) fn fallback_gas(terms: &Terms, calldata: usize) -> u64 {
    let callback = u64::from(terms.callbackGas);
    500_000 + callback + callback / 63 + 60 * calldata as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::terms;

    #[test]
    fn a_budget_is_the_worth_at_the_rate() {
        let asset = U256::from(ASSET);
        assert_eq!(budget(asset * U256::from(22), asset, 5_000), asset * U256::from(11));
        assert_eq!(budget(asset, U256::from(300), ALL), U256::from(300));
        assert_eq!(budget(U256::MAX, U256::MAX, 1), U256::MAX / asset / U256::from(ALL), "no overflow");
        assert_eq!(budget(asset, asset, 0), U256::ZERO);
    }

    #[test]
    fn what_saves_a_bid_may_cost_what_the_bid_would() {
        let of = |price: u64, bond: u64| of_errand(U256::from(price), U256::from(bond)).to::<u64>();
        assert_eq!((of(1_000, 0), of(1_000, 600)), (100, 400));
    }

    #[test]
    fn a_held_slot_is_worth_its_bond_too() {
        let terms = terms();
        let slot = Slot {
            price: terms.price,
            startedAt: alloy::primitives::aliases::U40::from(100),
            ..Slot::default()
        };
        let rescue = of_proof(&slot, &terms, false, 100);
        assert_eq!(rescue, terms.price.to::<U256>());
        assert_eq!(of_proof(&slot, &terms, true, 100), rescue + terms.bond.to::<U256>());
        assert!(of_proof(&slot, &terms, false, 1_000) < rescue, "later is worth less");
    }
}
