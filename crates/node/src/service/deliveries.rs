//! Proofs on their way to the chain, and what comes of them.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use futures::FutureExt as _;
use provery_mechanisms::view::expires_at;
use provery_rpc::Call;
use provery_txmgr::{Mined, Order, SendError};
use provery_types::{CircuitTerms, Slot, SlotKey, Terms};
use serde_json::json;
use tracing::{debug, info, warn};

use super::{
    account::Account,
    budgets::{self, Spending, proof_tag},
    chronicle::{Chronicle, slot_timings::in_millis},
    commitment::{self, Gate},
    context::Context,
    effects::Effects,
    fee_budget,
    handles::Handles,
    presence::breaker::Breaker,
};
use crate::{
    book::{Book, Moved, Policy},
    error::NodeError,
    outcome::{Class, classify},
    slots::{Input, SlotStage},
};

/// Blocks in which the event of a mined proof must appear before the proof is sent again.
const CONFIRM_WITHIN: u64 = 3;

/// A proof's transaction is through, or failed; or the commitment before it.
pub(super) struct Sent {
    key: SlotKey,
    took: Duration,
    result: Result<Arrived, SendError>,
}

enum Arrived {
    Proof(Box<Mined>),
    /// The proof is committed to since a block.
    Commitment(B256, u64),
}

