//! `provery prover status`: a prover's stake, allocations and results.

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_bindings::Position;
use provery_indexer::Outcome;
use serde_json::{Value, json};

use crate::{
    amount::Currency,
    context::Context,
    output::{fields, table},
};

const HEADING: [&str; 8] =
    ["market", "units", "exposure", "weight this epoch", "bonded", "accepts", "terms", "misses"];

/// What the prover has in one market.
struct Row {
    market: U256,
    position: Position,
    /// Of the terms in force.
    version: u32,
    weight: u64,
    total: u64,
}

impl Row {
    fn accepts(&self) -> bool {
        (self.position.fromVersion..=self.position.toVersion).contains(&self.version)
    }

    fn warnings(&self) -> Vec<String> {
        let market = self.market;
        let mut warnings = Vec::new();
        if self.position.units > 0 && !self.accepts() {
            warnings.push(format!(
                "market {market} has version {} of its terms and this prover accepts {} to {}, so it is drawn for nothing \
                 there; look at them with `provery market show`, then accept them with `provery prover allocate`",
                self.version, self.position.fromVersion, self.position.toVersion
            ));
        }
        if self.position.suspended {
            warnings.push(format!(
                "suspended in market {market} after {} misses; `provery prover reinstate --market {market}` when it is back",
                self.position.misses
            ));
        }
        warnings
    }

    fn json(&self) -> Value {
        json!({
            "market": self.market.to_string(),
            "units": self.position.units,
            "exposure": self.position.exposure,
            "weight": self.weight,
            "total_weight": self.total,
            "bonded": self.position.bonded.to_string(),
            "from_version": self.position.fromVersion,
            "to_version": self.position.toVersion,
            "version": self.version,
            "accepted": self.accepts(),
            "misses": self.position.misses,
            "suspended": self.position.suspended,
        })
    }

    fn cells(&self, asset: &Currency) -> Vec<String> {
        let suspended = if self.position.suspended { ", suspended" } else { "" };
        vec![
            self.market.to_string(),
            self.position.units.to_string(),
            self.position.exposure.to_string(),
            format!("{} of {}", self.weight, self.total),
            asset.show(self.position.bonded.to()),
            format!("{} to {}", self.position.fromVersion, self.position.toVersion),
            format!("version {}", self.version),
            format!("{}{suspended}", self.position.misses),
        ]
    }
}

pub(super) async fn run(context: &Context, address: Option<Address>) -> Result<()> {
    let session = context.reader().await?;
    let prover = session.account(address)?;
    let record = session.chain.prover(prover).await?;
    let history = session.history().await?;
    let known = history.provers.get(&prover).cloned().unwrap_or_default();
    let free = session.chain.free_stake(prover).await?;
    let credit = session.chain.credits(prover).await?;
    let epoch = session.chain.epoch().await?;
    let (mut won, mut proven, mut rescued, mut missed, mut held) = (0u64, 0u64, 0u64, 0u64, 0u64);
    let mut earned = U256::ZERO;
    let mut fees = U256::ZERO;
    let mut allocations = Vec::new();
    for (id, market) in &history.markets {
        for slot in market.slots.values() {
            won += u64::from(slot.slot.prover == prover);
            if let Outcome::Proven { payee, reward, premium, missed_by, .. } = &slot.outcome {
                missed += u64::from(*missed_by == Some(prover));
                held += u64::from(slot.is_held() && slot.slot.prover == prover);
                if *payee == prover {
                    earned += *reward + *premium;
                    proven += 1;
                    rescued += u64::from(slot.slot.prover != prover && !slot.slot.prover.is_zero());
                }
            }
            if let Outcome::Dropped { fee, .. } = &slot.outcome
                && slot.slot.prover == prover
            {
                fees += *fee;
            }
        }
        let position = session.chain.position(*id, prover).await?;
        let weight = market.weights.at(record.id, epoch);
        if position.units > 0 || weight > 0 || !position.bonded.is_zero() || position.misses > 0 {
            let version = history.terms(market.terms_hash).map(|terms| terms.version).unwrap_or_default();
            let total = market.weights.total(epoch);
            allocations.push(Row { market: *id, position, version, weight, total });
        }
    }
    let bonded = allocations.iter().fold(U256::ZERO, |sum, row| sum + row.position.bonded.to::<U256>());
    let warnings: Vec<String> = allocations.iter().flat_map(Row::warnings).collect();
    let state = match (record.id, record.paused) {
        (0, _) => "not registered",
        (_, true) => {
            "paused by its own key; its node resumes it if it paused it, else `provery prover resume`"
        }
        _ => "active",
    };
    let json = json!({
        "prover": prover,
        "registered": record.id != 0,
        "id": record.id,
        "uri": known.uri,
        "submitters": known.submitters,
        "nominated": known.nominated,
        "stake": record.stake.to_string(),
        "bonded": bonded.to_string(),
        "allocated": record.allocated.to_string(),
        "free": free.to_string(),
        "unbonding": record.unbonding.to_string(),
        "unbonding_ready_at": record.unbondingReadyAt.to::<u64>(),
        "paused": record.paused,
        "credit": credit.to_string(),
        "epoch": epoch,
        "allocations": allocations.iter().map(Row::json).collect::<Vec<_>>(),
        "warnings": warnings,
        "slots": { "won": won, "proven": proven, "rescued": rescued, "missed": missed, "slash_held": held },
        "earned": earned.to_string(),
        "drop_fees": fees.to_string(),
    });
    context.out.result(&json, || {
        let mut text = fields(&[
            ("prover", prover.to_string()),
            ("state", state.to_string()),
            ("id", record.id.to_string()),
            ("uri", known.uri.clone()),
            ("stake", session.show(record.stake.to())),
            ("bonded", session.show(bonded)),
            ("free", session.show(free)),
            ("unbonding", session.show(record.unbonding.to())),
            ("credit", session.show(credit)),
            ("earned", session.show(earned)),
            ("slots", format!("{won} won, {proven} proven, of these {rescued} rescues; {missed} missed, {held} with the slash held")),
        ]);
        if !allocations.is_empty() {
            let rows: Vec<Vec<String>> = allocations.iter().map(|row| row.cells(session.asset())).collect();
            text.push('\n');
            text.push_str(&table(&HEADING, &rows));
        }
        for warning in &warnings {
            text.push_str(&format!("\nwarning: {warning}"));
        }
        text
    });
    Ok(())
}
