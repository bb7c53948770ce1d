//! The circuit of somebody else on the stage: `examples/membership`, from its source to its requester, which asks for proofs.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes, U256, hex, keccak256},
    signers::local::PrivateKeySigner,
    sol,
    sol_types::{SolCall as _, SolEvent as _, SolValue as _},
};
use eyre::{Context, Result, ensure, eyre};
use provery_bindings::ProofMarket::{SlotOpened, openSlotCall};
use provery_rpc::{Call, Rpc};
use provery_txmgr::{Sender, SenderConfig};
use provery_types::{RollupRecord, Terms};
use serde_json::{Value, json};
use tokio::{process::Command, sync::mpsc, task::JoinHandle};

use crate::{
    args::Args,
    now_ms,
    process::{Line, Provery},
    stage::{ROLLUP, Stage},
};

/// Gas with which the requester is told of a proof: it writes one word.
pub(crate) const CALLBACK_GAS: &str = "60000";
const POLL: Duration = Duration::from_millis(50);

sol! {
    /// The part of the requester that is read.
    function nullifiers(uint256 root) external view returns (uint256);
}

/// The example's files, compiled, and what is asked for.
#[derive(Debug)]
pub(crate) struct Circuit {
    /// Its id in the chain's registry.
    pub id: String,
    folder: PathBuf,
}

/// The example's folder in the checkout that this program was built from.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/membership")
}

/// Compile the circuit, describe it, register it with a sample that its first input makes, and put its files where provers look.
/// Nothing here is different from what its team would type.
pub(crate) async fn register(provery: &Provery, key: &str, dir: &Path, slots: u64) -> Result<Circuit> {
    let folder = dir.join("membership");
    let at = |name: &str| folder.join(name).display().to_string();
    let build = example().join("build.mjs").display().to_string();
    run("node", &[&build, &at(""), &slots.to_string()]).await?;
    let (r1cs, sym, wasm, zkey, descriptor) = (
        at("membership.r1cs"),
        at("membership.sym"),
        at("membership.wasm"),
        at("membership.zkey"),
        at("membership.json"),
    );
    provery.run(None, &["circuit", "setup", "--r1cs", &r1cs, "--out", &zkey]).await?;
    let files = ["--r1cs", &r1cs, "--sym", &sym, "--wasm", &wasm, "--zkey", &zkey, "--out", &descriptor];
    provery.run(None, &[&["circuit", "describe", "--name", "membership"], &files[..]].concat()).await?;
    let (from, input) = (at(""), at("input-1.json"));
    let sample = ["--from", &from, "--deploy", "--input", &input];
    let registered =
        provery.run(Some(key), &[&["circuit", "register", &descriptor], &sample[..]].concat()).await?;
    provery.run(None, &["circuit", "fetch", &descriptor, "--from", &from]).await?;
    let id =
        registered["circuit"].as_str().ok_or_else(|| eyre!("the circuit was registered without an id"))?;
    Ok(Circuit { id: id.to_owned(), folder })
}

/// Compile and deploy its requester, [`Membership.sol`](../../../examples/membership/Membership.sol).
pub(crate) async fn deploy(rpc_url: &str, key: &str, market: Address, dir: &Path) -> Result<Address> {
    let out = dir.join("out");
    let root = example().join("../..").canonicalize()?.display().to_string();
    let (out_dir, cache) = (out.display().to_string(), dir.join("cache").display().to_string());
    let source = "examples/membership/Membership.sol";
    run("forge", &["build", "--root", &root, "--out", &out_dir, "--cache-path", &cache, source]).await?;
    let artifact = std::fs::read_to_string(out.join("Membership.sol/Membership.json"))?;
    let artifact: Value = serde_json::from_str(&artifact)?;
    let code = artifact["bytecode"]["object"].as_str().ok_or_else(|| eyre!("forge wrote no bytecode"))?;
    let rpc = Rpc::connect(rpc_url).await?;
    let sender = Sender::new(rpc, signer(key)?, SenderConfig::new(POLL));
    Ok(sender.deploy(&hex::decode(code)?, &market.abi_encode()).await?.0)
}

fn signer(key: &str) -> Result<PrivateKeySigner> {
    key.parse().wrap_err("anvil gave a key that is none")
}

