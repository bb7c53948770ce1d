//! What a slot's proof takes beside the chain: bytes from elsewhere, and its circuit's word that there is a proof. Neither is had by
//! the loop: it is told here what is to be had, and has what came of it told here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::U256;
use provery_descriptor::{Artifact, Digest};
use provery_types::{Slot, SlotKey};
use provery_workloads::{Fetched, Job, Needs, Refusal, Why};

use super::{Book, Gap, Moved, Policy};
use crate::{
    concern::Concern,
    slots::{Input, SlotStage},
    store::{StoreError, WorkRecord},
};

/// Slots that cannot be proven and bind nobody, of which the operator is told at a time.
const MOST_TOLD: usize = 8;

/// What came of what was had, or not.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Why bytes from elsewhere are not here; nothing of those that are.
    links: HashMap<(Digest, u64), Option<String>>,
    /// What a slot's circuit said, and of which edition of the slot.
    checked: BTreeMap<SlotKey, (u64, Verdict)>,
}

/// Nothing if the slot can be proven, else why no machine proves it.
type Verdict = Option<String>;

impl Prepared {
    /// The chain is another than before. What bytes are is no matter of the chain.
    pub(super) fn clear(&mut self) {
        self.checked.clear();
    }

    pub(super) fn forget(&mut self, key: SlotKey) {
        self.checked.remove(&key);
    }

    fn has(&self, artifact: &Artifact) -> bool {
        self.links.get(&named(artifact)) == Some(&None)
    }

    /// Rises with what was said of a slot and with what of that was fetched.
    fn edition(&self, needs: &Needs) -> u64 {
        needs.edition + needs.linked.iter().filter(|artifact| self.has(artifact)).count() as u64
    }

    fn verdict(&self, key: SlotKey, needs: &Needs) -> Option<&Verdict> {
        let (edition, verdict) = self.checked.get(&key)?;
        (*edition == self.edition(needs)).then_some(verdict)
    }
}

fn named(artifact: &Artifact) -> (Digest, u64) {
    (artifact.digest, artifact.size)
}

impl Book {
    /// This is where bytes are that come from elsewhere.
    pub fn keep_inputs(&mut self, inputs: impl Fetched + 'static) {
        self.inputs = Box::new(inputs);
    }

    /// The job that proves a slot for this prover.
    pub fn job(&mut self, key: SlotKey) -> Result<Job, Refusal> {
        let job = self.facts.job(key, self.me, &*self.inputs);
        if job.as_ref().is_err_and(|refusal| refusal.why == Why::Unfetched) {
            // It is not on the disk any more.
            let needs = self.needs(key);
            self.prepared.links.retain(|known, _| needs.linked.iter().all(|it| named(it) != *known));
        }
        job
    }

    /// How much is known of a slot: what is found out of it holds until there is more.
    pub fn edition(&mut self, key: SlotKey) -> u64 {
        let needs = self.needs(key);
        self.prepared.edition(&needs)
    }

    /// Whether nothing of what proves a slot is missing that is not on the chain, as far as is known.
    pub(super) fn is_prepared(&mut self, key: SlotKey) -> Result<(), Gap> {
        let needs = self.needs(key);
        if needs.only_linked && !needs.linked.iter().any(|artifact| self.prepared.has(artifact)) {
            let failed = needs.linked.iter().find_map(|it| self.prepared.links.get(&named(it))?.as_deref());
            return Err(failed.map_or(Gap::Pending("its input is being fetched"), |why| {
                let message =
                    format!("slot {}: its input cannot be had ({why}), and is asked for again", key.id);
                Gap::Slot(Refusal::new(Why::Unfetched, message))
            }));
        }
        match self.prepared.verdict(key, &needs) {
            Some(Some(why)) => {
                let message = format!("slot {}: no machine proves it: {why}", key.id);
                Err(Gap::Slot(Refusal::new(Why::Unprovable, message)))
            }
            _ => Ok(()),
        }
    }

    /// Whether all is at hand that proves a slot, and its circuit was asked where only that one knows: before anything is bonded.
    pub fn may_bind(&mut self, key: SlotKey) -> Result<(), Gap> {
        self.at_hand(key)?;
        let needs = self.needs(key);
        if needs.check && self.prepared.verdict(key, &needs).is_none() {
            return Err(Gap::Pending("its circuit was not asked yet"));
        }
        Ok(())
    }

