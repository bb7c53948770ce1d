//! `provery pool`: stake that many put up together behind one prover.

mod chosen;
mod exit;
mod operator;
mod policy;
mod show;

use alloy::primitives::{Address, U256};
use clap::Subcommand;
use eyre::Result;
use provery_bindings::{DelegationPool, DelegationPools};
use provery_types::DELEGATION_POOLS;
use serde_json::json;

use self::{
    chosen::{PoolArg, SeenArg, event, find, require_amount, require_factory, unsaid},
    operator::PoolSubmitterCommand,
};
use crate::{address, amount::Written, context::Context, market_ref::MarketRef};

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
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
    Exit(exit::ExitArgs),
    /// Delegate again what was asked back, as long as its batch has not begun to unbond
    #[command(
        after_help = "Example: provery pool take-back --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5 --keystore delegator.json"
    )]
    TakeBack(exit::TakeBackArgs),
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
        after_help = "Example: provery pool operator-exit --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --amount 5 --keystore operator.json"
    )]
    OperatorExit(operator::OperatorExitArgs),
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
    Announce(policy::AnnounceArgs),
    /// As the operator: narrow at once what the pool may do in a market
    #[command(after_help = "Example: provery pool narrow --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --exposure 5 --keystore operator.json")]
    Narrow(policy::NarrowArgs),
    /// As the operator: set how much of the pool's stake backs a market's draws, within what was announced
    #[command(
        after_help = "Example: provery pool allocate --pool 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --market 1 --units 20 --exposure 10 --keystore operator.json"
    )]
    Allocate(policy::PoolAllocateArgs),
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

pub(crate) async fn run(context: &Context, command: PoolCommand) -> Result<()> {
    match command {
        PoolCommand::Create { first_loss_bps, commission_bps, uri } => {
            create(context, first_loss_bps, commission_bps, &uri).await
        }
        PoolCommand::List => show::list(context).await,
        PoolCommand::Show { pool, delegator } => show::show(context, pool.pool, delegator).await,
        PoolCommand::Delegate { pool, amount, seen } => delegate(context, pool.pool, amount, seen).await,
        PoolCommand::Exit(args) => exit::exit(context, args).await,
        PoolCommand::TakeBack(args) => exit::take_back(context, args).await,
        PoolCommand::Claim { pool, batch, to } => exit::claim(context, pool.pool, batch, to).await,
        PoolCommand::Harvest(pool) => harvest(context, pool.pool).await,
        PoolCommand::Advance(pool) => exit::advance(context, pool.pool).await,
        PoolCommand::FreeUp { pool, market } => exit::free_up(context, pool.pool, market).await,
        PoolCommand::Stake { pool, amount } => operator::stake(context, pool.pool, amount).await,
        PoolCommand::OperatorExit(args) => operator::operator_exit(context, args).await,
        PoolCommand::Commission { pool, bps } => operator::commission(context, pool.pool, bps).await,
        PoolCommand::Announce(args) => policy::announce(context, args).await,
        PoolCommand::Narrow(args) => policy::narrow(context, args).await,
        PoolCommand::Allocate(args) => policy::allocate(context, args).await,
        PoolCommand::Submitter(command) => operator::submitter(context, command).await,
        PoolCommand::Uri { uri, pool } => operator::uri(context, pool.pool, &uri).await,
        PoolCommand::Withdraw { pool, to } => operator::withdraw(context, pool.pool, to).await,
    }
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
    let warnings = show::announced(&record, session.asset());
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
        .map(|it| (it.amount, it.commission, it.toOperator, it.toDelegated))
        .unwrap_or_default();
    let lost = event::<DelegationPool::LossShared>(&mined, pool).map(|it| it.loss).unwrap_or_default();
    context.out.result(
        &json!({
            "pool": pool,
            "amount": amount.to_string(),
            "commission": commission.to_string(),
            "to_operator_stake": own.to_string(),
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
