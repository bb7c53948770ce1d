//! From an order to a pending transaction: gas, fees, a nonce, a signature, the journal, and only then the first broadcast.

use std::time::{Duration, Instant};

use crate::{
    broadcast::Broadcast,
    decide::is_late,
    error::SendError,
    fees::{self, Bounds, Cost},
    order::{Order, SendTimings},
    outbox::Outbox,
    pending::Ended,
    transaction::{PendingTransaction, Spend},
};
use alloy::{
    eips::BlockNumberOrTag,
    primitives::U256,
    transports::{RpcError, TransportError},
};
use provery_rpc::{ChainError, DataFees, Fees, Quote};
use tokio::{sync::watch, time::sleep};

/// Broadcasts before a refusal is reported, or the keeper goes on with what is not answered.
const BROADCASTS: u32 = 4;
/// Looks in a row with answers that make no sense, after which nobody waits who is not a keeper: more would say no more.
const SENSELESS: u32 = 10;
/// Estimates that may go unanswered before a fallback is used.
const ESTIMATES: u32 = 2;

/// Someone who waits for a pending transaction.
#[derive(Debug)]
pub(crate) struct Waiter {
    id: u64,
    ended: watch::Receiver<Option<Ended>>,
}

/// What became of a pending transaction's first broadcast.
enum First {
    /// It is under way, and the keeper's.
    UnderWay,
    /// Another program's transaction waits with its nonce; nonces from this one on are free.
    Moved(u64),
}

/// Gas and fees of an order.
struct Price {
    cost: Cost,
    fees: Fees,
    count: u64,
    took: Duration,
}

impl Outbox {
    /// The pending transaction that an order already is.
    pub(crate) fn attach(&self, order: &Order) -> Option<Waiter> {
        let mut set = self.pending_set();
        let waiter = set.same(order).map(|entry| Waiter { id: entry.id, ended: entry.ended.subscribe() })?;
        set.renew(&order.tag, order.budget, order.reserve, order.due);
        Some(waiter)
    }

    /// Sign an order, write it down and broadcast it.
    pub(crate) async fn submit(&self, order: &Order) -> Result<Waiter, SendError> {
        let price = self.price(order).await?;
        let mut free = price.count;
        loop {
            let started = Instant::now();
            let (waiter, pending) = {
                let _lock = self.submitting.lock().await;
                if let Some(waiter) = self.attach(order) {
                    return Ok(waiter);
                }
                let nonce = self.pending_set().next_nonce(free);
                let pending = self.pending(order, nonce, &price).await?;
                self.journal.put(&pending)?;
                let mut set = self.pending_set();
                let since = set.fresh_head(self.config.poll * 2);
                let entry = set.insert(pending.clone());
                entry.first_try = true;
                entry.since = since;
                entry.timings =
                    SendTimings { estimate: price.took, sign: started.elapsed(), broadcast: Duration::ZERO };
                (Waiter { id: entry.id, ended: entry.ended.subscribe() }, pending)
            };
            // Whatever happens from here on, also if nobody waits any more, the pending transaction is looked after.
            let _first = FirstTry { outbox: self, id: waiter.id };
            match self.first_broadcast(order, &pending, waiter.id).await? {
                First::UnderWay => return Ok(waiter),
                First::Moved(next) => free = next,
            }
        }
    }

    async fn pending(
        &self,
        order: &Order,
        nonce: u64,
        price: &Price,
    ) -> Result<PendingTransaction, SendError> {
        let call = &order.call;
        let signed = self.sign(call.into(), nonce, price.cost.limit, price.fees).await?;
        Ok(PendingTransaction {
            account: self.signer.address(),
            nonce,
            tag: order.tag.clone(),
            kind: call.kind.to_owned(),
            to: call.to,
            data: call.data.clone(),
            value: call.value,
            gas: price.cost.limit,
            budget: order.budget,
            spend: Spend {
                expected: price.cost.gas,
                given: call.gas.is_some(),
                least: self.least_limit(order),
                reserve: order.reserve,
                due: order.due,
            },
            deadline: order.deadline,
            signed: vec![signed],
            mined: None,
        })
    }

