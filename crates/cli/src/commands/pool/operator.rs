//! `provery pool`, what only a pool's operator does.

use alloy::primitives::{Address, U256};
use clap::{ArgGroup, Args, Subcommand};
use eyre::Result;
use provery_bindings::DelegationPool;
use provery_rpc::PoolRecord;
use serde_json::json;

use super::{
    chosen::{PoolArg, event, find, require_amount, unsaid},
    exit::{next, started},
};
use crate::{
    address,
    amount::Written,
    context::Context,
    error::{Code, fail},
    session::Session,
    time::when,
};

#[derive(Debug, Subcommand)]
pub(crate) enum PoolSubmitterCommand {
    /// Allow a key to act for the pool
    #[command(
        after_help = "Example: provery pool submitter add 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --pool \
         0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --keystore operator.json"
    )]
    Add {
        /// The key's address
        #[arg(value_parser = address::parse)]
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
        /// The key's address
        #[arg(value_parser = address::parse)]
        address: Address,
        #[command(flatten)]
        pool: PoolArg,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["amount", "cancel"])))]
pub(crate) struct OperatorExitArgs {
    #[command(flatten)]
    pool: PoolArg,
    /// Whole units of the asset, such as 2.5; another amount than the one announced is announced in its place
    #[arg(long)]
    amount: Option<Written>,
    /// Take back what is announced
    #[arg(long)]
    cancel: bool,
}

