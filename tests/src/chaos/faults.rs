//! What can go wrong on the wire, where, and how often.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::dice::Dice;

/// A fault between a node and its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// The chain took it, and the answer never came.
    LostResponse,
    /// The connection is closed before anything is read.
    Refused,
    /// The connection is closed once the request was read; it was not delivered.
    Dropped,
    /// 50 ms to 3 s.
    Delay,
    /// Delivered twice, answered once.
    Duplicate,
    /// Head and counts as of some blocks ago.
    StaleHead,
    /// No logs where there are some.
    EmptyLogs,
    /// Half of the answer's body.
    Truncated,
    /// Status 429.
    TooManyRequests,
    /// An error, although the chain took the transaction.
    AlreadyKnown,
    /// An error, although the transaction is in the pool, or although its nonce is free.
    NonceTooLow,
    /// An error about fees, for a replacement or a first broadcast that is fine.
    Underpriced,
    /// Status 500.
    ServerError,
    /// An error with a code that no list of codes has; nothing was delivered.
    UnknownRefusal,
    /// Some calls of a batch are refused, or are not answered.
    PartOfBatch,
    /// The newest block, by one of the endpoints, has a time years ahead.
    LyingTime,
    /// Every bit of a block's bloom is set, as on chains with much to say.
    CrowdedBloom,
}

const SEND: &str = "eth_sendRawTransaction";
const LOGS: &str = "eth_getLogs";
const BLOCKS: [&str; 2] = ["eth_getBlockByNumber", "eth_getBlockByHash"];
const HEADS: [&str; 3] = ["eth_blockNumber", "eth_getBlockByNumber", "eth_getTransactionCount"];

