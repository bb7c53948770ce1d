//! `provery node`: a prover, unattended.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::local::PrivateKeySigner,
};
use clap::Args;
use eyre::Result;
use provery_node::NodeConfig;
use provery_proving::{ProofBackend, puzzle::PuzzleProver};
use provery_types::RollupRecord;

use crate::{
    amount::{Amount, SignedAmount, human},
    backends,
    commands::{
        Context,
        calibrate::{self, Calibration},
        prove,
    },
    config,
    error::{Code, fail},
    session::Session,
    signals,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: provery node --data-dir .provery/node-1 --market 1 --keystore prover.json --json"
)]
pub struct NodeArgs {
    /// Where the node keeps its database; one node a directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Serve this market; may be given more than once [default: every rollup's of the deployment]
    #[arg(long, value_name = "N")]
    market: Vec<u64>,
    /// Whom the proofs pay [default: the prover that the signing account is, or is a submitter of]
    #[arg(long, value_name = "ADDRESS")]
    prover: Option<Address>,
    /// Milliseconds between two looks at the chain
    #[arg(long, value_name = "MS", default_value_t = 250)]
    poll_ms: u64,
    /// Proofs at a time; one already uses every core
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Prove only what is allocated to this prover
    #[arg(long)]
    no_rescue: bool,
    /// Do not poke epochs, expire slots, or resume after a suspension
    #[arg(long)]
    no_upkeep: bool,
    /// Take on, bid for or rescue nothing that pays less [default: what a slot costs, by --cost-from; else 0]
    #[arg(long, value_name = "AMOUNT")]
    min_reward: Option<Amount>,
    /// What a proof takes and costs on this machine, as `provery calibrate` wrote it [default: calibration.json beside the
    /// keys, if it is there]
    #[arg(long, value_name = "FILE")]
    cost_from: Option<PathBuf>,
    /// Offer slots that cannot be proven in time to others, for this much (below zero: paid to the taker)
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    hand_over: Option<SignedAmount>,
    /// Take slots that others offer, if they pay
    #[arg(long)]
    take_over: bool,
    /// Mine the right to slots of markets that are mined; needs the puzzle's keys and a deposit
    #[arg(long)]
    mine: bool,
    /// Withdraw credit to the prover whenever it reaches this much [default: never]
    #[arg(long, value_name = "AMOUNT")]
    withdraw_at: Option<Amount>,
    /// Seconds that a first proof is expected to take; measured from then on [default: by --cost-from; else 20]
    #[arg(long, value_name = "S")]
    first_estimate: Option<u64>,
}

pub async fn run(context: &Context, args: NodeArgs) -> Result<()> {
    // Heard from the start: loading keys takes a moment, too.
    let stop = signals::stop_token()?;
    let session = context.signer().await?;
    let prover = prove::payee(&session, args.prover).await?;
    let rollups = served(&session, &args.market).await?;
    check_funds(&session).await?;
    check_key(context, &session, prover).await?;
    check_stake(context, &session, prover, &rollups, !args.no_rescue).await?;
    let dir = config::keys_dir(args.keys.clone());
    let markets: Vec<U256> = rollups.iter().map(|rollup| rollup.market).collect();
    let keys = dir.clone();
    let backends = tokio::task::spawn_blocking(move || load(&rollups, &keys)).await??;

    let mut config = NodeConfig::new(prover, args.data_dir);
    config.markets = Some(markets);
    config.workers = args.workers.max(1);
    let measured_here = dir.join(calibrate::FILE);
    let cost_from = args.cost_from.or_else(|| measured_here.exists().then_some(measured_here));
    let calibration = cost_from.as_deref().map(Calibration::load).transpose()?;
    let circuits: Vec<String> = backends.iter().map(|backend| backend.circuit().to_owned()).collect();
    let measured = calibration.iter().flat_map(|it| circuits.iter().filter_map(|name| it.seconds_of(name)));
    let first_estimate = args.first_estimate.or(measured.max()).unwrap_or(20);
    config.first_estimate = Duration::from_secs(first_estimate);
    let cost = calibration.iter().flat_map(|it| circuits.iter().filter_map(|name| it.cost_of(name))).max();
    config.minimum_reward =
        args.min_reward.map(|amount| amount.0).or(cost).unwrap_or_default().saturating_to();
    config.hand_over = args.hand_over.map(|amount| amount.0);
    config.take_over = args.take_over;
    config.secret = secret(session.signer()?);
    if args.mine {
        config.puzzle = Some(puzzle(&dir).await?);
    }
    config.rescue = !args.no_rescue;
    config.withdraw_at = args.withdraw_at.map(|amount| amount.0);
    config.upkeep = !args.no_upkeep;
    config.poll = Duration::from_millis(args.poll_ms.max(1));
    config.report = context.out.json;
    let sender = session.sender()?.clone();
    provery_node::run(config, session.chain, sender, backends, stop).await?;
    Ok(())
}

