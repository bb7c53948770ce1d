//! Nothing that a node writes, says or leaves behind has a secret in it.

use super::*;

#[tokio::test]
async fn no_secret_appears_anywhere() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    let keystore = keystore(provery, &town.prover).await?.display().to_string();
    let port = town.anvil.port();
    let url = format!("http://{USER}:{USER_PASSWORD}@127.0.0.1:{port}/?token={TOKEN}");
    let dir = provery.dir.path().join("node");
    let with = |args: &[&str], password: &str| -> Result<Command> {
        let mut command = provery.command(None, args)?;
        command
            .args(["--keystore", &keystore])
            .env("PROVERY_RPC_URL", &url)
            .env("PROVERY_KEYSTORE_PASSWORD", password)
            .env("PROVERY_LOG", "trace");
        Ok(command)
    };
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    let mut hear = |what: &str, it: provery_tests::Said| {
        said.push((what.to_owned(), format!("{}{}", it.json, it.stderr).into_bytes()));
        it.code
    };

    let args = ["node", "--data-dir", "node", "--http", "127.0.0.1:0", "--market", "1"];
    let mut node = Node::start(with(&args, PASSWORD)?, &dir)?;
    node.ready(200).await?;
    hardened(node.pid()?)?;
    town.post(1).await?;
    until("the slot's end", async || {
        Ok(node.status().await?["ended"].as_array().filter(|ended| !ended.is_empty()).map(|_| ()))
    })
    .await
    .wrap_err_with(|| node.log())?;
    let mut pages = Vec::new();
    for page in ["/", "/healthz", "/readyz", "/metrics", "/status"] {
        pages.push((page.to_owned(), node.get(page).await?.1.into_bytes()));
    }

    // Commands, right and wrong.
    let code =
        hear("status", provery.finish(with(&["node", "status", "--data-dir", "node"], PASSWORD)?).await?);
    ensure!(code == 0);
    let code = hear("config check", provery.finish(with(&["node", "config", "check"], PASSWORD)?).await?);
    ensure!(code == 1, "there is no data_dir");
    let code = hear("wrong password", provery.finish(with(&args, "a-wrong-passphrase")?).await?);
    ensure!(code == 1);
    let code = hear("prover status", provery.finish(with(&["prover", "status"], PASSWORD)?).await?);
    ensure!(code == 0);
    for bad in [
        format!("http://{USER}:{USER_PASSWORD}@127.0.0.1:9/?token={TOKEN}"),
        format!("ftp://{USER}:{USER_PASSWORD}@127.0.0.1:9/?token={TOKEN}"),
        format!("http://{USER}:{USER_PASSWORD}@127.0.0.1:99999/?token={TOKEN}"),
        format!("{USER}:{USER_PASSWORD}@127.0.0.1/?token={TOKEN}"),
    ] {
        let mut command = with(&args, PASSWORD)?;
        command.env("PROVERY_RPC_URL", bad);
        let code = hear("bad URL", provery.finish(command).await?);
        ensure!(code == 1);
    }
    let mut command = provery.command(Some(&format!("{}00", town.prover)), &["prover", "status"])?;
    command.env("PROVERY_LOG", "trace");
    let code = hear("a key too long", provery.finish(command).await?);
    ensure!(code == 1);

    node.signal("-TERM").await?;
    ensure!(node.child.wait().await?.success(), "{}", node.log());
    said.extend(pages);
    for path in [&node.stdout, &node.stderr] {
        said.push((path.display().to_string(), fs::read(path)?));
    }
    said.extend(files(&dir)?.into_iter().map(|(path, content)| (path.display().to_string(), content)));
    let log = node.log();
    ensure!(log.contains("TRACE") && log.lines().count() > 100, "the log is at its most talkative: {log}");

    let mut needles = key_in_every_form(&provery_tests::key(2).to_bytes().0);
    for text in [PASSWORD, "a-wrong-passphrase", USER_PASSWORD, TOKEN] {
        needles.push((text.to_owned(), text.as_bytes().to_vec()));
    }
    let basic = base64(format!("{USER}:{USER_PASSWORD}").as_bytes());
    needles.push(("the authorization header".to_owned(), basic.into_bytes()));
    for (place, content) in &said {
        let lower = content.to_ascii_lowercase();
        for (name, needle) in &needles {
            let found = |hay: &[u8]| hay.windows(needle.len()).any(|window| window == needle.as_slice());
            ensure!(!found(content) && !found(&lower), "{name} is in {place}");
        }
    }
    Ok(())
}

/// A key as hexadecimal, bytes, decimal, base64 and a list of bytes.
fn key_in_every_form(key: &[u8; 32]) -> Vec<(String, Vec<u8>)> {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = key.iter().map(u8::to_string).collect();
    let number = alloy::primitives::U256::from_be_bytes(*key);
    let forms = [
        ("the key in hexadecimal", hex.into_bytes()),
        ("the key's bytes", key.to_vec()),
        ("the key in decimal", number.to_string().into_bytes()),
        ("the key in base64", base64(key).trim_end_matches('=').as_bytes().to_vec()),
        ("the key as a list", list.join(", ").into_bytes()),
        ("the key as a tight list", list.join(",").into_bytes()),
    ];
    forms.into_iter().map(|(name, form)| (name.to_owned(), form)).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

/// A process that holds a key dumps no core, and its memory is root's alone.
#[cfg(target_os = "linux")]
fn hardened(pid: u32) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
    let words: Vec<&str> = core.split_whitespace().collect();
    ensure!(words.get(4..6).is_some_and(|limits| limits == ["0", "0"]), "{core}");
    // What a process that is not dumpable has in /proc belongs to root, whoever runs it.
    ensure!(fs::metadata(format!("/proc/{pid}/environ"))?.uid() == 0);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn hardened(_pid: u32) -> Result<()> {
    Ok(())
}