impl Wire {
    pub(super) const ALL: [Self; 17] = [
        // The rare opportunities first: a request suffers one fault at most.
        Self::PartOfBatch,
        Self::LyingTime,
        Self::EmptyLogs,
        Self::AlreadyKnown,
        Self::NonceTooLow,
        Self::Underpriced,
        Self::LostResponse,
        Self::StaleHead,
        Self::Refused,
        Self::Dropped,
        Self::Delay,
        Self::Duplicate,
        Self::Truncated,
        Self::TooManyRequests,
        Self::ServerError,
        Self::UnknownRefusal,
        Self::CrowdedBloom,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LostResponse => "lost_response",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::Delay => "delay",
            Self::Duplicate => "duplicate",
            Self::StaleHead => "stale_head",
            Self::EmptyLogs => "empty_logs",
            Self::Truncated => "truncated",
            Self::TooManyRequests => "too_many_requests",
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow => "nonce_too_low",
            Self::Underpriced => "underpriced",
            Self::ServerError => "server_error",
            Self::UnknownRefusal => "unknown_refusal",
            Self::PartOfBatch => "part_of_batch",
            Self::LyingTime => "lying_time",
            Self::CrowdedBloom => "crowded_bloom",
        }
    }

    /// Whether it can befall a request of these methods at a node's listener of this number.
    pub(super) fn applies(self, methods: &[&str], listener: u64) -> bool {
        let any = |wanted: &[&str]| methods.iter().any(|method| wanted.contains(method));
        match self {
            Self::EmptyLogs => any(&[LOGS]),
            Self::AlreadyKnown | Self::NonceTooLow | Self::Underpriced => any(&[SEND]),
            Self::StaleHead => any(&HEADS),
            Self::PartOfBatch => methods.len() > 1,
            // What all endpoints say is so.
            Self::LyingTime => listener == 0 && any(&BLOCKS[..1]),
            Self::CrowdedBloom => any(&BLOCKS),
            _ => true,
        }
    }

    /// The most often it may happen, in parts in a million, so that a node still gets through.
    fn cap(self) -> u32 {
        match self {
            Self::EmptyLogs | Self::PartOfBatch => 400_000,
            // Of all sends, one in two; of the others, two in three; of what is left, two in three. The first are delivered
            // all the same, as is every other of the second; what was not is sent again.
            Self::AlreadyKnown => 500_000,
            Self::NonceTooLow | Self::Underpriced => 660_000,
            Self::StaleHead | Self::CrowdedBloom => 60_000,
            _ => 30_000,
        }
    }

    /// How often it happens when nothing asks for more.
    fn base(self) -> u32 {
        match self {
            Self::PartOfBatch
            | Self::EmptyLogs
            | Self::AlreadyKnown
            | Self::NonceTooLow
            | Self::Underpriced => 20_000,
            _ => 2_000,
        }
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Row {
    done: AtomicU64,
    /// Requests that it could have befallen.
    seen: AtomicU64,
    seen_before: AtomicU64,
    ppm: AtomicU32,
}

/// How often each fault happens, adapted so that each reaches its quota in time.
#[derive(Debug)]
pub(super) struct Rates {
    quota: u64,
    low: bool,
    on: AtomicBool,
    rows: [Row; Wire::ALL.len()],
}

impl Rates {
    /// Faults are off until [`Rates::switch`]. `low` keeps every rate at its base.
    pub(super) fn new(quota: u64, low: bool) -> Self {
        let rates = Self { quota, low, on: AtomicBool::new(false), rows: Default::default() };
        for fault in Wire::ALL {
            rates.row(fault).ppm.store(fault.base(), Relaxed);
        }
        rates
    }

    fn row(&self, fault: Wire) -> &Row {
        &self.rows[fault.index()]
    }

    pub(super) fn switch(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    /// Whether the fault befalls a request that it could befall.
    pub(super) fn roll(&self, fault: Wire, dice: &mut Dice) -> bool {
        let row = self.row(fault);
        row.seen.fetch_add(1, Relaxed);
        self.on.load(Relaxed) && dice.chance(row.ppm.load(Relaxed))
    }

    pub(super) fn injected(&self, fault: Wire) {
        self.row(fault).done.fetch_add(1, Relaxed);
    }

    /// Faults that have not reached the quota, and how many of each are still wanted.
    pub(super) fn missing(&self) -> Vec<(&'static str, u64)> {
        let wanted = |fault: Wire| self.quota.saturating_sub(self.row(fault).done.load(Relaxed));
        Wire::ALL
            .into_iter()
            .filter(|fault| wanted(*fault) > 0)
            .map(|fault| (fault.name(), wanted(fault)))
            .collect()
    }

    /// Set the rates anew: `window` has passed since the last time, and `left` of the run is left.
    pub(super) fn adapt(&self, window: Duration, left: Duration) {
        for fault in Wire::ALL {
            let row = self.row(fault);
            let seen = row.seen.load(Relaxed);
            let fresh = seen - row.seen_before.swap(seen, Relaxed).min(seen);
            let chances = fresh as f64 / window.as_secs_f64().max(0.1) * left.as_secs_f64().max(5.0);
            let wanted = self.quota.saturating_sub(row.done.load(Relaxed)) as f64;
            if self.low || wanted == 0.0 {
                row.ppm.store(fault.base(), Relaxed);
            } else if chances > 0.0 {
                // Some of what is rolled comes to nothing, such as emptying an answer that is empty.
                let ppm = 1.5e6 * wanted / chances;
                row.ppm.store((ppm as u32).clamp(fault.base(), fault.cap()), Relaxed);
            } else {
                row.ppm.store(fault.cap(), Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_rises_to_reach_the_quota_and_falls_once_it_is_reached() {
        let rates = Rates::new(10, false);
        rates.switch(true);
        let mut dice = Dice::of(&[1]);
        for _ in 0..1_000 {
            rates.roll(Wire::Delay, &mut dice);
        }
        rates.adapt(Duration::from_secs(10), Duration::from_secs(10));
        assert_eq!(rates.row(Wire::Delay).ppm.load(Relaxed), 15_000);
        for _ in 0..10 {
            rates.injected(Wire::Delay);
        }
        rates.adapt(Duration::from_secs(10), Duration::from_secs(10));
        assert_eq!(rates.row(Wire::Delay).ppm.load(Relaxed), Wire::Delay.base());
        assert!(!rates.missing().iter().any(|(fault, _)| *fault == "delay"));
        assert!(rates.missing().contains(&("refused", 10)));
    }

    #[test]
    fn nothing_happens_while_switched_off() {
        let rates = Rates::new(1_000_000, false);
        rates.adapt(Duration::from_secs(1), Duration::from_secs(1));
        let mut dice = Dice::of(&[1]);
        assert!((0..1_000).all(|_| !rates.roll(Wire::Refused, &mut dice)));
    }
}
