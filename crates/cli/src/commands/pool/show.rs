//! `provery pool show` and `list`: what a pool consists of, and what of it is whose.

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_rpc::{PoolBatch, PoolRecord};
use serde_json::{Value, json};

use super::{
    chosen::find,
    policy::{policy_json, policy_text},
};
use crate::{
    amount::Currency,
    context::Context,
    error::{Code, Failure},
    output::{fields, table},
    session::Session,
    time::when,
};

/// A delegator's part in a batch.
struct Exit {
    batch: U256,
    amount: U256,
    state: &'static str,
    ready_at: Option<u64>,
}

struct Holding {
    delegator: Address,
    shares: U256,
    worth: U256,
    exits: Vec<Exit>,
}

pub(super) async fn list(context: &Context) -> Result<()> {
    let session = context.reader().await?;
    let mut rows = Vec::new();
    for found in session.chain.pools().await? {
        let record = session.chain.pool(found.pool).await?;
        rows.push((found, record));
    }
    let json: Vec<Value> = rows
        .iter()
        .map(|(found, record)| {
            json!({
                "pool": found.pool,
                "operator": found.operator,
                "first_loss_bps": found.first_loss_bps,
                "commission_bps": record.commission_bps.saturating_to::<u64>(),
                "operator_stake": record.operator_stake.to_string(),
                "delegated": record.delegated.to_string(),
            })
        })
        .collect();
    context.out.result(&json!({ "pools": json }), || {
        if rows.is_empty() {
            return "there is no pool yet; make one with `provery pool create`".to_string();
        }
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|(found, record)| {
                vec![
                    found.pool.to_string(),
                    found.operator.to_string(),
                    found.first_loss_bps.to_string(),
                    record.commission_bps.to_string(),
                    session.show(record.operator_stake),
                    session.show(record.delegated),
                ]
            })
            .collect();
        table(&["pool", "operator", "first loss bps", "commission bps", "operator stake", "delegated"], &rows)
    });
    Ok(())
}

