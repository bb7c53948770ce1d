//! Sets the stage: contracts, two or three rollups with their markets, provers with stake.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
};
use eyre::{Context, Result, ensure, eyre};
use provery_rpc::{Chain, Rpc};
use provery_txmgr::{Sender, SenderConfig};
use provery_types::Deployment;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{dice::Dice, direct::Direct, sequencer::Sequencer};
use crate::{Anvil, deploy::strict_token, key};

/// Seconds in an epoch, and before it in which weights are frozen.
pub(super) const EPOCH_LENGTH: u64 = 20;
const FREEZE: u64 = 4;
/// Whole tokens, for each prover.
pub(super) const STAKE: u64 = 1_000;
/// Of it, allocated to the lottery.
const ALLOCATED: u64 = 500;
/// And to the auction, for its bonds.
const TO_AUCTION: &str = "100";
/// Whole tokens that a market has to spend.
const FUNDS: u64 = 1_000_000;

/// Of the asset for development.
pub(super) const DEVELOPMENT_DECIMALS: u8 = 18;
/// Of the other that a seed may decide for.
const FEW_DECIMALS: u8 = 6;

/// How many decimals the asset of a run with this seed has.
pub(super) fn decimals(seed: u64) -> u8 {
    if Dice::of(&[seed, 6]).coin() { FEW_DECIMALS } else { DEVELOPMENT_DECIMALS }
}

/// The market whose slots have holders with bonds: none of them may be missed.
pub(super) const LOTTERY: u64 = 1;
/// The market without bonds, where slots go to whoever is first, and expire when nobody is fast.
pub(super) const RACE: u64 = 2;
/// Seconds of chain time after which a race's slot expires.
pub(super) const RACE_EXPIRY: u64 = 14;
/// The market whose slots wait for their price to climb, and are taken back meanwhile.
pub(super) const DUTCH: u64 = 3;

/// The market that is added while nodes run: without bonds, and with windows that nobody need miss.
pub(super) const ADDED: u64 = 4;
/// All of them.
pub(super) const MARKETS: [u64; 4] = [LOTTERY, RACE, DUTCH, ADDED];

/// How `provery` is called.
#[derive(Clone, Debug)]
pub(super) struct Cli {
    pub program: PathBuf,
    pub deployment: PathBuf,
    pub keys_dir: PathBuf,
}

impl Cli {
    pub(super) fn command(&self, key: Option<&PrivateKeySigner>, url: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        self.equip(&mut command, key);
        command.args(args).args(["--json", "--rpc-url", url]);
        command
    }

    /// What every call has, whoever starts it.
    pub(super) fn equip(&self, command: &mut Command, key: Option<&PrivateKeySigner>) {
        command
            .env("PROVERY_DEPLOYMENT", &self.deployment)
            .env("PROVERY_KEYS_DIR", &self.keys_dir)
            .env_remove("PROVERY_RPC_URL")
            .env_remove("PROVERY_KEYSTORE")
            .env_remove("PROVERY_PRIVATE_KEY")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(key) = key {
            command.env("PROVERY_PRIVATE_KEY", key.to_bytes().to_string());
        }
    }

    /// Run a command to its end: its exit code and its last line.
    pub(super) async fn run(
        &self,
        key: Option<&PrivateKeySigner>,
        url: &str,
        args: &[&str],
    ) -> Result<(bool, Value)> {
        let output = self
            .command(key, url, args)
            .output()
            .await
            .wrap_err("provery does not start; run `cargo build --workspace`")?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().unwrap_or("null");
        let value = serde_json::from_str(last).unwrap_or_else(
            |_| json!({ "error": { "message": String::from_utf8_lossy(&output.stderr).trim() } }),
        );
        Ok((output.status.success(), value))
    }

    async fn ok(&self, key: Option<&PrivateKeySigner>, url: &str, args: &[&str]) -> Result<Value> {
        let (ok, value) = self.run(key, url, args).await?;
        ensure!(ok, "provery {} failed: {}", args.join(" "), value["error"]["message"]);
        Ok(value)
    }
}

/// A prover and its key.
#[derive(Clone, Debug)]
pub(super) struct Prover {
    pub name: String,
    pub address: Address,
    pub key: PrivateKeySigner,
}

impl Prover {
    /// The same prover, for another node that stands by.
    pub(super) fn standby(&self) -> Self {
        Self { name: format!("{}b", self.name), ..self.clone() }
    }
}

