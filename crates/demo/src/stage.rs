//! Sets the stage: a chain, the contracts, a rollup or another circuit and its market, provers with different stakes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use alloy::{
    primitives::{Address, Bytes, U256, hex},
    signers::local::PrivateKeySigner,
};
use eyre::{Context, Result, eyre};
use provery_rpc::Rpc;
use provery_txmgr::{Sender, SenderConfig};
use provery_types::{Currency, Deployment, RollupRecord};

use crate::{
    args::{Args, Workload},
    hostile_plan::MOST_BLOCKS,
    ledger::Prover,
    membership,
    process::{Anvil, Provery},
};

/// Seconds in an epoch, and before it in which weights are frozen: short, so that stakes count soon.
const EPOCH_LENGTH: u64 = 8;
const FREEZE: u64 = 2;
/// One miss suspends: a killed prover leaves the draws at once.
const SUSPEND_AFTER: u64 = 1;
/// Whole tokens: a slot's price and bond, which `Mechanism::sample` goes by, and a prover's stake by rank.
const PRICE: u64 = 10;
const BOND: u64 = 12;
const STAKES: [u64; 8] = [500, 300, 200, 150, 100, 80, 60, 40];
/// Of the hostile sequencer's prover.
pub(crate) const ACCOMPLICE: &str = "accomplice";
const ACCOMPLICE_STAKE: u64 = 200;
/// Whole tokens in the escrow of a mechanism that keeps the bonds of bids itself, for each prover.
const DEPOSIT: u64 = 100;
pub(crate) const ROLLUP: &str = "demo";

/// Whole tokens below which the prover of this rank takes nothing on: provers differ in what a proof costs them.
pub(crate) fn minimum_reward(rank: usize) -> String {
    (2 + rank).to_string()
}

/// A stage on which nodes can start.
#[derive(Debug)]
pub(crate) struct Stage {
    pub anvil: Anvil,
    pub provery: Provery,
    pub deployment: Deployment,
    /// The rollup, or the requester of another circuit.
    pub rollup: RollupRecord,
    /// That other circuit.
    pub circuit: Option<membership::Circuit>,
    pub sequencer_key: String,
    /// With their keys.
    pub provers: Vec<(Prover, String)>,
    /// The hostile sequencer's prover, with its key; no node runs for it.
    pub accomplice: Option<(Prover, String)>,
    pub funded: U256,
    pub staked: U256,
    pub bond: u128,
    /// What all of these count in.
    pub asset: Currency,
    pub epoch_length: u64,
    /// Put into the mechanism's escrow by all provers together.
    pub deposited: U256,
    /// The offer under which slots are opened.
    pub offer: Option<Offer>,
}

/// A signed offer: its file, and what it makes of a slot's opening.
#[derive(Debug)]
pub(crate) struct Offer {
    pub file: PathBuf,
    pub data: Bytes,
}

impl Stage {
    /// Every account with stake in the market.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Prover> {
        self.provers.iter().chain(&self.accomplice).map(|(prover, _)| prover)
    }
}

/// Seconds a holder has, alone: several blocks of this size may have to share the machine's cores; under a hostile
/// sequencer, which posts many, twice as many.
pub(crate) fn exclusive_window(args: &Args) -> u64 {
    let window = match args.workload {
        Workload::Rollup => 20 + 3 * args.block_txs,
        Workload::Circom => 20,
    };
    if args.hostile_sequencer { 2 * window } else { window }
}

/// Seconds after which a slot expires.
pub(crate) fn expiry_window(args: &Args) -> u64 {
    8 * exclusive_window(args)
}

