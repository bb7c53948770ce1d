//! The pending transactions in memory, each as its journal has it, and what was seen of it since this program started.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    error::SendError,
    order::{Landing, Mined, Order, SendTimings, Waiting},
    outlay::{DayOutlay, Outlay},
    status::OutboxStatus,
    transaction::PendingTransaction,
};
use alloy::primitives::{B256, U256};
use provery_rpc::{Call, Receipt};
use provery_types::BlockRef;
use tokio::sync::watch;

/// Longest pause between two broadcasts of what no endpoint takes.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a pending transaction ended, as far as confirmations tell.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Mined(Box<Mined>),
    Reverted {
        name: String,
        detail: String,
        tx_hash: B256,
    },
    /// An empty transfer, or a transaction of another program, took the nonce of what had become worthless.
    Abandoned,
}

impl Ended {
    pub(crate) fn result(self, kind: &'static str) -> Result<Mined, SendError> {
        match self {
            Self::Mined(mined) => Ok(Mined { kind, ..*mined }),
            Self::Reverted { name, detail, tx_hash } => {
                Err(SendError::Reverted { kind, name, detail, tx_hash: Some(tx_hash) })
            }
            Self::Abandoned => Err(SendError::Abandoned { kind }),
        }
    }
}

/// One pending transaction.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Stays when the order moves to another nonce.
    pub id: u64,
    pub pending: PendingTransaction,
    pub ended: watch::Sender<Option<Ended>>,
    /// The receipt seen last.
    pub receipt: Option<Box<Receipt>>,
    /// The task that placed it is still broadcasting it, and may withdraw it.
    pub first_try: bool,
    /// An endpoint took or knew the newest transaction.
    pub accepted: bool,
    /// An endpoint refused the newest transaction when it was broadcast last.
    pub refused: bool,
    /// Broadcasts since an endpoint last knew it.
    pub resent: u32,
    /// What was given to all endpoints last.
    pub spread: Option<B256>,
    /// When it may be broadcast again although no block came.
    pub try_at: Option<Instant>,
    /// The head when the newest transaction was signed.
    pub since: Option<BlockRef>,
    /// Looks in a row at which its nonce had gone elsewhere.
    pub taken: u32,
    /// It was said that its budget is used up.
    pub exhausted: bool,
    pub timings: SendTimings,
    /// Unix milliseconds; 0 if it was not in this program's life.
    pub accepted_at_ms: u64,
}

impl Entry {
    pub(crate) fn new(id: u64, pending: PendingTransaction) -> Self {
        Self {
            id,
            pending,
            ended: watch::Sender::new(None),
            receipt: None,
            first_try: false,
            accepted: false,
            refused: false,
            resent: 0,
            spread: None,
            try_at: None,
            since: None,
            taken: 0,
            exhausted: false,
            timings: SendTimings::default(),
            accepted_at_ms: 0,
        }
    }

    pub(crate) fn is_mined(&self) -> bool {
        self.pending.mined.is_some()
    }

    /// Whether it is to be broadcast before the next block.
    pub(crate) fn is_urgent(&self, now: Instant) -> bool {
        !self.is_mined()
            && !self.first_try
            && (!self.accepted || self.taken > 0)
            && self.try_at.is_none_or(|at| at <= now)
    }

    /// The newest transaction was broadcast in vain.
    pub(crate) fn not_taken(&mut self, refused: bool, poll: Duration) {
        self.refused = refused;
        self.resent = self.resent.saturating_add(1);
        let pause = poll.saturating_mul(1 << self.resent.min(8)).min(LONGEST_PAUSE);
        self.try_at = Some(Instant::now() + pause);
    }

    /// An endpoint has the newest transaction.
    pub(crate) fn was_taken(&mut self) {
        self.accepted = true;
        self.refused = false;
        self.try_at = None;
        if self.accepted_at_ms == 0 {
            self.accepted_at_ms = crate::order::unix_millis();
        }
    }

    /// A reorg took the block it was mined in.
    pub(crate) fn was_unmined(&mut self, head: BlockRef) {
        self.ended.send_replace(None);
        self.receipt = None;
        self.accepted = false;
        self.resent = 0;
        self.taken = 0;
        self.since = Some(head);
    }
}

