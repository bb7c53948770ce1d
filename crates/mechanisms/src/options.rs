//! A market's choices about its mechanism, as words: `floor=1`, `rise=60`.

use std::collections::BTreeMap;

use provery_types::amount::{Currency, Written};

/// One thing to choose.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// What stands before the `=`.
    pub name: &'static str,
    /// What it decides, for people: one line.
    pub help: &'static str,
    /// Must be given if there is none.
    pub default: Option<&'static str>,
}

/// Why choices cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// A choice without a `=`.
    #[error("{text} is not NAME=VALUE")]
    NotAPair {
        /// What was given.
        text: String,
    },
    /// A choice that is there twice.
    #[error("{name} is given twice")]
    Twice {
        /// The option's name.
        name: String,
    },
    /// A choice that the mechanism does not have.
    #[error("the mechanism has no option {name}; it has: {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names it has, separated by commas; `none` if it has none.
        known: String,
    },
    /// A choice that has no default and was not made.
    #[error("the mechanism needs the option {name}: {help}")]
    Missing {
        /// The option's name.
        name: &'static str,
        /// What it decides.
        help: &'static str,
    },
    /// A value that is not what the option takes.
    #[error("{name}={value} is not {wanted}")]
    Invalid {
        /// The option's name.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// A value that is no amount of the asset, or too large a one.
    #[error("{name}: {problem}")]
    Amount {
        /// The option's name.
        name: &'static str,
        /// What is the matter and what to do about it.
        problem: String,
    },
}

/// A market's choices, defaults included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    chosen: BTreeMap<String, String>,
    /// What amounts count in.
    asset: Currency,
}

impl Choices {
    /// Check `NAME=VALUE` pairs against what there is to choose; amounts are of `asset`.
    pub fn parse(specs: &[OptionSpec], pairs: &[String], asset: &Currency) -> Result<Self, OptionError> {
        let mut chosen = BTreeMap::new();
        for pair in pairs {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| OptionError::NotAPair { text: pair.clone() })?;
            if !specs.iter().any(|spec| spec.name == name) {
                let known: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(OptionError::Unknown { name: name.to_owned(), known });
            }
            if chosen.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(OptionError::Twice { name: name.to_owned() });
            }
        }
        for spec in specs {
            if !chosen.contains_key(spec.name) {
                let default =
                    spec.default.ok_or(OptionError::Missing { name: spec.name, help: spec.help })?;
                chosen.insert(spec.name.to_owned(), default.to_owned());
            }
        }
        Ok(Self { chosen, asset: asset.clone() })
    }

    fn get<T>(
        &self,
        name: &'static str,
        wanted: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, OptionError> {
        let value = self.chosen.get(name).map(String::as_str).unwrap_or_default();
        parse(value).ok_or_else(|| OptionError::Invalid { name, value: value.to_owned(), wanted })
    }

    /// A whole number that fits `T`.
    pub fn number<T: TryFrom<u64>>(&self, name: &'static str) -> Result<T, OptionError> {
        self.get(name, "a whole number in range", |value| T::try_from(value.parse().ok()?).ok())
    }

    /// Base units of the asset, of at most `bits` bits.
    pub fn amount(&self, name: &'static str, bits: usize) -> Result<u128, OptionError> {
        let value = self.chosen.get(name).map(String::as_str).unwrap_or_default();
        let amount = value.parse::<Written>().and_then(|written| written.of(&self.asset));
        let amount = amount.map_err(|error| OptionError::Amount { name, problem: error.0 })?;
        u128::try_from(amount.base).ok().filter(|_| amount.base.bit_len() <= bits).ok_or_else(|| {
            OptionError::Amount { name, problem: format!("{amount} does not fit {bits} bits; choose less") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: [OptionSpec; 2] = [
        OptionSpec { name: "floor", help: "the least", default: None },
        OptionSpec { name: "rise", help: "seconds", default: Some("60") },
    ];

    fn parse(pairs: &[&str]) -> Result<Choices, OptionError> {
        let asset = Currency::asset("USDC", 6).expect("a usual one");
        Choices::parse(&SPECS, &pairs.iter().map(|pair| (*pair).to_owned()).collect::<Vec<_>>(), &asset)
    }

    #[test]
    fn choices_have_defaults_units_and_ranges() {
        let choices = parse(&["floor=1.5"]).expect("good");
        assert_eq!(choices.amount("floor", 96), Ok(1_500_000));
        assert_eq!(choices.number::<u32>("rise"), Ok(60));
        assert!(choices.amount("floor", 8).is_err());
        assert_eq!(parse(&["floor=12base", "rise=1"]).expect("good").amount("floor", 8), Ok(12));
        for bad in ["floor=", "floor=-1", "floor=x", "floor=1.5base", "floor=1foo", "floor=1ether"] {
            assert!(parse(&[bad]).expect("pairs").amount("floor", 96).is_err(), "{bad}");
        }
        for bad in ["rise=-1", "rise=4294967296", "rise=1.0", "rise="] {
            assert!(parse(&["floor=1", bad]).expect("pairs").number::<u32>("rise").is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(matches!(parse(&[]), Err(OptionError::Missing { name: "floor", .. })));
        assert!(matches!(parse(&["floor"]), Err(OptionError::NotAPair { .. })));
        assert!(matches!(parse(&["flour=1"]), Err(OptionError::Unknown { .. })));
        assert!(matches!(parse(&["floor=1", "floor=2"]), Err(OptionError::Twice { .. })));
    }
}
