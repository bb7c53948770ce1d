//! `provery deploy`: the registries, the market and every mechanism, and the file that says where they are.

use std::{collections::BTreeMap, path::PathBuf};

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolValue,
};
use clap::Args;
use eyre::Result;
use provery_bindings::{
    CircuitRegistry, DelegationPools, DevelopmentToken, ProofMarket, market::IProverRegistry,
};
use provery_mechanisms::{Mechanism, Parts};
use provery_proving::{puzzle, solidity};
use provery_types::{
    CIRCUIT_REGISTRY, ContractRecord, DELEGATION_POOLS, Deployment, PROOF_MARKET, PROVER_REGISTRY,
    PUZZLE_VERIFIER, is_development_chain,
};
use serde_json::json;

use crate::{
    amount::Amount,
    commands::Context,
    config,
    error::{Code, fail},
    files,
    output::{Steps, fields},
    session::{Deployed, Wire},
    solc,
};

/// Of the development keys of the mining puzzle: what `provery keys generate --puzzle` takes unless told otherwise.
const PUZZLE_SEED: u64 = 1;

#[derive(Debug, Args)]
#[command(after_help = "Example: provery deploy --epoch-length 60 --freeze 10 --unbonding 600 --keystore \
     deployer.json")]
pub struct DeployArgs {
    /// The ERC-20 of stakes, prices and rewards [default: a token that anyone may mint; on development chains only]
    #[arg(long, value_name = "ADDRESS")]
    pub asset: Option<Address>,
    /// Asset wei in one unit of a lottery's weight
    #[arg(long, value_name = "AMOUNT", default_value = "1ether")]
    pub stake_unit: Amount,
    /// Seconds in an epoch: how long one seed lasts
    #[arg(long, value_name = "S", default_value_t = 3600)]
    pub epoch_length: u32,
    /// Seconds before an epoch in which its weights can no longer change
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub freeze: u32,
    /// Missed slots in a row that suspend a prover from the draws
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub suspend_after: u8,
    /// Seconds from asking stake back to withdrawing it; at least an epoch and its freeze
    #[arg(long, value_name = "S", default_value_t = 604_800)]
    pub unbonding: u32,
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
}

pub async fn run(context: &Context, args: DeployArgs) -> Result<()> {
    check(&args)?;
    let stake_unit =
        args.stake_unit.to_u96().map_err(|error| fail(Code::Usage, format!("--stake-unit: {error}")))?;
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
    if let Some(asset) = args.asset
        && wire.rpc.code_hash(asset).await?.is_none()
    {
        return Err(fail(
            Code::Usage,
            format!("--asset: there is no contract at {asset} on chain {chain_id}; check the address"),
        ));
    }
    let path = args
        .out
        .clone()
        .or_else(|| context.settings.deployment.clone())
        .unwrap_or_else(|| files::default_deployment(chain_id));
    refuse_to_forget(&wire, &path, args.force).await?;
    files::check_writable(&path)?;

    let puzzle_code = puzzle_code(context, &args, development)?;
    let mechanisms: Vec<&dyn Mechanism> = provery_mechanisms::registry()
        .iter()
        .copied()
        .filter(|mechanism| puzzle_code.is_some() || !mechanism.wants_puzzle())
        .collect();
    let others = 3 + usize::from(args.asset.is_none()) + usize::from(puzzle_code.is_some());
    let mut steps = context.out.steps(others + mechanisms.len());
    let (asset, token) = match args.asset {
        Some(asset) => (asset, None),
        None => {
            let token = step(&wire, &mut steps, "DevelopmentToken", &DevelopmentToken::BYTECODE, &[]).await?;
            (token.address, Some(token))
        }
    };
    let circuits = step(&wire, &mut steps, "CircuitRegistry", &CircuitRegistry::BYTECODE, &[]).await?;
    let params = IProverRegistry::Params {
        asset,
        stakeUnit: stake_unit,
        epochLength: args.epoch_length,
        freeze: args.freeze,
        suspendAfter: args.suspend_after,
        unbonding: args.unbonding,
    };
    let arguments = (circuits.address, params).abi_encode_params();
    let market = step(&wire, &mut steps, "ProofMarket", &ProofMarket::BYTECODE, &arguments).await?;
    // The market makes its registry, and a contract's first creation has nonce 1.
    let registry_address = market.address.create(1);
    let registry = wire.born_with(&market, registry_address).await?;
    let mut made = Vec::new();
    let arguments = (market.address,).abi_encode_params();
    let pools = step(&wire, &mut steps, DELEGATION_POOLS, &DelegationPools::BYTECODE, &arguments).await?;
    made.push((DELEGATION_POOLS, pools));
    let mut puzzle = Address::ZERO;
    if let Some(code) = &puzzle_code {
        let verifier = step(&wire, &mut steps, PUZZLE_VERIFIER, code, &[]).await?;
        puzzle = verifier.address;
        made.push((PUZZLE_VERIFIER, verifier));
    }
    let parts = Parts { registry: registry_address, market: market.address, puzzle };
    for mechanism in &mechanisms {
        let arguments = mechanism.constructor(&parts);
        made.push((
            mechanism.name(),
            step(&wire, &mut steps, mechanism.name(), mechanism.code(), &arguments).await?,
        ));
    }

    let first = token.as_ref().map_or(circuits.block, |token| token.block).min(circuits.block);
    let mut contracts = BTreeMap::from([
        (PROOF_MARKET.to_string(), record(&market)),
        (PROVER_REGISTRY.to_string(), record(&registry)),
        (CIRCUIT_REGISTRY.to_string(), record(&circuits)),
    ]);
    for (name, deployed) in &made {
        let mechanism = provery_mechanisms::by_name(name).is_some();
        contracts.insert((*name).to_string(), ContractRecord { mechanism, ..record(deployed) });
    }
    let deployment = Deployment {
        chain_id,
        development,
        block: first,
        compiler: solc::VERSION.to_string(),
        asset,
        contracts,
        rollups: Vec::new(),
    };
    files::write_deployment(&path, &deployment)?;
    let gas: u64 = [token.as_ref(), Some(&circuits), Some(&market)]
        .into_iter()
        .flatten()
        .chain(made.iter().map(|(_, deployed)| deployed))
        .map(|deployed| deployed.gas)
        .sum();
    report(context, &deployment, &path, gas);
    Ok(())
}

