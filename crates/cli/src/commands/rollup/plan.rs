//! What `provery rollup create` was asked for, and what it decided before anything is paid for.

use std::{path::PathBuf, sync::Arc};

use alloy::primitives::{Address, B256, U256};
use clap::Args;
use provery_circuits::Params;

use super::accounts::AccountsArgs;
use crate::{
    address,
    amount::Written,
    commands::market,
    market_ref,
    terms::{MechanismArgs, TermsArgs},
};

/// What the transactions are called in the journal.
pub(super) const ROLLUP: &str = "rollup";
pub(super) const FUND: &str = "fund";

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What the deployment will call it: letters, digits, '-', '_' and '.', not a number
    #[arg(long, value_parser = market_ref::name)]
    pub name: String,
    /// Transfers a block may have: which circuit
    #[arg(long, value_name = "N")]
    pub block_txs: usize,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    #[command(flatten)]
    pub accounts: AccountsArgs,
    /// Who posts blocks [default: the signing account]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub sequencer: Option<Address>,
    /// Blocks that may be unproven at once: a power of two, 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = market::capacity)]
    pub capacity: u32,
    /// Fund the market at once, with asset of the signing account
    #[arg(long, value_name = "AMOUNT")]
    pub fund: Option<Written>,
    #[command(flatten)]
    pub mechanism: MechanismArgs,
    #[command(flatten)]
    pub terms: TermsArgs,
}

/// What is deployed, decided and checked before anything is paid for.
pub(super) struct Plan {
    pub params: Params,
    pub circuit: Arc<dyn provery_workloads::Circuit>,
    pub key_hash: B256,
    pub descriptor_hash: B256,
    pub development: bool,
    /// What the verifier is constructed with: the circuit's key.
    pub verifier_arguments: Vec<u8>,
    pub genesis: Vec<u8>,
    pub root: U256,
}