    /// Everything that has to be asked for, before any lock is taken.
    async fn price(&self, order: &Order) -> Result<Price, SendError> {
        let started = Instant::now();
        let kind = order.call.kind;
        let mut hurried = false;
        if order.due.or(order.deadline).is_some() {
            let time = self.time().await?;
            if is_late(order.deadline, time) {
                return Err(SendError::Abandoned { kind });
            }
            let soon = time.saturating_add(self.config.hurry_within.as_secs());
            hurried = is_late(order.due.or(order.deadline), soon);
        }
        let (gas, quote, count, surcharge, funds) = tokio::join!(
            self.gas(order, hurried),
            self.rpc.quote(),
            self.count(BlockNumberOrTag::Latest),
            self.surcharge(&order.call.data),
            self.funds(None, order.call.value),
        );
        let ((gas, roomy), quote, count, surcharge) = (gas?, quote?, count?, surcharge?);
        // What keeps nothing back does not fail because a balance is not known.
        let funds = match funds {
            Ok(funds) => Some(funds),
            Err(error) if !order.reserve.is_zero() => return Err(error.into()),
            Err(_) => None,
        };
        self.pending_set().count(count);
        let wanted = U256::from(quote.fees().max).saturating_mul(U256::from(roomy));
        let wanted = wanted.saturating_add(surcharge.at(roomy)).saturating_add(order.reserve);
        let funds = match funds {
            Some(funds) if funds < wanted => Some(funds.max(self.most_funds(order.call.value).await)),
            funds => funds,
        };
        let spendable = funds.unwrap_or(U256::MAX).saturating_sub(surcharge.at(roomy));
        let limit = fees::limit(gas, roomy, spendable, quote);
        let cost = Cost { gas, limit, surcharge };
        let fees = self.first_fees(order, cost, quote, funds, hurried)?;
        Ok(Price { cost, fees, count, took: started.elapsed() })
    }

    fn first_fees(
        &self,
        order: &Order,
        cost: Cost,
        quote: Quote,
        funds: Option<U256>,
        hurried: bool,
    ) -> Result<Fees, SendError> {
        let bounds = Bounds { cost, budget: order.budget, funds, reserve: order.reserve };
        if let Some(fees) = fees::first(quote, bounds, hurried) {
            return Ok(fees);
        }
        let (kind, account) = (order.call.kind, self.signer.address());
        let least = |gas: u64| {
            (U256::from(gas) * U256::from(quote.base.max(1))).saturating_add(cost.surcharge.at(gas))
        };
        if fees::first(quote, Bounds { budget: None, reserve: U256::ZERO, ..bounds }, false).is_none() {
            let needed = least(cost.limit).saturating_add(order.call.value);
            let balance = funds.unwrap_or_default().saturating_add(order.call.value);
            return Err(SendError::Underfunded { kind, account, balance, needed });
        }
        let left = funds.unwrap_or(U256::MAX).saturating_sub(order.reserve);
        let budget = order.budget.unwrap_or(U256::MAX).min(left);
        Err(SendError::TooDear { kind, budget, needed: least(cost.gas) })
    }

    /// The head's time; as of the last look, if that was just now.
    async fn time(&self) -> Result<u64, ChainError> {
        let seen = self.pending_set().fresh_head(self.config.poll * 2);
        match seen {
            Some(head) => Ok(head.timestamp),
            None => Ok(self.rpc.head().await?.timestamp),
        }
    }

