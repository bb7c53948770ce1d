//! `provery slot`: slots, and why they went to whom.

use alloy::primitives::{Address, U256};
use clap::Subcommand;
use eyre::Result;
use provery_indexer::{ChainStatus, History, MarketHistory, Outcome, SlotRecord};
use provery_mechanisms::{
    Past,
    draw::{self, Draw, Explanation},
    reward::Curve,
};
use provery_types::{SlotExt, Terms};
use serde_json::{Value, json};

use self::{chosen::SlotArg, end::End, transfer::TransferCommand};
use crate::{
    amount::Currency,
    context::Context,
    error::{Code, fail},
    market_ref::{MarketRef, SlotId},
    output::{fields, table},
    session::Session,
    terms,
    time::when,
    told,
};

mod chosen;
mod end;
mod open;
mod proof;
mod public;
mod settled;
mod submit;
mod transfer;

#[derive(Debug, Subcommand)]
pub(crate) enum SlotCommand {
    /// A market's slots, newest last
    #[command(after_help = "Example: provery slot list --market 1 --last 10")]
    List {
        /// The market: its id, or its rollup's name [default: the market of the deployment's only rollup]
        #[arg(long, value_name = "MARKET")]
        market: Option<MarketRef>,
        /// Only so many of the newest
        #[arg(long, value_name = "N", default_value_t = 20)]
        last: usize,
    },
    /// One slot, and why it went to whom: its draw replayed, or what its bids, round or offer came to
    #[command(after_help = "Example: provery slot show 3 --market 1")]
    Show {
        /// The market: its id, or its rollup's name [default: the market of the deployment's only rollup]
        #[arg(long, value_name = "MARKET")]
        market: Option<MarketRef>,
        #[command(flatten)]
        slot: SlotId,
    },
    /// Give a slot that a prover holds to another: its right, bond and duty
    #[command(
        subcommand,
        after_help = "Example: provery slot transfer offer 3 --market 1 --price 1 --keystore prover.json"
    )]
    Transfer(TransferCommand),
    /// Open a slot (the market's requester), and say what it is proven from
    #[command(
        after_help = "Example: provery slot open --market merkle --public public.json --input input.json --keystore requester.json"
    )]
    Open(Box<open::OpenArgs>),
    /// Send a proof that was made elsewhere, by snarkjs or any other prover
    #[command(
        after_help = "Example: provery slot submit 3 --market merkle --public public.json --proof proof.json --keystore prover.json"
    )]
    Submit(Box<submit::SubmitArgs>),
    /// Write the proof that a slot was settled by, as snarkjs' proof.json and public.json
    #[command(after_help = "Example: provery slot proof 3 --market 1 --out proofs")]
    Proof(proof::ProofArgs),
    /// End a slot that nobody proved in time
    #[command(after_help = "Example: provery slot expire 3 --market 1 --keystore anyone.json")]
    Expire(SlotArg),
    /// Take back a slot that is not assigned and not yet open to all (its requester)
    #[command(after_help = "Example: provery slot cancel 3 --market 1 --keystore requester.json")]
    Cancel(SlotArg),
    /// End a slot whose premise fell (anyone), or one that is held (its requester, who pays its holder what a proof would earn)
    #[command(after_help = "Example: provery slot drop 3 --market 1 --keystore anyone.json")]
    Drop(SlotArg),
    /// Settle a slot that was proven before what it builds on, now that this is settled: a held slash is paid or undone
    #[command(after_help = "Example: provery slot resolve 3 --market 1 --keystore anyone.json")]
    Resolve(SlotArg),
}

pub(crate) async fn run(context: &Context, command: SlotCommand) -> Result<()> {
    match command {
        SlotCommand::List { market, last } => list(context, market, last).await,
        SlotCommand::Show { market, slot } => show(context, market, slot.get()).await,
        SlotCommand::Transfer(command) => transfer::run(context, command).await,
        SlotCommand::Open(args) => open::run(context, *args).await,
        SlotCommand::Submit(args) => submit::run(context, *args).await,
        SlotCommand::Proof(args) => proof::run(context, args).await,
        SlotCommand::Expire(slot) => end::run(context, slot, End::Expire).await,
        SlotCommand::Cancel(slot) => end::run(context, slot, End::Cancel).await,
        SlotCommand::Drop(slot) => end::run(context, slot, End::Drop).await,
        SlotCommand::Resolve(slot) => end::run(context, slot, End::Resolve).await,
    }
}

