//! What proving a slot costs. Pure, in whole numbers, and rounded up: a prover that trusts the figure never sells below
//! its cost.

use std::{fmt, str::FromStr};

use alloy::primitives::{U256, U512};
use provery_types::amount::{Currency, fixed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimals of a [`Decimal`].
const DECIMALS: u8 = 18;

/// A number that is not negative, in units of 10⁻¹⁸. Never a float.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Decimal(U256);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecimalError(String);

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecimalError {}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        fixed(text, DECIMALS).map(Self).ok_or_else(|| {
            DecimalError(format!(
                "`{text}` is not a number: write digits with at most {DECIMALS} behind the point, such as 0.25"
            ))
        })
    }
}

impl Decimal {
    /// So many whole units of an asset, in its base units, rounded up.
    pub(crate) fn base(self, asset: &Currency) -> U256 {
        let product = U512::from(self.0) * U512::from(asset.whole());
        let base = product.div_ceil(U512::from(U256::from(10).pow(U256::from(DECIMALS))));
        U256::checked_from_limbs_slice(base.as_limbs()).unwrap_or(U256::MAX)
    }
}

/// With all digits that count.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = self.0.div_rem(U256::from(10).pow(U256::from(DECIMALS)));
        if rest.is_zero() {
            return write!(f, "{whole}");
        }
        let rest = format!("{rest:0>width$}", width = usize::from(DECIMALS));
        write!(f, "{whole}.{}", rest.trim_end_matches('0'))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Electricity while a proof is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Energy {
    /// What the machine draws while it proves, in watts.
    pub watts: Decimal,
    /// Price of a kilowatt-hour, in whole units of the asset.
    pub price: Decimal,
}

/// The transaction that delivers a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gas {
    /// Gas of the transaction.
    pub used: u64,
    /// Price of a unit of gas, in 10⁻⁹ native coins (gwei).
    pub gwei: Decimal,
    /// Price of a native coin, in whole units of the asset.
    pub coin: Decimal,
}

/// What a prover pays for. What is not given costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Prices {
    pub energy: Option<Energy>,
    /// What the machine costs an hour whatever it does (rent, or depreciation), in whole units of the asset.
    pub hardware: Option<Decimal>,
    pub gas: Option<Gas>,
}

/// The cost of a slot in whole units of the asset, whatever its decimals, each part rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    pub energy: Decimal,
    pub hardware: Decimal,
    pub gas: Decimal,
    pub total: Decimal,
}

impl Prices {
    /// Whether there is any price at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a slot costs whose proof takes `millis` milliseconds; `None` if it does not fit 256 bits.
    pub(crate) fn cost(&self, millis: u64) -> Option<Cost> {
        const MILLIS_AN_HOUR: u64 = 3_600_000;
        // The products of what is measured in 10⁻¹⁸ units are divided by 10¹⁸ for every factor but the price.
        let energy = self.energy.map_or(Some(U256::ZERO), |energy| {
            let kilowatt = scaled(1000, DECIMALS)?;
            product(
                &[energy.watts.0, energy.price.0, U256::from(millis)],
                &[kilowatt, U256::from(MILLIS_AN_HOUR)],
            )
        })?;
        let hardware = self.hardware.map_or(Some(U256::ZERO), |price| {
            product(&[price.0, U256::from(millis)], &[U256::from(MILLIS_AN_HOUR)])
        })?;
        let gas = self.gas.map_or(Some(U256::ZERO), |gas| {
            let gwei_a_coin = scaled(1, DECIMALS + 9)?;
            product(&[U256::from(gas.used), gas.gwei.0, gas.coin.0], &[gwei_a_coin])
        })?;
        let total = energy.checked_add(hardware)?.checked_add(gas)?;
        Some(Cost {
            energy: Decimal(energy),
            hardware: Decimal(hardware),
            gas: Decimal(gas),
            total: Decimal(total),
        })
    }
}

/// `value · 10^decimals`.
fn scaled(value: u64, decimals: u8) -> Option<U256> {
    U256::from(10).checked_pow(U256::from(decimals))?.checked_mul(U256::from(value))
}

