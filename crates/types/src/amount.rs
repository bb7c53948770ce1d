//! Amounts: what an asset counts in, what people write, what they read. Never a float.
//!
//! Contracts count in base units (the smallest there is of an asset; "asset wei" elsewhere in this program). People write and
//! read whole units: a plain decimal number, or one with the asset's symbol. What is meant in base units says so.

use std::{fmt, str::FromStr, sync::Arc};

use alloy::primitives::{U256, aliases::U96};
use serde::{Deserialize, Serialize, Serializer};

/// Words for amounts of the chain's own currency, and their decimals.
const GAS_UNITS: [(&str, u8); 4] = [("ether", 18), ("eth", 18), ("gwei", 9), ("wei", 0)];
/// The word for the smallest unit of any asset.
const BASE: &str = "base";
/// A bare number of more digits than this was surely meant in base units.
const BARE_DIGITS: usize = 12;
/// What an asset is called whose own symbol cannot be shown, or means something else here.
const NAMELESS: &str = "tokens";
/// Of a symbol that is shown.
const SYMBOL_LENGTH: usize = 16;
/// More than any asset has; 10 to this power is far from 256 bits.
pub const MOST_DECIMALS: u8 = 36;

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AmountError(pub String);

/// What amounts count in: a symbol, and how many decimals a whole unit has. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency {
    symbol: Arc<str>,
    decimals: u8,
    gas: bool,
}

/// An asset's unit as the deployment file keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetUnit {
    /// What whole units are called; the contract's own word, or a plain one if that cannot be shown.
    pub symbol: String,
    /// Digits after the point: 10 to this power base units are a whole one.
    pub decimals: u8,
}

/// Base units, of an asset that nothing is known of.
impl Default for Currency {
    fn default() -> Self {
        Self { symbol: "base units".into(), decimals: 0, gas: false }
    }
}

impl Currency {
    /// Of an asset, as its contract tells. A symbol is a stranger's text: of one that a terminal cannot be given as it is, that
    /// is too long, or that is a word for something else, nothing is shown.
    pub fn asset(symbol: &str, decimals: u8) -> Result<Self, AmountError> {
        if decimals > MOST_DECIMALS {
            return Err(AmountError(format!(
                "the asset says that it has {decimals} decimals, more than the {MOST_DECIMALS} that can be counted with here"
            )));
        }
        let symbol = symbol.trim();
        let plain = !symbol.is_empty()
            && symbol.len() <= SYMBOL_LENGTH
            && symbol.chars().all(|c| c.is_ascii_graphic())
            && symbol.chars().any(|c| c.is_ascii_alphabetic());
        let taken = GAS_UNITS.iter().map(|(word, _)| *word).chain([BASE]);
        let shown = plain && !taken.into_iter().any(|word| word.eq_ignore_ascii_case(symbol));
        Ok(Self { symbol: if shown { symbol } else { NAMELESS }.into(), decimals, gas: false })
    }

    /// What gas is paid in.
    pub fn gas() -> Self {
        Self { symbol: "ETH".into(), decimals: 18, gas: true }
    }

    /// What whole units are called.
    pub fn symbol(&self) -> &str {
        &self.symbol
    }

    /// Digits after the point: 10 to this power base units are a whole one.
    pub fn decimals(&self) -> u8 {
        self.decimals
    }

    /// As the deployment file keeps it.
    pub fn unit(&self) -> AssetUnit {
        AssetUnit { symbol: self.symbol.to_string(), decimals: self.decimals }
    }

    /// Base units in a whole one.
    pub fn whole(&self) -> U256 {
        U256::from(10).pow(U256::from(self.decimals))
    }

    /// So many base units.
    pub fn amount(&self, base: U256) -> Amount {
        Amount { base, currency: self.clone() }
    }

    /// So many base units, for people.
    pub fn show(&self, base: U256) -> String {
        self.amount(base).to_string()
    }

    /// So many base units, of which there may be less than none, for people.
    pub fn show_signed(&self, base: i128) -> String {
        let sign = if base < 0 { "-" } else { "" };
        format!("{sign}{}", self.amount(U256::from(base.unsigned_abs())))
    }

    /// Whole units as digits, all of them that count.
    pub fn digits(&self, base: U256) -> String {
        let (whole, rest) = base.div_rem(self.whole());
        if rest.is_zero() {
            return whole.to_string();
        }
        let rest = format!("{rest:0>width$}", width = usize::from(self.decimals));
        format!("{whole}.{}", rest.trim_end_matches('0'))
    }
}

/// An amount of a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// In base units.
    pub base: U256,
    /// What the base units are of.
    pub currency: Currency,
}

