//! A short chaos run: everything goes wrong at least a few times, and nothing is lost, missed or paid twice.

use std::{process::Stdio, time::Duration};

use eyre::{Context, Result, bail, ensure, eyre};
use provery_tests::{chaos::Descendants, program, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

/// How often each fault on the wire must have happened, and each of processes and the chain.
const ON_THE_WIRE: u64 = 4;
const OF_PROCESSES: u64 = 1;
/// Faults of processes that the run counts; those of workers come with them.
const PROCESSES: [&str; 9] = [
    "reorg",
    "sigkill",
    "sigstop",
    "disk_full",
    "clock_skew",
    "base_fee_spike",
    "outage",
    "nats_away",
    "market_added",
];

#[tokio::test]
async fn nothing_is_lost_missed_or_paid_twice_whatever_goes_wrong() -> Result<()> {
    let chaos = program("chaos")?;
    // Keys are kept from run to run, in a folder of their own.
    let dir = chaos.with_file_name("test-chaos");
    let quota = ON_THE_WIRE.to_string();
    let output = Command::new(&chaos)
        .args([
            "--seconds",
            "50",
            "--seed",
            "4",
            "--asset-decimals",
            "6",
            "--quota",
            &quota,
            "--json",
            "--dir",
        ])
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
    for none in [
        "lost_stake_wei",
        "missed_feasible",
        "duplicate_payments",
        "duplicate_proofs",
        "stuck_nonces",
        "book_mismatches",
        "never_ended",
        "unexpected_ends",
        "leaked_fds",
    ] {
        ensure!(summary[none] == 0, "{none}: {summary}");
    }
    ensure!(summary["decimals"] == 6, "{summary}");
    ensure!(summary["proven"].as_u64() >= Some(5), "{summary}");
    let injected = summary["injected"].as_object().cloned().unwrap_or_default();
    for (fault, count) in injected {
        let least = match fault.as_str() {
            of_processes if PROCESSES.contains(&of_processes) => OF_PROCESSES,
            // Which of these come up in a short run is up to the seed and the nodes.
            "crash_point" | "stop_point" | "sigterm" | "worker_kill" | "slow_prover" | "failed_proof"
            | "given_up" | "emptied_nonce" => 0,
            _ => ON_THE_WIRE,
        };
        ensure!(count.as_u64() >= Some(least), "{fault} happened {count} times: {summary}");
    }
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_told_to_end_leaves_nothing_running() -> Result<()> {
    let chaos = program("chaos")?;
    let dir = chaos.with_file_name("test-chaos-told-to-end");
    let mut run = Command::new(&chaos)
        .args(["--seconds", "600", "--seed", "4", "--json", "--dir"])
        .arg(&dir)
        .env("PROVERY_SOLC", concat!(env!("CARGO_MANIFEST_DIR"), "/../script/solc"))
        .env("PROVERY_ANVIL", provery_tests::anvil_program()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(run.stdout.take().ok_or_else(|| eyre!("no standard output"))?).lines();
    timeout(Duration::from_secs(240), async {
        while let Some(line) = lines.next_line().await? {
            if serde_json::from_str::<Value>(&line)?["event"] == "started" {
                return Ok(());
            }
        }
        bail!("it ended before its nodes were there")
    })
    .await
    .wrap_err("its nodes do not start")??;
    let pid = run.id().ok_or_else(|| eyre!("it has ended"))?;
    let started = Descendants::of(pid);
    let count = started.left().count();
    ensure!(count >= 6, "a chain, a server, a worker and nodes, not {count} processes");
    kill_process(Pid::from_raw(pid.try_into()?).ok_or_else(|| eyre!("no process"))?, Signal::TERM)?;
    let status = timeout(Duration::from_secs(60), run.wait()).await.wrap_err("it does not end")??;
    ensure!(status.code() == Some(128 + 15), "{status}");
    until("all that it started to be gone", || Ok((started.left().count() == 0).then_some(()))).await
}
