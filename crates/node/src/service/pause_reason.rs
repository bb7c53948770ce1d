//! The prover's pause on-chain: a node that expects not to prove takes its prover out of the draws, and puts it back.
//!
//! What to send is [`crate::pause`]'s to say: an operator's pause is left alone, and a node that was killed after its own comes
//! back by itself.

use std::time::{Duration, Instant};

use alloy::primitives::Address;
use provery_rpc::{Chain, ChainError};
use provery_txmgr::Landing;
use tracing::warn;

use super::Service;
use super::upkeep::Task;
use crate::pause::{self, PAUSE, RESUME, Step, Turn, Wish};

/// Why the prover should be out of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PauseReason {
    /// The node is about to end.
    Stopping,
    /// The breaker is open.
    BreakerOpen,
    /// There is hardly gas left to deliver with.
    LowBalance,
    /// A proof costs more in fees than any slot pays that it may be drawn for.
    Dear,
    /// A slot won now could not be proven in its window, with all that is queued.
    Overloaded,
    /// The operator said so, in the configuration.
    NotTaking,
}

impl PauseReason {
    /// A stable word for logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::BreakerOpen => "breaker_open",
            Self::LowBalance => "low_balance",
            Self::Dear => "fees",
            Self::Overloaded => "overloaded",
            Self::NotTaking => "not_taking",
        }
    }
}

/// A pause that could not be had.
#[derive(Clone, Debug)]
pub(super) struct PauseTrouble {
    /// Trying again soon does not help.
    pub lasting: bool,
    pub message: String,
}

/// Whether a pause waits for bids and tickets that are out: a prover that is paused is not able, so a bid that is settled then and
/// a ticket whose slot opens then lose their bonds. A node that could not prove what they win does not wait.
fn waits(pause_reason: PauseReason, bids: usize, bound_reached: bool) -> bool {
    let patient = match pause_reason {
        PauseReason::Stopping => !bound_reached,
        PauseReason::Dear | PauseReason::Overloaded | PauseReason::NotTaking => true,
        PauseReason::BreakerOpen | PauseReason::LowBalance => false,
    };
    patient && bids > 0
}

/// Ask the chain whether the prover `me` is in any draws; nothing if it does not answer in time.
pub(super) async fn ask_whether_drawn(chain: &Chain, me: Address, bound: Duration) -> Option<bool> {
    let ask = async {
        let record = chain.prover(me).await?;
        let mut has_stake = false;
        for rollup in &chain.deployment().rollups {
            has_stake |= !chain.allocation(rollup.market, me).await?.is_zero();
        }
        Ok::<_, ChainError>(record.id != 0 && !record.paused && has_stake)
    };
    match tokio::time::timeout(bound, ask).await {
        Ok(Ok(drawn)) => Some(drawn),
        Ok(Err(error)) => {
            warn!(%error, "it cannot be asked whether the prover is in draws");
            None
        }
        Err(_) => {
            warn!("nobody answers whether the prover is in draws");
            None
        }
    }
}

/// Whether the prover is in draws: as the chain `answered`, or else as is `known` from events. Who knows nothing says so: a node that
/// cannot tell does not end in peace.
pub(super) fn is_drawn(answered: Option<bool>, known: Option<bool>) -> bool {
    answered.or(known).unwrap_or(true)
}

/// Whether it matters that a pause could not be had: it is still wanted, and there is none.
fn matters(turn: &Turn, wish: Wish) -> bool {
    wish == Wish::Out && turn.registered && !turn.paused
}

/// What to do about a reason to pause, or the want of one.
fn wish(pause_reason: Option<PauseReason>, draining: bool, funds_known: bool) -> Wish {
    match pause_reason {
        Some(_) => Wish::Out,
        // A node that is about to end does not put its prover back into the draws, nor one that may have no gas to prove with.
        None if draining || !funds_known => Wish::AsItIs,
        None => Wish::In,
    }
}

/// Whether a node that ends now leaves a prover in the draws that is in them (`drawn`), or comes back to them by a resumption of this
/// node's that is not yet read (`comes_back`): unless its own pause, which comes after that, `landed`.
fn left_drawn(drawn: bool, comes_back: bool, turn: &Turn, landed: bool) -> bool {
    (drawn || comes_back) && !(turn.coming == Some(true) && landed)
}

impl Service {
    /// Why the prover should be paused now, if it should.
    pub(super) fn pause_reason(&self) -> Option<PauseReason> {
        if self.draining {
            return self.config.pauses_when_stopping().then_some(PauseReason::Stopping);
        }
        if !self.tunables().taking {
            return Some(PauseReason::NotTaking);
        }
        if self.config.pause_when_breaker_open && !self.health.well() {
            return Some(PauseReason::BreakerOpen);
        }
        if self.funds.too_low() {
            return Some(PauseReason::LowBalance);
        }
        if self.margin.dear() {
            return Some(PauseReason::Dear);
        }
        self.overloaded.then_some(PauseReason::Overloaded)
    }

    /// What is known of the pause.
    pub(super) fn turn(&self) -> Turn {
        let prover_status = self.book.facts().prover_status(self.config.prover);
        Turn {
            registered: prover_status.registered,
            paused: prover_status.paused,
            coming: self.unread(&[PAUSE, RESUME]).map(|(kind, _)| kind == PAUSE),
            held: self.book.facts().held_out(self.config.prover),
        }
    }

    /// The last of this node's own calls of these kinds, if it is not in what was read.
    fn unread(&self, kinds: &[&str]) -> Option<(String, Landing)> {
        let head = self.book.head().map_or(0, |head| head.number);
        self.sender.landing(kinds).filter(|(_, landing)| match landing {
            Landing::UnderWay => true,
            Landing::In(block) => *block > head,
        })
    }

