use alloy::primitives::aliases::U96;

use super::*;
use crate::testing::{cases_of, number, terms};

const VECTORS: &str = include_str!("../../../tests/vectors/mechanisms.json");

const ME: Address = Address::repeat_byte(0x11);

#[test]
fn shared_vectors() {
    for case in cases_of(VECTORS, "retarget") {
        let word =
            |name: &str| -> U256 { case[name].as_str().expect("a decimal").parse().expect("a decimal") };
        let new = retarget(
            word("old"),
            number(&case["elapsed"]) as u64,
            number(&case["interval"]) as u32,
            case["hadTicket"].as_bool().expect("a bool"),
        );
        assert_eq!(new, word("new"), "{case}");
    }
}

#[test]
fn shared_vectors_of_seeds() {
    for case in cases_of(VECTORS, "miningSeed") {
        let text = |name: &str| case[name].as_str().expect("a string");
        let (started_in, next) = (number(&case["startedIn"]) as u64, number(&case["ticketIn"]) as u64);
        let known = case["seed"] != "0";
        let block = number(&case["block"]) as u64;
        assert_eq!(seed_block(started_in, next), known.then_some(block), "{case}");
        if !known {
            continue;
        }
        let seed = seed(
            text("value").parse().expect("a word"),
            number(&case["chainId"]) as u64,
            text("contract").parse().expect("an address"),
            U256::from(number(&case["market"])),
            number(&case["slot"]) as u64,
        );
        assert_eq!(seed, B256::from(U256::from(number(&case["seed"]))), "{case}");
    }
}

#[test]
fn mining_is_explained_by_its_round_and_its_ticket() {
    use crate::explain::testing::{at, past, told};
    let (slot, terms) = (crate::testing::slot(ME), terms());
    let (key, market) = (Address::repeat_byte(0x33), slot.market);
    let started = Contract::RoundStarted {
        market,
        slot: 1,
        target: MODULUS / U256::from(256),
        ticketBond: U96::from(3),
    };
    let taken = Contract::TicketTaken { market, slot: 1, prover: ME, key };
    let returned = Contract::TicketReturned { market, slot: 1, key, amount: U256::from(3) };
    let log = [at(900, &started), at(912, &taken), at(1_050, &returned)];
    let lines = told(&MECHANISM.explain(&past(&slot, &terms, &log)));
    assert!(
        lines[0].starts_with("the round for this slot began at @900: a try in 256 was below"),
        "{lines:?}"
    );
    assert_eq!(
        lines[1..],
        [
            "0x11 had the first ticket, 12 s later, handed in by 0x33",
            "the ticket's bond of 3 wei went back to 0x33",
            "so it was 0x11's when it opened",
        ]
    );
    let nobody = crate::testing::slot(Address::ZERO);
    let of = |log: &[(u64, LogData)]| told(&MECHANISM.explain(&past(&nobody, &terms, log)));
    assert!(of(&log[..1])[1].starts_with("nobody had a ticket"));
    assert!(of(&log[..2])[2].starts_with("when the slot opened its prover could not"));
    assert!(of(&[])[0].starts_with("no round was run"));
}

fn started(target: u64) -> LogData {
    let event = Contract::RoundStarted {
        market: U256::ONE,
        slot: 5,
        target: U256::from(target),
        ticketBond: U96::from(3),
    };
    event.encode_log_data()
}

fn ask<T>(log: &[LogData], seed: Option<u64>, taking: bool, of: impl Fn(&MarketView<'_>) -> T) -> T {
    of(&MarketView {
        market: U256::ONE,
        terms: &terms(),
        next_slot: 5,
        me: ME,
        key: ME,
        taking,
        seed: seed.map(|seed| B256::from(U256::from(seed))),
        log,
        now: 1_000,
        estimated_proving_seconds: 30,
        minimum_reward: 0,
        workers: 1,
        held: 0,
        room: U256::MAX,
    })
}

fn puzzle(log: &[LogData], taking: bool) -> Option<Puzzle> {
    ask(log, Some(77), taking, |view| MECHANISM.puzzle(view))
}

#[test]
fn there_is_no_puzzle_before_the_seed_and_another_with_another() {
    let puzzle = |seed| ask(&[started(9)], seed, true, |view| MECHANISM.puzzle(view));
    let has_round = |log: &[LogData], taking| ask(log, None, taking, |view| MECHANISM.has_round(view));
    assert_eq!(puzzle(None), None);
    assert!(has_round(&[started(9)], true), "so its seed is looked for");
    assert!(!has_round(&[started(9)], false));
    assert!(!has_round(&[], true));
    assert!(puzzle(Some(77)).is_some());
    assert_ne!(puzzle(Some(77)), puzzle(Some(78)));
}

#[test]
fn a_round_is_worked_on_until_its_ticket_is_taken() {
    assert_eq!(puzzle(&[], true), None);
    let expected = Puzzle {
        market: U256::ONE,
        slot: 5,
        seed: B256::from(U256::from(77)),
        target: U256::from(9),
        prover: ME,
    };
    assert_eq!(puzzle(&[started(9)], true), Some(expected));
    assert_eq!(puzzle(&[started(9)], false), None, "not taking");
    let taken = Contract::TicketTaken { market: U256::ONE, slot: 5, prover: Address::ZERO, key: ME };
    let mut log = vec![started(9), taken.encode_log_data()];
    assert_eq!(puzzle(&log, true), None);
    assert!(!ask(&log, None, true, |view| MECHANISM.has_round(view)));
    let returned = Contract::TicketReturned { market: U256::ONE, slot: 5, key: ME, amount: U256::from(3) };
    log.push(returned.encode_log_data());
    assert_eq!(puzzle(&log, true), Some(expected), "given up");
}

#[test]
fn a_ticket_stands_until_it_is_given_back_or_lost() {
    let params = Params { interval: 9, ticket_bond: 3, initial_bits: 1 };
    let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
    let (key, market) = (Address::repeat_byte(0x22), U256::ONE);
    let taken = |prover| Contract::TicketTaken { market, slot: 5, prover, key }.encode_log_data();
    let returned = Contract::TicketReturned { market, slot: 5, key, amount: U256::from(3) };
    let forfeited = Contract::TicketForfeited { market, slot: 5, key, amount: U256::from(3) };
    let stands = |log: &[LogData]| MECHANISM.open_bid(&terms, ME, key, log);
    assert_eq!(stands(&[started(9)]), None);
    assert_eq!(stands(&[started(9), taken(ME)]), Some(3));
    assert_eq!(stands(&[started(9), taken(key)]), None, "another prover's");
    assert_eq!(stands(&[taken(ME), returned.encode_log_data()]), None);
    assert_eq!(stands(&[taken(ME), forfeited.encode_log_data()]), None);
}

#[test]
fn a_ticket_says_what_was_found() {
    let puzzle = puzzle(&[started(9)], true).expect("a round runs");
    let solution = Solution { nonce: U256::from(1), output: U256::from(2), proof: Bytes::from(vec![3]) };
    let action = MECHANISM.ticket(Address::repeat_byte(4), &puzzle, &solution).expect("mining takes tickets");
    assert_eq!((action.kind, action.to), ("ticket", Address::repeat_byte(4)));
}

#[test]
fn parameters_come_back() {
    let params = Params { interval: 7, ticket_bond: 1 << 95, initial_bits: 19 };
    let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
    assert_eq!(Params::of(&terms), params);
}
