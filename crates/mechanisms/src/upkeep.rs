//! What a prover does apart from proving: bring seeds in, end expired slots, come back after a suspension, collect.
//!
//! Bringing a seed in and expiring are open to anyone and useful once, so provers take turns at them as they do at rescues: rank
//! `i` acts `i` steps after the first may.

use alloy::{
    primitives::{Address, U256, keccak256},
    sol_types::SolValue as _,
};
use provery_types::{Slot, Terms};

use crate::{reward::Curve, split::forfeit, view::expires_at};

/// Seconds between two provers' turns at a piece of upkeep: enough for a transaction to be seen by the next.
pub const STEP_SECONDS: u64 = 15;

/// This prover's place at one piece of upkeep, named by `salt`, among the active provers.
pub fn upkeep_rank(salt: U256, me: Address, candidates: &[Address]) -> u64 {
    let mine = turn_hash(salt, me);
    let others = candidates.iter().filter(|candidate| **candidate != me);
    if candidates.contains(&me) {
        others.filter(|candidate| turn_hash(salt, **candidate) < mine).count() as u64
    } else {
        others.count() as u64
    }
}

/// By what provers are put in turns at a piece of upkeep, named by `salt`.
pub fn turn_hash(salt: U256, prover: Address) -> [u8; 32] {
    keccak256((salt, prover).abi_encode()).0
}

/// Names a slot's upkeep.
pub fn slot_salt(slot: &Slot) -> U256 {
    U256::from_be_bytes(keccak256((slot.market, slot.id).abi_encode()).0)
}

/// The epoch whose seed to bring in, if there is one that nobody brought and this prover's turn has come: the one that `now` falls
/// into, or the next once its seed can be known, `lead` seconds before it begins. Which seed it is depends on nobody's turn.
/// `candidates` are asked for only if a seed is due, and nobody's turn comes without any.
pub fn should_bring_seed(
    now: u64,
    epoch_length: u64,
    lead: u64,
    seeded: impl Fn(u64) -> bool,
    me: Address,
    candidates: impl FnOnce() -> Vec<Address>,
) -> Option<u64> {
    let current = now.checked_div(epoch_length)?;
    let known = |epoch: u64| epoch.saturating_mul(epoch_length).saturating_sub(lead);
    let wanted = |epoch: &u64| !seeded(*epoch) && now >= known(*epoch);
    let mut wanted = [current, current.saturating_add(1)].into_iter().filter(wanted).peekable();
    wanted.peek()?;
    let candidates = candidates();
    let due = |epoch: &u64| {
        let rank = upkeep_rank(U256::from(*epoch), me, &candidates);
        // Turns end well within the epoch, however many provers there are.
        let wait = rank.saturating_mul(STEP_SECONDS).min(epoch_length / 2);
        now >= known(*epoch).saturating_add(wait)
    };
    wanted.find(due).filter(|_| !candidates.is_empty())
}

/// The second from which this prover should expire a slot. The prover whose bond it frees goes first. `rank` is its place among
/// the slot's candidates, of [`slot_salt`].
pub fn expire_at(slot: &Slot, terms: &Terms, me: Address, rank: impl FnOnce() -> u64) -> u64 {
    let expires = expires_at(slot, terms);
    if slot.prover == me {
        return expires;
    }
    turn_after(expires, rank())
}

/// The second of this prover's turn at a slot's upkeep, if whoever has something in it may from `since` on.
fn turn_after(since: u64, rank: u64) -> u64 {
    since.saturating_add(rank.saturating_add(1).saturating_mul(STEP_SECONDS))
}

/// The second from which this prover should settle a slot that was proven before its premise was, which can be done since `since`.
/// Whoever gets or keeps a bond by it goes first: the payee of a rescue, and the prover that missed it. What builds on the slot
/// waits, so the others follow soon.
pub fn resolve_at(slot: &Slot, payee: Address, since: u64, me: Address, rank: impl FnOnce() -> u64) -> u64 {
    let held = !slot.prover.is_zero() && slot.prover != payee;
    let first = payee == me || (held && slot.prover == me);
    if first { since } else { turn_after(since, rank()) }
}

