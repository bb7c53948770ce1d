//! Makes the blocks: a steady beat, a base fee that behaves as on a busy chain, reorganisations.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::{Address, B256};
use eyre::Result;
use serde_json::{Value, json};

use super::{
    dice::Dice,
    direct::Direct,
    ledger::{Key, Ledger, SlotRow},
    log::EventLog,
};

/// Wei. A spike multiplies it by ten. The tips that anvil suggests are a gwei: on some runs' chains next to nothing.
pub(super) const BASE_FEES: [u128; 3] = [1_000_000_000, 20_000_000_000, 60_000_000_000];
/// Blocks in which a spike climbs, and stays.
const CLIMB: usize = 5;
const STAY: usize = 6;
/// What a jump multiplies it by: twice the base fee is what senders offer.
const JUMP: u128 = 4;
/// No base fee falls faster than by an eighth a block.
const FALL: (u128, u128) = (7, 8);

/// The one that moves the chain. Whoever holds it sees a chain that stands still.
#[derive(Debug)]
pub(super) struct Miner {
    pub rpc: Direct,
    pub ledger: Ledger,
    log: EventLog,
    /// The base fee while nothing happens.
    calm: u128,
    fee: u128,
    /// No reorganisation takes this block back.
    settled: u64,
    /// What comes next, last first.
    fees: Vec<u128>,
}

/// What a reorganisation did.
#[derive(Debug)]
pub(super) struct Reorganised {
    pub depth: u64,
    pub dropped: usize,
    pub put_back: usize,
    /// Whose empty transactions, which end a nonce that is of no use, were in blocks that were replaced.
    pub emptied: Vec<Address>,
    /// Slots as they were before it that it touched: opened or ended in a block that was replaced.
    pub touched: Vec<(Key, SlotRow)>,
}

impl Miner {
    pub(super) fn new(rpc: Direct, ledger: Ledger, log: EventLog) -> Self {
        Self { rpc, ledger, log, calm: BASE_FEES[0], fee: BASE_FEES[0], settled: 0, fees: Vec::new() }
    }

    /// The block that no reorganisation takes back.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// From the next block on the base fee is this while nothing happens.
    pub(super) fn set_calm(&mut self, wei: u128) {
        (self.calm, self.fee) = (wei, wei);
    }

    /// Take no block back until [`Self::settle`] is called.
    pub(super) fn hold(&mut self) {
        self.settled = u64::MAX;
    }

    /// What there is stays.
    pub(super) fn settle(&mut self) {
        self.settled = self.ledger.head();
    }

    /// The next block.
    pub(super) async fn mine(&mut self) -> Result<()> {
        self.fee = self.fees.pop().unwrap_or((self.fee * FALL.0 / FALL.1).max(self.calm));
        self.rpc.call("anvil_setNextBlockBaseFeePerGas", json!([format!("{:#x}", self.fee)])).await?;
        self.rpc.call("anvil_mine", json!(["0x1"])).await?;
        self.absorb().await
    }

    async fn absorb(&mut self) -> Result<()> {
        let head = self.ledger.read().await?;
        self.log.set_head(head);
        Ok(())
    }

    /// The base fee times ten within five blocks.
    pub(super) fn spike(&mut self) {
        let top = self.fee * 10;
        let step = |i: usize| self.fee + (top - self.fee) * i as u128 / CLIMB as u128;
        self.fees = std::iter::repeat_n(top, STAY).chain((1..=CLIMB).rev().map(step)).collect();
    }

    /// A base fee that at once is above what was offered when it was low, and soon falls again.
    pub(super) fn jump(&mut self) {
        self.fees = vec![JUMP * self.fee; STAY];
    }

    pub(super) fn spiking(&self) -> bool {
        !self.fees.is_empty() || self.fee > 2 * self.calm
    }

    /// Move the chain's clock forward.
    pub(super) async fn skew(&self, seconds: u64) -> Result<()> {
        self.rpc.call("evm_increaseTime", json!([seconds])).await.map(|_| ())
    }

    /// Replace the last `depth` blocks. With `put_back`, their transactions come again in other blocks, each sender's in
    /// order; without it they are gone, as far as the chain is concerned.
    pub(super) async fn reorg(&mut self, depth: u64, put_back: bool, dice: &mut Dice) -> Result<Reorganised> {
        let head = self.ledger.head();
        let depth = depth.min(head.saturating_sub(self.settled));
        if depth == 0 {
            return Ok(Reorganised {
                depth,
                dropped: 0,
                put_back: 0,
                emptied: Vec::new(),
                touched: Vec::new(),
            });
        }
        let fork = head - depth;
        let before = self.ledger.blocks.get(&head).map_or(0, |block| block.timestamp);
        let touched = self
            .ledger
            .slots()
            .into_iter()
            .filter(|(_, row)| {
                row.opened_in > fork || row.end.as_ref().is_some_and(|(block, _)| *block > fork)
            })
            .collect();
        let dropped: Vec<(B256, Address)> = self
            .ledger
            .blocks
            .range(fork + 1..)
            .flat_map(|(_, block)| block.txs.iter().map(|tx| (tx.hash, tx.from)))
            .collect();
        let replaced = self.ledger.blocks.range(fork + 1..).flat_map(|(_, block)| &block.txs);
        let emptied = replaced.filter(|tx| tx.is_empty()).map(|tx| tx.from).collect();
        let pairs = if put_back { self.pairs(&dropped, depth, dice).await? } else { Vec::new() };
        let count = pairs.len();
        self.rpc.call("anvil_reorg", json!([depth, pairs])).await?;
        self.ledger.rewind(fork);
        self.absorb().await?;
        // anvil's clock goes back to the fork's block and stays behind; a real chain's does not.
        let after = self.ledger.blocks.last_key_value().map_or(before, |(_, block)| block.timestamp);
        self.skew(before.saturating_sub(after)).await?;
        Ok(Reorganised { depth, dropped: dropped.len(), put_back: count, emptied, touched })
    }

    /// Transactions with the offsets of the blocks in which they come again.
    async fn pairs(&self, dropped: &[(B256, Address)], depth: u64, dice: &mut Dice) -> Result<Vec<Value>> {
        let mut earliest: BTreeMap<Address, u64> = BTreeMap::new();
        let mut pairs: Vec<(u64, Value)> = Vec::new();
        for (hash, from) in dropped.iter().filter(|(_, from)| !self.ledger.is_contract(*from)) {
            let raw = self.rpc.call("eth_getRawTransactionByHash", json!([hash])).await?;
            let offset = dice.between(*earliest.get(from).unwrap_or(&0), depth - 1);
            earliest.insert(*from, offset);
            pairs.push((offset, json!([raw, offset])));
        }
        // Of transactions in one block, the order of the list counts.
        pairs.sort_by_key(|(offset, _)| *offset);
        Ok(pairs.into_iter().map(|(_, pair)| pair).collect())
    }

    /// Transactions of `account` that are mined.
    pub(super) async fn count(&self, account: Address, tag: &str) -> Result<u64> {
        self.rpc.number("eth_getTransactionCount", json!([account, tag])).await
    }
}

/// Mine a block each `every` until the run is over. Errors end it: without a chain there is no run.
pub(super) async fn beat(
    miner: std::sync::Arc<tokio::sync::Mutex<Miner>>,
    every: tokio::sync::watch::Receiver<Duration>,
) -> Result<()> {
    loop {
        let pause = *every.borrow();
        tokio::time::sleep(pause).await;
        miner.lock().await.mine().await?;
    }
}
