//! A key that only a signer elsewhere has. anvil is one: it signs for its own accounts, by software that nobody here wrote.

use eyre::{Result, ensure};
use provery_tests::{Anvil, Provery};
use serde_json::{Value, json};

/// anvil, what it is the signer of, and a folder to work in.
async fn stage() -> Result<(Anvil, Provery, String)> {
    let anvil = Anvil::start().await?;
    let accounts = anvil.request("eth_accounts", json!([])).await?;
    let sender = accounts[0].as_str().unwrap_or_default().to_owned();
    let provery = Provery::new(&anvil.url())?;
    Ok((anvil, provery, sender))
}

#[tokio::test]
async fn commands_send_what_a_remote_signer_signed() -> Result<()> {
    let (anvil, provery, sender) = stage().await?;
    let url = anvil.url();
    let remote = ["--remote-signer", url.as_str(), "--sender", sender.as_str()];
    let with = |args: &[&'static str]| {
        args.iter().copied().chain(remote).map(str::to_owned).collect::<Vec<String>>()
    };
    let ok = async |args: &[&'static str]| {
        let args = with(args);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        provery.ok(None, &args).await
    };
    ok(&["deploy", "--epoch-length", "60", "--freeze", "10", "--unbonding", "600"]).await?;
    ok(&["token", "mint", "--amount", "5"]).await?;
    ok(&["prover", "register"]).await?;
    let status = ok(&["prover", "status"]).await?;
    ensure!(status["prover"].as_str().map(str::to_lowercase) == Some(sender.to_lowercase()), "{status}");
    let address = ok(&["keystore", "address"]).await?;
    ensure!(address["address"].as_str().map(str::to_lowercase) == Some(sender.to_lowercase()), "{address}");
    Ok(())
}

#[tokio::test]
async fn what_a_remote_signer_cannot_sign_is_refused_before_anything_is_sent() -> Result<()> {
    let (anvil, provery, sender) = stage().await?;
    let url = anvil.url();
    let stranger = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let said = provery
        .fails(None, &["deploy", "--remote-signer", &url, "--sender", stranger], "signer_refused")
        .await?;
    ensure!(said.contains(stranger) && said.contains("--sender"), "{said}");
    let gone = "http://127.0.0.1:9";
    let said = provery
        .fails(None, &["deploy", "--remote-signer", gone, "--sender", &sender], "signer_unavailable")
        .await?;
    ensure!(said.contains(gone), "{said}");
    provery.fails(None, &["deploy", "--remote-signer", &url], "config").await?;
    let block = anvil.request("eth_blockNumber", json!([])).await?;
    ensure!(block == "0x0", "something was sent: {block}");

    // The doctor says the same, and what to type.
    let said = provery.run(None, &["doctor", "--remote-signer", &url, "--sender", stranger]).await?;
    let found = said.json["findings"].as_array().cloned().unwrap_or_default();
    let key = found.iter().find(|finding| finding["check"] == "key").cloned().unwrap_or(Value::Null);
    ensure!(key["level"] == "fail", "{}", said.json);
    Ok(())
}
