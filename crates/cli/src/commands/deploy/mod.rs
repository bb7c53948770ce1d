//! `provery deploy`: the registries, the market and every mechanism, and the file that says where they are.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, Bytes, aliases::U96};
use clap::Args;
use eyre::Result;
use provery_bindings::RegistryConfig;
use provery_mechanisms::Mechanism;
use provery_proving::{KeyError, keys::VerifyingKeyFile, solidity};
use provery_types::{ContractRecord, Deployment, PROOF_MARKET, PUZZLE_VERIFIER, is_development_chain};
use serde_json::json;

mod abilities;
mod creations;
mod gas;
pub(crate) mod past;
pub(crate) mod randomness;
mod unanswered;
mod unit;

use creations::{Blueprint, Built};

use crate::{
    address,
    amount::{Currency, Written},
    config,
    context::Context,
    error::{Code, fail},
    files,
    journal::{self, CommandJournal, Plan},
    output::fields,
    session::{self, Deployed, Wire},
    solc,
};

/// Of the development keys of the mining puzzle: what `provery keys generate --puzzle` takes unless told otherwise.
const PUZZLE_SEED: u64 = 1;

#[derive(Debug, Args)]
#[command(after_help = "Example: provery deploy --epoch-length 60 --freeze 10 --unbonding 600 --keystore \
     deployer.json")]
pub(crate) struct DeployArgs {
    /// The ERC-20 of stakes, prices and rewards [default: a token that anyone may mint; on development chains only]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub asset: Option<Address>,
    /// What one unit of weight in draws is, in whole units of the asset; a millionth of one at least, and a million at most
    #[arg(long, value_name = "AMOUNT", default_value = "1")]
    pub stake_unit: Written,
    /// Seconds in an epoch: how long one seed lasts
    #[arg(long, value_name = "S", default_value_t = 3600)]
    pub epoch_length: u32,
    /// Seconds before an epoch in which its weights can no longer change
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub freeze: u32,
    /// Slots of a market missed in a row that suspend a prover from its draws
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub suspend_after: u8,
    /// Slots of a market missed in a row, by whomever, after which its slots open to all
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub open_after: u8,
    /// Seconds from asking stake back to withdrawing it; at least an epoch and its freeze, and --max-window
    #[arg(long, value_name = "S", default_value_t = 604_800)]
    pub unbonding: u32,
    /// The longest expiry window that a market's terms may have, in seconds [default: --unbonding]
    #[arg(long, value_name = "S")]
    pub max_window: Option<u32>,
    /// A contract that gives draws their randomness; needed where blocks carry none (several rollups)
    /// [default: the chain's blocks]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub randomness: Option<Address>,
    /// Take the blocks' randomness though several blocks share it, as on the OP Stack: whoever makes the blocks then knows whom
    /// every draw takes before it makes them, and may choose
    #[arg(long, conflicts_with = "randomness")]
    pub trust_block_producer: bool,
    /// Where the mining puzzle's keys are; on a development chain they are made if they are missing [env:
    /// PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// The file to write [default: deployments/<chainid>.json]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace a file whose contracts are on the chain; they stay there, but nothing here remembers them
    #[arg(long)]
    pub force: bool,
    /// Only from an account that has sent nothing on this chain: then the contracts have the addresses that they have on every other
    /// chain where the same account began with the same deployment
    #[arg(long)]
    pub same_addresses: bool,
    /// Say where the contracts would be and what they would cost at most, and send nothing
    #[arg(long)]
    pub plan: bool,
}

