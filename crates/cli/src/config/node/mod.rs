//! The settings of `provery node`: one list of keys, which are flags and lines of the configuration file's `[node]` table.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use alloy::primitives::{Address, U256};
use clap::Args;
use eyre::Result;
use provery_mechanisms::acceptance::Bounds;
use provery_node::{HiddenUrl, NatsSettings, Tunables};
use provery_types::is_development_chain;
use serde_json::Value;
use toml::de::DeValue;

mod shown;

pub(crate) use shown::{Origin, Row};

use super::{
    document::{FromToml, Reader, parsed},
    urls::{self, Kind},
};
use crate::{
    address,
    amount::{Currency, SignedWritten, Wei, Written},
    error::{Code, fail},
    market_ref::MarketRef,
};

/// Keys that a running node takes over from the file.
pub(crate) const RELOADED: [&str; 12] = [
    "accept_max_bond",
    "accept_max_expiry",
    "accept_max_rescuer_bps",
    "accept_min_window",
    "budget_bps",
    "gas_wei_per_asset",
    "offer_transfers",
    "min_reward",
    "rescue",
    "accept_transfers",
    "taking",
    "withdraw_at",
];

/// Settings as a flag or the file gives them: what is not given is decided elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct NodeValues {
    /// Where the node keeps its database; one node a directory
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Serve this market, named by its id or its rollup's name; may be given more than once [default: every rollup's of the
    /// deployment]
    #[arg(long, value_name = "MARKET")]
    pub market: Option<Vec<MarketRef>>,
    /// Whom the proofs pay [default: the prover that the signing account is, or is a submitter of]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub prover: Option<Address>,
    /// Milliseconds between two looks at the chain [default: 250]
    #[arg(long, value_name = "MS")]
    pub poll_ms: Option<u64>,
    /// Proofs at a time; one already uses every core [default: 1]
    #[arg(long, value_name = "N")]
    pub workers: Option<u64>,
    /// Prove slots that are open to all, too; without it only what is assigned to this prover [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub rescue: Option<bool>,
    /// Bring seeds in, end and settle slots, come back after a suspension, accept new terms within the bounds [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub upkeep: Option<bool>,
    /// Take on, bid for or rescue nothing that pays less, in whole units of the asset, such as 0.5 [default: what a slot costs, by --cost-from; else 0]
    #[arg(long, value_name = "AMOUNT")]
    pub min_reward: Option<Written>,
    /// Accept new terms of a market that is served if slots are exclusive for at least this many seconds; needs all four of
    /// --accept-…, and the prover's own key [default: a person accepts them]
    #[arg(long, value_name = "S")]
    pub accept_min_window: Option<u64>,
    /// … if a bond is at most this
    #[arg(long, value_name = "AMOUNT")]
    pub accept_max_bond: Option<Written>,
    /// … if at most this share of a slashed bond, in bps, goes to the rescuer
    #[arg(long, value_name = "BPS")]
    pub accept_max_rescuer_bps: Option<u64>,
    /// … if slots expire after at most this many seconds
    #[arg(long, value_name = "S")]
    pub accept_max_expiry: Option<u64>,
    /// What a proof takes and costs on this machine, as `provery calibrate` wrote it [default: calibration.json beside the
    /// keys, if it is there]
    #[arg(long, value_name = "FILE")]
    pub cost_from: Option<PathBuf>,
    /// Offer slots that cannot be proven in time to others, for this much (below zero: paid to the taker)
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    pub offer_transfers: Option<SignedWritten>,
    /// Take slots that others offer, if they pay [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub accept_transfers: Option<bool>,
    /// Mine the right to slots of markets that are mined; needs the puzzle's keys and a deposit [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub mine: Option<bool>,
    /// Withdraw credit to the prover whenever it reaches this much [default: never]
    #[arg(long, value_name = "AMOUNT")]
    pub withdraw_at: Option<Written>,
    /// Seconds that a first proof is expected to take; measured from then on [default: by --cost-from; else 20]
    #[arg(long, value_name = "S")]
    pub first_estimate: Option<u64>,
    /// Serve /healthz, /readyz, /metrics and /status at this address, as 127.0.0.1:9464; `off` serves nothing [default: this machine
    /// alone, at a free port that `node status` knows]
    #[arg(long, value_name = "IP:PORT")]
    pub http: Option<Http>,
    /// Blocks, its own included, until a transaction counts as done [default: 1 on development chains, else 3]
    #[arg(long, value_name = "N")]
    pub confirmations: Option<u64>,
    /// Wei of the chain's own currency that a whole unit of the asset is worth; required, but on development chains
    /// [default there: 1ether]
    #[arg(long, value_name = "WEI")]
    pub gas_wei_per_asset: Option<Wei>,
    /// Most of what a slot is worth that gas for its proof may cost, in bps, until its deadline is near [default: 5000]
    #[arg(long, value_name = "BPS")]
    pub budget_bps: Option<u64>,
    /// Seconds that finishing what is at hand may take once the node is told to stop [default: 120]
    #[arg(long, value_name = "S")]
    pub drain_seconds: Option<u64>,
    /// Pause the prover on-chain when the node stops, so that no draw picks it while it is away; with --standby, another
    /// goes on and it is not paused [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub pause_when_stopping: Option<bool>,
    /// Pause the prover on-chain while proofs or sends fail [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub pause_when_breaker_open: Option<bool>,
    /// Warn when the key's funds pay for the gas of fewer proofs than this [default: 20]
    #[arg(long, value_name = "N")]
    pub low_balance_proofs: Option<u64>,
    #[arg(skip)]
    pub taking: Option<bool>,
    /// Make proofs in processes of their own, which a crash or a lack of memory ends alone [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub worker_processes: Option<bool>,
    /// Give proofs to the workers of this NATS server, as nats://127.0.0.1:4222
    #[arg(long, value_name = "URL")]
    pub nats_url: Option<String>,
    /// First part of every name on the NATS server [default: provery]
    #[arg(long, value_name = "NAME")]
    pub nats_prefix: Option<String>,
    /// Be one of several nodes of which one works; needs --nats-url [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub standby: Option<bool>,
    /// A websocket of the chain, as a hint of when to look; never a source
    #[arg(long, value_name = "URL")]
    pub ws_url: Option<String>,
}

