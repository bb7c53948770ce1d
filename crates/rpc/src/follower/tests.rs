use std::time::Duration;

use alloy::primitives::B256;
use provery_types::Event;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::testing::{Fake, Say, connect, silent, sound};

const LONG: Duration = Duration::from_secs(60);

/// A chain in which our contracts say nothing.
fn quiet(method: &str, params: &Value) -> Say {
    match method {
        "eth_getLogs" => Say::Result(json!([])),
        _ => sound(method, params),
    }
}

/// The same up to block 500, and another from there on.
fn forged(method: &str, params: &Value) -> Say {
    let said = quiet(method, params);
    match said {
        Say::Result(mut block) if method == "eth_getBlockByNumber" && block["number"].is_string() => {
            let number = u64::from_str_radix(&block["number"].as_str().expect("a number")[2..], 16);
            if number.expect("hex") >= 500 {
                block["hash"] = json!(B256::repeat_byte(0xee));
            }
            Say::Result(block)
        }
        said => said,
    }
}

async fn follower(fakes: &[&Fake], cursor: impl IntoIterator<Item = BlockRef>) -> Follower {
    let chain = crate::testing::unchecked(connect(fakes, LONG).await);
    Follower::new(chain, cursor, FollowerConfig::new(Duration::from_millis(20)))
}

fn last_read(follower: &Follower) -> Option<(u64, B256)> {
    match follower.ready.back()? {
        Update::Range(blocks) => blocks.last().map(|(block, _)| (block.number, block.hash)),
        _ => None,
    }
}

