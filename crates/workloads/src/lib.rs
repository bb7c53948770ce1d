//! Workloads: what is proven. A market's slots state something; a workload knows what, from where a proof's inputs come, and
//! which circuit proves it. Who proves a slot, and at what price, is its mechanism's business (`provery-mechanisms`).
//!
//! The chain's events and a slot go in, a [`Job`] or a [`Refusal`] comes out. Nothing here awaits, reads a clock or talks to
//! a chain.
//!
//! | type | what it is |
//! |---|---|
//! | [`Workload`] | a kind of work: its name in deployment files, its circuits, how to begin with a market |
//! | [`Tracker`] | one market of it: the inputs of its slots, kept from events |
//! | [`Circuit`] | a circuit's descriptor, keys, prover and verifier |
//! | [`Workloads`] | those that a program knows: the list below, and in tests others |
//! | [`Tracked`] | a tracker, and what is the same for every workload: whether a slot states what its hash says, and what becomes of a market that makes no sense |
//!
//! # Adding a workload
//!
//! One file or folder in `crates/workloads/src`, with a `WORKLOAD` of a type that implements [`Workload`], and its name in the
//! list at the end of this file. A deployment file names it (`"workload"`), with the circuit, for each market; the node, the
//! workers and the command line know no workload by name.
//!
//! # What a tracker can rely on
//!
//! - **Order.** [`Tracker::apply`] sees the logs of its contracts in the chain's order, from the deployment's first block on,
//!   and each once. While some of a market's past is still to be read (a deployment file that grew, a data directory that is
//!   older than the market, logs that endpoints withheld), nothing later is shown: all of it is then folded from the start.
//! - **Reorganisations.** There is nothing to undo. The logs that a tracker [keeps](Tracker::keeps) are on disk, and after a
//!   reorganisation or a restart a new tracker is [begun](Workload::track), given its last [snapshot](Tracker::snapshot), and
//!   shown the kept logs that still count. So a tracker's state must follow from snapshot and logs alone.
//! - **Bounds.** [`Tracker::forget`] says which slots can still matter and which block no reorganisation takes back. What
//!   needs neither is dropped, from memory there and from disk once `keeps` says no. A snapshot may hold only what
//!   was told up to that block.
//! - **Malice.** Anybody may deploy a contract, name it in a file and have it emit anything. A log that makes no sense is an
//!   `Err` of [`Tracker::apply`]: once every endpoint that answers tells it, nothing of that market is believed from there on,
//!   and no other market is touched.
//! - **Several markets** of one workload are several trackers, which know nothing of one another.
//!
//! # What is checked before anything is staked
//!
//! [`Workloads::track`]: the workload and the circuit are known, and the workload's own `parameters` can be read.
//! [`Workloads::vet`]: the circuit that is registered on the chain has the descriptor that this program proves by, the key
//! that the deployment file names, and no development keys where these are worthless. [`Workloads::vet_code`]: the record's
//! contract is the one that is there. [`Workloads::vet_terms`]: the market's terms name that circuit. [`Tracked::ready`]: the
//! inputs of a slot are at hand, and [`Tracked::needs`] says what is to be fetched first, and whether its circuit is asked, too. A market that any of these refuses is not served, by a name that logs and status show; the others are.
//!
//! # Room
//!
//! - **Witnesses from elsewhere** ([`circom`]: JSON and a program that computes the witness): a [`Job`]'s bytes are between the
//!   tracker and its circuit's [`ProofBackend`], which may run whatever it needs.
//! - **Segments of a block, and their aggregation.** A slot has one job, and a job one output. A backend may cut its job into
//!   segments, prove them one after the other or elsewhere, and aggregate: phases are its own words, so what it is
//!   at can be seen. Where segments are slots of their own, the tracker of the aggregating market reads the market's or the
//!   rollup's logs for the parts ([`RollupRecord::sources`](provery_types::RollupRecord::sources)).
//! - **Inputs that are not on the chain**: [`Tracker::needs`] names their bytes by digest and size, whoever runs the tracker fetches
//!   them, and [`Tracker::job`] is handed what is there.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256, LogData, U256};
use provery_circom::WitnessBackend;
use provery_descriptor::{Artifact, Digest};
use provery_proving::{KeyError, ProofBackend, ProofVerifier, keys::Manifest};
use provery_types::{BlockRef, RollupRecord, Slot};
use serde_json::Value;

mod refusal;
mod registry;
mod shape;
// Not a feature: what tests alone turned on would have node and program compiled twice.
#[doc(hidden)]
pub mod testing;
mod tracked;

pub use refusal::{Refusal, Why};
pub use registry::{Registered, Workloads, descriptor_hash};
pub use shape::Shape;
pub use tracked::Tracked;

/// A kind of work. See the module.
pub trait Workload: fmt::Debug + Send + Sync {
    /// What deployment files call it: its word in the list.
    fn name(&self) -> &'static str;

