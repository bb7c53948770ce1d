//! The chaos run: a real anvil, a real market and several nodes, with everything going wrong between and under them that
//! can be made to go wrong; and at the end, the chain against every node's book.
//!
//! | file | |
//! |---|---|
//! | `run` | the run from start to end |
//! | `stage` | contracts, markets, provers |
//! | `miner`, `ledger`, `direct` | makes and reorganises the chain, and knows what it says, past every proxy |
//! | `sequencer` | posts blocks whatever happens |
//! | `proxy`, `faults`, `pool`, `http` | between nodes and chain: faults on the wire, and geth's rule for replacements |
//! | `node`, `reports`, `proc`, `crash` | processes under test, what they say, what is done to them |
//! | `director`, `hopeless` | faults of processes and of the chain |
//! | `standby` | NATS, away now and then, between two nodes with one prover |
//! | `run/addition` | a rollup and its market that come while nodes run |
//! | `wedge`, `memory` | what is measured on the way |
//! | `verdict`, `summary` | the end |
//! | `dice`, `log` | decisions by seed, and the log of what was injected |
//!
//! | on the wire | what it does |
//! |---|---|
//! | `lost_response`, `refused`, `dropped`, `delay`, `duplicate`, `truncated` | what wires do |
//! | `stale_head`, `empty_logs` | what nodes behind a balancer do |
//! | `too_many_requests`, `server_error` | statuses 429 and 500 |
//! | `unknown_refusal` | an error whose code is in no list (-32007, -32016, -32011, -32029, -32603, …) |
//! | `part_of_batch` | the first calls of a batch are answered, the others refused or left out |
//! | `lying_time` | the newest block, by a node's first endpoint, is of ten years from now |
//! | `crowded_bloom` | a block's bloom names everything |
//! | `already_known`, `nonce_too_low`, `underpriced` | answers to a sending that was fine |
//!
//! | of processes and the chain | what it does |
//! |---|---|
//! | `reorg` | up to 64 blocks deep, with and without the transactions coming again |
//! | `sigkill`, `sigterm`, `sigstop`, `crash_point`, `stop_point`, `worker_kill` | ends and stops |
//! | `disk_full`, `clock_skew`, `outage` | for seconds |
//! | `base_fee_spike` | ten times the base fee, which by seed is one, twenty or sixty times the tip |
//! | `slow_prover`, `failed_proof` | a node's proofs dawdle, or some fail |
//! | `given_up` | all of them fail until the node gives a slot up, and then a reorganisation opens it anew: it must be taken up again |
//! | `emptied_nonce` | a reorganisation takes back the empty transaction that ended a nonce of no use |
//! | `nats_away` | the server that two nodes with one prover share is out of reach, past the end of a lease |
//! | `market_added` | `rollup create`, with blocks in the new market before any node serves it |
//!
//! On half of the seeds the asset is not the one for development but one of six decimals that is as strict about allowances
//! as the oldest in use, and of which every prover has left some over.
//!
//! A fault on the wire is decided by (seed, node, listener, number of the request), so a run with the same seed meets the
//! same decisions; when requests come is up to the machine. What is injected is in `events.jsonl` in the run's folder.
//!
//! Every slot of the lottery's market is feasible: its window is long next to every fault, which are all bounded, so a
//! holder that misses one is at fault. The race's slots have no holder and short windows: they are lost to others and
//! expire, on purpose. The Dutch auction's are taken back while their price climbs, most of them; those that are not are
//! locked, and must be proven like the lottery's.

mod crash;
mod dice;
mod direct;
mod director;
mod faults;
mod features;
mod hopeless;
mod http;
mod ledger;
mod log;
mod memory;
mod miner;
mod node;
mod pool;
pub mod proc;
mod proxy;
mod reports;
mod run;
mod sequencer;
mod stage;
mod standby;
mod summary;
mod verdict;
mod wedge;

pub use proc::Descendants;
pub use run::{Options, run};
pub use summary::Summary;
