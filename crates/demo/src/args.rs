//! Options of the demo.

use clap::Parser;

/// A permissionless proof market on a local chain: real blocks, real proofs, one prover killed and rescued.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "demo",
    after_help = "Example:\n  ./script/demo --slots 8 --provers 4 --seed 7\n  ./script/demo --no-kill --json | tail -n 1"
)]
pub struct Args {
    /// Blocks to post; each opens one slot.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub slots: u64,
    /// Provers, each a `provery node` process with a stake of its own.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub provers: u64,
    /// Transfers in a block: the size of the circuit.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub block_txs: u64,
    /// Decides keys, accounts and transfers. The chain's randomness is its own.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Let every prover live: no slot is missed on purpose.
    #[arg(long)]
    pub no_kill: bool,
    /// One JSON object a line for events; the last line is the summary.
    #[arg(long)]
    pub json: bool,
    /// Milliseconds between two blocks of the rollup.
    #[arg(long, default_value_t = 4000)]
    pub interval_ms: u64,
    /// Port of the local chain; a free one if not given.
    #[arg(long)]
    pub port: Option<u16>,
    /// Where logs, keys and the provers' data go. Emptied of everything but keys at the start.
    #[arg(long, default_value = ".demo")]
    pub dir: std::path::PathBuf,
}
