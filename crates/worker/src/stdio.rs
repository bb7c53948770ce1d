//! A worker process, from its own side: jobs on standard input, replies on standard output, logs on standard error. See
//! [`super::protocol`].
//!
//! It needs no chain and no key that signs, and its parent gives it none. The environment variables of [`super::fault`]
//! make its proofs go wrong on purpose.

use std::{
    cell::Cell,
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

use alloy::primitives::{B256, hex};
use provery_proving::{KeyError, Phase, Progress, ProofBackend, keys};
use provery_types::text::plain;
use provery_workloads::Workloads;
use tracing::{error, info};

use crate::{
    fault::{Fate, Fault},
    in_process::PANICKED,
    protocol::{Reply, Request},
};

/// What a worker process is told.
#[derive(Clone, Debug)]
pub struct StdioConfig {
    /// Where keys are.
    pub keys_dir: PathBuf,
    /// Most MiB of address space it may take, which includes keys mapped from disk.
    pub memory_mib: Option<u64>,
    /// What is to go wrong with its proofs.
    pub fault: Fault,
}

/// Why a worker process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The most address space could not be set.
    #[error(
        "the memory limit could not be set ({0}): leave out --memory-mib, or ask for less than the system's own limit"
    )]
    Limit(io::Error),
    /// The thread that reads the input could not be started.
    #[error("no thread could be started ({0}): allow this user more processes")]
    Thread(io::Error),
}

/// Serve jobs until the input ends, and then end this process at once.
pub fn serve(config: StdioConfig) -> Result<(), StdioError> {
    limit(config.memory_mib).map_err(StdioError::Limit)?;
    let (jobs, queue) = mpsc::channel();
    // The watcher: whatever the prover is at, the end of the input is the end of the process.
    thread::Builder::new()
        .name("worker-input".to_owned())
        .spawn(move || {
            let mut input = BufReader::with_capacity(1 << 16, io::stdin());
            let mut line = Vec::new();
            while let Ok(1..) = input.read_until(b'\n', &mut line) {
                match serde_json::from_slice::<Request>(&line) {
                    Ok(request) => {
                        reply(&Reply::Taken { id: request.id });
                        if jobs.send(request).is_err() {
                            break;
                        }
                    }
                    Err(error) => {
                        error!(%error, "a line on standard input is no job");
                        std::process::exit(2);
                    }
                }
                line.clear();
            }
            std::process::exit(0);
        })
        .map_err(StdioError::Thread)?;
    let mut loaded = HashMap::new();
    while let Ok(request) = queue.recv() {
        let id = request.id;
        // A panic must not leave the node waiting.
        let answer = catch_unwind(AssertUnwindSafe(|| prove(&config, &mut loaded, request)));
        reply(&answer.unwrap_or_else(|_| Reply::Failed { id, message: PANICKED.to_owned() }));
    }
    Ok(())
}

type Loaded = HashMap<(String, Option<B256>), Arc<dyn ProofBackend>>;

fn prove(config: &StdioConfig, loaded: &mut Loaded, request: Request) -> Reply {
    let id = request.id;
    let fate = config.fault.fate(&request);
    thread::sleep(fate.pause);
    if fate.fail {
        return Reply::Failed { id, message: "the proof fails as PROVERY_WORKER_FAULT says".to_owned() };
    }
    let wanted = (request.circuit, request.key_hash);
    if !loaded.contains_key(&wanted) {
        match load(&config.keys_dir, &wanted.0, wanted.1) {
            Ok(backend) => loaded.insert(wanted.clone(), backend),
            Err(error) => return Reply::Failed { id, message: error.to_string() },
        };
    }
    let Some(backend) = loaded.get(&wanted) else {
        return Reply::Failed { id, message: super::in_process::no_keys(&wanted.0) };
    };
    let told = Told { id, fate, begun: Cell::new(0) };
    let result = if request.check {
        backend.check(&request.job, &told).map(|()| Reply::Sound { id })
    } else {
        backend.prove(&request.job, &told).map(|output| Reply::Proved { id, proof: output.into() })
    };
    result.unwrap_or_else(|error| match plain(&error.to_string()) {
        message if error.is_of_job() => Reply::Refused { id, message },
        message => Reply::Failed { id, message },
    })
}

fn load(dir: &Path, circuit: &str, key_hash: Option<B256>) -> Result<Arc<dyn ProofBackend>, KeyError> {
    let dir = key_hash.map_or_else(|| dir.to_owned(), |hash| keys_under(dir, circuit, hash));
    let backend = Workloads::default().prover(circuit, &dir, key_hash.as_ref().map(|hash| &hash.0))?;
    info!(circuit, "worker has its keys");
    Ok(backend)
}

/// The directory under which the keys of this circuit with this hash are, or would be put if they were fetched: a user's
/// own keys of the same name are never replaced.
pub(crate) fn keys_under(dir: &Path, circuit: &str, hash: B256) -> PathBuf {
    if keys::load_verifying(dir, circuit, Some(&hash.0)).is_ok() {
        dir.to_owned()
    } else {
        dir.join("by-hash").join(hex::encode(hash))
    }
}

/// Tells the parent of phases. Nobody asks it to stop: it would be killed.
struct Told {
    id: u64,
    fate: Fate,
    /// Phases so far.
    begun: Cell<u32>,
}

impl Progress for Told {
    fn phase(&self, phase: Phase) {
        reply(&Reply::Phase { id: self.id, phase: phase.as_str().to_owned() });
        // Half-way, whatever its phases are: once it is past the first two.
        if self.fate.crash && self.begun.replace(self.begun.get() + 1) == 2 {
            crash();
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

/// One line, whole: threads do not mix theirs. If nobody reads it any more, nobody wants the rest either.
fn reply(reply: &Reply) {
    let written = serde_json::to_vec(reply).map_err(io::Error::from).and_then(|mut line| {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush())
    });
    if written.is_err() {
        std::process::exit(0);
    }
}

#[cfg(unix)]
fn crash() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

#[cfg(not(unix))]
fn crash() {
    std::process::abort();
}

#[cfg(unix)]
fn limit(memory_mib: Option<u64>) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // What an out-of-memory worker leaves behind would fill the disk.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    if let Some(bytes) = memory_mib.map(|mib| mib.saturating_mul(1 << 20)) {
        setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit(_memory_mib: Option<u64>) -> io::Result<()> {
    Ok(())
}