#[tokio::test]
async fn the_end_of_a_range_is_not_believed_of_one_endpoint_that_another_contradicts() {
    let liar = Fake::new(|method, params, _| forged(method, params)).await;
    let honest = Fake::new(|method, params, _| quiet(method, params)).await;
    for fakes in [[&liar, &honest], [&honest, &liar]] {
        let mut follower = follower(&fakes, []).await;
        let error = follower.advance().await.expect_err("nobody can say who is right").to_string();
        assert!(fakes.iter().all(|fake| error.contains(&fake.url())), "it names both: {error}");
        assert_eq!(last_read(&follower), None, "and nothing is read");
        // Nor is what the deployment said before it grew.
        let error = follower.read_past(&follower.chain.rpc().trusted()[0], Past { next: 1, to: 700 }).await;
        assert!(matches!(error, Err(ChainError::Inconsistent { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn of_three_the_two_that_agree_on_the_end_of_a_range_are_followed() {
    let liar = Fake::new(|method, params, _| forged(method, params)).await;
    let [one, other] =
        [Fake::new(|method, params, _| quiet(method, params)).await, Fake::new(|m, p, _| quiet(m, p)).await];
    let mut follower = follower(&[&liar, &one, &other], []).await;
    assert!(follower.advance().await.expect("the others agree"));
    assert_eq!(last_read(&follower), Some((744, B256::from(alloy::primitives::U256::from(744)))));
    assert!(follower.chain.rpc().trusted().iter().all(|view| view.at() != 0), "it is not followed any more");
}

#[tokio::test]
async fn a_second_opinion_that_does_not_come_is_not_waited_for() {
    let first = Fake::new(|method, params, _| quiet(method, params)).await;
    // It tells little at a time, and takes long for each: no single answer is late.
    let asked = std::sync::atomic::AtomicU64::new(0);
    let slow = Fake::new(move |method, params, _| match method {
        "eth_getLogs" => {
            asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
            let from = params[0]["fromBlock"].as_str().map_or(0, |text| text.len());
            let wide = params[0]["fromBlock"] != params[0]["toBlock"];
            if wide && from > 0 { Say::refuse(-32005, "block range too wide") } else { quiet(method, params) }
        }
        _ => quiet(method, params),
    })
    .await;
    let rpc = connect(&[&first, &slow], Duration::from_secs(2)).await;
    let mut follower =
        Follower::new(crate::testing::unchecked(rpc), [], FollowerConfig::new(Duration::from_millis(20)));
    let found = timeout(Duration::from_secs(20), follower.advance()).await.expect("it is not waited for");
    assert!(found.expect("the first has told it"));
    assert_eq!(last_read(&follower).map(|(number, _)| number), Some(744));
    let left = follower.chain.rpc().endpoints();
    assert_eq!((left[0].left_because, left[1].left_because), (None, Some("failing")), "{left:?}");
}

/// The same, in which our registry says this in block 1000.
fn saying(uri: &str) -> impl Fn(&str, &Value, usize) -> Say + use<> {
    let log = set_uri(&silent(), uri);
    move |method, params, _| match method {
        "eth_getLogs" if params[0]["blockHash"] == json!(crate::testing::hash(1_000)) => {
            Say::Result(json!([log]))
        }
        _ => quiet(method, params),
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_had_from_every_other_endpoint_before_it_is_sure() {
    let number = |number: u64| B256::from(alloy::primitives::U256::from(number));
    let at = |at: u64| BlockRef { number: at, hash: number(at), parent_hash: number(at - 1), timestamp: at };
    let [liar, also] = [Fake::new(saying("nonsense")).await, Fake::new(saying("nonsense")).await];
    let honest = Fake::new(saying("sense")).await;
    let down = Fake::new(|method, params, _| match method {
        "eth_chainId" => quiet(method, params),
        _ => Say::refuse(-32603, "internal error"),
    })
    .await;
    for (fakes, doubts) in [
        (vec![&liar, &honest], vec![false, true]),
        (vec![&liar, &also, &honest], vec![false, false, true]),
        // All tell it alike, or nobody else tells anything in the end.
        (vec![&liar, &also], vec![false, false, false]),
        (vec![&liar, &down], vec![false, false]),
        (vec![&liar], vec![false]),
    ] {
        let mut follower = follower(&fakes, [at(999)]).await;
        let mut told = Vec::new();
        loop {
            let update = timeout(LONG, follower.next()).await.expect("in time").expect("an update");
            let Update::Block { block, events } = update else { panic!("{update:?}") };
            assert_eq!(block.number, 1_000);
            let is_sense = matches!(&events[0].event, Event::UriSet { uri, .. } if uri == "sense");
            told.push(is_sense);
            if is_sense || follower.is_sure() {
                break;
            }
            follower.doubt();
        }
        assert_eq!(told, doubts);
        follower.stored();
        assert_eq!(follower.is_sure(), fakes.len() == 1, "of the next it is not");
    }
}

/// The chain of [`sound`], whose blooms name everybody, and in which our registry says something in block 1000: told only once
/// it was asked for a range of blocks.
fn late(deployment: &provery_types::Deployment) -> impl Fn(&str, &Value, usize) -> Say + use<> {
    let log = set_uri(deployment, "a");
    let is_there = std::sync::atomic::AtomicBool::new(false);
    move |method, params, _| {
        let by_hash = &params[0]["blockHash"];
        if method == "eth_getLogs" && by_hash.is_null() {
            is_there.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        let of_it = by_hash.is_null() || *by_hash == json!(crate::testing::hash(1_000));
        match method {
            "eth_getLogs" if of_it && is_there.load(std::sync::atomic::Ordering::SeqCst) => {
                Say::Result(json!([log]))
            }
            _ => quiet(method, params),
        }
    }
}

/// What our registry says in block 1000, as endpoints tell it.
fn set_uri(deployment: &provery_types::Deployment, uri: &str) -> Value {
    use alloy::sol_types::SolEvent as _;
    use provery_bindings::ProverRegistry::UriSet;
    let is_registry = |source: &provery_types::Source| *source == provery_types::Source::Registry;
    let registry =
        deployment.sources().into_iter().find(|(_, source)| is_registry(source)).expect("a registry").0;
    let set = UriSet { prover: alloy::primitives::Address::ZERO, uri: uri.to_owned() };
    json!({
        "address": registry, "topics": set.encode_topics().iter().map(|topic| topic.0).collect::<Vec<_>>(),
        "data": alloy::primitives::Bytes::from(set.encode_data()), "blockNumber": "0x3e8", "blockHash": crate::testing::hash(1_000),
        "transactionHash": crate::testing::hash(1), "transactionIndex": "0x0", "logIndex": "0x0", "removed": false,
    })
}

#[tokio::test]
async fn logs_that_come_late_on_a_chain_whose_blooms_name_everybody_are_told_in_the_end() {
    let fake = Fake::new(late(&silent())).await;
    let mut config = FollowerConfig::new(Duration::from_millis(20));
    config.again = Duration::from_millis(200);
    let at = |number: u64| BlockRef {
        number,
        hash: B256::from(alloy::primitives::U256::from(number)),
        parent_hash: B256::from(alloy::primitives::U256::from(number - 1)),
        timestamp: number,
    };
    let chain = crate::testing::unchecked(connect(&[&fake], LONG).await);
    let mut follower = Follower::new(chain, [at(998)], config);
    let mut told = Vec::new();
    for _ in 0..4 {
        let update = timeout(LONG, follower.next()).await.expect("in time").expect("an update");
        follower.stored();
        told.push(match update {
            Update::Block { block, events } => (block.number, events.len()),
            Update::Reorg { to } => (to.number, usize::MAX),
            update => panic!("{update:?}"),
        });
    }
    assert_eq!(told, [(999, 0), (1_000, 0), (999, usize::MAX), (1_000, 1)]);
    assert_eq!(follower.health().borrow().reorgs, 0, "the chain is the same");
}
