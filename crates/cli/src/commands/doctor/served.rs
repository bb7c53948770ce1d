//! A market that a node with these settings would serve.

use provery_node::earning::Lack;
use provery_types::{RollupRecord, Terms, text::plain};

/// A market that the node would serve.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub rollup: RollupRecord,
    pub terms: Terms,
    /// Its keys are not here, or not the right ones.
    pub lack: Option<Lack>,
}

impl Served {
    pub(super) fn name(&self) -> String {
        format!("market {} ({})", self.rollup.market, plain(&self.rollup.name))
    }
}
