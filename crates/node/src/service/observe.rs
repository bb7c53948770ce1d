//! What the service tells its [`Observer`], and the task that reads what only the chain knows: balance, stake, credit.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use provery_chain::{Chain, ChainError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Service;
use crate::config::{NodeConfig, shown_url};
use crate::error::NodeError;
use crate::observe::{
    BalanceStatus, BreakerStatus, ChainStatus, EndpointStatus, HttpPlace, NodeStatus, Observer, OutboxView,
    Server, StakeStatus, Status, WorkersStatus, disk,
};
use crate::slots::SlotStage;

/// How often balance, stake and credit are read.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How soon after a failure.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A status is made no more often than this.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// Gas that delivering a proof takes, in round numbers; the watchdog's unit.
const PROOF_GAS: u64 = 600_000;

/// The server's address is taken, and written down, before the node says that it runs.
pub(super) fn bind(config: &NodeConfig) -> Result<Option<(Server, HttpPlace)>, NodeError> {
    HttpPlace::clear(&config.data_dir);
    let Some(address) = config.http else { return Ok(None) };
    let server = Server::bind(address)?;
    let place = HttpPlace::write(&config.data_dir, server.address())
        .map_err(|source| crate::store::StoreError::Directory { path: config.data_dir.clone(), source })?;
    Ok(Some((server, place)))
}

/// What the chain says about the prover's money.
#[derive(Clone, Debug, Default)]
pub(super) struct Money {
    balance: U256,
    /// Wei a unit of gas.
    gas_price: u128,
    free: U256,
    bonded: U256,
    credit: U256,
    paused: bool,
}

