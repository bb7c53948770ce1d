//! `provery deploy` refuses what a chain would refuse, or what could not be trusted there, before anything is paid for.

use std::num::NonZeroU64;

use eyre::{Result, ensure, eyre};
use provery_tests::{Anvil, Faults, Provery, Relay, Town};
use serde_json::json;

const RICH: &str = "0x3635c9adc5dea00000";

/// A funded deployer's key on a chain.
async fn deployer(anvil: &Anvil, wei: &str) -> Result<String> {
    let key = provery_tests::key(1);
    anvil.set_balance(key.address().to_string(), wei).await?;
    Ok(key.to_bytes().to_string())
}

async fn sent(anvil: &Anvil) -> Result<serde_json::Value> {
    anvil.request("eth_getTransactionCount", json!([provery_tests::key(1).address(), "latest"])).await
}

#[tokio::test]
async fn foreseeable_randomness_is_refused() -> Result<()> {
    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, RICH).await?;
    anvil.mine(5).await?;
    let relay = Relay::to(anvil.port()).await?;
    relay.set(Faults { constant_randomness: true, ..Faults::default() });
    let provery = Provery::new(&relay.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "foreseeable_randomness").await?;
    ensure!(message.contains("--randomness"), "{message}");
    let nobody = ["deploy", "--randomness", "0x0000000000000000000000000000000000000009"];
    provery.fails(Some(&key), &nobody, "usage").await?;
    ensure!(sent(&anvil).await? == "0x0", "something was sent");
    relay.heal();
    provery.ok(Some(&key), &["deploy"]).await?;
    Ok(())
}

#[tokio::test]
async fn randomness_that_blocks_share_is_taken_only_by_whoever_trusts_their_producer() -> Result<()> {
    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, RICH).await?;
    anvil.mine(40).await?;
    let relay = Relay::to(anvil.port()).await?;
    let trusting = ["deploy", "--trust-block-producer"];
    let provery = Provery::new(&relay.url())?;
    relay.set(Faults { constant_randomness: true, ..Faults::default() });
    provery.fails(Some(&key), &trusting, "foreseeable_randomness").await?;
    relay.set(Faults { shared_randomness: NonZeroU64::new(6), ..Faults::default() });
    let message = provery.fails(Some(&key), &["deploy"], "foreseeable_randomness").await?;
    ensure!(message.contains("--trust-block-producer") && message.contains("--randomness"), "{message}");
    ensure!(sent(&anvil).await? == "0x0", "something was sent");
    provery.ok(Some(&key), &trusting).await?;
    let said = provery.run(None, &["doctor"]).await?;
    let randomness = said.json["findings"].as_array().and_then(|all| {
        all.iter().find(|finding| finding["check"] == "randomness").map(|finding| finding["level"].clone())
    });
    ensure!(randomness == Some(json!("warn")), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn a_history_of_blocks_that_does_not_tell_their_hashes_is_none() -> Result<()> {
    const HISTORY: &str = "0x0000F90827F1C53a10cb7A02335B175320002935";
    // One that reverts, and one that answers 1.
    let (reverts, stub) = ("0x5f5ffd", "0x60015f5260205ff3");
    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, RICH).await?;
    let provery = Provery::new(&anvil.url())?;
    let right = anvil.request("eth_getCode", json!([HISTORY, "latest"])).await?;
    anvil.request("anvil_setCode", json!([HISTORY, reverts])).await?;
    let message = provery.fails(Some(&key), &["deploy"], "chain_unsupported").await?;
    ensure!(message.contains("EIP-2935") && message.contains("mine two blocks"), "{message}");
    anvil.mine(20).await?;
    for code in [reverts, stub] {
        anvil.request("anvil_setCode", json!([HISTORY, code])).await?;
        let message = provery.fails(Some(&key), &["deploy"], "chain_unsupported").await?;
        ensure!(message.contains("EIP-2935") && !message.contains("mine two blocks"), "{message}");
    }
    ensure!(sent(&anvil).await? == "0x0", "something was sent");

    let hardfork = async || -> Result<serde_json::Value> {
        let said = provery.run(None, &["doctor"]).await?;
        let all = said.json["findings"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|finding| finding["check"] == "hardfork");
        Ok(found.ok_or_else(|| eyre!("no hardfork: {said:?}"))?["level"].clone())
    };
    anvil.request("anvil_setCode", json!([HISTORY, right])).await?;
    // What it kept nothing of is past.
    anvil.mine(20).await?;
    provery.ok(Some(&key), &["deploy"]).await?;
    ensure!(hardfork().await? == "ok", "it is there");
    anvil.request("anvil_setCode", json!([HISTORY, stub])).await?;
    ensure!(hardfork().await? == "fail", "a stub");
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_or_cannot_be_paid_is_said_before_anything_is_sent() -> Result<()> {
    let small = Anvil::start_with(&["--gas-limit", "3000000"]).await?;
    let key = deployer(&small, RICH).await?;
    let provery = Provery::new(&small.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "gas_too_high").await?;
    ensure!(message.contains("nothing was sent"), "{message}");
    ensure!(sent(&small).await? == "0x0", "something was sent");

    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, "0xe8d4a51000").await?;
    let provery = Provery::new(&anvil.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "insufficient_gas_funds").await?;
    ensure!(message.contains("send it at least"), "{message}");
    ensure!(sent(&anvil).await? == "0x0", "something was sent");
    let message = provery.fails(Some(&key), &["deploy", "--max-window", "604801"], "usage").await?;
    ensure!(message.contains("--unbonding"), "{message}");
    Ok(())
}

