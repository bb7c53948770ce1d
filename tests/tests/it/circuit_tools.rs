//! What is around a circuit from elsewhere: quotes, a ranking of markets, keys, and a project that runs at once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{OptionExt as _, Result, ensure};
use provery_tests::{Circom, Town, anvil_program, program};
use serde_json::{Value, json};

use super::circuit_market::Market;

const PAYEE: [&str; 2] = ["--payee", "0x00000000000000000000000000000000c0ffee00"];

fn listed<'a>(value: &'a Value, list: &str, market: &str) -> Result<&'a Value> {
    let all = value[list].as_array().ok_or_eyre("no list")?;
    all.iter().find(|it| it["market"] == market).ok_or_eyre("it is not in the list")
}

#[tokio::test]
async fn a_quote_is_what_the_slot_then_costs_and_says_how_soon_others_were_proven() -> Result<()> {
    let market = Market::build(&[]).await?;
    let (town, provery) = (&market.town, &market.town.provery);
    let quote = async || -> Result<Value> {
        let all = provery.ok(None, &["market", "quote", "--market", "answers"]).await?;
        Ok(listed(&all, "quotes", "2")?.clone())
    };
    let before = quote().await?;
    ensure!(before["past"].is_null() && before["serving"] == 0, "no history, and nobody has stake: {before}");
    ensure!(before["price"]["expected"] == "1000000000000000000" && before["funded_slots"] == 20, "{before}");
    let told = provery.told(None, &["market", "quote", "--market", "answers"]).await?;
    ensure!(told.contains("no history"), "{told}");

    market.open().await?;
    let paid = market.submit(&town.stranger, "1", &PAYEE).await?;
    ensure!(paid["reward"] == before["price"]["expected"], "{paid} {before}");
    let units = ["prover", "allocate", "--market", "answers", "--units", "10", "--exposure", "10"];
    provery.ok(Some(&town.prover), &["prover", "allocate", "--market", "1", "--units", "20"]).await?;
    provery.ok(Some(&town.prover), &units).await?;
    town.pass(200).await?;
    let after = quote().await?;
    ensure!(after["past"]["proven"] == 1 && after["past"]["seconds_p95"].is_u64(), "{after}");
    ensure!(after["serving"] == 1 && after["provers"][0]["capacity"] == "declared", "{after}");
    // Every market's without a name.
    let all = provery.ok(None, &["market", "quote"]).await?;
    listed(&all, "quotes", "1")?;

    // What a slot states and what came out is shown with it, and what the market asks of provers.
    let shown = market.shown("1").await?;
    ensure!(shown["statement_inputs"].as_array().is_some_and(|it| it.len() == 1), "{shown}");
    ensure!(shown["outputs"].as_array().is_some_and(|it| it.len() == 1), "{shown}");
    let told = provery.told(None, &["slot", "show", "1", "--market", "answers"]).await?;
    ensure!(told.contains("states") && told.contains("outputs"), "{told}");
    let told = provery.told(None, &["market", "show", "--market", "answers"]).await?;
    ensure!(told.contains("1 public input, which the prover supplies"), "{told}");

    // Unused funds are the creator's again, and nobody else's.
    let defund = ["market", "defund", "--market", "answers", "--amount"];
    let with = |amount: &'static str| [&defund[..], &[amount]].concat();
    provery.fails(Some(&town.stranger), &with("1"), "bad_key").await?;
    provery.fails(Some(&town.deployer), &with("20"), "insufficient_funds").await?;
    let defunded = provery.ok(Some(&town.deployer), &with("4")).await?;
    ensure!(defunded["funds"] == "15000000000000000000", "{defunded}");
    Ok(())
}

