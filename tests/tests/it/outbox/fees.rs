//! Fees that rise, budgets, deadlines.

use provery_tests::deploy_core;

use super::*;

/// Mine dear blocks until a pending transaction was signed for `times` times.
async fn signed(bench: &Bench, nonce: u64, times: usize, base: u128) -> Result<PendingTransaction> {
    for _ in 0..times * 8 {
        if let Ok(pending) = bench.pending(nonce)
            && pending.signed.len() >= times
        {
            return Ok(pending);
        }
        bench.mine_at(base).await?;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if bench.pending(nonce).is_ok_and(|pending| pending.signed.len() >= times) {
                break;
            }
        }
    }
    bail!("nonce {nonce} was not signed for {times} times")
}

/// Mine blocks until the key has sent so many transactions. (anvil drops what a block is too dear for, so it takes two.)
async fn land(bench: &Bench, count: u64, base: u128) -> Result<()> {
    until("they are mined", || async {
        bench.mine_at(base).await?;
        Ok((bench.count().await? >= count).then_some(()))
    })
    .await
}

/// What geth asks of a replacement, and the budget of its order.
fn assert_fees(pending: &PendingTransaction) {
    for pair in pending.signed.windows(2) {
        let [old, new] = pair else { continue };
        assert!(new.max_fee * 100 >= old.max_fee * 110, "{old:?} {new:?}");
        assert!(new.max_priority_fee * 100 >= old.max_priority_fee * 110, "{old:?} {new:?}");
        assert!(new.max_priority_fee > old.max_priority_fee && new.max_priority_fee <= new.max_fee);
    }
    for signed in &pending.signed {
        let gas = if signed.cancels { 21_000 } else { pending.gas };
        let cost = U256::from(signed.max_fee) * U256::from(gas);
        assert!(pending.budget.is_none_or(|budget| cost <= budget), "{signed:?}");
    }
}

fn budget(gwei: u128) -> Option<U256> {
    Some(U256::from(21_000 * gwei * GWEI))
}

