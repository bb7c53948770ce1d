//! Twins against the shared vectors, and what a node does about its ask.

use provery_types::Slot;

use super::*;
use crate::{
    explain::testing::{at, past, told},
    testing::{cases_of, number, slot, terms, view},
    view::Reason,
};

const ME: Address = Address::repeat_byte(0x11);
const VECTORS: &str = include_str!("../../../tests/vectors/mechanisms.json");

/// Ticks of 10; a promised second counts `weight` of them. Price 1,000, floor 600, bond 2,000; fast 20, exclusive 100.
fn with(weight: u16) -> Terms {
    let params = Params { tick: 10, weight, match_window: 8 };
    Terms { mechanismParams: params.pack().into(), ..terms() }
}

fn market(terms: &Terms) -> MarketView<'_> {
    MarketView {
        market: U256::ONE,
        terms,
        next_slot: 5,
        me: ME,
        key: ME,
        taking: true,
        seed: None,
        log: &[],
        now: 1_000,
        estimated_proving_seconds: 30,
        minimum_reward: 500,
        workers: 1,
        held: 0,
        room: U256::from(7_000),
    }
}

fn answer(ask: Ask, expiry: u64) -> Vec<u8> {
    let stands = (U96::from(ask.price), ask.promised, ask.capacity, U40::from(expiry), 0_u16, ME);
    stands.abi_encode()
}

#[test]
fn shared_vectors() {
    for case in cases_of(VECTORS, "asks") {
        let params =
            Params { tick: number(&case["tick"]), weight: number(&case["weight"]) as u16, match_window: 1 };
        let terms = Terms {
            mechanismParams: params.pack().into(),
            exclusiveWindow: number(&case["exclusive"]) as u32,
            ..terms()
        };
        let promised = number(&case["promised"]) as u64;
        let score = params.score(number(&case["price"]), promised);
        assert_eq!(u128::from(score.expect("it has a place")), number(&case["score"]), "{case}");
        assert_eq!(promise_bond(&terms, promised), U256::from(number(&case["bond"])), "{case}");
        let elapsed = number(&case["elapsed"]) as u64;
        assert_eq!(burned_at(&terms, promised, elapsed), U256::from(number(&case["burned"])), "{case}");
    }
}

#[test]
fn parameters_come_back_with_the_hook_exactly_if_there_is_a_weight() {
    for weight in [0, 9] {
        let params = Params { tick: 1 << 95, weight, match_window: 77 };
        let terms = Terms { mechanismParams: params.pack().into(), ..terms() };
        assert_eq!(Params::of(&terms), params);
        assert_eq!(params.pack() & crate::HOOK_ENDED != U256::ZERO, weight != 0);
    }
}

#[test]
fn a_score_without_a_place_is_none() {
    let params = Params { tick: 10, weight: 2, match_window: 1 };
    assert_eq!(params.score(655_350, 0), Some(u16::MAX));
    assert_eq!(params.score(655_350, 1), None);
    assert_eq!(params.score(u128::MAX, u64::MAX), None);
    assert_eq!(Params { tick: 0, ..params }.score(1, 1), None);
}

#[test]
fn the_lowest_score_goes_first_and_of_equals_the_one_that_came_first() {
    assert_eq!(first(&[7, 5, 9, 5]), Some(1));
    assert_eq!(first(&[]), None);
}

#[test]
fn asks_for_the_least_that_pays_within_what_it_can_prove_and_bond() {
    let terms = with(0);
    // Delivered after 90 of 100 seconds a price p pays 0.65 p; three proofs of 30 seconds fit, and three bonds.
    assert_eq!(wanted(&market(&terms)), Some(Ask { price: 770, promised: 90, capacity: 3 }));
    let poor = MarketView { room: U256::from(3_999), ..market(&terms) };
    assert_eq!(wanted(&poor).map(|ask| ask.capacity), Some(1));
    let busy = MarketView { held: 2, ..market(&terms) };
    assert_eq!(wanted(&busy).map(|ask| ask.capacity), Some(1));
    let two = MarketView { workers: 2, room: U256::from(99_000), ..market(&terms) };
    assert_eq!(wanted(&two).map(|ask| ask.capacity), Some(6));
    assert_eq!(wanted(&MarketView { minimum_reward: 651, ..market(&terms) }), None, "no price pays");
    assert_eq!(
        wanted(&MarketView { estimated_proving_seconds: 100, ..market(&terms) }),
        None,
        "never in time"
    );
}

#[test]
fn a_promise_that_counts_is_one_proof_for_each_worker() {
    let terms = with(1);
    // After 30 seconds, 0.95 p.
    assert_eq!(wanted(&market(&terms)), Some(Ask { price: 530, promised: 30, capacity: 1 }));
    let two = MarketView { workers: 2, ..market(&terms) };
    assert_eq!(wanted(&two), Some(Ask { price: 530, promised: 30, capacity: 2 }));
}

