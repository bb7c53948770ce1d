//! `provery deploy` refuses what a chain would refuse, or what could not be trusted there, before anything is paid for.

use eyre::{Result, ensure};
use provery_tests::{Anvil, Faults, Provery, Relay, Town};
use serde_json::json;

const RICH: &str = "0x3635c9adc5dea00000";

/// A funded deployer's key on a chain.
async fn deployer(anvil: &Anvil, wei: &str) -> Result<String> {
    let key = provery_tests::key(1);
    anvil.set_balance(key.address().to_string(), wei).await?;
    Ok(key.to_bytes().to_string())
}

async fn sent(anvil: &Anvil) -> Result<serde_json::Value> {
    anvil.request("eth_getTransactionCount", json!([provery_tests::key(1).address(), "latest"])).await
}

#[tokio::test]
async fn foreseeable_randomness_is_refused() -> Result<()> {
    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, RICH).await?;
    anvil.mine(5).await?;
    let relay = Relay::to(anvil.port()).await?;
    relay.set(Faults { constant_randomness: true, ..Faults::default() });
    let provery = Provery::new(&relay.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "foreseeable_randomness").await?;
    ensure!(message.contains("--randomness"), "{message}");
    let nobody = ["deploy", "--randomness", "0x0000000000000000000000000000000000000009"];
    provery.fails(Some(&key), &nobody, "usage").await?;
    ensure!(sent(&anvil).await? == "0x0", "something was sent");
    relay.heal();
    provery.ok(Some(&key), &["deploy"]).await?;
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_or_cannot_be_paid_is_said_before_anything_is_sent() -> Result<()> {
    let small = Anvil::start_with(&["--gas-limit", "3000000"]).await?;
    let key = deployer(&small, RICH).await?;
    let provery = Provery::new(&small.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "gas_too_high").await?;
    ensure!(message.contains("nothing was sent"), "{message}");
    ensure!(sent(&small).await? == "0x0", "something was sent");

    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, "0x38d7ea4c68000").await?;
    let provery = Provery::new(&anvil.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "insufficient_gas_funds").await?;
    ensure!(message.contains("send it at least"), "{message}");
    ensure!(sent(&anvil).await? == "0x0", "something was sent");
    let message =
        provery.fails(Some(&key), &["deploy", "--max-window", "604801"], "usage").await?;
    ensure!(message.contains("--unbonding"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_window_above_the_deployments_is_refused() -> Result<()> {
    let town = Town::build().await?;
    let key = Some(town.deployer.as_str());
    let most = 4 * Town::EXCLUSIVE;
    let above = (most + 1).to_string();
    let create = ["rollup", "create", "--name", "long", "--block-txs", "1", "--expiry", &above];
    let message = town.provery.fails(key, &create, "terms_rejected").await?;
    ensure!(message.contains(&most.to_string()), "{message}");
    let listed = town.provery.ok(None, &["market", "list"]).await?;
    ensure!(listed["markets"].as_array().is_some_and(|markets| markets.len() == 1), "{listed}");
    Ok(())
}
