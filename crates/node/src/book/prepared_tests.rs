//! Slots of which the chain does not tell all: their inputs are elsewhere, or only their circuit knows whether there is a proof.

use std::{ops::ControlFlow, path::Path};

use alloy::primitives::U256;
use provery_descriptor::{Artifact, Digest};
use provery_types::{CircuitTerms, Event, RollupRecord, Slot, statement_hash, terms_hash};
use provery_workloads::{
    Circuit, Fetched, Job, Needs, Refusal, SourceLog, Statement, Tracker, Why, Workload, Workloads,
    testing::squares,
};

use super::{
    prepared::Edition,
    tests::{auction_world, key, kinds, policy},
    workload_tests::{of_squares, said},
    *,
};
use crate::{
    book::Gap,
    concern::Concern,
    earning::Lack,
    slots::SlotStage,
    store::{DataDir, Identity},
    testing::{MARKET, ME, OTHER, World, block},
};

/// Squares, of which it shows too late whether they are any. Of 81 the number is elsewhere, or said.
#[derive(Debug)]
struct Doubtful;

static DOUBTFUL: Doubtful = Doubtful;

impl Workload for Doubtful {
    fn name(&self) -> &'static str {
        "doubtful"
    }

    fn circuit(&self, name: &str) -> Option<Arc<dyn Circuit>> {
        squares::WORKLOAD.circuit(name)
    }

    fn example(&self) -> String {
        squares::WORKLOAD.example()
    }

    fn track(&self, chain_id: u64, record: &RollupRecord) -> Result<Box<dyn Tracker>, Refusal> {
        let squares = squares::WORKLOAD.track(chain_id, record)?;
        Ok(Box::new(Doubts { squares, said: Vec::new() }))
    }
}

#[derive(Debug)]
struct Doubts {
    squares: Box<dyn Tracker>,
    said: Vec<Digest>,
}

impl Tracker for Doubts {
    fn topics(&self) -> Vec<B256> {
        self.squares.topics()
    }

    fn apply(&mut self, log: &SourceLog<'_>) -> Result<(), String> {
        self.said.push(Digest::of(&log.data.data));
        self.squares.apply(log)
    }

    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        self.squares.ready(stated)
    }

    fn needs(&self, stated: &Statement<'_>) -> Needs {
        let is_elsewhere = stated.inputs == [U256::from(81)];
        let linked = if is_elsewhere { vec![nine(), junk()] } else { Vec::new() };
        Needs { linked, only_linked: is_elsewhere, check: true, posted: self.said.clone() }
    }

    fn job(&mut self, stated: &Statement<'_>, payee: Address, fetched: &dyn Fetched) -> Result<Job, Refusal> {
        let mut job = self.squares.job(stated, payee, fetched)?;
        // What it is proven from, the first first.
        let here = [nine(), junk()].into_iter().filter_map(|artifact| fetched.get(&artifact)).flatten();
        job.bytes = fetched.first().iter().flat_map(|digest| digest.0).chain(here).collect();
        Ok(job)
    }

    fn forget(&mut self, slots: &[Statement<'_>], deep: u64) {
        self.squares.forget(slots, deep);
    }

    fn keeps(&self, log: &SourceLog<'_>) -> bool {
        self.squares.keeps(log)
    }
}

pub(crate) fn nine() -> Artifact {
    let urls = vec!["https://example.org/nine".parse().expect("a URL")];
    Artifact { media_type: String::new(), digest: Digest::of(b"nine"), size: 4, urls }
}

fn junk() -> Artifact {
    Artifact { digest: Digest::of(b"junk"), ..nine() }
}

/// Everything that is asked for.
#[derive(Debug)]
struct Disk(Vec<Artifact>);

impl Fetched for Disk {
    fn get(&self, artifact: &Artifact) -> Option<Vec<u8>> {
        self.0.contains(artifact).then(|| b"x".to_vec())
    }
}

