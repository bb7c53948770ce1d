//! Against a real anvil, and other chains.

mod additions;
mod amounts;
mod chaos;
mod command;
mod connect;
mod demo;
mod deploy;
mod doctor;
mod endpoints;
mod follow;
mod foreign;
mod mechanisms;
mod nats;
mod operations;
mod outbox;
mod packages;
mod pool;
mod send;
mod sequencer;
mod signer;
mod sources;
mod standby;
mod terms;
mod worker;
