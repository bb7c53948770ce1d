//! Transactions: a durable outbox, the one owner of a key's nonces.
//!
//! A call becomes an [`Intent`](crate::Intent), which is signed and in the [`Journal`] before it is first broadcast, and stays there
//! until its receipt's block is too deep for a reorg. [`Sender::keep`] tends the intents at every block; where no such task
//! runs, whoever waits for an intent tends them all.
//!
//! `fees` and `decide` say what to do, and are pure; `place` signs, `tend` looks, `act` acts, `wire` asks the node.

mod act;
mod book;
mod decide;
mod error;
mod fees;
mod funding;
mod place;
mod tend;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::Log,
    signers::local::PrivateKeySigner,
};
use provery_types::BlockRef;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use error::SendError;

use crate::{
    Call, Rpc,
    journal::{Journal, Memory},
    outlay::{DayOutlay, Outlay},
};
use book::Book;
use tend::Watch;

/// How a sender sends.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Time between two looks at the chain.
    pub poll: Duration,
    /// Blocks on top of the receipt's before it counts.
    pub confirmations: u64,
    /// Blocks on top of the receipt's before the intent is forgotten, and where the chain says what is finalized, not before that:
    /// a reorg of fewer only makes it be sent again.
    pub keep: u64,
    /// A transaction that was not mined in this many blocks in which it could have been, nor in this much of the chain's time, is
    /// replaced with higher fees.
    pub bump_after_blocks: u64,
    pub bump_after: Duration,
    /// Nobody waits longer than this for a transaction to be mined. It stays in the outbox.
    pub give_up_after: Duration,
    /// Time before an order is due (in the chain's time) in which it is hurried.
    pub hurry_within: Duration,
    /// Most gas for one transaction.
    pub max_gas: u64,
}

impl SenderConfig {
    pub fn new(poll: Duration) -> Self {
        Self {
            poll,
            confirmations: 0,
            keep: 64,
            bump_after_blocks: 2,
            // Two blocks of a chain that has one every two seconds; where they come quicker, a few seconds are many blocks.
            bump_after: Duration::from_secs(4),
            give_up_after: Duration::from_secs(300),
            hurry_within: Duration::from_secs(24),
            max_gas: 1 << 24,
        }
    }
}

/// What is to be sent, and how much it may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub call: Call,
    /// What it is for, such as "prove:1:17": an order with the tag and the calldata of a live intent is that intent.
    pub tag: String,
    /// Most wei of the chain's own currency that it may cost in all: the gas it is expected to use at the max fee, and what the
    /// chain takes besides. None is no bound.
    pub budget: Option<U256>,
    /// Wei of the key that are left for what is more urgent.
    pub keep: U256,
    /// Chain time (unix seconds) before which it should be there: it is hurried when that is near. The deadline, if not given.
    pub due: Option<u64>,
    /// Chain time (unix seconds) after which it is worthless.
    pub deadline: Option<u64>,
    /// Gas limit to use if no endpoint can estimate it, or if estimating fails near the deadline for a reason other than a
    /// revert.
    pub fallback_gas: Option<u64>,
}

impl Order {
    /// An order like no other, without bounds.
    pub fn new(call: Call) -> Self {
        static ORDERS: AtomicU64 = AtomicU64::new(0);
        let order = ORDERS.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{}:{}:{}:{order}", call.kind, std::process::id(), unix_millis());
        Self { call, tag, budget: None, keep: U256::ZERO, due: None, deadline: None, fallback_gas: None }
    }
}

/// How long the phases of a send took, other than waiting for it to be mined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendTimings {
    /// Gas, fees and nonce.
    pub estimate: Duration,
    /// Signing and writing it down.
    pub sign: Duration,
    /// Until an endpoint had taken it.
    pub broadcast: Duration,
}

/// A transaction that was mined and did what it should.
#[derive(Clone, Debug)]
pub struct Mined {
    pub kind: &'static str,
    pub tx_hash: B256,
    pub block: BlockRef,
    pub gas_used: u64,
    /// Wei a unit of gas.
    pub gas_price: u128,
    /// Wei that the chain took besides its gas.
    pub surcharge: U256,
    /// The contract it deployed.
    pub contract: Option<Address>,
    pub logs: Vec<Log>,
    /// Zero if another program placed it.
    pub timings: SendTimings,
    /// Unix milliseconds at which an endpoint first took it; 0 if that was in another program's life.
    pub broadcast_at_ms: u64,
}

/// What the outbox holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutboxStatus {
    /// Intents that are not mined.
    pub intents: u64,
    /// The lowest nonce of these.
    pub oldest_nonce: Option<u64>,
    /// The nonce after the highest that an intent has; None without intents.
    pub next_nonce: Option<u64>,
    /// The head when the longest waiting of these was signed, or taken back by a reorg.
    pub unmined_since_block: Option<u64>,
    /// Replacements since the program started.
    pub replaced: u64,
    /// Transactions that were broadcast again as they were, since the program started.
    pub rebroadcast: u64,
    /// Nonces that went to transactions which this program did not sign, since it started: another uses its key.
    pub foreign_nonces: u64,
    /// Unix milliseconds at which that was last seen.
    pub foreign_at_ms: u64,
    /// Unix milliseconds at which a nonce that was signed for here last went to one of these; 0 if never.
    pub lost_at_ms: u64,
    /// What transactions cost, as far back as is written down.
    pub spent: Outlay,
    /// The same by day.
    pub spent_by_day: Vec<DayOutlay>,
    /// What went wrong last; None once a look at the chain went well.
    pub last_error: Option<String>,
}

