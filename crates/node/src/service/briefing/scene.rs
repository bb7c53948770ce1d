//! All of the service, to be looked at: what a briefing is made of.

use crate::book::{Book, Policy};
use crate::service::account::Account;
use crate::service::errands::Errands;
use crate::service::handles::Handles;
use crate::service::intake::Intake;
use crate::service::presence::Presence;
use crate::service::presence::reason::PauseReason;
use crate::service::proofs::Proofs;
use crate::service::tenure::Tenure;

/// See the module.
#[derive(Clone, Copy)]
pub(in crate::service) struct Scene<'a> {
    pub handles: &'a Handles,
    pub book: &'a Book,
    pub policy: &'a Policy,
    pub intake: &'a Intake,
    pub proofs: &'a Proofs,
    pub errands: &'a Errands,
    pub account: &'a Account,
    pub presence: &'a Presence,
    pub tenure: &'a Tenure,
    /// Why the prover should be paused now, if it should.
    pub pause_reason: Option<PauseReason>,
    pub is_caught_up: bool,
}
