//! Against a real anvil.

mod command;
mod connect;
mod demo;
mod endpoints;
mod follow;
mod mechanisms;
mod nats;
mod operations;
mod outbox;
mod pool;
mod send;
mod worker;
