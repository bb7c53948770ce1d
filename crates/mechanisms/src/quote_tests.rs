use alloy::primitives::B256;

use super::*;
use crate::{
    Mechanism, agreement, mining, race, registry, reverse_dutch_auction, sealed_bid_auction, stake_lottery,
    standing_asks, testing::terms,
};

/// Of a market whose slots pay 1,000 at most, at second 100: two provers are able, one proved of late.
fn view<'a>(terms: &'a Terms, offers: &'a [Offered], past: &'a [u128]) -> QuoteView<'a> {
    QuoteView { terms, now: 100, able: 2, lately: 1, offers, past }
}

fn with(params: U256) -> Terms {
    Terms { mechanismParams: B256::from(params), ..terms() }
}

fn chance(mechanism: &dyn Mechanism, quote: QuoteView<'_>, cost: u128) -> (u64, u128) {
    let chance = mechanism.chance(&ChanceView { quote, weight: 3, others: 9, seconds: 10, cost });
    (chance.bps, chance.price)
}

fn ask(prover: u8, price: u128) -> Offered {
    let prover = Address::repeat_byte(prover);
    Offered { prover, price, promised: 10, capacity: 2, expiry: 200, able: true }
}

#[test]
fn no_mechanism_quotes_more_than_is_put_aside_nor_forgets_a_fact() {
    let (terms, past) = (terms(), [400, 900, 500]);
    for mechanism in registry() {
        let quote = mechanism.quote(&view(&terms, &[], &past));
        assert!(quote.least <= quote.most && quote.most == 1_000, "{}", mechanism.word());
        assert!(quote.expected.is_none_or(|it| (quote.least..=quote.most).contains(&it)), "{quote:?}");
        let told = crate::explain::testing::told(std::slice::from_ref(&quote.says));
        assert!(!told[0].is_empty());
        // Later is never dearer.
        let paid: Vec<u128> = [0, 60, 100, 399].iter().map(|at| quote.paid_after(&terms, *at)).collect();
        assert!(paid.is_sorted_by(|sooner, later| sooner >= later), "{paid:?}");
    }
}

#[test]
fn the_terms_fix_the_price_of_lottery_race_and_mining() {
    let terms = terms();
    let all: [&dyn Mechanism; 3] = [&stake_lottery::MECHANISM, &race::MECHANISM, &mining::MECHANISM];
    let serving = all.map(|mechanism| {
        let quote = mechanism.quote(&view(&terms, &[], &[1]));
        assert_eq!((quote.least, quote.expected, quote.decided_within), (1_000, Some(1_000), 0));
        quote.serving
    });
    assert_eq!(serving, [2, 1, 2], "nobody needs stake for a race");
    let chances = all.map(|mechanism| chance(mechanism, view(&terms, &[], &[]), 0).0);
    assert_eq!(chances, [2_500, 5_000, 5_000], "3 of 12 units; one more beside whoever won of late");
}

#[test]
fn an_auction_is_expected_to_come_to_what_it_did() {
    let dutch = with(reverse_dutch_auction::Params { floor_price: 200, rise: 30 }.pack());
    let quote = reverse_dutch_auction::MECHANISM.quote(&view(&dutch, &[], &[]));
    assert_eq!((quote.least, quote.expected, quote.decided_within), (200, None, 30), "no past");
    let quote = reverse_dutch_auction::MECHANISM.quote(&view(&dutch, &[], &[700, 300, 400]));
    assert_eq!(quote.expected, Some(400));
    let params =
        sealed_bid_auction::Params { commit_window: 20, reveal_window: 10, settle_window: 5, bid_bond: 1 };
    let sealed = with(params.pack());
    let quote = sealed_bid_auction::MECHANISM.quote(&view(&sealed, &[], &[600]));
    assert_eq!((quote.expected, quote.decided_within), (Some(600), 35));
    for mechanism in [&reverse_dutch_auction::MECHANISM as &dyn Mechanism, &sealed_bid_auction::MECHANISM] {
        assert_eq!(chance(mechanism, view(&dutch, &[], &[600]), 599), (3_333, 600));
        assert_eq!(chance(mechanism, view(&dutch, &[], &[600]), 601).0, 0, "others are cheaper");
        assert_eq!(chance(mechanism, view(&dutch, &[], &[]), 599), (3_333, 1_000), "no past");
    }
}

#[test]
fn a_book_is_quoted_by_the_first_ask_that_would_be_given_the_slot() {
    let terms = with(standing_asks::Params { tick: 10, weight: 0, match_window: 8 }.pack());
    let book = standing_asks::MECHANISM;
    let (unable, over) = (Offered { able: false, ..ask(1, 300) }, Offered { expiry: 99, ..ask(2, 350) });
    let offers = [unable, over, ask(3, 500), ask(4, 900)];
    let quote = book.quote(&view(&terms, &offers, &[1]));
    assert_eq!((quote.expected, quote.least, quote.serving), (Some(500), 500, 2));
    let empty = book.quote(&view(&terms, &offers[..2], &[1]));
    assert_eq!((empty.expected, empty.serving, empty.decided_within), (Some(1_000), 0, 8));

    assert_eq!(chance(&book, view(&terms, &offers, &[]), 480), (10_000, 500), "below the best");
    assert_eq!(chance(&book, view(&terms, &offers, &[]), 495).0, 0, "a tie goes to whoever came first");
    assert_eq!(chance(&book, view(&terms, &offers[..2], &[]), 480), (10_000, 1_000));
}

#[test]
fn nobody_can_count_on_slots_that_a_requester_gives_away() {
    let terms = terms();
    assert_eq!(chance(&agreement::MECHANISM, view(&terms, &[], &[]), 0).0, 0);
}
