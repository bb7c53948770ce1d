//! A circuit from elsewhere on the market: registered, its slots opened, proven by hand and by a node.

use std::{fs, path::Path, time::Duration};

use eyre::{OptionExt as _, Result, ensure};
use provery_tests::{Circom, Town};
use serde_json::Value;
use tokio::time::sleep;

/// Polls before a test gives up: only a bound for failure.
const PATIENCE: u32 = 600;

/// A town with the circuit registered, its files fetched, and a market of it named `answers`.
pub(crate) struct Market {
    pub(crate) town: Town,
    pub(crate) circom: Circom,
    pub(crate) circuit: String,
}

impl Market {
    /// Described with these flags, too.
    pub(crate) async fn build(more: &[&str]) -> Result<Self> {
        let (town, circom) = (Town::build().await?, Circom::refusals()?);
        let provery = &town.provery;
        let at = |name: &str| provery.dir.path().join(name).display().to_string();
        let out = at("c.json");
        let files = ["zkey", "r1cs", "sym", "wasm"].map(|ending| circom.path(ending));
        let mut describe = vec!["circuit", "describe", "--name", "refusals-1", "--out", &out];
        let flags = ["--zkey", "--r1cs", "--sym", "--wasm"];
        describe.extend(flags.iter().zip(&files).flat_map(|(flag, file)| [*flag, file.as_str()]));
        provery.ok(None, &[&describe[..], more].concat()).await?;

        let folder = circom.directory().display().to_string();
        let (public, proof) = (circom.path("public.json"), circom.path("proof.json"));
        let key = Some(town.deployer.as_str());
        let register = ["circuit", "register", "c.json", "--deploy", "--from", &folder];
        let sample = ["--public", &public, "--proof", &proof];
        let registered = provery.ok(key, &[&register[..], &sample].concat()).await?;
        ensure!(registered["key_checked"] == true, "{registered}");
        let circuit = registered["circuit"].as_str().ok_or_eyre("no id")?.to_owned();
        provery.ok(None, &["circuit", "fetch", "c.json", "--from", &folder]).await?;

        let (window, expiry) = ("600", "2400");
        let create = ["market", "create", "--circuit", &circuit, "--outputs", "1", "--name", "answers"];
        let worth =
            ["--price", "1", "--bond", "2", "--fast", window, "--exclusive", window, "--expiry", expiry];
        let created = provery.ok(key, &[&create[..], &worth].concat()).await?;
        ensure!(created["record"]["workload"] == "circom", "{created}");
        provery.ok(key, &["token", "mint", "--amount", "20"]).await?;
        provery.ok(key, &["market", "fund", "--market", "answers", "--amount", "20"]).await?;
        // The seeds of the draws are known.
        town.pass(130).await?;
        Ok(Self { town, circom, circuit })
    }

    pub(crate) async fn open(&self) -> Result<Value> {
        let (public, input) = (self.circom.path("public.json"), self.circom.path("input.json"));
        let open = ["slot", "open", "--market", "answers", "--public", &public, "--input", &input];
        self.town.provery.ok(Some(&self.town.deployer), &open).await
    }

    pub(crate) async fn submit(&self, key: &str, slot: &str, more: &[&str]) -> Result<Value> {
        let (public, proof) = (self.circom.path("public.json"), self.circom.path("proof.json"));
        let submit = ["slot", "submit", slot, "--market", "answers", "--public", &public, "--proof", &proof];
        self.town.provery.ok(Some(key), &[&submit[..], more].concat()).await
    }

    pub(crate) async fn shown(&self, slot: &str) -> Result<Value> {
        self.town.provery.ok(None, &["slot", "show", slot, "--market", "answers"]).await
    }
}

