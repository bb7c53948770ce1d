//! Decisions, apart from effects: a view of the chain goes in, what to do comes out.
//!
//! Nothing here awaits, reads a clock or talks to a chain. [`reward`], [`split`], [`weights`] and [`draw`] are twins
//! of the contracts' arithmetic and agree with them to the last wei (see `tests/vectors`). [`phase`] is what all
//! mechanisms share: the exclusive window, and the opening to all after it. [`upkeep`] is what keeps a prover in
//! business apart from proving.
//!
//! **Adding a mechanism** takes a contract in contracts/src/mechanisms, one file in this folder with a `MECHANISM` of a type
//! that implements [`Mechanism`], and one line in the list in `provery-bindings`. No other file names one.

pub mod acceptance;
pub mod draw;
pub mod explain;
mod options;
pub mod phase;
pub mod quote;
pub mod refusal;
pub mod reward;
mod rounds;
pub mod slot_transfer;
pub mod split;
mod standing;
pub mod upkeep;
pub mod view;
pub mod weights;

#[cfg(test)]
mod testing;

pub use explain::{Fact, Line, Past};
pub use options::{Choices, OptionError, OptionSpec};
pub use quote::{Book, Chance, ChanceView, Offered, Quote, QuoteView};
pub use refusal::{Refusal, Rule};
pub use rounds::{Round, Rounds};
pub use standing::Standing;
pub use view::{Decision, MarketView, MechanismAction, Puzzle, Reason, SlotView, Solution};

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256},
    sol_types::SolValue,
};
use provery_types::Terms;

/// The bit of `mechanismParams` by which a mechanism asks the market to tell it how slots end (`SlotHooks.ENDED`).
pub const HOOK_ENDED: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

/// How one mechanism's slots look to a prover.
pub trait Mechanism: std::fmt::Debug + Send + Sync {
    /// The contract's name in `deployments/<chainid>.json`.
    fn name(&self) -> &'static str;

    /// What people call it: on the command line, in the demo.
    fn word(&self) -> &'static str;

    /// The contract's creation code.
    fn code(&self) -> &'static Bytes;

    /// The contract's constructor's arguments, encoded.
    fn constructor(&self, parts: &Parts) -> Vec<u8> {
        (parts.registry, parts.market).abi_encode_params()
    }

    /// What a market can choose about it.
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    /// The terms' `mechanismParams` for a market's choices.
    fn params(&self, _choices: &Choices) -> Result<B256, OptionError> {
        Ok(B256::ZERO)
    }

    /// The errors that its contract has for itself, and what they mean. One that is not listed is a failure without advice.
    fn refusals(&self) -> &'static [Refusal] {
        &[]
    }

    /// The rules of its terms that its contract names and no other has.
    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    /// Choices ([`Mechanism::options`]) for a market to look at: slots that pay 10 and are over in seconds, bonds of 12.
    fn sample(&self) -> &'static [&'static str] {
        &[]
    }

    /// Slots are ever assigned, so that a prover without stake for the bond is left out.
    fn assigns(&self) -> bool {
        true
    }

    /// Whom a slot is given to is drawn as it opens, from the epoch's seed and the weights frozen for it: whoever opens one brings
    /// the seed in, and [`draw::explain`] replays the draw.
    fn draws(&self) -> bool {
        false
    }

    /// It needs randomness, of the chain's blocks or of a beacon.
    fn wants_randomness(&self) -> bool {
        self.draws()
    }

    /// The requester gives slots away by offers that provers signed to it.
    fn wants_offer(&self) -> bool {
        false
    }

    /// A prover may begin to prove before the slot is its own ([`Reason::Leading`]).
    fn begins_early(&self) -> bool {
        false
    }

    /// Its contract needs a verifier of the mining puzzle.
    fn wants_puzzle(&self) -> bool {
        false
    }

    /// The account's deposit that bidding needs is asset wei in the contract itself, not in the registry.
    fn wants_deposit(&self) -> bool {
        false
    }

    /// Asset wei of the key's deposit that a bid or a ticket under these terms locks; nothing where there is no deposit.
    fn deposit(&self, _terms: &Terms) -> Option<u128> {
        None
    }

    /// What to do about an open slot, now. Called again whenever something changed and whenever a `Wait` has passed.
    fn decide(&self, view: &SlotView<'_>) -> Decision;

    /// The transaction that would further this prover's hold on an open slot, now. Asked as [`Mechanism::decide`] is, and
    /// sent once: when it is through, its event is in the view.
    fn action(&self, _view: &SlotView<'_>) -> Option<MechanismAction> {
        None
    }

    /// What a slot that opened now would be given out at, and how many could prove it.
    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        Quote::fixed(view, "the terms fix the price")
    }

    /// How much of a market's slots a prover can count on.
    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        let says = "as good as that of each prover that won slots of late";
        Chance::equal(view.quote.lately, view.quote.most(), says)
    }

    /// How the offers that stand between slots are read, if its contract keeps any.
    fn book(&self) -> Option<&'static dyn Book> {
        None
    }

    /// How a slot came to whom it came, for whoever asks afterwards.
    fn explain(&self, past: &Past<'_>) -> Vec<Line>;

    /// The bond (asset wei) of a bid of `key`'s or a ticket of the prover `me`'s that stands for a slot which is not decided yet:
    /// it is burned unless it is seen through, and the prover is able then. `log` is what the mechanism said about the slot.
    fn open_bid(&self, _terms: &Terms, _me: Address, _key: Address, _log: &[LogData]) -> Option<u128> {
        None
    }

    /// How its rounds are read, if it has any: see [`Mechanism::has_round`].
    fn rounds(&self) -> Option<&'static dyn Rounds> {
        None
    }

    /// How what it keeps of a prover between slots is read and kept, if it keeps anything.
    fn standing(&self) -> Option<&'static dyn Standing> {
        None
    }

    /// Whether the right to the next slot is to be had by a puzzle, which is there once the round's seed is known.
    fn has_round(&self, _view: &MarketView<'_>) -> bool {
        false
    }

    /// What to compute between two slots for the right to the next.
    fn puzzle(&self, _view: &MarketView<'_>) -> Option<Puzzle> {
        None
    }

    /// The transaction that hands a puzzle's solution in, to the mechanism's contract at `to`.
    fn ticket(&self, _to: Address, _puzzle: &Puzzle, _solution: &Solution) -> Option<MechanismAction> {
        None
    }
}

/// What a mechanism's contract is deployed with.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Who may be given slots, and with which weight.
    pub registry: Address,
    /// The contract whose slots it gives out.
    pub market: Address,
    /// Verifies mining puzzles.
    pub puzzle: Address,
    /// Where seeds come from; zero for the chain's blocks.
    pub randomness: Address,
}

/// What is used where nobody chooses: the first in the list.
pub fn default_word() -> &'static str {
    registry().first().map_or("", |mechanism| mechanism.word())
}

/// What people call those of the mechanisms that fit, in the list's order: `race, mining`.
pub fn words(fit: impl Fn(&dyn Mechanism) -> bool) -> String {
    let fitting = registry().iter().filter(|mechanism| fit(**mechanism));
    fitting.map(|mechanism| mechanism.word()).collect::<Vec<_>>().join(", ")
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
macro_rules! clients {
    ($($module:ident: $name:ident = $json:literal),+ $(,)?) => {
        $(pub mod $module;)+

        /// Every mechanism this client can serve.
        pub fn registry() -> &'static [&'static dyn Mechanism] {
            &[$(&$module::MECHANISM),+]
        }
    };
}

provery_bindings::for_each_mechanism!(clients);
