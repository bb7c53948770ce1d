//! What a slot is worth to this prover, and what its transactions may therefore cost. Whole numbers, rounded down.

use std::time::Duration;

use alloy::primitives::{Bytes, U256, keccak256};
use provery_mechanisms::reward::Curve;
use provery_types::{CircuitTerms, Slot, Terms};

/// All of it, in bps.
pub(super) const ALL: u64 = 10_000;
/// Gas of a proof's transaction, rounded up: what balances are divided by, and what a proof is taken to cost beforehand.
pub const PROOF_GAS: u64 = 400_000;
/// Gas of a commitment's transaction, rounded up.
pub(super) const COMMITMENT_GAS: u64 = 80_000;
/// Bytes of its calldata, rounded up, as long as none was made.
const PROOF_BYTES: u64 = 4_000;

/// Asset wei that a proof delivered at `now` (unix seconds) earns or saves: its reward and, if that is at stake, its bond.
pub(super) fn of_proof(slot: &Slot, terms: &Terms, at_stake: bool, now: u64) -> U256 {
    let elapsed = now.saturating_sub(slot.startedAt.to::<u64>());
    let reward = U256::from(Curve::of(slot, terms).earned(elapsed));
    reward.saturating_add(if at_stake { terms.bond.to::<U256>() } else { U256::ZERO })
}

/// [`of_proof`] of a slot that opens now, before there is one: as a prover holds it where it binds its stake.
pub fn of_fresh(terms: &Terms, at_stake: bool) -> U256 {
    let slot = Slot { price: terms.price, ..Slot::default() };
    of_proof(&slot, terms, at_stake, 0)
}

/// Gas that the delivery of a proof is taken to cost beforehand: the proof's transaction with the requester's callback, and, where it does
/// not bind its payee, the commitment's.
pub fn delivery_gas(terms: &Terms) -> u64 {
    let callback = u64::from(terms.callbackGas);
    let commitment = if CircuitTerms::read(terms).payee_bound() { 0 } else { COMMITMENT_GAS };
    PROOF_GAS + callback + callback / 63 + commitment
}

/// Calldata as long as a proof's, which does not compress: some rollups take a fee for the bytes of a transaction.
pub fn proof_sized() -> Bytes {
    let words = (0..PROOF_BYTES / 32).flat_map(|at| keccak256(at.to_be_bytes()).0);
    words.collect::<Vec<u8>>().into()
}

/// Wei of the chain's currency for so much gas at `max_fee` (wei a unit), and what a rollup takes besides.
pub fn cost(gas: u64, max_fee: u128, surcharge: U256) -> U256 {
    U256::from(max_fee.max(1)).saturating_mul(U256::from(gas)).saturating_add(surcharge)
}

/// Asset wei that may be spent on a transaction that furthers the hold on a slot: a tenth of its price, and the bond of a bid that
/// is lost without it.
pub(super) fn of_mechanism_action(price: U256, bid_bond: U256) -> U256 {
    (price / U256::from(10)).saturating_add(bid_bond)
}

/// Asset wei that may be spent on being in the draws again: a slot's price, and one more for each epoch (of `epoch` seconds) that
/// this has been waited for.
pub(super) fn of_being_drawn(price: U256, waited: Duration, epoch: u64) -> U256 {
    let grown = price.saturating_mul(U256::from(waited.as_secs())) / U256::from(epoch.max(1));
    price.saturating_add(grown)
}

/// What the asset is worth in the chain's currency.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Wei of the chain's currency for a whole unit.
    wei: U256,
    /// Asset wei in a whole unit.
    unit: U256,
}

impl Rate {
    /// `wei` of the chain's currency are what a whole unit is worth, of an asset with so many decimals.
    pub fn new(wei: U256, decimals: u8) -> Self {
        let unit = U256::from(10).checked_pow(U256::from(decimals)).unwrap_or(U256::MAX);
        Self { wei, unit }
    }

    /// Wei of the chain's currency that `bps` of `worth` asset wei are worth.
    pub fn wei(self, worth: U256, bps: u64) -> U256 {
        (worth.saturating_mul(self.wei) / self.unit).saturating_mul(U256::from(bps)) / U256::from(ALL)
    }
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
    fn a_delivery_costs_what_the_terms_add_to_a_proof() {
        let plain = Terms { callbackGas: 0, ..terms() };
        let bound = delivery_gas(&plain);
        assert_eq!(delivery_gas(&Terms { callbackGas: 63_000, ..plain.clone() }), bound + 64_000);
        let delayed = CircuitTerms { reveal_delay: 5, ..CircuitTerms::read(&plain) };
        let unbound = Terms { circuitTerms: delayed.word(), ..plain };
        assert_eq!(delivery_gas(&unbound), bound + COMMITMENT_GAS);
    }

    #[test]
    fn a_budget_is_the_worth_at_the_rate() {
        let ether = U256::from(1_000_000_000_000_000_000u64);
        let even = Rate::new(ether, 18);
        assert_eq!(even.wei(ether * U256::from(22), 5_000), ether * U256::from(11));
        assert_eq!(Rate::new(U256::from(300), 18).wei(ether, ALL), U256::from(300));
        assert_eq!(
            Rate::new(U256::MAX, 18).wei(U256::MAX, 1),
            U256::MAX / ether / U256::from(ALL),
            "no overflow"
        );
        assert_eq!(even.wei(ether, 0), U256::ZERO);
    }

    #[test]
    fn a_budget_knows_the_assets_decimals() {
        // 2.5 units of an asset with six decimals, at 3,000 to one ether.
        let rate = Rate::new(U256::from(1_000_000_000_000_000_000u64 / 3_000), 6);
        assert_eq!(rate.wei(U256::from(2_500_000), ALL), U256::from(833_333_333_333_332u64));
        assert_eq!(Rate::new(U256::from(7), 0).wei(U256::from(3), ALL), U256::from(21));
        assert_eq!(Rate::new(U256::MAX, 255).wei(U256::from(3), ALL), U256::ONE, "no overflow");
    }

    #[test]
    fn what_saves_a_bid_may_cost_what_the_bid_would() {
        let of = |price: u64, bond: u64| of_mechanism_action(U256::from(price), U256::from(bond)).to::<u64>();
        assert_eq!((of(1_000, 0), of(1_000, 600)), (100, 700));
    }

    #[test]
    fn being_out_of_the_draws_costs_more_the_longer_it_lasts() {
        let after = |seconds| of_being_drawn(U256::from(100), Duration::from_secs(seconds), 40).to::<u64>();
        assert_eq!((after(0), after(20), after(80)), (100, 150, 300));
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
        assert_eq!(
            [false, true].map(|at_stake| of_fresh(&terms, at_stake)),
            [false, true].map(|at_stake| of_proof(&slot, &terms, at_stake, 100))
        );
    }
}
