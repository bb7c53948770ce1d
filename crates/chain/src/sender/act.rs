//! What is done about an intent: broadcast again, replace, move to another nonce; and a gap filled.

use alloy::primitives::{Bytes, U256};

use super::{
    SendError,
    book::Ended,
    decide::is_late,
    fees::{self, Bounds, Cost},
    tend::{Look, Watch},
    wire::{Again, Broadcast},
};
use crate::{
    gas::Fees,
    journal::{Intent, Signed, Spend},
};

/// Looks in a row that must find a nonce missing before it is filled.
const GAP_LOOKS: u32 = 2;
/// What a transfer is called that fills a nonce which nothing has.
const FILL: &str = "fill";

/// What takes an intent's place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement {
    /// The same call, which takes this now.
    Call(Cost),
    /// An empty transfer with this gas limit.
    Empty(u64),
}

impl Look<'_> {
    /// Broadcast what was broadcast before or takes its place, so that no single endpoint has it alone.
    pub(super) async fn broadcast(&self, nonce: u64, signed: &Signed) -> Result<(), SendError> {
        let poll = self.inner.config.poll;
        let (refused, error) = match self.inner.broadcast(signed).await {
            Broadcast::Taken => {
                self.inner.rpc.spread(&signed.raw).await;
                self.inner.note(nonce, |entry| {
                    entry.was_taken();
                    entry.spread = Some(signed.hash);
                    entry.resent = entry.resent.saturating_add(1);
                });
                return Ok(());
            }
            Broadcast::Refused(error) => (true, error),
            Broadcast::Unanswered(error) => (false, error),
        };
        self.inner.note(nonce, |entry| {
            entry.accepted = false;
            entry.not_taken(refused, poll);
        });
        Err(self.inner.rpc.error("eth_sendRawTransaction", error).into())
    }

    /// Sign an intent's nonce again with other fees, write that down, broadcast it.
    pub(super) async fn replace(
        &self,
        intent: &Intent,
        by: Replacement,
        fees: Fees,
    ) -> Result<(), SendError> {
        let (inner, nonce) = (self.inner, intent.nonce);
        let signed = match by {
            Replacement::Empty(limit) => inner.sign_cancel(&intent.kind, nonce, limit, fees).await?,
            Replacement::Call(cost) => inner.sign(intent.into(), nonce, cost.limit, fees).await?,
        };
        tracing::info!(nonce, kind = intent.kind, tx = %signed.hash, max_fee = fees.max, tip = fees.tip, "fees raised");
        inner.change(nonce, |intent| {
            intent.signed.push(signed.clone());
            if let Replacement::Call(cost) = by {
                (intent.gas, intent.spend.expected) = (cost.limit, cost.gas);
            }
        })?;
        inner.note(nonce, |entry| {
            entry.since = Some(self.head);
            entry.resent = 0;
            entry.refused = false;
            entry.accepted = false;
        });
        inner.book().replaced += 1;
        self.broadcast(nonce, &signed).await
    }

    /// The nonce is another program's for good: sign the order again with one that is free.
    pub(super) async fn release(&self, intent: &Intent) -> Result<(), SendError> {
        let inner = self.inner;
        tracing::warn!(
            nonce = intent.nonce,
            kind = intent.kind,
            "the nonce went to a transaction of another program; let only one use a key"
        );
        let again = inner.estimate_again(intent).await;
        let worthless = is_late(intent.deadline, self.head.timestamp)
            || intent.signed.last().is_some_and(|signed| signed.cancels)
            || again == Again::Reverts;
        // A program that died amid this has signed it again already.
        let signed_again = inner.book().entries.values().any(|entry| {
            let other = &entry.intent;
            other.nonce != intent.nonce && other.tag == intent.tag && other.data == intent.data
        });
        if worthless || signed_again {
            if let Some(entry) = inner.forget(intent.nonce)?
                && worthless
            {
                entry.ended.send_replace(Some(Ended::Abandoned));
            }
            return Ok(());
        }
        let quote = self.quote().await?;
        let cost = inner.cost_now(intent, again, inner.surcharge(&intent.data).await?, None, quote);
        let bounds = Bounds { cost, budget: intent.budget, funds: None, keep: U256::ZERO };
        // What is too dear now is looked at again.
        let Some(fees) = fees::first(quote, bounds, false) else { return Ok(()) };
        let (nonce, signed) = {
            let _lock = inner.placing.lock().await;
            let nonce = inner.book().next_nonce(self.count);
            let signed = inner.sign(intent.into(), nonce, cost.limit, fees).await?;
            let spend = Spend { expected: cost.gas, ..intent.spend };
            let signed_again = vec![signed.clone()];
            let moved =
                Intent { nonce, gas: cost.limit, spend, signed: signed_again, mined: None, ..intent.clone() };
            inner.journal.put(&moved)?;
            let mut book = inner.book();
            book.lost_nonce(intent.nonce);
            let old = book.entries.remove(&intent.nonce);
            let entry = book.insert(moved);
            entry.since = Some(self.head);
            if let Some(old) = old {
                (entry.id, entry.ended, entry.timings) = (old.id, old.ended, old.timings);
            }
            (nonce, signed)
        };
        inner.journal.remove(intent.account, intent.nonce)?;
        self.broadcast(nonce, &signed).await
    }

    /// Fill a nonce that intents wait for and that nothing has.
    pub(super) async fn gap(&self, watch: &mut Watch) -> Result<(), SendError> {
        let inner = self.inner;
        let gap = inner.book().gap(self.count);
        let looks = match (gap, watch.gap) {
            (Some(now), Some((before, looks))) if now == before => looks + 1,
            _ => 1,
        };
        watch.gap = gap.map(|nonce| (nonce, looks));
        let Some(nonce) = gap.filter(|_| looks >= GAP_LOOKS) else { return Ok(()) };
        let (quote, cost) = (self.quote().await?, inner.cancel_cost().await?);
        let lock = inner.placing.lock().await;
        if inner.book().gap(self.count) != Some(nonce) {
            return Ok(());
        }
        tracing::warn!(nonce, "nothing has this nonce and others wait for it, an empty transaction fills it");
        let signed = inner.sign_cancel(FILL, nonce, cost.limit, quote.fees()).await?;
        let account = inner.signer.address();
        let intent = Intent {
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
        inner.journal.put(&intent)?;
        inner.book().insert(intent).since = Some(self.head);
        drop(lock);
        watch.gap = None;
        self.broadcast(nonce, &signed).await
    }
}
