//! What mechanisms call for apart from proofs: locks, bids, tickets, and slots that change hands. Each is sent once and then
//! rests until its event is in the facts.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::primitives::U256;
use provery_circuits::puzzle::Miner;
use provery_mechanisms::{MechanismAction, Puzzle, Solution};
use provery_proving::puzzle::PuzzleProver;
use provery_proving::{Phase, Progress};
use provery_rpc::Call;
use provery_txmgr::Order;
use provery_types::SlotKey;
use tracing::info;

use super::Service;
use super::budgets::{Spending, action_tag};
use super::sends::Sent;
use super::upkeep::Task;
use crate::book::Policy;

/// The puzzle that is being worked on.
#[derive(Debug)]
pub(super) struct Mine {
    puzzle: Puzzle,
    cancel: Arc<AtomicBool>,
    solution: Option<Solution>,
}

impl Service {
    /// Send whatever mechanisms call for.
    pub(super) fn start_actions(&mut self, policy: &Policy) {
        self.late_bids.clear();
        for (key, action) in self.book.actions(policy) {
            if action.is_late(policy.now) && !self.book.bid_at_stake(key, policy).is_zero() {
                self.late_bids.push((key, action.kind));
            }
            self.run_action(key, action, policy);
        }
    }

    fn run_action(&mut self, key: SlotKey, action: MechanismAction, policy: &Policy) {
        let task = Task::MechanismAction(key, action.kind);
        if !self.upkeep.may(&task) {
            return;
        }
        self.upkeep.began(&task, action_tag(key, action.kind));
        info!(market = %key.market, slot = key.id, action = action.kind, "action");
        let call =
            Call { to: Some(action.to), data: action.data, value: U256::ZERO, kind: action.kind, gas: None };
        let Spending { budget, reserve, .. } = self.action_spending(key, action.kind, policy);
        let until = action.within.map(|(_, until)| until);
        let tag = action_tag(key, action.kind);
        let order = Order { tag, budget, reserve, due: until, deadline: until, ..Order::new(call) };
        let sender = self.sender.clone();
        self.sends.spawn(async move { Sent::Upkeep { result: sender.deliver(order).await, task } });
    }

    /// Work on the puzzle that is worth working on, and on no other; hand its solution in until the round is over. Another seed
    /// makes it another puzzle.
    pub(super) fn start_mining(&mut self, policy: &Policy) {
        let Some(prover) = self.config.puzzle.clone() else { return };
        self.look_at_rounds(policy);
        let wanted = self.book.puzzles(policy, |key| self.rounds.seed(key)).into_iter().next();
        let wanted_puzzle = wanted.as_ref().map(|(_, puzzle)| *puzzle);
        if self.mine.as_ref().is_some_and(|mine| Some(mine.puzzle) != wanted_puzzle) {
            self.stop_mining();
        }
        let Some((mechanism, puzzle)) = wanted else { return };
        if let Some(mine) = &self.mine {
            let solution = mine.solution.as_ref();
            let ticket = solution
                .zip(self.book.mechanism(mechanism))
                .and_then(|(solution, kind)| kind.ticket(mechanism, &puzzle, solution));
            let key = SlotKey { market: puzzle.market, id: puzzle.slot };
            if let Some(action) = ticket.filter(|_| self.rounds.ready(key)) {
                self.run_action(key, action, policy);
            }
            return;
        }
        let cancel = Arc::new(AtomicBool::new(false));
        self.mine = Some(Mine { puzzle, cancel: cancel.clone(), solution: None });
        info!(market = %puzzle.market, slot = puzzle.slot, "working on a puzzle");
        self.sends.spawn(async move {
            let found = tokio::task::spawn_blocking(move || solve(&prover, &puzzle, &cancel)).await;
            Sent::Mined { puzzle, solution: found.unwrap_or_default() }
        });
    }

    /// A search has ended.
    pub(super) fn mined(&mut self, puzzle: Puzzle, solution: Option<Solution>) {
        if let Some(mine) = self.mine.as_mut().filter(|mine| mine.puzzle == puzzle) {
            mine.solution = solution;
        }
    }

    /// Stop working on a puzzle.
    pub(super) fn stop_mining(&mut self) {
        if let Some(mine) = self.mine.take() {
            mine.cancel.store(true, Ordering::Relaxed);
        }
    }
}

/// On one thread: proofs of slots go first.
fn solve(prover: &PuzzleProver, puzzle: &Puzzle, cancel: &Arc<AtomicBool>) -> Option<Solution> {
    let miner = Miner {
        seed: puzzle.seed.0,
        market: puzzle.market.to_be_bytes(),
        prover: puzzle.prover.into_array(),
    };
    let ticket = miner.search(&puzzle.target.to_be_bytes(), 0, NonZeroUsize::MIN, cancel)?;
    let proof = prover.prove(&ticket.challenge, &Stop(cancel.clone())).ok()?;
    Some(Solution {
        nonce: U256::from(ticket.nonce),
        output: U256::from_be_bytes(ticket.output),
        proof: proof.proof.to_vec().into(),
    })
}

struct Stop(Arc<AtomicBool>);

impl Progress for Stop {
    fn phase(&self, _: Phase) {}

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
