//! Between a node and anvil: every request may meet a fault.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use eyre::Result;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    dice::Dice,
    faults::{Rates, Wire},
    http,
    log::{EventLog, now_ms},
    pool::{Pool, Sent, error},
};

const SEND: &str = "eth_sendRawTransaction";
/// Ten years, in seconds.
const YEARS: u64 = 10 * 365 * 24 * 3_600;
/// What providers say when they will not, apart from status 429.
const REFUSALS: [(i64, &str); 8] = [
    (-32007, "50/second request limit reached - reduce calls per second or upgrade your account"),
    (-32016, "Your app has exceeded its compute units per second capacity"),
    (-32011, "no backends available"),
    (-32029, "Too Many Requests"),
    (-32000, "upstream does not have the requested block yet"),
    (-32603, "limit reached"),
    (-32090, "archive requests need a paid plan"),
    (-39001, "unknown block"),
];

/// What all proxies of a run share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub seed: u64,
    /// anvil's host and port.
    pub upstream: String,
    pub rates: Arc<Rates>,
    pub pool: Arc<Pool>,
    pub log: EventLog,
}

/// A listener of a node. It closes with this value.
#[derive(Debug)]
pub(super) struct Proxy {
    port: u16,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    shared: Shared,
    name: String,
    node: u64,
    listener: u64,
    requests: AtomicU64,
    /// Unix milliseconds until which everything is refused.
    outage_until: AtomicU64,
    /// Unix milliseconds of the last fault that a sending met.
    hindered: AtomicU64,
}

/// What goes back.
enum Answer {
    Whole(Vec<u8>),
    /// These bytes, and then the connection closes.
    Cut(Vec<u8>),
    Nothing,
}

