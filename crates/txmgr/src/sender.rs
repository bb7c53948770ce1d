//! A key's sender: what programs use to send.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use alloy::primitives::{Address, U256};
use provery_rpc::{Call, Rpc};
use tokio_util::sync::CancellationToken;

use crate::{
    config::SenderConfig,
    error::SendError,
    journal::{Journal, Memory},
    order::{Landing, Mined, Order, Waiting},
    outbox::{Keeper, Outbox},
    pending::PendingSet,
    signer::Signer,
    status::OutboxStatus,
};

/// The one owner of a key's nonces. Clones share it.
#[derive(Clone, Debug)]
pub struct Sender {
    outbox: Arc<Outbox>,
}

impl Sender {
    /// A sender that remembers nothing after it is gone, for commands.
    pub fn new(rpc: Rpc, signer: impl Into<Signer>, config: SenderConfig) -> Self {
        Self::with(rpc, signer.into(), config, Arc::new(Memory::default()), PendingSet::default())
    }

    /// A sender that goes on with what its journal holds.
    pub fn open(
        rpc: Rpc,
        signer: impl Into<Signer>,
        config: SenderConfig,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, SendError> {
        let signer = signer.into();
        let set = PendingSet::load(journal.load(signer.address())?, journal.outlays(signer.address())?);
        if !set.entries.is_empty() {
            tracing::info!(account = %signer.address(), pending = set.entries.len(), "going on with what was sent");
        }
        Ok(Self::with(rpc, signer, config, journal, set))
    }

    fn with(
        rpc: Rpc,
        signer: Signer,
        config: SenderConfig,
        journal: Arc<dyn Journal>,
        set: PendingSet,
    ) -> Self {
        Self {
            outbox: Arc::new(Outbox {
                rpc,
                signer,
                config,
                journal,
                pending_set: Mutex::new(set),
                submitting: tokio::sync::Mutex::default(),
                watch: tokio::sync::Mutex::default(),
                keepers: AtomicUsize::new(0),
            }),
        }
    }

    /// The account that signs and pays.
    pub fn address(&self) -> Address {
        self.outbox.signer.address()
    }

    /// The endpoints that it reads from and sends to.
    pub fn rpc(&self) -> &Rpc {
        &self.outbox.rpc
    }

    /// What the call would fail with now, at no cost: its gas, or the named error.
    pub async fn check(&self, call: &Call) -> Result<u64, SendError> {
        Ok(self.outbox.estimate(call).await?.1)
    }

    /// Send a call and wait until it is mined in a canonical block.
    pub async fn send(&self, call: Call) -> Result<Mined, SendError> {
        self.deliver(Order::new(call)).await
    }

    /// Send an order, or attach to the pending transaction that it already is, and wait until it is mined in a canonical block that is
    /// deep enough. Dropping this future does not take the order back.
    pub async fn deliver(&self, order: Order) -> Result<Mined, SendError> {
        loop {
            let waiter = match self.outbox.attach(&order) {
                Some(waiter) => waiter,
                None => self.outbox.submit(&order).await?,
            };
            if let Some(ended) = self.outbox.wait(order.call.kind, waiter).await? {
                return ended.result(order.call.kind);
            }
            // Whoever placed it took it back.
        }
    }

    /// Whether there is a pending transaction with this tag that was not mined in vain.
    pub fn live(&self, tag: &str) -> bool {
        self.outbox.pending_set().is_live(tag)
    }

    /// What is under way with this tag may cost this much in all from now on, and should be there by then: see [`Order`].
    pub fn renew(&self, tag: &str, budget: Option<U256>, reserve: U256, due: Option<u64>) {
        self.outbox.pending_set().renew(tag, budget, reserve, due);
    }

    /// What waits to be mined, in the order of nonces: none is mined before those ahead of it.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.outbox.pending_set().waiting()
    }

    /// The tag under which this very call waits to be mined, from another life perhaps.
    pub fn waits_as(&self, call: &Call) -> Option<String> {
        self.outbox.pending_set().waits_as(call)
    }

    /// The last call of these kinds, in the order in which they take effect, and how far it has come; nothing if it is forgotten,
    /// was taken back or failed.
    pub fn landing(&self, kinds: &[&str]) -> Option<(String, Landing)> {
        self.outbox.pending_set().landing(kinds)
    }

    /// The nonce of the newest pending transaction with this tag that was not mined in vain.
    pub fn nonce_of(&self, tag: &str) -> Option<u64> {
        self.outbox.pending_set().nonce_of(tag)
    }

    /// What is pending, and what was done since the program started.
    pub fn status(&self) -> OutboxStatus {
        self.outbox.pending_set().status()
    }

    /// Look after the pending transactions until told to stop. Whatever goes wrong is tried again, and said in [`Sender::status`].
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), SendError> {
        let _keeper = Keeper::new(&self.outbox.keepers);
        self.outbox.pending_set().begin();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.outbox.poll() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.outbox.config.poll) => {}
            }
        }
    }

    /// Deploy a contract.
    pub async fn deploy(&self, bytecode: &[u8], args: &[u8]) -> Result<(Address, Mined), SendError> {
        let mined = self.send(Call::deploy(bytecode, args)).await?;
        match mined.contract {
            Some(contract) => Ok((contract, mined)),
            None => Err(SendError::Rpc(
                self.outbox
                    .rpc
                    .senseless("eth_getTransactionReceipt", "a deployment's receipt names no contract"),
            )),
        }
    }
}
