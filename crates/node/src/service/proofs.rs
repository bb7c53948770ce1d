//! Proofs begun, and what comes of them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use alloy::primitives::{B256, U256};
use provery_proving::ProofOutput;
use provery_types::{SlotKey, text};
use provery_worker::{Job, Outcome};
use serde_json::json;
use tracing::{debug, info};

use super::{
    chronicle::Chronicle,
    estimate::Estimate,
    handles::{Handles, MOST_WORDS},
    presence::breaker::Breaker,
};
use crate::{
    book::{Book, Edition, Moved, Policy},
    error::NodeError,
    proof_pool::{Finished, Workers},
    report::millis,
    slots::{Action, Input, SlotStage},
    store::{StoredProof, WorkRecord},
};

/// Seconds before a proof that failed is tried again.
const PROOF_RETRY: u64 = 5;
/// Blocks after the one that was the head in which a slot must be there again, or its proof is of no use.
const WITHIN: u64 = 2;

/// See the module.
pub(super) struct Proofs {
    workers: Workers,
    /// The circuits that the workers prove.
    circuits: Vec<String>,
    estimate: Estimate,
    /// What was known of a slot when its proof was begun.
    editions: HashMap<SlotKey, Edition>,
    /// Proofs under way of slots that were taken back, and the block by which these must have come again.
    returns: HashMap<SlotKey, u64>,
}

impl Proofs {
    /// `first_estimate`: what a proof is expected to take before any was made.
    pub(super) fn new(workers: Workers, circuits: Vec<String>, first_estimate: Duration) -> Self {
        let (editions, returns) = Default::default();
        Self { workers, circuits, estimate: Estimate::new(first_estimate), editions, returns }
    }

