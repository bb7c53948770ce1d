//! A running `provery node` looked at, configured, killed and searched for secrets from the outside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use eyre::{Context, Result, ensure, eyre};
use provery_tests::{Provery, Town, Wire};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

mod fees;
mod grown;
mod refusing;
mod secrets;
mod withheld;

/// Only a bound for failure.
const PATIENCE: Duration = Duration::from_secs(120);
const PASSWORD: &str = "correct-horse-battery";
/// In the RPC URL.
const USER: &str = "operator7";
const USER_PASSWORD: &str = "rpc-hunter2-secret";
const TOKEN: &str = "rpc-t0ken-abcdef";

/// A node whose output goes to files.
struct Node {
    child: Child,
    dir: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Node {
    fn start(mut command: Command, dir: &Path) -> Result<Self> {
        let stem = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (stdout, stderr) =
            (dir.with_file_name(format!("{stem}.out")), dir.with_file_name(format!("{stem}.err")));
        let child = command
            .stdout(Stdio::from(fs::File::create(&stdout)?))
            .stderr(Stdio::from(fs::File::create(&stderr)?))
            .spawn()?;
        Ok(Self { child, dir: dir.to_owned(), stdout, stderr })
    }

    /// The same, whose files may be kept from growing: that is an error to it and not its end, and what it says goes through
    /// pipes.
    fn start_under_limits(command: &Command, dir: &Path) -> Result<Self> {
        let stem = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (stdout, stderr) =
            (dir.with_file_name(format!("{stem}.out")), dir.with_file_name(format!("{stem}.err")));
        let (command, mut bash) = (command.as_std(), Command::new("bash"));
        bash.args([
            "-c",
            "trap '' XFSZ; exec \"$0\" \"$@\" > >(exec cat >\"$OUT\") 2> >(exec cat >\"$ERR\")",
        ]);
        bash.arg(command.get_program()).args(command.get_args()).kill_on_drop(true);
        bash.env("OUT", &stdout).env("ERR", &stderr);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => bash.env(name, value),
                None => bash.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            bash.current_dir(dir);
        }
        Ok(Self { child: bash.spawn()?, dir: dir.to_owned(), stdout, stderr })
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| eyre!("the node has ended: {}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    async fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid()?.to_string();
        ensure!(Command::new("kill").args([name, &pid]).status().await?.success());
        Ok(())
    }

    /// The status page's address, once there is one.
    async fn address(&self) -> Result<String> {
        let path = self.dir.join("node.http");
        let text = until("node.http", async || Ok(fs::read_to_string(&path).ok())).await;
        let text = text.wrap_err_with(|| self.log())?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    async fn get(&self, path: &str) -> Result<(u16, String)> {
        get(&self.address().await?, path).await
    }

    async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.get("/status").await?.1)?)
    }

    /// Wait until `/readyz` says so; the body.
    async fn ready(&self, code: u16) -> Result<String> {
        let body = until("/readyz", async || {
            Ok(self.get("/readyz").await.ok().filter(|(got, _)| *got == code).map(|(_, body)| body))
        });
        body.await.wrap_err_with(|| format!("not {code}: {}", self.log()))
    }

    async fn logged(&self, text: &str) -> Result<()> {
        let there = until(text, async || Ok(self.log().contains(text).then_some(())));
        there.await.wrap_err_with(|| self.log())
    }
}

