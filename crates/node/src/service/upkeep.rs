//! Upkeep's effects: what [`provery_mechanisms::upkeep`] says is due is sent, one of a kind at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use provery_mechanisms::upkeep::{
    Leaf, ProverStatus, should_bring_seed, should_reinstate, should_sync, should_withdraw,
};
use provery_rpc::{Call, Chain, ChainError, RegistryParams, Rpc};
use provery_txmgr::Order;
use provery_types::SlotKey;
use tracing::warn;

use super::Service;
use super::budgets::Spending;
use super::funds::{Needs, PAUSE_GAS, Prices};
use super::sends::Sent;
use crate::book::Due;
use crate::facts::Pending;
use crate::outcome::Class;
use crate::pause;

/// How often the prover's record and credit are read.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a kind of upkeep rests after it was sent, so that its event is seen before it is decided about again.
const REST: Duration = Duration::from_secs(5);
/// How long it rests after it failed.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// How long a mechanism action rests after it came too soon or too late: its time may be short.
const ACTION_REST: Duration = Duration::from_secs(3);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// An epoch's.
    Seed(u64),
    Expire(SlotKey),
    /// Settle a proof that waited for its premise.
    Resolve(SlotKey),
    /// End a slot that fell with its premise.
    Drop(SlotKey),
    Pause,
    /// After this node's own pause.
    Resume,
    /// After a suspension in a market.
    Reinstate(U256),
    Sync(U256),
    /// New terms of a market, within the operator's bounds.
    Accept(U256),
    Withdraw,
    /// A mechanism's or the secondary market's, by name.
    MechanismAction(SlotKey, &'static str),
}

impl Task {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seed(_) => "seed",
            Self::Expire(_) => "expire",
            Self::Resolve(_) => "resolve",
            Self::Drop(_) => "drop",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reinstate(_) => "reinstate",
            Self::Sync(_) => "sync",
            Self::Accept(_) => "accept",
            Self::Withdraw => "withdraw",
            Self::MechanismAction(_, kind) => kind,
        }
    }
}

/// A look at what events do not tell: the prover's record and its credit.
pub(super) struct Look(Result<Seen, ChainError>);

/// What such a look sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub prover_status: ProverStatus,
    /// Asset wei.
    pub credit: U256,
    /// Asset wei, bonds included.
    pub stake: U256,
    /// Asset wei in bonds, in the deployment's markets.
    pub bonded: U256,
    /// Wei of the chain's currency that the key has.
    pub balance: U256,
    pub prices: Prices,
}

/// The prover, and what it has in a market's draws, as events tell.
type View = (ProverStatus, Leaf);

/// A task whose transaction is under way.
#[derive(Clone, Debug)]
struct Running {
    /// Of its order.
    tag: String,
    /// What brings the prover back counts from its first try.
    since: Instant,
}

/// A task that is not to be sent again yet.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    /// Its transaction is through; what it did may not be in the facts yet.
    landed: bool,
}

/// What is under way and what was last seen.
#[derive(Debug)]
pub(super) struct Upkeep {
    epoch_length: u64,
    /// Seconds before an epoch from which on its seed can be known.
    seed_lead: u64,
    /// Asset wei.
    stake_unit: U256,
    max_window: u64,
    running: HashMap<Task, Running>,
    resting: HashMap<Task, Rest>,
    /// Since when what brings the prover back into draws is tried.
    wanted: HashMap<Task, Instant>,
    /// What was so when a market's leaf was last brought in line: as long as it is, that did not help and would not again.
    synced: HashMap<U256, View>,
    seen: Option<Seen>,
    next_look: Instant,
    looking: bool,
}

impl Upkeep {
    pub fn new(params: &RegistryParams) -> Self {
        Self {
            epoch_length: params.epoch_length,
            seed_lead: params.freeze / 2,
            stake_unit: params.stake_unit,
            max_window: params.max_window,
            running: HashMap::new(),
            resting: HashMap::new(),
            wanted: HashMap::new(),
            synced: HashMap::new(),
            seen: None,
            next_look: Instant::now(),
            looking: false,
        }
    }

    /// Asset wei in one unit of stake.
    pub fn stake_unit(&self) -> U256 {
        self.stake_unit
    }

    /// Seconds that any slot stays open at most.
    pub fn max_window(&self) -> u64 {
        self.max_window
    }

    pub fn may(&mut self, task: &Task) -> bool {
        let now = Instant::now();
        self.resting.retain(|_, rest| rest.until > now);
        !self.running.contains_key(task) && !self.resting.contains_key(task)
    }

