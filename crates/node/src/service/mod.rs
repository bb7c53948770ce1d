//! The loop: what comes in changes the book, the book's facts are decided about, and what follows is sent. What is decided is
//! decided by [`crate::book`] and by components that each own a part of the state; the loop alone puts it into effect.
//!
//! ```text
//!  comes in                      is for            and then
//!  ----------------------------  ----------------  ---------------------------------------------------------
//!  blocks, reorganisations       intake, book  --+
//!  a proof of a worker's         proofs, book  --+-> slots that moved are followed up:
//!  a proof that was sent         deliveries, book+     proofs      stops the proof of what is over
//!  another transaction           keeper                deliveries  waits for no event of it any more
//!  a seed, a solved puzzle       keeper::puzzles       chronicle   tells how it ended
//!  an input, a circuit's word    preparations
//!  record, balance and fees      account
//!  whose a pause is              presence
//!
//!  then, if the chain is read up to its head and this node is the one that acts:                    goes out
//!  ------------------------------------------------------------------------------------------  --------------
//!  presence    is the prover to be in the draws? is anything taken on?                         -> outbox
//!  book        is each slot to be proven, waited for, ignored?
//!  budgets     what may each transaction under way cost by now?                                -> outbox
//!  proofs      which slot next?                                                                -> worker
//!  preparations  which inputs are to be fetched, which circuits asked?                         -> web, worker
//!  deliveries  which proofs are to be sent?                                                    -> outbox
//!  keeper      what do mechanisms call for? which puzzle is worth it? what upkeep is due?      -> outbox
//!
//!  and always:
//!  briefing    what is the operator told?                                            -> monitor, log, reports
//!  tenure      was this node told to stop, and is all finished?                                -> the end
//! ```
//!
//! Components take what they read as arguments (`handles`, `context`, the book) and return what is to be done (`effects`):
//! slots that moved, which is on disk by then, and futures whose results are of the component's own kind. `tasks` runs these and
//! tells the results apart. A component uses only those further down in this list:
//!
//! | | owns |
//! |---|---|
//! | `lifecycle` | nothing: starts all tasks, and begins anew when the disk fails |
//! | `ending` | nothing: the loop's last turns |
//! | `briefing` | what was said to the operator |
//! | `keeper` | transactions apart from proofs: under way, at rest; what is mined for |
//! | `deliveries` | proofs that were sent and that no event has confirmed |
//! | `proofs` | workers, and the proofs of slots that were taken back |
//! | `preparations` | what is being fetched or looked at, and rests |
//! | `budgets` | nothing: what each transaction is worth |
//! | `presence` | breaker, overload, whose a pause is |
//! | `chronicle` | what was told of slots, and their timings |
//! | `account` | balance, fees and the prover's record as last read |
//! | `intake` | the feed, chain time, blocks that are read again |
//! | `tenure` | whether this node acts, and its end |

pub(crate) mod account;
mod briefing;
mod budgets;
mod chronicle;
mod commitment;
mod context;
mod deliveries;
mod effects;
mod ending;
mod estimate;
pub mod fee_budget;
mod feed;
mod grown;
mod handles;
mod intake;
mod keeper;
mod keeper_task;
pub mod lifecycle;
mod preparations;
#[cfg(test)]
mod preparations_tests;
mod presence;
mod proofs;
mod room;
mod serve;
mod tasks;
mod tenure;

use provery_rpc::{Call, Chain, Update};
use provery_types::{BlockRef, LoggedEvent};
use tokio::{sync::mpsc, task::JoinError, time::MissedTickBehavior};
use tracing::{debug, warn};

use crate::{
    book::{Book, Moved, Policy},
    error::NodeError,
    proof_pool::Finished,
    stop::Stop,
};

use account::Account;
use briefing::{Briefing, Scene};
use chronicle::Chronicle;
use context::Context;
use deliveries::Deliveries;
use effects::Effects;
use feed::{Fed, Taken, Told};
use handles::Handles;
use intake::Intake;
use keeper::Keeper;
use keeper_task::KeeperTask;
use preparations::Preparations;
use presence::{Presence, reason::PauseReason};
use proofs::Proofs;
use tasks::{Done, Tasks};
use tenure::Tenure;

