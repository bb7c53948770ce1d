//! What a slot's proof takes beside the chain: bytes from elsewhere, and its circuit's word that there is a proof. Neither is had by
//! the loop: it is told here what is to be had, and has what came of it told here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
};

use alloy::primitives::{B256, U256};
use provery_descriptor::{Artifact, Digest};
use provery_types::{Slot, SlotKey, text};
use provery_workloads::{Fetched, Job, Needs, Refusal, Why};

use super::{Book, Gap, Moved, Policy};
use crate::{
    concern::Concern,
    slots::{Input, SlotStage},
    store::{StoreError, WorkRecord},
};

/// Slots that cannot be proven and bind nobody, of which the operator is told at a time.
const MOST_TOLD: usize = 8;
/// Bytes that are kept and shown of why something failed: others wrote the words.
const MOST_WORDS: usize = 300;

/// An artifact, whoever has it: its digest and size.
pub type Named = (Digest, u64);

/// What was known of a slot: its statement, what was posted for it, and what of the rest was fetched. It does not count how often
/// something was said, so what was found out before a reorganisation is about nothing else that was said after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    statement: B256,
    posted: Vec<Digest>,
    linked: Vec<Named>,
}

impl Edition {
    /// Whether all of it is still said: more may be.
    fn stands(&self, statement: B256, needs: &Needs) -> bool {
        let linked = |known: &Named| needs.linked.iter().any(|it| named(it) == *known);
        self.statement == statement
            && self.posted.iter().all(|digest| needs.posted.contains(digest))
            && self.linked.iter().all(linked)
    }

    fn is_part_of(&self, other: &Self) -> bool {
        self.statement == other.statement
            && self.posted.iter().all(|digest| other.posted.contains(digest))
            && self.linked.iter().all(|linked| other.linked.contains(linked))
    }
}

/// Something to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Of a slot of this market.
    pub market: U256,
    /// This prover holds the slot.
    pub held: bool,
    /// What it is.
    pub artifact: &'a Artifact,
}

/// What came of what was had, or not.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Why bytes from elsewhere are not here; nothing of those that are.
    links: HashMap<Named, Option<String>>,
    /// Slots in which their circuit found a witness, and the inputs among which that is. It stays found: inputs are only added.
    sound: BTreeMap<SlotKey, Edition>,
    /// Why no machine proves a slot, from what was known of it then.
    refused: BTreeMap<SlotKey, (Edition, String)>,
}

/// What a slot's circuit said, if it was asked about what is known now.
enum Verdict<'a> {
    Sound(&'a Edition),
    Refused(&'a str),
    Unknown,
}

impl Prepared {
    pub(super) fn forget(&mut self, key: SlotKey) {
        self.sound.remove(&key);
        self.refused.remove(&key);
    }

    fn has(&self, artifact: &Artifact) -> bool {
        self.is_here(&named(artifact))
    }

    fn is_here(&self, named: &Named) -> bool {
        self.links.get(named) == Some(&None)
    }

    fn edition(&self, statement: B256, needs: &Needs) -> Edition {
        let linked = needs.linked.iter().filter(|artifact| self.has(artifact)).map(named).collect();
        Edition { statement, posted: needs.posted.clone(), linked }
    }

    fn verdict(&self, key: SlotKey, statement: B256, needs: &Needs) -> Verdict<'_> {
        if let Some(edition) = self.sound.get(&key)
            && edition.stands(statement, needs)
        {
            return Verdict::Sound(edition);
        }
        match self.refused.get(&key) {
            Some((edition, why)) if *edition == self.edition(statement, needs) => Verdict::Refused(why),
            _ => Verdict::Unknown,
        }
    }

    /// Of what a slot needs, what is to be fetched.
    fn wanted<'a>(
        &'a self,
        key: SlotKey,
        statement: B256,
        needs: &'a Needs,
    ) -> impl Iterator<Item = &'a Artifact> {
        let verdict = self.verdict(key, statement, needs);
        let is_of_use = move |artifact: &&Artifact| match verdict {
            Verdict::Sound(edition) => edition.linked.contains(&named(artifact)),
            // What is posted may do.
            Verdict::Unknown => needs.only_linked,
            Verdict::Refused(_) => true,
        };
        needs.linked.iter().filter(is_of_use).filter(|artifact| !self.has(artifact))
    }
}

/// What was fetched, as far as it is known, and what goes first of it.
#[derive(Debug)]
struct Known<'a> {
    inputs: &'a dyn Fetched,
    prepared: &'a Prepared,
    first: &'a [Digest],
}