pub(super) async fn show(context: &Context, address: Address, delegator: Option<Address>) -> Result<()> {
    let session = context.reader().await?;
    let record = find(&session, address).await?;
    let prover = session.chain.prover(address).await?;
    let credit = session.chain.credits(address).await?;
    let free = session.chain.free_stake(address).await?;
    let history = session.history().await?;
    let known = history.provers.get(&address).cloned().unwrap_or_default();
    let mut markets = Vec::new();
    for market in &record.markets {
        markets.push((market, session.chain.position(market.market, address).await?));
    }
    let bonded = markets.iter().map(|(_, position)| position.bonded.to::<U256>()).sum::<U256>();
    let open = session.chain.pool_batch(address, record.open_batch).await?;
    let unbonding = match record.unbonding_batch {
        Some(batch) => Some((batch, session.chain.pool_batch(address, batch).await?)),
        None => None,
    };
    let holding = match whose(&session, delegator)? {
        Some(delegator) => Some(holding(&session, address, &record, delegator).await?),
        None => None,
    };
    let (next_bps, next_from) = record
        .next_commission
        .map_or((None, None), |(bps, from)| (Some(bps.saturating_to::<u64>()), Some(from)));
    let json = json!({
        "pool": address,
        "id": prover.id,
        "operator": record.operator,
        "uri": known.uri,
        "submitters": known.submitters,
        "paused": prover.paused,
        "first_loss_bps": record.first_loss_bps.saturating_to::<u64>(),
        "commission_bps": record.commission_bps.saturating_to::<u64>(),
        "next_commission_bps": next_bps,
        "next_commission_from": next_from,
        "next_commission_until": next_from.map(|from| from + record.exit_time),
        "operator_exit": record.operator_exit.map(|(amount, from)| json!({
            "amount": amount.to_string(),
            "from": from,
            "until": from + record.exit_time,
        })),
        "revision": record.revision.to_string(),
        "exit_time": record.exit_time,
        "notice": record.notice,
        "stake": prover.stake.to_string(),
        "free": free.to_string(),
        "bonded": bonded.to_string(),
        "operator_stake": record.operator_stake.to_string(),
        "delegated": record.delegated.to_string(),
        "unvested": record.unvested.to_string(),
        "exiting": record.exiting.to_string(),
        "operator_exiting": record.operator_exiting.to_string(),
        "shares": record.shares.to_string(),
        "share_price": price(&record),
        "unharvested": credit.to_string(),
        "owed_to_operator": record.owed_to_operator.to_string(),
        "markets": markets.iter().map(|(market, position)| json!({
            "market": market.market.to_string(),
            "units": position.units.to_string(),
            "exposure": position.exposure,
            "policy": market.policy.as_ref().map(policy_json),
            "announced": market.next.as_ref().map(|(policy, _)| policy_json(policy)),
            "announced_from": market.next.as_ref().map(|(_, from)| from),
            "bonded": position.bonded.to_string(),
            "misses": position.misses,
            "suspended": position.suspended,
        })).collect::<Vec<_>>(),
        "open_batch": batch_json(record.open_batch, &open),
        "unbonding_batch": unbonding.as_ref().map(|(batch, found)| batch_json(*batch, found)),
        "delegator": holding.as_ref().map(|it| json!({
            "address": it.delegator,
            "shares": it.shares.to_string(),
            "worth": it.worth.to_string(),
            "exits": it.exits.iter().map(|exit| json!({
                "batch": exit.batch.to_string(),
                "amount": exit.amount.to_string(),
                "state": exit.state,
                "ready_at": exit.ready_at,
            })).collect::<Vec<_>>(),
        })),
    });
    context.out.result(&json, || {
        let mut text = fields(&[
            ("pool", format!("{address} (prover {})", prover.id)),
            ("operator", record.operator.to_string()),
            ("uri", known.uri.clone()),
            ("first loss", format!("{} bps on the operator's own stake", record.first_loss_bps)),
            (
                "commission",
                match record.next_commission {
                    Some((bps, from)) => format!(
                        "{} bps; may become {bps} bps from {from} to {}",
                        record.commission_bps,
                        when(from + record.exit_time),
                        from = when(from)
                    ),
                    None => format!("{} bps", record.commission_bps),
                },
            ),
            (
                "operator exit",
                match record.operator_exit {
                    Some((amount, from)) => format!(
                        "the operator may ask {} back from {from} to {}",
                        session.show(amount),
                        when(from + record.exit_time),
                        from = when(from)
                    ),
                    None => "none is announced".to_string(),
                },
            ),
            ("revision", record.revision.to_string()),
            (
                "times",
                format!(
                    "a batch unbonds for {} s; an exit takes {} s at most, as much as any notice",
                    record.exit_time, record.notice
                ),
            ),
            ("operator stake", session.show(record.operator_stake)),
            (
                "delegated",
                format!(
                    "{}, of which {} still vest",
                    session.show(record.delegated),
                    session.show(record.unvested)
                ),
            ),
            (
                "exiting",
                format!(
                    "{}, and {} of the operator's",
                    session.show(record.exiting),
                    session.show(record.operator_exiting)
                ),
            ),
            ("free", session.show(free)),
            ("bonded", session.show(bonded)),
            ("share price", price(&record)),
            ("unharvested", session.show(credit)),
            ("owed to operator", session.show(record.owed_to_operator)),
            (
                "batches",
                match &unbonding {
                    Some((batch, found)) => format!(
                        "{} takes exits, {batch} unbonds until {}",
                        record.open_batch,
                        when(found.ready_at.unwrap_or_default())
                    ),
                    None => format!("{} takes exits", record.open_batch),
                },
            ),
        ]);
        if !markets.is_empty() {
            let rows: Vec<Vec<String>> = markets
                .iter()
                .map(|(market, position)| {
                    vec![
                        market.market.to_string(),
                        position.units.to_string(),
                        position.exposure.to_string(),
                        session.show(position.bonded.to()),
                        market.policy.as_ref().map_or_else(|| "nothing".to_string(), policy_text),
                        market.next.as_ref().map_or_else(String::new, |(policy, from)| {
                            format!("{}, from {from}", policy_text(policy), from = when(*from))
                        }),
                    ]
                })
                .collect();
            text.push('\n');
            text.push_str(&table(
                &["market", "units", "exposure", "bonded", "may have bonded", "announced"],
                &rows,
            ));
        }
        if let Some(holding) = &holding {
            text.push('\n');
            text.push_str(&format!(
                "{} has {} shares, worth {}\n",
                holding.delegator,
                holding.shares,
                session.show(holding.worth)
            ));
            for exit in &holding.exits {
                let when = exit.ready_at.map(|at| format!(" ({at})", at = when(at))).unwrap_or_default();
                text.push_str(&format!(
                    "batch {}: {} {}{when}\n",
                    exit.batch,
                    session.show(exit.amount),
                    exit.state
                ));
            }
        }
        text
    });
    Ok(())
}