    /// What is to be fetched, and for which market.
    pub fn links(&mut self, policy: &Policy) -> Vec<(U256, Artifact)> {
        let mut links: Vec<(U256, Artifact)> = Vec::new();
        for key in
            self.preparable(|book, key, slot| book.may_be_won(key, slot, policy) || is_open(slot, policy))
        {
            if self.told(key).is_err() {
                continue;
            }
            let needs = self.needs(key);
            // What is posted may do.
            let does = !needs.only_linked && !matches!(self.prepared.verdict(key, &needs), Some(Some(_)));
            for artifact in needs.linked.into_iter().filter(|it| !does && !self.prepared.has(it)) {
                if links.iter().all(|(_, known)| named(known) != named(&artifact)) {
                    links.push((key.market, artifact));
                }
            }
        }
        links
    }

    /// Slots whose circuit is to be asked, the ones first whose windows end first, and their editions.
    pub fn unchecked(&mut self, policy: &Policy) -> Vec<(SlotKey, u64)> {
        let mut found = Vec::new();
        for key in self.preparable(|book, key, slot| book.may_be_won(key, slot, policy)) {
            if self.at_hand(key).is_err() {
                continue;
            }
            let needs = self.needs(key);
            if needs.check && self.prepared.verdict(key, &needs).is_none() {
                found.push((key, self.prepared.edition(&needs)));
            }
        }
        found.sort_by_key(|(key, _)| self.record(*key).map(|record| record.slot.exclusiveUntil.to::<u64>()));
        found
    }

    /// Every artifact that an open slot names.
    pub fn linked(&self) -> BTreeSet<Digest> {
        let open = self.duty.known().filter(|(key, _)| !self.is_over(*key));
        open.flat_map(|(_, needs)| needs.linked.iter().map(|artifact| artifact.digest)).collect()
    }

    /// An artifact was fetched, or could not be.
    pub fn fetched(&mut self, artifact: &Artifact, result: Result<(), String>) {
        self.prepared.links.insert(named(artifact), result.err());
        self.duty.look_again();
    }

    /// A slot's circuit was asked, of this edition: nothing, or why no machine proves the slot.
    pub fn checked(
        &mut self,
        key: SlotKey,
        edition: u64,
        verdict: Option<String>,
    ) -> Result<Option<Moved>, StoreError> {
        let is_refused = verdict.is_some();
        self.prepared.checked.insert(key, (edition, verdict));
        self.duty.look_again();
        if !is_refused || self.edition(key) != edition {
            return Ok(None);
        }
        self.duty.wants(key);
        self.input(key, &Input::Unprovable)
    }

    /// Slots that are refused and bind nobody: an operator may want to know why nothing is earned by them.
    pub(super) fn refused(&self) -> Vec<Concern> {
        let refused = self.prepared.checked.iter().rev().filter_map(|(key, (_, verdict))| {
            let record = self.record(*key).filter(|record| !record.work.stage.ended())?;
            let why = verdict.as_ref().filter(|_| record.slot.prover != self.me)?;
            let message = format!(
                "slot {} of market {} is left alone, since no machine proves it: {why}",
                key.id, key.market
            );
            let (code, market, slot) = (Concern::SLOT_UNPROVABLE, key.market, Some(key.id));
            Some(Concern { code, market, slot, message })
        });
        refused.take(MOST_TOLD).collect()
    }

    fn needs(&mut self, key: SlotKey) -> Needs {
        // Looked up where it is not known yet.
        let _ = self.told(key);
        self.duty.needs(key)
    }

    /// Slots that are neither over nor proven nor being proven, and for which this holds.
    fn preparable(&self, holds: impl Fn(&Self, SlotKey, &Slot) -> bool) -> Vec<SlotKey> {
        let waits = |record: &WorkRecord| {
            matches!(
                record.work.stage,
                SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Ignored | SlotStage::Queued
            )
        };
        let waiting = self.work.iter().filter(|(key, record)| waits(record) && self.serves(key.market));
        waiting.filter(|(key, record)| holds(self, **key, &record.slot)).map(|(key, _)| *key).collect()
    }

    /// Whether something binds this prover to a slot, or may.
    fn may_be_won(&self, key: SlotKey, slot: &Slot, policy: &Policy) -> bool {
        let undecided = slot.prover.is_zero() && !is_open(slot, policy);
        let offered = || policy.accept_transfers && self.facts.offers(key).next().is_some();
        slot.prover == self.me || undecided || offered()
    }
}

/// Whether anyone may prove it.
fn is_open(slot: &Slot, policy: &Policy) -> bool {
    policy.rescue && policy.now >= slot.exclusiveUntil.to::<u64>()
}
