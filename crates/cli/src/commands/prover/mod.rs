//! `provery prover`: this account as a prover.

pub(crate) mod allocate;
mod ask;
mod deposit;
mod earnings;
mod offer;
mod registered;
mod status;
mod submitter;

use std::path::Path;

use alloy::primitives::{Address, Bytes, U256};
use clap::{Args, Subcommand};
use eyre::Result;
use serde_json::json;

use self::{
    allocate::AllocateArgs, ask::AskCommand, deposit::DepositArgs, earnings::EarningsArgs,
    offer::OfferCommand, registered::require_registered, submitter::SubmitterCommand,
};
use crate::{
    address,
    amount::{self, Written},
    backends,
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    session::Session,
    time::when,
};

/// What a slot's opening tells the mechanism where a prover signed for it: out of an offer's file, or an ask's.
pub(crate) fn opening_data(offer: Option<&Path>, ask: Option<&Path>) -> Result<Option<Bytes>> {
    match (offer, ask) {
        (Some(path), _) => offer::SignedOffer::open_data(path).map(Some),
        (None, Some(path)) => ask::AskFile::open_data(path).map(Some),
        (None, None) => Ok(None),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProverCommand {
    /// Become a prover; no permission is needed
    #[command(
        after_help = "Example: provery prover register --uri https://prover.example --keystore prover.json"
    )]
    Register {
        /// Where this prover's metadata are (endpoint, hardware)
        #[arg(long, default_value = "")]
        uri: String,
    },
    /// Replace the metadata URI
    #[command(after_help = "Example: provery prover uri https://prover.example/v2 --keystore prover.json")]
    Uri {
        /// Where this prover's metadata are
        uri: String,
    },
    /// Stake the asset
    #[command(after_help = "Example: provery prover stake --amount 10 --keystore prover.json")]
    Stake {
        /// Whole units of the asset, such as 2.5
        #[arg(long)]
        amount: Written,
    },
    /// Set how much stake backs a market's draws; takes effect in the next epoch, or the one after
    #[command(after_help = "Example: provery prover allocate --market 1 --units 10 --keystore prover.json")]
    Allocate(AllocateArgs),
    /// Leave every draw until `resume`
    #[command(after_help = "Example: provery prover pause --keystore prover.json")]
    Pause,
    /// Return to the draws after a pause
    #[command(after_help = "Example: provery prover resume --keystore prover.json")]
    Resume,
    /// Return to a market's draws after slots missed there
    #[command(after_help = "Example: provery prover reinstate --market 1 --keystore prover.json")]
    Reinstate {
        /// The market: its id, or its rollup's name
        #[arg(long, value_name = "MARKET")]
        market: MarketRef,
    },
    /// Leave the markets and ask the stake back; later, withdraw it
    #[command(after_help = "Example: provery prover exit --keystore prover.json")]
    Exit(ExitArgs),
    /// Hot keys that may prove, pause and resume for a prover, and never move its money
    #[command(
        subcommand,
        after_help = "Example: provery prover submitter add 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --keystore prover.json"
    )]
    Submitter(SubmitterCommand),
    /// A prover's stake, allocations and results
    #[command(after_help = "Example: provery prover status --keystore prover.json")]
    Status {
        /// Whose [default: the signing account]
        #[arg(value_parser = address::parse)]
        address: Option<Address>,
    },
    /// What bonds of bids, tickets and promises are taken from
    #[command(
        after_help = "Example: provery prover deposit --mechanism vickrey --amount 5 --keystore prover.json"
    )]
    Deposit(DepositArgs),
    /// Standing offers to prove one rollup's slots
    #[command(
        subcommand,
        after_help = "Example: provery prover offer revoke --nonce 1 --keystore prover.json"
    )]
    Offer(OfferCommand),
    /// What a prover takes for slots to come, in the book of a market with standing asks
    #[command(subcommand, after_help = "Example: provery prover ask show --market 1 --keystore prover.json")]
    Ask(AskCommand),
    /// What a prover earned, lost and paid for gas, by market and day, from the chain's data alone
    #[command(after_help = "Example: provery prover earnings --days 7 --keystore prover.json")]
    Earnings(EarningsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExitArgs {
    /// Leave only these markets [default: all]
    #[arg(long, value_name = "MARKET")]
    market: Vec<MarketRef>,
    /// Withdraw what was asked back, once its time has come
    #[arg(long, conflicts_with = "market")]
    withdraw: bool,
    /// Who receives the withdrawn stake [default: the signing account]
    #[arg(long, value_name = "ADDRESS", requires = "withdraw", value_parser = address::parse)]
    to: Option<Address>,
}

pub(crate) async fn run(context: &Context, command: ProverCommand) -> Result<()> {
    match command {
        ProverCommand::Register { uri } => register(context, uri).await,
        ProverCommand::Uri { uri } => {
            let session = context.signer().await?;
            require_registered(&session).await?;
            let mined = session.send(session.calls().set_uri(&uri)).await?;
            context
                .out
                .result(&json!({ "uri": uri, "tx": mined.tx_hash }), || format!("the URI is now {uri}"));
            Ok(())
        }
        ProverCommand::Deposit(args) => deposit::run(context, args).await,
        ProverCommand::Offer(command) => offer::run(context, command).await,
        ProverCommand::Ask(command) => ask::run(context, command).await,
        ProverCommand::Stake { amount } => stake(context, amount).await,
        ProverCommand::Allocate(args) => allocate::run(context, args).await,
        ProverCommand::Pause => {
            let session = context.signer().await?;
            let prover = acting_for(&session).await?;
            let mined = session.send(session.calls().pause()).await?;
            let markets = sync(&session, prover).await?;
            context.out.result(
                &json!({ "prover": prover, "paused": true, "markets": markets, "tx": mined.tx_hash }),
                || {
                    format!(
                        "{prover} is out of the draws until `provery prover resume`; slots it already \
                 holds are still its own to prove"
                    )
                },
            );
            Ok(())
        }
        ProverCommand::Resume => {
            let session = context.signer().await?;
            let prover = acting_for(&session).await?;
            let mined = session.send(session.calls().resume()).await?;
            let markets = sync(&session, prover).await?;
            context.out.result(
                &json!({ "prover": prover, "paused": false, "markets": markets, "tx": mined.tx_hash }),
                || format!("{prover} is back; its weight counts from the next epoch, or the one after"),
            );
            Ok(())
        }
        ProverCommand::Reinstate { market } => reinstate(context, market).await,
        ProverCommand::Exit(args) if args.withdraw => withdraw(context, args.to).await,
        ProverCommand::Exit(args) => exit(context, args).await,
        ProverCommand::Submitter(command) => submitter::run(context, command).await,
        ProverCommand::Status { address } => status::run(context, address).await,
        ProverCommand::Earnings(args) => earnings::run(context, args).await,
    }
}

async fn register(context: &Context, uri: String) -> Result<()> {
    let session = context.signer().await?;
    let me = session.me()?;
    let known = session.chain.prover(me).await?;
    if known.id != 0 {
        return Err(fail(
            Code::AlreadyRegistered,
            format!("{me} is already prover {}; change its metadata with `provery prover uri`", known.id),
        ));
    }
    let mined = session.send(session.calls().register(&uri)).await?;
    let id = session.chain.prover(me).await?.id;
    context.out.result(&json!({ "prover": me, "id": id, "uri": uri, "tx": mined.tx_hash }), || {
        format!("{me} is prover {id}; stake with `provery prover stake --amount …`")
    });
    Ok(())
}

/// The prover itself, or the one whose hot key signs.
async fn acting_for(session: &Session) -> Result<Address> {
    let me = session.me()?;
    if session.chain.prover(me).await?.id != 0 {
        return Ok(me);
    }
    session.chain.prover_of_submitter(me).await?.ok_or_else(|| {
        fail(
            Code::NotRegistered,
            format!("{me} is neither a prover nor a prover's submitter; run `provery prover register` first"),
        )
    })
}

async fn stake(context: &Context, amount: Written) -> Result<()> {
    let session = context.signer().await?;
    let amount = amount::required("--amount", &amount, session.asset())?;
    let me = require_registered(&session).await?;
    let mined = session.sender()?.stake(&session.chain, amount.base).await?;
    let stake = session.chain.prover(me).await?.stake.to::<U256>();
    let free = session.chain.free_stake(me).await?;
    context.out.result(
        &json!({ "prover": me, "amount": amount, "stake": stake.to_string(), "free": free.to_string(), "tx": mined.tx_hash }),
        || format!("staked {amount}; {} of {} can be allocated with `provery prover allocate`", session.show(free), session.show(stake)),
    );
    Ok(())
}

async fn reinstate(context: &Context, market: MarketRef) -> Result<()> {
    let session = context.signer().await?;
    let prover = acting_for(&session).await?;
    let id = session.market(&market)?;
    session.chain.market(id).await?;
    let position = session.chain.position(id, prover).await?;
    if !position.suspended && position.misses == 0 {
        return Err(fail(
            Code::AlreadyDone,
            format!(
                "{prover} has missed nothing of market {market} since it last proved there; there is nothing to do"
            ),
        ));
    }
    backends::require(&session, id, &(position.fromVersion..=position.toVersion)).await?;
    let mined = session.send(session.calls().reinstate(id)).await?;
    context.out.result(
        &json!({ "prover": prover, "market": id.to_string(), "misses": position.misses, "tx": mined.tx_hash }),
        || {
            format!(
                "{prover} is back in the draws of market {market}, {} misses forgotten; its weight counts from the next \
                 epoch, or the one after",
                position.misses
            )
        },
    );
    Ok(())
}

/// A pause, a resumption or a suspension reaches a market's draws when somebody says so.
async fn sync(session: &Session, prover: Address) -> Result<Vec<String>> {
    let mut synced = Vec::new();
    for (market, _) in session.allocations(prover).await? {
        session.send(session.calls().sync(market, prover)).await?;
        synced.push(market.to_string());
    }
    Ok(synced)
}

async fn exit(context: &Context, args: ExitArgs) -> Result<()> {
    let session = context.signer().await?;
    let me = require_registered(&session).await?;
    let chosen = args.market.iter().map(|market| session.market(market)).collect::<Result<Vec<U256>>>()?;
    let mut left = Vec::new();
    for (market, _) in session.allocations(me).await? {
        if chosen.is_empty() || chosen.contains(&market) {
            session.send(session.calls().allocate(market, U256::ZERO, U256::ZERO, 0..=0)).await?;
            left.push(market.to_string());
        }
    }
    let free = session.chain.free_stake(me).await?;
    if free == U256::ZERO && left.is_empty() {
        return Err(fail(
            Code::InsufficientStake,
            format!(
                "{me} has no allocation to leave and no free stake to ask back; see `provery prover status`"
            ),
        ));
    }
    if free > U256::ZERO {
        session.send(session.calls().request_unstake(free)).await?;
    }
    let record = session.chain.prover(me).await?;
    let ready = record.unbondingReadyAt.to::<u64>();
    let remaining = record.stake.to::<U256>() - record.unbonding.to::<U256>();
    context.out.result(
        &json!({ "prover": me, "left": left, "asked": free.to_string(), "unbonding": record.unbonding.to_string(), "ready_at": ready, "remaining": remaining.to_string() }),
        || {
            let rest = if remaining > U256::ZERO {
                format!("; {} stays until open bonds and other allocations end", session.show(remaining))
            } else {
                String::new()
            };
            format!("asked back {}; withdraw it from {ready} on with `provery prover exit \
             --withdraw`{rest}", session.show(free), ready = when(ready))
        },
    );
    Ok(())
}

async fn withdraw(context: &Context, to: Option<Address>) -> Result<()> {
    let session = context.signer().await?;
    let me = require_registered(&session).await?;
    let record = session.chain.prover(me).await?;
    let amount = record.unbonding.to::<U256>();
    if amount == U256::ZERO {
        return Err(fail(
            Code::NotReady,
            format!("{me} has asked nothing back; run `provery prover exit` first"),
        ));
    }
    let (now, ready) = (session.head().await?.timestamp, record.unbondingReadyAt.to::<u64>());
    if now < ready {
        return Err(fail(
            Code::NotReady,
            format!(
                "{} can be withdrawn in {} s, at {ready}; run this again then",
                session.show(amount),
                ready - now,
                ready = when(ready)
            ),
        ));
    }
    let to = to.unwrap_or(me);
    let mined = session.send(session.calls().withdraw_stake(to)).await?;
    context.out.result(
        &json!({ "prover": me, "to": to, "amount": amount.to_string(), "tx": mined.tx_hash }),
        || format!("sent {} to {to}", session.show(amount)),
    );
    Ok(())
}