    /// Tasks whose transactions are under way, the tags of their orders, and for how long they are.
    pub fn under_way(&self) -> impl Iterator<Item = (&Task, &str, Duration)> {
        self.running.iter().map(|(task, it)| (task, it.tag.as_str(), it.since.elapsed()))
    }

    /// Seconds of an epoch.
    pub fn epoch_length(&self) -> u64 {
        self.epoch_length
    }

    /// Whether a task's transaction is under way.
    pub fn runs(&self, task: &Task) -> bool {
        self.running.contains_key(task)
    }

    /// Transactions that may have bound this prover to a slot, as far as the facts do not tell yet.
    pub fn binding(&self) -> usize {
        let now = Instant::now();
        let binds = |task: &Task| {
            matches!(task, Task::MechanismAction(_, "commit" | "ticket" | "lock" | "take_over"))
        };
        let landed = self.resting.iter().filter(|(_, rest)| rest.landed && rest.until > now);
        let running = self.running.keys().filter(|task| binds(task)).count();
        running + landed.filter(|(task, _)| binds(task)).count()
    }

    /// A task's transaction is under way, as an order with this tag.
    pub fn began(&mut self, task: &Task, tag: String) {
        let now = Instant::now();
        let since = match task {
            Task::Resume | Task::Reinstate(_) | Task::Sync(_) | Task::Accept(_) => {
                *self.wanted.entry(task.clone()).or_insert(now)
            }
            _ => now,
        };
        self.running.insert(task.clone(), Running { tag, since });
    }

    /// For how long a task that brings the prover back into draws was tried in vain.
    pub fn waited(&self, task: &Task) -> Duration {
        self.wanted.get(task).map(Instant::elapsed).unwrap_or_default()
    }

    /// A task's transaction is through, or failed in this way.
    pub fn ended(&mut self, task: &Task, failure: Option<Class>) {
        self.running.remove(task);
        if failure.is_none() {
            self.wanted.remove(task);
        } else if let Task::Sync(market) = task {
            self.synced.remove(market);
        }
        let rest = match (task, failure) {
            (_, None) => REST,
            (Task::MechanismAction(..), Some(Class::Raced | Class::NotYet | Class::Unanswered)) => {
                ACTION_REST
            }
            // A reorg gave the round another seed; a ticket of that one must not be late.
            (Task::MechanismAction(_, "ticket"), Some(Class::Refused)) => ACTION_REST,
            // What another was faster at is seen in an event.
            (Task::Pause | Task::Resume, Some(_)) => REST,
            (
                Task::Resolve(_) | Task::Drop(_) | Task::Seed(_),
                Some(Class::Raced | Class::NotYet | Class::Unanswered),
            ) => REST,
            _ => REST_AFTER_FAILURE,
        };
        let rest = Rest { until: Instant::now() + rest, landed: failure.is_none() };
        self.resting.insert(task.clone(), rest);
        // What was seen is no longer so.
        if matches!(task, Task::Pause | Task::Resume | Task::Withdraw) {
            self.seen = None;
        }
    }

    /// What was under way is no longer this node's.
    pub fn abandoned(&mut self) {
        self.running.clear();
        self.wanted.clear();
        self.synced.clear();
        self.looking = false;
    }

    /// Whether a market's leaf is out of line with its prover, and nothing was sent about just that.
    fn should_sync(&mut self, market: U256, view: View) -> bool {
        if self.synced.get(&market).is_some_and(|before| *before != view) {
            self.synced.remove(&market);
        }
        should_sync(&view.0, &view.1) && !self.synced.contains_key(&market)
    }

    /// A look is back, with what it saw.
    pub fn looked(&mut self, look: Look) -> Option<Seen> {
        self.looking = false;
        match look.0 {
            Ok(seen) => {
                self.seen = Some(seen);
                self.seen
            }
            Err(error) => {
                warn!(error = %error, "the prover's record could not be read; it is read again later");
                None
            }
        }
    }

    /// What the last look saw.
    pub fn seen(&self) -> Option<Seen> {
        self.seen
    }
}

impl Service {
    /// Send whatever upkeep is due at `now` (unix seconds).
    pub(super) fn start_upkeep(&mut self, now: u64) {
        for task in self.due(now) {
            if !self.upkeep.may(&task) {
                continue;
            }
            if let Task::Seed(epoch) = task {
                self.start_seed(epoch);
            } else if let Some(call) = self.call(&task) {
                if let Task::Sync(market) = task
                    && let Some(view) = self.view(market)
                {
                    self.upkeep.synced.insert(market, view);
                }
                self.send_upkeep(task, call);
            }
        }
    }

