//! A JSON-RPC endpoint that answers by script, over HTTP: for tests.

#![allow(clippy::expect_used, reason = "a test that cannot begin should say where")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy::primitives::{Address, B256};
use provery_types::{ContractRecord, Deployment, REQUIRED_CONTRACTS};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is said to one request.
#[derive(Clone, Debug)]
pub enum Say {
    /// This result.
    Result(Value),
    /// A JSON-RPC error: its code, its message, and its data; without data if that is null.
    Error(i64, &'static str, Value),
    /// An HTTP status, and for how long not to ask again.
    Later(u16, &'static str),
    /// Nothing, ever.
    Nothing,
}

impl Say {
    /// A JSON-RPC error without data.
    pub fn refuse(code: i64, message: &'static str) -> Self {
        Self::Error(code, message, Value::Null)
    }
}

type Script = dyn Fn(&str, &Value, usize) -> Say + Send + Sync;

/// An endpoint on a free port of this machine, until it is dropped.
#[derive(Debug)]
pub struct Fake {
    port: u16,
    asked: Arc<Mutex<BTreeMap<String, u64>>>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// The script is told the method, the parameters, and the request's place in its batch. What it answers to a batch
    /// is answered one by one.
    pub async fn new(script: impl Fn(&str, &Value, usize) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let (script, counts): (Arc<Script>, _) = (Arc::new(script), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, counts) = (script.clone(), counts.clone());
                tokio::spawn(async move { serve(stream, &*script, &counts).await });
            }
        });
        Self { port, asked, task }
    }

    /// One that serves a chain and refuses nothing.
    pub async fn sound() -> Self {
        Self::new(|method, params, _| sound(method, params)).await
    }

    /// Where it listens, over plain HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many requests for this method have come, each of a batch counted.
    pub fn asked(&self, method: &str) -> u64 {
        self.asked.lock().expect("no panic").get(method).copied().unwrap_or_default()
    }

    /// How many requests have come, each of a batch counted.
    pub fn asked_in_all(&self) -> u64 {
        self.asked.lock().expect("no panic").values().sum()
    }
}

/// Where these are, in order.
pub fn urls(fakes: &[&Fake]) -> Vec<String> {
    fakes.iter().map(|fake| fake.url()).collect()
}

/// What a chain of a thousand blocks says, with a log in each.
pub fn sound(method: &str, params: &Value) -> Say {
    let height = |value: &Value| match value.as_str().unwrap_or_default() {
        "latest" => 1_000,
        text => u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default(),
    };
    Say::Result(match method {
        "eth_chainId" => json!("0x7a69"),
        "eth_blockNumber" => json!("0x3e8"),
        "eth_getBlockByNumber" => match height(&params[0]) {
            number if number > 1_000 => Value::Null,
            number => block(number),
        },
        "eth_getBalance" => json!("0xde0b6b3a7640000"),
        "eth_getTransactionCount" => json!("0x0"),
        "eth_getCode" | "eth_call" => json!("0x01"),
        "eth_estimateGas" => json!("0x5208"),
        "eth_gasPrice" | "eth_maxPriorityFeePerGas" => json!("0x1"),
        "eth_feeHistory" => {
            json!({"oldestBlock": "0x3e7", "baseFeePerGas": ["0x1", "0x1"], "gasUsedRatio": [0.5], "reward": [["0x1"]]})
        }
        "eth_sendRawTransaction" => json!(hash(7)),
        "eth_getLogs" => {
            let from = height(&params[0]["fromBlock"]);
            (from..=height(&params[0]["toBlock"])).map(log).collect()
        }
        _ => Value::Null,
    })
}

/// A deployment whose contracts say nothing in those blocks.
pub fn silent() -> Deployment {
    let record = |byte| ContractRecord {
        address: Address::repeat_byte(byte),
        code_hash: B256::ZERO,
        block: 1,
        mechanism: false,
    };
    let contracts = REQUIRED_CONTRACTS.into_iter().map(str::to_owned).zip((0x21..).map(record));
    Deployment {
        chain_id: 31337,
        development: true,
        block: 1,
        compiler: String::new(),
        asset: Address::repeat_byte(9),
        asset_unit: None,
        contracts: contracts.collect(),
        rollups: Vec::new(),
    }
}

/// The hash of the block with this number, as hex: the number in 32 bytes.
pub fn hash(number: u64) -> String {
    format!("0x{number:064x}")
}

/// Without what some endpoints leave out.
pub fn block(number: u64) -> Value {
    json!({
        "number": format!("{number:#x}"), "timestamp": format!("{number:#x}"),
        "hash": hash(number), "parentHash": hash(number.saturating_sub(1)),
        "logsBloom": null, "mixHash": null,
    })
}

/// Give a block what most endpoints say of it.
pub fn whole(block: &mut Value) {
    let zero = hash(0);
    let rest = json!({
        "logsBloom": format!("0x{}", "00".repeat(256)), "mixHash": format!("0x{}", "09".repeat(32)),
        "sha3Uncles": zero, "miner": format!("0x{}", "00".repeat(20)), "stateRoot": zero, "transactionsRoot": zero,
        "receiptsRoot": zero, "difficulty": "0x0", "gasLimit": "0x1", "gasUsed": "0x0", "extraData": "0x",
        "nonce": "0x0000000000000000", "transactions": [], "uncles": [], "size": "0x0",
    });
    for (field, value) in rest.as_object().into_iter().flatten() {
        block[field] = value.clone();
    }
}

fn log(number: u64) -> Value {
    json!({
        "address": "0x0101010101010101010101010101010101010101", "topics": [], "data": "0x",
        "blockNumber": format!("{number:#x}"), "blockHash": hash(number), "transactionHash": hash(number),
        "transactionIndex": "0x0", "logIndex": "0x0", "removed": false,
    })
}

async fn serve(mut stream: TcpStream, script: &Script, asked: &Mutex<BTreeMap<String, u64>>) -> Option<()> {
    loop {
        let request: Value = serde_json::from_slice(&body(&mut stream).await?).ok()?;
        let requests = request.as_array().cloned();
        let mut answers = Vec::new();
        let mut later = None;
        for (at, request) in requests.clone().unwrap_or_else(|| vec![request]).iter().enumerate() {
            let method = request["method"].as_str()?.to_string();
            *asked.lock().expect("no panic").entry(method.clone()).or_default() += 1;
            let mut answer = json!({"jsonrpc": "2.0", "id": request["id"]});
            match script(&method, &request["params"], at) {
                Say::Result(result) => answer["result"] = result,
                Say::Error(code, message, Value::Null) => {
                    answer["error"] = json!({"code": code, "message": message});
                }
                Say::Error(code, message, data) => {
                    answer["error"] = json!({"code": code, "message": message, "data": data});
                }
                Say::Later(status, told) => later = Some((status, told)),
                Say::Nothing => std::future::pending().await,
            }
            answers.push(answer);
        }
        let answer = if requests.is_some() { Value::Array(answers) } else { answers.swap_remove(0) };
        let text = answer.to_string();
        let status = match later {
            Some((status, told)) => format!("{status} Later\r\nretry-after: {told}"),
            None => "200 OK".to_owned(),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all((head + &text).as_bytes()).await.ok()?;
    }
}

async fn body(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let start = loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..start]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let length: usize = length.trim().parse().ok()?;
    while bytes.len() < start + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(bytes[start..start + length].to_vec())
}
