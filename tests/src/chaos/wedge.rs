//! Nonces that nothing moves on: how many blocks until a node heals them.
//!
//! A node's nonce is wedged while it has sent transactions for it (the pool took at least one) and none of them can be
//! mined as things are: a reorganisation dropped them, or their fees are below the base fee. Blocks count from the last
//! thing that kept the node from acting: not running, stopped, an outage, a fault that a sending met, the reorganisation
//! itself, a base fee that rises.

use alloy::primitives::B256;
use eyre::Result;
use serde_json::json;

use super::{
    log::{EventLog, now_ms},
    miner::Miner,
    node::Node,
    pool::Pool,
};

#[derive(Debug, Default)]
struct Row {
    nonce: u64,
    /// The block from which on nothing hindered the node.
    since: Option<u64>,
}

/// What became of wedges.
#[derive(Debug, Default)]
pub(super) struct Wedges {
    rows: Vec<Row>,
    /// Blocks that each took, of those that were healed.
    pub healed: Vec<u64>,
    looked_ms: u64,
    base_fee: u128,
}

impl Wedges {
    /// Look at every node, the chain standing still. `hindered` says which nodes were kept from acting since the last look.
    pub(super) async fn look(
        &mut self,
        miner: &Miner,
        nodes: &[std::sync::Arc<Node>],
        pool: &Pool,
        log: &EventLog,
        reorganised: bool,
    ) -> Result<()> {
        let head = miner.ledger.head();
        let base_fee = miner.ledger.blocks.get(&head).map_or(0, |block| block.base_fee);
        let rising = base_fee > self.base_fee;
        self.base_fee = base_fee;
        self.rows.resize_with(nodes.len(), Row::default);
        for (row, node) in self.rows.iter_mut().zip(nodes) {
            let nonce = miner.count(node.prover.address, "latest").await?;
            let sent = pool.of_nonce(node.prover.address, nonce);
            let mut alive = sent.is_empty();
            for tx in sent.iter().filter(|tx| tx.max_fee >= base_fee) {
                let found = miner.rpc.call("eth_getTransactionByHash", json!([tx.hash as B256])).await?;
                alive |= !found.is_null();
            }
            if nonce > row.nonce || alive {
                if let Some(since) = row.since.take() {
                    let blocks = head.saturating_sub(since);
                    self.healed.push(blocks);
                    log.note("healed", node.name(), json!({ "nonce": row.nonce, "blocks": blocks }));
                }
                row.nonce = nonce;
                continue;
            }
            // A reorganisation may take nonces back.
            row.nonce = nonce;
            let hindered = reorganised
                || rising
                || !node.up_for(2_000)
                || node.proxies.iter().any(|proxy| proxy.hindered_until() >= self.looked_ms)
                || node.hindered();
            if hindered || row.since.is_none() {
                row.since = Some(head);
            }
        }
        self.looked_ms = now_ms();
        Ok(())
    }

    /// Of the wedges that were healed.
    pub(super) fn longest(&self) -> u64 {
        self.healed.iter().copied().max().unwrap_or(0)
    }
}