    /// Whether the prover is to be out of the draws when this node ends, and is not: neither is a call in a block that sees to it.
    pub(super) fn stays_in_draws(&self) -> bool {
        let wanted = self.config.upkeep && self.config.pauses_when_stopping() && self.role().may_act();
        if !wanted {
            return false;
        }
        let drawn = self.drawn.or_else(|| self.known_drawn()).unwrap_or(false);
        let landed = self.sender.landing(&[PAUSE, RESUME]).is_some_and(|(_, at)| at != Landing::UnderWay);
        left_drawn(drawn, self.unread(&[RESUME]).is_some(), &self.turn(), landed)
    }

    /// Whether the prover is in draws, as events tell; nothing if none were read yet.
    pub(super) fn known_drawn(&self) -> Option<bool> {
        self.book.head()?;
        let (me, facts) = (self.config.prover, self.book.facts());
        let has_stake = facts.leaves(me).iter().any(|(_, leaf)| leaf.allocation > 0 || leaf.weight > 0);
        Some(facts.prover_status(me).active() && has_stake)
    }

    /// Send a pause, with the mark of one of the node's own unless it is on the operator's behalf.
    pub(super) fn send_pause(&mut self) {
        let call = self.chain.calls().pause();
        let call = if self.turn().held { call } else { pause::marked(call) };
        self.send_upkeep(Task::Pause, call);
    }

    fn bids_first(&self, pause_reason: PauseReason) -> bool {
        let policy = self.policy();
        let bids = match pause_reason {
            PauseReason::Stopping => self.book.unfinished(&policy, self.config.drain.as_secs()).bids,
            _ => self.book.bids_out(&policy),
        };
        let bids = bids + self.upkeep.binding();
        waits(pause_reason, bids, self.pause_by.is_some_and(|by| Instant::now() >= by))
    }

    /// Send a pause or a resumption if one is due.
    pub(super) fn mind_pause_reason(&mut self) {
        self.overloaded = self.book.overload(&self.policy(), self.overloaded);
        let pause_reason = self.pause_reason();
        if pause_reason != self.pause_reason {
            if let Some(pause_reason) = pause_reason {
                warn!(reason = pause_reason.name(), "nothing new is taken on");
            }
            self.pause_reason = pause_reason;
        }
        let wish = wish(pause_reason, self.draining, self.funds.balance().is_some());
        let turn = self.turn();
        if !matters(&turn, wish) {
            self.pause_trouble = None;
        }
        match pause::step(&turn, wish) {
            Step::Pause if pause_reason.is_some_and(|pause_reason| self.bids_first(pause_reason)) => {}
            Step::Pause if self.upkeep.may(&Task::Pause) => {
                self.send_pause();
            }
            Step::Resume if self.upkeep.may(&Task::Resume) => {
                self.send_upkeep(Task::Resume, self.chain.calls().resume());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stops_before_it_has_read_the_chain_asks_whether_its_prover_is_drawn() {
        assert!(is_drawn(Some(true), None) && !is_drawn(Some(false), None));
        assert!(!is_drawn(Some(false), Some(true)), "it left since");
        assert!(is_drawn(None, Some(true)) && !is_drawn(None, Some(false)));
        assert!(is_drawn(None, None), "nobody knows");
    }

    #[test]
    fn a_node_does_not_end_in_peace_while_its_own_resumption_is_on_its_way() {
        let turn = |paused, coming| Turn { registered: true, paused, coming, held: false };
        let back = turn(true, Some(false));
        assert!(left_drawn(false, true, &back, false), "it is in the pool of transactions");
        assert!(left_drawn(false, true, &back, true), "it is in a block that comes");
        let away = turn(true, Some(true));
        assert!(left_drawn(false, true, &away, false), "the pause behind it may not be mined");
        assert!(!left_drawn(false, true, &away, true), "and it is");
        assert!(!left_drawn(false, false, &away, false), "it was out and stays so");
        assert!(!left_drawn(false, false, &turn(true, None), false));
        assert!(left_drawn(true, false, &turn(false, Some(true)), false));
        assert!(!left_drawn(true, false, &turn(false, Some(true)), true));
    }

    #[test]
    fn nobody_comes_back_before_it_is_known_what_the_key_can_pay_for() {
        let paused = Turn { registered: true, paused: true, ..Turn::default() };
        let then = |pause_reason, funds_known| pause::step(&paused, wish(pause_reason, false, funds_known));
        assert_eq!(then(None, false), Step::Rest);
        assert_eq!(then(None, true), Step::Resume);
        assert_eq!(wish(Some(PauseReason::BreakerOpen), false, false), Wish::Out, "leaving need not wait");
        assert_eq!(wish(None, true, true), Wish::AsItIs);
    }

    #[test]
    fn trouble_with_a_pause_ends_with_its_cause() {
        let drawn = Turn { registered: true, ..Turn::default() };
        assert!(matters(&drawn, Wish::Out));
        assert!(!matters(&drawn, Wish::In), "it is not wanted any more");
        assert!(!matters(&Turn { paused: true, ..drawn }, Wish::Out), "another paused it");
    }

    #[test]
    fn a_pause_waits_for_bids_unless_they_could_not_be_used() {
        for pause_reason in
            [PauseReason::Stopping, PauseReason::Dear, PauseReason::Overloaded, PauseReason::NotTaking]
        {
            assert!(waits(pause_reason, 1, false), "{pause_reason:?}");
            assert!(!waits(pause_reason, 0, false), "nothing is out");
        }
        assert!(!waits(PauseReason::Stopping, 1, true), "it must be paused before it is gone");
        assert!(!waits(PauseReason::BreakerOpen, 1, false) && !waits(PauseReason::LowBalance, 1, false));
    }
}