/// Ask until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "{what}: waited too long");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let code = answer.split_whitespace().nth(1).unwrap_or_default().parse()?;
    Ok((code, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

/// Every file below a folder, by name, with its content.
fn files(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path.clone(), fs::read(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

#[tokio::test]
async fn a_running_node_shows_itself_and_a_killed_one_is_read_from_disk() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let wire = Wire::to(town.anvil.port()).await?;
    let key = Some(town.prover.as_str());
    let args = ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0"];
    let dir = provery.dir.path().join("node");

    provery.fails(None, &["node", "status", "--data-dir", "node"], "data_dir_invalid").await?;
    ensure!(!dir.exists(), "a look makes no directory");

    let mut command = provery.command(key, &args)?;
    command.env("PROVERY_RPC_URL", wire.url());
    let mut node = Node::start(command, &dir)?;
    node.ready(200).await?;
    let (code, body) = node.get("/healthz").await?;
    ensure!((code, body.as_str()) == (200, "ok\n"), "{code} {body}");
    let status = node.status().await?;
    ensure!(status["node"]["pid"] == node.pid()?, "{status}");
    ensure!(status["chain"]["chain_id"] == 31337, "{status}");
    let shown = provery.ok(None, &["node", "status", "--data-dir", "node"]).await?;
    ensure!(shown["running"] == true && shown["node"]["prover"] == status["node"]["prover"], "{shown}");
    let address = node.address().await?;
    let shown = provery.ok(None, &["node", "status", "--url", &address]).await?;
    ensure!(shown["running"] == true, "{shown}");
    provery.fails(None, &["node", "status", "--url", "http://127.0.0.1:9"], "node_unavailable").await?;

    // A slot is won, proven and paid, and all of it can be seen.
    town.post(1).await?;
    let ended = until("the slot's end", async || {
        let status = node.status().await?;
        Ok(status["ended"].as_array().and_then(|ended| ended.first().cloned()))
    });
    let ended = ended.await.wrap_err_with(|| node.log())?;
    ensure!(ended["stage"] == "settled" && ended["payee"] == status["node"]["prover"], "{ended}");
    ensure!(ended["tx"].as_str().is_some_and(|tx| tx.len() == 66), "{ended}");
    let metrics = node.get("/metrics").await?.1;
    for line in [
        "provery_slots_ended_total{outcome=\"proven\"} 1",
        "provery_slots{stage=\"settled\"} 1.0",
        "provery_phase_seconds_count{phase=\"prove\"} 1",
        "provery_ready 1.0",
    ] {
        ensure!(metrics.contains(line), "no {line} in {metrics}");
    }
    ensure!(metrics.ends_with("# EOF\n"), "{metrics}");
    until("stake and balance", async || {
        let status = node.status().await?;
        Ok((status["stake"]["free"].is_string() && status["balance"]["low"] == false).then_some(()))
    })
    .await?;

    // Another node may have neither its directory nor its address.
    provery.fails(key, &args, "data_dir_busy").await?;
    let second = ["node", "--data-dir", "other", "--market", "1", "--http", &address];
    let message = provery.fails(key, &second, "address_in_use").await?;
    ensure!(message.contains("--http") && message.contains(&address), "{message}");
    ensure!(node.get("/healthz").await?.0 == 200);

    // Without its RPC it is alive, and not ready.
    wire.cut();
    let body = node.ready(503).await?;
    ensure!(body.contains("no_endpoint"), "{body}");
    ensure!(node.get("/healthz").await?.0 == 200);
    wire.join();
    node.ready(200).await?;

    // SIGHUP does not end a node that has no file to read again.
    node.signal("-HUP").await?;
    node.logged("there is no configuration file to read again").await?;

    // Stopped, it holds its directory and does not answer.
    node.signal("-STOP").await?;
    let message = provery.fails(None, &["node", "status", "--data-dir", "node"], "node_unavailable").await?;
    ensure!(message.contains("does not answer"), "{message}");
    node.signal("-CONT").await?;

    // Killed, it leaves its address behind, and what it knew.
    node.child.kill().await?;
    ensure!(dir.join("node.http").exists());
    let before = files(&dir)?;
    let shown = provery.ok(None, &["node", "status", "--data-dir", "node"]).await?;
    ensure!(shown["running"] == false, "{shown}");
    ensure!(shown["slots"]["settled"] == 1, "{shown}");
    ensure!(shown["ended"][0]["tx"] == ended["tx"], "{shown}");
    ensure!(files(&dir)? == before, "a look changes nothing");

    // The next one takes the directory over; ended well, it takes its address with it.
    let mut command = provery.command(key, &args)?;
    command.env("PROVERY_RPC_URL", wire.url());
    let mut node = Node::start(command, &dir)?;
    until("a new address", async || {
        let text = fs::read_to_string(dir.join("node.http")).unwrap_or_default();
        Ok(text
            .lines()
            .nth(1)
            .is_some_and(|pid| Some(pid) == node.child.id().map(|it| it.to_string()).as_deref())
            .then_some(()))
    })
    .await?;
    node.ready(200).await?;
    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());
    ensure!(!dir.join("node.http").exists());
    Ok(())
}

#[tokio::test]
async fn settings_are_taken_over_while_the_node_runs() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let key = Some(town.prover.as_str());
    let file = provery.dir.path().join("provery.toml");
    let text = |more: &str| {
        format!("[node]\ndata_dir = 'node'\nmarket = [1]\nhttp = '127.0.0.1:0'\nmin_reward = '5base'\n{more}")
    };
    fs::write(&file, text(""))?;
    let dir = provery.dir.path().join("node");
    let checked = provery.ok(key, &["node", "config", "check", "--config", "provery.toml"]).await?;
    ensure!(checked["valid"] == true && checked["running"] == false, "{checked}");
    // Found without being named, since it lies where the node is started.
    let mut node = Node::start(provery.command(key, &["node", "--rescue"])?, &dir)?;
    node.ready(200).await?;
    ensure!(node.status().await?["node"]["taking"] == true);
    let taking = async |wanted: bool| {
        let seen =
            until("taking", async || Ok((node.status().await?["node"]["taking"] == wanted).then_some(())));
        seen.await.wrap_err_with(|| node.log())
    };

    // By signal.
    fs::write(&file, text("taking = false\nbudget_bps = 100\ngas_wei_per_asset = '0.5ether'\n"))?;
    node.signal("-HUP").await?;
    taking(false).await?;
    node.logged("taking: true -> false, budget_bps: 5000 -> 100, gas_wei_per_asset: 1 ETH -> 0.5 ETH")
        .await?;

    // By a change alone; a flag still wins over the file, and what cannot change is said.
    fs::write(&file, text("taking = true\nrescue = false\nworkers = 2\noffer_transfers = '-1gwei'\n"))?;
    taking(true).await?;
    node.logged("offer_transfers: never -> -1000000000 base units of DEV").await?;
    node.logged("this setting is taken over at the next start only").await?;
    ensure!(
        node.log().contains("workers") && !node.log().contains("rescue: true -> false"),
        "{}",
        node.log()
    );

    // What is not valid changes nothing.
    fs::write(&file, text("taking = false\nmin_rewrd = 1\n"))?;
    node.signal("-HUP").await?;
    node.logged("did you mean min_reward?").await?;
    ensure!(node.status().await?["node"]["taking"] == true);
    let before = node.log().matches("the configuration cannot be read").count();
    fs::remove_file(&file)?;
    node.signal("-HUP").await?;
    until("the missing file", async || {
        Ok((node.log().matches("the configuration cannot be read").count() > before).then_some(()))
    })
    .await?;
    ensure!(node.status().await?["node"]["taking"] == true);
    ensure!(node.get("/healthz").await?.0 == 200);

    // A second node with the same file is told that the first has its directory.
    fs::write(&file, text(""))?;
    let message = provery.fails(key, &["node"], "data_dir_busy").await?;
    ensure!(message.contains("--data-dir"), "{message}");
    let checked = provery.ok(key, &["node", "config", "check"]).await?;
    ensure!(checked["running"] == true, "{checked}");
    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());
    Ok(())
}

