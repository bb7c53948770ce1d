//! The inputs of slots: what the workload of each market made of what its contracts said.

use alloy::primitives::{Address, U256};
use provery_types::{Deployment, Event, LoggedEvent, RollupRecord, SlotKey};
use provery_workloads::{Fetched, Job, Needs, Refusal, SourceLog, Statement, Tracked, Why, Workloads};

use super::{Facts, SlotFact};

/// A log that a workload may read, if an event is that.
pub(super) fn source_log(logged: &LoggedEvent) -> Option<SourceLog<'_>> {
    let Event::WorkloadLog { log } = &logged.event else { return None };
    Some(SourceLog { address: logged.address, block: logged.block, index: logged.log_index, data: log })
}

impl SlotFact {
    /// What it states.
    pub fn stated(&self) -> Statement<'_> {
        Statement { slot: &self.slot, inputs: &self.inputs }
    }
}

impl Facts {
    /// Track every rollup of the deployment whose market is served. Markets that no workload of this program can prove are left
    /// out: [`Facts::refusal`] says why.
    pub(super) fn track_all(
        &mut self,
        deployment: &Deployment,
        markets: Option<&[U256]>,
        workloads: &Workloads,
    ) {
        let served = |record: &&RollupRecord| markets.is_none_or(|markets| markets.contains(&record.market));
        for record in deployment.rollups.iter().filter(served) {
            match workloads.track(deployment.chain_id, record) {
                Ok(tracked) => drop(self.tracked.entry(record.address).or_insert(tracked)),
                Err(refusal) => drop(self.refused.insert(record.market, refusal)),
            }
        }
    }

    /// What is tracked of a market.
    pub fn tracked(&self, market: U256) -> Option<&Tracked> {
        self.tracked.values().find(|tracked| tracked.id() == market)
    }

    /// Why a market of the deployment file is not served: a record that is refused keeps no other of the same market from it.
    pub fn refusal(&self, market: U256) -> Option<&Refusal> {
        self.refused.get(&market).filter(|_| self.tracked(market).is_none())
    }

    /// The market whose workload reads a contract, and whose contract it is.
    pub(super) fn watchers(&self, address: Address) -> impl Iterator<Item = &Tracked> {
        self.tracked.values().filter(move |tracked| tracked.watches(address))
    }

    /// Of how many markets nothing more is believed, since what was said of them makes no sense.
    pub(crate) fn senseless(&self) -> usize {
        self.tracked.values().filter(|tracked| tracked.nonsense().is_some()).count()
    }

    /// Whether all is at hand that a proof of a slot takes.
    pub fn ready(&mut self, key: SlotKey) -> Result<(), Refusal> {
        let (tracked, fact) = self.asked(key)?;
        tracked.ready(&fact.stated())
    }

    /// What a proof of a slot takes that the chain does not have, or does not tell.
    pub fn needs(&mut self, key: SlotKey) -> Needs {
        self.asked(key).map(|(tracked, fact)| tracked.needs(&fact.stated())).unwrap_or_default()
    }

    /// The job that proves a slot and pays `payee`, with what was fetched of what it needs.
    pub fn job(&mut self, key: SlotKey, payee: Address, fetched: &dyn Fetched) -> Result<Job, Refusal> {
        let (tracked, fact) = self.asked(key)?;
        tracked.job(&fact.stated(), payee, fetched)
    }

    fn asked(&mut self, key: SlotKey) -> Result<(&mut Tracked, &SlotFact), Refusal> {
        if let Some(refusal) = self.refusal(key.market) {
            return Err(refusal.clone());
        }
        let unknown = |message: String| Refusal::new(Why::Untracked, message);
        let fact = self.slots.get(&key).ok_or_else(|| unknown(format!("slot {key} is not known here")))?;
        let tracked = self.tracked.values_mut().find(|tracked| tracked.id() == key.market);
        let tracked = tracked.ok_or_else(|| {
            unknown(format!(
                "no rollup of the deployment file posts blocks in market {}: add the rollup to the file",
                key.market
            ))
        })?;
        if let Some(terms) = self.terms.get(&fact.terms_hash) {
            tracked.proves_under(terms)?;
        }
        Ok((tracked, fact))
    }

    /// Show a log to whichever market's workload reads it. Where not all of the past is at hand, it is shown later.
    pub(super) fn take_in(&mut self, log: &SourceLog<'_>) {
        let Self { tracked, incomplete, shown, .. } = self;
        for tracked in tracked.values_mut().filter(|tracked| !incomplete.contains(&tracked.id())) {
            let shown = shown.get(&tracked.address());
            if shown.is_none_or(|shown| shown.has(log.block.number, log.index)) {
                tracked.apply(log);
            }
        }
    }

    /// Where folding what was said of each rollup starts from.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = (Address, Vec<u8>)> {
        self.tracked.iter().filter_map(|(address, tracked)| Some((*address, tracked.snapshot()?)))
    }

    /// Start from a snapshot. Of a rollup that is no longer in the deployment file there is nothing to start.
    pub(crate) fn restore(&mut self, address: Address, snapshot: &[u8]) -> Result<(), String> {
        self.tracked.get_mut(&address).map_or(Ok(()), |tracked| tracked.restore(snapshot))
    }
}