/// For this machine alone, at a free port, which is written into the data directory.
const HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Wei of the chain's currency that a whole unit of the asset is taken to be worth on development chains.
pub(crate) const DEVELOPMENT_RATE: u64 = 1_000_000_000_000_000_000;

/// Where the status page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    Off,
    At(SocketAddr),
}

impl FromStr for Http {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "off" => Ok(Self::Off),
            text => text
                .parse()
                .map(Self::At)
                .map_err(|_| "give an address and a port like 127.0.0.1:9464, or off".to_owned()),
        }
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

macro_rules! amounts {
    ($($type:ty),*) => {
        $(impl FromToml for $type {
            fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
                parsed(value)
            }
        })*
    };
}

amounts!(Written, SignedWritten, Wei, Http);

impl FromToml for MarketRef {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(name) => Ok(Self::Rollup(name.to_string())),
            _ => u64::from_toml(value)
                .map(Self::Id)
                .map_err(|_| "it is no market's id, and no rollup's name".to_owned()),
        }
    }
}

impl FromToml for Address {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        address::parse(&String::from_toml(value)?)
    }
}

macro_rules! keys {
    ($($key:ident),* $(,)?) => {
        impl NodeValues {
            /// Every key, in the order of the example.
            pub(crate) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            /// Read the `[node]` table.
            pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
                Self { $($key: reader.take(stringify!($key)),)* }
            }

            /// These, and where they say nothing, the others.
            pub(crate) fn or(&self, other: &Self) -> Self {
                Self { $($key: self.$key.clone().or_else(|| other.$key.clone()),)* }
            }

            /// The keys in which these differ from others.
            pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
                let mut keys = Vec::new();
                $(if self.$key != other.$key {
                    keys.push(stringify!($key));
                })*
                keys
            }

            /// What is given, for people.
            fn given(&self) -> Vec<(&'static str, Option<Value>)> {
                vec![$((stringify!($key), self.$key.as_ref().map(shown::Shown::shown))),*]
            }
        }
    };
}

