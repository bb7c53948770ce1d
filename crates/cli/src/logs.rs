//! Logs go to stderr, so that stdout holds results alone. `PROVERY_LOG` filters them (`PROVERY_LOG=debug`).

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

pub const ENV_LOG: &str = "PROVERY_LOG";

/// A service tells what it does; a command tells only what went wrong.
pub fn init(service: bool) {
    let default = if service { "info,alloy=warn,hyper=warn,reqwest=warn" } else { "warn" };
    let filter = EnvFilter::try_from_env(ENV_LOG).unwrap_or_else(|_| EnvFilter::new(default));
    // Already set only in tests.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(service);
    let _ = logs.with_ansi(io::stderr().is_terminal()).try_init();
}