/// See the module.
struct Service {
    handles: Handles,
    book: Book,
    tasks: Tasks,
    intake: Intake,
    tenure: Tenure,
    account: Account,
    chronicle: Chronicle,
    presence: Presence,
    proofs: Proofs,
    preparations: Preparations,
    deliveries: Deliveries,
    keeper: Keeper,
    briefing: Briefing,
}

impl Service {
    fn new(
        handles: Handles,
        book: Book,
        intake: Intake,
        proofs: Proofs,
        preparations: Preparations,
        briefing: Briefing,
    ) -> Self {
        let account = Account::new(handles.config.low_balance_proofs);
        let (tasks, tenure, chronicle, presence, deliveries, keeper) = Default::default();
        Self {
            handles,
            book,
            tasks,
            intake,
            tenure,
            account,
            chronicle,
            presence,
            proofs,
            preparations,
            deliveries,
            keeper,
            briefing,
        }
    }

    async fn run(
        mut self,
        mut results: mpsc::UnboundedReceiver<Finished>,
        stop: Stop,
    ) -> Result<(), NodeError> {
        let mut tick = tokio::time::interval(self.handles.config.poll);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.now.cancelled() => break,
                () = stop.drain.cancelled(), if !self.tenure.is_draining() => self.drain(),
                Some(finished) = results.recv() => self.finished(finished)?,
                Some(done) = self.tasks.next() => self.done(done)?,
                // The follower is gone only if the node is going down.
                Some(fed) = self.intake.feed.updates.recv() => self.fed(fed)?,
                _ = tick.tick() => {}
            }
            self.act()?;
            self.brief();
            if self.is_over() {
                break;
            }
        }
        self.wind_down().await
    }
}

/// What comes in.
impl Service {
    fn fed(&mut self, fed: Fed) -> Result<(), NodeError> {
        match fed {
            Fed::Update(told, answer) => {
                let taken = self.update(told)?;
                let _ = answer.send(taken);
            }
            Fed::Deployment(chain, adopted) => {
                let from = self.book.adopt(chain.deployment().clone())?;
                self.grow(chain);
                let _ = adopted.send(from);
            }
            Fed::Reread(after, is_read) => self.intake.reread_answered(after, is_read),
        }
        Ok(())
    }

    fn grow(&mut self, chain: Chain) {
        self.handles.chain = chain.clone();
        self.intake.grew(chain);
    }

    fn update(&mut self, Told { update, floor, is_sure }: Told) -> Result<Taken, NodeError> {
        let moved = match update {
            Update::Block { block, events } => self.take_in(&[(block, events)], floor, is_sure)?,
            Update::Range(blocks) => self.take_in(&blocks, floor, is_sure)?,
            Update::Past { events, next } => {
                debug!(next, events = events.len(), "events of before a rollup was known");
                Some(self.book.past(&events, next)?)
            }
            Update::Reorg { to } => Some(self.take_back(to)?),
        };
        let Some(moved) = moved else { return Ok(Taken::Doubted) };
        self.follow_up(moved);
        Ok(Taken::Stored)
    }

    fn take_in(
        &mut self,
        blocks: &[(BlockRef, Vec<LoggedEvent>)],
        floor: u64,
        is_sure: bool,
    ) -> Result<Option<Vec<Moved>>, NodeError> {
        let events = || blocks.iter().flat_map(|(_, events)| events);
        if let Some((block, _)) = blocks.last() {
            debug!(block = block.number, events = events().count(), "block");
        }
        let Some(moved) = self.book.take_in(blocks, floor, is_sure)? else {
            let block = blocks.last().map(|(block, _)| block.number);
            warn!(block, "what a rollup said makes no sense, so another endpoint is asked for it");
            return Ok(None);
        };
        events().for_each(|logged| self.chronicle.resolved(logged, &self.handles, &self.book));
        Ok(Some(moved))
    }

    fn take_back(&mut self, to: BlockRef) -> Result<Vec<Moved>, NodeError> {
        let head = self.book.head().map_or(to.number, |head| head.number);
        if let Some(depth) = self.intake.taken_back(to, head) {
            self.handles.monitor.reorg(depth);
        }
        self.chronicle.taken_back();
        let mut moved = self.book.reorg(to)?;
        self.proofs.keep(&mut moved, &self.book, head);
        self.chronicle.forget_gone(&self.book);
        Ok(moved)
    }

