//! Markets that came to be kept after the data directory was made: what was said of them before is read, and only when all of
//! it is at hand is any of it believed. A block that is not known is a slot that cannot be proven, so nothing is known of such
//! a market until then.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};
use provery_types::{BlockRef, Deployment, Event, LoggedEvent, RollupRecord};
use provery_workloads::Workloads;

use super::{Book, Moved};
use crate::{
    error::NodeError,
    facts::{Shown, any_market, is_turn_of, names_none},
    store::{Changes, Loaded, Past, Store, StoreError},
};

/// A market that is to be kept: the rollup that posts in it, if one is known, and the block in which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    market: U256,
    rollup: Option<Address>,
    block: u64,
}

/// The markets to keep. What is refused is not among them: nothing is read of it, so once it is served its past is still to be read,
/// even if it was served before.
pub(super) fn wanted(
    deployment: &Deployment,
    markets: Option<&[U256]>,
    workloads: &Workloads,
) -> Vec<Wanted> {
    let is_kept = |record: &&RollupRecord| {
        markets.is_none_or(|markets| markets.contains(&record.market))
            && workloads.track(deployment.chain_id, record).is_ok()
    };
    let rollups = deployment.rollups.iter().filter(is_kept);
    let of_rollups = rollups.map(|record| Wanted {
        market: record.market,
        rollup: Some(record.address),
        // Its market is older than it, and its allocations may be.
        block: deployment.block,
    });
    let mut wanted: Vec<Wanted> = of_rollups.collect();
    for market in markets.unwrap_or_default() {
        if wanted.iter().all(|it| it.market != *market) {
            wanted.push(Wanted { market: *market, rollup: None, block: deployment.block });
        }
    }
    wanted
}

/// What is known of them, by what is on disk: of a market that comes later the past is still to be read.
fn at_start(wanted: &[Wanted], stored: &[Past], head: Option<BlockRef>) -> Vec<Past> {
    let past = |it: &Wanted| {
        let same = |known: &&Past| (known.market, known.rollup) == (it.market, it.rollup);
        let next = match stored.iter().find(same) {
            _ if head.is_none() => None,
            Some(known) => known.next,
            None => Some(it.block),
        };
        Past { market: it.market, rollup: it.rollup, next }
    };
    wanted.iter().map(past).collect()
}

/// The rollups of these of which something was kept all along. Where folding starts for any other is of no use: all that was said
/// of it is read anew, and would be folded twice.
fn kept_on(past: &[Past], stored: &[Past]) -> Vec<Address> {
    let was_kept = |it: &&Past| stored.iter().any(|was| (was.market, was.rollup) == (it.market, it.rollup));
    past.iter().filter(was_kept).filter_map(|it| it.rollup).collect()
}

/// What is known of these markets, noted on disk. `loaded` is what is there, as of which it holds from now on.
pub(super) fn begin(
    store: &Store,
    deployment: &Deployment,
    wanted: &[Wanted],
    stored: &[Past],
    loaded: &mut Loaded,
) -> Result<Vec<Past>, StoreError> {
    let past = at_start(wanted, stored, loaded.blocks.last().copied());
    let kept_on = kept_on(&past, stored);
    let begins = past.iter().filter_map(|it| it.rollup).filter(|rollup| !kept_on.contains(rollup));
    let read: BTreeSet<Address> = begins.flat_map(|rollup| contracts(deployment, rollup)).collect();
    // Of one whose own past is still being read all is to be shown.
    let complete = past.iter().filter(|it| it.next.is_none()).filter_map(|it| it.rollup);
    loaded.shown = complete
        .filter(|rollup| kept_on.contains(rollup))
        .filter_map(|rollup| Some((rollup, shown(deployment, rollup, &read, loaded)?)))
        .collect();
    loaded.snapshots.retain(|(rollup, _)| kept_on.contains(rollup));
    store.begin_pasts(&past, &kept_on, &loaded.shown)?;
    Ok(past)
}

/// The contracts whose logs a rollup's workload may read.
fn contracts(deployment: &Deployment, rollup: Address) -> Vec<Address> {
    let record = deployment.rollups.iter().find(|record| record.address == rollup);
    record.map(|record| [&[rollup][..], &record.sources].concat()).unwrap_or_default()
}