impl Proxy {
    /// Listen on a free port for `name`, node number `node`, as its listener number `listener`.
    pub(super) async fn start(shared: Shared, name: &str, node: u64, listener: u64) -> Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = socket.local_addr()?.port();
        let inner = Arc::new(Inner {
            shared,
            name: format!("{name}/{listener}"),
            node,
            listener,
            requests: AtomicU64::new(0),
            outage_until: AtomicU64::new(0),
            hindered: AtomicU64::new(0),
        });
        let of_task = inner.clone();
        let task = tokio::spawn(async move {
            loop {
                match socket.accept().await {
                    Ok((stream, _)) => {
                        let inner = of_task.clone();
                        // A connection that breaks is the other side's to notice.
                        tokio::spawn(async move { inner.serve(stream).await });
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Ok(Self { port, inner, task })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Refuse everything for a while.
    pub(super) fn outage(&self, lasts: Duration) {
        self.inner.outage_until.store(now_ms() + lasts.as_millis() as u64, Relaxed);
    }

    /// Unix milliseconds until which something kept a transaction from being sent, as far as is known now.
    pub(super) fn hindered_until(&self) -> u64 {
        self.inner.hindered.load(Relaxed).max(self.inner.outage_until.load(Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            if stream.peek(&mut [0]).await? == 0 {
                return Ok(());
            }
            if now_ms() < self.outage_until.load(Relaxed) {
                return Ok(());
            }
            let index = self.requests.fetch_add(1, Relaxed);
            let mut dice = Dice::of(&[self.shared.seed, self.node, self.listener, index]);
            if self.shared.rates.roll(Wire::Refused, &mut dice) {
                // Closing with bytes unread resets the connection.
                self.injected(Wire::Refused, &[], Value::Null);
                return Ok(());
            }
            let Some((_, body)) = http::read(&mut stream).await? else { return Ok(()) };
            match self.answer(&mut dice, &body).await? {
                Answer::Whole(bytes) => stream.write_all(&bytes).await?,
                Answer::Cut(bytes) => return stream.write_all(&bytes).await,
                Answer::Nothing => return Ok(()),
            }
        }
    }

    async fn answer(&self, dice: &mut Dice, body: &[u8]) -> io::Result<Answer> {
        let request: Value = serde_json::from_slice(body).map_err(io::Error::other)?;
        let calls: Vec<&Value> =
            request.as_array().map_or_else(|| vec![&request], |calls| calls.iter().collect());
        let methods: Vec<&str> = calls.iter().filter_map(|call| call["method"].as_str()).collect();
        let fault = Wire::ALL
            .into_iter()
            .filter(|fault| *fault != Wire::Refused && fault.applies(&methods, self.listener))
            .find(|fault| self.shared.rates.roll(*fault, dice));
        let Some(fault) = fault else { return self.whole(&request).await };
        match fault {
            Wire::Refused => Ok(Answer::Nothing),
            Wire::LostResponse => {
                self.injected(fault, &methods, Value::Null);
                self.forward(&request).await?;
                Ok(Answer::Nothing)
            }
            Wire::Dropped => {
                self.injected(fault, &methods, Value::Null);
                Ok(Answer::Nothing)
            }
            Wire::Delay => {
                // Short ones are more frequent.
                let share = dice.below(1_000) * dice.below(1_000) / 1_000;
                let ms = 50 + share * 2_950 / 1_000;
                self.injected(fault, &methods, json!({ "ms": ms }));
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.whole(&request).await
            }
            Wire::Duplicate => {
                self.injected(fault, &methods, Value::Null);
                self.forward(&request).await?;
                self.whole(&request).await
            }
            Wire::Truncated => {
                self.injected(fault, &methods, Value::Null);
                let mut bytes = http::answer(200, self.forward(&request).await?.to_string().as_bytes());
                bytes.truncate(bytes.len() - bytes.len() / 4);
                Ok(Answer::Cut(bytes))
            }
            Wire::TooManyRequests => {
                self.injected(fault, &methods, Value::Null);
                Ok(Answer::Whole(http::answer(429, b"{\"message\":\"too many requests\"}")))
            }
            Wire::ServerError => {
                self.injected(fault, &methods, Value::Null);
                Ok(Answer::Whole(http::answer(500, b"internal error")))
            }
            Wire::UnknownRefusal => {
                let (code, message) = dice.pick(&REFUSALS).copied().unwrap_or(REFUSALS[0]);
                self.injected(fault, &methods, json!({ "code": code, "message": message }));
                Ok(self.each_refused(&request, &json!({ "code": code, "message": message })))
            }
            Wire::PartOfBatch => self.part(dice, &request, &methods).await,
            Wire::LyingTime => {
                let time = format!("{:#x}", now_ms() / 1_000 + YEARS);
                self.of_blocks(fault, &request, &methods, "timestamp", &time).await
            }
            Wire::CrowdedBloom => {
                let bloom = format!("0x{}", "ff".repeat(256));
                self.of_blocks(fault, &request, &methods, "logsBloom", &bloom).await
            }
            Wire::StaleHead => self.stale(dice, &request, &methods).await,
            Wire::EmptyLogs => self.emptied(&request, &methods).await,
            Wire::AlreadyKnown => {
                self.injected(fault, &methods, Value::Null);
                self.forward(&request).await?;
                Ok(self.refused(&request, "already known"))
            }
            Wire::NonceTooLow => {
                let delivered = dice.coin();
                self.injected(fault, &methods, json!({ "delivered": delivered }));
                if delivered {
                    self.forward(&request).await?;
                }
                Ok(self.refused(&request, "nonce too low"))
            }
            Wire::Underpriced => {
                let sent = calls.iter().find_map(|call| call["params"][0].as_str()).and_then(Sent::decode);
                let replaces = sent.is_some_and(|sent| self.shared.pool.is_replacement(&sent));
                self.injected(fault, &methods, json!({ "replacement": replaces }));
                let words =
                    if replaces { "replacement transaction underpriced" } else { "transaction underpriced" };
                Ok(self.refused(&request, words))
            }
        }
    }

    fn injected(&self, fault: Wire, methods: &[&str], details: Value) {
        if methods.contains(&SEND) {
            self.hindered.store(now_ms(), Relaxed);
        }
        self.shared.rates.injected(fault);
        let mut line = json!({ "methods": methods });
        if !details.is_null() {
            line["how"] = details;
        }
        self.shared.log.injected(fault.name(), &self.name, line);
    }

    async fn whole(&self, request: &Value) -> io::Result<Answer> {
        let answer = self.forward(request).await?;
        Ok(Answer::Whole(http::answer(200, answer.to_string().as_bytes())))
    }

    /// The same error for each call.
    fn refused(&self, request: &Value, message: &str) -> Answer {
        self.each_refused(request, &error(message))
    }

    fn each_refused(&self, request: &Value, error: &Value) -> Answer {
        let answer = each(request, |call| json!({ "jsonrpc": "2.0", "id": call["id"], "error": error }));
        Answer::Whole(http::answer(200, answer.to_string().as_bytes()))
    }

    /// Answer the first calls of a batch, and refuse the others or leave them out.
    async fn part(&self, dice: &mut Dice, request: &Value, methods: &[&str]) -> io::Result<Answer> {
        let Some(calls) = request.as_array() else { return self.whole(request).await };
        let (kept, silent) = (dice.below(calls.len() as u64) as usize, dice.coin());
        self.injected(
            Wire::PartOfBatch,
            &methods[..1],
            json!({ "calls": calls.len(), "answered": kept, "silent": silent }),
        );
        let (code, message) = dice.pick(&REFUSALS).copied().unwrap_or(REFUSALS[0]);
        let error = json!({ "code": code, "message": message });
        let (first, others) = calls.split_at(kept);
        let mut answers = if first.is_empty() {
            Vec::new()
        } else {
            self.forward(&json!(first)).await?.as_array().cloned().unwrap_or_default()
        };
        if !silent {
            let refused =
                others.iter().map(|call| json!({ "jsonrpc": "2.0", "id": call["id"], "error": error }));
            answers.extend(refused);
        }
        Ok(Answer::Whole(http::answer(200, Value::Array(answers).to_string().as_bytes())))
    }

    /// Put something else into a field of the blocks in the answer; with a false time only of those asked for as the newest.
    async fn of_blocks(
        &self,
        fault: Wire,
        request: &Value,
        methods: &[&str],
        field: &str,
        value: &str,
    ) -> io::Result<Answer> {
        let answer = self.forward(request).await?;
        let mut changed = 0;
        let answer = each_of(request, &answer, |call, answer| {
            let mut answer = answer.clone();
            let wanted = fault != Wire::LyingTime || call["params"][0] == "latest";
            if wanted && answer["result"].get(field).is_some() {
                answer["result"][field] = value.into();
                changed += 1;
            }
            answer
        });
        if changed > 0 {
            self.injected(fault, methods, json!({ "blocks": changed }));
        }
        Ok(Answer::Whole(http::answer(200, answer.to_string().as_bytes())))
    }

    /// Deliver a request, or a batch of them, to the chain.
    async fn forward(&self, request: &Value) -> io::Result<Value> {
        let sends = |call: &Value| call["method"] == SEND;
        match request {
            Value::Array(calls) if calls.iter().any(sends) => {
                let mut answers = Vec::with_capacity(calls.len());
                for call in calls {
                    answers.push(if sends(call) {
                        self.send(call).await?
                    } else {
                        self.upstream(call).await?
                    });
                }
                Ok(answers.into())
            }
            call if sends(call) => self.send(call).await,
            other => self.upstream(other).await,
        }
    }

    async fn upstream(&self, request: &Value) -> io::Result<Value> {
        let bytes = http::post(&self.shared.upstream, request.to_string().as_bytes()).await?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }

    /// Send a transaction under the rules of a real pool.
    async fn send(&self, call: &Value) -> io::Result<Value> {
        let sent = call["params"][0].as_str().and_then(Sent::decode);
        if let Some(refusal) = sent.as_ref().and_then(|sent| self.shared.pool.refusal(sent)) {
            self.shared.log.note("underpriced_replacement_refused", &self.name, Value::Null);
            return Ok(json!({ "jsonrpc": "2.0", "id": call["id"], "error": refusal }));
        }
        let answer = self.upstream(call).await?;
        match sent {
            Some(sent) if answer["error"].is_null() => self.shared.pool.took(sent),
            Some(sent) => {
                // Why a sending failed explains much of a run.
                let details = json!({ "nonce": sent.nonce, "hash": sent.hash, "error": answer["error"] });
                self.shared.log.note("anvil_refused", &self.name, details);
            }
            None => {}
        }
        Ok(answer)
    }

    /// Answer as an endpoint would that is some blocks behind.
    async fn stale(&self, dice: &mut Dice, request: &Value, methods: &[&str]) -> io::Result<Answer> {
        let behind = dice.between(1, 12);
        let head = self.shared.log.head().saturating_sub(behind);
        let number = format!("{head:#x}");
        let mut changed = false;
        let older = each(request, |call| {
            let mut call = call.clone();
            let place = match call["method"].as_str() {
                Some("eth_getBlockByNumber") => 0,
                Some("eth_getTransactionCount") => 1,
                _ => return call,
            };
            if matches!(call["params"][place].as_str(), None | Some("latest" | "pending")) {
                call["params"][place] = number.clone().into();
                changed = true;
            }
            call
        });
        let answer = self.forward(&older).await?;
        let answer = each_of(request, &answer, |call, answer| {
            let mut answer = answer.clone();
            if call["method"] == "eth_blockNumber" {
                answer["result"] = number.clone().into();
                changed = true;
            }
            answer
        });
        if changed {
            self.injected(Wire::StaleHead, methods, json!({ "behind": behind }));
        }
        Ok(Answer::Whole(http::answer(200, answer.to_string().as_bytes())))
    }

    /// Take the logs out of the answer, if it has any.
    async fn emptied(&self, request: &Value, methods: &[&str]) -> io::Result<Answer> {
        let answer = self.forward(request).await?;
        let mut taken = 0;
        let answer = each_of(request, &answer, |call, answer| {
            let mut answer = answer.clone();
            if call["method"] == "eth_getLogs"
                && let Some(logs) = answer["result"].as_array_mut()
            {
                taken += logs.len();
                logs.clear();
            }
            answer
        });
        if taken > 0 {
            self.injected(Wire::EmptyLogs, methods, json!({ "logs": taken }));
        }
        Ok(Answer::Whole(http::answer(200, answer.to_string().as_bytes())))
    }
}

/// A request or each of a batch, changed.
fn each(request: &Value, mut change: impl FnMut(&Value) -> Value) -> Value {
    match request {
        Value::Array(calls) => calls.iter().map(change).collect(),
        call => change(call),
    }
}

/// As [`each`], for answers, which need not be in the order of the calls.
fn each_of(request: &Value, answer: &Value, mut change: impl FnMut(&Value, &Value) -> Value) -> Value {
    match (request, answer) {
        (Value::Array(calls), Value::Array(answers)) => answers
            .iter()
            .map(|answer| match calls.iter().find(|call| call["id"] == answer["id"]) {
                Some(call) => change(call, answer),
                None => answer.clone(),
            })
            .collect(),
        (call, answer) => change(call, answer),
    }
}
