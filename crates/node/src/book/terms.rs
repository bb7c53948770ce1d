//! What this prover puts behind the markets it serves: the versions of the terms that it accepts, and what may be bonded at once;
//! and what of that an operator should know.

use std::ops::RangeInclusive;

use alloy::primitives::U256;
use provery_mechanisms::{
    acceptance::{Bounds, TermsDecision, exposure_for, terms_decision},
    view::expires_at,
};
use provery_types::SlotKey;

use super::{Book, Gap, Policy};
use crate::{
    concern::Concern,
    earning::Lack,
    facts::{Commitment, Premise},
    slots::SlotStage,
};

/// What is coming in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketDecision {
    /// The market's id.
    pub market: U256,
    /// What this prover said it puts behind the market.
    pub commitment: Commitment,
    /// Which versions of its terms to accept, and which is refused.
    pub terms: TermsDecision,
}

impl MarketDecision {
    /// The versions to accept now, if there are more.
    pub fn versions(&self) -> Option<RangeInclusive<u32>> {
        Some(self.commitment.from_version..=self.terms.extend_to?)
    }
}

impl Book {
    /// The markets that this prover has stake behind, and whether their terms are going to change.
    pub fn decisions(&self, bounds: &Bounds, minimum_reward: u128) -> Vec<MarketDecision> {
        let mine = self.facts.leaves(self.me).into_iter();
        let served = mine.map(|(market, _)| market).filter(|market| self.serves(*market));
        served
            .filter_map(|market| {
                let commitment = self.facts.commitment(market, self.me);
                if commitment.units == 0 {
                    return None;
                }
                let accepted = self.facts.terms_of_version(market, commitment.to_version);
                let announced = self.facts.announced_terms(market).map(|(terms, _)| terms);
                let coming: Vec<_> = self.facts.market_terms(market).into_iter().chain(announced).collect();
                let terms =
                    terms_decision(bounds, (commitment.to_version, accepted), &coming, minimum_reward);
                Some(MarketDecision { market, commitment, terms })
            })
            .collect()
    }

    /// What the operator should know. `may_accept` is whether the key that sends is the prover's own; `stake_unit` is asset wei.
    pub fn concerns(
        &mut self,
        bounds: &Bounds,
        policy: &Policy,
        may_accept: bool,
        stake_unit: U256,
    ) -> Vec<Concern> {
        let mut concerns = self.unprovable(policy.now);
        concerns.extend(self.late(policy));
        concerns.extend(self.refused());
        concerns.extend(self.unprovable_markets());
        concerns.extend(self.suspensions());
        for MarketDecision { market, commitment, terms } in self.decisions(bounds, policy.minimum_reward) {
            let why = terms.refused.map(|(version, refusal)| (version, refusal.reason()));
            let why = why.or_else(|| {
                let version = terms.extend_to.filter(|_| !may_accept)?;
                Some((version, "only the prover's own key can".to_owned()))
            });
            if let Some((version, reason)) = why {
                let message = format!(
                    "terms version {version} of market {market} is not accepted ({reason}), so no slot under it can be \
                     assigned to this prover; read it and accept it with `provery prover allocate --accept-versions`, or `provery pool announce` for a pool"
                );
                concerns.push(Concern { code: Concern::TERMS_NOT_ACCEPTED, market, slot: None, message });
            }
            concerns.extend(self.exposure_concern(market, commitment, policy, stake_unit));
        }
        concerns
    }

    /// Markets that this node does not come back to by itself.
    fn suspensions(&self) -> Vec<Concern> {
        let leaves = self.facts.leaves(self.me).into_iter();
        let lasting = leaves.filter(|(market, leaf)| {
            self.serves(*market) && leaf.allocation > 0 && leaf.suspended && leaf.unproven
        });
        let concern = |market: U256| Concern {
            code: Concern::SUSPENDED,
            market,
            slot: None,
            message: format!(
                "suspended in market {market} again, and no slot of its own there was proven since the last time: see to it \
                 that this node has what it proves and proves it in time, then run `provery prover reinstate --market {market}`"
            ),
        };
        lasting.map(|(market, _)| concern(market)).collect()
    }

    fn exposure_concern(
        &self,
        market: U256,
        commitment: Commitment,
        policy: &Policy,
        stake_unit: U256,
    ) -> Option<Concern> {
        let terms = self.facts.market_terms(market)?;
        let bond = terms.bond.to::<U256>();
        if bond.is_zero() || stake_unit.is_zero() || !self.mechanism(terms.mechanism)?.assigns() {
            return None;
        }
        let window = u64::from(terms.exclusiveWindow);
        let seconds = policy.estimated_proving_seconds;
        let most = exposure_for(window, seconds, policy.workers, bond, stake_unit, commitment.units);
        if commitment.exposure <= most {
            return None;
        }
        let message = format!(
            "{} units may be bonded at once in market {market}, and with {seconds} s a proof this machine can answer for \
             {most} within one exclusive window; lower the exposure with `provery prover allocate`, or `provery pool allocate` for a pool",
            commitment.exposure
        );
        Some(Concern { code: Concern::EXPOSURE_TOO_LARGE, market, slot: None, message })
    }

