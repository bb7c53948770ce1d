//! What happened, slot by slot, from the chain's events and the nodes' reports. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};
use provery_mechanisms::{Mechanism, draw, weights::Weights};
use provery_types::{Currency, Event, LoggedEvent, Slot, SlotExt as _};
use provery_workloads::transfer_rollup::events::Said;

use crate::overhead::Overhead;

/// One prover of the demo.
#[derive(Clone, Debug)]
pub struct Prover {
    pub name: String,
    pub address: Address,
    /// Stake allocated to the market, in units.
    pub units: u64,
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Proven {
        by: Address,
        reward: U256,
        premium: U256,
        missed_by: Option<Address>,
        tx: B256,
    },
    Expired,
    /// Its premise fell, or its requester paid for that; its holder got the fee.
    Dropped {
        fee: U256,
    },
}

/// One slot's row.
#[derive(Clone, Debug)]
pub struct SlotRow {
    pub id: u64,
    pub block_bytes: usize,
    pub winner: Option<Address>,
    /// Why the winner won.
    pub why: String,
    /// Milliseconds of this machine's clock at which the slot was first seen.
    pub seen_ms: u64,
    /// The newest phase any node reported.
    pub phase: String,
    /// Milliseconds the accepted proof took, by its prover's report.
    pub proving_ms: Option<u64>,
    pub settled_ms: Option<u64>,
    pub outcome: Outcome,
    /// Its proof was paid and waits for what the slot builds on.
    pub pending: bool,
    /// It, or what it builds on, was proven wrong.
    pub fallen: bool,
}

impl SlotRow {
    /// Somebody else proved what its holder missed, and the slash waits.
    pub fn is_held(&self) -> bool {
        self.pending
            && matches!(&self.outcome, Outcome::Proven { by, .. } if self.winner.is_some_and(|winner| winner != *by))
    }
}

/// Everything the demo has seen.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What amounts count in.
    pub asset: Currency,
    pub provers: Vec<Prover>,
    pub slots: BTreeMap<u64, SlotRow>,
    pub finalized: u64,
    pub finalized_root: U256,
    pub slashed: U256,
    pub burned: U256,
    /// Paid to the holders of slots that were dropped.
    pub fees: U256,
    /// Slashes that were held, and of these such as were undone.
    pub slashes_held: u64,
    pub slashes_undone: u64,
    /// Transactions by kind, to ask their gas.
    pub transactions: Vec<(&'static str, B256)>,
    ids: BTreeMap<u32, Address>,
    bytes_of_block: BTreeMap<u64, usize>,
    weights: Weights,
    seeds: BTreeMap<u64, U256>,
    proving_ms: BTreeMap<(u64, String), u64>,
    /// Proofs that were begun, by slot and prover.
    begun: BTreeSet<(u64, String)>,
    /// Those of them by who held the slot.
    held: BTreeSet<(u64, String)>,
    /// Milliseconds spent on proofs that nobody paid for, as far as their provers lived to tell.
    pub wasted_ms: u64,
    /// Where the time goes apart from proofs.
    pub overhead: Overhead,
    /// Gas of what nodes sent apart from proofs, by kind.
    pub errands: Vec<(String, u64)>,
    mechanism: Option<&'static dyn Mechanism>,
    epoch_length: u64,
    bond: u128,
}

impl Ledger {
    pub fn new(
        provers: Vec<Prover>,
        mechanism: &'static dyn Mechanism,
        epoch_length: u64,
        bond: u128,
        asset: Currency,
    ) -> Self {
        Self { provers, mechanism: Some(mechanism), epoch_length, bond, asset, ..Self::default() }
    }

    /// Proofs that were begun and that nobody paid for.
    pub fn wasted_proofs(&self) -> usize {
        let paid = |(slot, prover): &&(u64, String)| {
            self.slots.get(slot).is_some_and(
                |row| matches!(&row.outcome, Outcome::Proven { by, .. } if self.name(*by) == *prover),
            )
        };
        self.begun.len() - self.begun.iter().filter(paid).count()
    }

    /// What all proofs together were paid from the slots' prices.
    pub fn price_paid(&self) -> U256 {
        self.slots.values().fold(U256::ZERO, |sum, slot| match &slot.outcome {
            Outcome::Proven { reward, .. } => sum + *reward,
            _ => sum,
        })
    }

    /// The demo's name of an address.
    pub fn name(&self, address: Address) -> String {
        self.provers
            .iter()
            .find(|prover| prover.address == address)
            .map_or_else(|| format!("{address}"), |prover| prover.name.clone())
    }

