//! A small HTTP relay in front of a node that can be told what to do wrong.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{Address, Bloom, BloomInput};
use eyre::{Result, eyre};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::dialect::Dialect;

/// What a relay does wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Connections are closed before an answer.
    pub refuse: bool,
    /// Every answer is this HTTP status.
    pub status: Option<u16>,
    /// Half of every answer is missing.
    pub truncate: bool,
    /// No range and no block has logs.
    pub empty_logs: bool,
    /// Logs, and those of receipts, say this in their data where they say the other, both in hex digits.
    pub misquotes: Option<(String, String)>,
    /// Every bloom names everybody, and so shows nothing.
    pub crowded: bool,
    /// Nothing of what the contracts said in this block is told.
    pub hidden: Option<u64>,
    /// Blocks have no receipts.
    pub no_receipts: bool,
    /// More than one request at once is refused.
    pub no_batches: bool,
    /// Blocks above this height are unknown.
    pub behind: Option<u64>,
    /// Blocks below this height, and their logs and receipts, are no longer kept.
    pub pruned: Option<u64>,
    /// Every other question for the newest block is answered with one that is so much older.
    pub stale: u64,
    /// Every block carries the same `prevrandao`, as on several rollups.
    pub constant_randomness: bool,
    /// So many blocks each carry the same `prevrandao`, as on the OP Stack.
    pub shared_randomness: Option<NonZeroU64>,
    /// The newest block is from so many seconds later than it is.
    pub future: u64,
    /// Every block's bloom names these contracts, too.
    pub named: Vec<Address>,
    /// A block's logs are not told by its hash.
    pub no_logs_by_hash: bool,
    /// Everything, or these methods, are refused with this code and message.
    pub refusal: Option<(i64, String)>,
    pub refused: Vec<&'static str>,
    /// Of a batch only so many are answered, the first.
    pub answered: Option<usize>,
    /// Blocks have neither bloom nor `prevrandao`.
    pub lacking: bool,
    /// Another node is asked: its port.
    pub instead: Option<u16>,
    /// Nothing wrong: only unlike anvil.
    pub dialect: Dialect,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Faults,
    asked: BTreeMap<String, u64>,
}

