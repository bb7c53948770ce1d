//! Endpoints that refuse, hang and talk nonsense.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use alloy::{
    primitives::{Address, B256, Bytes},
    providers::Provider,
    rpc::types::{Filter, TransactionRequest},
};
use tokio::time::{sleep, timeout};

use super::{votes::anchor, *};
use crate::{
    Rpc,
    reads::each_range,
    testing::{Fake, Say, block, connect, sound, whole},
};

/// A bound for failure, not for success.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

/// Codes and words that somebody refuses with, or nobody yet.
const REFUSALS: [(i64, &str); 22] = [
    (-32000, ""),
    (-32000, "internal"),
    (-32001, "resource not found"),
    (-32002, "request timed out"),
    (-32003, "daily request limit reached"),
    (-32004, "method not supported"),
    (-32005, "limit exceeded"),
    (-32007, "50/second request limit reached"),
    (-32011, "no backend is currently healthy to serve traffic"),
    (-32015, "VM execution error."),
    (-32016, "over rate limit"),
    (-32029, ""),
    (-32600, "invalid request"),
    (-32601, "method not found"),
    (-32602, "invalid params"),
    (-32603, "limit reached"),
    (-32700, "parse error"),
    (0, "we can't execute this request"),
    (3, "execution reverted"),
    (429, "your app has exceeded its compute units per second capacity"),
    (35, "timeout on the free tier, please upgrade"),
    (i64::MAX, "nonce too low"),
];

/// What a client asks in a day.
async fn ask_everything(rpc: &Rpc) {
    assert_eq!(rpc.head().await.expect("a head").number, 1_000);
    assert_eq!(rpc.block(7).await.expect("a block").expect("there is one").timestamp, 7);
    assert!(!rpc.balance(Address::ZERO).await.expect("a balance").is_zero());
    assert!(rpc.code_hash(Address::ZERO).await.expect("code").is_some());
    let provider = rpc.provider();
    provider.call(TransactionRequest::default()).await.expect("a call");
    assert_eq!(provider.estimate_gas(TransactionRequest::default()).await.expect("gas"), 21_000);
    provider.get_transaction_count(Address::ZERO).await.expect("a count");
    provider.get_fee_history(1, Default::default(), &[]).await.expect("fees");
    let _ = provider.send_raw_transaction(&Bytes::from_static(&[1])).await.expect("sent");
    let mut logs = 0;
    each_range(rpc, Filter::new(), 1, 1_000, |_| logs += 1).await.expect("logs");
    assert_eq!(logs, 1_000);
}

async fn headers(rpc: &Rpc, heights: std::ops::RangeInclusive<u64>) {
    let view = rpc.trusted().swap_remove(0);
    let headers = timeout(LONG, view.headers_of(heights.clone())).await.expect("in time").expect("headers");
    assert!(headers.iter().map(|header| header.block.number).eq(heights));
}

#[tokio::test]
async fn whatever_the_first_endpoint_refuses_with_the_second_is_asked_and_the_first_is_left() {
    for (code, message) in REFUSALS {
        let refuses = Arc::new(AtomicBool::new(false));
        let now = refuses.clone();
        let first = Fake::new(move |method, params, _| match now.load(SeqCst) {
            true => Say::refuse(code, message),
            false => sound(method, params),
        })
        .await;
        let second = Fake::sound().await;
        let rpc = connect(&[&first, &second], LONG).await;
        refuses.store(true, SeqCst);
        ask_everything(&rpc).await;
        let health = rpc.endpoints();
        assert!(!health[0].up && health[1].up, "{code} {message}: {health:?}");
        assert_eq!((health[0].left_because, health[1].left_because), (Some("failing"), None), "{code}");
        assert!(health[0].last_error.as_ref().is_some_and(|why| why.contains(message)), "{health:?}");
        let asked = first.asked("eth_getBalance");
        rpc.balance(Address::ZERO).await.expect("a balance");
        assert_eq!(first.asked("eth_getBalance"), asked, "it is not asked first any more");
    }
}

