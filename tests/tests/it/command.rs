//! `provery` from the outside: bad input gets one sentence and loses nothing; a slot can be proven by hand.

use std::fs;

use alloy::primitives::U256;
use eyre::{Result, ensure};
use provery_rpc::Chain;
use provery_tests::{Anvil, Provery, Town, program};
use provery_types::Deployment;
use serde_json::json;

#[tokio::test]
async fn bad_input_before_there_is_a_deployment() -> Result<()> {
    let anvil = Anvil::start().await?;
    let key = provery_tests::key(1).to_bytes().to_string();
    let provery = Provery::new(&anvil.url())?;
    provery.fails(Some(&key), &["prover", "register"], "deployment_not_found").await?;
    provery.fails(None, &["deploy"], "no_key").await?;

    let nowhere = Provery::new("http://127.0.0.1:9")?;
    let message = nowhere.fails(Some(&key), &["deploy"], "rpc_unavailable").await?;
    ensure!(message.contains("127.0.0.1:9"), "{message}");

    // A keystore: the right password works, a wrong one says so.
    let keystore = provery.dir.path().join("key.json").display().to_string();
    let mut command = provery.command(Some(&key), &["keystore", "import", &keystore])?;
    command.env("PROVERY_KEYSTORE_PASSWORD", "right");
    let said = provery.finish(command).await?;
    ensure!(said.code == 0, "{said:?}");
    for (password, code) in [("right", 0), ("wrong", 1)] {
        let mut command = provery.command(None, &["keystore", "address", "--keystore", &keystore])?;
        command.env("PROVERY_KEYSTORE_PASSWORD", password);
        let said = provery.finish(command).await?;
        ensure!(said.code == code, "{password}: {said:?}");
        if code == 1 {
            said.must_fail("wrong_password")?;
        }
        ensure!(!said.stderr.contains(key.trim_start_matches("0x")), "the key is in the output");
    }
    Ok(())
}

