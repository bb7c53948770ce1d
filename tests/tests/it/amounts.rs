//! An asset of six decimals that is strict about allowances, from its deployment to the earnings.

use std::{fs, time::Duration};

use alloy::{primitives::U256, providers::Provider as _};
use eyre::{Result, ensure};
use provery_rpc::{Chain, ChainError};
use provery_tests::{Anvil, Town, deploy_core, deploy_core_for, strict_token, terms};
use provery_types::AssetUnit;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Only a bound for failure.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test]
async fn six_decimals_from_the_deployment_to_the_earnings() -> Result<()> {
    let town = Town::build_for(Some(6)).await?;
    let (provery, key) = (&town.provery, Some(town.prover.as_str()));
    let file: Value = serde_json::from_str(&fs::read_to_string(provery.deployment())?)?;
    ensure!(file["asset_unit"]["decimals"] == 6 && file["asset_unit"]["symbol"] == "STRICT", "{file}");

    // What was staked and set in whole units is that many millions.
    let status = provery.ok(key, &["status"]).await?;
    ensure!(status["stake_unit"] == "1000000", "one whole token unless told otherwise: {status}");
    let shown = provery.ok(None, &["market", "show", "--market", "1"]).await?;
    ensure!(shown["terms"]["price"] == "10000000" && shown["terms"]["bond"] == "12000000", "{shown}");
    ensure!(shown["funds"] == "100000000", "{shown}");
    let told = provery.told(None, &["market", "show", "--market", "1"]).await?;
    ensure!(told.contains("10 STRICT") && told.contains("100 STRICT") && !told.contains("ether"), "{told}");

    // Amounts of another kind are refused, with what to type instead.
    for (amount, instead) in [
        ("5ether", "write 5 or 5STRICT"),
        ("5dai", "write 5 or 5STRICT"),
        ("5000000000000000000", "5000000000000000000base"),
        ("0.0000001", "has 6 decimals"),
    ] {
        let message = provery.fails(key, &["prover", "stake", "--amount", amount], "usage").await?;
        ensure!(message.contains(instead), "{amount}: {message}");
    }
    let message = provery.fails(key, &["prover", "stake", "--amount", "5"], "insufficient_balance").await?;
    ensure!(message.contains("has 0 STRICT") && message.contains("at least 5 STRICT"), "{message}");
    let asset = file["asset"].as_str().unwrap_or_default();
    let deploy = ["deploy", "--asset", asset, "--out", "other.json", "--stake-unit"];
    for unit in ["1ether", "1000000000000000000base", "151"] {
        provery.fails(Some(&town.deployer), &[&deploy[..], &[unit]].concat(), "usage").await?;
    }

    // A node that reckons what a slot costs in whole units takes it, can pay for its gas, and earns the price.
    let cost = r#"{"version":2,"circuits":{"block-1":{"millis":1000,"runs":1,"peak_bytes":null,"cores":1,"key_hash":"0x00",
        "measured_at":1,"cost":{"energy":"3.75","hardware":"0","gas":"0","total":"3.75"}}}}"#;
    fs::write(provery.dir.path().join("cost.json"), cost)?;
    let node = ["node", "--data-dir", "node", "--cost-from", "cost.json", "--withdraw-at", "1000"];
    let mut node = provery.spawn(&town.prover, &node)?;
    town.post(1).await?;
    let deadline = Instant::now() + PATIENCE;
    let credit = loop {
        let credit = provery.ok(key, &["credit", "show"]).await?;
        if credit["credit"] != "0" {
            break credit;
        }
        ensure!(Instant::now() < deadline && node.try_wait()?.is_none(), "the slot was not proven");
        sleep(Duration::from_millis(250)).await;
    };
    ensure!(credit["credit"] == "10000000", "{credit}");
    let earned = provery.ok(key, &["prover", "earnings"]).await?;
    ensure!(
        earned["total"]["income_wei"] == "10000000" && earned["total"]["net_wei"] == "10000000",
        "{earned}"
    );
    let told = provery.told(key, &["prover", "earnings"]).await?;
    ensure!(told.contains("10 STRICT") && told.contains("ETH") && !told.contains("ether"), "{told}");
    let told = provery.told(key, &["credit", "show"]).await?;
    ensure!(told.contains("may withdraw 10 STRICT"), "{told}");
    let told = provery.told(key, &["slot", "list", "--market", "1"]).await?;
    ensure!(told.contains("10 STRICT"), "{told}");
    node.kill().await?;
    Ok(())
}