#[tokio::test]
async fn markets_are_ranked_by_what_they_bring_here_and_say_what_is_in_the_way() -> Result<()> {
    let market = Market::build(&[]).await?;
    let (town, provery) = (&market.town, &market.town.provery);
    // Keys of its own, so that what is measured is no other test's.
    let keys = provery.dir.path().join("keys").display().to_string();
    let rank = async |more: &[&str]| -> Result<Value> {
        let ask = ["market", "match", "--keys", &keys];
        provery.ok(Some(&town.prover), &[&ask[..], more].concat()).await
    };
    let codes = |it: &Value| -> Vec<String> {
        let bounds = it["bound_by"].as_array().cloned().unwrap_or_default();
        bounds.iter().filter_map(|bound| bound["code"].as_str().map(str::to_owned)).collect()
    };
    let before = rank(&[]).await?;
    let answers = listed(&before, "markets", "2")?;
    for code in ["files", "not_measured", "no_stake", "no_past"] {
        ensure!(codes(answers).contains(&code.to_owned()), "{code}: {answers}");
    }
    ensure!(
        answers["bound_by"][0]["next"] == format!("provery circuit fetch {}", market.circuit),
        "{answers}"
    );

    // By its id, out of a folder that has the descriptor: nobody needs the file's name.
    let folder = provery.dir.path().display().to_string();
    let files = market.circom.directory().display().to_string();
    let fetch = ["circuit", "fetch", &market.circuit, "--keys", &keys];
    provery.fails(None, &fetch, "artifact_unavailable").await?;
    let from = ["--from", &folder, "--from", &files];
    let limited = [&fetch[..], &from, &["--max-bytes", "9"]].concat();
    ensure!(provery.fails(None, &limited, "usage").await?.contains("--max-bytes"));
    let fetched = provery.ok(None, &[&fetch[..], &from].concat()).await?;
    let circuit = fetched["circuit"].as_str().ok_or_eyre("no name")?.to_owned();

    // What `bench` measured is what the node, doctor and the ranking go by; the circuit is named as deployment files do.
    let input = market.circom.path("input.json");
    let bench = ["circuit", "bench", &circuit, "--input", &input, "--runs", "1", "--keys", &keys];
    let benched = provery.ok(None, &bench).await?;
    ensure!(benched["circuit"] == circuit.as_str() && benched["cost"]["milliseconds"].is_u64(), "{benched}");
    let ranked = rank(&[]).await?;
    ensure!(ranked["markets"][0]["market"] == "2", "what can be served comes first: {ranked}");
    let answers = listed(&ranked, "markets", "2")?;
    ensure!(codes(answers) == ["no_stake", "no_past"] && answers["joined"] == false, "{answers}");
    ensure!(answers["chance_bps"] == 10_000 && answers["profit_per_hour"].is_null(), "{answers}");
    let of_circuit = rank(&["--circuit", &market.circuit]).await?;
    ensure!(of_circuit["markets"].as_array().is_some_and(|it| it.len() == 1), "{of_circuit}");

    // A slot opened and proven is a past to reckon with.
    market.open().await?;
    market.submit(&town.stranger, "1", &PAYEE).await?;
    let ranked = rank(&[]).await?;
    let answers = listed(&ranked, "markets", "2")?;
    let hour: i128 = answers["profit_per_hour"].as_str().ok_or_eyre("not known")?.parse()?;
    ensure!(hour > 0 && answers["slots_per_hour"] == 1.0, "{answers}");

    // A machine that is too slow is kept out, unless somebody says that proofs are made elsewhere.
    let slow = json!({ "version": 2, "circuits": { circuit.as_str(): {
        "millis": 600_000, "runs": 1, "peak_bytes": null, "cores": 2, "key_hash": "0x00", "measured_at": 1, "cost": null,
    } } });
    fs::write(provery.dir.path().join("keys/calibration.json"), slow.to_string())?;
    let ranked = rank(&[]).await?;
    ensure!(codes(listed(&ranked, "markets", "2")?).contains(&"window".to_owned()), "{ranked}");
    let with_keys = |args: &[&str]| -> Result<tokio::process::Command> {
        let mut command = provery.command(Some(&town.prover), args)?;
        command.env("PROVERY_KEYS_DIR", &keys);
        Ok(command)
    };
    let allocate = ["prover", "allocate", "--market", "answers", "--units", "10"];
    let refused = provery.finish(with_keys(&allocate)?).await?.must_fail("too_slow")?;
    ensure!(refused.contains("takes 600 s"), "{refused}");
    let node = ["node", "--data-dir", "node", "--market", "answers"];
    provery.finish(with_keys(&node)?).await?.must_fail("too_slow")?;
    let elsewhere = [&allocate[..], &["--exposure", "10"]].concat();
    provery.ok(Some(&town.prover), &["prover", "allocate", "--market", "1", "--units", "20"]).await?;
    let joined = provery.finish(with_keys(&elsewhere)?).await?;
    ensure!(joined.code == 0, "{} {}", joined.json, joined.stderr);
    Ok(())
}

