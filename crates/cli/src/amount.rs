//! Amounts of an asset: a wei integer, or a decimal with a unit (`1.5ether`, `20gwei`). Never a float.

use std::{fmt, str::FromStr};

use alloy::primitives::{U256, aliases::U96, utils::format_units};
use provery_types::amount::{AmountError, parse_wei};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Asset wei. In JSON a decimal string, since numbers of this size do not survive a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub U256);

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        parse_wei(text).map(Self)
    }
}

/// Asset wei that may be owed the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SignedAmount(pub i128);

impl FromStr for SignedAmount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.trim().strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        // Offers have 96 bits, one of them for the sign.
        let wei = parse_wei(digits)?;
        if wei.bit_len() > 95 {
            return Err(AmountError(format!("`{text}` does not fit 96 bits; choose a smaller amount")));
        }
        let wei = wei.to::<i128>();
        Ok(Self(if negative { -wei } else { wei }))
    }
}

impl Amount {
    /// As the contracts store prices and bonds.
    pub fn to_u96(self) -> Result<U96, AmountError> {
        U96::checked_from_limbs_slice(self.0.as_limbs()).ok_or_else(|| {
            AmountError(format!("{} wei does not fit 96 bits; choose a smaller amount", self.0))
        })
    }

    /// For people: `1.5 ether`, or wei when that is shorter.
    pub fn human(self) -> String {
        human(self.0)
    }
}

/// For people: `1.5 ether`, or wei when that is shorter.
pub fn human(wei: U256) -> String {
    if wei < U256::from(1_000_000_000_000u64) {
        return format!("{wei} wei");
    }
    match format_units(wei, "ether") {
        Ok(text) => format!("{} ether", text.trim_end_matches('0').trim_end_matches('.')),
        Err(_) => format!("{wei} wei"),
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(text: &str) -> u128 {
        text.parse::<Amount>().expect(text).0.to()
    }

    #[test]
    fn whole_numbers_are_wei() {
        assert_eq!(wei("0"), 0);
        assert_eq!(wei("1000000"), 1_000_000);
        assert_eq!(wei("7wei"), 7);
    }

    #[test]
    fn decimals_take_a_unit() {
        assert_eq!(wei("1.5ether"), 1_500_000_000_000_000_000);
        assert_eq!(wei("1.5 ether"), 1_500_000_000_000_000_000);
        assert_eq!(wei("20gwei"), 20_000_000_000);
        assert_eq!(wei("0.000000000000000001ether"), 1);
        assert_eq!(
            "115792089237316195423570985008687907853269984665640564039457584007913129639935"
                .parse::<Amount>(),
            Ok(Amount(U256::MAX))
        );
    }

    #[test]
    fn nothing_is_cut_off_or_guessed() {
        for bad in [
            "",
            "ether",
            "-1",
            "+1",
            "1e18",
            "1.5",
            "1.",
            ".5ether",
            "1,5ether",
            "0x10",
            "1.2.3ether",
            "1_000",
            "0.0000000000000000001ether",
            "1.5wei",
            "115792089237316195423570985008687907853269984665640564039457584007913129639936",
            "115792089237316195423570985008687907853269984665640564039458ether",
        ] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prices_fit_96_bits() {
        assert!(Amount(U256::from(u128::MAX)).to_u96().is_err());
        assert_eq!(Amount(U256::from(5)).to_u96(), Ok(U96::from(5)));
    }

    #[test]
    fn people_read_ether() {
        assert_eq!(human(U256::from(1_500_000_000_000_000_000u128)), "1.5 ether");
        assert_eq!(human(U256::from(2_000_000_000_000_000_000u128)), "2 ether");
        assert_eq!(human(U256::from(12)), "12 wei");
    }

    #[test]
    fn json_is_a_decimal_string() {
        let amount: Amount = serde_json::from_str("\"2ether\"").expect("parses");
        assert_eq!(serde_json::to_string(&amount).expect("serialises"), "\"2000000000000000000\"");
    }
}
