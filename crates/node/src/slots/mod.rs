//! What this node does about one slot: a state machine without effects.
//!
//! [`step`] is a pure function of the work so far and of what happened. It is idempotent: an input that says what is
//! already so changes nothing and asks for nothing. So it does not matter whether an event is seen once, twice, or again
//! after a restart, and a stage on disk is always a place to go on from.
//!
//! ```text
//!  Seen ─► Waiting ─► Queued ─► Proving ─► Proved ─► Submitting ─► Settled (by me)
//!    │        ▲          │         │          ▲           │
//!    ▼        └──────────┴─────────┘          └───────────┘  try again
//! Ignored            not now, or failed
//!
//!  from anywhere: Settled (by another), Lost (by another, and there was work in it), Expired, Cancelled, Dropped;
//!  a reorg takes those back.
//! ```
//!
//! `Queued` and `Proved` are standing orders: the service starts a proof for a queued slot when a worker is idle, and
//! sends a stored proof when the sender is.

use alloy::primitives::Address;
use provery_mechanisms::{Decision, Reason};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Proofs of one slot that may fail before the node gives it up.
pub const MAX_ATTEMPTS: u32 = 5;

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotStage {
    /// Known, not yet decided about.
    Seen,
    /// Nothing to do before `until` (unix seconds).
    Waiting {
        /// Chain time in unix seconds.
        until: u64,
    },
    /// Nothing to do unless the slot changes.
    Ignored,
    /// To be proven as soon as a worker is idle.
    Queued,
    /// A worker is at it.
    Proving,
    /// A proof is stored; to be sent once `not_before` (unix seconds) has come.
    Proved {
        /// Chain time in unix seconds; 0 is at once.
        not_before: u64,
    },
    /// A transaction with the proof is under way.
    Submitting,
    /// Proven on-chain.
    Settled {
        /// Whether the proof paid this prover.
        by_me: bool,
        /// Whom the proof paid.
        payee: Address,
    },
    /// Proven on-chain by another while this node had work in it.
    Lost {
        /// Whom its proof paid.
        payee: Address,
    },
    /// Ended unproven.
    Expired,
    /// Taken back by its requester.
    Cancelled,
    /// Ended unproven because what it builds on fell, or its requester paid for that.
    Dropped,
    /// Given up after too many failures.
    Failed,
}

impl SlotStage {
    /// Every name that [`SlotStage::name`] gives, in order of appearance in a slot's life.
    pub const NAMES: [&'static str; 13] = [
        "seen",
        "waiting",
        "ignored",
        "queued",
        "proving",
        "proved",
        "submitting",
        "settled",
        "lost",
        "expired",
        "cancelled",
        "dropped",
        "failed",
    ];

    /// One word for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Waiting { .. } => "waiting",
            Self::Ignored => "ignored",
            Self::Queued => "queued",
            Self::Proving => "proving",
            Self::Proved { .. } => "proved",
            Self::Submitting => "submitting",
            Self::Settled { .. } => "settled",
            Self::Lost { .. } => "lost",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }

    /// The chain has ended the slot (as far as the chain known now goes).
    pub fn ended(&self) -> bool {
        matches!(
            self,
            Self::Settled { .. } | Self::Lost { .. } | Self::Expired | Self::Cancelled | Self::Dropped
        )
    }

    /// The node has work in the slot.
    pub fn engaged(&self) -> bool {
        matches!(self, Self::Queued | Self::Proving | Self::Proved { .. } | Self::Submitting)
    }
}

