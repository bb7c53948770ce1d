//! `provery circuit describe`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use eyre::Result;
use provery_circom::{
    DeriveError,
    descriptor::{Files, Given, InputGiven, Payee, derive},
};
use provery_descriptor::{Descriptor, Digest, InputSource, InputType, PublicRole, Role, Setup};
use serde_json::{Value, json};

use super::files::bounded;
use crate::{
    context::Context,
    error::{Code, fail},
    files,
    output::{fields, table},
};

/// A longer schema is refused, bytes.
const MOST_SCHEMA: u64 = 256 * 1024;

#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// How deployment files, jobs and directories will name the circuit: letters, digits, `-`, `_` and `.`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it proves, in a sentence
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// The proving key that snarkjs made
    #[arg(long, value_name = "FILE")]
    zkey: PathBuf,
    /// The constraints that circom wrote
    #[arg(long, value_name = "FILE")]
    r1cs: PathBuf,
    /// The names that circom wrote
    #[arg(long, value_name = "FILE")]
    sym: PathBuf,
    /// The witness program that circom wrote [default: the prover's operator has one]
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// The witness program as a graph of operations
    #[arg(long, value_name = "FILE", conflicts_with = "wasm")]
    graph: Option<PathBuf>,
    /// snarkjs' verification_key.json, to be compared with the .zkey and served, too
    #[arg(long, value_name = "FILE")]
    verifying_key: Option<PathBuf>,
    /// The public signal that is paid; a constraint must depend on it [default: the one named payee]
    #[arg(long, value_name = "SIGNAL")]
    payee: Option<String>,
    /// No public signal is paid: proofs are committed to before they are shown
    #[arg(long, conflicts_with = "payee")]
    no_payee: bool,
    /// Which values a public signal takes; may be given more than once [default: any]
    #[arg(long = "type", value_name = "SIGNAL=TYPE", value_parser = kind)]
    kinds: Vec<(String, InputType)>,
    /// What a public signal stands for; may be given more than once
    #[arg(long = "meaning", value_name = "SIGNAL=TEXT", value_parser = pair)]
    meanings: Vec<(String, String)>,
    /// The folder on the web where the files will be, under their names
    #[arg(long, value_name = "URL")]
    url_base: Option<String>,
    /// The keys are from a ceremony, and this is its transcript [default: development keys]
    #[arg(long, value_name = "TRANSCRIPT")]
    ceremony: Option<PathBuf>,
    /// Where a slot's input comes from; may be given more than once [default: posted]
    #[arg(long, value_name = "SOURCE")]
    source: Vec<Source>,
    /// The JSON Schema of the input without the payee [default: made from the names]
    #[arg(long, value_name = "FILE")]
    input_schema: Option<PathBuf>,
    /// The file to write [default: NAME.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    /// Bytes of the chain's SlotInputs contract
    Posted,
    /// A URL and a hash, of the same contract
    Url,
    /// An event of the requester
    Event,
    /// The statement says everything
    Statement,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as SIGNAL=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn kind(text: &str) -> Result<(String, InputType), String> {
    let (name, value) = pair(text)?;
    let kind = serde_json::from_value(Value::from(value));
    Ok((name, kind.map_err(|_| "a type is field, address, bool, uint32, uint64 or uint128".to_owned())?))
}

impl DescribeArgs {
    fn given(&self) -> Result<Given> {
        let files: Files = [
            (Role::ProvingKey, Some(&self.zkey)),
            (Role::Constraints, Some(&self.r1cs)),
            (Role::Symbols, Some(&self.sym)),
            (Role::WitnessWasm, self.wasm.as_ref()),
            (Role::WitnessGraph, self.graph.as_ref()),
            (Role::VerifyingKey, self.verifying_key.as_ref()),
            (Role::Transcript, self.ceremony.as_ref()),
        ]
        .into_iter()
        .filter_map(|(role, path)| Some((role, path?.clone())))
        .collect();
        let source = |source: &Source| match source {
            Source::Posted => InputSource::Posted,
            Source::Url => InputSource::Url,
            Source::Event => InputSource::Event,
            Source::Statement => InputSource::Statement,
        };
        let schema = self.input_schema.as_ref().map(|path| {
            serde_json::from_slice::<Value>(&bounded(path, MOST_SCHEMA)?).map_err(|error| {
                fail(
                    Code::Usage,
                    format!("{} is no JSON Schema: {error}; check --input-schema", path.display()),
                )
            })
        });
        Ok(Given {
            name: self.name.clone(),
            description: self.description.clone(),
            files,
            payee: match &self.payee {
                _ if self.no_payee => Payee::Nobody,
                Some(name) => Payee::Named(name.clone()),
                None => Payee::Usual,
            },
            kinds: self.kinds.iter().cloned().collect(),
            meanings: self.meanings.iter().cloned().collect(),
            url_base: self.url_base.clone(),
            input: InputGiven {
                sources: self.source.iter().map(source).collect(),
                schema: schema.transpose()?,
            },
            notes: Value::Null,
        })
    }
}

