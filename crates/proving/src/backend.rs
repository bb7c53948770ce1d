//! What a prover service sees of proving: one trait, its progress and its output.

use std::{fmt, time::Duration};

use crate::error::ProveError;

/// Something that turns jobs for one circuit into proofs. Blocking: call it from a thread that may wait.
pub trait ProofBackend: Send + Sync {
    /// Name of the circuit that this backend proves.
    fn circuit(&self) -> &str;

    /// Prove one job. The proof was verified when this returns.
    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError>;
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

/// The parts of a proof, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The assignment of every variable.
    Witness,
    /// The quotient polynomial.
    Fft,
    /// The proof's points.
    Msm,
    /// The check of the finished proof.
    Verify,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::Witness, Self::Fft, Self::Msm, Self::Verify];

    /// The name that logs and tables use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Witness => "witness",
            Self::Fft => "fft",
            Self::Msm => "msm",
            Self::Verify => "verify",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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