    /// Send something for what it is worth.
    pub(super) fn send_upkeep(&mut self, task: Task, call: Call) {
        let Spending { budget, reserve, due } = self.upkeep_spending(&task, self.upkeep.waited(&task));
        // What is done once has one tag, so that a restart does not do it twice; a pause may come again, but not twice at a time.
        let tag = match &task {
            Task::Expire(key) | Task::Resolve(key) | Task::Drop(key) => {
                Some(format!("{}:{}:{}", task.name(), key.market, key.id))
            }
            _ => self.sender.waits_as(&call),
        };
        let order = Order::new(call);
        let order = Order { tag: tag.unwrap_or(order.tag), budget, reserve, due, ..order };
        self.upkeep.began(&task, order.tag.clone());
        let sender = self.sender.clone();
        self.sends.spawn(async move { Sent::Upkeep { result: sender.deliver(order).await, task } });
    }

    fn view(&self, market: U256) -> Option<View> {
        let (me, facts) = (self.config.prover, self.book.facts());
        let (_, leaf) = facts.leaves(me).into_iter().find(|(it, _)| *it == market)?;
        Some((facts.prover_status(me), leaf))
    }

    fn due(&mut self, now: u64) -> Vec<Task> {
        let me = self.config.prover;
        let facts = self.book.facts();
        let mut due = Vec::new();
        let (length, lead) = (self.upkeep.epoch_length, self.upkeep.seed_lead);
        let everyone = || facts.all_candidates();
        let epoch = should_bring_seed(now, length, lead, |epoch| facts.seeded(epoch), me, everyone);
        due.extend(epoch.map(Task::Seed));
        due.extend(self.book.due(&self.policy()).into_iter().map(|(key, due)| match due {
            Due::Expire => Task::Expire(key),
            Due::Resolve => Task::Resolve(key),
            Due::Drop => Task::Drop(key),
        }));
        due.extend(self.acceptable());
        let Some(Seen { prover_status, credit, .. }) = self.upkeep.seen else { return due };
        let told = self.book.facts().prover_status(me);
        // One endpoint says the one, and events the other: nothing is paid for on the word of either.
        let leaves = if told == prover_status { self.book.facts().leaves(me) } else { Vec::new() };
        for (market, leaf) in leaves {
            // Where it serves nothing, or cannot prove, it would come back only to miss.
            let proves = self.book.serves(market) && self.book.lack(market).is_none();
            if proves && should_reinstate(&prover_status, &leaf, self.pause_reason.is_none()) {
                due.push(Task::Reinstate(market));
            }
            if self.upkeep.should_sync(market, (told, leaf)) {
                due.push(Task::Sync(market));
            }
        }
        if self.sender.address() == me && should_withdraw(credit, self.tunables().withdraw_at).is_some() {
            due.push(Task::Withdraw);
        }
        due
    }

    fn call(&self, task: &Task) -> Option<Call> {
        let calls = self.chain.calls();
        Some(match task {
            Task::Expire(key) => {
                let (slot, terms) = self.book.open_slot(*key)?;
                calls.expire(slot, terms, &self.book.facts().slot(*key)?.inputs)
            }
            Task::Drop(key) => {
                let (slot, terms) = self.book.open_slot(*key)?;
                calls.drop_slot(slot, terms, &self.book.facts().slot(*key)?.inputs)
            }
            Task::Resolve(key) => {
                let fact = self.book.facts().slot(*key)?;
                let terms = self.book.facts().terms(fact.terms_hash)?;
                let Pending { payee, right, claim } = fact.pending?;
                calls.resolve(&fact.slot, terms, payee, right, claim)
            }
            Task::Pause => calls.pause(),
            Task::Resume => calls.resume(),
            Task::Reinstate(market) => calls.reinstate(*market),
            Task::Sync(market) => calls.sync(*market, self.config.prover),
            Task::Accept(market) => self.accept(*market)?,
            Task::Withdraw => calls.withdraw(self.config.prover, self.upkeep.seen?.credit),
            // Actions bring their own call, and a seed's has to be looked for.
            Task::MechanismAction(..) | Task::Seed(_) => return None,
        })
    }

    /// Read what events do not tell, now and then.
    pub(super) fn look(&mut self) {
        if self.upkeep.looking || Instant::now() < self.upkeep.next_look {
            return;
        }
        self.upkeep.looking = true;
        self.upkeep.next_look = Instant::now() + LOOK_EVERY;
        let (chain, prover, key) = (self.chain.clone(), self.config.prover, self.sender.address());
        let needs = self.funds.needs(self.best_pay());
        self.sends.spawn(async move { Sent::Look(Look(look(&chain, prover, key, needs).await)) });
    }
}

