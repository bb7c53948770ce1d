//! anvil as a child process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy::{
    primitives::{B256, keccak256},
    signers::local::PrivateKeySigner,
};
use eyre::{Context, Result, bail, eyre};
use provery_rpc::Rpc;
use provery_txmgr::{Sender, SenderConfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long anvil may take to say that it listens.
const START: Duration = Duration::from_secs(30);

/// A running anvil, killed when dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    port: u16,
    /// What anvil writes of old states: it leaves them behind when it is killed.
    states: TempDir,
}

/// One of the keys that the tests use; every one gets funds from [`Anvil::fund`].
pub fn key(index: u8) -> PrivateKeySigner {
    let secret: B256 = keccak256([b"provery test key ".as_slice(), &[index]].concat());
    // A hash is outside the group's order with probability 2^-128.
    PrivateKeySigner::from_bytes(&secret).unwrap_or_else(|_| PrivateKeySigner::random())
}

impl Anvil {
    /// Start on a free port with a block for each transaction.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Start on a free port with more arguments, such as `["--block-time", "1"]`.
    pub async fn start_with(args: &[&str]) -> Result<Self> {
        let program = program()?;
        let states = tempfile::tempdir()?;
        let mut child = Command::new(&program)
            .args(["--port", "0", "--accounts", "1"])
            .arg("--cache-path")
            .arg(states.path())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .wrap_err_with(|| format!("starting {}", program.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| eyre!("anvil has no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let port = timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, port)) = line.strip_prefix("Listening on ").and_then(|at| at.rsplit_once(':'))
                {
                    return Ok(port.trim().parse()?);
                }
            }
            bail!("anvil ended before it listened")
        })
        .await
        .wrap_err("anvil does not say that it listens")??;
        // Its pipe must not fill up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, port, states })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it writes old states.
    pub fn states(&self) -> &Path {
        self.states.path()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn rpc(&self) -> Result<Rpc> {
        Ok(Rpc::connect(&self.url()).await?)
    }

    /// A sender for [`key`] `index`, with funds.
    pub async fn sender(&self, index: u8) -> Result<Sender> {
        let sender = Sender::new(self.rpc().await?, key(index), SenderConfig::new(Duration::from_millis(20)));
        self.set_balance(sender.address().to_string(), "0x3635c9adc5dea00000").await?;
        Ok(sender)
    }

    pub async fn set_balance(&self, account: String, wei: &str) -> Result<()> {
        self.request("anvil_setBalance", serde_json::json!([account, wei])).await.map(|_| ())
    }

    /// Mine blocks.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        self.request("anvil_mine", serde_json::json!([format!("{blocks:#x}")])).await.map(|_| ())
    }

    /// Replace the last `depth` blocks by empty ones.
    pub async fn reorg(&self, depth: u64) -> Result<()> {
        self.request("anvil_reorg", serde_json::json!([depth, []])).await.map(|_| ())
    }

    /// Any request.
    pub async fn request(&self, method: &'static str, params: Value) -> Result<Value> {
        let rpc = self.rpc().await?;
        let client = alloy::providers::Provider::client(rpc.provider());
        Ok(client.request(method, params).await?)
    }

    /// Kill it and wait until it is gone.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// `PROVERY_ANVIL`, or the pinned one from npm.
/// Where anvil is.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PROVERY_ANVIL") {
        return Ok(path.into());
    }
    let system = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../node_modules/@foundry-rs");
    let path = PathBuf::from(format!("{root}/anvil-{system}-{machine}/bin/anvil"));
    if !path.exists() {
        bail!("there is no anvil at {}; run script/setup, or set PROVERY_ANVIL", path.display());
    }
    Ok(path)
}
