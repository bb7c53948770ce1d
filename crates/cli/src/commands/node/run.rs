//! The node itself: settings and checks, then [`provery_node::run`].

use std::{path::Path, sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use eyre::Result;
use futures::future::join_all;
use provery_node::{HiddenUrl, NodeConfig, Parts};
use provery_proving::{ProofBackend, keys};
use provery_puzzle::PuzzleProver;
use provery_types::{RollupRecord, text::plain};
use provery_worker::{InProcess, Jetstream, NatsConfig, Processes, ProofRunner, Routed};
use provery_workloads::{Refusal, Why, Workloads};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    pace,
    reload::{Hangups, Reload},
    secret,
};
use crate::{
    backends,
    commands::{
        calibrate::{self, Calibration},
        prove, worker,
    },
    config::{self, external::ExternalValues, node::NodeValues},
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
    session::{Session, patiently},
    signals,
};

/// A node with these flags, on top of the configuration file.
pub(crate) async fn run(context: &Context, flags: &NodeValues) -> Result<()> {
    // Heard from the start: loading keys takes a moment, too.
    let stop = signals::stop()?;
    let hangups = Hangups::new()?;
    let file = &context.settings.node;
    let values = flags.or(file).checked()?;
    let data_dir = values.data_dir.clone().ok_or_else(|| {
        fail(
            Code::Usage,
            "the node has no directory to keep its database in; give --data-dir, or set data_dir under [node] in the \
             configuration",
        )
    })?;
    let dir = config::keys_dir_or(flags.keys.clone(), file.keys.clone());
    let session = context.signer().await?;
    let prover = prove::payee(&session, values.prover).await?;
    let (rollups, mut refused) = served(&session, values.market.as_deref().unwrap_or_default()).await?;
    let external = context.settings.external.clone();
    if external.is_some() && values.nats_url.is_some() {
        return Err(fail(
            Code::Config,
            "external_prover and nats_url are both set, and only one of them can make the proofs; leave one out",
        ));
    }
    let calibration = calibration(&values, &dir)?;
    // Of proofs that are made elsewhere nothing was measured here.
    let here = |rollup: &RollupRecord| {
        values.nats_url.is_none() && external.as_ref().is_none_or(|values| !values.proves(&rollup.circuit))
    };
    let measured = calibration.as_ref().filter(|_| values.first_estimate.is_none());
    // All of them, if none is named: those to come, too.
    let named = values.market.as_ref().is_some_and(|markets| !markets.is_empty());
    let rollups =
        pace::in_time(context, &session, (prover, rollups), measured, here, named, &mut refused).await?;
    let (keys, records) = (dir.clone(), rollups.clone());
    let elsewhere = external.clone();
    let nats = values.nats_url.is_some();
    let loaded =
        tokio::task::spawn_blocking(move || load(&records, &keys, elsewhere.as_ref(), nats)).await??;
    let Backends { own: backends, external: others, unserved } = loaded;
    let rollups: Vec<RollupRecord> =
        rollups.into_iter().filter(|it| unserved.iter().all(|(address, _)| *address != it.address)).collect();
    let of = |address: &Address| session.deployment().rollups.iter().find(|it| it.address == *address);
    let without_files = unserved.iter().filter_map(|(address, _)| Some(of(address)?.market));
    let markets: Option<Vec<U256>> =
        named.then(|| rollups.iter().map(|rollup| rollup.market).chain(without_files).collect());
    refused.extend(unserved);
    for (rollup, refusal) in &refused {
        context.out.warn(&format!("{refusal}; it is not served"));
        let record = session.deployment().rollups.iter().find(|record| record.address == *rollup);
        // Another record may be of the same market.
        if let Some(record) = record.filter(|it| rollups.iter().all(|served| served.market != it.market)) {
            check_refused(context, &session, prover, record.market).await?;
        }
    }
    check_funds(&session).await?;
    check_key(&session, prover).await?;
    check_stake(context, &session, prover, &rollups, values.rescue.unwrap_or(true)).await?;
    let circuits: Vec<String> =
        backends.iter().chain(&others).map(|backend| backend.circuit().to_owned()).collect();
    let measured = calibration.iter().flat_map(|it| circuits.iter().filter_map(|name| it.seconds_of(name)));
    let first_estimate = values.first_estimate.or(measured.max());
    let cost = calibration
        .iter()
        .flat_map(|it| circuits.iter().filter_map(|name| it.cost_of(name, session.asset())))
        .max();

    let chain = session.chain.rpc().chain_id();
    let rate = values.rate(chain, session.asset().symbol())?;
    let (tune, tunables) = watch::channel(values.tunables(session.asset(), cost, rate)?);
    let mut node = NodeConfig::new(prover, data_dir);
    apply(&values, &mut node);
    node.markets = markets;
    node.deployment = Some(session.path.clone());
    node.tunables = tunables;
    if let Some(seconds) = first_estimate {
        node.first_estimate = Duration::from_secs(seconds);
    }
    node.secret = secret::of(session.signer()?, &node.data_dir)?;
    if values.mine == Some(true) {
        node.puzzle = Some(puzzle(&dir).await?);
    }
    let development = session.chain.rpc().is_development();
    node.confirmations = values.confirmations.unwrap_or(if development { 1 } else { 3 });
    node.report = context.out.json;
    let mut runner = runner(&node, backends, &circuits, &dir).await?;
    if !others.is_empty() {
        runner = Arc::new(Routed::new(InProcess(others), runner));
    }
    let signer = session.signer()?.clone();
    let reload = match &context.settings.file {
        Some(path) => Some(Reload::new(path, flags.clone(), session.asset().clone(), chain, cost, tune)?),
        None => None,
    };
    let reloading = async {
        match reload {
            Some(reload) => reload.run(hangups).await,
            None => hangups.ignore().await,
        }
    };
    let workloads =
        refused.into_iter().fold(Workloads::default().with_keys(&dir), |known, (rollup, refusal)| {
            known.refusing(rollup, refusal)
        });
    let parts = Parts { chain: session.chain, signer, runner, circuits, workloads };
    tokio::select! {
        ended = provery_node::run(node, parts, stop) => Ok(ended?),
        () = reloading => Ok(()),
    }
}

