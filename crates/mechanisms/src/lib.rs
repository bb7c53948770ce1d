//! Decisions, apart from effects: a view of the chain goes in, what to do comes out.
//!
//! Nothing here awaits, reads a clock or talks to a chain. [`reward`], [`split`], [`weights`] and [`lottery`] are twins
//! of the contracts' arithmetic and agree with them to the last wei (see `tests/vectors`). [`phase`] is what all
//! mechanisms share: the exclusive window, and the opening to all after it. [`upkeep`] is what keeps a prover in
//! business apart from proving.
//!
//! **Adding a mechanism** takes one file in this folder with a `MECHANISM` of a type that implements [`Mechanism`], and
//! one word in the list at the end of this file.

pub mod lottery;
pub mod phase;
pub mod reward;
pub mod split;
pub mod upkeep;
pub mod view;
pub mod weights;

#[cfg(test)]
mod testing;

pub use view::{Decision, Reason, SlotView};

/// How one mechanism's slots look to a prover.
pub trait Mechanism: std::fmt::Debug + Send + Sync {
    /// The contract's name in `deployments/<chainid>.json`.
    fn name(&self) -> &'static str;

    /// What to do about an open slot, now. Called again whenever something changed and whenever a `Wait` has passed.
    fn decide(&self, view: &SlotView<'_>) -> Decision;
}

/// The mechanism whose contract has this name in a deployment.
pub fn by_name(name: &str) -> Option<&'static dyn Mechanism> {
    registry().iter().copied().find(|mechanism| mechanism.name() == name)
}

/// Declares each module in the list and puts its `MECHANISM` into [`registry`].
macro_rules! mechanisms {
    ($($module:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// Every mechanism this client can serve.
        pub fn registry() -> &'static [&'static dyn Mechanism] {
            &[$(&$module::MECHANISM),+]
        }
    };
}

mechanisms![stake_lottery];