/// A relay on a free port.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relay {
    pub async fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let all = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = all.clone();
                // A connection that breaks is what it was told to do, or the client's doing.
                tokio::spawn(async move { serve(stream, target, &shared).await.ok() });
            }
        });
        Ok(Self { port, shared, task })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Do this wrong from now on, and nothing else.
    pub fn set(&self, faults: Faults) {
        lock(&self.shared).faults = faults;
    }

    /// Do everything right again.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// How often a method, or the block "latest", was asked for.
    pub fn asked(&self, method: &str) -> u64 {
        lock(&self.shared).asked.get(method).copied().unwrap_or_default()
    }

    /// HTTP requests so far.
    pub fn requests(&self) -> u64 {
        self.asked("")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, target: u16, shared: &Mutex<Shared>) -> Result<()> {
    let request: Value = serde_json::from_slice(&body(&mut stream).await?)?;
    let faults = {
        let mut shared = lock(shared);
        *shared.asked.entry(String::new()).or_default() += 1;
        shared.faults.clone()
    };
    if faults.refuse {
        return Ok(());
    }
    if let Some(status) = faults.status {
        return write(&mut stream, status, b"no").await;
    }
    let is_batch = request.is_array();
    let answer = if is_batch && faults.no_batches {
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "one at a time"}})
    } else {
        let mut answers = Vec::new();
        let target = faults.instead.unwrap_or(target);
        let requests = if let Value::Array(requests) = request { requests } else { vec![request] };
        // Rewritten before they are passed on, so that a batch stays one.
        let mut passed = Vec::new();
        for mut request in requests {
            let method = request["method"].as_str().unwrap_or_default().to_string();
            let stale = {
                let mut shared = lock(shared);
                *shared.asked.entry(method.clone()).or_default() += 1;
                if request["params"][0]["blockHash"].is_string() {
                    *shared.asked.entry(format!("{method} by hash")).or_default() += 1;
                }
                let is_latest = request["params"][0] == "latest";
                if is_latest {
                    *shared.asked.entry("latest".to_string()).or_default() += 1;
                }
                is_latest && faults.stale > 0 && shared.asked["latest"].is_multiple_of(2)
            };
            if stale || (faults.behind.is_some() && request["params"][0] == "latest") {
                let head = head(target).await?;
                let height = faults.behind.unwrap_or(head).min(head).saturating_sub(faults.stale);
                request["params"][0] = format!("{height:#x}").into();
            }
            passed.push((method, request));
        }
        let requests: Vec<&Value> = passed.iter().map(|(_, request)| request).collect();
        let found = forward(target, &json!(requests)).await?;
        for (at, (method, request)) in passed.iter().enumerate() {
            let mut answer = found
                .as_array()
                .and_then(|found| found.iter().find(|answer| answer["id"] == request["id"]))
                .cloned()
                .ok_or_else(|| eyre!("the node left out an answer"))?;
            spoil(&faults, method, request, &mut answer);
            faults.dialect.speak(method, request, &mut answer);
            faults.pruned.into_iter().for_each(|below| prune(below, method, request, &mut answer));
            refuse(&faults, method, at, &mut answer);
            answers.push(answer);
        }
        if is_batch { Value::Array(answers) } else { answers.swap_remove(0) }
    };
    let mut text = answer.to_string().into_bytes();
    if faults.truncate {
        text.truncate(text.len() / 2);
    }
    write(&mut stream, 200, &text).await
}

fn prune(below: u64, method: &str, request: &Value, answer: &mut Value) {
    let height = match method {
        "eth_getBlockByNumber" => &request["params"][0],
        "eth_getLogs" => &request["params"][0]["fromBlock"],
        "eth_getBlockReceipts" => &answer["result"][0]["blockNumber"],
        _ => &Value::Null,
    };
    let height = height.as_str().and_then(|hex| u64::from_str_radix(hex.strip_prefix("0x")?, 16).ok());
    if height.is_some_and(|height| height < below) {
        let error = json!({"code": 4444, "message": "Pruned history unavailable"});
        *answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
    }
}

fn refuse(faults: &Faults, method: &str, at: usize, answer: &mut Value) {
    let meant = faults.refused.is_empty() || faults.refused.contains(&method);
    let why = faults.refusal.as_ref().filter(|_| meant).map(|(code, message)| (*code, message.as_str()));
    let beyond = faults.answered.filter(|most| at >= *most).map(|_| (-32000, "beyond what is answered"));
    if let Some((code, message)) = why.or(beyond) {
        *answer = json!({"jsonrpc": "2.0", "id": answer["id"], "error": {"code": code, "message": message}});
    }
}

