//! What a node is told. The command line builds it; nothing here is parsed.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, U256};
use provery_mechanisms::acceptance::Bounds;
use provery_puzzle::PuzzleProver;
use tokio::sync::watch;

/// A node's settings. Keys are not among them: they live in the sender.
#[derive(Clone)]
pub struct NodeConfig {
    /// Who is paid for this node's proofs: the prover's address, which need not be the sender's.
    pub prover: Address,
    /// Where the node keeps its database. One node a directory.
    pub data_dir: PathBuf,
    /// The markets to serve; every market with a rollup in the deployment file if not given.
    pub markets: Option<Vec<U256>>,
    /// The deployment's file: rollups that it comes to have while the node runs are served, too, if all are.
    pub deployment: Option<PathBuf>,
    /// Proofs at a time. One proof already uses every core.
    pub workers: usize,
    /// Whether proofs are made in processes of their own, rather than on this one's threads.
    pub worker_processes: bool,
    /// How long a proof is expected to take before any was made; measured from then on.
    pub first_estimate: Duration,
    /// What may change while the node runs: read anew whenever something is decided.
    pub tunables: watch::Receiver<Tunables>,
    /// Proves mining tickets; without it none are mined.
    pub puzzle: Option<Arc<PuzzleProver>>,
    /// Known to this node alone, the same at every start: sealed bids are derived from it.
    pub secret: B256,
    /// Whether to bring seeds in, end and settle slots, come back after a suspension, accept new terms within bounds and bring
    /// weights in line.
    pub upkeep: bool,
    /// How often to look at the chain and at the clock.
    pub poll: Duration,
    /// A websocket whose new heads say when to look; what else it says is not used.
    pub ws_url: Option<HiddenUrl>,
    /// Blocks, the transaction's own included, until it counts as done.
    pub confirmations: u64,
    /// Where the status page listens; none, if not given.
    pub http: Option<SocketAddr>,
    /// Whether to write report lines to standard output ([`crate::report`]).
    pub report: bool,
    /// How long the slots at hand may take to be finished once the node is told to stop.
    pub drain: Duration,
    /// How long a ready proof may take to be delivered once the node is told to stop.
    pub shutdown_bound: Duration,
    /// Whether to pause the prover on-chain when the node stops, so that no draw picks it while it is away. One of several
    /// nodes never does ([`Self::pauses_when_stopping`]).
    pub pause_when_stopping: bool,
    /// Whether to pause the prover on-chain while the circuit breaker is open.
    pub pause_when_breaker_open: bool,
    /// Warn when the gas funds pay for fewer proofs than this.
    pub low_balance_proofs: u64,
    /// Where jobs and leadership are shared with other machines; this machine alone, if not given.
    pub nats: Option<NatsSettings>,
}

/// A NATS server, and what it is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSettings {
    /// `nats://host:port`, `tls://…`; several servers of a cluster with commas between them.
    pub url: HiddenUrl,
    /// First part of every subject, stream and bucket.
    pub prefix: String,
    /// Whether this node is one of several, of which one leads.
    pub standby: bool,
}

/// A URL that is shown without what may be a secret in it.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenUrl(String);

impl HiddenUrl {
    /// Of any text: what is no URL is not shown at all.
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// All of it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_url(&self.0))
    }
}

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_url(&self.0))
    }
}

/// Scheme, host and port of a URL: userinfo, path and query may be secrets. What is no URL is not shown at all.
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(not a URL)".to_owned() };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]+".contains(c));
    if plain(scheme) && plain(host) && !host.is_empty() {
        format!("{scheme}://{host}")
    } else {
        "(not a URL)".to_owned()
    }
}

