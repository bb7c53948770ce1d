//! What a node is told. The command line builds it; nothing here is parsed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use provery_proving::puzzle::PuzzleProver;

/// A node's settings. Keys are not among them: they live in the sender.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Who is paid for this node's proofs: the prover's address, which need not be the sender's.
    pub prover: Address,
    /// Where the node keeps its database. One node a directory.
    pub data_dir: PathBuf,
    /// The markets to serve; every market with a rollup in the deployment file if not given.
    pub markets: Option<Vec<U256>>,
    /// Proofs at a time. One proof already uses every core.
    pub workers: usize,
    /// How long a proof is expected to take before any was made; measured from then on.
    pub first_estimate: Duration,
    /// Whether to prove slots that are open to all and not this prover's.
    pub rescue: bool,
    /// Asset wei below which no slot is taken on, bid for or rescued: what one costs, and what is wanted on top.
    pub minimum_reward: u128,
    /// Asset wei for which a slot that cannot be proven in time is offered to others (below zero, what is paid to whoever
    /// takes it); never, if not given.
    pub hand_over: Option<i128>,
    /// Whether to take slots that others offer, if they pay.
    pub take_over: bool,
    /// Proves mining tickets; without it none are mined.
    pub puzzle: Option<Arc<PuzzleProver>>,
    /// Known to this node alone, the same at every start: sealed bids are derived from it.
    pub secret: B256,
    /// Asset wei of credit at which it is withdrawn to the prover; never, if not given. Works only where the sender is
    /// the prover itself.
    pub withdraw_at: Option<U256>,
    /// Whether to poke epochs, expire slots, resume after a suspension and bring weights in line.
    pub upkeep: bool,
    /// How often to look at the chain and at the clock.
    pub poll: Duration,
    /// Whether to write report lines to standard output ([`crate::report`]).
    pub report: bool,
    /// How long a ready proof may take to be delivered once the node is told to stop.
    pub shutdown_bound: Duration,
}

/// The settings that may change while a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// Whether to prove slots that are open to all and not this prover's.
    pub rescue: bool,
    /// Asset wei below which no slot is taken on, bid for or rescued.
    pub minimum_reward: u128,
    /// See [`NodeConfig`].
    pub hand_over: Option<i128>,
    /// Whether to take slots that others offer, if they pay.
    pub take_over: bool,
    /// Asset wei of credit at which it is withdrawn to the prover; never, if not given.
    pub withdraw_at: Option<U256>,
    /// Whether to take on slots at all: without it, what is held is finished and nothing follows.
    pub taking: bool,
    /// Most of what a slot is worth (its reward and, where one is held, its bond) that gas for its proof may cost, in bps.
    /// Near the deadline it is all of it.
    pub budget_bps: u64,
}

impl Default for Tunables {
    fn default() -> Self {
        Self {
            rescue: true,
            minimum_reward: 0,
            hand_over: None,
            take_over: false,
            withdraw_at: None,
            taking: true,
            budget_bps: 5_000,
        }
    }
}

impl NodeConfig {
    /// The settings that most nodes want.
    pub fn new(prover: Address, data_dir: PathBuf) -> Self {
        Self {
            prover,
            data_dir,
            markets: None,
            workers: 1,
            first_estimate: Duration::from_secs(20),
            rescue: true,
            minimum_reward: 0,
            hand_over: None,
            take_over: false,
            puzzle: None,
            secret: B256::ZERO,
            withdraw_at: None,
            upkeep: true,
            poll: Duration::from_millis(250),
            report: false,
            shutdown_bound: Duration::from_secs(10),
        }
    }
}
