//! Options that every command has.

use std::path::PathBuf;

use alloy::primitives::Address;
use clap::Args;

use crate::address;

/// Every setting is a flag, else an environment variable, else a line in the configuration file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The chain's JSON-RPC endpoint; more than one, or several with commas, stand in for each other [env: PROVERY_RPC_URL]
    /// [default: http://127.0.0.1:8545]
    #[arg(long, global = true, value_name = "URL", value_delimiter = ',')]
    pub rpc_url: Vec<String>,
    /// The deployment's addresses [env: PROVERY_DEPLOYMENT] [default: deployments/<chainid>.json]
    #[arg(long, global = true, value_name = "PATH")]
    pub deployment: Option<PathBuf>,
    /// TOML with rpc_urls, deployment, keystore, password_file, remote_signer, sender and the [node] table [env: PROVERY_CONFIG] [default: ./provery.toml if present]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sign with this encrypted keystore; a command that only reads needs none [env: PROVERY_KEYSTORE; without a keystore the bare
    /// key in PROVERY_PRIVATE_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub keystore: Option<PathBuf>,
    /// The keystore's password is this file's first line [env: PROVERY_PASSWORD_FILE, or it itself in
    /// PROVERY_KEYSTORE_PASSWORD] [default: ask]
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Sign with a key of this signer, which speaks Web3Signer's JSON-RPC, instead of a keystore; needs --sender
    /// [env: PROVERY_REMOTE_SIGNER]
    #[arg(long, global = true, value_name = "URL")]
    pub remote_signer: Option<String>,
    /// The account whose key the remote signer has [env: PROVERY_SENDER]
    #[arg(long, global = true, value_name = "ADDRESS", value_parser = address::parse)]
    pub sender: Option<Address>,
    /// Print one JSON object on stdout instead of text (long-running commands: one a line)
    #[arg(long, global = true)]
    pub json: bool,
}
