//! The phases every slot goes through, whatever its mechanism: exclusive to its holder, then open to all,
//! then expired.
//!
//! Once a slot is open to all, every idle prover could start the same proof and all but one would waste it. So provers
//! take turns: those with stake in the market are ranked by a hash of slot and prover, and rank `i` starts `i` proving
//! times later than the first, if the slot is still unproven then. It is a courtesy and not a rule: the contract takes
//! the first proof from anyone, and a prover that ignores its rank loses nothing but, often, its effort. Turns never
//! cost liveness: whoever is still waiting when only [`LAST_CALL`] proving times are left before expiry starts at once.

use alloy::{
    primitives::{Address, keccak256},
    sol_types::SolValue as _,
};
use provery_types::Slot;

use crate::{
    reward::Curve,
    split::split,
    view::{Decision, Reason, SlotView},
};

/// Proving times before expiry at which a waiting prover stops waiting.
pub const LAST_CALL: u64 = 2;
/// Seconds after which a prover that takes nothing on looks at an open slot again.
const LOOK_AGAIN: u64 = 5;

/// The decision for a slot that its mechanism has nothing more to say about: held, or open to all.
pub fn decide(view: &SlotView<'_>) -> Decision {
    let mine = view.slot.prover == view.me;
    if view.now >= view.expires_at() {
        return Decision::Ignore { reason: Reason::Expired };
    }
    if mine && view.now < view.exclusive_until() {
        return Decision::Prove { reason: Reason::Assigned };
    }
    if view.now < view.exclusive_until() {
        let reason = if view.slot.prover.is_zero() { Reason::Undecided } else { Reason::HeldByAnother };
        return Decision::Wait { until: view.exclusive_until(), reason };
    }
    if mine {
        // Late, and the bond is still whole: a proof saves it, and a slot proven by nobody costs nothing either.
        return in_time(view, Reason::AssignedLate);
    }
    open_to_all(view)
}

/// The decision for a slot that anyone may prove, for a prover that does not hold it.
fn open_to_all(view: &SlotView<'_>) -> Decision {
    if expected_reward(view) < view.minimum_reward {
        return Decision::Ignore { reason: Reason::PaysTooLittle };
    }
    let turn = turn_at(view);
    if view.now < turn {
        return Decision::Wait { until: turn, reason: Reason::OthersFirst };
    }
    if !view.taking {
        return Decision::Wait { until: view.now.saturating_add(LOOK_AGAIN), reason: Reason::NotTaking };
    }
    in_time(view, if view.slot.prover.is_zero() { Reason::OpenToAll } else { Reason::Rescue })
}

/// Only what is delivered before the slot expires, after all that is queued before it.
fn in_time(view: &SlotView<'_>, reason: Reason) -> Decision {
    if view.now.saturating_add(view.estimated_proving_seconds) >= view.expires_at() {
        Decision::Ignore { reason: Reason::TooLate }
    } else if view.now.saturating_add(view.delivery_seconds()) >= view.expires_at() {
        // The queue may yet shrink.
        Decision::Wait { until: view.now.saturating_add(LOOK_AGAIN), reason: Reason::TooLate }
    } else {
        Decision::Prove { reason }
    }
}

/// The second at which this prover's turn to prove an open slot comes.
pub fn turn_at(view: &SlotView<'_>) -> u64 {
    let opens = view.exclusive_until();
    let turn = opens.saturating_add(view.rescue_rank.saturating_mul(view.estimated_proving_seconds));
    let last_call =
        view.expires_at().saturating_sub(view.estimated_proving_seconds.saturating_mul(LAST_CALL));
    turn.min(last_call).max(opens)
}

/// What a prover that is not assigned the slot would be paid for a proof delivered one proving time from now.
pub fn expected_reward(view: &SlotView<'_>) -> u128 {
    let delivered = view.now.saturating_add(view.estimated_proving_seconds);
    let reward =
        Curve::of(view.slot, view.terms).earned(delivered.saturating_sub(view.slot.startedAt.to::<u64>()));
    if view.slot.prover.is_zero() || !view.bond_at_stake {
        return reward;
    }
    let bond = split(view.terms.bond.to::<u128>(), view.terms.rescuerBps, view.terms.requesterBps);
    reward.saturating_add(bond.to_rescuer)
}

/// This prover's place among `candidates` (the active provers with stake in the slot's market) to rescue a slot. The
/// prover that missed it does not count. A prover that is not among them comes after them all.
pub fn rescue_rank(slot: &Slot, me: Address, candidates: &[Address]) -> u64 {
    let mine = turn_hash(slot, me);
    let others = candidates.iter().filter(|candidate| **candidate != me && **candidate != slot.prover);
    if candidates.contains(&me) {
        others.filter(|candidate| turn_hash(slot, **candidate) < mine).count() as u64
    } else {
        others.count() as u64
    }
}

