//! Work on the repository itself: compile the contracts and keep the committed ABIs in step with them.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use eyre::Result;

mod contracts;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Work on the repository itself")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile contracts/src and write crates/bindings/abi/*.json.
    ///
    /// Example: cargo xtask contracts --check
    Contracts {
        /// Write nothing; fail if a committed file is not what the compiler gives.
        #[arg(long)]
        check: bool,
        /// The Solidity compiler: anything that speaks --standard-json.
        #[arg(long, env = "FOUNDRY_SOLC", default_value = "script/solc")]
        solc: PathBuf,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Contracts { check, solc } => contracts::run(repository_root(), &solc, check),
    }
}

fn repository_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
