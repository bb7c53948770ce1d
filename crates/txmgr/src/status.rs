//! What an outbox shows of itself.

use crate::outlay::{DayOutlay, Outlay};
use serde::{Deserialize, Serialize};

/// What the outbox holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutboxStatus {
    /// pending transactions that are not mined.
    pub pending: u64,
    /// The lowest nonce of these.
    pub oldest_nonce: Option<u64>,
    /// The nonce after the highest that a pending transaction has; None without pending transactions.
    pub next_nonce: Option<u64>,
    /// The head when the longest waiting of these was signed, or taken back by a reorg.
    pub unmined_since_block: Option<u64>,
    /// Replacements since the program started.
    pub replaced: u64,
    /// Transactions that were broadcast again as they were, since the program started.
    pub rebroadcast: u64,
    /// Nonces that went to transactions which this program did not sign, since it started: another uses its key.
    pub foreign_nonces: u64,
    /// Unix milliseconds at which that was last seen.
    pub foreign_at_ms: u64,
    /// Unix milliseconds at which a nonce that was signed for here last went to one of these; 0 if never.
    pub lost_at_ms: u64,
    /// What transactions cost, as far back as is written down.
    pub spent: Outlay,
    /// The same by day.
    pub spent_by_day: Vec<DayOutlay>,
    /// What went wrong last; None once a look at the chain went well.
    pub last_error: Option<String>,
}