/// What is shown to the workload of a rollup, if not all is: of contracts that are `read` from the beginning now, for others, no more
/// than what was on disk before.
fn shown(
    deployment: &Deployment,
    rollup: Address,
    read: &BTreeSet<Address>,
    loaded: &Loaded,
) -> Option<Shown> {
    let before = loaded.shown.iter().find(|(it, _)| *it == rollup).map(|(_, shown)| shown);
    let own = contracts(deployment, rollup);
    let head = loaded.blocks.last().filter(|_| own.iter().any(|address| read.contains(address)));
    let Some(head) = head else { return before.cloned() };
    let logs = loaded.events.iter().filter(|it| matches!(it.event, Event::WorkloadLog { .. }));
    let positions = logs.filter(|it| own.contains(&it.address)).map(|it| (it.block.number, it.log_index));
    let kept = positions.filter(|(block, index)| before.is_none_or(|shown| shown.has(*block, *index)));
    Some(Shown { until: head.number, kept: kept.collect() })
}

/// Blocks after `to` are taken back, and shown as they come. Whether that changes anything.
pub(super) fn cut_shown(shown: &mut [(Address, Shown)], to: u64) -> bool {
    let mut changed = false;
    for (_, shown) in shown.iter_mut().filter(|(_, shown)| shown.until > to) {
        (shown.until, changed) = (to, true);
    }
    changed
}

pub(super) fn incomplete(past: &[Past]) -> BTreeSet<U256> {
    past.iter().filter(|past| past.next.is_some()).map(|past| past.market).collect()
}

/// Blocks after `to` are taken back, and read anew as they come. Whether that changes anything.
pub(super) fn cut(past: &mut [Past], to: u64) -> bool {
    let mut changed = false;
    for next in past.iter_mut().filter_map(|past| past.next.as_mut()) {
        let cut = (*next).min(to.saturating_add(1));
        changed |= cut != *next;
        *next = cut;
    }
    changed
}

impl Book {
    /// The block from which on the past is still to be read, if any of it is.
    pub fn past_from(&self) -> Option<u64> {
        self.past.iter().filter_map(|past| past.next).min()
    }

    /// The deployment has grown. The answer is the block from which on the past is to be read.
    pub fn adopt(&mut self, deployment: Deployment) -> Result<Option<u64>, NodeError> {
        let wanted = wanted(&deployment, self.markets.as_deref(), &self.workloads);
        let mut loaded = self.store.load()?;
        let past = begin(&self.store, &deployment, &wanted, &self.past, &mut loaded)?;
        (self.past, self.deployment) = (past, deployment);
        self.refold(&loaded, self.head.map_or(0, |head| head.timestamp))?;
        Ok(self.past_from())
    }

    /// Take in what was said before the deployment grew, up to block `next` or, without it, all there is.
    pub fn past(&mut self, events: &[LoggedEvent], next: Option<u64>) -> Result<Vec<Moved>, NodeError> {
        let awaited = incomplete(&self.past);
        let concerns = |logged: &LoggedEvent| {
            let awaits = |market: &U256| awaited.contains(market);
            // What of others names no market may be about one that is awaited.
            let others = || names_none(&logged.event) && !is_turn_of(&logged.event, self.me);
            any_market(&logged.event).map_or_else(others, awaits) || self.facts.is_read_later(logged)
        };
        let found: Vec<LoggedEvent> =
            events.iter().filter(|logged| self.facts.concerns(logged) && concerns(logged)).cloned().collect();
        let mut past = self.past.clone();
        for it in past.iter_mut().filter(|it| it.next.is_some()) {
            // Some may be further already.
            it.next = next.map(|next| it.next.map_or(next, |at| at.max(next)));
        }
        self.store.commit_past(&found, &past)?;
        self.past = past;
        if next.is_some() {
            return Ok(Vec::new());
        }
        let loaded = self.store.load()?;
        self.refold(&loaded, self.head.map_or(0, |head| head.timestamp))?;
        let mut changes = Changes::default();
        let everything = self.keys();
        let moved = self.reconcile(everything, &mut changes)?;
        self.store.commit_work(&changes)?;
        Ok(moved)
    }
}
