//! `provery pool`: stake that many put up together behind one prover.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolEvent,
};
use clap::{Args, Subcommand};
use eyre::Result;
use provery_bindings::{DelegationPool, DelegationPools};
use provery_chain::{Mined, PoolRecord};
use provery_types::DELEGATION_POOLS;
use serde_json::json;

use crate::{
    amount::{Amount, human},
    commands::{
        Context, pool_exit,
        pool_operator::{self, PoolSubmitterCommand},
        pool_show,
    },
    error::{Code, fail},
    session::Session,
};

#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Create a pool that this account operates, for good; it is a prover from the start
    #[command(after_help = "Example: provery pool create --first-loss-bps 5000 --commission-bps 1000 --uri \
         https://pool.example --keystore operator.json")]
    Create {
        /// Share of every loss that the operator's own stake bears before anyone else
        #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u16).range(..=10_000))]
        first_loss_bps: u16,
        /// Share of every reward that is the operator's
        #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u16).range(..=10_000))]
        commission_bps: u16,
        /// Where the prover's metadata are (endpoint, hardware)
        #[arg(long, default_value = "")]
        uri: String,
    },
    /// Every pool
    #[command(after_help = "Example: provery pool list")]
    List,
    /// A pool's stake, commission, markets and exits; and what of it is whose
    #[command(after_help = "Example: provery pool show --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    Show {
        #[command(flatten)]
        pool: PoolArg,
        /// Whose shares and exits to show as well [default: the signing account, if there is one]
        #[arg(long, value_name = "ADDRESS")]
        delegator: Option<Address>,
    },
    /// Put stake into a pool
    #[command(
        after_help = "Example: provery pool delegate --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 10ether --keystore delegator.json"
    )]
    Delegate {
        #[command(flatten)]
        pool: PoolArg,
        /// Wei, or a decimal with a unit
        #[arg(long)]
        amount: Amount,
    },
    /// Ask delegated stake back; it stops earning and stays at risk until its batch is settled
    #[command(after_help = "Example: provery pool exit --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5ether --keystore delegator.json")]
    Exit(pool_exit::ExitArgs),
    /// Receive what was asked back, once its batch is ready
    #[command(after_help = "Example: provery pool claim --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --batch 1 --keystore delegator.json")]
    Claim {
        #[command(flatten)]
        pool: PoolArg,
        /// The batch the exit is in, as `provery pool exit` said
        #[arg(long, value_name = "N")]
        batch: u64,
        /// Who receives it [default: the signing account]
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
    /// Turn what the pool earned into commission and stake; anyone may
    #[command(
        after_help = "Example: provery pool harvest --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --keystore delegator.json"
    )]
    Harvest(PoolArg),
    /// Settle the batch that is ready, and start the next; anyone may
    #[command(
        after_help = "Example: provery pool advance --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --keystore delegator.json"
    )]
    Advance(PoolArg),
    /// Lower the allocation to a market by what waiting exits need; anyone may
    #[command(
        after_help = "Example: provery pool free-up --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --keystore delegator.json"
    )]
    FreeUp {
        #[command(flatten)]
        pool: PoolArg,
        /// The market's id
        #[arg(long, value_name = "N")]
        market: u64,
    },
    /// As the operator: add to the own stake, which bears first losses
    #[command(after_help = "Example: provery pool stake --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 10ether --keystore operator.json")]
    Stake {
        #[command(flatten)]
        pool: PoolArg,
        /// Wei, or a decimal with a unit
        #[arg(long)]
        amount: Amount,
    },
    /// As the operator: ask own stake back, to be withdrawn once its batch is settled
    #[command(
        after_help = "Example: provery pool own-exit --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5ether --keystore operator.json"
    )]
    OwnExit {
        #[command(flatten)]
        pool: PoolArg,
        /// Wei, or a decimal with a unit
        #[arg(long)]
        amount: Amount,
    },
    /// As the operator: lower the commission at once, announce a higher one, or raise it when that is due
    #[command(
        after_help = "Example: provery pool commission --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --bps 500 --keystore operator.json"
    )]
    Commission {
        #[command(flatten)]
        pool: PoolArg,
        /// Share of every reward that is the operator's
        #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u16).range(..=10_000))]
        bps: u16,
    },
    /// As the operator: set how much of the pool's stake backs a market's draws
    #[command(
        after_help = "Example: provery pool allocate --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --units 10 --keystore operator.json"
    )]
    Allocate {
        #[command(flatten)]
        pool: PoolArg,
        /// The market's id
        #[arg(long, value_name = "N")]
        market: u64,
        /// Whole stake units; 0 to leave the market
        #[arg(long, value_name = "N")]
        units: u64,
    },
    /// As the operator: the keys that nodes prove for the pool with
    #[command(
        subcommand,
        after_help = "Example: provery pool submitter add 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --pool \
         0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --keystore operator.json"
    )]
    Submitter(PoolSubmitterCommand),
    /// As the operator: replace the metadata URI
    #[command(after_help = "Example: provery pool uri https://pool.example/v2 --pool \
         0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --keystore operator.json")]
    Uri {
        /// Where the prover's metadata are
        uri: String,
        #[command(flatten)]
        pool: PoolArg,
    },
    /// As the operator: receive commission and own stake whose exit is settled
    #[command(
        after_help = "Example: provery pool withdraw --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --keystore operator.json"
    )]
    Withdraw {
        #[command(flatten)]
        pool: PoolArg,
        /// Who receives it [default: the signing account]
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub struct PoolArg {
    /// The pool's address, which is also its prover's
    #[arg(long, value_name = "ADDRESS")]
    pub pool: Address,
}

pub async fn run(context: &Context, command: PoolCommand) -> Result<()> {
    match command {
        PoolCommand::Create { first_loss_bps, commission_bps, uri } => {
            create(context, first_loss_bps, commission_bps, &uri).await
        }
        PoolCommand::List => pool_show::list(context).await,
        PoolCommand::Show { pool, delegator } => pool_show::show(context, pool.pool, delegator).await,
        PoolCommand::Delegate { pool, amount } => delegate(context, pool.pool, amount).await,
        PoolCommand::Exit(args) => pool_exit::exit(context, args).await,
        PoolCommand::Claim { pool, batch, to } => pool_exit::claim(context, pool.pool, batch, to).await,
        PoolCommand::Harvest(pool) => harvest(context, pool.pool).await,
        PoolCommand::Advance(pool) => pool_exit::advance(context, pool.pool).await,
        PoolCommand::FreeUp { pool, market } => pool_exit::free_up(context, pool.pool, market).await,
        PoolCommand::Stake { pool, amount } => pool_operator::stake(context, pool.pool, amount).await,
        PoolCommand::OwnExit { pool, amount } => pool_operator::own_exit(context, pool.pool, amount).await,
        PoolCommand::Commission { pool, bps } => pool_operator::commission(context, pool.pool, bps).await,
        PoolCommand::Allocate { pool, market, units } => {
            pool_operator::allocate(context, pool.pool, market, units).await
        }
        PoolCommand::Submitter(command) => pool_operator::submitter(context, command).await,
        PoolCommand::Uri { uri, pool } => pool_operator::uri(context, pool.pool, &uri).await,
        PoolCommand::Withdraw { pool, to } => pool_operator::withdraw(context, pool.pool, to).await,
    }
}

/// A pool of this deployment's factory. Of any other contract nobody knows what it does with an allowance.
pub async fn find(session: &Session, pool: Address) -> Result<PoolRecord> {
    require_factory(session)?;
    if !session.chain.is_pool(pool).await? {
        return Err(fail(
            Code::PoolNotFound,
            format!("{pool} is no pool of this deployment; `provery pool list` shows those there are"),
        ));
    }
    Ok(session.chain.pool(pool).await?)
}

fn require_factory(session: &Session) -> Result<()> {
    if session.deployment().address(DELEGATION_POOLS).is_zero() {
        return Err(fail(
            Code::DeploymentInvalid,
            "the deployment file names no DelegationPools, so it has no pools; write it anew with `provery \
             deploy`",
        ));
    }
    Ok(())
}

pub fn require_amount(amount: Amount) -> Result<U256> {
    if amount.0 == U256::ZERO {
        return Err(fail(Code::Usage, "--amount must be above 0"));
    }
    Ok(amount.0)
}

/// The first event of a kind that `contract` emitted in a transaction.
pub fn event<E: SolEvent>(mined: &Mined, contract: Address) -> Option<E> {
    let logs = mined.logs.iter().filter(|log| log.address() == contract);
    logs.filter_map(|log| E::decode_log(&log.inner).ok()).map(|event| event.data).next()
}

pub fn unsaid(what: &str) -> eyre::Report {
    fail(
        Code::Internal,
        format!("the transaction is through but its receipt does not say {what}; see `provery pool show`"),
    )
}

async fn create(context: &Context, first_loss_bps: u16, commission_bps: u16, uri: &str) -> Result<()> {
    let session = context.signer().await?;
    require_factory(&session)?;
    let operator = session.me()?;
    let mined = session.send(session.calls().create_pool(first_loss_bps, commission_bps, uri)).await?;
    let factory = session.deployment().address(DELEGATION_POOLS);
    let created: DelegationPools::PoolCreated =
        event(&mined, factory).ok_or_else(|| unsaid("where the pool is"))?;
    let id = session.chain.prover(created.pool).await?.id;
    context.out.result(
        &json!({
            "pool": created.pool,
            "id": id,
            "operator": operator,
            "first_loss_bps": first_loss_bps,
            "commission_bps": commission_bps,
            "uri": uri,
            "tx": mined.tx_hash,
        }),
        || {
            format!(
                "{pool} is a pool, and prover {id}; put your own stake in with `provery pool stake --pool \
                 {pool} --amount …`",
                pool = created.pool
            )
        },
    );
    Ok(())
}

async fn delegate(context: &Context, pool: Address, amount: Amount) -> Result<()> {
    let session = context.signer().await?;
    find(&session, pool).await?;
    let amount = require_amount(amount)?;
    let me = session.me()?;
    let mined = session.sender()?.delegate(&session.chain, pool, amount).await?;
    let delegated: DelegationPool::Delegated =
        event(&mined, pool).ok_or_else(|| unsaid("how many shares that was"))?;
    let (held, worth) = session.chain.pool_shares(pool, me).await?;
    context.out.result(
        &json!({
            "pool": pool,
            "delegator": me,
            "amount": amount.to_string(),
            "shares": delegated.shares.to_string(),
            "held": held.to_string(),
            "worth": worth.to_string(),
            "tx": mined.tx_hash,
        }),
        || format!("{me} has {held} shares of {pool}, worth {}", human(worth)),
    );
    Ok(())
}

async fn harvest(context: &Context, pool: Address) -> Result<()> {
    let session = context.signer().await?;
    find(&session, pool).await?;
    let mined = session.send(session.calls().pool(pool).harvest()).await?;
    // No event: there was nothing to harvest.
    let (amount, commission, own, delegated) = event::<DelegationPool::Harvested>(&mined, pool)
        .map(|it| (it.amount, it.commission, it.toOwn, it.toDelegated))
        .unwrap_or_default();
    let lost = event::<DelegationPool::LossShared>(&mined, pool).map(|it| it.loss).unwrap_or_default();
    context.out.result(
        &json!({
            "pool": pool,
            "amount": amount.to_string(),
            "commission": commission.to_string(),
            "to_own": own.to_string(),
            "to_delegated": delegated.to_string(),
            "loss": lost.to_string(),
            "tx": mined.tx_hash,
        }),
        || {
            let mut text = format!(
                "harvested {}: {} commission, {} to the operator's stake, {} to the delegators'",
                human(amount),
                human(commission),
                human(own),
                human(delegated)
            );
            if lost > U256::ZERO {
                text.push_str(&format!("; took in a loss of {}", human(lost)));
            }
            text
        },
    );
    Ok(())
}
