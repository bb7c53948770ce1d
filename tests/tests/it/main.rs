//! Against a real anvil.

mod chaos;
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
mod standby;
mod worker;