/// A slot's stage and how often a proof of it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Where the slot is.
    pub stage: SlotStage,
    /// Proofs of it that failed or were refused: see [`MAX_ATTEMPTS`].
    pub attempts: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self { stage: SlotStage::Seen, attempts: 0 }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The mechanism's decision.
    Decided {
        /// To prove the slot, to wait or to ignore it, and why.
        decision: Decision,
        /// A proof of this very statement is stored.
        has_proof: bool,
    },
    /// The slot's inputs cannot be had, contradict the chain, or no machine makes a proof of them.
    Unprovable,
    /// A worker has begun.
    ProofStarted,
    /// A proof was made and stored.
    ProofDone,
    /// A proof failed; if at all, try again at `retry_at` (unix seconds).
    ProofFailed {
        /// Chain time in unix seconds.
        retry_at: u64,
    },
    /// The worker stopped because it was told to.
    ProofCancelled,
    /// The transaction is about to be sent.
    SendStarted,
    /// The transaction is in a block. Whether it settled the slot is for the slot's event to say.
    SendMined,
    /// It could not be sent, or was lost, or came too soon; try again at `retry_at` (unix seconds).
    SendFailed {
        /// Chain time in unix seconds.
        retry_at: u64,
    },
    /// The slot had ended by the time it was sent: the event that says how is on its way.
    SendRaced,
    /// The chain refuses this proof, so it is worthless; prove again at `retry_at` (unix seconds).
    ProofRefused {
        /// Chain time in unix seconds.
        retry_at: u64,
    },
    /// The slot was proven, and `payee` paid.
    Proven {
        /// Whom the proof paid.
        payee: Address,
        /// Whether that is this prover.
        by_me: bool,
    },
    /// The slot ended unproven.
    Expired,
    /// Its requester took the slot back.
    Cancelled,
    /// The slot ended unproven because what it builds on fell, or its requester paid for that.
    Dropped,
    /// A reorg took the slot's end back.
    Reopened {
        /// A proof of the slot is stored.
        has_proof: bool,
    },
    /// The slot was assigned or transferred: decide anew.
    Changed,
    /// A reorg took the slot itself back, or put another in its place.
    Replaced,
    /// What was decided by the time may have been decided by a wrong one.
    TimeWentBack,
    /// The node has just started, and nothing it was doing goes on.
    Restarted {
        /// A proof of the slot is stored.
        has_proof: bool,
    },
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop the worker.
    CancelProof,
    /// Forget the stored proof.
    DropProof,
}

/// The work after an input, and what is to be done at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The slot's stage, and how often a proof of it has failed.
    pub work: Work,
    /// To be done at once.
    pub actions: Vec<Action>,
}

/// Advance `work` by `input`.
pub fn step(work: Work, input: &Input) -> Step {
    match *input {
        Input::Decided { decision, has_proof } => decided(work, decision, has_proof),
        Input::Unprovable => match work.stage {
            SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Queued | SlotStage::Proving => {
                Step { work: Work { stage: SlotStage::Ignored, ..work }, actions: cancel_if_proving(work) }
            }
            _ => stay(work),
        },
        Input::ProofStarted => match work.stage {
            SlotStage::Queued => to(work, SlotStage::Proving),
            _ => stay(work),
        },
        Input::ProofDone => match work.stage {
            SlotStage::Queued | SlotStage::Proving => to(work, SlotStage::Proved { not_before: 0 }),
            _ => stay(work),
        },
        Input::ProofFailed { retry_at } => match work.stage {
            SlotStage::Proving => failed(work, retry_at),
            _ => stay(work),
        },
        Input::ProofCancelled => match work.stage {
            SlotStage::Proving => to(work, SlotStage::Seen),
            _ => stay(work),
        },
        Input::SendStarted => match work.stage {
            SlotStage::Proved { .. } => to(work, SlotStage::Submitting),
            _ => stay(work),
        },
        Input::SendMined | Input::SendRaced => stay(work),
        Input::SendFailed { retry_at } => match work.stage {
            SlotStage::Submitting => to(work, SlotStage::Proved { not_before: retry_at }),
            _ => stay(work),
        },
        Input::ProofRefused { retry_at } => match work.stage {
            SlotStage::Submitting => {
                let mut step = failed(work, retry_at);
                step.actions.push(Action::DropProof);
                step
            }
            _ => stay(work),
        },
        Input::Proven { payee, by_me } => {
            let lost = matches!(work.stage, SlotStage::Lost { .. }) || work.stage.engaged();
            end(
                work,
                if lost && !by_me { SlotStage::Lost { payee } } else { SlotStage::Settled { by_me, payee } },
            )
        }
        Input::Expired => end(work, SlotStage::Expired),
        Input::Cancelled => end(work, SlotStage::Cancelled),
        Input::Dropped => end(work, SlotStage::Dropped),
        Input::Reopened { has_proof } if work.stage.ended() => {
            to(work, if has_proof { SlotStage::Proved { not_before: 0 } } else { SlotStage::Seen })
        }
        Input::Reopened { .. } => stay(work),
        Input::Changed => match work.stage {
            SlotStage::Waiting { .. } | SlotStage::Ignored => to(work, SlotStage::Seen),
            _ => stay(work),
        },
        Input::TimeWentBack => match work.stage {
            SlotStage::Waiting { .. } | SlotStage::Ignored => to(work, SlotStage::Seen),
            SlotStage::Proved { not_before } if not_before > 0 => {
                to(work, SlotStage::Proved { not_before: 0 })
            }
            _ => stay(work),
        },
        Input::Replaced => {
            let mut actions = cancel_if_proving(work);
            if work != Work::default() {
                actions.push(Action::DropProof);
            }
            Step { work: Work::default(), actions }
        }
        Input::Restarted { has_proof } => match work.stage {
            SlotStage::Proving | SlotStage::Submitting | SlotStage::Proved { .. } if has_proof => {
                to(work, SlotStage::Proved { not_before: 0 })
            }
            SlotStage::Proving | SlotStage::Submitting | SlotStage::Proved { .. } => {
                to(work, SlotStage::Queued)
            }
            // A restart is what an operator does after mending what made proofs fail.
            SlotStage::Failed => Step { work: Work::default(), actions: Vec::new() },
            // It was decided by a time that is not now's, and may have been wrong.
            SlotStage::Waiting { .. } | SlotStage::Ignored => to(work, SlotStage::Seen),
            _ => stay(work),
        },
    }
}