pub(crate) async fn run(context: &Context, args: DeployArgs) -> Result<()> {
    check(&args)?;
    context.say_which_key();
    let wire = Wire::connect(&context.settings).await?;
    let chain_id = wire.rpc.chain_id();
    let development = is_development_chain(chain_id);
    if args.asset.is_none() && !development {
        return Err(fail(
            Code::NotDevelopmentChain,
            format!(
                "chain {chain_id} is not a development chain, so there is no asset to make up; pass \
                 --asset ADDRESS"
            ),
        ));
    }
    let rules = abilities::require(&wire.rpc, wire.sender.address(), args.randomness.is_some()).await?;
    for (flag, address) in [("--asset", args.asset), ("--randomness", args.randomness)] {
        if let Some(address) = address
            && wire.rpc.code_hash(address).await?.is_none()
        {
            return Err(fail(
                Code::Usage,
                format!("{flag}: there is no contract at {address} on chain {chain_id}; check the address"),
            ));
        }
    }
    let (asset, stake_unit) = unit::checked(&wire, args.asset, &args.stake_unit).await?;
    if args.randomness.is_none() {
        randomness::require(&wire.rpc, args.trust_block_producer).await?;
    }
    let path = args
        .out
        .clone()
        .or_else(|| context.settings.deployment.clone())
        .unwrap_or_else(|| files::default_deployment(chain_id));
    let folder = journal::path_of(&path, "deploy");
    files::check_writable(&path)?;
    // An earlier run that was interrupted may have got as far as the file.
    if !folder.exists() {
        refuse_to_forget(&wire, &path, args.force).await?;
    }

    let mut blueprint = blueprint(&args, stake_unit);
    if development && puzzle_keys(&args).is_err() {
        // Making keys takes a while: not for a deployer that cannot pay.
        let codes = blueprint.foreseen(wire.sender.address(), wire.nonce().await?, &BTreeMap::new());
        gas::require(&wire, rules, &codes).await?;
    }
    blueprint.puzzle = puzzle_code(context, &args, development)?;
    blueprint.mechanisms = mechanisms(blueprint.puzzle.is_some());

    let (wire, journal) = journaled(context, wire, &folder, &blueprint).await?;
    let written = written(&wire, &path);
    if written.is_some() {
        context
            .out
            .note("an earlier run had made everything and was interrupted then; run this again for another");
    } else {
        refuse_to_forget(&wire, &path, args.force).await?;
    }
    // Before anything is paid for.
    let sent = blueprint.sent(&wire.sender);
    let next = wire.nonce().await?.max(sent.values().max().map_or(0, |nonce| nonce + 1));
    let codes = blueprint.foreseen(wire.sender.address(), next, &sent);
    if args.same_addresses {
        require_first(&wire, &sent, next)?;
    }
    let bill = gas::require(&wire, rules, &codes).await?;
    if args.plan {
        plan(context, &blueprint.foreseen_addresses(wire.sender.address(), next, &sent), &bill);
        // It recorded nothing but what it was asked for.
        return if sent.is_empty() { journal.done() } else { Ok(()) };
    }
    let built = creations::put_up(&wire, &context.out, &blueprint, rules.block_gas).await?;

    let deployment = match written {
        Some(deployment) => deployment,
        None => {
            let deployment = described(chain_id, development, &asset, &built);
            files::write_deployment(&path, &deployment)?;
            deployment
        }
    };
    journal.done()?;
    report(context, &deployment, &path, built.gas);
    Ok(())
}

/// Whether the contracts get the first addresses that the account has to give.
fn require_first(wire: &Wire, sent: &BTreeMap<&'static str, u64>, next: u64) -> Result<()> {
    let first = sent.values().min().copied().unwrap_or(next);
    if first == 0 {
        return Ok(());
    }
    let (account, chain) = (wire.sender.address(), wire.rpc.chain_id());
    Err(fail(
        Code::Usage,
        format!(
            "{account} has sent {first} transactions on chain {chain} before, so the contracts would be elsewhere than on other chains; \
             deploy from an account that has sent none, or leave out --same-addresses"
        ),
    ))
}

fn plan(context: &Context, contracts: &BTreeMap<&'static str, Address>, bill: &gas::Bill) {
    let json = json!({ "contracts": contracts, "gas": bill.gas, "wei": bill.wei.to_string() });
    context.out.result(&json, || {
        let mut rows: Vec<(&str, String)> =
            contracts.iter().map(|(name, address)| (*name, address.to_string())).collect();
        rows.push(("gas at most", bill.gas.to_string()));
        rows.push(("costs at most", Currency::gas().show(bill.wei)));
        fields(&rows)
    });
}

