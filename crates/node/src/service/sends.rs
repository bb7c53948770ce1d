//! Transactions under way, and what comes of them.

use std::time::{Duration, Instant};

use provery_mechanisms::view::expires_at;
use provery_mechanisms::{Puzzle, Solution};
use provery_rpc::Call;
use provery_txmgr::{Mined, Order, SendError};
use provery_types::{Slot, SlotKey, Terms};
use serde_json::json;
use tokio::task::JoinError;
use tracing::{debug, info, warn};

use super::budgets::{Spending, proof_tag};
use super::pause_reason::PauseTrouble;
use super::report::wei;
use super::slot_timings::in_millis;
use super::upkeep::{Look, Task};
use super::{Service, fee_budget, rounds, whose};
use crate::error::NodeError;
use crate::outcome::{Class, classify};
use crate::slots::{Input, SlotStage};
use crate::store::WorkRecord;

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
    Seed {
        task: Task,
        result: Result<Option<Mined>, NodeError>,
    },
    Look(Look),
    /// Whose a pause is.
    Whose(whose::Answer),
    /// A mining round was looked at.
    Round(rounds::Look),
    /// A development chain was asked for a block that a round waits for.
    BlockMade(Result<(), SendError>),
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
            self.funds.sends_proof(&call.data);
            let order = self.proof_order(&slot, &terms, call, now);
            self.input(key, &Input::SendStarted)?;
            if let Some(timings) = self.slot_timings.get_mut(&key) {
                timings.sending();
            }
            let sender = self.sender.clone();
            self.sends.spawn(async move {
                let started = Instant::now();
                let result = sender.deliver(order).await;
                Sent::Proof { key, took: started.elapsed(), result }
            });
        }
        Ok(())
    }

    pub(super) fn sent(&mut self, sent: Result<Sent, JoinError>) -> Result<(), NodeError> {
        match sent {
            Ok(Sent::Proof { key, took, result: Ok(mined) }) => self.proof_sent(key, took, &mined),
            Ok(Sent::Proof { key, result: Err(error), .. }) => self.proof_not_sent(key, &error),
            Ok(Sent::Upkeep { task, result }) => {
                self.upkeep_done(&task, result);
                Ok(())
            }
            Ok(Sent::Seed { task, result }) => {
                self.seed_done(&task, result);
                Ok(())
            }
            Ok(Sent::Look(look)) => {
                let Some(seen) = self.upkeep.looked(look) else { return Ok(()) };
                let low = self.funds.looked(seen.balance, seen.prices);
                self.margin.looked(self.funds.proof_cost(), self.best_pay());
                if low {
                    let fields = json!({
                        "code": "low_balance", "balance": wei(seen.balance), "proofs_left": self.funds.proofs_left()
                    });
                    self.reporter.node("warning", fields);
                }
                Ok(())
            }
            Ok(Sent::Whose(answer)) => self.know_whose_pause(answer),
            Ok(Sent::Round(look)) => {
                self.round_looked(look);
                Ok(())
            }
            Ok(Sent::BlockMade(result)) => {
                self.block_made(result);
                Ok(())
            }
            Ok(Sent::Mined { puzzle, solution }) => {
                self.mined(puzzle, solution);
                Ok(())
            }
            Err(join) if join.is_cancelled() => Ok(()),
            Err(panic) => {
                self.trouble(None, "send_panicked", &panic.to_string(), true);
                // Whose it was is not known. An order that is under way is attached to and not sent twice.
                let submitting = |record: &WorkRecord| record.work.stage == SlotStage::Submitting;
                let keys: Vec<SlotKey> =
                    self.book.work().filter(|(_, record)| submitting(record)).map(|(key, _)| key).collect();
                let retry_at = self.chain_clock.now();
                keys.into_iter().try_for_each(|key| self.input(key, &Input::SendFailed { retry_at }))
            }
        }
    }

    fn proof_sent(&mut self, key: SlotKey, took: Duration, mined: &Mined) -> Result<(), NodeError> {
        self.health.succeeded();
        self.funds.proof_mined(mined.gas_used);
        self.watch.monitor.phase("send", took);
        self.unconfirmed.insert(key, mined.block.number + CONFIRM_WITHIN);
        info!(market = %key.market, slot = key.id, tx = %mined.tx_hash, gas = mined.gas_used, "proof mined");
        let mut fields = json!({ "tx": mined.tx_hash, "gas": mined.gas_used, "block": mined.block.number });
        if let Some(timings) = self.slot_timings.get_mut(&key) {
            timings.sent(mined.timings);
            fields["phases"] = in_millis(&timings.phases());
            fields["seen_ms"] = json!(timings.seen_ms);
            fields["broadcast_ms"] = json!(mined.broadcast_at_ms);
        }
        self.reporter.slot("submitted", key, Some(took), fields);
        self.forget_timings(key);
        self.input(key, &Input::SendMined)
    }

    /// A slot that is over, and whose transaction is through, has nothing more to tell.
    fn forget_timings(&mut self, key: SlotKey) {
        if self.book.record(key).is_none_or(|record| record.work.stage.ended()) {
            self.slot_timings.remove(&key);
            self.unconfirmed.remove(&key);
        }
    }

    fn proof_not_sent(&mut self, key: SlotKey, error: &SendError) -> Result<(), NodeError> {
        let class = classify(error);
        match class {
            Class::Raced => {
                debug!(market = %key.market, slot = key.id, "slot had ended before the proof arrived");
                self.watch.monitor.loss("raced");
                let head = self.book.head().map_or(0, |head| head.number);
                self.unconfirmed.insert(key, head + CONFIRM_WITHIN);
            }
            Class::NotYet => {
                warn!(market = %key.market, slot = key.id, error = %error, "proof is sent again")
            }
            Class::Unanswered => {
                warn!(market = %key.market, slot = key.id, error = %error, "no endpoint takes a proof, it is sent again");
                self.health.failed(class.code());
                self.watch.monitor.failure(class.code());
            }
            Class::Refused | Class::Failing => {
                self.health.failed(class.code());
                self.trouble(Some(key), class.code(), &error.to_string(), true);
            }
        }
        self.forget_timings(key);
        self.input(key, &class.input(self.chain_clock.now()))
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

    pub(super) fn upkeep_done(&mut self, task: &Task, result: Result<Mined, SendError>) {
        match result {
            Ok(mined) => {
                info!(action = task.name(), tx = %mined.tx_hash, gas = mined.gas_used, "upkeep done");
                if *task == Task::Pause {
                    self.pause_trouble = None;
                }
                let fields = json!({ "action": task.name(), "tx": mined.tx_hash, "gas": mined.gas_used });
                match task {
                    Task::Expire(key)
                    | Task::Resolve(key)
                    | Task::Drop(key)
                    | Task::MechanismAction(key, _) => self.reporter.slot("upkeep", *key, None, fields),
                    _ => self.reporter.node("upkeep", fields),
                }
                self.upkeep.ended(task, None);
            }
            Err(error) => {
                let class = classify(&error);
                if *task == Task::Pause {
                    let lasting = matches!(class, Class::Failing | Class::Refused);
                    self.pause_trouble = Some(PauseTrouble { lasting, message: error.to_string() });
                }
                self.upkeep.ended(task, Some(class));
                match class {
                    Class::Raced | Class::NotYet | Class::Unanswered => {
                        debug!(action = task.name(), error = %error, "upkeep is not needed, or not yet");
                    }
                    class => self.trouble(None, class.code(), &format!("{}: {error}", task.name()), true),
                }
            }
        }
    }

    fn proof_order(&self, slot: &Slot, terms: &Terms, call: Call, now: u64) -> Order {
        let Spending { budget, reserve, due } = self.proof_spending(slot, terms, now);
        Order {
            tag: proof_tag(slot),
            budget,
            reserve,
            due,
            deadline: Some(expires_at(slot, terms)),
            fallback_gas: Some(fee_budget::fallback_gas(terms, call.data.len())),
            ..Order::new(call)
        }
    }

    /// How long ago this node first saw a slot.
    pub(super) fn since_seen(&self, key: SlotKey) -> Option<Duration> {
        let seen = self.book.record(key)?.seen_ms;
        Some(Duration::from_millis(crate::book::unix_millis().saturating_sub(seen)))
    }
}
