//! The right to a market's next slot, mined: the rounds that are on, the puzzle that is worked on, and the ticket that it gives.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use alloy::primitives::U256;
use futures::{FutureExt as _, future::BoxFuture};
use provery_mechanisms::{MechanismAction, Puzzle, Solution};
use provery_proving::{Phase, Progress};
use provery_puzzle::{Miner, PuzzleProver};
use provery_txmgr::{SendError, make_block};
use provery_types::SlotKey;
use tracing::{info, warn};

use super::rounds::{self, Rounds};
use crate::{
    book::{Book, Policy},
    service::handles::Handles,
};

/// What came of one of its tasks.
pub(in crate::service) enum Found {
    /// A round was read.
    Round(rounds::Reading),
    /// A development chain was asked for a block that a round waits for.
    Block(Result<(), SendError>),
    /// A puzzle was solved, or given up.
    Solved { puzzle: Puzzle, solution: Option<Solution> },
}

/// The puzzle that is being worked on.
#[derive(Debug)]
struct Mine {
    puzzle: Puzzle,
    cancel: Arc<AtomicBool>,
    solution: Option<Solution>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::service) struct Puzzles {
    mine: Option<Mine>,
    rounds: Rounds,
}

/// What there is to do.
#[derive(Default)]
pub(in crate::service) struct Work {
    pub tasks: Vec<BoxFuture<'static, Found>>,
    /// A ticket to hand in.
    pub ticket: Option<(SlotKey, MechanismAction)>,
}

impl Puzzles {
    /// Work on the puzzle that is worth working on, and on no other; hand its solution in until the round is over. Another seed
    /// makes it another puzzle.
    pub(crate) fn work(&mut self, handles: &Handles, book: &mut Book, policy: &Policy) -> Work {
        let mut work = Work::default();
        let Some(prover) = handles.config.puzzle.clone() else { return work };
        work.tasks = self.read_rounds(handles, book, policy);
        let wanted = book.puzzles(policy, |key| self.rounds.seed(key)).into_iter().next();
        let wanted_puzzle = wanted.as_ref().map(|(_, puzzle)| *puzzle);
        if self.mine.as_ref().is_some_and(|mine| Some(mine.puzzle) != wanted_puzzle) {
            self.stop();
        }
        let Some((mechanism, puzzle)) = wanted else { return work };
        if let Some(mine) = &self.mine {
            let solution = mine.solution.as_ref();
            let ticket = solution
                .zip(book.mechanism(mechanism))
                .and_then(|(solution, kind)| kind.ticket(mechanism, &puzzle, solution));
            let key = SlotKey { market: puzzle.market, id: puzzle.slot };
            work.ticket = ticket.filter(|_| self.rounds.ready(key)).map(|ticket| (key, ticket));
            return work;
        }
        let cancel = Arc::new(AtomicBool::new(false));
        self.mine = Some(Mine { puzzle, cancel: cancel.clone(), solution: None });
        info!(market = %puzzle.market, slot = puzzle.slot, "working on a puzzle");
        let solving = async move {
            let found = tokio::task::spawn_blocking(move || solve(&prover, &puzzle, &cancel)).await;
            Found::Solved { puzzle, solution: found.unwrap_or_default() }
        };
        work.tasks.push(solving.boxed());
        work
    }

    /// Read the rounds that are on, as of the newest block.
    fn read_rounds(
        &mut self,
        handles: &Handles,
        book: &mut Book,
        policy: &Policy,
    ) -> Vec<BoxFuture<'static, Found>> {
        let mut tasks = Vec::new();
        let Some(head) = book.head() else { return tasks };
        let on = book.rounds(policy);
        for (contract, key) in self.rounds.due(&on, head.hash, Instant::now()) {
            let Some(reads) = book.mechanism(contract).and_then(|mechanism| mechanism.rounds()) else {
                continue;
            };
            let chain = handles.chain.clone();
            let reading = async move {
                let found = rounds::read(&chain, reads, contract, key, &head).await;
                Found::Round(rounds::Reading { key, block: head.hash, found })
            };
            tasks.push(reading.boxed());
        }
        if handles.chain.rpc().is_development() && self.rounds.stuck(Instant::now()) {
            self.rounds.making();
            let (chain, sender) = (handles.chain.clone(), handles.sender.clone());
            let making = async move { Found::Block(make_block(&chain, &sender).await.map(|_| ())) };
            tasks.push(making.boxed());
        }
        tasks
    }

    /// One of its tasks has ended.
    pub(crate) fn found(&mut self, found: Found) {
        match found {
            Found::Round(reading) => self.rounds.know(reading, Instant::now()),
            Found::Block(result) => {
                self.rounds.made();
                if let Err(error) = result {
                    warn!(error = %error, "the round's seed needs a block, and none could be made");
                }
            }
            Found::Solved { puzzle, solution } => {
                if let Some(mine) = self.mine.as_mut().filter(|mine| mine.puzzle == puzzle) {
                    mine.solution = solution;
                }
            }
        }
    }

    /// Stop working on a puzzle.
    pub(crate) fn stop(&mut self) {
        if let Some(mine) = self.mine.take() {
            mine.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Another node mines from now on.
    pub(crate) fn abandon(&mut self) {
        self.stop();
        self.rounds = Rounds::default();
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