    /// The circuit of this name, if it is one of this workload's.
    fn circuit(&self, name: &str) -> Option<Arc<dyn Circuit>>;

    /// The name of one of its circuits, to show how they look.
    fn example(&self) -> String;

    /// The circuit whose descriptor has this sha256, if this workload proves whatever is described.
    fn described(&self, _descriptor: B256) -> Option<Arc<dyn Circuit>> {
        None
    }

    /// The parameters of a market for which nobody says others.
    fn default_parameters(&self) -> Value {
        Value::Null
    }

    /// Begin with a market, of which nothing was said yet. `record` is what the deployment file says of it; its circuit is one
    /// of this workload's.
    fn track(&self, chain_id: u64, record: &RollupRecord) -> Result<Box<dyn Tracker>, Refusal>;
}

/// The inputs of one market's slots. See the module for what it can rely on.
pub trait Tracker: fmt::Debug + Send + Sync {
    /// What to watch: the first topics of the logs that it reads, of the contracts that its record names. Others are neither
    /// kept nor shown to it.
    fn topics(&self) -> Vec<B256>;

    /// Take in the next log. An error says in a sentence's middle what makes no sense about it.
    fn apply(&mut self, log: &SourceLog<'_>) -> Result<(), String>;

    /// A slot is proven right, with all that it builds on.
    fn established(&mut self, _slot: u64) {}

    /// Whether the beginning is known, without which no slot can be proven.
    fn has_begun(&self) -> bool {
        true
    }

    /// Whether all is at hand that a proof of a slot takes, and the slot states what it should. That its hash is right was
    /// checked.
    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal>;

    /// What a slot's proof takes that the chain does not have, or does not tell. Asked of slots that are [ready](Self::ready).
    fn needs(&self, _stated: &Statement<'_>) -> Needs {
        Needs::default()
    }

    /// The job that proves a slot and pays `payee`, after the same checks, with what was fetched of what it needs.
    fn job(&mut self, stated: &Statement<'_>, payee: Address, fetched: &dyn Fetched) -> Result<Job, Refusal>;

    /// Forget what can matter no more: the market's `slots` are known, and those settled up to block `deep`, which no
    /// reorganisation takes back, are over.
    fn forget(&mut self, slots: &[Statement<'_>], deep: u64);

    /// Whether a log must stay on disk: what it said is neither forgotten nor in the snapshot.
    fn keeps(&self, log: &SourceLog<'_>) -> bool;

    /// Where folding the kept logs starts from; nothing if it starts from nothing.
    fn snapshot(&self) -> Option<Vec<u8>> {
        None
    }

    /// Start from a snapshot, before any log.
    fn restore(&mut self, _snapshot: &[u8]) -> Result<(), String> {
        Err("this workload has no snapshots".to_owned())
    }

    /// The number that a log carries, if logs are numbered as slots are: what shows that an endpoint withheld some.
    fn numbered(&self, _log: &SourceLog<'_>) -> Option<Numbered> {
        None
    }

    /// Whether each slot that the record's contract opens comes with a log of its number, in the same transaction.
    fn numbers_slots(&self) -> bool {
        false
    }
}

/// A circuit: what is proven by one pair of keys.
pub trait Circuit: fmt::Debug + Send + Sync {
    /// By which deployment files, jobs and directories of keys name it.
    fn name(&self) -> String;

    /// sha256 of the machine-readable description, which is registered on the chain: what each input means and where it comes
    /// from.
    fn descriptor_hash(&self) -> B256;

    /// Its size, in a unit of its own: what the time of a proof goes by.
    fn size(&self) -> u64;

    /// Make development keys from a seed, under `keys`.
    fn setup(&self, seed: &[u8], keys: &Path) -> Result<Manifest, KeyError>;

    /// What proves its jobs, with the keys under `keys`; `hash` is that of the verifying key, if it is known.
    fn prover(&self, keys: &Path, hash: Option<&[u8; 32]>) -> Result<Arc<dyn ProofBackend>, KeyError>;

    /// What checks proofs made elsewhere.
    fn verifier(&self, keys: &Path, hash: Option<&[u8; 32]>) -> Result<Arc<dyn ProofVerifier>, KeyError>;

    /// What computes witnesses of its jobs, where others can make proofs of these; nothing where they cannot.
    fn witness(&self, _keys: &Path, _hash: Option<&[u8; 32]>) -> Result<Option<Witnesses>, KeyError> {
        Ok(None)
    }

    /// What terms must say of its public inputs; nothing if that is known only from files, and these are not looked for (`keys`).
    fn shape(&self, _keys: Option<&Path>) -> Result<Option<Shape>, KeyError> {
        Ok(None)
    }

    /// The Groth16 proof in a proof that a market took; nothing if it is none of this circuit.
    fn groth16(
        &self,
        _keys: &Path,
        _public_inputs: &[U256],
        _proof: &[u8],
    ) -> Result<Option<Groth16Proof>, KeyError> {
        Ok(None)
    }

    /// A proof's public inputs, of which the payee is one only if the circuit binds it, as a market has them: statement, outputs, payee.
    /// They come in the circuit's own order.
    fn in_market_order(&self, _keys: &Path, signals: Vec<U256>) -> Result<Vec<U256>, KeyError> {
        Ok(signals)
    }

    /// A job of full size, to measure a machine with.
    fn sample(&self) -> Result<Vec<u8>, Refusal>;

    /// The command that measures what a proof takes.
    fn how_to_measure(&self) -> String {
        format!("provery calibrate --circuit {}", self.name())
    }

    /// The command that gets its keys, of which the chain knows the circuit as `id`.
    fn how_to_get(&self, _id: B256, development: bool) -> String {
        if development {
            return format!("provery keys generate --circuit {}", self.name());
        }
        format!(
            "provery keys import DIR --circuit {}, with the files of whoever set the circuit up",
            self.name()
        )
    }
}

/// A Groth16 proof and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groth16Proof {
    /// As the EVM reads it: 256 bytes.
    pub points: Vec<u8>,
    /// Its own public signals, in the circuit's order.
    pub signals: Vec<U256>,
}

/// What others make proofs of: see [`Circuit::witness`].
#[derive(Debug)]
pub struct Witnesses {
    /// Computes witnesses, and checks the proofs that were made of them.
    pub backend: Box<dyn WitnessBackend>,
    /// The proving key's file.
    pub zkey: PathBuf,
}

/// A log of a contract that a workload reads.
#[derive(Clone, Copy, Debug)]
pub struct SourceLog<'a> {
    /// The contract that emitted it.
    pub address: Address,
    /// The block that it is in.
    pub block: BlockRef,
    /// Its place in the block.
    pub index: u64,
    /// Its topics and its data.
    pub data: &'a LogData,
}

/// A slot, and the inputs that it states. They hash to the slot's statement.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The slot as it was opened.
    pub slot: &'a Slot,
    /// The words that say what it is about, as its requester gave them.
    pub inputs: &'a [U256],
}

/// Inputs of one statement that count, from the first on: bytes of all together.
pub const MOST_INPUT_BYTES: u64 = 16 << 20;
/// An input's URL that is longer counts for none, bytes.
pub const MOST_URL_BYTES: usize = 2_048;

/// What a slot's proof takes that the chain does not have, or does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Bytes that are elsewhere. A proof may come from any of them.
    pub linked: Vec<Artifact>,
    /// There is no proof without one of those.
    pub only_linked: bool,
    /// Only its circuit tells whether there is a proof: see [`ProofBackend::check`].
    pub check: bool,
    /// What was said of the slot on the chain, by what is in it: what was found out is about that, and holds for as long as it stands.
    pub posted: Vec<Digest>,
}

/// Bytes that are not on the chain, and were fetched.
pub trait Fetched: fmt::Debug + Send + Sync {
    /// Those of an artifact, if they are here and are what it says.
    fn get(&self, artifact: &Artifact) -> Option<Vec<u8>>;

