//! Which keeper tasks are under way, and which rest: one of a kind at a time, so that each sees what the one before did.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use provery_types::SlotKey;

use crate::{outcome::Class, service::keeper_task::KeeperTask};

/// How long a kind of task rests after it was sent, so that its event is seen before it is decided about again.
const REST: Duration = Duration::from_secs(5);
/// How long it rests after it failed.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// How long a mechanism action rests after it came too soon or too late: its time may be short.
const ACTION_REST: Duration = Duration::from_secs(3);

/// A keeper task whose transaction is under way.
#[derive(Clone, Debug)]
struct Running {
    /// Of its order.
    tag: String,
    /// What brings the prover back counts from its first try.
    since: Instant,
}

/// A keeper task that is not to be sent again yet.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    /// Its transaction is through; what it did may not be in the facts yet.
    landed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    running: HashMap<KeeperTask, Running>,
    resting: HashMap<KeeperTask, Rest>,
    /// Since when what brings the prover back into draws is tried.
    wanted: HashMap<KeeperTask, Instant>,
}

impl Outstanding {
    /// Whether a keeper task is neither under way nor at rest.
    pub(super) fn may(&mut self, task: &KeeperTask) -> bool {
        let now = Instant::now();
        self.resting.retain(|_, rest| rest.until > now);
        !self.running.contains_key(task) && !self.resting.contains_key(task)
    }

    /// Likewise of what stands in a market, of which one thing is sent at a time.
    pub(super) fn may_stand(&mut self, task: &KeeperTask) -> bool {
        let KeeperTask::Standing(market, _) = task else { return false };
        let of_market = |it: &KeeperTask| matches!(it, KeeperTask::Standing(other, _) if other == market);
        self.may(task) && !self.running.keys().chain(self.resting.keys()).any(of_market)
    }

    /// Keeper whose transactions are under way, the tags of their orders, and for how long they are.
    pub(super) fn under_way(&self) -> impl Iterator<Item = (&KeeperTask, &str, Duration)> {
        self.running.iter().map(|(task, it)| (task, it.tag.as_str(), it.since.elapsed()))
    }

    /// Whether a keeper task's transaction is under way.
    pub(super) fn runs(&self, task: &KeeperTask) -> bool {
        self.running.contains_key(task)
    }

    /// Transactions that may have bound this prover to a slot, as far as the facts do not tell yet.
    pub(super) fn binding(&self) -> usize {
        let now = Instant::now();
        let binds = |task: &KeeperTask| {
            matches!(
                task,
                KeeperTask::Standing(..)
                    | KeeperTask::MechanismAction(
                        _,
                        "commit" | "ticket" | "lock" | "match" | "accept_transfer"
                    )
            )
        };
        let landed = self.resting.iter().filter(|(_, rest)| rest.landed && rest.until > now);
        let running = self.running.keys().filter(|task| binds(task)).count();
        running + landed.filter(|(task, _)| binds(task)).count()
    }

    /// Slots whose offer is under way, as far as the facts do not tell yet.
    pub(super) fn offering(&self) -> BTreeSet<SlotKey> {
        let now = Instant::now();
        let landed = self.resting.iter().filter(|(_, rest)| rest.landed && rest.until > now);
        let tasks = self.running.keys().chain(landed.map(|(task, _)| task));
        let offers = tasks.filter(|task| matches!(task, KeeperTask::MechanismAction(_, "offer_transfer")));
        offers.filter_map(KeeperTask::slot).collect()
    }

    /// A keeper task's transaction is under way, as an order with this tag.
    pub(super) fn began(&mut self, task: &KeeperTask, tag: String) {
        let now = Instant::now();
        let since = match task {
            KeeperTask::Resume
            | KeeperTask::Reinstate(_)
            | KeeperTask::Sync(_)
            | KeeperTask::Accept(_)
            | KeeperTask::Standing(..) => *self.wanted.entry(task.clone()).or_insert(now),
            _ => now,
        };
        self.running.insert(task.clone(), Running { tag, since });
    }

