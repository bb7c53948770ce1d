//! `provery rollup sequence` never claims what it did not mean to, and takes a shortage as something a top-up mends.

use std::{collections::BTreeSet, time::Duration};

use eyre::{Context, Result, ensure, eyre};
use provery_tests::{Town, key};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

/// A sequencer and its lines.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(town: &Town, blocks: u64, interval_ms: u64) -> Result<Self> {
        let (blocks, interval) = (blocks.to_string(), interval_ms.to_string());
        let args = ["rollup", "sequence", "--name", "town", "--blocks", &blocks, "--interval-ms", &interval];
        let mut child = town.provery.spawn(&town.deployer, &args)?;
        let stdout = child.stdout.take().ok_or_else(|| eyre!("no output"))?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// The next line with this event; every line before it is forgotten.
    async fn until(&mut self, event: &str) -> Result<Value> {
        let search = async {
            while let Some(line) = self.lines.next_line().await? {
                let value: Value = serde_json::from_str(&line)?;
                if value["event"] == event {
                    return Ok(value);
                }
            }
            Err(eyre!("it ended without {event}"))
        };
        timeout(Duration::from_secs(60), search).await.wrap_err_with(|| format!("no {event}"))?
    }

    /// Every line to its end, which must be a good one.
    async fn end(mut self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                all.push(serde_json::from_str(&line)?);
            }
            Ok::<_, eyre::Report>(())
        };
        timeout(Duration::from_secs(120), read).await??;
        let status = self.child.wait().await?;
        ensure!(status.success(), "{status}: {all:?}");
        Ok(all)
    }
}

/// Every block builds on the one before, and claims what it leads to.
async fn all_sound(town: &Town, blocks: u64) -> Result<()> {
    let state = town.provery.ok(None, &["rollup", "status", "--name", "town"]).await?;
    ensure!(state["head"] == blocks, "{state}");
    let listed = town.provery.ok(None, &["slot", "list", "--market", "1"]).await?;
    let slots = listed["slots"].as_array().cloned().unwrap_or_default();
    ensure!(slots.len() as u64 == blocks, "{listed}");
    for pair in slots.windows(2) {
        ensure!(pair[1]["builds_on"] == pair[0]["slot"], "{listed}");
        ensure!(pair[1]["statement_inputs"][0] == pair[0]["statement_inputs"][1], "{listed}");
    }
    Ok(())
}

#[tokio::test]
async fn two_processes_on_one_key_never_post_a_wrong_claim() -> Result<()> {
    let town = Town::build().await?;
    town.pass(130).await?;
    town.anvil.request("evm_setIntervalMining", json!([1])).await?;
    let first = Running::start(&town, 3, 100)?;
    let second = Running::start(&town, 3, 100)?;
    let (first, second) = tokio::try_join!(first.end(), second.end())?;
    let posted = [first, second].concat();
    let posted: Vec<&Value> = posted.iter().filter(|line| line["event"] == "block_posted").collect();
    ensure!(posted.len() == 6 && posted.iter().all(|line| line["sound"] == true), "{posted:?}");
    // Both may have signed the very same transaction, which is one block and not a wrong one.
    let numbers: BTreeSet<u64> = posted.iter().filter_map(|line| line["number"].as_u64()).collect();
    ensure!(numbers.len() >= 3, "{posted:?}");
    all_sound(&town, numbers.len() as u64).await
}

#[tokio::test]
async fn a_restart_waits_for_what_the_life_before_sent() -> Result<()> {
    let town = Town::build().await?;
    town.pass(130).await?;
    town.anvil.request("evm_setAutomine", json!([false])).await?;
    let account = key(1).address();
    let count =
        async |block: &str| town.anvil.request("eth_getTransactionCount", json!([account, block])).await;
    let before = count("latest").await?;
    let mut first = Running::start(&town, 1, 1)?;
    timeout(Duration::from_secs(60), async {
        while count("pending").await? == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, eyre::Report>(())
    })
    .await??;
    first.child.kill().await?;

    let mut second = Running::start(&town, 1, 200)?;
    let waiting = second.until("waiting").await?;
    ensure!(waiting["for"] == "pending", "{waiting}");
    town.anvil.request("evm_setAutomine", json!([true])).await?;
    town.anvil.mine(1).await?;
    let posted = second.until("block_posted").await?;
    ensure!(posted["number"] == 2 && posted["sound"] == true, "{posted}");
    second.end().await?;
    all_sound(&town, 2).await
}

#[tokio::test]
async fn a_shortage_is_waited_for_and_mended() -> Result<()> {
    let town = Town::build().await?;
    // 100 ether of funds are ten blocks.
    town.post(10).await?;
    let mut running = Running::start(&town, 2, 100)?;
    let waiting = running.until("waiting").await?;
    ensure!(waiting["for"] == "funds", "{waiting}");
    ensure!(waiting["reason"].as_str().is_some_and(|reason| reason.contains("rollup fund")), "{waiting}");
    // The sequencer's own key, which waits: nothing of its is pending.
    town.provery.ok(Some(&town.stranger), &["token", "mint", "--amount", "20ether"]).await?;
    town.provery
        .ok(Some(&town.stranger), &["rollup", "fund", "--name", "town", "--amount", "10ether"])
        .await?;
    running.until("block_posted").await?;

    let poor = key(1).address().to_string();
    running.until("waiting").await?;
    town.anvil.set_balance(poor.clone(), "0x1").await?;
    town.provery
        .ok(Some(&town.stranger), &["rollup", "fund", "--name", "town", "--amount", "10ether"])
        .await?;
    let waiting = running.until("waiting").await?;
    ensure!(waiting["for"] == "gas", "{waiting}");
    town.anvil.set_balance(poor, "0x3635c9adc5dea00000").await?;
    running.until("block_posted").await?;
    running.end().await?;
    all_sound(&town, 12).await
}
