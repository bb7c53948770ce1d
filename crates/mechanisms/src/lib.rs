//! Decisions, apart from effects: a view of the chain goes in, what to do comes out.
//!
//! Nothing here awaits, reads a clock or talks to a chain. [`reward`], [`split`], [`weights`] and [`lottery`] are twins
//! of the contracts' arithmetic and agree with them to the last wei (see `tests/vectors`). [`phase`] is what all
//! mechanisms share: the exclusive window, and the opening to all after it. [`upkeep`] is what keeps a prover in
//! business apart from proving.
//!
//! **Adding a mechanism** takes one file in this folder with a `MECHANISM` of a type that implements [`Mechanism`], and
//! one word in the list at the end of this file.

pub mod hand_over;
pub mod lottery;
pub mod phase;
pub mod reward;
pub mod split;
pub mod upkeep;
pub mod view;
pub mod weights;

#[cfg(test)]
mod testing;

pub use view::{Decision, Errand, MarketView, Puzzle, Reason, SlotView, Solution};

use alloy::primitives::{Address, U256};

/// The bit of `mechanismParams` by which a mechanism asks the market to tell it how slots end (`SlotHooks.ENDED`).
pub const HOOK_ENDED: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

/// How one mechanism's slots look to a prover.
pub trait Mechanism: std::fmt::Debug + Send + Sync {
    /// The contract's name in `deployments/<chainid>.json`.
    fn name(&self) -> &'static str;

    /// What people call it: on the command line, in the demo.
    fn word(&self) -> &'static str;

    /// What to do about an open slot, now. Called again whenever something changed and whenever a `Wait` has passed.
    fn decide(&self, view: &SlotView<'_>) -> Decision;

    /// The transaction that would further this prover's hold on an open slot, now. Asked as [`Mechanism::decide`] is, and
    /// sent once: when it is through, its event is in the view.
    fn errand(&self, _view: &SlotView<'_>) -> Option<Errand> {
        None
    }

    /// What to compute between two slots for the right to the next.
    fn puzzle(&self, _view: &MarketView<'_>) -> Option<Puzzle> {
        None
    }

    /// The transaction that hands a puzzle's solution in, to the mechanism's contract at `to`.
    fn ticket(&self, _to: Address, _puzzle: &Puzzle, _solution: &Solution) -> Option<Errand> {
        None
    }
}

/// The mechanism whose contract has this name in a deployment.
pub fn by_name(name: &str) -> Option<&'static dyn Mechanism> {
    registry().iter().copied().find(|mechanism| mechanism.name() == name)
}

/// The mechanism that people call `word`.
pub fn by_word(word: &str) -> Option<&'static dyn Mechanism> {
    registry().iter().copied().find(|mechanism| mechanism.word() == word)
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

mechanisms![stake_lottery, race, mining, reverse_dutch_auction, sealed_bid_auction, agreement];
