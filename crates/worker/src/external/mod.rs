//! Proofs by programs and services of others: rapidsnark, a GPU prover, a proving service. Nothing that they answer is trusted: a
//! proof is checked here before anybody sees it, and how much they write and how long they take has an end.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`] | a program, started for each proof |
//! | [`http`] | a service, by HTTP |
//!
//! What both are told, unless a program takes files, is one JSON object:
//!
//! ```text
//! → {"version":1,"circuit":"merkle-10","job":"0x…"}             and of a circuit of circom "witness":"0x…", the .wtns file's bytes
//! ← {"proof":{"pi_a":…},"publicSignals":["…"]}                    of a circuit of circom: snarkjs' documents; or proof.json alone
//!   or {"public_inputs":["0x…"],"proof":"0x…","timings_us":[]}    of any other
//! ```

pub mod command;
pub mod http;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use provery_circom::{Prepared, WitnessBackend};
use provery_proving::{Clock, Phase, Progress, ProofBackend, ProofOutput, ProofVerifier, ProveError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::protocol::WireProof;

pub use command::Program;
pub use http::{Service, ServiceConfig};

/// The values of all wires, computed here.
const WITNESS: Phase = Phase::new("witness");
/// Whatever the other does.
const EXTERNAL: Phase = Phase::new("external");
/// The check of what it answered.
const VERIFY: Phase = Phase::new("verify");
/// A longer answer is refused, bytes: a proof may carry a block.
const MOST_ANSWER: u64 = 64 << 20;
/// How often it is asked whether the proof is still wanted.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Which circuit is proven, and by what an answer is checked.
#[derive(Debug)]
pub enum Subject {
    /// One of circom: the witness is computed here.
    Circom {
        /// Computes witnesses and checks proofs.
        backend: Box<dyn WitnessBackend>,
        /// The proving key, for programs that take files.
        zkey: PathBuf,
    },
    /// Another, whose jobs the other knows how to prove.
    Checked {
        /// Its name.
        circuit: String,
        /// Checks proofs.
        verifier: Arc<dyn ProofVerifier>,
    },
}

/// Who proves it.
#[derive(Debug)]
pub enum Prover {
    /// A program.
    Program(Program),
    /// A service.
    Service(Service),
}

/// Why no proof came of it.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The program takes files that the circuit has not.
    #[error(
        "the external prover's command has {placeholder}, and circuit {circuit} is none of circom's: let it read a JSON object on \
         standard input instead, or name the circuits that it proves with `circuits`"
    )]
    NoFiles {
        /// What stands for the file.
        placeholder: &'static str,
        /// The circuit's name.
        circuit: String,
    },
    /// The command cannot be run as it is written.
    #[error("the external prover's command is not right: {0}")]
    Command(String),
    /// The service's address, or its token, is not right.
    #[error("the external prover's service is not right: {0}")]
    Service(String),
    /// It could not be started or asked.
    #[error("the external prover could not be run ({0}): check its path and that memory and disk are free")]
    Io(#[from] io::Error),
    /// It said that it failed.
    #[error("the external prover failed: {0}")]
    Failed(String),
    /// It wrote too much.
    #[error(
        "the external prover wrote more than {most} bytes and was stopped: it is no prover of this circuit"
    )]
    TooLong {
        /// Bytes that an answer may have.
        most: u64,
    },
    /// It took too long.
    #[error("the external prover was not done after {} seconds and was stopped: raise timeout_seconds if proofs take longer", .0.as_secs())]
    TimedOut(Duration),
    /// It answered something else.
    #[error(
        "the external prover's answer is none ({0}): it must write snarkjs' proof, or what this program's manual says"
    )]
    Answer(String),
    /// The proof is not wanted any more.
    #[error("the proof was cancelled")]
    Cancelled,
}

impl From<ExternalError> for ProveError {
    fn from(error: ExternalError) -> Self {
        match error {
            ExternalError::Cancelled => Self::Cancelled,
            other => Self::Refused { reason: other.to_string() },
        }
    }
}

/// What the other is given.
#[derive(Debug)]
struct Task {
    circuit: String,
    /// Of a circuit of circom: the key, and the witness as a file has it.
    circom: Option<(PathBuf, Vec<u8>)>,
    job: Vec<u8>,
    time: Duration,
}

impl Task {
    /// As one JSON object.
    fn to_json(&self) -> Value {
        let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        let mut value = json!({ "version": 1, "circuit": self.circuit, "job": hex(&self.job) });
        if let Some((_, witness)) = &self.circom {
            value["witness"] = hex(witness).into();
        }
        value
    }
}

/// What it answered, as it is: not to be trusted.
#[derive(Debug, PartialEq)]
struct Answer {
    proof: Value,
    public: Option<Value>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Result<Self, ExternalError> {
        let mut value: Value =
            serde_json::from_slice(bytes).map_err(|error| ExternalError::Answer(plain(&error)))?;
        if value["proof"].is_object() {
            let public = [value["publicSignals"].take(), value["public"].take()];
            let public = public.into_iter().find(|it| !it.is_null());
            return Ok(Self { proof: value["proof"].take(), public });
        }
        Ok(Self { proof: value, public: None })
    }
}

