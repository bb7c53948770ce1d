//! A market and a slot as people name them.

use std::{convert::Infallible, fmt, str::FromStr};

use alloy::primitives::U256;
use clap::Args;
use eyre::Result;
use provery_types::Deployment;
use serde::Serialize;

use crate::error::{Code, fail};

/// A market by its id, or by the name of its rollup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum MarketRef {
    Id(u64),
    Rollup(String),
}

impl FromStr for MarketRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        // No rollup's name is a number.
        Ok(text.parse().map_or_else(|_| Self::Rollup(text.to_owned()), Self::Id))
    }
}

impl fmt::Display for MarketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Rollup(name) => f.write_str(name),
        }
    }
}

impl MarketRef {
    pub(crate) fn id(&self, deployment: &Deployment) -> Result<U256> {
        match self {
            Self::Id(id) => Ok(U256::from(*id)),
            Self::Rollup(name) => Ok(deployment.rollup(name)?.market),
        }
    }

    /// The given market, or that of the deployment's only rollup.
    pub(crate) fn or_only(given: Option<&Self>, deployment: &Deployment) -> Result<U256> {
        match (given, deployment.rollups.as_slice()) {
            (Some(market), _) => market.id(deployment),
            (None, [rollup]) => Ok(rollup.market),
            (None, rollups) => {
                let names: Vec<&str> = rollups.iter().map(|rollup| rollup.name.as_str()).collect();
                Err(fail(
                    Code::Usage,
                    format!(
                        "the deployment has {} rollups and markets, so which is meant is not clear; say it with --market, by its id \
                         or its name ({})",
                        rollups.len(),
                        if names.is_empty() { "none has one".to_owned() } else { names.join(", ") }
                    ),
                ))
            }
        }
    }
}

/// A name that can be said, stands for itself in a file's name, and is not taken for a market's id.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(plain) || text.len() > 64 {
        return Err("a name is 1 to 64 letters, digits, '-', '_' and '.', and begins with a letter or digit"
            .to_owned());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a name that is a number would be taken for a market's id; put a letter in it".to_owned());
    }
    Ok(text.to_owned())
}

/// A slot's id, as `3` or as `--slot 3`.
#[derive(Debug, Clone, Copy, Args)]
#[group(id = "which_slot", required = true, multiple = false)]
pub(crate) struct SlotId {
    /// The slot's id within the market
    #[arg(value_name = "SLOT")]
    slot: Option<u64>,
    /// The same as a flag
    #[arg(id = "slot_flag", long = "slot", value_name = "N", hide = true)]
    flag: Option<u64>,
}

impl SlotId {
    /// One of the two is there: the arguments demand it.
    pub(crate) fn get(self) -> u64 {
        self.slot.or(self.flag).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        args::{Cli, Command},
        commands::slot::SlotCommand,
        error::Failure,
    };

    fn deployment(names: &[&str]) -> Deployment {
        let rollups: Vec<_> = names
            .iter()
            .zip(1..)
            .map(|(name, id)| {
                serde_json::json!({
                    "name": name, "address": alloy::primitives::Address::repeat_byte(id),
                    "code_hash": alloy::primitives::B256::ZERO, "block": 1, "market": U256::from(10 * id),
                    "workload": "w", "circuit": "c", "circuit_id": alloy::primitives::B256::ZERO,
                    "key_hash": alloy::primitives::B256::ZERO,
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "chain_id": 31337, "development": true, "block": 1, "compiler": "", "contracts": {},
            "asset": alloy::primitives::Address::ZERO, "rollups": rollups,
        }))
        .expect("is a deployment")
    }

    #[test]
    fn a_market_has_an_id_and_its_rollups_name() {
        let of = |text: &str, names: &[&str]| {
            let market: MarketRef = text.parse().expect("parses");
            market.id(&deployment(names)).ok()
        };
        assert_eq!(of("3", &["first", "second"]), Some(U256::from(3)));
        assert_eq!(of("second", &["first", "second"]), Some(U256::from(20)));
        assert_eq!(of("third", &["first", "second"]), None);
        assert_eq!(MarketRef::or_only(None, &deployment(&["first"])).ok(), Some(U256::from(10)));
        let unclear = MarketRef::or_only(None, &deployment(&["first", "second"])).expect_err("is not clear");
        let said = unclear.downcast_ref::<Failure>().expect("is a failure");
        assert!(said.code == Code::Usage && said.message.contains("first, second"), "{said}");
    }

    #[test]
    fn a_slot_is_named_by_a_number_alone() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        for line in ["provery slot show 3 --market first", "provery slot show --market first --slot 3"] {
            match parse(line).expect(line).command {
                Command::Slot(SlotCommand::Show { market, slot }) => {
                    assert_eq!((market, slot.get()), (Some(MarketRef::Rollup("first".into())), 3));
                }
                _ => panic!("another command"),
            }
        }
        assert!(parse("provery slot show --market 1").is_err());
        assert!(parse("provery slot show 3 --slot 4").is_err());
        assert!(parse("provery prove 3").is_ok() && parse("provery slot drop 3 --market x").is_ok());
    }

    #[test]
    fn a_name_can_be_said_and_is_no_number() {
        for good in ["demo", "a", "rollup-2", "v1.0_b", "2nd"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            " ",
            "a b",
            "../x",
            ".hidden",
            "-x",
            "7",
            "na\u{ef}ve",
            "a/b",
            "a\u{1b}[2J",
            "a\n",
            long.as_str(),
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
