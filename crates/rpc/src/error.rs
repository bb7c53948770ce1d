//! What can go wrong when reading: one sentence each, what happened and what to do.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use provery_bindings::DecodedError;
use provery_types::{BlockRef, DecodeError, DeploymentError};

#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("{url} is not an RPC URL ({reason}); give one like http://127.0.0.1:8545")]
    UrlInvalid { url: String, reason: String },
    #[error("no answer from the RPC at {url} ({reason}); start the node or give another RPC URL")]
    Unreachable { url: String, reason: String },
    #[error(
        "the RPC at {url} refused {method} ({code}: {message}); check that it is an Ethereum node that serves this method"
    )]
    Refused { url: String, method: &'static str, code: i64, message: String },
    #[error(
        "the RPC at {url} does not keep what {method} asked for of the past ({message}); add an endpoint that does: for the first sync one that keeps all history (an archive node), afterwards any will do"
    )]
    Pruned { url: String, method: &'static str, message: String },
    #[error(
        "the RPC at {url} answered {method} with something that makes no sense ({reason}); try again or use another node"
    )]
    Inconsistent { url: String, method: &'static str, reason: String },
    #[error(
        "the deployment file is for chain {deployment}, but the RPC at {url} serves chain {rpc}; use the RPC of chain {deployment} or the file of chain {rpc}"
    )]
    WrongChain { url: String, deployment: u64, rpc: u64 },
    #[error(
        "the RPC at {url} serves chain {chain}, but the one at {other_url} serves chain {other}; give RPC URLs of one chain"
    )]
    ChainsDiffer { url: String, chain: u64, other_url: String, other: u64 },
    #[error(
        "there is no contract at {address}, where the deployment file has {contract}; deploy again, or use the file of this chain"
    )]
    CodeMissing { contract: String, address: Address },
    #[error(
        "the code at {address} is not the {contract} of the deployment file (code hash {found}, expected {expected}); deploy again, or use the file of this chain"
    )]
    CodeDiffers { contract: String, address: Address, found: B256, expected: B256 },
    #[error(
        "rollup {rollup} is proven with a development key, whose secrets are known, and chain {chain} is not a development chain; use a circuit with a key from a ceremony"
    )]
    DevelopmentKey { rollup: String, chain: u64 },
    #[error(
        "rollup {rollup} has key hash {file} in the deployment file and {chain} on the chain; deploy again, or use the file of this chain"
    )]
    KeyHashDiffers { rollup: String, file: B256, chain: B256 },
    #[error("the asset at {asset} cannot be used: {reason}; give the address of an ERC-20 token")]
    AssetUnusable { asset: Address, reason: String },
    #[error(
        "the deployment file says that the asset has {file} decimals, and the RPC says {chain}; use the file of this chain, or an RPC that tells the truth"
    )]
    DecimalsDiffer { file: u8, chain: u8 },
    #[error(
        "cannot read the deployment file {path} ({reason}); write it with `provery deploy` or give its path"
    )]
    DeploymentUnreadable { path: PathBuf, reason: String },
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    #[error("the contract refused to answer {method}: {error}")]
    Reverted { method: &'static str, error: DecodedError },
    #[error("market {0} does not exist; `provery market show` lists the markets there are")]
    MarketNotFound(U256),
    #[error(
        "the RPC has no block {0}: it may be behind, or no longer have blocks that old; try again, or add an endpoint that keeps all history"
    )]
    BlockNotFound(u64),
    #[error(
        "no TermsSet event of market {market} carries its terms' hash {terms_hash}; the node may have pruned its logs, use another"
    )]
    TermsNotFound { market: U256, terms_hash: B256 },
    #[error("the chain no longer has block {} ({}), nor any block this client remembers after it: it was replaced too deeply or is another chain; move the data directory away and start again", .oldest.number, .oldest.hash)]
    ReorgTooDeep { oldest: BlockRef },
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl ChainError {
    /// Whether asking again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Refused { .. }
                | Self::Pruned { .. }
                | Self::Inconsistent { .. }
                | Self::BlockNotFound(_)
        )
    }
}
