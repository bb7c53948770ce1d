//! The core contracts on a test chain, without rollup and keys.

use std::collections::BTreeMap;

use alloy::{
    primitives::{B256, aliases::U96},
    sol_types::{SolConstructor, SolEvent},
};
use eyre::{Result, eyre};
use provery_bindings::{
    CircuitRegistry, DevelopmentToken, ProofMarket, StakeLottery, market::IProverRegistry,
};
use provery_chain::{Chain, Sender};
use provery_types::{
    CIRCUIT_REGISTRY, ContractRecord, Deployment, PROOF_MARKET, PROVER_REGISTRY, STAKE_LOTTERY, Terms,
};

/// Asset wei in a unit of weight.
pub const STAKE_UNIT: u64 = 1_000;
/// Seconds.
pub const EPOCH_LENGTH: u32 = 20;

/// Deploy token, circuit registry, market with its prover registry, and lottery; connect to them.
pub async fn deploy_core(sender: &Sender) -> Result<Chain> {
    let rpc = sender.rpc().clone();
    let block = rpc.head().await?.number;
    let (asset, _) = sender.deploy(&DevelopmentToken::BYTECODE, &[]).await?;
    let (circuits, _) = sender.deploy(&CircuitRegistry::BYTECODE, &[]).await?;
    let params = IProverRegistry::Params {
        asset,
        stakeUnit: U96::from(STAKE_UNIT),
        epochLength: EPOCH_LENGTH,
        freeze: 4,
        suspendAfter: 3,
        unbonding: 60,
    };
    let args = ProofMarket::constructorCall { circuits_: circuits, params }.abi_encode();
    let (market, _) = sender.deploy(&ProofMarket::BYTECODE, &args).await?;
    let registry = ProofMarket::new(market, rpc.provider().clone()).registry().call().await?;
    let args = StakeLottery::constructorCall { registry_: registry, market_: market }.abi_encode();
    let (lottery, _) = sender.deploy(&StakeLottery::BYTECODE, &args).await?;
    let mut contracts = BTreeMap::new();
    for (name, address) in [
        (PROOF_MARKET, market),
        (PROVER_REGISTRY, registry),
        (CIRCUIT_REGISTRY, circuits),
        (STAKE_LOTTERY, lottery),
    ] {
        let code_hash = rpc.code_hash(address).await?.ok_or_else(|| eyre!("{name} was not deployed"))?;
        contracts.insert(
            name.to_string(),
            ContractRecord { address, code_hash, block, mechanism: name == "StakeLottery" },
        );
    }
    let deployment = Deployment {
        chain_id: rpc.chain_id(),
        development: true,
        block,
        compiler: "test".to_string(),
        asset,
        contracts,
        rollups: Vec::new(),
    };
    Ok(Chain::connect(rpc, deployment).await?)
}

/// Terms that the market accepts, with `sender` as requester and a circuit whose verifier is the token (a contract that
/// verifies nothing).
pub async fn terms(chain: &Chain, sender: &Sender) -> Result<Terms> {
    let verifier = chain.deployment().asset;
    let key_hash = B256::repeat_byte(1);
    let mined = sender
        .send(chain.calls().register_circuit(verifier, key_hash, B256::repeat_byte(2), true, ""))
        .await?;
    let log = mined.logs.first().ok_or_else(|| eyre!("registering a circuit logged nothing"))?;
    let circuit = CircuitRegistry::CircuitRegistered::decode_log(&log.inner)?.circuit;
    Ok(Terms {
        requester: sender.address(),
        mechanism: chain.deployment().lottery(),
        mechanismParams: B256::ZERO,
        circuit,
        verifier,
        price: U96::from(10_000),
        bond: U96::from(50_000),
        fastWindow: 5,
        exclusiveWindow: 10,
        expiryWindow: 40,
        floorBps: 5_000,
        rescuerBps: 5_000,
        requesterBps: 2_000,
        forfeitBps: 1_000,
        outputs: 0,
        callbackGas: 0,
    })
}
