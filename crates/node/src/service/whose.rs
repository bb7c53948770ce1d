//! Whose a pause is that this node did not sign: of a node before it that had its key, or of the operator.
//!
//! A standby that takes over, and a node whose data directory is gone, find their prover paused and nothing of it on their disk.
//! What the chain has of the transaction tells: see [`crate::pause::marked`].

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use tracing::{debug, info, warn};

use super::Service;
use super::sends::Sent;
use crate::error::NodeError;
use crate::pause;

/// How often it is asked, if it cannot be told.
const AGAIN: Duration = Duration::from_secs(30);
/// A node with this key that pauses again so soon after its pause was taken back was not one before this: it runs.
const ONCE_IN: Duration = Duration::from_secs(3_600);

/// What was asked, and what is known.
#[derive(Debug, Default)]
pub(super) struct Whose {
    asking: bool,
    next: Option<Instant>,
    /// The pause that is its operator's.
    operators: Option<B256>,
    /// The pause that was taken back last, and when.
    took_back: Option<(B256, Instant)>,
    /// The pause of another node that runs with this key, and until when it is left alone.
    rivals: Option<(B256, Instant)>,
}

impl Whose {
    /// Whether to take back a pause of another node with this key, as one that ended. One that runs has its reason and would pause
    /// again, and so on: it is left alone as the operator's are, and looked at anew once an hour is over.
    fn takes_back(&mut self, pause: B256, now: Instant) -> bool {
        if let Some((before, at)) = self.took_back
            && before != pause
            && now < at + ONCE_IN
        {
            self.rivals = Some((pause, at + ONCE_IN));
            return false;
        }
        (self.took_back, self.rivals) = (Some((pause, now)), None);
        true
    }

    /// Whether nothing is to be asked about a pause at the moment.
    fn settled(&self, pause: B256, now: Instant) -> bool {
        self.operators == Some(pause) || self.rivals.is_some_and(|(it, until)| it == pause && now < until)
    }

    /// Whether a pause is of another node that runs with this key.
    pub fn is_rivals(&self, pause: B256) -> bool {
        self.rivals.is_some_and(|(it, _)| it == pause)
    }
}

/// An answer: whether a pause was a node's own; nothing if no endpoint knows it.
pub(super) struct Answer {
    pause: B256,
    own: Option<bool>,
}

impl Service {
    /// Ask whose the pause is, if that is not known.
    pub(super) fn look_whose_pause(&mut self) {
        let facts = self.book.facts();
        let paused = facts.prover_status(self.config.prover).paused;
        let Some(hash) = facts.held_out_by(self.config.prover).filter(|_| paused) else { return };
        let due = self.whose.next.is_none_or(|next| Instant::now() >= next);
        if self.whose.asking || !due || self.whose.settled(hash, Instant::now()) {
            return;
        }
        self.whose.asking = true;
        self.whose.next = Some(Instant::now() + AGAIN);
        let (chain, key) = (self.chain.clone(), self.sender.address());
        self.sends.spawn(async move {
            let found = chain.rpc().transaction(hash).await;
            let own = found.map(|(from, input)| pause::is_of_node(from, &input, key));
            Sent::Whose(Answer { pause: hash, own })
        });
    }

    pub(super) fn know_whose_pause(&mut self, Answer { pause, own }: Answer) -> Result<(), NodeError> {
        self.whose.asking = false;
        match own {
            // A standby only follows, and its leader may pause as often as it has reason to.
            Some(true) if self.role().may_act() && !self.whose.takes_back(pause, Instant::now()) => {
                warn!(tx = %pause, "another node that runs with this key paused the prover again; it is left so for an hour");
            }
            Some(true) => {
                info!(tx = %pause, "the prover's pause is of a node that had this key, and ends with its reason");
                self.book.own_turn(pause)?;
            }
            Some(false) => self.whose.operators = Some(pause),
            None => debug!(tx = %pause, "no endpoint knows the pause; it is taken for the operator's"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_with_one_key_do_not_fight_over_the_pause() {
        let start = Instant::now();
        let [first, second, third] = [1, 2, 3].map(B256::repeat_byte);
        let mut whose = Whose::default();
        assert!(whose.takes_back(first, start), "of a node before this one");
        assert!(whose.takes_back(first, start), "a reorg brought it back");
        let soon = start + Duration::from_secs(60);
        assert!(!whose.takes_back(second, soon) && whose.is_rivals(second) && whose.settled(second, soon));
        assert!(!whose.settled(third, soon), "the next is looked at");
        assert!(!whose.takes_back(third, soon) && !whose.is_rivals(second));
        let later = start + ONCE_IN;
        assert!(!whose.settled(third, later) && whose.is_rivals(third), "until it is decided anew");
        assert!(whose.takes_back(third, later) && !whose.is_rivals(third), "it may have ended since");
        assert!(!whose.takes_back(first, later), "once an hour");
    }
}
