//! A program that is started for each proof, with files as rapidsnark takes them, or JSON through its standard input and output.

use std::{
    fs, io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::{timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Answer, ExternalError, MOST_ANSWER, Task, bounded, plain};
use crate::child::ENVIRONMENT;

const ZKEY: &str = "{zkey}";
const WITNESS: &str = "{witness}";
const PROOF: &str = "{proof}";
const PUBLIC: &str = "{public}";
const PLACEHOLDERS: [&str; 4] = [ZKEY, WITNESS, PROOF, PUBLIC];
/// Of what it says on standard error the end is kept.
const MOST_WORDS: usize = 4 << 10;
/// How long its output may stay open after it ended: something else holds it.
const LINGER: Duration = Duration::from_secs(2);

/// A command line. In its arguments `{zkey}`, `{witness}`, `{proof}` and `{public}` stand for files: the first two are there, the
/// others are for it to write. Without `{witness}` it reads a JSON object on standard input; without `{proof}` it answers on standard
/// output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
}

/// Whether a program can be started by this name: a path, or something on PATH.
fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl Program {
    /// Of the program and its arguments.
    pub fn new(words: Vec<String>) -> Result<Self, ExternalError> {
        let wrong = |what: String| Err(ExternalError::Command(what));
        let Some((program, arguments)) = words.split_first().filter(|(program, _)| !program.is_empty())
        else {
            return wrong("it is empty; name a program and its arguments".to_owned());
        };
        if PLACEHOLDERS.iter().any(|it| program.contains(it)) {
            return wrong("a file's placeholder stands where the program's name should".to_owned());
        }
        let looks_like_one = |word: &&String| {
            let inner = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            inner.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        let unknown = |word: &&String| !PLACEHOLDERS.contains(&word.as_str());
        if let Some(unknown) = arguments.iter().filter(looks_like_one).find(unknown) {
            return wrong(format!("{unknown} stands for nothing; there are {}", PLACEHOLDERS.join(", ")));
        }
        let has = |placeholder| arguments.iter().any(|it| it.contains(placeholder));
        if has(PUBLIC) && !has(PROOF) {
            return wrong(format!("{PUBLIC} is written beside {PROOF}, which it lacks"));
        }
        Ok(Self { words })
    }

    /// Whether the program is there to be started, asked before anything relies on it.
    pub fn find(&self) -> Result<(), ExternalError> {
        match self.words.first().filter(|program| !is_there(program)) {
            None => Ok(()),
            Some(program) => Err(ExternalError::Command(format!(
                "there is no program {program}; give its path, or put it on PATH"
            ))),
        }
    }

    /// A placeholder that only circuits of circom have a file for, if there is one.
    pub(super) fn files(&self) -> Option<&'static str> {
        [ZKEY, WITNESS].into_iter().find(|placeholder| self.has(placeholder))
    }

    fn has(&self, placeholder: &str) -> bool {
        self.words.iter().any(|word| word.contains(placeholder))
    }

    pub(super) async fn prove(
        &self,
        task: &Task,
        deadline: Instant,
        stop: &CancellationToken,
    ) -> Result<Answer, ExternalError> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        let (witness, proof, public) = (place("witness.wtns"), place("proof.json"), place("public.json"));
        let zkey = task.circom.as_ref().map(|(zkey, _)| zkey.as_path());
        if let (Some((_, bytes)), true) = (&task.circom, self.has(WITNESS)) {
            fs::write(&witness, bytes)?;
        }
        let files: [(&str, Option<&Path>); 4] =
            [(ZKEY, zkey), (WITNESS, Some(&witness)), (PROOF, Some(&proof)), (PUBLIC, Some(&public))];
        let mut arguments = Vec::new();
        for word in &self.words[1..] {
            let mut argument = word.clone();
            for (placeholder, path) in files {
                if !argument.contains(placeholder) {
                    continue;
                }
                let Some(path) = path.and_then(Path::to_str) else {
                    let what = format!("the path for {placeholder} is not text");
                    return Err(ExternalError::Command(what));
                };
                argument = argument.replace(placeholder, path);
            }
            arguments.push(argument);
        }
        let input = if self.has(WITNESS) { None } else { Some(task.to_json().to_string().into_bytes()) };
        let mut running = Running::start(&self.words[0], &arguments, folder.path())?;
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err(ExternalError::Cancelled),
            ended = timeout_at(deadline.into(), running.talk(input)) => {
                ended.unwrap_or(Err(ExternalError::TimedOut(task.time)))
            }
        };
        let said = match ended {
            Ok(said) => said,
            Err(error) => {
                running.kill().await;
                return Err(error);
            }
        };
        if !self.has(PROOF) {
            return Answer::read(&said);
        }
        let mut answer = Answer::read(&bounded(&proof, MOST_ANSWER)?)?;
        if self.has(PUBLIC) {
            let public = bounded(&public, MOST_ANSWER)?;
            let read = serde_json::from_slice(&public);
            answer.public = Some(read.map_err(|error| ExternalError::Answer(plain(&error)))?);
        }
        Ok(answer)
    }
}