#[tokio::test]
async fn bad_input_of_a_prover_loses_nothing() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let key = Some(town.prover.as_str());

    let message =
        provery.fails(key, &["prover", "stake", "--amount", "1ether"], "insufficient_balance").await?;
    ensure!(message.contains("needs 1 DEV"), "{message}");
    provery.fails(key, &["market", "show", "--market", "7"], "market_not_found").await?;
    provery.fails(key, &["market", "fund", "--market", "7", "--amount", "1"], "market_not_found").await?;
    provery.fails(key, &["prove", "--market", "1", "--slot", "9"], "slot_not_found").await?;
    provery
        .fails(key, &["prover", "allocate", "--market", "1", "--units", "51"], "insufficient_stake")
        .await?;
    provery.fails(key, &["prover", "register"], "already_registered").await?;
    provery.fails(key, &["credit", "withdraw", "--amount", "1"], "insufficient_credit").await?;
    provery.fails(Some(&town.stranger), &["prover", "stake", "--amount", "1"], "not_registered").await?;

    // A deployment of another chain, and one whose contracts are not there.
    let good = fs::read_to_string(provery.deployment())?;
    fs::write(provery.deployment(), good.replace("\"chain_id\": 31337", "\"chain_id\": 1337"))?;
    let message = provery.fails(key, &["status"], "wrong_chain").await?;
    ensure!(message.contains("31337") && message.contains("1337"), "{message}");
    let at = good.find("\"code_hash\": \"0x").map_or(0, |at| at + 16);
    let mut other = good.clone();
    other.replace_range(at..at + 4, if &good[at..at + 4] == "0000" { "1111" } else { "0000" });
    fs::write(provery.deployment(), other)?;
    provery.fails(key, &["status"], "wrong_contract").await?;
    fs::write(provery.deployment(), "{")?;
    provery.fails(key, &["status"], "deployment_invalid").await?;
    fs::write(provery.deployment(), &good)?;

    // Keys that are cut short, or not the ones that the circuit was registered with.
    let copy = provery.dir.path().join("keys");
    let circuit = fs::read_dir(provery.keys_dir())?
        .filter_map(|entry| entry.ok())
        .find(|entry| entry.file_name().to_string_lossy().ends_with("-n1"))
        .ok_or_else(|| eyre::eyre!("no keys"))?;
    let into = copy.join(circuit.file_name());
    fs::create_dir_all(&into)?;
    for entry in fs::read_dir(circuit.path())? {
        let entry = entry?;
        fs::copy(entry.path(), into.join(entry.file_name()))?;
    }
    let cut = fs::File::options().write(true).open(into.join("proving.key"))?;
    cut.set_len(cut.metadata()?.len() - 100)?;
    town.post(1).await?;
    let keys = copy.display().to_string();
    let message = provery
        .fails(key, &["prove", "--market", "1", "--slot", "1", "--keys", &keys], "key_file_invalid")
        .await?;
    ensure!(message.contains("provery keys generate"), "{message}");
    fs::remove_dir_all(&into)?;
    provery
        .ok(None, &["keys", "generate", "--circuit", "transfer-block-d16-n1", "--seed", "2", "--keys", &keys])
        .await?;
    provery
        .fails(key, &["prove", "--market", "1", "--slot", "1", "--keys", &keys], "key_hash_mismatch")
        .await?;
    provery
        .fails(key, &["prove", "--market", "1", "--slot", "1", "--keys", "nowhere"], "key_file_missing")
        .await?;

    // After all this the prover still has what it staked, and nothing is bonded but the slot it won.
    let status = provery.ok(key, &["prover", "status"]).await?;
    ensure!(status["stake"].to_string().contains("50000000000000000000"), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_slot_is_proven_by_hand_and_only_once() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    town.post(2).await?;

    // Drawn, and the replay says so.
    let shown = provery.ok(None, &["slot", "show", "--market", "1", "--slot", "1"]).await?;
    let prover = provery_tests::key(2).address().to_string();
    ensure!(shown.to_string().to_lowercase().contains(&prover.to_lowercase()), "{shown}");

    // During the exclusive window a stranger's proof is not taken.
    provery
        .fails(Some(&town.stranger), &["prove", "--market", "1", "--slot", "1"], "slot_not_assigned")
        .await?;
    let proven = provery.ok(Some(&town.prover), &["prove", "--market", "1", "--slot", "1"]).await?;
    ensure!(proven["slot"] == 1, "{proven}");
    provery.fails(Some(&town.prover), &["prove", "--market", "1", "--slot", "1"], "slot_proven").await?;
    let credit = provery.ok(Some(&town.prover), &["credit", "show"]).await?;
    ensure!(
        credit.to_string().contains("10000000000000000000"),
        "the whole price within the fast window: {credit}"
    );

    // The second slot is missed; the stranger, who never registered, rescues it and takes part of the bond.
    town.pass(Town::EXCLUSIVE + 1).await?;
    provery.ok(Some(&town.stranger), &["prove", "--market", "1", "--slot", "2"]).await?;
    let status = provery.ok(Some(&town.prover), &["prover", "status"]).await?;
    ensure!(status["stake"].to_string().contains("38000000000000000000"), "12 of 50 were slashed: {status}");
    let state = provery.ok(None, &["rollup", "status", "--name", "town"]).await?;
    ensure!(state["finalized"] == 2, "{state}");

    // A slot that nobody proves expires, and then cannot be proven.
    town.post(1).await?;
    town.pass(4 * Town::EXCLUSIVE).await?;
    provery.fails(Some(&town.prover), &["prove", "--market", "1", "--slot", "3"], "slot_expired").await?;
    Ok(())
}

#[tokio::test]
async fn one_data_directory_serves_one_node() -> Result<()> {
    let town = Town::build().await?;
    let args = ["node", "--data-dir", "node", "--market", "1"];
    let mut first = town.provery.spawn(&town.prover, &args)?;
    // Its first line says that it runs, and so that it holds the directory.
    let stdout = first.stdout.take().ok_or_else(|| eyre::eyre!("no output"))?;
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let line = lines.next_line().await?.unwrap_or_default();
    ensure!(line.contains("\"started\""), "{line}");
    let message = town.provery.fails(Some(&town.prover), &args, "data_dir_busy").await?;
    ensure!(message.contains("--data-dir"), "{message}");

    // SIGTERM ends it well.
    let pid = first.id().ok_or_else(|| eyre::eyre!("ended"))?;
    tokio::process::Command::new("kill").arg(pid.to_string()).status().await?;
    let status = first.wait().await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_stake_below_the_bond_is_said_at_once() -> Result<()> {
    let town = Town::build().await?;
    let key = Some(town.prover.as_str());
    let allocate = ["prover", "allocate", "--market", "town", "--units", "7"];
    let message = town.provery.fails(key, &allocate, "stake_below_bond").await?;
    ensure!(message.contains("at least 12 units"), "{message}");
    // The contract lets one.
    let sender = town.anvil.sender(2).await?;
    let deployment = Deployment::from_json(&fs::read_to_string(town.provery.deployment())?)?;
    let chain = Chain::connect(sender.rpc().clone(), deployment).await?;
    let (market, units) = (U256::from(1), U256::from(7));
    sender.send(chain.calls().allocate(market, units, units, 1..=1)).await?;
    town.provery
        .fails(key, &["node", "--data-dir", "node", "--market", "1", "--no-rescue"], "stake_below_bond")
        .await?;
    Ok(())
}

#[tokio::test]
async fn every_command_has_help() -> Result<()> {
    let output =
        tokio::process::Command::new(program("provery")?).args(["slot", "show", "--help"]).output().await?;
    ensure!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("Example:"));
    let output = tokio::process::Command::new(program("provery")?).args(["slot", "show"]).output().await?;
    ensure!(output.status.code() == Some(2), "a wrong command line exits with 2");
    Ok(())
}

