//! A rollup that is created after the node's directory was made.

use provery_tests::chaos::proc;

use super::*;

/// Create a rollup with `town`'s terms, fund it, and stake the prover there.
async fn create(town: &Town, name: &str, market: &str) -> Result<()> {
    let provery = &town.provery;
    let (exclusive, expiry) = (Town::EXCLUSIVE.to_string(), (4 * Town::EXCLUSIVE).to_string());
    let key = Some(town.deployer.as_str());
    let create =
        ["rollup", "create", "--name", name, "--block-txs", "1", "--price", "10ether", "--bond", "12ether"];
    let windows = ["--fast", &exclusive, "--exclusive", &exclusive, "--expiry", &expiry];
    provery.ok(key, &[&create[..], &windows[..]].concat()).await?;
    provery.ok(key, &["token", "mint", "--amount", "100ether"]).await?;
    provery.ok(key, &["rollup", "fund", "--name", name, "--amount", "100ether"]).await?;
    let key = Some(town.prover.as_str());
    provery.ok(key, &["token", "mint", "--amount", "50ether"]).await?;
    provery.ok(key, &["prover", "stake", "--amount", "50ether"]).await?;
    provery.ok(key, &["prover", "allocate", "--market", market, "--units", "50"]).await?;
    Ok(())
}

async fn sequence(town: &Town, name: &str) -> Result<()> {
    town.pass(130).await?;
    let args = ["rollup", "sequence", "--name", name, "--blocks", "1", "--interval-ms", "1"];
    town.provery.ok(Some(&town.deployer), &args).await?;
    Ok(())
}

/// Until so many slots of a market were proven by this node.
async fn proven(node: &Node, market: &str, slots: usize) -> Result<()> {
    let all = until("the slots' ends", async || {
        let status = node.status().await?;
        let ended = status["ended"].as_array().cloned().unwrap_or_default();
        let proven = ended.iter().filter(|it| {
            it["market"] == market && it["stage"] == "settled" && it["payee"] == status["node"]["prover"]
        });
        Ok((proven.count() >= slots).then_some(()))
    });
    all.await.wrap_err_with(|| node.log())
}

#[tokio::test]
async fn a_rollup_that_is_created_later_is_proven_without_a_restart_and_after_one() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let args = ["node", "--data-dir", "node", "--http", "127.0.0.1:0"];
    let dir = provery.dir.path().join("node");
    let start = || Node::start_under_limits(&provery.command(Some(&town.prover), &args)?, &dir);
    let mut node = start()?;
    node.ready(200).await?;
    town.post(1).await?;
    proven(&node, "1", 1).await?;

    // What is posted before the node has heard of it is proven, too.
    create(&town, "second", "2").await?;
    sequence(&town, "second").await?;
    sequence(&town, "second").await?;
    proven(&node, "2", 2).await?;
    node.logged("the deployment has grown").await?;

    // A disk that fails for a while takes nothing of it away: it is served at once, and not taken for new.
    ensure!(proc::limit_files(node.pid()?, Some(0)), "no limit can be set");
    town.post(1).await?;
    node.logged("the disk or the chain failed").await?;
    ensure!(proc::limit_files(node.pid()?, None), "the limit stays");
    sequence(&town, "second").await?;
    proven(&node, "2", 3).await?;
    proven(&node, "1", 2).await?;
    ensure!(node.log().matches("the deployment has grown").count() == 1, "{}", node.log());

    // A third, while the node is down, on its old directory.
    node.signal("-KILL").await?;
    node.child.wait().await?;
    create(&town, "third", "3").await?;
    sequence(&town, "third").await?;
    let node = start()?;
    node.ready(200).await?;
    proven(&node, "3", 1).await?;
    sequence(&town, "third").await?;
    sequence(&town, "second").await?;
    proven(&node, "3", 2).await?;
    proven(&node, "2", 4).await
}
