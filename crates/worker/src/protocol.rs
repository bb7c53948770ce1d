//! What a node and its worker processes say to each other: a line of JSON each, jobs one way and replies the other.
//!
//! ```text
//! → {"id":1,"circuit":"transfer-block-d16-n8","job":"0x…"}
//! ← {"event":"taken","id":1}
//! ← {"event":"phase","id":1,"phase":"witness"}
//! ← {"event":"proved","id":1,"proof":{"public_inputs":["0x…"],"proof":"0x…","timings_us":[["witness",41000]]}}
//!   or {"event":"refused","id":1,"message":"…"}   the job is at fault
//!   or {"event":"failed","id":1,"message":"…"}    the machine is
//! ```
//!
//! With `"check":true` only whether the job can be proven is asked, and `{"event":"sound","id":1}` says that it can.
//!
//! The end of the input ends a worker at once, even in the middle of a proof. There is no line for "stop": a process
//! whose proof is not wanted any more is killed.

use std::time::Duration;

use alloy::primitives::{B256, Bytes};
use provery_proving::{Phase, ProofOutput};
use serde::{Deserialize, Serialize};

/// A job, on its way to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Repeated in every reply.
    pub id: u64,
    /// Whose keys it takes.
    pub circuit: String,
    /// Hash of the verifying key that the proof must verify with; any of the circuit's if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<B256>,
    /// What the circuit's backend is given.
    pub job: Bytes,
    /// Only whether it can be proven is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check: bool,
}

/// What a worker has to say about a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// The job was read.
    Taken {
        /// The job's [`Request::id`].
        id: u64,
    },
    /// A phase begins.
    Phase {
        /// The job's [`Request::id`].
        id: u64,
        /// Its name, in the backend's words.
        phase: String,
    },
    /// The end: a proof that verifies.
    Proved {
        /// The job's [`Request::id`].
        id: u64,
        /// The proof, and what it proves.
        proof: WireProof,
    },
    /// The end of a check: it can be proven, as far as that can be told.
    Sound {
        /// The job's [`Request::id`].
        id: u64,
    },
    /// The end: no machine makes a proof of the job.
    Refused {
        /// The job's [`Request::id`].
        id: u64,
        /// Why none does, in a sentence.
        message: String,
    },
    /// The end: there is no proof, and the machine or its files are at fault.
    Failed {
        /// The job's [`Request::id`].
        id: u64,
        /// Why there is none, in a sentence.
        message: String,
    },
}

impl Reply {
    /// Which job it is about.
    pub fn id(&self) -> u64 {
        match self {
            Self::Taken { id }
            | Self::Phase { id, .. }
            | Self::Proved { id, .. }
            | Self::Sound { id }
            | Self::Refused { id, .. }
            | Self::Failed { id, .. } => *id,
        }
    }
}

/// A [`ProofOutput`] as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireProof {
    /// Public inputs in the verifier's order, big-endian words.
    pub public_inputs: Vec<B256>,
    /// The proof as the verifier reads it.
    pub proof: Bytes,
    /// Microseconds by phase.
    pub timings_us: Vec<(String, u64)>,
}

impl From<ProofOutput> for WireProof {
    fn from(output: ProofOutput) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            public_inputs: output.public_inputs.into_iter().map(B256::from).collect(),
            proof: output.proof.into(),
            timings_us: output
                .timings
                .iter()
                .map(|(phase, time)| (phase.as_str().to_owned(), micros(*time)))
                .collect(),
        }
    }
}

impl From<WireProof> for ProofOutput {
    fn from(wire: WireProof) -> Self {
        let timing = |(name, micros): &(String, u64)| {
            Phase::named(name).map(|phase| (phase, Duration::from_micros(*micros)))
        };
        Self {
            public_inputs: wire.public_inputs.iter().map(|word| word.0).collect(),
            timings: wire.timings_us.iter().filter_map(timing).collect(),
            proof: wire.proof.to_vec(),
        }
    }
}
