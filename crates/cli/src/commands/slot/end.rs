//! `provery slot expire`, `cancel`, `drop` and `resolve`: how a slot ends other than by a proof in order.

use alloy::primitives::{B256, U256};
use eyre::Result;
use provery_indexer::{ChainStatus, MarketHistory, Outcome, SlotRecord};
use provery_types::{SlotExt, SlotState, Terms};
use serde_json::json;

use super::chosen::SlotArg;
use crate::{
    context::Context,
    error::{Code, fail},
    session::Session,
    time::when,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Expire,
    Cancel,
    Drop,
    Resolve,
}

pub(super) async fn run(context: &Context, arg: SlotArg, end: End) -> Result<()> {
    let session = context.signer().await?;
    let id = arg.slot.get();
    let market = session.market_or_only(arg.market.as_ref())?;
    session.chain.market(market).await?;
    let history = session.history().await?;
    let record = history.slot(market, id).ok_or_else(|| {
        fail(
            Code::SlotNotFound,
            format!(
                "market {market} has no slot {}; `provery slot list --market {market}` shows those it has",
                id
            ),
        )
    })?;
    let terms = history.terms(record.terms_hash).ok_or_else(|| {
        fail(
            Code::RpcRejected,
            format!(
                "the terms of slot {} of market {market} are not in the chain's logs; is the endpoint's history pruned?",
                id
            ),
        )
    })?;
    let now = session.head().await?.timestamp;
    let all = history.markets.get(&market).cloned().unwrap_or_default();
    let me = session.me()?;
    check(end, record, &all, terms, now, me == terms.requester)?;
    let (slot, inputs, calls) = (&record.slot, &record.statement_inputs, session.calls());
    let call = match (end, record.pending) {
        (End::Expire, _) => calls.expire(slot, terms, inputs),
        (End::Cancel, _) => calls.cancel(slot, terms, inputs),
        (End::Resolve, Some(pending)) => {
            calls.resolve(slot, terms, pending.payee, pending.right, pending.claim)
        }
        (End::Drop | End::Resolve, _) => calls.drop_slot(slot, terms, inputs),
    };
    let mined = session.send(call).await?;
    report(context, &session, (market, id), mined.tx_hash, end).await
}

/// What the contract would refuse, said with what to do.
fn check(
    end: End,
    record: &SlotRecord,
    market: &MarketHistory,
    terms: &Terms,
    now: u64,
    is_requester: bool,
) -> Result<()> {
    let slot = &record.slot;
    let name = format!("slot {} of market {}", slot.id, slot.market);
    if end == End::Resolve {
        return match (record.pending, market.premise(slot)) {
            (None, _) => {
                Err(fail(Code::NotReady, format!("{name} waits for nothing, so there is nothing to resolve")))
            }
            (Some(pending), _) if pending.resolved => {
                Err(fail(Code::AlreadyDone, format!("{name} is resolved already; there is nothing to do")))
            }
            (Some(_), ChainStatus::Open) => Err(fail(
                Code::NotReady,
                format!("{name} builds on slot {}, which is open; settle that one first", slot.premise()),
            )),
            _ => Ok(()),
        };
    }
    let ended = match record.outcome {
        Outcome::Open => None,
        Outcome::Proven { .. } => Some((Code::SlotProven, SlotState::Proven)),
        Outcome::Expired { .. } => Some((Code::SlotExpired, SlotState::Expired)),
        Outcome::Cancelled { .. } => Some((Code::SlotCancelled, SlotState::Cancelled)),
        Outcome::Dropped { .. } => Some((Code::SlotDropped, SlotState::Dropped)),
    };
    if let Some((code, state)) = ended {
        return Err(fail(code, format!("{name} is {state} already; there is nothing left to end")));
    }
    let held = !slot.prover.is_zero() && now < slot.exclusive_until();
    match end {
        End::Expire if now < slot.expires_at(terms) => Err(fail(
            Code::NotReady,
            format!("{name} can be expired from {} on; run this again then", when(slot.expires_at(terms))),
        )),
        End::Cancel if !is_requester => Err(requester_only(&name, terms)),
        End::Cancel if !slot.prover.is_zero() || now >= slot.exclusive_until() => Err(fail(
            Code::SlotNotAssigned,
            format!(
                "{name} is assigned, or open to all, and cannot be taken back; `provery slot drop` ends a held one"
            ),
        )),
        End::Drop if record.chain_status == ChainStatus::Fallen => Ok(()),
        End::Drop if !is_requester => Err(fail(
            Code::NotReady,
            format!(
                "{name} and what it builds on stand, so only {}, its requester, may drop it, and pays its holder what a proof would earn; sign with its key",
                terms.requester
            ),
        )),
        End::Drop if !held => Err(fail(
            Code::SlotNotHeld,
            format!(
                "{name} is not held by anybody alone, so its requester cannot drop it; wait until it expires"
            ),
        )),
        _ => Ok(()),
    }
}

fn requester_only(name: &str, terms: &Terms) -> eyre::Report {
    fail(
        Code::BadKey,
        format!("only {}, its requester, may take {name} back; sign with its key", terms.requester),
    )
}

async fn report(context: &Context, session: &Session, at: (U256, u64), tx: B256, end: End) -> Result<()> {
    // As the chain tells it, not as it was meant.
    let history = session.history().await?;
    let record = history.slot(at.0, at.1);
    let (what, amount) = match record.map(|record| &record.outcome) {
        Some(Outcome::Expired { forfeited, .. }) => ("forfeited", *forfeited),
        Some(Outcome::Dropped { fee, .. }) => ("fee", *fee),
        Some(Outcome::Proven { premium, .. }) => ("premium", *premium),
        _ => ("returned", record.map(|record| record.slot.price_wei()).unwrap_or_default()),
    };
    let verb = match end {
        End::Expire => "expired",
        End::Cancel => "cancelled",
        End::Drop => "dropped",
        End::Resolve => "resolved",
    };
    let mut json = json!({ "market": at.0.to_string(), "slot": at.1, "ended": verb, "tx": tx });
    json[what] = json!(amount.to_string());
    context.out.result(&json, || {
        format!("slot {} of market {} is {verb}; {what}: {}", at.1, at.0, session.show(amount))
    });
    Ok(())
}