#[tokio::test]
async fn reads_need_no_key_and_of_two_keys_the_keystore_signs() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let keystore = provery.dir.path().join("key.json").display().to_string();
    let with = |key: Option<&str>, args: &[&str]| {
        let mut command = provery.command(key, args)?;
        command.env("PROVERY_KEYSTORE_PASSWORD", "right");
        Ok::<_, eyre::Report>(command)
    };
    let said = provery.finish(with(Some(&town.prover), &["keystore", "import", &keystore])?).await?;
    ensure!(said.code == 0, "{said:?}");

    // As an operator's shell has them after the guide's first page and its second.
    let both = |args: &[&str]| {
        let mut command = with(Some(&town.stranger), args)?;
        command.env("PROVERY_KEYSTORE", &keystore);
        Ok::<_, eyre::Report>(command)
    };
    for read in [&["status"][..], &["market", "list"], &["slot", "list", "--market", "town"]] {
        let mut command = both(read)?;
        command.env_remove("PROVERY_KEYSTORE_PASSWORD");
        let said = provery.finish(command).await?;
        ensure!(said.code == 0 && said.stderr.is_empty(), "{said:?}");
    }
    let said = provery.finish(both(&["prover", "pause"])?).await?;
    ensure!(said.code == 0, "{said:?}");
    let prover = provery_tests::key(2).address().to_checksum(None);
    ensure!(said.json["prover"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&prover)), "{said:?}");
    ensure!(said.stderr.contains("PROVERY_PRIVATE_KEY") && said.stderr.contains("signs"), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn a_market_goes_by_its_rollups_name_everywhere() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let create = ["rollup", "create", "--name", "second", "--block-txs", "1", "--expiry", "2000"];
    provery.ok(Some(&town.deployer), &create).await?;
    town.post(1).await?;
    let shown = provery.ok(None, &["slot", "show", "1", "--market", "town"]).await?;
    ensure!(shown["slot"] == 1 && shown["market"] == "1", "{shown}");
    let message = provery.fails(None, &["slot", "list"], "usage").await?;
    ensure!(message.contains("town, second"), "{message}");
    let prover = Some(town.prover.as_str());
    provery.ok(prover, &["slot", "transfer", "offer", "1", "--market", "town", "--price", "1ether"]).await?;
    provery.fails(prover, &["slot", "list", "--market", "third"], "rollup_not_found").await?;
    ensure!(provery.ok(None, &["market", "show", "--market", "second"]).await?["market"] == "2");
    Ok(())
}

