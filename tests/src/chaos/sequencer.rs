//! Posts blocks, come what may: whatever the chain says now is what it builds on.

use alloy::primitives::{Address, Bytes, U256};
use eyre::Result;
use provery_rpc::{Call, Chain};
use provery_types::{RollupRecord, Slot, Terms};
use provery_workloads::transfer_rollup::contract;
use serde_json::json;

use super::{dice::Dice, direct::Direct};

/// Bytes in a block of one transfer: a header and a record.
const BLOCK_BYTES: usize = 31 + 124;

/// Posts the blocks of one rollup with an account that anvil signs for, so that anvil also sees to its nonces.
#[derive(Debug)]
pub(super) struct Sequencer {
    chain: Chain,
    rpc: Direct,
    record: RollupRecord,
    terms: Terms,
    from: Address,
}

impl Sequencer {
    pub(super) async fn new(chain: Chain, rpc: Direct, record: RollupRecord, from: Address) -> Result<Self> {
        let terms = chain.terms(record.market).await?;
        Ok(Self { chain, rpc, record, terms, from })
    }

    pub(super) fn terms_market(&self) -> U256 {
        self.record.market
    }

    pub(super) fn market(&self) -> u64 {
        self.record.market.saturating_to()
    }

    /// Post a block of noise. No transfer in it is valid, so it leads from a state to that same state, and the claim is
    /// right whatever came before.
    pub(super) async fn post(&self, dice: &mut Dice) -> Result<()> {
        let state = self.chain.ask(self.record.address, &contract::stateCall {}).await?;
        let data = Bytes::from(dice.bytes(BLOCK_BYTES));
        let root: U256 = state.headRoot;
        let parent = (state.head, root);
        let opening = if self.terms.mechanism == self.chain.deployment().epoch_seeds() {
            self.chain.drawn_opening_data().await.unwrap_or_default()
        } else {
            Bytes::new()
        };
        let call = contract::post_block(parent, data, root, &self.terms, opening);
        self.send(Call::new("post_block", self.record.address, &call)).await
    }

    async fn send(&self, call: Call) -> Result<()> {
        // As much as the fees of a spike; the gas limit is far above what is needed.
        let tx = json!({
            "from": self.from, "to": call.to, "data": call.data, "gas": "0x1e8480",
            "maxFeePerGas": "0xe8d4a51000", "maxPriorityFeePerGas": "0x3b9aca00",
        });
        self.rpc.call("eth_sendTransaction", json!([tx])).await.map(|_| ())
    }

    /// Take a slot back, in the rollup's name: no rollup does that by itself.
    pub(super) async fn cancel(&self, slot: &Slot, inputs: &[U256]) -> Result<()> {
        let rollup = self.record.address;
        self.rpc.call("anvil_impersonateAccount", json!([rollup])).await?;
        self.rpc.call("anvil_setBalance", json!([rollup, "0x56bc75e2d63100000"])).await?;
        let call = self.chain.calls().cancel(slot, &self.terms, inputs);
        let tx = json!({
            "from": rollup, "to": call.to, "data": call.data, "gas": "0x1e8480",
            "maxFeePerGas": "0xe8d4a51000", "maxPriorityFeePerGas": "0x3b9aca00",
        });
        self.rpc.call("eth_sendTransaction", json!([tx])).await.map(|_| ())
    }
}
