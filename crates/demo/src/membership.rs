//! The circuit of somebody else on the stage: `examples/membership`, from its source to its requester, which asks for proofs.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy::{
    primitives::{Address, U256, hex},
    signers::local::PrivateKeySigner,
    sol_types::SolValue as _,
};
use eyre::{Context, Result, ensure, eyre};
use provery_rpc::Rpc;
use provery_txmgr::{Sender, SenderConfig};
use serde_json::Value;
use tokio::process::Command;

use crate::process::Provery;

/// Gas with which the requester is told of a proof: it writes one word.
pub(crate) const CALLBACK_GAS: &str = "60000";
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// The example's files, compiled, and what is asked for.
#[derive(Debug)]
pub(crate) struct Circuit {
    /// Its id in the chain's registry.
    pub id: String,
    pub folder: PathBuf,
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

/// Who has this key.
pub(crate) fn signer(key: &str) -> Result<PrivateKeySigner> {
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

/// The root that a proof is asked for.
pub(crate) fn root(folder: &Path, number: u64) -> Result<U256> {
    Ok(std::fs::read_to_string(folder.join(format!("root-{number}.txt")))?.trim().parse()?)
}
