//! Whatever was told and taken back, what is left is what the final chain tells.

use alloy::primitives::{
    Address, U256,
    aliases::{U40, U96},
};
use proptest::prelude::*;
use provery_types::{Event, Slot, Terms};

use super::*;
use crate::{At, Cost, Outcome, Totals};

const MECHANISMS: [Address; 2] = [Address::repeat_byte(0xa1), Address::repeat_byte(0xa2)];

fn prover(id: u8) -> Address {
    Address::with_last_byte(1 + id % 4)
}

/// Market 1 has no chain; the slots of market 2 continue one another.
fn market(number: u8) -> (U256, B256) {
    let number = 1 + number % 2;
    (U256::from(number), B256::repeat_byte(number))
}

fn terms(number: u8) -> Event {
    let (market, terms_hash) = market(number);
    let terms = Terms {
        mechanism: MECHANISMS[usize::from(number % 2)],
        bond: U96::from(30),
        chain: u32::from(number % 2),
        ..Terms::default()
    };
    Event::TermsSet { market, terms_hash, from: 0, terms }
}

/// What becomes of one slot, in the order of the chain: the events of each transaction.
fn life(id: u64, (number, holder, other, fate): (u8, u8, u8, u8)) -> Vec<Vec<Event>> {
    let (market, terms_hash) = market(number);
    let (holder, other) = (prover(holder), prover(other));
    let slot = |prover| Slot {
        market,
        id,
        prover,
        price: U96::from(10),
        openedAt: U40::from(1),
        startedAt: U40::from(1),
        exclusiveUntil: U40::from(3),
        capacity: 4,
        link: U256::from(id - 1),
        ..Slot::default()
    };
    let opened = |prover| Event::SlotOpened { slot: slot(prover), terms_hash, statement_inputs: Vec::new() };
    let amount = |units: u64| U256::from(units);
    let proven = |payee, missed_by: Option<Address>| {
        let premium = if missed_by.is_some() { amount(15) } else { U256::ZERO };
        Event::SlotProven { market, id, payee, reward: amount(10), premium, missed_by }
    };
    let slashed = || {
        let stake = Event::StakeSlashed { prover: holder, market, amount: amount(30) };
        let (to_rescuer, to_requester, burned) = (amount(15), amount(10), amount(5));
        [stake, Event::BondSlashed { market, id, prover: holder, to_rescuer, to_requester, burned }]
    };
    let pending = |payee| Event::SlotPending { market, id, payee, right: true, claim: amount(id) };
    let established = || Event::SlotEstablished { market, id, claim: amount(id) };
    let resolved = |premium| Event::SlotResolved { market, id, premium: amount(premium) };
    let cut = || Event::ChainCut { market, id, head: id - 1, claim: U256::ZERO };
    match fate % 9 {
        0 => vec![vec![opened(holder)], vec![proven(holder, None), established()]],
        1 => vec![vec![opened(Address::ZERO)], vec![proven(other, None), established()]],
        2 => vec![
            vec![opened(Address::ZERO)],
            vec![Event::SlotAssigned { slot: slot(holder) }],
            vec![proven(holder, None), established()],
        ],
        3 if holder != other => {
            let [stake, bond] = slashed();
            vec![vec![opened(holder)], vec![stake, bond, proven(other, Some(holder)), established()]]
        }
        4 => vec![
            vec![opened(holder)],
            vec![Event::SlotTransferred { slot: slot(other), from: holder, price: -3 }],
            vec![proven(other, None), established()],
        ],
        5 => vec![vec![opened(holder)], vec![Event::SlotExpired { market, id, forfeited: amount(1) }, cut()]],
        6 => vec![vec![opened(holder)], vec![cut(), Event::SlotDropped { market, id, fee: amount(4) }]],
        7 if holder != other => {
            let [stake, bond] = slashed();
            let resolving = vec![established(), stake, bond, resolved(15)];
            vec![vec![opened(holder)], vec![pending(other), proven(other, None)], resolving]
        }
        8 if holder != other => {
            let undone = vec![resolved(0)];
            vec![vec![opened(holder)], vec![pending(other), proven(other, None)], vec![cut()], undone]
        }
        _ => vec![vec![opened(holder)], vec![Event::SlotCancelled { market, id }]],
    }
}

