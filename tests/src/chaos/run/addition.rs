//! A rollup and its market that come while nodes run.

use eyre::{Result, ensure};
use serde_json::json;

use super::{
    super::{node::Next, stage::ADDED},
    Run,
};

/// Blocks after which it is created, and again until nodes are told of it.
const AFTER: u64 = 16;
/// Seconds that creating it may take, and each other step.
const PATIENCE_S: u64 = 240;

impl Run {
    /// Create it, have blocks posted there, and only then have those nodes serve it that are told
    /// which markets to serve: what they keep on disk is older than it is.
    pub(super) async fn add_market(&self) -> Result<()> {
        let start = self.log.head();
        let waited = async || Ok(self.log.head() >= start + AFTER);
        self.until(PATIENCE_S, "blocks do not come", waited).await?;
        // What it is created by is sent once: should the chain lose it, nothing would create it again.
        self.miner.lock().await.hold();
        let added = self.stage.add(&self.rpc, self.exclusive).await?;
        let created = {
            let mut miner = self.miner.lock().await;
            miner.settle();
            miner.ledger.head()
        };
        ensure!(self.added.set(added).is_ok(), "a market was added twice");
        let posted = async || {
            let miner = self.miner.lock().await;
            Ok(miner.ledger.head() >= created + AFTER && !miner.ledger.open(ADDED).is_empty())
        };
        self.until(PATIENCE_S, "the market that was added has no slots", posted).await?;
        self.serves_added.cancel();
        // The others find it while they run.
        for node in self.nodes.iter().filter(|node| node.is_told()) {
            node.kill("sigterm", Next::default());
        }
        self.log.injected(MARKET_ADDED, "chain", json!({ "market": ADDED, "created_in": created }));
        Ok(())
    }
}

/// What it is called among faults.
pub(super) const MARKET_ADDED: &str = "market_added";
