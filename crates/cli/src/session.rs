//! What commands do their effects through: a connection, a checked deployment, the key that signs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
};
use eyre::{Report, Result};
use provery_indexer::History;
use provery_rpc::{Call, Calls, Chain, ChainError, Rpc, reason};
use provery_txmgr::{Journal, Mined, Order, SendError, Sender, SenderConfig, Signer};
use provery_types::{BlockRef, Deployment, LoggedEvent};

use crate::{
    amount::Currency,
    config::Settings,
    error::{Code, fail},
    files,
    market_ref::MarketRef,
    signer,
};

/// A contract that this program deployed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deployed {
    pub address: Address,
    pub code_hash: B256,
    pub block: u64,
    pub gas: u64,
}

/// A connection, before there is a deployment.
#[derive(Debug)]
pub(crate) struct Wire {
    pub rpc: Rpc,
    pub sender: Sender,
    signer: Signer,
}

impl Wire {
    /// The key first: a wrong password, or a signer that is away, should not need a chain to be noticed.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self> {
        let signer = signer::ready(settings).await?;
        let rpc = Rpc::connect_all(&settings.rpc_urls).await?;
        let sender = Sender::new(rpc.clone(), signer.clone(), SenderConfig::new(rpc.poll_interval()));
        Ok(Self { rpc, sender, signer })
    }

    /// Write down whatever is sent from now on, and go on with what an earlier run sent.
    pub(crate) fn with_journal(self, journal: Arc<dyn Journal>) -> Result<Self> {
        let sender = journaled(&self.rpc, &self.signer, journal)?;
        Ok(Self { sender, ..self })
    }

    /// Create a contract, with a gas limit or the sender's own; or go on with what was sent under the tag.
    pub(crate) async fn create(&self, tag: &str, code: &Bytes, gas: Option<u64>) -> Result<Deployed> {
        let call = Call { gas, ..Call::deploy(code, &[]) };
        let order = Order { tag: tag.to_owned(), ..Order::new(call) };
        deployed(&self.rpc, &self.sender.deliver(order).await?).await
    }

    /// Transactions of the key so far: the nonce of the next.
    pub(crate) async fn nonce(&self) -> Result<u64> {
        let count = self.rpc.provider().get_transaction_count(self.sender.address()).await;
        count.map_err(|error| silent(&self.rpc, "the number of transactions", &reason(&error)))
    }
}

/// Wei a unit of gas that transactions of the next minutes may cost.
pub(crate) async fn max_fee(rpc: &Rpc) -> Result<u128> {
    rpc.max_fee().await.map_err(|error| silent(rpc, "the price of gas", &error))
}

/// A sender that forgets nothing before its journal is gone.
fn journaled(rpc: &Rpc, signer: &Signer, journal: Arc<dyn Journal>) -> Result<Sender, SendError> {
    let config = SenderConfig { keep: u64::MAX, ..SenderConfig::new(rpc.poll_interval()) };
    Sender::open(rpc.clone(), signer.clone(), config, journal)
}

/// The chain's first block, by which one chain is told from another of the same id.
pub(crate) async fn genesis(rpc: &Rpc) -> Result<B256> {
    let first = rpc.block(0).await?.map(|block| block.hash);
    // Not to be mistaken for a chain that is no more, whose journal is of no use.
    first.ok_or_else(|| silent(rpc, "its first block", &"it has none"))
}

fn silent(rpc: &Rpc, what: &str, error: &dyn std::fmt::Display) -> Report {
    fail(
        Code::RpcUnavailable,
        format!(
            "the RPC at {} did not tell {what} ({error}); run this again, or use another node",
            rpc.name()
        ),
    )
}

pub(crate) async fn deployed(rpc: &Rpc, mined: &Mined) -> Result<Deployed> {
    let address = mined
        .contract
        .ok_or_else(|| fail(Code::Internal, "a deployment's receipt names no contract; run this again"))?;
    let code_hash = code_hash(rpc, address).await?;
    Ok(Deployed { address, code_hash, block: mined.block.number, gas: mined.gas_used })
}

async fn code_hash(rpc: &Rpc, address: Address) -> Result<B256> {
    rpc.code_hash(address).await?.ok_or_else(|| {
        fail(
            Code::Internal,
            format!(
                "{address} has no code right after its deployment; the node may be \
         out of step, run this again"
            ),
        )
    })
}