/// A call that waits to be mined, and what it may spend: see [`Order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub tag: String,
    pub kind: String,
    pub budget: Option<U256>,
    pub keep: U256,
    pub due: Option<u64>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// Signed, and not seen in a block.
    UnderWay,
    /// Seen in the block of this height.
    In(u64),
}

/// The one owner of a key's nonces. Clones share it.
#[derive(Clone, Debug)]
pub struct Sender {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rpc: Rpc,
    signer: PrivateKeySigner,
    config: SenderConfig,
    journal: Arc<dyn Journal>,
    /// Never held across a request.
    book: Mutex<Book>,
    /// Held while a nonce is chosen, signed for and written down.
    placing: tokio::sync::Mutex<()>,
    /// Held by whoever tends the intents.
    watch: tokio::sync::Mutex<Watch>,
    /// Keeper tasks that run.
    keepers: AtomicUsize,
}

impl Sender {
    /// A sender that remembers nothing after it is gone, for commands.
    pub fn new(rpc: Rpc, signer: PrivateKeySigner, config: SenderConfig) -> Self {
        Self::with(rpc, signer, config, Arc::new(Memory::default()), Book::default())
    }

    /// A sender that goes on with what its journal holds.
    pub fn open(
        rpc: Rpc,
        signer: PrivateKeySigner,
        config: SenderConfig,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, SendError> {
        let book = Book::load(journal.load(signer.address())?, journal.outlays(signer.address())?);
        if !book.entries.is_empty() {
            tracing::info!(account = %signer.address(), intents = book.entries.len(), "going on with what was sent");
        }
        Ok(Self::with(rpc, signer, config, journal, book))
    }

    fn with(
        rpc: Rpc,
        signer: PrivateKeySigner,
        config: SenderConfig,
        journal: Arc<dyn Journal>,
        book: Book,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                rpc,
                signer,
                config,
                journal,
                book: Mutex::new(book),
                placing: tokio::sync::Mutex::default(),
                watch: tokio::sync::Mutex::default(),
                keepers: AtomicUsize::new(0),
            }),
        }
    }

    pub fn address(&self) -> Address {
        self.inner.signer.address()
    }

    pub fn rpc(&self) -> &Rpc {
        &self.inner.rpc
    }

    /// What the call would fail with now, at no cost: its gas, or the named error.
    pub async fn check(&self, call: &Call) -> Result<u64, SendError> {
        Ok(self.inner.estimate(call).await?.1)
    }

    /// Send a call and wait until it is mined in a canonical block.
    pub async fn send(&self, call: Call) -> Result<Mined, SendError> {
        self.deliver(Order::new(call)).await
    }

    /// Send an order, or attach to the intent that it already is, and wait until it is mined in a canonical block that is
    /// deep enough. Dropping this future does not take the order back.
    pub async fn deliver(&self, order: Order) -> Result<Mined, SendError> {
        loop {
            let waiter = match self.inner.attach(&order) {
                Some(waiter) => waiter,
                None => self.inner.place(&order).await?,
            };
            if let Some(ended) = self.inner.wait(order.call.kind, waiter).await? {
                return ended.result(order.call.kind);
            }
            // Whoever placed it took it back.
        }
    }

    /// Whether there is an intent with this tag that was not mined in vain.
    pub fn live(&self, tag: &str) -> bool {
        self.inner.book().is_live(tag)
    }

    /// What is under way with this tag may cost this much in all from now on, and should be there by then: see [`Order`].
    pub fn renew(&self, tag: &str, budget: Option<U256>, keep: U256, due: Option<u64>) {
        self.inner.book().renew(tag, budget, keep, due);
    }

    /// What waits to be mined, in the order of nonces: none is mined before those ahead of it.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.inner.book().waiting()
    }

    /// The tag under which this very call waits to be mined, from another life perhaps.
    pub fn waits_as(&self, call: &Call) -> Option<String> {
        self.inner.book().waits_as(call)
    }

    /// The last call of these kinds, in the order in which they take effect, and how far it has come; nothing if it is forgotten,
    /// was taken back or failed.
    pub fn landing(&self, kinds: &[&str]) -> Option<(String, Landing)> {
        self.inner.book().landing(kinds)
    }

    /// The nonce of the newest intent with this tag that was not mined in vain.
    pub fn nonce_of(&self, tag: &str) -> Option<u64> {
        self.inner.book().nonce_of(tag)
    }

    pub fn status(&self) -> OutboxStatus {
        self.inner.book().status()
    }

    /// Tend the intents until told to stop. Whatever goes wrong is tried again, and said in [`Sender::status`].
    pub async fn keep(&self, shutdown: CancellationToken) -> Result<(), SendError> {
        let _keeper = Keeper::new(&self.inner.keepers);
        self.inner.book().begin();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.inner.tend() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.inner.config.poll) => {}
            }
        }
    }

    /// Deploy a contract.
    pub async fn deploy(&self, bytecode: &[u8], args: &[u8]) -> Result<(Address, Mined), SendError> {
        let mined = self.send(Call::deploy(bytecode, args)).await?;
        match mined.contract {
            Some(contract) => Ok((contract, mined)),
            None => Err(SendError::Rpc(
                self.inner
                    .rpc
                    .senseless("eth_getTransactionReceipt", "a deployment's receipt names no contract"),
            )),
        }
    }
}

impl Inner {
    /// Nothing panics while it is held, and every change to it is whole.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_kept(&self) -> bool {
        self.keepers.load(Ordering::SeqCst) > 0
    }
}

/// Counts a keeper while it lives.
struct Keeper<'a>(&'a AtomicUsize);

impl<'a> Keeper<'a> {
    fn new(keepers: &'a AtomicUsize) -> Self {
        keepers.fetch_add(1, Ordering::SeqCst);
        Self(keepers)
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
