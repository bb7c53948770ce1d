//! What gas may cost: the first price, and what replaces it. Pure.
//!
//! A node takes a replacement only if both its fees are at least a tenth above those of what it replaces; here they rise
//! by an eighth or more, reckoned from what was signed last rather than from an estimate that may have fallen meanwhile.
//! A budget is held against the gas that a transaction is expected to use; its limit, which leaves room, only against what the
//! key has.

use crate::transaction::Signed;
use alloy::primitives::U256;
use provery_rpc::{Fees, Quote, Surcharge};

/// How far above an estimate an order is raised before that is thought to be of no use: one without a budget, and one in a hurry.
const UNBOUNDED: u128 = 16;
/// How many times the usual tip is offered when time is short.
const HASTE: u128 = 4;

impl From<&Signed> for Fees {
    fn from(signed: &Signed) -> Self {
        Self::new(signed.max_fee, signed.max_priority_fee)
    }
}

/// What a transaction may spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub cost: Cost,
    /// Most wei that it may cost in all.
    pub budget: Option<U256>,
    /// Wei that the key has for it, besides what it sends along and what others that wait may take; None if it was not asked for.
    pub funds: Option<U256>,
    /// Wei of those that are not for it.
    pub reserve: U256,
}

/// What a transaction takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Gas that it is expected to use.
    pub gas: u64,
    /// Its gas limit: what a node wants to see paid for before it takes it.
    pub limit: u64,
    /// What a rollup takes besides that.
    pub surcharge: Surcharge,
}

impl Bounds {
    /// The highest max fee allowed, wei a unit of gas.
    fn cap(self) -> Option<u128> {
        let Cost { gas, limit, surcharge } = self.cost;
        let by = |wei: U256, gas: u64| wei.saturating_sub(surcharge.at(gas)) / U256::from(gas.max(1));
        let budget = self.budget.map(|budget| by(budget, gas));
        let limited = self.funds.map(|funds| by(funds, limit.max(gas)));
        let kept = self.funds.map(|funds| by(funds.saturating_sub(self.reserve), gas));
        [budget, limited, kept].into_iter().flatten().min().map(|cap| cap.saturating_to())
    }

    /// The highest max fee that leaves as much as another like it takes at the usual one.
    fn spared(self, usual: u128) -> u128 {
        let Some(funds) = self.funds else { return u128::MAX };
        let Cost { gas, limit, surcharge } = self.cost;
        let surcharge = surcharge.at(limit.max(gas));
        let limit = U256::from(limit.max(gas).max(1));
        let another = U256::from(usual).saturating_mul(limit).saturating_add(surcharge);
        (funds.saturating_sub(surcharge).saturating_sub(another) / limit).saturating_to()
    }
}

/// The gas limit of a transaction that needs `needed`: with room, and with less where `funds` do not reach for that.
pub(crate) fn limit(needed: u64, roomy: u64, funds: U256, quote: Quote) -> u64 {
    let price = U256::from(quote.base.saturating_add(quote.tip).max(1));
    let payable = (funds / price).saturating_to::<u64>();
    roomy.min(payable.max(needed.saturating_add(needed / 10))).max(needed)
}

/// Fees of a first transaction. When `hurried`, all at once that is of use and allowed: there will be no time to raise it.
/// None if what is allowed is below what the chain asks at least.
pub(crate) fn first(quote: Quote, bounds: Bounds, hurried: bool) -> Option<Fees> {
    let fees = quote.fees();
    let cap = bounds.cap().unwrap_or(u128::MAX);
    if cap == 0 || cap < quote.base {
        return None;
    }
    if !hurried || bounds.budget.is_none() {
        return Some(quote.settled(fees.max.min(cap), fees.tip.min(cap)));
    }
    let (most, tip) = match quote.legacy {
        // All of it is paid, whatever the others pay.
        true => (fees.max.saturating_mul(2), fees.tip),
        false => (fees.max.saturating_mul(UNBOUNDED), fees.tip.saturating_mul(HASTE)),
    };
    // What is offered beyond the usual leaves enough for one more at the usual price: another proof, or a pause.
    let usual = fees.max.min(cap);
    let max = most.min(cap).min(bounds.spared(usual)).max(usual);
    Some(quote.settled(max, tip.min(max)))
}

