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
//! | `director` | faults of processes and of the chain |
//! | `wedge`, `memory` | what is measured on the way |
//! | `verdict`, `summary` | the end |
//! | `dice`, `log` | decisions by seed, and the log of what was injected |
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
mod http;
mod ledger;
mod log;
mod memory;
mod miner;
mod node;
mod pool;
mod proc;
mod proxy;
mod reports;
mod run;
mod sequencer;
mod stage;
mod summary;
mod verdict;
mod wedge;

pub use run::{Options, run};
pub use summary::Summary;
