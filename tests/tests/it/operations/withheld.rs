//! An endpoint that withholds what the contracts said in a block.

use alloy::sol_types::SolEvent as _;
use provery_bindings::ProofMarket;
use provery_tests::{Faults, Relay};
use serde_json::json;

use super::*;

/// How often the report has an event of a slot.
fn reported(node: &Node, event: &str, slot: u64) -> usize {
    let lines = fs::read_to_string(&node.stdout).unwrap_or_default();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == event && line["slot"] == slot).count()
}

async fn settled(node: &Node, slots: usize) -> Result<()> {
    let all = until("the slots' ends", async || {
        let status = node.status().await?;
        let ended = status["ended"].as_array().cloned().unwrap_or_default();
        let mine =
            ended.iter().filter(|it| it["stage"] == "settled" && it["payee"] == status["node"]["prover"]);
        Ok((mine.count() >= slots).then_some(()))
    });
    all.await.wrap_err_with(|| node.log())
}

#[tokio::test]
async fn a_slot_that_an_endpoint_withholds_is_an_alarm_and_is_proven_once_its_block_is_told() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let relay = Relay::to(town.anvil.port()).await?;
    // From the first, so that no header was ever what its hash says.
    let crowded = Faults { crowded: true, ..Faults::default() };
    relay.set(crowded.clone());
    let args = ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0"];
    let mut command = provery.command(Some(&town.prover), &args)?;
    command.env("PROVERY_RPC_URL", relay.url());
    let node = Node::start(command, &provery.dir.path().join("node"))?;
    node.ready(200).await?;
    town.post(1).await?;
    settled(&node, 1).await?;

    // The node hears of the next block only when it is known which is to be withheld.
    let chain = town.anvil.rpc().await?;
    let before = chain.head().await?.number;
    relay.set(Faults { behind: Some(before), ..crowded.clone() });
    town.post(1).await?;
    let opened = json!({ "fromBlock": format!("{:#x}", before + 1), "topics": [ProofMarket::SlotOpened::SIGNATURE_HASH] });
    let logs = town.anvil.request("eth_getLogs", json!([opened])).await?;
    let block = logs[0]["blockNumber"].as_str().ok_or_else(|| eyre!("no slot: {logs}"))?;
    let hidden = u64::from_str_radix(block.trim_start_matches("0x"), 16)?;
    relay.set(Faults { hidden: Some(hidden), ..crowded.clone() });
    until("the hidden block", async || {
        Ok(node.status().await?["chain"]["position"].as_u64().filter(|position| *position >= hidden))
    })
    .await?;
    node.ready(200).await.wrap_err("nothing shows it yet")?;

    // What comes after it does.
    town.post(1).await?;
    until("the alarm", async || {
        let (code, body) = node.get("/readyz").await?;
        Ok((code == 503 && body.contains("events_withheld")).then_some(()))
    })
    .await
    .wrap_err_with(|| node.log())?;
    let status = node.status().await?;
    let concerns = status["concerns"].as_array().cloned().unwrap_or_default();
    let said = concerns.iter().find(|it| it["code"] == "events_withheld" && it["alarm"] == true);
    let message = said.and_then(|it| it["message"].as_str()).unwrap_or_default();
    ensure!(message.contains("slot 2 of market 1"), "{status}");

    relay.set(crowded);
    settled(&node, 3).await?;
    node.ready(200).await?;
    ensure!(node.status().await?["concerns"].as_array().is_some_and(Vec::is_empty));
    for slot in 1..=3 {
        ensure!(
            reported(&node, "slot_won", slot) == 1 && reported(&node, "settled", slot) == 1,
            "{}",
            node.log()
        );
        // The slot's event may be seen before what became of the transaction.
        until("the report of the transaction", async || {
            Ok((reported(&node, "submitted", slot) > 0).then_some(()))
        })
        .await?;
        ensure!(reported(&node, "submitted", slot) == 1, "{}", node.log());
    }
    let metrics = node.get("/metrics").await?.1;
    ensure!(metrics.contains("provery_slots_ended_total{outcome=\"proven\"} 3"), "{metrics}");
    ensure!(!node.log().contains("reorg: blocks were taken back"), "{}", node.log());
    Ok(())
}