#[tokio::test]
async fn where_all_endpoints_refuse_none_is_up_and_the_error_says_what_each_said() {
    for (code, message) in [(-32007, "request limit reached"), (-32000, "out of order"), (-32601, "gone")] {
        let refuses = Arc::new(AtomicBool::new(false));
        let script = |refuses: Arc<AtomicBool>| {
            move |method: &str, params: &Value, _: usize| match refuses.load(SeqCst) {
                true => Say::refuse(code, message),
                false => sound(method, params),
            }
        };
        let fakes = [Fake::new(script(refuses.clone())).await, Fake::new(script(refuses.clone())).await];
        let rpc = connect(&[&fakes[0], &fakes[1]], LONG).await;
        ask_everything(&rpc).await;
        refuses.store(true, SeqCst);
        let error = rpc.balance(Address::ZERO).await.expect_err("both refuse");
        let said = error.to_string();
        assert!(matches!(error, ChainError::Refused { code: found, .. } if found == code), "{said}");
        assert!(said.contains("eth_getBalance") && said.matches(message).count() == 2, "{said}");
        assert!(fakes.iter().all(|fake| said.contains(&fake.url())), "{said}");
        assert!(rpc.endpoints().iter().all(|endpoint| !endpoint.up));
        refuses.store(false, SeqCst);
        rpc.balance(Address::ZERO).await.expect("they are well again");
        assert!(rpc.endpoints()[0].up || rpc.endpoints()[1].up);
    }
}