    pub fn settled(&self) -> usize {
        self.slots.values().filter(|slot| slot.outcome != Outcome::Open).count()
    }

    /// Whether every slot has ended, and no proof waits for what its slot builds on.
    pub fn is_quiet(&self) -> bool {
        self.slots.values().all(|slot| slot.outcome != Outcome::Open && !slot.pending)
    }

    pub fn proven(&self) -> usize {
        self.slots.values().filter(|slot| matches!(slot.outcome, Outcome::Proven { .. })).count()
    }

    pub fn rescued(&self) -> usize {
        self.slots
            .values()
            .filter(|slot| matches!(slot.outcome, Outcome::Proven { missed_by: Some(_), .. }))
            .count()
    }

    /// Take in an event of the chain; `now_ms` is this machine's clock.
    pub fn apply(&mut self, logged: &LoggedEvent, now_ms: u64) {
        match &logged.event {
            Event::WeightSet { id, weight, epoch, .. } => self.weights.set(*id, *weight, *epoch),
            Event::EpochSeeded { epoch, seed } => {
                self.seeds.insert(*epoch, *seed);
            }
            Event::WorkloadLog { .. } => {
                if let Some(Said::Posted { number, data, .. }) = Said::of(logged) {
                    self.bytes_of_block.insert(number, data.len());
                    if let Some(row) = self.slots.get_mut(&number) {
                        row.block_bytes = data.len();
                    }
                }
            }
            Event::SlotOpened { slot, .. } => {
                let winner = slot.allocated_to();
                let row = SlotRow {
                    id: slot.id,
                    block_bytes: self.bytes_of_block.get(&slot.id).copied().unwrap_or(0),
                    winner,
                    why: self.why_opened(slot),
                    seen_ms: now_ms,
                    phase: "opened".into(),
                    proving_ms: None,
                    settled_ms: None,
                    outcome: Outcome::Open,
                    pending: false,
                    fallen: false,
                };
                self.slots.insert(slot.id, row);
                self.transactions.push(("open", logged.tx_hash));
            }
            Event::SlotAllocated { slot } => {
                let why = self.by_mechanism(slot);
                if let Some(row) = self.slots.get_mut(&slot.id) {
                    row.winner = slot.allocated_to();
                    row.why = why;
                }
            }
            Event::SlotHandedOver { slot, from, .. } => {
                let from = self.name(*from);
                if let Some(row) = self.slots.get_mut(&slot.id) {
                    row.winner = slot.allocated_to();
                    row.why = format!("handed over by {from}");
                }
            }
            Event::SlotProven { id, payee, reward, premium, missed_by, .. } => {
                let proving_ms = self.proving_ms.get(&(*id, self.name(*payee))).copied();
                if let Some(row) = self.slots.get_mut(id) {
                    row.outcome = Outcome::Proven {
                        by: *payee,
                        reward: *reward,
                        premium: *premium,
                        missed_by: *missed_by,
                        tx: logged.tx_hash,
                    };
                    // Of a slot that nobody held, whoever proved it is the winner.
                    row.winner = row.winner.or(Some(*payee));
                    self.slashes_held += u64::from(row.is_held());
                    row.proving_ms = proving_ms;
                    row.settled_ms = Some(now_ms);
                    row.phase = if missed_by.is_some() { "rescued".into() } else { "proven".into() };
                }
                self.transactions
                    .push((if missed_by.is_some() { "rescue" } else { "prove" }, logged.tx_hash));
            }
            Event::SlotExpired { id, forfeited, .. } => {
                if let Some(row) = self.slots.get_mut(id) {
                    row.outcome = Outcome::Expired;
                    row.settled_ms = Some(now_ms);
                    row.phase = "expired".into();
                }
                self.burned += *forfeited;
                self.transactions.push(("expire", logged.tx_hash));
            }
            Event::SlotDropped { id, fee, .. } => {
                if let Some(row) = self.slots.get_mut(id) {
                    row.outcome = Outcome::Dropped { fee: *fee };
                    row.settled_ms = Some(now_ms);
                    row.phase = "dropped".into();
                }
                self.fees += *fee;
                self.transactions.push(("drop", logged.tx_hash));
            }
            Event::SlotPending { id, .. } => {
                if let Some(row) = self.slots.get_mut(id) {
                    row.pending = true;
                }
            }
            Event::SlotResolved { id, premium, .. } => {
                if let Some(row) = self.slots.get_mut(id) {
                    self.slashes_undone += u64::from(row.is_held() && premium.is_zero());
                    row.pending = false;
                }
                self.transactions.push(("resolve", logged.tx_hash));
            }
            Event::ChainCut { id, .. } => {
                self.slots.range_mut(id..).for_each(|(_, row)| row.fallen = true);
            }
            Event::BondSlashed { id, prover, to_rescuer, to_requester, burned, .. } => {
                // Of a slash that was held; else the slot's proof follows and says the same.
                if let Some(SlotRow { outcome: Outcome::Proven { premium, missed_by, .. }, phase, .. }) =
                    self.slots.get_mut(id)
                {
                    (*premium, *missed_by) = (*to_rescuer, Some(*prover));
                    *phase = "rescued".into();
                }
                self.slashed += *to_rescuer + *to_requester + *burned;
                self.burned += *burned;
            }
            Event::SlotEstablished { id, claim, .. } => {
                self.finalized = *id;
                self.finalized_root = *claim;
            }
            Event::ProverRegistered { prover, id, .. } => {
                self.ids.insert(*id, *prover);
                self.transactions.push(("register", logged.tx_hash));
            }
            Event::Staked { .. } => self.transactions.push(("stake", logged.tx_hash)),
            Event::AllocationSet { .. } => self.transactions.push(("allocate", logged.tx_hash)),
            _ => {}
        }
    }

