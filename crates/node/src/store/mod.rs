//! What survives a restart: a redb file in the data directory.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | schema version; which chain, market and prover the file is about; how far the past is known ([`Past`]); how far numbers were told as of the last compaction ([`Line`]); which logs that several markets read are shown to which ([`Shown`]) |
//! | `blocks` | number | [`BlockRef`] of the last [`KEEP_BLOCKS`] canonical blocks, and below them of one in [`SPARSE_BLOCKS`] that is not final: the cursor |
//! | `events` | block number, log index | [`LoggedEvent`]; folding them in order gives the facts |
//! | `snapshots` | rollup | what its workload made of what it does not keep: where folding starts ([`provery_workloads::Tracked::snapshot`]) |
//! | `work` | market, slot | [`WorkRecord`] |
//! | `proofs` | market, slot | [`StoredProof`] |
//! | `spent` | key's address, day | [`provery_txmgr::Outlay`]: what transactions cost whose pending transactions are forgotten |
//! | `pending` | key's address, nonce | [`provery_txmgr::PendingTransaction`]: what was signed, before it is broadcast |
//!
//! A block's events, the work they lead to and the cursor are one transaction, so the cursor cannot be ahead of the work.
//! A reorg deletes the blocks and events it took back, again in one transaction with the work it leads to.
//! Every write is a crash point ([`crash`]), so that tests can kill the node on either side of it.

pub mod crash;
mod error;
mod lock;
mod pending;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::path::Path;

use alloy::primitives::{Address, B256, Bytes, U256};
use provery_types::{BlockRef, LoggedEvent, Slot, SlotKey};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use error::StoreError;
pub use lock::DataDir;
pub use pending::PendingTable;

use crate::{
    facts::{Counted, Line, Shown},
    slots::Work,
};
use crash::{CrashPoint, point};

/// Raised with every change of what is stored. A file of another version is refused: those before knew one workload only.
pub const SCHEMA: u32 = 4;
/// Blocks that are all kept behind the head, whether final or not.
pub const KEEP_BLOCKS: u64 = 256;
/// Below them one in so many is kept for as long as a reorg may reach it.
pub const SPARSE_BLOCKS: u64 = 32;
/// Memory for pages of the file, in bytes. redb's own default, a gibibyte, would keep every page that was ever read or
/// written; reads are few, and the system has the pages as well.
const CACHE_BYTES: usize = 1 << 20;

type RowKey = ([u8; 32], u64);

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks");
const EVENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("events");
const SNAPSHOTS: TableDefinition<[u8; 20], &[u8]> = TableDefinition::new("snapshots");
const WORK: TableDefinition<RowKey, &[u8]> = TableDefinition::new("work");
const PROOFS: TableDefinition<RowKey, &[u8]> = TableDefinition::new("proofs");
/// In `meta`: the hashes of what was signed to pause or resume the prover, the last of them.
const OWN_TURNS: &str = "own_turns";
/// How many of these are kept: more than are ever signed for a pause in a row.
const OWN_TURNS_KEPT: usize = 256;
/// In `meta`.
const PASTS: &str = "pasts";
/// In `meta`: which logs of contracts that several markets read are shown to which.
const SHOWN: &str = "shown";
/// In `meta`: how far slots and blocks were told without a gap, as of where folding starts.
const TOLD: &str = "told";

/// What a file is about. A file about something else is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As EIP-155 numbers chains.
    pub chain_id: u64,
    /// The market contract's address.
    pub market: Address,
    /// Whom the proofs pay.
    pub prover: Address,
}

/// A slot's work and what it was about when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkRecord {
    /// The stage it was in, and how often a proof had failed.
    pub work: Work,
    /// As the market had it.
    pub slot: Slot,
    /// Unix milliseconds at which this node first saw the slot.
    pub seen_ms: u64,
}

/// A finished proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredProof {
    /// What it proves: it is good for any slot with this statement, and this payee.
    pub statement: B256,
    /// Whom the proof pays: it is one of its inputs.
    pub payee: Address,
    /// The head when it was made: for as long as a reorg could reach back there, it is kept even if no slot wants it.
    #[serde(default)]
    pub made_at: u64,
    /// In the verifier's order.
    pub public_inputs: Vec<U256>,
    /// As the verifier reads it.
    pub proof: Bytes,
}

