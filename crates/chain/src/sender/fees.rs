//! What gas may cost: the first price, and what replaces it. Pure.
//!
//! A node takes a replacement only if both its fees are at least a tenth above those of what it replaces; here they rise
//! by an eighth or more, reckoned from what was signed last rather than from an estimate that may have fallen meanwhile.

use alloy::primitives::U256;

use crate::journal::Signed;

/// Gas of an empty transfer.
pub(super) const TRANSFER_GAS: u64 = 21_000;
/// How far above an estimate an order without a budget is raised before that is thought to be of no use.
const UNBOUNDED: u128 = 16;
/// How many times the usual tip is offered when time is short.
const HASTE: u128 = 4;
/// Above any price there ever was, and low enough that sums of a few do not overflow. Wei a unit of gas.
const HIGHEST: u128 = 1 << 100;

/// Wei a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub max: u128,
    pub tip: u128,
}

impl From<&Signed> for Fees {
    fn from(signed: &Signed) -> Self {
        Self { max: signed.max_fee, tip: signed.max_priority_fee }
    }
}

/// What the chain asks now, wei a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    /// The higher of the last block's base fee and the next one's.
    pub base: u128,
    pub tip: u128,
}

impl Quote {
    pub fn new(base: u128, tip: u128) -> Self {
        Self { base: base.min(HIGHEST), tip: tip.clamp(1, HIGHEST) }
    }

    /// Good for some blocks of a rising base fee.
    pub fn fees(self) -> Fees {
        Fees { max: 2 * self.base + self.tip, tip: self.tip }
    }
}

/// What a transaction may spend, and how soon it must be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub gas: u64,
    /// Wei for all of the gas.
    pub budget: Option<U256>,
}

impl Bounds {
    /// The highest max fee the budget allows, wei a unit of gas.
    fn cap(self) -> Option<u128> {
        self.budget.map(|budget| (budget / U256::from(self.gas.max(1))).saturating_to())
    }
}

/// Fees of a first transaction. When `hurried`, all that the budget allows at once: there will be no time to raise it.
/// None if the budget is below what the chain asks at least.
pub(super) fn first(quote: Quote, bounds: Bounds, hurried: bool) -> Option<Fees> {
    let fees = quote.fees();
    let Some(cap) = bounds.cap() else { return Some(fees) };
    if cap == 0 || cap < quote.base {
        return None;
    }
    let max = if hurried { cap } else { fees.max.min(cap) };
    let tip = if hurried { fees.tip.saturating_mul(HASTE) } else { fees.tip };
    Some(Fees { max, tip: tip.min(max) })
}

/// Fees that replace `last` at every node and suit the quote as far as the bounds allow; None if they allow none.
pub(super) fn raised(last: Fees, quote: Quote, bounds: Bounds) -> Option<Fees> {
    let least = Fees { max: step(last.max)?, tip: step(last.tip)? };
    let now = quote.fees();
    let cap = match bounds.cap() {
        Some(cap) => cap,
        None => now.max.saturating_mul(UNBOUNDED),
    };
    if least.max > cap || least.tip > least.max {
        return None;
    }
    let max = least.max.max(now.max).min(cap);
    Some(Fees { max, tip: least.tip.max(now.tip).min(max) })
}