/// A program at work, with all that it starts.
struct Running {
    process: Child,
    /// Its number, which is that of its group, too: nobody else's as long as one of the group is there.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Running {
    fn start(program: &str, arguments: &[String], folder: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            // Neither keys nor passwords of this process are another's business.
            .env_clear()
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for name in ENVIRONMENT.iter().filter(|name| **name != "TMPDIR") {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // A group of its own, which is killed as one.
        #[cfg(unix)]
        command.process_group(0);
        let process = command.spawn()?;
        Ok(Self {
            #[cfg(unix)]
            group: process.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)),
            process,
        })
    }

    /// Give it its input and hear it out. It has ended well when this does.
    async fn talk(&mut self, input: Option<Vec<u8>>) -> Result<Vec<u8>, ExternalError> {
        let pipes = (self.process.stdin.take(), self.process.stdout.take(), self.process.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the program has no standard input or output").into());
        };
        let write = async move {
            // If it does not want all of it, what it answers says whether that was right.
            let _ = stdin.write_all(&input.unwrap_or_default()).await;
            drop(stdin);
        };
        let mut said = Vec::new();
        let mut words = Vec::new();
        let status = {
            let quietly = async {
                tokio::join!(write, last_words(stderr, &mut words));
                Ok::<(), ExternalError>(())
            };
            let talk = async { tokio::try_join!(whole(stdout, &mut said), quietly).map(|_| ()) };
            tokio::pin!(talk);
            tokio::select! {
                heard = &mut talk => {
                    heard?;
                    self.process.wait().await?
                }
                status = self.process.wait() => {
                    let status = status?;
                    // What it wrote last is still in the pipes. Something else may hold them open.
                    match timeout(LINGER, &mut talk).await {
                        Ok(heard) => heard?,
                        Err(_) => return Err(ExternalError::Failed(
                            "it ended, and something that it started goes on".to_owned(),
                        )),
                    }
                    status
                }
            }
        };
        if status.success() { Ok(said) } else { Err(ExternalError::Failed(obituary(status, &words))) }
    }

    /// Kill it and all that it started, and wait until the system has forgotten it.
    async fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.process.start_kill();
        let _ = timeout(LINGER, self.process.wait()).await;
    }
}

/// All that is written, up to the most that an answer may have.
async fn whole(from: impl AsyncRead + Unpin, into: &mut Vec<u8>) -> Result<(), ExternalError> {
    from.take(MOST_ANSWER + 1).read_to_end(into).await?;
    if into.len() as u64 > MOST_ANSWER { Err(ExternalError::TooLong { most: MOST_ANSWER }) } else { Ok(()) }
}

/// The end of what is written, however much that is.
async fn last_words(mut from: impl AsyncRead + Unpin, into: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        into.extend_from_slice(&buffer[..count]);
        let over = into.len().saturating_sub(MOST_WORDS);
        into.drain(..over);
    }
}

fn obituary(status: ExitStatus, words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let words = words.trim();
    let from = words.char_indices().rev().nth(299).map_or(0, |(at, _)| at);
    let end = plain(&&words[from..]);
    if end.is_empty() {
        format!("it ended with {status}")
    } else {
        format!("it ended with {status}, saying: {end}")
    }
}
