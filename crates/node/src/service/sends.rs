//! Transactions under way, and what comes of them.

use std::time::{Duration, Instant};

use provery_chain::{Mined, SendError};
use provery_mechanisms::{Puzzle, Solution};
use serde_json::json;
use tokio::task::JoinError;
use tracing::{debug, info, warn};

use super::Service;
use super::upkeep::{Look, Task};
use crate::error::NodeError;
use crate::facts::SlotKey;
use crate::outcome::{Class, classify};
use crate::report::millis;
use crate::slots::{Input, SlotStage};

/// Blocks in which the event of a mined proof must appear before the proof is sent again.
const CONFIRM_WITHIN: u64 = 3;

/// A task of the loop's that has ended.
pub(super) enum Sent {
    Proof {
        key: SlotKey,
        took: Duration,
        result: Result<Mined, SendError>,
    },
    Upkeep {
        task: Task,
        result: Result<Mined, SendError>,
    },
    Look(Look),
    /// A puzzle was solved, or given up.
    Mined {
        puzzle: Puzzle,
        solution: Option<Solution>,
    },
}

impl Service {
    /// Send every stored proof whose time has come.
    pub(super) fn start_deliveries(&mut self, now: u64) -> Result<(), NodeError> {
        let ready: Vec<SlotKey> = self
            .book
            .work()
            .filter(|(_, record)| matches!(record.work.stage, SlotStage::Proved { not_before } if not_before <= now))
            .map(|(key, _)| key)
            .collect();
        for key in ready {
            let Some((slot, terms)) = self.book.open_slot(key) else { continue };
            let (slot, terms) = (slot.clone(), terms.clone());
            // Before the exclusive window ends, another's slot cannot be delivered.
            if slot.prover != self.config.prover && now < slot.exclusiveUntil.to::<u64>() {
                continue;
            }
            let Some(proof) = self.book.proof(key)? else {
                self.input(key, &Input::Restarted { has_proof: false })?;
                continue;
            };
            let call = self.chain.calls().prove(&slot, &terms, proof.public_inputs, proof.proof);
            self.input(key, &Input::SendStarted)?;
            let sender = self.sender.clone();
            self.sends.spawn(async move {
                let started = Instant::now();
                let result = sender.send(call).await;
                Sent::Proof { key, took: started.elapsed(), result }
            });
        }
        Ok(())
    }

    pub(super) fn sent(&mut self, sent: Result<Sent, JoinError>) -> Result<(), NodeError> {
        match sent {
            Ok(Sent::Proof { key, took, result: Ok(mined) }) => {
                self.health.succeeded();
                self.watch.observer.phase("send", took);
                self.unconfirmed.insert(key, mined.block.number + CONFIRM_WITHIN);
                info!(market = %key.market, slot = key.id, tx = %mined.tx_hash, gas = mined.gas_used, "proof mined");
                let fields =
                    json!({ "tx": mined.tx_hash, "gas": mined.gas_used, "block": mined.block.number });
                self.reporter.slot("submitted", key, Some(took), fields);
                self.input(key, &Input::SendMined)
            }
            Ok(Sent::Proof { key, result: Err(error), .. }) => self.proof_not_sent(key, &error),
            Ok(Sent::Upkeep { task, result }) => {
                self.upkeep_done(&task, result);
                Ok(())
            }
            Ok(Sent::Look(look)) => {
                self.upkeep.looked(look);
                Ok(())
            }
            Ok(Sent::Mined { puzzle, solution }) => {
                self.mined(puzzle, solution);
                Ok(())
            }
            Err(join) if join.is_cancelled() => Ok(()),
            Err(panic) => {
                // The slot is left in Submitting; its event, or the next start, moves it.
                self.trouble(None, "send_panicked", &panic.to_string(), true);
                Ok(())
            }
        }
    }

    fn proof_not_sent(&mut self, key: SlotKey, error: &SendError) -> Result<(), NodeError> {
        let class = classify(error);
        match class {
            Class::Raced => {
                debug!(market = %key.market, slot = key.id, "slot had ended before the proof arrived");
                self.watch.observer.loss("raced");
                let head = self.book.head().map_or(0, |head| head.number);
                self.unconfirmed.insert(key, head + CONFIRM_WITHIN);
            }
            Class::NotYet => {
                warn!(market = %key.market, slot = key.id, error = %error, "proof is sent again")
            }
            Class::Refused | Class::Failing => {
                self.health.failed();
                self.trouble(Some(key), class.code(), &error.to_string(), true);
            }
        }
        self.input(key, &class.input(self.pace.now()))
    }

    /// A proof was mined, or its slot said to have ended, and no event tells of it: a reorg took it, so send it again.
    pub(super) fn retry_unconfirmed(&mut self, now: u64) -> Result<(), NodeError> {
        let Some(head) = self.book.head() else { return Ok(()) };
        let overdue: Vec<SlotKey> =
            self.unconfirmed.iter().filter(|(_, by)| **by < head.number).map(|(key, _)| *key).collect();
        for key in overdue {
            self.unconfirmed.remove(&key);
            self.input(key, &Input::SendFailed { retry_at: now })?;
        }
        Ok(())
    }

    fn upkeep_done(&mut self, task: &Task, result: Result<Mined, SendError>) {
        match result {
            Ok(mined) => {
                info!(action = task.name(), tx = %mined.tx_hash, gas = mined.gas_used, "upkeep done");
                let fields = json!({ "action": task.name(), "tx": mined.tx_hash, "gas": mined.gas_used });
                match task {
                    Task::Expire(key) | Task::Errand(key, _) => {
                        self.reporter.slot("upkeep", *key, None, fields)
                    }
                    _ => self.reporter.node("upkeep", fields),
                }
                self.upkeep.ended(task, None);
            }
            Err(error) => {
                let class = classify(&error);
                self.upkeep.ended(task, Some(class));
                match class {
                    Class::Raced | Class::NotYet => {
                        debug!(action = task.name(), error = %error, "upkeep is not needed, or not yet");
                    }
                    class => self.trouble(None, class.code(), &format!("{}: {error}", task.name()), true),
                }
            }
        }
    }

    /// How long ago this node first saw a slot.
    pub(super) fn since_seen(&self, key: SlotKey) -> Option<Duration> {
        let seen = self.book.record(key)?.seen_ms;
        Some(Duration::from_millis(crate::book::unix_millis().saturating_sub(seen)))
    }
}

/// Asset wei as reports have it.
pub(super) fn wei(amount: alloy::primitives::U256) -> serde_json::Value {
    json!(amount.to_string())
}

/// For logs.
pub(super) fn whole_millis(duration: Option<Duration>) -> u64 {
    duration.map(millis).unwrap_or_default()
}
