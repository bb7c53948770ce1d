use alloy::primitives::{B256, aliases::U96};
use provery_mechanisms::sealed_bid_auction;

use super::*;
use crate::testing::{AUCTION, ME, MINING, deployment, terms};

fn market(terms: &Terms) -> Served {
    let deployment = deployment();
    Served {
        units: 5,
        exposure: 5,
        accepted: (1, 1),
        ..Served::new(&deployment, &deployment.rollups[0], terms)
    }
}

fn well(terms: &Terms) -> Situation {
    Situation {
        prover: ME,
        pool: false,
        registered: true,
        pause: None,
        taking: true,
        rescue: true,
        mine: false,
        cost: 0,
        stake_unit: U256::from(1_000),
        proofs_left: None,
        markets: vec![market(terms)],
    }
}

fn said(situation: &Situation) -> Vec<Shortfall> {
    shortfalls(situation, |amount| format!("{amount} wei"))
}

fn codes(situation: &Situation) -> Vec<String> {
    said(situation).into_iter().map(|it| it.code).collect()
}

#[test]
fn whoever_can_earn_is_told_nothing() {
    assert_eq!(said(&well(&terms())), []);
}

#[test]
fn a_cost_above_the_price_is_said_with_both_figures() {
    let situation = Situation { cost: 3_750, ..well(&terms()) };
    let told = said(&situation);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].code.as_str(), told[0].market.as_deref()), ("too_dear", Some("1")));
    for part in ["3750 wei", "1000 wei", "market 1 (payments)", "min_reward"] {
        assert!(told[0].message.contains(part), "no {part} in {}", told[0].message);
    }
    assert_eq!(codes(&Situation { cost: 1_000, ..well(&terms()) }), [""; 0], "it breaks even");
}

#[test]
fn every_reason_is_one_sentence_with_a_command() {
    let with = |change: fn(&mut Situation)| {
        let mut situation = well(&terms());
        change(&mut situation);
        let told = said(&situation);
        for it in &told {
            assert!(it.next.starts_with("provery "), "{it:?}");
            assert!(
                !it.message.is_empty() && !it.message.ends_with('.') && !it.message.contains(". "),
                "{it:?}"
            );
        }
        told.into_iter().map(|it| it.code).collect::<Vec<_>>()
    };
    assert_eq!(with(|it| it.registered = false), ["not_registered"]);
    assert_eq!(with(|it| it.pause = Some(Pause::Operator)), ["paused"]);
    assert_eq!(with(|it| it.pause = Some(Pause::Node(Some("overloaded")))), ["paused"]);
    assert_eq!(with(|it| it.taking = false), ["not_taking"]);
    assert_eq!(with(|it| it.proofs_left = Some(0)), ["no_gas"]);
    assert_eq!(with(|it| it.markets.clear()), ["no_market"]);
    assert_eq!(with(|it| it.markets[0].units = 0), ["no_stake"]);
    assert_eq!(with(|it| it.markets[0].units = 1), ["no_stake"]);
    assert_eq!(with(|it| it.markets[0].exposure = 1), ["no_exposure"]);
    assert_eq!(with(|it| it.markets[0].version = 2), ["terms_not_accepted"]);
    assert_eq!(with(|it| it.markets[0].suspended = true), ["suspended"]);
    assert_eq!(with(|it| it.markets[0].mechanism = None), ["mechanism_unknown"]);
    type Change = fn(&mut Situation);
    let lacks: [(Change, &str); 6] = [
        (|it| it.markets[0].lack = Some(Lack::Rollup), "no_rollup"),
        (|it| it.markets[0].lack = Some(Lack::History), "no_state"),
        (|it| it.markets[0].lack = Some(Lack::Reading), "reading_history"),
        (|it| it.markets[0].lack = Some(Lack::Keys { circuit: "block-2".to_owned() }), "no_keys"),
        (|it| it.markets[0].lack = Some(Lack::OtherCircuit { version: 2 }), "other_circuit"),
        (|it| it.markets[0].lack = Some(Lack::Quarantined("its parent is later".to_owned())), "quarantined"),
    ];
    for (lack, code) in lacks {
        assert_eq!(with(lack), [code]);
    }
    // Of a market that is refused no terms are read.
    let unread = |it: &mut Situation| {
        it.markets[0] = Served::new(&deployment(), &deployment().rollups[0], &Terms::default());
        it.markets[0].lack = Some(Lack::Refused("another descriptor".to_owned()));
    };
    assert_eq!(with(unread), ["refused"]);
}

