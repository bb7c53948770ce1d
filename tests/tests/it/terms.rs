//! Terms that change, and provers that accept them or not; keys that serve only whom they accepted.

use eyre::{Result, ensure};
use provery_tests::Town;

/// A market of the deployer's own, with the town's circuit.
async fn market(town: &Town) -> Result<()> {
    let shown = town.provery.ok(None, &["rollup", "status", "--name", "town"]).await?;
    let circuit = shown["circuit"].as_str().unwrap_or_default().to_owned();
    let create = [
        "market",
        "create",
        "--circuit",
        &circuit,
        "--outputs",
        "1",
        "--price",
        "10ether",
        "--bond",
        "12ether",
    ];
    let chain = ["--chain", "continues=0,claim=1,right=0", "--origin", "7"];
    let made = town.provery.ok(Some(&town.deployer), &[&create[..], &chain].concat()).await?;
    ensure!(made["market"] == "2", "{made}");
    Ok(())
}

#[tokio::test]
async fn terms_that_favour_provers_count_at_once_and_others_after_a_notice() -> Result<()> {
    let town = Town::build().await?;
    market(&town).await?;
    let provery = &town.provery;
    let creator = Some(town.deployer.as_str());
    let shown = provery.ok(None, &["market", "show", "--market", "2"]).await?;
    ensure!(shown["chain"]["head"] == 0 && shown["version"] == 1, "{shown}");
    ensure!(shown["chain"]["head_claim"].as_str().is_some_and(|claim| claim.ends_with("07")), "{shown}");

    let set = ["market", "set-terms", "--market", "2"];
    let better = provery.ok(creator, &[&set[..], &["--price", "11ether"]].concat()).await?;
    ensure!(better["in_favour"] == true && better["version"] == 1, "{better}");
    let worse = provery.ok(creator, &[&set[..], &["--bond", "20ether"]].concat()).await?;
    ensure!(worse["in_favour"] == false && worse["version"] == 2, "{worse}");
    provery.fails(Some(&town.stranger), &[&set[..], &["--bond", "1ether"]].concat(), "bad_key").await?;
    provery.fails(creator, &[&set[..], &["--price", "11ether"]].concat(), "already_done").await?;
    let shown = provery.ok(None, &["market", "show", "--market", "2"]).await?;
    ensure!(shown["version"] == 1 && shown["announced"]["version"] == 2, "{shown}");
    ensure!(shown["announced"]["from"] == worse["from"], "{shown}");

    // What is only announced is accepted if it is named, and stays so; and what is not accepted is said.
    let prover = Some(town.prover.as_str());
    provery.ok(prover, &["prover", "allocate", "--market", "1", "--units", "20"]).await?;
    let allocate = ["prover", "allocate", "--market", "2", "--units", "20", "--exposure", "15"];
    let unasked = provery.ok(prover, &allocate).await?;
    ensure!(unasked["from_version"] == 1 && unasked["to_version"] == 1, "{unasked}");
    provery.ok(prover, &[&allocate[..], &["--accept-versions", "1..2"]].concat()).await?;
    let both = provery.ok(prover, &allocate).await?;
    ensure!(both["from_version"] == 1 && both["to_version"] == 2 && both["exposure"] == 15, "{both}");
    provery.ok(prover, &[&allocate[..], &["--accept-versions", "2"]].concat()).await?;
    let status = provery.ok(prover, &["prover", "status"]).await?;
    let second = status["allocations"].as_array().and_then(|all| all.iter().find(|row| row["market"] == "2"));
    ensure!(second.is_some_and(|row| row["accepted"] == false && row["exposure"] == 15), "{status}");
    ensure!(status["warnings"].to_string().contains("market 2"), "{status}");
    provery.fails(prover, &[&allocate[..6], &["--exposure", "21"]].concat(), "usage").await?;
    // What no slot could come of is not sent.
    let neither = [&allocate[..], &["--accept-versions", "3..4"]].concat();
    let message = provery.fails(prover, &neither, "terms_not_accepted").await?;
    ensure!(message.contains("--accept-versions"), "{message}");
    let little = ["prover", "allocate", "--market", "2", "--units", "11"];
    let message = provery.fails(prover, &little, "stake_below_bond").await?;
    ensure!(message.contains("nothing was sent"), "{message}");
    // Nor is what is announced forgotten unasked.
    let again = [&set[..], &["--bond", "21ether"]].concat();
    let message = provery.fails(creator, &again, "not_ready").await?;
    ensure!(message.contains("--replace") && message.contains("version 2"), "{message}");
    let replaced = provery.ok(creator, &[&again[..], &["--replace"]].concat()).await?;
    ensure!(replaced["version"] == 3 && replaced["replaces"] == 2, "{replaced}");
    provery.fails(prover, &["prover", "reinstate", "--market", "1"], "already_done").await?;
    Ok(())
}

#[tokio::test]
async fn a_key_serves_only_whom_it_accepted() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let (prover, hot) =
        (provery_tests::key(2).address().to_string(), provery_tests::key(3).address().to_string());
    let accept = ["prover", "submitter", "accept", "--prover", &prover];
    let key = Some(town.stranger.as_str());
    provery.fails(key, &accept, "not_registered").await?;
    let added = provery.ok(Some(&town.prover), &["prover", "submitter", "add", &hot]).await?;
    ensure!(added["accepted"] == false, "{added}");
    let status = provery.ok(None, &["prover", "status", &prover]).await?;
    ensure!(status["nominated"].to_string().to_lowercase().contains(&hot.to_lowercase()), "{status}");
    // Nominated is not yet in service.
    provery.fails(key, &["prover", "pause"], "not_registered").await?;
    provery.ok(key, &accept).await?;
    provery.fails(key, &accept, "already_done").await?;
    provery.ok(key, &["prover", "pause"]).await?;
    let status = provery.ok(None, &["prover", "status", &prover]).await?;
    ensure!(status["paused"] == true && status["nominated"] == serde_json::json!([]), "{status}");
    Ok(())
}
