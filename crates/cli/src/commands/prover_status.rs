//! `provery prover status`: a prover's stake, allocations and results.

use alloy::primitives::{Address, U256};
use eyre::Result;
use serde_json::json;

use crate::{
    amount::human,
    commands::Context,
    history::Outcome,
    output::{fields, table},
};

pub async fn run(context: &Context, address: Option<Address>) -> Result<()> {
    let session = context.reader().await?;
    let prover = session.account(address)?;
    let record = session.chain.prover(prover).await?;
    let history = session.history().await?;
    let known = history.provers.get(&prover).cloned().unwrap_or_default();
    let free = session.chain.free_stake(prover).await?;
    let credit = session.chain.credits(prover).await?;
    let epoch = session.chain.epoch().await?;
    let (mut won, mut proven, mut rescued, mut missed) = (0u64, 0u64, 0u64, 0u64);
    let mut earned = U256::ZERO;
    let mut allocations = Vec::new();
    for (id, market) in &history.markets {
        for slot in market.slots.values() {
            won += u64::from(slot.slot.prover == prover);
            if let Outcome::Proven { payee, reward, premium, missed_by, .. } = &slot.outcome {
                missed += u64::from(*missed_by == Some(prover));
                if *payee == prover {
                    earned += *reward + *premium;
                    proven += 1;
                    rescued += u64::from(missed_by.is_some());
                }
            }
        }
        let units = known.allocations.get(id).copied().unwrap_or_default();
        let weight = market.weights.at(record.id, epoch);
        let bonded = history.bonded(prover, *id);
        if units > 0 || weight > 0 || bonded > U256::ZERO {
            allocations.push((*id, units, weight, market.weights.total(epoch), bonded));
        }
    }
    let bonded = allocations.iter().fold(U256::ZERO, |sum, allocation| sum + allocation.4);
    let standing = match (record.id, record.suspended, record.paused) {
        (0, ..) => "not registered",
        (_, true, _) => "suspended after missed slots; `provery prover resume` when it is back",
        (_, _, true) => "paused by itself; `provery prover resume` when it is back",
        _ => "active",
    };
    let json = json!({
        "prover": prover,
        "registered": record.id != 0,
        "id": record.id,
        "uri": known.uri,
        "submitters": known.submitters,
        "stake": record.stake.to_string(),
        "bonded": bonded.to_string(),
        "allocated": record.allocated.to_string(),
        "free": free.to_string(),
        "unbonding": record.unbonding.to_string(),
        "unbonding_ready_at": record.unbondingReadyAt.to::<u64>(),
        "misses": record.misses,
        "paused": record.paused,
        "suspended": record.suspended,
        "credit": credit.to_string(),
        "epoch": epoch,
        "allocations": allocations.iter().map(|(market, units, weight, total, bonded)| json!({
            "market": market.to_string(), "units": units, "weight": weight, "total_weight": total, "bonded": bonded.to_string(),
        })).collect::<Vec<_>>(),
        "slots": { "won": won, "proven": proven, "rescued": rescued, "missed": missed },
        "earned": earned.to_string(),
    });
    context.out.result(&json, || {
        let mut text = fields(&[
            ("prover", prover.to_string()),
            ("standing", standing.to_string()),
            ("id", record.id.to_string()),
            ("uri", known.uri.clone()),
            ("stake", human(record.stake.to())),
            ("bonded", human(bonded)),
            ("free", human(free)),
            ("unbonding", human(record.unbonding.to())),
            ("credit", human(credit)),
            ("earned", human(earned)),
            ("slots", format!("{won} won, {proven} proven, of these {rescued} rescues; {missed} missed")),
        ]);
        if !allocations.is_empty() {
            let rows: Vec<Vec<String>> = allocations
                .iter()
                .map(|(market, units, weight, total, bonded)| {
                    vec![
                        market.to_string(),
                        units.to_string(),
                        format!("{weight} of {total}"),
                        human(*bonded),
                    ]
                })
                .collect();
            text.push('\n');
            text.push_str(&table(&["market", "units", "weight this epoch", "bonded"], &rows));
        }
        text
    });
    Ok(())
}
