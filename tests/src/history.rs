//! A chain with a long past, and a node's following of it without the node.

use std::{sync::Arc, time::Duration};

use eyre::{Result, eyre};
use provery_node::{
    book::Book,
    store::{DataDir, Identity, Store},
};
use provery_rpc::{Chain, Follower, FollowerConfig, Rpc, Update};

use crate::{Anvil, Relay, deploy_core};

const POLL: Duration = Duration::from_millis(20);

/// Where EIP-2935 has its contract, which Cancun lacks, and code that answers from BLOCKHASH in its place.
const HISTORY: &str = "0x0000F90827F1C53a10cb7A02335B175320002935";
const RECENT_HASHES: &str = "0x5f35405f5260205ff3";

/// A chain on which a prover says something now and then, behind a relay that counts.
#[derive(Debug)]
pub struct History {
    pub anvil: Anvil,
    pub relay: Relay,
    pub chain: Chain,
    dir: tempfile::TempDir,
}

impl History {
    /// `events` events, one every `apart` blocks.
    pub async fn make(events: u64, apart: u64) -> Result<Self> {
        // Without these anvil copies its state, and on Prague 8,191 slots of history, at every block: half an hour for nothing here.
        let anvil = Anvil::start_with(&["--hardfork", "cancun", "--max-persisted-states", "0"]).await?;
        anvil.request("anvil_setCode", serde_json::json!([HISTORY, RECENT_HASHES])).await?;
        let sender = anvil.sender(0).await?;
        let direct = deploy_core(&sender).await?;
        let account = anvil.request("eth_accounts", serde_json::json!([])).await?[0].clone();
        for at in 0..events {
            let call = match at {
                0 => direct.calls().register("0"),
                at => direct.calls().set_uri(&at.to_string()),
            };
            let transaction = serde_json::json!([{ "from": account, "to": call.to, "data": call.data }]);
            anvil.request("eth_sendTransaction", transaction).await?;
            anvil.mine(apart - 1).await?;
        }
        let relay = Relay::to(anvil.port()).await?;
        let chain = Chain::connect(Rpc::connect(&relay.url()).await?, direct.deployment().clone()).await?;
        Ok(Self { anvil, relay, chain, dir: tempfile::tempdir()? })
    }

    /// As a node that starts: what it stored, and a follower from there. Fails if the store is open already.
    pub fn open(&self) -> Result<(Book, Follower)> {
        let deployment = self.chain.deployment().clone();
        let market = deployment.market();
        let identity = Identity { chain_id: deployment.chain_id, market, prover: market };
        let store = Arc::new(Store::open(DataDir::open(self.dir.path())?, &identity)?);
        let (book, cursor) = Book::open(store, deployment, market, None, Default::default())?;
        Ok((book, Follower::new(self.chain.clone(), cursor, FollowerConfig::new(POLL))))
    }

    /// Take in what comes until the head is reached, or as many updates; how many events there were.
    pub async fn sync(&self, book: &mut Book, follower: &mut Follower, updates: usize) -> Result<usize> {
        let head = self.chain.rpc().head().await?;
        let mut events = 0;
        for _ in 0..updates {
            if book.head().is_some_and(|at| at.number >= head.number) {
                break;
            }
            let blocks = match follower.next().await? {
                Update::Block { block, events } => vec![(block, events)],
                Update::Range(blocks) => blocks,
                other => return Err(eyre!("{other:?}")),
            };
            book.blocks(&blocks, follower.floor())?;
            follower.stored();
            events += blocks.iter().map(|(_, events)| events.len()).sum::<usize>();
        }
        Ok(events)
    }
}