#[tokio::test]
async fn a_circuit_from_elsewhere_is_paid_for_by_hand_and_by_a_node() -> Result<()> {
    let market = Market::build(&[]).await?;
    let (town, provery) = (&market.town, &market.town.provery);
    let shown = provery.ok(None, &["circuit", "show", &market.circuit]).await?;
    ensure!(shown["payee_bound"] == true && shown["code_may_change"] == false, "{shown}");

    // A number that no proof can be of is refused before anything is paid.
    let huge = "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    let open = ["slot", "open", "--market", "answers", "--statement", huge];
    let message = provery.fails(Some(&town.deployer), &open, "usage").await?;
    ensure!(message.contains("input 1 of the statement"), "{message}");

    // Nobody has stake in it: open to all, and snarkjs' proof pays whom it names, whoever sends it.
    let opened = market.open().await?;
    ensure!(opened["slot"] == 1 && opened["statement_inputs"][0] == "0x9", "{opened}");
    let message = provery
        .fails(
            Some(&town.stranger),
            &[
                "slot",
                "submit",
                "1",
                "--market",
                "answers",
                "--public",
                &market.circom.path("public.json"),
                "--proof",
                &market.circom.path("proof.json"),
                "--payee",
                "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            ],
            "proof_for_another",
        )
        .await?;
    ensure!(message.contains("c0FFEE00") || message.to_lowercase().contains("c0ffee00"), "{message}");
    let paid = market
        .submit(&town.stranger, "1", &["--payee", "0x00000000000000000000000000000000c0ffee00"])
        .await?;
    ensure!(paid["reward"] == "1000000000000000000", "{paid}");

    // Its proof comes back as it was, and snarkjs' key is ours.
    provery.ok(None, &["slot", "proof", "1", "--market", "answers", "--out", "back"]).await?;
    let (back, made) = (provery.dir.path().join("back/public.json"), market.circom.path("public.json"));
    let numbers = |path: &Path| Ok::<Vec<String>, eyre::Report>(serde_json::from_slice(&fs::read(path)?)?);
    ensure!(numbers(&back)? == numbers(Path::new(&made))?, "public.json");

    // A node is drawn, and proves with the files that were fetched.
    let mut node = market.node().await?;
    let opened = market.open().await?;
    ensure!(
        opened["slot"] == 2 && opened["prover"] != "0x0000000000000000000000000000000000000000",
        "{opened}"
    );
    market.until_proven(&mut node, "2").await?;
    node.process.kill().await?;
    Ok(())
}

#[tokio::test]
async fn a_proof_that_does_not_bind_its_payee_is_committed_to_first() -> Result<()> {
    let market = Market::build(&["--no-payee"]).await?;
    let (town, provery) = (&market.town, &market.town.provery);
    let shown = provery.ok(None, &["circuit", "show", &market.circuit]).await?;
    ensure!(shown["payee_bound"] == false, "{shown}");
    let terms = provery.ok(None, &["market", "show", "--market", "answers"]).await?;
    ensure!(terms["terms"]["circuit_terms"] != "0x0", "{terms}");
    market.open().await?;

    // The chain goes on while the commitment ages.
    let anvil = &town.anvil;
    let mining = async {
        loop {
            sleep(Duration::from_millis(100)).await;
            anvil.mine(1).await?;
        }
    };
    let paid = tokio::select! {
        paid = market.submit(&town.stranger, "1", &[]) => paid?,
        failed = mining => return failed,
    };
    let stranger = provery_tests::key(3).address().to_string();
    ensure!(paid["payee"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&stranger)), "{paid}");
    ensure!(paid["reward"] == "1000000000000000000", "{paid}");
    Ok(())
}

/// A node that proves the market's slots, and what it said.
struct Running {
    process: tokio::process::Child,
    log: std::path::PathBuf,
    data: String,
}

impl Market {
    /// The prover has stake behind the market, and runs a node.
    async fn node(&self) -> Result<Running> {
        let (town, provery) = (&self.town, &self.town.provery);
        let units = ["prover", "allocate", "--market", "answers", "--units", "10"];
        provery.ok(Some(&town.prover), &["prover", "allocate", "--market", "1", "--units", "20"]).await?;
        provery.ok(Some(&town.prover), &units).await?;
        town.pass(200).await?;
        let data = provery.dir.path().join("node").display().to_string();
        let node = ["node", "--data-dir", &data, "--market", "answers", "--poll-ms", "200"];
        let log = provery.dir.path().join("node.log");
        let out = fs::File::create(&log)?;
        let process = provery.command(Some(&town.prover), &node)?.stdout(out).spawn()?;
        Ok(Running { process, log, data })
    }