/// Before each further attempt at what an endpoint that answered before did not answer.
const AGAIN_AFTER: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Ask the chain, and ask again for a while if it does not answer or makes no sense.
pub(crate) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ChainError>
where
    F: Future<Output = Result<T, ChainError>>,
{
    for pause in AGAIN_AFTER {
        match ask().await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "asking again");
                tokio::time::sleep(pause).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// A checked deployment.
#[derive(Debug)]
pub(crate) struct Session {
    pub chain: Chain,
    pub path: PathBuf,
    settings: Settings,
    sender: Option<Sender>,
    signer: Option<Signer>,
}

impl Session {
    pub(crate) async fn open(settings: &Settings, signing: bool) -> Result<Self> {
        // The key first: a wrong password, or a signer that is away, should not need a chain to be noticed.
        let signer = if signing { Some(signer::ready(settings).await?) } else { None };
        let rpc = Rpc::connect_all(&settings.rpc_urls).await?;
        let path = settings.deployment.clone().unwrap_or_else(|| files::default_deployment(rpc.chain_id()));
        let deployment = files::read_deployment(&path)?;
        // It answered a moment ago.
        let chain = patiently(|| Chain::connect(rpc.clone(), deployment.clone())).await?;
        let sender = signer
            .clone()
            .map(|signer| Sender::new(rpc.clone(), signer, SenderConfig::new(rpc.poll_interval())));
        Ok(Self { chain, path, settings: settings.clone(), sender, signer })
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        self.chain.deployment()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn calls(&self) -> Calls {
        self.chain.calls()
    }

    /// What amounts count in.
    pub(crate) fn asset(&self) -> &Currency {
        self.chain.asset()
    }

    /// Base units of the asset, for people.
    pub(crate) fn show(&self, base: U256) -> String {
        self.asset().show(base)
    }

    /// The account that signs; or would, in a command that only reads.
    pub(crate) fn me(&self) -> Result<Address> {
        match &self.sender {
            Some(sender) => Ok(sender.address()),
            None => signer::address_of(&self.settings)?.ok_or_else(|| {
                fail(
                    Code::NoKey,
                    "whose is not clear: give an address, or the key of the account with --keystore",
                )
            }),
        }
    }

    /// The given account, or the one that signs.
    pub(crate) fn account(&self, given: Option<Address>) -> Result<Address> {
        given.map_or_else(|| self.me(), Ok)
    }

    /// The market that is meant.
    pub(crate) fn market(&self, market: &MarketRef) -> Result<U256> {
        market.id(self.deployment())
    }

    /// The given market, or that of the deployment's only rollup.
    pub(crate) fn market_or_only(&self, given: Option<&MarketRef>) -> Result<U256> {
        MarketRef::or_only(given, self.deployment())
    }

    pub(crate) fn sender(&self) -> Result<&Sender> {
        self.sender
            .as_ref()
            .ok_or_else(|| fail(Code::NoKey, "this command was given no key; pass --keystore FILE"))
    }

    /// What signs, for signatures that are no transactions.
    pub(crate) fn signer(&self) -> Result<&Signer> {
        self.signer
            .as_ref()
            .ok_or_else(|| fail(Code::NoKey, "this command was given no key; pass --keystore FILE"))
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Mined> {
        Ok(self.sender()?.send(call).await?)
    }

    /// Write down whatever is sent from now on, and go on with what an earlier run sent.
    pub(crate) fn with_journal(self, journal: Arc<dyn Journal>) -> Result<Self> {
        let sender = journaled(self.chain.rpc(), self.signer()?, journal)?;
        Ok(Self { sender: Some(sender), ..self })
    }

    /// Send a call, or go on with what was sent under the tag.
    pub(crate) async fn send_once(&self, tag: &str, call: Call) -> Result<Mined> {
        Ok(self.sender()?.deliver(Order { tag: tag.to_owned(), ..Order::new(call) }).await?)
    }

    /// Create a contract, or go on with what was sent under the tag.
    pub(crate) async fn deploy_once(&self, tag: &str, bytecode: &[u8], args: &[u8]) -> Result<Deployed> {
        let mined = self.send_once(tag, Call::deploy(bytecode, args)).await?;
        deployed(self.chain.rpc(), &mined).await
    }

    pub(crate) async fn head(&self) -> Result<BlockRef> {
        Ok(self.chain.rpc().head().await?)
    }

    /// Everything the deployment's contracts ever said.
    pub(crate) async fn events(&self) -> Result<Vec<LoggedEvent>> {
        let head = self.head().await?;
        // The chain may be replaced under the request; then its logs are read once more.
        match provery_rpc::history(&self.chain, 0, head.number).await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "reading the logs again");
                let head = self.head().await?;
                Ok(provery_rpc::history(&self.chain, 0, head.number).await?)
            }
            events => Ok(events?),
        }
    }

    pub(crate) async fn history(&self) -> Result<History> {
        Ok(History::replay(&self.events().await?))
    }

    /// A prover's allocations that are not 0, market by market.
    pub(crate) async fn allocations(&self, prover: Address) -> Result<Vec<(U256, u64)>> {
        let history = self.history().await?;
        let known = history.provers.get(&prover).map(|prover| prover.stakes.clone()).unwrap_or_default();
        let units = known.into_iter().map(|(market, allocation)| (market, allocation.units));
        Ok(units.filter(|(_, units)| *units > 0).collect())
    }
}
