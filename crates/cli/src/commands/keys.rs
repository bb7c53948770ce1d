//! `provery keys`: proving keys of workloads' circuits and of the mining puzzle, from a seeded development setup or from elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use alloy::primitives::B256;
use clap::{ArgGroup, Args, Subcommand};
use eyre::Result;
use provery_circom::VerifyingKeyJson;
use provery_proving::{
    key_import,
    keys::{self, Manifest},
};
use provery_puzzle::CIRCUIT_NAME;
use serde_json::json;

use crate::{
    address, backends,
    commands::circuit::described,
    config,
    context::Context,
    error::{Code, fail},
    files,
    output::{fields, spinner, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make development keys: whoever knows the seed can forge proofs, so they are refused outside development chains
    #[command(
        after_help = "Example: provery keys generate --circuit transfer-block-d16-n8 --seed 1",
        group(ArgGroup::new("what").required(true).args(["circuit", "puzzle"]))
    )]
    Generate {
        /// A workload's circuit, such as transfer-block-d16-n8: the reference rollup's for blocks of 8 transfers
        #[arg(long, value_name = "NAME")]
        circuit: Option<String>,
        /// The mining mechanism's puzzle instead of a workload's circuit
        #[arg(long)]
        puzzle: bool,
        /// Decides the keys; everyone who proves for one circuit needs the same
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
    },
    /// Put keys from elsewhere where provers look for them, under their circuit's name: a ceremony's .zkey or another file of a circuit
    /// that is described, a fetched file by its digest, or the folder of keys that whoever set a workload's circuit up gives away.
    /// What is another than the circuit's is refused
    #[command(
        after_help = "Example: provery keys import membership_final.zkey --descriptor membership.json",
        group(ArgGroup::new("whose").required(true).args(["circuit", "descriptor"]))
    )]
    Import(ImportArgs),
    /// Write a circuit's verifying key as snarkjs' verification_key.json
    #[command(
        after_help = "Example: provery keys export --circuit transfer-block-d16-n8 --out verification_key.json"
    )]
    Export {
        /// Whose key: a circuit's name, such as transfer-block-d16-n8
        #[arg(long, value_name = "NAME")]
        circuit: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
    },
    /// The keys that are there, checked against their hashes
    #[command(after_help = "Example: provery keys show --keys .provery/keys")]
    Show {
        /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A file, a folder, or sha256:… of a file that was fetched
    #[arg(value_name = "FILE|DIR|DIGEST")]
    source: PathBuf,
    /// Whose: a circuit's name, as deployment files have it
    #[arg(long, value_name = "NAME")]
    circuit: Option<String>,
    /// The circuit's descriptor, if it has one that was not fetched
    #[arg(long, value_name = "FILE")]
    descriptor: Option<PathBuf>,
    /// The key hash that the chain knows, `0x…`, to be compared with
    #[arg(long, value_name = "HASH", value_parser = address::key_hash)]
    key_hash: Option<B256>,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, command: KeysCommand) -> Result<()> {
    match command {
        // Without a circuit it is the puzzle: the arguments demand one of the two.
        KeysCommand::Generate { circuit, puzzle: _, seed, keys } => {
            generate(context, circuit.as_deref(), seed, &config::keys_dir(keys))
        }
        KeysCommand::Import(args) => import(context, &args),
        KeysCommand::Export { circuit, out, keys } => {
            export(context, &circuit, &out, &config::keys_dir(keys))
        }
        KeysCommand::Show { keys } => show(context, &config::keys_dir(keys)),
    }
}

fn import(context: &Context, args: &ImportArgs) -> Result<()> {
    let dir = config::keys_dir(args.keys.clone());
    if let Some(described) = described::of(args.circuit.as_deref(), args.descriptor.as_deref(), &dir)? {
        return described.import(context, &args.source, args.key_hash, &dir);
    }
    let circuit = backends::circuit(args.circuit.as_deref().unwrap_or_default())?;
    if !args.source.is_dir() {
        return Err(fail(
            Code::Usage,
            format!(
                "{} is no folder of keys, which is what circuit {} has; pass the folder with its proving.key, verifying.key and \
                 manifest.json",
                args.source.display(),
                circuit.name()
            ),
        ));
    }
    let name = circuit.name();
    let fits = |root: &Path| circuit.prover(root, None).map(|_| ());
    let expected = args.key_hash.map(|hash| hash.0);
    let imported = key_import::import(&args.source, &dir, &name, expected.as_ref(), fits)?;
    let folder = keys::directory_of(&dir, &name);
    let manifest = &imported.keys.verifying.manifest;
    let mut json = describe(manifest, &folder);
    json["at_hand"] = json!(imported.at_hand);
    context.out.result(&json, || {
        fields(&[
            ("circuit", name.clone()),
            ("setup", if manifest.development { "development" } else { "ceremony" }.to_owned()),
            ("key hash", format!("0x{}", manifest.verifying_key.sha256)),
            ("keys", folder.display().to_string()),
        ])
    });
    Ok(())
}