/// Run a tool that setup installed.
async fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .wrap_err_with(|| format!("{program} does not start; run ./script/setup"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "{program} {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&said).trim()
    );
    Ok(())
}

/// The requester's owner at work: it asks for a proof every so often.
#[derive(Debug)]
pub(crate) struct Asking {
    task: Option<JoinHandle<Result<()>>>,
}

impl Asking {
    pub(crate) async fn start(
        args: &Args,
        stage: &Stage,
        lines: mpsc::UnboundedSender<Line>,
    ) -> Result<Self> {
        let rpc = Rpc::connect(&stage.anvil.rpc_url).await?;
        let chain = provery_rpc::Chain::connect(rpc.clone(), stage.deployment.clone()).await?;
        let folder = stage.circuit.as_ref().map(|circuit| circuit.folder.clone());
        let requester = Requester {
            terms: chain.terms(stage.rollup.market).await?,
            record: stage.rollup.clone(),
            sender: Sender::new(rpc, signer(&stage.sequencer_key)?, SenderConfig::new(POLL)),
            draws: args.mechanism.draws(),
            offer: stage.offer.as_ref().map(|offer| offer.data.clone()).unwrap_or_default(),
            folder: folder.ok_or_else(|| eyre!("there is no circuit to ask for"))?,
            chain,
        };
        let (slots, interval) = (args.slots, Duration::from_millis(args.interval()));
        let task = tokio::spawn(async move {
            for number in 1..=slots {
                let slot = requester.ask(number).await?;
                let value = json!({ "event": "asked", "slot": slot, "at_ms": now_ms() });
                lines.send(Line { from: ROLLUP.into(), value }).ok();
                tokio::time::sleep(interval).await;
            }
            Ok(())
        });
        Ok(Self { task: Some(task) })
    }

    /// An error if it stopped before it had asked for everything.
    pub(crate) async fn check(&mut self) -> Result<()> {
        if self.task.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(task) = self.task.take()
        {
            task.await?.wrap_err("the requester stopped")?;
        }
        Ok(())
    }
}

struct Requester {
    chain: provery_rpc::Chain,
    record: RollupRecord,
    terms: Terms,
    sender: Sender,
    draws: bool,
    offer: Bytes,
    folder: PathBuf,
}

impl Requester {
    async fn ask(&self, number: u64) -> Result<u64> {
        let root = root(&self.folder, number)?;
        let input = std::fs::read(self.folder.join(format!("input-{number}.json")))?;
        let data = if self.draws {
            self.chain.drawn_opening_data().await.unwrap_or_default()
        } else {
            self.offer.clone()
        };
        let mined = self.sender.send(self.call(root, input.into(), data)).await?;
        let opened = mined.logs.iter().find_map(|log| SlotOpened::decode_log(&log.inner).ok());
        opened
            .map(|event| event.data.slot.id)
            .ok_or_else(|| eyre!("a proof was asked for and no slot opened"))
    }

    /// Its `ask`: the ABI of an outsider's contract is not among ours.
    fn call(&self, root: U256, input: Bytes, data: Bytes) -> Call {
        let opening = openSlotCall::SIGNATURE;
        let terms = opening.find(",(").zip(opening.find(')')).map(|(at, end)| &opening[at + 1..=end]);
        let signature = format!("ask(uint256,{},uint256,bytes,bytes)", terms.unwrap_or_default());
        let arguments = (self.record.market, self.terms.clone(), root, input, data).abi_encode_params();
        Call {
            to: Some(self.record.address),
            data: [&keccak256(signature)[..4], &arguments].concat().into(),
            value: U256::ZERO,
            kind: "ask",
            gas: None,
        }
    }
}

fn root(folder: &Path, number: u64) -> Result<U256> {
    Ok(std::fs::read_to_string(folder.join(format!("root-{number}.txt")))?.trim().parse()?)
}

/// Of how many roots the requester was told.
pub(crate) async fn told(chain: &provery_rpc::Chain, stage: &Stage, slots: u64) -> Result<Option<u64>> {
    let Some(circuit) = &stage.circuit else { return Ok(None) };
    let mut told = 0;
    for number in 1..=slots {
        let root = root(&circuit.folder, number)?;
        told += u64::from(!chain.ask(stage.rollup.address, &nullifiersCall { root }).await?.is_zero());
    }
    Ok(Some(told))
}
