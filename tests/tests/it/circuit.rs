//! Circuits of one's own, from the outside: described, checked, fetched, measured.

use std::{fs, path::Path};

use eyre::{OptionExt as _, Result, ensure};
use provery_descriptor::{Descriptor, Digest};
use provery_tests::{Circom, Provery, serve};
use serde_json::{Value, json};

fn provery() -> Result<Provery> {
    Provery::new("http://127.0.0.1:9")
}

fn at(provery: &Provery, name: &str) -> String {
    provery.dir.path().join(name).display().to_string()
}

/// Describe the circuit into `c.json`, with these flags, too.
async fn describe(provery: &Provery, circom: &Circom, more: &[&str]) -> Result<Value> {
    let (out, files) =
        (at(provery, "c.json"), ["zkey", "r1cs", "sym", "wasm", "vkey.json"].map(|it| circom.path(it)));
    let flags = ["--zkey", "--r1cs", "--sym", "--wasm", "--verifying-key"];
    let mut args = vec!["circuit", "describe", "--name", "refusals-1", "--out", &out];
    args.extend(flags.iter().zip(&files).flat_map(|(flag, file)| [*flag, file.as_str()]));
    args.extend(more);
    provery.ok(None, &args).await
}

/// A copy of the circuit's files.
fn copied(circom: &Circom, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    for ending in ["zkey", "r1cs", "sym", "wasm", "vkey.json"] {
        fs::copy(circom.path(ending), into.join(format!("refusals.{ending}")))?;
    }
    Ok(())
}

/// Change one bit in the middle of a file.
fn flip(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(fs::write(path, bytes)?)
}

#[tokio::test]
async fn a_descriptor_is_made_of_the_files_and_is_what_the_files_are() -> Result<()> {
    let (provery, circom) = (provery()?, Circom::refusals()?);
    let meaning = ["--meaning", "ignored=nothing", "--type", "ignored=uint64", "--description", "A test."];
    let told = describe(&provery, &circom, &meaning).await?;
    let bytes = fs::read(provery.dir.path().join("c.json"))?;
    ensure!(told["sha256"] == format!("0x{}", Digest::of(&bytes).to_hex()), "{told}");
    ensure!(told["payee"] == "payee" && told["payee_bound"] == true, "{told}");
    ensure!(told["setup"]["kind"] == "development", "{told}");
    // In a market's order, with the circuit's place where that is another.
    let inputs = json!([
        { "name": "ignored", "type": "uint64", "role": "statement", "signal": 2, "meaning": "nothing" },
        { "name": "c", "type": "field", "role": "output", "signal": 0 },
        { "name": "payee", "type": "address", "role": "payee", "signal": 1 },
    ]);
    let document = serde_json::to_value(Descriptor::parse(&bytes)?)?;
    ensure!(document["publicInputs"][0] == inputs[0], "{document}");
    ensure!(document["publicInputs"][1] == inputs[1], "{document}");
    ensure!(document["publicInputs"][2] == inputs[2], "{document}");
    let schema = &document["input"]["schema"];
    ensure!(schema["required"] == json!(["a", "b", "ignored"]), "the payee is the prover's to add: {schema}");
    ensure!(schema["properties"]["a"]["maxItems"] == 2, "{schema}");

    let checked = provery
        .ok(None, &["circuit", "check", "c.json", "--keys", "none", "--from", &circom.path("zkey")])
        .await?;
    ensure!(checked["not_at_hand"].as_array().is_some_and(|it| it.len() == 4), "{checked}");
    let all = ["circuit", "check", "c.json", "--from", &circom.directory().display().to_string()]
        .map(str::to_owned);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let checked = provery.ok(None, &all).await?;
    let looked: Vec<&str> =
        checked["findings"].as_array().into_iter().flatten().filter_map(|it| it["what"].as_str()).collect();
    for what in
        ["artifact provingKey", "verifying key", "proving key", "witness program", "payee", "roles", "names"]
    {
        ensure!(looked.contains(&what), "{what}: {checked}");
    }
    ensure!(checked["not_at_hand"] == json!([]), "{checked}");

    // The verifier that is generated takes inputs in the descriptor's order.
    let generate =
        ["verifier", "generate", "--verifying-key", &circom.path("vkey.json"), "--descriptor", "c.json"];
    let made = provery.ok(None, &generate).await?;
    ensure!(made["order"] == json!([2, 0, 1]) && made["key_hash"] == told["key_hash"], "{made}");

    // What a registration takes, with a sample that was verified.
    let sample =
        ["--sample-public", &circom.path("public.json"), "--sample-proof", &circom.path("proof.json")]
            .map(str::to_owned);
    let mut args = all.clone();
    args.extend(sample.iter().map(String::as_str));
    args.extend([
        "--verifier",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "--uri",
        "https://example.org/c.json",
    ]);
    let registration = provery.ok(None, &args).await?["registration"].clone();
    ensure!(registration["descriptor_hash"] == told["sha256"], "{registration}");
    ensure!(
        registration["key_hash"] == told["key_hash"] && registration["payee_bound"] == true,
        "{registration}"
    );
    ensure!(
        registration["development"] == true && registration["proof_system"] == "groth16",
        "{registration}"
    );
    let inputs = registration["sample_inputs"].as_array().ok_or_eyre("no inputs")?;
    let last = |input: &Value| input.as_str().unwrap_or_default().to_owned();
    ensure!(last(&inputs[0]).ends_with("09"), "the statement: {registration}");
    ensure!(last(&inputs[2]).ends_with("c0ffee00"), "the payee: {registration}");
    ensure!(last(&registration["sample_proof"]).len() == 2 + 2 * 256, "{registration}");
    let public: Vec<String> = serde_json::from_slice(&fs::read(circom.path("public.json"))?)?;
    let other = at(&provery, "public.json");
    fs::write(&other, json!([public[0], "1", public[2]]).to_string())?;
    let place = args.iter().position(|it| *it == circom.path("public.json")).ok_or_eyre("is there")?;
    args[place] = &other;
    provery.fails(None, &args, "proof_invalid").await?;
    Ok(())
}