#[test]
fn an_ask_is_posted_renewed_topped_up_and_otherwise_left_alone() {
    let terms = with(0);
    let ask = Ask { price: 770, promised: 90, capacity: 3 };
    let late = 1_000 + LIFE;
    let does = |view: &MarketView<'_>, ask, expiry| {
        crate::Standing::action(&MECHANISM, view, &answer(ask, expiry)).map(|action| action.kind)
    };
    let view = market(&terms);
    assert_eq!(does(&view, Ask { price: 0, promised: 0, capacity: 0 }, 0), Some("ask"));
    assert_eq!(does(&view, ask, late), None);
    assert_eq!(does(&view, ask, 999), Some("ask"), "over");
    assert_eq!(does(&view, ask, 1_000 + LIFE / 2 - 1), Some("top_up"), "half of its time is gone");
    assert_eq!(does(&view, Ask { capacity: 2, ..ask }, late), None, "one of three is gone");
    assert_eq!(does(&view, Ask { capacity: 1, ..ask }, late), Some("top_up"));
    assert_eq!(does(&view, Ask { price: 740, ..ask }, late), None, "as good as what it wants");
    assert_eq!(does(&view, Ask { price: 700, ..ask }, late), Some("ask"));
    assert_eq!(does(&view, Ask { promised: 75, ..ask }, late), None);
    assert_eq!(does(&view, Ask { promised: 70, ..ask }, late), Some("ask"));
    let none = MarketView { held: 3, ..view.clone() };
    assert_eq!(does(&none, Ask { capacity: 0, ..ask }, late), None, "it can hold no more");
    assert_eq!(does(&MarketView { taking: false, ..view.clone() }, Ask { capacity: 0, ..ask }, 0), None);
    assert_eq!(crate::Standing::action(&MECHANISM, &view, &[1, 2, 3]), None, "nonsense");
}

#[test]
fn what_is_posted_is_what_was_wanted() {
    let terms = with(0);
    let view = market(&terms);
    let nothing = answer(Ask { price: 0, promised: 0, capacity: 0 }, 0);
    let action = crate::Standing::action(&MECHANISM, &view, &nothing).expect("it posts");
    let call = Contract::postCall::abi_decode(&action.data).expect("a call of post");
    assert_eq!((call.market, call.prover, call.capacity), (U256::ONE, ME, 3));
    assert_eq!((call.price.to::<u128>(), call.promised), (770, 90));
    assert_eq!(call.expiry.to::<u64>(), 1_000 + LIFE);
    assert_eq!(call.terms.abi_encode(), terms.abi_encode());
}

#[test]
fn an_undecided_slot_is_matched_in_turn_and_within_the_window() {
    let terms = with(0);
    let undecided = Slot { exclusiveUntil: U40::from(1_008), ..slot(Address::ZERO) };
    let kind = |slot: &Slot, now, taking| {
        let view = SlotView { taking, ..view(slot, &terms, ME, now, &[]) };
        MECHANISM.action(&view).map(|action| action.kind)
    };
    assert_eq!(
        kind(&undecided, 1_004, true),
        Some("match"),
        "everybody's turn has come by half of the window"
    );
    assert_eq!(kind(&undecided, 1_004, false), None);
    assert_eq!(kind(&undecided, 1_008, true), None, "open to all");
    assert_eq!(kind(&slot(ME), 1_004, true), None, "held");
    let turns =
        (0..32_u8).map(|byte| match_turn(&view(&undecided, &terms, Address::repeat_byte(byte), 1_000, &[])));
    let turns: std::collections::BTreeSet<u64> = turns.collect();
    assert!(turns.len() > 2 && turns.iter().all(|turn| (1_000..1_004).contains(turn)), "{turns:?}");
    let decision = MECHANISM.decide(&view(&slot(ME), &terms, ME, 1_000, &[]));
    assert_eq!(decision, Decision::Prove { reason: Reason::Assigned });
}

#[test]
fn the_deposit_is_what_the_worst_promise_locks() {
    assert_eq!(MECHANISM.deposit(&with(0)), None);
    assert_eq!(MECHANISM.deposit(&with(3)), Some(2 * 3 * 10 * 100));
}

#[test]
fn a_slot_is_explained_by_the_ask_that_got_it() {
    let terms = with(1);
    let held = Slot { price: U96::from(500), ..slot(ME) };
    let taken = Contract::AskTaken {
        market: held.market,
        slot: 1,
        prover: ME,
        price: U96::from(500),
        promised: 30,
        left: U256::from(2),
        isSigned: false,
    };
    let says = |log: &[(u64, alloy::primitives::LogData)]| {
        let mut lines = told(&MECHANISM.explain(&past(&held, &terms, log)));
        let rule = "the able ask with the lowest score was first: its price in ticks of 10 wei, and 1 ticks for each second that it promised";
        assert_eq!(lines.remove(0), rule);
        lines
    };
    assert_eq!(
        says(&[at(1_000, &taken)]),
        ["0x11 had the best ask as it opened: 500 wei and 30 s, a score of 80 ticks; 2 slots of it are left"]
    );
    assert!(says(&[at(1_004, &taken)])[0].starts_with("it was matched 4 s after the opening"));
    let signed = Contract::AskTaken { isSigned: true, ..taken };
    assert!(says(&[at(1_000, &signed)])[0].starts_with("0x11 had signed an ask of 500 wei"));
    let broken = Contract::PromiseBroken {
        market: held.market,
        slot: 1,
        key: ME,
        late: U256::from(7),
        toBurn: U256::from(140),
    };
    assert_eq!(
        says(&[at(1_000, &signed), at(1_037, &broken)])[1],
        "it was proven 7 s later than promised, which burned 140 wei of the deposit of 0x11"
    );

    let nobody = slot(Address::ZERO);
    let mut reason = B256::ZERO;
    reason.0[..6].copy_from_slice(b"expiry");
    let unused = Contract::SignedAskUnused { market: nobody.market, slot: 1, prover: ME, reason };
    assert_eq!(
        told(&MECHANISM.explain(&past(&nobody, &terms, &[at(1_000, &unused)])))[1..],
        [
            "its requester had an ask that 0x11 had signed, which was not used: it had ended",
            "no ask was able to take it, so it was open to all at 1000 wei",
        ]
    );
}
