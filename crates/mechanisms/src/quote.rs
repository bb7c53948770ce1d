//! What a slot would cost now and who could prove it, from what the chain has: for a requester before it opens one, and for a prover
//! before it joins a market. A view goes in, each mechanism's own words and numbers come out.

use alloy::primitives::{Address, Bytes, U256};
use provery_types::{CircuitTerms, Terms};

use crate::{Line, reward::Curve};

/// An offer that stands in a market before its slots open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Whose it is.
    pub prover: Address,
    /// Asset wei.
    pub price: u128,
    /// Seconds from the assignment in which a slot is proven, as it says.
    pub promised: u64,
    /// Slots that it may still be given.
    pub capacity: u64,
    /// The last second (unix) in which it is given one.
    pub expiry: u64,
    /// Whether its prover could bond a slot now.
    pub able: bool,
}

impl Offered {
    /// Whether it is given a slot that opens at `now`.
    pub fn stands(&self, now: u64) -> bool {
        self.able && self.capacity > 0 && self.expiry >= now
    }
}

/// How the offers that stand in a market are read.
pub trait Book: std::fmt::Debug + Send + Sync {
    /// What to call the contract with for those who offer under these terms, the first in turn first, `most` of them.
    fn order(&self, market: U256, terms: &Terms, most: u64) -> Bytes;

    /// The answer to it; nothing if it is none.
    fn provers(&self, answer: &[u8]) -> Option<Vec<Address>>;

    /// What to call the contract with for one prover's offer.
    fn request(&self, market: U256, terms: &Terms, prover: Address) -> Bytes;

    /// The answer to it, of a prover that is able to bond a slot, or is not; nothing if it is none.
    fn offered(&self, prover: Address, able: bool, answer: &[u8]) -> Option<Offered>;
}

/// A market between two slots, as anybody sees it.
#[derive(Clone, Debug)]
pub struct QuoteView<'a> {
    /// The terms of slots opened from now on.
    pub terms: &'a Terms,
    /// Chain time in unix seconds.
    pub now: u64,
    /// Provers with weight that could bond a slot now: neither paused nor suspended, these terms accepted, stake left.
    pub able: u64,
    /// Provers whose proofs the market took of late.
    pub lately: u64,
    /// The offers that stand, the first in turn first.
    pub offers: &'a [Offered],
    /// Prices (asset wei) that slots under these terms had when they were proven.
    pub past: &'a [u128],
}

impl QuoteView<'_> {
    /// The middle of the past prices, if there are any.
    pub fn usual(&self) -> Option<u128> {
        let mut sorted = self.past.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// Asset wei.
    pub(crate) fn most(&self) -> u128 {
        self.terms.price.to::<u128>()
    }
}

/// What a slot that opened now would be given out at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Asset wei: no less.
    pub least: u128,
    /// Asset wei: no more. It is put aside as the slot opens.
    pub most: u128,
    /// Asset wei, if what is there says it.
    pub expected: Option<u128>,
    /// Seconds from the opening after which somebody has the right to prove it, or everybody.
    pub decided_within: u64,
    /// Provers that could be given it, or are seen to prove where nobody is given any.
    pub serving: u64,
    /// Where the price comes from, in the mechanism's words.
    pub says: Line,
}

impl Quote {
    /// A price that the terms fix, and a holder that is known as the slot opens.
    pub fn fixed(view: &QuoteView<'_>, says: &'static str) -> Self {
        Self {
            least: view.most(),
            most: view.most(),
            expected: Some(view.most()),
            decided_within: 0,
            serving: view.able,
            says: Line::new(says, []),
        }
    }

    /// Asset wei that a proof delivered so many seconds after the right was given costs, at what is expected; at the most that a
    /// slot may cost where nothing is.
    pub fn paid_after(&self, terms: &Terms, seconds: u64) -> u128 {
        curve(terms, self.expected.unwrap_or(self.most)).reward(seconds)
    }
}

/// The reward of a slot of this price (asset wei) under these terms.
pub fn curve(terms: &Terms, price: u128) -> Curve {
    Curve {
        price,
        floor_bps: terms.floorBps,
        fast_window: terms.fastWindow,
        exclusive_window: terms.exclusiveWindow,
        royalty_bps: CircuitTerms::read(terms).royalty_bps,
    }
}

/// A market as one prover sees it that thinks about serving it.
#[derive(Clone, Debug)]
pub struct ChanceView<'a> {
    /// What anybody sees. `able` and `lately` count the others alone.
    pub quote: QuoteView<'a>,
    /// Units behind the market that are this prover's, or would be.
    pub weight: u64,
    /// The others' units.
    pub others: u64,
    /// Seconds that a proof takes here.
    pub seconds: u64,
    /// Asset wei that a slot has to pay, for a proof to be worth it here.
    pub cost: u128,
}

/// What this prover can count on of the next slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chance {
    /// The share of slots that come to it, in bps.
    pub bps: u64,
    /// Asset wei that such a slot is given out at.
    pub price: u128,
    /// Where that comes from.
    pub says: &'static str,
}

impl Chance {
    /// As good a chance as each of `rivals`.
    pub fn equal(rivals: u64, price: u128, says: &'static str) -> Self {
        Self { bps: 10_000 / rivals.saturating_add(1), price, says }
    }

    /// As good a chance as each prover that is able has (`equal` says so), at the price of the past; none if that is less than a slot
    /// costs here (`dear`).
    pub fn at_the_usual_price(view: &ChanceView<'_>, equal: &'static str, dear: &'static str) -> Self {
        let usual = view.quote.usual();
        let price = usual.unwrap_or(view.quote.most());
        if usual.is_some_and(|usual| usual < view.cost) {
            return Self { bps: 0, price, says: dear };
        }
        Self::equal(view.quote.able, price, equal)
    }

    /// By weight, of all that there is.
    pub fn by_weight(weight: u64, others: u64, price: u128, says: &'static str) -> Self {
        let total = u128::from(weight) + u128::from(others);
        let bps = (u128::from(weight) * 10_000).checked_div(total).unwrap_or_default();
        Self { bps: u64::try_from(bps).unwrap_or_default(), price, says }
    }
}

#[cfg(test)]
#[path = "quote_tests.rs"]
mod tests;