/// Every pending transaction of a key.
#[derive(Debug, Default)]
pub(crate) struct PendingSet {
    pub entries: BTreeMap<u64, Entry>,
    /// What pending transactions cost that are forgotten, by day.
    closed: BTreeMap<u64, Outlay>,
    /// The newest block seen, and when.
    pub head: Option<(BlockRef, Instant)>,
    /// The head at which the chain's count was last seen to grow.
    pub front_since: BlockRef,
    /// Nonces below were used, by pending transactions that are forgotten.
    pub floor: u64,
    /// The highest count seen since this program began to act.
    counted: Option<u64>,
    /// Nonces below were signed for before this program last began to act: another that shares the key by turns may have used them.
    before: u64,
    /// Nonces that went to transactions which this program did not sign, and when that was last seen.
    pub foreign: u64,
    pub foreign_at_ms: u64,
    /// When a nonce that this program had signed for last went to one of these; 0 if never.
    pub lost_at_ms: u64,
    last_id: u64,
    pub replaced: u64,
    pub rebroadcast: u64,
    pub last_error: Option<String>,
    /// Looks in a row whose answers made no sense.
    pub senseless: u32,
}

impl PendingSet {
    /// What was on disk.
    pub(crate) fn load(pending: Vec<PendingTransaction>, closed: Vec<DayOutlay>) -> Self {
        let closed = closed.into_iter().map(|it| (it.day, it.outlay)).collect();
        let mut set = Self { closed, ..Self::default() };
        for pending in pending.into_iter().filter(|pending| !pending.signed.is_empty()) {
            set.insert(pending);
        }
        set
    }

    pub(crate) fn insert(&mut self, pending: PendingTransaction) -> &mut Entry {
        self.last_id += 1;
        let (id, nonce) = (self.last_id, pending.nonce);
        self.entries.entry(nonce).insert_entry(Entry::new(id, pending)).into_mut()
    }

    /// Forget a pending transaction, but not what it cost.
    pub(crate) fn close(&mut self, nonce: u64, cost: &DayOutlay) {
        self.entries.remove(&nonce);
        *self.closed.entry(cost.day).or_default() += cost.outlay;
    }

    /// What every transaction cost that was seen mined and not taken back since.
    fn outlays(&self) -> BTreeMap<u64, Outlay> {
        let mut all = self.closed.clone();
        for cost in self.entries.values().filter_map(|entry| entry.pending.outlay()) {
            *all.entry(cost.day).or_default() += cost.outlay;
        }
        all
    }

    /// The newest block, if it was seen within a time; nobody looks while there are no pending transactions.
    pub(crate) fn fresh_head(&self, within: Duration) -> Option<BlockRef> {
        self.head.filter(|(_, at)| at.elapsed() <= within).map(|(head, _)| head)
    }

    pub(crate) fn by_id(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.values_mut().find(|entry| entry.id == id)
    }

    /// The pending transaction that an order is, unless it failed.
    pub(crate) fn same(&self, order: &Order) -> Option<&Entry> {
        let call = &order.call;
        self.entries.values().find(|entry| {
            let pending = &entry.pending;
            pending.tag == order.tag
                && (pending.to, &pending.data, pending.value) == (call.to, &call.data, call.value)
                && matches!(&*entry.ended.borrow(), None | Some(Ended::Mined(_)))
        })
    }

    pub(crate) fn is_live(&self, tag: &str) -> bool {
        self.nonce_of(tag).is_some()
    }

    /// The nonce of the newest pending transaction with a tag that was not mined in vain.
    pub(crate) fn nonce_of(&self, tag: &str) -> Option<u64> {
        let live = self.entries.iter().rev().find(|(_, entry)| {
            entry.pending.tag == tag
                && entry.pending.mined.is_none_or(|mined| mined.success)
                && matches!(&*entry.ended.borrow(), None | Some(Ended::Mined(_)))
        });
        live.map(|(nonce, _)| *nonce)
    }

