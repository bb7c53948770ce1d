//! A NATS server, and workers that serve it, as child processes.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eyre::{Context, Result, bail, eyre};
use provery_worker::NatsConfig;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{jobs, program};

/// How long the server may take to say that it listens.
const START: Duration = Duration::from_secs(30);

/// A running nats-server with JetStream, killed when dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    port: u16,
    dir: Arc<tempfile::TempDir>,
}

impl Nats {
    /// Start on a free port with an empty store.
    pub async fn start() -> Result<Self> {
        Self::launch(None, Arc::new(tempfile::tempdir()?)).await
    }

    /// Start on this port with an empty store.
    pub async fn start_on(port: u16) -> Result<Self> {
        Self::launch(Some(port), Arc::new(tempfile::tempdir()?)).await
    }

    async fn launch(port: Option<u16>, dir: Arc<tempfile::TempDir>) -> Result<Self> {
        let program = server()?;
        let mut child = Command::new(&program)
            .args(["--jetstream", "--addr", "127.0.0.1", "--store_dir"])
            .arg(dir.path())
            // -1 is a free one.
            .args(["--port", &port.map_or("-1".to_owned(), |port| port.to_string())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .wrap_err_with(|| format!("starting {}", program.display()))?;
        let stderr = child.stderr.take().ok_or_else(|| eyre!("nats-server has no standard error"))?;
        let mut lines = BufReader::new(stderr).lines();
        let port = timeout(START, async {
            let mut port = None;
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await? {
                if line.contains("Listening for client connections") {
                    port = line.rsplit_once(':').and_then(|(_, port)| port.trim().parse().ok());
                }
                if line.contains("Server is ready")
                    && let Some(port) = port
                {
                    return Ok(port);
                }
                said.push(line);
            }
            bail!("nats-server ended before it listened: {}", said.join("\n"))
        })
        .await
        .wrap_err("nats-server does not say that it listens")??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, port, dir })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn config(&self) -> NatsConfig {
        NatsConfig::new(self.url())
    }

    /// SIGKILL it and start it again, on the same port with the same store.
    pub async fn restart(&mut self) -> Result<()> {
        self.child.kill().await?;
        *self = Self::launch(Some(self.port), self.dir.clone()).await?;
        Ok(())
    }
}

/// `PROVERY_NATS_SERVER`, the one on PATH, Debian's, or what setup unpacked.
fn server() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PROVERY_NATS_SERVER") {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/../.provery/tools/usr/sbin");
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), unpacked.into()])
        .map(|folder| folder.join("nats-server"))
        .find(|path| path.exists())
        .ok_or_else(|| eyre!("there is no nats-server; run script/setup, or set PROVERY_NATS_SERVER"))
}

/// `provery worker --nats`, killed when dropped.
#[derive(Debug)]
pub struct Worker {
    pub child: Child,
    pub keys: PathBuf,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Worker {
    /// A worker that has the keys, with more in its environment.
    pub fn start(url: &str, name: &str, env: &[(&str, &str)]) -> Result<Self> {
        Self::start_with_keys(url, name, env, jobs::keys_dir()?)
    }

    pub fn start_with_keys(url: &str, name: &str, env: &[(&str, &str)], keys: PathBuf) -> Result<Self> {
        let mut child = Command::new(program("provery")?)
            .args(["worker", "--json", "--nats", url, "--name", name, "--keys"])
            .arg(&keys)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| eyre!("the worker has no standard output"))?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let said = events.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                said.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        });
        Ok(Self { child, keys, events })
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| eyre!("the worker has ended"))
    }

    /// How often it has said so.
    pub fn count(&self, event: &str) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|said| said["event"] == event).count()
    }

    /// Wait until it says so.
    pub async fn says(&self, event: &str) -> Result<()> {
        jobs::until(event, || Ok((self.count(event) > 0).then_some(()))).await
    }

    /// Wait until it has a worker process, and tell which.
    pub async fn process(&self) -> Result<u32> {
        let pid = self.pid()?;
        jobs::until("a worker process", || Ok(jobs::children(pid)?.first().copied())).await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
