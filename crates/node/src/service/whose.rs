//! Whose a pause is that this node did not sign: of a node before it that had its key, or of the operator.
//!
//! A standby that takes over, and a node whose data directory is gone, find their prover paused and nothing of it on their disk.
//! What the chain has of the transaction tells: see [`crate::pause::marked`].

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use provery_chain::ChainError;
use tracing::{debug, info};

use super::Service;
use super::sends::Sent;
use crate::error::NodeError;
use crate::pause;

/// How often it is asked, if it cannot be told.
const AGAIN: Duration = Duration::from_secs(30);

/// What was asked, and what is known.
#[derive(Debug, Default)]
pub(super) struct Whose {
    asking: bool,
    next: Option<Instant>,
    /// The pause that is its operator's.
    operators: Option<B256>,
}

/// An answer: whether a pause was a node's own; nothing if no endpoint knows it.
pub(super) struct Answer {
    pause: B256,
    own: Result<Option<bool>, ChainError>,
}

impl Service {
    /// Ask whose the pause is, if that is not known.
    pub(super) fn look_whose_pause(&mut self) {
        let facts = self.book.facts();
        let paused = facts.standing(self.config.prover).paused;
        let Some(hash) = facts.held_out_by(self.config.prover).filter(|_| paused) else { return };
        let due = self.whose.next.is_none_or(|next| Instant::now() >= next);
        if self.whose.asking || !due || self.whose.operators == Some(hash) {
            return;
        }
        self.whose.asking = true;
        self.whose.next = Some(Instant::now() + AGAIN);
        let (chain, key) = (self.chain.clone(), self.sender.address());
        self.sends.spawn(async move {
            let found = chain.rpc().transaction(hash).await;
            let own = found.map(|it| it.map(|(from, input)| pause::is_of_node(from, &input, key)));
            Sent::Whose(Answer { pause: hash, own })
        });
    }

    pub(super) fn know_whose_pause(&mut self, Answer { pause, own }: Answer) -> Result<(), NodeError> {
        self.whose.asking = false;
        match own {
            Ok(Some(true)) => {
                info!(tx = %pause, "the prover's pause is of a node that had this key, and ends with its reason");
                self.book.own_turn(pause)?;
            }
            Ok(Some(false)) => self.whose.operators = Some(pause),
            Ok(None) => debug!(tx = %pause, "no endpoint knows the pause; it is taken for the operator's"),
            Err(error) => debug!(tx = %pause, %error, "it cannot be told whose the pause is"),
        }
        Ok(())
    }
}