#[derive(Debug)]
pub(super) struct Stage {
    pub cli: Cli,
    pub chain: Chain,
    pub deployment: Deployment,
    pub sequencers: Vec<Sequencer>,
    pub provers: Vec<Prover>,
    deployer: PrivateKeySigner,
    sequencer: Address,
}

impl Stage {
    /// Create another rollup with a market of its own, and what posts its blocks.
    pub(super) async fn add(&self, rpc: &Direct, exclusive: u64) -> Result<Sequencer> {
        let (url, of) = (rpc.url(), Some(&self.deployer));
        let (sequencer, funds) = (self.sequencer.to_string(), FUNDS.to_string());
        let (long, expiry) = (exclusive.to_string(), expiry(exclusive));
        let create = ["rollup", "create", "--name", "added", "--mechanism", "race", "--block-txs", "1"];
        let terms = ["--sequencer", &sequencer, "--price", "3", "--bond", "0"];
        let windows = ["--fast", &long, "--exclusive", &long, "--expiry", &expiry];
        self.cli.ok(of, &url, &[&create[..], &terms, &windows].concat()).await?;
        self.cli.ok(of, &url, &["token", "mint", "--amount", &funds]).await?;
        self.cli.ok(of, &url, &["rollup", "fund", "--name", "added", "--amount", &funds]).await?;
        let deployment = Deployment::from_json(&fs::read_to_string(&self.cli.deployment)?)?;
        let record = deployment.rollups.iter().find(|record| record.name == "added").cloned();
        let record =
            record.ok_or_else(|| eyre!("the deployment's file does not have the rollup that was added"))?;
        ensure!(record.market.saturating_to::<u64>() == ADDED, "market {} was added", record.market);
        let chain = Chain::connect(Rpc::connect(&url).await?, deployment).await?;
        Sequencer::new(chain, rpc.clone(), record, self.sequencer).await
    }
}

/// Seconds until a slot with such a window expires: after the price's climb there must be as much time left as the windows of
/// the lottery have.
fn expiry(exclusive: u64) -> String {
    (2 * exclusive + 60).to_string()
}

/// The folder of a run, emptied of what an earlier one left, except proving keys.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir)
        .wrap_err_with(|| format!("{} cannot be made; pass another --dir", dir.display()))?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "keys") {
            continue;
        }
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(dir.canonicalize()?)
}

/// anvil, with blocks made only when asked for, and history for the deepest reorganisation.
pub(super) async fn chain() -> Result<Anvil> {
    Anvil::start_with(&["--no-mining", "--prune-history", "600"]).await
}

