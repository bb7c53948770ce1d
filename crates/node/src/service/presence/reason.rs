//! Why a prover is to be out of the draws, and what follows from that.

use crate::pause::Wish;

/// Why the prover should be out of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum PauseReason {
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
    /// There is stake behind a market that is refused, so of the slots that it is given there nothing is known.
    MarketRefused,
}

impl PauseReason {
    /// A stable word for logs and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::BreakerOpen => "breaker_open",
            Self::LowBalance => "low_balance",
            Self::Dear => "fees",
            Self::Overloaded => "overloaded",
            Self::NotTaking => "not_taking",
            Self::MarketRefused => "market_refused",
        }
    }
}

/// Whether a pause waits for bids and tickets that are out: a prover that is paused is not able, so a bid that is settled then and
/// a ticket whose slot opens then lose their bonds. A node that could not prove what they win does not wait.
pub(super) fn waits(pause_reason: PauseReason, bids: usize, bound_reached: bool) -> bool {
    let patient = match pause_reason {
        PauseReason::Stopping => !bound_reached,
        PauseReason::Dear | PauseReason::Overloaded | PauseReason::NotTaking | PauseReason::MarketRefused => {
            true
        }
        PauseReason::BreakerOpen | PauseReason::LowBalance => false,
    };
    patient && bids > 0
}

/// What to do about a reason to pause, or the want of one.
pub(super) fn wish(pause_reason: Option<PauseReason>, draining: bool, funds_known: bool) -> Wish {
    match pause_reason {
        Some(_) => Wish::Out,
        // A node that is about to end does not put its prover back into the draws, nor one that may have no gas to prove with.
        None if draining || !funds_known => Wish::AsItIs,
        None => Wish::In,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pause::{self, Step, Turn};

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
    fn nobody_comes_back_to_draws_of_a_market_of_which_nothing_is_read() {
        let refused = wish(Some(PauseReason::MarketRefused), false, true);
        let paused = Turn { registered: true, paused: true, ..Turn::default() };
        assert_eq!(pause::step(&paused, refused), Step::Rest, "its own pause stays");
        assert_eq!(pause::step(&Turn { paused: false, ..paused }, refused), Step::Pause);
    }

    #[test]
    fn a_pause_waits_for_bids_unless_they_could_not_be_used() {
        for pause_reason in [
            PauseReason::Stopping,
            PauseReason::Dear,
            PauseReason::Overloaded,
            PauseReason::NotTaking,
            PauseReason::MarketRefused,
        ] {
            assert!(waits(pause_reason, 1, false), "{pause_reason:?}");
            assert!(!waits(pause_reason, 0, false), "nothing is out");
        }
        assert!(!waits(PauseReason::Stopping, 1, true), "it must be paused before it is gone");
        assert!(!waits(PauseReason::BreakerOpen, 1, false) && !waits(PauseReason::LowBalance, 1, false));
    }
}