/// Blocks, of a transaction each, in which lives of slots run side by side; `fork` tells their hashes apart.
fn chain(fork: u8, lives: &[(u8, u8, u8, u8)], order: &[u8]) -> Vec<(BlockRef, Vec<LoggedEvent>)> {
    let mut transactions = vec![vec![terms(0), terms(1)]];
    let mut running: Vec<std::vec::IntoIter<Vec<Event>>> = Vec::new();
    let mut coming = (1..).zip(lives).map(|(id, life_of)| life(id, *life_of).into_iter());
    for step in order.iter().copied().chain(std::iter::repeat_n(1, 8 * lives.len())) {
        if step % 3 == 0 || running.is_empty() {
            running.extend(coming.next());
        }
        if running.is_empty() {
            break;
        }
        let at = usize::from(step) % running.len();
        match running[at].next() {
            Some(events) => transactions.push(events),
            None => drop(running.remove(at)),
        }
    }
    let blocks = (1..).zip(transactions).map(|(number, events): (u64, _)| {
        let hash = |number: u64| B256::from(U256::from(number) + (U256::from(fork) << 64));
        let block =
            BlockRef { number, hash: hash(number), parent_hash: hash(number - 1), timestamp: 100 * number };
        let logged = (0..).zip(events).map(|(log_index, event)| LoggedEvent {
            event,
            address: Address::ZERO,
            block,
            tx_hash: block.hash,
            log_index,
        });
        (block, logged.collect())
    });
    blocks.collect()
}

fn fold(keep: Keep, blocks: &[(BlockRef, Vec<LoggedEvent>)]) -> History {
    let mut history = History::new(keep);
    blocks.iter().flat_map(|(_, events)| events).for_each(|event| history.apply(event));
    history
}

fn lives() -> impl Strategy<Value = Vec<(u8, u8, u8, u8)>> {
    prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..14)
}

