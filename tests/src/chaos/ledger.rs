//! What the chain says, block by block, read straight from anvil and forgotten as it is taken back.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::Log,
};
use eyre::{Result, eyre};
use provery_types::{Event, Slot, Source};
use serde_json::{Value, json};

use super::direct::{Direct, quantity};

/// Market and number.
pub(super) type Key = (u64, u64);

/// A transaction of a block.
#[derive(Clone, Debug)]
pub(super) struct Tx {
    pub hash: B256,
    pub from: Address,
    pub to: Option<Address>,
    pub input: Vec<u8>,
}

impl Tx {
    /// Whether it does nothing but to take a nonce.
    pub(super) fn is_empty(&self) -> bool {
        self.to == Some(self.from) && self.input.is_empty()
    }
}

/// A canonical block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Unix seconds.
    pub timestamp: u64,
    pub base_fee: u128,
    pub txs: Vec<Tx>,
    pub events: Vec<Event>,
}

/// How a slot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Proven {
        payee: Address,
        paid: U256,
        missed_by: Option<Address>,
    },
    Expired,
    Cancelled,
    /// With what it built on; what its holder was paid for that.
    Dropped {
        fee: U256,
    },
}

/// A slot, as the canonical chain has it.
#[derive(Clone, Debug)]
pub(super) struct SlotRow {
    pub slot: Slot,
    pub inputs: Vec<U256>,
    pub opened_in: u64,
    /// With the block.
    pub end: Option<(u64, End)>,
    /// Events that paid for it: more than one is one too many.
    pub payments: u64,
    /// Whose proof was paid while what the slot builds on was open; what came of it later is in `end`.
    pub pending: Option<Address>,
}

/// Canonical blocks from the deployment on.
#[derive(Debug)]
pub(super) struct Ledger {
    rpc: Direct,
    sources: BTreeMap<Address, Source>,
    pub blocks: BTreeMap<u64, Block>,
    /// How often a slot's proof was taken back after it was taken in.
    pub unproven: BTreeMap<Key, u64>,
    next: u64,
}

impl Ledger {
    pub(super) fn new(rpc: Direct, sources: BTreeMap<Address, Source>) -> Self {
        Self { rpc, sources, blocks: BTreeMap::new(), unproven: BTreeMap::new(), next: 0 }
    }

    /// Forget what came after block `last`.
    pub(super) fn rewind(&mut self, last: u64) {
        for block in self.blocks.split_off(&(last + 1)).values() {
            for event in &block.events {
                if let Event::SlotProven { market, id, .. } | Event::SlotPending { market, id, .. } = event {
                    *self.unproven.entry((market.saturating_to(), *id)).or_default() += 1;
                }
            }
        }
        self.next = self.next.min(last + 1);
    }

    /// Read up to the head, which nothing may move meanwhile.
    pub(super) async fn read(&mut self) -> Result<u64> {
        let head = self.rpc.number("eth_blockNumber", json!([])).await?;
        let numbers: Vec<u64> = (self.next..=head).collect();
        let asked = numbers.iter().map(|number| json!([format!("{number:#x}"), true])).collect();
        let blocks = self.rpc.batch("eth_getBlockByNumber", asked).await?;
        for (number, block) in numbers.into_iter().zip(blocks) {
            let block = self.block(&block).await?;
            self.blocks.insert(number, block);
            self.next = number + 1;
        }
        Ok(head)
    }

    async fn block(&self, block: &Value) -> Result<Block> {
        let txs = block["transactions"].as_array().ok_or_else(|| eyre!("a block without transactions"))?;
        let txs: Vec<Tx> = txs
            .iter()
            .map(|tx| {
                let input: alloy::primitives::Bytes = serde_json::from_value(tx["input"].clone())?;
                Ok(Tx {
                    hash: serde_json::from_value(tx["hash"].clone())?,
                    from: serde_json::from_value(tx["from"].clone())?,
                    to: serde_json::from_value(tx["to"].clone())?,
                    input: input.to_vec(),
                })
            })
            .collect::<Result<_>>()?;
        let mut events = Vec::new();
        if !txs.is_empty() {
            let logs = self.rpc.call("eth_getLogs", json!([{ "blockHash": block["hash"] }])).await?;
            let logs: Vec<Log> = serde_json::from_value(logs)?;
            for log in logs {
                let Some(source) = self.sources.get(&log.address()) else { continue };
                events.extend(Event::decode(*source, &log.inner.data)?);
            }
        }
        Ok(Block {
            timestamp: quantity(&block["timestamp"])?,
            base_fee: quantity(&block["baseFeePerGas"])?.into(),
            txs,
            events,
        })
    }