    fn finished(&mut self, finished: Finished) -> Result<(), NodeError> {
        let Self { handles, book, chronicle, presence, .. } = self;
        let now = self.intake.now();
        let breaker = &mut presence.breaker;
        let moved = self.proofs.finished(finished, now, handles, book, chronicle, breaker)?;
        self.follow_up(moved);
        Ok(())
    }

    fn done(&mut self, done: Result<Done, JoinError>) -> Result<(), NodeError> {
        let Self { handles, book, account, chronicle, presence, .. } = self;
        let now = self.intake.now();
        match done {
            Ok(Done::Delivery(sent)) => {
                if let Some(gas) = sent.gas_used() {
                    account.funds.proof_mined(gas);
                }
                let breaker = &mut presence.breaker;
                let moved = self.deliveries.sent(sent, now, handles, book, chronicle, breaker)?;
                self.follow_up(moved);
            }
            Ok(Done::KeeperTask(returned)) => {
                presence.returned(&returned);
                self.keeper.returned(returned, handles, account);
            }
            Ok(Done::Account(reading)) => {
                account.know(reading, handles, || budgets::best_pay(handles, book));
                if let Some(seen) = account.seen() {
                    book.know_submitter(seen.is_submitter);
                }
            }
            Ok(Done::Puzzles(found)) => self.keeper.puzzles.found(found),
            Ok(Done::Ready(ready)) => {
                let moved = self.preparations.ready(ready, handles, book)?;
                self.follow_up(moved);
            }
            Ok(Done::Standing(reading)) => self.keeper.stands(reading),
            Ok(Done::Whose(answer)) => {
                if let Some(own) = presence.told_whose(answer, handles) {
                    book.own_turn(own)?;
                }
            }
            Err(join) if join.is_cancelled() => {}
            Err(panic) => {
                handles.trouble(None, "send_panicked", &panic.to_string(), true);
                // Whose it was is not known.
                let moved = self.deliveries.retry_all(book, now)?;
                self.follow_up(moved);
            }
        }
        Ok(())
    }
}

/// What is decided, and goes out.
impl Service {
    fn act(&mut self) -> Result<(), NodeError> {
        // Nor is it earlier because blocks that have not changed are told again.
        if self.intake.is_retold(&self.book) {
            return Ok(());
        }
        if self.intake.time_went_back(&self.book, self.handles.chain.rpc().is_development()) {
            let moved = self.book.time_went_back()?;
            self.follow_up(moved);
        }
        if !self.intake.caught_up(&self.book) {
            return Ok(());
        }
        self.intake.mind_untold(&mut self.book, self.handles.params.max_window);
        self.ask();
        if !self.handles.role().may_act() {
            return self.step_down();
        }
        self.tenure.act();
        if self.handles.config.upkeep {
            self.mind_presence();
        }
        let policy = self.policy();
        self.decide(&policy)?;
        let moved = self.proofs.mind_returns(&mut self.book)?;
        self.follow_up(moved);
        let moved = self.deliveries.retry_unconfirmed(&mut self.book, policy.now)?;
        self.follow_up(moved);
        budgets::renew(self.context(&policy), self.keeper.under_way(), self.pause_reason());
        self.start_proofs(&policy)?;
        self.tasks.spawn(self.preparations.start(&mut self.book, &policy));
        self.start_deliveries(&policy)?;
        self.start_keeper_tasks(&policy);
        Ok(())
    }

    /// Have read what events do not tell, now and then.
    fn ask(&mut self) {
        let Self { handles, book, account, presence, tasks, .. } = self;
        tasks.spawn(account.read(handles, || budgets::best_pay(handles, book)));
        tasks.spawn(presence.ask_whose(handles, book));
    }

    /// Send a pause or a resumption if one is due.
    fn mind_presence(&mut self) {
        let policy = self.policy();
        let Self { handles, book, account, presence, tenure, .. } = self;
        let context = Context { handles, book, account, policy: &policy };
        if let Some((task, call)) = presence.mind(context, tenure, self.keeper.binding())
            && self.keeper.may(&task)
        {
            self.send(task, call, &policy);
        }
    }

