//! The prover's presence in the draws: a node that expects not to prove takes its prover out of them by a pause on-chain, takes on
//! nothing new, and puts it back.
//!
//! What to send is [`crate::pause`]'s to say: an operator's pause is left alone, and a node that was killed after its own comes
//! back by itself.

pub(super) mod breaker;
pub(super) mod draws;
pub(super) mod reason;
pub(super) mod whose;

use std::time::Instant;

use alloy::primitives::B256;
use futures::future::BoxFuture;
use provery_rpc::Call;
use tracing::warn;

use super::{
    account::Account,
    context::Context,
    handles::Handles,
    keeper_task::{KeeperTask, Returned},
    tenure::Tenure,
};
use crate::{
    book::Book,
    error::NodeError,
    outcome::{Class, classify},
    pause::{self, Step, Turn},
};
use breaker::Breaker;
use draws::{matters, turn};
use reason::{PauseReason, waits, wish};
use whose::{Answer, Whose};

/// A pause that could not be had.
#[derive(Clone, Debug)]
pub(super) struct PauseTrouble {
    /// Trying again soon does not help.
    pub lasting: bool,
    pub message: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Presence {
    pub breaker: Breaker,
    /// Why nothing is taken on, as last said.
    said: Option<PauseReason>,
    /// A slot won now could not be proven in its window.
    overloaded: bool,
    /// There is stake behind a market that is refused.
    refused: bool,
    /// Why the last pause that was tried could not be had.
    trouble: Option<PauseTrouble>,
    whose: Whose,
}

impl Presence {
    /// Why the prover should be paused now, if it should.
    pub(super) fn reason(
        &self,
        handles: &Handles,
        account: &Account,
        tenure: &Tenure,
    ) -> Option<PauseReason> {
        if tenure.is_draining() {
            return handles.config.pauses_when_stopping().then_some(PauseReason::Stopping);
        }
        if !handles.tunables().taking {
            return Some(PauseReason::NotTaking);
        }
        if self.refused {
            return Some(PauseReason::MarketRefused);
        }
        if handles.config.pause_when_breaker_open && !self.breaker.well() {
            return Some(PauseReason::BreakerOpen);
        }
        if account.funds.too_low() {
            return Some(PauseReason::LowBalance);
        }
        if account.margin.dear() {
            return Some(PauseReason::Dear);
        }
        self.overloaded.then_some(PauseReason::Overloaded)
    }

    /// Whether new slots are taken on.
    pub(super) fn taking(&self, handles: &Handles, book: &Book, account: &Account, tenure: &Tenure) -> bool {
        !tenure.is_draining()
            && self.reason(handles, account, tenure).is_none()
            && self.breaker.taking(book.failing())
    }

    /// Look whether a pause or a resumption is due. `binding`: transactions that may have bound this prover to a slot.
    pub(super) fn mind(
        &mut self,
        context: Context<'_>,
        tenure: &Tenure,
        binding: usize,
    ) -> Option<(KeeperTask, Call)> {
        let Context { handles, book, account, policy } = context;
        self.overloaded = book.overload(policy, self.overloaded);
        self.refused = book.refused_with_stake().is_some();
        let reason = self.reason(handles, account, tenure);
        if reason != self.said {
            if let Some(reason) = reason {
                warn!(reason = reason.name(), "nothing new is taken on");
            }
            self.said = reason;
        }
        let wish = wish(reason, tenure.is_draining(), account.funds.balance().is_some());
        let turn = turn(handles, book);
        if !matters(&turn, wish) {
            self.trouble = None;
        }
        let bids_first = |reason| {
            let bids = match reason {
                PauseReason::Stopping => book.unfinished(policy, handles.config.drain.as_secs()).bids,
                _ => book.bids_out(policy),
            };
            waits(reason, bids + binding, tenure.is_pause_due(Instant::now()))
        };
        match pause::step(&turn, wish) {
            Step::Pause if reason.is_some_and(bids_first) => None,
            Step::Pause => Some((KeeperTask::Pause, pause_call(handles, &turn))),
            Step::Resume => Some((KeeperTask::Resume, handles.chain.calls().resume())),
            Step::Rest => None,
        }
    }

    /// A keeper task is over: if it was a pause, whether it could be had.
    pub(super) fn returned(&mut self, Returned { task, result }: &Returned) {
        if *task != KeeperTask::Pause {
            return;
        }
        self.trouble = match result {
            Ok(_) => None,
            Err(error) => {
                let lasting = match error {
                    NodeError::Send(error) => matches!(classify(error), Class::Failing | Class::Refused),
                    _ => true,
                };
                Some(PauseTrouble { lasting, message: error.to_string() })
            }
        };
    }

    /// Ask whose a pause on the chain is, if that is not known.
    pub(super) fn ask_whose(&mut self, handles: &Handles, book: &Book) -> Option<BoxFuture<'static, Answer>> {
        self.whose.ask(handles, book)
    }

    /// Whose a pause is was answered: the pause, if it is to be taken for this node's own.
    pub(super) fn told_whose(&mut self, answer: Answer, handles: &Handles) -> Option<B256> {
        self.whose.told(answer, handles.role().may_act())
    }

    /// Whether a pause is of another node that runs with this key.
    pub(super) fn is_rivals(&self, pause: B256) -> bool {
        self.whose.is_rivals(pause)
    }

    /// Why nothing is taken on, as last said.
    pub(super) fn said(&self) -> Option<PauseReason> {
        self.said
    }

    /// Why the last pause that was tried could not be had.
    pub(super) fn trouble(&self) -> Option<&PauseTrouble> {
        self.trouble.as_ref()
    }

    /// Another node acts from now on.
    pub(super) fn abandon(&mut self) {
        self.whose = Whose::default();
    }
}

/// A pause, with the mark of one of the node's own unless it is on the operator's behalf.
pub(super) fn pause_call(handles: &Handles, turn: &Turn) -> Call {
    let call = handles.chain.calls().pause();
    if turn.held { call } else { pause::marked(call) }
}
