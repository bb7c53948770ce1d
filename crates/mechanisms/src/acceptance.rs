//! New terms of a market that a prover serves: whether its operator's bounds let the node accept them, and how many bonds at a
//! time this machine can answer for.
//!
//! Stake answers only for versions of the terms that its owner accepted; a slot under others goes to somebody else. Versions
//! that are announced may be accepted ahead, so that no draw passes the prover over on the day they come into force.

use alloy::primitives::U256;
use provery_types::{CircuitTerms, Terms};

use crate::reward::Curve;

/// What an operator lets its node accept. Nothing is accepted while a bound is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Seconds that an exclusive window has at least.
    pub min_window: Option<u64>,
    /// Asset wei that a bond has at most.
    pub max_bond: Option<u128>,
    /// What of a bond goes to its rescuer at most, in bps.
    pub max_rescuer_bps: Option<u16>,
    /// Seconds until a slot expires at most: for so long a bond may be tied up.
    pub max_expiry: Option<u64>,
}

/// Why terms are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This bound is not set.
    Unbounded(&'static str),
    /// This bound is crossed.
    Crossed(&'static str),
    /// This part is another than in the terms accepted before: only a person can tell what that means.
    Changed(&'static str),
    /// The least that a proof is paid is below what this prover works for.
    PaysTooLittle,
    /// The terms accepted before are not known here.
    Unknown,
}

impl Refusal {
    /// For people.
    pub fn reason(self) -> String {
        match self {
            Self::Unbounded(bound) => format!("{bound} is not set"),
            Self::Crossed(bound) => format!("they are beyond {bound}"),
            Self::Changed(part) => format!("their {part} changed"),
            Self::PaysTooLittle => "they pay less than min_reward".to_owned(),
            Self::Unknown => "the terms accepted before are not known".to_owned(),
        }
    }
}

impl Bounds {
    /// Whether `next` may take the place of terms that were `accepted`. `minimum_reward`: asset wei that this prover works
    /// for at least; a slot that it holds it must prove whatever that pays.
    pub fn accept(&self, accepted: &Terms, next: &Terms, minimum_reward: u128) -> Result<(), Refusal> {
        // All of them, so that none that is added goes unnoticed: what is not compared here is bounded below.
        let Terms {
            requester,
            mechanism,
            mechanismParams,
            circuit,
            verifier,
            price,
            bond,
            fastWindow: fast_window,
            exclusiveWindow: exclusive_window,
            expiryWindow: expiry_window,
            floorBps: floor_bps,
            rescuerBps: rescuer_bps,
            requesterBps,
            forfeitBps,
            outputs,
            callbackGas,
            version: _,
            leastRescue,
            chain,
            circuitTerms,
        } = next;
        let unchanged = [
            ("requester", accepted.requester == *requester),
            ("circuit", accepted.circuit == *circuit),
            ("verifier", accepted.verifier == *verifier),
            ("mechanism", accepted.mechanism == *mechanism),
            // Bonds of bids and tickets, and the time there is for them.
            ("mechanism's parameters", accepted.mechanismParams == *mechanismParams),
            ("chain", accepted.chain == *chain),
            // The royalty, and how proofs are taken.
            ("circuit's terms", accepted.circuitTerms == *circuitTerms),
            ("outputs", accepted.outputs == *outputs),
            // With the rescuer's share it says what of a bond is burned, and so whom a miss pays.
            ("requester's share", accepted.requesterBps == *requesterBps),
            // What its holder is credited for a slot that falls.
            ("forfeit", accepted.forfeitBps == *forfeitBps),
            ("least rescue", accepted.leastRescue == *leastRescue),
            // Paid by whoever proves.
            ("callback gas", accepted.callbackGas >= *callbackGas),
        ];
        if let Some((part, _)) = unchanged.iter().find(|(_, same)| !same) {
            return Err(Refusal::Changed(part));
        }
        let bound = |name, holds: Option<bool>| match holds {
            None => Err(Refusal::Unbounded(name)),
            Some(false) => Err(Refusal::Crossed(name)),
            Some(true) => Ok(()),
        };
        bound("accept_min_window", self.min_window.map(|least| u64::from(*exclusive_window) >= least))?;
        bound("accept_max_bond", self.max_bond.map(|most| bond.to::<u128>() <= most))?;
        bound("accept_max_rescuer_bps", self.max_rescuer_bps.map(|most| *rescuer_bps <= most))?;
        bound("accept_max_expiry", self.max_expiry.map(|most| u64::from(*expiry_window) <= most))?;
        let curve = Curve {
            price: price.to::<u128>(),
            floor_bps: *floor_bps,
            fast_window: *fast_window,
            exclusive_window: *exclusive_window,
            royalty_bps: CircuitTerms::read(next).royalty_bps,
        };
        if curve.after_royalty(curve.floor()) < minimum_reward { Err(Refusal::PaysTooLittle) } else { Ok(()) }
    }
}

/// What to do about a market's versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermsDecision {
    /// Accept versions up to this one.
    pub extend_to: Option<u32>,
    /// The first version, in force or announced, that is not accepted, and why.
    pub refused: Option<(u32, Refusal)>,
}

/// Go through the terms that slots may still open under and that are beyond those accepted, oldest first: `accepted` is the last
/// version that was, with its terms. A version that is refused ends it: those after it would be accepted with it.
pub fn terms_decision(
    bounds: &Bounds,
    accepted: (u32, Option<&Terms>),
    coming: &[&Terms],
    minimum_reward: u128,
) -> TermsDecision {
    let (to_version, known) = accepted;
    let mut decision = TermsDecision::default();
    let mut coming: Vec<&Terms> = coming.iter().copied().filter(|terms| terms.version > to_version).collect();
    coming.sort_by_key(|terms| terms.version);
    for terms in coming {
        let verdict = known.ok_or(Refusal::Unknown).and_then(|it| bounds.accept(it, terms, minimum_reward));
        match verdict {
            Ok(()) => decision.extend_to = Some(terms.version),
            Err(refusal) => {
                decision.refused = Some((terms.version, refusal));
                break;
            }
        }
    }
    decision
}

/// How many units to have bonded at once in a market: bonds of as many slots as this machine can prove one after the other
/// within one exclusive window, and one at least; never more than what is allocated. All that is bonded above that would be
/// missed if it were drawn in one burst.
pub fn exposure_for(
    exclusive_window: u64,
    proof_seconds: u64,
    workers: u64,
    bond: U256,
    stake_unit: U256,
    units: u64,
) -> u64 {
    let in_a_row = exclusive_window / proof_seconds.max(1);
    let slots = in_a_row.saturating_mul(workers.max(1)).max(1);
    let bonds = bond.saturating_mul(U256::from(slots));
    let needed = if stake_unit.is_zero() { U256::MAX } else { bonds.div_ceil(stake_unit) };
    needed.saturating_to::<u64>().max(1).min(units)
}

/// Asset wei of a position that can still be bonded, with `taken` of it bonded or promised.
pub fn free_exposure(units: u64, exposure: u64, stake_unit: U256, taken: U256) -> U256 {
    stake_unit.saturating_mul(U256::from(units.min(exposure))).saturating_sub(taken)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, aliases::U96};

    use super::*;
    use crate::testing::terms;

    const BOUNDS: Bounds = Bounds {
        min_window: Some(100),
        max_bond: Some(2_000),
        max_rescuer_bps: Some(5_000),
        max_expiry: Some(400),
    };

    fn version(version: u32) -> Terms {
        Terms { version, ..terms() }
    }

    #[test]
    fn terms_within_every_bound_are_accepted() {
        assert_eq!(BOUNDS.accept(&terms(), &version(2), 600), Ok(()));
        let easier = Terms { exclusiveWindow: 200, bond: U96::from(1), expiryWindow: 300, ..version(2) };
        assert_eq!(BOUNDS.accept(&terms(), &easier, 0), Ok(()));
    }

    #[test]
    fn each_bound_is_kept() {
        let crossed = |next: Terms| BOUNDS.accept(&terms(), &next, 0);
        for (next, bound) in [
            (Terms { exclusiveWindow: 99, ..version(2) }, "accept_min_window"),
            (Terms { bond: U96::from(2_001), ..version(2) }, "accept_max_bond"),
            (Terms { rescuerBps: 5_001, ..version(2) }, "accept_max_rescuer_bps"),
            (Terms { expiryWindow: 401, ..version(2) }, "accept_max_expiry"),
        ] {
            assert_eq!(crossed(next), Err(Refusal::Crossed(bound)));
        }
        assert_eq!(BOUNDS.accept(&terms(), &version(2), 601), Err(Refusal::PaysTooLittle));
        for (bounds, bound) in [
            (Bounds { min_window: None, ..BOUNDS }, "accept_min_window"),
            (Bounds { max_bond: None, ..BOUNDS }, "accept_max_bond"),
            (Bounds { max_rescuer_bps: None, ..BOUNDS }, "accept_max_rescuer_bps"),
            (Bounds { max_expiry: None, ..BOUNDS }, "accept_max_expiry"),
        ] {
            assert_eq!(bounds.accept(&terms(), &version(2), 0), Err(Refusal::Unbounded(bound)));
        }
    }

    #[test]
    fn what_no_bound_speaks_of_must_be_as_it_was() {
        let other = Address::repeat_byte(0x77);
        for (next, part) in [
            (Terms { requester: other, ..version(2) }, "requester"),
            (Terms { circuit: B256::repeat_byte(7), ..version(2) }, "circuit"),
            (Terms { verifier: other, ..version(2) }, "verifier"),
            (Terms { mechanism: other, ..version(2) }, "mechanism"),
            (Terms { chain: 1 << 24, ..version(2) }, "chain"),
            (Terms { outputs: 2, ..version(2) }, "outputs"),
            (Terms { mechanismParams: B256::repeat_byte(7), ..version(2) }, "mechanism's parameters"),
            (Terms { requesterBps: 4_500, ..version(2) }, "requester's share"),
            (Terms { forfeitBps: 100, ..version(2) }, "forfeit"),
            (Terms { leastRescue: U96::from(1), ..version(2) }, "least rescue"),
            (Terms { callbackGas: 1, ..version(2) }, "callback gas"),
        ] {
            assert_eq!(BOUNDS.accept(&terms(), &next, 0), Err(Refusal::Changed(part)));
        }
    }

    #[test]
    fn versions_are_accepted_in_order_and_ahead() {
        let accepted = terms();
        let [two, three] = [2, 3].map(version);
        let worse = Terms { exclusiveWindow: 10, ..version(2) };
        let of = |coming: &[&Terms]| terms_decision(&BOUNDS, (1, Some(&accepted)), coming, 0);
        assert_eq!(of(&[&accepted]), TermsDecision::default(), "nothing new");
        assert_eq!(of(&[&accepted, &two]), TermsDecision { extend_to: Some(2), refused: None });
        assert_eq!(of(&[&three, &two]), TermsDecision { extend_to: Some(3), refused: None });
        // Accepting the third would accept the second, which is in force.
        let refused = Some((2, Refusal::Crossed("accept_min_window")));
        assert_eq!(of(&[&worse, &three]), TermsDecision { extend_to: None, refused });
        // A second that was announced and replaced is none to fear: no slot opens under it.
        assert_eq!(of(&[&accepted, &three]).extend_to, Some(3));
        let unknown = terms_decision(&BOUNDS, (1, None), &[&two], 0);
        assert_eq!(unknown.refused, Some((2, Refusal::Unknown)));
    }

    #[test]
    fn exposure_is_what_can_be_proven_one_after_the_other() {
        let exposure = |window, proof, workers, bond: u64, unit: u64, units| {
            exposure_for(window, proof, workers, U256::from(bond), U256::from(unit), units)
        };
        assert_eq!(exposure(100, 30, 1, 10, 10, 50), 3);
        assert_eq!(exposure(100, 30, 2, 10, 10, 50), 6);
        assert_eq!(exposure(100, 30, 1, 25, 10, 50), 8, "bonds of two units and a half");
        assert_eq!(exposure(100, 300, 1, 25, 10, 50), 3, "one bond at least");
        assert_eq!(exposure(100, 30, 1, 25, 10, 5), 5, "no more than there is");
        assert_eq!(exposure(100, 0, 1, 1, 1, 1_000), 100);
        assert_eq!(exposure(u64::MAX, 1, u64::MAX, 10, 1, 7), 7);
        assert_eq!(exposure(100, 30, 1, 0, 10, 50), 1);
    }

    #[test]
    fn what_is_free_is_the_smaller_of_stake_and_exposure_less_what_is_taken() {
        let free = |units, exposure, taken: u64| {
            free_exposure(units, exposure, U256::from(10), U256::from(taken)).to::<u64>()
        };
        assert_eq!((free(5, 3, 0), free(2, 3, 0), free(5, 3, 25), free(5, 3, 31)), (30, 20, 5, 0));
    }
}
