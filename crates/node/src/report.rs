//! One JSON object a line for whoever watches the node (the demo's table, for one). Logs are for people; this is for
//! programs, and its fields are kept.
//!
//! Every line has
//!
//! | field | |
//! |---|---|
//! | `event` | see below |
//! | `at_ms` | unix milliseconds |
//! | `prover` | the payee's address |
//!
//! and, where they make sense, `market` (decimal string), `slot` (number) and `ms` (a duration in milliseconds).
//!
//! | event | more fields | `ms` |
//! |---|---|---|
//! | `started` | `block`, `resumed` (slots with work left from before) | |
//! | `slot_won` | `exclusive_until` (unix seconds) | |
//! | `proving` | `reason`: assigned, assigned_late, rescue, open_to_all, leading, requested | since the slot was seen |
//! | `phase` | `phase`: witness, fft, msm, verify | since the proof was started |
//! | `proved` | `statement`: its hash; `phases`: object of milliseconds by phase | the proof |
//! | `submitted` | `tx`, `gas` (used), `block`; `seen_ms`, `broadcast_ms`: unix milliseconds at which the slot was seen and the transaction taken by an endpoint; `phases`: milliseconds in between, of decide, queue, prepare, prove, store, wait, estimate, sign, broadcast | from the sending to the receipt |
//! | `settled` | `reward`, `premium` (asset wei, decimal strings), `tx` | since the slot was seen |
//! | `rescued` | as `settled`, and `missed_by`: the address whose bond was slashed. Comes after that slot's `settled` | |
//! | `lost` | `to`: who was paid, `slashed`: whether this prover's bond was, `wasted_ms`: spent on a proof nobody pays for, if one was begun | |
//! | `expired`, `cancelled` | | |
//! | `upkeep` | `action`: poke, expire, pause, resume, sync, withdraw; lock, commit, reveal, settle, ticket; offer_transfer, accept_transfer; `tx`, `gas` | |
//! | `error` | `code` (stable), `message`, and whether the node goes on by itself: `retried` | |
//! | `warning` | `code`: low_balance; `balance` (wei), `proofs_left` | |
//! | `draining` | `held`: slots to finish before the end | |
//! | `stopped` | | |

use std::{
    fmt,
    io::{self, Write},
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, U256};
use provery_types::SlotKey;
use serde_json::{Map, Value, json};

/// Writes the lines. Cheap to call when nobody listens.
pub struct Reporter {
    prover: Address,
    out: Option<Mutex<Box<dyn Write + Send>>>,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("prover", &self.prover).field("on", &self.out.is_some()).finish()
    }
}

impl Reporter {
    /// To standard output.
    pub fn stdout(prover: Address) -> Self {
        Self::to(prover, Box::new(io::stdout()))
    }

    /// To anything.
    pub fn to(prover: Address, out: Box<dyn Write + Send>) -> Self {
        Self { prover, out: Some(Mutex::new(out)) }
    }

    /// To nobody.
    pub fn silent(prover: Address) -> Self {
        Self { prover, out: None }
    }

    /// Write a line about the node itself.
    pub fn node(&self, event: &str, fields: Value) {
        self.line(event, None, None, fields);
    }

    /// Write a line about a slot.
    pub fn slot(&self, event: &str, key: SlotKey, took: Option<Duration>, fields: Value) {
        self.line(event, Some(key), took, fields);
    }

    fn line(&self, event: &str, key: Option<SlotKey>, took: Option<Duration>, fields: Value) {
        let Some(out) = &self.out else { return };
        let mut line = Map::new();
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        line.insert("event".into(), json!(event));
        line.insert("at_ms".into(), json!(millis(at)));
        line.insert("prover".into(), json!(self.prover));
        if let Some(key) = key {
            line.insert("market".into(), json!(key.market.to_string()));
            line.insert("slot".into(), json!(key.id));
        }
        if let Some(took) = took {
            line.insert("ms".into(), json!(millis(took)));
        }
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let Ok(mut text) = serde_json::to_string(&Value::Object(line)) else { return };
        text.push('\n');
        // A reader that went away must not stop the prover.
        if let Ok(mut out) = out.lock() {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

/// A duration as the report's fields have it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Asset wei as the report's fields have them.
pub fn wei(amount: U256) -> Value {
    json!(amount.to_string())
}