    /// Gas that it is expected to use, and a limit with room.
    async fn gas(&self, order: &Order, hurried: bool) -> Result<(u64, u64), SendError> {
        if let Some(gas) = order.call.gas {
            return Ok((gas, gas));
        }
        let least = self.least_limit(order);
        let mut unanswered = 0;
        loop {
            let error = match self.estimate(&order.call).await {
                Ok((gas, roomy)) => {
                    let said = self.least_said(self.request((&order.call).into()), gas, least).await;
                    let roomy = if said < gas { self.roomy(said) } else { roomy };
                    return Ok((said, roomy.max(least)));
                }
                Err(error) => error,
            };
            // One endpoint that is behind, or lies, does not give up what cannot be tried again.
            if order.deadline.is_some()
                && matches!(error, SendError::Reverted { .. } | SendError::GasTooHigh { .. })
                && let Some((gas, roomy)) = self.estimated_elsewhere(&order.call, least).await
            {
                tracing::warn!(kind = order.call.kind, %error, "an endpoint says that a call fails, another that it does not: it is sent");
                return Ok((gas, roomy.max(least)));
            }
            let Some(fallback) = order.fallback_gas else { return Err(error) };
            let answered = !matches!(&error, SendError::Rpc(error) if error.is_transient());
            if matches!(error, SendError::Reverted { .. } | SendError::GasTooHigh { .. })
                || answered && !hurried
            {
                return Err(error);
            }
            unanswered += 1;
            if self.data_fees().await? == DataFees::InEstimates {
                // No constant is known to be enough there.
                return Err(error);
            }
            if hurried || unanswered >= ESTIMATES {
                tracing::warn!(kind = order.call.kind, %error, gas = fallback, "gas is not estimated but fixed");
                let gas = fallback.min(self.config.max_gas);
                return Ok((gas, gas));
            }
            sleep(self.config.poll).await;
        }
    }

    /// What is known to be enough is the least limit: an estimate that is too low costs the gas and brings nothing.
    fn least_limit(&self, order: &Order) -> u64 {
        order.fallback_gas.unwrap_or_default().min(self.config.max_gas)
    }