impl Fetched for Known<'_> {
    fn get(&self, artifact: &Artifact) -> Option<Vec<u8>> {
        self.prepared.has(artifact).then(|| self.inputs.get(artifact))?
    }

    fn first(&self) -> &[Digest] {
        self.first
    }
}

fn named(artifact: &Artifact) -> Named {
    (artifact.digest, artifact.size)
}

fn unfetched(key: SlotKey, why: &str) -> Refusal {
    let message = format!("slot {}: its input cannot be had ({why}), and is asked for again", key.id);
    Refusal::new(Why::Unfetched, message)
}

impl Book {
    /// This is where bytes are that come from elsewhere.
    pub fn keep_inputs(&mut self, inputs: impl Fetched + 'static) {
        self.inputs = Box::new(inputs);
    }

    /// The job that proves a slot for this prover.
    pub fn job(&mut self, key: SlotKey) -> Result<Job, Refusal> {
        let needs = self.needs(key);
        let sound = match self.prepared.verdict(key, self.statement(key), &needs) {
            Verdict::Sound(edition) => edition.clone(),
            _ => Edition::default(),
        };
        // It is not on the disk any more, and may be the witness.
        let lost = |it: &&Artifact| sound.linked.contains(&named(it)) && self.inputs.get(it).is_none();
        if let Some(lost) = needs.linked.iter().find(lost) {
            self.prepared.links.remove(&named(lost));
            return Err(unfetched(key, "it is not on the disk any more"));
        }
        let first: Vec<Digest> =
            sound.posted.into_iter().chain(sound.linked.into_iter().map(|(digest, _)| digest)).collect();
        let known = Known { inputs: &*self.inputs, prepared: &self.prepared, first: &first };
        let job = self.facts.job(key, self.me, &known);
        if job.as_ref().is_err_and(|refusal| refusal.why == Why::Unfetched) {
            // It is not on the disk any more.
            self.prepared.links.retain(|known, _| needs.linked.iter().all(|it| named(it) != *known));
        }
        job
    }

    /// What is known of a slot: what is found out from it is about that.
    pub fn edition(&mut self, key: SlotKey) -> Edition {
        let needs = self.needs(key);
        self.prepared.edition(self.statement(key), &needs)
    }

    /// Whether nothing of what proves a slot is missing that is not on the chain, as far as is known.
    pub(super) fn is_prepared(&mut self, key: SlotKey) -> Result<(), Gap> {
        let needs = self.needs(key);
        let verdict = self.prepared.verdict(key, self.statement(key), &needs);
        let is_here = match &verdict {
            // A witness is among all of these.
            Verdict::Sound(edition) => edition.linked.iter().all(|it| self.prepared.is_here(it)),
            _ => !needs.only_linked || needs.linked.iter().any(|artifact| self.prepared.has(artifact)),
        };
        if !is_here {
            let failed = needs.linked.iter().find_map(|it| self.prepared.links.get(&named(it))?.as_deref());
            return Err(failed
                .map_or(Gap::Pending("its input is being fetched"), |why| Gap::Slot(unfetched(key, why))));
        }
        match verdict {
            Verdict::Refused(why) => {
                let message = format!("slot {}: no machine proves it: {why}", key.id);
                Err(Gap::Slot(Refusal::new(Why::Unprovable, message)))
            }
            _ => Ok(()),
        }
    }

    /// Whether all is at hand that proves a slot, and its circuit was asked where only that one knows: before anything is bonded.
    pub fn may_bind(&mut self, key: SlotKey) -> Result<(), Gap> {
        self.at_hand(key)?;
        if self.is_to_be_checked(key) {
            return Err(Gap::Pending("its circuit was not asked yet"));
        }
        Ok(())
    }

    fn is_to_be_checked(&mut self, key: SlotKey) -> bool {
        let needs = self.needs(key);
        needs.check && matches!(self.prepared.verdict(key, self.statement(key), &needs), Verdict::Unknown)
    }