impl Amount {
    /// As the contracts store prices and bonds.
    pub fn to_u96(&self) -> Result<U96, AmountError> {
        U96::checked_from_limbs_slice(self.base.as_limbs())
            .ok_or_else(|| AmountError(format!("{self} does not fit 96 bits; choose a smaller amount")))
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.base.is_zero()
    }
}

/// For people: `1.5 PRV`; in base units what is below a millionth.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Currency { symbol, decimals, gas } = &self.currency;
        let dust = *decimals > 6 && self.base < U256::from(10).pow(U256::from(decimals - 6));
        match (dust && !self.base.is_zero(), gas) {
            (false, _) => write!(f, "{} {symbol}", self.currency.digits(self.base)),
            (true, true) => write!(f, "{} wei", self.base),
            (true, false) => write!(f, "{} base units of {symbol}", self.base),
        }
    }
}

/// In JSON base units, as a decimal string: numbers of this size do not survive a double.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.base)
    }
}

/// A number and perhaps a unit, before it is known what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    whole: String,
    fraction: String,
    unit: String,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let spaced = unit.starts_with(char::is_whitespace);
        let unit = unit.trim_start();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let good = !whole.is_empty()
            && !number.ends_with('.')
            && !fraction.contains('.')
            // `1_000`, `1,5` and `1 2` are no number with a unit.
            && unit.chars().next().is_none_or(|c| c.is_ascii_alphabetic() || c == '$' || spaced && c.is_ascii_digit())
            && (unit.is_empty() || unit.chars().any(|c| c.is_ascii_alphabetic()))
            && unit.chars().all(|c| c.is_ascii_graphic());
        let [whole, fraction, unit] = [whole, fraction, unit].map(str::to_owned);
        good.then_some(Self { whole, fraction, unit })
    }

    /// In base units of so many decimals.
    fn scaled(&self, decimals: u8) -> Result<U256, &'static str> {
        let zeros = usize::from(decimals).checked_sub(self.fraction.len()).ok_or("fine")?;
        let digits = format!("{}{}{}", self.whole, self.fraction, "0".repeat(zeros));
        U256::from_str_radix(&digits, 10).map_err(|_| "large")
    }

    fn digits(&self) -> String {
        let point = if self.fraction.is_empty() { "" } else { "." };
        format!("{}{point}{}", self.whole, self.fraction)
    }
}

/// An amount as somebody wrote it, before it is known what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(Number);

impl FromStr for Written {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Number::parse(text).map(Self).ok_or_else(|| {
            AmountError(format!(
                "`{text}` is not an amount: write whole units as a decimal number, with the asset's symbol or without, such as \
                 1.5 or 1.5DEV, or its smallest units, such as 1500000{BASE}"
            ))
        })
    }
}

/// As it was written, tidied up.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.digits(), self.0.unit)
    }
}

impl Written {
    /// Whether it is nothing, of whatever it is.
    pub fn is_zero(&self) -> bool {
        self.0.whole.bytes().chain(self.0.fraction.bytes()).all(|digit| digit == b'0')
    }

    /// What it means where amounts are of `currency`.
    pub fn of(&self, currency: &Currency) -> Result<Amount, AmountError> {
        let Number { whole, unit, .. } = &self.0;
        let (symbol, decimals, number) = (currency.symbol(), currency.decimals(), self.0.digits());
        let scale = if unit.is_empty() {
            if whole.trim_start_matches('0').len() > BARE_DIGITS {
                return Err(AmountError(format!(
                    "`{self}` without a unit would be whole {symbol}; write {number}{BASE} for so many of its smallest \
                     units, or {number}{symbol} if that is meant"
                )));
            }
            decimals
        } else if unit.eq_ignore_ascii_case(symbol) {
            decimals
        } else if unit.eq_ignore_ascii_case(BASE) {
            0
        } else {
            let gas = GAS_UNITS.iter().find(|(word, _)| unit.eq_ignore_ascii_case(word));
            match gas {
                // Where a whole unit has as many decimals these words cannot be mistaken.
                Some((_, scale)) if decimals == 18 => *scale,
                Some((_, scale)) => {
                    let instead = if *scale == 18 { &number } else { "1.5" };
                    return Err(AmountError(format!(
                        "`{self}` is an amount of the chain's own currency, and this is one of {symbol}, which has {decimals} \
                         decimals; write {instead} or {instead}{symbol} for whole units"
                    )));
                }
                None => {
                    return Err(AmountError(format!(
                        "`{self}` is in {unit}, and this is an amount of {symbol}; write {number} or {number}{symbol}"
                    )));
                }
            }
        };
        let base = self.0.scaled(scale).map_err(|problem| {
            AmountError(match problem {
                "fine" => {
                    format!("`{self}` is finer than {symbol} can be, which has {decimals} decimals; round it")
                }
                _ => format!("`{self}` does not fit 256 bits; choose a smaller amount"),
            })
        })?;
        Ok(currency.amount(base))
    }
}

