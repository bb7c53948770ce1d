//! All of the service, to be looked at: what a briefing is made of.

use crate::{
    book::{Book, Policy},
    service::{
        account::Account,
        handles::Handles,
        intake::Intake,
        keeper::Keeper,
        presence::{Presence, reason::PauseReason},
        proofs::Proofs,
        tenure::Tenure,
    },
};

/// See the module.
#[derive(Clone, Copy)]
pub(in crate::service) struct Scene<'a> {
    pub handles: &'a Handles,
    pub book: &'a Book,
    pub policy: &'a Policy,
    pub intake: &'a Intake,
    pub proofs: &'a Proofs,
    pub keeper: &'a Keeper,
    pub account: &'a Account,
    pub presence: &'a Presence,
    pub tenure: &'a Tenure,
    /// Why the prover should be paused now, if it should.
    pub pause_reason: Option<PauseReason>,
    pub is_caught_up: bool,
}
