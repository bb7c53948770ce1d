//! Proofs that go wrong on purpose: for tests of what happens then.
//!
//! `PROVERY_WORKER_FAULT` holds one or more of these, with commas between them; `provery worker` obeys it and nothing else
//! does.
//!
//! | word | what happens |
//! |---|---|
//! | `fail:<p>` | p in a hundred proofs are refused |
//! | `crash:<p>` | p in a hundred proofs kill their process half-way |
//! | `slow:<ms>` | every proof begins with a pause of this many milliseconds |
//!
//! Which proofs are hit follows from `PROVERY_WORKER_FAULT_SEED` (a number, 0 if it is not set), the job's bytes and its
//! id, so that a job that is tried again has another chance.

use std::time::Duration;

use alloy::primitives::keccak256;

use crate::protocol::Request;

/// The environment variable that says what is to go wrong: see the module.
pub const ENV_FAULT: &str = "PROVERY_WORKER_FAULT";
/// The environment variable that says which proofs it hits: a number, 0 if it is not set.
pub const ENV_FAULT_SEED: &str = "PROVERY_WORKER_FAULT_SEED";

/// What is to go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    fail_percent: u64,
    crash_percent: u64,
    slow: Duration,
    seed: u64,
}

/// Faults that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "PROVERY_WORKER_FAULT: {0:?} is not one of fail:<percent>, crash:<percent>, slow:<ms>; write it like fail:10"
)]
pub struct FaultError(String);

/// What happens to one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It ends without a proof, as failed.
    pub fail: bool,
    /// Its process kills itself half-way.
    pub crash: bool,
    /// How long it waits before it begins.
    pub pause: Duration,
}

impl Fault {
    /// As the environment says.
    pub fn from_env() -> Result<Self, FaultError> {
        let seed = std::env::var(ENV_FAULT_SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
        Self::parse(&std::env::var(ENV_FAULT).unwrap_or_default(), seed)
    }

    /// From the words above.
    pub fn parse(words: &str, seed: u64) -> Result<Self, FaultError> {
        let mut fault = Self { seed, ..Self::default() };
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let wrong = || FaultError(word.to_owned());
            let (kind, amount) = word.split_once(':').ok_or_else(wrong)?;
            let amount: u64 = amount.trim_end_matches('%').parse().map_err(|_| wrong())?;
            match kind {
                "fail" if amount <= 100 => fault.fail_percent = amount,
                "crash" if amount <= 100 => fault.crash_percent = amount,
                "slow" => fault.slow = Duration::from_millis(amount),
                _ => return Err(wrong()),
            }
        }
        Ok(fault)
    }

    /// What happens to this job.
    pub fn fate(&self, request: &Request) -> Fate {
        let hash =
            keccak256([&self.seed.to_be_bytes()[..], &request.id.to_be_bytes(), &request.job].concat());
        let roll = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)) % 100;
        Fate {
            fail: roll(&hash[..4]) < self.fail_percent,
            crash: roll(&hash[4..8]) < self.crash_percent,
            pause: self.slow,
        }
    }
}
