//! The prover's pause on-chain: a node that expects not to prove takes its prover out of the draws, and puts it back.
//!
//! That it was this node that paused, and not its operator, is on disk before the transaction is sent: an operator's
//! pause is left alone, and a node that was killed after its own comes back by itself.

use std::time::Instant;

use provery_mechanisms::upkeep::Standing;
use tracing::warn;

use super::Service;
use super::upkeep::Task;
use crate::store::StoreError;

/// Blocks in which a pause that was sent in an earlier life of the node is mined or never.
const BLOCKS_TO_LAND: u64 = 64;

/// Why the prover should be out of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// The node is about to end.
    Stopping,
    /// The breaker is open.
    Unwell,
    /// There is hardly gas left to deliver with.
    Broke,
    /// A slot won now could not be proven in its window, with all that is queued.
    Overloaded,
    /// The operator said so, in the configuration.
    NotTaking,
}

impl Absence {
    /// A stable word for logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Unwell => "unwell",
            Self::Broke => "low_balance",
            Self::Overloaded => "overloaded",
            Self::NotTaking => "not_taking",
        }
    }
}

/// What to do about the pause: pause, resume, forget that the node paused, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Pause,
    Resume,
    Forget,
    Nothing,
}

/// `seen` is whether `standing` would show the node's last pause: its receipt may be there before its block was read.
fn step(standing: &Standing, ours: bool, away: bool, seen: bool) -> Step {
    match (standing.registered, standing.paused, ours, away) {
        (true, false, _, true) => Step::Pause,
        (true, true, true, false) => Step::Resume,
        // Somebody resumed; the next pause may be an operator's.
        (_, false, true, false) if seen => Step::Forget,
        _ => Step::Nothing,
    }
}

/// Whether a pause waits for bids and tickets that are out: a prover that is paused is not able, so a bid that is settled then and
/// a ticket whose slot opens then lose their bonds. A node that could not prove what they win does not wait.
fn waits(absence: Absence, bids: usize, bound_reached: bool) -> bool {
    let patient = match absence {
        Absence::Stopping => !bound_reached,
        Absence::Overloaded | Absence::NotTaking => true,
        Absence::Unwell | Absence::Broke => false,
    };
    patient && bids > 0
}

impl Service {
    /// Why the prover should be paused now, if it should.
    pub(super) fn absence(&self) -> Option<Absence> {
        if self.draining {
            return self.config.pauses_when_stopping().then_some(Absence::Stopping);
        }
        if !self.tunables().taking {
            return Some(Absence::NotTaking);
        }
        if self.config.pause_when_unwell && !self.health.well() {
            return Some(Absence::Unwell);
        }
        if self.funds.broke() {
            return Some(Absence::Broke);
        }
        self.overloaded.then_some(Absence::Overloaded)
    }

    /// Whether the facts would show a pause that this node sent: its receipt may come before its block was read, and after a
    /// start it may still be on its way.
    fn pause_was_seen(&mut self) -> bool {
        let Some(head) = self.book.head() else { return false };
        let by = *self.pause_shows_by.get_or_insert(head.number.saturating_add(BLOCKS_TO_LAND));
        !self.upkeep.runs(&Task::Pause) && head.number >= by
    }

    fn bids_first(&self, absence: Absence) -> bool {
        let bids = self.book.bids_out(&self.policy()) + self.upkeep.binding();
        waits(absence, bids, self.pause_by.is_some_and(|by| Instant::now() >= by))
    }

    /// Send a pause or a resumption if one is due.
    pub(super) fn mind_absence(&mut self) -> Result<(), StoreError> {
        self.overloaded = self.book.overload(&self.policy(), self.overloaded);
        let absence = self.absence();
        if absence != self.absence {
            if let Some(absence) = absence {
                warn!(reason = absence.name(), "nothing new is taken on");
            }
            self.absence = absence;
        }
        if self.draining && absence.is_none() {
            // It stays as it is: a node that is about to end does not put its prover back into the draws.
            return Ok(());
        }
        let standing = self.book.facts().standing(self.config.prover);
        let ours = self.book.store().paused_by_node()?;
        let seen = self.pause_was_seen();
        match step(&standing, ours, absence.is_some(), seen) {
            Step::Pause if absence.is_some_and(|absence| self.bids_first(absence)) => {}
            Step::Pause if self.upkeep.may(&Task::Pause) => {
                self.book.store().set_paused_by_node(true)?;
                self.send_upkeep(Task::Pause, self.chain.calls().pause());
            }
            Step::Resume if self.upkeep.may(&Task::Resume) => {
                self.send_upkeep(Task::Resume, self.chain.calls().resume());
            }
            Step::Forget => self.book.store().set_paused_by_node(false)?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_waits_for_bids_unless_they_could_not_be_used() {
        for absence in [Absence::Stopping, Absence::Overloaded, Absence::NotTaking] {
            assert!(waits(absence, 1, false), "{absence:?}");
            assert!(!waits(absence, 0, false), "nothing is out");
        }
        assert!(!waits(Absence::Stopping, 1, true), "it must be paused before it is gone");
        assert!(!waits(Absence::Unwell, 1, false) && !waits(Absence::Broke, 1, false));
    }

    #[test]
    fn only_the_nodes_own_pause_is_taken_back() {
        let standing = |paused| Standing { registered: true, paused };
        assert_eq!(step(&standing(false), false, true, true), Step::Pause);
        assert_eq!(step(&standing(true), true, true, true), Step::Nothing, "it is");
        assert_eq!(step(&standing(true), true, false, true), Step::Resume);
        assert_eq!(step(&standing(true), false, false, true), Step::Nothing, "the operator's");
        assert_eq!(step(&standing(false), true, false, true), Step::Forget, "resumed by the operator");
        assert_eq!(step(&standing(false), true, false, false), Step::Nothing, "its block was not read yet");
        assert_eq!(step(&standing(false), false, false, true), Step::Nothing);
        assert_eq!(step(&Standing::default(), false, true, true), Step::Nothing, "nobody to pause");
    }
}