/// What is to be fetched, if as much as that is taken.
fn links(book: &mut Book, most: usize) -> Vec<(bool, Artifact)> {
    let mut links = Vec::new();
    book.links(&policy(1_005), |link| {
        links.push((link.held, link.artifact.clone()));
        if links.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    links
}

fn link(artifact: Artifact) -> (bool, Artifact) {
    (false, artifact)
}

fn open(path: &Path) -> Book {
    let mut deployment = of_squares();
    deployment.rollups.truncate(1);
    deployment.rollups[0].workload = "doubtful".to_owned();
    let identity = Identity { chain_id: deployment.chain_id, market: deployment.market(), prover: ME };
    let store = Store::open(DataDir::open(path).expect("free"), &identity).expect("a store");
    let workloads = Workloads::default().and(&DOUBTFUL);
    let mut book = Book::open(Arc::new(store), deployment, ME, None, workloads).expect("a book").0;
    book.know_circuits(["square".to_owned()]);
    book
}

/// A slot in `world` that states the square of a number, and nobody's or somebody's.
fn slot(world: &World, number: u64, id: u64, of: u64, prover: Address) -> LoggedEvent {
    let inputs = vec![U256::from(of * of)];
    let slot = match World::new().post(number, prover, None).remove(0).event {
        Event::SlotOpened { slot, .. } => Slot { id, statement: statement_hash(&inputs), ..slot },
        other => panic!("{other:?}"),
    };
    let terms_hash = terms_hash(&world.terms);
    World::at(number, 0, Event::SlotOpened { slot, terms_hash, statement_inputs: inputs })
}

/// Slots 1 and 2 state the squares of 7 and 9, both said. Nobody holds them, and there is an auction.
pub(crate) fn begun(path: &Path) -> (Book, World) {
    let mut book = open(path);
    let mut world = auction_world();
    world.terms.chain = 0;
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &[said(2, 1, U256::from(7)), said(2, 2, U256::from(9))]).expect("stored");
    let slots = [slot(&world, 3, 1, 7, Address::ZERO), slot(&world, 3, 2, 9, Address::ZERO)];
    book.block(block(3), &slots).expect("stored");
    (book, world)
}

/// While both slots are open for bids.
pub(crate) fn bidding() -> Policy {
    policy(1_005)
}

fn edition(book: &mut Book, id: u64) -> Edition {
    assert!(book.unchecked(&policy(1_005)).contains(&key(id)), "to be asked");
    book.edition(key(id))
}

#[test]
fn nothing_is_bid_for_a_slot_before_its_circuit_says_that_there_is_a_proof() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(directory.path());
    book.fetched(&nine(), Ok(()));
    assert_eq!(kinds(&mut book, &policy(1_005)), [], "neither was asked");
    let (one, two) = (edition(&mut book, 1), edition(&mut book, 2));
    let asked = two.clone();
    book.checked(key(1), one, None).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_005)), [(1, "commit")]);
    book.checked(key(2), two, Some("constraint 3 is not satisfied".to_owned())).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_005)), [(1, "commit")]);
    let gap = book.at_hand(key(2)).expect_err("refused").to_string();
    assert!(gap.contains("constraint 3"), "{gap}");
    assert_eq!(book.unchecked(&policy(1_005)), [], "nobody is asked again");
    let concerns = book.refused();
    assert_eq!((concerns.len(), concerns[0].code, concerns[0].slot), (1, Concern::SLOT_UNPROVABLE, Some(2)));
    assert!(!concerns[0].is_alarm() && concerns[0].message.contains("constraint 3"), "{concerns:?}");
    // What is said later may be a witness.
    book.block(block(4), &[said(4, 1, U256::from(9))]).expect("stored");
    assert_ne!(edition(&mut book, 2), asked);
    assert!(book.refused().len() == 1 && book.at_hand(key(2)).is_ok());
}

#[test]
fn nothing_is_bid_for_a_slot_whose_input_cannot_be_had() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(directory.path());
    assert_eq!(links(&mut book, 9), [link(nine()), link(junk())]);
    assert_eq!(links(&mut book, 1), [link(nine())], "no more than is taken");
    assert!(matches!(book.at_hand(key(2)), Err(Gap::Pending(_))));
    book.fetched(&nine(), Err("the server is down".to_owned()));
    let gap = book.at_hand(key(2)).expect_err("not here").to_string();
    assert!(gap.contains("the server is down") && gap.contains("asked for again"), "{gap}");
    assert_eq!(links(&mut book, 1), [link(nine())], "it is asked for again");
    assert_eq!(book.unchecked(&policy(1_005)), [key(1)]);
    book.fetched(&nine(), Ok(()));
    assert_eq!((links(&mut book, 9), book.at_hand(key(2))), (vec![link(junk())], Ok(())));
    let both = [nine(), junk()].map(|it| (it.digest, it.size));
    assert_eq!(book.tidy_links(), both.into(), "kept for as long as the slot is open");
    assert_eq!(book.held_links(), [].into());
    let two = edition(&mut book, 2);
    book.checked(key(2), two, None).expect("stored");
    assert_eq!(kinds(&mut book, &policy(1_005)), [(2, "commit")]);
}

