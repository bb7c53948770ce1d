//! Versions of terms, exposure, and slots that are held and cannot be proven.

use std::path::Path;

use alloy::primitives::U256;
use provery_mechanisms::acceptance::{Bounds, Refusal};
use provery_types::{Event, Terms, terms_hash};
use provery_workloads::{Refusal as Unfit, Why, Workloads};

use super::{
    tests::{key, open, policy},
    *,
};
use crate::{
    concern::Concern,
    earning::Lack,
    store::{DataDir, Identity},
    testing::{MARKET, ME, OTHER, ROLLUP, World, block, deployment},
};

const BOUNDS: Bounds = Bounds {
    min_window: Some(60),
    max_bond: Some(2_000),
    max_rescuer_bps: Some(5_000),
    max_expiry: Some(400),
};

/// A unit of stake is half a bond.
const UNIT: u64 = 1_000;

fn begun(path: &Path) -> (Book, World) {
    let (mut book, _) = open(path);
    let world = World::new();
    book.block(block(1), &world.beginning()).expect("stored");
    (book, world)
}

fn announce(number: u64, from: u64, terms: &Terms) -> LoggedEvent {
    let (market, terms_hash, terms) = (MARKET, terms_hash(terms), terms.clone());
    World::at(number, 5, Event::TermsSet { market, terms_hash, from, terms })
}

fn codes(book: &mut Book, policy: &Policy, may_accept: bool) -> Vec<&'static str> {
    let concerns = book.concerns(&BOUNDS, policy, may_accept, U256::from(UNIT));
    concerns.iter().map(|concern| concern.code).collect()
}

/// A machine that can answer for all that is exposed.
fn fast() -> Policy {
    Policy { estimated_proving_seconds: 1, ..policy(1_005) }
}

#[test]
fn announced_terms_within_the_bounds_are_accepted_ahead() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = begun(directory.path());
    assert_eq!(book.decisions(&BOUNDS, 0)[0].versions(), None);
    let next = Terms { version: 2, exclusiveWindow: 60, ..world.terms.clone() };
    book.block(block(2), &[announce(2, 9_000, &next)]).expect("stored");
    assert_eq!(book.decisions(&BOUNDS, 0)[0].versions(), Some(1..=2));
    assert_eq!(codes(&mut book, &fast(), true), [""; 0]);
    assert_eq!(codes(&mut book, &fast(), false), [Concern::TERMS_NOT_ACCEPTED], "a submitter cannot");

    let accepted = Event::AllocationSet {
        prover: ME,
        market: MARKET,
        units: 5,
        exposure: 5,
        from_version: 1,
        to_version: 2,
    };
    book.block(block(3), &[World::at(3, 0, accepted)]).expect("stored");
    assert_eq!(book.decisions(&BOUNDS, 0)[0].versions(), None);
    assert_eq!(codes(&mut book, &fast(), false), [""; 0]);
}

#[test]
fn terms_beyond_a_bound_are_not_accepted_and_nothing_is_expected_of_them() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    let next = Terms { version: 2, exclusiveWindow: 59, ..world.terms.clone() };
    book.block(block(2), &[announce(2, 9_000, &next)]).expect("stored");
    let decision = book.decisions(&BOUNDS, 0)[0];
    assert_eq!(decision.versions(), None);
    assert_eq!(decision.terms.refused, Some((2, Refusal::Crossed("accept_min_window"))));
    assert_eq!(codes(&mut book, &fast(), true), [Concern::TERMS_NOT_ACCEPTED]);
    // Two proofs of 40 seconds are too many for a window of 59, if a third were drawn; none can be under the new terms.
    for number in [3, 4] {
        book.block(block(number), &world.post(number, ME, None)).expect("stored");
    }
    let slow = Policy { estimated_proving_seconds: 40, ..policy(1_005) };
    book.decide(&slow).expect("decided");
    assert!(book.overload(&slow, false));
    world.terms = next;
    book.block(block(5), &world.post(5, OTHER, None)).expect("stored");
    assert!(!book.overload(&slow, false), "no slot of these terms can be this prover's");
}

