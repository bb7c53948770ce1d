//! Against a real anvil.

mod command;
mod connect;
mod demo;
mod follow;
mod mechanisms;
mod operations;
mod pool;
mod send;
