//! Chains and nodes that are unlike the usual: without a base fee, without fees of the past, with a fee for bytes.

use alloy::consensus::{Transaction as _, Typed2718 as _};
use provery_tests::deploy_core;

use super::*;

/// Where a rollup of the OP stack says what bytes cost, and where a ZKsync chain keeps its currency.
const ORACLE: &str = "0x420000000000000000000000000000000000000F";
const BASE_TOKEN: &str = "0x000000000000000000000000000000000000800A";

#[tokio::test]
async fn without_fees_of_the_past_a_price_or_a_tip_is_enough() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    for (nonce, missing) in ["eth_gasPrice", "eth_maxPriorityFeePerGas"].into_iter().enumerate() {
        let relay = Relay::new(&bench, move |method, _| match method {
            "eth_feeHistory" => Fate::Refuse,
            method if method == missing => Fate::Refuse,
            _ => Fate::Pass,
        })
        .await?;
        let sender = bench.open_through(&relay, config()).await?;
        let order = deliver(&sender, payment(nonce as u8 + 1));
        bench.broadcast(nonce as u64).await?;
        bench.anvil.mine(1).await?;
        order.await??;
    }
    let neither = |method: &str, _: &Value| match method {
        "eth_feeHistory" | "eth_gasPrice" | "eth_maxPriorityFeePerGas" => Fate::Refuse,
        _ => Fate::Pass,
    };
    let relay = Relay::new(&bench, neither).await?;
    let error = bench.open_through(&relay, config()).await?.deliver(payment(9)).await.expect_err("no price");
    assert!(error.to_string().contains("eth_gasPrice"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_chain_without_a_base_fee_gets_transactions_of_the_old_kind() -> Result<()> {
    let bench = Bench::with(&["--hardfork", "berlin"]).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, payment(1));
    let first = bench.broadcast(0).await?;
    let sent = bench.rpc.provider().get_transaction_by_hash(newest(&first)).await?;
    let sent = sent.ok_or_else(|| eyre!("it is in the pool"))?;
    assert!(sent.inner.is_legacy() && sent.gas_price().is_some_and(|price| price > 0), "{sent:?}");
    bench.anvil.mine(1).await?;
    order.await??;
    assert_eq!(paid(&bench, 1).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_rollups_fee_for_bytes_is_part_of_what_a_budget_pays() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let fee = U256::from(40_000 * GWEI);
    // Answers every call with that; but for one with a single word, which it does not know.
    let code = format!("0x36602414602e577f{fee:064x}5f5260205ff35b5f5ffd");
    bench.anvil.request("anvil_setCode", json!([ORACLE, code])).await?;
    let sender = bench.open(config())?;
    let gas = U256::from(21_000 * 2 * GWEI);
    let error = sender.deliver(Order { budget: Some(gas), ..payment(1) }).await.expect_err("too dear");
    assert!(matches!(error, SendError::TooDear { needed, .. } if needed > fee), "{error:?}");
    let order = deliver(&sender, Order { budget: Some(gas + fee), ..payment(1) });
    let pending = bench.broadcast(0).await?;
    let max_fee = pending.signed.last().map(|signed| signed.max_fee).unwrap_or_default();
    assert!(U256::from(max_fee) * U256::from(21_000) <= gas, "{max_fee}");
    bench.anvil.mine(1).await?;
    order.await??;
    Ok(())
}

#[tokio::test]
async fn a_chain_that_is_not_supported_is_refused_by_name() -> Result<()> {
    let bench = Bench::new().await?;
    bench.anvil.request("anvil_setCode", json!([BASE_TOKEN, "0x00"])).await?;
    let error = bench.open(config())?.deliver(payment(1)).await.expect_err("not supported");
    assert!(error.to_string().contains("ZKsync"), "{error}");
    assert!(bench.all_pending().is_empty());
    Ok(())
}

#[tokio::test]
async fn an_empty_transfer_takes_the_gas_that_the_chain_says_it_does() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    // As where bytes are paid for in gas.
    let relay = Relay::new(&bench, |method, _| match method {
        "eth_estimateGas" => Fate::Answer(json!("0x11170")),
        _ => Fate::Pass,
    })
    .await?;
    let sender = bench.open_through(&relay, config()).await?;
    let _keeper = keep(&sender);
    let deadline = bench.rpc.head().await?.timestamp + 1_000;
    let order = deliver(&sender, Order { deadline: Some(deadline), ..payment(1) });
    bench.broadcast(0).await?;
    bench.anvil.request("evm_setNextBlockTimestamp", json!([deadline + 1])).await?;
    bench.mine_at(100 * GWEI).await?;
    let sent = until("it is cancelled", || async {
        let pending = bench.pending(0)?;
        let Some(cancel) = pending.signed.iter().find(|signed| signed.cancels) else { return Ok(None) };
        Ok(bench.rpc.provider().get_transaction_by_hash(cancel.hash).await?)
    })
    .await?;
    assert_eq!(sent.gas_limit(), 84_000);
    until("it is mined", || async {
        bench.mine_at(GWEI).await?;
        Ok((bench.count().await? > 0).then_some(()))
    })
    .await?;
    assert!(matches!(order.await?, Err(SendError::Abandoned { .. })));
    Ok(())
}

#[tokio::test]
async fn what_is_stuck_follows_a_budget_that_rises() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let budget = |gwei: u128| Some(U256::from(21_000 * gwei * GWEI));
    let order = deliver(&sender, Order { budget: budget(3), ..payment(1) });
    let born = bench.broadcast(0).await?;
    for _ in 0..4 {
        bench.mine_at(10 * GWEI).await?;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(bench.pending(0)?.signed.iter().all(|signed| signed.max_fee <= 3 * GWEI));
    sender.renew("pay:1", budget(40), U256::ZERO, None);
    until("it is raised and mined", || async {
        bench.mine_at(10 * GWEI).await?;
        Ok((bench.count().await? > 0).then_some(()))
    })
    .await?;
    let mined = order.await??;
    let pending = bench.pending(0)?;
    assert!(pending.signed.len() > born.signed.len() && pending.budget == budget(40), "{pending:?}");
    assert!(pending.signed.iter().any(|signed| signed.hash == mined.tx_hash && signed.max_fee > 10 * GWEI));
    Ok(())
}

#[tokio::test]
async fn a_padded_limit_makes_nothing_too_dear() -> Result<()> {
    let bench = Bench::new().await?;
    bench.anvil.request("evm_setAutomine", json!([true])).await?;
    let chain = deploy_core(&Sender::new(bench.rpc.clone(), key(0), config())).await?;
    Sender::new(bench.rpc.clone(), key(0), config()).send(chain.calls().register("")).await?;
    bench.anvil.request("evm_setAutomine", json!([false])).await?;
    let nonce = bench.count().await?;
    bench.mine_at(20 * GWEI).await?;
    // What a pause uses at this price, and hardly more; its limit is several times that.
    let balance = U256::from(80_000 * 41 * GWEI);
    bench.anvil.set_balance(key(0).address().to_string(), &format!("{balance:#x}")).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let order = Order { budget: Some(balance), ..Order::new(chain.calls().pause()) };
    let order = deliver(&sender, order);
    let pending = bench.broadcast(nonce).await?;
    assert!(pending.spend.expected < 60_000 && pending.gas > pending.spend.expected, "{pending:?}");
    until("it is mined", || async {
        bench.mine_at(20 * GWEI).await?;
        Ok((bench.count().await? > nonce).then_some(()))
    })
    .await?;
    order.await??;
    // What is kept back is not spent on what can wait.
    let left = bench.rpc.balance(key(0).address()).await?;
    let order = Order { budget: Some(left), reserve: left, ..Order::new(chain.calls().resume()) };
    let error = sender.deliver(order).await.expect_err("it is kept back");
    assert!(matches!(error, SendError::TooDear { .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn another_program_with_the_same_key_is_noticed() -> Result<()> {
    let bench = Bench::new().await?;
    bench.mine_at(GWEI).await?;
    let sender = bench.open(config())?;
    let _keeper = keep(&sender);
    let order = deliver(&sender, payment(1));
    bench.broadcast(0).await?;
    bench.anvil.mine(1).await?;
    order.await??;
    assert_eq!(sender.status().foreign_nonces, 0);
    let other = Sender::new(bench.rpc.clone(), key(0), config());
    let theirs = deliver(&other, payment(2));
    until("theirs is mined", || async {
        bench.anvil.mine(1).await?;
        Ok((bench.count().await? == 2).then_some(()))
    })
    .await?;
    theirs.await??;
    until("it is noticed", || async {
        bench.anvil.mine(1).await?;
        Ok((sender.status().foreign_nonces == 1).then_some(()))
    })
    .await?;
    Ok(())
}
