//! What is sent apart from proofs: upkeep of the prover and its markets, seeds, what mechanisms call for (locks, bids, tickets, slots
//! that change hands), and the prover's pause. Each is sent once and then rests until its event is in the facts.

mod acceptance;
mod outstanding;
pub(super) mod puzzles;
mod rounds;
mod seeds;
pub(super) mod standing;
mod upkeep;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use alloy::primitives::U256;
use futures::{FutureExt as _, future::BoxFuture};
use provery_mechanisms::MechanismAction;
use provery_rpc::Call;
use provery_txmgr::Order;
use provery_types::SlotKey;
use serde_json::json;
use tracing::{debug, info, warn};

use super::{
    account::Account,
    budgets::{self, Spending, action_tag},
    context::Context,
    handles::Handles,
    keeper_task::{KeeperTask, Returned},
    presence::reason::PauseReason,
};
use crate::{
    book::{Book, Policy},
    error::NodeError,
    outcome::{Class, classify},
};
use outstanding::Outstanding;
use puzzles::Puzzles;
use standing::Standing;
use upkeep::Upkeep;

type Task = BoxFuture<'static, Returned>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    outstanding: Outstanding,
    upkeep: Upkeep,
    pub puzzles: Puzzles,
    standing: Standing,
    /// Bids whose bond is lost soon unless this is sent.
    late_bids: Vec<(SlotKey, &'static str)>,
}

impl Keeper {
    /// Send whatever mechanisms call for.
    pub(super) fn start_actions(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        account: &Account,
        policy: &Policy,
    ) -> Vec<Task> {
        self.late_bids.clear();
        let actions = book.actions(policy);
        let context = Context { handles, book, account, policy };
        let mut tasks = Vec::new();
        for (key, action) in actions {
            if action.is_late(policy.now) && !book.bid_at_stake(key, policy).is_zero() {
                self.late_bids.push((key, action.kind));
            }
            tasks.extend(self.act(key, action, context));
        }
        tasks
    }

    /// Send what a mechanism calls for, unless it is under way or rests.
    pub(super) fn act(
        &mut self,
        key: SlotKey,
        action: MechanismAction,
        context: Context<'_>,
    ) -> Option<Task> {
        let task = KeeperTask::MechanismAction(key, action.kind);
        if !self.outstanding.may(&task) {
            return None;
        }
        self.outstanding.began(&task, action_tag(key, action.kind));
        info!(market = %key.market, slot = key.id, action = action.kind, "action");
        let call =
            Call { to: Some(action.to), data: action.data, value: U256::ZERO, kind: action.kind, gas: None };
        let Spending { budget, reserve, .. } = budgets::of_action(context, key, action.kind);
        let until = action.within.map(|(_, until)| until);
        let tag = action_tag(key, action.kind);
        let order = Order { tag, budget, reserve, due: until, deadline: until, ..Order::new(call) };
        Some(deliver(task, order, context.handles))
    }

    /// Have read what mechanisms keep of this prover between slots, and send what brings it in line.
    pub(super) fn start_standing(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        account: &Account,
        policy: &Policy,
    ) -> (Vec<BoxFuture<'static, standing::Reading>>, Vec<Task>) {
        let work = self.standing.work(handles, book, policy);
        let context = Context { handles, book, account, policy };
        let mut sent = Vec::new();
        for (market, action) in work.actions {
            let task = KeeperTask::Standing(market, action.kind);
            if self.outstanding.may_stand(&task) {
                let MechanismAction { kind, to, data, .. } = action;
                info!(%market, action = kind, "standing");
                let call = Call { to: Some(to), data, value: U256::ZERO, kind, gas: None };
                sent.push(self.send(task, call, context, None));
            }
        }
        (work.tasks, sent)
    }

    /// What stands in a market was read.
    pub(super) fn stands(&mut self, reading: standing::Reading) {
        self.standing.know(reading, Instant::now());
    }

    /// Send whatever upkeep is due. `pause_reason`: what speaks against being in the draws.
    pub(super) fn start_upkeep(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        account: &Account,
        policy: &Policy,
        pause_reason: Option<PauseReason>,
    ) -> Vec<Task> {
        let due = self.upkeep.due(handles, book, account, policy, pause_reason.is_none());
        let context = Context { handles, book, account, policy };
        let mut tasks = Vec::new();
        for task in due {
            if !self.outstanding.may(&task) {
                continue;
            }
            if let KeeperTask::Seed(epoch) = task {
                tasks.push(self.bring_seed(epoch, context));
            } else if let Some(call) = upkeep::call(&task, handles, book, account) {
                self.upkeep.sends(&task, handles, book);
                tasks.push(self.send(task, call, context, pause_reason));
            }
        }
        tasks
    }

