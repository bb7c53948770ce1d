//! What can be seen of a running node from outside: its [`Status`], its metrics, and the HTTP server that shows them.
//!
//! | path | what it answers |
//! |---|---|
//! | `/healthz` | 200 while the service loop is alive (it ticked within 30 s), else 503 |
//! | `/readyz` | 200 when the node can be relied on, else 503 with `{"ready":false,"reasons":[…],"details":[…]}` |
//! | `/metrics` | OpenMetrics text |
//! | `/status` | [`Status`] as JSON |
//!
//! Reasons not to be ready: `starting`, `stalled` (the loop does not tick), `no_endpoint`, `behind`, `draining`,
//! `breaker_open`, `standby`, `paused_by_operator`, `paused_by_node: <why>` (see [`PauseStatus`]), `earns_nothing` (see
//! [`crate::earning`]), `held_unprovable`, `market_unprovable`, `reading_history`, `held_late`, `pause_fails` and `suspended` (see
//! [`crate::concern::Concern`]). `details` has the sentences.
//!
//! docs/reference/metrics.md lists the metrics. Labels only have values from closed lists or from the configuration, never slots,
//! addresses or messages.

mod address_file;
#[cfg(test)]
mod alerts_tests;
pub mod disk;
mod guard;
mod handle;
mod http;
mod metrics;
mod process;
mod shared;
mod status;

pub use address_file::{AddressFile, read_address_file};
pub use handle::Monitor;
pub use http::{ServeError, Server, serve};
pub use shared::ALIVE_WITHIN;
pub use status::{
    BalanceStatus, BreakerStatus, CAUGHT_UP_WITHIN, ChainStatus, ConcernStatus, ENDED_KEPT, EndedSlot,
    EndpointStatus, NodeStatus, OpenSlot, PauseStatus, StakeStatus, Status, WorkersStatus,
};
