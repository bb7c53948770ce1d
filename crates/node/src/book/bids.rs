//! Bids and tickets that are out, and what more may be bonded: a right that its prover cannot use costs a bond.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use provery_mechanisms::acceptance::free_exposure;
use provery_types::{SlotKey, Terms};

use super::{Book, Policy};
use crate::facts::{Ending, SlotFact};

/// A bid or a ticket that its mechanism has not decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenBid {
    /// Asset wei that are burned unless it is seen through by a prover that is able.
    bid_bond: u128,
    /// Asset wei that the slot itself takes of the exposure, once it is won.
    slot_bond: U256,
}

impl OpenBid {
    /// Whether seeing it through saves what is worth a slot's bond.
    pub(super) fn saves(&self, bond: U256) -> bool {
        U256::from(self.bid_bond) >= bond
    }
}

impl Book {
    /// This node's bids, and this prover's tickets, by the slots that they are for.
    pub(super) fn open_bids(&self, policy: &Policy) -> BTreeMap<SlotKey, OpenBid> {
        let open = self.facts.slots().map(|(key, _)| key).filter(|key| self.serves(key.market));
        let open = open.filter_map(|key| Some((key, self.bid(key, policy)?)));
        let coming = self.facts.markets().filter(|market| self.serves(*market)).filter_map(|market| {
            let key = SlotKey { market, id: self.facts.next_slot(market) };
            Some((key, self.open_bid_for(key, self.facts.market_terms(market)?, policy)?))
        });
        open.chain(coming).collect()
    }

    /// What of this node's stands for an open slot that nobody holds yet.
    pub(super) fn bid(&self, key: SlotKey, policy: &Policy) -> Option<OpenBid> {
        let fact = self.facts.slot(key)?;
        let undecided = fact.slot.prover.is_zero() && policy.now < fact.slot.exclusiveUntil.to::<u64>();
        let (_, terms) = self.open_slot(key).filter(|_| undecided)?;
        self.open_bid_for(key, terms, policy)
    }

    fn open_bid_for(&self, key: SlotKey, terms: &Terms, policy: &Policy) -> Option<OpenBid> {
        let log = self.facts.log(key, terms.mechanism);
        let bid_bond = self.mechanism(terms.mechanism)?.open_bid(terms, self.me, policy.key, log)?;
        Some(OpenBid { bid_bond, slot_bond: terms.bond.to::<U256>() })
    }

    /// Asset wei that are burned if a slot's bid is not seen through.
    pub fn bid_at_stake(&self, key: SlotKey, policy: &Policy) -> U256 {
        self.bid(key, policy).map(|open_bids| U256::from(open_bids.bid_bond)).unwrap_or_default()
    }

    /// How many bids and tickets are out.
    pub fn bids_out(&self, policy: &Policy) -> usize {
        self.open_bids(policy).len()
    }

    /// Asset wei that may be bonded in a market on top of what is, and of what may be won; nothing if this prover is not in its
    /// draws.
    pub(super) fn room(
        &self,
        market: U256,
        open_bids: &BTreeMap<SlotKey, OpenBid>,
        policy: &Policy,
    ) -> Option<U256> {
        if !self.facts.in_draws(market, self.me) {
            return None;
        }
        let commitment = self.facts.commitment(market, self.me);
        let bonded = self
            .facts
            .slots()
            .filter(|(key, fact)| key.market == market && self.bonds(fact))
            .filter_map(|(_, fact)| Some(self.facts.terms(fact.terms_hash)?.bond.to::<U256>()));
        let hoped = open_bids.iter().filter(|(key, _)| key.market == market).map(|(_, it)| it.slot_bond);
        let taken = bonded.chain(hoped).fold(U256::ZERO, U256::saturating_add);
        Some(free_exposure(commitment.units, commitment.exposure, policy.stake_unit, taken))
    }

    /// Whether a slot's bond is this prover's, and not free yet: one that another proved while its premise was open is held.
    fn bonds(&self, fact: &SlotFact) -> bool {
        let held = match &fact.ended {
            None => true,
            Some(ended) => {
                let rescued = matches!(ended.how, Ending::Proven { payee, .. } if payee != self.me);
                fact.pending.is_some() && rescued
            }
        };
        fact.slot.prover == self.me && held
    }
}
