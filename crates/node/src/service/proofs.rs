//! Proofs begun, and what comes of them.

use std::time::{Duration, Instant};

use alloy::primitives::{B256, U256};
use provery_mechanisms::Reason;
use provery_proving::ProofOutput;
use serde_json::json;
use tracing::{debug, info};

use super::Service;
use super::slot_timings::SlotTimings;
use crate::book::unix_millis;
use crate::error::NodeError;
use crate::proof_pool::Finished;
use crate::slots::{Input, SlotStage};
use crate::store::{StoredProof, WorkRecord};
use provery_types::SlotKey;
use provery_worker::{Job, Outcome};

/// Seconds before a proof that failed is tried again.
const PROOF_RETRY: u64 = 5;

impl Service {
    pub(super) fn start_proofs(&mut self) -> Result<(), NodeError> {
        if !self.workers.idle()
            && let Some(other) = self.book.makes_way(&self.policy())
        {
            debug!(market = %other.market, slot = other.id, "a proof that binds nobody makes way");
            self.workers.cancel(other);
        }
        while self.workers.idle() {
            let Some(key) = self.next_to_prove() else { return Ok(()) };
            let Some(fact) = self.book.facts().slot(key).cloned() else { return Ok(()) };
            let preparing = Instant::now();
            let prepared = self.book.job(key).map_err(NodeError::from).and_then(|job| {
                if self.circuits.contains(&job.circuit) {
                    Ok(job)
                } else {
                    Err(NodeError::NoBackend { circuit: job.circuit })
                }
            });
            let prepared = match prepared {
                Ok(prepared) => prepared,
                Err(error) => {
                    self.trouble(Some(key), error.code(), &error.to_string(), false);
                    if let Some(step) = self.book.give_up(key)? {
                        self.follow_up(&step);
                    }
                    continue;
                }
            };
            let statement = fact.slot.statement;
            let (size, deadline, claim_correct) = (prepared.size, prepared.deadline, prepared.claim_correct);
            let job = Job { key, statement, circuit: prepared.circuit, bytes: prepared.bytes };
            let reason = self.reasons.get(&key).copied().unwrap_or(Reason::Allocated);
            if !self.workers.start(job) {
                return Ok(());
            }
            info!(
                market = %key.market,
                slot = key.id,
                reason = reason.name(),
                size,
                deadline,
                claim_correct,
                "proof started"
            );
            self.slot_timings
                .entry(key)
                .or_insert_with(|| SlotTimings::begin(unix_millis()))
                .started(preparing.elapsed());
            self.reporter.slot("proving", key, self.since_seen(key), json!({ "reason": reason.name() }));
            self.input(key, &Input::ProofStarted)?;
        }
        Ok(())
    }

    /// The queued slot whose time runs out first.
    fn next_to_prove(&self) -> Option<SlotKey> {
        let queued = self
            .book
            .work()
            .filter(|(key, record)| record.work.stage == SlotStage::Queued && !self.workers.busy_with(*key));
        // This prover's own before others', and of those the ones whose bond is at stake.
        let urgency = |key: SlotKey, record: &WorkRecord| {
            let others = record.slot.prover != self.config.prover;
            (others, self.book.fell(key), record.slot.exclusiveUntil.to::<u64>())
        };
        queued.min_by_key(|(key, record)| urgency(*key, record)).map(|(key, _)| key)
    }

    pub(super) fn finished(&mut self, finished: Finished) -> Result<(), NodeError> {
        let Finished { key, statement, outcome, took } = finished;
        self.workers.done(key);
        match outcome {
            Outcome::Proved(output) => {
                self.health.succeeded();
                self.chain_clock.proved(took);
                if let Some(timings) = self.slot_timings.get_mut(&key) {
                    timings.proved(took);
                }
                self.keep(key, statement, &output, took)?;
                if let Some(timings) = self.slot_timings.get_mut(&key) {
                    timings.stored();
                }
                Ok(())
            }
            Outcome::Cancelled => self.input(key, &Input::ProofCancelled),
            Outcome::Failed(message) => {
                self.health.failed("proof_failed");
                self.trouble(Some(key), "proof_failed", &message, true);
                let retry_at = self.chain_clock.now().saturating_add(PROOF_RETRY);
                self.input(key, &Input::ProofFailed { retry_at })
            }
        }
    }

    fn keep(
        &mut self,
        key: SlotKey,
        statement: B256,
        output: &ProofOutput,
        took: Duration,
    ) -> Result<(), NodeError> {
        if self.book.record(key).is_some_and(|record| record.slot.statement != statement) {
            // A reorg put another slot in this one's place.
            return self.input(key, &Input::ProofCancelled);
        }
        let proof = StoredProof {
            statement,
            payee: self.config.prover,
            made_at: self.book.head().map_or(0, |head| head.number),
            public_inputs: output.public_inputs.iter().map(|word| U256::from_be_bytes(*word)).collect(),
            proof: output.proof.clone().into(),
        };
        let phases: serde_json::Map<_, _> = output
            .timings
            .iter()
            .map(|(phase, time)| (phase.as_str().to_owned(), json!(crate::report::millis(*time))))
            .collect();
        let step = self.book.proved(key, &proof)?;
        // Said once it is on disk: it is not made again, whatever comes.
        info!(market = %key.market, slot = key.id, ms = crate::report::millis(took), "proved");
        let fields = json!({ "phases": phases, "statement": statement });
        self.reporter.slot("proved", key, Some(took), fields);
        if let Some(step) = step {
            self.follow_up(&step);
        }
        Ok(())
    }
}