#[tokio::test]
async fn keys_come_in_under_their_circuits_name_and_nothing_else_does() -> Result<()> {
    let (market, other) = (Market::build(&[]).await?, tempfile::tempdir()?);
    let provery = &market.town.provery;
    let keys = other.path().join("keys").display().to_string();
    let zkey = market.circom.path("zkey");
    let run = async |source: &str| {
        provery.run(None, &["keys", "import", source, "--descriptor", "c.json", "--keys", &keys]).await
    };
    let imported = run(&zkey).await?;
    ensure!(imported.code == 0 && imported.json["artifacts"][0]["role"] == "provingKey", "{}", imported.json);
    let listed = provery.ok(None, &["keys", "show", "--keys", &keys]).await?;
    ensure!(listed["keys"][0]["name"] == "refusals-1" && listed["keys"][0]["valid"] == false, "{listed}");
    run(&market.circom.path("wasm")).await?;
    let listed = provery.ok(None, &["keys", "show", "--keys", &keys]).await?;
    ensure!(listed["keys"][0]["valid"] == true, "{listed}");
    // What is there, by its digest.
    let digest = imported.json["artifacts"][0]["digest"].as_str().ok_or_eyre("no digest")?.to_owned();
    ensure!(run(&digest).await?.code == 0);

    // Another key, of the same constraints; and a file that is none.
    let another = other.path().join("another.zkey").display().to_string();
    let r1cs = market.circom.path("r1cs");
    provery.ok(None, &["circuit", "setup", "--r1cs", &r1cs, "--out", &another, "--seed", "9"]).await?;
    let message = run(&another).await?.must_fail("key_hash_mismatch")?;
    ensure!(message.contains("is another key"), "{message}");
    let message = run(&market.circom.path("proof.json")).await?.must_fail("circuit_mismatch")?;
    ensure!(message.contains("none of the files of refusals-1"), "{message}");

    // The folder of a workload's keys, as whoever set them up gives it away.
    let (name, theirs) = ("transfer-block-d16-n1", provery.keys_dir().join("transfer-block-d16-n1"));
    let theirs = theirs.display().to_string();
    let folder = ["keys", "import", &theirs, "--circuit", name, "--keys", &keys];
    let zero = format!("0x{}", "00".repeat(32));
    provery.fails(None, &[&folder[..], &["--key-hash", &zero]].concat(), "key_hash_mismatch").await?;
    let taken = provery.ok(None, &folder).await?;
    ensure!(taken["circuit"] == name && taken["at_hand"] == false, "{taken}");
    ensure!(provery.ok(None, &folder).await?["at_hand"] == true);
    provery.fails(None, &["keys", "import", &zkey, "--circuit", name, "--keys", &keys], "usage").await?;

    // A second registration of the same is refused before it costs anything, and says the id.
    let folder = market.circom.directory().display().to_string();
    let (public, proof) = (market.circom.path("public.json"), market.circom.path("proof.json"));
    let register = ["circuit", "register", "c.json", "--deploy", "--from", &folder];
    let sample = ["--public", &public, "--proof", &proof];
    let again = [&register[..], &sample].concat();
    let message = provery.fails(Some(&market.town.deployer), &again, "circuit_exists").await?;
    ensure!(message.contains(&market.circuit), "{message}");
    Ok(())
}

/// A shell's command in a project, with the programs under test and the tools on the path.
fn in_project(town: &Town, project: &Path, line: &[&str]) -> Result<Command> {
    let tool =
        |name: &str| -> Result<String> { Ok(anvil_program()?.display().to_string().replace("anvil", name)) };
    let mut places = vec![program("provery")?];
    for name in ["forge", "cast"] {
        places.push(tool(name)?.into());
    }
    let mut path: Vec<PathBuf> =
        places.iter().filter_map(|place| place.parent().map(Path::to_owned)).collect();
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(line[0]);
    command
        .args(&line[1..])
        .current_dir(project)
        .env("PATH", env::join_paths(path)?)
        .env("PROVERY_RPC_URL", &town.provery.rpc_url)
        .env("PROVERY_DEPLOYMENT", town.provery.deployment())
        .env("PROVERY_PRIVATE_KEY", &town.deployer)
        .env("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1")
        .env_remove("PROVERY_KEYS_DIR")
        .env_remove("FOUNDRY_PROFILE");
    Ok(command)
}

fn said(mut command: Command) -> Result<String> {
    let output = command.output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {out}{err}");
    Ok(format!("{out}{err}"))
}

#[tokio::test]
async fn a_project_out_of_a_circuits_files_is_tested_and_paid_for_by_its_own_commands() -> Result<()> {
    let (town, circom) = (Town::build().await?, Circom::refusals()?);
    let provery = &town.provery;
    // What circom and snarkjs leave, and an input.
    let folder = provery.dir.path().join("build");
    fs::create_dir(&folder)?;
    for ending in ["zkey", "r1cs", "sym", "wasm"] {
        fs::copy(circom.path(ending), folder.join(format!("refusals.{ending}")))?;
    }
    fs::copy(circom.path("input.json"), folder.join("input.json"))?;
    let contracts = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/src");
    let init = ["init", "--circuit", "build", "--out", "project", "--contracts", contracts];
    let made = provery.ok(None, &init).await?;
    ensure!(made["contract"] == "RefusalsRequester", "{made}");
    ensure!(provery.fails(None, &init, "usage").await?.contains("nothing in it is replaced"));
    let project = provery.dir.path().join("project");

    let tested = said(in_project(&town, &project, &["forge", "test"])?)?;
    ensure!(tested.contains("3 passed"), "{tested}");
    let up = said(in_project(&town, &project, &["./up.sh"])?)?;
    ensure!(up.contains("(true"), "the requester has the answer: {up}");
    let shown = provery.ok(None, &["slot", "show", "1", "--market", "refusals"]).await?;
    ensure!(shown["phase"] == "proven" && shown["reward"] == "2000000000000000000", "{shown}");
    // It stops where something fails, and says what: the circuit is there already.
    let output = in_project(&town, &project, &["./up.sh"])?.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && told.contains("use that id") && !told.contains("the market"),
        "{told}"
    );
    // A node takes the folder's settings.
    said(in_project(&town, &project, &["provery", "node", "config", "check"])?)?;
    Ok(())
}
