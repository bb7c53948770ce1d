//! Talks to nodes: endpoints, the event stream with its reorgs, what the contracts say, what to send them.
//!
//! [`Rpc`] is a connection to one or several endpoints, [`Chain`] a connection to a checked deployment. [`Follower`] tells what happened, block by
//! block, [`history`] what happened before. [`Calls`] says what to send; who sends it is `provery-txmgr`.
//!
//! | module | what it holds |
//! |---|---|
//! | `endpoints` | several endpoints as one: whom to ask, who is left alone, what a refusal means |
//! | `rpc`, `view` | requests to the best of them, or to one in particular |
//! | `headers`, `receipts`, `finality`, `fork` | what is believed of blocks |
//! | `logs`, `follower` | events in order, and what to take back |
//! | `new_heads` | a websocket that says when to look |
//! | `gas`, `data_fees` | what a chain asks for a transaction |
//! | `chain`, `asset`, `reads`, `calls` | a deployment's contracts |

pub mod asset;
mod calls;
mod cause;
mod chain;
mod clock;
mod crowd;
mod data_fees;
mod endpoints;
mod error;
mod finality;
mod follower;
mod fork;
mod gas;
mod headers;
mod logs;
mod new_heads;
mod pool_calls;
mod reads;
mod receipts;
mod rpc;
#[cfg(test)]
mod testing;
mod view;

pub use calls::{Call, Calls};
pub use cause::reason;
pub use chain::{Chain, load_deployment};
pub use clock::believable;
pub use data_fees::DataFees;
pub use endpoints::EndpointHealth;
pub use error::ChainError;
pub use finality::{Settled, is_settled};
pub use follower::{Follower, FollowerConfig, Health, Update};
pub use gas::{Fees, Quote, Receipt, Surcharge};
pub use new_heads::new_heads;
pub use pool_calls::PoolCalls;
pub use reads::{
    MarketRecord, PoolBatch, PoolMarket, PoolPolicy, PoolRecord, PoolSummary, Probe, RegistryParams,
    SeedBlock, SeedError, TermsRecord, history,
};
pub use rpc::Rpc;
pub use view::View;