pub(super) fn run(context: &Context, args: DescribeArgs) -> Result<()> {
    let path = args.out.clone().unwrap_or_else(|| format!("{}.json", args.name).into());
    files::check_writable(&path)?;
    let descriptor = derive(&args.given()?).map_err(|error| of_derive(&error))?;
    let bytes = descriptor.to_bytes()?;
    files::write(&path, &bytes)?;
    show(context, &path, &descriptor, Digest::of(&bytes));
    Ok(())
}

pub(crate) fn of_derive(error: &DeriveError) -> eyre::Report {
    let code = match error {
        DeriveError::File(provery_circom::FileError::Io { .. }) => Code::Io,
        DeriveError::NoPayee | DeriveError::NoSignal { .. } | DeriveError::UrlBase { .. } => Code::Usage,
        DeriveError::OtherKey { .. } | DeriveError::NotOfCeremony => Code::CircuitMismatch,
        DeriveError::File(provery_circom::FileError::Mismatch { .. }) => Code::CircuitMismatch,
        DeriveError::Unbound { .. } | DeriveError::OutputPayee { .. } => Code::PayeeUnbound,
        DeriveError::Descriptor(_) | DeriveError::Unnamed { .. } => Code::DescriptorInvalid,
        DeriveError::Missing(_) | DeriveError::File(_) | DeriveError::Key(_) | DeriveError::Program(_) => {
            Code::KeyFileInvalid
        }
    };
    fail(code, error.to_string())
}

fn show(context: &Context, path: &std::path::Path, descriptor: &Descriptor, digest: Digest) {
    let payee = descriptor.inputs_of(PublicRole::Payee).next();
    let json = json!({
        "file": path,
        "sha256": format!("0x{}", digest.to_hex()),
        "name": descriptor.name,
        "constraints": descriptor.constraints,
        "public_inputs": descriptor.public_inputs,
        "payee": payee.map(|payee| &payee.name),
        "payee_bound": descriptor.payee_bound,
        "key_hash": descriptor.verifier.key_hash.as_ref().map(|hash| format!("0x{hash}")),
        "setup": descriptor.setup,
    });
    context.out.result(&json, || {
        let rows: Vec<Vec<String>> = descriptor
            .public_inputs
            .iter()
            .map(|input| {
                let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
                vec![
                    input.name.clone(),
                    word(json!(input.kind)),
                    word(json!(input.role)),
                    input.meaning.clone(),
                ]
            })
            .collect();
        let setup = match descriptor.setup {
            Setup::Development => "development keys: whoever made them can forge proofs",
            Setup::Ceremony { .. } => "a ceremony's keys, by what was said",
            Setup::Universal => "universal",
        };
        let payee = match payee {
            Some(payee) => format!("{}, on which a constraint depends", payee.name),
            None => "none: proofs are committed to before they are shown".to_owned(),
        };
        let constraints = descriptor.constraints.map_or_else(String::new, |count| count.to_string());
        let about = [
            ("wrote", path.display().to_string()),
            ("sha256", format!("0x{}", digest.to_hex())),
            ("constraints", constraints),
            ("key hash", format!("0x{}", descriptor.verifier.key_hash.as_deref().unwrap_or_default())),
            ("setup", setup.to_owned()),
            ("payee", payee),
        ];
        format!("{}\n{}", fields(&about), table(&["public input", "type", "role", "meaning"], &rows))
    });
}
