//! The live table: redrawn in place on a terminal, a line a change elsewhere.

use std::io::{IsTerminal, Write};

use crate::ledger::{Ledger, Outcome, SlotRow};

/// Draws the ledger to stdout.
#[derive(Debug)]
pub struct Table {
    live: bool,
    drawn: usize,
    last: Vec<String>,
}

impl Table {
    pub fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), drawn: 0, last: Vec::new() }
    }

    /// Show the present state.
    pub fn draw(&mut self, ledger: &Ledger, gas: &dyn Fn(&SlotRow) -> Option<u64>) {
        let rows: Vec<String> = ledger.slots.values().map(|slot| row(ledger, slot, gas(slot))).collect();
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

fn row(ledger: &Ledger, slot: &SlotRow, gas: Option<u64>) -> String {
    let winner = slot.winner.map_or_else(|| "anyone".into(), |winner| ledger.name(winner));
    let (state, reward) = match &slot.outcome {
        Outcome::Proven { by, reward, premium, missed_by, .. } => {
            let verb = if missed_by.is_some() { "rescued" } else { "proven" };
            (format!("{verb} by {}", ledger.name(*by)), ledger.asset.digits(*reward + *premium))
        }
        Outcome::Expired => ("expired".into(), "0".into()),
        Outcome::Dropped { fee } => ("dropped".into(), ledger.asset.digits(*fee)),
        Outcome::Open => (slot.phase.clone(), String::new()),
    };
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    format!(
        "{:>4}  {:>6}  {:<8}  {:<32}  {:<14}  {:>9}  {:>9}  {:>8}  {:>12}",
        slot.id,
        slot.block_bytes,
        winner,
        slot.why,
        state,
        number(slot.proving_ms),
        number(slot.settled_ms.map(|at| at - slot.seen_ms)),
        number(gas),
        reward
    )
}
