//! The programs under test, as a person would call them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use eyre::{Context, Result, ensure, eyre};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::Anvil;

/// `provery` with a chain, a folder of its own, and the key of one of anvil's accounts.
#[derive(Debug)]
pub struct Provery {
    pub rpc_url: String,
    pub dir: tempfile::TempDir,
    keys_dir: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    /// The last line of stdout.
    pub json: Value,
    pub stderr: String,
}

/// A program of this workspace, built by `cargo build --workspace`.
pub fn program(name: &str) -> Result<PathBuf> {
    // target/debug/deps/<test> → target/debug/<name>
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).ok_or_else(|| eyre!("the test binary is in no target folder"))?;
    let path = folder.join(name);
    ensure!(path.exists(), "{} is not built; run `cargo build --workspace` first", path.display());
    Ok(path)
}

impl Provery {
    /// Proving keys are kept from test to test: the same seed gives the same keys.
    pub fn new(rpc_url: &str) -> Result<Self> {
        let keys_dir = program("provery")?.with_file_name("test-keys");
        std::fs::create_dir_all(&keys_dir)?;
        Ok(Self { rpc_url: rpc_url.to_string(), dir: tempfile::tempdir()?, keys_dir })
    }

    pub fn deployment(&self) -> PathBuf {
        self.dir.path().join("deployment.json")
    }

    pub fn keys_dir(&self) -> &Path {
        &self.keys_dir
    }

    pub fn command(&self, key: Option<&str>, args: &[&str]) -> Result<Command> {
        let mut command = self.plain(key, args)?;
        command.arg("--json");
        Ok(command)
    }

    /// As a person would type it.
    fn plain(&self, key: Option<&str>, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(program("provery")?);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PROVERY_RPC_URL", &self.rpc_url)
            .env("PROVERY_DEPLOYMENT", self.deployment())
            .env("PROVERY_KEYS_DIR", &self.keys_dir)
            .env("PROVERY_SOLC", solc())
            .env_remove("PROVERY_PRIVATE_KEY")
            .env_remove("PROVERY_KEYSTORE")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(key) = key {
            command.env("PROVERY_PRIVATE_KEY", key);
        }
        Ok(command)
    }

    pub async fn run(&self, key: Option<&str>, args: &[&str]) -> Result<Said> {
        self.finish(self.command(key, args)?).await
    }

    pub async fn finish(&self, mut command: Command) -> Result<Said> {
        let output = command.output().await?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            json: serde_json::from_str(stdout.lines().last().unwrap_or("null")).unwrap_or(Value::Null),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Run a command that must succeed.
    pub async fn ok(&self, key: Option<&str>, args: &[&str]) -> Result<Value> {
        let said = self.run(key, args).await?;
        ensure!(said.code == 0, "provery {} failed: {}{}", args.join(" "), said.json, said.stderr);
        Ok(said.json)
    }

    /// What a command that must succeed tells people.
    pub async fn told(&self, key: Option<&str>, args: &[&str]) -> Result<String> {
        let output = self.plain(key, args)?.output().await?;
        ensure!(
            output.status.success(),
            "provery {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Run a command that must fail with `code`, exit status 1, and one sentence that tells what to do.
    pub async fn fails(&self, key: Option<&str>, args: &[&str], code: &str) -> Result<String> {
        let said = self.run(key, args).await?;
        said.must_fail(code).wrap_err_with(|| format!("provery {}", args.join(" ")))
    }

    /// Start a command that goes on.
    pub fn spawn(&self, key: &str, args: &[&str]) -> Result<Child> {
        let mut command = self.command(Some(key), args)?;
        Ok(command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?)
    }
}

impl Said {
    pub fn must_fail(&self, code: &str) -> Result<String> {
        ensure!(self.code == 1, "exit code {}, not 1: {} {}", self.code, self.json, self.stderr);
        ensure!(self.json["error"]["code"] == code, "not {code}: {} {}", self.json, self.stderr);
        let message = self.json["error"]["message"].as_str().unwrap_or_default().to_string();
        ensure!(!message.is_empty() && !message.contains('\n'), "not one sentence: {message}");
        ensure!(!self.stderr.contains("panicked"), "panicked: {}", self.stderr);
        Ok(message)
    }
}

/// The compiler that the repository pins.
fn solc() -> PathBuf {
    std::env::var_os("PROVERY_SOLC")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../script/solc")), PathBuf::from)
}

/// The creation code, in hex, of a contract whose source imports nothing, with the settings of foundry.toml.
pub fn compiled(source: &str, name: &str) -> Result<String> {
    compile(serde_json::json!({ "Source.sol": { "content": source } }), "Source.sol", name)
}

/// The same of an adapter of contracts/src, by its path there: it imports adapters, interfaces and types alone.
pub fn compiled_adapter(path: &str) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/src");
    let mut sources = serde_json::Map::new();
    let mut folders = ["interfaces", "types", "verifiers/adapters"].map(|folder| root.join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let file = entry?.path();
            // What the compiler is not asked for it reads and does not compile.
            if file.is_dir() {
                folders.push(file);
            } else if let Ok(name) = file.strip_prefix(&root) {
                let content = std::fs::read_to_string(&file)?;
                sources.insert(name.display().to_string(), serde_json::json!({ "content": content }));
            }
        }
    }
    let name = Path::new(path).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    compile(sources.into(), path, name)
}

fn compile(sources: Value, file: &str, name: &str) -> Result<String> {
    let input = serde_json::json!({
        "language": "Solidity",
        "sources": sources,
        "settings": {
            "evmVersion": "prague",
            "viaIR": true,
            "optimizer": { "enabled": true, "runs": 1_000_000 },
            "metadata": { "bytecodeHash": "none", "appendCBOR": false },
            "outputSelection": { file: { name: ["evm.bytecode.object"] } },
        },
    });
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("input.json");
    std::fs::write(&path, input.to_string())?;
    let output = std::process::Command::new(solc()).arg("--standard-json").arg(&path).output()?;
    let output: Value = serde_json::from_slice(&output.stdout)?;
    let code = output["contracts"][file][name]["evm"]["bytecode"]["object"].as_str();
    code.map(str::to_owned).ok_or_else(|| eyre!("{name} does not compile: {}", output["errors"]))
}

/// A deployment with the reference rollup (blocks of one transfer) and one staked prover.
#[derive(Debug)]
pub struct Town {
    pub anvil: Anvil,
    pub provery: Provery,
    pub deployer: String,
    pub prover: String,
    pub stranger: String,
}

impl Town {
    /// Seconds of the windows: long, so that nothing expires unless a test moves the clock.
    pub const EXCLUSIVE: u64 = 600;