    /// Blocks are mined until this is so of the node's status.
    async fn until(&self, node: &mut Running, what: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = String::new();
        for _ in 0..PATIENCE {
            let status = ["node", "status", "--data-dir", &node.data];
            if let Ok(status) = self.town.provery.ok(None, &status).await {
                if what(&status) {
                    return Ok(status);
                }
                last = status.to_string();
            }
            if node.process.try_wait()?.is_some() {
                break;
            }
            self.town.anvil.mine(1).await?;
            sleep(Duration::from_millis(200)).await;
        }
        eyre::bail!("it did not come to it: {last}\n{}", fs::read_to_string(&node.log)?)
    }

    async fn until_proven(&self, node: &mut Running, slot: &str) -> Result<()> {
        for _ in 0..PATIENCE {
            if self.shown(slot).await?["phase"] == "proven" {
                return Ok(());
            }
            ensure!(node.process.try_wait()?.is_none(), "{}", fs::read_to_string(&node.log)?);
            self.town.anvil.mine(1).await?;
            sleep(Duration::from_millis(200)).await;
        }
        eyre::bail!("slot {slot} is not proven\n{}", fs::read_to_string(&node.log)?)
    }
}

/// The sentence about a slot among the concerns of this code.
fn concern(status: &Value, code: &str, slot: u64) -> Option<String> {
    let concerns = status["concerns"].as_array()?;
    let found = concerns.iter().find(|it| it["code"] == code && it["slot"] == slot)?;
    Some(found["message"].as_str()?.to_owned())
}

#[tokio::test]
async fn a_slot_that_nobody_can_prove_is_refused_by_name_and_the_others_are_proven() -> Result<()> {
    let market = Market::build(&[]).await?;
    let provery = &market.town.provery;
    let mut node = market.node().await?;

    // An assertion of the circuit fails, for whoever tries.
    let mut input: Value = serde_json::from_slice(&fs::read(market.circom.path("input.json"))?)?;
    input["b"] = "7".into();
    let bad = provery.dir.path().join("bad.json").display().to_string();
    fs::write(&bad, input.to_string())?;
    let public = market.circom.path("public.json");
    let open = ["slot", "open", "--market", "answers", "--public", &public, "--input"];
    let opened = provery.ok(Some(&market.town.deployer), &[&open[..], &[bad.as_str()]].concat()).await?;
    ensure!(opened["prover"] != "0x0000000000000000000000000000000000000000", "{opened}");
    let status = market.until(&mut node, |status| concern(status, "held_unprovable", 1).is_some()).await?;
    let sentence = concern(&status, "held_unprovable", 1).unwrap_or_default();
    ensure!(sentence.contains("an assertion failed"), "{sentence}");
    let breaker = &status["node"]["breaker"];
    ensure!(breaker["failures"] == 0 && breaker["open"] == false, "{breaker}");
    ensure!(status["node"]["paused"].is_null(), "{}", status["node"]);
    // And the next is proven as ever.
    market.open().await?;
    market.until_proven(&mut node, "2").await?;
    node.process.kill().await?;
    Ok(())
}

#[tokio::test]
async fn an_input_that_is_linked_is_fetched_and_a_server_that_lies_is_asked_again() -> Result<()> {
    let market = Market::build(&[]).await?;
    let (provery, key) = (&market.town.provery, Some(market.town.deployer.as_str()));
    let folder = provery.dir.path().join("web");
    fs::create_dir_all(&folder)?;
    let (there, input) = (folder.join("input.json"), fs::read(market.circom.path("input.json"))?);
    let url = format!("{}input.json", provery_tests::serve(folder.clone()).await?);
    let public = market.circom.path("public.json");
    let open = ["slot", "open", "--market", "answers", "--public", &public, "--input-url", &url];
    let message = provery.fails(key, &open, "artifact_unavailable").await?;
    ensure!(message.contains("404"), "{message}");
    let far = ["slot", "open", "--market", "answers", "--public", &public, "--input-url", "ftp://h/i"];
    provery.fails(key, &far, "usage").await?;

    let mut node = market.node().await?;
    fs::write(&there, &input)?;
    provery.ok(key, &open).await?;
    market.until_proven(&mut node, "1").await?;

    // Another file of the same length by the time it is fetched: no byte of it is taken, and it is asked for again.
    let elsewhere = url.replace("input.json", "later.json");
    let later = folder.join("later.json");
    let statement = ["slot", "open", "--market", "answers", "--statement", "10", "--input-url", &elsewhere];
    let mut other: Value = serde_json::from_slice(&input)?;
    other["ignored"] = "10".into();
    let other = other.to_string();
    let path = provery.dir.path().join("other.json").display().to_string();
    fs::write(&path, &other)?;
    fs::write(&later, other.chars().rev().collect::<String>())?;
    provery.ok(key, &[&statement[..], &["--input", &path]].concat()).await?;
    let lied = |status: &Value| {
        concern(status, "held_unprovable", 2).is_some_and(|it| it.contains("has the digest"))
    };
    let status = market.until(&mut node, lied).await?;
    ensure!(status["node"]["breaker"]["failures"] == 0, "{status}");
    fs::write(&later, &other)?;
    market.until_proven(&mut node, "2").await?;
    node.process.kill().await?;
    Ok(())
}