#[tokio::test]
async fn what_is_stuck_is_replaced_within_its_budget_and_never_over_it() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, Order { budget: budget(12), ..payment(1) });
    let first = bench.broadcast(0).await?;
    // Ten times as dear: replaced by all that the budget allows, which is not enough.
    let raised = signed(&bench, 0, 2, 100 * GWEI).await?;
    assert_fees(&raised);
    assert_eq!(raised.signed.last().map(|signed| signed.max_fee), Some(12 * GWEI));
    for _ in 0..6 {
        bench.mine_at(100 * GWEI).await?;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let exhausted = bench.pending(0)?;
    assert_eq!(exhausted.signed, raised.signed, "there is nothing left to raise");
    assert!(exhausted.signed.starts_with(&first.signed));
    assert_eq!((paid(&bench, 1).await?, sender.status().replaced), (0, 1));

    land(&bench, 1, 10 * GWEI).await?;
    assert_eq!(order.await??.tx_hash, newest(&raised));
    assert_eq!(paid(&bench, 1).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_base_fee_of_ten_times_within_five_blocks_wedges_nothing() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let orders: Vec<_> =
        (1..=4).map(|to| deliver(&sender, Order { budget: budget(50), ..payment(to) })).collect();
    for nonce in 0..4 {
        bench.broadcast(nonce).await?;
    }
    for base in [16 * GWEI / 10, 25 * GWEI / 10, 4 * GWEI, 63 * GWEI / 10, 10 * GWEI] {
        bench.mine_at(base.max(10 * GWEI)).await?;
    }
    // All of them, not only the one in front.
    for nonce in 0..4 {
        assert_fees(&signed(&bench, nonce, 2, 10 * GWEI).await?);
    }
    land(&bench, 4, 10 * GWEI).await?;
    for order in orders {
        order.await??;
    }
    assert_eq!(bench.count().await?, 4);
    Ok(())
}

#[tokio::test]
async fn what_is_too_late_is_cancelled_and_pays_nobody() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let deadline = bench.rpc.head().await?.timestamp + 1_000;
    let order = deliver(&sender, Order { budget: budget(9), deadline: Some(deadline), ..payment(1) });
    bench.broadcast(0).await?;
    let behind = deliver(&sender, payment(2));
    bench.broadcast(1).await?;
    bench.anvil.request("evm_setNextBlockTimestamp", json!([deadline + 1])).await?;
    bench.mine_at(100 * GWEI).await?;
    let pending = until("it is cancelled", || async {
        let pending = bench.pending(0)?;
        Ok(pending.signed.iter().any(|signed| signed.cancels).then_some(pending))
    })
    .await?;
    assert_fees(&pending);
    land(&bench, 2, GWEI).await?;
    let error = order.await?.expect_err("it was too late");
    assert!(matches!(error, SendError::Abandoned { kind: "transfer" }), "{error:?}");
    behind.await??;
    assert_eq!((paid(&bench, 1).await?, paid(&bench, 2).await?), (0, 1));
    assert!(!sender.live("pay:1"));
    let error = sender.deliver(Order { deadline: Some(deadline), ..payment(3) }).await;
    assert!(matches!(error, Err(SendError::Abandoned { .. })), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn what_would_revert_makes_way_for_what_waits_behind_it() -> Result<()> {
    let bench = Bench::new().await?;
    bench.anvil.request("evm_setAutomine", json!([true])).await?;
    let chain = deploy_core(&Sender::new(bench.rpc.clone(), key(0), config())).await?;
    bench.anvil.request("evm_setAutomine", json!([false])).await?;
    bench.mine_at(GWEI).await?;
    let nonce = bench.count().await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    // Nobody who is not a prover can pause.
    let order = deliver(&sender, Order::new(Call { gas: Some(100_000), ..chain.calls().pause() }));
    bench.broadcast(nonce).await?;
    let behind = deliver(&sender, payment(1));
    bench.broadcast(nonce + 1).await?;
    let pending = signed(&bench, nonce, 2, 100 * GWEI).await?;
    assert!(pending.signed.last().is_some_and(|signed| signed.cancels));
    land(&bench, nonce + 2, GWEI).await?;
    assert!(matches!(order.await?, Err(SendError::Abandoned { .. })));
    behind.await??;
    assert_eq!(paid(&bench, 1).await?, 1);
    let spent = sender.status().spent;
    assert_eq!((spent.cancelled.transactions, spent.cancelled.gas), (1, 21_000));
    Ok(())
}

#[tokio::test]
async fn what_transactions_are_said_to_have_cost_is_what_the_key_has_less() -> Result<()> {
    let bench = Bench::new().await?;
    bench.anvil.request("evm_setAutomine", json!([true])).await?;
    let chain = deploy_core(&Sender::new(bench.rpc.clone(), key(0), config())).await?;
    let sender = bench.open(config())?;
    let keeper = keep(&sender);
    let balance = async || bench.rpc.balance(sender.address()).await;
    let first = balance().await?;
    // Nobody who is not a prover can pause.
    let pause = Order::new(Call { gas: Some(100_000), ..chain.calls().pause() });
    let error = sender.deliver(pause).await.expect_err("it fails");
    assert!(matches!(error, SendError::Reverted { .. }), "{error:?}");
    let second = balance().await?;
    let spent = sender.status().spent;
    assert_eq!((spent.reverted.transactions, spent.reverted.wei), (1, first - second));
    assert_eq!((spent.succeeded, spent.cancelled), Default::default());
    sender.deliver(payment(1)).await?;
    let all = sender.status().spent;
    assert_eq!(
        (all.succeeded.transactions, all.succeeded.wei + U256::from(1)),
        (1, second - balance().await?)
    );
    assert_eq!(all.reverted, spent.reverted);
    // The next life knows.
    drop(keeper);
    assert_eq!(bench.open(config())?.status().spent, all);
    Ok(())
}

#[tokio::test]
async fn nothing_is_signed_that_the_budget_cannot_pay() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(100 * GWEI).await?;
    let sender = bench.open(config())?;
    let error = sender.deliver(Order { budget: budget(9), ..payment(1) }).await.expect_err("too dear");
    assert!(matches!(error, SendError::TooDear { .. }) && error.is_transient(), "{error:?}");
    assert!(bench.all_pending().is_empty());
    Ok(())
}

#[tokio::test]
async fn near_the_deadline_the_budget_is_offered_at_once_and_gas_need_not_be_estimated() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let relay = Relay::new(&bench, |method, _| match method {
        "eth_estimateGas" => Fate::Refuse,
        _ => Fate::Pass,
    })
    .await?;
    let sender = bench.open_through(&relay, config()).await?;
    let call = Call::transfer(Address::repeat_byte(1), U256::from(1));
    let far = bench.rpc.head().await?.timestamp + 1_000;
    let order = Order {
        fallback_gas: Some(50_000),
        budget: Some(U256::from(50_000 * 7 * GWEI)),
        deadline: Some(far),
        ..Order::new(call)
    };
    let error = sender.deliver(order.clone()).await.expect_err("there is time to ask again");
    assert!(matches!(error, SendError::Rejected { .. }), "{error:?}");
    let near = Order { deadline: Some(far - 990), ..order };
    let order = deliver(&sender, near);
    let pending = bench.broadcast(0).await?;
    assert_eq!((pending.gas, pending.signed.last().map(|signed| signed.max_fee)), (50_000, Some(7 * GWEI)));
    bench.anvil.mine(1).await?;
    order.await??;
    Ok(())
}
