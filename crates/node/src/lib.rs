//! The prover service: follows the chain, decides, proves, delivers, collects; and can be stopped or killed at any time.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | what a node is told |
//! | [`concern`] | what an operator should know, by stable words |
//! | [`earning`] | why nothing will be earned, in sentences |
//! | [`facts`] | what the chain has said: a fold of events |
//! | [`inputs`] | inputs of slots that are not on the chain, on disk |
//! | [`slots`] | what to do about one slot: a state machine without effects |
//! | [`book`] | facts and work together, kept in step with the [`store`] |
//! | [`store`] | the database, and the lock on its directory |
//! | [`proof_pool`] | a bounded number of proofs at a time |
//! | [`outcome`] | what a failed send means |
//! | [`pause`] | whether to pause the prover, or to bring it back |
//! | [`monitor`] | what can be seen from outside: status, metrics, their HTTP server |
//! | [`service`] | the loop: updates in, effects out |
//! | [`once`] | one slot, by hand |
//! | [`stop`] | the two ways to end |
//! | [`supervisor`] | named tasks that live and die together |
//! | [`vetting`] | whether a rollup is what this program proves |
//! | [`report`] | one JSON object a line for whoever watches |
//!
//! Decisions are [`provery_mechanisms`]' and pure; effects are the service's.

pub mod book;
pub mod concern;
pub mod config;
pub mod earning;
pub mod error;
pub mod facts;
pub mod inputs;
pub mod monitor;
pub mod once;
pub mod outcome;
pub mod pause;
pub mod proof_pool;
pub mod report;
pub mod service;
pub mod slots;
pub mod stop;
pub mod store;
pub mod supervisor;
pub mod vetting;

#[cfg(test)]
mod testing;

pub use config::{HiddenUrl, NatsSettings, NodeConfig, Tunables};
pub use error::NodeError;
pub use once::{Delivered, Means, prove_one};
pub use service::lifecycle::{Parts, run};
pub use stop::Stop;
pub use vetting::vet;
