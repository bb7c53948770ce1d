//! The only crate that talks to a node: reads, the event stream with its reorgs, transactions.
//!
//! [`Rpc`] is a connection to one or several endpoints, [`Chain`] a connection to a checked deployment. [`Follower`] tells what happened, block by
//! block, [`history`] what happened before. [`calls::Calls`] says what to send and [`Sender`] sends it.

pub mod asset;
pub mod calls;
mod clock;
mod connection;
mod crowd;
mod endpoints;
mod error;
#[cfg(test)]
mod fake;
mod finality;
mod follower;
mod fork;
mod gas;
mod headers;
mod hint;
mod history;
mod journal;
mod logs;
mod outlay;
mod pool_calls;
mod pool_reads;
mod probe;
mod reads;
mod receipts;
mod rounds;
mod rpc;
mod seed;
mod sender;
mod view;

pub use calls::{Call, Calls};
pub use clock::believable;
pub use connection::{Chain, load_deployment};
pub use endpoints::EndpointHealth;
pub use error::{ChainError, reason};
pub use follower::{Follower, FollowerConfig, Health, Update};
pub use gas::Receipt;
pub use hint::hint;
pub use history::history;
pub use journal::{Intent, Journal, JournalError, Memory, MinedAt, Paid, Signed, Spend};
pub use outlay::{DayOutlay, Outlay, Spent};
pub use pool_calls::PoolCalls;
pub use pool_reads::{PoolBatch, PoolMarket, PoolPolicy, PoolRecord, PoolSummary};
pub use probe::Probe;
pub use reads::{MarketRecord, RegistryParams, RollupState, TermsRecord};
pub use rounds::MiningRound;
pub use rpc::Rpc;
pub use seed::{SeedBlock, SeedError, make_block};
pub use sender::{
    Landing, Mined, Order, OutboxStatus, SendError, SendTimings, Sender, SenderConfig, Waiting,
};