/// The settings that may change while a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// Whether to prove slots that are open to all and not this prover's.
    pub rescue: bool,
    /// Asset wei below which no slot is taken on, bid for or rescued: what one costs, and what is wanted on top.
    pub minimum_reward: u128,
    /// Asset wei for which a slot that cannot be proven in time is offered to others (below zero, what is paid to whoever
    /// takes it); never, if not given.
    pub offer_transfers: Option<i128>,
    /// Whether to take slots that others offer, if they pay.
    pub accept_transfers: bool,
    /// Asset wei of credit at which it is withdrawn to the prover; never, if not given. Works only where the sender is
    /// the prover itself.
    pub withdraw_at: Option<U256>,
    /// Whether to take on slots at all: without it, what is held is finished and nothing follows.
    pub taking: bool,
    /// Most of what a slot is worth (its reward and, where one is held, its bond) that gas for its proof may cost, in bps.
    /// Near the deadline it is all of it.
    pub budget_bps: u64,
    /// Wei of the chain's own currency that a whole unit of the asset is worth: what a slot pays becomes what its gas may cost.
    pub gas_wei_per_asset: U256,
    /// New terms of a market that the node accepts by itself.
    pub accept: Bounds,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            rescue: true,
            minimum_reward: 0,
            offer_transfers: None,
            accept_transfers: false,
            withdraw_at: None,
            taking: true,
            budget_bps: 5_000,
            gas_wei_per_asset: U256::from(1_000_000_000_000_000_000u64),
            accept: Bounds::default(),
        }
    }
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secret.
        f.debug_struct("NodeConfig")
            .field("prover", &self.prover)
            .field("data_dir", &self.data_dir)
            .field("markets", &self.markets)
            .field("workers", &self.workers)
            .field("tunables", &*self.tunables.borrow())
            .finish_non_exhaustive()
    }
}

impl NodeConfig {
    /// Whether to pause the prover when this node stops: not if another goes on in its place.
    pub fn pauses_when_stopping(&self) -> bool {
        self.pause_when_stopping && self.nats.as_ref().is_none_or(|nats| !nats.standby)
    }

    /// The settings that most nodes want.
    pub fn new(prover: Address, data_dir: PathBuf) -> Self {
        Self {
            prover,
            data_dir,
            markets: None,
            deployment: None,
            workers: 1,
            worker_processes: true,
            first_estimate: Duration::from_secs(20),
            tunables: fixed(Tunables::default()),
            puzzle: None,
            secret: B256::ZERO,
            upkeep: true,
            poll: Duration::from_millis(250),
            ws_url: None,
            confirmations: 1,
            http: None,
            report: false,
            drain: Duration::from_secs(120),
            shutdown_bound: Duration::from_secs(10),
            pause_when_stopping: true,
            pause_when_breaker_open: true,
            low_balance_proofs: 20,
            nats: None,
        }
    }

    /// The tunables as they are now.
    pub fn tuned(&self) -> Tunables {
        self.tunables.borrow().clone()
    }
}

/// Tunables that stay as they are.
pub fn fixed(tunables: Tunables) -> watch::Receiver<Tunables> {
    watch::channel(tunables).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            ("https://user:pass@host.example/v3/key?token=1", "https://host.example"),
            ("ws://a@b@host:1/x", "ws://host:1"),
            ("wss://[::1]:8546?key=2", "wss://[::1]:8546"),
            ("nats://token@host:4222", "nats://host:4222"),
            ("http://pass word@ho st/", "(not a URL)"),
            ("secret", "(not a URL)"),
            ("http://", "(not a URL)"),
            ("http://host\\path", "http://host"),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
            assert_eq!(format!("{:?}", HiddenUrl::new(url.to_owned())), shown);
        }
    }

    #[test]
    fn the_unit_for_systemd_waits_for_longer_than_a_node_takes_to_stop() {
        const UNIT: &str = include_str!("../../../docs/provery.service");
        let setting = |name: &str| UNIT.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        let wait: u64 = setting("TimeoutStopSec=").parse().expect("seconds");
        let config = NodeConfig::new(Address::ZERO, "x".into());
        assert!(Duration::from_secs(wait) >= config.drain + config.shutdown_bound);
        assert_eq!((setting("KillSignal="), setting("Restart=")), ("SIGTERM", "always"));
    }

    #[test]
    fn the_secret_is_not_printed() {
        let mut config = NodeConfig::new(Address::ZERO, "x".into());
        config.secret = B256::repeat_byte(0xab);
        assert!(!format!("{config:?}").contains("abab"));
    }
}