/// Where a slot is between opening and end, at chain time `now`.
fn phase(record: &SlotRecord, terms: Option<&Terms>, now: u64) -> &'static str {
    match record.outcome {
        Outcome::Proven { .. } if record.is_held() => "rescued, slash held",
        Outcome::Proven { missed_by: Some(_), .. } => "rescued",
        Outcome::Proven { .. } => "proven",
        Outcome::Expired { .. } => "expired",
        Outcome::Cancelled { .. } => "cancelled",
        Outcome::Dropped { .. } => "dropped",
        Outcome::Open if record.chain_status == ChainStatus::Fallen => "fallen",
        Outcome::Open if terms.is_some_and(|terms| now >= record.slot.expires_at(terms)) => "expirable",
        Outcome::Open if now >= record.slot.exclusive_until() => "open to all",
        Outcome::Open if record.slot.prover.is_zero() => "undecided",
        Outcome::Open => "exclusive",
    }
}

async fn list(context: &Context, market: Option<MarketRef>, last: usize) -> Result<()> {
    let session = context.reader().await?;
    let market = session.market_or_only(market.as_ref())?;
    session.chain.market(market).await?;
    let history = session.history().await?;
    let now = session.head().await?.timestamp;
    let slots: Vec<&SlotRecord> =
        history.markets.get(&market).into_iter().flat_map(|market| market.slots.values()).collect();
    let slots = &slots[slots.len().saturating_sub(last)..];
    let all = history.markets.get(&market).cloned().unwrap_or_default();
    let json: Vec<Value> =
        slots.iter().map(|record| describe(record, &all, history.terms(record.terms_hash), now)).collect();
    context.out.result(&json!({ "market": market.to_string(), "slots": json }), || {
        if slots.is_empty() {
            return format!("market {market} has opened no slot yet");
        }
        let rows: Vec<Vec<String>> = slots
            .iter()
            .map(|record| {
                let (payee, reward, took) = match &record.outcome {
                    Outcome::Proven { payee, reward, premium, at, .. } => (
                        payee.to_string(),
                        session.show(*reward + *premium),
                        format!("{} s", at.saturating_sub(record.slot.opened_at())),
                    ),
                    _ => ("-".into(), "-".into(), "-".into()),
                };
                vec![
                    record.slot.id.to_string(),
                    phase(record, history.terms(record.terms_hash), now).to_string(),
                    shown(record.slot.prover),
                    payee,
                    reward,
                    took,
                ]
            })
            .collect();
        table(&["slot", "phase", "held by", "paid", "reward", "after"], &rows)
    });
    Ok(())
}

fn shown(prover: Address) -> String {
    if prover.is_zero() { "nobody".to_string() } else { prover.to_string() }
}

fn describe(record: &SlotRecord, market: &MarketHistory, terms: Option<&Terms>, now: u64) -> Value {
    let slot = &record.slot;
    let mut json = json!({
        "slot": slot.id,
        "market": slot.market.to_string(),
        "phase": phase(record, terms, now),
        "prover": slot.holder(),
        "transferred_from": (record.assigned != slot.prover).then_some(record.assigned),
        "price": slot.price_wei().to_string(),
        "statement": slot.statement,
        "statement_inputs": record.statement_inputs.iter().map(|input| format!("{input:#066x}")).collect::<Vec<_>>(),
        "opened_at": slot.opened_at(),
        "started_at": slot.started_at(),
        "exclusive_until": slot.exclusive_until(),
        "expires_at": terms.map(|terms| slot.expires_at(terms)),
        "opened_block": record.opened.block,
        "opened_tx": record.opened.tx,
        "terms_version": terms.map(|terms| terms.version),
    });
    if terms.is_some_and(|terms| terms.chain != 0) {
        json["builds_on"] = json!(slot.premise());
        json["premise"] = json!(market.premise(slot).name());
        json["chain_status"] = json!(record.chain_status.name());
    }
    if let Some(pending) = record.pending {
        json["pending"] = json!({
            "payee": pending.payee,
            "right": pending.right,
            "claim": format!("{:#066x}", pending.claim),
            "resolved": pending.resolved,
            "slash_held": record.is_held(),
        });
    }
    match &record.outcome {
        Outcome::Open => {
            if let Some(terms) = terms {
                let elapsed = now.saturating_sub(slot.started_at());
                json["reward_now"] = json!(Curve::of(slot, terms).reward(elapsed).to_string());
            }
        }
        Outcome::Proven { payee, reward, premium, missed_by, at, tx } => {
            json["payee"] = json!(payee);
            json["reward"] = json!(reward.to_string());
            json["premium"] = json!(premium.to_string());
            json["missed_by"] = json!(missed_by);
            json["ended_at"] = json!(at);
            json["proof_tx"] = json!(tx);
        }
        Outcome::Expired { forfeited, at, tx } => {
            json["forfeited"] = json!(forfeited.to_string());
            json["ended_at"] = json!(at);
            json["end_tx"] = json!(tx);
        }
        Outcome::Cancelled { at, tx } => {
            json["ended_at"] = json!(at);
            json["end_tx"] = json!(tx);
        }
        Outcome::Dropped { fee, at, tx } => {
            json["fee"] = json!(fee.to_string());
            json["ended_at"] = json!(at);
            json["end_tx"] = json!(tx);
        }
    }
    json
}

