//! A connection to one node.

use std::time::Duration;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, U256, keccak256},
    providers::{Provider, RootProvider},
    rpc::{client::RpcClient, types::Block},
    transports::http::Http,
};
use provery_types::{BlockRef, is_development_chain};

use crate::ChainError;

/// No request takes longer than this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rpc {
    provider: RootProvider,
    name: String,
    chain_id: u64,
}

impl Rpc {
    /// Connect and ask for the chain id.
    pub async fn connect(url: &str) -> Result<Self, ChainError> {
        let invalid = |reason: String| ChainError::UrlInvalid { url: url.to_string(), reason };
        let parsed: reqwest::Url = url.parse().map_err(|error| invalid(format!("{error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(invalid(format!("its scheme is {}", parsed.scheme())));
        }
        let name = shown(&parsed);
        // https needs a provider of cryptography; one that is already installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(REQUEST_TIMEOUT / 4)
            .build()
            .map_err(|error| invalid(crate::error::root_cause(&error)))?;
        let local = parsed.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1");
        let provider = RootProvider::new(RpcClient::new(Http::with_client(client, parsed), local));
        let chain_id =
            provider.get_chain_id().await.map_err(|error| ChainError::rpc(&name, "eth_chainId", error))?;
        Ok(Self { provider, name, chain_id })
    }

    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Scheme, host and port of the URL. The rest may be a secret and is never shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn provider(&self) -> &RootProvider {
        &self.provider
    }

    pub fn is_development(&self) -> bool {
        is_development_chain(self.chain_id)
    }

    /// How often to ask for news unless told otherwise.
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(if self.is_development() { 200 } else { 1000 })
    }

    /// The newest block.
    pub async fn head(&self) -> Result<BlockRef, ChainError> {
        self.get(BlockNumberOrTag::Latest).await?.ok_or(ChainError::BlockNotFound(0))
    }

    /// The canonical block of a height, if the node has it.
    pub async fn block(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        self.get(BlockNumberOrTag::Number(number)).await
    }

    async fn get(&self, block: BlockNumberOrTag) -> Result<Option<BlockRef>, ChainError> {
        let block = self.provider.get_block_by_number(block).await;
        Ok(block.map_err(|error| self.error("eth_getBlockByNumber", error))?.map(|block| block_ref(&block)))
    }

    /// A block by its hash, canonical or not, if the node has it.
    pub async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockRef>, ChainError> {
        let block = self.provider.get_block_by_hash(hash).await;
        Ok(block.map_err(|error| self.error("eth_getBlockByHash", error))?.map(|block| block_ref(&block)))
    }

    /// The mixHash of a block, which is its `prevrandao`.
    pub async fn prevrandao(&self, hash: B256) -> Result<B256, ChainError> {
        let block = self.provider.get_block_by_hash(hash).await;
        let block = block.map_err(|error| self.error("eth_getBlockByHash", error))?;
        block.map(|block| block.header.inner.mix_hash).ok_or_else(|| ChainError::Inconsistent {
            url: self.name.clone(),
            method: "eth_getBlockByHash",
            reason: format!("no block {hash}"),
        })
    }

    /// Balance in wei of the chain's own currency.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.provider.get_balance(account).await.map_err(|error| self.error("eth_getBalance", error))
    }

    /// keccak256 of the code at an address; `None` if there is no code.
    pub async fn code_hash(&self, account: Address) -> Result<Option<B256>, ChainError> {
        let code = self.provider.get_code_at(account).block_id(BlockId::latest()).await;
        let code = code.map_err(|error| self.error("eth_getCode", error))?;
        Ok((!code.is_empty()).then(|| keccak256(&code)))
    }

    pub(crate) fn error(&self, method: &'static str, error: alloy::transports::TransportError) -> ChainError {
        ChainError::rpc(&self.name, method, error)
    }
}

fn block_ref(block: &Block) -> BlockRef {
    BlockRef {
        number: block.header.inner.number,
        hash: block.header.hash,
        parent_hash: block.header.inner.parent_hash,
        timestamp: block.header.inner.timestamp,
    }
}

fn shown(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}
