//! Against a real anvil.

mod chaos;
mod command;
mod connect;
mod demo;
mod deploy;
mod endpoints;
mod follow;
mod mechanisms;
mod nats;
mod operations;
mod outbox;
mod pool;
mod send;
mod sequencer;
mod standby;
mod terms;
mod worker;
