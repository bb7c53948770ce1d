//! Work on the repository itself: compile the contracts and keep the committed ABIs in step with them; check the documents and lay the
//! book out.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use eyre::Result;

#[cfg(test)]
mod circles;
mod contracts;
mod docs;
#[cfg(test)]
mod features;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod scripts;

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
        /// Only this contract, with what it imports: seconds instead of minutes.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Another copy of the repository than the one that this program was built from.
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Check the links of all documents; and lay the book out for mdBook, as ./script/docs does.
    ///
    /// Example: cargo xtask docs
    Docs {
        /// Lay the book out here.
        #[arg(long, requires = "contracts")]
        into: Option<PathBuf>,
        /// Where `forge doc` wrote the contracts' pages.
        #[arg(long)]
        contracts: Option<PathBuf>,
    },
    /// Follow the steps of a guide in another checkout: its blocks that name a file.
    ///
    /// Example: cargo xtask follow docs/guides/add-a-mechanism.md --checkout /tmp/copy
    Follow {
        page: PathBuf,
        #[arg(long)]
        checkout: PathBuf,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Contracts { check, solc, only, root } => {
            let root = root.as_deref().unwrap_or(repository_root());
            contracts::run(root, &solc, check, only.as_deref())
        }
        Command::Docs { into, contracts } => {
            docs::run(repository_root(), into.as_deref().zip(contracts.as_deref()))
        }
        Command::Follow { page, checkout } => docs::follow(&page, &checkout),
    }
}

fn repository_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