/// An amount as somebody wrote it that may be owed the other way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedWritten {
    negative: bool,
    written: Written,
}

impl FromStr for SignedWritten {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let text = text.trim();
        let digits = text.strip_prefix('-');
        Ok(Self { negative: digits.is_some(), written: digits.unwrap_or(text).parse()? })
    }
}

impl fmt::Display for SignedWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.written)
    }
}

impl SignedWritten {
    /// Base units where amounts are of `currency`. Offers have 96 bits, one of them for the sign.
    pub fn of(&self, currency: &Currency) -> Result<i128, AmountError> {
        let amount = self.written.of(currency)?;
        if amount.base.bit_len() > 95 {
            return Err(AmountError(format!("`{self}` does not fit 96 bits; choose a smaller amount")));
        }
        let base = amount.base.to::<i128>();
        Ok(if self.negative { -base } else { base })
    }
}

/// Wei of the chain's own currency: a whole number of them, or a decimal with a unit, such as `1.5ether` or `20gwei`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wei(pub U256);

impl FromStr for Wei {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let number = Number::parse(text);
        let known = number.and_then(|number| {
            let unit = if number.unit.is_empty() { "wei" } else { &number.unit };
            let (_, decimals) = GAS_UNITS.iter().find(|(word, _)| unit.eq_ignore_ascii_case(word))?;
            number.scaled(*decimals).ok()
        });
        known.map(Self).ok_or_else(|| {
            AmountError(format!(
                "`{text}` is no amount of the chain's own currency: write wei as a whole number, or a decimal with a unit, such \
                 as 1.5ether or 20gwei"
            ))
        })
    }
}

