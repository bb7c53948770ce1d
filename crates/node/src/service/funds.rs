//! A watchdog over the key's balance: proofs that cannot be paid for are slots missed.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use tracing::warn;

use super::worth::PROOF_GAS;

/// Gas of a pause, rounded up.
const PAUSE_GAS: u64 = 80_000;
/// Proofs below which the prover leaves the draws: what it may hold already must still be paid for.
const BROKE_BELOW: u64 = 4;
/// Proofs from which on it comes back: a pause and a resumption cost gas, too.
const WELL_FROM: u64 = 2 * BROKE_BELOW;
/// How often the same warning is said.
const SAY_EVERY: Duration = Duration::from_secs(600);

/// What the key has, and what it is good for.
#[derive(Debug)]
pub(super) struct Funds {
    /// Proofs below which a warning is due.
    low_below: u64,
    balance: Option<U256>,
    /// Wei a unit of gas that a transaction may cost now.
    max_fee: u128,
    broke: bool,
    said: Option<Instant>,
}

/// Wei that so many proofs cost.
pub(super) fn of_proofs(max_fee: u128, proofs: u64) -> U256 {
    U256::from(max_fee.max(1)).saturating_mul(U256::from(PROOF_GAS)).saturating_mul(U256::from(proofs))
}

impl Funds {
    pub fn new(low_below: u64) -> Self {
        Self { low_below, balance: None, max_fee: 0, broke: false, said: None }
    }

    /// A look is back: the balance in wei, and the fee in wei a unit of gas. Whether a warning is due.
    pub fn looked(&mut self, balance: U256, max_fee: u128) -> bool {
        (self.balance, self.max_fee) = (Some(balance), max_fee);
        let least = if self.broke { WELL_FROM } else { BROKE_BELOW };
        self.broke = self.proofs_left() < least.min(self.low_below);
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

    pub fn low_below(&self) -> u64 {
        self.low_below
    }

    pub fn balance(&self) -> Option<U256> {
        self.balance
    }

    /// Proofs that the balance pays for at today's fees; all there could be, if it is not known.
    pub fn proofs_left(&self) -> u64 {
        let Some(balance) = self.balance else { return u64::MAX };
        (balance / of_proofs(self.max_fee, 1)).saturating_to()
    }

    /// Whether an operator should send more.
    pub fn low(&self) -> bool {
        self.proofs_left() < self.low_below
    }

    /// Whether to hold no more than what can still be delivered.
    pub fn broke(&self) -> bool {
        self.broke
    }

    /// Wei that are left for a pause of the prover, whatever else is sent.
    pub fn kept_back(&self) -> U256 {
        U256::from(self.max_fee) * U256::from(PAUSE_GAS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_comes_before_the_end_and_once() {
        let mut funds = Funds::new(20);
        assert!(!funds.low() && !funds.broke(), "nothing is known");
        let proofs = |count: u64| U256::from(count * PROOF_GAS * 10);
        assert!(!funds.looked(proofs(20), 10));
        assert!(funds.looked(proofs(19), 10), "low");
        assert!(!funds.broke() && !funds.looked(proofs(18), 10), "said");
        assert!(!funds.looked(proofs(3), 10) && funds.broke());
        assert!(!funds.looked(proofs(30), 10) && !funds.broke());
        assert!(funds.looked(proofs(30), 20), "fees rose");
        let mut swinging = Funds::new(20);
        let broke = [4, 3, 4, 7, 8, 4].map(|count| {
            swinging.looked(proofs(count), 10);
            swinging.broke()
        });
        assert_eq!(broke, [false, true, true, true, false, false], "it does not come and go with each wei");
        assert!(!Funds::new(0).looked(U256::ZERO, 1), "a threshold of zero is never reached");
    }
}