/// By what provers are put in turns at a slot.
pub fn turn_hash(slot: &Slot, prover: Address) -> [u8; 32] {
    keccak256((slot.market, slot.id, prover).abi_encode()).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{slot, terms, view};

    #[test]
    fn a_prover_that_takes_nothing_on_finishes_what_it_holds_and_leaves_the_rest() {
        let terms = terms();
        let at = |prover, now| {
            let slot = slot(prover);
            decide(&SlotView { taking: false, ..view(&slot, &terms, ME, now, &[]) })
        };
        assert_eq!(at(ME, 1_000), Decision::Prove { reason: Reason::Assigned });
        assert_eq!(at(ME, 1_100), Decision::Prove { reason: Reason::AssignedLate });
        for open in [at(OTHER, 1_100), at(Address::ZERO, 1_100)] {
            assert_eq!(open, Decision::Wait { until: 1_105, reason: Reason::NotTaking });
        }
    }

    #[test]
    fn a_rescue_of_what_fell_with_its_premise_pays_the_reward_alone() {
        let (slot, terms) = (slot(OTHER), terms());
        let pays = |bond_at_stake| {
            expected_reward(&SlotView { bond_at_stake, ..view(&slot, &terms, ME, 1_100, &[]) })
        };
        assert_eq!((pays(true), pays(false)), (1_600, 600));
    }

    #[test]
    fn what_is_queued_counts_against_the_expiry() {
        let (slot, terms) = (slot(OTHER), terms());
        let queued =
            |queue_seconds| decide(&SlotView { queue_seconds, ..view(&slot, &terms, ME, 1_100, &[]) });
        assert_eq!(queued(269), Decision::Prove { reason: Reason::Rescue });
        assert_eq!(queued(270), Decision::Wait { until: 1_105, reason: Reason::TooLate });
    }

    const ME: Address = Address::repeat_byte(0x11);
    const OTHER: Address = Address::repeat_byte(0x22);

    /// The decision at `now` for a slot held by `prover`, with a proof taking 30 seconds.
    fn at(prover: Address, now: u64, rescue_rank: u64, minimum_reward: u128) -> Decision {
        let (slot, terms) = (slot(prover), terms());
        decide(&SlotView { rescue_rank, minimum_reward, ..view(&slot, &terms, ME, now, &[]) })
    }

    #[test]
    fn the_table() {
        use Decision::{Ignore, Prove, Wait};
        let nobody = Address::ZERO;
        let wait = |until, reason| Wait { until, reason };
        for (prover, now, rank, minimum, expected) in [
            // Mine: at once, also when late, but never for nothing.
            (ME, 1_000, 5, u128::MAX, Prove { reason: Reason::Assigned }),
            (ME, 1_099, 5, 0, Prove { reason: Reason::Assigned }),
            (ME, 1_100, 5, 0, Prove { reason: Reason::AssignedLate }),
            (ME, 1_369, 0, 0, Prove { reason: Reason::AssignedLate }),
            (ME, 1_370, 0, 0, Ignore { reason: Reason::TooLate }),
            (ME, 1_400, 0, 0, Ignore { reason: Reason::Expired }),
            // Another's: when its window is over and my turn has come.
            (OTHER, 1_000, 0, 0, wait(1_100, Reason::HeldByAnother)),
            (OTHER, 1_099, 3, 0, wait(1_100, Reason::HeldByAnother)),
            (OTHER, 1_100, 0, 0, Prove { reason: Reason::Rescue }),
            (OTHER, 1_100, 2, 0, wait(1_160, Reason::OthersFirst)),
            (OTHER, 1_160, 2, 0, Prove { reason: Reason::Rescue }),
            // The last call: two proving times before expiry everyone left goes.
            (OTHER, 1_200, 1_000, 0, wait(1_340, Reason::OthersFirst)),
            (OTHER, 1_340, 1_000, 0, Prove { reason: Reason::Rescue }),
            (OTHER, 1_370, 0, 0, Ignore { reason: Reason::TooLate }),
            (OTHER, 1_400, 0, 0, Ignore { reason: Reason::Expired }),
            // A rescue pays the floor of 600 and half the bond of 2,000.
            (OTHER, 1_100, 0, 1_600, Prove { reason: Reason::Rescue }),
            (OTHER, 1_100, 0, 1_601, Ignore { reason: Reason::PaysTooLittle }),
            // Nobody's: open from the start, on the curve.
            (nobody, 1_000, 0, 0, Prove { reason: Reason::OpenToAll }),
            (nobody, 1_000, 1, 0, wait(1_030, Reason::OthersFirst)),
            (nobody, 1_000, 0, 950, Prove { reason: Reason::OpenToAll }),
            (nobody, 1_000, 0, 951, Ignore { reason: Reason::PaysTooLittle }),
            (nobody, 1_400, 0, 0, Ignore { reason: Reason::Expired }),
        ] {
            assert_eq!(at(prover, now, rank, minimum), expected, "held by {prover} at {now}, rank {rank}");
        }
    }

    #[test]
    fn a_slot_its_mechanism_may_still_assign_is_left_alone() {
        let mut undecided = slot(Address::ZERO);
        undecided.exclusiveUntil = slot(OTHER).exclusiveUntil;
        let decision = decide(&view(&undecided, &terms(), ME, 1_050, &[]));
        assert_eq!(decision, Decision::Wait { until: 1_100, reason: Reason::Undecided });
    }

    #[test]
    fn ranks_are_a_permutation_that_leaves_the_missing_prover_out() {
        let provers: Vec<Address> = (1..=9).map(Address::with_last_byte).collect();
        let slot = slot(provers[4]);
        let mut ranks: Vec<u64> = provers
            .iter()
            .filter(|prover| **prover != slot.prover)
            .map(|prover| rescue_rank(&slot, *prover, &provers))
            .collect();
        ranks.sort_unstable();
        assert_eq!(ranks, (0..8).collect::<Vec<u64>>());
        assert_eq!(rescue_rank(&slot, ME, &provers), 8, "those without stake go last");
    }

    #[test]
    fn ranks_differ_from_slot_to_slot() {
        let provers: Vec<Address> = (1..=4).map(Address::with_last_byte).collect();
        let mut first = [0; 4];
        for id in 0..400 {
            let slot = Slot { id, ..slot(OTHER) };
            let winner = provers.iter().position(|prover| rescue_rank(&slot, *prover, &provers) == 0);
            first[winner.expect("someone is first")] += 1;
        }
        assert!(first.iter().all(|count| (60..140).contains(count)), "{first:?}");
    }
}