/// A plain decimal number, in units of 10 to the power of minus `decimals`; nothing if it is none, or too fine or large.
pub fn fixed(text: &str, decimals: u8) -> Option<U256> {
    Number::parse(text).filter(|number| number.unit.is_empty())?.scaled(decimals).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(symbol: &str, decimals: u8) -> Currency {
        Currency::asset(symbol, decimals).expect("a usual one")
    }

    fn base(text: &str, currency: &Currency) -> Result<u128, String> {
        let amount = text.parse::<Written>().and_then(|written| written.of(currency));
        amount.map(|amount| amount.base.to()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plain_number_is_in_whole_units_whatever_the_decimals() {
        let (usdc, dev, gold) = (currency("USDC", 6), currency("DEV", 18), currency("GLD", 0));
        for text in ["50", "50usdc", "50 USDC", " 50Usdc ", "50.0", "50000000base", "050"] {
            assert_eq!(base(text, &usdc), Ok(50_000_000), "{text}");
        }
        assert_eq!(base("0.000001", &usdc), Ok(1));
        assert_eq!(base("1.5", &dev), Ok(1_500_000_000_000_000_000));
        assert_eq!(base("7", &gold), Ok(7));
        assert_eq!(base("0", &usdc), Ok(0));
    }

    #[test]
    fn ether_means_the_asset_only_where_it_cannot_be_mistaken() {
        let (usdc, dev) = (currency("USDC", 6), currency("DEV", 18));
        assert_eq!(base("12ether", &dev), base("12", &dev));
        assert_eq!(base("20gwei", &dev), Ok(20_000_000_000));
        assert_eq!(base("7wei", &dev), Ok(7));
        for text in ["12ether", "12 ETH", "12gwei", "12wei"] {
            let said = base(text, &usdc).expect_err(text);
            assert!(said.contains("USDC, which has 6 decimals; write "), "{said}");
        }
        assert!(base("12ether", &usdc).expect_err("no ether").contains("write 12 or 12USDC"));
        assert!(base("12dai", &usdc).expect_err("another").contains("write 12 or 12USDC"));
    }

    #[test]
    fn what_was_surely_meant_in_base_units_is_not_taken_for_whole_ones() {
        let dev = currency("DEV", 18);
        let said = base("1000000000000000000", &dev).expect_err("too many");
        assert!(
            said.contains("1000000000000000000base") && said.contains("1000000000000000000DEV"),
            "{said}"
        );
        assert_eq!(base("1000000000000000000base", &dev), base("1", &dev));
        assert_eq!(base("999999999999", &dev), Ok(999_999_999_999_000_000_000_000_000_000));
        assert_eq!(base("0000000000000000001", &dev), base("1", &dev));
    }

    #[test]
    fn nothing_is_cut_off_or_guessed() {
        let dev = currency("DEV", 18);
        for bad in [
            "",
            "ether",
            "DEV",
            "-1",
            "+1",
            "1e18",
            "1.",
            ".5",
            ".5DEV",
            "1,5",
            "1,5DEV",
            "0x10",
            "1.2.3",
            "1_000",
            "1.5base",
            "1.5wei",
            "0.0000000000000000001",
            "1 2",
            "1DEV2",
            "1 DEV 2",
            "1\u{202e}DEV",
        ] {
            assert!(base(bad, &dev).is_err(), "{bad}");
        }
        let most = format!("{}base", U256::MAX);
        assert_eq!(most.parse::<Written>().and_then(|it| it.of(&dev)).map(|it| it.base), Ok(U256::MAX));
        assert!(base(&format!("{}0base", U256::MAX), &dev).is_err());
        assert!(base("115792089237316195423570985008687907853269984665640564039458DEV", &dev).is_err());
    }

    #[test]
    fn people_read_whole_units_with_the_symbol() {
        let (usdc, dev, gas) = (currency("USDC", 6), currency("DEV", 18), Currency::gas());
        let show = |currency: &Currency, base: u128| currency.show(U256::from(base));
        assert_eq!(show(&usdc, 50_000_000), "50 USDC");
        assert_eq!(show(&usdc, 1), "0.000001 USDC");
        assert_eq!(show(&dev, 12_000_000_000_000_000_000), "12 DEV");
        assert_eq!(show(&dev, 1_500_000_000_000_000_001), "1.500000000000000001 DEV");
        assert_eq!(show(&dev, 12), "12 base units of DEV");
        assert_eq!(show(&dev, 0), "0 DEV");
        assert_eq!(show(&gas, 12), "12 wei");
        assert_eq!(show(&gas, 1_500_000_000_000_000_000), "1.5 ETH");
        assert_eq!(usdc.show_signed(-1_500_000), "-1.5 USDC");
        assert_eq!(show(&currency("GLD", 0), 7), "7 GLD");
    }

    #[test]
    fn a_symbol_is_strangers_text() {
        for bad in [
            "",
            "\u{1b}[31mX",
            "a b",
            "ether",
            "ETH",
            "Wei",
            "base",
            "123",
            "abcdefghijklmnopq",
            "US\u{202e}D",
        ] {
            assert_eq!(currency(bad, 6).symbol(), "tokens", "{bad:?}");
        }
        for good in ["USDC", "1INCH", "USDC.e", "a$b"] {
            assert_eq!(currency(good, 6).symbol(), good);
        }
        assert_eq!(base("50 1inch", &currency("1INCH", 0)), Ok(50));
        assert!(base("501INCH", &currency("1INCH", 0)).is_err());
        assert_eq!(base("2 tokens", &currency("ETH", 6)), Ok(2_000_000));
        assert!(Currency::asset("X", 37).is_err());
    }

    #[test]
    fn amounts_may_be_owed_the_other_way() {
        let usdc = currency("USDC", 6);
        let of = |text: &str| text.parse::<SignedWritten>().and_then(|written| written.of(&usdc));
        assert_eq!(of("-1.5"), Ok(-1_500_000));
        assert_eq!(of("2usdc"), Ok(2_000_000));
        assert!(of("--1").is_err());
        assert_eq!(of("39614081257132168796771975167base"), Ok((1 << 95) - 1));
        assert!(of("39614081257132168796771975168base").is_err());
    }

    #[test]
    fn gas_is_in_wei_unless_it_says_otherwise() {
        let wei = |text: &str| text.parse::<Wei>().map(|wei| wei.0.to::<u128>());
        assert_eq!(wei("300"), Ok(300));
        assert_eq!(wei("1000000000000000000"), wei("1ether"));
        assert_eq!(wei("1.5 gwei"), Ok(1_500_000_000));
        for bad in ["1.5", "1usdc", "1.5wei", "-1", ""] {
            assert!(wei(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prices_fit_96_bits_and_json_is_in_base_units() {
        let usdc = currency("USDC", 6);
        assert!(usdc.amount(U256::from(u128::MAX)).to_u96().is_err());
        let amount = usdc.amount(U256::from(5));
        assert_eq!(amount.to_u96(), Ok(U96::from(5)));
        assert_eq!(serde_json::to_string(&amount).expect("plain"), "\"5\"");
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        let usdc = currency("USDC", 6);
        for amount in [0u64, 1, 999_999, 1_000_000, 123_456_789] {
            assert_eq!(base(&usdc.show(U256::from(amount)), &usdc), Ok(u128::from(amount)));
        }
    }
}
