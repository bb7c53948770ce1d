//! `provery pool announce`, `narrow` and `allocate`: what a pool does in a market, and the most it may do there.

use std::ops::RangeInclusive;

use alloy::primitives::{Address, U256};
use clap::Args;
use eyre::Result;
use provery_rpc::PoolPolicy;
use serde_json::{Value, json};

use super::{
    chosen::{PoolArg, unsaid},
    operator::operated,
};
use crate::{
    backends,
    commands::{node::pace, prover::allocate::Versions},
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    session::Session,
    time::when,
};

#[derive(Debug, Args)]
pub(crate) struct AnnounceArgs {
    #[command(flatten)]
    pool: PoolArg,
    /// The market: its id, or its rollup's name
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// Most units of stake that the pool may have bonded there at once
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u16).range(1..))]
    exposure: u16,
    /// Versions of the market's terms under which it may, both ends included [default: the one in force, and the announced
    /// one if there is one]
    #[arg(long, value_name = "A..B")]
    versions: Option<Versions>,
}

#[derive(Debug, Args)]
pub(crate) struct NarrowArgs {
    #[command(flatten)]
    pool: PoolArg,
    /// The market: its id, or its rollup's name
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// Most units of stake that the pool may have bonded there at once; 0 to leave the market
    #[arg(long, value_name = "UNITS")]
    exposure: u16,
    /// Versions of the market's terms under which it may, both ends included [default: those it may now]
    #[arg(long, value_name = "A..B")]
    versions: Option<Versions>,
}

#[derive(Debug, Args)]
pub(crate) struct PoolAllocateArgs {
    #[command(flatten)]
    pool: PoolArg,
    /// The market: its id, or its rollup's name
    #[arg(long, value_name = "MARKET")]
    market: MarketRef,
    /// Whole stake units
    #[arg(long, value_name = "N")]
    units: u64,
    /// Units of them that may be bonded at once [default: as many as were announced]
    #[arg(long, value_name = "UNITS")]
    exposure: Option<u64>,
}

pub(super) fn policy_json(policy: &PoolPolicy) -> Value {
    json!({
        "exposure": policy.exposure,
        "from_version": policy.versions.start(),
        "to_version": policy.versions.end(),
    })
}

pub(super) fn policy_text(policy: &PoolPolicy) -> String {
    format!("{} units, versions {}", policy.exposure, text(&policy.versions))
}

fn text(versions: &RangeInclusive<u32>) -> String {
    format!("{}..{}", versions.start(), versions.end())
}

pub(super) async fn announce(context: &Context, args: AnnounceArgs) -> Result<()> {
    let session = context.signer().await?;
    let pool = args.pool.pool;
    operated(&session, pool).await?;
    let id = session.market(&args.market)?;
    let terms = session.chain.terms(id).await?;
    let told = session.chain.terms_record(id).await?;
    let versions = match args.versions {
        Some(versions) => versions.0,
        None => terms.version..=if told.announced.is_some() { told.version } else { terms.version },
    };
    if *versions.end() > told.version {
        return Err(fail(
            Code::Usage,
            format!(
                "market {id} has versions 1 to {} of its terms, and delegators must be able to know what they are told of; \
                 announce --versions among those",
                told.version
            ),
        ));
    }
    backends::require(&session, id, &versions).await?;
    let mined = session.send(session.calls().pool(pool).announce_market(id, args.exposure, versions)).await?;
    let found = session.chain.pool_market(pool, id).await?;
    let (policy, from) = match (found.next, found.policy) {
        (Some((policy, from)), _) => (policy, Some(from)),
        (None, Some(policy)) => (policy, None),
        (None, None) => return Err(unsaid("what was announced")),
    };
    context.out.result(
        &json!({
            "pool": pool,
            "market": id.to_string(),
            "exposure": policy.exposure,
            "from_version": policy.versions.start(),
            "to_version": policy.versions.end(),
            "in_force": from.is_none(),
            "from": from,
            "tx": mined.tx_hash,
        }),
        || {
            let what = format!(
                "{pool} may have {} units bonded at once in market {id}, under versions {} of its terms",
                policy.exposure,
                text(&policy.versions)
            );
            match from {
                Some(from) => {
                    format!("from {from} on, {what}; `provery pool allocate` then", from = when(from))
                }
                None => format!("{what}, from now on; allocate to it with `provery pool allocate`"),
            }
        },
    );
    Ok(())
}