#[test]
fn a_proof_that_nobody_could_make_is_its_slots_fault_and_an_alarm_where_it_is_held() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = open(directory.path());
    let mut world = World::new();
    world.terms.chain = 0;
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &[said(2, 1, U256::from(7))]).expect("stored");
    book.block(block(3), &[slot(&world, 3, 1, 7, ME)]).expect("stored");
    book.decide(&policy(1_004)).expect("decided");
    let stage = |book: &Book| book.record(key(1)).map(|record| (record.work.stage, record.work.attempts));
    assert_eq!(stage(&book), Some((SlotStage::Queued, 0)), "what is held does not wait for a check");
    book.input(key(1), &Input::ProofStarted).expect("stored");
    assert_eq!(book.unchecked(&policy(1_004)), [], "its proof tells");
    let edition = book.edition(key(1));
    let moved = book.checked(key(1), edition, Some("an assertion failed".to_owned())).expect("stored");
    assert_eq!(moved.map(|step| step.after), Some(SlotStage::Ignored));
    assert_eq!(stage(&book), Some((SlotStage::Ignored, 0)), "no attempt counts");
    assert!(!book.failing());
    book.decide(&policy(1_005)).expect("decided");
    assert_eq!(stage(&book), Some((SlotStage::Ignored, 0)));
    let concerns = book.unprovable(1_005);
    assert_eq!(concerns.iter().map(|it| it.code).collect::<Vec<_>>(), [Concern::HELD_UNPROVABLE]);
    assert!(concerns[0].is_alarm() && concerns[0].message.contains("an assertion failed"), "{concerns:?}");
    // Its requester posts another.
    book.block(block(4), &[said(4, 1, U256::from(7))]).expect("stored");
    book.decide(&policy(1_006)).expect("decided");
    assert_eq!(stage(&book), Some((SlotStage::Queued, 0)));
    // And where it is not held: a restart asks anew.
    drop(book);
    assert_eq!(open(directory.path()).at_hand(key(1)), Ok(()));
}

#[test]
fn a_slot_in_which_a_witness_was_found_stays_provable_whatever_is_said_later() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(directory.path());
    book.keep_inputs(Disk(vec![nine(), junk()]));
    book.fetched(&nine(), Ok(()));
    let (one, two) = (edition(&mut book, 1), edition(&mut book, 2));
    let before = two.clone();
    book.checked(key(1), one, None).expect("stored");
    book.checked(key(2), two, None).expect("stored");
    assert_eq!(links(&mut book, 9), [], "the rest is of no use");
    // The requester posts junk once bids are in, and what was junk from the beginning comes up.
    book.block(block(4), &[said(4, 1, U256::from(3))]).expect("stored");
    book.fetched(&junk(), Ok(()));
    assert_eq!((book.may_bind(key(1)), book.may_bind(key(2))), (Ok(()), Ok(())));
    assert_eq!(book.unchecked(&policy(1_005)), [], "nobody is asked again");
    let bytes = book.job(key(2)).expect("a job").bytes;
    let first = [U256::from(7), U256::from(9)].map(|it| Digest::of(&it.to_be_bytes::<32>()));
    let first: Vec<u8> = first.iter().chain([&nine().digest]).flat_map(|digest| digest.0).collect();
    assert!(bytes.starts_with(&first), "what was looked at goes first");
    // A proof of less than that says nothing about it.
    let less = Edition::default();
    assert_eq!(book.checked(key(2), less, Some("junk".to_owned())).expect("stored"), None);
    assert_eq!(book.may_bind(key(2)), Ok(()));
    // One of the same does.
    book.checked(key(2), before, Some("it does not verify".to_owned())).expect("stored");
    assert!(matches!(book.may_bind(key(2)), Err(Gap::Pending(_))), "with what was added it may be provable");
}

#[test]
fn a_slot_in_which_a_witness_was_found_is_not_proven_without_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(directory.path());
    book.keep_inputs(Disk(vec![junk()]));
    book.fetched(&nine(), Ok(()));
    let two = edition(&mut book, 2);
    book.checked(key(2), two, None).expect("stored");
    book.fetched(&junk(), Ok(()));
    assert_eq!(book.job(key(2)).expect_err("the witness is gone").why, Why::Unfetched);
    assert!(matches!(book.may_bind(key(2)), Err(Gap::Pending(_))));
    assert_eq!(links(&mut book, 9), [link(nine())]);
}

#[test]
fn what_was_found_out_before_a_reorganisation_holds_only_of_the_same_inputs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = begun(directory.path());
    let one = edition(&mut book, 1);
    book.reorg(block(1)).expect("taken back");
    // As much is said, and something else.
    let instead = [said(2, 1, U256::from(7)), said(2, 2, U256::from(8))];
    book.block(block(2), &instead).expect("stored");
    book.block(block(3), &[slot(&world, 3, 1, 7, Address::ZERO)]).expect("stored");
    book.checked(key(1), one.clone(), None).expect("stored");
    assert!(matches!(book.may_bind(key(1)), Err(Gap::Pending(_))), "it was another slot's");
    book.checked(key(1), one.clone(), Some("junk".to_owned())).expect("stored");
    assert_eq!(book.at_hand(key(1)), Ok(()));
    // And the same again.
    book.reorg(block(1)).expect("taken back");
    book.block(block(2), &[said(2, 1, U256::from(7)), said(2, 2, U256::from(9))]).expect("stored");
    book.block(block(3), &[slot(&world, 3, 1, 7, Address::ZERO)]).expect("stored");
    assert!(book.at_hand(key(1)).is_err(), "what was found of it counts");
    book.checked(key(1), one, None).expect("stored");
    assert_eq!(book.may_bind(key(1)), Ok(()));
}

