//! Chains, terms and suspensions, folded from events.

use provery_types::{Event, LoggedEvent, terms_hash};

use super::*;
use crate::testing::{MARKET, ME, OTHER, World, allocated, deployment};

fn key(id: u64) -> SlotKey {
    SlotKey { market: MARKET, id }
}

fn fold(events: &[LoggedEvent]) -> Facts {
    let mut facts = Facts::new(&deployment());
    for logged in events {
        facts.apply(logged);
    }
    facts
}

/// What the facts are after those events are forgotten that compaction at `deep` would forget.
fn compacted(events: &[LoggedEvent], deep: u64) -> Facts {
    let mut pruned = fold(events);
    pruned.prune(deep);
    let old: Vec<LoggedEvent> = events.iter().filter(|logged| logged.block.number <= deep).cloned().collect();
    let mut then = fold(&old);
    then.prune(deep);
    let gone = obsolete(&old, &then, &pruned);
    let mut again = Facts::new(&deployment());
    for (address, snapshot) in pruned.snapshots() {
        again.restore(address, &snapshot).expect("restored");
    }
    for logged in events.iter().filter(|it| !gone.contains(&(it.block.number, it.log_index))) {
        again.apply(logged);
    }
    again
}

/// Four slots on one another, in blocks 2 to 5.
fn line() -> (World, Vec<LoggedEvent>) {
    let mut world = World::new();
    let mut events = world.beginning();
    for number in 2..=5 {
        events.extend(world.post(number, ME, None));
    }
    (world, events)
}

fn premises(facts: &Facts) -> Vec<Premise> {
    facts.slots().map(|(_, fact)| facts.premise(fact)).collect()
}

#[test]
fn premises_are_open_until_they_are_established_or_fall() {
    use Premise::{Established, Fallen, Open};
    let (mut world, mut events) = line();
    assert_eq!(premises(&fold(&events)), [Established, Open, Open, Open]);
    events.extend(world.prove(6, 1, ME, None));
    assert_eq!(premises(&fold(&events)), [Established, Established, Open, Open]);
    events.push(World::cut(7, 0, 3));
    // A slot that opens after the cut builds on what stands, whatever its number.
    events.extend(world.post(8, ME, None));
    let facts = fold(&events);
    assert_eq!(premises(&facts)[..4], [Established, Established, Open, Fallen]);
    assert!(facts.slot(key(3)).is_some_and(|fact| fact.fell && !fact.premise_fell));
    let later = facts.slot(key(5)).expect("a slot");
    assert!(!later.fell && !later.premise_fell);
    assert_eq!(facts.slot(key(2)).and_then(|it| it.premise_settled_at), Some(1_006));
    assert_eq!(facts.slot(key(4)).and_then(|it| it.premise_settled_at), Some(1_007));
}

#[test]
fn a_proof_that_waits_for_its_premise_is_kept_until_it_is_settled() {
    let (world, mut events) = line();
    events.extend(world.prove_early(6, 2, OTHER));
    events.extend(world.prove(7, 1, ME, None));
    let mut facts = fold(&events);
    let pending = Some(Pending { payee: OTHER, right: true, claim: U256::from(2) });
    assert_eq!(facts.slot(key(2)).map(|fact| fact.pending), Some(pending));
    assert!(facts.slot(key(2)).is_some_and(|fact| fact.ended.is_some() && !fact.settled()));
    assert_eq!(facts.prune(1_000), [key(1)]);
    // It survives its events' compaction, and with it what settles it.
    let again = compacted(&events, 1_000);
    assert_eq!(again.slot(key(2)), facts.slot(key(2)));
    assert_eq!(again.premise(again.slot(key(2)).expect("a slot")), Premise::Established);

    let resolved = Event::SlotResolved { market: MARKET, id: 2, premium: U256::from(1_000) };
    events.push(World::established(8, 0, 2));
    events.push(World::at(8, 1, resolved));
    let mut facts = fold(&events);
    let fact = facts.slot(key(2)).expect("a slot");
    let premium = U256::from(1_000);
    let how = Ending::Proven { payee: OTHER, reward: U256::from(600), premium, missed_by: Some(ME) };
    assert!(fact.settled());
    assert_eq!(fact.ended.as_ref().map(|ended| (&ended.how, ended.block)), Some((&how, 8)));
    assert_eq!(facts.prune(7), [key(1)], "a reorg may take the settlement back");
    assert_eq!(facts.prune(8), [key(2)]);
}