    /// For how long a keeper task that brings the prover back into draws was tried in vain.
    pub(super) fn waited(&self, task: &KeeperTask) -> Duration {
        self.wanted.get(task).map(Instant::elapsed).unwrap_or_default()
    }

    /// A keeper task's transaction is through, or failed in this way.
    pub(super) fn ended(&mut self, task: &KeeperTask, failure: Option<Class>) {
        self.running.remove(task);
        if failure.is_none() {
            self.wanted.remove(task);
        }
        let rest = match (task, failure) {
            (_, None) => REST,
            (
                KeeperTask::MechanismAction(..) | KeeperTask::Standing(..),
                Some(Class::Raced | Class::NotYet | Class::Unanswered),
            ) => ACTION_REST,
            // A reorg gave the round another seed; a ticket of that one must not be late.
            (KeeperTask::MechanismAction(_, "ticket"), Some(Class::Refused)) => ACTION_REST,
            // What another was faster at is seen in an event.
            (KeeperTask::Pause | KeeperTask::Resume, Some(_)) => REST,
            (
                KeeperTask::Resolve(_) | KeeperTask::Drop(_) | KeeperTask::Seed(_),
                Some(Class::Raced | Class::NotYet | Class::Unanswered),
            ) => REST,
            _ => REST_AFTER_FAILURE,
        };
        let rest = Rest { until: Instant::now() + rest, landed: failure.is_none() };
        self.resting.insert(task.clone(), rest);
    }

    /// What was under way is no longer this node's.
    pub(super) fn abandon(&mut self) {
        self.running.clear();
        self.wanted.clear();
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use provery_types::SlotKey;

    use super::*;
    use crate::testing::MARKET;

    #[test]
    fn what_brings_a_prover_back_is_worth_more_the_longer_it_was_tried() {
        let mut outstanding = Outstanding::default();
        let [sync, pause] = [KeeperTask::Sync(MARKET), KeeperTask::Pause];
        [&sync, &pause].into_iter().for_each(|task| outstanding.began(task, String::new()));
        [&sync, &pause].into_iter().for_each(|task| outstanding.ended(task, Some(Class::Failing)));
        let tried = outstanding.wanted.get(&sync).copied();
        assert!(tried.is_some() && !outstanding.wanted.contains_key(&pause));
        outstanding.began(&sync, String::new());
        assert_eq!(outstanding.wanted.get(&sync).copied(), tried, "from its first try on");
        outstanding.ended(&sync, None);
        assert_eq!(outstanding.waited(&sync), Duration::ZERO, "it is done");
    }

    #[test]
    fn a_bid_that_is_being_sent_or_has_just_landed_counts_as_one() {
        let action = |id, kind| KeeperTask::MechanismAction(SlotKey { market: MARKET, id }, kind);
        let (commit, ticket, reveal) = (action(1, "commit"), action(2, "ticket"), action(3, "reveal"));
        let mut outstanding = Outstanding::default();
        assert_eq!(outstanding.binding(), 0);
        [&commit, &ticket, &reveal].into_iter().for_each(|task| outstanding.began(task, String::new()));
        assert_eq!(outstanding.binding(), 2, "a reveal binds nobody to more");
        outstanding.ended(&commit, Some(Class::Raced));
        assert_eq!(outstanding.binding(), 1, "it did not land");
        outstanding.ended(&ticket, None);
        assert_eq!(outstanding.binding(), 1, "its event is still to come");
    }

    #[test]
    fn one_thing_at_a_time_is_sent_for_what_stands_in_a_market() {
        let standing = |market: u64, kind| KeeperTask::Standing(U256::from(market), kind);
        let mut outstanding = Outstanding::default();
        outstanding.began(&standing(1, "ask"), String::new());
        assert!(!outstanding.may_stand(&standing(1, "top_up")));
        assert!(outstanding.may_stand(&standing(2, "ask")));
        assert_eq!(outstanding.binding(), 1, "an ask may be given a slot at once");
        outstanding.ended(&standing(1, "ask"), None);
        assert!(!outstanding.may_stand(&standing(1, "top_up")), "what it did is not read yet");
    }
}