/// Build the stage. `say` is told each step.
pub(crate) async fn set(args: &Args, say: &dyn Fn(&str)) -> Result<Stage> {
    let dir = prepare(&args.dir)?;
    let started = Instant::now();
    say("starting a local chain");
    let anvil = Anvil::start(&dir, args, args.provers + 3).await?;
    let program = std::env::current_exe()?.with_file_name("provery");
    let provery = Provery {
        program,
        rpc_url: anvil.rpc_url.clone(),
        deployment: dir.join("deployment.json"),
        keys_dir: dir.join("keys"),
        logs: dir.clone(),
    };
    let mut keys = anvil.keys.iter().cloned();
    let mut key = || keys.next().ok_or_else(|| eyre!("anvil has too few accounts"));
    let deployer = key()?;
    let sequencer_key = key()?;

    say("deploying the market, its registries and every mechanism");
    let out = provery.deployment.display().to_string();
    let strict = match args.asset_decimals {
        18 => None,
        decimals => Some(strict_token(&provery.rpc_url, &deployer, decimals).await?.to_string()),
    };
    let (epoch, freeze, suspend) = (EPOCH_LENGTH.to_string(), FREEZE.to_string(), SUSPEND_AFTER.to_string());
    // No shorter than the longest window, by when every bond has ended.
    let unbonding = expiry_window(args).to_string();
    let mut deploying = vec!["deploy", "--epoch-length", &epoch, "--freeze", &freeze];
    deploying.extend(["--suspend-after", &suspend, "--unbonding", &unbonding, "--out", &out]);
    if let Some(asset) = &strict {
        deploying.extend(["--asset", asset]);
    }
    provery.run(Some(&deployer), &deploying).await?;

    let circuit = match args.workload {
        Workload::Rollup => {
            say(&format!(
                "making a development key for blocks of {} transfers (kept for the next run)",
                args.block_txs
            ));
            let circuit = provery_circuits::Params::new(args.block_txs as usize)?.circuit_name();
            provery.run(None, &["keys", "generate", "--circuit", &circuit, "--seed", "1"]).await?;
            None
        }
        Workload::Circom => {
            say("compiling the circuit examples/membership and registering it, with a sample proof");
            Some(membership::register(&provery, &sequencer_key, &dir, args.slots).await?)
        }
    };
    let word = args.mechanism.word();
    let creating = match &circuit {
        None => {
            say("creating the reference rollup and its market");
            let (block_txs, seed) = (args.block_txs.to_string(), args.seed.to_string());
            ["rollup", "create", "--block-txs", &block_txs, "--seed", &seed].map(str::to_owned).to_vec()
        }
        Some(circuit) => {
            say("deploying the requester of 40 lines and creating its market");
            let market = Deployment::from_json(&fs::read_to_string(&provery.deployment)?)?.market();
            let requester =
                membership::deploy(&provery.rpc_url, &sequencer_key, market, &dir).await?.to_string();
            let callback = ["--outputs", "1", "--callback-gas", membership::CALLBACK_GAS];
            let told = ["--requester", &requester, "--inputs", &requester];
            let creating = ["market", "create", "--circuit", &circuit.id];
            [&creating[..], &callback, &told].concat().into_iter().map(str::to_owned).collect()
        }
    };
    let exclusive = exclusive_window(args);
    let (price, bond) = (PRICE.to_string(), BOND.to_string());
    let (fast, expiry) = ((exclusive / 2).to_string(), expiry_window(args).to_string());
    let exclusive = exclusive.to_string();
    let choices = args.mechanism.sample().iter().flat_map(|option| ["--mechanism-option", *option]);
    let terms = ["--name", ROLLUP, "--mechanism", word, "--price", &price, "--bond", &bond];
    let windows = ["--fast", &fast, "--exclusive", &exclusive, "--expiry", &expiry];
    let creating: Vec<&str> =
        creating.iter().map(String::as_str).chain(terms).chain(windows).chain(choices).collect();
    provery.run(Some(&sequencer_key), &creating).await?;
    let hostile = if args.hostile_sequencer { MOST_BLOCKS } else { 0 };
    let funded = (args.slots + hostile) * PRICE;
    let amount = funded.to_string();
    provery.run(Some(&sequencer_key), &["token", "mint", "--amount", &amount]).await?;
    provery.run(Some(&sequencer_key), &["market", "fund", "--market", ROLLUP, "--amount", &amount]).await?;
    let deployment = Deployment::from_json(&fs::read_to_string(&provery.deployment)?)?;
    let rollup = deployment.rollup(ROLLUP)?.clone();

    let market = rollup.market.to_string();
    let mut staked = 0;
    let mut provers = Vec::new();
    for rank in 0..args.provers {
        let key = key()?;
        let units = STAKES[rank as usize % STAKES.len()];
        staked += units;
        provers.push((Prover { name: format!("P{}", rank + 1), address: address_of(&key)?, units }, key));
    }
    let mut accomplice = None;
    if args.hostile_sequencer {
        let key = key()?;
        staked += ACCOMPLICE_STAKE;
        let name = ACCOMPLICE.to_string();
        accomplice = Some((Prover { name, address: address_of(&key)?, units: ACCOMPLICE_STAKE }, key));
    }
    let all = || provers.iter().chain(&accomplice);
    say(&format!("{} provers register, stake and allocate to the market", all().count()));
    let deposit = args.mechanism.wants_deposit().then_some(word);
    let entering = all().map(|(prover, key)| enter(&provery, &market, deposit, prover, key));
    futures::future::try_join_all(entering).await?;
    let deposited = if deposit.is_some() { DEPOSIT * all().count() as u64 } else { 0 };
    let offer = match provers.first() {
        Some((prover, key)) if args.mechanism.wants_offer() => {
            say(&format!("{} signs an offer to the requester", prover.name));
            Some(sign_offer(&provery, &market, key, dir.join("offer.json")).await?)
        }
        _ => None,
    };
    say(&format!("the stage is set after {:.1} s", started.elapsed().as_secs_f64()));
    let unit = deployment
        .asset_unit
        .as_ref()
        .ok_or_else(|| eyre!("the deployment does not say what it counts in"))?;
    let asset = Currency::asset(&unit.symbol, unit.decimals)?;
    let whole = |tokens: u64| asset.whole() * U256::from(tokens);
    Ok(Stage {
        anvil,
        provery,
        deployment,
        rollup,
        circuit,
        sequencer_key,
        provers,
        accomplice,
        funded: whole(funded),
        staked: whole(staked),
        bond: whole(BOND).to::<u128>(),
        epoch_length: EPOCH_LENGTH,
        deposited: whole(deposited),
        asset,
        offer,
    })
}

