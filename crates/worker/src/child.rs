//! A worker process, from its parent's side.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use provery_proving::{Phase, ProofOutput};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    JobWatch,
    protocol::{Reply, Request},
};

/// Longer lines than this are not replies.
const LONGEST_LINE: usize = 256 << 20;
/// How long a process that closed its output may take to end by itself.
const ENDING: Duration = Duration::from_secs(2);

/// What a worker process finds in its environment; everything else, keys and passwords above all, stays with its parent.
pub(crate) const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "TZ",
    "NO_COLOR",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "RUST_BACKTRACE",
    "RAYON_NUM_THREADS",
    "PROVERY_LOG",
    super::fault::ENV_FAULT,
    super::fault::ENV_FAULT_SEED,
];

/// How to start one.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

/// How a job ended for its process.
#[derive(Debug)]
pub(crate) enum End {
    Proved(ProofOutput),
    Sound,
    Refused(String),
    Failed(String),
    Cancelled,
    /// The process is gone, or makes no sense. `taken`: it had read the job.
    Died {
        message: String,
        taken: bool,
    },
}

/// A running worker process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Child {
    pub(crate) fn spawn(recipe: &Recipe) -> io::Result<Self> {
        let mut command = Command::new(&recipe.program);
        command
            .args(&recipe.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // A Ctrl-C on the terminal is for the node, which may want to finish its proofs first.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("the process has no standard input or output"));
        };
        Ok(Self { process, stdin, stdout: BufReader::with_capacity(1 << 16, stdout), line: Vec::new() })
    }

    /// Until it ends.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Run one job. After anything but a proof or a refusal the process is dead and reaped.
    pub(crate) async fn prove(&mut self, request: &Request, watch: &JobWatch) -> End {
        let end = self.talk(request, watch).await;
        match end {
            End::Cancelled => {
                self.kill().await;
                End::Cancelled
            }
            End::Died { message, taken } if message.is_empty() => {
                End::Died { message: self.obituary(taken).await, taken }
            }
            End::Died { message, taken } => {
                self.kill().await;
                End::Died { message, taken }
            }
            end => end,
        }
    }

    async fn talk(&mut self, request: &Request, watch: &JobWatch) -> End {
        let mut text = match serde_json::to_vec(request) {
            Ok(text) => text,
            Err(error) => return End::Failed(format!("the job cannot be written as JSON: {error}")),
        };
        text.push(b'\n');
        let Self { stdin, stdout, line, .. } = self;
        let mut taken = false;
        // Both directions at once: neither side may wait for a full pipe that the other does not read. When the writing
        // fails the process is gone or about to go, which the reading finds out.
        let write = async {
            let _ = stdin.write_all(&text).await;
            std::future::pending::<End>().await
        };
        tokio::select! {
            biased;
            () = watch.cancel.cancelled() => End::Cancelled,
            end = replies(stdout, line, request.id, watch, &mut taken) => end,
            end = write => end,
        }
    }

    /// Kill it, and wait until the system has forgotten it.
    pub(crate) async fn kill(&mut self) {
        // It fails only if the process has ended already.
        let _ = self.process.start_kill();
        let _ = timeout(ENDING, self.process.wait()).await;
    }

    async fn obituary(&mut self, taken: bool) -> String {
        let when = if taken { "in the middle of a proof" } else { "before it took the job" };
        match timeout(ENDING, self.process.wait()).await {
            Ok(Ok(status)) => format!("the worker process {} {when}", describe(status)),
            Ok(Err(error)) => format!("the worker process ended {when}, nobody knows how ({error})"),
            Err(_) => {
                self.kill().await;
                format!("the worker process closed its output {when} and was killed")
            }
        }
    }
}

/// How a process ended, as the predicate of a sentence.
fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match signal {
            9 => "was killed (signal 9; if nobody did that, the machine ran out of memory)".to_owned(),
            6 => "aborted (signal 6; its last words, such as a failed allocation, are in the log)".to_owned(),
            signal => format!("crashed (signal {signal})"),
        };
    }
    match status.code() {
        Some(code) => format!("ended with status {code} (its last words are in the log)"),
        None => "ended".to_owned(),
    }
}

/// Read replies to job `id` until one ends it. A death without words has an empty message.
async fn replies(
    stdout: &mut BufReader<ChildStdout>,
    line: &mut Vec<u8>,
    id: u64,
    watch: &JobWatch,
    taken: &mut bool,
) -> End {
    let nonsense = |what: String, taken| End::Died {
        message: format!("the worker process wrote {what} instead of a reply, and was killed"),
        taken,
    };
    loop {
        line.clear();
        match read_line(stdout, line).await {
            Ok(Line::Whole) => {}
            // Half a line is worth nothing: its writer is gone.
            Ok(Line::End) | Err(_) => return End::Died { message: String::new(), taken: *taken },
            Ok(Line::TooLong) => {
                return nonsense(format!("more than {LONGEST_LINE} bytes in a line"), *taken);
            }
        }
        let reply: Reply = match serde_json::from_slice(line) {
            Ok(reply) => reply,
            Err(_) => return nonsense(excerpt(line), *taken),
        };
        if reply.id() != id {
            return nonsense(format!("a reply to job {}", reply.id()), *taken);
        }
        *taken = true;
        match reply {
            Reply::Taken { .. } => {}
            Reply::Phase { phase, .. } => {
                if let Some(phase) = Phase::named(&phase) {
                    (watch.phase)(phase);
                }
            }
            Reply::Proved { proof, .. } => return End::Proved(proof.into()),
            Reply::Sound { .. } => return End::Sound,
            Reply::Refused { message, .. } => return End::Refused(message),
            Reply::Failed { message, .. } => return End::Failed(message),
        }
    }
}

enum Line {
    Whole,
    End,
    TooLong,
}

async fn read_line(from: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> io::Result<Line> {
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(Line::End);
        }
        if let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&bytes[..at]);
            from.consume(at + 1);
            return Ok(Line::Whole);
        }
        let count = bytes.len();
        line.extend_from_slice(bytes);
        from.consume(count);
        if line.len() > LONGEST_LINE {
            return Ok(Line::TooLong);
        }
    }
}

/// The beginning of what was written, safe to log.
fn excerpt(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line).chars().take(60).collect();
    format!("{text:?}")
}
