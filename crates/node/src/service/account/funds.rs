//! A watchdog over the key's balance: proofs that cannot be paid for are slots missed.

use std::time::{Duration, Instant};

use alloy::primitives::{Bytes, U256};
use tracing::warn;

use crate::service::fee_budget::{self, PROOF_GAS};

/// Gas of a pause, rounded up.
pub(in crate::service) const PAUSE_GAS: u64 = 80_000;
/// Proofs below which the prover leaves the draws: what it may hold already must still be paid for.
const TOO_LOW_BELOW: u64 = 4;
/// Proofs from which on it comes back: a pause and a resumption cost gas, too.
const WELL_FROM: u64 = 2 * TOO_LOW_BELOW;
/// How often the same warning is said.
const SAY_EVERY: Duration = Duration::from_secs(600);

/// What the key has, and what it is good for.
#[derive(Debug)]
pub(in crate::service) struct Funds {
    /// Proofs below which a warning is due.
    low_below: u64,
    balance: Option<U256>,
    prices: Prices,
    /// Of the last proof that was mined, if that is more than is assumed.
    proof_gas: u64,
    /// Of the last proof that was sent.
    calldata: Bytes,
    too_low: bool,
    said: Option<Instant>,
}

/// What the chain asks now, in wei.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::service) struct Prices {
    /// A unit of gas may cost.
    pub max_fee: u128,
    /// What a rollup takes for a proof besides its gas.
    pub proof_surcharge: U256,
    /// For a pause.
    pub pause_surcharge: U256,
}

/// What to ask the chain for, to know what the key's balance is good for.
#[derive(Clone, Debug)]
pub(in crate::service) struct Needs {
    low_below: u64,
    pub proof_gas: u64,
    /// Wei that the best slot pays; zero if there is none to be had.
    pays: U256,
    /// A proof's.
    pub calldata: Bytes,
}

impl Needs {
    fn proof(&self, prices: &Prices) -> U256 {
        fee_budget::cost(self.proof_gas, prices.max_fee, prices.proof_surcharge)
    }

    /// Whether something would follow from such prices, so that they are not to be believed of one endpoint.
    pub(crate) fn doubts(&self, balance: U256, prices: &Prices) -> bool {
        balance < self.enough(prices) || !self.pays.is_zero() && self.proof(prices) > self.pays
    }

    /// Of what several say, that by which a proof costs least.
    pub(crate) fn cheapest(&self, all: impl IntoIterator<Item = Prices>) -> Option<Prices> {
        all.into_iter().min_by_key(|prices| self.proof(prices))
    }

    /// Wei below which a warning is due.
    pub(crate) fn enough(&self, prices: &Prices) -> U256 {
        self.proof(prices).saturating_mul(U256::from(self.low_below))
    }
}

impl Funds {
    pub(crate) fn new(low_below: u64) -> Self {
        Self {
            low_below,
            balance: None,
            prices: Prices::default(),
            proof_gas: PROOF_GAS,
            calldata: fee_budget::proof_sized(),
            too_low: false,
            said: None,
        }
    }

    /// `pays`: wei that the best slot pays.
    pub(crate) fn needs(&self, pays: U256) -> Needs {
        let Self { low_below, proof_gas, .. } = *self;
        Needs { low_below, proof_gas, pays, calldata: self.calldata.clone() }
    }

    /// A proof with this calldata is sent.
    pub(crate) fn sends_proof(&mut self, calldata: &Bytes) {
        self.calldata = calldata.clone();
    }

    /// A proof was mined and took so much gas.
    pub(crate) fn proof_mined(&mut self, gas: u64) {
        self.proof_gas = gas.max(PROOF_GAS);
    }

    /// Wei that a proof may cost now.
    pub(crate) fn proof_cost(&self) -> U256 {
        fee_budget::cost(self.proof_gas, self.prices.max_fee, self.prices.proof_surcharge)
    }

