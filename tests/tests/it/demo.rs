//! The demo, small: three provers, one of them killed.

use std::process::Stdio;

use eyre::{Result, ensure};
use provery_tests::program;
use serde_json::Value;
use tokio::process::Command;

#[tokio::test]
async fn a_killed_prover_is_rescued_and_the_money_adds_up() -> Result<()> {
    let demo = program("provery-demo")?;
    // Keys are kept from run to run, in a folder of their own.
    let dir = demo.with_file_name("test-demo");
    let output = Command::new(&demo)
        .args(["--slots", "4", "--provers", "3", "--block-txs", "1", "--interval-ms", "500", "--json"])
        .arg("--dir")
        .arg(&dir)
        .env("PROVERY_SOLC", concat!(env!("CARGO_MANIFEST_DIR"), "/../script/solc"))
        .env("PROVERY_ANVIL", provery_tests::anvil_program()?)
        .stdin(Stdio::null())
        .output()
        .await?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap_or("null"))?;
    let summary = &last["summary"];
    ensure!(output.status.success(), "{last} {}", String::from_utf8_lossy(&output.stderr));
    ensure!(summary["slots"] == 4 && summary["proven"] == 4, "{summary}");
    ensure!(summary["rescued"].as_u64() >= Some(1) && summary["missed"] == summary["rescued"], "{summary}");
    ensure!(summary["slashed_wei"].as_f64() > Some(0.0), "{summary}");
    ensure!(summary["conserved"] == true && summary["finalized"] == 4, "{summary}");
    ensure!(
        summary["gas"]["open"].as_u64() > Some(0) && summary["gas"]["prove"].as_u64() > Some(0),
        "{summary}"
    );
    Ok(())
}