/// Read the money now and then. It warns before the gas funds run out, and never ends by itself.
pub(super) async fn watch_money(
    chain: Chain,
    key: Address,
    prover: Address,
    low_balance_proofs: u64,
    out: watch::Sender<Option<Money>>,
    shutdown: CancellationToken,
) {
    let markets: Vec<U256> = chain.deployment().rollups.iter().map(|rollup| rollup.market).collect();
    let mut warned = false;
    loop {
        let rest = match read_money(&chain, key, prover, &markets).await {
            Ok(money) => {
                let left = money.proofs_left();
                let low = left < low_balance_proofs;
                if low && !warned {
                    warn!(code = "low_balance", %key, balance = %money.balance, proofs_left = left, "gas funds run out soon: send the key some of the chain's currency");
                }
                warned = low;
                out.send_replace(Some(money));
                LOOK_EVERY
            }
            Err(error) => {
                debug!(%error, "balance and stake could not be read; they are read again");
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

async fn read_money(
    chain: &Chain,
    key: Address,
    prover: Address,
    markets: &[U256],
) -> Result<Money, ChainError> {
    let balance = chain.rpc().balance(key).await?;
    let gas_price = chain.rpc().provider().get_gas_price().await.map_err(|error| {
        ChainError::Unreachable { url: chain.rpc().name().to_owned(), reason: shown_error(&error) }
    })?;
    let record = chain.prover(prover).await?;
    let mut bonded = U256::ZERO;
    for market in markets {
        let reserved = chain.registry_contract().bondedOf(*market, prover).call().await;
        let reserved = reserved.map_err(|_| ChainError::Unreachable {
            url: chain.rpc().name().to_owned(),
            reason: "bondedOf was not answered".to_owned(),
        })?;
        bonded = bonded.saturating_add(reserved);
    }
    let free = record.stake.to::<U256>().saturating_sub(bonded);
    let credit = chain.credits(prover).await?;
    Ok(Money { balance, gas_price, free, bonded, credit, paused: record.paused })
}

/// A transport's error may quote its URL.
fn shown_error(error: &alloy::transports::TransportError) -> String {
    match error.as_error_resp() {
        Some(answer) => format!("error {}", answer.code),
        None => "eth_gasPrice was not answered".to_owned(),
    }
}

impl Money {
    fn proofs_left(&self) -> u64 {
        let cost = U256::from(self.gas_price).saturating_mul(U256::from(PROOF_GAS)).max(U256::from(1));
        (self.balance / cost).saturating_to()
    }
}

/// What makes a status.
#[derive(Debug)]
pub(super) struct Watch {
    pub observer: Observer,
    money: watch::Receiver<Option<Money>>,
    started_at: u64,
    published: Option<Instant>,
    reorgs: u64,
    deepest: u64,
}

impl Watch {
    pub fn new(observer: Observer, money: watch::Receiver<Option<Money>>) -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { observer, money, started_at, published: None, reorgs: 0, deepest: 0 }
    }

    pub fn reorg(&mut self, depth: u64) {
        self.reorgs += 1;
        self.deepest = self.deepest.max(depth);
        self.observer.reorg(depth);
    }
}

impl Service {
    /// The loop is alive; now and then, say what is so.
    pub(super) fn observe(&mut self) {
        self.watch.observer.tick();
        let due = self.watch.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY);
        if due {
            self.observe_now();
        }
    }

    pub(super) fn observe_now(&mut self) {
        self.watch.published = Some(Instant::now());
        self.watch.observer.publish(self.status());
    }

    fn status(&self) -> Status {
        let tuned = self.config.tunables.borrow().clone();
        let failing = self.book.failing();
        let unwell = !self.health.taking(failing);
        let money = self.watch.money.borrow().clone();
        let facts = self.book.facts();
        let ending = |key| facts.slot(key).and_then(|fact| fact.ended.as_ref()).map(|ended| ended.tx);
        let (slots, open, ended) = disk::slots(self.book.work(), self.config.prover, ending);
        let queue = slots.get(SlotStage::Queued.name()).copied().unwrap_or_default();
        Status {
            node: NodeStatus {
                prover: self.config.prover,
                key: Some(self.sender.address()),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                started_at: self.watch.started_at,
                role: "alone".to_owned(),
                draining: self.shutdown.is_cancelled(),
                taking: tuned.taking && !unwell && !self.shutdown.is_cancelled(),
                breaker: BreakerStatus {
                    open: unwell,
                    reason: unwell.then(|| "proofs or sends failed".to_owned()),
                    failures: self.health.failures(),
                },
                paused_on_chain: money.as_ref().is_some_and(|money| money.paused),
            },
            chain: self.chain_status(),
            slots,
            open,
            ended,
            outbox: OutboxView::default(),
            workers: WorkersStatus {
                runner: "in-process".to_owned(),
                most: self.config.workers as u64,
                running: self.workers.status().borrow().len() as u64,
                queue,
            },
            stake: money.as_ref().map(|money| StakeStatus {
                free: money.free.to_string(),
                bonded: money.bonded.to_string(),
                credit: money.credit.to_string(),
            }),
            balance: money.as_ref().map(|money| BalanceStatus {
                wei: money.balance.to_string(),
                low: money.proofs_left() < self.config.low_balance_proofs,
                proofs_left: money.proofs_left(),
            }),
        }
    }

    fn chain_status(&self) -> ChainStatus {
        let health = self.feed.health.borrow();
        let head = health.head.map(|head| head.number);
        let position = self.book.head().map(|head| head.number);
        ChainStatus {
            chain_id: self.chain.rpc().chain_id(),
            head,
            position,
            lag_blocks: head.unwrap_or_default().saturating_sub(position.unwrap_or_default()),
            reorgs: self.watch.reorgs,
            deepest_reorg: self.watch.deepest,
            endpoints: vec![EndpointStatus {
                name: shown_url(self.chain.rpc().name()),
                up: head.is_some() && health.failures == 0,
                head,
                failures: health.failures,
                last_error: health.last_error.clone(),
                ..EndpointStatus::default()
            }],
        }
    }
}