#[tokio::test]
async fn bad_input_is_refused_before_work() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let prover = Some(town.prover.as_str());
    let me = provery_tests::key(2).address().to_string();
    let message = provery.fails(prover, &["prover", "submitter", "add", &me], "usage").await?;
    ensure!(message.contains("itself"), "{message}");
    let message = provery.fails(prover, &["credit", "withdraw"], "insufficient_credit").await?;
    ensure!(message.contains("nothing to withdraw"), "{message}");
    for (args, named) in [
        (&["prove", "1", "--payee", "0x0000000000000000000000000000000000000000"][..], "zero address"),
        (&["credit", "withdraw", "--to", "vitalik.eth"], "names are not resolved"),
        (&["credit", "withdraw", "--to", "0x70997970c51812dc3A010C7d01b50e0d17dc79C8"], "EIP-55"),
        (&["rollup", "create", "--name", "", "--block-txs", "1"], "a name is"),
        (&["rollup", "create", "--name", "7", "--block-txs", "1"], "market's id"),
        (&["rollup", "create", "--name", "a/b", "--block-txs", "1"], "a name is"),
        (&["rollup", "create"], "--block-txs"),
    ] {
        let said = provery.run(prover, args).await?;
        let message = said.json["error"]["message"].as_str().unwrap_or_default();
        ensure!(said.code == 2 && said.json["error"]["code"] == "usage", "{args:?}: {said:?}");
        ensure!(message.contains(named) && !message.contains('\n'), "{args:?}: {message}");
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_result_that_cannot_be_written_is_a_failure() -> Result<()> {
    for args in [&["--help"][..], &["keys", "show", "--keys", "keys"]] {
        let folder = tempfile::tempdir()?;
        let circuit = folder.path().join("keys/circuit");
        fs::create_dir_all(&circuit)?;
        fs::write(circuit.join("manifest.json"), "{}")?;
        let run = |out: std::process::Stdio| {
            let mut command = std::process::Command::new(program("provery")?);
            command.args(args).current_dir(folder.path()).stdout(out).stderr(std::process::Stdio::piped());
            Ok::<_, eyre::Report>(command.spawn()?.wait_with_output()?)
        };
        let full = run(fs::File::options().write(true).open("/dev/full")?.into())?;
        let stderr = String::from_utf8_lossy(&full.stderr);
        ensure!(
            full.status.code() == Some(1) && stderr.contains("could not be written"),
            "{args:?}: {full:?}"
        );
        // A reader that went away is none.
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let gone = run(writer.into())?;
        ensure!(gone.status.success() && gone.stderr.is_empty(), "{args:?}: {gone:?}");
    }
    Ok(())
}

#[tokio::test]
async fn keys_that_lack_a_file_say_which() -> Result<()> {
    let provery = Provery::new("http://127.0.0.1:9")?;
    let keys = provery.dir.path().join("keys").display().to_string();
    provery.ok(None, &["keys", "generate", "--circuit", "transfer-block-d16-n1", "--keys", &keys]).await?;
    for file in ["proving.key", "verifying.key", "manifest.json"] {
        let path = fs::read_dir(&keys)?.next().ok_or_else(|| eyre::eyre!("no keys"))??.path().join(file);
        let kept = fs::read(&path)?;
        fs::remove_file(&path)?;
        let shown = provery.ok(None, &["keys", "show", "--keys", &keys]).await?;
        ensure!(shown["keys"][0]["problem"].as_str().is_some_and(|it| it.contains(file)), "{file}: {shown}");
        fs::write(&path, kept)?;
    }
    // And a manifest cannot make a ceremony of them.
    let manifest =
        fs::read_dir(&keys)?.next().ok_or_else(|| eyre::eyre!("no keys"))??.path().join("manifest.json");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, text.replace("\"development\": true", "\"development\": false"))?;
    let shown = provery.ok(None, &["keys", "show", "--keys", &keys]).await?;
    ensure!(shown["keys"][0]["valid"] == false, "{shown}");
    Ok(())
}

/// Keys from elsewhere become contracts, in a market's order of inputs; those that would accept forgeries do not.
#[tokio::test]
async fn a_verifier_is_generated_from_the_key_of_another_tool() -> Result<()> {
    let provery = Provery::new("http://127.0.0.1:1")?;
    let file = |name: &str| format!("{}/vectors/proofs/{name}", env!("CARGO_MANIFEST_DIR"));
    let snarkjs = file("groth16_verification_key.json");
    let generate = ["verifier", "generate", "--verifying-key", &snarkjs, "--outputs", "1"];
    let made = provery.ok(None, &generate).await?;
    ensure!(made["format"] == "snarkjs" && made["public_inputs"] == 3, "{made}");
    ensure!(made["order"] == json!([1, 0, 2]), "the output comes after the statement: {made}");
    let source = made["source"].as_str().unwrap_or_default();
    ensure!(source.contains("contract Verifier") && source.contains("keyHash"), "{made}");
    let gnark = file("sp1_groth16_vk.bin");
    let made = provery.ok(None, &["verifier", "generate", "--verifying-key", &gnark, "--no-payee"]).await?;
    ensure!(made["format"] == "gnark", "{made}");

    for (name, says) in [
        ("groth16_unfinished_verification_key.json", "setup"),
        ("plonk_verification_key.json", "Groth16"),
        ("sample.circom", "no verifying key"),
    ] {
        let key = file(name);
        let args = ["verifier", "generate", "--verifying-key", &key];
        let message = provery.fails(None, &args, "key_file_invalid").await?;
        ensure!(message.contains(says), "{name}: {message}");
    }
    provery.fails(None, &["verifier", "generate", "--verifying-key", "nothing.json"], "io").await?;
    provery.fails(None, &[&generate[..4], &["--outputs", "4"]].concat(), "key_file_invalid").await?;
    Ok(())
}