/// Whether to end a slot of this prover's that fell with its premise, rather than prove it. It is paid for either way: a proof
/// `delivery_seconds` from now earns the reward less what it costs, and a drop the forfeit. `provable` is whether a proof can be
/// made at all. Its bond is not at stake, but bound until the slot ends.
pub fn should_drop(
    slot: &Slot,
    terms: &Terms,
    now: u64,
    delivery_seconds: u64,
    cost: u128,
    provable: bool,
) -> bool {
    let delivered = now.saturating_add(delivery_seconds);
    if !provable || delivered >= expires_at(slot, terms) {
        return true;
    }
    let reward = Curve::of(slot, terms).reward(delivered.saturating_sub(slot.startedAt.to::<u64>()));
    reward.saturating_sub(cost) < forfeit(slot.price.to::<u128>(), terms.forfeitBps)
}

/// A prover's record, as far as upkeep looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProverStatus {
    /// The registry knows it.
    pub registered: bool,
    /// It left the draws of every market by itself.
    pub paused: bool,
}

impl ProverStatus {
    /// In the draws of markets in which it is not suspended.
    pub fn active(&self) -> bool {
        self.registered && !self.paused
    }
}

/// What a prover has in a market's draws, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// What it allocated.
    pub allocation: u64,
    /// The leaf's newest weight.
    pub weight: u64,
    /// After misses in this market.
    pub suspended: bool,
    /// It came back from a suspension here before, and has not proven a slot that it held since.
    pub unproven: bool,
}

/// Whether to come back to a market after a suspension there. `healthy` is whether this node could prove a slot if it were
/// drawn now. A pause is the operator's own doing and is left alone. Who came back and proved nothing is told apart from
/// who had an outage: coming back once more would only cost as many bonds again, so that is the operator's to say.
pub fn should_reinstate(prover_status: &ProverStatus, leaf: &Leaf, healthy: bool) -> bool {
    prover_status.active() && leaf.suspended && !leaf.unproven && healthy
}

/// Whether a market's leaf is out of line with its prover.
pub fn should_sync(prover_status: &ProverStatus, leaf: &Leaf) -> bool {
    let wanted = if prover_status.active() && !leaf.suspended { leaf.allocation } else { 0 };
    prover_status.registered && wanted != leaf.weight
}

