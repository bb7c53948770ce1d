//! What a component may read while it decides.

use super::{account::Account, handles::Handles};
use crate::book::{Book, Policy};

/// Read-only, and made anew for each decision.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub handles: &'a Handles,
    pub book: &'a Book,
    pub account: &'a Account,
    pub policy: &'a Policy,
}
