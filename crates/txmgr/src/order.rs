//! What is to be sent, and what became of it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::Log,
};
use provery_rpc::Call;
use provery_types::BlockRef;
use serde::{Deserialize, Serialize};

/// What is to be sent, and how much it may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is called, or deployed.
    pub call: Call,
    /// What it is for, such as "prove:1:17": an order with the tag and the calldata of a live pending transaction is that pending transaction.
    pub tag: String,
    /// Most wei of the chain's own currency that it may cost in all: the gas it is expected to use at the max fee, and what the
    /// chain takes besides. None is no bound.
    pub budget: Option<U256>,
    /// Wei of the key that are left for what is more urgent.
    pub reserve: U256,
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
        Self { call, tag, budget: None, reserve: U256::ZERO, due: None, deadline: None, fallback_gas: None }
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
    /// What the call is, in logs and errors.
    pub kind: &'static str,
    /// Of the one that was mined: the first, or one that replaced it.
    pub tx_hash: B256,
    /// The block that it is in.
    pub block: BlockRef,
    /// Gas that it used.
    pub gas_used: u64,
    /// Wei a unit of gas.
    pub gas_price: u128,
    /// Wei that the chain took besides its gas.
    pub surcharge: U256,
    /// The contract it deployed.
    pub contract: Option<Address>,
    /// What contracts logged in it.
    pub logs: Vec<Log>,
    /// Zero if another program placed it.
    pub timings: SendTimings,
    /// Unix milliseconds at which an endpoint first took it; 0 if that was in another program's life.
    pub broadcast_at_ms: u64,
}

/// A call that waits to be mined, and what it may spend: see [`Order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What it is for: see [`Order::tag`].
    pub tag: String,
    /// What the call is, in logs and errors.
    pub kind: String,
    /// Most wei of the chain's own currency that it may cost in all. None is no bound.
    pub budget: Option<U256>,
    /// Wei of the key that are left for what is more urgent.
    pub reserve: U256,
    /// Chain time (unix seconds) before which it should be there; None if that was not said.
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

pub(crate) fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