fn spoil(faults: &Faults, method: &str, request: &Value, answer: &mut Value) {
    let unknown = |height: &str| {
        let height = u64::from_str_radix(height.trim_start_matches("0x"), 16).unwrap_or_default();
        faults.behind.is_some_and(|most| height > most)
    };
    if method == "eth_getBlockByNumber" && request["params"][0] == "latest" && faults.future > 0 {
        let time = answer["result"]["timestamp"].as_str().unwrap_or_default();
        let time = u64::from_str_radix(time.trim_start_matches("0x"), 16).unwrap_or_default();
        answer["result"]["timestamp"] = format!("{:#x}", time + faults.future).into();
    }
    if method.starts_with("eth_getBlockBy")
        && !faults.named.is_empty()
        && let Some(bloom) = answer["result"]["logsBloom"].as_str()
    {
        let mut bloom: Bloom = bloom.parse().unwrap_or_default();
        faults.named.iter().for_each(|it| bloom.accrue(BloomInput::Raw(it.as_slice())));
        answer["result"]["logsBloom"] = json!(bloom);
    }
    if method == "eth_getBlockByNumber"
        && let Some(blocks) = faults.shared_randomness
        && let Some(number) = answer["result"]["number"].as_str()
    {
        let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap_or_default();
        answer["result"]["mixHash"] = format!("{:#066x}", number / blocks + 1).into();
    }
    if matches!(method, "eth_getLogs" | "eth_getBlockReceipts")
        && let Some((truth, lie)) = &faults.misquotes
        && let Ok(altered) = serde_json::from_str(&answer["result"].to_string().replace(truth, lie))
    {
        answer["result"] = altered;
    }
    if faults.crowded && method.starts_with("eth_getBlockBy") && answer["result"].is_object() {
        answer["result"]["logsBloom"] = json!(Bloom::repeat_byte(0xff));
    }
    if let Some(hidden) = faults.hidden {
        hide(hidden, method, answer);
    }
    match method {
        "eth_getLogs" if faults.no_logs_by_hash && request["params"][0]["blockHash"].is_string() => {
            *answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32602, "message": "give fromBlock"}});
        }
        "eth_getLogs" if faults.empty_logs && answer["error"].is_null() => answer["result"] = json!([]),
        "eth_getBlockByNumber" | "eth_getBlockByHash" if faults.lacking && answer["result"].is_object() => {
            answer["result"]["logsBloom"] = Value::Null;
            answer["result"]["mixHash"] = Value::Null;
        }
        "eth_getBlockByNumber" | "eth_getBlockByHash"
            if faults.constant_randomness && answer["result"].is_object() =>
        {
            answer["result"]["mixHash"] = format!("0x{}", "11".repeat(32)).into();
        }
        "eth_getBlockReceipts" if faults.no_receipts => answer["result"] = Value::Null,
        "eth_getBlockByNumber" if request["params"][0].as_str().is_some_and(unknown) => {
            answer["result"] = Value::Null;
        }
        "eth_blockNumber" => {
            if let Some(most) = faults.behind {
                answer["result"] = format!("{most:#x}").into();
            }
        }
        _ => {}
    }
}

fn hide(hidden: u64, method: &str, answer: &mut Value) {
    let is_hidden = |number: &Value| number.as_str() == Some(format!("{hidden:#x}").as_str());
    let result = &mut answer["result"];
    match method {
        "eth_getLogs" => {
            if let Some(logs) = result.as_array_mut() {
                logs.retain(|log| !is_hidden(&log["blockNumber"]));
            }
        }
        "eth_getBlockReceipts"
            if result
                .as_array()
                .is_some_and(|all| all.first().is_some_and(|receipt| is_hidden(&receipt["blockNumber"]))) =>
        {
            *result = json!([])
        }
        _ => {}
    }
}

async fn head(target: u16) -> Result<u64> {
    let answer = forward(target, &json!([{"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}])).await?;
    let head = answer[0]["result"].as_str().ok_or_else(|| eyre!("the node has no head"))?;
    Ok(u64::from_str_radix(head.trim_start_matches("0x"), 16)?)
}

async fn forward(target: u16, request: &Value) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", target)).await?;
    let text = request.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes()).await?;
    Ok(serde_json::from_slice(&body(&mut stream).await?)?)
}

/// The body of an HTTP message.
async fn body(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let start = loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(eyre!("the connection was closed"));
        }
    };
    let head = String::from_utf8_lossy(&bytes[..start]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.ok_or_else(|| eyre!("a message without a length"))?.trim().parse()?;
    while bytes.len() < start + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(eyre!("the connection was closed"));
        }
    }
    Ok(bytes[start..].to_vec())
}

async fn write(stream: &mut TcpStream, status: u16, body: &[u8]) -> Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    Ok(stream.shutdown().await?)
}