#[test]
fn bids_and_tickets_want_a_deposit_and_tickets_a_miner() {
    let params =
        sealed_bid_auction::Params { commit_window: 40, reveal_window: 30, settle_window: 30, bid_bond: 7 };
    let auction = Terms { mechanism: AUCTION, mechanismParams: B256::from(params.pack()), ..terms() };
    let mut situation = well(&auction);
    assert_eq!(codes(&situation), [""; 0], "the deposit is not known");
    situation.markets[0].deposit = Some(U256::from(6));
    let told = said(&situation);
    assert_eq!(told[0].code, "no_deposit");
    assert_eq!(told[0].next, "provery prover deposit --mechanism vickrey");
    assert!(told[0].message.contains("7 wei") && told[0].message.contains("6 wei"), "{}", told[0].message);
    situation.markets[0].deposit = Some(U256::from(7));
    assert_eq!(codes(&situation), [""; 0]);

    let mined = Terms { mechanism: MINING, ..terms() };
    assert_eq!(codes(&well(&mined)), ["not_mining"]);
    assert_eq!(codes(&Situation { mine: true, ..well(&mined) }), [""; 0]);
}

#[test]
fn whoever_may_still_rescue_may_still_earn() {
    let earns = |change: fn(&mut Situation)| {
        let mut situation = well(&terms());
        change(&mut situation);
        !earns_nothing(&situation)
    };
    assert!(earns(|_| {}));
    assert!(earns(|it| it.markets[0].units = 0), "it rescues");
    assert!(earns(|it| it.cost = 5_000), "what is given to it is proven all the same");
    assert!(!earns(|it| (it.markets[0].units, it.rescue) = (0, false)));
    assert!(!earns(|it| (it.markets[0].units, it.cost) = (0, 5_000)));
    assert!(!earns(|it| it.pause = Some(Pause::Operator)));
    assert!(!earns(|it| it.taking = false));
    assert!(!earns(|it| it.markets[0].lack = Some(Lack::History)));
    let mut two = well(&terms());
    two.markets.push(Served { lack: Some(Lack::Quarantined("nonsense".to_owned())), ..market(&terms()) });
    assert!(!earns_nothing(&two), "one market's nonsense is that market's");
}

#[test]
fn a_rollups_name_cannot_write_to_the_terminal() {
    let mut situation = well(&Terms { price: U96::from(1), ..terms() });
    situation.cost = 2;
    situation.markets[0].name = "pay\u{1b}[2Jments\n".to_owned();
    let told = said(&situation);
    assert!(!told[0].message.chars().any(char::is_control), "{:?}", told[0].message);
}

#[test]
fn a_pools_key_is_told_the_pools_commands() {
    let next = |pool: bool, change: fn(&mut Served)| {
        let mut situation = Situation { pool, ..well(&terms()) };
        change(&mut situation.markets[0]);
        said(&situation).remove(0).next
    };
    let changes: [fn(&mut Served); 3] = [|it| it.units = 0, |it| it.exposure = 1, |it| it.version = 2];
    for change in changes {
        let (own, pools) = (next(false, change), next(true, change));
        assert!(own.starts_with("provery prover allocate --market 1 --units "), "{own}");
        assert!(pools.contains(&format!("provery pool allocate --pool {ME} --market 1 --units ")), "{pools}");
        assert!(!pools.contains("provery prover"), "{pools}");
    }
    assert!(next(true, changes[1]).starts_with("provery pool announce "), "{}", next(true, changes[1]));
    assert!(next(true, changes[2]).contains(" --exposure 5 --versions 1..2;"), "{}", next(true, changes[2]));
}
