//! What the chain has said: a fold of the events of canonical blocks, and of nothing else.
//!
//! A reorg is answered by folding again from what the store still holds, so nothing here can be undone wrongly. What no
//! later decision can need is pruned once it is too deep for a reorg ([`Facts::prune`]), and its events with it
//! ([`obsolete`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use alloy::primitives::{Address, B256, LogData, U256};
use provery_mechanisms::hand_over::HandOver;
use provery_mechanisms::upkeep::Standing;
use provery_types::{Deployment, Event, LoggedEvent, Slot, Terms};
use serde::{Deserialize, Serialize};

use crate::rollup::Rollup;

/// A slot's place: ids count within a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotKey {
    pub market: U256,
    pub id: u64,
}

impl SlotKey {
    pub fn of(slot: &Slot) -> Self {
        Self { market: slot.market, id: slot.id }
    }
}

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of market {}", self.id, self.market)
    }
}

/// How a slot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Proven { payee: Address, reward: U256, premium: U256, missed_by: Option<Address> },
    Expired,
    Cancelled,
}

/// A slot's ending and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub how: Ending,
    pub tx: B256,
    pub block: u64,
}

/// A slot as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotFact {
    pub slot: Slot,
    pub terms_hash: B256,
    pub inputs: Vec<U256>,
    pub ended: Option<Ended>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ProverFact {
    id: u32,
    paused: bool,
    suspended: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Facts {
    terms: HashMap<B256, Terms>,
    market_terms: BTreeMap<U256, B256>,
    slots: BTreeMap<SlotKey, SlotFact>,
    provers: BTreeMap<Address, ProverFact>,
    allocations: BTreeMap<(U256, Address), u64>,
    weights: BTreeMap<(U256, u32), u64>,
    seeded_epoch: Option<u64>,
    rollups: BTreeMap<Address, Rollup>,
    /// What mechanisms said about slots, also about ones that have not opened yet.
    logs: BTreeMap<(SlotKey, Address), Vec<LogData>>,
    /// The newest slot of each market.
    newest: BTreeMap<U256, u64>,
    /// Standing offers to hand a slot over, by digest.
    offers: BTreeMap<SlotKey, BTreeMap<B256, HandOver>>,
}

impl Facts {
    /// Nothing said yet. Rollups are tracked where `deployment` says they are.
    pub fn new(deployment: &Deployment) -> Self {
        let rollups = deployment
            .rollups
            .iter()
            .map(|record| (record.address, Rollup::new(record, deployment.chain_id)))
            .collect();
        Self { rollups, ..Self::default() }
    }

    /// Whether an event is one that [`Facts::apply`] looks at.
    pub fn wants(event: &Event) -> bool {
        matches!(
            event,
            Event::TermsSet { .. }
                | Event::SlotOpened { .. }
                | Event::SlotAllocated { .. }
                | Event::SlotHandedOver { .. }
                | Event::HandOverOffered { .. }
                | Event::HandOverRevoked { .. }
                | Event::MechanismLog { .. }
                | Event::SlotProven { .. }
                | Event::SlotExpired { .. }
                | Event::SlotCancelled { .. }
                | Event::ProverRegistered { .. }
                | Event::AllocationSet { .. }
                | Event::WeightSet { .. }
                | Event::ProverPaused { .. }
                | Event::ProverSuspended { .. }
                | Event::ProverResumed { .. }
                | Event::EpochSeeded { .. }
                | Event::GenesisSet { .. }
                | Event::BlockPosted { .. }
                | Event::BlockFinalized { .. }
                | Event::BlocksDropped { .. }
        )
    }

    /// Take in the next event. The answer is the slot it is about, if it is about one.
    pub fn apply(&mut self, logged: &LoggedEvent) -> Option<SlotKey> {
        match &logged.event {
            Event::TermsSet { market, terms_hash, terms } => {
                self.terms.insert(*terms_hash, terms.clone());
                self.market_terms.insert(*market, *terms_hash);
            }
            Event::SlotOpened { slot, terms_hash, statement_inputs } => {
                let key = SlotKey::of(slot);
                let inputs = statement_inputs.clone();
                let fact = SlotFact { slot: slot.clone(), terms_hash: *terms_hash, inputs, ended: None };
                self.slots.insert(key, fact);
                self.newest.insert(key.market, key.id);
                return Some(key);
            }
            Event::SlotAllocated { slot } | Event::SlotHandedOver { slot, .. } => {
                let key = SlotKey::of(slot);
                // An offer is of the slot as its holder had it.
                self.offers.remove(&key);
                self.slots.get_mut(&key)?.slot = slot.clone();
                return Some(key);
            }
            Event::HandOverOffered { market, id, digest, to, price, valid_until, .. } => {
                let key = SlotKey { market: *market, id: *id };
                let offer = HandOver { to: *to, price: *price, valid_until: *valid_until };
                self.offers.entry(key).or_default().insert(*digest, offer);
                return Some(key);
            }
            Event::HandOverRevoked { digest, .. } => {
                self.offers.values_mut().for_each(|offers| {
                    offers.remove(digest);
                });
            }
            Event::MechanismLog { market, slot, log } => {
                let key = SlotKey { market: *market, id: *slot };
                // A mechanism speaks of a slot from the opening of the one before. So the number is known even when all
                // that was opened has been forgotten.
                let newest = self.newest.entry(*market).or_default();
                *newest = (*newest).max(slot.saturating_sub(1));
                self.logs.entry((key, logged.address)).or_default().push(log.clone());
                return Some(key);
            }
            Event::SlotProven { market, id, payee, reward, premium, missed_by } => {
                let (payee, reward, premium, missed_by) = (*payee, *reward, *premium, *missed_by);
                return self.end(*market, *id, Ending::Proven { payee, reward, premium, missed_by }, logged);
            }
            Event::SlotExpired { market, id, .. } => return self.end(*market, *id, Ending::Expired, logged),
            Event::SlotCancelled { market, id } => return self.end(*market, *id, Ending::Cancelled, logged),
            Event::ProverRegistered { prover, id, .. } => {
                self.provers.insert(*prover, ProverFact { id: *id, ..ProverFact::default() });
            }
            Event::AllocationSet { prover, market, units } => {
                self.allocations.insert((*market, *prover), *units);
            }
            Event::WeightSet { market, id, weight, .. } => {
                self.weights.insert((*market, *id), *weight);
            }
            Event::ProverPaused { prover } => self.provers.entry(*prover).or_default().paused = true,
            Event::ProverSuspended { prover } => self.provers.entry(*prover).or_default().suspended = true,
            Event::ProverResumed { prover } => {
                let prover = self.provers.entry(*prover).or_default();
                (prover.paused, prover.suspended) = (false, false);
            }
            Event::EpochSeeded { epoch, .. } => self.seeded_epoch = Some(*epoch),
            rollup => {
                if let Some(tracked) = self.rollups.get_mut(&logged.address) {
                    tracked.apply(rollup);
                }
            }
        }
        None
    }

    fn end(&mut self, market: U256, id: u64, how: Ending, logged: &LoggedEvent) -> Option<SlotKey> {
        let key = SlotKey { market, id };
        self.slots.get_mut(&key)?.ended = Some(Ended { how, tx: logged.tx_hash, block: logged.block.number });
        Some(key)
    }

    /// Every slot known, in order.
    pub fn slots(&self) -> impl Iterator<Item = (SlotKey, &SlotFact)> {
        self.slots.iter().map(|(key, fact)| (*key, fact))
    }

    pub fn slot(&self, key: SlotKey) -> Option<&SlotFact> {
        self.slots.get(&key)
    }

    /// The terms with this hash.
    pub fn terms(&self, hash: B256) -> Option<&Terms> {
        self.terms.get(&hash)
    }

    /// Every market that has terms.
    pub fn markets(&self) -> impl Iterator<Item = U256> {
        self.market_terms.keys().copied()
    }

    /// A market's current terms.
    pub fn market_terms(&self, market: U256) -> Option<&Terms> {
        self.terms.get(self.market_terms.get(&market)?)
    }

    /// What the mechanism at `mechanism` said about a slot, in order.
    pub fn log(&self, key: SlotKey, mechanism: Address) -> &[LogData] {
        self.logs.get(&(key, mechanism)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of the slot that opens next in a market.
    pub fn next_slot(&self, market: U256) -> u64 {
        self.newest.get(&market).map_or(1, |newest| newest.saturating_add(1))
    }

    /// Standing offers to hand a slot over.
    pub fn offers(&self, key: SlotKey) -> impl Iterator<Item = &HandOver> {
        self.offers.get(&key).into_iter().flat_map(BTreeMap::values)
    }

    /// The last epoch known to have a seed.
    pub fn seeded_epoch(&self) -> Option<u64> {
        self.seeded_epoch
    }

    /// Active provers with stake in a market: those who take turns at its open slots.
    pub fn candidates(&self, market: U256) -> Vec<Address> {
        let staked = self.allocations.range((market, Address::ZERO)..=(market, Address::repeat_byte(0xff)));
        staked
            .filter(|(_, units)| **units > 0)
            .map(|((_, prover), _)| *prover)
            .filter(|it| self.active(*it))
            .collect()
    }

    /// Every active prover with stake in any market.
    pub fn all_candidates(&self) -> Vec<Address> {
        let staked = self.allocations.iter().filter(|(_, units)| **units > 0).map(|((_, prover), _)| *prover);
        staked.filter(|it| self.active(*it)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn active(&self, prover: Address) -> bool {
        self.standing(prover).active()
    }

    /// A prover's record, as events tell it.
    pub fn standing(&self, prover: Address) -> Standing {
        let known = self.provers.get(&prover);
        known.map_or_else(Standing::default, |it| Standing {
            registered: it.id != 0,
            paused: it.paused,
            suspended: it.suspended,
        })
    }

    /// A prover's markets, with what it allocated to each and the newest weight of its leaf, both in units.
    pub fn leaves(&self, prover: Address) -> Vec<(U256, u64, u64)> {
        let Some(fact) = self.provers.get(&prover) else { return Vec::new() };
        let of_prover = self.allocations.iter().filter(|((_, holder), _)| *holder == prover);
        of_prover
            .map(|((market, _), units)| {
                (*market, *units, self.weights.get(&(*market, fact.id)).copied().unwrap_or_default())
            })
            .collect()
    }

    /// The rollup whose blocks are slots of this market.
    pub fn rollup_of_market(&mut self, market: U256) -> Option<&mut Rollup> {
        self.rollups.values_mut().find(|rollup| rollup.market() == market)
    }

    pub(crate) fn rollups(&self) -> impl Iterator<Item = (Address, &Rollup)> {
        self.rollups.iter().map(|(address, rollup)| (*address, rollup))
    }

    /// Start a rollup from a snapshot.
    pub(crate) fn restore_rollup(
        &mut self,
        address: Address,
        number: u64,
        state: &[u8],
    ) -> Result<(), String> {
        match self.rollups.get_mut(&address) {
            Some(rollup) => rollup.restore(number, state),
            // It is no longer in the deployment file.
            None => Ok(()),
        }
    }

    /// Forget slots that ended in `deep` (a block no reorg will reach) or before, and blocks that nothing open builds on.
    /// The answer is the slots forgotten.
    pub fn prune(&mut self, deep: u64) -> Vec<SlotKey> {
        let over = |fact: &SlotFact| fact.ended.as_ref().is_some_and(|ended| ended.block <= deep);
        let gone: Vec<SlotKey> =
            self.slots.iter().filter(|(_, fact)| over(fact)).map(|(key, _)| *key).collect();
        for key in &gone {
            self.slots.remove(key);
            self.offers.remove(key);
        }
        self.logs.retain(|(key, _), _| !gone.contains(key));
        for rollup in self.rollups.values_mut() {
            let market = rollup.market();
            let open = self.slots.range(SlotKey { market, id: 0 }..=SlotKey { market, id: u64::MAX });
            let first_open = open.map(|(key, _)| key.id).next();
            rollup.advance_base(first_open);
        }
        gone
    }
}

/// Which of `events`, all of them too deep for a reorg, in order and pruned from `facts`, need not be kept: folding the
/// others gives the same facts.
pub fn obsolete(events: &[LoggedEvent], facts: &Facts) -> Vec<(u64, u64)> {
    let mut newer: BTreeSet<String> = BTreeSet::new();
    let mut gone = Vec::new();
    for logged in events.iter().rev() {
        let slot = |market: &U256, id: &u64| !facts.slots.contains_key(&SlotKey { market: *market, id: *id });
        let block = |number: u64| {
            facts.rollups.get(&logged.address).and_then(Rollup::base).is_some_and(|(base, _)| number <= base)
        };
        let useless = match &logged.event {
            Event::SlotOpened { slot: opened, .. }
            | Event::SlotAllocated { slot: opened }
            | Event::SlotHandedOver { slot: opened, .. } => slot(&opened.market, &opened.id),
            Event::HandOverOffered { market, id, .. } => slot(market, id),
            // About a slot to come: kept.
            Event::MechanismLog { market, slot: id, .. } => {
                slot(market, id) && *id < facts.next_slot(*market)
            }
            Event::SlotProven { market, id, .. }
            | Event::SlotExpired { market, id, .. }
            | Event::SlotCancelled { market, id } => slot(market, id),
            Event::BlockPosted { number, .. } | Event::BlockFinalized { number, .. } => block(*number),
            Event::BlocksDropped { to, .. } => block(*to),
            Event::GenesisSet { .. } => block(0),
            Event::AllocationSet { prover, market, .. } => {
                !newer.insert(format!("allocation {market} {prover}"))
            }
            Event::WeightSet { market, id, .. } => !newer.insert(format!("weight {market} {id}")),
            Event::EpochSeeded { .. } => !newer.insert("seed".to_owned()),
            Event::ProverResumed { prover } => !newer.insert(format!("resumed {prover}")),
            Event::ProverPaused { prover } | Event::ProverSuspended { prover } => {
                newer.contains(&format!("resumed {prover}"))
            }
            other => !Facts::wants(other),
        };
        if useless {
            gone.push((logged.block.number, logged.log_index));
        }
    }
    gone.reverse();
    gone
}