    /// Show what is to be fetched, the most urgent first, each once, until `taken` has enough.
    pub fn links(&mut self, policy: &Policy, mut taken: impl FnMut(Link<'_>) -> ControlFlow<()>) {
        let mut seen: HashSet<Named> = HashSet::new();
        for key in
            self.preparable(|book, key, slot| book.may_be_won(key, slot, policy) || is_open(slot, policy))
        {
            if self.told(key).is_err() {
                continue;
            }
            let Some(needs) = self.duty.needs_of(key) else { continue };
            let (statement, held) = (self.statement(key), self.is_held(key));
            for artifact in self.prepared.wanted(key, statement, needs) {
                let link = Link { market: key.market, held, artifact };
                if seen.insert(named(artifact)) && taken(link).is_break() {
                    return;
                }
            }
        }
    }

    /// Slots whose circuit is to be asked, the most urgent first.
    pub fn unchecked(&mut self, policy: &Policy) -> Vec<SlotKey> {
        let keys = self.preparable(|book, key, slot| book.may_be_won(key, slot, policy));
        keys.into_iter().filter(|key| self.at_hand(*key).is_ok() && self.is_to_be_checked(*key)).collect()
    }

    /// Forget what came of artifacts that no open slot names, and of slots that are gone. The answer is every artifact that one names.
    pub fn tidy_links(&mut self) -> HashSet<Named> {
        let linked = self.linked(|_| true);
        self.prepared.links.retain(|known, _| linked.contains(known));
        let work = &self.work;
        self.prepared.sound.retain(|key, _| work.contains_key(key));
        self.prepared.refused.retain(|key, _| work.contains_key(key));
        linked
    }

    /// Every artifact that slots name which this prover holds.
    pub fn held_links(&mut self) -> HashSet<Named> {
        let me = self.me;
        self.linked(|slot| slot.prover == me)
    }

    /// What open slots of these name.
    fn linked(&mut self, of: impl Fn(&Slot) -> bool) -> HashSet<Named> {
        let mut linked = HashSet::new();
        let open = self.work.iter().filter(|(_, record)| !record.work.stage.ended() && of(&record.slot));
        for key in open.map(|(key, _)| *key).collect::<Vec<_>>() {
            // Looked up where it is not known yet.
            let _ = self.told(key);
            linked
                .extend(self.duty.needs_of(key).into_iter().flat_map(|needs| needs.linked.iter().map(named)));
        }
        linked
    }

    /// An artifact was fetched, or could not be.
    pub fn fetched(&mut self, artifact: &Artifact, result: Result<(), String>) {
        let failed = result.err().map(|why| text::shown(&why, MOST_WORDS));
        self.prepared.links.insert(named(artifact), failed);
        self.duty.look_again();
    }

    /// A slot's circuit was asked, of this edition: nothing, or why no machine proves the slot.
    pub fn checked(
        &mut self,
        key: SlotKey,
        edition: Edition,
        verdict: Option<String>,
    ) -> Result<Option<Moved>, StoreError> {
        self.duty.look_again();
        let Some(why) = verdict else {
            self.prepared.refused.remove(&key);
            self.prepared.sound.insert(key, edition);
            return Ok(None);
        };
        // A proof's word is worth more than a check's, if it had the same to go by; with less it says nothing about it.
        let needs = self.needs(key);
        if let Verdict::Sound(sound) = self.prepared.verdict(key, self.statement(key), &needs)
            && !sound.is_part_of(&edition)
        {
            return Ok(None);
        }
        self.prepared.sound.remove(&key);
        let is_all = self.edition(key) == edition;
        self.prepared.refused.insert(key, (edition, text::shown(&why, MOST_WORDS)));
        if !is_all {
            return Ok(None);
        }
        self.duty.wants(key);
        self.input(key, &Input::Unprovable)
    }

    /// Slots that are refused and bind nobody: an operator may want to know why nothing is earned by them.
    pub(super) fn refused(&self) -> Vec<Concern> {
        let refused = self.prepared.refused.iter().rev().filter_map(|(key, (edition, why))| {
            let record = self.record(*key).filter(|record| !record.work.stage.ended())?;
            if record.slot.prover == self.me || record.slot.statement != edition.statement {
                return None;
            }
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
        self.duty.needs_of(key).cloned().unwrap_or_default()
    }

    fn statement(&self, key: SlotKey) -> B256 {
        self.facts.slot(key).map_or(B256::ZERO, |fact| fact.slot.statement)
    }

    fn is_held(&self, key: SlotKey) -> bool {
        self.record(key).is_some_and(|record| record.slot.prover == self.me)
    }

    /// Slots that are neither over nor proven nor being proven, and for which this holds: this prover's own first, and then those whose
    /// windows end first.
    fn preparable(&self, holds: impl Fn(&Self, SlotKey, &Slot) -> bool) -> Vec<SlotKey> {
        let waits = |record: &WorkRecord| {
            matches!(
                record.work.stage,
                SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Ignored | SlotStage::Queued
            )
        };
        let waiting = self.work.iter().filter(|(key, record)| waits(record) && self.serves(key.market));
        let found = waiting.filter(|(key, record)| holds(self, **key, &record.slot));
        let mut found: Vec<(bool, u64, SlotKey)> = found
            .map(|(key, record)| (record.slot.prover != self.me, record.slot.exclusiveUntil.to(), *key))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, _, key)| key).collect()
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