    /// Broadcast a new pending transaction. It is withdrawn only if every answer was a refusal: then no endpoint has it.
    async fn first_broadcast(
        &self,
        order: &Order,
        pending: &PendingTransaction,
        id: u64,
    ) -> Result<First, SendError> {
        let Some(signed) = pending.signed.first() else { return Ok(First::UnderWay) };
        let started = Instant::now();
        let mut may_have_arrived = false;
        for attempt in 1..=BROADCASTS {
            match self.broadcast(signed).await {
                Broadcast::Taken => {
                    if let Some(entry) = self.pending_set().by_id(id) {
                        entry.timings.broadcast = started.elapsed();
                        entry.was_taken();
                    }
                    tracing::debug!(kind = order.call.kind, nonce = pending.nonce, tx = %signed.hash, "transaction sent");
                    return Ok(First::UnderWay);
                }
                Broadcast::Unanswered(error) => {
                    may_have_arrived = true;
                    tracing::warn!(kind = order.call.kind, error = %self.rpc.error("eth_sendRawTransaction", error), attempt, "broadcast was not answered");
                }
                Broadcast::Refused(error) if !may_have_arrived => {
                    match self.refusal(order, pending, error).await {
                        // The receipt of whatever took the nonce decides.
                        Ok(Refusal::Used) => break,
                        Ok(Refusal::Waiting(next)) if attempt > 1 => {
                            tracing::warn!(
                                kind = order.call.kind,
                                nonce = pending.nonce,
                                "the nonce is used elsewhere"
                            );
                            self.pending_set().lost_nonce(pending.nonce);
                            self.withdraw(pending)?;
                            return Ok(First::Moved(next));
                        }
                        Ok(Refusal::Because(error))
                            if attempt == BROADCASTS || matches!(error, SendError::Underfunded { .. }) =>
                        {
                            self.withdraw(pending)?;
                            return Err(error);
                        }
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!(kind = order.call.kind, %error, "a refusal could not be explained")
                        }
                    }
                }
                Broadcast::Refused(_) => {}
            }
            if attempt < BROADCASTS {
                sleep(self.config.poll.min(Duration::from_millis(250)) * attempt).await;
            }
        }
        Ok(First::UnderWay)
    }

    /// Why a transaction was refused, by the chain's state.
    async fn refusal(
        &self,
        order: &Order,
        pending: &PendingTransaction,
        error: TransportError,
    ) -> Result<Refusal, ChainError> {
        if self.count(BlockNumberOrTag::Latest).await? > pending.nonce {
            return Ok(Refusal::Used);
        }
        let fee = pending.signed.first().map(|signed| signed.max_fee).unwrap_or_default();
        let needed = pending.value.saturating_add(U256::from(pending.gas) * U256::from(fee));
        let (kind, account) = (order.call.kind, pending.account);
        let balance = self.balance(needed).await?;
        if balance < needed {
            return Ok(Refusal::Because(SendError::Underfunded { kind, account, balance, needed }));
        }
        let count = self.count(BlockNumberOrTag::Pending).await?;
        if count > pending.nonce {
            return Ok(Refusal::Waiting(count));
        }
        Ok(Refusal::Because(match error {
            RpcError::ErrorResp(payload) => {
                SendError::Rejected { kind, code: payload.code, message: payload.message.into_owned() }
            }
            other => self.rpc.error("eth_sendRawTransaction", other).into(),
        }))
    }

    fn withdraw(&self, pending: &PendingTransaction) -> Result<(), SendError> {
        self.journal.remove(pending.account, pending.nonce)?;
        self.pending_set().entries.remove(&pending.nonce);
        Ok(())
    }

    /// Wait for a pending transaction's end, looking after them all if nobody else does; None if it was withdrawn.
    pub(crate) async fn wait(
        &self,
        kind: &'static str,
        mut waiter: Waiter,
    ) -> Result<Option<Ended>, SendError> {
        let started = Instant::now();
        loop {
            if !self.is_kept() {
                self.poll_if_free().await;
            }
            if let Some(ended) = waiter.ended.borrow_and_update().clone() {
                return Ok(Some(ended));
            }
            if !self.is_kept() && self.pending_set().senseless >= SENSELESS {
                return Err(self.unseen(kind, waiter.id));
            }
            if started.elapsed() >= self.config.give_up_after {
                return Err(self.given_up(kind, waiter.id, started.elapsed().as_secs()));
            }
            tokio::select! {
                changed = waiter.ended.changed() => if changed.is_err() && waiter.ended.borrow().is_none() {
                    return Ok(None);
                },
                () = sleep(self.config.poll) => {}
            }
        }
    }

    fn unseen(&self, kind: &'static str, id: u64) -> SendError {
        let mut set = self.pending_set();
        let reason = set.last_error.clone().unwrap_or_default();
        let newest = set.by_id(id).and_then(|entry| entry.pending.signed.last());
        SendError::Unseen { kind, tx_hash: newest.map(|signed| signed.hash).unwrap_or_default(), reason }
    }

    fn given_up(&self, kind: &'static str, id: u64, seconds: u64) -> SendError {
        let mut set = self.pending_set();
        let entry = set.by_id(id);
        match entry {
            Some(entry) if entry.taken > 0 => {
                SendError::NonceTaken { kind, account: entry.pending.account, nonce: entry.pending.nonce }
            }
            entry => {
                let newest = entry.and_then(|entry| entry.pending.signed.last());
                let tx_hash = newest.map(|signed| signed.hash).unwrap_or_default();
                SendError::TimedOut { kind, seconds, tx_hash }
            }
        }
    }
}

/// Why a first broadcast was refused.
enum Refusal {
    /// The nonce is behind the chain's count.
    Used,
    /// Another transaction with this nonce waits to be mined; the next free nonce.
    Waiting(u64),
    Because(SendError),
}

/// Hands a pending transaction to whoever polls, when its first broadcast is over or nobody waits for it any more.
struct FirstTry<'a> {
    outbox: &'a Outbox,
    id: u64,
}

impl Drop for FirstTry<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.outbox.pending_set().by_id(self.id) {
            entry.first_try = false;
        }
    }
}
