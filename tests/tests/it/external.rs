//! Proofs by programs of others: snarkjs on a circuit of circom, and a node whose blocks another process proves.

use std::{fs, sync::Arc, time::Duration};

use eyre::{Result, ensure};
use provery_circom::{CircomBackend, Limits, descriptor::artifacts};
use provery_descriptor::Role;
use provery_proving::{ProofBackend as _, ProveError};
use provery_tests::{Circom, Town, program};
use provery_worker::external::{External, Program, Prover, Subject};

const LONG: Duration = Duration::from_secs(600);

/// The circuit with a prover of these words, where it is a script of Node.js.
fn external(circom: &Circom, script: &str, files: &[&str]) -> Result<External> {
    let roles = [(Role::ProvingKey, "zkey"), (Role::WitnessWasm, "wasm"), (Role::Constraints, "r1cs")];
    let found = roles.map(|(role, ending)| (role, circom.path(ending).into())).into();
    let artifacts = artifacts(&found).ok_or_else(|| eyre::eyre!("no key"))?;
    let zkey = artifacts.zkey.clone();
    let backend = Box::new(CircomBackend::open("refusals", &artifacts, Limits::default())?);
    let words = [&["node", "-e", script], files].concat();
    let program = Program::new(words.into_iter().map(str::to_owned).collect())?;
    Ok(External::new(Subject::Circom { backend, zkey }, Arc::new(Prover::Program(program)), LONG)?)
}

/// snarkjs with the files that rapidsnark takes.
fn snarkjs() -> String {
    format!(
        "const [zkey, witness, proof, pub] = process.argv.slice(1); \
         const fs = require('fs'), {{ groth16 }} = require('{}/snarkjs'); \
         groth16.prove(zkey, witness).then((it) => {{ \
           fs.writeFileSync(proof, JSON.stringify(it.proof)); \
           if (pub) fs.writeFileSync(pub, JSON.stringify(it.publicSignals)); process.exit(0) }})",
        Circom::modules().display()
    )
}

#[tokio::test]
async fn snarkjs_proves_as_an_external_prover_and_is_checked() -> Result<()> {
    let circom = Circom::refusals()?;
    let job = fs::read(circom.path("input.json"))?;
    let files = ["{zkey}", "{witness}", "{proof}", "{public}"];
    for files in [&files[..], &files[..3]] {
        let prover = external(&circom, &snarkjs(), files)?;
        let input = job.clone();
        let output = tokio::task::spawn_blocking(move || prover.prove(&input, &())).await??;
        ensure!(output.public_inputs[1][28..] == [0xc0, 0xff, 0xee, 0], "the payee: {output:?}");
        let phases: Vec<&str> = output.timings.iter().map(|(phase, _)| phase.as_str()).collect();
        ensure!(phases == ["witness", "external", "verify"], "{phases:?}");
    }

    // A proof of another input, a proof with other public signals, and none.
    let text = String::from_utf8(job)?;
    let other = text.replace("\"ignored\":9", "\"ignored\":8").into_bytes();
    ensure!(other != text.as_bytes());
    let copy = format!("require('fs').copyFileSync('{}', process.argv[1])", circom.path("proof.json"));
    let signals = format!("{copy}; require('fs').writeFileSync(process.argv[2], '[\"1\",\"2\",\"3\"]')");
    for (script, input, files) in [
        (&copy, other, &["{proof}", "{witness}"][..]),
        (&signals, text.clone().into_bytes(), &["{proof}", "{public}", "{witness}"]),
    ] {
        let prover = external(&circom, script, files)?;
        let ended = tokio::task::spawn_blocking(move || prover.prove(&input, &())).await?;
        ensure!(matches!(ended, Err(ProveError::Foreign)), "{ended:?}");
    }
    let right = external(&circom, &copy, &["{proof}", "{witness}"])?;
    let job = text.into_bytes();
    let input = job.clone();
    tokio::task::spawn_blocking(move || right.prove(&input, &())).await??;
    let none = external(&circom, "process.exit(0)", &["{proof}", "{witness}"])?;
    let ended = tokio::task::spawn_blocking(move || none.prove(&job, &())).await?;
    ensure!(ended.as_ref().is_err_and(|error| error.to_string().contains("no proof")), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_nodes_blocks_are_proven_by_the_program_that_its_configuration_names() -> Result<()> {
    let town = Town::build().await?;
    let provery = &town.provery;
    // A worker process of ours stands for another's prover.
    let marker = provery.dir.path().join("asked");
    let script = provery.dir.path().join("prover.js");
    fs::write(
        &script,
        format!(
            "const fs = require('fs'), {{ spawn }} = require('child_process');\n\
             const {{ circuit, job }} = JSON.parse(fs.readFileSync(0));\n\
             fs.writeFileSync('{}', circuit);\n\
             const worker = spawn('{}', ['worker', '--stdio', '--keys', '{}'], {{ stdio: ['pipe', 'pipe', 'inherit'] }});\n\
             worker.stdin.write(JSON.stringify({{ id: 1, circuit, job }}) + '\\n');\n\
             require('readline').createInterface(worker.stdout).on('line', (line) => {{\n\
               const reply = JSON.parse(line);\n\
               if (reply.event === 'proved') {{ console.log(JSON.stringify(reply.proof)); worker.stdin.end() }}\n\
               if (reply.event === 'failed') {{ console.error(reply.message); process.exit(1) }}\n\
             }});\n",
            marker.display(),
            program("provery")?.display(),
            provery.keys_dir().display()
        ),
    )?;
    let config = provery.dir.path().join("provery.toml");
    let table =
        format!("[node]\ndata_dir = 'node'\n[external_prover]\ncommand = ['node', '{}']\n", script.display());
    fs::write(&config, &table)?;
    let nats = ["node", "--market", "1", "--nats-url", "nats://127.0.0.1:9"];
    let message = provery.fails(Some(&town.prover), &nats, "config").await?;
    ensure!(message.contains("external_prover"), "{message}");
    town.post(1).await?;
    let mut node = provery.spawn(&town.prover, &["node", "--market", "1"])?;
    let mut finalized = false;
    for _ in 0..600 {
        let state = provery.ok(None, &["rollup", "status", "--name", "town"]).await?;
        finalized = state["finalized"] == 1;
        if finalized {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(finalized, "the block is not proven");
    ensure!(fs::read_to_string(marker)? == "transfer-block-d16-n1");
    node.kill().await?;
    Ok(())
}