/// What snarkjs verifies the circuit's proofs with.
fn export(context: &Context, circuit: &str, out: &Path, dir: &Path) -> Result<()> {
    let verifying = keys::load_verifying(dir, &backends::circuit(circuit)?.name(), None)?;
    files::write(out, &serde_json::to_vec_pretty(&VerifyingKeyJson::new(&verifying.key))?)?;
    let json = json!({ "circuit": circuit, "file": out, "development": verifying.manifest.development });
    context.out.result(&json, || {
        format!("wrote {}: the verifying key of {circuit}, as snarkjs reads it", out.display())
    });
    Ok(())
}

fn generate(context: &Context, circuit: Option<&str>, seed: u64, dir: &Path) -> Result<()> {
    let circuit = circuit.map(backends::circuit).transpose()?;
    let name = circuit.as_ref().map_or_else(|| CIRCUIT_NAME.to_owned(), |circuit| circuit.name());
    let waiting = spinner(&format!(
        "setting up {name} (minutes for large circuits; nothing to do if the keys are there)"
    ));
    let started = Instant::now();
    let seed = seed.to_be_bytes();
    let manifest = match &circuit {
        Some(circuit) => circuit.setup(&seed, dir),
        None => provery_puzzle::generate_keys(&seed, dir),
    };
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    let manifest = manifest?;
    let seconds = started.elapsed().as_secs_f64();
    let folder = keys::directory_of(dir, &name);
    let mut json = describe(&manifest, &folder);
    json["seconds"] = json!(seconds);
    context.out.result(&json, || {
        fields(&[
            ("circuit", manifest.circuit.clone()),
            ("constraints", manifest.constraints.to_string()),
            ("key hash", format!("0x{}", manifest.verifying_key.sha256)),
            ("keys", folder.display().to_string()),
            ("took", format!("{seconds:.1} s")),
        ])
    });
    Ok(())
}

fn show(context: &Context, dir: &Path) -> Result<()> {
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir(dir) {
        // Also where a file is missing: then it is said which.
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        for circuit in names.filter(|circuit| keys::has_any(dir, circuit)) {
            found.push((circuit.clone(), keys::load(dir, &circuit, None)));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let fetched = described::kept(dir);
    if found.is_empty() && fetched.is_empty() {
        return Err(fail(
            Code::KeyFileMissing,
            format!(
                "{} holds no keys; make some with `provery keys generate --circuit transfer-block-d16-n8`",
                dir.display()
            ),
        ));
    }
    let described: Vec<serde_json::Value> = found
        .iter()
        .map(|(circuit, keys)| {
            let folder = keys::directory_of(dir, circuit);
            match keys {
                Ok(keys) => describe(&keys.verifying.manifest, &folder),
                Err(error) => json!({ "circuit": circuit, "directory": folder, "valid": false, "problem": error.to_string() }),
            }
        })
        .chain(fetched.iter().map(described::Kept::json))
        .collect();
    context.out.result(&json!({ "directory": dir, "keys": described }), || {
        let mut rows: Vec<Vec<String>> = found
            .iter()
            .map(|(circuit, keys)| match keys {
                Ok(keys) => {
                    let manifest = &keys.verifying.manifest;
                    vec![
                        circuit.clone(),
                        manifest.constraints.to_string(),
                        if manifest.development { "development" } else { "ceremony" }.to_string(),
                        format!("0x{}", manifest.verifying_key.sha256),
                    ]
                }
                Err(error) => vec![circuit.clone(), "-".into(), "unusable".into(), error.to_string()],
            })
            .collect();
        rows.extend(fetched.iter().map(described::Kept::row));
        table(&["circuit", "constraints", "setup", "key hash"], &rows)
    });
    Ok(())
}

fn describe(manifest: &Manifest, folder: &Path) -> serde_json::Value {
    json!({
        "circuit": manifest.circuit,
        "directory": folder,
        "valid": true,
        "development": manifest.development,
        "constraints": manifest.constraints,
        "public_inputs": manifest.public_inputs,
        "key_hash": format!("0x{}", manifest.verifying_key.sha256),
        "proving_key_hash": format!("0x{}", manifest.proving_key.sha256),
        "proving_key_bytes": manifest.proving_key.bytes,
    })
}
