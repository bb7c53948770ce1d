//! Room for what is had before proofs begin: how many inputs are fetched at a time, how much of the disk those take that this prover is
//! not bound to, and how many circuits are asked. Whoever opens slots that take much takes nothing from other markets, and nothing from
//! slots that are held.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use alloy::primitives::U256;

use crate::book::Named;

/// Fetched at a time.
const MOST_FETCHES: usize = 8;
/// Of those, for slots that are not held: one place at least is for held ones.
const MOST_UNHELD: usize = MOST_FETCHES - 1;
/// Of one market: a server that takes its time takes no other market's. What is held counts apart.
const MOST_OF_MARKET: usize = 2;
/// Bytes on the disk for slots that are not held: of one market, and of all.
const MOST_BYTES: (u64, u64) = (256 << 20, 1 << 30);
/// What a file takes at least.
const LEAST_BYTES: u64 = 4_096;

/// Circuits asked at a time, as many as a worker has places for; of each market one.
const MOST_ASKED: usize = 2;
/// A market whose circuit took longer when it was asked last is slow: such ones take one place between them.
const SLOW: Duration = Duration::from_secs(30);

/// Inputs that are fetched or here.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// For which market, and whether for a held slot.
    fetching: HashMap<Named, (U256, bool)>,
    kept: HashMap<Named, U256>,
    /// Bytes of what is not held, as last counted, with what was begun since.
    taken: HashMap<U256, u64>,
}

impl Room {
    /// Nothing more is begun.
    pub(super) fn is_full(&self) -> bool {
        self.fetching.len() >= MOST_FETCHES
    }

    pub(super) fn is_fetching(&self, named: &Named) -> bool {
        self.fetching.contains_key(named)
    }

    pub(super) fn fetching(&self) -> impl Iterator<Item = Named> {
        self.fetching.keys().copied()
    }

    /// Count what is on the disk, and will be, for slots that are not held; these are the inputs of those that are.
    pub(super) fn count(&mut self, held: &HashSet<Named>) {
        self.taken.clear();
        let fetching = self.fetching.iter().filter(|(_, (_, is_held))| !is_held);
        let fetching = fetching.map(|(named, (market, _))| (named, market));
        for (named, market) in self.kept.iter().chain(fetching).filter(|(named, _)| !held.contains(*named)) {
            *self.taken.entry(*market).or_default() += bytes(*named);
        }
    }

    /// Whether the disk has room for an input.
    pub(super) fn fits(&self, market: U256, named: Named, is_held: bool) -> bool {
        // What is there already takes no more.
        if is_held || self.kept.contains_key(&named) {
            return true;
        }
        let of_market = self.taken.get(&market).copied().unwrap_or_default();
        let of_all = self.taken.values().fold(bytes(named), |sum, taken| sum.saturating_add(*taken));
        of_market.saturating_add(bytes(named)) <= MOST_BYTES.0 && of_all <= MOST_BYTES.1
    }

    /// Take a place for a fetch, if there is one.
    pub(super) fn begin(&mut self, market: U256, named: Named, is_held: bool) -> bool {
        let alike = self.fetching.values().filter(|(_, held)| *held == is_held);
        let of_market = alike.clone().filter(|(other, _)| *other == market).count();
        let has_place = is_held || alike.count() < MOST_UNHELD;
        let begins = !self.is_full() && has_place && of_market < MOST_OF_MARKET;
        if begins {
            self.fetching.insert(named, (market, is_held));
            if !is_held {
                *self.taken.entry(market).or_default() += bytes(named);
            }
        }
        begins
    }

    /// A fetch is over.
    pub(super) fn ended(&mut self, market: U256, named: Named, is_here: bool) {
        self.fetching.remove(&named);
        if is_here {
            self.kept.insert(named, market);
        }
    }

    /// All but these are gone from the disk.
    pub(super) fn retain(&mut self, wanted: &HashSet<Named>) {
        self.kept.retain(|named, _| wanted.contains(named));
    }

    /// What was being fetched is no longer waited for.
    pub(super) fn abandon(&mut self) {
        self.fetching.clear();
    }
}

