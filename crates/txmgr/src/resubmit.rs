//! What is done about a pending transaction: broadcast again, replace, move to another nonce; and a gap filled.

use crate::{
    broadcast::{Again, Broadcast},
    decide::is_late,
    error::SendError,
    fees::{self, Bounds, Cost},
    pending::Ended,
    snapshot::ChainSnapshot,
    transaction::{PendingTransaction, Signed, Spend},
    watch::Watch,
};
use alloy::primitives::{Bytes, U256};
use provery_rpc::Fees;

/// Looks in a row that must find a nonce missing before it is filled.
const GAP_LOOKS: u32 = 2;
/// What a transfer is called that fills a nonce which nothing has.
const FILL: &str = "fill";

/// What takes a pending transaction's place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Replacement {
    /// The same call, which takes this now.
    Call(Cost),
    /// An empty transfer with this gas limit.
    Empty(u64),
}

impl ChainSnapshot<'_> {
    /// Broadcast what was broadcast before or takes its place, so that no single endpoint has it alone.
    pub(crate) async fn broadcast(&self, nonce: u64, signed: &Signed) -> Result<(), SendError> {
        let poll = self.outbox.config.poll;
        let (refused, error) = match self.outbox.broadcast(signed).await {
            Broadcast::Taken => {
                self.outbox.rpc.spread(&signed.raw).await;
                self.outbox.note(nonce, |entry| {
                    entry.was_taken();
                    entry.spread = Some(signed.hash);
                    entry.resent = entry.resent.saturating_add(1);
                });
                return Ok(());
            }
            Broadcast::Refused(error) => (true, error),
            Broadcast::Unanswered(error) => (false, error),
        };
        self.outbox.note(nonce, |entry| {
            entry.accepted = false;
            entry.not_taken(refused, poll);
        });
        Err(self.outbox.rpc.error("eth_sendRawTransaction", error).into())
    }

    /// Sign a pending transaction's nonce again with other fees, write that down, broadcast it.
    pub(crate) async fn replace(
        &self,
        pending: &PendingTransaction,
        by: Replacement,
        fees: Fees,
    ) -> Result<(), SendError> {
        let (outbox, nonce) = (self.outbox, pending.nonce);
        let signed = match by {
            Replacement::Empty(limit) => outbox.sign_cancel(&pending.kind, nonce, limit, fees).await?,
            Replacement::Call(cost) => outbox.sign(pending.into(), nonce, cost.limit, fees).await?,
        };
        tracing::info!(nonce, kind = pending.kind, tx = %signed.hash, max_fee = fees.max, tip = fees.tip, "fees raised");
        outbox.change(nonce, |pending| {
            pending.signed.push(signed.clone());
            if let Replacement::Call(cost) = by {
                (pending.gas, pending.spend.expected) = (cost.limit, cost.gas);
            }
        })?;
        outbox.note(nonce, |entry| {
            entry.since = Some(self.head);
            entry.resent = 0;
            entry.refused = false;
            entry.accepted = false;
        });
        outbox.pending_set().replaced += 1;
        self.broadcast(nonce, &signed).await
    }

    /// The nonce is another program's for good: sign the order again with one that is free.
    pub(crate) async fn release(&self, pending: &PendingTransaction) -> Result<(), SendError> {
        let outbox = self.outbox;
        tracing::warn!(
            nonce = pending.nonce,
            kind = pending.kind,
            "the nonce went to a transaction of another program; let only one use a key"
        );
        let again = outbox.estimate_again(pending).await;
        let worthless = is_late(pending.deadline, self.head.timestamp)
            || pending.signed.last().is_some_and(|signed| signed.cancels)
            || again == Again::Reverts;
        // A program that died amid this has signed it again already.
        let signed_again = outbox.pending_set().entries.values().any(|entry| {
            let other = &entry.pending;
            other.nonce != pending.nonce && other.tag == pending.tag && other.data == pending.data
        });
        if worthless || signed_again {
            if let Some(entry) = outbox.forget(pending.nonce)?
                && worthless
            {
                entry.ended.send_replace(Some(Ended::Abandoned));
            }
            return Ok(());
        }
        let quote = self.quote().await?;
        let cost = outbox.cost_now(pending, again, outbox.surcharge(&pending.data).await?, None, quote);
        let bounds = Bounds { cost, budget: pending.budget, funds: None, reserve: U256::ZERO };
        // What is too dear now is looked at again.
        let Some(fees) = fees::first(quote, bounds, false) else { return Ok(()) };
        let (nonce, signed) = {
            let _lock = outbox.submitting.lock().await;
            let nonce = outbox.pending_set().next_nonce(self.count);
            let signed = outbox.sign(pending.into(), nonce, cost.limit, fees).await?;
            let spend = Spend { expected: cost.gas, ..pending.spend };
            let signed_again = vec![signed.clone()];
            let moved = PendingTransaction {
                nonce,
                gas: cost.limit,
                spend,
                signed: signed_again,
                mined: None,
                ..pending.clone()
            };
            outbox.journal.put(&moved)?;
            let mut set = outbox.pending_set();
            set.lost_nonce(pending.nonce);
            let old = set.entries.remove(&pending.nonce);
            let entry = set.insert(moved);
            entry.since = Some(self.head);
            if let Some(old) = old {
                (entry.id, entry.ended, entry.timings) = (old.id, old.ended, old.timings);
            }
            (nonce, signed)
        };
        outbox.journal.remove(pending.account, pending.nonce)?;
        self.broadcast(nonce, &signed).await
    }

    /// Fill a nonce that pending transactions wait for and that nothing has.
    pub(crate) async fn gap(&self, watch: &mut Watch) -> Result<(), SendError> {
        let outbox = self.outbox;
        let gap = outbox.pending_set().gap(self.count);
        let looks = match (gap, watch.gap) {
            (Some(now), Some((before, looks))) if now == before => looks + 1,
            _ => 1,
        };
        watch.gap = gap.map(|nonce| (nonce, looks));
        let Some(nonce) = gap.filter(|_| looks >= GAP_LOOKS) else { return Ok(()) };
        let (quote, cost) = (self.quote().await?, outbox.cancel_cost().await?);
        let lock = outbox.submitting.lock().await;
        if outbox.pending_set().gap(self.count) != Some(nonce) {
            return Ok(());
        }
        tracing::warn!(nonce, "nothing has this nonce and others wait for it, an empty transaction fills it");
        let signed = outbox.sign_cancel(FILL, nonce, cost.limit, quote.fees()).await?;
        let account = outbox.signer.address();
        let pending = PendingTransaction {
            account,
            nonce,
            tag: format!("{FILL}:{nonce}"),
            kind: FILL.to_owned(),
            to: Some(account),
            data: Bytes::new(),
            value: U256::ZERO,
            gas: cost.limit,
            budget: None,
            spend: Default::default(),
            deadline: None,
            signed: vec![signed.clone()],
            mined: None,
        };
        outbox.journal.put(&pending)?;
        outbox.pending_set().insert(pending).since = Some(self.head);
        drop(lock);
        watch.gap = None;
        self.broadcast(nonce, &signed).await
    }
}