fn decided(work: Work, decision: Decision, has_proof: bool) -> Step {
    use Decision::{Ignore, Prove, Wait};
    match (work.stage, decision) {
        (SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Ignored, Prove { .. }) if has_proof => {
            to(work, SlotStage::Proved { not_before: 0 })
        }
        (SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Ignored, Prove { .. }) => {
            to(work, SlotStage::Queued)
        }
        (
            SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Ignored | SlotStage::Queued,
            Wait { until, .. },
        ) => to(work, SlotStage::Waiting { until }),
        (SlotStage::Seen | SlotStage::Waiting { .. } | SlotStage::Queued, Ignore { .. }) => {
            to(work, SlotStage::Ignored)
        }
        // A proof under way is finished even if its turn has moved or its reward has shrunk, and is stopped only when
        // it could not be delivered: another holds the slot, or it is over.
        (SlotStage::Proving, Wait { until, reason: Reason::HeldByAnother | Reason::Undecided }) => Step {
            work: Work { stage: SlotStage::Waiting { until }, ..work },
            actions: vec![Action::CancelProof],
        },
        (SlotStage::Proving, Ignore { reason: Reason::Expired }) => {
            Step { work: Work { stage: SlotStage::Ignored, ..work }, actions: vec![Action::CancelProof] }
        }
        (SlotStage::Proved { .. }, Wait { until, reason: Reason::HeldByAnother | Reason::Undecided }) => {
            to(work, SlotStage::Proved { not_before: until })
        }
        (SlotStage::Proved { .. }, Ignore { reason: Reason::Expired }) => to(work, SlotStage::Ignored),
        _ => stay(work),
    }
}

fn failed(work: Work, retry_at: u64) -> Step {
    let attempts = work.attempts.saturating_add(1);
    let stage =
        if attempts < MAX_ATTEMPTS { SlotStage::Waiting { until: retry_at } } else { SlotStage::Failed };
    Step { work: Work { stage, attempts }, actions: Vec::new() }
}

fn end(work: Work, stage: SlotStage) -> Step {
    Step { work: Work { stage, ..work }, actions: cancel_if_proving(work) }
}

fn cancel_if_proving(work: Work) -> Vec<Action> {
    if work.stage == SlotStage::Proving { vec![Action::CancelProof] } else { Vec::new() }
}

fn to(work: Work, stage: SlotStage) -> Step {
    Step { work: Work { stage, ..work }, actions: Vec::new() }
}

fn stay(work: Work) -> Step {
    Step { work, actions: Vec::new() }
}