#[tokio::test]
async fn a_left_over_allowance_of_a_strict_asset_is_set_to_zero_first() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let asset = strict_token(&sender, 6).await?;
    let chain = deploy_core_for(&sender, asset).await?;
    let (calls, me, registry) = (chain.calls(), sender.address(), chain.deployment().registry());
    let amount = |units: u64| U256::from(units) * chain.asset().whole();
    let sent = async || sender.rpc().provider().get_transaction_count(me).await;
    sender.send(calls.mint(me, amount(100))).await?;
    sender.send(calls.register("")).await?;

    sender.send(calls.approve(registry, amount(1))).await?;
    sender.check(&calls.approve(registry, amount(5))).await.expect_err("the asset is strict");
    let before = sent().await?;
    sender.stake(&chain, amount(5)).await?;
    assert_eq!(sent().await? - before, 3, "zero, what is needed, the stake");
    assert_eq!(chain.asset_allowance(me, registry).await?, U256::ZERO);

    // Nothing is approved where that suffices; without a left-over one, once.
    sender.send(calls.approve(registry, amount(9))).await?;
    let before = sent().await?;
    sender.stake(&chain, amount(4)).await?;
    assert_eq!((sent().await? - before, chain.asset_allowance(me, registry).await?), (1, amount(5)));
    sender.stake(&chain, amount(5)).await?;
    let before = sent().await?;
    sender.stake(&chain, amount(5)).await?;
    assert_eq!(sent().await? - before, 2);

    // The market's funds come the same way.
    sender.send(calls.create_market(&terms(&chain, &sender).await?, 16, U256::ZERO)).await?;
    sender.send(calls.approve(chain.deployment().market(), amount(1))).await?;
    sender.fund(&chain, U256::from(1), amount(7)).await?;
    assert_eq!(chain.market(U256::from(1)).await?.funds, amount(7));
    Ok(())
}

#[tokio::test]
async fn an_asset_that_is_not_what_the_file_says_is_refused() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    assert_eq!((chain.asset().symbol(), chain.asset().decimals()), ("DEV", 18));
    let mut deployment = chain.deployment().clone();
    deployment.asset_unit = Some(AssetUnit { symbol: "DEV".to_owned(), decimals: 6 });
    let error =
        Chain::connect(sender.rpc().clone(), deployment.clone()).await.expect_err("six is not eighteen");
    assert!(matches!(error, ChainError::DecimalsDiffer { file: 6, chain: 18 }), "{error:?}");
    // A contract that is no token has no decimals.
    deployment.asset = deployment.registry();
    let error = Chain::connect(sender.rpc().clone(), deployment).await.expect_err("no token");
    assert!(matches!(error, ChainError::AssetUnusable { .. }), "{error:?}");
    Ok(())
}

#[test]
fn the_code_of_mocks_is_what_their_sources_compile_to() -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/test/mocks");
    for name in ["StrictToken", "HashVerifier"] {
        let source = fs::read_to_string(format!("{folder}/{name}.sol"))?;
        let code = provery_tests::compiled(&source, name)?;
        ensure!(
            code == fs::read_to_string(format!("{folder}/{name}.hex"))?.trim(),
            "{name}.hex is out of date: {code}"
        );
    }
    Ok(())
}
