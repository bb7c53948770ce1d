//! Looking at the chain and doing for every pending transaction what is to be done.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    broadcast::{Again, Known},
    decide::{Action, MinedAction, Span, Unmined, decide, decide_mined, is_late},
    error::SendError,
    fees::Cost,
    order::Mined,
    outbox::Outbox,
    pending::{Ended, Entry},
    resubmit::Replacement,
    snapshot::ChainSnapshot,
    transaction::{MinedAt, Paid, PendingTransaction},
    watch::Watch,
};
use alloy::eips::BlockNumberOrTag;
use provery_rpc::{ChainError, Quote, Receipt, is_settled};
use provery_types::BlockRef;
use tokio::sync::OnceCell;

/// Looks in a row at a head lower than the last before it is believed.
const LOWER_LOOKS: u32 = 5;
/// Without a block for this many polls, what was accepted is looked for all the same.
const IDLE_POLLS: u32 = 20;

/// Blocks before one of which endpoints that keep no archive still tell counts. Geth keeps the state of 128.
const RECENT: u64 = 100;

impl Outbox {
    /// For a keeper.
    pub(crate) async fn poll(&self) {
        let mut watch = self.watch.lock().await;
        self.poll_with(&mut watch).await;
    }

    /// For those who wait: one of them is enough.
    pub(crate) async fn poll_if_free(&self) {
        let Ok(mut watch) = self.watch.try_lock() else { return };
        if watch.looked.is_none_or(|at| at.elapsed() * 2 >= self.config.poll) {
            self.poll_with(&mut watch).await;
        }
    }

    async fn poll_with(&self, watch: &mut Watch) {
        {
            let mut set = self.pending_set();
            if set.entries.is_empty() {
                (set.last_error, set.senseless) = (None, 0);
                return;
            }
        }
        let outcome = self.snapshot(watch).await;
        watch.looked = Some(Instant::now());
        match outcome {
            Ok(acted) => {
                let mut set = self.pending_set();
                set.senseless = 0;
                if acted {
                    set.last_error = None;
                }
            }
            Err(error) => {
                watch.again = true;
                tracing::warn!(%error, "looking after the pending transactions failed, trying again");
                let senseless = matches!(&error, SendError::Rpc(ChainError::Inconsistent { .. }));
                let mut set = self.pending_set();
                set.senseless = if senseless { set.senseless.saturating_add(1) } else { 0 };
                set.last_error = Some(error.to_string());
            }
        }
    }

    /// Look, and act if there is anything new. Whether there was.
    async fn snapshot(&self, watch: &mut Watch) -> Result<bool, SendError> {
        let head = self.rpc.head().await?;
        if watch.head.is_some_and(|before| head.number < before.number) && watch.lower < LOWER_LOOKS {
            watch.lower += 1;
            return Ok(false);
        }
        watch.lower = 0;
        let same = watch.head.is_some_and(|before| before.hash == head.hash);
        let linked = same || watch.head.is_some_and(|before| before.hash == head.parent_hash);
        if same && !watch.again && !self.is_due(watch) {
            return Ok(false);
        }
        let count = self.count(BlockNumberOrTag::Latest).await?;
        {
            let mut set = self.pending_set();
            set.head = Some((head, Instant::now()));
            set.count(count);
            if count > watch.count {
                set.front_since = head;
            }
            // A time that was ahead of the chain's is no reason to wait for it.
            set.front_since.timestamp = set.front_since.timestamp.min(head.timestamp);
        }
        watch.count = watch.count.max(count);
        self.ask_settled(watch, head.number).await;
        let snapshot =
            ChainSnapshot { outbox: self, head, count, settled: watch.settled, quote: OnceCell::new() };
        // What goes wrong with one pending transaction keeps nobody from the others.
        let (sure, mut outcome) = snapshot.mined(linked).await;
        for nonce in self.unmined() {
            outcome = outcome.and(snapshot.unmined(nonce).await);
        }
        outcome = outcome.and(snapshot.gap(watch).await);
        watch.again = !sure;
        if sure {
            watch.head = Some(head);
        }
        outcome.map(|()| true)
    }

    /// See what is too deep for a reorg, now and then, if anything waits for that.
    async fn ask_settled(&self, watch: &mut Watch, head: u64) {
        if self.waits_for_settled(watch, head) {
            watch.settled.told(&self.rpc.finalities().await, self.keep());
            watch.asked_settled = Some(Instant::now());
        }
    }

    fn waits_for_settled(&self, watch: &Watch, head: u64) -> bool {
        let waits = |entry: &Entry| {
            let deep = |mined: MinedAt| head.saturating_sub(mined.block.number) >= self.keep();
            entry.ended.borrow().is_some() && entry.pending.mined.is_some_and(deep)
        };
        let due = watch.asked_settled.is_none_or(|at| at.elapsed() >= self.pause());
        due && self.pending_set().entries.values().any(waits)
    }