/// What the file is to say.
fn described(chain_id: u64, development: bool, asset: &Currency, built: &Built) -> Deployment {
    let contracts = built.contracts.iter().filter(|(name, _)| **name != creations::TOKEN);
    let contracts = contracts.map(|(name, deployed)| ((*name).to_string(), record(name, deployed))).collect();
    Deployment {
        chain_id,
        development,
        block: built.contracts.values().map(|deployed| deployed.block).min().unwrap_or_default(),
        compiler: solc::VERSION.to_string(),
        asset: built.asset,
        asset_unit: Some(asset.unit()),
        contracts,
        rollups: Vec::new(),
    }
}

/// The file, if it describes what an earlier run of this command made: it was interrupted right after it wrote it, and others may
/// have added to it since.
fn written(wire: &Wire, path: &Path) -> Option<Deployment> {
    let nonce = wire.sender.nonce_of(&creations::tag(PROOF_MARKET))?;
    let market = wire.sender.address().create(nonce);
    files::read_deployment(path)
        .ok()
        .filter(|known| known.chain_id == wire.rpc.chain_id() && known.market() == market)
}

/// What is deployed, but for the mining puzzle.
fn blueprint(args: &DeployArgs, stake_unit: U96) -> Blueprint {
    let params = RegistryConfig {
        asset: Address::ZERO,
        stakeUnit: stake_unit,
        epochLength: args.epoch_length,
        freeze: args.freeze,
        suspendAfter: args.suspend_after,
        openAfter: args.open_after,
        unbonding: args.unbonding,
        maxWindow: args.max_window.unwrap_or(args.unbonding),
    };
    let (asset, randomness) = (args.asset, args.randomness);
    Blueprint { params, asset, puzzle: None, randomness, mechanisms: mechanisms(false) }
}

/// Those that a deployment has, with or without a puzzle to mine at.
fn mechanisms(puzzle: bool) -> Vec<&'static dyn Mechanism> {
    let all = provery_mechanisms::registry().iter().copied();
    all.filter(|mechanism| puzzle || !mechanism.wants_puzzle()).collect()
}

/// Write down what is sent, and go on with what an earlier run of this command sent.
async fn journaled(
    context: &Context,
    wire: Wire,
    folder: &Path,
    blueprint: &Blueprint,
) -> Result<(Wire, CommandJournal)> {
    let plan = Plan {
        command: "deploy".to_owned(),
        account: wire.sender.address(),
        genesis: session::genesis(&wire.rpc).await?,
        choices: blueprint.choices(),
    };
    let journal = CommandJournal::open(folder, &plan)?;
    let journaled = wire.with_journal(journal.pending())?;
    if journal.found > 0 {
        context.out.note(&format!(
            "going on from where an earlier run was interrupted, after {} transactions",
            journal.found
        ));
    }
    Ok((journaled, journal))
}

fn report(context: &Context, deployment: &Deployment, path: &Path, gas: u64) {
    let addresses: BTreeMap<_, _> =
        deployment.contracts.iter().map(|(name, record)| (name.as_str(), record.address)).collect();
    let json = json!({
        "deployment": path,
        "chain_id": deployment.chain_id,
        "development": deployment.development,
        "asset": deployment.asset,
        "asset_unit": deployment.asset_unit,
        "contracts": addresses,
        "gas": gas,
    });
    context.out.result(&json, || {
        let mut rows = vec![("asset", deployment.asset.to_string())];
        rows.extend(
            deployment.contracts.iter().map(|(name, record)| (name.as_str(), record.address.to_string())),
        );
        rows.push(("gas", gas.to_string()));
        rows.push(("written to", path.display().to_string()));
        fields(&rows)
    });
}

