//! What a client refuses to connect to, and what it says.

use alloy::primitives::{B256, U256};
use eyre::Result;
use provery_node::vet;
use provery_rpc::{Chain, ChainError, Rpc, load_deployment};
use provery_tests::{Anvil, Wire, deploy_core, terms};
use provery_types::{Deployment, DeploymentError, PROOF_MARKET, RollupRecord, SlotState};
use provery_workloads::{Why, Workloads};

#[tokio::test]
async fn an_rpc_that_is_down_is_named() -> Result<()> {
    let anvil = Anvil::start().await?;
    let url = anvil.url();
    anvil.stop().await?;
    let error = Rpc::connect(&url).await.expect_err("nobody listens");
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&url), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_chain_leaves_nothing_on_the_disk() -> Result<()> {
    let anvil = Anvil::start().await?;
    let states = anvil.states().to_owned();
    // More than it keeps in memory.
    anvil.mine(1_000).await?;
    assert!(std::fs::read_dir(&states)?.next().is_some(), "old states go elsewhere");
    anvil.stop().await?;
    assert!(!states.exists());
    Ok(())
}

#[tokio::test]
async fn a_url_that_is_none_is_named_and_its_secret_is_not() -> Result<()> {
    for url in ["localhost:8545", "ws://localhost:8545", "not a url"] {
        let error = Rpc::connect(url).await.expect_err("not an HTTP URL");
        assert!(matches!(error, ChainError::UrlInvalid { .. }), "{error:?}");
    }
    let anvil = Anvil::start().await?;
    let rpc = Rpc::connect(&format!("{}/v3/secret", anvil.url())).await;
    let shown = match rpc {
        Ok(rpc) => rpc.name().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(!shown.contains("secret"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_deployment_of_another_chain_names_both() -> Result<()> {
    let anvil = Anvil::start().await?;
    let chain = deploy_core(&anvil.sender(0).await?).await?;
    let other = Anvil::start_with(&["--chain-id", "1337"]).await?;
    let error =
        Chain::connect(other.rpc().await?, chain.deployment().clone()).await.expect_err("another chain");
    assert!(matches!(error, ChainError::WrongChain { deployment: 31337, rpc: 1337, .. }), "{error:?}");
    assert!(error.to_string().contains("31337") && error.to_string().contains("1337"), "{error}");
    Ok(())
}

#[tokio::test]
async fn code_that_differs_or_is_missing_names_the_contract() -> Result<()> {
    let anvil = Anvil::start().await?;
    let chain = deploy_core(&anvil.sender(0).await?).await?;

    let mut deployment = chain.deployment().clone();
    deployment.contracts.get_mut(PROOF_MARKET).expect("in every deployment").code_hash = B256::repeat_byte(7);
    let error = Chain::connect(anvil.rpc().await?, deployment).await.expect_err("another hash");
    assert!(
        matches!(&error, ChainError::CodeDiffers { contract, .. } if contract == PROOF_MARKET),
        "{error:?}"
    );

    let empty = Anvil::start().await?;
    let error =
        Chain::connect(empty.rpc().await?, chain.deployment().clone()).await.expect_err("an empty chain");
    assert!(matches!(error, ChainError::CodeMissing { .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn development_keys_are_refused_elsewhere() -> Result<()> {
    let anvil = Anvil::start_with(&["--chain-id", "999"]).await?;
    let sender = anvil.sender(0).await?;
    let error = deploy_core(&sender).await.expect_err("a development deployment on chain 999");
    let error = error.downcast_ref::<ChainError>().expect("a chain error");
    assert!(matches!(error, ChainError::Deployment(DeploymentError::DevelopmentKeys(999))), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_rollup_that_is_not_what_its_record_says_is_refused_and_ends_no_connection() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    let terms = terms(&chain, &sender).await?;
    let mut deployment = chain.deployment().clone();
    deployment.rollups.push(RollupRecord {
        name: "payments".to_string(),
        address: deployment.asset,
        code_hash: chain.rpc().code_hash(deployment.asset).await?.expect("the token has code"),
        block: deployment.block,
        market: U256::from(1),
        workload: "transfer_rollup".to_string(),
        circuit: "transfer-block-d16-n8".to_string(),
        circuit_id: terms.circuit,
        key_hash: B256::repeat_byte(9),
        sources: Vec::new(),
        parameters: Default::default(),
    });
    let key = deployment.rollups[0].clone();
    let circuit = RollupRecord { circuit_id: B256::repeat_byte(7), ..key.clone() };
    let code = RollupRecord { code_hash: B256::repeat_byte(7), ..key.clone() };
    for (record, why, word) in [
        (key, Why::Circuit, "another key"),
        (circuit, Why::Circuit, "no circuit"),
        (code, Why::Contract, "another contract"),
    ] {
        let deployment = Deployment { rollups: vec![record.clone()], ..deployment.clone() };
        let chain = Chain::connect(anvil.rpc().await?, deployment).await?;
        let refused = vet(&chain, &Workloads::default(), &record).await?.expect_err(word);
        assert!(refused.why == why && refused.to_string().contains(word), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn reads_say_what_is_not_there() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    let none = U256::from(7);
    assert!(matches!(chain.market(none).await, Err(ChainError::MarketNotFound(market)) if market == none));
    assert!(matches!(chain.terms(none).await, Err(ChainError::MarketNotFound(market)) if market == none));
    assert_eq!(chain.prover(sender.address()).await?.id, 0);
    assert_eq!(chain.prover_by_id(1).await?, None);
    assert_eq!(chain.slot_state(none, 1).await.unwrap_or_default(), SlotState::None);

    let terms = terms(&chain, &sender).await?;
    sender.send(chain.calls().create_market(&terms, 16, U256::ZERO)).await?;
    let market = U256::from(1);
    assert_eq!(chain.terms(market).await?, terms);
    // Provers can only gain, so the version stays.
    let changed = provery_types::Terms { fastWindow: 6, ..terms.clone() };
    sender.send(chain.calls().set_terms(market, &terms, &changed)).await?;
    assert_eq!(chain.terms(market).await?, changed);
    assert_eq!(chain.market(market).await?.capacity, 16);
    Ok(())
}

#[tokio::test]
async fn a_deployment_file_is_read_back() -> Result<()> {
    let anvil = Anvil::start().await?;
    let chain = deploy_core(&anvil.sender(0).await?).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("31337.json");
    assert!(matches!(load_deployment(&path), Err(ChainError::DeploymentUnreadable { .. })));
    std::fs::write(&path, chain.deployment().to_json())?;
    assert_eq!(&load_deployment(&path)?, chain.deployment());
    std::fs::write(&path, "{")?;
    assert!(matches!(load_deployment(&path), Err(ChainError::Deployment(DeploymentError::Syntax(_)))));
    Ok(())
}

#[tokio::test]
async fn a_cut_wire_is_transient() -> Result<()> {
    let anvil = Anvil::start().await?;
    let wire = Wire::to(anvil.port()).await?;
    let rpc = Rpc::connect(&wire.url()).await?;
    wire.cut();
    let error = rpc.head().await.expect_err("the wire is cut");
    assert!(error.is_transient(), "{error:?}");
    wire.join();
    rpc.head().await?;
    Ok(())
}