fn report(context: &Context, deployment: &Deployment, path: &std::path::Path, gas: u64) {
    let addresses: BTreeMap<_, _> =
        deployment.contracts.iter().map(|(name, record)| (name.as_str(), record.address)).collect();
    let json = json!({
        "deployment": path,
        "chain_id": deployment.chain_id,
        "development": deployment.development,
        "asset": deployment.asset,
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
    if args.stake_unit.0 == U256::ZERO {
        return usage("--stake-unit must be above 0");
    }
    if args.freeze == 0 || args.freeze >= args.epoch_length {
        return usage("--freeze must be above 0 and below --epoch-length");
    }
    if args.suspend_after == 0 {
        return usage("--suspend-after must be 1 to 255");
    }
    if u64::from(args.unbonding) < u64::from(args.epoch_length) + u64::from(args.freeze) {
        return usage(
            "--unbonding must be at least --epoch-length plus --freeze, by when a prover's weight has \
             left the draws",
        );
    }
    Ok(())
}

/// Contracts that are in use must not be forgotten by a second `deploy` to the same file. A file of a development chain that was
/// thrown away since is of no use to anyone.
async fn refuse_to_forget(wire: &Wire, path: &std::path::Path, force: bool) -> Result<()> {
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

async fn step(wire: &Wire, steps: &mut Steps, name: &str, bytecode: &[u8], args: &[u8]) -> Result<Deployed> {
    let step = steps.start(name);
    let deployed = wire.deploy(bytecode, args).await?;
    step.finish(&format!("{} ({} gas)", deployed.address, deployed.gas));
    Ok(deployed)
}

fn record(deployed: &Deployed) -> ContractRecord {
    ContractRecord {
        address: deployed.address,
        code_hash: deployed.code_hash,
        block: deployed.block,
        mechanism: false,
    }
}

/// The creation code of the mining puzzle's verifier; nothing where there are no keys for it that may be used: then there is
/// no mining on this chain.
fn puzzle_code(context: &Context, args: &DeployArgs, development: bool) -> Result<Option<Bytes>> {
    let dir = config::keys_dir(args.keys.clone());
    if development && puzzle::load_verifying(&dir, None).is_err() {
        context.out.note("making a development key for the mining puzzle");
        puzzle::generate_keys(&PUZZLE_SEED.to_be_bytes(), &dir)?;
    }
    let verifying = match puzzle::load_verifying(&dir, None) {
        Ok(verifying) if development || !verifying.manifest.development => verifying,
        Ok(_) | Err(_) => {
            context.out.warn(&format!(
                "{} has no keys of the mining puzzle from a ceremony, so this deployment has no mining",
                dir.display()
            ));
            return Ok(None);
        }
    };
    let source = solidity::generate(&verifying.key, PUZZLE_VERIFIER)?;
    Ok(Some(solc::compile(&source, PUZZLE_VERIFIER)?))
}