/// An asset that is not like the development token: as many decimals as are asked for, and strict about allowances.
async fn strict_token(rpc_url: &str, key: &str, decimals: u8) -> Result<Address> {
    const CODE: &str = include_str!("../../../contracts/test/mocks/StrictToken.hex");
    let signer: PrivateKeySigner = key.parse().wrap_err("anvil gave a key that is none")?;
    let rpc = Rpc::connect(rpc_url).await?;
    let sender = Sender::new(rpc.clone(), signer, SenderConfig::new(rpc.poll_interval()));
    let (token, _) =
        sender.deploy(&hex::decode(CODE.trim())?, &U256::from(decimals).to_be_bytes::<32>()).await?;
    Ok(token)
}

/// An offer of a prover to prove every slot for somewhat less than the price.
async fn sign_offer(provery: &Provery, market: &str, key: &str, file: PathBuf) -> Result<Offer> {
    let (price, out) = ((PRICE - 2).to_string(), file.display().to_string());
    let args = ["prover", "offer", "sign", "--market", market, "--price", &price, "--capacity", "16"];
    let signed = provery.run(Some(key), &[&args[..], &["--out", &out]].concat()).await?;
    let data =
        signed["open_data"].as_str().ok_or_else(|| eyre!("an offer was signed and cannot be shown"))?;
    Ok(Offer { file, data: data.parse()? })
}

/// Make a prover of an account, with a deposit in a mechanism's escrow if it wants one.
async fn enter(
    provery: &Provery,
    market: &str,
    deposit: Option<&str>,
    prover: &Prover,
    key: &str,
) -> Result<()> {
    let minted = prover.units + if deposit.is_some() { DEPOSIT } else { 0 };
    let (minted, amount, units) = (minted.to_string(), prover.units.to_string(), prover.units.to_string());
    let uri = format!("demo:{}", prover.name);
    let key = Some(key);
    provery.run(key, &["token", "mint", "--amount", &minted]).await?;
    provery.run(key, &["prover", "register", "--uri", &uri]).await?;
    provery.run(key, &["prover", "stake", "--amount", &amount]).await?;
    provery.run(key, &["prover", "allocate", "--market", market, "--units", &units]).await?;
    if let Some(mechanism) = deposit {
        let amount = DEPOSIT.to_string();
        provery.run(key, &["prover", "deposit", "--mechanism", mechanism, "--amount", &amount]).await?;
    }
    Ok(())
}

/// The demo's folder, emptied of what an earlier run left, except its proving keys.
fn prepare(dir: &Path) -> Result<std::path::PathBuf> {
    fs::create_dir_all(dir)
        .wrap_err_with(|| format!("{} cannot be made; pass another --dir", dir.display()))?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "keys") {
            continue;
        }
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(dir.canonicalize()?)
}

fn address_of(key: &str) -> Result<Address> {
    Ok(key.parse::<PrivateKeySigner>().wrap_err("anvil gave a key that is none")?.address())
}
