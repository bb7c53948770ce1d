//! Child processes: the local chain, one-off `provery` commands, and long-running ones whose lines are read.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use eyre::{Context, Result, bail, ensure, eyre};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
};

use crate::args::Args;

/// A local chain. It dies with this value.
#[derive(Debug)]
pub(crate) struct Anvil {
    pub rpc_url: String,
    /// Private keys of its funded accounts, as hex.
    pub keys: Vec<String>,
    _process: Child,
    /// What it writes of old states, removed after it: it leaves them behind when it is killed.
    _states: TempDir,
}

impl Anvil {
    /// Start anvil and wait until it listens. `port` 0 takes a free one.
    pub(crate) async fn start(dir: &Path, args: &Args, accounts: u64) -> Result<Self> {
        let port = args.port.unwrap_or(0);
        if port != 0 {
            std::net::TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
                eyre!("port {port} cannot be used ({error}); pass --port with a free one, or leave it out")
            })?;
        }
        let program = std::env::var_os("PROVERY_ANVIL").unwrap_or_else(|| "anvil".into());
        let config = dir.join("anvil.json");
        let states = tempfile::tempdir_in(dir)?;
        let mut process = Command::new(&program)
            .args([
                "--port",
                &port.to_string(),
                "--block-time",
                "1",
                "--mnemonic-seed-unsafe",
                &args.seed.to_string(),
            ])
            .args(["--accounts", &accounts.to_string()])
            .args(args.hardfork.iter().flat_map(|name| ["--hardfork", name.as_str()]))
            .arg("--config-out")
            .arg(&config)
            .arg("--cache-path")
            .arg(states.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(dir.join("anvil.log"))?)
            .kill_on_drop(true)
            .spawn()
            .wrap_err_with(|| format!("{} does not start; run ./script/setup", program.to_string_lossy()))?;
        let stdout = process.stdout.take().ok_or_else(|| eyre!("anvil has no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let listening = loop {
            match lines.next_line().await? {
                Some(line) => {
                    if let Some(address) = line.trim().strip_prefix("Listening on ") {
                        break address.to_string();
                    }
                }
                None => bail!("anvil stopped before it listened; see {}", dir.join("anvil.log").display()),
            }
        };
        // Someone has to go on reading, or anvil blocks once the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let config: Value = serde_json::from_str(&fs::read_to_string(&config)?)?;
        let keys = config["private_keys"]
            .as_array()
            .map(|keys| keys.iter().filter_map(|key| key.as_str().map(str::to_string)).collect())
            .unwrap_or_default();
        Ok(Self { rpc_url: format!("http://{listening}"), keys, _process: process, _states: states })
    }
}

/// How `provery` is called.
#[derive(Clone, Debug)]
pub(crate) struct Provery {
    pub program: PathBuf,
    pub rpc_url: String,
    pub deployment: PathBuf,
    pub keys_dir: PathBuf,
    pub logs: PathBuf,
}

impl Provery {
    fn command(&self, key: Option<&str>, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .arg("--json")
            // Whatever settings the folder has are somebody's node's.
            .env("PROVERY_CONFIG", "/dev/null")
            .env("PROVERY_RPC_URL", &self.rpc_url)
            .env("PROVERY_DEPLOYMENT", &self.deployment)
            .env("PROVERY_KEYS_DIR", &self.keys_dir)
            .env_remove("PROVERY_PRIVATE_KEY")
            .env_remove("PROVERY_KEYSTORE")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(key) = key {
            command.env("PROVERY_PRIVATE_KEY", key);
        }
        command
    }

    /// Run a command to its end; its last line of JSON.
    pub(crate) async fn run(&self, key: Option<&str>, args: &[&str]) -> Result<Value> {
        let output =
            self.command(key, args).output().await.wrap_err("provery does not start; run ./script/setup")?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().unwrap_or("null");
        let value: Value = serde_json::from_str(last).unwrap_or(Value::Null);
        ensure!(
            output.status.success(),
            "provery {} failed: {}",
            args.join(" "),
            value["error"]["message"].as_str().unwrap_or(String::from_utf8_lossy(&output.stderr).trim())
        );
        Ok(value)
    }

    /// Start a command that goes on; each line of JSON it prints goes to `lines` under `name`.
    pub(crate) fn spawn(
        &self,
        key: &str,
        args: &[&str],
        name: &str,
        lines: mpsc::UnboundedSender<Line>,
    ) -> Result<Running> {
        let mut process = self
            .command(Some(key), args)
            .stdout(Stdio::piped())
            .stderr(File::create(self.logs.join(format!("{name}.log")))?)
            .spawn()
            .wrap_err("provery does not start; run ./script/setup")?;
        let stdout = process.stdout.take().ok_or_else(|| eyre!("{name} has no standard output"))?;
        let from = name.to_string();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                let value = serde_json::from_str(&line).unwrap_or(Value::Null);
                if lines.send(Line { from: from.clone(), value }).is_err() {
                    break;
                }
            }
        });
        Ok(Running { name: name.to_string(), process })
    }
}

/// A line of JSON from a long-running command.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub from: String,
    pub value: Value,
}

/// A long-running command. It dies with this value.
#[derive(Debug)]
pub(crate) struct Running {
    pub name: String,
    process: Child,
}

impl Running {
    /// SIGKILL: no goodbye.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// SIGTERM, and its exit within `patience`, else SIGKILL.
    pub(crate) async fn stop(mut self, patience: Duration) -> Result<()> {
        if let Some(pid) = self.process.id() {
            Command::new("kill").arg(pid.to_string()).status().await?;
        }
        match tokio::time::timeout(patience, self.process.wait()).await {
            Ok(status) => {
                status?;
            }
            Err(_) => self.process.kill().await?,
        }
        Ok(())
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.process.try_wait().ok().flatten()
    }
}
