//! What a mechanism's contract keeps of a prover while no slot is open, and how it is kept as the prover wants it.

use alloy::primitives::Bytes;

use crate::view::{MarketView, MechanismAction};

/// How what stands is read, and what follows from what was read.
pub trait Standing: std::fmt::Debug + Send + Sync {
    /// What to call the contract with for what stands there of the view's prover.
    fn request(&self, view: &MarketView<'_>) -> Bytes;

    /// The transaction that brings it in line with what this prover wants now, `answer` being what the contract said.
    fn action(&self, view: &MarketView<'_>, answer: &[u8]) -> Option<MechanismAction>;
}
