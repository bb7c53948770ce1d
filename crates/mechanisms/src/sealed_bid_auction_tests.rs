use alloy::primitives::aliases::U40;
use provery_types::Slot;

use super::*;
use crate::testing::{cases_of, number, slot, terms, view};

const ME: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::repeat_byte(0x22);

#[test]
fn a_vickrey_auction_is_explained_by_its_bids_and_the_price_paid() {
    use crate::explain::testing::{at, past, told};
    let params = Params { commit_window: 20, reveal_window: 30, settle_window: 40, bid_bond: 5 };
    let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
    let slot = slot(ME);
    let third = Address::repeat_byte(0x33);
    let sealed = |key| Contract::BidCommitted { market: slot.market, slot: 1, key, memo: B256::ZERO };
    let opened = |key, price: u64, leads| {
        let price = U96::from(price);
        Contract::BidRevealed { market: slot.market, slot: 1, key, price, leads }
    };
    let settled = Contract::AuctionSettled {
        market: slot.market,
        slot: 1,
        prover: ME,
        leader: ME,
        price: U96::from(700),
        burned: U256::from(5),
    };
    let log = [
        at(1_003, &sealed(ME)),
        at(1_004, &sealed(OTHER)),
        at(1_005, &sealed(third)),
        at(1_021, &opened(ME, 600, true)),
        at(1_022, &opened(OTHER, 700, false)),
        at(1_060, &settled),
    ];
    let lines = told(&MECHANISM.explain(&past(&slot, &terms, &log)));
    assert_eq!(
        lines,
        [
            "bids of at most 1000 wei were sealed until @1020, opened until @1050 and settled until @1090; a bid locks 5 wei",
            "0x11 sealed a bid, 3 s after the opening",
            "0x22 sealed a bid, 4 s after the opening",
            "0x33 sealed a bid, 5 s after the opening",
            "0x11 had bid 600 wei, and led",
            "0x22 had bid 700 wei, and did not lead: its bond went back",
            "0x33 never opened its bid, which costs it the bond of 5 wei",
            "0x11, whose key 0x11 led, got the slot for 700 wei: the second-lowest bid, or the most",
        ]
    );
    let undecided = Slot { prover: Address::ZERO, exclusiveUntil: U40::from(1_090), ..slot.clone() };
    let says = |now| told(&MECHANISM.explain(&Past { now, ..past(&undecided, &terms, &log[..3]) }));
    assert_eq!(says(1_030).pop().expect("a line"), "it is not settled yet");
    assert_eq!(says(1_030).len(), 5, "whoever sealed may still open");
    assert_eq!(says(1_090).pop().expect("a line"), "nobody settled it, so it was open to all");
}

#[test]
fn shared_vectors() {
    for case in cases_of(include_str!("../../../tests/vectors/mechanisms.json"), "secondPrice") {
        let bids: Vec<(usize, Bid)> = case["bids"]
            .as_array()
            .expect("bids")
            .iter()
            .enumerate()
            .filter(|(_, bid)| bid["revealed"].as_bool().expect("a bool"))
            .map(|(index, bid)| {
                let commitment = bid["commitment"].as_str().expect("hex").parse().expect("a hash");
                (index, Bid { key: ME, price: number(&bid["price"]), commitment })
            })
            .collect();
        let revealed: Vec<Bid> = bids.iter().map(|(_, bid)| *bid).collect();
        let outcome = resolve(number(&case["reserve"]), &revealed);
        let winner = outcome.map(|(winner, _)| bids[winner].0 as u64);
        assert_eq!(winner, case["winner"].as_u64(), "{case}");
        if let Some((_, price)) = outcome {
            assert_eq!(price, number(&case["price"]), "{case}");
        }
    }
}

fn auction() -> (Slot, Terms) {
    let params = Params { commit_window: 20, reveal_window: 10, settle_window: 10, bid_bond: 7 };
    let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
    assert_eq!(Params::of(&terms), params);
    (Slot { exclusiveUntil: U40::from(1_040), ..slot(Address::ZERO) }, terms)
}