#[tokio::test]
async fn the_configuration_is_checked_without_a_chain() -> Result<()> {
    let provery = Provery::new("http://127.0.0.1:9")?;
    let key = provery_tests::key(1).to_bytes().to_string();
    let check = async |text: &str, key: Option<&str>| {
        fs::write(provery.dir.path().join("c.toml"), text)?;
        let mut command = provery.command(key, &["node", "config", "check", "--config", "c.toml"])?;
        command.env_remove("PROVERY_DEPLOYMENT").env_remove("PROVERY_RPC_URL");
        provery.finish(command).await
    };

    // The example is the repository's, and right.
    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../provery.example.toml"))?;
    let said = provery.ok(None, &["node", "config", "example"]).await?;
    ensure!(said["example"] == example.as_str());
    let mut command = Command::new(provery_tests::program("provery")?);
    let output = command.args(["node", "config", "example"]).output().await?;
    ensure!(String::from_utf8_lossy(&output.stdout) == example, "as it is, without --json");
    // Whatever listens at the example's port here is not this test's affair.
    let free = example.replace("127.0.0.1:9464", "127.0.0.1:0");
    let said = check(&free, Some(&key)).await?;
    ensure!(said.code == 0 && said.json["valid"] == true, "{said:?}");
    let row = |name: &str| {
        let rows = said.json["settings"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["key"] == name).unwrap_or_default()
    };
    ensure!(row("http")["from"] == "file", "{said:?}");
    ensure!(row("keystore")["value"] == "(secret)", "{said:?}");
    ensure!(row("keys")["from"] == "PROVERY_KEYS_DIR", "{said:?}");
    ensure!(row("workers")["value"] == 1 && row("workers")["from"] == "default", "{said:?}");
    ensure!(!provery.dir.path().join(".provery").exists(), "a check makes nothing");

    let file = provery.dir.path().join("file");
    fs::write(&file, "")?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?;
    for (text, wanted) in [
        ("[node]\n".to_owned(), "data_dir is not set"),
        ("[node]\ndata_dir = 'file/x'\n".to_owned(), "is a file"),
        ("[node]\ndata_dir = 'd'\nstandby = true\n".to_owned(), "standby needs nats_url"),
        ("[node]\ndata_dir = 'd'\ncost_from = 'none.json'\n".to_owned(), "none.json"),
        (format!("[node]\ndata_dir = 'd'\nhttp = '{taken}'\n"), "something else listens"),
        ("deployment = 'none.json'\n[node]\ndata_dir = 'd'\n".to_owned(), "none.json"),
        ("[node]\ndata_dir = 'd'\nupkep = true\n".to_owned(), "did you mean upkeep?"),
        ("[node]\ndata_dir = 'd'\nworkers = 'two'\n".to_owned(), "line 3"),
        ("[node]\ndata_dir = \n".to_owned(), "line 2"),
        (format!("rpc_urls = ['wss://{USER}:{USER_PASSWORD}@h']\n"), "does not begin with http://"),
    ] {
        let said = check(&text, Some(&key)).await?;
        let message = said.must_fail("config").wrap_err_with(|| text.clone())?;
        ensure!(message.contains(wanted), "{text}: {message}");
        ensure!(!message.contains(USER_PASSWORD), "{message}");
    }

    // Keys: none, one that is none, a keystore with the wrong password.
    let good = "[node]\ndata_dir = 'd'\n";
    let message = check(good, None).await?.must_fail("config")?;
    ensure!(message.contains("keystore"), "{message}");
    check(good, Some("0x12")).await?.must_fail("config")?;
    let keystore = keystore(&provery, &key).await?;
    fs::write(provery.dir.path().join("wrong"), "wrong-password\n")?;
    let text =
        |password: &str| format!("keystore = '{}'\npassword_file = '{password}'\n{good}", keystore.display());
    let said = check(&text("password"), None).await?;
    ensure!(said.code == 0, "{said:?}");
    let said = check(&text("wrong"), None).await?;
    let message = said.must_fail("config")?;
    ensure!(
        message.contains("does not open the keystore") && !message.contains("wrong-password"),
        "{message}"
    );
    Ok(())
}

