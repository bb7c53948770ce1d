//! What happened, slot by slot: the chain's history, and beside it what this machine's clock and the nodes' reports add. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolEvent as _,
};
use provery_bindings::SlotInputs::InputPosted;
use provery_indexer::{History, MarketHistory, Outcome, SlotRecord, Totals};
use provery_mechanisms::{Mechanism, draw};
use provery_types::{Currency, Event, LoggedEvent, Slot, SlotExt as _};
use provery_workloads::transfer_rollup::events::Said;

use crate::overhead::Overhead;

/// One prover of the demo.
#[derive(Clone, Debug)]
pub(crate) struct Prover {
    pub name: String,
    pub address: Address,
    /// Stake allocated to the market, in units.
    pub units: u64,
}

/// What the chain does not tell of a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotRow {
    pub block_bytes: usize,
    /// Why the winner won.
    pub why: String,
    /// Milliseconds of this machine's clock at which the slot was first seen.
    pub seen_ms: u64,
    /// The newest phase any node reported.
    pub phase: String,
    /// Milliseconds the accepted proof took, by its prover's report.
    pub proving_ms: Option<u64>,
    pub settled_ms: Option<u64>,
}

/// Everything the demo has seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What amounts count in.
    pub asset: Currency,
    pub provers: Vec<Prover>,
    /// Of the one market that there is, by slot.
    pub rows: BTreeMap<u64, SlotRow>,
    history: History,
    market_id: U256,
    /// What there is of the market before it is told of.
    unopened: MarketHistory,
    /// Transactions by kind, to ask their gas.
    pub transactions: Vec<(&'static str, B256)>,
    bytes_of_block: BTreeMap<u64, usize>,
    /// The last input that was posted, and the transaction that did.
    input_bytes: Option<(B256, usize)>,
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
    pub actions: Vec<(String, u64)>,
    mechanism: Option<&'static dyn Mechanism>,
    epoch_length: u64,
    bond: u128,
}

impl Ledger {
    pub(crate) fn new(
        provers: Vec<Prover>,
        market_id: U256,
        mechanism: &'static dyn Mechanism,
        epoch_length: u64,
        bond: u128,
        asset: Currency,
    ) -> Self {
        Self { provers, market_id, mechanism: Some(mechanism), epoch_length, bond, asset, ..Self::default() }
    }

    /// The market's slots and sums, as the chain tells them.
    pub(crate) fn market(&self) -> &MarketHistory {
        self.history.markets.get(&self.market_id).unwrap_or(&self.unopened)
    }

