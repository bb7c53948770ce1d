//! The live table: redrawn in place on a terminal, a line a change elsewhere.

use std::io::{IsTerminal, Write};

use provery_indexer::{Outcome, SlotRecord};

use crate::ledger::Ledger;

/// Draws the ledger to stdout.
#[derive(Debug)]
pub(crate) struct Table {
    live: bool,
    drawn: usize,
    last: Vec<String>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), drawn: 0, last: Vec::new() }
    }

    /// Show the present state.
    pub(crate) fn draw(&mut self, ledger: &Ledger, gas: &dyn Fn(&SlotRecord) -> Option<u64>) {
        let rows: Vec<String> = ledger.slots().map(|slot| row(ledger, slot, gas(slot))).collect();
        let mut out = std::io::stdout().lock();
        if self.live {
            let mut text = String::new();
            if self.drawn > 0 {
                text.push_str(&format!("\x1b[{}A", self.drawn));
            }
            text.push_str(&format!("\x1b[2K{}\n", heading()));
            for line in &rows {
                text.push_str(&format!("\x1b[2K{line}\n"));
            }
            self.drawn = rows.len() + 1;
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        } else {
            if self.last.is_empty() && !rows.is_empty() {
                let _ = writeln!(out, "{}", heading());
            }
            for (index, line) in rows.iter().enumerate() {
                if self.last.get(index) != Some(line) {
                    let _ = writeln!(out, "{line}");
                }
            }
            let _ = out.flush();
        }
        self.last = rows;
    }
}

fn heading() -> String {
    format!(
        "{:>4}  {:>6}  {:<8}  {:<32}  {:<14}  {:>9}  {:>9}  {:>8}  {:>12}",
        "slot", "bytes", "winner", "why", "state", "proof ms", "total ms", "gas", "reward"
    )
}

fn row(ledger: &Ledger, slot: &SlotRecord, gas: Option<u64>) -> String {
    let beside = ledger.rows.get(&slot.slot.id).cloned().unwrap_or_default();
    let winner = slot.winner().map_or_else(|| "anyone".into(), |winner| ledger.name(winner));
    let (state, reward) = match &slot.outcome {
        Outcome::Proven { payee, reward, premium, missed_by, .. } => {
            let verb = if missed_by.is_some() { "rescued" } else { "proven" };
            (format!("{verb} by {}", ledger.name(*payee)), ledger.asset.digits(*reward + *premium))
        }
        Outcome::Expired { .. } => ("expired".into(), "0".into()),
        Outcome::Cancelled { .. } => ("cancelled".into(), "0".into()),
        Outcome::Dropped { fee, .. } => ("dropped".into(), ledger.asset.digits(*fee)),
        Outcome::Open => (beside.phase.clone(), String::new()),
    };
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    format!(
        "{:>4}  {:>6}  {:<8}  {:<32}  {:<14}  {:>9}  {:>9}  {:>8}  {:>12}",
        slot.slot.id,
        beside.block_bytes,
        winner,
        beside.why,
        state,
        number(beside.proving_ms),
        number(beside.settled_ms.map(|at| at - beside.seen_ms)),
        number(gas),
        reward
    )
}
