//! The demo, small, by every mechanism: three provers, one of them killed where somebody holds a slot.

use std::{path::Path, process::Stdio};

use eyre::{OptionExt as _, Result, ensure};
use provery_mechanisms::registry;
use provery_tests::program;
use serde_json::Value;
use tokio::process::Command;

/// The summary of a run that ended well, with more options.
async fn run(name: &str, slots: u64, interval_ms: u64, options: &[&str]) -> Result<Value> {
    let demo = program("provery-demo")?;
    // Keys are kept from run to run, in a folder of their own.
    let dir = demo.with_file_name(format!("test-demo-{name}"));
    // Where a circuit of somebody else is on the stage, its requester is compiled with forge.
    let anvil = provery_tests::anvil_program()?;
    let forge = anvil.display().to_string().replace("anvil", "forge");
    let tools = Path::new(&forge).parent().ok_or_eyre("forge is in no folder")?;
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new(&demo)
        .args(options)
        .args(["--slots", &slots.to_string(), "--provers", "3", "--block-txs", "1"])
        .args(["--interval-ms", &interval_ms.to_string(), "--json", "--dir"])
        .arg(&dir)
        .env("PROVERY_SOLC", concat!(env!("CARGO_MANIFEST_DIR"), "/../script/solc"))
        .env("PROVERY_ANVIL", &anvil)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .await?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap_or("null"))?;
    ensure!(output.status.success(), "{last} {}", String::from_utf8_lossy(&output.stderr));
    Ok(last["summary"].clone())
}

/// The summary of a run that went well.
async fn demo(mechanism: &str, slots: u64, interval_ms: u64) -> Result<Value> {
    let summary = run(mechanism, slots, interval_ms, &["--mechanism", mechanism]).await?;
    ensure!(summary["mechanism"] == mechanism, "{summary}");
    ensure!(summary["slots"] == slots && summary["proven"] == slots, "{summary}");
    ensure!(summary["conserved"] == true && summary["finalized"] == slots, "{summary}");
    ensure!(summary["missed"] == summary["rescued"], "{summary}");
    ensure!(summary["wasted_proofs"].is_u64() && summary["price_paid"].as_f64() > Some(0.0), "{summary}");
    let shares = summary["provers"].as_array().into_iter().flatten();
    let won: f64 = shares.filter_map(|prover| prover["win_share"].as_f64()).sum();
    ensure!((won - 1.0).abs() < 1e-9, "every slot went to somebody: {summary}");
    for kind in ["open", "prove"] {
        ensure!(summary["gas"][kind].as_u64() > Some(0), "{kind}: {summary}");
    }
    Ok(summary)
}

#[tokio::test]
async fn lottery_a_killed_prover_is_rescued_and_the_money_adds_up() -> Result<()> {
    let summary = demo("lottery", 4, 500).await?;
    ensure!(summary["rescued"].as_u64() >= Some(1), "{summary}");
    ensure!(summary["slashed_wei"].as_f64() > Some(0.0), "{summary}");
    Ok(())
}

#[tokio::test]
async fn six_decimals_and_a_strict_asset_change_nothing() -> Result<()> {
    let summary = run("decimals", 3, 500, &["--asset-decimals", "6"]).await?;
    ensure!(summary["asset"]["decimals"] == 6 && summary["proven"] == 3, "{summary}");
    ensure!(summary["conserved"] == true && summary["missed"] == summary["rescued"], "{summary}");
    // Ten whole tokens a slot at most, in millionths.
    let paid = summary["price_paid"].as_u64().unwrap_or_default();
    ensure!((15_000_000..=30_000_000).contains(&paid), "{summary}");
    Ok(())
}

#[tokio::test]
async fn race_everyone_proves_and_one_is_paid() -> Result<()> {
    let summary = demo("race", 2, 500).await?;
    ensure!(summary["killed"].is_null() && summary["slashed_wei"].as_f64() == Some(0.0), "{summary}");
    Ok(())
}

#[tokio::test]
async fn mining_finds_tickets() -> Result<()> {
    demo("mining", 4, 6000).await?;
    Ok(())
}

#[tokio::test]
async fn dutch_is_locked_below_the_cap() -> Result<()> {
    let summary = demo("dutch", 3, 1500).await?;
    ensure!(summary["gas"]["lock"].as_u64() > Some(0), "{summary}");
    Ok(())
}

#[tokio::test]
async fn vickrey_is_bid_for_and_settled() -> Result<()> {
    let summary = demo("vickrey", 3, 1500).await?;
    ensure!(summary["gas"]["commit"].as_u64() > Some(0), "{summary}");
    Ok(())
}

#[tokio::test]
async fn agreement_goes_to_whoever_signed() -> Result<()> {
    let summary = demo("agreement", 3, 500).await?;
    ensure!(summary["provers"][0]["won"].as_u64() >= Some(1), "{summary}");
    Ok(())
}

#[tokio::test]
async fn asks_are_posted_before_slots_and_given_them() -> Result<()> {
    let summary = demo("asks", 4, 1500).await?;
    ensure!(summary["gas"]["ask"].as_u64() > Some(0), "{summary}");
    let won = summary["provers"].as_array().into_iter().flatten();
    ensure!(won.filter_map(|prover| prover["won"].as_u64()).sum::<u64>() >= 1, "{summary}");
    Ok(())
}

#[tokio::test]
async fn every_mechanism_pays_for_proofs_of_somebody_elses_circuit() -> Result<()> {
    for mechanism in registry() {
        // Between two slots a ticket is mined for the next.
        let interval = if mechanism.wants_puzzle() { 6_000 } else { 1_000 };
        let options = ["--workload", "circom", "--no-kill", "--mechanism", mechanism.word()];
        let summary = run("circom", 2, interval, &options).await?;
        ensure!(summary["proven"] == 2 && summary["told"] == 2, "{summary}");
        ensure!(summary["conserved"] == true && summary["missed"] == summary["rescued"], "{summary}");
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_prover_of_somebody_elses_circuit_is_rescued() -> Result<()> {
    let summary = run("circom", 4, 500, &["--workload", "circom"]).await?;
    ensure!(summary["told"] == 4 && summary["conserved"] == true, "{summary}");
    ensure!(summary["rescued"].as_u64() >= Some(1) && !summary["killed"].is_null(), "{summary}");
    Ok(())
}

#[tokio::test]
async fn a_hostile_sequencer_takes_nothing_from_honest_provers() -> Result<()> {
    let summary = run("hostile", 3, 1000, &["--hostile-sequencer"]).await?;
    ensure!(summary["honest_stake_lost_wei"] == 0 && summary["conserved"] == true, "{summary}");
    ensure!(summary["true_blocks"].as_u64() >= Some(3), "{summary}");
    ensure!(summary["true_blocks_proven"] == summary["true_blocks"], "{summary}");
    ensure!(summary["hidden_held"].as_u64() >= Some(1), "an honest prover held a hidden block: {summary}");
    ensure!(summary["honest_bonds_wei"].as_f64() > Some(0.0) && summary["hidden_final"] == 0, "{summary}");
    ensure!(summary["slashes_undone"] == summary["slashes_held"], "{summary}");
    Ok(())
}
