//! The [`Status`] of a node that does not run, from what it left on disk.

use std::{collections::BTreeMap, path::Path};

use alloy::primitives::{Address, B256};
use provery_txmgr::{DayOutlay, OutboxStatus, Outlay, PendingTransaction};
use provery_types::SlotKey;

use super::status::{ENDED_KEPT, EndedSlot, OpenSlot, Status};
use crate::{
    slots::SlotStage,
    store::{
        StoreError, WorkRecord,
        snapshot::{self, Snapshot},
    },
};

/// Read the directory of a node that does not run. Nothing in it is made or changed.
pub fn status(dir: &Path) -> Result<Status, StoreError> {
    let snapshot = snapshot::read(dir)?;
    let prover = snapshot.identity.prover;
    let mut status = Status::default();
    status.node.prover = prover;
    status.node.key = snapshot.pending.first().map(|pending| pending.account);
    status.node.version = env!("CARGO_PKG_VERSION").to_owned();
    status.chain.chain_id = snapshot.identity.chain_id;
    status.chain.position = snapshot.position.map(|block| block.number);
    let unmined = || snapshot.pending.iter().filter(|pending| pending.mined.is_none());
    let (spent, spent_by_day) = spent(&snapshot);
    status.outbox = OutboxStatus {
        spent,
        spent_by_day,
        pending: unmined().count() as u64,
        oldest_nonce: unmined().map(|pending| pending.nonce).min(),
        ..OutboxStatus::default()
    };
    let work = snapshot.work.iter().map(|(key, record)| (*key, record));
    let ending = |key: SlotKey| snapshot.endings.get(&key).copied();
    (status.slots, status.open, status.ended) = slots(work, prover, ending);
    Ok(status)
}

/// What transactions cost, in all and by day.
fn spent(snapshot: &Snapshot) -> (Outlay, Vec<DayOutlay>) {
    let (mut all, mut days) = (Outlay::default(), BTreeMap::<u64, Outlay>::new());
    let mined = snapshot.pending.iter().filter_map(PendingTransaction::outlay);
    for DayOutlay { day, outlay } in snapshot.outlays.iter().copied().chain(mined) {
        all += outlay;
        *days.entry(day).or_default() += outlay;
    }
    (all, days.into_iter().map(|(day, outlay)| DayOutlay { day, outlay }).collect())
}

/// Stages counted, open slots, and ended ones, newest first.
pub fn slots<'a>(
    work: impl Iterator<Item = (SlotKey, &'a WorkRecord)>,
    prover: Address,
    ending: impl Fn(SlotKey) -> Option<B256>,
) -> (BTreeMap<String, u64>, Vec<OpenSlot>, Vec<EndedSlot>) {
    let mut counts = Status::no_slots();
    let (mut open, mut ended) = (Vec::new(), Vec::new());
    for (key, record) in work {
        let stage = record.work.stage;
        *counts.entry(stage.name().to_owned()).or_default() += 1;
        if stage.ended() {
            ended.push((record.seen_ms, key, stage));
        } else {
            open.push(OpenSlot {
                market: key.market.to_string(),
                slot: key.id,
                stage: stage.name().to_owned(),
                mine: record.slot.prover == prover,
                exclusive_until: record.slot.exclusiveUntil.to::<u64>(),
                attempts: record.work.attempts,
            });
        }
    }
    ended.sort_by_key(|(seen, key, _)| std::cmp::Reverse((*seen, *key)));
    ended.truncate(ENDED_KEPT);
    let ended = ended.into_iter().map(|(_, key, stage)| EndedSlot {
        market: key.market.to_string(),
        slot: key.id,
        stage: stage.name().to_owned(),
        payee: match stage {
            SlotStage::Settled { payee, .. } | SlotStage::Lost { payee } => Some(payee),
            _ => None,
        },
        tx: ending(key),
    });
    (counts, open, ended.collect())
}