#[test]
fn more_exposure_than_the_machine_can_answer_for_is_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(directory.path());
    // Five units are exposed, a bond is two, the window is 100 s: two bonds in a row are four units.
    assert_eq!(codes(&mut book, &Policy { estimated_proving_seconds: 33, ..fast() }, true), [""; 0]);
    let slow = Policy { estimated_proving_seconds: 50, ..fast() };
    assert_eq!(codes(&mut book, &slow, true), [Concern::EXPOSURE_TOO_LARGE]);
    assert_eq!(codes(&mut book, &Policy { workers: 2, ..slow }, true), [""; 0]);
}

#[test]
fn a_held_slot_that_cannot_be_proven_is_said_while_its_bond_is_at_stake() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    book.block(block(2), &world.post(2, OTHER, None)).expect("stored");
    book.block(block(3), &world.post(3, ME, None)).expect("stored");
    book.decide(&fast()).expect("decided");
    assert_eq!(codes(&mut book, &fast(), true), [""; 0]);
    book.input(key(2), &Input::Unprovable).expect("stored");
    let concern = book.concerns(&BOUNDS, &fast(), true, U256::from(UNIT)).remove(0);
    assert_eq!((concern.code, concern.slot), (Concern::HELD_UNPROVABLE, Some(2)));
    assert_eq!(codes(&mut book, &Policy { now: 1_500, ..fast() }, true), [""; 0], "it has expired");
    book.block(block(4), &[World::cut(4, 0, 1)]).expect("stored");
    assert_eq!(codes(&mut book, &fast(), true), [""; 0], "its premise fell, so its bond is free");
}

#[test]
fn a_held_slot_on_an_invented_root_endangers_no_bond() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    let invented = U256::from(77);
    book.block(block(2), &world.post(2, OTHER, Some(invented))).expect("stored");
    let from = world.state.clone();
    book.block(block(3), &world.post_on(3, ME, &from, Some(invented), None)).expect("stored");
    book.decide(&fast()).expect("decided");
    book.input(key(2), &Input::Unprovable).expect("stored");
    assert_eq!(codes(&mut book, &fast(), true), [""; 0]);
}

#[test]
fn what_strangers_do_in_their_markets_is_not_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    let stranger = U256::from(9);
    let mut events = world.post(2, OTHER, None);
    for logged in &mut events {
        if let Event::SlotOpened { slot, .. } = &mut logged.event {
            slot.market = stranger;
        }
    }
    let announced = Event::TermsSet {
        market: stranger,
        terms_hash: terms_hash(&world.terms),
        from: 0,
        terms: world.terms.clone(),
    };
    events.push(World::at(2, 7, announced));
    book.block(block(2), &events).expect("stored");
    assert_eq!(book.facts().slots().count(), 0);
    assert_eq!(book.facts().market_terms(stranger), None);
    assert!(
        book.store()
            .events_until(2)
            .expect("read")
            .iter()
            .all(|logged| logged.block.number == 1 || matches!(logged.event, Event::WorkloadLog { .. }))
    );
}

#[test]
fn a_prover_that_came_back_in_vain_waits_for_its_operator() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    let suspended = |number| World::at(number, 7, Event::ProverSuspended { prover: ME, market: MARKET });
    let reinstated = |number| World::at(number, 8, Event::ProverReinstated { prover: ME, market: MARKET });
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    book.block(block(3), &[suspended(3), reinstated(3)]).expect("stored");
    assert_eq!(codes(&mut book, &fast(), true), [""; 0]);
    book.block(block(4), &[suspended(4)]).expect("stored");
    assert_eq!(codes(&mut book, &fast(), true), [Concern::SUSPENDED]);
    drop(book);
    let (mut book, _) = open(directory.path());
    assert_eq!(codes(&mut book, &fast(), true), [Concern::SUSPENDED], "a restart forgets nothing");
    book.block(block(5), &world.prove(5, 1, ME, None)).expect("stored");
    assert_eq!(codes(&mut book, &fast(), true), [""; 0], "so it comes back by itself");
    book.reorg(block(4)).expect("rolled back");
    assert_eq!(codes(&mut book, &fast(), true), [Concern::SUSPENDED]);
    book.reorg(block(3)).expect("rolled back");
    assert_eq!(codes(&mut book, &fast(), true), [""; 0]);
}

