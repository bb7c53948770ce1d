//! Upkeep: what [`provery_mechanisms::upkeep`] says is due for the prover, its markets and their slots, and the calls for it.

use std::collections::HashMap;

use alloy::primitives::U256;
use provery_mechanisms::upkeep::{
    Leaf, ProverStatus, should_bring_seed, should_reinstate, should_sync, should_withdraw,
};
use provery_rpc::Call;

use super::acceptance;
use crate::{
    book::{Book, Due, Policy},
    facts::Pending,
    service::{
        account::{Account, Seen},
        handles::Handles,
        keeper_task::KeeperTask,
    },
};

/// The prover, and what it has in a market's draws, as events tell.
type Entry = (ProverStatus, Leaf);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// What was so when a market's leaf was last brought in line: as long as it is, that did not help and would not again.
    synced: HashMap<U256, Entry>,
}

impl Upkeep {
    /// What is due. `is_fit`: nothing speaks against being in the draws.
    pub(super) fn due(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        account: &Account,
        policy: &Policy,
        is_fit: bool,
    ) -> Vec<KeeperTask> {
        let me = handles.me();
        let facts = book.facts();
        let mut due = Vec::new();
        // From so many seconds before an epoch on its seed can be known.
        let (length, lead) = (handles.params.epoch_length, handles.params.freeze / 2);
        let everyone = || facts.all_candidates();
        let epoch = should_bring_seed(policy.now, length, lead, |epoch| facts.seeded(epoch), me, everyone);
        due.extend(epoch.map(KeeperTask::Seed));
        due.extend(book.due(policy).into_iter().map(|(key, due)| match due {
            Due::Expire => KeeperTask::Expire(key),
            Due::Resolve => KeeperTask::Resolve(key),
            Due::Drop => KeeperTask::Drop(key),
        }));
        due.extend(acceptance::acceptable(handles, book));
        let Some(Seen { prover_status, credit, .. }) = account.seen() else { return due };
        let told = book.facts().prover_status(me);
        // One endpoint says the one, and events the other: nothing is paid for on the word of either.
        let leaves = if told == prover_status { book.facts().leaves(me) } else { Vec::new() };
        for (market, leaf) in leaves {
            // Where it serves nothing, or cannot prove, it would come back only to miss.
            let proves = book.serves(market) && book.lack(market).is_none();
            if proves && should_reinstate(&prover_status, &leaf, is_fit) {
                due.push(KeeperTask::Reinstate(market));
            }
            if self.should_sync(market, (told, leaf)) {
                due.push(KeeperTask::Sync(market));
            }
        }
        if handles.is_prover() && should_withdraw(credit, handles.tunables().withdraw_at).is_some() {
            due.push(KeeperTask::Withdraw);
        }
        due
    }

    /// Whether a market's leaf is out of line with its prover, and nothing was sent about just that.
    fn should_sync(&mut self, market: U256, entry: Entry) -> bool {
        if self.synced.get(&market).is_some_and(|before| *before != entry) {
            self.synced.remove(&market);
        }
        should_sync(&entry.0, &entry.1) && !self.synced.contains_key(&market)
    }

    /// A keeper task is about to be sent.
    pub(super) fn sends(&mut self, task: &KeeperTask, handles: &Handles, book: &Book) {
        let KeeperTask::Sync(market) = task else { return };
        let (me, facts) = (handles.me(), book.facts());
        if let Some((_, leaf)) = facts.leaves(me).into_iter().find(|(it, _)| it == market) {
            self.synced.insert(*market, (facts.prover_status(me), leaf));
        }
    }

    /// A keeper task failed, so what it was about is as it was.
    pub(super) fn failed(&mut self, task: &KeeperTask) {
        if let KeeperTask::Sync(market) = task {
            self.synced.remove(market);
        }
    }

    /// Another node acts from now on.
    pub(super) fn abandon(&mut self) {
        self.synced.clear();
    }
}

/// The call that does a keeper task; nothing for one that brings its own or whose call has to be looked for, and for what is not to be
/// done any more.
pub(super) fn call(task: &KeeperTask, handles: &Handles, book: &Book, account: &Account) -> Option<Call> {
    let calls = handles.chain.calls();
    Some(match task {
        KeeperTask::Expire(key) => {
            let (slot, terms) = book.open_slot(*key)?;
            calls.expire(slot, terms, &book.facts().slot(*key)?.inputs)
        }
        KeeperTask::Drop(key) => {
            let (slot, terms) = book.open_slot(*key)?;
            calls.drop_slot(slot, terms, &book.facts().slot(*key)?.inputs)
        }
        KeeperTask::Resolve(key) => {
            let fact = book.facts().slot(*key)?;
            let terms = book.facts().terms(fact.terms_hash)?;
            let Pending { payee, right, claim } = fact.pending?;
            calls.resolve(&fact.slot, terms, payee, right, claim)
        }
        KeeperTask::Pause => calls.pause(),
        KeeperTask::Resume => calls.resume(),
        KeeperTask::Reinstate(market) => calls.reinstate(*market),
        KeeperTask::Sync(market) => calls.sync(*market, handles.me()),
        KeeperTask::Accept(market) => acceptance::call(*market, handles, book)?,
        KeeperTask::Withdraw => calls.withdraw(handles.me(), account.seen()?.credit),
        KeeperTask::Standing(..) | KeeperTask::MechanismAction(..) | KeeperTask::Seed(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MARKET;

    #[test]
    fn a_leaf_is_brought_in_line_once_for_what_was_seen_and_not_on_and_on() {
        let mut upkeep = Upkeep::default();
        let leaf = Leaf { allocation: 5, weight: 0, ..Leaf::default() };
        let entry = (ProverStatus { registered: true, paused: false }, leaf);
        assert!(upkeep.should_sync(MARKET, entry));
        upkeep.synced.insert(MARKET, entry);
        assert!(!upkeep.should_sync(MARKET, entry), "it did not help");
        upkeep.failed(&KeeperTask::Sync(MARKET));
        assert!(upkeep.should_sync(MARKET, entry), "it never came to it");
        upkeep.synced.insert(MARKET, entry);
        assert!(!upkeep.should_sync(MARKET, (entry.0, Leaf { weight: 5, ..leaf })), "in line");
        assert!(upkeep.should_sync(MARKET, entry), "and out of it anew, by a reorg");
    }
}
