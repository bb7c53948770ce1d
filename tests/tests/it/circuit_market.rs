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
    let units = ["prover", "allocate", "--market", "answers", "--units", "10"];
    provery.ok(Some(&town.prover), &["prover", "allocate", "--market", "1", "--units", "20"]).await?;
    provery.ok(Some(&town.prover), &units).await?;
    town.pass(200).await?;
    let data = provery.dir.path().join("node").display().to_string();
    let node = ["node", "--data-dir", &data, "--market", "answers", "--poll-ms", "200"];
    let log = fs::File::create(provery.dir.path().join("node.log"))?;
    let mut running = provery.command(Some(&town.prover), &node)?.stdout(log).spawn()?;
    let opened = market.open().await?;
    ensure!(
        opened["slot"] == 2 && opened["prover"] != "0x0000000000000000000000000000000000000000",
        "{opened}"
    );
    let mut shown = Value::Null;
    for _ in 0..PATIENCE {
        shown = market.shown("2").await?;
        if shown["phase"] == "proven" || running.try_wait()?.is_some() {
            break;
        }
        town.anvil.mine(1).await?;
        sleep(Duration::from_millis(200)).await;
    }
    let log = fs::read_to_string(provery.dir.path().join("node.log"))?;
    running.kill().await?;
    ensure!(shown["phase"] == "proven", "{shown}\n{log}");
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
