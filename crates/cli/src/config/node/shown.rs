//! The settings of a node as `config check` shows them, and where each comes from.

use std::{fmt, path::PathBuf};

use alloy::primitives::Address;
use provery_node::Tunables;
use serde_json::{Value, json};

use super::{HTTP, Http, NodeValues};
use crate::{
    amount::{SignedWritten, Wei, Written},
    config::DEFAULT_KEYS_DIR,
    market_ref::MarketRef,
};

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Env(&'static str),
    File,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Env(name) => f.write_str(name),
            Self::File => f.write_str("file"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as `config check` shows it, without what may be secret.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub key: &'static str,
    pub value: Value,
    pub from: Origin,
}

pub(super) trait Shown {
    fn shown(&self) -> Value;
}

macro_rules! shown {
    ($($type:ty: |$it:ident| $value:expr;)*) => {
        $(impl Shown for $type {
            fn shown(&self) -> Value {
                let $it = self;
                json!($value)
            }
        })*
    };
}

shown! {
    PathBuf: |it| it.display().to_string();
    Vec<MarketRef>: |it| it;
    Address: |it| it;
    u64: |it| it;
    bool: |it| it;
    Written: |it| it.to_string();
    SignedWritten: |it| it.to_string();
    Wei: |it| it.0.to_string();
    Http: |it| it.to_string();
}

/// Text is a URL or the prefix.
impl Shown for String {
    fn shown(&self) -> Value {
        json!(if self.contains("://") { provery_node::config::shown_url(self) } else { self.clone() })
    }
}

impl NodeValues {
    /// Every setting, and where it comes from.
    pub(crate) fn rows(flags: &Self, env: &[(&'static str, &'static str)], file: &Self) -> Vec<Row> {
        let merged = flags.or(file);
        let given = merged.given().into_iter().zip(flags.given()).zip(file.given());
        given
            .map(|(((key, value), (_, flag)), (_, in_file))| {
                let env = env.iter().find(|(name, _)| *name == key).map(|(_, variable)| *variable);
                let from = match (flag, env, in_file) {
                    (Some(_), ..) => Origin::Flag,
                    (None, Some(variable), _) => Origin::Env(variable),
                    (None, None, Some(_)) => Origin::File,
                    _ => Origin::Default,
                };
                Row { key, value: value.unwrap_or_else(|| default(key)), from }
            })
            .collect()
    }
}

/// What a key is if nobody says, for people.
fn default(key: &str) -> Value {
    let tunables = Tunables::default();
    match key {
        "keys" => json!(DEFAULT_KEYS_DIR),
        "poll_ms" => json!(250),
        "workers" => json!(1),
        "taking" => json!(tunables.taking),
        "rescue" => json!(tunables.rescue),
        "accept_transfers" => json!(tunables.accept_transfers),
        "budget_bps" => json!(tunables.budget_bps),
        "mine" | "standby" => json!(false),
        "worker_processes" | "upkeep" | "pause_when_stopping" | "pause_when_breaker_open" => json!(true),
        "low_balance_proofs" => json!(20),
        "drain_seconds" => json!(120),
        "http" => json!(HTTP),
        "nats_prefix" => json!("provery"),
        _ => Value::Null,
    }
}
