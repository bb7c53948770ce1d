//! Two nodes with one prover and one key: one acts, and when it is killed or stopped, the other goes on.

use std::time::Duration;

use eyre::{Result, ensure, eyre};
use provery_tests::{Nats, Town, Worker};
use serde_json::Value;
use tokio::process::{Child, Command};

/// A bound for failure; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);

fn start(town: &Town, nats: &Nats, dir: &str) -> Result<Child> {
    let url = nats.url();
    let mut child = town.provery.spawn(
        &town.prover,
        &[
            "node",
            "--data-dir",
            dir,
            "--market",
            "1",
            "--poll-ms",
            "100",
            "--http",
            "127.0.0.1:0",
            "--nats-url",
            &url,
            "--standby",
        ],
    )?;
    let mut said = child.stdout.take().ok_or_else(|| eyre!("the node has no standard output"))?;
    tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
    Ok(child)
}

/// Ask until the answer is the one that is waited for.
async fn wait(town: &Town, args: &[&str], wanted: impl Fn(&Value) -> bool) -> Result<()> {
    let asked = async {
        loop {
            let said = town.provery.run(None, args).await?;
            if said.code == 0 && wanted(&said.json) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| eyre!("{args:?}: waited too long"))?
}

async fn role(town: &Town, dir: &str, role: &str) -> Result<()> {
    wait(town, &["node", "status", "--data-dir", dir], |status| status["node"]["role"] == role).await
}

async fn proven(town: &Town, id: u64) -> Result<()> {
    wait(town, &["slot", "list"], |list| {
        let slots = list["slots"].as_array().into_iter().flatten();
        slots.clone().any(|slot| slot["slot"] == id && slot["phase"] == "proven")
    })
    .await
}

#[tokio::test]
async fn a_standby_goes_on_where_a_leader_was_killed_or_stopped() -> Result<()> {
    let town = Town::build().await?;
    let nats = Nats::start().await?;
    let _worker = Worker::start(&nats.url(), "only", &[])?;
    let mut first = start(&town, &nats, "first")?;
    role(&town, "first", "leader").await?;
    let mut second = start(&town, &nats, "second")?;
    role(&town, "second", "standby").await?;
    town.post(1).await?;
    proven(&town, 1).await?;
    role(&town, "second", "standby").await?;

    first.kill().await?;
    town.post(1).await?;
    proven(&town, 2).await?;
    role(&town, "second", "leader").await?;

    // One that is told to stop leaves the prover in the draws.
    let _first = start(&town, &nats, "first")?;
    role(&town, "first", "standby").await?;
    let pid = second.id().ok_or_else(|| eyre!("the second node has ended"))?.to_string();
    ensure!(Command::new("kill").args(["-TERM", &pid]).status().await?.success());
    ensure!(second.wait().await?.success());
    role(&town, "first", "leader").await?;
    let prover = provery_tests::key(2).address().to_string();
    let status = town.provery.ok(None, &["prover", "status", &prover]).await?;
    ensure!(status["paused"] == false, "{status}");
    town.post(1).await?;
    proven(&town, 3).await
}