#[test]
fn what_strangers_stake_in_their_markets_is_not_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = open(directory.path());
    let stranger = U256::from(9);
    let mut events = World::new().beginning();
    for (index, (id, prover)) in (100..).zip([(1, ME), (2, OTHER)]) {
        let allocated = Event::AllocationSet {
            prover,
            market: stranger,
            units: 3,
            exposure: 3,
            from_version: 1,
            to_version: 1,
        };
        let weight = Event::WeightSet { market: stranger, id, weight: 3, epoch: 2 };
        let suspended = Event::ProverSuspended { prover, market: stranger };
        for (step, event) in (0..).zip([allocated, weight, suspended]) {
            events.push(World::at(1, index + 10 * step, event));
        }
    }
    book.block(block(1), &events).expect("stored");
    let facts = book.facts();
    assert_eq!(facts.commitment(stranger, OTHER).units, 0);
    assert!(!facts.suspended(stranger, OTHER));
    assert_eq!(facts.all_candidates(), [ME, OTHER], "both serve a market that is known");
    // In the block of its registration.
    let own = facts.leaves(ME).into_iter().find(|(market, _)| *market == stranger).map(|(_, leaf)| leaf);
    assert!(own.is_some_and(|leaf| leaf.weight == 3 && leaf.allocation == 3 && leaf.suspended));
    let kept = book.store().events_until(1).expect("read");
    // Nor who the other is and what it weighs: that it has stake here says enough.
    assert_eq!(kept.len(), events.len() - 5);
}

#[test]
fn a_held_slot_that_is_late_is_an_alarm_before_its_bond_is_lost() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    book.block(block(3), &world.post(3, OTHER, None)).expect("stored");
    // It opened at 1,002 and its window is 100 s.
    let at = |now| Policy { now, estimated_proving_seconds: 30, ..fast() };
    book.decide(&at(1_005)).expect("decided");
    assert_eq!(book.at_stake(), 1);
    assert_eq!(codes(&mut book, &at(1_072), true), [""; 0], "a proof fits");
    assert_eq!(codes(&mut book, &at(1_073), true), [Concern::HELD_LATE]);
    book.input(key(1), &Input::ProofStarted).expect("stored");
    assert_eq!(codes(&mut book, &at(1_087), true), [""; 0]);
    assert_eq!(codes(&mut book, &at(1_088), true), [Concern::HELD_LATE]);
    book.input(key(1), &Input::ProofDone).expect("stored");
    assert_eq!(codes(&mut book, &at(1_090), true), [""; 0]);
    let late = book.concerns(&BOUNDS, &at(1_095), true, U256::from(UNIT)).remove(0);
    assert_eq!((late.code, late.slot, late.is_alarm()), (Concern::HELD_LATE, Some(1), true));
    assert!(late.message.contains("provery slot transfer offer"), "{}", late.message);
    book.block(block(4), &world.prove(4, 1, ME, None)).expect("stored");
    assert_eq!((codes(&mut book, &at(1_095), true), book.at_stake()), (vec![], 0));
}