/// What was measured on this machine, if anything was.
fn calibration(values: &NodeValues, dir: &Path) -> Result<Option<Calibration>> {
    let here = dir.join(calibrate::FILE);
    let file = values.cost_from.clone().or_else(|| here.exists().then_some(here));
    file.as_deref().map(Calibration::load).transpose()
}

/// Where proofs are made: on other machines if there is NATS, else in processes beside this one, or in it.
async fn runner(
    node: &NodeConfig,
    backends: Vec<Arc<dyn ProofBackend>>,
    circuits: &[String],
    keys: &Path,
) -> Result<Arc<dyn ProofRunner>> {
    if let Some(nats) = &node.nats {
        let config = NatsConfig { prefix: nats.prefix.clone(), ..NatsConfig::new(nats.url.expose()) };
        let jetstream = Jetstream::connect(&config, keys, circuits).await?;
        let preparing = jetstream.clone();
        // Ends once the keys are there; until then jobs wait, or find them.
        tokio::spawn(async move { preparing.prepare(CancellationToken::new()).await });
        return Ok(Arc::new(jetstream));
    }
    if node.worker_processes {
        let program = worker::this_program()?;
        return Ok(Arc::new(Processes::new(program, keys.to_owned(), Vec::new(), node.workers)));
    }
    Ok(Arc::new(InProcess(backends)))
}

/// What the values say outright.
fn apply(values: &NodeValues, node: &mut NodeConfig) {
    fn set<T>(into: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *into = value;
        }
    }
    set(&mut node.workers, values.workers.map(|workers| usize::try_from(workers).unwrap_or(usize::MAX)));
    set(&mut node.worker_processes, values.worker_processes);
    set(&mut node.upkeep, values.upkeep);
    set(&mut node.poll, values.poll_ms.map(Duration::from_millis));
    set(&mut node.drain, values.drain_seconds.map(Duration::from_secs));
    set(&mut node.pause_when_stopping, values.pause_when_stopping);
    set(&mut node.pause_when_breaker_open, values.pause_when_breaker_open);
    set(&mut node.low_balance_proofs, values.low_balance_proofs);
    node.http = values.http_address();
    node.ws_url = values.ws_url.clone().map(HiddenUrl::new);
    node.nats = values.nats();
}

