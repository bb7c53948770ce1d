//! `provery pool exit`, `take-back`, `claim`, `advance` and `free-up`: the way out of a pool.

use alloy::primitives::{Address, U256};
use clap::{ArgGroup, Args};
use eyre::Result;
use provery_bindings::DelegationPool;
use provery_txmgr::Mined;
use serde_json::json;

use super::chosen::{PoolArg, SeenArg, event, find, require_amount, unsaid};
use crate::{
    amount::Written,
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    time::when,
};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("how_much").required(true).args(["shares", "amount", "all"])))]
pub(crate) struct ExitArgs {
    #[command(flatten)]
    pool: PoolArg,
    /// So many of the pool's shares
    #[arg(long, value_name = "N")]
    shares: Option<U256>,
    /// Shares worth so much, in whole units of the asset
    #[arg(long)]
    amount: Option<Written>,
    /// Every share of the signing account
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("how_much").required(true).args(["shares", "amount", "all"])))]
pub(crate) struct TakeBackArgs {
    #[command(flatten)]
    pool: PoolArg,
    /// So many exit shares of the batch that takes exits
    #[arg(long, value_name = "N")]
    shares: Option<U256>,
    /// Exit shares worth so much, in whole units of the asset
    #[arg(long)]
    amount: Option<Written>,
    /// All that the signing account asked back in that batch
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    seen: SeenArg,
}

pub(super) async fn exit(context: &Context, args: ExitArgs) -> Result<()> {
    let session = context.signer().await?;
    let pool = args.pool.pool;
    let record = find(&session, pool).await?;
    let me = session.me()?;
    let (held, worth) = session.chain.pool_shares(pool, me).await?;
    let shares = match (args.shares, &args.amount) {
        (Some(shares), _) if shares == U256::ZERO => {
            return Err(fail(Code::Usage, "--shares must be above 0"));
        }
        (Some(shares), _) => shares,
        (None, Some(amount)) => record.shares_for(require_amount(&session, amount)?),
        (None, None) => held,
    };
    if shares > held || held == U256::ZERO {
        return Err(fail(
            Code::InsufficientShares,
            format!(
                "{me} has {held} shares of {pool}, worth {}, and {shares} were asked back; ask for less, or for --all",
                session.show(worth)
            ),
        ));
    }
    let mined = session.send(session.calls().pool(pool).request_exit(shares)).await?;
    let asked: DelegationPool::ExitRequested =
        event(&mined, pool).ok_or_else(|| unsaid("which batch the exit is in"))?;
    let ready_at = started(&mined, pool, asked.batch);
    context.out.result(
        &json!({
            "pool": pool,
            "delegator": me,
            "shares": shares.to_string(),
            "amount": asked.assets.to_string(),
            "batch": asked.batch.to_string(),
            "ready_at": ready_at,
            "left": (held - shares).to_string(),
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{} are in batch {}; {}",
                session.show(asked.assets),
                asked.batch,
                next(pool, asked.batch, ready_at)
            )
        },
    );
    Ok(())
}

pub(super) async fn take_back(context: &Context, args: TakeBackArgs) -> Result<()> {
    let session = context.signer().await?;
    let pool = args.pool.pool;
    let record = find(&session, pool).await?;
    let seen = args.seen.of(pool, &record)?;
    let me = session.me()?;
    let batch = record.open_batch;
    let open = session.chain.pool_batch(pool, batch).await?;
    let held = session.chain.pool_exit_shares(pool, batch, me).await?;
    let worth = open.assets.saturating_mul(held).checked_div(open.exit_shares).unwrap_or_default();
    let shares = match (args.shares, &args.amount) {
        (Some(shares), _) if shares == U256::ZERO => {
            return Err(fail(Code::Usage, "--shares must be above 0"));
        }
        (Some(shares), _) => shares,
        (None, Some(amount)) => open.shares_for(require_amount(&session, amount)?),
        (None, None) => held,
    };
    if held == U256::ZERO {
        return Err(fail(
            Code::InsufficientShares,
            format!(
                "{me} has asked nothing back in batch {batch} of {pool}, which takes exits; what unbonds already can only be \
                 claimed, and delegated anew"
            ),
        ));
    }
    if shares > held {
        return Err(fail(
            Code::InsufficientShares,
            format!(
                "{me} has {held} exit shares in batch {batch} of {pool}, worth {}, and more were to be taken back; ask for \
                 less, or for --all",
                session.show(worth)
            ),
        ));
    }
    let mined = session.send(session.calls().pool(pool).take_back_exit(shares, seen)).await?;
    let taken: DelegationPool::ExitTakenBack =
        event(&mined, pool).ok_or_else(|| unsaid("what was taken back"))?;
    let (shares_now, worth_now) = session.chain.pool_shares(pool, me).await?;
    context.out.result(
        &json!({
            "pool": pool,
            "delegator": me,
            "batch": batch.to_string(),
            "exit_shares": shares.to_string(),
            "amount": taken.assets.to_string(),
            "shares": taken.shares.to_string(),
            "left": (held - shares).to_string(),
            "held": shares_now.to_string(),
            "worth": worth_now.to_string(),
            "revision": seen.to_string(),
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{} of batch {batch} are delegated again; {me} has {shares_now} shares of {pool}, worth {}",
                session.show(taken.assets),
                session.show(worth_now)
            )
        },
    );
    Ok(())
}