#[test]
fn what_fell_stays_fallen_through_a_compaction() {
    let (world, mut events) = line();
    events.extend(world.expire(6, 2));
    let dropped = Event::SlotDropped { market: MARKET, id: 3, fee: U256::from(100) };
    events.push(World::at(7, 0, dropped));
    let again = compacted(&events, 1_000);
    assert!(again.slot(key(2)).is_none() && again.slot(key(3)).is_none());
    let fact = again.slot(key(4)).expect("open");
    assert!(fact.premise_fell && !fact.fell);
    assert_eq!(again.premise(fact), Premise::Fallen);

    // Once nothing that fell is left, what felled it is forgotten, though later slots are open.
    events.extend(world.expire(8, 4).pop());
    let mut world = world;
    events.extend(world.post(9, ME, None));
    let mut pruned = fold(&events);
    pruned.prune(1_000);
    let gone = obsolete(&events, &pruned, &pruned);
    let cuts = events.iter().filter(|logged| matches!(logged.event, Event::ChainCut { .. }));
    assert!(
        cuts.clone().count() == 1
            && cuts.map(|it| (it.block.number, it.log_index)).all(|it| gone.contains(&it))
    );
    assert!(!gone.contains(&(9, 0)), "an open slot is kept");
}

#[test]
fn a_suspension_is_one_markets() {
    let world = World::new();
    let mut events = world.beginning();
    let other = U256::from(2);
    let elsewhere = Event::AllocationSet {
        prover: ME,
        market: other,
        units: 1,
        exposure: 1,
        from_version: 1,
        to_version: 1,
    };
    events.push(World::at(2, 0, elsewhere));
    events.push(World::at(3, 0, Event::ProverSuspended { prover: ME, market: MARKET }));
    let facts = fold(&events);
    assert_eq!((facts.candidates(MARKET), facts.candidates(other)), (vec![OTHER], vec![ME]));
    let leaf = |facts: &Facts| facts.leaves(ME).into_iter().find(|(market, _)| *market == MARKET);
    assert!(leaf(&facts).is_some_and(|(_, leaf)| leaf.suspended && leaf.allocation == 5));
    assert!(compacted(&events, 1_000).suspended(MARKET, ME));
    // The end of a pause ends no suspension.
    events.push(World::at(4, 0, Event::ProverPaused { prover: ME }));
    assert!(!fold(&events).prover_status(ME).active());
    events.push(World::at(5, 0, Event::ProverResumed { prover: ME }));
    let facts = fold(&events);
    assert!(facts.prover_status(ME).active() && facts.suspended(MARKET, ME));
    events.push(World::at(6, 0, Event::ProverReinstated { prover: ME, market: MARKET }));
    for facts in [fold(&events), compacted(&events, 1_000)] {
        assert!(!facts.suspended(MARKET, ME) && facts.prover_status(ME).active());
    }
}

/// Whether a prover that is suspended came back before and proved nothing since, before and after compactions at each depth.
fn unproven(events: &[LoggedEvent], prover: Address) -> bool {
    let of = |facts: &Facts| {
        let leaf = facts.leaves(prover).into_iter().find(|(market, _)| *market == MARKET);
        leaf.is_some_and(|(_, leaf)| leaf.suspended && leaf.unproven)
    };
    let whole = of(&fold(events));
    for deep in 0..20 {
        assert_eq!(of(&compacted(events, deep)), whole, "compacted at {deep}");
    }
    whole
}

#[test]
fn a_return_is_in_vain_until_a_slot_of_ones_own_is_proven() {
    let suspended = |number| World::at(number, 7, Event::ProverSuspended { prover: ME, market: MARKET });
    let reinstated = |number| World::at(number, 8, Event::ProverReinstated { prover: ME, market: MARKET });
    let (world, mut events) = line();
    events.push(suspended(6));
    assert!(!unproven(&events, ME), "it never came back");
    events.push(reinstated(7));
    events.push(suspended(8));
    assert!(unproven(&events, ME));
    // Another's proof of its slot says nothing, nor does its own of another's.
    events.extend(world.prove(9, 1, OTHER, Some(ME)));
    assert!(unproven(&events, ME));
    let own = [events.clone(), world.prove(10, 2, ME, None)].concat();
    assert!(!unproven(&own, ME));
    let next = [own, vec![reinstated(11), suspended(12)]].concat();
    assert!(unproven(&next, ME), "each return counts anew");
    for logged in &mut events {
        if let Event::SlotOpened { slot, .. } = &mut logged.event {
            slot.prover = OTHER;
        }
    }
    events.extend(world.prove(10, 2, ME, Some(OTHER)));
    assert!(unproven(&events, ME), "a rescue");
}

