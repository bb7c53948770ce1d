//! Whose accounts a rollup begins with.

use clap::Args;
use provery_circuits::Traffic;

/// Which accounts a rollup starts with; `rollup sequence` needs the same.
#[derive(Debug, Clone, Args)]
pub(crate) struct AccountsArgs {
    /// Accounts at genesis, with keys derived from --seed
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=65_536))]
    pub accounts: u64,
    /// Decides the accounts' keys and the transfers
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

impl AccountsArgs {
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::new(self.seed, usize::try_from(self.accounts).unwrap_or(usize::MAX))
    }
}
