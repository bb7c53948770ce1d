//! Against a real anvil.

mod command;
mod connect;
mod demo;
mod endpoints;
mod follow;
mod mechanisms;
mod nats;
mod outbox;
mod operations;
mod pool;
mod send;
mod worker;