/// Fees that replace `last` at every node and suit the quote as far as the bounds allow; None if they allow none.
pub(crate) fn raised(last: Fees, quote: Quote, bounds: Bounds) -> Option<Fees> {
    let least = Fees { max: step(last.max)?, tip: step(last.tip)?, ..last };
    let now = quote.fees();
    let mut cap = bounds.cap().unwrap_or(u128::MAX);
    if bounds.budget.is_none() {
        cap = cap.min(now.max.saturating_mul(UNBOUNDED));
    }
    if least.max > cap || least.tip > least.max {
        return None;
    }
    let max = least.max.max(now.max).min(cap);
    Some(quote.settled(max, least.tip.max(now.tip).min(max)))
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

    fn within(gas: u64, budget: Option<U256>) -> Bounds {
        let cost = Cost { gas, limit: gas, surcharge: Surcharge::default() };
        Bounds { cost, budget, funds: None, reserve: U256::ZERO }
    }

    fn bytes(wei: u64) -> Surcharge {
        Surcharge { fixed: U256::from(wei), ..Surcharge::default() }
    }

    fn fees() -> impl Strategy<Value = Fees> {
        (0..u128::MAX / 4, 0..=u128::MAX).prop_map(|(max, tip)| Fees::new(max, tip % (max + 1)))
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
            if let Some(new) = raised(last, quote, within(gas, budget)) {
                prop_assert!(replaces(new, last), "{new:?}");
                prop_assert!(new.tip <= new.max);
                prop_assert!(budget.is_none_or(|budget| cost(new, gas) <= budget));
            }
        }

        #[test]
        fn a_first_price_is_within_the_budget_and_can_be_mined(quote in quote(), budget in budget(), gas in 1..u64::MAX, hurried: bool) {
            match first(quote, within(gas, budget), hurried) {
                Some(fees) => {
                    prop_assert!(fees.max >= quote.base && fees.tip <= fees.max);
                    prop_assert!(budget.is_none_or(|budget| cost(fees, gas) <= budget));
                }
                None => {
                    let least = cost(Fees::new(quote.base, 0), gas);
                    prop_assert!(budget.is_some_and(|budget| budget < U256::from(gas) || least > budget));
                }
            }
        }

        #[test]
        fn raising_ends_at_the_budget(gas in 21_000..1_000_000u64, base in 1..1_000_000_000u128, times in 1..1_000u64) {
            let quote = Quote::new(base, 1);
            let budget = cost(quote.fees(), gas) * U256::from(times);
            let bounds = within(gas, Some(budget));
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
            let next = cost(Fees::new(max, tip), gas);
            prop_assert!(next > budget || tip > max);
        }
    }

    #[test]
    fn a_base_fee_of_ten_times_is_followed_up_to_the_budget() {
        let (gas, start) = (100_000, Quote::new(1_000_000_000, 1_000));
        let wide = within(gas, Some(U256::from(gas) * U256::from(30_000_000_000u64)));
        let tight = within(gas, Some(U256::from(gas) * U256::from(5_000_000_000u64)));
        let fees = first(start, wide, false).expect("is affordable");
        let now = Quote::new(10_000_000_000, 1_000);
        assert_eq!(raised(fees, now, wide).map(|fees| fees.max), Some(20_000_001_000));
        // Too little for now, but all there is: the base fee may fall again.
        assert_eq!(raised(fees, now, tight).map(|fees| fees.max), Some(5_000_000_000));
        assert_eq!(first(now, tight, false), None, "nothing is signed that cannot be mined");
    }

    #[test]
    fn haste_starts_at_all_that_is_allowed() {
        let bounds = within(100_000, Some(U256::from(100_000u64) * U256::from(50u64)));
        assert_eq!(first(Quote::new(10, 2), bounds, true), Some(Fees::new(50, 8)));
        assert_eq!(first(Quote::new(10, 2), bounds, false), Some(Fees::new(22, 2)));
    }

    #[test]
    fn haste_leaves_enough_for_one_more() {
        let quote = Quote::new(10, 2);
        let cost = Cost { gas: 50_000, limit: 60_000, surcharge: bytes(7) };
        let usual = U256::from(quote.fees().max * 60_000) + U256::from(7);
        for times in [1u64, 2, 3, 5, 100] {
            let funds = usual * U256::from(times);
            let bounds = Bounds { cost, budget: Some(U256::MAX), funds: Some(funds), reserve: U256::ZERO };
            let hasty = first(quote, bounds, true).expect("is affordable");
            assert!(hasty.max >= quote.fees().max, "it comes first");
            assert!(times < 5 || hasty.max > 2 * quote.fees().max, "{hasty:?}");
            let left = funds - U256::from(hasty.max) * U256::from(60_000) - U256::from(7);
            let next = first(quote, Bounds { funds: Some(left), budget: None, ..bounds }, false);
            assert_eq!(next.is_some(), times > 1, "{times}: {hasty:?}");
            assert!(times == 1 || next == Some(quote.fees()));
        }
    }

    #[test]
    fn without_a_budget_raising_ends_where_it_is_of_no_use() {
        let (quote, bounds) = (Quote::new(100, 1), within(21_000, None));
        let mut fees = first(quote, bounds, false).expect("has no bound");
        while let Some(next) = raised(fees, quote, bounds) {
            fees = next;
        }
        assert!(fees.max <= 16 * quote.fees().max, "{fees:?}");
    }

    #[test]
    fn a_budget_is_held_against_the_gas_expected_and_the_limit_against_what_the_key_has() {
        let quote = Quote::new(20, 1);
        let cost = Cost { gas: 50_000, limit: 210_000, surcharge: Surcharge::default() };
        let wei = |gas: u64, price: u64| Some(U256::from(gas * price));
        let bounds = Bounds { cost, budget: wei(50_000, 25), funds: wei(210_000, 30), reserve: U256::ZERO };
        assert_eq!(
            first(quote, bounds, false),
            Some(Fees::new(25, 1)),
            "the room in the limit costs nothing"
        );
        let poor = Bounds { funds: wei(210_000, 22), ..bounds };
        assert_eq!(first(quote, poor, false), Some(Fees::new(22, 1)), "no more is signed than can be shown");
        assert_eq!(first(quote, Bounds { funds: wei(210_000, 19), ..bounds }, false), None);
        // What a rollup takes for bytes is part of the cost, and what its operator takes goes with the gas, as the price does.
        let operated = Surcharge { by_gas: U256::from(4_000_000_000_000u64), ..Surcharge::default() };
        let operated = Bounds { cost: Cost { surcharge: operated, ..cost }, ..bounds };
        assert_eq!(first(quote, operated, false), Some(Fees::new(21, 1)));
        let poor = Bounds { funds: wei(210_000, 24), ..operated };
        assert_eq!(
            first(quote, poor, false),
            Some(Fees::new(20, 1)),
            "all of the limit is to be shown, with that"
        );
        let dear = Cost { surcharge: bytes(50_000 * 4), ..cost };
        assert_eq!(first(quote, Bounds { cost: dear, ..bounds }, false), Some(Fees::new(21, 1)));
        let dearer = Cost { surcharge: bytes(50_000 * 6), ..cost };
        assert_eq!(first(quote, Bounds { cost: dearer, ..bounds }, false), None);
        assert_eq!(raised(Fees::new(20, 1), quote, Bounds { cost: dearer, ..bounds }), None);
    }

    #[test]
    fn what_is_kept_back_is_not_spent() {
        let quote = Quote::new(20, 1);
        let cost = Cost { gas: 50_000, limit: 60_000, surcharge: Surcharge::default() };
        let funds = Some(U256::from(50_000 * 41));
        let bounds = Bounds { cost, budget: None, funds, reserve: U256::from(50_000 * 20) };
        assert_eq!(first(quote, bounds, false), Some(Fees::new(21, 1)));
        assert_eq!(first(quote, Bounds { reserve: U256::from(50_000 * 22), ..bounds }, false), None);
        assert_eq!(raised(Fees::new(21, 1), quote, bounds), None);
    }

    #[test]
    fn room_in_the_limit_is_given_up_before_the_transaction_is() {
        let quote = Quote::new(20, 1);
        assert_eq!(limit(50_000, 210_000, U256::MAX, quote), 210_000);
        assert_eq!(limit(50_000, 210_000, U256::from(21 * 100_000), quote), 100_000);
        assert_eq!(limit(50_000, 210_000, U256::ZERO, quote), 55_000, "what is missing is said");
        assert_eq!(limit(50_000, 50_000, U256::MAX, quote), 50_000);
    }

    #[test]
    fn without_a_base_fee_both_fees_are_the_price() {
        let (quote, bounds) = (Quote::legacy(100), within(21_000, Some(U256::from(21_000 * 1_000))));
        let fees = first(quote, bounds, false).expect("is affordable");
        assert_eq!((fees.max, fees.tip, fees.legacy), (100, 100, true));
        assert_eq!(first(quote, bounds, true).map(|fees| fees.max), Some(200), "it is paid in full");
        let next = raised(fees, quote, bounds).expect("is affordable");
        assert_eq!((next.max, next.tip, next.legacy), (113, 113, true));
        assert_eq!(first(quote, within(21_000, Some(U256::from(21_000 * 99))), false), None);
    }
}
