//! The chain's events, folded into history: events in, records out.
//!
//! Nothing here talks to a chain. [`History`] takes events one by one, in the chain's order, and keeps what they come to: every
//! slot and how it ended, what was paid and slashed ([`Payout`], [`Slash`]), who has what at stake, and [`Totals`] by market,
//! mechanism and prover. [`Keep`] bounds what is remembered one by one; totals and what is open do not depend on it. [`Index`]
//! is a history whose last blocks can be taken back, for whoever follows the chain's head. [`income`] is one prover's account by
//! market and day, [`Pace`] what a market's newest slots cost and how soon they were proven.
//!
//! Amounts are base units of the asset, unless they are said to be the chain's own coin; times are unix seconds.

pub mod history;
pub mod income;
mod index;
pub mod pace;
mod record;
mod totals;

pub use history::{History, Keep};
pub use index::{Index, TooDeep};
pub use pace::Pace;
pub use record::{
    At, ChainStatus, Cost, MarketHistory, Outcome, Payout, PayoutKind, Pending, ProverHistory, Signer, Slash,
    SlotRecord, Split, Stake,
};
pub use totals::{Share, Totals};