    /// The market's slots, by id.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &SlotRecord> {
        self.market().slots.values()
    }

    pub(crate) fn slot(&self, id: u64) -> Option<&SlotRecord> {
        self.market().slots.get(&id)
    }

    /// What came of the work of everyone, or of one prover.
    pub(crate) fn totals(&self, prover: Option<Address>) -> Totals {
        self.history.total(|share| prover.is_none_or(|prover| share.prover == prover))
    }

    /// The last slot that is established.
    pub(crate) fn finalized(&self) -> u64 {
        self.market().established.0
    }

    /// Proofs that were begun and that nobody paid for.
    pub(crate) fn wasted_proofs(&self) -> usize {
        let paid = |(slot, prover): &&(u64, String)| {
            let payee = self.slot(*slot).and_then(|slot| slot.outcome.payee());
            payee.is_some_and(|payee| self.name(payee) == *prover)
        };
        self.begun.len() - self.begun.iter().filter(paid).count()
    }

    /// The demo's name of an address.
    pub(crate) fn name(&self, address: Address) -> String {
        self.provers
            .iter()
            .find(|prover| prover.address == address)
            .map_or_else(|| format!("{address}"), |prover| prover.name.clone())
    }

    pub(crate) fn settled(&self) -> usize {
        self.slots().filter(|slot| !slot.outcome.is_open()).count()
    }

    /// Whether every slot has ended, and no proof waits for what its slot builds on.
    pub(crate) fn is_quiet(&self) -> bool {
        self.slots().all(|slot| !slot.outcome.is_open() && !slot.is_pending())
    }

    pub(crate) fn proven(&self) -> usize {
        self.slots().filter(|slot| slot.outcome.payee().is_some()).count()
    }

    pub(crate) fn rescued(&self) -> usize {
        let rescued = |slot: &&SlotRecord| matches!(slot.outcome, Outcome::Proven { missed_by: Some(_), .. });
        self.slots().filter(rescued).count()
    }

    /// Take in an event of the chain; `now_ms` is this machine's clock.
    pub(crate) fn apply(&mut self, logged: &LoggedEvent, now_ms: u64) {
        self.history.apply(logged);
        if let Some(kind) = kind(&logged.event) {
            self.transactions.push((kind, logged.tx_hash));
        }
        match &logged.event {
            Event::WorkloadLog { log } => {
                if let Ok(posted) = InputPosted::decode_log_data(log) {
                    self.input_bytes = Some((logged.tx_hash, posted.input.len()));
                } else if let Some(Said::Posted { number, data, .. }) = Said::of(logged) {
                    self.bytes_of_block.insert(number, data.len());
                    if let Some(row) = self.rows.get_mut(&number) {
                        row.block_bytes = data.len();
                    }
                }
            }
            Event::SlotOpened { slot, .. } => {
                // It is posted in the transaction that opens the slot.
                let input = self.input_bytes.filter(|(tx, _)| *tx == logged.tx_hash).map(|(_, bytes)| bytes);
                let row = SlotRow {
                    block_bytes: self.bytes_of_block.get(&slot.id).copied().or(input).unwrap_or(0),
                    why: self.why_opened(slot),
                    seen_ms: now_ms,
                    phase: "opened".into(),
                    ..SlotRow::default()
                };
                self.rows.insert(slot.id, row);
            }
            Event::SlotAssigned { slot } => {
                let why = self.by_mechanism(slot);
                self.with_row(slot.id, |row| row.why = why);
            }
            Event::SlotTransferred { slot, from, .. } => {
                let why = format!("transferred by {}", self.name(*from));
                self.with_row(slot.id, |row| row.why = why);
            }
            Event::SlotProven { id, payee, .. } => {
                let proving_ms = self.proving_ms.get(&(*id, self.name(*payee))).copied();
                self.with_row(*id, |row| (row.proving_ms, row.settled_ms) = (proving_ms, Some(now_ms)));
            }
            Event::SlotExpired { id, .. } | Event::SlotDropped { id, .. } => {
                self.with_row(*id, |row| row.settled_ms = Some(now_ms));
            }
            _ => {}
        }
    }

    fn with_row(&mut self, slot: u64, change: impl FnOnce(&mut SlotRow)) {
        if let Some(row) = self.rows.get_mut(&slot) {
            change(row);
        }
    }

    /// Take in a line a node reported: phases for the table, the time of a proof for its row.
    pub(crate) fn report(&mut self, prover: &str, line: &serde_json::Value) {
        let event = line["event"].as_str().unwrap_or_default();
        if event == "upkeep"
            && let (Some(action), Some(gas)) = (line["action"].as_str(), line["gas"].as_u64())
        {
            self.actions.push((action.to_string(), gas));
        }
        let Some(slot) = line["slot"].as_u64() else { return };
        if event == "proved"
            && let Some(ms) = line["ms"].as_u64()
        {
            self.proving_ms.insert((slot, prover.to_string()), ms);
        }
        match event {
            "proving" => {
                self.begun.insert((slot, prover.to_string()));
                if line["reason"] == "assigned" {
                    self.held.insert((slot, prover.to_string()));
                }
            }
            "submitted" if self.held.contains(&(slot, prover.to_string())) => {
                if let Some(row) = self.rows.get(&slot) {
                    self.overhead.sent(row.seen_ms, line);
                }
            }
            "lost" => self.wasted_ms += line["wasted_ms"].as_u64().unwrap_or(0),
            _ => {}
        }
        if self.slot(slot).is_none_or(|slot| !slot.outcome.is_open()) {
            return;
        }
        let Some(row) = self.rows.get_mut(&slot) else { return };
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
        match slot.holder() {
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
        let Some(seed) = self.history.seeds.get(&epoch) else {
            return "open to all: the epoch has no seed".into();
        };
        let draw = draw::Draw {
            market,
            slot,
            epoch,
            seed: *seed,
            weights: &self.market().weights,
            bond: self.bond,
            winner,
            max_draws: 4,
        };
        let explanation = draw::explain(&draw, |id| self.history.prover_by_id(id), |_| None);
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

/// What a transaction is called whose gas is asked for.
fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::SlotOpened { .. } => "open",
        Event::SlotProven { missed_by: Some(_), .. } => "rescue",
        Event::SlotProven { .. } => "prove",
        Event::SlotExpired { .. } => "expire",
        Event::SlotDropped { .. } => "drop",
        Event::SlotResolved { .. } => "resolve",
        Event::ProverRegistered { .. } => "register",
        Event::Staked { .. } => "stake",
        Event::AllocationSet { .. } => "allocate",
        _ => return None,
    })
}
