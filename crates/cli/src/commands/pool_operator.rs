//! `provery pool`, what only a pool's operator does.

use alloy::primitives::{Address, U256};
use clap::Subcommand;
use eyre::Result;
use provery_bindings::DelegationPool;
use provery_chain::PoolRecord;
use serde_json::json;

use crate::{
    amount::{Amount, human},
    commands::{
        Context,
        pool::{PoolArg, event, find, require_amount},
        pool_exit::{next, started},
    },
    error::{Code, fail},
    session::Session,
};

#[derive(Debug, Subcommand)]
pub enum PoolSubmitterCommand {
    /// Allow a key to act for the pool
    #[command(
        after_help = "Example: provery pool submitter add 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --pool \
         0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --keystore operator.json"
    )]
    Add {
        address: Address,
        #[command(flatten)]
        pool: PoolArg,
    },
    /// Disallow a key
    #[command(
        after_help = "Example: provery pool submitter remove 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC \
         --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --keystore operator.json"
    )]
    Remove {
        address: Address,
        #[command(flatten)]
        pool: PoolArg,
    },
}

/// A pool that the signing account operates.
async fn operated(session: &Session, pool: Address) -> Result<PoolRecord> {
    let record = find(session, pool).await?;
    let me = session.me()?;
    if record.operator != me {
        return Err(fail(
            Code::NotOperator,
            format!(
                "{me} does not operate {pool}, {} does; sign with the operator's key, or make a pool with \
                 `provery pool create`",
                record.operator
            ),
        ));
    }
    Ok(record)
}

pub async fn stake(context: &Context, pool: Address, amount: Amount) -> Result<()> {
    let session = context.signer().await?;
    operated(&session, pool).await?;
    let amount = require_amount(amount)?;
    let mined = session.sender()?.stake_own(&session.chain, pool, amount).await?;
    let own = session.chain.pool(pool).await?.own;
    context.out.result(
        &json!({ "pool": pool, "amount": amount.to_string(), "own": own.to_string(), "tx": mined.tx_hash }),
        || format!("staked {}; the operator's own stake in {pool} is {}", human(amount), human(own)),
    );
    Ok(())
}

pub async fn own_exit(context: &Context, pool: Address, amount: Amount) -> Result<()> {
    let session = context.signer().await?;
    let own = operated(&session, pool).await?.own;
    let amount = require_amount(amount)?;
    if amount > own {
        return Err(fail(
            Code::InsufficientStake,
            format!("the operator's own stake in {pool} is {own} wei, less than {amount}; ask for less"),
        ));
    }
    let mined = session.send(session.calls().pool(pool).request_own_exit(amount)).await?;
    let batch = event::<DelegationPool::ExitRequested>(&mined, pool).map(|it| it.batch).unwrap_or_default();
    let ready_at = started(&mined, pool, batch);
    context.out.result(
        &json!({
            "pool": pool,
            "amount": amount.to_string(),
            "batch": batch.to_string(),
            "ready_at": ready_at,
            "tx": mined.tx_hash,
        }),
        || match ready_at {
            Some(at) => format!(
                "{} are in batch {batch}, which `provery pool advance --pool {pool}` settles from unix \
                 second {at} on; then `provery pool withdraw --pool {pool}`",
                human(amount)
            ),
            None => format!("{} are in batch {batch}; {}", human(amount), next(pool, batch, None)),
        },
    );
    Ok(())
}

pub async fn commission(context: &Context, pool: Address, bps: u16) -> Result<()> {
    let session = context.signer().await?;
    let record = operated(&session, pool).await?;
    let call = match record.next_commission {
        Some((announced, from)) if announced == U256::from(bps) => {
            let now = session.head().await?.timestamp;
            if now < from {
                return Err(fail(
                    Code::NotReady,
                    format!(
                        "a commission of {bps} bps is announced and may be set in {} s, at unix second \
                         {from}; run this again then",
                        from - now
                    ),
                ));
            }
            session.calls().pool(pool).raise_commission()
        }
        _ => session.calls().pool(pool).set_commission(bps),
    };
    let mined = session.send(call).await?;
    let announced = event::<DelegationPool::CommissionAnnounced>(&mined, pool);
    let from = announced.map(|it| it.from.saturating_to::<u64>());
    let now_bps = session.chain.pool(pool).await?.commission_bps;
    context.out.result(
        &json!({
            "pool": pool,
            "commission_bps": now_bps.saturating_to::<u64>(),
            "next_commission_bps": from.map(|_| bps),
            "next_commission_from": from,
            "tx": mined.tx_hash,
        }),
        || match from {
            Some(from) => format!(
                "a commission of {bps} bps is announced; from unix second {from} on, run this again to \
                 set it"
            ),
            None => format!("the commission of {pool} is {now_bps} bps"),
        },
    );
    Ok(())
}

