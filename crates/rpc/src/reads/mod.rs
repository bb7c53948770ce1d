//! What the contracts say now, and what they said.

mod history;
mod market;
mod pool;
mod probe;
mod raw;
mod read;
mod seed;
mod sure;

#[cfg(test)]
pub(crate) use history::each_range;
pub use history::history;
pub use market::{MarketRecord, RegistryParams, TermsRecord};
pub use pool::{PoolBatch, PoolMarket, PoolPolicy, PoolRecord, PoolSummary};
pub use probe::Probe;
pub use seed::{SeedBlock, SeedError};