async fn show(context: &Context, market: Option<MarketRef>, id: u64) -> Result<()> {
    let session = context.reader().await?;
    let market = session.market_or_only(market.as_ref())?;
    session.chain.market(market).await?;
    let events = session.events().await?;
    let history = History::replay(&events);
    let record = history.slot(market, id).cloned().ok_or_else(|| {
        fail(
            Code::SlotNotFound,
            format!(
                "market {market} has no slot {id}; `provery slot list --market {market}` shows those it has"
            ),
        )
    })?;
    let terms = history.terms(record.terms_hash).cloned();
    let now = session.head().await?.timestamp;
    let all = history.markets.get(&market).cloned().unwrap_or_default();
    let mechanism =
        terms.as_ref().and_then(|terms| terms::mechanism_at(session.deployment(), terms.mechanism));
    let mut draw = None;
    let mut why = Vec::new();
    if let (Some(terms), Some(mechanism)) = (&terms, mechanism) {
        if mechanism.draws() {
            let before = History::before_opening(&events, market, id);
            draw = explain(&session, &history, &before, &record, terms).await?;
        }
        let log = told::log(&events, market, id);
        let winners = told::winners(&all, &record);
        let epoch_length = session.chain.registry_params().await?.epoch_length;
        let past = Past {
            slot: &record.slot,
            terms,
            assigned: record.assigned,
            now,
            proven: told::proven(&record),
            log: &log,
            winners: &winners,
            weight: told::weight(&history, &record, epoch_length),
            draw: draw.as_ref(),
        };
        why = mechanism.explain(&past);
    }
    let outputs = settled::outputs(&session, &record, terms.as_ref()).await;
    let mut json = describe(&record, &all, terms.as_ref(), now);
    json["outputs"] =
        json!(outputs.as_ref().map(|all| all.iter().map(|it| format!("{it:#066x}")).collect::<Vec<_>>()));
    json["passed_over"] = json!(record.passed_over);
    json["mechanism"] = json!(mechanism.map(|mechanism| mechanism.word()));
    json["draw"] = draw.as_ref().map_or(Value::Null, draw_json);
    json["why"] = json!(why.iter().map(|line| told::json(line, now, session.asset())).collect::<Vec<_>>());
    context.out.result(&json, || {
        let mut rows = summary(&record, terms.as_ref(), now, session.asset());
        rows.push(("states", numbers(&record.statement_inputs)));
        if let Some(outputs) = outputs.as_ref().filter(|outputs| !outputs.is_empty()) {
            rows.push(("outputs", numbers(outputs)));
        }
        let mut text = fields(&rows);
        text.push_str(&premise(&record, &all, terms.as_ref(), session.asset()));
        text.push('\n');
        match mechanism {
            Some(mechanism) => {
                text.push_str(&format!("why, by the market's mechanism ({})\n", mechanism.word()))
            }
            None => text.push_str("its mechanism is a contract of which nothing is known here\n"),
        }
        for line in &why {
            text.push_str(&format!("  {}\n", told::text(line, now, session.asset())));
        }
        text
    });
    Ok(())
}

/// The draw once more, from what was public when the slot opened.
async fn explain(
    session: &Session,
    history: &History,
    before: &History,
    record: &SlotRecord,
    terms: &Terms,
) -> Result<Option<Explanation>> {
    let registry = session.chain.registry_params().await?;
    let epoch = record.slot.opened_at() / registry.epoch_length;
    let Some(seed) = history.seeds.get(&epoch).copied() else { return Ok(None) };
    let market = record.slot.market;
    let weights = history.markets.get(&market).map(|market| market.weights.clone()).unwrap_or_default();
    let draw = Draw {
        market,
        slot: record.slot.id,
        epoch,
        seed,
        weights: &weights,
        bond: terms.bond.to::<u128>(),
        winner: record.assigned,
        max_draws: session.chain.max_draws().await?,
    };
    Ok(Some(draw::explain(
        &draw,
        |id| history.prover_by_id(id),
        |prover| before.record(prover, market, terms.version, registry.stake_unit),
    )))
}

fn draw_json(explanation: &Explanation) -> Value {
    json!({
        "epoch": explanation.epoch,
        "seed": format!("{:#066x}", explanation.seed),
        "total_weight": explanation.total_weight,
        "attempts": explanation.attempts.iter().map(|attempt| json!({
            "random": format!("{:#066x}", attempt.random),
            "point": attempt.drawn.point,
            "prover": attempt.prover,
            "id": attempt.drawn.id,
            "weight": attempt.drawn.weight,
            "passed_over": attempt.passed_over.as_ref().map(ToString::to_string),
        })).collect::<Vec<_>>(),
        "winner": explanation.winner,
        "chance": explanation.chance(),
        "agrees": explanation.agrees,
    })
}

