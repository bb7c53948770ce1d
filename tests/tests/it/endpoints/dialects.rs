//! Endpoints that answer right, and unlike anvil: other rollups' transactions, unknown fields, limits.

use eyre::{Result, ensure};
use provery_tests::{Dialect, Faults, Stack, key};
use provery_txmgr::{Sender, SenderConfig};

use super::{Field, Following, POLL, config};

/// Follow a chain with events near and far through an endpoint that speaks so, and send through it.
async fn is_understood(faults: Faults) -> Result<()> {
    let field = Field::with(1).await?;
    field.anvil.mine(100).await?;
    for uri in ["1", "2", "3", "4", "5", "6", "7"] {
        field.say(uri).await?;
    }
    field.anvil.mine(400).await?;
    field.relays[0].set(faults);
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    ensure!(following.uris() == ["0", "1", "2", "3", "4", "5", "6", "7"], "{:?}", following.uris());
    // What is new comes block by block.
    let sender = Sender::new(field.chain.rpc().clone(), key(0), SenderConfig::new(POLL));
    sender.send(field.chain.calls().set_uri("8")).await?;
    following.to(field.head().await?).await?;
    ensure!(following.uris().last().is_some_and(|uri| uri == "8"), "{:?}", following.uris());
    ensure!(following.depths.is_empty(), "no reorganisation");
    Ok(())
}

fn speaking(dialect: Dialect) -> Faults {
    Faults { dialect, ..Faults::default() }
}

#[tokio::test]
async fn op_deposits_in_blocks_and_receipts_are_passed_over() -> Result<()> {
    let dialect = Dialect { stack: Some(Stack::Optimism), ..Dialect::default() };
    is_understood(speaking(dialect)).await?;
    // Without logs it is the receipts that tell.
    is_understood(Faults { empty_logs: true, dialect, ..Faults::default() }).await
}

#[tokio::test]
async fn arbitrums_internal_transactions_in_blocks_and_receipts_are_passed_over() -> Result<()> {
    let dialect = Dialect { stack: Some(Stack::Arbitrum), ..Dialect::default() };
    is_understood(speaking(dialect)).await?;
    is_understood(Faults { empty_logs: true, dialect, ..Faults::default() }).await
}

#[tokio::test]
async fn unknown_fields_and_upper_case_are_understood() -> Result<()> {
    is_understood(speaking(Dialect { unknown_fields: true, upper_case: true, ..Dialect::default() })).await
}

#[tokio::test]
async fn limits_of_five_results_and_of_ten_blocks_are_kept_to() -> Result<()> {
    is_understood(speaking(Dialect { most_logs: Some(5), ..Dialect::default() })).await?;
    is_understood(speaking(Dialect { most_blocks: Some(10), ..Dialect::default() })).await
}

#[tokio::test]
async fn one_request_at_a_time_and_no_pending_counts_are_enough() -> Result<()> {
    let dialect = Dialect { no_pending: true, ..Dialect::default() };
    is_understood(Faults { no_batches: true, dialect, ..Faults::default() }).await
}