pub async fn allocate(context: &Context, pool: Address, market: u64, units: u64) -> Result<()> {
    let session = context.signer().await?;
    operated(&session, pool).await?;
    let id = U256::from(market);
    let bond = session.chain.terms(id).await?.bond.to::<U256>();
    let unit = session.chain.registry_params().await?.stake_unit;
    let wei = unit.saturating_mul(U256::from(units));
    let mut warnings = Vec::new();
    if units > 0 && wei < bond {
        let warning = format!(
            "{units} units are {wei} wei, below the bond of {bond} wei: draws will pass the pool over; \
             allocate at least {} units",
            bond.div_ceil(unit)
        );
        context.out.warn(&warning);
        warnings.push(warning);
    }
    let mined = session.send(session.calls().pool(pool).allocate(id, U256::from(units))).await?;
    context.out.result(
        &json!({
            "pool": pool,
            "market": id.to_string(),
            "units": units,
            "wei": wei.to_string(),
            "warnings": warnings,
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{pool} has {units} units in market {market}; that counts from the next epoch, or the one \
                 after"
            )
        },
    );
    Ok(())
}

pub async fn submitter(context: &Context, command: PoolSubmitterCommand) -> Result<()> {
    let (submitter, pool, allowed) = match command {
        PoolSubmitterCommand::Add { address, pool } => (address, pool.pool, true),
        PoolSubmitterCommand::Remove { address, pool } => (address, pool.pool, false),
    };
    let session = context.signer().await?;
    operated(&session, pool).await?;
    let mined = session.send(session.calls().pool(pool).set_submitter(submitter, allowed)).await?;
    context.out.result(
        &json!({ "pool": pool, "submitter": submitter, "allowed": allowed, "tx": mined.tx_hash }),
        || {
            if allowed {
                format!(
                    "{submitter} is nominated; it acts for {pool} once it accepts: start the node with that key, or run \
                     `provery prover submitter accept --prover {pool}` with it"
                )
            } else {
                format!("{submitter} may no longer act for {pool}")
            }
        },
    );
    Ok(())
}

pub async fn uri(context: &Context, pool: Address, uri: &str) -> Result<()> {
    let session = context.signer().await?;
    operated(&session, pool).await?;
    let mined = session.send(session.calls().pool(pool).set_uri(uri)).await?;
    context.out.result(&json!({ "pool": pool, "uri": uri, "tx": mined.tx_hash }), || {
        format!("the URI of {pool} is now {uri}")
    });
    Ok(())
}

pub async fn withdraw(context: &Context, pool: Address, to: Option<Address>) -> Result<()> {
    let session = context.signer().await?;
    let record = operated(&session, pool).await?;
    if record.owed_to_operator == U256::ZERO {
        return Err(fail(
            Code::NothingToClaim,
            format!(
                "{pool} owes its operator nothing yet; `provery pool harvest` turns what it earned into \
                 commission, `provery pool advance` settles exits"
            ),
        ));
    }
    let to = session.account(to)?;
    let mined = session.send(session.calls().pool(pool).withdraw_operator(to)).await?;
    let amount = event::<DelegationPool::OperatorPaid>(&mined, pool)
        .map_or(record.owed_to_operator, |paid| paid.amount);
    context.out.result(
        &json!({ "pool": pool, "to": to, "amount": amount.to_string(), "tx": mined.tx_hash }),
        || format!("sent {} to {to}", human(amount)),
    );
    Ok(())
}
