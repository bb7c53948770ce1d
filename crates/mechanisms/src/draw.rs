//! A draw by stake, replayed from public data: why this prover won.

use std::fmt;

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue as _,
};

use crate::weights::{Drawn, Weights};

/// The seed of `epoch`: 216 bits of a hash of the epoch and of one value that was fixed before anybody knew it, the `prevrandao` of
/// the epoch's seed block or what a beacon says.
pub fn seed(epoch: u64, value: B256) -> U256 {
    let hash = keccak256((U256::from(epoch), value).abi_encode());
    U256::from_be_bytes(hash.0) >> 40
}

/// The random number of attempt `attempt` (from 0) for a slot: a function of seed, market and slot alone.
pub fn random(seed: U256, market: U256, slot: u64, attempt: u64) -> U256 {
    U256::from_be_bytes(keccak256((seed, market, U256::from(slot), U256::from(attempt)).abi_encode()).0)
}

/// Why a drawn prover was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// It had left the draws of every market by itself.
    Paused,
    /// It was out of this market's draws, after misses there.
    Suspended,
    /// It had not accepted the version of the terms that the slot was opened under.
    TermsNotAccepted,
    /// Asset wei allocated to the market and not bonded, and the bond it had to cover.
    TooLittleFreeStake {
        /// What it had exposed to the market, less the bonds reserved there.
        free: u128,
        /// What the slot's terms ask for.
        bond: u128,
    },
    /// The chain passed it over; what its record was at the time is not known here.
    NotAble,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("it had paused itself"),
            Self::Suspended => f.write_str("it was suspended in this market"),
            Self::TermsNotAccepted => f.write_str("it had not accepted these terms"),
            Self::TooLittleFreeStake { free, bond } => {
                write!(f, "{free} wei of its stake in the market was free, less than the bond of {bond} wei")
            }
            Self::NotAble => f.write_str("it was not able to back the bond"),
        }
    }
}

/// A prover's record as it was when the slot opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// By itself, in every market.
    pub paused: bool,
    /// In this market, after misses there.
    pub suspended: bool,
    /// Whether it had accepted the version of the terms.
    pub accepts: bool,
    /// What it exposed to the market, less the bonds reserved there, in asset wei.
    pub free: u128,
}

/// What a replay needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The slot's market.
    pub market: U256,
    /// The slot's id within the market.
    pub slot: u64,
    /// The epoch the slot was opened in.
    pub epoch: u64,
    /// That epoch's seed.
    pub seed: U256,
    /// The market's, with those frozen for that epoch.
    pub weights: &'a Weights,
    /// The terms' bond in asset wei.
    pub bond: u128,
    /// Whom the chain assigned the slot to; zero if nobody.
    pub winner: Address,
    /// The contract's `MAX_DRAWS`.
    pub max_draws: u64,
}

/// One attempt of a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its random number: see [`random`].
    pub random: U256,
    /// Where that landed among the weights.
    pub drawn: Drawn,
    /// Whom that is; zero if the prover's address is not known.
    pub prover: Address,
    /// Nothing for the attempt that assigned the slot.
    pub passed_over: Option<PassedOver>,
}

/// A draw explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The epoch the slot was opened in.
    pub epoch: u64,
    /// That epoch's seed, of 216 bits.
    pub seed: U256,
    /// All frozen weight of the epoch, in units.
    pub total_weight: u64,
    /// In order; the last one won, unless nobody did.
    pub attempts: Vec<Attempt>,
    /// Whom the replay gives the slot to.
    pub winner: Option<Address>,
    /// Whether that is what the chain did.
    pub agrees: bool,
}

impl Explanation {
    /// The winner's chance on any single attempt, from 0 to 1.
    pub fn chance(&self) -> f64 {
        match self.attempts.last() {
            Some(last) if self.winner.is_some() && self.total_weight > 0 => {
                last.drawn.weight as f64 / self.total_weight as f64
            }
            _ => 0.0,
        }
    }
}