/// What sealed bids are derived from: the same at every start, and known to nobody who has not the key.
fn secret(signer: &PrivateKeySigner) -> B256 {
    keccak256([signer.to_bytes().as_slice(), b"provery sealed bids"].concat())
}

async fn puzzle(dir: &Path) -> Result<Arc<PuzzleProver>> {
    let dir = dir.to_owned();
    let prover = tokio::task::spawn_blocking(move || PuzzleProver::load(&dir, None)).await??;
    Ok(Arc::new(prover))
}

/// The rollups whose slots the node proves.
async fn served(session: &Session, markets: &[u64]) -> Result<Vec<RollupRecord>> {
    let all = &session.deployment().rollups;
    if markets.is_empty() {
        if all.is_empty() {
            return Err(fail(
                Code::RollupNotFound,
                "the deployment has no rollup yet, so there is nothing to prove; make one with `provery \
                 rollup create`",
            ));
        }
        return Ok(all.clone());
    }
    let mut chosen = Vec::new();
    for market in markets {
        let market = U256::from(*market);
        session.chain.market(market).await?;
        let rollup = session.deployment().rollup_of_market(market).ok_or_else(|| {
            fail(
                Code::RollupNotFound,
                format!(
                    "the deployment file has no rollup that posts blocks in market {market}, so what \
                 its slots mean is not known; add it to the file"
                ),
            )
        })?;
        chosen.push(rollup.clone());
    }
    Ok(chosen)
}

/// One backend a circuit: rollups may share one.
fn load(rollups: &[RollupRecord], dir: &Path) -> Result<Vec<Arc<dyn ProofBackend>>> {
    let mut loaded: Vec<(u64, _)> = Vec::new();
    for rollup in rollups {
        if !loaded.iter().any(|(block_txs, _)| *block_txs == rollup.block_txs) {
            loaded.push((rollup.block_txs, backends::load(rollup, dir)?));
        }
    }
    Ok(loaded.into_iter().map(|(_, backend)| backend).collect())
}

/// Proofs pay whom they name, whoever sends them; everything else is done by the prover or a submitter of its.
async fn check_key(context: &Context, session: &Session, prover: Address) -> Result<()> {
    let me = session.me()?;
    if me != prover && session.chain.prover_of_submitter(me).await? != Some(prover) {
        context.out.warn(&format!(
            "{me} is no submitter of {prover}, so it can deliver proofs and nothing else: no lock, bid, ticket or \
             resume; allow it with `provery prover submitter add {me}` (for a pool: `provery pool submitter add`)"
        ));
    }
    Ok(())
}

async fn check_funds(session: &Session) -> Result<()> {
    let me = session.me()?;
    if session.chain.rpc().balance(me).await? == U256::ZERO {
        return Err(fail(
            Code::InsufficientGasFunds,
            format!("{me} has nothing to pay for transactions with; send it some of the chain's currency"),
        ));
    }
    Ok(())
}

/// A prover that no draw can pick is told so: it can only rescue.
async fn check_stake(
    context: &Context,
    session: &Session,
    prover: Address,
    rollups: &[RollupRecord],
    rescue: bool,
) -> Result<()> {
    let unit = session.chain.registry_params().await?.stake_unit;
    let mut drawable = false;
    let mut problems = Vec::new();
    for rollup in rollups {
        let terms = session.chain.terms(rollup.market).await?;
        let deployed = |name: &str| session.deployment().address(name) == terms.mechanism;
        if provery_mechanisms::registry().iter().any(|known| deployed(known.name()) && !known.allocates()) {
            drawable = true;
            continue;
        }
        let bond = terms.bond.to::<U256>();
        let staked = session.chain.allocation(rollup.market, prover).await? * unit;
        if staked >= bond {
            drawable = true;
        } else {
            problems.push(format!(
                "{prover} has {} allocated to market {}, below the bond of {}, so no slot there can be \
                 allocated to it; run `provery prover allocate --market {} --units {}`",
                human(staked),
                rollup.market,
                human(bond),
                rollup.market,
                bond.div_ceil(unit)
            ));
        }
    }
    match problems.first() {
        Some(problem) if !drawable && !rescue => Err(fail(Code::StakeBelowBond, problem.clone())),
        _ => {
            problems.iter().for_each(|problem| context.out.warn(problem));
            Ok(())
        }
    }
}