keys!(
    data_dir,
    keys,
    market,
    prover,
    poll_ms,
    workers,
    worker_processes,
    first_estimate,
    cost_from,
    taking,
    rescue,
    min_reward,
    offer_transfers,
    accept_transfers,
    mine,
    withdraw_at,
    accept_min_window,
    accept_max_bond,
    accept_max_rescuer_bps,
    accept_max_expiry,
    upkeep,
    confirmations,
    gas_wei_per_asset,
    budget_bps,
    low_balance_proofs,
    http,
    ws_url,
    drain_seconds,
    pause_when_stopping,
    pause_when_breaker_open,
    nats_url,
    nats_prefix,
    standby,
);

impl NodeValues {
    /// A file's paths are relative to the file.
    pub(crate) fn relative_to(&mut self, folder: &Path) {
        for path in [&mut self.data_dir, &mut self.keys, &mut self.cost_from].into_iter().flatten() {
            *path = folder.join(&path);
        }
    }

    /// What is wrong with these, whatever the chain says: one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |key: &str, value: Option<u64>, least: u64, most: u64| {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                problems.push(format!("{key} must be from {least} to {most}"));
            }
        };
        range("poll_ms", self.poll_ms, 1, 60_000);
        range("workers", self.workers, 1, 1_024);
        range("first_estimate", self.first_estimate, 1, 86_400);
        range("confirmations", self.confirmations, 1, 64);
        range("budget_bps", self.budget_bps, 1, 10_000);
        range("drain_seconds", self.drain_seconds, 0, 86_400);
        range("accept_min_window", self.accept_min_window, 1, u64::from(u32::MAX));
        range("accept_max_rescuer_bps", self.accept_max_rescuer_bps, 0, 10_000);
        range("accept_max_expiry", self.accept_max_expiry, 1, u64::from(u32::MAX));
        let bounds = [
            ("accept_min_window", self.accept_min_window.is_some()),
            ("accept_max_bond", self.accept_max_bond.is_some()),
            ("accept_max_rescuer_bps", self.accept_max_rescuer_bps.is_some()),
            ("accept_max_expiry", self.accept_max_expiry.is_some()),
        ];
        let missing: Vec<&str> = bounds.iter().filter(|(_, set)| !set).map(|(key, _)| *key).collect();
        if !missing.is_empty() && missing.len() < bounds.len() {
            problems.push(format!(
                "new terms are accepted only if every bound is set, and {} is not; set all of accept_…, or none",
                missing.join(", ")
            ));
        }
        if self.gas_wei_per_asset.is_some_and(|amount| amount.0.is_zero() || amount.0.bit_len() > 128) {
            problems.push("gas_wei_per_asset must be above 0 and fit 128 bits".to_owned());
        }
        if self.withdraw_at.as_ref().is_some_and(Written::is_zero) {
            problems.push("withdraw_at must be above 0; leave it out to never withdraw".to_owned());
        }
        if self.market.as_ref().is_some_and(Vec::is_empty) {
            problems.push(
                "market is an empty list; leave it out to serve every market of the deployment".to_owned(),
            );
        }
        for (key, url, kind) in
            [("ws_url", &self.ws_url, Kind::Websocket), ("nats_url", &self.nats_url, Kind::Nats)]
        {
            if let Some(problem) = url.as_deref().and_then(|url| urls::problem(url, kind)) {
                problems.push(format!("{key} {problem}"));
            }
        }
        let word = |text: &str| {
            !text.is_empty()
                && text.len() <= 32
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if self.nats_prefix.as_deref().is_some_and(|prefix| !word(prefix)) {
            problems.push("nats_prefix must be 1 to 32 letters, digits, - or _".to_owned());
        }
        if self.standby == Some(true) && self.nats_url.is_none() {
            problems.push("standby needs nats_url: nodes agree on who leads through it".to_owned());
        }
        problems
    }

    /// These, unless something is wrong with them.
    pub(crate) fn checked(self) -> Result<Self> {
        let problems = self.problems();
        if problems.is_empty() { Ok(self) } else { Err(fail(Code::Config, problems.join("; "))) }
    }

    /// Wei of the chain's currency that a whole unit of the asset is worth. Elsewhere than on a development chain a made-up rate
    /// would make proofs too dear to send, or cost more than they earn.
    pub(crate) fn rate(&self, chain: u64, symbol: &str) -> Result<U256> {
        match &self.gas_wei_per_asset {
            Some(given) => Ok(given.0),
            None if is_development_chain(chain) => Ok(U256::from(DEVELOPMENT_RATE)),
            None => Err(fail(
                Code::Config,
                format!(
                    "what 1 {symbol} is worth in the currency of chain {chain} is not known, and what gas may cost follows from \
                     it; set gas_wei_per_asset under [node] (or give --gas-wei-per-asset), such as \"0.0003ether\" for 3,333 \
                     {symbol} an ether"
                ),
            )),
        }
    }

    /// What a running node may be told anew. `cost`: base units of the asset that a slot costs, as measured; `rate`: see
    /// [`Self::rate`].
    pub(crate) fn tunables(&self, asset: &Currency, cost: Option<U256>, rate: U256) -> Result<Tunables> {
        let problem = |key: &str, error: &dyn fmt::Display| fail(Code::Config, format!("{key}: {error}"));
        // As contracts store rewards and bonds.
        let u96 = |key: &str, written: &Option<Written>| {
            let amount = written.as_ref().map(|written| written.of(asset)?.to_u96()).transpose();
            amount.map(|amount| amount.map(|it| it.to::<u128>())).map_err(|error| problem(key, &error))
        };
        let default = Tunables::default();
        let offer_transfers = self.offer_transfers.as_ref().map(|written| written.of(asset)).transpose();
        let withdraw_at = self.withdraw_at.as_ref().map(|written| written.of(asset)).transpose();
        Ok(Tunables {
            rescue: self.rescue.unwrap_or(default.rescue),
            minimum_reward: match u96("min_reward", &self.min_reward)? {
                Some(reward) => reward,
                None => cost.unwrap_or_default().saturating_to(),
            },
            offer_transfers: offer_transfers.map_err(|error| problem("offer_transfers", &error))?,
            accept_transfers: self.accept_transfers.unwrap_or(default.accept_transfers),
            withdraw_at: withdraw_at
                .map_err(|error| problem("withdraw_at", &error))?
                .map(|amount| amount.base),
            taking: self.taking.unwrap_or(default.taking),
            budget_bps: self.budget_bps.unwrap_or(default.budget_bps),
            gas_wei_per_asset: rate,
            accept: Bounds {
                min_window: self.accept_min_window,
                max_bond: u96("accept_max_bond", &self.accept_max_bond)?,
                max_rescuer_bps: self
                    .accept_max_rescuer_bps
                    .map(|bps| u16::try_from(bps).unwrap_or(u16::MAX)),
                max_expiry: self.accept_max_expiry,
            },
        })
    }

    /// The NATS server, if one is used.
    pub(crate) fn nats(&self) -> Option<NatsSettings> {
        Some(NatsSettings {
            url: HiddenUrl::new(self.nats_url.clone()?),
            prefix: self.nats_prefix.clone().unwrap_or_else(|| "provery".to_owned()),
            standby: self.standby.unwrap_or(false),
        })
    }

    /// The address of the status page, if there is one.
    pub(crate) fn http_address(&self) -> Option<SocketAddr> {
        match self.http {
            Some(Http::Off) => None,
            Some(Http::At(address)) => Some(address),
            None => Some(HTTP),
        }
    }
}
