//! `provery pool`: stake that many put up together behind one prover.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolEvent,
};
use clap::{Args, Subcommand};
use eyre::Result;
use provery_bindings::{DelegationPool, DelegationPools};
use provery_rpc::PoolRecord;
use provery_txmgr::Mined;
use provery_types::DELEGATION_POOLS;
use serde_json::json;

use crate::{
    address,
    amount::{self, Written},
    commands::{
        pool_exit,
        pool_operator::{self, PoolSubmitterCommand},
        pool_policy, pool_show,
    },
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
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
    /// A pool's stake, commission, markets, announcements and exits; and what of it is whose
    #[command(after_help = "Example: provery pool show --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    Show {
        #[command(flatten)]
        pool: PoolArg,
        /// Whose shares and exits to show as well [default: the signing account, if there is one]
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        delegator: Option<Address>,
    },
    /// Put stake into a pool
    #[command(
        after_help = "Example: provery pool delegate --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 10 --keystore delegator.json"
    )]
    Delegate {
        #[command(flatten)]
        pool: PoolArg,
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
        #[command(flatten)]
        seen: SeenArg,
    },
    /// Ask delegated stake back; it stops earning and stays at risk until its batch is settled
    #[command(after_help = "Example: provery pool exit --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5 --keystore delegator.json")]
    Exit(pool_exit::ExitArgs),
    /// Delegate again what was asked back, as long as its batch has not begun to unbond
    #[command(
        after_help = "Example: provery pool take-back --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5 --keystore delegator.json"
    )]
    TakeBack(pool_exit::TakeBackArgs),
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
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
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
        /// The market: its id, or its rollup's name
        #[arg(long, value_name = "MARKET")]
        market: MarketRef,
    },
    /// As the operator: add to the own stake, which bears first losses
    #[command(after_help = "Example: provery pool stake --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 10 --keystore operator.json")]
    Stake {
        #[command(flatten)]
        pool: PoolArg,
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
    },
    /// As the operator: announce that own stake will be asked back, and ask it back when that is due; it lapses
    #[command(
        after_help = "Example: provery pool own-exit --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5 --keystore operator.json"
    )]
    OwnExit(pool_operator::OwnExitArgs),
    /// As the operator: lower the commission at once, announce a higher one, or raise it when that is due; it lapses
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
    /// As the operator: announce what more the pool may do in a market; it counts after a notice
    #[command(
        after_help = "Example: provery pool announce --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --exposure 20 --versions 1..2 --keystore operator.json"
    )]
    Announce(pool_policy::AnnounceArgs),
    /// As the operator: narrow at once what the pool may do in a market
    #[command(after_help = "Example: provery pool narrow --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --exposure 5 --keystore operator.json")]
    Narrow(pool_policy::NarrowArgs),
    /// As the operator: set how much of the pool's stake backs a market's draws, within what was announced
    #[command(
        after_help = "Example: provery pool allocate --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --units 20 --exposure 10 --keystore operator.json"
    )]
    Allocate(pool_policy::PoolAllocateArgs),
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
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        to: Option<Address>,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub struct PoolArg {
    /// The pool's address, which is also its prover's
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub pool: Address,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct SeenArg {
    /// Go ahead only if the pool's revision is this, as `provery pool show` said: the operator announced nothing since
    /// [default: the one as of now]
    #[arg(long, value_name = "REVISION")]
    seen: Option<u64>,
}

impl SeenArg {
    /// The revision to decide by.
    pub fn of(self, pool: Address, record: &PoolRecord) -> Result<U256> {
        match self.seen.map(U256::from) {
            Some(seen) if seen != record.revision => Err(fail(
                Code::RevisionChanged,
                format!(
                    "the revision of {pool} is {}, not {seen}: its operator announced something; look at it with `provery \
                     pool show --pool {pool}`, and run this again with that revision if you still want to",
                    record.revision
                ),
            )),
            _ => Ok(record.revision),
        }
    }
}

pub async fn run(context: &Context, command: PoolCommand) -> Result<()> {
    match command {
        PoolCommand::Create { first_loss_bps, commission_bps, uri } => {
            create(context, first_loss_bps, commission_bps, &uri).await
        }
        PoolCommand::List => pool_show::list(context).await,
        PoolCommand::Show { pool, delegator } => pool_show::show(context, pool.pool, delegator).await,
        PoolCommand::Delegate { pool, amount, seen } => delegate(context, pool.pool, amount, seen).await,
        PoolCommand::Exit(args) => pool_exit::exit(context, args).await,
        PoolCommand::TakeBack(args) => pool_exit::take_back(context, args).await,
        PoolCommand::Claim { pool, batch, to } => pool_exit::claim(context, pool.pool, batch, to).await,
        PoolCommand::Harvest(pool) => harvest(context, pool.pool).await,
        PoolCommand::Advance(pool) => pool_exit::advance(context, pool.pool).await,
        PoolCommand::FreeUp { pool, market } => pool_exit::free_up(context, pool.pool, market).await,
        PoolCommand::Stake { pool, amount } => pool_operator::stake(context, pool.pool, amount).await,
        PoolCommand::OwnExit(args) => pool_operator::own_exit(context, args).await,
        PoolCommand::Commission { pool, bps } => pool_operator::commission(context, pool.pool, bps).await,
        PoolCommand::Announce(args) => pool_policy::announce(context, args).await,
        PoolCommand::Narrow(args) => pool_policy::narrow(context, args).await,
        PoolCommand::Allocate(args) => pool_policy::allocate(context, args).await,
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

pub fn require_amount(session: &Session, amount: &Written) -> Result<U256> {
    Ok(amount::required("--amount", amount, session.asset())?.base)
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
                 {pool} --amount …`, and say what it may do with `provery pool announce`",
                pool = created.pool
            )
        },
    );
    Ok(())
}

async fn delegate(context: &Context, pool: Address, amount: Written, seen: SeenArg) -> Result<()> {
    let session = context.signer().await?;
    let record = find(&session, pool).await?;
    let amount = require_amount(&session, &amount)?;
    let seen = seen.of(pool, &record)?;
    let me = session.me()?;
    let warnings = pool_show::announced(&record, session.asset());
    warnings.iter().for_each(|warning| context.out.warn(warning));
    let mined = session.sender()?.delegate(&session.chain, pool, amount, seen).await?;
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
            "revision": seen.to_string(),
            "warnings": warnings,
            "tx": mined.tx_hash,
        }),
        || format!("{me} has {held} shares of {pool}, worth {}", session.show(worth)),
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
                session.show(amount),
                session.show(commission),
                session.show(own),
                session.show(delegated)
            );
            if lost > U256::ZERO {
                text.push_str(&format!("; took in a loss of {}", session.show(lost)));
            }
            text
        },
    );
    Ok(())
}