#[test]
fn announced_terms_are_in_force_once_a_slot_opens_under_them() {
    let mut world = World::new();
    let mut events = world.beginning();
    let first = world.terms.clone();
    let second = Terms { version: 2, exclusiveWindow: 50, ..first.clone() };
    let from = 5_000;
    let set = |from, terms: &Terms| Event::TermsSet {
        market: MARKET,
        terms_hash: terms_hash(terms),
        from,
        terms: terms.clone(),
    };
    events.push(World::at(2, 0, set(from, &second)));
    events.extend(world.post(3, ME, None));
    let facts = fold(&events);
    assert_eq!(facts.market_terms(MARKET), Some(&first));
    assert_eq!(facts.announced_terms(MARKET), Some((&second, from)));
    // Better terms count at once, and leave the announcement alone.
    let better = Terms { exclusiveWindow: 120, ..first };
    events.push(World::at(4, 0, set(1_004, &better)));
    let facts = fold(&events);
    assert_eq!(facts.market_terms(MARKET), Some(&better));
    assert_eq!(facts.announced_terms(MARKET), Some((&second, from)));
    world.terms = second.clone();
    events.extend(world.post(5, ME, None));
    let facts = fold(&events);
    assert_eq!((facts.market_terms(MARKET), facts.announced_terms(MARKET)), (Some(&second), None));
}

#[test]
fn a_commitment_is_the_last_one_made() {
    let mut events = World::new().beginning();
    let more = Event::AllocationSet {
        prover: ME,
        market: MARKET,
        units: 5,
        exposure: 2,
        from_version: 1,
        to_version: 3,
    };
    events.push(World::at(2, 0, more));
    for facts in [fold(&events), compacted(&events, 1_000)] {
        let mine = facts.commitment(MARKET, ME);
        assert_eq!((mine.units, mine.exposure), (5, 2));
        assert_eq!([0, 1, 3, 4].map(|version| mine.accepts(version)), [false, true, true, false]);
        assert_eq!(facts.commitment(MARKET, OTHER).units, 5);
    }
    events.push(World::at(3, 0, allocated(ME, 0)));
    assert_eq!(fold(&events).candidates(MARKET), [OTHER]);
}

#[test]
fn an_operators_word_outlives_the_nodes_own_pauses() {
    let turn = |number, own: bool, paused| {
        let event = match paused {
            true => Event::ProverPaused { prover: ME },
            false => Event::ProverResumed { prover: ME },
        };
        LoggedEvent { tx_hash: B256::repeat_byte(u8::from(own)), ..World::at(number, 0, event) }
    };
    let own = || [B256::repeat_byte(1)];
    let fold = |events: &[LoggedEvent]| {
        let mut facts = Facts::new(&deployment());
        facts.own_turns(own());
        events.iter().for_each(|logged| {
            facts.apply(logged);
        });
        (facts.prover_status(ME).paused, facts.held_out(ME), facts)
    };
    let mut events = World::new().beginning();
    for (at, by_node, paused, seen) in [
        (2, true, true, (true, false)),
        (3, true, false, (false, false)),
        (4, false, true, (true, true)),
        (5, true, false, (false, true)),
        (6, true, true, (true, true)),
        (7, true, true, (true, true)),
    ] {
        events.push(turn(at, by_node, paused));
        let (is, held, facts) = fold(&events);
        assert_eq!((is, held), seen, "block {at}");
        let gone = obsolete(&events, &facts, &facts);
        let kept: Vec<_> =
            events.iter().filter(|it| !gone.contains(&(it.block.number, it.log_index))).cloned().collect();
        let (is, held, _) = fold(&kept);
        assert_eq!((is, held), seen, "compacted at block {at}");
    }
}

impl Facts {
    /// All of it that anything follows from, but for what is tracked, each in its own words.
    pub(crate) fn portrait(&self) -> BTreeMap<&'static str, String> {
        let draws: BTreeMap<_, _> =
            self.draws.iter().map(|(market, draws)| (market, draws.members())).collect();
        let terms: BTreeMap<_, _> = self.terms.iter().collect();
        // Of strangers nothing follows but who is in the draws.
        let stake: Vec<_> = self.commitments.iter().filter(|(_, committed)| committed.units > 0).collect();
        let matters =
            |prover: &Address| !self.is_stranger(*prover) || stake.iter().any(|((_, it), _)| it == prover);
        // One that is neither paused nor known by its number is as if nothing had been told of it.
        let is_told =
            |prover: &Address, fact: &ProverFact| !self.is_stranger(*prover) || fact.paused || fact.id != 0;
        let provers: Vec<_> =
            self.provers.iter().filter(|(prover, fact)| matters(prover) && is_told(prover, fact)).collect();
        let returns: Vec<_> =
            self.returns.iter().filter(|((_, prover), _)| !self.is_stranger(*prover)).collect();
        BTreeMap::from([
            ("terms", format!("{terms:?} {:?} {:?}", self.market_terms, self.versions)),
            ("slots", format!("{:?}", self.slots)),
            ("ends", format!("{:?} {}", self.established, self.next_slot(MARKET))),
            ("provers", format!("{provers:?} {:?}", self.own_turns)),
            ("stake", format!("{stake:?} {:?}", self.weights)),
            ("draws", format!("{draws:?} {:?} {returns:?}", self.suspended)),
            ("words", format!("{:?} {:?} {:?}", self.logs, self.offers, self.seeded)),
            ("told", format!("{:?}", self.counted_until(u64::MAX).collect::<Vec<_>>())),
        ])
    }
}