    pub async fn build() -> Result<Self> {
        Self::build_for(None).await
    }

    /// With a strict asset of so many decimals, if any are given.
    pub async fn build_for(decimals: Option<u8>) -> Result<Self> {
        let anvil = Anvil::start().await?;
        let provery = Provery::new(&anvil.url())?;
        for index in 1..=3 {
            anvil.set_balance(crate::key(index).address().to_string(), "0x3635c9adc5dea00000").await?;
        }
        let [deployer, prover, stranger] = Self::keys();
        let asset = match decimals {
            Some(decimals) => Some(crate::strict_token(&anvil.sender(0).await?, decimals).await?.to_string()),
            None => None,
        };
        let asset: Vec<&str> = asset.iter().flat_map(|asset| ["--asset", asset.as_str()]).collect();
        Self::found(&provery, &asset).await?;
        Ok(Self { anvil, provery, deployer, prover, stranger })
    }

    /// Those of the deployer, who is the sequencer, of the prover and of a stranger: they need funds before [`Self::found`].
    pub fn keys() -> [String; 3] {
        [1, 2, 3].map(|index| crate::key(index).to_bytes().to_string())
    }

    /// Build it on whatever chain that is; `deploy` has more arguments.
    pub async fn found(provery: &Provery, deploy: &[&str]) -> Result<()> {
        let [deployer, prover, _] = Self::keys();
        let (exclusive, expiry) = (Self::EXCLUSIVE.to_string(), (4 * Self::EXCLUSIVE).to_string());
        let key = Some(deployer.as_str());
        let epochs = ["deploy", "--epoch-length", "60", "--freeze", "10", "--unbonding", &expiry];
        provery.ok(key, &[&epochs[..], deploy].concat()).await?;
        provery.ok(None, &["keys", "generate", "--circuit", "transfer-block-d16-n1"]).await?;
        let create = ["rollup", "create", "--name", "town", "--block-txs", "1"];
        let worth = ["--price", "10", "--bond", "12"];
        let windows = ["--fast", &exclusive, "--exclusive", &exclusive, "--expiry", &expiry];
        provery.ok(key, &[&create[..], &worth, &windows].concat()).await?;
        provery.ok(key, &["token", "mint", "--amount", "100"]).await?;
        provery.ok(key, &["rollup", "fund", "--name", "town", "--amount", "100"]).await?;
        let key = Some(prover.as_str());
        provery.ok(key, &["token", "mint", "--amount", "50"]).await?;
        provery.ok(key, &["prover", "register"]).await?;
        provery.ok(key, &["prover", "stake", "--amount", "50"]).await?;
        provery.ok(key, &["prover", "allocate", "--market", "1", "--units", "50"]).await?;
        Ok(())
    }

    /// Move the chain's clock.
    pub async fn pass(&self, seconds: u64) -> Result<()> {
        self.anvil.request("evm_increaseTime", serde_json::json!([seconds])).await?;
        self.anvil.mine(1).await
    }

    /// Post `blocks` blocks, once the prover's stake counts.
    pub async fn post(&self, blocks: u64) -> Result<()> {
        self.pass(130).await?;
        let blocks = blocks.to_string();
        self.provery
            .ok(
                Some(&self.deployer),
                &["rollup", "sequence", "--name", "town", "--blocks", &blocks, "--interval-ms", "1"],
            )
            .await?;
        Ok(())
    }
}