/// Replay a draw. `address_of` tells provers' addresses by id. `record_of` tells a prover's record just before the slot
/// opened, where that is known; where it is not, the chain's own choice of winner decides who was passed over.
pub fn explain(
    draw: &Draw<'_>,
    address_of: impl Fn(u32) -> Option<Address>,
    record_of: impl Fn(Address) -> Option<Record>,
) -> Explanation {
    let mut attempts = Vec::new();
    let mut winner = None;
    for attempt in 0..draw.max_draws {
        let random = random(draw.seed, draw.market, draw.slot, attempt);
        let Some(drawn) = draw.weights.draw(random, draw.epoch) else { break };
        let prover = address_of(drawn.id).unwrap_or_default();
        let passed_over = match record_of(prover) {
            Some(record) if record.suspended => Some(PassedOver::Suspended),
            Some(record) if record.paused => Some(PassedOver::Paused),
            Some(record) if !record.accepts => Some(PassedOver::TermsNotAccepted),
            Some(record) if record.free < draw.bond => {
                Some(PassedOver::TooLittleFreeStake { free: record.free, bond: draw.bond })
            }
            Some(_) => None,
            None => (prover != draw.winner).then_some(PassedOver::NotAble),
        };
        let won = passed_over.is_none();
        attempts.push(Attempt { random, drawn, prover, passed_over });
        if won {
            winner = Some(prover);
            break;
        }
    }
    Explanation {
        epoch: draw.epoch,
        seed: draw.seed,
        total_weight: draw.weights.total(draw.epoch),
        agrees: winner.unwrap_or_default() == draw.winner,
        attempts,
        winner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKET: U256 = U256::ONE;
    const BOND: u128 = 100;

    fn address(id: u32) -> Address {
        Address::with_last_byte(id as u8)
    }

    fn weights() -> Weights {
        let mut weights = Weights::default();
        for id in 1..=4 {
            weights.set(id, u64::from(id) * 10, 2);
        }
        weights
    }

    fn draw(weights: &Weights, slot: u64, winner: Address) -> Draw<'_> {
        Draw {
            market: MARKET,
            slot,
            epoch: 5,
            seed: U256::from(77),
            weights,
            bond: BOND,
            winner,
            max_draws: 4,
        }
    }

    #[test]
    fn an_able_prover_drawn_first_wins() {
        let weights = weights();
        for slot in 1..50 {
            let first = weights.draw(random(U256::from(77), MARKET, slot, 0), 5).expect("there is weight");
            let able = |_| Some(Record { paused: false, suspended: false, accepts: true, free: BOND });
            let explanation = explain(&draw(&weights, slot, address(first.id)), |id| Some(address(id)), able);
            assert!(explanation.agrees);
            assert_eq!(explanation.winner, Some(address(first.id)));
            assert_eq!(explanation.attempts.len(), 1);
            assert_eq!(explanation.total_weight, 100);
            assert!((explanation.chance() - f64::from(first.id) / 10.0).abs() < 1e-12);
        }
    }

    #[test]
    fn those_not_able_are_passed_over_and_told_why() {
        let weights = weights();
        let record_of = |prover: Address| {
            Some(Record {
                paused: prover == address(4),
                suspended: prover == address(3),
                accepts: true,
                free: if prover == address(2) { BOND - 1 } else { BOND },
            })
        };
        let mut reasons = Vec::new();
        let mut open = 0;
        for slot in 1..200 {
            let explanation = explain(&draw(&weights, slot, address(1)), |id| Some(address(id)), record_of);
            match explanation.winner {
                Some(winner) => {
                    assert_eq!(winner, address(1));
                    assert!(explanation.agrees);
                }
                None => {
                    assert_eq!(explanation.attempts.len(), 4, "it gives up after the last draw");
                    assert!(!explanation.agrees);
                    assert_eq!(explanation.chance(), 0.0);
                    open += 1;
                }
            }
            reasons.extend(explanation.attempts.into_iter().filter_map(|attempt| attempt.passed_over));
        }
        assert!(open > 0);
        assert!(reasons.contains(&PassedOver::Paused));
        assert!(reasons.contains(&PassedOver::Suspended));
        assert!(reasons.contains(&PassedOver::TooLittleFreeStake { free: BOND - 1, bond: BOND }));
    }

    #[test]
    fn without_records_the_chain_says_who_was_passed_over() {
        let weights = weights();
        let slot = (1..)
            .find(|slot| {
                let drawn = |attempt| {
                    weights.draw(random(U256::from(77), MARKET, *slot, attempt), 5).map(|drawn| drawn.id)
                };
                drawn(0) == Some(4) && drawn(1) == Some(2)
            })
            .expect("some slot draws 4, then 2");
        let explanation = explain(&draw(&weights, slot, address(2)), |id| Some(address(id)), |_| None);
        assert!(explanation.agrees);
        assert_eq!(explanation.attempts[0].passed_over, Some(PassedOver::NotAble));
        assert_eq!(explanation.attempts[1].passed_over, None);
    }

    #[test]
    fn nobody_is_drawn_from_nothing() {
        let weights = Weights::default();
        let explanation = explain(&draw(&weights, 1, Address::ZERO), |id| Some(address(id)), |_| None);
        assert_eq!(explanation.winner, None);
        assert!(explanation.attempts.is_empty());
        assert!(explanation.agrees);
    }

    #[test]
    fn chances_are_linear_in_weight() {
        let weights = weights();
        let mut wins = [0u32; 5];
        for slot in 0..20_000 {
            let drawn = weights.draw(random(U256::from(9), MARKET, slot, 0), 5).expect("there is weight");
            wins[drawn.id as usize] += 1;
        }
        for (id, won) in wins.iter().enumerate().skip(1) {
            let expected = id as f64 * 2_000.0;
            assert!((f64::from(*won) - expected).abs() < 5.0 * expected.sqrt(), "{wins:?}");
        }
    }
}