    /// Whether an account is one of the contracts: what it "sent" has no signature.
    pub(super) fn is_contract(&self, account: Address) -> bool {
        self.sources.contains_key(&account)
    }

    pub(super) fn head(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Every slot there was, by market and number.
    pub(super) fn slots(&self) -> BTreeMap<Key, SlotRow> {
        let mut slots: BTreeMap<Key, SlotRow> = BTreeMap::new();
        let key = |market: &U256, id: &u64| (market.saturating_to::<u64>(), *id);
        for (number, block) in &self.blocks {
            for event in &block.events {
                match event {
                    Event::SlotOpened { slot, statement_inputs, .. } => {
                        let row = SlotRow {
                            slot: slot.clone(),
                            inputs: statement_inputs.clone(),
                            opened_in: *number,
                            end: None,
                            payments: 0,
                            pending: None,
                        };
                        slots.insert(key(&row.slot.market, &row.slot.id), row);
                    }
                    Event::SlotAssigned { slot } | Event::SlotTransferred { slot, .. } => {
                        if let Some(row) = slots.get_mut(&key(&slot.market, &slot.id)) {
                            row.slot = slot.clone();
                        }
                    }
                    Event::SlotProven { market, id, payee, reward, premium, missed_by } => {
                        if let Some(row) = slots.get_mut(&key(market, id)) {
                            row.payments += 1;
                            let paid = *reward + *premium;
                            let end = End::Proven { payee: *payee, paid, missed_by: *missed_by };
                            row.end = Some((*number, end));
                        }
                    }
                    Event::SlotExpired { market, id, .. } => {
                        if let Some(row) = slots.get_mut(&key(market, id)) {
                            row.end = Some((*number, End::Expired));
                        }
                    }
                    Event::SlotDropped { market, id, fee } => {
                        if let Some(row) = slots.get_mut(&key(market, id)) {
                            row.end = Some((*number, End::Dropped { fee: *fee }));
                        }
                    }
                    Event::SlotPending { market, id, payee, .. } => {
                        if let Some(row) = slots.get_mut(&key(market, id)) {
                            row.pending = Some(*payee);
                        }
                    }
                    Event::SlotResolved { market, id, premium } => {
                        if let Some(row) = slots.get_mut(&key(market, id)) {
                            row.pending = None;
                            if let Some((_, End::Proven { paid, .. })) = &mut row.end {
                                *paid += *premium;
                            }
                        }
                    }
                    Event::SlotCancelled { market, id } => {
                        if let Some(row) = slots.get_mut(&key(market, id)) {
                            row.end = Some((*number, End::Cancelled));
                        }
                    }
                    _ => {}
                }
            }
        }
        slots
    }

    /// Slots of a market that have not ended.
    pub(super) fn open(&self, market: u64) -> Vec<SlotRow> {
        let slots = self.slots().into_iter();
        slots.filter(|((of, _), row)| *of == market && row.end.is_none()).map(|(_, row)| row).collect()
    }

    /// The block in which the newest slot of a market was opened, if that was within the last `blocks` and it has not ended.
    pub(super) fn just_opened(&self, market: u64, blocks: usize) -> Option<u64> {
        for (number, block) in self.blocks.iter().rev().take(blocks) {
            for event in block.events.iter().rev() {
                match event {
                    Event::SlotOpened { slot, .. } if slot.market.saturating_to::<u64>() == market => {
                        return Some(*number);
                    }
                    Event::SlotProven { market: of, .. }
                    | Event::SlotExpired { market: of, .. }
                    | Event::SlotCancelled { market: of, .. }
                    | Event::SlotDropped { market: of, .. }
                        if of.saturating_to::<u64>() == market =>
                    {
                        return None;
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// The newest block with an empty transaction of one of these accounts.
    pub(super) fn last_emptied(&self, of: &[Address]) -> Option<u64> {
        let emptied = |block: &Block| block.txs.iter().any(|tx| tx.is_empty() && of.contains(&tx.from));
        self.blocks.iter().rev().find(|(_, block)| emptied(block)).map(|(number, _)| *number)
    }

    /// The block of the newest epoch's seed.
    pub(super) fn seed_block(&self) -> Option<u64> {
        self.blocks
            .iter()
            .rev()
            .find(|(_, block)| block.events.iter().any(|event| matches!(event, Event::EpochSeeded { .. })))
            .map(|(number, _)| *number)
    }
}
