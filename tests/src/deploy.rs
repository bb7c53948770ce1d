//! The core contracts on a test chain, without rollup and keys.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, U256, aliases::U96, hex, keccak256},
    providers::Provider,
    sol_types::{SolEvent, SolValue},
};
use eyre::{Result, ensure, eyre};
use provery_bindings::{
    CircuitRegistry, DevelopmentToken, MarketContracts, ProofMarket, ProofMarketExt, ProverRegistry,
    Registration, RegistryConfig, Sample, SlotTransfers, StakeLottery, TermsRules,
};
use provery_mechanisms::Parts;
use provery_rpc::Chain;
use provery_txmgr::Sender;
use provery_types::{
    CIRCUIT_REGISTRY, ContractRecord, Deployment, EPOCH_SEEDS, PROOF_MARKET, PROOF_MARKET_EXT,
    PROVER_REGISTRY, SLOT_TRANSFERS, TERMS_RULES, Terms,
};

/// Asset wei in a unit of weight.
pub const STAKE_UNIT: u64 = 1_000;
/// Seconds.
pub const EPOCH_LENGTH: u32 = 20;

/// An asset as strict as the oldest ones in use, which anyone may mint.
pub async fn strict_token(sender: &Sender, decimals: u8) -> Result<Address> {
    const CODE: &str = include_str!("../../contracts/test/mocks/StrictToken.hex");
    let argument = U256::from(decimals).to_be_bytes::<32>();
    Ok(sender.deploy(&hex::decode(CODE.trim())?, &argument).await?.0)
}

/// Deploy token, circuit registry, market with its prover registry, and lottery; connect to them.
pub async fn deploy_core(sender: &Sender) -> Result<Chain> {
    let (asset, _) = sender.deploy(&DevelopmentToken::BYTECODE, &[]).await?;
    deploy_core_for(sender, asset).await
}

/// The same for a token that is there.
pub async fn deploy_core_for(sender: &Sender, asset: Address) -> Result<Chain> {
    let rpc = sender.rpc().clone();
    let block = rpc.head().await?.number;
    let (circuits, _) = sender.deploy(&CircuitRegistry::BYTECODE, &[]).await?;
    let (rules, _) = sender.deploy(&TermsRules::BYTECODE, &[]).await?;
    let params = RegistryConfig {
        asset,
        stakeUnit: U96::from(STAKE_UNIT),
        epochLength: EPOCH_LENGTH,
        freeze: 4,
        suspendAfter: 3,
        openAfter: 8,
        unbonding: 60,
        maxWindow: 60,
    };
    // Registry, slot transfers and extension are made for the address that the market has after them.
    let nonce = rpc.provider().get_transaction_count(sender.address()).await?;
    let foreseen = sender.address().create(nonce + 3);
    let args = (params, foreseen).abi_encode_params();
    let (registry, _) = sender.deploy(&ProverRegistry::BYTECODE, &args).await?;
    let args = (foreseen, registry).abi_encode_params();
    let (slot_transfers, _) = sender.deploy(&SlotTransfers::BYTECODE, &args).await?;
    let linked = MarketContracts { circuits, registry, rules, slotTransfers: slot_transfers };
    let args = (linked.clone(),).abi_encode_params();
    let (extension, _) = sender.deploy(&ProofMarketExt::BYTECODE, &args).await?;
    let args = (linked, extension).abi_encode_params();
    let (market, _) = sender.deploy(&ProofMarket::BYTECODE, &args).await?;
    ensure!(market == foreseen, "the market is at {market}, not at {foreseen}");
    let parts = Parts { registry, market, puzzle: Address::ZERO, randomness: Address::ZERO };
    let args = provery_mechanisms::by_name(EPOCH_SEEDS).map(|lottery| lottery.constructor(&parts));
    let (lottery, _) = sender.deploy(&StakeLottery::BYTECODE, &args.unwrap_or_default()).await?;
    let mut contracts = BTreeMap::new();
    for (name, address) in [
        (PROOF_MARKET, market),
        (PROOF_MARKET_EXT, extension),
        (SLOT_TRANSFERS, slot_transfers),
        (TERMS_RULES, rules),
        (PROVER_REGISTRY, registry),
        (CIRCUIT_REGISTRY, circuits),
        (EPOCH_SEEDS, lottery),
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
        asset_unit: None,
        contracts,
        rollups: Vec::new(),
    };
    Ok(Chain::connect(rpc, deployment).await?)
}

/// Terms that the market accepts, with `sender` as requester and a circuit whose proofs are hashes.
pub async fn terms(chain: &Chain, sender: &Sender) -> Result<Terms> {
    const CODE: &str = include_str!("../../contracts/test/mocks/HashVerifier.hex");
    let (verifier, _) = sender.deploy(&hex::decode(CODE.trim())?, &[]).await?;
    let registration = Registration {
        verifier,
        keyHash: B256::repeat_byte(1),
        descriptorHash: B256::repeat_byte(2),
        development: true,
        payeeBound: true,
        ..Registration::default()
    };
    let inputs = vec![U256::from(7), U256::from(0xa11ce)];
    let proof = keccak256(inputs.abi_encode_packed()).to_vec().into();
    let sample = Sample { publicInputs: inputs, proof };
    let mined = sender.send(chain.calls().register_circuit(registration, sample)).await?;
    let log = mined.logs.first().ok_or_else(|| eyre!("registering a circuit logged nothing"))?;
    let circuit = CircuitRegistry::CircuitRegistered::decode_log(&log.inner)?.circuit;
    Ok(Terms {
        requester: sender.address(),
        mechanism: chain.deployment().epoch_seeds(),
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
        version: 1,
        leastRescue: U96::from(25_000),
        chain: 0,
        circuitTerms: U256::ZERO,
    })
}