proptest! {
    #[test]
    fn a_reorganisation_leaves_what_the_final_chain_tells(
        before in lives(), after in lives(), order in prop::collection::vec(any::<u8>(), 0..60),
        keep in 0usize..6, kept in 0usize..40, taken_back in 0usize..20, depth in 0usize..30, by_hash in any::<bool>(),
    ) {
        let keep = if keep == 5 { Keep::ALL } else { Keep { slots: keep, records: 3 * keep } };
        let (stale, new) = (chain(1, &before, &order), chain(2, &after, &order));
        let kept = kept.min(stale.len());
        let told = (kept + taken_back).min(stale.len());
        let mut index = Index::new(keep, depth);
        for (block, events) in &stale[..told] {
            index.take_in(*block, events.clone());
            let cost = Cost { payer: prover(0), gas: block.number, wei: U256::ZERO };
            index.note_cost(block.hash, block.number, cost);
        }
        let mut last = stale[..kept].to_vec();
        let fork = kept as u64;
        if told - kept > depth {
            prop_assert!(index.rewind(fork).is_err());
            prop_assert_eq!(index.history().totals().collect::<Vec<_>>(), fold(keep, &stale[..told]).totals().collect::<Vec<_>>());
            return Ok(());
        }
        match kept.checked_sub(1).map(|at| stale[at].0).filter(|_| by_hash && told - kept < depth) {
            Some(block) => prop_assert_eq!(index.rewind_to(block.hash), Some(block)),
            None => prop_assert_eq!(index.rewind(fork), Ok(())),
        }
        let more = new.iter().filter(|(block, _)| block.number > fork).cloned();
        for (block, events) in more {
            index.take_in(block, events.clone());
            last.push((block, events));
        }
        let mut expected = fold(keep, &last);
        // Costs of transactions that stayed are still known.
        for (block, _) in &stale[..kept] {
            let cost = Cost { payer: prover(0), gas: block.number, wei: U256::ZERO };
            expected.note_cost(block.hash, block.number, cost);
        }
        if keep == Keep::ALL {
            prop_assert_eq!(index.history(), &expected);
        }
        prop_assert_eq!(&index.history().markets, &expected.markets);
        prop_assert_eq!(&index.history().provers, &expected.provers);
        prop_assert!(index.history().payouts().eq(expected.payouts()));
        prop_assert!(index.history().slashes().eq(expected.slashes()));
        prop_assert!(index.history().totals().eq(expected.totals()));
    }

    #[test]
    fn what_is_forgotten_is_still_counted(lives in lives(), order in prop::collection::vec(any::<u8>(), 0..60), slots in 0usize..4) {
        let blocks = chain(1, &lives, &order);
        let all = fold(Keep::ALL, &blocks);
        let some = fold(Keep { slots, records: 2 }, &blocks);
        prop_assert!(all.totals().eq(some.totals()));
        for (id, market) in &all.markets {
            let less = &some.markets[id];
            prop_assert_eq!((market.opened, market.burned), (less.opened, less.burned));
            prop_assert_eq!((market.slashes_held, market.slashes_undone), (less.slashes_held, less.slashes_undone));
            // Whatever is open, waits for its premise, or can still fall is kept.
            let open = |it: &&u64| !market.slots[*it].settled;
            prop_assert!(market.slots.keys().filter(open).all(|it| less.slots.contains_key(it)));
        }
        prop_assert!(some.payouts().count() <= 2 && some.slashes().count() <= 3);
        // Room is made as slots are opened.
        let mut some = some;
        let opening = chain(1, &[(0, 1, 1, 0), (1, 1, 1, 0)], &[0, 0]);
        let opening = opening.iter().flat_map(|(_, events)| events);
        opening.filter(|it| matches!(it.event, Event::SlotOpened { .. })).for_each(|it| some.apply(it));
        for market in some.markets.values() {
            prop_assert!(market.slots.values().filter(|it| it.settled).count() <= slots);
        }
    }

    #[test]
    fn totals_are_the_sums_of_the_records(lives in lives(), order in prop::collection::vec(any::<u8>(), 0..60)) {
        let history = fold(Keep::ALL, &chain(1, &lives, &order));
        prop_assert!(history.payouts().is_sorted_by_key(|payout| payout.at));
        prop_assert!(history.slashes().is_sorted_by_key(|slash| slash.at));
        let all = history.total(|_| true);
        let paid = history.payouts().fold(alloy::primitives::I256::ZERO, |sum, payout| sum + payout.amount);
        let slashed = history.slashes().fold(U256::ZERO, |sum, slash| sum + slash.amount);
        prop_assert_eq!((all.net() + crate::totals::signed(all.slashed), all.slashed), (paid, slashed));
        prop_assert!(history.slashes().all(|slash| slash.slot.is_some()), "the market's word was found");
        let slots = || history.markets.values().flat_map(|market| market.slots.values());
        let proven = slots().filter(|slot| slot.outcome.payee().is_some()).count() as u64;
        let missed = slots().filter(|slot| matches!(slot.outcome, Outcome::Proven { missed_by: Some(_), .. })).count();
        prop_assert_eq!((all.delivered, all.missed), (proven, missed as u64));
        let won = slots().filter(|slot| !slot.assigned.is_zero() || slot.outcome.payee().is_some()).count();
        prop_assert_eq!(all.won, won as u64);
        // Who won by mechanism: each market has one here.
        for (mechanism, number) in MECHANISMS.iter().zip(0u8..) {
            let of = history.total(|share| share.mechanism == *mechanism);
            let market = history.total(|share| share.market == market(number).0);
            prop_assert_eq!(of, market);
        }
        prop_assert_eq!(history.total(|share| share.mechanism.is_zero()), Totals::default());
    }
}

#[test]
fn what_lies_too_deep_cannot_be_taken_back() {
    let blocks = chain(1, &[(0, 1, 2, 0), (1, 2, 3, 3), (0, 1, 1, 5)], &[0, 0, 0]);
    let mut index = Index::new(Keep::ALL, 2);
    blocks.iter().for_each(|(block, events)| index.take_in(*block, events.clone()));
    let last = blocks.len() as u64;
    assert_eq!(index.rewind(last - 3), Err(TooDeep { to: last - 3, floor: last - 2 }));
    assert_eq!(index.head().map(|block| block.number), Some(last), "nothing was taken back");
    assert_eq!(index.rewind_to(B256::repeat_byte(0xee)), None);
    assert_eq!(index.rewind(last - 2), Ok(()));
    assert_eq!(index.history(), &fold(Keep::ALL, &blocks[..blocks.len() - 2]));
    assert_eq!(index.head(), None);
    assert_eq!(index.history().cost(At::default()), None);
}