/// What `deploy` says to a chain with older rules, and that it costs nothing.
async fn refused_for(args: &[&str], lacks: &[&str], has: &[&str]) -> Result<()> {
    let anvil = Anvil::start_with(args).await?;
    let key = deployer(&anvil, RICH).await?;
    anvil.mine(5).await?;
    let provery = Provery::new(&anvil.url())?;
    let message = provery.fails(Some(&key), &["deploy"], "chain_unsupported").await?;
    for named in lacks {
        ensure!(message.contains(named), "{args:?}: no {named} in: {message}");
    }
    for named in has {
        ensure!(!message.contains(named), "{args:?}: {named} in: {message}");
    }
    ensure!(sent(&anvil).await? == "0x0", "something was sent");
    Ok(())
}

#[tokio::test]
async fn what_a_chain_lacks_is_named_before_anything_is_sent() -> Result<()> {
    let curve = "BN254";
    refused_for(&["--hardfork", "london"], &["EIP-3855", "EIP-1153", "EIP-5656", "EIP-2935"], &[curve])
        .await?;
    refused_for(&["--hardfork", "berlin"], &["EIP-3855", "EIP-1153"], &[curve]).await?;
    refused_for(&["--hardfork", "shanghai"], &["EIP-1153", "EIP-5656", "EIP-2935"], &["EIP-3855"]).await?;
    refused_for(&["--hardfork", "cancun"], &["EIP-2935", "--randomness"], &["EIP-1153", "EIP-5656"]).await?;
    refused_for(&["--code-size-limit", "12000"], &["24,576"], &["EIP-2935"]).await
}

