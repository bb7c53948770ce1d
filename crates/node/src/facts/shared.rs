//! Contracts that the workloads of several markets read. A log of theirs stays on disk for as long as one market needs it, and is read
//! again for one that comes later. Another, which has forgotten it or has it in its snapshot, is not shown it a second time.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use provery_types::LoggedEvent;
use provery_workloads::{SourceLog, Tracked};
use serde::{Deserialize, Serialize};

use super::{Facts, inputs::source_log};

/// Which logs a market's workload is shown when facts are folded: of those up to a block only the ones that it kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The height of that block.
    pub until: u64,
    /// Those kept, by block and index.
    pub kept: BTreeSet<(u64, u64)>,
}

impl Shown {
    /// Whether a log is one of them.
    pub(crate) fn has(&self, block: u64, index: u64) -> bool {
        block > self.until || self.kept.contains(&(block, index))
    }
}

impl Facts {
    /// Of these rollups only so much is shown to their workloads.
    pub(crate) fn show_only(&mut self, shown: impl IntoIterator<Item = (Address, Shown)>) {
        self.shown = shown.into_iter().collect();
    }

    pub(super) fn is_shown(&self, rollup: Address, log: &SourceLog<'_>) -> bool {
        self.shown.get(&rollup).is_none_or(|shown| shown.has(log.block.number, log.index))
    }

    /// What the workload of each rollup keeps of these events, which are all up to block `deep`: where it is not alone in reading them.
    pub(crate) fn shown_until(&self, deep: u64, events: &[LoggedEvent]) -> Vec<(Address, Shown)> {
        let is_alone = |one: &Tracked| {
            let mut others = self.tracked.values().filter(|other| other.address() != one.address());
            !self.shown.contains_key(&one.address()) && !others.any(|other| other.reads_with(one))
        };
        let shared = self.tracked.values().filter(|one| self.is_complete(one.id()) && !is_alone(one));
        let shown = |one: &Tracked| {
            let logs = events.iter().filter_map(source_log).filter(|log| one.watches(log.address));
            let kept = logs.filter(|log| self.is_shown(one.address(), log) && one.keeps(log));
            let kept = kept.map(|log| (log.block.number, log.index)).collect();
            (one.address(), Shown { until: deep, kept })
        };
        shared.map(shown).collect()
    }
}
