use std::time::Duration;

use alloy::primitives::B256;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::fake::{Fake, Say, connect, silent, sound};

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
    let chain = Chain::unchecked(connect(fakes, LONG).await, silent());
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
        Follower::new(Chain::unchecked(rpc, silent()), [], FollowerConfig::new(Duration::from_millis(20)));
    let found = timeout(Duration::from_secs(20), follower.advance()).await.expect("it is not waited for");
    assert!(found.expect("the first has told it"));
    assert_eq!(last_read(&follower).map(|(number, _)| number), Some(744));
    let left = follower.chain.rpc().endpoints();
    assert_eq!((left[0].left_because, left[1].left_because), (None, Some("failing")), "{left:?}");
}