    /// Blocks that may always be taken back.
    fn keep(&self) -> u64 {
        self.config.keep.max(self.config.confirmations)
    }

    fn pause(&self) -> Duration {
        self.config.poll.saturating_mul(IDLE_POLLS).max(Duration::from_secs(1))
    }

    /// Whether there is something to do before the next block.
    fn is_due(&self, watch: &Watch) -> bool {
        let now = Instant::now();
        if watch.head.is_some_and(|head| self.waits_for_settled(watch, head.number)) {
            return true;
        }
        let idle = watch.looked.is_none_or(|at| at.elapsed() >= self.pause());
        self.pending_set().entries.values().any(|entry| {
            entry.is_urgent(now) || !entry.is_mined() && !entry.first_try && (idle || entry.since.is_none())
        })
    }

    fn unmined(&self) -> Vec<u64> {
        let set = self.pending_set();
        set.entries
            .iter()
            .filter(|(_, it)| !it.is_mined() && !it.first_try)
            .map(|(nonce, _)| *nonce)
            .collect()
    }

    /// Change a pending transaction: on disk first.
    pub(crate) fn change(
        &self,
        nonce: u64,
        change: impl FnOnce(&mut PendingTransaction),
    ) -> Result<(), SendError> {
        let Some(mut pending) = self.pending_set().entries.get(&nonce).map(|entry| entry.pending.clone())
        else {
            return Ok(());
        };
        change(&mut pending);
        self.journal.put(&pending)?;
        self.note(nonce, |entry| entry.pending = pending);
        Ok(())
    }

    pub(crate) fn note(&self, nonce: u64, note: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.pending_set().entries.get_mut(&nonce) {
            note(entry);
        }
    }

    /// Nothing takes it back any more.
    fn close(&self, nonce: u64) -> Result<(), SendError> {
        let cost = self.pending_set().entries.get(&nonce).and_then(|entry| entry.pending.outlay());
        let Some(cost) = cost else { return self.forget(nonce).map(drop) };
        self.journal.close(self.signer.address(), nonce, &cost)?;
        self.pending_set().close(nonce, &cost);
        Ok(())
    }

    pub(crate) fn forget(&self, nonce: u64) -> Result<Option<Entry>, SendError> {
        self.journal.remove(self.signer.address(), nonce)?;
        Ok(self.pending_set().entries.remove(&nonce))
    }
}

fn later(one: BlockRef, other: BlockRef) -> BlockRef {
    if other.number > one.number { other } else { one }
}

