//! `provery prove`: one slot by hand.

use std::{path::PathBuf, sync::Arc, time::Instant};

use alloy::primitives::Address;
use clap::Args;
use eyre::Result;
use provery_descriptor::{Fetcher, Reach};
use provery_node::{Means, inputs::Inputs, prove_one};
use provery_proving::Phase;
use provery_types::SlotKey;
use serde_json::{Map, json};

use crate::{
    address, backends, config,
    context::Context,
    error::{Code, fail},
    market_ref::{MarketRef, SlotId},
    output::{fields, spinner},
    session::{Session, patiently},
    signals,
};

#[derive(Debug, Args)]
#[command(after_help = "Example: provery prove 3 --keystore prover.json")]
pub(crate) struct ProveArgs {
    /// The market: its id, or its rollup's name [default: the market of the deployment's only rollup]
    #[arg(long, value_name = "MARKET")]
    pub market: Option<MarketRef>,
    #[command(flatten)]
    pub slot: SlotId,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Who is paid [default: the prover that the signing account is, or is a submitter of; else the signing account]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub payee: Option<Address>,
}

pub(crate) async fn run(context: &Context, args: ProveArgs) -> Result<()> {
    let session = context.signer().await?;
    let slot = args.slot.get();
    let market = session.market_or_only(args.market.as_ref())?;
    session.chain.market(market).await?;
    let rollup = backends::fit(&session, market, &[]).await?.ok_or_else(|| {
        fail(
            Code::RollupNotFound,
            format!(
                "the deployment file has no rollup or market with the id {market}, so what its \
             slots mean is not known; add it to the file"
            ),
        )
    })?;
    let payee = payee(&session, args.payee).await?;
    let dir = config::keys_dir(args.keys);
    let rollup = rollup.clone();
    let (fetcher, inputs) = (fetcher(&session)?, Inputs::new(&dir));
    let backend = tokio::task::spawn_blocking(move || backends::load(&rollup, &dir)).await??;
    let means = Means { backends: vec![backend], fetcher, inputs };
    let stop = signals::stop_token()?;
    let label = format!("slot {} of market {market}", slot);
    let waiting = spinner(&format!("{label}: reading the chain"));
    let shown = waiting.clone();
    let out = context.out;
    let on_phase = move |phase: Phase| match &shown {
        Some(spinner) => spinner.set_message(format!("{label}: {phase}")),
        None => out.note(&format!("{label}: {phase}")),
    };
    let started = Instant::now();
    let key = SlotKey { market, id: slot };
    let delivered =
        prove_one(&session.chain, session.sender()?, &means, payee, key, Arc::new(on_phase), stop).await;
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    let delivered = delivered?;
    let phases: Map<_, _> = delivered
        .timings
        .iter()
        .map(|(phase, took)| (phase.to_string(), json!(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))))
        .collect();
    let json = json!({
        "market": market.to_string(),
        "slot": slot,
        "payee": payee,
        "reward": delivered.reward.to_string(),
        "premium": delivered.premium.to_string(),
        "missed_by": delivered.missed_by,
        "claim_correct": delivered.claim_correct,
        "tx": delivered.mined.tx_hash,
        "gas": delivered.mined.gas_used,
        "phases_ms": phases,
        "ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    context.out.result(&json, || {
        let mut rows = vec![
            ("slot", format!("{} of market {market}", slot)),
            ("paid", format!("{} to {payee}", session.show(delivered.reward + delivered.premium))),
            (
                "proof",
                delivered
                    .timings
                    .iter()
                    .map(|(phase, took)| format!("{phase} {:.1} s", took.as_secs_f64()))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            ("transaction", format!("{} ({} gas)", delivered.mined.tx_hash, delivered.mined.gas_used)),
        ];
        if let Some(missed_by) = delivered.missed_by {
            rows.insert(2, ("rescued from", missed_by.to_string()));
        }
        if !delivered.claim_correct {
            rows.push(("note", "the block does not lead to the root it claims, and is dropped".to_string()));
        }
        fields(&rows)
    });
    Ok(())
}

/// Whom this account proves for.
pub(crate) async fn payee(session: &Session, given: Option<Address>) -> Result<Address> {
    if let Some(given) = given {
        return Ok(given);
    }
    let me = session.me()?;
    if patiently(|| session.chain.prover(me)).await?.id != 0 {
        return Ok(me);
    }
    Ok(patiently(|| session.chain.prover_of_submitter(me)).await?.unwrap_or(me))
}

/// Asks servers for inputs that are not on the chain.
pub(crate) fn fetcher(session: &Session) -> Result<Fetcher> {
    let is_development = session.chain.rpc().is_development();
    let reach = if is_development { Reach::Loopback } else { Reach::Public };
    Fetcher::new(reach).map_err(|error| fail(Code::Internal, format!("no HTTP client can be made: {error}")))
}
