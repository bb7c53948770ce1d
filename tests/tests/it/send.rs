//! Sending: named reverts, nonces that survive rejections, receipts that count only on the canonical chain.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_bindings::DevelopmentToken;
use provery_rpc::{Call, ChainError, Rpc};
use provery_tests::{Anvil, STAKE_UNIT, Wire, deploy_core, key, terms};
use provery_txmgr::{SendError, Sender, SenderConfig};
use provery_types::BlockRef;

#[tokio::test]
async fn reverts_have_names() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    let calls = chain.calls();

    let error = sender.send(calls.pause()).await.expect_err("no prover");
    assert_eq!(error.revert_name(), Some("NotAuthorised"), "{error:?}");
    sender.send(calls.register("")).await?;
    let error = sender.check(&calls.register("")).await.expect_err("registered twice");
    assert_eq!(error.revert_name(), Some("AlreadyRegistered"), "{error:?}");

    let good = terms(&chain, &sender).await?;
    let bad = provery_types::Terms { expiryWindow: good.exclusiveWindow, ..good };
    let error =
        sender.send(calls.create_market(&bad, 16, U256::ZERO)).await.expect_err("an expiry window too short");
    assert_eq!(error.revert_name(), Some("TermsRejected"), "{error:?}");
    assert!(error.to_string().contains("rule = "), "{error}");

    // Mined and reverted: the name is found all the same, and the next nonce works.
    let error =
        sender.send(Call { gas: Some(200_000), ..calls.register("") }).await.expect_err("registered twice");
    assert!(
        matches!(&error, SendError::Reverted { name, tx_hash: Some(_), .. } if name == "AlreadyRegistered")
    );
    sender.send(calls.set_uri("still here")).await?;
    Ok(())
}

#[tokio::test]
async fn a_rejected_broadcast_uses_no_nonce() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    anvil.set_balance(sender.address().to_string(), "0x2386f26fc10000").await?;
    let dear = Call { gas: Some(21_000), ..Call::transfer(Address::repeat_byte(1), U256::from(1e18)) };
    for _ in 0..2 {
        let error = sender.send(dear.clone()).await.expect_err("more than it has");
        assert!(matches!(error, SendError::Underfunded { .. }), "{error:?}");
    }
    // So is one whose gas limit no block can hold.
    let huge = Call { gas: Some(u64::MAX >> 24), ..chain.calls().register("") };
    sender.send(huge).await.expect_err("too much gas");
    anvil.set_balance(sender.address().to_string(), "0x3635c9adc5dea00000").await?;
    sender.send(chain.calls().register("")).await?;
    Ok(())
}

#[tokio::test]
async fn a_nonce_used_elsewhere_is_stepped_over() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    let other = Sender::new(anvil.rpc().await?, key(0), SenderConfig::new(Duration::from_millis(20)));
    other.send(chain.calls().register("")).await?;
    sender.send(chain.calls().set_uri("next")).await?;
    other.send(chain.calls().set_uri("and next")).await?;
    Ok(())
}

#[tokio::test]
async fn many_at_once_all_arrive() -> Result<()> {
    let anvil = Anvil::start_with(&["--block-time", "1"]).await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    let sends = (0..8u64).map(|amount| sender.send(chain.calls().mint(sender.address(), U256::from(amount))));
    let mined = futures::future::try_join_all(sends).await?;
    assert_eq!(mined.len(), 8);
    assert_eq!(chain.asset_balance(sender.address()).await?, U256::from(28));
    Ok(())
}