fn committed(key: Address, memo: B256) -> LogData {
    Contract::BidCommitted { market: U256::ONE, slot: 1, key, memo }.encode_log_data()
}

fn revealed(key: Address, leads: bool) -> LogData {
    Contract::BidRevealed { market: U256::ONE, slot: 1, key, price: U96::from(5), leads }.encode_log_data()
}

#[test]
fn a_whole_auction_as_its_winner_sees_it() {
    let (slot, terms) = auction();
    let kind =
        |now, log: &[LogData]| MECHANISM.action(&view(&slot, &terms, ME, now, log)).map(|action| action.kind);
    let cost = SlotView { minimum_reward: 500, ..view(&slot, &terms, ME, 1_000, &[]) };
    let action = MECHANISM.action(&cost).expect("bids");
    let call = Contract::commitCall::abi_decode(&action.data).expect("a commit");
    let mut log = vec![committed(ME, call.memo), committed(OTHER, B256::ZERO)];
    assert_eq!(kind(1_019, &log), None, "one bid");
    assert_eq!(kind(1_020, &log), Some("reveal"));
    assert_eq!(kind(1_030, &log), None, "too late to reveal");

    // The revealed price is the one bid, whatever the slot would be worth now.
    let later = SlotView { now: 1_020, minimum_reward: 900, log: &log, ..cost.clone() };
    let reveal = MECHANISM.action(&later).expect("reveals");
    let reveal = Contract::revealCall::abi_decode(&reveal.data).expect("a reveal");
    // 500 is the reward after 30 of 100 seconds of a price of 527: 527 less an eighth of its 210 above the floor.
    assert_eq!(reveal.price, U96::from(527));

    log.push(revealed(ME, true));
    assert_eq!(kind(1_021, &log), None, "the other may still lead");
    assert_eq!(
        MECHANISM.decide(&view(&slot, &terms, ME, 1_021, &log)),
        Decision::Prove { reason: Reason::Leading }
    );
    assert_eq!(kind(1_030, &log), Some("settle"));
    log.push(revealed(OTHER, false));
    assert_eq!(kind(1_022, &log), Some("settle"), "all are revealed");
    assert_eq!(kind(1_040, &log), None, "too late");
}

#[test]
fn whoever_is_outbid_stops() {
    let (slot, terms) = auction();
    let log =
        [committed(ME, B256::ZERO), committed(OTHER, B256::ZERO), revealed(ME, true), revealed(OTHER, true)];
    let stands = |log: &[LogData]| MECHANISM.open_bid(&terms, ME, ME, log);
    assert_eq!(stands(&[]), None);
    assert_eq!(stands(&log[1..2]), None, "another's");
    assert_eq!(stands(&log[..2]), Some(7), "sealed");
    assert_eq!(stands(&log[..3]), Some(7), "it leads");
    assert_eq!(stands(&log), None, "outbid, so its bond is back");
    let lapsed = Contract::AuctionLapsed { market: U256::ONE, slot: 1, leader: ME, burned: U256::from(7) };
    assert_eq!(stands(&[log[2].clone(), lapsed.encode_log_data()]), None, "over");
    let view = view(&slot, &terms, ME, 1_030, &log);
    assert_eq!(MECHANISM.action(&view), None);
    assert_eq!(MECHANISM.decide(&view), Decision::Wait { until: 1_040, reason: Reason::Undecided });
}

#[test]
fn nobody_bids_on_what_it_cannot_finish_or_at_a_loss() {
    let (slot, terms) = auction();
    let view = view(&slot, &terms, ME, 1_000, &[]);
    assert!(MECHANISM.action(&view).is_some());
    assert!(MECHANISM.action(&SlotView { queue_seconds: 70, ..view.clone() }).is_none());
    assert!(MECHANISM.action(&SlotView { minimum_reward: 951, ..view.clone() }).is_none());
    assert!(MECHANISM.action(&SlotView { taking: false, ..view }).is_none());
}