/// What the registry's constructor would refuse, said before anything is paid for.
fn check(args: &DeployArgs) -> Result<()> {
    let usage = |message: &str| Err(fail(Code::Usage, message));
    if args.freeze == 0 || args.freeze >= args.epoch_length {
        return usage("--freeze must be above 0 and below --epoch-length");
    }
    if args.suspend_after == 0 || args.open_after == 0 {
        return usage("--suspend-after and --open-after must be 1 to 255");
    }
    if u64::from(args.unbonding) < u64::from(args.epoch_length) + u64::from(args.freeze) {
        return usage(
            "--unbonding must be at least --epoch-length plus --freeze, by when a prover's weight has \
             left the draws",
        );
    }
    match args.max_window {
        Some(0) => usage("--max-window must be above 0"),
        Some(most) if most > args.unbonding => usage(
            "--max-window must not be above --unbonding: stake must not be gone before the bonds that stand on it \
             have ended",
        ),
        _ => Ok(()),
    }
}

/// Contracts that are in use must not be forgotten by a second `deploy` to the same file. A file of a development chain that was
/// thrown away since is of no use to anyone.
async fn refuse_to_forget(wire: &Wire, path: &Path, force: bool) -> Result<()> {
    if force || !path.exists() {
        return Ok(());
    }
    let live = match files::read_deployment(path) {
        Ok(known) if known.chain_id == wire.rpc.chain_id() => {
            wire.rpc.code_hash(known.market()).await?.is_some()
        }
        Ok(_) => true,
        Err(_) => true,
    };
    if live {
        return Err(fail(
            Code::DeploymentExists,
            format!(
                "{} already describes a deployment; pass --out for another file, or --force to replace it",
                path.display()
            ),
        ));
    }
    Ok(())
}

fn record(name: &str, deployed: &Deployed) -> ContractRecord {
    ContractRecord {
        address: deployed.address,
        code_hash: deployed.code_hash,
        block: deployed.block,
        mechanism: provery_mechanisms::by_name(name).is_some(),
    }
}

fn puzzle_keys(args: &DeployArgs) -> Result<VerifyingKeyFile, KeyError> {
    provery_puzzle::load_verifying(&config::keys_dir(args.keys.clone()), None)
}

/// The creation code of the mining puzzle's verifier; nothing where there are no keys for it that may be used: then mechanisms
/// that want it are left out.
fn puzzle_code(context: &Context, args: &DeployArgs, development: bool) -> Result<Option<Bytes>> {
    let dir = config::keys_dir(args.keys.clone());
    if development && puzzle_keys(args).is_err() {
        context.out.note("making a development key for the mining puzzle");
        provery_puzzle::generate_keys(&PUZZLE_SEED.to_be_bytes(), &dir)?;
    }
    let verifying = match puzzle_keys(args) {
        Ok(verifying) if development || !verifying.manifest.development => verifying,
        Ok(_) | Err(_) => {
            context.out.warn(&format!(
                "{} has no keys of the mining puzzle from a ceremony, so this deployment leaves out what is mined for: {}",
                dir.display(),
                provery_mechanisms::words(|mechanism| mechanism.wants_puzzle())
            ));
            return Ok(None);
        }
    };
    let source = solidity::generate(&verifying.key, PUZZLE_VERIFIER)?;
    Ok(Some(solc::compile(&source, PUZZLE_VERIFIER)?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn checked(flags: &str) -> Result<()> {
        let line = format!("provery deploy {flags}");
        match Cli::try_parse_from(line.split_whitespace()).expect("parses").command {
            Command::Deploy(args) => check(&args),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn what_the_registry_would_refuse_is_said_beforehand() {
        assert!(checked("").is_ok());
        assert!(checked("--unbonding 100000 --max-window 100000").is_ok());
        for (flags, named) in [
            ("--unbonding 100000 --max-window 100001", "--max-window"),
            ("--max-window 0", "--max-window"),
            ("--open-after 0", "--open-after"),
            ("--suspend-after 0", "--suspend-after"),
            ("--epoch-length 60 --freeze 60", "--freeze"),
            ("--epoch-length 60 --freeze 10 --unbonding 69", "--unbonding"),
        ] {
            let error = checked(flags).expect_err(flags).to_string();
            assert!(error.contains(named), "{flags}: {error}");
        }
    }
}
