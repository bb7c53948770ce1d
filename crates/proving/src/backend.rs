//! What a prover service sees of proving: one trait, its progress and its output.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::ProveError;

/// Something that turns jobs for one circuit into proofs. Blocking: call it from a thread that may wait.
pub trait ProofBackend: Send + Sync {
    /// Name of the circuit that this backend proves.
    fn circuit(&self) -> &str;

    /// Prove one job. The proof was verified when this returns.
    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError>;

    /// Whether a job can be proven, as far as that shows for much less than a proof.
    fn check(&self, _job: &[u8], _progress: &dyn Progress) -> Result<(), ProveError> {
        Ok(())
    }
}

/// Tells whether a proof that was made elsewhere is one of a job, by hands that need not be trusted.
pub trait ProofVerifier: fmt::Debug + Send + Sync {
    /// sha256 of the verifying key's file.
    fn key_hash(&self) -> &[u8; 32];

    /// Whether `output` is, to the last byte, what the market takes for this job.
    fn verify(&self, job: &[u8], output: &ProofOutput) -> Result<(), ProveError>;

    /// As [`ProofBackend::check`].
    fn check(&self, _job: &[u8], _progress: &dyn Progress) -> Result<(), ProveError> {
        Ok(())
    }
}

/// Told where a proof is, and asked whether it is still wanted.
pub trait Progress {
    /// A phase begins.
    fn phase(&self, phase: Phase);

    /// Whether to give up: asked between the steps of a proof.
    fn cancelled(&self) -> bool;
}

/// Nobody is watching.
impl Progress for () {
    fn phase(&self, _phase: Phase) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// A part of a proof, in the backend's own word: what logs, metrics and tables show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase(&'static str);

impl Phase {
    /// Words that a process takes from others: more are not remembered, so that whoever makes them up fills no memory.
    const MOST_NAMED: usize = 64;
    const MOST_BYTES: usize = 32;

    /// The phase of this name: at most 32 letters, digits, `-` and `_`, or [`Self::named`] does not take it.
    pub const fn new(word: &'static str) -> Self {
        Self(word)
    }

    /// The phase that another process names; nothing if that is no plain word.
    pub fn named(word: &str) -> Option<Self> {
        static NAMED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if word.is_empty() || word.len() > Self::MOST_BYTES || !word.chars().all(plain) {
            return None;
        }
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get(word) {
            return Some(Self(known));
        }
        if named.len() >= Self::MOST_NAMED {
            return None;
        }
        let word: &'static str = word.to_owned().leak();
        named.insert(word);
        Some(Self(word))
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Announces, times and, when the proof is no longer wanted, ends phases.
pub struct Clock<'a> {
    progress: &'a dyn Progress,
    timings: Vec<(Phase, Duration)>,
}

impl fmt::Debug for Clock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("timings", &self.timings).finish_non_exhaustive()
    }
}

impl<'a> Clock<'a> {
    /// Nothing was measured yet.
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, timings: Vec::new() }
    }

    /// Run one phase, unless the proof is no longer wanted: then the error is [`ProveError::Cancelled`], in the caller's type.
    pub fn phase<T, E: From<ProveError>>(
        &mut self,
        phase: Phase,
        run: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        alive(self.progress)?;
        self.progress.phase(phase);
        let started = Instant::now();
        let result = run()?;
        let elapsed = started.elapsed();
        tracing::debug!(phase = phase.as_str(), ?elapsed, "phase finished");
        self.timings.push((phase, elapsed));
        Ok(result)
    }

    /// How long each phase took, in their order.
    pub fn into_timings(self) -> Vec<(Phase, Duration)> {
        self.timings
    }
}

/// Fails with [`ProveError::Cancelled`] when the proof is no longer wanted.
pub fn alive(progress: &dyn Progress) -> Result<(), ProveError> {
    if progress.cancelled() { Err(ProveError::Cancelled) } else { Ok(()) }
}

/// A proof and what it proves, ready for the market's `prove`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofOutput {
    /// Public inputs in the verifier's order, big-endian words.
    pub public_inputs: Vec<[u8; 32]>,
    /// The proof as the verifier reads it.
    pub proof: Vec<u8>,
    /// How long each phase took.
    pub timings: Vec<(Phase, Duration)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_call_a_phase_is_a_plain_word_and_fills_no_memory() {
        const MSM: Phase = Phase::new("msm");
        assert_eq!(Phase::named("msm"), Some(MSM));
        for bad in ["", "a b", "x\n", &"a".repeat(33)] {
            assert_eq!(Phase::named(bad), None);
        }
        for n in 0..1_000 {
            let _ = Phase::named(&format!("phase-{n}"));
        }
        assert_eq!(Phase::named("phase-999"), None);
        assert_eq!(Phase::named("msm"), Some(MSM), "what is known stays known");
    }
}