    /// Take in a line a node reported: phases for the table, the time of a proof for its row.
    pub fn report(&mut self, prover: &str, line: &serde_json::Value) {
        let Some(slot) = line["slot"].as_u64() else { return };
        let event = line["event"].as_str().unwrap_or_default();
        if event == "proved"
            && let Some(ms) = line["ms"].as_u64()
        {
            self.proving_ms.insert((slot, prover.to_string()), ms);
        }
        match event {
            "proving" => {
                self.begun.insert((slot, prover.to_string()));
                if line["reason"] == "allocated" {
                    self.held.insert((slot, prover.to_string()));
                }
            }
            "submitted" if self.held.contains(&(slot, prover.to_string())) => {
                if let Some(row) = self.slots.get(&slot) {
                    self.overhead.sent(row.seen_ms, line);
                }
            }
            "lost" => self.wasted_ms += line["wasted_ms"].as_u64().unwrap_or(0),
            "upkeep" => {
                if let (Some(action), Some(gas)) = (line["action"].as_str(), line["gas"].as_u64()) {
                    self.errands.push((action.to_string(), gas));
                }
            }
            _ => {}
        }
        let Some(row) = self.slots.get_mut(&slot) else { return };
        if row.outcome != Outcome::Open {
            return;
        }
        row.phase = match event {
            "phase" => format!("{prover}: {}", line["phase"].as_str().unwrap_or("proving")),
            "proving" | "proved" | "submitted" => format!("{prover}: {event}"),
            _ => return,
        };
    }

    /// Why the slot opened with this holder, or none.
    fn why_opened(&self, slot: &Slot) -> String {
        if self.mechanism.is_some_and(|mechanism| mechanism.draws()) {
            return self.why(slot.market, slot.id, slot.opened_at(), slot.prover);
        }
        match slot.allocated_to() {
            Some(_) => self.by_mechanism(slot),
            None if slot.exclusive_until() > slot.opened_at() => "not yet decided".into(),
            None => "open to all".into(),
        }
    }

    fn by_mechanism(&self, slot: &Slot) -> String {
        let word = self.mechanism.map_or("", |mechanism| mechanism.word());
        format!("{word}, at {}", self.asset.digits(slot.price_wei()))
    }

    /// Replay the draw and say why this prover holds the slot.
    fn why(&self, market: U256, slot: u64, opened_at: u64, winner: Address) -> String {
        let epoch = opened_at / self.epoch_length.max(1);
        let Some(seed) = self.seeds.get(&epoch) else { return "open to all: the epoch has no seed".into() };
        let draw = draw::Draw {
            market,
            slot,
            epoch,
            seed: *seed,
            weights: &self.weights,
            bond: self.bond,
            winner,
            max_draws: 4,
        };
        let explanation = draw::explain(&draw, |id| self.ids.get(&id).copied(), |_| None);
        match explanation.attempts.last() {
            Some(last) if explanation.winner.is_some() => {
                let passed = explanation.attempts.len() - 1;
                let passed = if passed == 0 { String::new() } else { format!(", {passed} passed over") };
                format!(
                    "draw {} of {}, stake {}/{}{passed}",
                    last.drawn.point, last.drawn.total, last.drawn.weight, last.drawn.total
                )
            }
            _ => "open to all: nobody able was drawn".into(),
        }
    }
}