    /// Slots of this prover's whose bond is at stake and which are not proven on the chain, with less time left than what is still to
    /// be done usually takes.
    fn late(&self, policy: &Policy) -> Vec<Concern> {
        let mut concerns = Vec::new();
        for (key, record) in self.work.iter().filter(|(_, record)| record.slot.prover == self.me) {
            let Some((slot, terms)) = self.open_slot(*key).filter(|_| !self.fell(*key)) else { continue };
            let (until, window) = (slot.exclusiveUntil.to::<u64>(), u64::from(terms.exclusiveWindow));
            let proof = policy.estimated_proving_seconds;
            let needed = match record.work.stage {
                SlotStage::Ignored | SlotStage::Failed => continue,
                stage if stage.ended() => continue,
                SlotStage::Proved { .. } | SlotStage::Submitting => window / 8,
                SlotStage::Proving => (proof / 2).min(window / 4),
                _ => proof,
            };
            let left = until.saturating_sub(policy.now);
            if left >= needed || policy.now >= expires_at(slot, terms) {
                continue;
            }
            let (SlotKey { market, id }, bond, stage) = (*key, terms.bond, record.work.stage.name());
            let message = format!(
                "slot {id} of market {market} is this prover's and not proven on the chain (stage {stage}), and its bond of \
                 {bond} asset wei is lost from unix second {until} on if another proves it: see to the endpoints, the key's gas \
                 funds and the workers, or offer it to others with `provery slot transfer offer`"
            );
            concerns.push(Concern { code: Concern::HELD_LATE, market, slot: Some(id), message });
        }
        concerns
    }

    /// How many slots this prover holds whose bond is at stake.
    pub fn at_stake(&self) -> usize {
        let held = self.work.iter().filter(|(_, record)| record.slot.prover == self.me);
        held.filter(|(key, _)| self.open_slot(**key).is_some() && !self.fell(**key)).count()
    }

    /// Slots of this prover's whose bond is at stake, and which this node is not going to prove.
    pub(super) fn unprovable(&mut self, now: u64) -> Vec<Concern> {
        let stored = |stage: SlotStage| matches!(stage, SlotStage::Proved { .. } | SlotStage::Submitting);
        let held = self.work.iter().filter(|(_, record)| record.slot.prover == self.me);
        let held: Vec<(SlotKey, SlotStage)> = held
            .filter(|(key, record)| {
                !stored(record.work.stage)
                    && !self.fell(**key)
                    && self.open_slot(**key).is_some_and(|(slot, terms)| now < expires_at(slot, terms))
            })
            .map(|(key, record)| (*key, record.work.stage))
            .collect();
        let mut concerns = Vec::new();
        for (key, stage) in held {
            let why = match self.at_hand(key).err() {
                // It starts from a claim that nobody can have proven right, and falls with it: no bond is lost.
                Some(Gap::Hidden(_)) if !self.builds_on_established(key) => continue,
                // What takes so long may not come at all.
                Some(Gap::Pending(_)) if self.has_time(key, now) => continue,
                Some(gap) => gap.to_string(),
                None if matches!(stage, SlotStage::Ignored | SlotStage::Failed) => {
                    format!("given up, stage {}; the errors before say why", stage.name())
                }
                None => continue,
            };
            let SlotKey { market, id } = key;
            let message = format!(
                "slot {id} of market {market} is this prover's and cannot be proven here ({why}): its bond is lost if another \
                 proves it; mend that, or offer it to others with `provery slot transfer offer`"
            );
            let (code, slot) = (Concern::HELD_UNPROVABLE, Some(id));
            concerns.push(Concern { code, market, slot, message });
        }
        concerns
    }

    /// Whether more than half of a slot's exclusive window is left.
    fn has_time(&self, key: SlotKey, now: u64) -> bool {
        self.open_slot(key).is_some_and(|(slot, terms)| {
            let left = slot.exclusiveUntil.to::<u64>().saturating_sub(now);
            left > u64::from(terms.exclusiveWindow) / 2
        })
    }

    fn builds_on_established(&self, key: SlotKey) -> bool {
        self.facts.slot(key).is_some_and(|fact| self.facts.premise(fact) == Premise::Established)
    }

    /// The first market that this node was to serve, that is refused, and that this prover's stake is behind: it may be given slots
    /// there of which nothing is read.
    pub fn refused_with_stake(&self) -> Option<U256> {
        let leaves = self.facts.leaves(self.me).into_iter();
        let mut drawn = leaves.filter(|(_, leaf)| leaf.allocation > 0 || leaf.weight > 0);
        drawn.find(|(market, _)| self.facts.refusal(*market).is_some()).map(|(market, _)| market)
    }

    /// Markets that this prover's stake is behind and whose slots cannot be proven here.
    fn unprovable_markets(&self) -> Vec<Concern> {
        let leaves = self.facts.leaves(self.me).into_iter();
        let staked = leaves.filter(|(market, leaf)| self.is_to_serve(*market) && leaf.allocation > 0);
        let lacking = staked.filter_map(|(market, _)| Some((market, self.lack(market)?)));
        // Under a version that was not accepted no slot is given to this prover.
        let lacking = lacking.filter(|(market, lack)| match lack {
            Lack::OtherCircuit { version } | Lack::Delay { version } => {
                self.facts.commitment(*market, self.me).accepts(*version)
            }
            _ => true,
        });
        let concern = |(market, lack): (U256, Lack)| Concern {
            code: if lack == Lack::Reading { Concern::READING_HISTORY } else { Concern::MARKET_UNPROVABLE },
            market,
            slot: None,
            message: format!(
                "slots of market {market} may be given to this prover and cannot be proven here ({lack}): each would cost a bond; \
                 see `{}`, or take the stake back with `provery prover allocate --market {market} --units 0`",
                lack.next()
            ),
        };
        lacking.map(concern).collect()
    }
}
