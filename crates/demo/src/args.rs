//! Options of the demo.

use clap::Parser;
use provery_mechanisms::Mechanism;

/// A permissionless proof market on a local chain: real blocks, real proofs, one prover killed and rescued.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "demo",
    after_help = "Example:\n  ./script/demo --slots 8 --provers 4 --seed 7\n  ./script/demo --mechanism vickrey --json | tail -n 1\n  ./script/demo --asset-decimals 6\n  ./script/demo --workload circom --slots 3\n  ./script/demo --hostile-sequencer"
)]
pub(crate) struct Args {
    /// What is proven
    #[arg(long, value_enum, default_value_t = Workload::Rollup)]
    pub workload: Workload,
    #[arg(long, default_value = provery_mechanisms::default_word(), value_parser = mechanism, help = mechanism_help())]
    pub mechanism: &'static dyn Mechanism,
    /// Blocks to post, or proofs to ask for; each opens one slot.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub slots: u64,
    /// Provers, each a `provery node` process with a stake of its own.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub provers: u64,
    /// Transfers in a block of the rollup: the size of its circuit.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub block_txs: u64,
    /// Decides keys, accounts and transfers. The chain's randomness is its own.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Let every prover live: no slot is missed on purpose.
    #[arg(long)]
    pub no_kill: bool,
    /// The sequencer claims the root of a tree that only it knows and builds more blocks on it, so that nobody but an
    /// accomplice of it can prove those; nobody is killed, and honest provers must not lose a wei of stake.
    #[arg(long, conflicts_with = "workload")]
    pub hostile_sequencer: bool,
    /// One JSON object a line for events; the last line is the summary.
    #[arg(long)]
    pub json: bool,
    /// Milliseconds between two slots; 4000 if not given, 10000 where the right to the next slot is mined in
    /// between.
    #[arg(long)]
    pub interval_ms: Option<u64>,
    /// Decimals of the asset: with another number than 18 it is a token as strict as the oldest ones in use.
    #[arg(long, value_name = "N", default_value_t = 18, value_parser = clap::value_parser!(u8).range(0..=36))]
    pub asset_decimals: u8,
    /// The local chain's rules, by a name that anvil knows, such as prague or osaka; anvil's newest if not given.
    #[arg(long, value_name = "NAME")]
    pub hardfork: Option<String>,
    /// Port of the local chain; a free one if not given.
    #[arg(long)]
    pub port: Option<u16>,
    /// Where logs, keys and the provers' data go. Emptied of everything but keys at the start.
    #[arg(long, default_value = ".demo")]
    pub dir: std::path::PathBuf,
}

/// What is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Blocks of the reference rollup
    Rollup,
    /// Memberships in Merkle trees, of the circom circuit in examples/membership
    Circom,
}

fn mechanism_help() -> String {
    format!("How slots are assigned: one of {}", provery_mechanisms::words(|_| true))
}

/// A mechanism by the word people call it.
fn mechanism(word: &str) -> Result<&'static dyn Mechanism, String> {
    provery_mechanisms::by_word(word).ok_or_else(|| {
        let known = provery_mechanisms::words(|_| true);
        format!("there is no mechanism named {word}; choose one of {known}")
    })
}

impl Args {
    /// Milliseconds between two blocks.
    pub(crate) fn interval(&self) -> u64 {
        self.interval_ms.unwrap_or(if self.mechanism.wants_puzzle() { 10_000 } else { 4_000 })
    }
}