/// What is known of a market's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The market's id.
    pub market: U256,
    /// The rollup that posts in it: one that comes later has a past of its own.
    pub rollup: Option<Address>,
    /// The block from which on it is still to be read; nothing if all of it is known.
    pub next: Option<u64>,
}

/// Changes that belong to one transaction.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// To be stored, in the place of what was stored of these slots.
    pub work: Vec<(SlotKey, WorkRecord)>,
    /// Slots whose work is deleted.
    pub forget: Vec<SlotKey>,
    /// Slots whose proofs are deleted.
    pub drop_proofs: Vec<SlotKey>,
}

impl Changes {
    /// The crash points of a write of these: what it is apart from work (nothing if empty), and the stages entered.
    fn points(&self, what: &str) -> Vec<String> {
        let stages = self.work.iter().map(|(_, record)| format!("work:{}", record.work.stage.name()));
        Some(what.to_owned()).filter(|what| !what.is_empty()).into_iter().chain(stages).collect()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.work.is_empty() && self.forget.is_empty() && self.drop_proofs.is_empty()
    }
}

/// Everything but the proofs, as it is needed at the start.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Oldest first.
    pub blocks: Vec<BlockRef>,
    /// In order.
    pub events: Vec<LoggedEvent>,
    /// Of what was said of rollups, by their addresses.
    pub snapshots: Vec<(Address, Vec<u8>)>,
    /// Of every slot that is not forgotten.
    pub work: Vec<(SlotKey, WorkRecord)>,
    /// Transactions by which this node paused or resumed its prover, oldest first.
    pub own_turns: Vec<B256>,
    /// How far numbers were told where folding starts.
    pub told: Vec<(Counted, Line)>,
    /// What is shown to the workloads of rollups that share contracts, by the rollups' addresses.
    pub shown: Vec<(Address, Shown)>,
}

/// Where folding starts, but for the events that are kept.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Of what was said of rollups, by their addresses.
    pub snapshots: Vec<(Address, Vec<u8>)>,
    /// How far numbers were told.
    pub told: Vec<(Counted, Line)>,
    /// What is shown to the workloads of rollups that share contracts, by the rollups' addresses.
    pub shown: Vec<(Address, Shown)>,
}

/// The open file. Dropping it gives the data directory back.
#[derive(Debug)]
pub struct Store {
    database: Database,
    crash: CrashPoint,
    // Dropped after the database.
    _directory: DataDir,
}

