//! The one check before anything binds this prover to prove a slot: that what proves it is at hand. Locks, bids, reveals, tickets,
//! slots taken over, rescues, terms accepted and returns from a suspension all ask here; what is held all the same and cannot be
//! proven is an alarm ([`crate::concern::Concern`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::U256;
use provery_types::{CircuitTerms, SlotKey, Terms};
use provery_workloads::{Needs, Refusal, Why};

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
    /// What this slot needs, as its workload says, or its circuit.
    #[error("{0}")]
    Slot(Refusal),
    /// It is being had, or found out.
    #[error("{0}")]
    Pending(&'static str),
}

/// What was found out about a slot.
#[derive(Debug)]
struct Found {
    /// What its workload had been told by then: without more, what was missing still is.
    edition: u64,
    gap: Option<Gap>,
    /// Of a slot without a gap.
    needs: Needs,
}

/// What is known of what can be proven.
#[derive(Debug)]
pub(super) struct Duty {
    /// The circuits whose keys are here; all of them, if that was not said.
    circuits: Option<BTreeSet<String>>,
    found: HashMap<SlotKey, Found>,
    /// Slots that would be proven, were it all at hand.
    wanting: BTreeSet<SlotKey>,
    /// What was known of their markets when they were looked at last: how much was told of it, and what was missing.
    looked: BTreeMap<U256, (u64, Option<Lack>)>,
    /// The key that sends is the prover's, or a submitter's of its.
    is_submitter: bool,
}

impl Default for Duty {
    fn default() -> Self {
        let (circuits, found, wanting, looked) = Default::default();
        Self { circuits, found, wanting, looked, is_submitter: true }
    }
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

    /// More became known than events tell.
    pub(super) fn look_again(&mut self) {
        self.looked.clear();
    }

    /// What a slot needs, if it was asked.
    pub(super) fn needs_of(&self, key: SlotKey) -> Option<&Needs> {
        self.found.get(&key).map(|found| &found.needs)
    }
}

impl Book {
    /// These are the circuits whose keys are here.
    pub fn know_circuits(&mut self, circuits: impl IntoIterator<Item = String>) {
        self.duty.circuits = Some(circuits.into_iter().collect());
    }

    /// Whether the key that sends is the prover's, or a submitter's of its: proofs that do not bind their payee are taken from no other.
    pub fn know_submitter(&mut self, is_submitter: bool) {
        if self.duty.is_submitter != is_submitter {
            self.duty.is_submitter = is_submitter;
            self.duty.look_again();
        }
    }

    /// What is missing of what proves the slots that open next in a market, as far as that is the same for all of them.
    pub fn lack(&self, market: U256) -> Option<Lack> {
        let lack = self.lack_under_any_terms(market).or_else(|| self.unfit_terms(market));
        lack.or_else(|| self.facts.market_terms(market).and_then(|terms| self.no_submitter(terms)))
    }

    /// A proof that does not bind its payee is taken from the payee's own keys alone.
    fn no_submitter(&self, terms: &Terms) -> Option<Lack> {
        let is_taken = self.duty.is_submitter || CircuitTerms::read(terms).payee_bound();
        (!is_taken).then_some(Lack::NoSubmitter)
    }

    /// Terms in force that nothing is proven under here, or coming ones that this prover answers under. Slots that are open may have
    /// others.
    fn unfit_terms(&self, market: U256) -> Option<Lack> {
        let in_force = self.facts.market_terms(market).and_then(|terms| self.unfit(market, terms));
        in_force.or_else(|| {
            let (terms, _) = self.facts.announced_terms(market)?;
            let accepts = self.facts.commitment(market, self.me).accepts(terms.version);
            self.unfit(market, terms).filter(|_| accepts)
        })
    }

    fn unfit(&self, market: U256, terms: &Terms) -> Option<Lack> {
        let version = terms.version;
        match self.facts.tracked(market).map(|tracked| tracked.proves_under(terms)) {
            Some(Ok(())) => None,
            Some(Err(refusal)) if refusal.why == Why::Delay => Some(Lack::Delay { version }),
            _ => Some(Lack::OtherCircuit { version }),
        }
    }

    fn proves_under(&self, market: U256, terms: &Terms) -> bool {
        self.unfit(market, terms).is_none()
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
        if let Some(lack) = self.terms_of(key).and_then(|terms| self.no_submitter(terms)) {
            return Err(Gap::Market(lack));
        }
        self.told(key)?;
        self.is_prepared(key)
    }

    fn terms_of(&self, key: SlotKey) -> Option<&Terms> {
        self.facts.terms(self.facts.slot(key)?.terms_hash)
    }

    /// Whether all was told that proves a slot.
    pub(super) fn told(&mut self, key: SlotKey) -> Result<(), Gap> {
        let edition = self.facts.tracked(key.market).map_or(0, |tracked| tracked.edition());
        if let Some(found) = self.duty.found.get_mut(&key) {
            let is_same = found.edition == edition;
            // What is known stays known, and of what comes later some may be needed.
            if !is_same && found.gap.is_none() && found.needs != Needs::default() {
                (found.edition, found.needs) = (edition, self.facts.needs(key));
            }
            if is_same || found.gap.is_none() {
                return found.gap.clone().map_or(Ok(()), Err);
            }
        }
        let gap = self.facts.ready(key).err().map(|refusal| match refusal.why {
            Why::Hidden => Gap::Hidden(refusal),
            _ => Gap::Slot(refusal),
        });
        if self.facts.slot(key).is_none() {
            return gap.map_or(Ok(()), Err);
        }
        let needs = if gap.is_none() { self.facts.needs(key) } else { Needs::default() };
        self.duty.found.insert(key, Found { edition, gap: gap.clone(), needs });
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
        let mut ready = |market: &U256| {
            let last = SlotKey { market: *market, id: self.facts.next_slot(*market).saturating_sub(1) };
            let at_hand = |book: &mut Self| matches!(book.at_hand(last), Ok(()) | Err(Gap::Pending(_)));
            self.lack(*market).is_none() && (self.facts.slot(last).is_none() || at_hand(self))
        };
        markets.into_iter().filter(|market| ready(market)).collect()
    }
}