impl Sent {
    /// Gas that a proof used, if it is mined.
    pub(super) fn gas_used(&self) -> Option<u64> {
        match &self.result {
            Ok(Arrived::Proof(mined)) => Some(mined.gas_used),
            _ => None,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Proofs that were mined, or refused because the slot had ended, and the block by which an event must have said so.
    unconfirmed: HashMap<SlotKey, u64>,
    /// Commitments to proofs that do not bind their payee, and the block of each.
    committed: HashMap<SlotKey, (B256, u64)>,
}

impl Deliveries {
    /// Send every stored proof whose time has come. `offering`: slots whose offer to others is under way.
    pub(super) fn start(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        policy: &Policy,
        account: &mut Account,
        chronicle: &mut Chronicle,
        offering: &BTreeSet<SlotKey>,
    ) -> Result<Effects<Sent>, NodeError> {
        let now = policy.now;
        let mut effects = Effects::default();
        let ready: Vec<SlotKey> = book
            .work()
            .filter(|(_, record)| matches!(record.work.stage, SlotStage::Proved { not_before } if not_before <= now))
            .map(|(key, _)| key)
            .collect();
        for key in ready {
            let Some((slot, terms)) = book.open_slot(key) else { continue };
            let (slot, terms) = (slot.clone(), terms.clone());
            // Before the exclusive window ends, another's slot cannot be delivered.
            if slot.prover != handles.me() && now < slot.exclusiveUntil.to::<u64>() {
                continue;
            }
            let Some(proof) = book.proof(key)? else {
                effects.moved.extend(book.input(key, &Input::Restarted { has_proof: false })?);
                continue;
            };
            let is_bound = CircuitTerms::read(&terms).payee_bound();
            let known = self.committed.get(&key).copied();
            let head = book.head().map_or(0, |head| head.number);
            match commitment::gate(&slot, &terms, handles.me(), &proof, known, now, head) {
                Gate::Open if !is_bound && (offering.contains(&key) || book.could_be_taken(key, now)) => {
                    continue;
                }
                Gate::Open => {}
                Gate::Closed => continue,
                Gate::Commit(commitment) => {
                    let call = handles.chain.calls().commit_proof(commitment);
                    let order = Order {
                        tag: format!("commitment {commitment}"),
                        fallback_gas: Some(fee_budget::COMMITMENT_GAS),
                        ..order(Context { handles, book, account, policy }, &slot, &terms, call)
                    };
                    effects.moved.extend(book.input(key, &Input::SendStarted)?);
                    effects.tasks.push(commit(handles, key, commitment, order).boxed());
                    continue;
                }
            }
            let call = handles.chain.calls().prove(&slot, &terms, proof.public_inputs, proof.proof);
            account.funds.sends_proof(&call.data);
            let order = order(Context { handles, book, account, policy }, &slot, &terms, call);
            // On disk before it is sent.
            effects.moved.extend(book.input(key, &Input::SendStarted)?);
            if let Some(timings) = chronicle.timings(key) {
                timings.sending();
            }
            let sender = handles.sender.clone();
            let task = async move {
                let started = Instant::now();
                let result = sender.deliver(order).await.map(|mined| Arrived::Proof(Box::new(mined)));
                Sent { key, took: started.elapsed(), result }
            };
            effects.tasks.push(task.boxed());
        }
        Ok(effects)
    }

    /// A proof's transaction is through, or failed, at `now` (unix seconds).
    pub(super) fn sent(
        &mut self,
        Sent { key, took, result }: Sent,
        now: u64,
        handles: &Handles,
        book: &mut Book,
        chronicle: &mut Chronicle,
        breaker: &mut Breaker,
    ) -> Result<Option<Moved>, NodeError> {
        let input = match result {
            Ok(Arrived::Commitment(commitment, block)) => {
                debug!(market = %key.market, slot = key.id, %commitment, block, "proof committed");
                self.committed.insert(key, (commitment, block));
                Input::SendFailed { retry_at: now }
            }
            Ok(Arrived::Proof(mined)) => {
                breaker.succeeded();
                handles.monitor.phase("send", took);
                self.unconfirmed.insert(key, mined.block.number + CONFIRM_WITHIN);
                report_mined(key, took, &mined, handles, chronicle);
                Input::SendMined
            }
            Err(error) => self.failed(key, &error, handles, book, breaker).input(now),
        };
        chronicle.delivered(key, book);
        if book.is_over(key) {
            self.unconfirmed.remove(&key);
        }
        Ok(book.input(key, &input)?)
    }

    fn failed(
        &mut self,
        key: SlotKey,
        error: &SendError,
        handles: &Handles,
        book: &Book,
        breaker: &mut Breaker,
    ) -> Class {
        let class = classify(error);
        // A reorganisation took the commitment.
        if error.revert_name() == Some("ProofNotCommitted") {
            self.committed.remove(&key);
        }
        match class {
            Class::Raced => {
                debug!(market = %key.market, slot = key.id, "slot had ended before the proof arrived");
                handles.monitor.loss("raced");
                let head = book.head().map_or(0, |head| head.number);
                self.unconfirmed.insert(key, head + CONFIRM_WITHIN);
            }
            Class::NotYet => {
                warn!(market = %key.market, slot = key.id, error = %error, "proof is sent again")
            }
            Class::Unanswered => {
                warn!(market = %key.market, slot = key.id, error = %error, "no endpoint takes a proof, it is sent again");
                breaker.failed(class.code());
                handles.monitor.failure(class.code());
            }
            Class::Refused | Class::Failing => {
                breaker.failed(class.code());
                handles.trouble(Some(key), class.code(), &error.to_string(), true);
            }
        }
        class
    }

    /// A slot's work moved: whether an event of its proof is still waited for.
    pub(super) fn moved(&mut self, step: &Moved) {
        if step.after.ended() || step.after == SlotStage::Seen {
            self.unconfirmed.remove(&step.key);
            self.committed.remove(&step.key);
        }
    }

    /// A proof was mined, or its slot said to have ended, and no event tells of it: a reorg took it, so send it again.
    pub(super) fn retry_unconfirmed(&mut self, book: &mut Book, now: u64) -> Result<Vec<Moved>, NodeError> {
        let Some(head) = book.head() else { return Ok(Vec::new()) };
        let overdue: Vec<SlotKey> =
            self.unconfirmed.iter().filter(|(_, by)| **by < head.number).map(|(key, _)| *key).collect();
        let mut moved = Vec::new();
        for key in overdue {
            self.unconfirmed.remove(&key);
            moved.extend(book.input(key, &Input::SendFailed { retry_at: now })?);
        }
        Ok(moved)
    }

    /// Nothing is known of what was sent: send all of it again. An order that is under way is attached to and not sent twice.
    pub(super) fn retry_all(&self, book: &mut Book, now: u64) -> Result<Vec<Moved>, NodeError> {
        let submitting = book.work().filter(|(_, record)| record.work.stage == SlotStage::Submitting);
        let keys: Vec<SlotKey> = submitting.map(|(key, _)| key).collect();
        let mut moved = Vec::new();
        for key in keys {
            moved.extend(book.input(key, &Input::SendFailed { retry_at: now })?);
        }
        Ok(moved)
    }

    /// Another node sends from now on.
    pub(super) fn abandon(&mut self) {
        self.unconfirmed.clear();
        self.committed.clear();
    }
}

/// Sends a commitment, unless the chain has it.
fn commit(
    handles: &Handles,
    key: SlotKey,
    commitment: B256,
    order: Order,
) -> impl Future<Output = Sent> + Send + use<> {
    let (sender, chain) = (handles.sender.clone(), handles.chain.clone());
    async move {
        let started = Instant::now();
        // Whether it is there already, a restart may have forgotten. Not knowing costs a transaction that changes nothing.
        let there = chain.committed_at(commitment).await.ok().flatten();
        let result = match there {
            Some(block) => Ok(block),
            None => sender.deliver(order).await.map(|mined| mined.block.number),
        };
        let result = result.map(|block| Arrived::Commitment(commitment, block));
        Sent { key, took: started.elapsed(), result }
    }
}

fn order(context: Context<'_>, slot: &Slot, terms: &Terms, call: Call) -> Order {
    let Spending { budget, reserve, due } = budgets::of_proof(context, slot, terms);
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

fn report_mined(key: SlotKey, took: Duration, mined: &Mined, handles: &Handles, chronicle: &mut Chronicle) {
    info!(market = %key.market, slot = key.id, tx = %mined.tx_hash, gas = mined.gas_used, "proof mined");
    let mut fields = json!({ "tx": mined.tx_hash, "gas": mined.gas_used, "block": mined.block.number });
    if let Some(timings) = chronicle.timings(key) {
        timings.sent(mined.timings);
        fields["phases"] = in_millis(&timings.phases());
        fields["seen_ms"] = json!(timings.seen_ms);
        fields["broadcast_ms"] = json!(mined.broadcast_at_ms);
    }
    handles.reporter.slot("submitted", key, Some(took), fields);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy::primitives::U256;
    use provery_mechanisms::{Decision, Reason};
    use provery_workloads::Workloads;

    use super::*;
    use crate::{
        store::{DataDir, Identity, Store, StoredProof},
        testing::{MARKET, ME, World, block, deployment},
    };

    #[test]
    fn a_proof_whose_event_does_not_come_is_sent_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let identity = Identity { chain_id: 31337, market: deployment().market(), prover: ME };
        let directory = DataDir::open(directory.path()).expect("free");
        let store = Arc::new(Store::open(directory, &identity).expect("a store"));
        let (mut book, _) = Book::open(store, deployment(), ME, None, Workloads::default()).expect("a book");
        let (mut world, key) = (World::new(), SlotKey { market: MARKET, id: 1 });
        book.block(block(1), &world.beginning()).expect("stored");
        book.block(block(2), &world.post(2, ME, None)).expect("stored");
        let statement = book.facts().slot(key).expect("a slot").slot.statement;
        let proof = StoredProof {
            statement,
            payee: ME,
            made_at: 2,
            public_inputs: vec![U256::ONE],
            proof: vec![1].into(),
        };
        let decision = Decision::Prove { reason: Reason::Assigned };
        book.input(key, &Input::Decided { decision, has_proof: false }).expect("stored");
        book.proved(key, &proof).expect("stored");
        let stage = |book: &Book| book.record(key).expect("a record").work.stage;
        book.input(key, &Input::SendStarted).expect("stored");
        assert_eq!(stage(&book), SlotStage::Submitting);
        let mut deliveries = Deliveries { unconfirmed: [(key, 3)].into(), ..Deliveries::default() };
        assert_eq!(deliveries.retry_unconfirmed(&mut book, 1_003).expect("stored"), [], "it may still come");
        book.block(block(4), &[]).expect("stored");
        let again = deliveries.retry_unconfirmed(&mut book, 1_004).expect("stored");
        assert!(matches!(again[..], [Moved { after: SlotStage::Proved { .. }, .. }]), "{again:?}");
        assert_eq!(deliveries.retry_unconfirmed(&mut book, 1_004).expect("stored"), [], "once");

        deliveries.unconfirmed.insert(key, 3);
        let proven = book.block(block(5), &world.prove(5, 1, ME, None)).expect("stored");
        proven.iter().for_each(|step| deliveries.moved(step));
        assert!(deliveries.unconfirmed.is_empty(), "an event says so");
    }
}