async fn puzzle(dir: &Path) -> Result<Arc<PuzzleProver>> {
    let dir = dir.to_owned();
    let prover = tokio::task::spawn_blocking(move || PuzzleProver::load(&dir, None)).await??;
    Ok(Arc::new(prover))
}

/// The rollups whose slots the node proves, and why it proves no others of the deployment file: with a market named, only that
/// one, or nothing at all.
pub(crate) async fn served(
    session: &Session,
    markets: &[MarketRef],
) -> Result<(Vec<RollupRecord>, Vec<(Address, Refusal)>)> {
    let mut named = Vec::new();
    for market in markets {
        let market = session.market(market)?;
        patiently(|| session.chain.market(market)).await?;
        named.push(market);
    }
    let is_meant = |rollup: &&RollupRecord| named.is_empty() || named.contains(&rollup.market);
    let (mut known, mut refused) = (Vec::<RollupRecord>::new(), Vec::new());
    for rollup in session.deployment().rollups.iter().filter(is_meant) {
        match backends::vet(session, rollup).await? {
            Ok(()) => known.push(rollup.clone()),
            Err(refusal) => refused.push((rollup, refusal)),
        }
    }
    let serves = |market: U256| known.iter().any(|rollup| rollup.market == market);
    if let Some(market) = named.iter().copied().find(|market| !serves(*market)) {
        let refusal = refused.into_iter().find(|(rollup, _)| rollup.market == market);
        return Err(match refusal {
            Some((_, refusal)) => refusal.into(),
            None => fail(
                Code::RollupNotFound,
                format!(
                    "the deployment file has no rollup or market with the id {market}, so what its slots mean is not known; \
                     use the file of whoever created it"
                ),
            ),
        });
    }
    let refused: Vec<_> = refused.into_iter().map(|(rollup, refusal)| (rollup.address, refusal)).collect();
    match (known.is_empty(), refused.last()) {
        (true, Some((_, refusal))) => Err(refusal.clone().into()),
        (true, None) => Err(fail(
            Code::RollupNotFound,
            "the deployment has no rollup or market yet, so there is nothing to prove; make one with `provery \
                 rollup create`, or `provery market create --name`",
        )),
        (false, _) => Ok((known, refused)),
    }
}

/// Backends by who proves.
#[derive(Default)]
struct Backends {
    own: Vec<Arc<dyn ProofBackend>>,
    external: Vec<Arc<dyn ProofBackend>>,
    /// Rollups whose circuits' files are not here, or of no use.
    unserved: Vec<(Address, Refusal)>,
}

/// One backend a circuit: rollups may share one. Some may be without their files, but not all.
fn load(
    rollups: &[RollupRecord],
    dir: &Path,
    external: Option<&ExternalValues>,
    elsewhere: bool,
) -> Result<Backends> {
    if let Some(values) = external {
        values.find()?;
        values.names_known(rollups.iter().map(|rollup| rollup.circuit.as_str()))?;
    }
    let mut loaded = Backends::default();
    for rollup in rollups {
        let mut known = loaded.own.iter().chain(&loaded.external);
        if known.any(|backend| backend.circuit() == rollup.circuit) {
            continue;
        }
        let backend = match external.filter(|values| values.proves(&rollup.circuit)) {
            Some(values) => backends::external(rollup, dir, values).map(|it| loaded.external.push(it)),
            None if elsewhere && !keys::directory_of(dir, &rollup.circuit).join(keys::MANIFEST).exists() => {
                Err(fail(
                    Code::KeyFileMissing,
                    "the files of its circuit do not go to workers over NATS; serve it with a node that has no nats_url",
                ))
            }
            None => backends::load(rollup, dir).map(|it| loaded.own.push(it)),
        };
        match backend {
            Ok(()) => {}
            Err(error) if rollups.len() == 1 => return Err(error),
            Err(error) => {
                let name = plain(&rollup.name);
                let message = format!("rollup {name} (market {}): {error}", rollup.market);
                loaded.unserved.push((rollup.address, Refusal::new(Why::Files, message)));
            }
        }
    }
    match loaded.unserved.first() {
        Some((_, refusal)) if loaded.unserved.len() == rollups.len() => Err(fail(
            Code::KeyFileMissing,
            format!(
                "{refusal}; no other market's files are here either, so get them, or name the markets to serve with --market"
            ),
        )),
        _ => Ok(loaded),
    }
}

