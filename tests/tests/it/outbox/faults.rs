//! Nodes that lose answers and transactions or tell what was, disks that are full, other programs with the same key.

use alloy::primitives::{Bytes, keccak256};

use super::*;

#[tokio::test]
async fn an_answer_lost_after_delivery_is_no_failure() -> Result<()> {
    let bench = Bench::new().await?;
    let relay = Relay::new(&bench, |method, _| match method {
        "eth_sendRawTransaction" => Fate::LoseAnswer,
        _ => Fate::Pass,
    })
    .await?;
    let order = deliver(&bench.open_through(&relay, config()).await?, payment(1));
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    order.await??;
    let mut sent = relay.sent();
    sent.dedup();
    assert_eq!(sent.len(), 1, "one transaction, however often it was sent");
    assert_eq!((bench.count().await?, paid(&bench, 1).await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_journal_that_fails_lets_nothing_out() -> Result<()> {
    let bench = Bench::new().await?;
    let relay = Relay::new(&bench, |_, _| Fate::Pass).await?;
    let sender = bench.open_through(&relay, config()).await?;
    let _keeper = keep(&sender);
    bench.journal.breaks(true);
    let error = sender.deliver(payment(1)).await.expect_err("nothing can be written");
    assert!(matches!(error, SendError::Journal(_)) && error.is_transient(), "{error:?}");
    assert_eq!((relay.sent().len(), sender.status().pending), (0, 0));

    // A replacement that cannot be written down is not sent either.
    bench.journal.breaks(false);
    let order = deliver(&sender, payment(1));
    let pending = bench.broadcast(0).await?;
    bench.journal.breaks(true);
    for _ in 0..3 {
        bench.mine_at(100 * GWEI).await?;
    }
    until("it is said", || async {
        let said = sender.status().last_error;
        Ok(said.filter(|error| error.contains("no space left")))
    })
    .await?;
    let mut sent = relay.sent();
    sent.dedup();
    assert_eq!(sent.len(), 1, "the first, as often as it takes");
    bench.journal.breaks(false);
    until("it is mined", || async {
        bench.mine_at(GWEI).await?;
        Ok(bench.pending(0)?.mined)
    })
    .await?;
    order.await??;
    assert!(bench.pending(0)?.signed.starts_with(&pending.signed));
    assert_eq!(paid(&bench, 1).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_wedged_nonce_is_healed_within_two_blocks() -> Result<()> {
    let bench = Bench::new().await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let orders: Vec<_> = (1..=3).map(|to| deliver(&sender, payment(to))).collect();
    let lowest = bench.broadcast(0).await?;
    bench.broadcast(1).await?;
    bench.broadcast(2).await?;
    bench.anvil.request("anvil_dropTransaction", json!([newest(&lowest)])).await?;
    assert!(!bench.in_pool(newest(&lowest)).await?);

    bench.anvil.mine(1).await?;
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    for order in orders {
        order.await??;
    }
    assert_eq!(bench.count().await?, 3);
    assert_eq!(bench.pending(0)?.signed, lowest.signed);
    assert!(sender.status().rebroadcast > 0);
    Ok(())
}

#[tokio::test]
async fn a_nonce_that_went_elsewhere_is_replaced_by_a_fresh_one() -> Result<()> {
    let bench = Bench::new().await?;
    let open = Arc::new(AtomicBool::new(false));
    let is_open = open.clone();
    let relay = Relay::new(&bench, move |method, _| match method {
        "eth_sendRawTransaction" if !is_open.load(Ordering::SeqCst) => Fate::Lose,
        _ => Fate::Pass,
    })
    .await?;
    let sender = bench.open_through(&relay, SenderConfig { confirmations: 2, ..config() }).await?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, payment(1));
    until("the transaction is written down", || async { Ok(bench.pending(0).ok()) }).await?;

    let foreign = Sender::new(bench.rpc.clone(), key(0), config());
    let foreign = deliver(&foreign, payment(2));
    until("the foreign one waits", || async {
        let count = bench.rpc.provider().get_transaction_count(key(0).address()).pending().await?;
        Ok((count == 1).then_some(()))
    })
    .await?;
    bench.anvil.mine(1).await?;
    foreign.await??;
    open.store(true, Ordering::SeqCst);
    bench.anvil.mine(1).await?;
    assert_eq!(bench.all_pending().len(), 1, "the foreign one may still be taken back");
    bench.anvil.mine(1).await?;
    bench.broadcast(1).await?;
    bench.anvil.mine(3).await?;
    order.await??;
    assert_eq!((paid(&bench, 1).await?, paid(&bench, 2).await?), (1, 1));
    assert_eq!(bench.all_pending().iter().map(|pending| pending.nonce).collect::<Vec<_>>(), [1]);
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_counts_what_was_makes_no_nonce_be_used_twice() -> Result<()> {
    let bench = Bench::new().await?;
    let relay = Relay::new(&bench, |method, _| match method {
        "eth_getTransactionCount" => Fate::Answer(json!("0x0")),
        _ => Fate::Pass,
    })
    .await?;
    let sender = bench.open_through(&relay, config()).await?;
    let _keeper = keep(&sender);
    for to in 1..=3 {
        let order = deliver(&sender, payment(to));
        bench.broadcast(u64::from(to) - 1).await?;
        bench.anvil.mine(1).await?;
        order.await??;
        assert_eq!(paid(&bench, to).await?, 1);
    }
    assert_eq!(bench.count().await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_gap_below_what_waits_is_filled() -> Result<()> {
    let bench = Bench::new().await?;
    let first = bench.open(config())?;
    let orders: Vec<_> = (1..=2).map(|to| deliver(&first, payment(to))).collect();
    bench.broadcast(0).await?;
    let kept = bench.broadcast(1).await?;
    orders.iter().for_each(|order| order.abort());
    bench.anvil.request("anvil_dropAllTransactions", json!([])).await?;
    bench.journal.remove(key(0).address(), 0)?;

    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    bench.anvil.mine(1).await?;
    bench.broadcast(1).await?;
    bench.anvil.mine(1).await?;
    assert_eq!(bench.broadcast(0).await?.kind, "fill");
    bench.anvil.mine(1).await?;
    let mined = until("it is mined", || async { Ok(bench.pending(1)?.mined) }).await?;
    assert_eq!(mined.tx_hash, newest(&kept));
    assert_eq!(bench.count().await?, 2);
    Ok(())
}

#[tokio::test]
async fn what_a_node_refuses_uses_no_nonce_and_what_it_may_have_is_kept() -> Result<()> {
    let bench = Bench::new().await?;
    let no = Relay::new(&bench, |method, _| match method {
        "eth_sendRawTransaction" => Fate::Refuse,
        _ => Fate::Pass,
    })
    .await?;
    let sender = bench.open_through(&no, config()).await?;
    let error = sender.deliver(payment(1)).await.expect_err("the node refuses");
    assert!(matches!(error, SendError::Rejected { .. }), "{error:?}");
    assert!(bench.all_pending().is_empty() && !sender.live("pay:1"));
    let sender = bench.open(config())?;
    let order = deliver(&sender, payment(2));
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    order.await??;
    Ok(())
}

#[tokio::test]
async fn a_head_from_the_past_takes_nothing_back() -> Result<()> {
    let bench = Bench::new().await?;
    let past = bench.anvil.request("eth_getBlockByNumber", json!(["latest", false])).await?;
    let (looks, stale) = (Arc::new(Mutex::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, is_stale) = (looks.clone(), stale.clone());
    let relay = Relay::new(&bench, move |method, params| {
        let latest = method == "eth_getBlockByNumber" && params[0] == json!("latest");
        match latest && is_stale.load(Ordering::SeqCst) {
            true => {
                if let Ok(mut looks) = counted.lock() {
                    *looks += 1;
                }
                Fate::Answer(past.clone())
            }
            false => Fate::Pass,
        }
    })
    .await?;
    let sender = bench.open_through(&relay, config()).await?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, payment(1));
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    let mined = order.await??;
    stale.store(true, Ordering::SeqCst);
    until("it is told often", || async { Ok(looks.lock().is_ok_and(|looks| *looks > 20).then_some(())) })
        .await?;
    assert_eq!(bench.pending(0)?.mined.map(|mined| mined.tx_hash), Some(mined.tx_hash));
    assert_eq!((relay.sent().len(), sender.status().rebroadcast), (1, 0));
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_keeps_a_transaction_to_itself_does_not_keep_it_from_the_chain() -> Result<()> {
    let bench = Bench::new().await?;
    let keeps = Relay::new(&bench, |method, params| match method {
        "eth_sendRawTransaction" => {
            let raw: Bytes = serde_json::from_value(params[0].clone()).unwrap_or_default();
            Fate::Answer(json!(keccak256(raw)))
        }
        _ => Fate::Pass,
    })
    .await?;
    let gives = Relay::new(&bench, |_, _| Fate::Pass).await?;
    let rpc = Rpc::connect_with(&[keeps.url(), gives.url()], Duration::from_secs(5)).await?;
    let sender = Sender::open(rpc, key(0), config(), bench.journal.clone())?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, payment(1));
    until("it is mined", || async {
        bench.anvil.mine(1).await?;
        Ok((bench.count().await? == 1).then_some(()))
    })
    .await?;
    order.await??;
    assert!(!keeps.sent().is_empty() && !gives.sent().is_empty());
    Ok(())
}
