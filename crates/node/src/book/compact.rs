//! What is forgotten, on disk as in memory: what no reorg can bring back and no decision needs.

use alloy::primitives::U256;
use provery_types::LoggedEvent;

use super::Book;
use crate::{
    error::NodeError,
    facts::{Facts, obsolete},
    store::{Changes, Start},
};

impl Book {
    /// The facts as of block `deep`, pruned, from the events up to it; of what workloads read, which takes long to fold,
    /// only the numbers.
    fn facts_then(&self, events: &[LoggedEvent], deep: u64) -> Result<Facts, NodeError> {
        let mut then = Facts::of(&self.deployment, self.me, self.markets.as_deref(), &self.workloads);
        then.own_turns(self.store.own_turns()?);
        then.counted_so_far(self.store.told()?);
        for logged in events {
            match Facts::is_for_workload(&logged.event) {
                true => then.count(logged),
                false => drop(then.apply(logged)),
            }
        }
        then.prune(deep);
        Ok(then)
    }

    /// Forget what no reorg can bring back and no decision needs: none takes back block `deep`.
    pub(super) fn compact(&mut self, deep: u64) -> Result<(), NodeError> {
        let forget = self.facts.prune(deep);
        for key in &forget {
            self.work.remove(key);
            self.duty.forget(*key);
            self.prepared.forget(*key);
            self.turns.get_mut().forget(*key);
        }
        let mut events = self.store.events_until(deep)?;
        let shown = self.facts.shown_until(deep, &events);
        events.retain(|logged| !self.facts.may_matter_later(logged));
        let then = self.facts_then(&events, deep)?;
        let gone = obsolete(&events, &then, &self.facts);
        // Of a market whose past is still being read, all that is at hand is kept and counted later.
        let served = |market: U256| self.serves(market) && self.facts.is_complete(market);
        let told = then.counted_until(deep).filter(|(counted, _)| served(counted.market)).collect();
        let start = Start { snapshots: self.facts.snapshots().collect(), told, shown };
        self.store.compact(deep, &gone, &start, &Changes { forget, ..Changes::default() })?;
        self.facts.show_only(start.shown);
        Ok(())
    }
}