    /// Seconds that a proof and its delivery are expected to take.
    pub(super) fn estimate_seconds(&self) -> u64 {
        self.estimate.seconds()
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Begin proofs for as long as a worker is idle and a slot is queued.
    pub(super) fn start(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        policy: &Policy,
        chronicle: &mut Chronicle,
    ) -> Result<Vec<Moved>, NodeError> {
        let mut moved = Vec::new();
        if !self.workers.idle()
            && let Some(other) = book.makes_way(policy)
        {
            debug!(market = %other.market, slot = other.id, "a proof that binds nobody makes way");
            self.workers.cancel(other);
        }
        while self.workers.idle() {
            let Some(key) = self.next(handles, book) else { break };
            let Some(fact) = book.facts().slot(key).cloned() else { break };
            let preparing = Instant::now();
            let prepared = book.job(key).map_err(NodeError::from).and_then(|job| {
                if self.circuits.contains(&job.circuit) {
                    Ok(job)
                } else {
                    Err(NodeError::NoBackend { circuit: job.circuit })
                }
            });
            let prepared = match prepared {
                Ok(prepared) => prepared,
                Err(error) => {
                    handles.trouble(Some(key), error.code(), &error.to_string(), false);
                    moved.extend(book.give_up(key)?);
                    continue;
                }
            };
            let statement = fact.slot.statement;
            let (size, deadline, claim_correct) = (prepared.size, prepared.deadline, prepared.claim_correct);
            let job = Job { key, statement, circuit: prepared.circuit, bytes: prepared.bytes };
            let reason = chronicle.reason(key);
            let edition = book.edition(key);
            if !self.workers.start(job) {
                break;
            }
            self.editions.insert(key, edition);
            info!(
                market = %key.market,
                slot = key.id,
                reason = reason.name(),
                size,
                deadline,
                claim_correct,
                "proof started"
            );
            chronicle.timings_of(key).started(preparing.elapsed());
            handles.reporter.slot("proving", key, book.since_seen(key), json!({ "reason": reason.name() }));
            moved.extend(book.input(key, &Input::ProofStarted)?);
        }
        Ok(moved)
    }

    /// The queued slot whose time runs out first.
    fn next(&self, handles: &Handles, book: &Book) -> Option<SlotKey> {
        let queued = book
            .work()
            .filter(|(key, record)| record.work.stage == SlotStage::Queued && !self.workers.busy_with(*key));
        // This prover's own before others', and of those the ones whose bond is at stake.
        let urgency = |key: SlotKey, record: &WorkRecord| {
            let others = record.slot.prover != handles.me();
            (others, book.fell(key), record.slot.exclusiveUntil.to::<u64>())
        };
        queued.min_by_key(|(key, record)| urgency(*key, record)).map(|(key, _)| key)
    }

    /// A worker is done, at `now` (unix seconds): what it made is stored.
    pub(super) fn finished(
        &mut self,
        finished: Finished,
        now: u64,
        handles: &Handles,
        book: &mut Book,
        chronicle: &mut Chronicle,
        breaker: &mut Breaker,
    ) -> Result<Option<Moved>, NodeError> {
        let Finished { key, statement, outcome, took } = finished;
        self.workers.done(key);
        let edition = self.editions.remove(&key);
        match outcome {
            Outcome::Proved(output) => {
                breaker.succeeded();
                self.estimate.proved(took);
                if let Some(timings) = chronicle.timings(key) {
                    timings.proved(took);
                }
                let moved = store(key, statement, &output, took, handles, book)?;
                if let Some(timings) = chronicle.timings(key) {
                    timings.stored();
                }
                Ok(moved)
            }
            Outcome::Cancelled => Ok(book.input(key, &Input::ProofCancelled)?),
            Outcome::Refused(message) => {
                if book.record(key).is_some_and(|record| record.slot.statement != statement) {
                    return Ok(book.input(key, &Input::ProofCancelled)?);
                }
                // The slot is at fault, so nothing speaks against the others.
                let message = text::shown(&message, MOST_WORDS);
                handles.trouble(Some(key), "unprovable", &message, false);
                let known = match edition {
                    Some(edition) => book.checked(key, edition, Some(message))?,
                    None => None,
                };
                // More was said of it meanwhile: it is tried with that.
                Ok(known.or(book.input(key, &Input::ProofCancelled)?))
            }
            Outcome::Failed(message) => {
                let message = text::shown(&message, MOST_WORDS);
                breaker.failed("proof_failed");
                handles.trouble(Some(key), "proof_failed", &message, true);
                let retry_at = now.saturating_add(PROOF_RETRY);
                Ok(book.input(key, &Input::ProofFailed { retry_at })?)
            }
        }
    }

    /// A slot's work moved: whether its proof is still wanted.
    pub(super) fn moved(&self, step: &Moved) {
        if step.actions.contains(&Action::CancelProof) {
            self.workers.cancel(step.key);
        }
    }

    /// Blocks were taken back. Slots may be gone with the blocks that they were in: a proof of one goes on for a moment all the
    /// same. `head`: the head as it was.
    pub(super) fn keep(&mut self, moved: &mut [Moved], book: &Book, head: u64) {
        for step in moved.iter_mut().filter(|step| book.record(step.key).is_none()) {
            let (cancels, rest): (Vec<_>, Vec<_>) =
                step.actions.drain(..).partition(|action| *action == Action::CancelProof);
            step.actions = rest;
            if !cancels.is_empty() {
                self.returns.insert(step.key, head.saturating_add(WITHIN));
            }
        }
    }

    /// Take up the proofs of slots that are there again, and stop those of slots that are not.
    pub(super) fn mind_returns(&mut self, book: &mut Book) -> Result<Vec<Moved>, NodeError> {
        let head = book.head().map_or(0, |head| head.number);
        let mut moved = Vec::new();
        for (key, by) in self.returns.clone() {
            let proven = self.workers.proves(key);
            let known = book.record(key).map(|record| (record.work.stage, record.slot.statement));
            match known {
                _ if proven.is_none() => {}
                None if head < by => continue,
                Some((SlotStage::Seen, statement)) if proven == Some(statement) => continue,
                Some((SlotStage::Queued, statement)) if proven == Some(statement) => {
                    moved.extend(book.input(key, &Input::ProofStarted)?);
                }
                // Kept when it is done.
                Some((SlotStage::Waiting { .. }, statement)) if proven == Some(statement) => {}
                _ => self.workers.cancel(key),
            }
            self.returns.remove(&key);
        }
        Ok(moved)
    }

    /// Have nothing more to do with any proof.
    pub(super) fn abandon(&mut self) {
        self.workers.abandon_all();
        self.editions.clear();
        self.returns.clear();
    }
}

/// Put a proof on disk, with the stage that it completes.
fn store(
    key: SlotKey,
    statement: B256,
    output: &ProofOutput,
    took: Duration,
    handles: &Handles,
    book: &mut Book,
) -> Result<Option<Moved>, NodeError> {
    if book.record(key).is_some_and(|record| record.slot.statement != statement) {
        // A reorg put another slot in this one's place.
        return Ok(book.input(key, &Input::ProofCancelled)?);
    }
    let proof = StoredProof {
        statement,
        payee: handles.me(),
        made_at: book.head().map_or(0, |head| head.number),
        public_inputs: output.public_inputs.iter().map(|word| U256::from_be_bytes(*word)).collect(),
        proof: output.proof.clone().into(),
    };
    let phases: serde_json::Map<_, _> = output
        .timings
        .iter()
        .map(|(phase, time)| (phase.as_str().to_owned(), json!(millis(*time))))
        .collect();
    let moved = book.proved(key, &proof)?;
    // Said once it is on disk: it is not made again, whatever comes.
    info!(market = %key.market, slot = key.id, ms = millis(took), "proved");
    let fields = json!({ "phases": phases, "statement": statement });
    handles.reporter.slot("proved", key, Some(took), fields);
    Ok(moved)
}
