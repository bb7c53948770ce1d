//! Against a real anvil.

mod chaos;
mod command;
mod connect;
mod demo;
mod follow;
mod mechanisms;
mod pool;
mod send;
