//! How long 100,000 blocks of history with 1,000 events take to read, and a start after that: `./script/bench sync`.
//!
//! The floor is what the endpoint itself takes to tell the logs of the whole range, asked for directly in the same run.

use std::time::Instant;

use alloy::{providers::Provider as _, rpc::types::Filter};
use eyre::{Result, ensure};
use provery_tests::History;

const EVENTS: u64 = 1_000;
const APART: u64 = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let begun = Instant::now();
    eprintln!("making {} blocks with {EVENTS} events; some ten minutes", EVENTS * APART);
    let history = History::make(EVENTS, APART).await?;
    eprintln!("made in {:.0?}", begun.elapsed());

    let begun = Instant::now();
    let contracts = history.chain.deployment().sources().into_keys().collect::<Vec<_>>();
    let filter = Filter::new().address(contracts).from_block(0).to_block(EVENTS * (APART + 1));
    let logs = history.chain.rpc().provider().get_logs(&filter).await?;
    let floor = begun.elapsed();

    let before = history.relay.requests();
    let (mut book, mut follower) = history.open()?;
    let begun = Instant::now();
    let events = history.sync(&mut book, &mut follower, usize::MAX).await?;
    let (took, requests) = (begun.elapsed(), history.relay.requests() - before);
    drop((book, follower));
    ensure!(events as u64 == EVENTS && logs.len() >= events, "{events} events of {}", logs.len());

    history.anvil.mine(3).await?;
    let begun = Instant::now();
    let (mut book, mut follower) = history.open()?;
    history.sync(&mut book, &mut follower, usize::MAX).await?;
    let warm = begun.elapsed();
    println!(
        "first sync {took:.2?} in {requests} requests, {:.1} times the floor of {floor:.2?}; warm start {warm:.2?}",
        took.as_secs_f64() / floor.as_secs_f64()
    );
    Ok(())
}