impl ChainSnapshot<'_> {
    pub(crate) async fn quote(&self) -> Result<Quote, ChainError> {
        self.quote.get_or_try_init(|| self.outbox.rpc.quote()).await.copied()
    }

    /// See to it that what was mined still is, settle what is deep enough, forget what is too deep for a reorg. Whether all
    /// of it could be checked, and what went wrong first.
    async fn mined(&self, linked: bool) -> (bool, Result<(), SendError>) {
        let mined: Vec<(u64, MinedAt, bool)> = {
            let set = self.outbox.pending_set();
            let mined = set.entries.iter().filter_map(|(nonce, entry)| {
                Some((*nonce, entry.pending.mined?, entry.ended.borrow().is_some()))
            });
            mined.collect()
        };
        let mut blocks: BTreeMap<u64, Option<BlockRef>> = BTreeMap::new();
        let (mut sure, mut outcome) = (true, Ok(()));
        for (nonce, mined, settled) in mined {
            let checked = async {
                let number = mined.block.number;
                let canonical = match blocks.get(&number) {
                    _ if linked => Some(mined.block),
                    Some(known) => *known,
                    None => *blocks.entry(number).or_insert(self.outbox.rpc.block(number).await?),
                };
                match canonical {
                    Some(canonical) => self.mined_one(nonce, &mined, settled, &canonical).await,
                    // The endpoint lags, which says nothing.
                    None => Ok(false),
                }
            };
            match checked.await {
                Ok(checked) => sure &= checked,
                Err(error) => (sure, outcome) = (false, outcome.and(Err(error))),
            }
        }
        (sure, outcome)
    }

    async fn mined_one(
        &self,
        nonce: u64,
        mined: &MinedAt,
        settled: bool,
        canonical: &BlockRef,
    ) -> Result<bool, SendError> {
        match self.decide_mined(mined, settled, canonical) {
            MinedAction::Wait => {}
            MinedAction::Unmine => self.unmine(nonce)?,
            MinedAction::Settle => return self.settle(nonce, mined).await,
            MinedAction::Forget => {
                self.outbox.close(nonce)?;
                let mut set = self.outbox.pending_set();
                set.floor = set.floor.max(nonce + 1);
            }
        }
        Ok(true)
    }

    fn decide_mined(&self, mined: &MinedAt, settled: bool, canonical: &BlockRef) -> MinedAction {
        let config = &self.outbox.config;
        let is_final = self.settled.covers(mined.block.number)
            && (self.settled.is_tagged() || is_settled(mined.block.timestamp, self.head.timestamp));
        decide_mined(mined, canonical, self.head.number, settled, config.confirmations, is_final)
    }

    fn unmine(&self, nonce: u64) -> Result<(), SendError> {
        tracing::warn!(nonce, "a reorg took a transaction back, it is sent again");
        self.outbox.change(nonce, |pending| pending.mined = None)?;
        self.outbox.note(nonce, |entry| entry.was_unmined(self.head));
        Ok(())
    }

    /// Tell those who wait how it ended. False if that is not sure yet.
    async fn settle(&self, nonce: u64, mined: &MinedAt) -> Result<bool, SendError> {
        let outbox = self.outbox;
        let Some(block) = outbox.rpc.block(mined.block.number).await? else { return Ok(false) };
        if block.hash != mined.block.hash {
            self.unmine(nonce)?;
            return Ok(false);
        }
        let Some((pending, receipt, timings, accepted)) =
            outbox.pending_set().entries.get(&nonce).map(|entry| {
                (entry.pending.clone(), entry.receipt.clone(), entry.timings, entry.accepted_at_ms)
            })
        else {
            return Ok(true);
        };
        let receipt = match receipt {
            Some(receipt) => *receipt,
            None => match outbox.rpc.receipt(mined.tx_hash).await? {
                Some(receipt) if receipt.inner.block_hash == Some(block.hash) => receipt,
                _ => return Ok(false),
            },
        };
        let cancels = pending.signed.iter().any(|signed| signed.hash == mined.tx_hash && signed.cancels);
        let ended = if cancels {
            Ended::Abandoned
        } else if receipt.inner.status() {
            let Receipt { inner: receipt, surcharge } = receipt;
            Ended::Mined(Box::new(Mined {
                kind: "",
                tx_hash: receipt.transaction_hash,
                block,
                gas_used: receipt.gas_used,
                gas_price: receipt.effective_gas_price,
                surcharge,
                contract: receipt.contract_address,
                logs: receipt.inner.logs().to_vec(),
                timings,
                broadcast_at_ms: accepted,
            }))
        } else {
            let error = outbox.replay(&pending, block).await;
            Ended::Reverted { detail: error.detail(), name: error.name, tx_hash: mined.tx_hash }
        };
        outbox.note(nonce, |entry| {
            entry.receipt = None;
            entry.ended.send_replace(Some(ended));
        });
        Ok(true)
    }

    async fn unmined(&self, nonce: u64) -> Result<(), SendError> {
        let (outbox, head) = (self.outbox, self.head);
        let (pending, since, front_since, refused, resent, spread, taken) = {
            let mut set = outbox.pending_set();
            let front_since = set.front_since;
            let Some(entry) = set.entries.get_mut(&nonce).filter(|entry| !entry.is_mined()) else {
                return Ok(());
            };
            let since = entry.since.get_or_insert(head);
            since.timestamp = since.timestamp.min(head.timestamp);
            let (refused, resent, spread) = (entry.refused, entry.resent, entry.spread);
            (entry.pending.clone(), *since, front_since, refused, resent, spread, entry.taken)
        };
        let Some(newest) = pending.signed.last() else { return Ok(()) };

        let mut passed = self.count > nonce;
        let known = if passed { Known::No } else { outbox.known(newest.hash).await? };
        if (passed || known == Known::InBlock)
            && let Some((receipt, block)) = outbox.receipt(&pending).await?
        {
            return self.seen_mined(nonce, receipt, block).await;
        }
        let taken = if passed && self.is_taken(&pending, since.number).await? { taken + 1 } else { 0 };
        // Known to be in a block that is not canonical, or not yet: wait.
        passed |= known == Known::InBlock;
        let known = known == Known::PendingSet;
        outbox.note(nonce, |entry| {
            entry.taken = taken;
            if known {
                entry.was_taken();
                entry.resent = 0;
            }
        });

        let older_known = refused && !known && !passed && self.knows_older(&pending).await?;
        let age = Span::between(since, head);
        let soon = self.head.timestamp.saturating_add(outbox.config.hurry_within.as_secs());
        let hurried = is_late(pending.spend.due.or(pending.deadline), soon);
        // There is no time for a second look.
        let patience = match (
            Span { blocks: outbox.config.bump_after_blocks, seconds: outbox.config.bump_after.as_secs() },
            hurried,
        ) {
            (usual, false) => usual,
            (usual, true) => Span { blocks: usual.blocks.min(1), seconds: usual.seconds / 2 },
        };
        let late = is_late(pending.deadline, self.head.timestamp);
        let quote = match age.reaches(patience) || late || refused {
            true => Some(self.quote().await?),
            false => None,
        };
        let in_front = self.count == nonce;
        let cannot_be_mined = quote.is_some_and(|quote| newest.max_fee < quote.base);
        let waited = match (in_front, cannot_be_mined) {
            (_, true) => age,
            (true, false) => Span::between(later(since, front_since), head),
            (false, false) => Span::default(),
        };
        // What others are ahead of cannot be estimated without what they do.
        let again = match in_front && quote.is_some() && !newest.cancels && !late {
            true => outbox.estimate_again(&pending).await,
            false => Again::Unknown,
        };
        let reverts = again == Again::Reverts && waited.reaches(patience);
        let (mut funds, mut cost, mut cancel) = (None, Cost::default(), None);
        if let Some(quote) = quote {
            funds = outbox.funds(Some(nonce), pending.value).await.ok();
            match newest.cancels || late || reverts {
                true => cancel = Some(outbox.cancel_cost().await?),
                false => {
                    cost =
                        outbox.cost_now(&pending, again, outbox.surcharge(&pending.data).await?, funds, quote)
                }
            }
        }
        let seen = Unmined {
            pending: &pending,
            time: self.head.timestamp,
            quote,
            funds,
            cost,
            cancel,
            known,
            older_known,
            refused,
            resent,
            is_several: outbox.rpc.is_several(),
            is_spread: spread == Some(newest.hash),
            waited,
            reverts,
            passed,
            taken,
        };
        let decision = decide(&seen, patience);
        let empty = Replacement::Empty(cancel.map_or(outbox.config.max_gas, |cost: Cost| cost.limit));
        if decision.exhausted {
            self.say_exhausted(nonce, &pending);
        }
        match decision.action {
            Action::Wait => Ok(()),
            Action::Rebroadcast => {
                outbox.pending_set().rebroadcast += 1;
                self.broadcast(nonce, newest).await
            }
            Action::Replace(fees) if newest.cancels => self.replace(&pending, empty, fees).await,
            Action::Replace(fees) => self.replace(&pending, Replacement::Call(cost), fees).await,
            Action::Cancel(fees) => {
                tracing::warn!(
                    nonce,
                    kind = pending.kind,
                    late,
                    reverts,
                    "a transaction is no longer of use, an empty one takes its nonce"
                );
                self.replace(&pending, empty, fees).await
            }
            Action::Release => self.release(&pending).await,
        }
    }

    /// Whether the nonce is behind the chain's count where that counts, no endpoint knows a transaction of ours, and the block in
    /// which that happened has none.
    async fn is_taken(&self, pending: &PendingTransaction, since: u64) -> Result<bool, ChainError> {
        let depth = self.head.number.saturating_sub(self.outbox.config.confirmations);
        if self.outbox.count(BlockNumberOrTag::Number(depth)).await? <= pending.nonce {
            return Ok(false);
        }
        for signed in &pending.signed {
            if self.outbox.known(signed.hash).await? != Known::No {
                return Ok(false);
            }
        }
        // An endpoint may have blocks and no index of their transactions.
        let beside = match self.outbox.beside(pending.nonce, since.saturating_sub(RECENT), depth).await {
            None => self.outbox.beside(pending.nonce, since, depth).await,
            found => found,
        };
        let beside = beside.unwrap_or_default();
        Ok(!pending.signed.iter().any(|signed| beside.contains(&signed.hash)))
    }

    async fn knows_older(&self, pending: &PendingTransaction) -> Result<bool, ChainError> {
        for signed in pending.signed.iter().rev().skip(1) {
            if self.outbox.known(signed.hash).await? != Known::No {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn say_exhausted(&self, nonce: u64, pending: &PendingTransaction) {
        let mut said = true;
        self.outbox.note(nonce, |entry| said = std::mem::replace(&mut entry.exhausted, true));
        if !said {
            let budget = pending.budget.map(|budget| budget.to_string());
            tracing::warn!(nonce, kind = pending.kind, budget, "the budget allows no higher fees");
        }
    }

    async fn seen_mined(&self, nonce: u64, receipt: Receipt, block: BlockRef) -> Result<(), SendError> {
        let mined = MinedAt {
            tx_hash: receipt.inner.transaction_hash,
            block,
            success: receipt.inner.status(),
            paid: Some(Paid { gas: receipt.inner.gas_used, wei: receipt.cost() }),
        };
        self.outbox.change(nonce, |pending| pending.mined = Some(mined))?;
        self.outbox.note(nonce, |entry| {
            entry.was_taken();
            entry.taken = 0;
            entry.receipt = Some(Box::new(receipt));
        });
        if self.decide_mined(&mined, false, &block) == MinedAction::Settle {
            self.settle(nonce, &mined).await?;
        }
        Ok(())
    }
}