    fn decide(&mut self, policy: &Policy) -> Result<(), NodeError> {
        for (step, decision) in self.book.decide(policy)? {
            self.chronicle.decided(&step, decision, &mut self.book);
            self.follow_up([step]);
        }
        Ok(())
    }

    fn start_proofs(&mut self, policy: &Policy) -> Result<(), NodeError> {
        let Self { handles, book, chronicle, .. } = self;
        let moved = self.proofs.start(handles, book, policy, chronicle)?;
        self.follow_up(moved);
        Ok(())
    }

    fn start_deliveries(&mut self, policy: &Policy) -> Result<(), NodeError> {
        let offering = self.keeper.offering();
        let Self { handles, book, account, chronicle, .. } = self;
        let Effects { moved, tasks } =
            self.deliveries.start(handles, book, policy, account, chronicle, &offering)?;
        self.follow_up(moved);
        self.tasks.spawn(tasks);
        Ok(())
    }

    fn start_keeper_tasks(&mut self, policy: &Policy) {
        let Self { handles, book, account, keeper, presence, tasks, .. } = self;
        tasks.spawn(keeper.start_actions(handles, book, account, policy));
        let work = keeper.puzzles.work(handles, book, policy);
        tasks.spawn(work.tasks);
        let (readings, sent) = keeper.start_standing(handles, book, account, policy);
        tasks.spawn(readings);
        tasks.spawn(sent);
        let context = Context { handles, book, account, policy };
        if let Some((key, ticket)) = work.ticket {
            tasks.spawn(keeper.act(key, ticket, context));
        }
        if handles.config.upkeep {
            tasks.spawn(keeper.start_upkeep(handles, book, account, policy, presence.said()));
        }
    }

    fn send(&mut self, task: KeeperTask, call: Call, policy: &Policy) {
        let reason = self.pause_reason();
        let Self { handles, book, account, .. } = self;
        let context = Context { handles, book, account, policy };
        self.tasks.spawn([self.keeper.send(task, call, context, reason)]);
    }

    /// The loop is alive; now and then, say what is so.
    fn brief(&mut self) {
        self.handles.monitor.tick();
        if !self.briefing.is_due() {
            return;
        }
        let policy = self.policy();
        let accept = self.handles.tunables().accept;
        let (is_prover, stake_unit) = (self.handles.is_prover(), self.handles.params.stake_unit);
        let is_retold = self.intake.is_retold(&self.book);
        let of_book = (!is_retold).then(|| self.book.concerns(&accept, &policy, is_prover, stake_unit));
        let pause_reason = self.pause_reason();
        let is_caught_up = self.intake.caught_up(&self.book);
        let Self { handles, book, intake, proofs, keeper, account, presence, tenure, briefing, .. } = self;
        let scene = Scene {
            handles,
            book,
            policy: &policy,
            intake,
            proofs,
            keeper,
            account,
            presence,
            tenure,
            pause_reason,
            is_caught_up,
        };
        briefing.publish(&scene, of_book);
    }

    /// Effects and reports of work that moved.
    fn follow_up(&mut self, moved: impl IntoIterator<Item = Moved>) {
        for step in moved {
            self.proofs.moved(&step);
            self.deliveries.moved(&step);
            self.chronicle.moved(&step, &self.handles, &self.book);
        }
    }

    fn context<'a>(&'a self, policy: &'a Policy) -> Context<'a> {
        Context { handles: &self.handles, book: &self.book, account: &self.account, policy }
    }

    fn pause_reason(&self) -> Option<PauseReason> {
        self.presence.reason(&self.handles, &self.account, &self.tenure)
    }

    fn policy(&self) -> Policy {
        let Self { handles, book, account, tenure, .. } = self;
        let tunables = handles.tunables();
        Policy {
            now: self.intake.now(),
            estimated_proving_seconds: self.proofs.estimate_seconds(),
            rescue: tunables.rescue,
            minimum_reward: tunables.minimum_reward,
            workers: handles.config.workers.max(1) as u64,
            stake_unit: handles.params.stake_unit,
            taking: self.presence.taking(handles, book, account, tenure),
            offer_transfers: tunables.offer_transfers,
            accept_transfers: tunables.accept_transfers,
            key: handles.sender.address(),
            secret: handles.config.secret,
        }
    }
}