#[test]
fn what_is_held_is_fetched_and_looked_at_first_and_words_of_others_are_cut() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, world) = begun(directory.path());
    book.block(block(4), &[slot(&world, 4, 3, 9, ME)]).expect("stored");
    assert_eq!(links(&mut book, 9).len(), 2, "each once, though two slots name them");
    assert!(links(&mut book, 1)[0].0, "though its window ends last");
    book.fetched(&nine(), Err("x\u{1b}".repeat(10_000)));
    let gap = book.at_hand(key(2)).expect_err("not here").to_string();
    assert!(gap.len() < 600 && !gap.contains('\u{1b}'), "{gap}");
    book.fetched(&nine(), Ok(()));
    assert_eq!(book.unchecked(&policy(1_005)), [3, 1, 2].map(key));
    assert_eq!(book.held_links().len(), 2);
    book.block(block(5), &[said(5, 1, U256::from(1))]).expect("stored");
    let three = book.edition(key(3));
    book.checked(key(3), three, Some("y".repeat(10_000))).expect("stored");
    assert!(book.at_hand(key(3)).expect_err("refused").to_string().len() < 600);
}

fn unbound(reveal_delay: u16) -> U256 {
    CircuitTerms { reveal_delay, ..CircuitTerms::default() }.word()
}

#[test]
fn a_market_of_unbound_proofs_is_left_alone_by_a_key_that_may_not_deliver_them_and_by_terms_without_time() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut book = open(directory.path());
    let mut world = World::new();
    (world.terms.chain, world.terms.circuitTerms) = (0, unbound(3));
    book.block(block(1), &world.beginning()).expect("stored");
    book.block(block(2), &[said(2, 1, U256::from(7)), slot(&world, 2, 1, 7, OTHER)]).expect("stored");
    assert_eq!((book.lack(MARKET), book.at_hand(key(1))), (None, Ok(())));
    book.know_submitter(false);
    assert_eq!(book.lack(MARKET), Some(Lack::NoSubmitter));
    assert_eq!(book.at_hand(key(1)), Err(Gap::Market(Lack::NoSubmitter)));
    book.know_submitter(true);
    assert_eq!(book.lack(MARKET), None);
    // 24 s and 12 a block of 100.
    for (number, (delay, fits)) in (3..).zip([(6, true), (7, false)]) {
        (world.terms.circuitTerms, world.terms.version) = (unbound(delay), world.terms.version + 1);
        let terms = world.terms.clone();
        let set = Event::TermsSet { market: MARKET, terms_hash: terms_hash(&terms), from: 0, terms };
        book.block(block(number), &[World::at(number, 1, set)]).expect("stored");
        let lack = (!fits).then_some(Lack::Delay { version: world.terms.version });
        assert_eq!(book.lack(MARKET), lack, "{delay} blocks");
    }
}

#[test]
fn an_unbound_proof_is_not_shown_while_its_slot_can_be_taken_and_the_offer_is_revoked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (delay, is_held_back) in [(3, true), (0, false)] {
        let path = directory.path().join(delay.to_string());
        let mut book = open(&path);
        let mut world = World::new();
        (world.terms.chain, world.terms.circuitTerms) = (0, unbound(delay));
        book.block(block(1), &world.beginning()).expect("stored");
        book.block(block(2), &[said(2, 1, U256::from(7)), slot(&world, 2, 1, 7, ME)]).expect("stored");
        let offered = Event::TransferOffered {
            market: MARKET,
            id: 1,
            prover: ME,
            digest: B256::repeat_byte(3),
            to: None,
            price: 0,
            valid_until: 1_050,
        };
        book.block(block(3), &[World::at(3, 0, offered)]).expect("stored");
        book.decide(&policy(1_003)).expect("decided");
        assert_eq!(kinds(&mut book, &policy(1_003)), [], "nothing is shown yet");
        let statement = book.facts().slot(key(1)).expect("a slot").slot.statement;
        let proof =
            StoredProof { statement, payee: ME, made_at: 3, public_inputs: vec![], proof: vec![1].into() };
        book.proved(key(1), &proof).expect("stored");
        assert_eq!(book.could_be_taken(key(1), 1_004), is_held_back);
        assert!(!book.could_be_taken(key(1), 1_051), "it is over");
        let revoked = if is_held_back { vec![(1, "revoke_transfer")] } else { vec![] };
        assert_eq!(kinds(&mut book, &policy(1_004)), revoked);
    }
}
