//! What is forgotten, on disk as in memory: what no reorg can bring back and no decision needs.

use provery_types::LoggedEvent;

use super::Book;
use crate::error::NodeError;
use crate::facts::{Facts, obsolete};
use crate::store::Changes;

impl Book {
    /// The facts as of block `deep`, pruned, from the events up to it; without what rollups say, which takes long to fold.
    fn facts_then(&self, events: &[LoggedEvent], deep: u64) -> Result<Facts, NodeError> {
        let mut then = Facts::of(&self.deployment, self.me, self.markets.as_deref());
        then.own_turns(self.store.own_turns()?);
        for logged in events.iter().filter(|logged| !Facts::is_rollups(&logged.event)) {
            then.apply(logged);
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
            self.turns.get_mut().forget(*key);
        }
        let mut events = self.store.events_until(deep)?;
        events.retain(|logged| !self.facts.may_matter_later(logged));
        let gone = obsolete(&events, &self.facts_then(&events, deep)?, &self.facts);
        let bases: Vec<_> = self
            .facts
            .rollups()
            .filter_map(|(address, rollup)| {
                rollup.base().map(|(number, state)| (address, number, state.to_bytes()))
            })
            .collect();
        self.store.compact(deep, &gone, &bases, &Changes { forget, ..Changes::default() })?;
        Ok(())
    }
}