    /// The balance is this, in wei. Whether a warning is due.
    pub(crate) fn know(&mut self, balance: U256, prices: Prices) -> bool {
        (self.balance, self.prices) = (Some(balance), prices);
        let least = if self.too_low { WELL_FROM } else { TOO_LOW_BELOW };
        self.too_low = self.proofs_left() < least.min(self.low_below);
        if !self.low() {
            self.said = None;
            return false;
        }
        let due = self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY);
        if due {
            self.said = Some(Instant::now());
            warn!(code = "low_balance", %balance, proofs_left = self.proofs_left(), "the key runs out of gas funds");
        }
        due
    }

    pub(crate) fn balance(&self) -> Option<U256> {
        self.balance
    }

    /// Proofs that the balance pays for at today's fees; all there could be, if it is not known.
    pub(crate) fn proofs_left(&self) -> u64 {
        let Some(balance) = self.balance else { return u64::MAX };
        (balance / self.proof_cost()).saturating_to()
    }

    /// Whether an operator should send more.
    pub(crate) fn low(&self) -> bool {
        self.proofs_left() < self.low_below
    }

    /// Whether to hold no more than what can still be delivered.
    pub(crate) fn too_low(&self) -> bool {
        self.too_low
    }

    /// Wei that are left for a pause of the prover, whatever else is sent.
    pub(crate) fn kept_back(&self) -> U256 {
        match self.prices.max_fee {
            0 => U256::ZERO,
            fee => fee_budget::cost(PAUSE_GAS, fee, self.prices.pause_surcharge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_comes_before_the_end_and_once() {
        let mut funds = Funds::new(20);
        assert!(!funds.low() && !funds.too_low(), "nothing is known");
        let proofs = |count: u64| U256::from(count * PROOF_GAS * 10);
        let gas = |max_fee| Prices { max_fee, ..Prices::default() };
        assert!(!funds.know(proofs(20), gas(10)));
        assert!(funds.know(proofs(19), gas(10)), "low");
        assert!(!funds.too_low() && !funds.know(proofs(18), gas(10)), "said");
        assert!(!funds.know(proofs(3), gas(10)) && funds.too_low());
        assert!(!funds.know(proofs(30), gas(10)) && !funds.too_low());
        assert!(funds.know(proofs(30), gas(20)), "fees rose");
        // A rollup that takes as much for the bytes as for the gas; a pause has few of them.
        let bytes = Prices {
            max_fee: 10,
            proof_surcharge: U256::from(10 * PROOF_GAS),
            pause_surcharge: U256::from(10 * PAUSE_GAS),
        };
        let mut rollup = Funds::new(20);
        assert!(rollup.know(proofs(7), bytes) && rollup.too_low() && rollup.proofs_left() == 3);
        assert_eq!(rollup.kept_back(), U256::from(20 * PAUSE_GAS));
        let needs = rollup.needs(proofs(1));
        assert_eq!(needs.enough(&bytes), proofs(40));
        assert!(needs.doubts(proofs(40), &bytes), "it would leave, for a slot pays less");
        assert!(!needs.doubts(proofs(20), &gas(10)) && needs.doubts(proofs(19), &gas(10)));
        assert!(!rollup.needs(U256::ZERO).doubts(proofs(40), &bytes));
        assert_eq!(needs.cheapest([bytes, gas(10), gas(11)]).map(|it| it.proof_surcharge), Some(U256::ZERO));
        // A proof that takes more gas than is assumed; and one that takes less.
        let mut dear = Funds::new(20);
        dear.proof_mined(2 * PROOF_GAS);
        dear.know(proofs(7), gas(10));
        assert!(dear.too_low() && dear.proofs_left() == 3);
        dear.proof_mined(PROOF_GAS / 2);
        assert_eq!(dear.proofs_left(), 7);
        let mut swinging = Funds::new(20);
        let broke = [4, 3, 4, 7, 8, 4].map(|count| {
            swinging.know(proofs(count), gas(10));
            swinging.too_low()
        });
        assert_eq!(broke, [false, true, true, true, false, false], "it does not come and go with each wei");
        assert!(!Funds::new(0).know(U256::ZERO, gas(1)), "a threshold of zero is never reached");
    }
}
