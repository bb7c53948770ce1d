//! `provery deploy`: the registries, the market and the stake lottery, and the file that says where they are.

use std::{collections::BTreeMap, path::PathBuf};

use alloy::{
    primitives::{Address, U256},
    sol_types::SolValue,
};
use clap::Args;
use eyre::Result;
use provery_bindings::{
    CircuitRegistry, DevelopmentToken, ProofMarket, StakeLottery, market::IProverRegistry,
};
use provery_types::{
    CIRCUIT_REGISTRY, ContractRecord, Deployment, PROOF_MARKET, PROVER_REGISTRY, STAKE_LOTTERY,
    is_development_chain,
};
use serde_json::json;

use crate::{
    amount::Amount,
    commands::Context,
    error::{Code, fail},
    files,
    output::{Steps, fields},
    session::{Deployed, Wire},
    solc,
};

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

    let mut steps = context.out.steps(if args.asset.is_some() { 3 } else { 4 });
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
    let arguments = (registry_address, market.address).abi_encode_params();
    let lottery = step(&wire, &mut steps, "StakeLottery", &StakeLottery::BYTECODE, &arguments).await?;

    let first = token.as_ref().map_or(circuits.block, |token| token.block).min(circuits.block);
    let contracts = BTreeMap::from([
        (PROOF_MARKET.to_string(), record(&market)),
        (PROVER_REGISTRY.to_string(), record(&registry)),
        (CIRCUIT_REGISTRY.to_string(), record(&circuits)),
        (STAKE_LOTTERY.to_string(), record(&lottery)),
    ]);
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
    let gas: u64 = [token.as_ref(), Some(&circuits), Some(&market), Some(&lottery)]
        .into_iter()
        .flatten()
        .map(|made| made.gas)
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
    ContractRecord { address: deployed.address, code_hash: deployed.code_hash, block: deployed.block }
}