#[tokio::test]
async fn what_a_descriptor_cannot_say_is_refused_with_what_to_do() -> Result<()> {
    let (provery, circom) = (provery()?, Circom::refusals()?);
    let files = ["zkey", "r1cs", "sym"].map(|it| circom.path(it));
    let usual =
        ["circuit", "describe", "--name", "c", "--zkey", &files[0], "--r1cs", &files[1], "--sym", &files[2]];
    let transcript = circom.path("input.json");
    let proof = circom.path("proof.json");
    for (more, code, says) in [
        (
            &["--payee", "ignored"][..],
            "payee_unbound",
            "those that snarkjs adds for public inputs are not counted",
        ),
        (&["--payee", "b"], "usage", "c, payee, ignored"),
        (&["--meaning", "b=1"], "usage", "no public signal b"),
        (&["--url-base", "ftp://example.org/"], "usage", "neither http nor https"),
        (&["--ceremony", &transcript], "circuit_mismatch", "development key"),
        (&["--wasm", &files[1]], "key_file_invalid", "WebAssembly"),
        (&["--verifying-key", &proof], "key_file_invalid", "verification_key.json"),
    ] {
        let message = provery.fails(None, &[&usual, more].concat(), code).await?;
        ensure!(message.contains(says), "{more:?}: {message}");
        ensure!(!provery.dir.path().join("c.json").exists(), "{more:?}: nothing is written");
    }
    let told =
        provery.ok(None, &[&usual[..], &["--no-payee", "--url-base", "https://x.org/a"]].concat()).await?;
    ensure!(told["payee"].is_null() && told["payee_bound"] == false, "{told}");
    let text = fs::read_to_string(provery.dir.path().join("c.json"))?;
    ensure!(text.contains("https://x.org/a/refusals.zkey"), "{text}");

    // Documents that were tampered with.
    let write = |text: String| fs::write(provery.dir.path().join("t.json"), text);
    for (bad, says) in [
        (text.replacen(':', ": ", 1), "canonical"),
        (text.replace("\"payeeBound\":false", "\"payeeBound\":true"), "no public input is the payee"),
        (text[..100].to_owned(), "not valid"),
        ("x".repeat(1 << 20), "more than"),
    ] {
        write(bad)?;
        for command in ["check", "fetch"] {
            let message = provery.fails(None, &["circuit", command, "t.json"], "descriptor_invalid").await?;
            ensure!(message.contains(says), "{message}");
        }
    }
    let mut larger = Descriptor::parse(text.as_bytes())?;
    larger.constraints = larger.constraints.map(|count| count + 1);
    write(String::from_utf8(larger.to_bytes()?)?)?;
    let folder = circom.directory().display().to_string();
    let check = ["circuit", "check", "t.json", "--from", &folder];
    let message = provery.fails(None, &check, "circuit_mismatch").await?;
    ensure!(message.contains(".r1cs has"), "{message}");
    let key = Descriptor::parse(text.as_bytes())?.verifier.key_hash.ok_or_eyre("has one")?;
    write(text.replace(&key, &"0".repeat(64)))?;
    let message = provery.fails(None, &check, "circuit_mismatch").await?;
    ensure!(message.contains("another circuit or setup"), "{message}");
    Ok(())
}

