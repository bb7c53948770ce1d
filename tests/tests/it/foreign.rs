//! Against chains of software that nobody here wrote.

use std::time::Duration;

use eyre::{Result, ensure, eyre};
use provery_tests::{Hardhat, Provery, Town};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};

/// A bound for failure; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(180);

/// `provery node` of the prover's, and how its slots end.
struct Node {
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    _child: Child,
}

impl Node {
    fn start(provery: &Provery, more: &[&str]) -> Result<Self> {
        let [_, prover, _] = Town::keys();
        let args =
            ["node", "--data-dir", "node", "--market", "1", "--poll-ms", "100", "--http", "127.0.0.1:0"];
        let mut child = provery.spawn(&prover, &[&args[..], more].concat())?;
        let stdout = child.stdout.take().ok_or_else(|| eyre!("the node has no standard output"))?;
        Ok(Self { lines: BufReader::new(stdout).lines(), _child: child })
    }

    /// Wait until it says so.
    async fn says(&mut self, event: &str) -> Result<Value> {
        let mut said = Vec::new();
        let waiting = async {
            while let Some(line) = self.lines.next_line().await? {
                let line: Value = serde_json::from_str(&line)?;
                if line["event"] == event {
                    return Ok(Some(line));
                }
                said.push(line);
            }
            Ok::<_, eyre::Report>(None)
        };
        let found = timeout(PATIENCE, waiting).await;
        found.ok().transpose()?.flatten().ok_or_else(|| eyre!("no {event} after {said:?}"))
    }
}

/// A beacon whose value for a time is that time's hash, known from then on. The code is
/// `known = !(time > TIMESTAMP); value = keccak256(time)`.
const BEACON: (&str, &str) =
    ("0x00000000000000000000000000000000beac0000", "0x4260043511155f52600435602052602060202060205260405ff3");

/// From `deploy` to slots that were proven and paid for, on a chain of Hardhat's with this in its configuration. Its history
/// of block hashes reverts (EIP-2935), so the lottery draws by a beacon.
async fn proves(network: Value, node: impl FnOnce(&Hardhat) -> Vec<String>) -> Result<()> {
    let hardhat = Hardhat::start(network).await?;
    hardhat.request("hardhat_setCode", json!([BEACON.0, BEACON.1])).await?;
    let provery = Provery::new(&hardhat.url())?;
    let [deployer, ..] = Town::keys();
    Town::found(&provery, &["--randomness", BEACON.0]).await?;
    // Stake counts from the epoch after the next on.
    hardhat.pass(130).await?;
    let more = node(&hardhat);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let mut node = Node::start(&provery, &more)?;
    node.says("started").await?;
    let sequence = ["rollup", "sequence", "--name", "town", "--blocks", "2", "--interval-ms", "1"];
    provery.ok(Some(&deployer), &sequence).await?;
    for _ in 0..2 {
        node.says("settled").await?;
    }
    let listed = provery.ok(None, &["slot", "list"]).await?;
    let phases: Vec<&Value> =
        listed["slots"].as_array().into_iter().flatten().map(|slot| &slot["phase"]).collect();
    ensure!(phases == ["proven", "proven"], "{listed}");
    Ok(())
}

/// A block for each transaction, and one a second.
fn busy() -> Value {
    json!({ "auto": true, "interval": 1_000 })
}

#[tokio::test]
async fn on_hardhat_a_node_proves_and_a_websocket_tells_it_when_to_look() -> Result<()> {
    proves(json!({ "hardfork": "osaka", "mining": busy() }), |hardhat| {
        vec!["--ws-url".to_owned(), hardhat.url().replace("http://", "ws://")]
    })
    .await
}

#[tokio::test]
async fn on_hardhat_a_node_proves_with_blocks_by_the_clock_alone() -> Result<()> {
    let by_clock = json!({ "auto": false, "interval": 1_000 });
    proves(json!({ "hardfork": "cancun", "mining": by_clock }), |_| Vec::new()).await
}

#[tokio::test]
async fn on_hardhats_rollup_a_node_proves() -> Result<()> {
    proves(json!({ "chainType": "op", "mining": busy() }), |_| Vec::new()).await
}

#[tokio::test]
async fn what_hardhats_chains_lack_is_refused_by_name_before_anything_is_paid_for() -> Result<()> {
    let [deployer, ..] = Town::keys();
    for (hardfork, lacks) in
        [("osaka", &["EIP-2935"][..]), ("london", &["PUSH0", "TLOAD", "MCOPY"]), ("berlin", &["PUSH0"])]
    {
        let hardhat = Hardhat::start(json!({ "hardfork": hardfork })).await?;
        // There must be a past to ask for.
        hardhat.request("hardhat_mine", json!(["0x3"])).await?;
        let provery = Provery::new(&hardhat.url())?;
        let said = provery.fails(Some(&deployer), &["deploy"], "chain_unsupported").await?;
        for name in lacks {
            ensure!(said.contains(name), "{hardfork}: {name} is not in {said}");
        }
        let block = hardhat.request("eth_blockNumber", json!([])).await?;
        ensure!(block == "0x3", "{hardfork}: something was sent, the newest block is {block}");
    }
    Ok(())
}
