//! Gas that costs something, and hardly any of it: what protects stake is sent, and what could not be is said.

use super::*;

const GWEI: u128 = 1_000_000_000;
const STRANGER: &str = "0x0000000000000000000000000000000000000001";
/// 0.1 and 0.05 of the chain's currency.
const TENTH: &str = "0x16345785d8a0000";
const TWENTIETH: &str = "0xb1a2bc2ec50000";

/// Every block of the chain has this base fee while it lives.
struct Weather(tokio::task::JoinHandle<()>);

impl Weather {
    async fn of(town: &Town, base: u128) -> Result<Self> {
        let rpc = town.anvil.rpc().await?;
        let task = tokio::spawn(async move {
            use alloy::providers::Provider as _;
            loop {
                let fee = (format!("{base:#x}"),);
                let _: Result<Value, _> =
                    rpc.provider().raw_request("anvil_setNextBlockBaseFeePerGas".into(), fee).await;
                sleep(Duration::from_millis(10)).await;
            }
        });
        sleep(Duration::from_millis(100)).await;
        town.anvil.mine(2).await?;
        Ok(Self(task))
    }
}

impl Drop for Weather {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn prover() -> String {
    provery_tests::key(2).address().to_string()
}

async fn paused(town: &Town) -> Result<bool> {
    let status = town.provery.ok(None, &["prover", "status", &prover()]).await?;
    status["paused"].as_bool().ok_or_else(|| eyre!("{status}"))
}

#[tokio::test]
async fn at_twenty_gwei_and_a_twentieth_of_an_ether_a_node_pauses_and_comes_back() -> Result<()> {
    let town = Town::build().await?;
    let _weather = Weather::of(&town, 20 * GWEI).await?;
    let dir = town.provery.dir.path().join("node");
    let key = Some(town.prover.as_str());
    let args =
        ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0", "--low-balance-proofs", "0"];
    for balance in [TENTH, TWENTIETH] {
        town.anvil.set_balance(prover(), balance).await?;
        let mut node = Node::start(town.provery.command(key, &args)?, &dir)?;
        // Ready is back in the draws, after the first time.
        node.ready(200).await?;
        ensure!(!paused(&town).await?, "{}", node.log());
        node.signal("-TERM").await?;
        ensure!(node.child.wait().await?.success(), "{}", node.log());
        ensure!(paused(&town).await?, "{}", node.log());
    }
    // A pause, a resumption, a pause: what they cost was noted, and nothing was paid in vain.
    let status = town.provery.ok(None, &["node", "status", "--data-dir", "node"]).await?;
    let spent = &status["outbox"]["spent"];
    ensure!(spent["succeeded"]["transactions"].as_u64() >= Some(3), "{status}");
    let wei = spent["succeeded"]["wei"].as_str().and_then(|wei| wei.parse::<u128>().ok());
    ensure!(wei > Some(0) && spent["reverted"]["wei"] == "0", "{status}");
    let earnings = ["prover", "earnings", "--prover", &prover(), "--data-dir", "node"];
    let earned = town.provery.ok(None, &earnings).await?;
    ensure!(earned["failed_counted"] == true && earned["total"]["failed"] == 0, "{earned}");
    let error = town.provery.fails(
        None,
        &["prover", "earnings", "--prover", STRANGER, "--data-dir", "node"],
        "usage",
    );
    ensure!(error.await?.contains(&prover()));
    Ok(())
}

#[tokio::test]
async fn an_end_that_leaves_the_prover_in_the_draws_is_no_success_and_says_what_to_do() -> Result<()> {
    let town = Town::build().await?;
    let wire = Wire::to(town.anvil.port()).await?;
    let dir = town.provery.dir.path().join("node");
    let key = Some(town.prover.as_str());
    let args =
        ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0", "--drain-seconds", "3"];
    let start = || -> Result<Node> {
        let mut command = town.provery.command(key, &args)?;
        command.env("PROVERY_RPC_URL", wire.url());
        Node::start(command, &dir)
    };
    let left = async |mut node: Node| -> Result<()> {
        let code = node.child.wait().await?.code();
        let said = format!("{}{}", node.log(), fs::read_to_string(&node.stdout)?);
        ensure!(code == Some(1), "{code:?}: {said}");
        ensure!(said.contains("left_in_draws") && said.contains("provery prover pause"), "{said}");
        ensure!(!paused(&town).await?);
        Ok(())
    };

    // Nothing to pay a pause with.
    let node = start()?;
    node.ready(200).await?;
    town.anvil.set_balance(prover(), "0x1").await?;
    node.signal("-TERM").await?;
    left(node).await?;

    // Nobody to send it to.
    town.anvil.set_balance(prover(), TENTH).await?;
    let node = start()?;
    node.ready(200).await?;
    wire.cut();
    node.ready(503).await?;
    node.signal("-TERM").await?;
    node.logged("stake is at risk").await?;
    ensure!(node.log().contains("pause_fails"), "{}", node.log());
    left(node).await?;
    wire.join();

    // Said so, it is no failure.
    let mut command = town.provery.command(key, &[&args[..], &["--pause-when-stopping=false"]].concat())?;
    command.env("PROVERY_RPC_URL", wire.url());
    let mut node = Node::start(command, &dir)?;
    node.ready(200).await?;
    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());
    Ok(())
}

#[tokio::test]
async fn an_operators_pause_is_left_alone_and_a_node_says_whose_it_is() -> Result<()> {
    let town = Town::build().await?;
    let dir = town.provery.dir.path().join("node");
    let key = Some(town.prover.as_str());
    let args = ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0"];
    town.provery.ok(key, &["prover", "pause"]).await?;
    let mut node = Node::start(town.provery.command(key, &args)?, &dir)?;
    let body = node.ready(503).await?;
    until("the operator's pause", async || {
        Ok(node.get("/readyz").await?.1.contains("paused_by_operator").then_some(()))
    })
    .await
    .wrap_err(body)?;
    let status = node.status().await?;
    ensure!(status["node"]["paused"]["by"] == "operator", "{status}");
    town.provery.ok(key, &["prover", "resume"]).await?;
    node.ready(200).await?;
    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());
    ensure!(paused(&town).await?);
    Ok(())
}
