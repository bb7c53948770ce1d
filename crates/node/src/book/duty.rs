//! The one check before anything binds this prover to prove a slot: that what proves it is at hand. Locks, bids, reveals, tickets,
//! slots taken over, rescues, terms accepted and returns from a suspension all ask here; what is held all the same and cannot be
//! proven is an alarm ([`crate::concern::Concern`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::U256;
use provery_types::{SlotKey, Terms};
use provery_workloads::{Refusal, Why};

use super::{Book, Moved};
use crate::{earning::Lack, slots::Input, store::StoreError};

/// What is not at hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// What all slots of the market need.
    #[error("{0}")]
    Market(Lack),
    /// Nobody who follows the chain can have its inputs.
    #[error("{0}")]
    Hidden(Refusal),
    /// What this slot needs, as its workload says.
    #[error("{0}")]
    Slot(Refusal),
}

/// What was found out about a slot.
#[derive(Debug)]
struct Found {
    /// What its workload had been told by then: without more, what was missing still is.
    edition: u64,
    gap: Option<Gap>,
}

/// What is known of what can be proven.
#[derive(Debug, Default)]
pub(super) struct Duty {
    /// The circuits whose keys are here; all of them, if that was not said.
    circuits: Option<BTreeSet<String>>,
    found: HashMap<SlotKey, Found>,
    /// Slots that would be proven, were it all at hand.
    wanting: BTreeSet<SlotKey>,
    /// What was known of their markets when they were looked at last: how much was told of it, and what was missing.
    looked: BTreeMap<U256, (u64, Option<Lack>)>,
}

impl Duty {
    /// The chain is another than before.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.looked.clear();
    }

    pub(super) fn forget(&mut self, key: SlotKey) {
        self.found.remove(&key);
        self.wanting.remove(&key);
    }

    pub(super) fn wants(&mut self, key: SlotKey) {
        self.wanting.insert(key);
    }
}

impl Book {
    /// These are the circuits whose keys are here.
    pub fn know_circuits(&mut self, circuits: impl IntoIterator<Item = String>) {
        self.duty.circuits = Some(circuits.into_iter().collect());
    }

    /// What is missing of what proves the slots that open next in a market, as far as that is the same for all of them.
    pub fn lack(&self, market: U256) -> Option<Lack> {
        self.lack_under_any_terms(market).or_else(|| self.other_circuit(market))
    }

    /// Terms in force that name another circuit than the one that is proven here, or coming ones that this prover answers under. Slots
    /// that are open may have others.
    fn other_circuit(&self, market: U256) -> Option<Lack> {
        let in_force = self.facts.market_terms(market).filter(|terms| !self.proves_under(market, terms));
        let announced = || {
            let (terms, _) = self.facts.announced_terms(market)?;
            let accepts = self.facts.commitment(market, self.me).accepts(terms.version);
            (accepts && !self.proves_under(market, terms)).then_some(terms)
        };
        in_force.or_else(announced).map(|terms| Lack::OtherCircuit { version: terms.version })
    }

    fn proves_under(&self, market: U256, terms: &Terms) -> bool {
        self.facts.tracked(market).is_some_and(|tracked| tracked.proves_under(terms).is_ok())
    }

    /// What is missing for all of a market's slots, whichever terms they opened under.
    fn lack_under_any_terms(&self, market: U256) -> Option<Lack> {
        if let Some(refusal) = self.facts.refusal(market) {
            return Some(Lack::Refused(refusal.to_string()));
        }
        let Some(tracked) = self.facts.tracked(market) else { return Some(Lack::Rollup) };
        if let Some(reason) = tracked.nonsense() {
            return Some(Lack::Quarantined(reason.to_owned()));
        }
        if !self.facts.is_complete(market) {
            return Some(Lack::Reading);
        }
        if !tracked.has_begun() || self.facts.market_terms(market).is_none() {
            return Some(Lack::History);
        }
        let known = self.duty.circuits.as_ref()?;
        let circuit = tracked.circuit();
        (!known.contains(circuit)).then(|| Lack::Keys { circuit: circuit.to_owned() })
    }

    /// Whether all is at hand that proves a slot.
    pub fn at_hand(&mut self, key: SlotKey) -> Result<(), Gap> {
        if let Some(lack) = self.lack_under_any_terms(key.market) {
            return Err(Gap::Market(lack));
        }
        let edition = self.facts.tracked(key.market).map_or(0, |tracked| tracked.edition());
        // What is known stays known.
        if let Some(found) = self.duty.found.get(&key)
            && (found.gap.is_none() || found.edition == edition)
        {
            return found.gap.clone().map_or(Ok(()), Err);
        }
        let gap = self.facts.ready(key).err().map(|refusal| match refusal.why {
            Why::Hidden => Gap::Hidden(refusal),
            _ => Gap::Slot(refusal),
        });
        if self.facts.slot(key).is_none() {
            return gap.map_or(Ok(()), Err);
        }
        self.duty.found.insert(key, Found { edition, gap: gap.clone() });
        gap.map_or(Ok(()), Err)
    }

    /// Slots that would have been proven, and of which all is at hand by now.
    pub(super) fn no_longer_wanting(&mut self) -> Vec<SlotKey> {
        let markets: BTreeSet<U256> = self.duty.wanting.iter().map(|key| key.market).collect();
        let mut found = Vec::new();
        for market in markets {
            let edition = self.facts.tracked(market).map_or(0, |tracked| tracked.edition());
            let known = (edition, self.lack(market));
            if self.duty.looked.get(&market) == Some(&known) {
                continue;
            }
            self.duty.looked.insert(market, known);
            let wanting: Vec<SlotKey> =
                self.duty.wanting.iter().filter(|key| key.market == market).copied().collect();
            found.extend(wanting.into_iter().filter(|key| self.at_hand(*key).is_ok()));
        }
        for key in &found {
            self.duty.wanting.remove(key);
        }
        found
    }

    /// A proof of a slot could not be prepared. If something is missing, it is looked at again once more is known.
    pub fn give_up(&mut self, key: SlotKey) -> Result<Option<Moved>, StoreError> {
        if self.at_hand(key).is_err() {
            self.duty.wants(key);
        }
        self.input(key, &Input::Unprovable)
    }

    /// The markets of whose next slot all is at hand, as far as can be known: the last that opened is what it builds on.
    pub(super) fn markets_at_hand(&mut self) -> BTreeSet<U256> {
        let markets: Vec<U256> = self.facts.markets().filter(|market| self.serves(*market)).collect();
        // What is bid for now may open under what is coming.
        let coming = |market: &U256| {
            let announced = self.facts.announced_terms(*market);
            announced.is_none_or(|(terms, _)| self.proves_under(*market, terms))
        };
        let markets: Vec<U256> = markets.into_iter().filter(coming).collect();
        let ready = |market: &U256| {
            let last = SlotKey { market: *market, id: self.facts.next_slot(*market).saturating_sub(1) };
            self.lack(*market).is_none() && (self.facts.slot(last).is_none() || self.at_hand(last).is_ok())
        };
        markets.into_iter().filter(ready).collect()
    }
}
