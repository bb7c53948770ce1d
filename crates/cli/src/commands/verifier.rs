//! `provery verifier`: a Solidity contract with a verifying key in its code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::hex;
use clap::{ArgGroup, Args, Subcommand};
use eyre::Result;
use provery_proving::{import, keys, solidity};
use serde_json::{Value, json};

use crate::{
    backends,
    commands::circuit,
    config,
    context::Context,
    error::{Code, fail},
};

#[derive(Debug, Subcommand)]
pub(crate) enum VerifierCommand {
    /// Write the Groth16 verifier of a verifying key: of a circuit's of this program, or of one from snarkjs, arkworks or gnark
    #[command(
        after_help = "Example: provery verifier generate --verifying-key verification_key.json --outputs 1 --out Verifier.sol"
    )]
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["circuit", "verifying_key"])))]
pub(crate) struct GenerateArgs {
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR", conflicts_with = "verifying_key")]
    keys: Option<PathBuf>,
    /// Whose key: a circuit's name, such as transfer-block-d16-n8
    #[arg(long, value_name = "NAME")]
    circuit: Option<String>,
    /// A verifying key: snarkjs' verification_key.json, or what arkworks or gnark wrote
    #[arg(long, value_name = "FILE")]
    verifying_key: Option<PathBuf>,
    /// How many public signals circom's circuit computes: circom has them first, the contract takes them as a market does, after the
    /// statement's and before the payee
    #[arg(long, value_name = "N", default_value_t = 0, requires = "verifying_key")]
    outputs: usize,
    /// The circuit's descriptor, which says the order of public signals: in place of --outputs and --no-payee
    #[arg(
        long,
        value_name = "FILE",
        requires = "verifying_key",
        conflicts_with_all = ["outputs", "no_payee"]
    )]
    descriptor: Option<PathBuf>,
    /// The circuit has no payee as its last public input
    #[arg(long, requires = "verifying_key")]
    no_payee: bool,
    /// The contract's name [default: TransferBlockVerifier, or Verifier with --verifying-key]
    #[arg(long)]
    name: Option<String>,
    /// The file to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A contract that was written, and whose key it has.
struct Written {
    source: String,
    key_hash: String,
    public_inputs: usize,
    from: Value,
}

pub(crate) fn run(context: &Context, command: VerifierCommand) -> Result<()> {
    let VerifierCommand::Generate(args) = command;
    let (name, written) = match &args.verifying_key {
        Some(path) => {
            let name = args.name.as_deref().unwrap_or("Verifier");
            let order = match &args.descriptor {
                Some(descriptor) => Order::Described(descriptor),
                None => Order::Circom { outputs: args.outputs, binds_payee: !args.no_payee },
            };
            (name, imported(path, name, order)?)
        }
        None => {
            let name = args.name.as_deref().unwrap_or("TransferBlockVerifier");
            (name, own(args.keys, &args.circuit.unwrap_or_default(), name)?)
        }
    };
    let Written { source, key_hash, public_inputs, from } = written;
    if let Some(path) = &args.out {
        fs::write(path, &source)
            .map_err(|error| fail(Code::Io, format!("{} cannot be written: {error}", path.display())))?;
    }
    let mut json = json!({
        "contract": name,
        "key_hash": key_hash,
        "public_inputs": public_inputs,
        "file": args.out,
    });
    for (key, value) in from.as_object().into_iter().flatten() {
        json[key] = value.clone();
    }
    if args.out.is_none() {
        json["source"] = json!(source);
    }
    context.out.result(&json, || match &args.out {
        Some(path) => format!("wrote {}: contract {name} with the key {key_hash}", path.display()),
        None => source,
    });
    Ok(())
}

/// Of a circuit of this program.
fn own(keys: Option<PathBuf>, circuit: &str, name: &str) -> Result<Written> {
    let dir = config::keys_dir(keys);
    let circuit = backends::circuit(circuit)?.name();
    let verifying = keys::load_verifying(&dir, &circuit, None)?;
    Ok(Written {
        source: solidity::generate(&verifying.key, name)?,
        key_hash: format!("0x{}", verifying.manifest.verifying_key.sha256),
        public_inputs: verifying.manifest.public_inputs,
        from: json!({ "circuit": circuit, "development": verifying.manifest.development }),
    })
}

/// In which order the contract takes public inputs.
enum Order<'a> {
    /// As a circuit's descriptor says.
    Described(&'a Path),
    /// From outputs, statement, payee to statement, outputs, payee.
    Circom { outputs: usize, binds_payee: bool },
}

/// Of a key from elsewhere.
fn imported(path: &Path, name: &str, order: Order<'_>) -> Result<Written> {
    let (key, format) = import::read_key(path)?;
    let public_inputs = key.gamma_abc_g1.len().saturating_sub(1);
    let key_hash = hex::encode(solidity::key_hash(&key));
    let order = match order {
        Order::Circom { outputs, binds_payee } => {
            solidity::circom_order(public_inputs, outputs, binds_payee)?
        }
        Order::Described(file) => {
            let (descriptor, _) = circuit::files::read(file)?;
            if descriptor.verifier.key_hash.as_ref() != Some(&key_hash) {
                return Err(fail(
                    Code::CircuitMismatch,
                    format!(
                        "the key in {} hashes to {key_hash}, which is not what {} says; name the circuit's own key",
                        path.display(),
                        file.display()
                    ),
                ));
            }
            descriptor.signals().unwrap_or_default()
        }
    };
    Ok(Written {
        source: solidity::generate_ordered(&key, name, &order)?,
        key_hash: format!("0x{key_hash}"),
        public_inputs,
        from: json!({ "key": path, "format": format!("{format:?}").to_lowercase(), "order": order }),
    })
}