/// How much credit to withdraw: all of it, once it reaches the threshold. No threshold, no withdrawal.
pub fn should_withdraw(credit: U256, threshold: Option<U256>) -> Option<U256> {
    let threshold = threshold?;
    (!credit.is_zero() && credit >= threshold).then_some(credit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{slot, terms};

    const ME: Address = Address::repeat_byte(0x11);

    fn provers() -> Vec<Address> {
        (1..=5).map(Address::with_last_byte).collect()
    }

    #[test]
    fn an_epochs_seed_is_brought_in_once_and_in_turn() {
        let provers = provers();
        let all = || provers.clone();
        let bring = |now, length, prover| should_bring_seed(now, length, 0, |_| false, prover, all);
        assert_eq!(should_bring_seed(1_000, 100, 0, |it| it == 10, provers[0], all), None, "seeded");
        assert_eq!(
            should_bring_seed(1_000, 100, 0, |_| false, ME, Vec::new),
            None,
            "there is nobody to draw"
        );
        let asked = || panic!("nobody need be looked at");
        assert_eq!(should_bring_seed(1_000, 100, 0, |_| true, ME, asked), None);
        assert_eq!(bring(1_000, 0, provers[0]), None);
        let brings_at = |prover| (0..1_000).find(|late| bring(10_000 + late, 1_000, prover) == Some(10));
        let mut turns: Vec<_> = provers.iter().map(|prover| brings_at(*prover)).collect();
        turns.sort_unstable();
        assert_eq!(turns, [0, 15, 30, 45, 60].map(Some));
        assert_eq!(brings_at(ME), Some(75));
        let turn = (0..40).find(|late| bring(4_000 + late, 40, ME).is_some());
        assert_eq!(turn, Some(20), "turns fit into a short epoch");
    }

    #[test]
    fn the_next_epochs_seed_is_brought_in_before_it_begins() {
        let me = || vec![ME];
        let bring =
            |now, seeded: &[u64]| should_bring_seed(now, 1_000, 50, |epoch| seeded.contains(&epoch), ME, me);
        assert_eq!(bring(10_949, &[10]), None);
        assert_eq!(bring(10_950, &[10]), Some(11));
        assert_eq!(bring(10_950, &[10, 11]), None);
        assert_eq!(bring(10_960, &[]), Some(10), "the one in use goes first");
        assert_eq!(bring(11_000, &[10]), Some(11));
    }

    #[test]
    fn a_slot_is_expired_by_its_prover_first() {
        let provers = provers();
        let at =
            |slot: Slot, me| expire_at(&slot, &terms(), me, || upkeep_rank(slot_salt(&slot), me, &provers));
        assert_eq!(at(slot(provers[2]), provers[2]), 1_400);
        let mut turns: Vec<u64> = provers.iter().map(|prover| at(slot(ME), *prover)).collect();
        turns.sort_unstable();
        assert_eq!(turns, [1_415, 1_430, 1_445, 1_460, 1_475]);
    }

    #[test]
    fn who_has_something_in_a_pending_slot_settles_it_first() {
        let provers = provers();
        let turn = |prover, payee, me| {
            let slot = slot(prover);
            resolve_at(&slot, payee, 1_000, me, || upkeep_rank(slot_salt(&slot), me, &provers))
        };
        let (holder, rescuer) = (provers[0], provers[1]);
        assert_eq!(turn(holder, rescuer, rescuer), 1_000, "the premium");
        assert_eq!(turn(holder, rescuer, holder), 1_000, "the bond");
        assert_eq!(turn(holder, holder, holder), 1_000, "what builds on it");
        let mut turns: Vec<u64> = provers[2..].iter().map(|prover| turn(holder, rescuer, *prover)).collect();
        turns.push(turn(holder, rescuer, ME));
        turns.sort_unstable();
        turns.dedup();
        assert_eq!(turns.len(), 4, "one after the other");
        assert!(turns[0] >= 1_015 && turns[3] == 1_090, "{turns:?}");
    }

    #[test]
    fn what_fell_with_its_premise_is_proven_if_that_pays_more_than_dropping_it() {
        // Price 1,000, floor 600, forfeit 100; exclusive from 1,000 to 1,100, expires at 1,400.
        let drop =
            |now, delivery, cost, provable| should_drop(&slot(ME), &terms(), now, delivery, cost, provable);
        assert!(!drop(1_000, 30, 0, true));
        assert!(drop(1_000, 30, 0, false), "nobody knows the state it starts from");
        assert!(!drop(1_300, 30, 500, true), "600 less 500 is not less than 100");
        assert!(drop(1_300, 30, 501, true), "it costs too much");
        assert!(drop(1_370, 30, 0, true), "it would be late");
    }

    #[test]
    fn comes_back_after_a_suspension_and_nothing_else() {
        let well = ProverStatus { registered: true, paused: false };
        let leaf = Leaf { allocation: 7, weight: 0, suspended: true, unproven: false };
        assert!(!should_reinstate(&well, &Leaf { suspended: false, ..leaf }, true));
        assert!(should_reinstate(&well, &leaf, true));
        assert!(!should_reinstate(&well, &leaf, false), "not while it could not prove");
        assert!(
            !should_reinstate(&well, &Leaf { unproven: true, ..leaf }, true),
            "it came back in vain before"
        );
        assert!(!should_reinstate(&ProverStatus { paused: true, ..well }, &leaf, true));
        assert!(!should_reinstate(&ProverStatus { registered: false, ..well }, &leaf, true));
    }

    #[test]
    fn leaves_follow_their_prover() {
        let well = ProverStatus { registered: true, paused: false };
        let leaf = |weight, suspended| Leaf { allocation: 7, weight, suspended, unproven: false };
        assert!(!should_sync(&well, &leaf(7, false)));
        assert!(should_sync(&well, &leaf(0, false)));
        assert!(should_sync(&well, &leaf(7, true)));
        assert!(!should_sync(&well, &leaf(0, true)));
        let paused = ProverStatus { paused: true, ..well };
        assert!(should_sync(&paused, &leaf(7, false)));
        assert!(!should_sync(&paused, &leaf(0, false)));
        assert!(!should_sync(&ProverStatus::default(), &leaf(0, false)));
    }

    #[test]
    fn credit_is_collected_at_the_threshold() {
        let [none, some] = [None, Some(U256::from(10))];
        assert_eq!(should_withdraw(U256::from(9), some), None);
        assert_eq!(should_withdraw(U256::from(10), some), Some(U256::from(10)));
        assert_eq!(should_withdraw(U256::from(10), none), None);
        assert_eq!(should_withdraw(U256::ZERO, Some(U256::ZERO)), None);
    }
}