    /// Send something for what it is worth.
    pub(super) fn send(
        &mut self,
        task: KeeperTask,
        call: Call,
        context: Context<'_>,
        pause_reason: Option<PauseReason>,
    ) -> Task {
        let waited = self.outstanding.waited(&task);
        let Spending { budget, reserve, due } = budgets::of_upkeep(context, &task, waited, pause_reason);
        // What is done once has one tag, so that a restart does not do it twice; a pause may come again, but not twice at a time.
        let tag = match &task {
            KeeperTask::Expire(key) | KeeperTask::Resolve(key) | KeeperTask::Drop(key) => {
                Some(format!("{}:{}:{}", task.name(), key.market, key.id))
            }
            _ => context.handles.sender.waits_as(&call),
        };
        let order = Order::new(call);
        let order = Order { tag: tag.unwrap_or(order.tag), budget, reserve, due, ..order };
        self.outstanding.began(&task, order.tag.clone());
        deliver(task, order, context.handles)
    }

    fn bring_seed(&mut self, epoch: u64, context: Context<'_>) -> Task {
        let task = KeeperTask::Seed(epoch);
        self.outstanding.began(&task, seeds::tag(epoch));
        let spending = budgets::of_upkeep(context, &task, Duration::ZERO, None);
        let (chain, sender) = (context.handles.chain.clone(), context.handles.sender.clone());
        async move { Returned { result: seeds::bring(&chain, &sender, epoch, spending).await, task } }.boxed()
    }

    /// A keeper task is over.
    pub(super) fn returned(
        &mut self,
        Returned { task, result }: Returned,
        handles: &Handles,
        account: &mut Account,
    ) {
        let failure = match result {
            Ok(Some(mined)) => {
                info!(action = task.name(), tx = %mined.tx_hash, gas = mined.gas_used, "upkeep done");
                let fields = json!({ "action": task.name(), "tx": mined.tx_hash, "gas": mined.gas_used });
                match task.slot() {
                    Some(key) => handles.reporter.slot("upkeep", key, None, fields),
                    None => handles.reporter.node("upkeep", fields),
                }
                None
            }
            Ok(None) => {
                debug!(action = task.name(), "the seed's block is not mined yet");
                Some(Class::NotYet)
            }
            Err(NodeError::Send(error)) => {
                let class = classify(&error);
                match class {
                    Class::Raced | Class::NotYet | Class::Unanswered => {
                        debug!(action = task.name(), error = %error, "upkeep is not needed, or not yet");
                    }
                    class => {
                        handles.trouble(None, class.code(), &format!("{}: {error}", task.name()), true);
                    }
                }
                Some(class)
            }
            Err(error) => {
                warn!(action = task.name(), error = %error, "the seed cannot be looked for; it is tried again later");
                Some(Class::Failing)
            }
        };
        self.outstanding.ended(&task, failure);
        if failure.is_some() {
            self.upkeep.failed(&task);
        }
        if matches!(task, KeeperTask::Pause | KeeperTask::Resume | KeeperTask::Withdraw) {
            account.changed();
        }
    }

    /// Whether a keeper task is neither under way nor at rest.
    pub(super) fn may(&mut self, task: &KeeperTask) -> bool {
        self.outstanding.may(task)
    }

    /// Whether a keeper task's transaction is under way.
    pub(super) fn runs(&self, task: &KeeperTask) -> bool {
        self.outstanding.runs(task)
    }

    /// Transactions that may have bound this prover to a slot, as far as the facts do not tell yet.
    pub(super) fn binding(&self) -> usize {
        self.outstanding.binding()
    }

    /// Slots whose offer is under way, as far as the facts do not tell yet.
    pub(super) fn offering(&self) -> BTreeSet<SlotKey> {
        self.outstanding.offering()
    }

    /// Keeper whose transactions are under way, the tags of their orders, and for how long they are.
    pub(super) fn under_way(&self) -> impl Iterator<Item = (&KeeperTask, &str, Duration)> {
        self.outstanding.under_way()
    }

    /// Bids whose bond is lost soon, and what is to be sent for them.
    pub(super) fn late_bids(&self) -> &[(SlotKey, &'static str)] {
        &self.late_bids
    }

    /// What was under way is no longer this node's.
    pub(super) fn abandon(&mut self) {
        self.outstanding.abandon();
        self.upkeep.abandon();
        self.puzzles.abandon();
        self.standing.abandon();
    }
}

fn deliver(task: KeeperTask, order: Order, handles: &Handles) -> Task {
    let sender = handles.sender.clone();
    let sending = async move {
        let result = sender.deliver(order).await.map(Some).map_err(NodeError::from);
        Returned { task, result }
    };
    sending.boxed()
}
