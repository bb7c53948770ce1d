//! `provery doctor`, in the situations in which people call it; and what else tells of the commands themselves.

use eyre::{Result, ensure};
use provery_tests::{Anvil, Dialect, Faults, Provery, Relay, Town};
use serde_json::Value;

/// The findings of one level, each with what to type next.
fn findings(said: &Value, level: &str) -> Vec<(String, String)> {
    let all = said["findings"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter()
        .filter(|finding| finding["level"] == level)
        .map(|it| (text(&it["check"]), text(&it["next"])))
        .collect()
}

#[tokio::test]
async fn the_doctor_says_what_is_in_the_way_and_what_to_type() -> Result<()> {
    let anvil = Anvil::start().await?;
    let provery = Provery::new(&anvil.url())?;
    let doctor = ["doctor", "--data-dir", "node"];

    // No key, no deployment: it goes on as far as it can, and all of it is one JSON object.
    let said = provery.run(None, &doctor).await?;
    ensure!(said.code == 1, "{said:?}");
    let failed = findings(&said.json, "fail");
    ensure!(
        failed.iter().any(|(check, next)| check == "key" && next.contains("provery keystore new")),
        "{said:?}"
    );
    ensure!(
        failed.iter().any(|(check, next)| check == "deployment" && next.contains("provery deploy")),
        "{said:?}"
    );
    ensure!(findings(&said.json, "ok").iter().any(|(check, _)| check == "endpoint"), "{said:?}");

    // No chain.
    let nowhere = Provery::new("http://127.0.0.1:9")?;
    let said = nowhere.run(None, &doctor).await?;
    ensure!(findings(&said.json, "fail").iter().any(|(check, _)| check == "endpoint"), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn the_doctor_finds_nothing_in_the_way_of_a_prover_that_is_ready() -> Result<()> {
    let town = Town::build().await?;
    let doctor = ["doctor", "--data-dir", "node"];
    town.pass(130).await?;
    let said = town.provery.run(Some(&town.prover), &doctor).await?;
    ensure!(said.code == 0 && said.json["failures"] == 0, "{said:?}");
    let fine = findings(&said.json, "ok");
    for check in [
        "key",
        "deployment",
        "endpoint",
        "history",
        "logs by hash",
        "receipts",
        "log range",
        "keys",
        "prover",
        "gas",
        "earning",
        "terms",
        "fees",
        "data",
    ] {
        ensure!(fine.iter().any(|(found, _)| found == check), "{check} is not fine: {said:?}");
    }

    // Each thing that is taken away is missed, with the command that brings it back.
    let key = Some(town.prover.as_str());
    let missed = async |key: Option<&str>, args: &[&str], wanted: &str| -> Result<()> {
        let said = town.provery.run(key, args).await?;
        let failed = findings(&said.json, "fail");
        ensure!(
            said.code == 1 && failed.iter().any(|(_, next)| next.contains(wanted)),
            "no {wanted}: {said:?}"
        );
        Ok(())
    };
    missed(Some(&town.stranger), &doctor, "provery prover register").await?;
    missed(key, &["doctor"], "--data-dir").await?;
    missed(
        key,
        &["doctor", "--data-dir", "node", "--keys", "nowhere"],
        "provery keys generate --circuit transfer-block-d16-n1",
    )
    .await?;
    missed(key, &["doctor", "--data-dir", "node", "--min-reward", "11ether"], "provery calibrate").await?;
    missed(key, &["doctor", "--data-dir", "node", "--gas-wei-per-asset", "1"], "--gas-wei-per-asset").await?;
    town.provery.ok(key, &["prover", "pause"]).await?;
    missed(key, &doctor, "provery prover resume").await?;
    town.provery.ok(key, &["prover", "allocate", "--market", "1", "--units", "0"]).await?;
    missed(key, &doctor, "provery prover allocate --market 1 --units 12").await?;
    Ok(())
}

#[tokio::test]
async fn the_doctor_finds_what_each_endpoint_lacks_of_the_deployments_past() -> Result<()> {
    let town = Town::build().await?;
    town.anvil.mine(200).await?;
    let relay = Relay::to(town.anvil.port()).await?;
    let looked = async |faults: Faults, more: &[&str]| -> Result<(Value, Vec<(String, String)>)> {
        relay.set(faults);
        let mut args = vec!["doctor", "--data-dir", "node"];
        args.extend(more);
        let url = relay.url();
        args.extend(["--rpc-url", &url]);
        let said = town.provery.run(Some(&town.prover), &args).await?;
        let mut bad = findings(&said.json, "fail");
        bad.extend(findings(&said.json, "warn"));
        Ok((said.json, bad))
    };
    let is_there = |bad: &[(String, String)], check: &str, wanted: &str| {
        bad.iter().any(|(found, next)| found == check && next.contains(wanted))
    };
    let head = town.anvil.rpc().await?.head().await?.number;

    // Alone it would be in the way; beside another it is not.
    let pruned = || Faults { pruned: Some(head - 100), ..Faults::default() };
    let (said, bad) = looked(pruned(), &[]).await?;
    ensure!(is_there(&bad, "history", "archive node"), "{said}");
    ensure!(findings(&said, "fail").iter().any(|(check, _)| check == "history"), "{said}");
    let direct = town.anvil.url();
    let (said, _) = looked(pruned(), &["--rpc-url", &direct]).await?;
    ensure!(!findings(&said, "fail").iter().any(|(check, _)| check == "history"), "{said}");
    ensure!(findings(&said, "warn").iter().any(|(check, _)| check == "history"), "{said}");

    let (said, bad) = looked(Faults { empty_logs: true, ..Faults::default() }, &[]).await?;
    // Of a first block in which nothing was said, nothing shows that; of the market's terms, something does.
    ensure!(is_there(&bad, "markets", "market list"), "{said}");
    let (said, bad) = looked(Faults { no_logs_by_hash: true, ..Faults::default() }, &[]).await?;
    ensure!(is_there(&bad, "logs by hash", "second --rpc-url"), "{said}");
    let (said, bad) = looked(Faults { no_receipts: true, ..Faults::default() }, &[]).await?;
    ensure!(is_there(&bad, "receipts", "second --rpc-url"), "{said}");
    let dialect = Dialect { most_blocks: Some(10), ..Dialect::default() };
    let (said, bad) = looked(Faults { dialect, ..Faults::default() }, &[]).await?;
    ensure!(is_there(&bad, "log range", "first sync"), "{said}");
    Ok(())
}

#[tokio::test]
async fn help_completions_and_manual_pages_need_no_chain_and_no_settings() -> Result<()> {
    let provery = Provery::new("http://127.0.0.1:9")?;
    std::fs::write(provery.dir.path().join("provery.toml"), "nonsense")?;
    let pages = provery.ok(None, &["man", "--dir", "man"]).await?;
    ensure!(pages["pages"].as_u64() > Some(50), "{pages}");
    ensure!(provery.dir.path().join("man/provery-node.1").exists(), "no page of the node");
    for args in [&["completions", "bash"][..], &["help"], &["help", "slot", "show"]] {
        let output = tokio::process::Command::new(provery_tests::program("provery")?)
            .args(args)
            .current_dir(provery.dir.path())
            .output()
            .await?;
        ensure!(output.status.success() && !output.stdout.is_empty(), "{args:?}: {output:?}");
    }
    let help =
        tokio::process::Command::new(provery_tests::program("provery")?).arg("--help").output().await?;
    ensure!(String::from_utf8_lossy(&help.stdout).contains("PROVERY_LOG"), "{help:?}");
    Ok(())
}
