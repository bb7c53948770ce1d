//! Whose a pause is that this node did not sign: of a node before it that had its key, or of the operator.
//!
//! A standby that takes over, and a node whose data directory is gone, find their prover paused and nothing of it on their disk.
//! What the chain has of the transaction tells: see [`crate::pause::marked`].

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use futures::{FutureExt as _, future::BoxFuture};
use tracing::{debug, info, warn};

use crate::{book::Book, pause, service::handles::Handles};

/// How often it is asked, if it cannot be told.
const AGAIN: Duration = Duration::from_secs(30);
/// A node with this key that pauses again so soon after its pause was taken back was not one before this: it runs.
const ONCE_IN: Duration = Duration::from_secs(3_600);

/// What was asked, and what is known.
#[derive(Debug, Default)]
pub(in crate::service) struct Whose {
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
    /// Ask whose the pause is, if that is not known.
    pub(crate) fn ask(&mut self, handles: &Handles, book: &Book) -> Option<BoxFuture<'static, Answer>> {
        let facts = book.facts();
        let paused = facts.prover_status(handles.me()).paused;
        let hash = facts.held_out_by(handles.me()).filter(|_| paused)?;
        let due = self.next.is_none_or(|next| Instant::now() >= next);
        if self.asking || !due || self.settled(hash, Instant::now()) {
            return None;
        }
        self.asking = true;
        self.next = Some(Instant::now() + AGAIN);
        let (chain, key) = (handles.chain.clone(), handles.sender.address());
        let asking = async move {
            let found = chain.rpc().transaction(hash).await;
            let own = found.map(|(from, _, input)| pause::is_of_node(from, &input, key));
            Answer { pause: hash, own }
        };
        Some(asking.boxed())
    }

    /// An answer is here: the pause, if it is to be taken for this node's own.
    pub(crate) fn told(&mut self, Answer { pause, own }: Answer, may_act: bool) -> Option<B256> {
        self.asking = false;
        match own {
            // A standby only follows, and its leader may pause as often as it has reason to.
            Some(true) if may_act && !self.takes_back(pause, Instant::now()) => {
                warn!(tx = %pause, "another node that runs with this key paused the prover again; it is left so for an hour");
            }
            Some(true) => {
                info!(tx = %pause, "the prover's pause is of a node that had this key, and ends with its reason");
                return Some(pause);
            }
            Some(false) => self.operators = Some(pause),
            None => debug!(tx = %pause, "no endpoint knows the pause; it is taken for the operator's"),
        }
        None
    }

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
    pub(crate) fn is_rivals(&self, pause: B256) -> bool {
        self.rivals.is_some_and(|(it, _)| it == pause)
    }
}

/// An answer: whether a pause was a node's own; nothing if no endpoint knows it.
pub(in crate::service) struct Answer {
    pause: B256,
    own: Option<bool>,
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