/// What a node does, apart from delivering proofs, is for the prover or a submitter of its to do. A key that the prover
/// nominated becomes one when the node starts.
async fn check_key(session: &Session, prover: Address) -> Result<()> {
    let me = session.me()?;
    if me == prover
        || patiently(|| session.chain.prover_of_submitter(me)).await? == Some(prover)
        || patiently(|| session.chain.is_nominated(prover, me)).await?
    {
        return Ok(());
    }
    Err(fail(
        Code::BadKey,
        format!(
            "{me} is no submitter of {prover}, and not nominated to be one; run `provery prover submitter add {me}` with the \
             prover's key (for a pool: `provery pool submitter add {me} --pool {prover}`), then start the node again"
        ),
    ))
}

async fn check_funds(session: &Session) -> Result<()> {
    let me = session.me()?;
    if patiently(|| session.chain.rpc().balance(me)).await? == U256::ZERO {
        return Err(fail(
            Code::InsufficientGasFunds,
            format!("{me} has nothing to pay for transactions with; send it some of the chain's currency"),
        ));
    }
    Ok(())
}

/// Stake behind a market that is not served is lost slot by slot: the node stays out of all draws for as long as it is there.
async fn check_refused(context: &Context, session: &Session, prover: Address, market: U256) -> Result<()> {
    let units = patiently(|| session.chain.position(market, prover)).await?.units;
    if units > 0 {
        context.out.warn(&format!(
            "{prover} has {units} units of stake behind market {market}, whose slots cannot be proven here, so this node keeps it \
             out of all draws: take the stake back with `provery prover allocate --market {market} --units 0` (for a pool: \
             `provery pool narrow --pool {prover} --market {market} --exposure 0`), or name the markets that it is to serve with \
             --market"
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
    let unit = patiently(|| session.chain.registry_params()).await?.stake_unit;
    // What a pool does in a market goes by what it announced.
    let pool = patiently(|| session.chain.is_pool(prover)).await?;
    let allocate = if pool {
        format!("provery pool allocate --pool {prover}")
    } else {
        "provery prover allocate".to_owned()
    };
    let accept = if pool {
        format!("`provery pool announce --pool {prover}`, then `{allocate}`")
    } else {
        format!("`{allocate}`")
    };
    let mut drawable = false;
    let mut problems = Vec::new();
    // All at once: one after the other is a wait for each.
    let terms = rollups.iter().map(|rollup| patiently(|| session.chain.terms(rollup.market)));
    for (rollup, terms) in rollups.iter().zip(join_all(terms).await) {
        let terms = terms?;
        let deployed = |name: &str| session.deployment().address(name) == terms.mechanism;
        if provery_mechanisms::registry().iter().any(|known| deployed(known.name()) && !known.assigns()) {
            drawable = true;
            continue;
        }
        let bond = terms.bond.to::<U256>();
        let position = patiently(|| session.chain.position(rollup.market, prover)).await?;
        let exposed = U256::from(position.units.min(position.exposure)) * unit;
        let staked = U256::from(position.units) * unit;
        if staked >= bond && exposed < bond {
            problems.push(format!(
                "{prover} exposes {} to market {}, below the bond of {}, so no slot there can be assigned to it; run \
                 `{allocate} --market {}` with a higher --exposure",
                session.show(exposed),
                rollup.market,
                session.show(bond),
                rollup.market,
            ));
        } else if staked >= bond && !(position.fromVersion..=position.toVersion).contains(&terms.version) {
            problems.push(format!(
                "terms version {} of market {} is not accepted by {prover}, so no slot there can be assigned to it; read the \
                 terms (`provery market show --market {}`) and accept them with {accept}",
                terms.version, rollup.market, rollup.market,
            ));
        } else if staked >= bond {
            drawable = true;
        } else {
            problems.push(format!(
                "{prover} has {} allocated to market {}, below the bond of {}, so no slot there can be \
                 assigned to it; run `{allocate} --market {} --units {}`",
                session.show(staked),
                rollup.market,
                session.show(bond),
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