/// What others wrote goes into an error: not all of it, and nothing that moves a cursor.
fn plain(text: &dyn fmt::Display) -> String {
    text.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// A backend whose proofs are made by others.
#[derive(Debug)]
pub struct External {
    subject: Subject,
    prover: Arc<Prover>,
    time: Duration,
}

impl External {
    /// Refused is a program that takes files which the circuit has not. `time` is for one proof, witness not included.
    pub fn new(subject: Subject, prover: Arc<Prover>, time: Duration) -> Result<Self, ExternalError> {
        if let (Subject::Checked { circuit, .. }, Prover::Program(program)) = (&subject, &*prover)
            && let Some(placeholder) = program.files()
        {
            return Err(ExternalError::NoFiles { placeholder, circuit: circuit.clone() });
        }
        Ok(Self { subject, prover, time })
    }

    fn task(&self, job: &[u8], prepared: Option<&Prepared>) -> Task {
        let circom = match &self.subject {
            Subject::Circom { zkey, .. } => prepared.map(|it| (zkey.clone(), it.wtns.clone())),
            Subject::Checked { .. } => None,
        };
        Task { circuit: self.circuit().to_owned(), circom, job: job.to_vec(), time: self.time }
    }

    fn accept(
        &self,
        job: &[u8],
        prepared: Option<&Prepared>,
        answer: Answer,
    ) -> Result<ProofOutput, ProveError> {
        match (&self.subject, prepared) {
            (Subject::Circom { backend, .. }, Some(prepared)) => {
                let proof = answer.proof.to_string();
                let public = answer.public.map(|public| public.to_string());
                backend.accept(job, prepared, proof.as_bytes(), public.as_ref().map(String::as_bytes))
            }
            (Subject::Checked { verifier, .. }, _) => {
                let wire: WireProof = serde_json::from_value(answer.proof)
                    .map_err(|error| ExternalError::Answer(plain(&error)))?;
                let output = ProofOutput { timings: Vec::new(), ..wire.into() };
                verifier.verify(job, &output)?;
                Ok(output)
            }
            (Subject::Circom { .. }, None) => Err(ProveError::Foreign),
        }
    }
}

impl ProofBackend for External {
    fn circuit(&self) -> &str {
        match &self.subject {
            Subject::Circom { backend, .. } => backend.circuit(),
            Subject::Checked { circuit, .. } => circuit,
        }
    }

    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let mut clock = Clock::new(progress);
        let prepared = match &self.subject {
            Subject::Circom { backend, .. } => Some(clock.phase(WITNESS, || backend.prepare(job, progress))?),
            Subject::Checked { .. } => None,
        };
        let task = self.task(job, prepared.as_ref());
        let answer = clock.phase(EXTERNAL, || Ok::<_, ProveError>(run(&self.prover, task, progress)?))?;
        let output = clock.phase(VERIFY, || self.accept(job, prepared.as_ref(), answer))?;
        Ok(ProofOutput { timings: clock.into_timings(), ..output })
    }

    fn check(&self, job: &[u8], progress: &dyn Progress) -> Result<(), ProveError> {
        match &self.subject {
            Subject::Circom { backend, .. } => backend.prepare(job, progress).map(|_| ()),
            Subject::Checked { verifier, .. } => verifier.check(job, progress),
        }
    }
}

/// Run a task to its end on a thread with a runtime of its own, since backends block, and look meanwhile whether it is still wanted.
fn run(prover: &Arc<Prover>, task: Task, progress: &dyn Progress) -> Result<Answer, ExternalError> {
    let (stop, (done, end)) = (CancellationToken::new(), mpsc::channel());
    let (prover, stopped) = (Arc::clone(prover), stop.clone());
    let working = thread::Builder::new().name("external-prover".to_owned()).spawn(move || {
        let ended = block_on(async {
            let deadline = Instant::now() + task.time;
            match &*prover {
                Prover::Program(program) => program.prove(&task, deadline, &stopped).await,
                Prover::Service(service) => service.prove(&task, deadline, &stopped).await,
            }
        });
        let _ = done.send(ended);
    })?;
    let answer = loop {
        match end.recv_timeout(ASK_EVERY) {
            Ok(ended) => break ended,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if progress.cancelled() {
                    stop.cancel();
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                break Err(ExternalError::Failed("its thread ended, which is a bug".to_owned()));
            }
        }
    };
    // It has said its last word.
    let _ = working.join();
    answer?
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, ExternalError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let value = runtime.block_on(future);
    // A name that is still being resolved is waited for by nobody.
    runtime.shutdown_background();
    Ok(value)
}

/// A file that another wrote, of which no more than an answer is read.
fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, ExternalError> {
    use io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(|error| ExternalError::Answer(format!("it wrote no proof: {error}")))?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(ExternalError::TooLong { most }) } else { Ok(bytes) }
}