/// The product of `factors` divided by that of `divisors`, rounded up.
fn product(factors: &[U256], divisors: &[U256]) -> Option<U256> {
    let all = |numbers: &[U256]| {
        numbers.iter().try_fold(U512::from(1), |product, number| product.checked_mul(U512::from(*number)))
    };
    let quotient = all(factors)?.div_ceil(all(divisors)?);
    U256::checked_from_limbs_slice(quotient.as_limbs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETHER: u128 = 1_000_000_000_000_000_000;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect(text)
    }

    fn energy(watts: &str, price: &str) -> Prices {
        let energy = Energy { watts: decimal(watts), price: decimal(price) };
        Prices { energy: Some(energy), ..Prices::default() }
    }

    fn gas(used: u64, gwei: &str, coin: &str) -> Prices {
        Prices { gas: Some(Gas { used, gwei: decimal(gwei), coin: decimal(coin) }), ..Prices::default() }
    }

    fn total(prices: Prices, millis: u64) -> u128 {
        prices.cost(millis).expect("it fits").total.0.to()
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal("0.25").0, U256::from(ETHER / 4));
        assert_eq!(decimal(" 3 ").0, U256::from(3 * ETHER));
        assert_eq!(decimal("0.000000000000000001").0, U256::from(1));
        for bad in [
            "",
            "-1",
            "1e3",
            "0,5",
            ".5",
            "1.",
            "1ether",
            "1wei",
            "0.0000000000000000001",
            "nan",
            "inf",
            "0x1",
        ] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad}");
        }
        let huge = "9".repeat(80);
        assert!(huge.parse::<Decimal>().is_err());
    }

    #[test]
    fn a_cost_is_in_whole_units_and_rounded_up_to_the_assets_base_units() {
        let of = |text: &str, decimals| decimal(text).base(&Currency::asset("X", decimals).expect("usual"));
        assert_eq!(of("3.75", 6), U256::from(3_750_000));
        assert_eq!(of("3.75", 18), U256::from(375) * U256::from(ETHER / 100));
        assert_eq!(of("0.0000001", 6), U256::from(1));
        assert_eq!(of("0.2", 0), U256::from(1));
        assert_eq!(of("0", 6), U256::ZERO);
        for text in ["0.25", "3", "0.000000000000000001"] {
            assert_eq!(decimal(text).to_string(), text);
        }
    }

    #[test]
    fn an_hour_at_a_kilowatt_is_a_kilowatt_hour() {
        assert_eq!(total(energy("1000", "0.3"), 3_600_000), 3 * ETHER / 10);
        // 65 W for 5 s are 65 · 5 / 3.6e6 kWh.
        assert_eq!(total(energy("65", "0.36"), 5_000), 65 * 5 * ETHER / 10_000_000);
        assert_eq!(total(energy("62.5", "0.36"), 5_000), 625 * 5 * ETHER / 100_000_000);
    }

    #[test]
    fn hardware_costs_by_the_hour() {
        let prices = Prices { hardware: Some(decimal("7.2")), ..Prices::default() };
        assert_eq!(total(prices, 1), 2_000_000_000_000);
        assert_eq!(total(prices, 3_600_000), 72 * ETHER / 10);
    }

    #[test]
    fn gas_costs_whatever_the_time() {
        // 300,000 gas at 20 gwei are 0.006 coins.
        assert_eq!(total(gas(300_000, "20", "3000"), 0), 18 * ETHER);
        assert_eq!(total(gas(300_000, "20", "3000"), u64::MAX), 18 * ETHER);
        assert_eq!(total(gas(300_000, "0.05", "1"), 0), 300_000 * 50_000_000);
    }

    #[test]
    fn every_part_is_rounded_up() {
        assert_eq!(total(energy("0.000000000000000001", "0.000000000000000001"), 1), 1);
        assert_eq!(total(gas(1, "0.000000000000000001", "0.000000000000000001"), 0), 1);
        // 1 wei an hour for an hour and a millisecond.
        let prices = Prices { hardware: Some(decimal("0.000000000000000001")), ..Prices::default() };
        assert_eq!(total(prices, 3_600_000), 1);
        assert_eq!(total(prices, 3_600_001), 2);
        assert_eq!(total(prices, 0), 0);
    }

    #[test]
    fn the_parts_make_the_total() {
        let prices = Prices { hardware: Some(decimal("1")), ..gas(300_000, "20", "1") };
        let prices = Prices { energy: energy("65", "0.3").energy, ..prices };
        let cost = prices.cost(5_000).expect("it fits");
        assert_eq!(cost.total.0, cost.energy.0 + cost.hardware.0 + cost.gas.0);
        assert!(!prices.is_empty());
        assert_eq!(Prices::default().cost(5_000).expect("it fits").total, Decimal::default());
        assert!(Prices::default().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_no_cost() {
        let most = U256::MAX.to_string();
        let (whole, fraction) = most.split_at(most.len() - 18);
        let prices = Prices { hardware: Some(decimal(&format!("{whole}.{fraction}"))), ..Prices::default() };
        assert!(prices.cost(3_600_000).is_some());
        assert!(prices.cost(3_600_001).is_none());
        let prices = energy(&format!("{whole}.{fraction}"), &format!("{whole}.{fraction}"));
        assert!(prices.cost(u64::MAX).is_none());
    }
}