/// A keystore of a key, and its password in the file `password`.
async fn keystore(provery: &Provery, key: &str) -> Result<PathBuf> {
    fs::write(provery.dir.path().join("password"), format!("{PASSWORD}\n"))?;
    let path = provery.dir.path().join("prover.json");
    let shown = path.display().to_string();
    provery.ok(Some(key), &["keystore", "import", &shown, "--password-file", "password"]).await?;
    Ok(path)
}

#[tokio::test]
async fn the_hot_key_proves_and_pauses_and_withdraws_nothing() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let prover = provery_tests::key(2).address().to_string();
    let hot = provery_tests::key(3).address().to_string();
    provery.ok(Some(&town.prover), &["prover", "submitter", "add", &hot]).await?;
    let key = Some(town.stranger.as_str());

    // The node runs on the hot key, which says at its start whom it serves, and the prover is paid.
    let dir = provery.dir.path().join("node");
    let args = ["node", "--data-dir", "node", "--market", "1", "--http", "127.0.0.1:0", "--withdraw-at", "1"];
    let args = [&args[..], &["--prover", &prover]].concat();
    let mut node = Node::start(provery.command(key, &args)?, &dir)?;
    node.ready(200).await?;
    town.post(1).await?;
    until("the credit", async || {
        let credit = provery.ok(None, &["credit", "show", &prover]).await?;
        Ok((credit["credit"] != "0").then_some(()))
    })
    .await
    .wrap_err_with(|| node.log())?;
    let status = node.status().await?;
    ensure!(status["node"]["prover"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&prover)), "{status}");
    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());

    let status = provery.ok(None, &["prover", "status", &prover]).await?;
    ensure!(status["nominated"] == serde_json::json!([]), "it accepted: {status}");

    // It may pause its prover, and bring it back.
    // (The node may have paused it when it was told to stop.)
    let _ = provery.run(key, &["prover", "resume"]).await?;
    provery.ok(key, &["prover", "pause"]).await?;
    provery.ok(key, &["prover", "resume"]).await?;

    // It may take none of the prover's money.
    let before = provery.ok(None, &["prover", "status", &prover]).await?;
    let credit = provery.ok(None, &["credit", "show", &prover]).await?;
    provery.fails(key, &["credit", "withdraw", "--amount", "1", "--to", &hot], "insufficient_credit").await?;
    for args in [&["prover", "exit"] as &[&str], &["prover", "exit", "--withdraw"]] {
        let said = provery.run(key, args).await?;
        ensure!(said.code == 1, "{args:?}: {said:?}");
    }
    // Nor past the commands: the contracts refuse it.
    let sender = town.anvil.sender(3).await?;
    let deployment = provery_rpc::load_deployment(&provery.deployment())?;
    let chain = provery_rpc::Chain::connect(sender.rpc().clone(), deployment).await?;
    let (one, to) = (alloy::primitives::U256::from(1), sender.address());
    let calls = chain.calls();
    for call in [calls.withdraw(to, one), calls.request_unstake(one), calls.withdraw_stake(to)] {
        let refused = sender.send(call).await;
        ensure!(matches!(refused, Err(provery_txmgr::SendError::Reverted { .. })), "{refused:?}");
    }
    let after = provery.ok(None, &["prover", "status", &prover]).await?;
    ensure!(after["stake"] == before["stake"] && after["stake"] != "0", "{before} {after}");
    ensure!(provery.ok(None, &["credit", "show", &prover]).await? == credit);
    Ok(())
}