/// Numbers for people: of many the first. JSON has all.
fn numbers(all: &[U256]) -> String {
    const SHOWN: usize = 8;
    let mut words: Vec<String> = all.iter().take(SHOWN).map(U256::to_string).collect();
    if all.len() > SHOWN {
        words.push(format!("… ({} in all)", all.len()));
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn summary(
    record: &SlotRecord,
    terms: Option<&Terms>,
    now: u64,
    asset: &Currency,
) -> Vec<(&'static str, String)> {
    let slot = &record.slot;
    let since = |at: u64| match at.checked_sub(now) {
        Some(left) if left > 0 => format!("{} (in {left} s)", when(at)),
        _ => format!("{} ({} s ago)", when(at), now.saturating_sub(at)),
    };
    let mut rows = vec![
        ("slot", format!("{} of market {}", slot.id, slot.market)),
        ("phase", phase(record, terms, now).to_string()),
        ("assigned to", shown(record.assigned)),
        ("price", asset.show(slot.price_wei())),
        ("opened", format!("{}, block {}", since(slot.opened_at()), record.opened.block)),
        ("exclusive until", since(slot.exclusive_until())),
    ];
    if record.assigned != slot.prover {
        rows.insert(3, ("transferred to", shown(slot.prover)));
    }
    if let Some(terms) = terms {
        rows.push(("expires", since(slot.expires_at(terms))));
        if record.outcome == Outcome::Open {
            let elapsed = now.saturating_sub(slot.started_at());
            rows.push(("pays now", asset.show(U256::from(Curve::of(slot, terms).reward(elapsed)))));
        }
    }
    match &record.outcome {
        Outcome::Open => {}
        Outcome::Proven { payee, reward, premium, missed_by, at, tx } => {
            rows.push(("paid", format!("{} to {payee}", asset.show(*reward + *premium))));
            if let Some(missed_by) = missed_by {
                rows.push(("missed by", missed_by.to_string()));
                rows.push(("premium", format!("{} of its bond", asset.show(*premium))));
            }
            rows.push((
                "proven",
                format!("{}, {} s after opening", when(*at), at.saturating_sub(slot.opened_at())),
            ));
            rows.push(("transaction", tx.to_string()));
        }
        Outcome::Expired { forfeited, at, tx } => {
            rows.push(("ended", format!("{}, {} forfeited", when(*at), asset.show(*forfeited))));
            rows.push(("transaction", tx.to_string()));
        }
        Outcome::Cancelled { at, tx } => {
            rows.push(("ended", when(*at)));
            rows.push(("transaction", tx.to_string()));
        }
        Outcome::Dropped { fee, at, tx } => {
            rows.push(("ended", format!("{}, {} to its holder", when(*at), asset.show(*fee))));
            rows.push(("transaction", tx.to_string()));
        }
    }
    rows
}

/// What a slot of a chain builds on, and what waits for that, in words.
fn premise(record: &SlotRecord, market: &MarketHistory, terms: Option<&Terms>, asset: &Currency) -> String {
    let Some(terms) = terms.filter(|terms| terms.chain != 0) else { return String::new() };
    let base = match record.slot.premise() {
        0 => "the chain's origin".to_string(),
        slot => format!("slot {slot}"),
    };
    let state = match market.premise(&record.slot) {
        ChainStatus::Established => "which is established, so its bond is at stake",
        ChainStatus::Open => {
            "which is open: until that is proven right, its bond can be slashed in the end only"
        }
        ChainStatus::Fallen => "which fell: its bond is free once somebody drops it (`provery slot drop`)",
    };
    let mut text = format!("\nit builds on {base}, {state}\n");
    match record.pending {
        Some(pending) if record.is_held() => text.push_str(&format!(
            "{} proved what {} missed; the slash of {} is held until {base} is settled (`provery slot resolve`)\n",
            pending.payee,
            record.slot.prover,
            asset.show(terms.bond.to())
        )),
        Some(pending) if !pending.resolved => {
            text.push_str(&format!("its proof is paid, and waits for {base} to be established (`provery slot resolve`)\n"));
        }
        _ => {}
    }
    text.push_str(match record.chain_status {
        ChainStatus::Established => "it is established itself: final\n",
        ChainStatus::Open => "it stands: neither it nor what it builds on fell\n",
        ChainStatus::Fallen => "it fell, or what it builds on did: it will never be established\n",
    });
    text
}