/// From when a batch can be settled, if a transaction made the registry unbond it.
pub(super) fn started(mined: &Mined, pool: Address, batch: U256) -> Option<u64> {
    let started = event::<DelegationPool::UnbondingStarted>(mined, pool).filter(|it| it.batch == batch)?;
    u64::try_from(started.readyAt).ok()
}

/// What to do for a batch that has been asked for.
pub(super) fn next(pool: Address, batch: U256, ready_at: Option<u64>) -> String {
    match ready_at {
        Some(at) => format!(
            "it can be settled from {at} on, then `provery pool claim --pool {pool} --batch \
             {batch}`",
            at = when(at)
        ),
        None => format!(
            "it waits for the batch before it, or for stake that allocations and bonds tie up: `provery \
             pool free-up` lowers an allocation, `provery pool advance --pool {pool}` moves it on"
        ),
    }
}

pub(super) async fn claim(context: &Context, pool: Address, batch: u64, to: Option<Address>) -> Result<()> {
    let session = context.signer().await?;
    let record = find(&session, pool).await?;
    let me = session.me()?;
    let batch = U256::from(batch);
    if session.chain.pool_exit_shares(pool, batch, me).await? == U256::ZERO {
        return Err(fail(
            Code::NothingToClaim,
            format!(
                "{me} has nothing to claim from batch {batch} of {pool}; `provery pool show` lists its exits"
            ),
        ));
    }
    if batch == record.open_batch {
        return Err(fail(
            Code::NotReady,
            format!("batch {batch} is not unbonding yet; {}", next(pool, batch, None)),
        ));
    }
    if record.unbonding_batch == Some(batch) {
        let ready = session.chain.pool_batch(pool, batch).await?.ready_at.unwrap_or_default();
        let now = session.head().await?.timestamp;
        if now < ready {
            return Err(fail(
                Code::NotReady,
                format!(
                    "batch {batch} can be claimed in {} s, at {ready}; run this again then",
                    ready - now,
                    ready = when(ready)
                ),
            ));
        }
    }
    let to = to.unwrap_or(me);
    let mined = session.send(session.calls().pool(pool).claim(batch, to)).await?;
    let claimed: DelegationPool::Claimed =
        event(&mined, pool).ok_or_else(|| unsaid("how much was claimed"))?;
    context.out.result(
        &json!({
            "pool": pool,
            "delegator": me,
            "batch": batch.to_string(),
            "to": to,
            "amount": claimed.assets.to_string(),
            "tx": mined.tx_hash,
        }),
        || format!("sent {} to {to}", session.show(claimed.assets)),
    );
    Ok(())
}

pub(super) async fn advance(context: &Context, pool: Address) -> Result<()> {
    let session = context.signer().await?;
    find(&session, pool).await?;
    let mined = session.send(session.calls().pool(pool).advance()).await?;
    let settled = event::<DelegationPool::BatchSettled>(&mined, pool).map(|it| it.batch);
    let started = event::<DelegationPool::UnbondingStarted>(&mined, pool);
    let ready_at = started.as_ref().map(|it| it.readyAt.saturating_to::<u64>());
    let started = started.map(|it| it.batch);
    context.out.result(
        &json!({
            "pool": pool,
            "settled": settled.map(|batch| batch.to_string()),
            "started": started.map(|batch| batch.to_string()),
            "ready_at": ready_at,
            "tx": mined.tx_hash,
        }),
        || {
            let mut lines = Vec::new();
            if let Some(batch) = settled {
                lines.push(format!(
                    "batch {batch} is settled: `provery pool claim --pool {pool} --batch {batch}`"
                ));
            }
            if let Some(batch) = started {
                lines.push(format!("batch {batch} unbonds; {}", next(pool, batch, ready_at)));
            }
            lines.join("\n")
        },
    );
    Ok(())
}

pub(super) async fn free_up(context: &Context, pool: Address, market: MarketRef) -> Result<()> {
    let session = context.signer().await?;
    find(&session, pool).await?;
    let market = session.market(&market)?;
    session.chain.market(market).await?;
    let before = session.chain.allocation(market, pool).await?;
    let mined = session.send(session.calls().pool(pool).free_up(market)).await?;
    let after = session.chain.allocation(market, pool).await?;
    context.out.result(
        &json!({
            "pool": pool,
            "market": market.to_string(),
            "units_before": before.to_string(),
            "units": after.to_string(),
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{pool} now has {after} units in market {market} instead of {before}; start the exits with \
                 `provery pool advance --pool {pool}`"
            )
        },
    );
    Ok(())
}
