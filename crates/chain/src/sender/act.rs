//! What is done about an intent: broadcast again, replace, move to another nonce; and a gap filled.

use alloy::primitives::{Bytes, U256};

use super::{
    SendError,
    book::Ended,
    decide::is_late,
    fees::{self, Bounds, Cost},
    tend::{Look, Watch},
    wire::Broadcast,
};
use crate::{
    gas::Fees,
    journal::{Intent, Signed},
};

/// Looks in a row that must find a nonce missing before it is filled.
const GAP_LOOKS: u32 = 2;
/// What a transfer is called that fills a nonce which nothing has.
const FILL: &str = "fill";

impl Look<'_> {
    /// Broadcast what was broadcast before or takes its place, so that no single endpoint has it alone.
    pub(super) async fn broadcast(&self, nonce: u64, signed: &Signed) -> Result<(), SendError> {
        let poll = self.inner.config.poll;
        let (refused, error) = match self.inner.broadcast(signed).await {
            Broadcast::Taken => {
                self.inner.rpc.spread(&signed.raw).await;
                self.inner.note(nonce, |entry| {
                    entry.was_taken();
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
    /// With `cancel`, as an empty transfer with that gas limit.
    pub(super) async fn replace(
        &self,
        intent: &Intent,
        cancel: Option<u64>,
        fees: Fees,
    ) -> Result<(), SendError> {
        let (inner, nonce) = (self.inner, intent.nonce);
        let signed = match cancel {
            Some(limit) => inner.sign_cancel(&intent.kind, nonce, limit, fees).await?,
            None => inner.sign(intent.into(), nonce, intent.gas, fees).await?,
        };
        tracing::info!(nonce, kind = intent.kind, tx = %signed.hash, max_fee = fees.max, tip = fees.tip, "fees raised");
        inner.change(nonce, |intent| intent.signed.push(signed.clone()))?;
        inner.note(nonce, |entry| {
            entry.since = Some(self.head.number);
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
        let worthless = is_late(intent.deadline, self.head.timestamp)
            || intent.signed.last().is_some_and(|signed| signed.cancels)
            || inner.reverts(intent).await;
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
        let gas = Some(intent.spend.expected).filter(|gas| *gas > 0).unwrap_or(intent.gas);
        let surcharge = inner.surcharge(&intent.data).await?;
        let cost = Cost { gas, limit: intent.gas, surcharge };
        let bounds = Bounds { cost, budget: intent.budget, funds: None, keep: U256::ZERO };
        // What is too dear now is looked at again.
        let Some(fees) = fees::first(quote, bounds, false) else { return Ok(()) };
        let (nonce, signed) = {
            let _lock = inner.placing.lock().await;
            let nonce = inner.book().next_nonce(self.count);
            let signed = inner.sign(intent.into(), nonce, intent.gas, fees).await?;
            let moved = Intent { nonce, signed: vec![signed.clone()], mined: None, ..intent.clone() };
            inner.journal.put(&moved)?;
            let mut book = inner.book();
            book.lost_nonce(intent.nonce);
            let old = book.entries.remove(&intent.nonce);
            let entry = book.insert(moved);
            entry.since = Some(self.head.number);
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
        inner.book().insert(intent).since = Some(self.head.number);
        drop(lock);
        watch.gap = None;
        self.broadcast(nonce, &signed).await
    }
}