/// What a pool's operator announced and may not do yet, in sentences.
pub(super) fn announced(record: &PoolRecord, asset: &Currency) -> Vec<String> {
    let mut told = Vec::new();
    if let Some((bps, from)) = record.next_commission {
        told.push(format!(
            "the commission, {} bps, may become {bps} bps from {from} on",
            record.commission_bps,
            from = when(from)
        ));
    }
    if let Some((amount, from)) = record.operator_exit {
        told.push(format!(
            "the operator may ask {} of its own {} back from {from} on",
            asset.show(amount),
            asset.show(record.operator_stake),
            from = when(from)
        ));
    }
    for market in &record.markets {
        if let Some((policy, from)) = &market.next {
            told.push(format!(
                "from {from} on the pool may have bonded in market {}: {}",
                market.market,
                policy_text(policy),
                from = when(*from)
            ));
        }
    }
    told
}

/// The delegator asked about, or the account that would sign; nobody if there is no key.
fn whose(session: &Session, given: Option<Address>) -> Result<Option<Address>> {
    match session.account(given) {
        Ok(delegator) => Ok(Some(delegator)),
        Err(report) if report.downcast_ref::<Failure>().is_some_and(|it| it.code == Code::NoKey) => Ok(None),
        Err(report) => Err(report),
    }
}

async fn holding(
    session: &Session,
    pool: Address,
    record: &PoolRecord,
    delegator: Address,
) -> Result<Holding> {
    let (shares, worth) = session.chain.pool_shares(pool, delegator).await?;
    let now = session.head().await?.timestamp;
    let mut exits = Vec::new();
    for batch in session.chain.pool_exits(pool, delegator).await? {
        let part = session.chain.pool_exit_shares(pool, batch, delegator).await?;
        if part == U256::ZERO {
            continue;
        }
        let found = session.chain.pool_batch(pool, batch).await?;
        let amount = found.assets.saturating_mul(part).checked_div(found.exit_shares).unwrap_or_default();
        let state = if batch == record.open_batch {
            "waiting"
        } else if record.unbonding_batch != Some(batch) {
            "settled"
        } else if found.ready_at.is_some_and(|at| now < at) {
            "unbonding"
        } else {
            "ready"
        };
        exits.push(Exit { batch, amount, state, ready_at: found.ready_at });
    }
    Ok(Holding { delegator, shares, worth, exits })
}

/// What a first delegation's shares for an asset wei are worth now: 1 until there were rewards or losses.
fn price(record: &PoolRecord) -> String {
    let nano = record.share_price_nano();
    let unit = U256::from(1_000_000_000);
    format!("{}.{:0>9}", nano / unit, (nano % unit).to_string())
}

fn batch_json(batch: U256, found: &PoolBatch) -> Value {
    json!({
        "batch": batch.to_string(),
        "assets": found.assets.to_string(),
        "operator_stake": found.operator_stake.to_string(),
        "ready_at": found.ready_at,
        "asked_at": found.asked_at,
    })
}