#[tokio::test]
async fn a_circuit_from_elsewhere_is_proven_by_another_prover_and_a_market_without_files_is_named()
-> Result<()> {
    let market = Market::build(&[]).await?;
    let (town, provery) = (&market.town, &market.town.provery);
    let script = provery.dir.path().join("prover.js");
    fs::write(
        &script,
        format!(
            "const [zkey, witness, proof, pub] = process.argv.slice(2), fs = require('fs');\n\
             const {{ groth16 }} = require('{}/snarkjs');\n\
             groth16.prove(zkey, witness).then((it) => {{\n\
               fs.writeFileSync('{}', 'asked');\n\
               fs.writeFileSync(proof, JSON.stringify(it.proof));\n\
               fs.writeFileSync(pub, JSON.stringify(it.publicSignals)); process.exit(0) }});\n",
            Circom::modules().display(),
            provery.dir.path().join("asked").display(),
        ),
    )?;
    let config = provery.dir.path().join("provery.toml");
    let table = |more: &str| {
        let files = "'{zkey}', '{witness}', '{proof}', '{public}'";
        format!("[external_prover]\n{more}command = ['node', '{}', {files}]\n", script.display())
    };
    fs::write(&config, table("circuits = ['refusals-1']\n"))?;
    let data = provery.dir.path().join("other").display().to_string();
    let start = ["node", "--data-dir", &data, "--market", "answers"];
    let message = provery.fails(Some(&town.prover), &start, "config").await?;
    ensure!(message.contains("refusals-1") && message.contains("circom-"), "{message}");
    fs::write(&config, table(""))?;
    let mut node = market.node().await?;
    market.open().await?;
    market.until_proven(&mut node, "1").await?;
    ensure!(provery.dir.path().join("asked").exists(), "another made the proof");
    node.process.kill().await?;
    fs::remove_file(&config)?;

    // Without the files of one market the other is served, and without any there is nothing to serve.
    let keys = provery.dir.path().join("few");
    fs::create_dir_all(&keys)?;
    let few = keys.display().to_string();
    let both = ["node", "--data-dir", &data, "--poll-ms", "200", "--keys", &few];
    let message = provery.fails(Some(&town.prover), &both, "key_file_missing").await?;
    ensure!(message.contains("--market"), "{message}");
    let circuit = "transfer-block-d16-n1";
    std::os::unix::fs::symlink(provery.keys_dir().join(circuit), keys.join(circuit))?;
    let log = provery.dir.path().join("few.log");
    let out = fs::File::create(&log)?;
    let mut command = provery.command(Some(&town.prover), &both)?;
    let process = command.stdout(out.try_clone()?).stderr(out).spawn()?;
    let mut node = Running { process, log: log.clone(), data };
    let unserved = |status: &Value| {
        let concerns = status["concerns"].as_array().cloned().unwrap_or_default();
        concerns.iter().any(|it| {
            it["code"] == "market_unprovable"
                && it["message"].as_str().is_some_and(|it| it.contains("circuit fetch"))
        })
    };
    market.until(&mut node, unserved).await?;
    node.process.kill().await?;
    let said = fs::read_to_string(&log)?;
    ensure!(said.contains("it is not served"), "{said}");
    Ok(())
}