pub(super) async fn narrow(context: &Context, args: NarrowArgs) -> Result<()> {
    let session = context.signer().await?;
    let pool = args.pool.pool;
    operated(&session, pool).await?;
    let id = session.market(&args.market)?;
    session.chain.market(id).await?;
    let found = session.chain.pool_market(pool, id).await?;
    let given = args.versions.map(|versions| versions.0);
    let versions = match &found.policy {
        _ if args.exposure == 0 => {
            if found.policy.is_none() && found.next.is_none() {
                return Err(fail(
                    Code::AlreadyDone,
                    format!("{pool} may do nothing in market {id} already; there is nothing to narrow"),
                ));
            }
            // The contract takes no notice of them.
            0..=0
        }
        None => {
            let from = found.next.as_ref().map(|(_, from)| *from);
            return Err(nothing_allowed(&session, pool, id, from).await?);
        }
        Some(policy) => {
            let versions = given.unwrap_or_else(|| policy.versions.clone());
            let within =
                versions.start() >= policy.versions.start() && versions.end() <= policy.versions.end();
            if args.exposure > policy.exposure || !within {
                return Err(fail(
                    Code::BeyondPolicy,
                    format!(
                        "{pool} may have {} in market {id}, and that is no narrower; `provery pool announce` widens",
                        policy_text(policy)
                    ),
                ));
            }
            versions
        }
    };
    let mut warnings = Vec::new();
    let bonded = session.chain.position(id, pool).await?.bonded.to::<U256>();
    let unit = session.chain.registry_params().await?.stake_unit;
    if bonded > unit * U256::from(args.exposure) {
        warnings.push(format!(
            "{} are bonded there for slots that the pool holds, more than {} units: they stay its duty until they end, so keep \
             a node proving them, or their bonds are slashed",
            session.show(bonded),
            args.exposure
        ));
    }
    warnings.iter().for_each(|warning| context.out.warn(warning));
    let call = session.calls().pool(pool).narrow_market(id, args.exposure, versions.clone());
    let mined = session.send(call).await?;
    let position = session.chain.position(id, pool).await?;
    context.out.result(
        &json!({
            "pool": pool,
            "market": id.to_string(),
            "exposure": args.exposure,
            "from_version": versions.start(),
            "to_version": versions.end(),
            "units": position.units,
            "bonded": position.bonded.to_string(),
            "warnings": warnings,
            "tx": mined.tx_hash,
        }),
        || {
            if args.exposure == 0 {
                format!("{pool} has left market {id}, and may do nothing there; open bonds end by themselves")
            } else {
                format!(
                    "{pool} may have no more than {} units bonded at once in market {id}, under versions {}; nothing more \
                     is announced there",
                    args.exposure,
                    text(&versions)
                )
            }
        },
    );
    Ok(())
}

pub(super) async fn allocate(context: &Context, args: PoolAllocateArgs) -> Result<()> {
    let session = context.signer().await?;
    let PoolAllocateArgs { pool: PoolArg { pool }, market, units, .. } = args;
    operated(&session, pool).await?;
    let id = session.market(&market)?;
    let terms = session.chain.terms(id).await?;
    let found = session.chain.pool_market(pool, id).await?;
    let next = found.next.as_ref().map(|(_, from)| *from);
    let Some(policy) = found.policy else {
        return Err(nothing_allowed(&session, pool, id, next).await?);
    };
    if units > 0 {
        backends::require(&session, id, &policy.versions).await?;
        if args.exposure.is_none() {
            let terms = session.chain.terms(id).await?;
            pace::refuse_slow(&session, id, &terms, pace::measured(&session, id))?;
        }
    }
    let most = u64::from(policy.exposure);
    let exposure = args.exposure.unwrap_or(most.min(units));
    if exposure > units {
        return Err(fail(
            Code::Usage,
            format!(
                "--exposure {exposure} is more than the {units} units allocated; choose that many or fewer"
            ),
        ));
    }
    if exposure > most {
        let when = next.map(|from| format!("; what is announced counts from {from} on", from = when(from)));
        return Err(fail(
            Code::BeyondPolicy,
            format!(
                "{pool} may have {most} units bonded at once in market {id}, not {exposure}{}; choose fewer, or announce \
                 more with `provery pool announce`",
                when.unwrap_or_default()
            ),
        ));
    }
    let bond = terms.bond.to::<U256>();
    let unit = session.chain.registry_params().await?.stake_unit;
    let wei = unit.saturating_mul(U256::from(units));
    let exposed = unit.saturating_mul(U256::from(exposure));
    let mut warnings = Vec::new();
    if units > 0 && exposed < bond {
        return Err(fail(
            Code::StakeBelowBond,
            format!(
                "{exposure} units of exposure are {}, below the bond of {}, so no slot could go to the pool and nothing was sent; \
                 allocate and expose at least {} units",
                session.show(exposed),
                session.show(bond),
                bond.div_ceil(unit)
            ),
        ));
    }
    if units > 0 && !policy.versions.contains(&terms.version) {
        warnings.push(format!(
            "the terms in force have version {}, which the pool did not announce, so it is drawn for nothing; announce it \
             with `provery pool announce --market {id} --exposure {most} --versions {}`, and allocate again when that is in \
             force",
            terms.version, terms.version
        ));
    }
    warnings.iter().for_each(|warning| context.out.warn(warning));
    let call = session.calls().pool(pool).allocate(id, U256::from(units), U256::from(exposure));
    let mined = session.send(call).await?;
    context.out.result(
        &json!({
            "pool": pool,
            "market": id.to_string(),
            "units": units,
            "exposure": exposure,
            "from_version": policy.versions.start(),
            "to_version": policy.versions.end(),
            "wei": wei.to_string(),
            "warnings": warnings,
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{pool} has {units} units in market {id}, of which {exposure} may be bonded at once, under versions {} of its \
                 terms; that counts from the next epoch, or the one after",
                text(&policy.versions)
            )
        },
    );
    Ok(())
}

/// What to say if a pool may do nothing in a market yet.
async fn nothing_allowed(
    session: &Session,
    pool: Address,
    market: U256,
    from: Option<u64>,
) -> Result<eyre::Report> {
    let message = match from {
        Some(from) => {
            let now = session.head().await?.timestamp;
            format!(
                "what {pool} announced for market {market} is in force in {} s, at {from}; run this again then",
                from.saturating_sub(now),
                from = when(from)
            )
        }
        None => format!(
            "{pool} may do nothing in market {market}; announce what it may with `provery pool announce --pool {pool} \
             --market {market} --exposure UNITS` first"
        ),
    };
    Ok(fail(if from.is_some() { Code::NotReady } else { Code::BeyondPolicy }, message))
}
