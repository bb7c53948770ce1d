//! Reorganisations, amid other wrongs.

use super::*;

#[tokio::test]
async fn reorganisations_are_followed_to_the_block() -> Result<()> {
    for (relays, depth) in [(1, 1), (2, 8), (1, 64), (3, 64)] {
        let field = Field::with(relays).await?;
        let mut following = Following::new(&field.chain, config());
        for at in 1..=4 {
            field.say(&at.to_string()).await?;
            field.anvil.mine(15).await?;
        }
        field.say("last").await?;
        field.anvil.mine(depth - 1).await?;
        let before = field.head().await?;
        following.to(before).await?;
        let told = following.uris();
        assert_eq!(told.len(), 6);

        field.anvil.reorg(depth).await?;
        let after = field.head().await?;
        assert_eq!(after.number, before.number);
        following.to(after).await?;
        field.say("after").await?;
        following.to(field.head().await?).await?;
        assert_eq!(following.depths, [depth], "{relays} endpoints");
        assert_eq!(following.uris(), [&told[..5], &["after".to_string()]].concat());
        let health = following.follower.health().borrow().clone();
        assert_eq!((health.reorgs, health.deepest_reorg, health.last_reorg_depth), (1, depth, depth));
        let mut hashes = following.blocks.iter().map(|(block, _)| block);
        let mut parent = hashes.next().map(|block| block.hash);
        for block in hashes {
            assert_eq!(Some(block.parent_hash), parent);
            parent = Some(block.hash);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_deep_reorg_is_followed_amid_stale_heads_and_withheld_logs() -> Result<()> {
    let field = Field::with(2).await?;
    let mut following = Following::new(&field.chain, config());
    field.say("kept").await?;
    field.anvil.mine(20).await?;
    for at in 0..8 {
        field.say(&format!("lost {at}")).await?;
        field.anvil.mine(7).await?;
    }
    following.to(field.head().await?).await?;
    for relay in &field.relays {
        relay.set(Faults { stale: 5, empty_logs: true, ..Faults::default() });
    }
    following.until(|| field.relays[0].requests() > 30).await?;
    assert!(following.depths.is_empty(), "a stale head is no reorganisation");
    field.anvil.reorg(64).await?;
    field.say("after").await?;
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "kept", "after"]);
    assert_eq!(following.depths, [64]);
    Ok(())
}

#[tokio::test]
async fn reorgs_while_the_client_is_down_or_slow_are_followed() -> Result<()> {
    let field = Field::with(1).await?;
    let mut following = Following::new(&field.chain, config());
    field.say("kept").await?;
    field.anvil.mine(2).await?;
    field.say("lost").await?;
    field.anvil.mine(62).await?;
    following.to(field.head().await?).await?;
    let cursor: Vec<BlockRef> = following.follower.cursor().copied().collect();
    field.anvil.reorg(64).await?;
    field.say("after").await?;
    field.anvil.mine(500).await?;
    following.follower = Follower::new(field.chain.clone(), cursor, config());
    following.to(field.head().await?).await?;
    assert_eq!(following.uris(), ["0", "kept", "after"]);
    // Sometimes a reorganisation comes between two requests of one look: they come fast here, none is waited for.
    for depth in [3, 1, 10, 2, 30, 5] {
        field.say("lost").await?;
        field.anvil.reorg(depth).await?;
        let _ = timeout(POLL, following.step()).await;
    }
    field.say("end").await?;
    following.to(field.head().await?).await?;
    assert_eq!(following.uris().last().map(String::as_str), Some("end"));
    assert_eq!(following.uris().len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_chain_without_our_blocks_is_final_only_if_all_say_so() -> Result<()> {
    let field = Field::with(2).await?;
    field.anvil.mine(10).await?;
    let stranger =
        BlockRef { number: 5, hash: alloy::primitives::B256::repeat_byte(5), ..BlockRef::default() };
    field.relays[1].set(Faults { refuse: true, ..Faults::default() });
    let mut follower = Follower::new(field.chain.clone(), [stranger], config());
    let health = follower.health();
    let failing = async {
        while health.borrow().failures < 5 {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        () = failing => {}
        told = follower.next() => ensure!(false, "one endpoint of two said {told:?}"),
    }
    field.relays[1].heal();
    let error = timeout(LONG, follower.next()).await?.expect_err("nobody has that block");
    assert!(matches!(error, ChainError::ReorgTooDeep { oldest } if oldest == stranger), "{error:?}");
    Ok(())
}