#[tokio::test]
async fn what_a_contract_says_is_asked_of_nobody_else() {
    let first = Fake::new(|method, params, _| match method {
        "eth_call" => Say::Error(3, "execution reverted", json!("0x08c379a0")),
        _ => sound(method, params),
    })
    .await;
    let second = Fake::sound().await;
    let rpc = connect(&[&first, &second], LONG).await;
    rpc.provider().call(TransactionRequest::default()).await.expect_err("it reverts");
    assert_eq!((first.asked("eth_call"), second.asked("eth_call")), (1, 0));
    assert!(rpc.endpoints()[0].up);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_asked_elsewhere_and_else_named() {
    let broken = |method: &str, params: &Value, _: usize| match method {
        "eth_getBlockByNumber" => {
            let mut block = block(7);
            block.as_object_mut().expect("an object").remove("parentHash");
            Say::Result(block)
        }
        "eth_getBalance" => Say::Result(Value::Null),
        _ => sound(method, params),
    };
    let (first, second) = (Fake::new(broken).await, Fake::sound().await);
    let rpc = connect(&[&first, &second], LONG).await;
    ask_everything(&rpc).await;
    assert!(rpc.endpoints()[0].total_failures >= 2, "{:?}", rpc.endpoints());

    let rpc = connect(&[&first], LONG).await;
    let error = rpc.block(7).await.expect_err("half a block").to_string();
    assert!(error.contains("eth_getBlockByNumber") && error.contains("parentHash"), "{error}");
    let error = rpc.balance(Address::ZERO).await.expect_err("no balance").to_string();
    assert!(error.contains("eth_getBalance") && error.contains("null"), "{error}");
    assert!(!rpc.endpoints()[0].up);
    let view = rpc.trusted().swap_remove(0);
    let error = view.headers_of(1..=3).await.expect_err("half a block").to_string();
    assert!(error.contains("parentHash"), "{error}");
}

#[tokio::test]
async fn what_a_block_lacks_at_one_endpoint_another_tells_and_else_it_is_read_without() {
    let whole = Fake::new(|method, params, _| match (method, sound(method, params)) {
        ("eth_getBlockByNumber", Say::Result(mut block)) if block.is_object() => {
            whole(&mut block);
            Say::Result(block)
        }
        (_, answer) => answer,
    })
    .await;
    let lacking = Fake::sound().await;
    let rpc = connect(&[&lacking, &whole], LONG).await;
    assert_eq!(rpc.mix_hash(7).await.expect("the second has it"), Some(B256::repeat_byte(9)));
    assert!(rpc.endpoints()[0].up, "to lack it is no fault");

    let rpc = connect(&[&lacking], LONG).await;
    assert_eq!(rpc.head().await.expect("a head").number, 1_000);
    headers(&rpc, 1..=10).await;
    let error = rpc.mix_hash(7).await.expect_err("nobody has it").to_string();
    assert!(error.contains("eth_getBlockByNumber") && error.contains("null"), "{error}");
    assert_eq!(rpc.mix_hash(2_000).await.expect("no such block"), None);
}

#[tokio::test]
async fn one_that_hangs_is_passed_over_and_left() {
    let hangs = Arc::new(AtomicBool::new(false));
    let now = hangs.clone();
    let first = Fake::new(move |method, params, _| match now.load(SeqCst) {
        true => Say::Nothing,
        false => sound(method, params),
    })
    .await;
    let second = Fake::sound().await;
    // Half of it is for each.
    let rpc = connect(&[&first, &second], Duration::from_secs(2)).await;
    hangs.store(true, SeqCst);
    rpc.balance(Address::ZERO).await.expect("a balance");
    let health = rpc.endpoints();
    assert!(!health[0].up && health[0].left_because == Some("failing"), "{health:?}");
    assert!(health[0].last_error.as_ref().is_some_and(|why| why.contains("no answer within")), "{health:?}");
    let asked = first.asked("eth_getBalance");
    ask_everything(&rpc).await;
    assert_eq!(first.asked("eth_getBalance"), asked, "once was enough");
}

#[tokio::test]
async fn a_single_one_that_hangs_is_not_up_while_it_hangs() {
    let fake = Fake::new(|method, params, _| match method {
        "eth_getBalance" => Say::Nothing,
        _ => sound(method, params),
    })
    .await;
    let rpc = connect(&[&fake], LONG * 10).await;
    assert!(rpc.endpoints()[0].up);
    let asks = rpc.clone();
    let waits = tokio::spawn(async move { asks.balance(Address::ZERO).await });
    timeout(LONG, async {
        while rpc.endpoints()[0].up {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("it is noticed");
    assert!(!waits.is_finished(), "long before the request is given up");
    waits.abort();
}

#[tokio::test]
async fn of_a_batch_the_answered_are_kept_and_the_rest_is_asked_again() {
    let few = Fake::new(|method, params, at| match (method, at) {
        ("eth_getBlockByNumber", 20..) => Say::refuse(-32000, "batch element beyond what is served"),
        _ => sound(method, params),
    })
    .await;
    let rpc = connect(&[&few], LONG).await;
    headers(&rpc, 1..=600).await;
    assert!(few.asked("eth_getBlockByNumber") < 800, "{} for 600", few.asked("eth_getBlockByNumber"));

    // In no order.
    let asked = AtomicU64::new(0);
    let some = Fake::new(move |method, params, _| match method {
        "eth_getBlockByNumber" if asked.fetch_add(1, SeqCst).is_multiple_of(3) => Say::refuse(-32000, "busy"),
        _ => sound(method, params),
    })
    .await;
    headers(&connect(&[&some], LONG).await, 1..=200).await;

    // None at all.
    let single = Fake::new(|method, params, at| match (method, at) {
        ("eth_getBlockByNumber", 1..) => Say::refuse(-32600, "one at a time"),
        _ => sound(method, params),
    })
    .await;
    headers(&connect(&[&single], LONG).await, 1..=100).await;
}

#[tokio::test]
async fn twenty_five_blocks_a_second_are_enough_to_get_them_all() {
    for message in ["25/second request limit reached", ""] {
        let window = Mutex::new((Instant::now(), 0));
        let fake = Fake::new(move |method, params, _| {
            if method != "eth_getBlockByNumber" {
                return sound(method, params);
            }
            let mut window = lock(&window);
            if window.0.elapsed() >= Duration::from_secs(1) {
                *window = (Instant::now(), 0);
            }
            window.1 += 1;
            if window.1 > 25 { Say::refuse(-32007, message) } else { sound(method, params) }
        })
        .await;
        headers(&connect(&[&fake], LONG).await, 1..=100).await;
    }
}

#[tokio::test]
async fn a_range_that_was_refused_is_remembered() {
    let refused = Arc::new(AtomicU64::new(0));
    let counts = refused.clone();
    let fake = Fake::new(move |method, params, _| match sound(method, params) {
        Say::Result(Value::Array(logs)) if logs.len() > 10 => {
            counts.fetch_add(1, SeqCst);
            Say::refuse(-32000, "up to a 10 block range")
        }
        answer => answer,
    })
    .await;
    let rpc = connect(&[&fake], LONG).await;
    for _ in 0..4 {
        let mut logs = 0;
        each_range(&rpc, Filter::new(), 1, 1_000, |_| logs += 1).await.expect("logs");
        assert_eq!(logs, 1_000);
    }
    let (asked, refused) = (fake.asked("eth_getLogs"), refused.load(SeqCst));
    assert!(refused <= 25 && asked <= 480, "{refused} of {asked} refused");
    assert!(rpc.endpoints()[0].up);
}

/// One that keeps nothing of what lies below this height.
async fn pruned_below(height: u64, (code, message): (i64, &'static str)) -> Fake {
    Fake::new(move |method, params, _| {
        let asked = match method {
            "eth_getBlockByNumber" => &params[0],
            "eth_getLogs" => &params[0]["fromBlock"],
            _ => return sound(method, params),
        };
        let hex = asked.as_str().and_then(|text| text.strip_prefix("0x"));
        match hex.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            Some(asked) if asked < height => Say::refuse(code, message),
            _ => sound(method, params),
        }
    })
    .await
}

const EXPIRED: [(i64, &str); 3] = [
    (4444, "Pruned history unavailable"),
    (-32701, "History has been pruned for this block"),
    (-32000, "old data not available due to pruning: block range extends beyond available history"),
];

#[tokio::test]
async fn what_one_endpoint_no_longer_keeps_another_is_asked_for_and_the_first_stays_the_first() {
    for refusal in EXPIRED {
        let (pruned, archive) = (pruned_below(900, refusal).await, Fake::sound().await);
        let rpc = connect(&[&pruned, &archive], LONG).await;
        for _ in 0..5 {
            assert_eq!(rpc.head().await.expect("a head").number, 1_000);
            assert_eq!(rpc.block(7).await.expect("the second has it").expect("a block").timestamp, 7);
            let mut logs = 0;
            each_range(&rpc, Filter::new(), 1, 1_000, |_| logs += 1).await.expect("the second has them");
            assert_eq!(logs, 1_000);
        }
        let health = rpc.endpoints();
        assert!(health.iter().all(|endpoint| endpoint.up && endpoint.left_because.is_none()), "{health:?}");
        assert_eq!(health[0].total_failures, 0, "{refusal:?}");
        let asked = archive.asked("eth_getLogs");
        each_range(&rpc, Filter::new(), 950, 1_000, |_| ()).await.expect("logs");
        assert_eq!(archive.asked("eth_getLogs"), asked, "what is recent the first tells, in one piece");
        assert_eq!(rpc.pool().range_size(0), RANGE, "it was not asked for too much at once");
    }
}

#[tokio::test]
async fn where_no_endpoint_keeps_what_is_asked_for_the_error_says_so_and_what_to_add() {
    for refusal in EXPIRED {
        let fakes = [pruned_below(900, refusal).await, pruned_below(800, refusal).await];
        let rpc = connect(&[&fakes[0], &fakes[1]], LONG).await;
        let asked = rpc.block(7).await.map(|_| ());
        let logs = each_range(&rpc, Filter::new(), 1, 1_000, |_| ()).await;
        let view = rpc.trusted().swap_remove(0);
        let headers = view.headers_of(1..=600).await.map(|_| ());
        assert!(fakes[0].asked("eth_getBlockByNumber") <= 102, "a batch is not asked again in pieces");
        for error in [asked, logs, headers].map(|answer| answer.expect_err("nobody has it")) {
            let said = error.to_string();
            assert!(matches!(error, ChainError::Pruned { .. }) && error.is_transient(), "{said}");
            assert!(said.contains("archive node") && said.contains(refusal.1), "{said}");
        }
        assert_eq!(rpc.head().await.expect("a head").number, 1_000);
        assert!(rpc.endpoints().iter().all(|endpoint| endpoint.up && endpoint.total_failures == 0));
    }
}

#[tokio::test]
async fn an_endpoint_that_keeps_nothing_at_all_is_left_like_any_that_fails() {
    let refuses = Arc::new(AtomicBool::new(false));
    let now = refuses.clone();
    let first = Fake::new(move |method, params, _| match now.load(SeqCst) {
        true => Say::refuse(4444, "Pruned history unavailable"),
        false => sound(method, params),
    })
    .await;
    let second = Fake::sound().await;
    let rpc = connect(&[&first, &second], LONG).await;
    refuses.store(true, SeqCst);
    ask_everything(&rpc).await;
    assert_eq!(rpc.endpoints()[0].left_because, Some("failing"), "{:?}", rpc.endpoints());
}

/// One that says so to every request while the switch is on, and then to the first `times`.
async fn busy(status: u16, told: &'static str, times: u64) -> (Fake, Arc<AtomicBool>) {
    let (is_busy, said) = (Arc::new(AtomicBool::new(false)), AtomicU64::new(0));
    let now = is_busy.clone();
    let fake = Fake::new(move |method, params, _| {
        if now.load(SeqCst) && said.fetch_add(1, SeqCst) < times {
            Say::Later(status, told)
        } else {
            sound(method, params)
        }
    })
    .await;
    (fake, is_busy)
}

#[tokio::test]
async fn one_that_asks_to_be_left_alone_is_asked_nothing_for_so_long_while_there_is_another() {
    for status in [429, 503] {
        let (first, is_busy) = busy(status, "3600", u64::MAX).await;
        let second = Fake::sound().await;
        let rpc = connect(&[&first, &second], LONG).await;
        is_busy.store(true, SeqCst);
        rpc.balance(Address::ZERO).await.expect("the second answers");
        let health = rpc.endpoints();
        assert_eq!((health[0].up, health[0].left_because), (false, Some("resting")), "{health:?}");
        assert!(health[0].last_error.as_ref().is_some_and(|why| why.contains("for 60 s")), "{health:?}");
        let asked = first.asked_in_all();
        ask_everything(&rpc).await;
        rpc.look(&BTreeMap::new()).await;
        rpc.spread(&Bytes::from_static(&[1])).await;
        let error =
            rpc.view(0).expect("an endpoint").headers_of(1..=3).await.expect_err("it rests").to_string();
        assert!(error.contains("left alone"), "{error}");
        assert_eq!(first.asked_in_all(), asked, "nothing more");
    }
}

#[tokio::test]
async fn the_only_one_that_asks_to_be_left_alone_is_waited_for() {
    let (fake, is_busy) = busy(429, "1", 1).await;
    // However short the time for an answer is.
    let rpc = connect(&[&fake], SHORT).await;
    is_busy.store(true, SeqCst);
    let since = Instant::now();
    rpc.balance(Address::ZERO).await.expect("it answers then");
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert_eq!(fake.asked("eth_getBalance"), 2);
    assert!(rpc.endpoints()[0].up && rpc.endpoints()[0].left_because.is_none());

    let (fake, is_busy) = busy(503, "1", 1).await;
    let rpc = connect(&[&fake], SHORT).await;
    is_busy.store(true, SeqCst);
    let since = Instant::now();
    let view = rpc.trusted().swap_remove(0);
    assert_eq!(view.headers_of(1..=3).await.expect("it answers then").len(), 3);
    assert!(since.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn where_all_ask_to_be_left_alone_the_first_that_may_be_asked_is_waited_for() {
    for reversed in [false, true] {
        let (long, long_busy) = busy(429, "60", u64::MAX).await;
        let (short, short_busy) = busy(429, "1", 1).await;
        let fakes = if reversed { [&short, &long] } else { [&long, &short] };
        let rpc = connect(&fakes, LONG).await;
        [long_busy, short_busy].iter().for_each(|busy| busy.store(true, SeqCst));
        rpc.balance(Address::ZERO).await.expect("one answers then");
        assert_eq!((long.asked("eth_getBalance"), short.asked("eth_getBalance")), (1, 2), "{reversed}");
    }
}

/// One that says this when it is asked what is final, and else all.
async fn finally(code: i64, message: &'static str) -> Fake {
    Fake::new(move |method, params, _| match params[0] == "finalized" {
        true => Say::refuse(code, message),
        false => sound(method, params),
    })
    .await
}

#[tokio::test]
async fn only_an_answer_about_the_request_says_that_a_chain_finalizes_nothing() {
    use crate::finality::Finality;
    for (code, message, lacks) in [
        (-32602, "Invalid params", true),
        (-39001, "Unknown block", true),
        (-32005, "limit exceeded", false),
        (429, "too many requests", false),
        (-32603, "Internal error", false),
        (-32000, "no backend is currently healthy", false),
    ] {
        let fake = finally(code, message).await;
        let rpc = connect(&[&fake], LONG).await;
        let head = rpc.head().await.expect("a head");
        let told = rpc.view(0).expect("an endpoint").finality(&head).await;
        assert_eq!(told.as_ref().is_ok_and(|told| *told == Finality::Unknown), lacks, "{message}: {told:?}");
        assert!(told.is_ok() || told.is_err_and(|error| error.is_transient()), "{message}");
        assert_eq!(rpc.endpoints()[0].total_failures == 0, lacks, "{message}");
    }

    // One that refuses it for ever, and nothing else, holds nobody up for ever.
    for (code, message, most) in
        [(-32603, "Internal error", UNTOLD), (-32005, "limit exceeded", UNTOLD_AT_THIS_RATE)]
    {
        let fake = finally(code, message).await;
        let rpc = connect(&[&fake], LONG).await;
        let head = rpc.head().await.expect("a head");
        let mut refused = 0;
        while rpc.view(0).expect("an endpoint").finality(&head).await.is_err() {
            refused += 1;
        }
        assert_eq!(refused, most, "{message}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_short() {
    let fake = Fake::new(|_, _, _| Say::Result(json!("1".repeat(100_000)))).await;
    let packet = request("eth_getLogs", json!([])).expect("a request");
    let wire = |longest| Wire::new(&fake.url(), SHORT * 10, longest).expect("a URL");
    assert_eq!(wire(10_000).post(&packet).await.expect_err("too long"), Fault::TooLong(10_000));
    wire(200_000).post(&packet).await.expect("it fits");
}

#[test]
fn endpoints_are_compared_below_the_median_head() {
    assert_eq!(anchor(&[]), None);
    assert_eq!(anchor(&[(0, 2)]), None);
    assert_eq!(anchor(&[(0, 100)]), Some(97));
    assert_eq!(anchor(&[(0, 100), (1, 5000)]), Some(97));
    assert_eq!(anchor(&[(0, 100), (1, 5000), (2, 5001)]), Some(4997));
    assert_eq!(anchor(&[(0, 9000), (1, 5000), (2, 5001)]), Some(4998));
}

#[test]
fn one_that_was_caught_does_not_clear_itself() {
    let urls = ["http://127.0.0.1:1".to_string(), "http://127.0.0.1:2".to_string()];
    let pool = Pool::new(&urls, Duration::from_secs(1)).expect("URLs");
    let (ours, theirs) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let both = judge::judge(&[(0, ours), (1, theirs)], Some(ours));
    (0..3).for_each(|_| pool.apply(&both, Some(ours)));
    assert_eq!(pool.health()[1].left_because, Some("contradicting"));
    assert_eq!(pool.trusted(), [0]);
    pool.apply(&judge::judge(&[(1, theirs)], Some(ours)), Some(ours));
    assert_eq!(pool.trusted(), [0]);
    pool.apply(&judge::judge(&[(1, ours)], Some(ours)), Some(ours));
    assert_eq!(pool.trusted(), [0, 1]);
}
