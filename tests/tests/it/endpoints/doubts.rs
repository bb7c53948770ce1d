//! What is said and cannot be true, or cannot be known to be.

use provery_types::Address;

use super::*;

/// Our contracts, all of them.
fn ours(field: &Field) -> Vec<Address> {
    field.direct.deployment().sources().into_keys().collect()
}

/// So many blocks, each followed as it comes.
async fn one_by_one(field: &Field, following: &mut Following, blocks: u64) -> Result<()> {
    for _ in 0..blocks {
        field.anvil.mine(1).await?;
        following.to(field.head().await?).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_time_that_was_made_up_is_neither_followed_nor_told() -> Result<()> {
    let field = Field::with(2).await?;
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    field.relays[0].set(Faults { future: 86_400, ..Faults::default() });
    for uri in ["1", "2"] {
        field.say(uri).await?;
        let head = field.head().await?;
        assert_eq!(field.chain.rpc().head().await?, head, "another endpoint is asked");
        following.to(head).await?;
    }
    assert_eq!(following.uris(), ["0", "1", "2"]);
    for (block, _) in &following.blocks {
        assert_eq!(
            Some(block.timestamp),
            field.direct.rpc().block(block.number).await?.map(|it| it.timestamp)
        );
    }
    assert!(field.relays[0].asked("latest") > 0);
    field.relays[0].heal();
    following.until(|| field.health(0).left_because.is_none()).await
}

#[tokio::test]
async fn data_that_was_made_up_is_found_out_and_the_block_is_told_anew() -> Result<()> {
    let field = Field::with(2).await?;
    let config = FollowerConfig { again: Duration::from_millis(300), ..config() };
    let mut following = Following::new(&field.chain, config);
    following.to(field.head().await?).await?;
    let word = |text: &str| format!("{:0<64}", alloy::hex::encode(text));
    let lie = Some((word("said"), word("lied")));
    field.relays[0].set(Faults { misquotes: lie, ..Faults::default() });
    field.say("said").await?;
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "lied"], "whoever asks one alone believes it at first");
    following.until(|| field.health(0).left_because == Some("contradicting")).await?;
    following.until_uris(&["0", "said"]).await?;
    assert_eq!(following.depths, [1], "the block was taken back, and nothing before it");
    Ok(())
}

#[tokio::test]
async fn a_bloom_that_receipts_do_not_bear_out_halts_nobody() -> Result<()> {
    let field = Field::with(1).await?;
    field.relays[0].set(Faults { named: ours(&field), ..Faults::default() });
    let mut following = Following::new(&field.chain, config());
    field.say("1").await?;
    following.to(field.head().await?).await?;
    one_by_one(&field, &mut following, 3).await?;
    field.say("2").await?;
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "1", "2"]);
    Ok(())
}

#[tokio::test]
async fn where_nobody_has_receipts_a_bloom_halts_nobody_for_good() -> Result<()> {
    let field = Field::with(1).await?;
    let faults = Faults { named: ours(&field), no_receipts: true, ..Faults::default() };
    field.relays[0].set(faults);
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    field.say("1").await?;
    following.to(field.head().await?).await?;
    let health = following.follower.health();
    assert_eq!(health.borrow().failures, 0);
    // Receipts that were given up are not waited for at the next block.
    let before = field.relays[0].asked("eth_getBlockReceipts");
    one_by_one(&field, &mut following, 8).await?;
    assert!(field.relays[0].asked("eth_getBlockReceipts") <= before + 8);
    assert_eq!(following.uris(), ["0", "1"]);
    Ok(())
}

#[tokio::test]
async fn blooms_that_name_us_in_every_block_cost_few_receipts() -> Result<()> {
    for (relays, most) in [(1, 20), (2, 12)] {
        let field = Field::with(relays).await?;
        let faults = Faults { named: ours(&field), ..Faults::default() };
        field.relays.iter().for_each(|relay| relay.set(faults.clone()));
        let mut following = Following::new(&field.chain, config());
        following.to(field.head().await?).await?;
        let asked = || field.relays.iter().map(|relay| relay.asked("eth_getBlockReceipts")).sum::<u64>();
        let before = asked();
        one_by_one(&field, &mut following, 60).await?;
        let receipts = asked() - before;
        assert!(receipts <= most, "{relays} endpoints: {receipts} for 60 blocks");
        // And still one that withholds logs is found out by a second.
        if relays == 2 {
            field.relays[0].set(Faults { empty_logs: true, ..faults });
            field.say("1").await?;
            following.to(field.head().await?).await?;
            assert_eq!(following.uris(), ["0", "1"]);
            assert_eq!(field.health(0).left_because, Some("empty"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_that_tells_no_logs_by_hash_is_asked_by_height_from_then_on() -> Result<()> {
    let field = Field::with(1).await?;
    field.relays[0].set(Faults { no_logs_by_hash: true, ..Faults::default() });
    let mut following = Following::new(&field.chain, config());
    following.to(field.head().await?).await?;
    field.say("1").await?;
    following.to(field.head().await?).await?;
    let asked = field.relays[0].asked("eth_getLogs by hash");
    assert!(asked > 0);
    for uri in ["2", "3"] {
        field.say(uri).await?;
        following.to(field.head().await?).await?;
    }
    assert_eq!(field.relays[0].asked("eth_getLogs by hash"), asked, "it is remembered");
    field.anvil.reorg(2).await?;
    following.to(field.head().await?).await?;
    assert_eq!((following.uris().len(), following.depths.as_slice()), (2, [2].as_slice()));
    Ok(())
}