#[tokio::test]
async fn a_chain_with_newer_rules_is_deployed_to() -> Result<()> {
    for hardfork in ["prague", "osaka"] {
        let anvil = Anvil::start_with(&["--hardfork", hardfork]).await?;
        let key = deployer(&anvil, RICH).await?;
        Provery::new(&anvil.url())?.ok(Some(&key), &["deploy"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_window_above_the_deployments_is_refused() -> Result<()> {
    let town = Town::build().await?;
    let key = Some(town.deployer.as_str());
    let most = 4 * Town::EXCLUSIVE;
    let above = (most + 1).to_string();
    let create = ["rollup", "create", "--name", "long", "--block-txs", "1", "--expiry", &above];
    let message = town.provery.fails(key, &create, "terms_rejected").await?;
    ensure!(message.contains(&most.to_string()), "{message}");
    let listed = town.provery.ok(None, &["market", "list"]).await?;
    ensure!(listed["markets"].as_array().is_some_and(|markets| markets.len() == 1), "{listed}");
    Ok(())
}

/// How many transactions a key has sent, up to a block.
async fn count_at(anvil: &Anvil, block: &str) -> Result<u64> {
    let of = json!([provery_tests::key(1).address(), block]);
    let count = anvil.request("eth_getTransactionCount", of).await?;
    Ok(u64::from_str_radix(count.as_str().unwrap_or_default().trim_start_matches("0x"), 16)?)
}

async fn count(anvil: &Anvil) -> Result<u64> {
    count_at(anvil, "latest").await
}

/// Start a command and kill it without warning when so many transactions of its key are sent and the last is not mined.
async fn killed(provery: &Provery, anvil: &Anvil, key: &str, args: &[&str], after: u64) -> Result<()> {
    anvil.request("evm_setAutomine", json!([false])).await?;
    let mut child = provery.command(Some(key), args)?.stdout(std::process::Stdio::null()).spawn()?;
    loop {
        let pending = count_at(anvil, "pending").await?;
        if pending >= after {
            break;
        }
        ensure!(child.try_wait()?.is_none(), "{args:?} ended before it was killed");
        if pending > count(anvil).await? {
            anvil.mine(1).await?;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    child.kill().await?;
    ensure!(count(anvil).await? + 1 == after, "the last is mined already");
    Ok(())
}

/// Mine what is left, and everything as it comes.
async fn automine(anvil: &Anvil) -> Result<()> {
    anvil.request("evm_setAutomine", json!([true])).await?;
    anvil.mine(1).await
}

#[tokio::test]
async fn a_deployment_that_was_killed_goes_on_and_pays_for_nothing_twice() -> Result<()> {
    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, RICH).await?;
    let provery = Provery::new(&anvil.url())?;
    provery.ok(None, &["keys", "generate", "--puzzle"]).await?;
    // In the middle of the contracts that know each other, and after them.
    for after in [5, 9] {
        killed(&provery, &anvil, &key, &["deploy"], after).await?;
        ensure!(!provery.deployment().exists(), "it was done");
    }
    automine(&anvil).await?;
    let message = provery.fails(Some(&key), &["deploy", "--freeze", "200"], "unfinished").await?;
    ensure!(message.contains("--freeze") && message.contains("remove"), "{message}");
    let deployed = provery.ok(Some(&key), &["deploy"]).await?;
    let contracts = deployed["contracts"].as_object().map_or(0, serde_json::Map::len);
    // Every contract once, and the token.
    ensure!(count(&anvil).await? == contracts as u64 + 1, "{} sent for {contracts}", count(&anvil).await?);
    provery.ok(None, &["status"]).await?;
    let left = std::fs::read_dir(provery.dir.path())?.flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("unfinished")).collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn a_rollup_that_was_killed_goes_on_and_one_of_the_same_circuit_uses_what_is_there() -> Result<()> {
    let town = Town::build().await?;
    let (provery, anvil) = (&town.provery, &town.anvil);
    provery.ok(None, &["keys", "generate", "--circuit", "transfer-block-d16-n2"]).await?;
    provery.ok(Some(&town.deployer), &["token", "mint", "--amount", "5ether"]).await?;
    let create =
        ["rollup", "create", "--block-txs", "2", "--expiry", "2000", "--fund", "2ether", "--name", "second"];
    let before = count(anvil).await?;
    for after in 1..=5 {
        killed(provery, anvil, &town.deployer, &create, before + after).await?;
    }
    automine(anvil).await?;
    let second = provery.ok(Some(&town.deployer), &create).await?;
    // Verifier, circuit, rollup, allowance, funds.
    ensure!(count(anvil).await? == before + 5, "{} transactions", count(anvil).await? - before);
    provery.fails(Some(&town.deployer), &create, "rollup_exists").await?;
    let status = provery.ok(None, &["rollup", "status", "--name", "second"]).await?;
    ensure!(status["funds"] == "2000000000000000000", "{status}");

    let third = ["rollup", "create", "--block-txs", "2", "--expiry", "2000", "--name", "third"];
    let third = provery.ok(Some(&town.deployer), &third).await?;
    ensure!(count(anvil).await? == before + 6, "the verifier and the circuit are there");
    ensure!(third["circuit"] == second["circuit"] && third["address"] != second["address"], "{third}");
    Ok(())
}

#[tokio::test]
async fn a_deployment_interrupted_after_its_file_was_written_is_not_paid_for_again() -> Result<()> {
    let anvil = Anvil::start().await?;
    let key = deployer(&anvil, RICH).await?;
    let provery = Provery::new(&anvil.url())?;
    provery.ok(None, &["keys", "generate", "--puzzle"]).await?;
    let path = provery.deployment();
    // Where the journal goes when all is done, so that the command ends right before.
    let mut aside = path.clone().into_os_string();
    aside.push(".deploy.unfinished.done");
    let aside = std::path::PathBuf::from(aside);
    std::fs::create_dir_all(aside.parent().ok_or_else(|| eyre!("no folder"))?)?;
    std::fs::write(&aside, "")?;
    provery.fails(Some(&key), &["deploy"], "io").await?;
    let (file, sent) = (std::fs::read(&path)?, count(&anvil).await?);
    std::fs::remove_file(&aside)?;
    provery.ok(Some(&key), &["deploy", "--force"]).await?;
    ensure!(std::fs::read(&path)? == file && count(&anvil).await? == sent, "it was made anew");
    provery.fails(Some(&key), &["deploy"], "deployment_exists").await?;
    provery.ok(Some(&key), &["deploy", "--force"]).await?;
    ensure!(std::fs::read(&path)? != file, "--force replaces what was done");
    Ok(())
}

/// The gas that a command with too little to pay for it says it takes.
async fn gas_asked(town: &Town, args: &[&str]) -> Result<(u64, String)> {
    let account = provery_tests::key(1).address().to_string();
    town.anvil.set_balance(account.clone(), "0x1").await?;
    let message = town.provery.fails(Some(&town.deployer), args, "insufficient_gas_funds").await?;
    town.anvil.set_balance(account, RICH).await?;
    let gas = message.split(" takes ").nth(1).and_then(|rest| rest.split(' ').next());
    Ok((gas.ok_or_else(|| eyre!("no gas in {message}"))?.parse()?, message))
}

#[tokio::test]
async fn a_rollup_that_was_killed_asks_for_what_is_left_and_goes_on_with_its_own_circuit() -> Result<()> {
    let town = Town::build().await?;
    let (provery, anvil) = (&town.provery, &town.anvil);
    provery.ok(None, &["keys", "generate", "--circuit", "transfer-block-d16-n2"]).await?;
    let create = |name| ["rollup", "create", "--block-txs", "2", "--expiry", "2000", "--name", name];
    let (second, third) = (create("second"), create("third"));
    let before = count(anvil).await?;
    let (whole, message) = gas_asked(&town, &second).await?;
    ensure!(message.contains("so nothing was sent"), "{message}");
    // Its verifier and its circuit.
    killed(provery, anvil, &town.deployer, &second, before + 2).await?;
    automine(anvil).await?;
    let (left, message) = gas_asked(&town, &second).await?;
    ensure!(left < whole && message.contains("nothing more was sent"), "{left} of {whole}: {message}");
    killed(provery, anvil, &town.deployer, &second, before + 3).await?;
    automine(anvil).await?;
    provery.ok(Some(&town.deployer), &third).await?;
    let after = count(anvil).await?;
    provery.ok(Some(&town.deployer), &second).await?;
    ensure!(count(anvil).await? == after, "paid for again: {} more", count(anvil).await? - after);
    Ok(())
}

#[tokio::test]
async fn two_rollups_created_at_once_are_both_in_the_file() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let create = |name| ["rollup", "create", "--block-txs", "1", "--expiry", "2000", "--name", name];
    let (one, other) = (create("one"), create("other"));
    let (one, other) =
        tokio::join!(provery.ok(Some(&town.deployer), &one), provery.ok(Some(&town.stranger), &other));
    let (one, other) = (one?, other?);
    for made in [one, other] {
        let name = made["name"].as_str().unwrap_or_default().to_owned();
        let status = provery.ok(None, &["rollup", "status", "--name", &name]).await?;
        ensure!(status["address"] == made["address"], "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_rollup_may_not_be_is_said_before_anything_is_sent() -> Result<()> {
    let town = Town::build().await?;
    let (provery, key) = (&town.provery, Some(town.deployer.as_str()));
    provery.ok(None, &["keys", "generate", "--circuit", "transfer-block-d16-n2"]).await?;
    let before = count(&town.anvil).await?;
    for (flags, code, named) in [
        (&["--exclusive", "400"][..], "terms_rejected", "--expiry"),
        (&["--price", "0"], "terms_rejected", "--price"),
        (&["--floor-bps", "0"], "terms_rejected", "--floor-bps"),
        (&["--rescuer-bps", "9000"], "terms_rejected", "--requester-bps"),
        (&["--bond", "1base", "--least-rescue", "0"], "terms_rejected", "--bond"),
        (&["--forfeit-bps", "1"], "terms_rejected", "--forfeit-bps"),
        (&["--mechanism", "dutch", "--bond", "0"], "terms_rejected", "--bond"),
        (
            &["--mechanism", "race", "--mechanism-option", "window=16", "--mechanism-option", "delay=500"],
            "terms_rejected",
            "delay",
        ),
        (&["--accounts", "2000"], "gas_too_high", "--accounts"),
        (&["--fund", "1000000ether"], "insufficient_balance", "--fund"),
    ] {
        // A circuit that is not registered yet, and one that is.
        for size in ["2", "1"] {
            let create = ["rollup", "create", "--name", "no", "--block-txs", size];
            let message = provery.fails(key, &[&create[..], flags].concat(), code).await?;
            ensure!(message.contains(named), "{flags:?}: {message}");
        }
    }
    town.anvil.set_balance(provery_tests::key(1).address().to_string(), "0xe8d4a51000").await?;
    let create = ["rollup", "create", "--name", "no", "--block-txs", "2"];
    let message = provery.fails(key, &create, "insufficient_gas_funds").await?;
    ensure!(message.contains("send it at least"), "{message}");
    ensure!(count(&town.anvil).await? == before, "something was sent");
    Ok(())
}

#[tokio::test]
async fn an_account_that_begins_with_a_deployment_gets_the_same_addresses_everywhere() -> Result<()> {
    let mut seen = Vec::new();
    for chain in ["31337", "1337"] {
        let anvil = Anvil::start_with(&["--chain-id", chain]).await?;
        let key = deployer(&anvil, "0x3635c9adc5dea00000").await?;
        let provery = Provery::new(&anvil.url())?;
        let (key, deploy) = (Some(key.as_str()), ["deploy", "--same-addresses"]);
        let planned = provery.ok(key, &[&deploy[..], &["--plan"]].concat()).await?;
        ensure!(sent(&anvil).await? == "0x0" && !provery.deployment().exists(), "a plan sends nothing");
        let made = provery.ok(key, &deploy).await?;
        for (name, address) in made["contracts"].as_object().into_iter().flatten() {
            ensure!(planned["contracts"][name] == *address, "{name}: {planned} {made}");
        }
        ensure!(planned["gas"].as_u64() >= made["gas"].as_u64(), "{planned} {made}");
        let again = [&deploy[..], &["--force"]].concat();
        let message = provery.fails(key, &again, "usage").await?;
        ensure!(message.contains("--same-addresses"), "{message}");
        seen.push(made["contracts"].clone());
    }
    ensure!(seen[0] == seen[1], "{seen:?}");
    Ok(())
}
