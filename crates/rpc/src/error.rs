//! What can go wrong when reading: one sentence each, what happened and what to do.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use provery_bindings::DecodedError;
use provery_types::{BlockRef, DecodeError, DeploymentError};

/// Why something could not be read, or not be believed. URLs are shown without what may be secret in them.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// What was given cannot be asked.
    #[error("{url} is not an RPC URL ({reason}); give one like http://127.0.0.1:8545")]
    UrlInvalid {
        /// What was given, as far as it is shown.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing came back, or nothing that is an answer.
    #[error("no answer from the RPC at {url} ({reason}); start the node or give another RPC URL")]
    Unreachable {
        /// The endpoint.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// The endpoint answered with an error that is neither a contract's nor about the past.
    #[error(
        "the RPC at {url} refused {method} ({code}: {message}); check that it is an Ethereum node that serves this method"
    )]
    Refused {
        /// The endpoint.
        url: String,
        /// The RPC method, or the contract's function.
        method: &'static str,
        /// The JSON-RPC error's code.
        code: i64,
        /// The JSON-RPC error's message.
        message: String,
    },
    /// The endpoint no longer has what was asked for.
    #[error(
        "the RPC at {url} does not keep what {method} asked for of the past ({message}); add an endpoint that does: for the first sync one that keeps all history (an archive node), afterwards any will do"
    )]
    Pruned {
        /// The endpoint.
        url: String,
        /// The RPC method, or the contract's function.
        method: &'static str,
        /// The JSON-RPC error's code and message.
        message: String,
    },
    /// The answer contradicts itself, another answer, or what the contracts can say.
    #[error(
        "the RPC at {url} answered {method} with something that makes no sense ({reason}); try again or use another node"
    )]
    Inconsistent {
        /// The endpoint.
        url: String,
        /// The RPC method, or the contract's function.
        method: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The endpoint's chain is not the deployment's.
    #[error(
        "the deployment file is for chain {deployment}, but the RPC at {url} serves chain {rpc}; use the RPC of chain {deployment} or the file of chain {rpc}"
    )]
    WrongChain {
        /// The endpoint.
        url: String,
        /// Chain id of the deployment file.
        deployment: u64,
        /// Chain id of the endpoint.
        rpc: u64,
    },
    /// Two of the endpoints given are of different chains.
    #[error(
        "the RPC at {url} serves chain {chain}, but the one at {other_url} serves chain {other}; give RPC URLs of one chain"
    )]
    ChainsDiffer {
        /// One of them.
        url: String,
        /// Its chain id.
        chain: u64,
        /// The other.
        other_url: String,
        /// Its chain id.
        other: u64,
    },
    /// The deployment file has a contract where there is no code.
    #[error(
        "there is no contract at {address}, where the deployment file has {contract}; deploy again, or use the file of this chain"
    )]
    CodeMissing {
        /// Its name, or the rollup's.
        contract: String,
        /// Where it should be.
        address: Address,
    },
    /// The deployment file has a contract where there is another.
    #[error(
        "the code at {address} is not the {contract} of the deployment file (code hash {found}, expected {expected}); deploy again, or use the file of this chain"
    )]
    CodeDiffers {
        /// Its name, or the rollup's.
        contract: String,
        /// Where it should be.
        address: Address,
        /// keccak256 of the code that is there.
        found: B256,
        /// keccak256 of the code by the file.
        expected: B256,
    },
    /// The asset is no ERC-20 token whose amounts can be counted.
    #[error("the asset at {asset} cannot be used: {reason}; give the address of an ERC-20 token")]
    AssetUnusable {
        /// Where it is.
        asset: Address,
        /// What is wrong with it.
        reason: String,
    },
    /// The deployment file and the chain disagree about the asset's decimals.
    #[error(
        "the deployment file says that the asset has {file} decimals, and the RPC says {chain}; use the file of this chain, or an RPC that tells the truth"
    )]
    DecimalsDiffer {
        /// Those in the file.
        file: u8,
        /// Those that the RPC says.
        chain: u8,
    },
    /// There is no deployment file that can be read.
    #[error(
        "cannot read the deployment file {path} ({reason}); write it with `provery deploy` or give its path"
    )]
    DeploymentUnreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// What the file system said.
        reason: String,
    },
    /// The deployment file was read and cannot be used.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// A call that only reads was refused by the contract.
    #[error("the contract refused to answer {method}: {error}")]
    Reverted {
        /// The contract's function, or the RPC method.
        method: &'static str,
        /// The contract's error, decoded where it is known.
        error: DecodedError,
    },
    /// No market has this id.
    #[error("market {0} does not exist; `provery market show` lists the markets there are")]
    MarketNotFound(U256),
    /// The endpoint has no block of this height.
    #[error(
        "the RPC has no block {0}: it may be behind, or no longer have blocks that old; try again, or add an endpoint that keeps all history"
    )]
    BlockNotFound(u64),
    /// The chain has the hash of a market's terms, and no event with the terms themselves.
    #[error(
        "no TermsSet event of market {market} carries its terms' hash {terms_hash}; the node may have pruned its logs, use another"
    )]
    TermsNotFound {
        /// The market's id.
        market: U256,
        /// What the chain stores of the terms.
        terms_hash: B256,
    },
    /// A reorganisation went back behind everything that is remembered.
    #[error("the chain no longer has block {} ({}), nor any block this client remembers after it: it was replaced too deeply or is another chain; move the data directory away and start again", .oldest.number, .oldest.hash)]
    ReorgTooDeep {
        /// The oldest block that is.
        oldest: BlockRef,
    },
    /// A log is not what its contract can have said.
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