/// A book whose only market was found not fit to be staked on.
fn refusing(path: &Path) -> Book {
    let deployment = deployment();
    let identity = Identity { chain_id: deployment.chain_id, market: deployment.market(), prover: ME };
    let store = Arc::new(Store::open(DataDir::open(path).expect("free"), &identity).expect("a store"));
    let workloads = Workloads::default().refusing(ROLLUP, Unfit::new(Why::Circuit, "another descriptor"));
    Book::open(store, deployment, ME, None, workloads).expect("a book").0
}

#[test]
fn stake_behind_a_market_that_is_refused_is_an_alarm_and_keeps_the_prover_out_of_the_draws() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (book, _) = begun(directory.path());
    assert_eq!(book.refused_with_stake(), None);
    drop(book);
    let mut book = refusing(directory.path());
    assert!(!book.serves(MARKET) && book.is_to_serve(MARKET));
    let concern = book.concerns(&BOUNDS, &fast(), true, U256::from(UNIT)).remove(0);
    assert_eq!(
        (concern.code, concern.market, concern.is_alarm()),
        (Concern::MARKET_UNPROVABLE, MARKET, true)
    );
    assert!(concern.message.contains("another descriptor") && concern.message.contains("--units 0"));
    assert_eq!(book.refused_with_stake(), Some(MARKET));
    assert!(matches!(book.lack(MARKET), Some(Lack::Refused(_))));
    // The stake is taken back, and no draw of an epoch to come picks it.
    let leave = crate::testing::allocated(ME, 0);
    let weight = Event::WeightSet { market: MARKET, id: 1, weight: 0, epoch: 3 };
    book.block(block(2), &[World::at(2, 0, leave), World::at(2, 1, weight)]).expect("stored");
    assert_eq!((codes(&mut book, &fast(), true), book.refused_with_stake()), (vec![], None));
}

#[test]
fn terms_that_name_another_circuit_are_said_before_they_bind_and_open_slots_are_proven_all_the_same() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, mut world) = begun(directory.path());
    book.block(block(2), &world.post(2, ME, None)).expect("stored");
    let other = Terms { version: 2, circuit: B256::repeat_byte(7), ..world.terms.clone() };
    book.block(block(3), &[announce(3, 1_050, &other)]).expect("stored");
    assert_eq!(book.lack(MARKET), None, "nobody answers under them yet");
    assert_eq!(codes(&mut book, &fast(), true), [Concern::TERMS_NOT_ACCEPTED]);
    assert_eq!(book.decisions(&BOUNDS, 0)[0].versions(), None);
    let accepted = |number, from_version, to_version| {
        let (prover, market, units, exposure) = (ME, MARKET, 5, 5);
        World::at(
            number,
            0,
            Event::AllocationSet { prover, market, units, exposure, from_version, to_version },
        )
    };
    book.block(block(4), &[accepted(4, 1, 2)]).expect("stored");
    assert_eq!(book.lack(MARKET), Some(Lack::OtherCircuit { version: 2 }));
    let concern = book.concerns(&BOUNDS, &fast(), true, U256::from(UNIT)).remove(0);
    assert_eq!((concern.code, concern.is_alarm()), (Concern::MARKET_UNPROVABLE, true));
    // What opened before is proven, and what opens under them is not.
    book.block(block(60), &[]).expect("stored");
    world.terms = other;
    book.block(block(61), &world.post(61, ME, None)).expect("stored");
    assert_eq!(book.at_hand(key(1)), Ok(()));
    assert!(book.job(key(1)).is_ok());
    assert_eq!(book.job(key(2)).map_err(|refusal| refusal.why), Err(Why::Circuit));
    let now = Policy { now: 1_061, ..fast() };
    assert_eq!(codes(&mut book, &now, true), [Concern::HELD_UNPROVABLE, Concern::MARKET_UNPROVABLE]);
    // Whoever does not answer under them is given none.
    book.block(block(62), &[accepted(62, 1, 1)]).expect("stored");
    assert!(
        book.lack(MARKET).is_some() && !codes(&mut book, &now, true).contains(&Concern::MARKET_UNPROVABLE)
    );
}
