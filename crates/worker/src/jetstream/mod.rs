//! Proofs on other machines, over NATS JetStream (server 2.9 or newer).
//!
//! With `P` the prefix, which keeps deployments on one server apart:
//!
//! | name | what | holds |
//! |---|---|---|
//! | `P-jobs` | work-queue stream, subjects `P.jobs.<key hash>.<job>` | what is to be proven: at most one message a job, gone when it is done |
//! | `P-results` | stream, subjects `P.results.<job>`, last message each | how jobs ended |
//! | `P-blobs` | object store | jobs' bytes, and results too large for a message |
//! | `P-keys` | object store | `<key hash>/{manifest.json,verifying.key,proving.key}` |
//! | `P.progress.<job>`, `P.cancel.<job>` | plain subjects | phases; the wish to stop |
//!
//! One durable consumer for each key hash: a worker serves those whose keys it has or can fetch. Everything but keys is
//! forgotten after an hour.
//!
//! **A job is what is to be proven, not who asked when**: its name is the hash of circuit, key and bytes (payee
//! included). Whoever asks for the same job, a restarted node or a second one, attaches to it, and a finished one is
//! answered at once. **The first result stands**: it is written only if no other was since the job was asked for. A
//! result that is not a proof (failed, cancelled) begins a new generation: asking again proves anew.
//!
//! Results are not believed: a proof is verified before the node takes it.

mod bus;
mod keys;
mod runner;
mod serve;

use std::{fmt, path::PathBuf, time::Duration};

use alloy::primitives::{B256, hex, keccak256};
use provery_proving::KeyError;
use serde::{Deserialize, Serialize};

pub(crate) use bus::Bus;
pub use keys::push;
pub use runner::Jetstream;
pub use serve::{ServeConfig, WorkerEvent, serve};

use super::protocol::WireProof;

/// A worker that is silent for this long has lost its job to another.
pub const ACK_WAIT: Duration = Duration::from_secs(10);
/// How often a job is handed out before it is given up.
pub const MOST_ATTEMPTS: i64 = 5;
/// How long jobs and results are remembered.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a server may take to answer one request.
const ANSWER: Duration = Duration::from_secs(5);
/// How long one object may stand still on its way.
const TRANSFER: Duration = Duration::from_secs(30);

/// Where NATS is.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsConfig {
    /// `nats://host:port`, `tls://…`; several servers of a cluster with commas between them.
    pub url: String,
    /// Begins the name of everything on the server: letters, digits, `-` and `_`.
    pub prefix: String,
    /// A file whose first line is `user:password`, or a token.
    pub credentials: Option<PathBuf>,
}

impl NatsConfig {
    /// The usual prefix, no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), prefix: "provery".to_owned(), credentials: None }
    }
}

/// A URL may hold a password.
impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("host", &bus::host(&self.url))
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// What goes wrong between here and NATS.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The server's URL is none: what of it may be shown.
    #[error("the NATS address cannot be read ({0}): write it like nats://127.0.0.1:4222")]
    Address(String),
    /// The prefix has characters that names on the server may not have.
    #[error("the NATS prefix {0:?} has characters other than letters, digits, - and _: choose another")]
    Prefix(String),
    /// The file with the credentials cannot be used.
    #[error(
        "the NATS credentials in {path} could not be read ({reason}): write user:password or a token on the first line"
    )]
    Credentials {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A server did not do what it was asked, or not in time.
    #[error(
        "NATS at {host} could not {doing} ({reason}): check that nats-server runs there with JetStream (./script/nats starts one)"
    )]
    Unavailable {
        /// Hosts and ports of the servers, with commas between them.
        host: String,
        /// What it was asked to do, to follow "could not".
        doing: &'static str,
        /// Why it did not.
        reason: String,
    },
    /// The server holds something that makes no sense.
    #[error("what NATS holds as {what} makes no sense ({reason}): remove it there, or choose another prefix")]
    Malformed {
        /// What it is of: the name of an object, a job or a circuit.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Keys on this machine cannot be loaded.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file of keys could not be read or written here.
    #[error("{path} could not be read or written ({source}): check its permissions and the free disk space")]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ticket {
    id: B256,
    circuit: String,
    key_hash: B256,
    /// Of the job's bytes.
    bytes: u64,
    /// Sequence of the last result of this job that was no proof; 0: none.
    generation: u64,
}

impl Ticket {
    fn name(&self) -> String {
        hex::encode(self.id)
    }

    /// Where its bytes are. Each generation has its own, so that one that ends cannot take the next one's away.
    fn blob(&self) -> String {
        format!("job/{}/{}", self.name(), self.generation)
    }

    /// Where a result goes that is too large for a message.
    fn result_blob(&self) -> String {
        format!("result/{}", self.name())
    }
}

/// The name of a job.
fn job_id(circuit: &str, key_hash: B256, bytes: &[u8]) -> B256 {
    keccak256([keccak256(circuit).as_slice(), key_hash.as_slice(), keccak256(bytes).as_slice()].concat())
}

/// How a job ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Verdict {
    Proved {
        worker: String,
        proof: WireProof,
    },
    /// As above, in the object store.
    ProvedLarge {
        worker: String,
    },
    Failed {
        worker: String,
        message: String,
    },
    /// No machine proves it.
    Refused {
        worker: String,
        message: String,
    },
    /// Nobody wants it any more.
    Cancelled,
}

impl Verdict {
    fn is_proof(&self) -> bool {
        matches!(self, Self::Proved { .. } | Self::ProvedLarge { .. })
    }
}

/// What a worker says while it works.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum JobProgress {
    Taken { worker: String },
    Phase { phase: String },
}