async fn prices(rpc: &Rpc, needs: &Needs, pause: &[u8]) -> Result<Prices, ChainError> {
    Ok(Prices {
        max_fee: rpc.max_fee().await?,
        proof_surcharge: rpc.surcharge(&needs.calldata, needs.proof_gas).await?,
        pause_surcharge: rpc.surcharge(pause, PAUSE_GAS).await?,
    })
}

/// All endpoints are asked for what one says if the prover would leave the draws for it: the key's balance, and fees.
async fn look(chain: &Chain, prover: Address, key: Address, needs: Needs) -> Result<Seen, ChainError> {
    let record = chain.prover(prover).await?;
    let prover_status = ProverStatus { registered: record.id != 0, paused: record.paused };
    let mut bonded = U256::ZERO;
    for rollup in &chain.deployment().rollups {
        bonded = bonded.saturating_add(chain.bonded(rollup.market, prover).await?);
    }
    let pause = pause::marked(chain.calls().pause()).data;
    let prices = prices(chain.rpc(), &needs, &pause).await?;
    let balance = chain.rpc().surest_balance(key, needs.enough(&prices)).await?;
    let prices = match needs.doubts(balance, &prices) {
        true => {
            let mut all = vec![prices];
            for one in chain.rpc().apart() {
                all.extend(self::prices(&one, &needs, &pause).await.ok());
            }
            needs.cheapest(all).unwrap_or(prices)
        }
        false => prices,
    };
    Ok(Seen {
        prover_status,
        credit: chain.credits(prover).await?,
        stake: U256::from(record.stake),
        bonded,
        balance,
        prices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MARKET;

    fn params() -> RegistryParams {
        RegistryParams {
            stake_unit: U256::ONE,
            epoch_length: 100,
            freeze: 10,
            suspend_after: 2,
            max_window: 100,
            unbonding: 100,
        }
    }

    #[test]
    fn what_brings_a_prover_back_is_worth_more_the_longer_it_was_tried() {
        let mut upkeep = Upkeep::new(&params());
        let [sync, pause] = [Task::Sync(MARKET), Task::Pause];
        [&sync, &pause].into_iter().for_each(|task| upkeep.began(task, String::new()));
        [&sync, &pause].into_iter().for_each(|task| upkeep.ended(task, Some(Class::Failing)));
        let tried = upkeep.wanted.get(&sync).copied();
        assert!(tried.is_some() && !upkeep.wanted.contains_key(&pause));
        upkeep.began(&sync, String::new());
        assert_eq!(upkeep.wanted.get(&sync).copied(), tried, "from its first try on");
        upkeep.ended(&sync, None);
        assert_eq!(upkeep.waited(&sync), Duration::ZERO, "it is done");
    }

    #[test]
    fn a_leaf_is_brought_in_line_once_for_what_was_seen_and_not_on_and_on() {
        let mut upkeep = Upkeep::new(&params());
        let leaf = Leaf { allocation: 5, weight: 0, ..Leaf::default() };
        let view = (ProverStatus { registered: true, paused: false }, leaf);
        assert!(upkeep.should_sync(MARKET, view));
        upkeep.synced.insert(MARKET, view);
        upkeep.began(&Task::Sync(MARKET), String::new());
        upkeep.ended(&Task::Sync(MARKET), None);
        upkeep.resting.clear();
        assert!(!upkeep.should_sync(MARKET, view), "it did not help");
        upkeep.ended(&Task::Sync(MARKET), Some(Class::Unanswered));
        assert!(upkeep.should_sync(MARKET, view), "it never came to it");
        upkeep.synced.insert(MARKET, view);
        assert!(!upkeep.should_sync(MARKET, (view.0, Leaf { weight: 5, ..leaf })), "in line");
        assert!(upkeep.should_sync(MARKET, view), "and out of it anew, by a reorg");
    }

    #[test]
    fn a_bid_that_is_being_sent_or_has_just_landed_counts_as_one() {
        let action = |id, kind| Task::MechanismAction(SlotKey { market: MARKET, id }, kind);
        let (commit, ticket, reveal) = (action(1, "commit"), action(2, "ticket"), action(3, "reveal"));
        let mut upkeep = Upkeep::new(&params());
        assert_eq!(upkeep.binding(), 0);
        [&commit, &ticket, &reveal].into_iter().for_each(|task| upkeep.began(task, String::new()));
        assert_eq!(upkeep.binding(), 2, "a reveal binds nobody to more");
        upkeep.ended(&commit, Some(Class::Raced));
        assert_eq!(upkeep.binding(), 1, "it did not land");
        upkeep.ended(&ticket, None);
        assert_eq!(upkeep.binding(), 1, "its event is still to come");
    }
}