impl Store {
    /// Open the file in `directory`, or begin one.
    pub fn open(directory: DataDir, identity: &Identity) -> Result<Self, StoreError> {
        let path = directory.path().join("node.redb");
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&path)
            .map_err(|error| StoreError::Open { path, reason: error.to_string() })?;
        let store = Self { database, crash: CrashPoint::from_env(), _directory: directory };
        store.begin(identity)?;
        Ok(store)
    }

    fn begin(&self, identity: &Identity) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            match get::<u32>(&meta, "schema")? {
                None => {
                    meta.insert("schema", encode(&SCHEMA)?.as_slice())?;
                    meta.insert("identity", encode(identity)?.as_slice())?;
                }
                Some(found) if found != SCHEMA => return Err(self.refuse_schema(found)),
                Some(_) => {
                    let found = get::<Identity>(&meta, "identity")?;
                    if found.as_ref() != Some(identity) {
                        return Err(StoreError::Foreign { path: self.path().to_owned() });
                    }
                }
            }
            transaction.open_table(BLOCKS)?;
            transaction.open_table(EVENTS)?;
            transaction.open_table(SNAPSHOTS)?;
            transaction.open_table(WORK)?;
            transaction.open_table(PROOFS)?;
            transaction.open_table(pending::PENDING)?;
            transaction.open_table(pending::SPENT)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// One durable write, with its crash points on either side.
    fn write(
        &self,
        points: &[String],
        fill: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.crash.before(points);
        let transaction = self.database.begin_write()?;
        fill(&transaction)?;
        transaction.commit()?;
        self.crash.after(points);
        Ok(())
    }

    fn refuse_schema(&self, found: u32) -> StoreError {
        StoreError::Schema { path: self.path().to_owned(), found, expected: SCHEMA }
    }

    fn path(&self) -> &Path {
        self._directory.path()
    }

    /// Read everything but the proofs.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let transaction = self.database.begin_read()?;
        let mut loaded = Loaded::default();
        for row in transaction.open_table(BLOCKS)?.iter()? {
            loaded.blocks.push(decode(row?.1.value())?);
        }
        for row in transaction.open_table(EVENTS)?.iter()? {
            loaded.events.push(decode(row?.1.value())?);
        }
        for row in transaction.open_table(SNAPSHOTS)?.iter()? {
            let (rollup, snapshot) = row?;
            loaded.snapshots.push((Address::from(rollup.value()), snapshot.value().to_vec()));
        }
        for row in transaction.open_table(WORK)?.iter()? {
            let (key, record) = row?;
            loaded.work.push((key_at(key.value()), decode(record.value())?));
        }
        loaded.own_turns = self.own_turns()?;
        loaded.told = self.told()?;
        let meta = transaction.open_table(META)?;
        loaded.shown = meta.get(SHOWN)?.map(|row| decode(row.value())).transpose()?.unwrap_or_default();
        Ok(loaded)
    }

    /// Store blocks: their events, the work they lead to, and the cursor. No reorg reaches below block `floor`.
    pub fn commit_blocks(
        &self,
        blocks: &[(BlockRef, Vec<LoggedEvent>)],
        floor: u64,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let Some((last, _)) = blocks.last() else { return self.commit_work(changes) };
        self.write(&changes.points(point::BLOCK), |transaction| {
            let mut cursor = transaction.open_table(BLOCKS)?;
            let mut table = transaction.open_table(EVENTS)?;
            for (block, events) in blocks {
                cursor.insert(block.number, encode(block)?.as_slice())?;
                for event in events {
                    table.insert((event.block.number, event.log_index), encode(event)?.as_slice())?;
                }
            }
            cursor.retain_in(..floor, |_, _| false)?;
            let recent = last.number.saturating_sub(KEEP_BLOCKS);
            if floor < recent {
                cursor.retain_in(floor.saturating_add(1)..recent, |number, _| {
                    number.is_multiple_of(SPARSE_BLOCKS)
                })?;
            }
            apply(transaction, changes)
        })
    }

    /// Take back all blocks after `to`.
    pub fn roll_back(&self, to: u64, changes: &Changes) -> Result<(), StoreError> {
        self.write(&changes.points(point::REORG), |transaction| {
            transaction.open_table(BLOCKS)?.retain_in(to.saturating_add(1).., |_, _| false)?;
            transaction.open_table(EVENTS)?.retain_in((to.saturating_add(1), 0).., |_, _| false)?;
            apply(transaction, changes)
        })
    }

    /// What is known of the past of the markets that are kept.
    pub fn pasts(&self) -> Result<Vec<Past>, StoreError> {
        let transaction = self.database.begin_read()?;
        let row = transaction.open_table(META)?.get(PASTS)?;
        row.map_or_else(|| Ok(Vec::new()), |row| decode(row.value()))
    }

    /// Note what is shown to whom.
    pub fn set_shown(&self, shown: &[(Address, Shown)]) -> Result<(), StoreError> {
        self.write(&[], |transaction| {
            transaction.open_table(META)?.insert(SHOWN, encode(&shown)?.as_slice())?;
            Ok(())
        })
    }

    /// Note what is known of the past.
    pub fn set_pasts(&self, pasts: &[Past]) -> Result<(), StoreError> {
        self.commit_past(&[], pasts)
    }

    /// Note what is known of the past, and what is shown to whom; and forget where folding starts for all rollups but those of which
    /// something was kept all along.
    pub fn begin_pasts(
        &self,
        pasts: &[Past],
        kept_on: &[Address],
        shown: &[(Address, Shown)],
    ) -> Result<(), StoreError> {
        self.write(&[], |transaction| {
            let is_kept = |rollup: [u8; 20], _: &[u8]| kept_on.contains(&Address::from(rollup));
            transaction.open_table(SNAPSHOTS)?.retain(is_kept)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert(PASTS, encode(&pasts)?.as_slice())?;
            meta.insert(SHOWN, encode(&shown)?.as_slice())?;
            Ok(())
        })
    }

    /// Store events of the past, and how far it is known now.
    pub fn commit_past(&self, events: &[LoggedEvent], pasts: &[Past]) -> Result<(), StoreError> {
        self.write(&[], |transaction| {
            let mut table = transaction.open_table(EVENTS)?;
            for event in events {
                table.insert((event.block.number, event.log_index), encode(event)?.as_slice())?;
            }
            transaction.open_table(META)?.insert(PASTS, encode(&pasts)?.as_slice())?;
            Ok(())
        })
    }

    /// How far numbers were told where folding starts.
    pub fn told(&self) -> Result<Vec<(Counted, Line)>, StoreError> {
        let transaction = self.database.begin_read()?;
        let row = transaction.open_table(META)?.get(TOLD)?;
        row.map_or_else(|| Ok(Vec::new()), |row| decode(row.value()))
    }

    /// Store work alone.
    pub fn commit_work(&self, changes: &Changes) -> Result<(), StoreError> {
        self.write(&changes.points(""), |transaction| apply(transaction, changes))
    }

    /// Store a finished proof together with the work that it completes.
    pub fn commit_proof(
        &self,
        key: SlotKey,
        proof: &StoredProof,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        self.write(&changes.points(point::PROOF), |transaction| {
            transaction.open_table(PROOFS)?.insert(row_key(key), encode(proof)?.as_slice())?;
            apply(transaction, changes)
        })
    }

    /// The stored proof of a slot.
    pub fn proof(&self, key: SlotKey) -> Result<Option<StoredProof>, StoreError> {
        let transaction = self.database.begin_read()?;
        let row = transaction.open_table(PROOFS)?.get(row_key(key))?;
        row.map(|row| decode(row.value())).transpose()
    }

    /// Delete what pruning made obsolete and store the workloads' new snapshots, how far numbers were told as of block `deep`, and
    /// what is shown to whom from there on. Nothing takes back that block or one before it.
    pub fn compact(
        &self,
        deep: u64,
        obsolete: &[(u64, u64)],
        start: &Start,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        self.write(&changes.points(point::COMPACT), |transaction| {
            let mut events = transaction.open_table(EVENTS)?;
            for position in obsolete {
                events.remove(*position)?;
            }
            let mut table = transaction.open_table(SNAPSHOTS)?;
            for (rollup, snapshot) in &start.snapshots {
                table.insert(rollup.into_array(), snapshot.as_slice())?;
            }
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert(TOLD, encode(&start.told)?.as_slice())?;
                meta.insert(SHOWN, encode(&start.shown)?.as_slice())?;
            }
            apply(transaction, changes)?;
            // Proofs of slots that a reorg took back for good: one that did so just now may be about to bring them again.
            let work = transaction.open_table(WORK)?;
            let mut proofs = transaction.open_table(PROOFS)?;
            let mut unowned = Vec::new();
            for row in proofs.iter()? {
                let (key, proof) = row?;
                if work.get(key.value())?.is_none() && decode::<StoredProof>(proof.value())?.made_at <= deep {
                    unowned.push(key.value());
                }
            }
            for key in unowned {
                proofs.remove(key)?;
            }
            Ok(())
        })
    }

    /// Transactions by which this node paused or resumed its prover, oldest first: known before they are first sent.
    pub fn own_turns(&self) -> Result<Vec<B256>, StoreError> {
        let transaction = self.database.begin_read()?;
        let row = transaction.open_table(META)?.get(OWN_TURNS)?;
        Ok(row.map(|row| decode(row.value())).transpose()?.unwrap_or_default())
    }

    /// Events up to and including block `to`, in order.
    pub fn events_until(&self, to: u64) -> Result<Vec<LoggedEvent>, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(EVENTS)?;
        table.range(..(to.saturating_add(1), 0))?.map(|row| decode(row?.1.value())).collect()
    }
}

fn apply(transaction: &WriteTransaction, changes: &Changes) -> Result<(), StoreError> {
    let mut work = transaction.open_table(WORK)?;
    let mut proofs = transaction.open_table(PROOFS)?;
    for (key, record) in &changes.work {
        work.insert(row_key(*key), encode(record)?.as_slice())?;
    }
    for key in &changes.forget {
        work.remove(row_key(*key))?;
    }
    for key in &changes.drop_proofs {
        proofs.remove(row_key(*key))?;
    }
    Ok(())
}

fn get<T: DeserializeOwned>(meta: &Table<'_, &str, &[u8]>, name: &str) -> Result<Option<T>, StoreError> {
    meta.get(name)?.map(|value| decode(value.value())).transpose()
}

fn row_key(key: SlotKey) -> RowKey {
    (key.market.to_be_bytes(), key.id)
}

fn key_at((market, id): RowKey) -> SlotKey {
    SlotKey { market: U256::from_be_bytes(market), id }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(StoreError::Encode)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(StoreError::Decode)
}