#[tokio::test]
async fn a_stake_needs_its_money() -> Result<()> {
    let anvil = Anvil::start().await?;
    let sender = anvil.sender(0).await?;
    let chain = deploy_core(&sender).await?;
    sender.send(chain.calls().register("")).await?;
    let amount = U256::from(100 * STAKE_UNIT);
    let error = sender.stake(&chain, amount).await.expect_err("no asset");
    let lacking = chain.asset().show(amount);
    assert!(matches!(&error, SendError::AssetUnderfunded { needed, .. } if *needed == lacking), "{error:?}");
    sender.send(chain.calls().mint(sender.address(), amount)).await?;
    sender.stake(&chain, amount).await?;
    assert_eq!(chain.free_stake(sender.address()).await?, amount);

    let none = U256::from(9);
    let error = sender.fund(&chain, none, U256::from(1)).await.expect_err("no such market");
    assert!(
        matches!(error, SendError::Rpc(ChainError::MarketNotFound(market)) if market == none),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn fees_are_raised_until_it_is_mined() -> Result<()> {
    let anvil = Anvil::start().await?;
    let funded = anvil.sender(0).await?;
    anvil.request("evm_setAutomine", serde_json::json!([false])).await?;
    let config = SenderConfig::new(Duration::from_millis(20));
    let sender = Sender::new(funded.rpc().clone(), key(0), config);
    let send = sender.deploy(&DevelopmentToken::BYTECODE, &[]);
    let dear = async {
        while sender.status().oldest_nonce.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            // Many times as dear as when it was signed.
            let fee =
                anvil.request("anvil_setNextBlockBaseFeePerGas", serde_json::json!(["0xba43b7400"])).await;
            let mined = anvil.mine(1).await;
            if let Err(error) = fee.and(mined) {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let sent = tokio::select! {
        sent = send => sent,
        error = dear => return Err(error),
    };
    assert!(sender.status().replaced > 0);
    let (token, mined) = sent?;
    assert!(funded.rpc().code_hash(token).await?.is_some());
    assert_eq!(mined.contract, Some(token));

    let config = SenderConfig { give_up_after: Duration::from_millis(200), ..config };
    let hasty = Sender::new(funded.rpc().clone(), key(0), config);
    let error = hasty
        .send(Call::transfer(Address::repeat_byte(1), U256::from(1)))
        .await
        .expect_err("nothing is mined");
    assert!(matches!(error, SendError::TimedOut { .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_receipt_counts_only_once_confirmed_on_the_canonical_chain() -> Result<()> {
    let anvil = Anvil::start().await?;
    let funded = anvil.sender(0).await?;
    let config = SenderConfig { confirmations: 2, ..SenderConfig::new(Duration::from_millis(20)) };
    let sender = Sender::new(funded.rpc().clone(), key(0), config);
    let to = Address::repeat_byte(1);
    let send = sender.send(Call::transfer(to, U256::from(1)));
    let reorg = async {
        let first = mined_into(&funded, 0).await?;
        anvil.reorg(1).await?; // The transaction is gone until it is sent again.
        // Blocks go on: a transaction that arrives amid the reorganisation is lost, and looked for at the next block.
        while funded.rpc().balance(to).await?.is_zero() {
            anvil.mine(1).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anvil.mine(2).await?;
        Ok::<_, eyre::Report>(first)
    };
    let (mined, first) = tokio::join!(send, reorg);
    let (mined, first) = (mined?, first?);
    assert_ne!(mined.block.hash, first.hash, "its first block was replaced");
    assert_eq!(funded.rpc().block(mined.block.number).await?.map(|block| block.hash), Some(mined.block.hash));
    assert_eq!(funded.rpc().balance(to).await?, U256::from(1), "sent again, paid once");
    Ok(())
}

/// The first block after `after`, waited for.
async fn mined_into(sender: &Sender, after: u64) -> Result<BlockRef> {
    loop {
        let head = sender.rpc().head().await?;
        if head.number > after {
            return Ok(head);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_outage_while_waiting_is_survived() -> Result<()> {
    let anvil = Anvil::start().await?;
    let funded = anvil.sender(0).await?;
    anvil.request("evm_setAutomine", serde_json::json!([false])).await?;
    let wire = Wire::to(anvil.port()).await?;
    let rpc = Rpc::connect(&wire.url()).await?;
    let sender = Sender::new(rpc, key(0), SenderConfig::new(Duration::from_millis(20)));
    let send = sender.send(Call::transfer(Address::repeat_byte(1), U256::from(1)));
    let outage = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        wire.cut();
        anvil.mine(1).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        wire.join();
        Ok::<_, eyre::Report>(())
    };
    let (mined, outage) = tokio::join!(send, outage);
    outage?;
    assert_eq!(mined?.block.number, funded.rpc().head().await?.number);
    Ok(())
}