/// Build the stage on a chain whose blocks come. `exclusive` is in seconds of chain time; unless `decimals`
/// are those of the asset for development, the asset is a strict one.
pub(super) async fn set(
    dir: &Path,
    rpc: &Direct,
    provers: u64,
    exclusive: u64,
    decimals: u8,
    say: &dyn Fn(&str),
) -> Result<Stage> {
    let url = rpc.url();
    let program = std::env::current_exe()?.with_file_name("provery");
    ensure!(program.exists(), "{} is not built; run `cargo build --workspace`", program.display());
    let cli = Cli { program, deployment: dir.join("deployment.json"), keys_dir: dir.join("keys") };
    let keys: Vec<PrivateKeySigner> = (0..=provers).map(|index| key(100 + index as u8)).collect();
    for key in &keys {
        rpc.call("anvil_setBalance", json!([key.address(), "0x3635c9adc5dea00000"])).await?;
    }
    let accounts = rpc.call("eth_accounts", json!([])).await?;
    let sequencer: Address = serde_json::from_value(accounts[0].clone())?;
    rpc.call("anvil_setBalance", json!([sequencer, "0x152d02c7e14af6800000"])).await?;
    let (deployer_key, provers) = keys.split_first().ok_or_else(|| eyre!("no keys"))?;

    say("deploying the contracts");
    let deployer = Some(deployer_key);
    let (epoch, freeze) = (EPOCH_LENGTH.to_string(), FREEZE.to_string());
    let out = cli.deployment.display().to_string();
    let expiry = expiry(exclusive);
    let terms =
        ["--epoch-length", &epoch, "--freeze", &freeze, "--suspend-after", "3", "--unbonding", &expiry];
    let asset = match decimals {
        DEVELOPMENT_DECIMALS => None,
        decimals => Some(strict_token(&sender(&url, deployer_key).await?, decimals).await?.to_string()),
    };
    let of_asset = asset.as_deref().map_or(Vec::new(), |asset| vec!["--asset", asset]);
    cli.ok(deployer, &url, &[&["deploy", "--out", &out], &terms[..], &of_asset].concat()).await?;
    cli.ok(None, &url, &["keys", "generate", "--circuit", "transfer-block-d16-n1", "--seed", "1"]).await?;

    say("creating rollups and their markets");
    let sequenced = sequencer.to_string();
    let funds = FUNDS.to_string();
    let long = exclusive.to_string();
    let short = RACE_EXPIRY.to_string();
    let markets: [(&str, &[&str]); 3] = [
        (
            "lottery",
            &["--price", "10", "--bond", "12", "--fast", &long, "--exclusive", &long, "--expiry", &expiry],
        ),
        ("race", &["--price", "3", "--bond", "0", "--fast", "6", "--exclusive", "6", "--expiry", &short]),
        (
            "dutch",
            &[
                "--mechanism-option",
                "floor=0.01",
                "--mechanism-option",
                "rise=20",
                "--price",
                "4",
                "--bond",
                "5",
                "--fast",
                &long,
                "--exclusive",
                &long,
                "--expiry",
                &expiry,
            ],
        ),
    ];
    for (name, terms) in markets {
        let creating = [
            "rollup",
            "create",
            "--name",
            name,
            "--mechanism",
            name,
            "--block-txs",
            "1",
            "--sequencer",
            &sequenced,
        ];
        cli.ok(deployer, &url, &[&creating[..], terms].concat()).await?;
        cli.ok(deployer, &url, &["token", "mint", "--amount", &funds]).await?;
        cli.ok(deployer, &url, &["rollup", "fund", "--name", name, "--amount", &funds]).await?;
    }
    let deployment = Deployment::from_json(&fs::read_to_string(&cli.deployment)?)?;
    let chain = Chain::connect(Rpc::connect(&url).await?, deployment.clone()).await?;

    if asset.is_some() {
        for key in &keys {
            leave_over(&chain, &sender(&url, key).await?).await?;
        }
    }
    say("provers register and stake");
    let entering = provers.iter().enumerate().map(|(index, key)| enter(&cli, &url, index, key));
    let provers = futures::future::try_join_all(entering).await?;
    let mut sequencers = Vec::new();
    for record in &deployment.rollups {
        sequencers.push(Sequencer::new(chain.clone(), rpc.clone(), record.clone(), sequencer).await?);
    }
    // Stake counts from the epoch after the next on.
    let units = ALLOCATED * provers.len() as u64;
    while chain.total_weight(sequencers[0].terms_market()).await?.saturating_to::<u64>() < units {
        rpc.call("evm_increaseTime", json!([EPOCH_LENGTH / 2])).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(Stage { cli, chain, deployment, sequencers, provers, deployer: deployer_key.clone(), sequencer })
}

/// What signs with a key, before anything goes wrong.
async fn sender(url: &str, key: &PrivateKeySigner) -> Result<Sender> {
    let rpc = Rpc::connect(url).await?;
    Ok(Sender::new(rpc, key.clone(), SenderConfig::new(Duration::from_millis(20))))
}

/// Allowances that nobody used up, on top of which a strict asset takes no other.
async fn leave_over(chain: &Chain, of: &Sender) -> Result<()> {
    for spender in [chain.deployment().registry(), chain.deployment().market()] {
        of.send(chain.calls().approve(spender, U256::from(1))).await?;
    }
    Ok(())
}

/// Make a prover of an account.
async fn enter(cli: &Cli, url: &str, index: usize, key: &PrivateKeySigner) -> Result<Prover> {
    let name = format!("P{}", index + 1);
    let (minted, units) = (STAKE.to_string(), ALLOCATED.to_string());
    let market = LOTTERY.to_string();
    let of = Some(key);
    cli.ok(of, url, &["token", "mint", "--amount", &minted]).await?;
    cli.ok(of, url, &["prover", "register", "--uri", &format!("chaos:{name}")]).await?;
    cli.ok(of, url, &["prover", "stake", "--amount", &minted]).await?;
    cli.ok(of, url, &["prover", "allocate", "--market", &market, "--units", &units]).await?;
    let auction = DUTCH.to_string();
    cli.ok(of, url, &["prover", "allocate", "--market", &auction, "--units", TO_AUCTION]).await?;
    Ok(Prover { name, address: key.address(), key: key.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_seeds_decide_for_few_decimals() {
        let few = (0..1_000).filter(|seed| decimals(*seed) == FEW_DECIMALS).count();
        assert!((450..550).contains(&few), "{few}");
    }
}
