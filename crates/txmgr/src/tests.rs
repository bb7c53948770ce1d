//! Sending through endpoints that answer by script.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, Bloom, BloomInput, Bytes, U256, keccak256},
    rpc::types::Header as RpcHeader,
    signers::local::PrivateKeySigner,
};
use provery_types::{BlockRef, Currency};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use provery_fake::{Fake, Say, block, hash, silent, sound, urls, whole};
use provery_rpc::{Call, Chain, DataFees, Follower, FollowerConfig, Quote, Rpc, Update};

use crate::{Order, Outlay, SendError, Sender, SenderConfig, Spent};

/// A client of these, that waits for so long.
async fn connect(fakes: &[&Fake], timeout: Duration) -> Rpc {
    Rpc::connect_with(&urls(fakes), timeout).await.expect("one of them answers")
}

/// A bound for failure, not for success.
const LONG: Duration = Duration::from_secs(60);

/// A chain whose head is a block higher at each look, from `start` on, in block 500 of which every transaction was mined.
fn growing(start: u64, finalized: Option<u64>, looks: Arc<AtomicU64>) -> impl Fn(&str, &Value, usize) -> Say {
    let (grown, sent) = (AtomicU64::new(start), AtomicU64::new(0));
    move |method, params, _| match (method, params[0].as_str()) {
        ("eth_getBlockByNumber", Some("latest")) => Say::Result(block(grown.fetch_add(1, SeqCst))),
        ("eth_getBlockByNumber", Some("finalized")) => {
            looks.fetch_add(1, SeqCst);
            Say::Result(finalized.map_or(Value::Null, |height| {
                let mut block = block(height);
                block["timestamp"] = json!(format!("{:#x}", start));
                block
            }))
        }
        ("eth_getTransactionCount", _) => Say::Result(json!(format!("{:#x}", sent.load(SeqCst)))),
        ("eth_sendRawTransaction", _) => {
            sent.store(1, SeqCst);
            sound(method, params)
        }
        ("eth_getTransactionReceipt", Some(transaction)) => Say::Result(receipt(transaction)),
        ("eth_getCode", _) => Say::Result(json!("0x")),
        _ => sound(method, params),
    }
}

/// Of a transfer in block 500.
fn receipt(transaction: &str) -> Value {
    let zero = Address::ZERO;
    json!({
        "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": [],
        "logsBloom": format!("0x{}", "0".repeat(512)), "transactionHash": transaction, "transactionIndex": "0x0",
        "blockHash": hash(500), "blockNumber": "0x1f4", "gasUsed": "0x5208", "effectiveGasPrice": "0x1",
        "from": zero, "to": zero, "contractAddress": null,
    })
}

