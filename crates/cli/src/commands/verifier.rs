//! `provery verifier`: a Solidity contract with a verifying key in its code.

use std::{fs, path::PathBuf};

use clap::Subcommand;
use eyre::Result;
use provery_proving::{keys, solidity};
use serde_json::json;

use crate::{
    backends, config,
    context::Context,
    error::{Code, fail},
};

#[derive(Debug, Subcommand)]
pub(crate) enum VerifierCommand {
    /// Write the Groth16 verifier of a verifying key
    #[command(
        after_help = "Example: provery verifier generate --circuit transfer-block-d16-n8 --out Verifier.sol"
    )]
    Generate {
        /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
        /// Whose key: a circuit's name, such as transfer-block-d16-n8
        #[arg(long, value_name = "NAME")]
        circuit: String,
        /// The contract's name
        #[arg(long, default_value = "TransferBlockVerifier")]
        name: String,
        /// The file to write [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(crate) fn run(context: &Context, command: VerifierCommand) -> Result<()> {
    let VerifierCommand::Generate { keys: dir, circuit, name, out } = command;
    let dir = config::keys_dir(dir);
    let circuit = backends::circuit(&circuit)?.name();
    let verifying = keys::load_verifying(&dir, &circuit, None)?;
    let source = solidity::generate(&verifying.key, &name)?;
    let key_hash = format!("0x{}", verifying.manifest.verifying_key.sha256);
    if let Some(path) = &out {
        fs::write(path, &source)
            .map_err(|error| fail(Code::Io, format!("{} cannot be written: {error}", path.display())))?;
    }
    let mut json = json!({
        "contract": name,
        "circuit": circuit,
        "key_hash": key_hash,
        "public_inputs": verifying.manifest.public_inputs,
        "development": verifying.manifest.development,
        "file": out,
    });
    if out.is_none() {
        json["source"] = json!(source);
    }
    context.out.result(&json, || match &out {
        Some(path) => format!("wrote {}: contract {name} with the key {key_hash}", path.display()),
        None => source,
    });
    Ok(())
}