    /// Inputs, posted or fetched, among which the slot's circuit found a witness before: they go first, and whoever adds others takes
    /// no prover's time.
    fn first(&self) -> &[Digest] {
        &[]
    }
}

/// Nothing was fetched.
impl Fetched for () {
    fn get(&self, _: &Artifact) -> Option<Vec<u8>> {
        None
    }
}

/// What proves a slot.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// Whose keys it takes.
    pub circuit: String,
    /// What the circuit's backend is given.
    pub bytes: Vec<u8>,
    /// As [`Circuit::size`] counts; of a circuit that takes smaller jobs, what this one is.
    pub size: u64,
    /// When the proof is wanted (unix seconds): the end of the exclusive window, unless the workload needs it before.
    pub deadline: u64,
    /// Whether what the requester claims is right, if there is a claim that may be wrong.
    pub claim_correct: bool,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("circuit", &self.circuit)
            .field("bytes", &self.bytes.len())
            .field("size", &self.size)
            .field("deadline", &self.deadline)
            .field("claim_correct", &self.claim_correct)
            .finish()
    }
}

/// What a log says about the numbers of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// Logs are numbered from here on, from 1.
    Begins,
    /// The log has this number, as the slot that it is about.
    Number(u64),
}

/// Declares each module of the list and makes its `WORKLOAD` known.
macro_rules! workloads {
    ($($module:ident),+ $(,)?) => {
        $(pub mod $module;)+

        static KNOWN: &[&dyn Workload] = &[$(&$module::WORKLOAD),+];

        #[cfg(test)]
        const WORDS: &[&str] = &[$(stringify!($module)),+];
    };
}

// The one list of workloads.
workloads! {
    circom,
    transfer_rollup,
}
