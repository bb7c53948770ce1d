//! Programs that die, and go on; reorgs; attaching.

use super::*;

#[tokio::test]
async fn what_was_written_down_but_not_broadcast_is_sent_after_a_restart() -> Result<()> {
    let bench = Bench::new().await?;
    let deaf = Relay::new(&bench, |method, _| match method {
        "eth_sendRawTransaction" => Fate::Lose,
        _ => Fate::Pass,
    })
    .await?;
    let first = deliver(&bench.open_through(&deaf, config()).await?, payment(1));
    let pending = until("the transaction is written down", || async { Ok(bench.pending(0).ok()) }).await?;
    first.abort(); // As SIGKILL would: nothing was broadcast.
    assert!(!bench.in_pool(newest(&pending)).await?);

    let again = bench.open(config())?;
    assert!(again.live("pay:1"));
    let _keeper = keep(&again);
    bench.broadcast(0).await?;
    let second = deliver(&again, payment(1));
    bench.anvil.mine(1).await?;
    assert_eq!(second.await??.tx_hash, newest(&pending), "byte for byte what was signed before");
    assert_eq!((bench.count().await?, paid(&bench, 1).await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn what_landed_while_nobody_looked_is_adopted() -> Result<()> {
    let bench = Bench::new().await?;
    let first = deliver(&bench.open(config())?, payment(1));
    let pending = bench.broadcast(0).await?;
    first.abort();
    bench.anvil.mine(3).await?;

    let again = bench.open(config())?;
    let mined = again.deliver(payment(1)).await?;
    assert_eq!((mined.tx_hash, mined.broadcast_at_ms > 0), (newest(&pending), true));
    assert_eq!(bench.pending(0)?.mined.map(|mined| mined.block), Some(mined.block));
    // And once more, from a program that finds it settled.
    let third = bench.open(config())?;
    assert_eq!(third.deliver(payment(1)).await?.block, mined.block);
    assert_eq!((bench.count().await?, paid(&bench, 1).await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn an_order_is_sent_once_however_often_it_is_given() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let orders: Vec<_> = (0..4).map(|_| deliver(&sender, payment(1))).collect();
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    let mut hashes = Vec::new();
    for order in orders {
        hashes.push(order.await??.tx_hash);
    }
    hashes.push(sender.deliver(payment(1)).await?.tx_hash);
    hashes.dedup();
    assert_eq!(hashes.len(), 1);
    assert_eq!((bench.count().await?, paid(&bench, 1).await?), (1, 1));
    // The same tag for something else is another order.
    let other = deliver(&sender, Order { tag: "pay:1".to_owned(), ..payment(2) });
    bench.broadcast(1).await?;
    bench.anvil.mine(1).await?;
    other.await??;
    assert_eq!(paid(&bench, 2).await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_order_is_kept_when_nobody_waits_for_it_any_more() -> Result<()> {
    let bench = Bench::new().await?;
    let silent = Relay::new(&bench, |method, _| match method {
        "eth_sendRawTransaction" => Fate::Lose,
        _ => Fate::Pass,
    })
    .await?;
    let sender = bench.open_through(&silent, config()).await?;
    let waiter = deliver(&sender, payment(1));
    until("the transaction is written down", || async { Ok(bench.pending(0).ok()) }).await?;
    waiter.abort();
    drop((waiter.await, sender));
    let sender = bench.open(config())?;
    let keeper = keep(&sender);
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    until("it is seen mined", || async { Ok(bench.pending(0)?.mined) }).await?;
    drop(keeper);
    assert_eq!(sender.status().pending, 0);
    Ok(())
}

#[tokio::test]
async fn a_reorg_only_makes_it_be_sent_again() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    for depth in 1..=8u8 {
        let order = deliver(&sender, payment(depth));
        let pending = bench.broadcast(u64::from(depth) - 1).await?;
        bench.anvil.mine(1).await?;
        let first = order.await??;
        bench.anvil.mine(u64::from(depth) - 1).await?;

        bench.anvil.reorg(u64::from(depth)).await?;
        let nonce = pending.nonce;
        until("it is sent again", || async { Ok(bench.in_pool(first.tx_hash).await?.then_some(())) }).await?;
        assert_eq!(bench.pending(nonce)?.signed, pending.signed, "the same bytes");
        assert!(sender.live(&pending.tag));
        bench.anvil.mine(1).await?;
        let mined = until("it is mined again", || async { Ok(bench.pending(nonce)?.mined) }).await?;
        assert_eq!(mined.tx_hash, first.tx_hash);
        assert_ne!(mined.block.hash, first.block.hash);
        assert_eq!(paid(&bench, depth).await?, 1, "paid once at depth {depth}");
    }
    assert_eq!(bench.count().await?, 8);
    assert_eq!(sender.status().replaced, 0);
    Ok(())
}

#[tokio::test]
async fn a_reorg_while_nobody_looked_is_noticed() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(config())?;
    let order = deliver(&sender, payment(1));
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    let first = order.await??;
    drop(sender);
    bench.anvil.mine(2).await?;
    bench.anvil.reorg(3).await?;
    assert_eq!(bench.count().await?, 0);

    let again = bench.open(config())?;
    let _keeper = keep(&again);
    bench.broadcast(0).await?;
    let order = deliver(&again, payment(1));
    bench.anvil.mine(1).await?;
    assert_eq!(order.await??.tx_hash, first.tx_hash);
    assert_eq!(paid(&bench, 1).await?, 1);
    Ok(())
}

#[tokio::test]
async fn who_has_waited_too_long_may_wait_again() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(SenderConfig { give_up_after: Duration::from_millis(100), ..config() })?;
    let _keeper = keep(&sender);
    let error = sender.deliver(payment(1)).await.expect_err("nothing is mined");
    assert!(matches!(error, SendError::TimedOut { .. }) && sender.live("pay:1"), "{error:?}");
    bench.anvil.mine(1).await?;
    until("it is seen mined", || async { Ok(bench.pending(0)?.mined) }).await?;
    sender.deliver(payment(1)).await?;
    assert_eq!((bench.count().await?, paid(&bench, 1).await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn what_is_too_deep_for_a_reorg_is_forgotten() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(SenderConfig { keep: 4, confirmations: 1, ..config() })?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, payment(1));
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    until("it is seen mined", || async { Ok(bench.pending(0)?.mined) }).await?;
    assert!(!order.is_finished(), "a block on top is missing");
    bench.anvil.mine(1).await?;
    let mined = order.await??;
    assert!(sender.live("pay:1"));
    // So short a chain has nothing finalized: then time says what is too old for a reorg.
    bench.anvil.request("evm_increaseTime", json!([1_800])).await?;
    bench.anvil.mine(3).await?;
    assert_eq!(bench.rpc.head().await?.number, mined.block.number + 4);
    until("it is forgotten", || async { Ok(bench.all_pending().is_empty().then_some(())) }).await?;
    until("its tag is free", || async { Ok((!sender.live("pay:1")).then_some(())) }).await?;
    Ok(())
}

#[tokio::test]
async fn sixteen_orders_at_once_have_sixteen_nonces() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let orders: Vec<_> = (1..=16).map(|to| deliver(&sender, payment(to))).collect();
    for nonce in 0..16 {
        bench.broadcast(nonce).await?;
    }
    bench.anvil.mine(1).await?;
    for order in orders {
        order.await??;
    }
    assert_eq!(bench.count().await?, 16);
    for to in 1..=16 {
        assert_eq!(paid(&bench, to).await?, 1);
    }
    Ok(())
}