/// An eighth more, rounded up, and more in any case.
fn step(fee: u128) -> Option<u128> {
    fee.checked_add(fee.div_ceil(8).max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule of geth's pool: strictly more, and at least a tenth, on both.
    fn replaces(new: Fees, old: Fees) -> bool {
        let enough = |new: u128, old: u128| {
            new > old && U256::from(new) * U256::from(100) >= U256::from(old) * U256::from(110)
        };
        enough(new.max, old.max) && enough(new.tip, old.tip)
    }

    fn cost(fees: Fees, gas: u64) -> U256 {
        U256::from(fees.max) * U256::from(gas)
    }

    fn fees() -> impl Strategy<Value = Fees> {
        (0..u128::MAX / 4, 0..=u128::MAX).prop_map(|(max, tip)| Fees { max, tip: tip % (max + 1) })
    }

    fn quote() -> impl Strategy<Value = Quote> {
        let any = || prop_oneof![0..1_000u128, 0..10_000_000_000_000u128, any::<u128>()];
        (any(), any()).prop_map(|(base, tip)| Quote::new(base, tip))
    }

    fn budget() -> impl Strategy<Value = Option<U256>> {
        prop_oneof![
            Just(None),
            any::<u64>().prop_map(|wei| Some(U256::from(wei))),
            any::<u128>().prop_map(|wei| Some(U256::from(wei)))
        ]
    }

    proptest! {
        #[test]
        fn a_replacement_satisfies_nodes_and_budget(last in fees(), quote in quote(), budget in budget(), gas in 0..u64::MAX) {
            if let Some(new) = raised(last, quote, Bounds { gas, budget }) {
                prop_assert!(replaces(new, last), "{new:?}");
                prop_assert!(new.tip <= new.max);
                prop_assert!(budget.is_none_or(|budget| cost(new, gas) <= budget));
            }
        }

        #[test]
        fn a_first_price_is_within_the_budget_and_can_be_mined(quote in quote(), budget in budget(), gas in 1..u64::MAX, hurried: bool) {
            match first(quote, Bounds { gas, budget }, hurried) {
                Some(fees) => {
                    prop_assert!(fees.max >= quote.base && fees.tip <= fees.max);
                    prop_assert!(budget.is_none_or(|budget| cost(fees, gas) <= budget));
                }
                None => {
                    let least = cost(Fees { max: quote.base, tip: 0 }, gas);
                    prop_assert!(budget.is_some_and(|budget| budget < U256::from(gas) || least > budget));
                }
            }
        }

        #[test]
        fn raising_ends_at_the_budget(gas in 21_000..1_000_000u64, base in 1..1_000_000_000u128, times in 1..1_000u64) {
            let quote = Quote::new(base, 1);
            let budget = cost(quote.fees(), gas) * U256::from(times);
            let bounds = Bounds { gas, budget: Some(budget) };
            let mut fees = first(quote, bounds, false).expect("is affordable");
            let mut steps = 0;
            while let Some(next) = raised(fees, quote, bounds) {
                prop_assert!(replaces(next, fees) && cost(next, gas) <= budget);
                fees = next;
                steps += 1;
                prop_assert!(steps < 1_000);
            }
            // What is left of the budget is less than one more step.
            let (max, tip) = (step(fees.max).expect("is small"), step(fees.tip).expect("is small"));
            let next = cost(Fees { max, tip }, gas);
            prop_assert!(next > budget || tip > max);
        }
    }

    #[test]
    fn a_base_fee_of_ten_times_is_followed_up_to_the_budget() {
        let (gas, start) = (100_000, Quote::new(1_000_000_000, 1_000));
        let wide = Bounds { gas, budget: Some(U256::from(gas) * U256::from(30_000_000_000u64)) };
        let tight = Bounds { gas, budget: Some(U256::from(gas) * U256::from(5_000_000_000u64)) };
        let fees = first(start, wide, false).expect("is affordable");
        let now = Quote::new(10_000_000_000, 1_000);
        assert_eq!(raised(fees, now, wide).map(|fees| fees.max), Some(20_000_001_000));
        // Too little for now, but all there is: the base fee may fall again.
        assert_eq!(raised(fees, now, tight).map(|fees| fees.max), Some(5_000_000_000));
        assert_eq!(first(now, tight, false), None, "nothing is signed that cannot be mined");
    }

    #[test]
    fn haste_starts_at_all_that_is_allowed() {
        let bounds = Bounds { gas: 100_000, budget: Some(U256::from(100_000u64) * U256::from(50u64)) };
        assert_eq!(first(Quote::new(10, 2), bounds, true), Some(Fees { max: 50, tip: 8 }));
        assert_eq!(first(Quote::new(10, 2), bounds, false), Some(Fees { max: 22, tip: 2 }));
    }

    #[test]
    fn without_a_budget_raising_ends_where_it_is_of_no_use() {
        let (quote, bounds) = (Quote::new(100, 1), Bounds { gas: 21_000, budget: None });
        let mut fees = first(quote, bounds, false).expect("has no bound");
        while let Some(next) = raised(fees, quote, bounds) {
            fees = next;
        }
        assert!(fees.max <= 16 * quote.fees().max, "{fees:?}");
    }
}
