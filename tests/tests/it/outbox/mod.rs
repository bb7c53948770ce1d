//! The outbox against a real node: what it does when programs die, answers are lost, blocks are taken back and fees rise.
//!
//! Blocks are mined by hand, so nothing depends on time; bounds are there for failure only.

mod chains;
mod faults;
mod fees;
mod restarts;

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U256},
    providers::Provider,
};
use eyre::{Result, bail, eyre};
use provery_rpc::{Call, Rpc};
use provery_tests::{Anvil, key};
use provery_txmgr::{
    Journal, JournalError, Memory, Mined, Order, PendingTransaction, SendError, Sender, SenderConfig,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const GWEI: u128 = 1_000_000_000;

/// A node that mines when told to, and what a key has in its journal.
struct Bench {
    anvil: Anvil,
    rpc: Rpc,
    journal: Arc<Brittle>,
}

/// A keeper that runs while this lives.
struct Kept(CancellationToken);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn config() -> SenderConfig {
    let give_up_after = Duration::from_secs(60);
    // Blocks are mined when a test says so, and not as time goes by.
    SenderConfig { give_up_after, bump_after: Duration::ZERO, ..SenderConfig::new(Duration::from_millis(10)) }
}

impl Bench {
    async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    async fn with(args: &[&str]) -> Result<Self> {
        let anvil = Anvil::start_with(args).await?;
        let rpc = anvil.rpc().await?;
        anvil.set_balance(key(0).address().to_string(), "0x3635c9adc5dea00000").await?;
        anvil.request("evm_setAutomine", json!([false])).await?;
        anvil.mine(12).await?;
        Ok(Self { anvil, rpc, journal: Arc::default() })
    }

    /// A program that goes on with the journal, without a keeper.
    fn open(&self, config: SenderConfig) -> Result<Sender> {
        Ok(Sender::open(self.rpc.clone(), key(0), config, self.journal.clone())?)
    }

    async fn open_through(&self, relay: &Relay, config: SenderConfig) -> Result<Sender> {
        Ok(Sender::open(Rpc::connect(&relay.url()).await?, key(0), config, self.journal.clone())?)
    }

    fn all_pending(&self) -> Vec<PendingTransaction> {
        self.journal.load(key(0).address()).unwrap_or_default()
    }

    fn pending(&self, nonce: u64) -> Result<PendingTransaction> {
        let found = self.all_pending().into_iter().find(|pending| pending.nonce == nonce);
        found.ok_or_else(|| eyre!("no pending transaction has nonce {nonce}"))
    }

    async fn in_pool(&self, hash: B256) -> Result<bool> {
        Ok(self.rpc.provider().get_transaction_by_hash(hash).await?.is_some())
    }

    /// Wait until a nonce has a pending transaction whose newest transaction the node has.
    async fn broadcast(&self, nonce: u64) -> Result<PendingTransaction> {
        until("a transaction is broadcast", || async {
            let Ok(pending) = self.pending(nonce) else { return Ok(None) };
            let hash = newest(&pending);
            Ok(self.in_pool(hash).await?.then_some(pending))
        })
        .await
    }

    async fn count(&self) -> Result<u64> {
        Ok(self.rpc.provider().get_transaction_count(key(0).address()).await?)
    }

    /// Mine a block with this base fee, wei a unit of gas.
    async fn mine_at(&self, base: u128) -> Result<()> {
        self.anvil.request("anvil_setNextBlockBaseFeePerGas", json!([format!("{base:#x}")])).await?;
        self.anvil.mine(1).await
    }
}

/// Run a sender's keeper.
fn keep(sender: &Sender) -> Kept {
    let (token, sender) = (CancellationToken::new(), sender.clone());
    let shutdown = token.clone();
    tokio::spawn(async move { sender.run(shutdown).await });
    Kept(token)
}

fn deliver(sender: &Sender, order: Order) -> JoinHandle<Result<Mined, SendError>> {
    let sender = sender.clone();
    tokio::spawn(async move { sender.deliver(order).await })
}

/// An order that pays 1 wei to an address of its own.
fn payment(to: u8) -> Order {
    let call = Call { gas: Some(21_000), ..Call::transfer(Address::repeat_byte(to), U256::from(1)) };
    Order { tag: format!("pay:{to}"), ..Order::new(call) }
}

async fn paid(bench: &Bench, to: u8) -> Result<u64> {
    Ok(bench.rpc.balance(Address::repeat_byte(to)).await?.to())
}

fn newest(pending: &PendingTransaction) -> B256 {
    pending.signed.last().map(|signed| signed.hash).unwrap_or_default()
}

/// Wait for a value; the bound is for failure.
async fn until<T, F: Future<Output = Result<Option<T>>>>(what: &str, look: impl Fn() -> F) -> Result<T> {
    for _ in 0..3_000 {
        if let Some(value) = look().await? {
            return Ok(value);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("waited in vain until {what}")
}

/// A journal that fails when told to.
#[derive(Debug, Default)]
struct Brittle {
    memory: Memory,
    broken: AtomicBool,
}

impl Brittle {
    fn breaks(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    fn works(&self) -> Result<(), JournalError> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(JournalError("no space left".to_owned())),
            false => Ok(()),
        }
    }
}

impl Journal for Brittle {
    fn load(&self, account: Address) -> Result<Vec<PendingTransaction>, JournalError> {
        self.memory.load(account)
    }

    fn put(&self, pending: &PendingTransaction) -> Result<(), JournalError> {
        self.works()?;
        self.memory.put(pending)
    }

    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError> {
        self.works()?;
        self.memory.remove(account, nonce)
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
enum Fate {
    Pass,
    /// The node gets it, its answer is lost.
    LoseAnswer,
    /// It gets lost.
    Lose,
    /// It gets this error for an answer, from nobody.
    Refuse,
    /// It gets this result, from nobody.
    Answer(Value),
}

type Fates = dyn Fn(&str, &Value) -> Fate + Send + Sync;

/// A relay of JSON-RPC requests that says what becomes of each.
struct Relay {
    port: u16,
    /// Raw transactions that came by.
    sent: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Relay {
    async fn new(bench: &Bench, fate: impl Fn(&str, &Value) -> Fate + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (port, target, fate) = (listener.local_addr()?.port(), bench.anvil.port(), Arc::new(fate));
        let sent: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = sent.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fate, seen) = (fate.clone(), seen.clone());
                tokio::spawn(async move { relay(stream, target, &*fate, &seen).await });
            }
        });
        Ok(Self { port, sent, task })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().map(|sent| sent.clone()).unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut inward: TcpStream, target: u16, fate: &Fates, seen: &Mutex<Vec<String>>) -> Result<()> {
    loop {
        let (head, body) = message(&mut inward).await?;
        let request: Value = serde_json::from_slice(&body)?;
        let method = request["method"].as_str().unwrap_or_default();
        if method == "eth_sendRawTransaction"
            && let Ok(mut seen) = seen.lock()
        {
            seen.push(request["params"][0].to_string());
        }
        let fate = fate(method, &request["params"]);
        let made_up = |key: &str, value: Value| json!({ "jsonrpc": "2.0", "id": request["id"], key: value });
        let answer = match fate {
            Fate::Lose => return Ok(()),
            Fate::Refuse => made_up("error", json!({ "code": -32000, "message": "no" })),
            Fate::Answer(value) => made_up("result", value),
            Fate::Pass | Fate::LoseAnswer => {
                let mut outward = TcpStream::connect(("127.0.0.1", target)).await?;
                outward.write_all(&head).await?;
                outward.write_all(&body).await?;
                let (_, body) = message(&mut outward).await?;
                if matches!(fate, Fate::LoseAnswer) {
                    return Ok(());
                }
                serde_json::from_slice(&body)?
            }
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        inward.write_all(head.as_bytes()).await?;
        inward.write_all(answer.as_bytes()).await?;
    }
}

/// An HTTP message with a content-length: its head, its body.
async fn message(stream: &mut TcpStream) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.ok_or_else(|| eyre!("no content-length"))?.trim().parse()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}