/// A pool that the signing account operates.
pub(super) async fn operated(session: &Session, pool: Address) -> Result<PoolRecord> {
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

pub(super) async fn stake(context: &Context, pool: Address, amount: Written) -> Result<()> {
    let session = context.signer().await?;
    operated(&session, pool).await?;
    let amount = require_amount(&session, &amount)?;
    let mined = session.sender()?.stake_operator(&session.chain, pool, amount).await?;
    let own = session.chain.pool(pool).await?.operator_stake;
    context.out.result(
        &json!({ "pool": pool, "amount": amount.to_string(), "operator_stake": own.to_string(), "tx": mined.tx_hash }),
        || {
            format!(
                "staked {}; the operator's own stake in {pool} is {}",
                session.show(amount),
                session.show(own)
            )
        },
    );
    Ok(())
}

pub(super) async fn operator_exit(context: &Context, args: OperatorExitArgs) -> Result<()> {
    let session = context.signer().await?;
    let pool = args.pool.pool;
    let record = operated(&session, pool).await?;
    let Some(amount) = &args.amount else {
        return cancel_operator_exit(context, &session, pool, &record).await;
    };
    let amount = require_amount(&session, amount)?;
    let now = session.head().await?.timestamp;
    match record.operator_exit {
        Some((announced, from)) if announced == amount => {
            if now < from {
                return Err(fail(
                    Code::NotReady,
                    format!(
                        "an exit of {} of the operator's is announced, and may be asked for in {} s, at {from}; \
                         run this again then, and before {}",
                        session.show(amount),
                        from - now,
                        when(from + record.exit_time),
                        from = when(from)
                    ),
                ));
            }
            request_operator_exit(context, &session, pool, amount).await
        }
        _ => {
            let own = record.operator_stake;
            if amount > own {
                return Err(fail(
                    Code::InsufficientStake,
                    format!(
                        "the operator's own stake in {pool} is {}, less than {}; ask for less",
                        session.show(own),
                        session.show(amount)
                    ),
                ));
            }
            let mined = session.send(session.calls().pool(pool).announce_operator_exit(amount)).await?;
            let announced: DelegationPool::OperatorExitAnnounced =
                event(&mined, pool).ok_or_else(|| unsaid("when it is due"))?;
            let from = announced.from.saturating_to::<u64>();
            if session.head().await?.timestamp >= from {
                // While nobody else has anything at stake there is nobody to warn.
                return request_operator_exit(context, &session, pool, amount).await;
            }
            let until = from + record.exit_time;
            context.out.result(
                &json!({
                    "pool": pool,
                    "amount": amount.to_string(),
                    "announced": true,
                    "from": from,
                    "until": until,
                    "batch": null,
                    "ready_at": null,
                    "tx": mined.tx_hash,
                }),
                || {
                    format!(
                        "an exit of {} is announced; run this again from {from} on to ask it back, and before \
                         {until}, when the announcement lapses",
                        session.show(amount), from = when(from), until = when(until))
                },
            );
            Ok(())
        }
    }
}

async fn request_operator_exit(
    context: &Context,
    session: &Session,
    pool: Address,
    amount: U256,
) -> Result<()> {
    let mined = session.send(session.calls().pool(pool).request_operator_exit()).await?;
    let asked: DelegationPool::ExitRequested =
        event(&mined, pool).ok_or_else(|| unsaid("which batch the exit is in"))?;
    let (batch, ready_at) = (asked.batch, started(&mined, pool, asked.batch));
    context.out.result(
        &json!({
            "pool": pool,
            // Less than announced if the rest was slashed.
            "amount": asked.assets.to_string(),
            "announced": false,
            "from": null,
            "until": null,
            "batch": batch.to_string(),
            "ready_at": ready_at,
            "tx": mined.tx_hash,
        }),
        || {
            let less = if asked.assets < amount { " (what is left)" } else { "" };
            match ready_at {
                Some(at) => format!(
                    "{}{less} are in batch {batch}, which `provery pool advance --pool {pool}` settles from {at} on; then `provery pool withdraw --pool {pool}`",
                    session.show(asked.assets), at = when(at)),
                None => format!("{}{less} are in batch {batch}; {}", session.show(asked.assets), next(pool, batch, None)),
            }
        },
    );
    Ok(())
}

async fn cancel_operator_exit(
    context: &Context,
    session: &Session,
    pool: Address,
    record: &PoolRecord,
) -> Result<()> {
    let Some((amount, _)) = record.operator_exit else {
        return Err(fail(
            Code::AlreadyDone,
            format!(
                "no exit of the operator's is announced in {pool}, or it lapsed; there is nothing to take back"
            ),
        ));
    };
    let mined = session.send(session.calls().pool(pool).announce_operator_exit(U256::ZERO)).await?;
    context
        .out
        .result(&json!({ "pool": pool, "cancelled": amount.to_string(), "tx": mined.tx_hash }), || {
            format!("the exit of {} is no longer announced", session.show(amount))
        });
    Ok(())
}

pub(super) async fn commission(context: &Context, pool: Address, bps: u16) -> Result<()> {
    let session = context.signer().await?;
    let record = operated(&session, pool).await?;
    let now = session.head().await?.timestamp;
    let call = match record.next_commission {
        Some((announced, from)) if announced == U256::from(bps) => {
            if now < from {
                return Err(fail(
                    Code::NotReady,
                    format!(
                        "a commission of {bps} bps is announced and may be set in {} s, at {from}; run this again \
                         then, and before {}",
                        from - now,
                        when(from + record.exit_time),
                        from = when(from)
                    ),
                ));
            }
            session.calls().pool(pool).raise_commission()
        }
        _ => session.calls().pool(pool).set_commission(bps),
    };
    let mut mined = session.send(call).await?;
    let announced = event::<DelegationPool::CommissionAnnounced>(&mined, pool);
    let mut from = announced.map(|it| it.from.saturating_to::<u64>());
    if let Some(due) = from
        && session.head().await?.timestamp >= due
    {
        // While nobody else has anything at stake there is nobody to warn.
        mined = session.send(session.calls().pool(pool).raise_commission()).await?;
        from = None;
    }
    let until = from.map(|from| from + record.exit_time);
    let now_bps = session.chain.pool(pool).await?.commission_bps;
    context.out.result(
        &json!({
            "pool": pool,
            "commission_bps": now_bps.saturating_to::<u64>(),
            "next_commission_bps": from.map(|_| bps),
            "next_commission_from": from,
            "next_commission_until": until,
            "tx": mined.tx_hash,
        }),
        || match from.zip(until) {
            Some((from, until)) => format!(
                "a commission of {bps} bps is announced; run this again from {} on to set it, and before {}, when the \
                 announcement lapses",
                when(from),
                when(until)
            ),
            None => format!("the commission of {pool} is {now_bps} bps"),
        },
    );
    Ok(())
}

pub(super) async fn submitter(context: &Context, command: PoolSubmitterCommand) -> Result<()> {
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

pub(super) async fn uri(context: &Context, pool: Address, uri: &str) -> Result<()> {
    let session = context.signer().await?;
    operated(&session, pool).await?;
    let mined = session.send(session.calls().pool(pool).set_uri(uri)).await?;
    context.out.result(&json!({ "pool": pool, "uri": uri, "tx": mined.tx_hash }), || {
        format!("the URI of {pool} is now {uri}")
    });
    Ok(())
}

pub(super) async fn withdraw(context: &Context, pool: Address, to: Option<Address>) -> Result<()> {
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
        || format!("sent {} to {to}", session.show(amount)),
    );
    Ok(())
}
