//! What a slot costs by the asks that stand, and what is left to another prover.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use provery_bindings::StandingAsks as Contract;
use provery_types::Terms;

use super::{Params, Standing, StandingAsks, ask_answer, ask_request};
use crate::{Book, Chance, ChanceView, Fact, Line, Offered, Quote, QuoteView};

/// What the ask costs that would be given the slot.
pub(super) fn quote(view: &QuoteView<'_>) -> Quote {
    let standing: Vec<&Offered> = view.offers.iter().filter(|offer| offer.stands(view.now)).collect();
    let (serving, most) = (standing.len() as u64, view.most());
    let least = standing.iter().map(|offer| offer.price).min().unwrap_or(most);
    match standing.first() {
        Some(best) => Quote {
            least,
            most,
            expected: Some(best.price),
            decided_within: 0,
            serving,
            says: Line::new(
                "{prover} has the best ask that stands: {price}, {promised} and {left} slots",
                [
                    ("prover", Fact::Account(best.prover)),
                    ("price", Fact::Amount(best.price)),
                    ("promised", Fact::Seconds(best.promised)),
                    ("left", Fact::Number(best.capacity)),
                ],
            ),
        },
        None => {
            let window = u64::from(Params::of(view.terms).match_window);
            Quote {
                least,
                most,
                expected: Some(most),
                decided_within: window,
                serving,
                says: Line::new(
                    "no ask stands that could be given a slot: unless one comes within {window}, it is open to all at {most}",
                    [("window", Fact::Seconds(window)), ("most", Fact::Amount(most))],
                ),
            }
        }
    }
}

/// All, at what the next ask is, if this prover can ask for less; else what the asks before it leave, which nobody knows.
pub(super) fn chance(view: &ChanceView<'_>) -> Chance {
    let (quote, params) = (&view.quote, Params::of(view.quote.terms));
    let mut others = quote.offers.iter().filter(|offer| offer.stands(quote.now));
    let Some(best) = others.next() else {
        return Chance { bps: 10_000, price: quote.most(), says: "no other ask stands" };
    };
    let ticks = |price: u128| price.div_ceil(params.tick.max(1)) * params.tick;
    let mine = params.score(ticks(view.cost), view.seconds.max(1));
    let theirs = params.score(best.price, best.promised);
    match (mine, theirs) {
        (Some(mine), Some(theirs)) if mine < theirs => Chance {
            bps: 10_000,
            price: best.price.max(view.cost),
            says: "an ask below the best that stands pays here",
        },
        _ => Chance { bps: 0, price: best.price, says: "asks that stand are better than one that pays here" },
    }
}

impl Book for StandingAsks {
    fn order(&self, market: U256, terms: &Terms, most: u64) -> Bytes {
        Contract::asksOfCall { market, version: terms.version, most: U256::from(most) }.abi_encode().into()
    }

    fn provers(&self, answer: &[u8]) -> Option<Vec<Address>> {
        Contract::asksOfCall::abi_decode_returns(answer).ok()
    }

    fn request(&self, market: U256, terms: &Terms, prover: Address) -> Bytes {
        ask_request(market, terms, prover)
    }

    fn offered(&self, prover: Address, able: bool, answer: &[u8]) -> Option<Offered> {
        let Standing { ask, expiry, .. } = ask_answer(answer)?;
        Some(Offered {
            prover,
            price: ask.price,
            promised: ask.promised.into(),
            capacity: ask.capacity.into(),
            expiry,
            able,
        })
    }
}
