//! Chains of software that nobody here wrote, as child processes.

use std::{path::Path, process::Stdio, time::Duration};

use eyre::{Context, Result, bail, eyre};
use provery_rpc::Rpc;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::Town;

/// How long one may take to say that it listens.
const START: Duration = Duration::from_secs(60);
/// Wei that each of [`Town::keys`] has at first.
const FUNDS: &str = "1000000000000000000000";

/// A chain of Hardhat's, which ends when dropped.
#[derive(Debug)]
pub struct Hardhat {
    port: u16,
    _child: Child,
}

impl Hardhat {
    /// Start one with more in its network's configuration, such as `{"hardfork": "cancun"}`.
    pub async fn start(more: Value) -> Result<Self> {
        let accounts: Vec<Value> =
            Town::keys().iter().map(|key| json!({ "privateKey": key, "balance": FUNDS })).collect();
        let mut network = json!({ "accounts": accounts, "chainId": 31337 });
        if let (Some(network), Value::Object(more)) = (network.as_object_mut(), more) {
            network.extend(more);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/hardhat.mjs");
        let mut child = Command::new("node")
            .arg(&script)
            .arg(network.to_string())
            // It ends with this.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .wrap_err("node does not start; run script/setup")?;
        let stdout = child.stdout.take().ok_or_else(|| eyre!("hardhat has no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let port = timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(port) = line.strip_prefix("Listening on 127.0.0.1:") {
                    return Ok(port.trim().parse()?);
                }
            }
            bail!("hardhat ended before it listened; run script/setup")
        })
        .await
        .wrap_err("hardhat does not say that it listens")??;
        // Its pipe must not fill up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { port, _child: child })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Any request.
    pub async fn request(&self, method: &'static str, params: Value) -> Result<Value> {
        let rpc = Rpc::connect(&self.url()).await?;
        let client = alloy::providers::Provider::client(rpc.provider());
        Ok(client.request(method, params).await?)
    }

    /// Move the chain's clock, and make a block.
    pub async fn pass(&self, seconds: u64) -> Result<()> {
        self.request("evm_increaseTime", json!([seconds])).await?;
        self.request("evm_mine", json!([])).await.map(|_| ())
    }
}