/// Markets whose circuits are being asked.
#[derive(Debug, Default)]
pub(super) struct Asking {
    markets: HashSet<U256>,
    slow: HashSet<U256>,
}

impl Asking {
    /// Nobody more is asked.
    pub(super) fn is_full(&self) -> bool {
        self.markets.len() >= MOST_ASKED
    }

    /// Whether a market's circuit may be asked now.
    pub(super) fn has_place(&self, market: U256) -> bool {
        let waits_for_slow =
            self.slow.contains(&market) && self.markets.iter().any(|it| self.slow.contains(it));
        !self.is_full() && !self.markets.contains(&market) && !waits_for_slow
    }

    /// It is asked.
    pub(super) fn begin(&mut self, market: U256) {
        self.markets.insert(market);
    }

    /// It answered, or was not waited for any longer.
    pub(super) fn ended(&mut self, market: U256, took: Duration) {
        self.markets.remove(&market);
        if took > SLOW {
            self.slow.insert(market);
        } else {
            self.slow.remove(&market);
        }
    }

    /// Nobody's answer is waited for.
    pub(super) fn abandon(&mut self) {
        self.markets.clear();
    }
}

fn bytes((_, size): Named) -> u64 {
    size.max(LEAST_BYTES)
}

#[cfg(test)]
mod tests {
    use provery_descriptor::Digest;

    use super::*;

    fn input(number: usize, size: u64) -> Named {
        (Digest::of(&number.to_be_bytes()), size)
    }

    #[test]
    fn one_place_is_for_held_slots_and_no_market_takes_more_than_its_own() {
        let mut room = Room::default();
        let begun = (0..40).filter(|number| room.begin(U256::from(number / 4), input(*number, 1), false));
        assert_eq!(begun.count(), MOST_UNHELD, "two of each market");
        assert!(!room.is_full());
        assert!(room.begin(U256::ZERO, input(40, 1), true), "its market's other fetches do not count");
        assert!(room.is_full() && !room.begin(U256::MAX, input(41, 1), true));
        room.ended(U256::ZERO, input(0, 1), false);
        assert!(room.begin(U256::MAX, input(41, 1), true));
    }

    #[test]
    fn slow_circuits_leave_a_place_for_others() {
        let mut asking = Asking::default();
        let [one, two, three] = [1, 2, 3].map(U256::from);
        for market in [one, two] {
            assert!(asking.has_place(market));
            asking.begin(market);
        }
        assert!(asking.is_full() && !asking.has_place(three));
        asking.ended(one, SLOW * 2);
        asking.ended(two, SLOW * 2);
        asking.begin(one);
        assert!(!asking.has_place(one) && !asking.has_place(two) && asking.has_place(three));
        asking.ended(one, SLOW);
        asking.begin(one);
        assert!(asking.has_place(two), "one is quick by now");
    }

    #[test]
    fn inputs_of_slots_that_are_not_held_take_a_markets_share_of_the_disk_and_held_ones_what_they_need() {
        let (market, size) = (U256::from(1), 16 << 20);
        let mut room = Room::default();
        let fill = |room: &mut Room, market: U256, from: usize| {
            (from..)
                .take_while(|number| {
                    let named = input(*number, size);
                    let fits = room.fits(market, named, false) && room.begin(market, named, false);
                    room.ended(market, named, fits);
                    fits
                })
                .count()
        };
        assert_eq!(fill(&mut room, market, 0), 16);
        assert!(room.fits(market, input(99, size), true));
        assert!(room.fits(market, input(3, size), false), "it is there");
        for other in 2..4 {
            assert_eq!(fill(&mut room, U256::from(other), 100 * other as usize), 16);
        }
        assert_eq!((fill(&mut room, U256::from(4), 400), fill(&mut room, U256::from(5), 500)), (16, 0));
        // What is held does not count, nor what is over.
        room.count(&(0..4).map(|number| input(number, size)).collect());
        assert!(
            room.fits(market, input(99, size), false) && room.fits(U256::from(5), input(500, size), false)
        );
        room.retain(&HashSet::new());
        room.count(&HashSet::new());
        assert_eq!(fill(&mut room, market, 600), 16);
    }
}