#[tokio::test]
async fn a_transaction_is_forgotten_when_every_endpoint_says_that_it_is_final_and_not_for_a_far_head() {
    // A head far away at one of two; no tag at all, and blocks that are many and not old, or old; a tag that is not there yet; and
    // one that is.
    type Chains = &'static [(u64, Option<u64>)];
    let cases: [(Chains, bool); 5] = [
        (&[(9_000, None), (510, None)], false),
        (&[(1_000, None)], false),
        (&[(9_000, None)], true),
        (&[(9_000, Some(499))], false),
        (&[(9_000, Some(600))], true),
    ];
    for (chains, forgets) in cases {
        let looks = Arc::new(AtomicU64::new(0));
        let mut fakes = Vec::new();
        for (start, finalized) in chains {
            fakes.push(Fake::new(growing(*start, *finalized, looks.clone())).await);
        }
        let rpc = connect(&fakes.iter().collect::<Vec<_>>(), LONG).await;
        let config = SenderConfig::new(Duration::from_millis(5));
        let sender = Sender::new(rpc, PrivateKeySigner::random(), config);
        let stop = CancellationToken::new();
        let keeper = tokio::spawn({
            let (sender, stop) = (sender.clone(), stop.clone());
            async move { sender.run(stop).await }
        });
        let order = Order::new(Call::transfer(Address::ZERO, 1.try_into().expect("one")));
        let tag = order.tag.clone();
        timeout(LONG, sender.deliver(order)).await.expect("in time").expect("it is mined");
        let asked = async {
            while (forgets && sender.live(&tag)) || !forgets && looks.load(SeqCst) < 3 * chains.len() as u64 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(LONG, asked).await.is_ok();
        assert!(
            in_time,
            "it is not asked what is final, or not believed: {chains:?} {looks:?} {:?}",
            sender.status()
        );
        assert_eq!(sender.live(&tag), !forgets, "{chains:?}");
        stop.cancel();
        keeper.await.expect("no panic").expect("it stops");
    }
}

#[tokio::test]
async fn what_one_endpoint_says_of_gas_funds_and_failure_gives_up_no_proof_if_another_says_otherwise() {
    let code = |method: &str, params: &Value| match method {
        "eth_getCode" => Say::Result(json!("0x")),
        "eth_estimateGas" => Say::Result(json!("0x30d40")),
        "eth_getTransactionReceipt" => Say::Result(receipt(params[0].as_str().unwrap_or_default())),
        _ => sound(method, params),
    };
    let fails = Say::Error(3, "execution reverted", json!("0x08c379a0"));
    let takes = |gas: u64| Say::Result(json!(format!("{gas:#x}")));
    // More than any limit, and nearly that.
    for estimate in [fails, takes(20_000_000), takes(16_000_000)] {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keeps = sent.clone();
        let taking = move |method: &str, params: &Value| {
            if method == "eth_sendRawTransaction" {
                keeps.lock().expect("no panic").push(params[0].as_str().unwrap_or_default().to_owned());
            }
            code(method, params)
        };
        // It has the key for poor, the call for failing or too large, and the tip for a million gwei.
        let (lying, lie) = (taking.clone(), estimate.clone());
        let liar = Fake::new(move |method, params, _| match method {
            "eth_getBalance" => Say::Result(json!("0x0")),
            "eth_estimateGas" => lie.clone(),
            "eth_feeHistory" => Say::Result(json!({
                "oldestBlock": "0x3e7", "baseFeePerGas": ["0x1", "0x1"], "gasUsedRatio": [0.5],
                "reward": [["0x38d7ea4c68000"]],
            })),
            _ => lying(method, params),
        })
        .await;
        let honest = Fake::new(move |method, params, _| taking(method, params)).await;
        let order = |call| Order {
            deadline: Some(u64::MAX),
            budget: Some(U256::from(10_000_000_000_000u64)),
            fallback_gas: Some(600_000),
            ..Order::new(call)
        };
        let call = Call { gas: None, ..Call::transfer(Address::repeat_byte(2), 1.try_into().expect("one")) };
        let config = SenderConfig {
            give_up_after: Duration::from_millis(100),
            ..SenderConfig::new(Duration::from_millis(20))
        };
        if matches!(estimate, Say::Error(..)) {
            let alone = Sender::new(connect(&[&liar], LONG).await, PrivateKeySigner::random(), config);
            let error = alone.deliver(order(call.clone())).await.expect_err("nobody says otherwise");
            assert!(matches!(error, SendError::Reverted { .. }), "{error}");
        }
        let sender = Sender::new(connect(&[&liar, &honest], LONG).await, PrivateKeySigner::random(), config);
        let ended = timeout(LONG, sender.deliver(order(call))).await.expect("in time");
        let raw = sent
            .lock()
            .expect("no panic")
            .first()
            .cloned()
            .unwrap_or_else(|| panic!("nothing was sent: {ended:?}"));
        let raw: Bytes = raw.parse().expect("hex");
        let signed = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("a transaction");
        assert_eq!(signed.gas_limit(), 600_000, "no less than what is known to be enough");
        assert!(signed.max_priority_fee_per_gas().is_some_and(|tip| tip < 1_000), "{signed:?}");
    }
}

#[tokio::test]
async fn what_a_block_has_is_not_signed_again_for_an_endpoint_that_keeps_no_index_of_transactions() {
    let sent = Arc::new(Mutex::new(Vec::<String>::new()));
    let (heads, looks) = (AtomicU64::new(600), Arc::new(AtomicU64::new(0)));
    let (keeps, looked) = (sent.clone(), looks.clone());
    let fake = Fake::new(move |method, params, _| {
        let mut sent = keeps.lock().expect("no panic");
        let height = |text: &Value| u64::from_str_radix(text.as_str()?.strip_prefix("0x")?, 16).ok();
        Say::Result(match (method, params[0].as_str()) {
            ("eth_getBlockByNumber", Some("latest")) => {
                looked.fetch_add(u64::from(!sent.is_empty()), SeqCst);
                block(heads.fetch_add(1, SeqCst))
            }
            ("eth_getBlockByNumber", _) if height(&params[0]) == Some(605) => {
                let mut block = block(605);
                whole(&mut block);
                block["transactions"] = json!(
                    sent.iter()
                        .filter_map(|raw| raw.parse::<Bytes>().ok())
                        .map(keccak256)
                        .collect::<Vec<_>>()
                );
                block
            }
            ("eth_getTransactionCount", _) => {
                let mined = !sent.is_empty() && height(&params[1]).is_none_or(|height| height >= 605);
                json!(if mined { "0x1" } else { "0x0" })
            }
            ("eth_sendRawTransaction", Some(raw)) => {
                sent.push(raw.to_owned());
                return sound(method, params);
            }
            ("eth_getCode", _) => json!("0x"),
            ("eth_getTransactionReceipt" | "eth_getTransactionByHash", _) => Value::Null,
            _ => return sound(method, params),
        })
    })
    .await;
    let config = SenderConfig::new(Duration::from_millis(5));
    let sender = Sender::new(connect(&[&fake], LONG).await, PrivateKeySigner::random(), config);
    let stop = CancellationToken::new();
    let keeper = tokio::spawn({
        let (sender, stop) = (sender.clone(), stop.clone());
        async move { sender.run(stop).await }
    });
    let order = Order::new(Call::transfer(Address::repeat_byte(2), 1.try_into().expect("one")));
    let delivery = tokio::spawn(async move { sender.deliver(order).await });
    let enough = async {
        while looks.load(SeqCst) < 40 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, enough).await.expect("it looks");
    delivery.abort();
    stop.cancel();
    keeper.await.expect("no panic").expect("it stops");
    let mut sent = sent.lock().expect("no panic").clone();
    sent.dedup();
    assert_eq!(sent.len(), 1, "it is there");
}

/// What was broadcast, each once, and the height of the head that was looked at before.
type Broadcasts = Arc<Mutex<Vec<(u64, Bytes)>>>;

/// A chain that mines nothing but an empty transfer, in block 500. Its head is a block higher at each look, so many of them a second;
/// what a call takes is asked of `estimate`, which is told how many transactions were broadcast.
async fn stuck(
    sent: &Broadcasts,
    a_second: u64,
    estimate: impl Fn(usize) -> Say + Send + Sync + 'static,
) -> Fake {
    let (keeps, grown) = (sent.clone(), AtomicU64::new(600));
    Fake::new(move |method, params, _| {
        let mut sent = keeps.lock().expect("no panic");
        let empty = |raw: &Bytes| {
            TxEnvelope::decode_2718(&mut raw.as_ref())
                .is_ok_and(|it| it.value().is_zero() && it.input().is_empty())
        };
        let mined = sent.last().filter(|(_, raw)| empty(raw)).map(|(_, raw)| keccak256(raw).to_string());
        match (method, params[0].as_str()) {
            ("eth_getBlockByNumber", Some("latest")) => {
                let number = grown.fetch_add(1, SeqCst) + 1;
                let mut block = block(number);
                block["timestamp"] = json!(format!("{:#x}", number / a_second));
                Say::Result(block)
            }
            ("eth_getTransactionCount", _) => Say::Result(json!(if mined.is_some() { "0x1" } else { "0x0" })),
            ("eth_sendRawTransaction", Some(raw)) => {
                let raw: Bytes = raw.parse().expect("hex");
                let hash = keccak256(&raw);
                if sent.iter().all(|(_, before)| *before != raw) {
                    sent.push((grown.load(SeqCst), raw));
                }
                Say::Result(json!(hash))
            }
            ("eth_getTransactionReceipt", Some(hash)) => {
                Say::Result(if mined.as_deref() == Some(hash) { receipt(hash) } else { Value::Null })
            }
            ("eth_estimateGas", _) if params[0]["to"] == params[0]["from"] => Say::Result(json!("0x5208")),
            ("eth_estimateGas", _) => estimate(sent.len()),
            ("eth_getCode", _) => Say::Result(json!("0x")),
            _ => sound(method, params),
        }
    })
    .await
}

fn payment() -> Order {
    Order::new(Call::transfer(Address::repeat_byte(2), U256::from(1)))
}

#[tokio::test]
async fn a_replacement_has_the_limit_that_its_call_needs_now_and_what_would_revert_frees_its_nonce() {
    let sent = Broadcasts::default();
    let fake = stuck(&sent, 1, |sent| match sent {
        0 => Say::Result(json!(format!("{:#x}", 100_000))),
        1 => Say::Result(json!(format!("{:#x}", 300_000))),
        2 => Say::Result(json!(format!("{:#x}", 200_000))),
        3 => Say::refuse(-32000, "insufficient funds for gas * price + value"),
        _ => Say::Error(3, "execution reverted", json!("0x08c379a0")),
    })
    .await;
    let config = SenderConfig::new(Duration::from_millis(5));
    let sender = Sender::new(connect(&[&fake], LONG).await, PrivateKeySigner::random(), config);
    let ended = timeout(LONG, sender.deliver(payment())).await.expect("in time");
    assert!(matches!(ended, Err(SendError::Abandoned { .. })), "{ended:?}");
    let sent = sent.lock().expect("no panic").clone();
    let limits = sent.iter().map(|(_, raw)| {
        let signed = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("a transaction");
        assert_eq!(signed.nonce(), 0);
        signed.gas_limit()
    });
    // A fifth more than the estimate, and what an epoch may take that begins in between; never less than was signed before.
    assert_eq!(limits.collect::<Vec<_>>(), [270_000, 510_000, 510_000, 510_000, 21_000]);
    let status = sender.status();
    let cancelled = Spent { transactions: 1, gas: 21_000, wei: U256::from(21_000) };
    assert_eq!((status.replaced, status.spent), (4, Outlay { cancelled, ..Outlay::default() }));
}

#[tokio::test]
async fn one_endpoint_that_says_that_a_call_takes_more_than_any_limit_cancels_nothing() {
    for gas in [20_000_000_u64, 16_000_000] {
        let sent = Broadcasts::default();
        let lie = Say::Result(json!(format!("{gas:#x}")));
        let liar =
            stuck(&sent, 1, move |sent| if sent == 0 { Say::Result(json!("0x186a0")) } else { lie.clone() })
                .await;
        let honest = stuck(&sent, 1, |_| Say::Result(json!("0x186a0"))).await;
        let config = SenderConfig::new(Duration::from_millis(5));
        let rpc = connect(&[&liar, &honest], LONG).await;
        let sender = Sender::new(rpc, PrivateKeySigner::random(), config);
        let order = Order { fallback_gas: Some(400_000), ..payment() };
        let waiting = tokio::spawn(async move { sender.deliver(order).await });
        timeout(LONG, async {
            while sent.lock().expect("no panic").len() < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it is raised");
        waiting.abort();
        for (_, raw) in sent.lock().expect("no panic").iter() {
            let signed = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("a transaction");
            assert_eq!((signed.gas_limit(), signed.value().is_zero()), (400_000, false));
        }
    }
}

#[tokio::test]
async fn where_blocks_come_quickly_a_transaction_is_given_some_seconds() {
    for (a_second, blocks) in [(1, 4), (4, 16)] {
        let sent = Broadcasts::default();
        let fake = stuck(&sent, a_second, |sent| match sent {
            0 | 1 => Say::Result(json!("0x5208")),
            _ => Say::Error(3, "execution reverted", json!("0x08c379a0")),
        })
        .await;
        let config = SenderConfig::new(Duration::from_millis(5));
        let sender = Sender::new(connect(&[&fake], LONG).await, PrivateKeySigner::random(), config);
        let ended = timeout(LONG, sender.deliver(payment())).await.expect("in time");
        assert!(matches!(ended, Err(SendError::Abandoned { .. })), "{ended:?}");
        let heads: Vec<u64> = sent.lock().expect("no panic").iter().map(|(head, _)| *head).collect();
        assert_eq!(heads.len(), 3, "{heads:?}");
        // Seconds are whole: the last of them may have begun before.
        assert!(heads.windows(2).all(|it| it[1] - it[0] > blocks - a_second), "{a_second}: {heads:?}");
    }
}

/// A block as Arbitrum tells it: its own fields beside the usual ones, and a hash that is the usual fields'.
fn arbitrum_block(number: u64, parent: &Value) -> Value {
    let mut block = block(number);
    whole(&mut block);
    let mut bloom = Bloom::ZERO;
    bloom.accrue(BloomInput::Raw(silent().market().as_slice()));
    let fields = json!({
        "parentHash": parent, "logsBloom": bloom, "baseFeePerGas": "0x989680", "difficulty": "0x1",
        "gasLimit": "0x4000000000000", "extraData": hash(77), "l1BlockNumber": "0x14c1f2a", "sendCount": "0x25b5c",
        "sendRoot": hash(77), "transactions": [hash(901), hash(902)],
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        block[field] = value.clone();
    }
    let header: RpcHeader = serde_json::from_value(block.clone()).expect("a header");
    block["hash"] = json!(header.inner.hash_slow());
    block
}

#[tokio::test]
async fn arbitrum_is_read_and_sent_to_with_the_limit_that_it_estimates() {
    let parent = arbitrum_block(999, &json!(hash(998)));
    let head = arbitrum_block(1_000, &parent["hash"]);
    let (sent, of) = (Arc::new(Mutex::new(Vec::<String>::new())), head["hash"].clone());
    let (keeps, blocks) = (sent.clone(), [parent.clone(), head.clone()]);
    let fake = Fake::new(move |method, params, _| {
        let mut sent = keeps.lock().expect("no panic");
        let receipt = |transaction: &Value, kind: &str| {
            let mut receipt = receipt(transaction.as_str().unwrap_or_default());
            let fields = json!({
                "type": kind, "blockHash": of, "blockNumber": "0x3e8", "l1BlockNumber": "0x14c1f2a",
                "gasUsed": "0x30d40", "gasUsedForL1": "0x2af80", "effectiveGasPrice": "0x989680", "timeboosted": false,
            });
            for (field, value) in fields.as_object().into_iter().flatten() {
                receipt[field] = value.clone();
            }
            receipt
        };
        Say::Result(match (method, params[0].as_str()) {
            ("eth_getBlockByNumber", Some("0x3e7" | "finalized")) => blocks[0].clone(),
            ("eth_getBlockByNumber", _) | ("eth_getBlockByHash", _) => blocks[1].clone(),
            ("eth_getLogs", _) => json!([]),
            // The chain's own transaction at a block's start, and one that came by a message from below.
            ("eth_getBlockReceipts", _) => {
                json!([receipt(&json!(hash(901)), "0x6a"), receipt(&json!(hash(902)), "0x64")])
            }
            ("eth_getCode", Some("0x000000000000000000000000000000000000006c")) => json!("0xfe"),
            ("eth_getCode", _) => json!("0x"),
            // What bytes cost below is in the estimate, and in the gas used.
            ("eth_estimateGas", _) => json!("0x36ee80"),
            ("eth_feeHistory", _) => json!({
                "oldestBlock": "0x3e8", "baseFeePerGas": ["0x989680", "0x989680"], "gasUsedRatio": [0.1],
                "reward": [["0x0"]],
            }),
            ("eth_maxPriorityFeePerGas", _) => json!("0x0"),
            ("eth_getTransactionCount", _) => json!(format!("{:#x}", sent.len())),
            ("eth_sendRawTransaction", Some(raw)) => {
                sent.push(raw.to_owned());
                return sound(method, params);
            }
            ("eth_getTransactionReceipt", Some(_)) => receipt(&params[0], "0x2"),
            _ => return sound(method, params),
        })
    })
    .await;
    let rpc = connect(&[&fake], LONG).await;
    assert_eq!(rpc.data_fees().await.expect("known"), DataFees::InEstimates);
    assert_eq!(rpc.quote().await.expect("a quote"), Quote::new(10_000_000, 0), "no tip is needed");

    let known = rpc.block(999).await.expect("a block").expect("there is one");
    let chain = Chain::unchecked(rpc.clone(), silent(), Currency::asset("", 18).expect("a currency"));
    let mut follower = Follower::new(chain, [known], FollowerConfig::new(Duration::from_millis(20)));
    let update = timeout(LONG, follower.next()).await.expect("in time").expect("it can be read");
    let Update::Block { block: BlockRef { number: 1_000, .. }, events } = update else {
        panic!("{update:?}")
    };
    assert!(events.is_empty() && fake.asked("eth_getBlockReceipts") == 1, "its receipts are read");

    let sender = Sender::new(rpc, PrivateKeySigner::random(), SenderConfig::new(Duration::from_millis(20)));
    // A constant would know nothing of the bytes: it is the least, and not what counts.
    let order = Order {
        fallback_gas: Some(30_000),
        ..Order::new(Call::transfer(Address::repeat_byte(2), U256::from(1)))
    };
    let mined = timeout(LONG, sender.deliver(order)).await.expect("in time").expect("it is mined");
    assert_eq!((mined.gas_used, mined.gas_price, mined.surcharge), (200_000, 10_000_000, U256::ZERO));
    let raw: Bytes = sent.lock().expect("no panic")[0].parse().expect("hex");
    let signed = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("a transaction");
    assert!(signed.gas_limit() > 3_600_000, "{signed:?}");
    assert_eq!((signed.max_fee_per_gas(), signed.max_priority_fee_per_gas()), (20_000_001, Some(1)));
}

#[test]
fn of_estimates_the_most_counts_but_for_what_is_beyond_all_reason() {
    use crate::broadcast::believed;
    assert_eq!(believed(&[200_000, 300_000, 16_000_000], 600_000), Some(300_000));
    assert_eq!(believed(&[200_000, 2_000_000], 600_000), Some(2_000_000), "it may be so");
    assert_eq!(believed(&[9_000_000, 16_000_000], 600_000), Some(9_000_000), "all say it");
    assert_eq!(believed(&[200_000, 16_000_000], 0), Some(16_000_000), "nothing is known of it");
    assert_eq!(believed(&[], 600_000), None);
}

#[tokio::test]
async fn a_command_ends_when_what_became_of_its_transaction_cannot_be_read() {
    let sent = Arc::new(AtomicBool::new(false));
    let fake = Fake::new(move |method, params, _| match method {
        "eth_sendRawTransaction" => {
            sent.store(true, SeqCst);
            sound(method, params)
        }
        "eth_getBlockByNumber" if sent.load(SeqCst) => Say::Result(json!({"number": "0x1"})),
        // Nor is there anything where rollups have what tells their fees.
        "eth_getCode" => Say::Result(json!("0x")),
        _ => sound(method, params),
    })
    .await;
    let rpc = connect(&[&fake], LONG).await;
    let sender = Sender::new(rpc, PrivateKeySigner::random(), SenderConfig::new(Duration::from_millis(20)));
    let error = timeout(LONG, sender.send(Call::transfer(Address::ZERO, 1.try_into().expect("one"))))
        .await
        .expect("it ends")
        .expect_err("nothing can be read");
    let said = error.to_string();
    assert!(matches!(error, SendError::Unseen { kind: "transfer", .. }), "{said}");
    assert!(said.contains("eth_getBlockByNumber") && said.contains("missing field"), "{said}");
}
