//! The secondary market: which slots this node offers to others, and which it takes.

use std::collections::BTreeMap;

use provery_mechanisms::{
    MechanismAction, SlotView,
    slot_transfer::{self, Ground, TransferOffer},
};
use provery_types::{CircuitTerms, SlotKey};

use super::{Book, Gap, Policy};
use crate::{facts::Premise, slots::SlotStage};

impl Book {
    /// What those slots build on that may change hands.
    pub(super) fn grounds(&mut self, policy: &Policy) -> BTreeMap<SlotKey, Ground> {
        // Asking costs nothing; what pays a taker or is taken is looked at.
        let pays = policy.offer_transfers.is_some_and(|price| price < 0);
        let open = self.work.iter().filter(|(_, record)| !record.work.stage.ended());
        let matters = open.filter(|(key, record)| {
            if record.slot.prover == self.me {
                pays
            } else {
                policy.accept_transfers && self.facts.offers(**key).next().is_some()
            }
        });
        let keys: Vec<SlotKey> = matters.map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| Some((key, self.ground(key)?))).collect()
    }

    fn ground(&mut self, key: SlotKey) -> Option<Ground> {
        let fact = self.facts.slot(key)?.clone();
        let established = self.facts.premise(&fact) == Premise::Established;
        let known = if fact.slot.prover == self.me {
            !matches!(self.at_hand(key), Err(Gap::Hidden(_)))
        } else {
            self.may_bind(key).is_ok()
        };
        Some(Ground { established, known })
    }

    /// Whether a slot of this prover's is on offer, and its proof, which does not bind the payee, would pay whoever takes it.
    pub fn could_be_taken(&self, key: SlotKey, now: u64) -> bool {
        let Some((slot, terms)) = self.open_slot(key) else { return false };
        let stands = |offer: &TransferOffer| offer.valid_until >= now;
        slot.prover == self.me
            && !CircuitTerms::read(terms).payee_bound()
            && self.facts.offers(key).any(stands)
    }

    pub(super) fn transfer_action(
        &self,
        key: SlotKey,
        view: &SlotView<'_>,
        policy: &Policy,
        ground: Ground,
    ) -> Option<MechanismAction> {
        let slot_transfers = self.deployment.slot_transfers();
        let stage = self.work.get(&key)?.work.stage;
        if matches!(stage, SlotStage::Proved { .. }) && self.could_be_taken(key, policy.now) {
            return self
                .facts
                .offers(key)
                .find_map(|offer| slot_transfer::revoke(view, slot_transfers, offer));
        }
        // Its bond is not at stake: nobody need be paid to take it.
        if self.fell(key) {
            return None;
        }
        if let Some(price) = policy.offer_transfers
            && matches!(stage, SlotStage::Queued | SlotStage::Ignored | SlotStage::Failed)
            && self.facts.offers(key).next().is_none()
        {
            let unable = stage != SlotStage::Queued;
            return slot_transfer::offer(view, slot_transfers, price, unable, ground);
        }
        if !policy.accept_transfers {
            return None;
        }
        self.facts.offers(key).find_map(|offer| slot_transfer::take(view, slot_transfers, offer, ground))
    }
}