#[tokio::test]
async fn files_are_fetched_by_digest_and_others_are_refused_by_name() -> Result<()> {
    let (provery, circom) = (provery()?, Circom::refusals()?);
    let served = provery.dir.path().join("served");
    copied(&circom, &served)?;
    let url = serve(served.clone()).await?;
    describe(&provery, &circom, &["--url-base", &url]).await?;
    let fetch = ["circuit", "fetch", "c.json", "--keys", "data"];
    let message = provery.fails(None, &fetch, "artifact_unavailable").await?;
    ensure!(message.contains("no public address"), "{message}");

    let allowed = [&fetch[..], &["--allow-loopback"]].concat();
    flip(&served.join("refusals.zkey"))?;
    let message = provery.fails(None, &allowed, "circuit_mismatch").await?;
    ensure!(message.contains("provingKey") && message.contains("digest"), "{message}");
    fs::remove_file(served.join("refusals.zkey"))?;
    let message = provery.fails(None, &allowed, "artifact_unavailable").await?;
    ensure!(message.contains("404"), "{message}");
    // From this machine instead: not the wrong file, but the right one.
    let wrong = provery.dir.path().join("wrong.zkey");
    fs::copy(circom.path("zkey"), &wrong)?;
    flip(&wrong)?;
    let message =
        provery.fails(None, &[&allowed[..], &["--from", "wrong.zkey"]].concat(), "circuit_mismatch").await?;
    ensure!(message.contains("wrong.zkey") && message.contains("provingKey"), "{message}");
    let zkey = circom.path("zkey");
    let got = provery.ok(None, &[&allowed[..], &["--from", &zkey]].concat()).await?;
    ensure!(got["artifacts"].as_array().is_some_and(|it| it.len() == 5), "{got}");
    let of =
        |role: &str| got["artifacts"].as_array().into_iter().flatten().find(|it| it["role"] == role).cloned();
    ensure!(of("provingKey").ok_or_eyre("is there")?["fetched_bytes"] == 0, "{got}");
    ensure!(of("constraints").ok_or_eyre("is there")?["fetched_bytes"] != 0, "{got}");

    // What is in the store is enough for a check, and damage to it is found.
    let check = ["circuit", "check", "c.json", "--keys", "data"];
    let checked = provery.ok(None, &check).await?;
    ensure!(checked["not_at_hand"] == json!([]), "{checked}");
    let stored = of("provingKey").ok_or_eyre("is there")?["file"].as_str().unwrap_or_default().to_owned();
    flip(&provery.dir.path().join(stored))?;
    let message = provery.fails(None, &check, "circuit_mismatch").await?;
    ensure!(message.contains("provingKey"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_proofs_cost_is_measured_and_signed() -> Result<()> {
    let (provery, circom) = (provery()?, Circom::refusals()?);
    describe(&provery, &circom, &[]).await?;
    // Without the payee, as slots bring it.
    let mut input: Value = serde_json::from_slice(&fs::read(circom.path("input.json"))?)?;
    input.as_object_mut().ok_or_eyre("is one")?.remove("payee");
    let sample = at(&provery, "input.json");
    fs::write(&sample, input.to_string())?;
    let folder = circom.directory().display().to_string();
    let bench = ["circuit", "bench", "c.json", "--keys", "none", "--input", &sample, "--runs", "1"];
    provery.fails(None, &bench, "artifact_unavailable").await?;
    let here = [&bench[..], &["--from", &folder]].concat();
    let told = provery.ok(None, &here).await?;
    ensure!(told["cost"]["milliseconds"].as_u64() >= Some(1) && told["cost"]["mebibytes"].is_u64(), "{told}");
    ensure!(told["file"].is_null(), "{told}");

    let signed = [&here[..], &["--sign", "--out", "signed.json", "--machine", "two cores"]].concat();
    provery.fails(None, &signed, "no_key").await?;
    let key = provery_tests::key(1);
    let told = provery.ok(Some(&key.to_bytes().to_string()), &signed).await?;
    ensure!(told["cost"]["signer"] == key.address().to_checksum(None), "{told}");
    let bytes = fs::read(provery.dir.path().join("signed.json"))?;
    ensure!(told["sha256"] == format!("0x{}", Digest::of(&bytes).to_hex()), "{told}");
    provery.ok(None, &["circuit", "check", "signed.json"]).await?;
    let forged = String::from_utf8(bytes)?.replace("two cores", "one core");
    fs::write(provery.dir.path().join("forged.json"), forged)?;
    let message = provery.fails(None, &["circuit", "check", "forged.json"], "circuit_mismatch").await?;
    ensure!(message.contains("not signed by"), "{message}");

    fs::write(&sample, "{\"b\": 7}")?;
    let message = provery.fails(None, &here, "proof_invalid").await?;
    ensure!(message.contains("input"), "{message}");
    Ok(())
}