    /// What waits to be mined, in the order of nonces.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let unmined = self.entries.values().filter(|it| !it.is_mined()).map(|entry| &entry.pending);
        let waiting = |pending: &PendingTransaction| Waiting {
            tag: pending.tag.clone(),
            kind: pending.kind.clone(),
            budget: pending.budget,
            reserve: pending.spend.reserve,
            due: pending.spend.due,
        };
        unmined.map(waiting).collect()
    }

    /// The tag under which this very call waits to be mined.
    pub(crate) fn waits_as(&self, call: &Call) -> Option<String> {
        let mut unmined = self.entries.values().filter(|it| !it.is_mined()).map(|entry| &entry.pending);
        let same = unmined.find(|it| {
            let cancelled = it.signed.last().is_some_and(|signed| signed.cancels);
            it.kind == call.kind && it.to == call.to && it.data == call.data && !cancelled
        });
        same.map(|pending| pending.tag.clone())
    }

    /// What pending transactions with this tag may cost from now on, and by when they should be there.
    pub(crate) fn renew(&mut self, tag: &str, budget: Option<U256>, reserve: U256, due: Option<u64>) {
        let unmined = self.entries.values_mut().filter(|it| !it.is_mined() && it.pending.tag == tag);
        for pending in unmined.map(|entry| &mut entry.pending) {
            pending.budget = budget;
            pending.spend.reserve = reserve;
            pending.spend.due = due.or(pending.spend.due);
        }
    }

    /// Wei that pending transactions which wait to be mined take at most for the gas they are expected to use, other than that of a nonce. The
    /// room in their limits is not held back from what comes after them.
    pub(crate) fn promised(&self, but: Option<u64>) -> U256 {
        let unmined = self.entries.values().filter(|it| !it.is_mined() && Some(it.pending.nonce) != but);
        let most = unmined.map(|entry| {
            let fee = entry.pending.signed.last().map_or(0, |newest| newest.max_fee);
            let gas = Some(entry.pending.spend.expected).filter(|gas| *gas > 0).unwrap_or(entry.pending.gas);
            U256::from(fee).saturating_mul(U256::from(gas)).saturating_add(entry.pending.value)
        });
        most.fold(U256::ZERO, U256::saturating_add)
    }

    /// Where the last call of one of these kinds is, in the order of nonces.
    pub(crate) fn landing(&self, kinds: &[&str]) -> Option<(String, Landing)> {
        let mut newest_first = self.entries.values().rev().map(|entry| &entry.pending);
        let last = newest_first.find(|pending| {
            let cancelled = pending.signed.last().is_some_and(|signed| signed.cancels);
            let failed = pending.mined.is_some_and(|mined| !mined.success);
            kinds.contains(&pending.kind.as_str()) && !cancelled && !failed
        })?;
        let landing = last.mined.map_or(Landing::UnderWay, |mined| Landing::In(mined.block.number));
        Some((last.kind.clone(), landing))
    }

    /// An endpoint's count of the key's transactions: what is beyond this program's own was sent by another.
    pub(crate) fn count(&mut self, count: u64) {
        let own = self.entries.keys().next_back().map_or(0, |nonce| nonce + 1).max(self.floor);
        let Some(before) = self.counted else {
            self.counted = Some(count);
            return;
        };
        let unknown = count.saturating_sub(before.max(own));
        if unknown > 0 {
            self.strange(unknown);
        }
        self.counted = Some(before.max(count));
    }

    /// Another may have used the key until now.
    pub(crate) fn begin(&mut self) {
        self.counted = None;
        self.before = self.entries.keys().next_back().map_or(0, |nonce| nonce + 1);
    }

    /// Nonces went to transactions of another program.
    pub(crate) fn strange(&mut self, nonces: u64) {
        self.foreign = self.foreign.saturating_add(nonces);
        self.foreign_at_ms = crate::order::unix_millis();
    }

    /// A nonce that this program had signed for went to a transaction of another.
    pub(crate) fn lost_nonce(&mut self, nonce: u64) {
        if nonce < self.before {
            return;
        }
        self.strange(1);
        self.lost_at_ms = self.foreign_at_ms;
    }

    /// Nonces below are used, given what an endpoint counts, which may be old.
    pub(crate) fn used(&self, count: u64) -> u64 {
        let mined = self.entries.values().rev().find(|entry| entry.is_mined());
        let mined = mined.map_or(0, |entry| entry.pending.nonce + 1);
        count.max(self.floor).max(mined)
    }

    /// The smallest nonce that is neither used nor a pending transaction's.
    pub(crate) fn next_nonce(&self, count: u64) -> u64 {
        let mut nonce = self.used(count);
        while self.entries.contains_key(&nonce) {
            nonce += 1;
        }
        nonce
    }

    /// A nonce that nothing has and that pending transactions wait for.
    pub(crate) fn gap(&self, count: u64) -> Option<u64> {
        let nonce = self.next_nonce(count);
        self.entries.range(nonce..).any(|(_, entry)| !entry.is_mined()).then_some(nonce)
    }

    pub(crate) fn status(&self) -> OutboxStatus {
        let unmined = || self.entries.values().filter(|entry| !entry.is_mined());
        let days = self.outlays();
        let mut spent = Outlay::default();
        days.values().for_each(|outlay| spent += *outlay);
        OutboxStatus {
            pending: unmined().count() as u64,
            oldest_nonce: unmined().next().map(|entry| entry.pending.nonce),
            next_nonce: self.entries.keys().next_back().map(|nonce| nonce + 1),
            unmined_since_block: unmined().filter_map(|entry| entry.since.map(|since| since.number)).min(),
            replaced: self.replaced,
            rebroadcast: self.rebroadcast,
            foreign_nonces: self.foreign,
            foreign_at_ms: self.foreign_at_ms,
            lost_at_ms: self.lost_at_ms,
            spent,
            spent_by_day: days.into_iter().map(|(day, outlay)| DayOutlay { day, outlay }).collect(),
            last_error: self.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes};

    use super::*;
    use crate::{
        outlay::Spent,
        transaction::{MinedAt, Paid, Signed},
    };

    fn pending(nonce: u64, mined: bool) -> PendingTransaction {
        let block = BlockRef { number: 1, hash: B256::ZERO, parent_hash: B256::ZERO, timestamp: 0 };
        let signed =
            Signed { hash: B256::ZERO, raw: Bytes::new(), max_fee: 1, max_priority_fee: 1, cancels: false };
        PendingTransaction {
            account: Address::ZERO,
            nonce,
            tag: format!("tag {nonce}"),
            kind: "prove".to_owned(),
            to: None,
            data: Bytes::new(),
            value: U256::ZERO,
            gas: 1,
            budget: None,
            spend: Default::default(),
            deadline: None,
            signed: vec![signed],
            mined: mined.then_some(MinedAt { tx_hash: B256::ZERO, block, success: true, paid: None }),
        }
    }

    #[test]
    fn what_waits_is_known_by_its_call_and_in_the_order_of_nonces() {
        let sync = |nonce, mined| PendingTransaction { kind: "sync".to_owned(), ..pending(nonce, mined) };
        let set = PendingSet::load(vec![sync(7, false), pending(6, false), sync(5, true)], Vec::new());
        let tags: Vec<String> = set.waiting().into_iter().map(|it| it.tag).collect();
        assert_eq!(tags, ["tag 6", "tag 7"]);
        let call = Call { to: None, data: Bytes::new(), value: U256::ZERO, kind: "sync", gas: None };
        assert_eq!(set.waits_as(&call).as_deref(), Some("tag 7"));
        assert_eq!(set.waits_as(&Call { data: Bytes::from([1]), ..call }), None, "another call");
    }

    #[test]
    fn an_old_count_reuses_no_nonce() {
        let mut set =
            PendingSet::load(vec![pending(5, true), pending(6, false), pending(8, false)], Vec::new());
        assert_eq!(set.next_nonce(2), 7, "what is below a mined nonce is used");
        assert_eq!(set.next_nonce(6), 7);
        assert_eq!(set.next_nonce(8), 9);
        assert_eq!(set.gap(2), Some(7));
        set.insert(pending(7, false));
        assert_eq!((set.next_nonce(2), set.gap(2)), (9, None));
        let mut forgotten = PendingSet { floor: 6, ..PendingSet::default() };
        assert_eq!(forgotten.next_nonce(2), 6);
        forgotten.insert(pending(6, false));
        assert_eq!(forgotten.next_nonce(2), 7);
    }

    #[test]
    fn what_is_promised_is_for_the_gas_expected() {
        let mut lean = pending(5, false);
        lean.gas = 500;
        let mut set = PendingSet::load(vec![lean.clone(), pending(7, true)], Vec::new());
        assert_eq!(set.promised(None), U256::from(500), "all of it where nothing is expected");
        lean.spend.expected = 300;
        set.insert(lean);
        assert_eq!((set.promised(None), set.promised(Some(5))), (U256::from(300), U256::ZERO));
    }

    #[test]
    fn a_nonce_that_a_reorg_took_back_is_still_its_intents() {
        let mut set = PendingSet::load(vec![pending(5, true)], Vec::new());
        if let Some(entry) = set.entries.get_mut(&5) {
            entry.pending.mined = None;
            entry.was_unmined(BlockRef { number: 9, ..BlockRef::default() });
        }
        assert_eq!(set.next_nonce(5), 6);
        assert_eq!(set.status().oldest_nonce, Some(5));
        assert!(set.is_live("tag 5") && !set.is_live("tag 6"));
    }

    #[test]
    fn nonces_that_another_program_used_are_counted_once_and_its_own_never() {
        let mut set = PendingSet::load(vec![pending(5, false)], Vec::new());
        set.count(5);
        set.count(6);
        assert_eq!(set.foreign, 0, "its own was mined");
        set.count(9);
        set.count(9);
        set.count(8);
        set.count(9);
        assert_eq!(set.foreign, 3, "an old count proves nothing");
        set.begin();
        set.count(20);
        assert_eq!(set.foreign, 3, "while it did not act, others might");
        set.insert(pending(20, true));
        set.count(21);
        assert_eq!((set.foreign, set.status().foreign_nonces, set.status().lost_at_ms), (3, 3, 0));
        set.lost_nonce(5);
        assert!(set.foreign == 3 && set.status().lost_at_ms == 0, "signed before another led, which used it");
        set.lost_nonce(20);
        assert!(set.foreign == 4 && set.status().lost_at_ms > 0, "one that was signed for here");
    }

    #[test]
    fn the_last_of_a_kind_by_nonce_is_what_will_be_so() {
        let of =
            |nonce, kind: &str, mined| PendingTransaction { kind: kind.to_owned(), ..pending(nonce, mined) };
        let mut set = PendingSet::load(
            vec![of(5, "pause", true), of(6, "resume", false), of(7, "prove", false)],
            Vec::new(),
        );
        let last = |set: &PendingSet| set.landing(&["pause", "resume"]);
        assert_eq!(last(&set), Some(("resume".to_owned(), Landing::UnderWay)));
        set.insert(of(8, "pause", true));
        assert_eq!(last(&set), Some(("pause".to_owned(), Landing::In(1))));
        if let Some(mined) = set.entries.get_mut(&8).and_then(|entry| entry.pending.mined.as_mut()) {
            mined.success = false;
        }
        assert_eq!(last(&set), Some(("resume".to_owned(), Landing::UnderWay)), "it reverted");
        assert_eq!(PendingSet::default().landing(&["pause"]), None);
    }

    #[test]
    fn what_waits_has_been_promised_its_gas() {
        let mut set =
            PendingSet::load(vec![pending(5, true), pending(6, false), pending(7, false)], Vec::new());
        assert_eq!(set.promised(None), U256::from(2));
        assert_eq!(set.promised(Some(7)), U256::from(1));
        set.entries.clear();
        assert_eq!(set.promised(None), U256::ZERO);
    }

    #[test]
    fn an_order_is_the_pending_transaction_of_its_tag_and_data() {
        let set = PendingSet::load(vec![pending(5, false)], Vec::new());
        let call =
            provery_rpc::Call { to: None, data: Bytes::new(), value: U256::ZERO, kind: "prove", gas: None };
        let order = Order { tag: "tag 5".to_owned(), ..Order::new(call) };
        assert!(set.same(&order).is_some());
        assert!(set.same(&Order { tag: "tag 6".to_owned(), ..order.clone() }).is_none());
        let other = provery_rpc::Call { data: Bytes::from_static(&[1]), ..order.call.clone() };
        assert!(set.same(&Order { call: other, ..order }).is_none());
    }

    #[test]
    fn what_failed_or_was_cancelled_is_counted_apart_and_stays_when_it_is_forgotten() {
        let paid = |nonce: u64, success, cancels| {
            let mut pending = pending(nonce, true);
            pending.signed[0].cancels = cancels;
            if let Some(mined) = &mut pending.mined {
                (mined.success, mined.block.timestamp) = (success, 86_400 * (nonce - 5));
                mined.paid = Some(Paid { gas: 10 * nonce, wei: U256::from(100 * nonce) });
            }
            pending
        };
        let pending =
            vec![paid(5, true, false), paid(6, false, false), paid(7, true, true), pending(8, true)];
        let before =
            vec![DayOutlay { day: 1, outlay: Outlay { reverted: spent(1, 3, 4), ..Outlay::default() } }];
        let mut set = PendingSet::load(pending, before);
        let reverted = spent(2, 63, 604);
        let (succeeded, cancelled) = (spent(1, 50, 500), spent(1, 70, 700));
        let all = Outlay { succeeded, reverted, cancelled };
        assert_eq!((set.status().spent, all.wasted()), (all, spent(3, 133, 1_304)));
        assert_eq!(set.status().spent_by_day.iter().map(|it| it.day).collect::<Vec<_>>(), [0, 1, 2]);
        for nonce in [6, 7] {
            let cost =
                set.entries.get(&nonce).and_then(|entry| entry.pending.outlay()).expect("it was mined");
            set.close(nonce, &cost);
        }
        assert_eq!((set.status().spent, set.entries.len()), (all, 2));
        // What a reorg took back was not paid.
        if let Some(entry) = set.entries.get_mut(&5) {
            entry.pending.mined = None;
        }
        assert_eq!(set.status().spent, Outlay { succeeded: Spent::default(), ..all });
    }

    fn spent(transactions: u64, gas: u64, wei: u64) -> Spent {
        Spent { transactions, gas, wei: U256::from(wei) }
    }
}
