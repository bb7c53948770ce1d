//! `provery circuit check`.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, Signature};
use clap::Args;
use eyre::Result;
use provery_circom::descriptor::{Finding, check};
use provery_descriptor::{CostPoint, Descriptor, Digest, FetchError, Setup};
use serde_json::{Value, json};

use super::{
    fetch::Servers,
    files::{Places, read},
    registration::{Registration, SampleJson, registration},
};
use crate::{
    address,
    context::Context,
    error::{Code, fail},
    output::table,
    session::patiently,
};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The descriptor
    #[arg(value_name = "DESCRIPTOR")]
    file: PathBuf,
    #[command(flatten)]
    places: Places,
    /// Fetch what is not at hand
    #[arg(long)]
    fetch: bool,
    #[command(flatten)]
    servers: Servers,
    /// Compare with the circuit that the chain has registered under this id, too
    #[arg(long, value_name = "ID", value_parser = address::circuit_id)]
    circuit: Option<B256>,
    /// A sample's public.json, to verify here and show as it is registered
    #[arg(long, value_name = "FILE", requires_all = ["sample_proof", "verifier"])]
    sample_public: Option<PathBuf>,
    /// Its proof.json
    #[arg(long, value_name = "FILE", requires = "sample_public")]
    sample_proof: Option<PathBuf>,
    /// The verifier contract that the circuit will be registered with
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse, requires = "sample_public")]
    verifier: Option<Address>,
    /// Where the descriptor will be
    #[arg(
        long,
        value_name = "URI",
        default_value = "",
        hide_default_value = true,
        requires = "sample_public"
    )]
    uri: String,
}

/// What the chain says of a circuit.
struct Registered {
    key_hash: B256,
    descriptor_hash: B256,
    development: bool,
}

pub(super) async fn run(context: &Context, args: CheckArgs) -> Result<()> {
    let (descriptor, digest) = read(&args.file)?;
    let store = args.places.store();
    let mut files = args.places.find(&descriptor, &store)?;
    let mut findings = vec![Finding {
        what: "descriptor".to_owned(),
        said: Ok(format!("canonical, and its sha256 is 0x{}", digest.to_hex())),
    }];
    if args.fetch {
        for (role, artifact) in &descriptor.artifacts {
            if files.contains_key(role) {
                continue;
            }
            match args.servers.fetcher()?.artifact(*role, artifact, &store, &|_| {}).await {
                Ok(path) => drop(files.insert(*role, path)),
                // That it is nowhere to be had is said below, as of any that is not at hand.
                Err(FetchError::Nowhere { .. }) => {}
                Err(error) => {
                    findings.push(Finding { what: format!("artifact {role}"), said: Err(error.to_string()) })
                }
            }
        }
    }
    let looked = (descriptor.clone(), files.clone());
    findings.extend(tokio::task::spawn_blocking(move || check(&looked.0, &looked.1)).await?);
    findings.extend(descriptor.cost.iter().filter_map(|point| signed(&descriptor, point)));
    if let Some(id) = args.circuit {
        let session = context.reader().await?;
        let found = patiently(|| session.chain.circuit(id)).await?;
        let registered = Registered {
            key_hash: found.keyHash,
            descriptor_hash: found.descriptorHash,
            development: found.development,
        };
        findings.extend(against(&descriptor, digest, &registered));
    }
    let absent: Vec<&str> = descriptor
        .artifacts
        .keys()
        .filter(|role| !files.contains_key(role))
        .map(|role| role.as_str())
        .collect();
    let wrong: Vec<&String> = findings.iter().filter_map(|it| it.said.as_ref().err()).collect();
    if !wrong.is_empty() {
        for finding in &findings {
            let said = finding.said.as_ref().map_or_else(|wrong| format!("wrong: {wrong}"), Clone::clone);
            context.out.note(&format!("{}: {said}", finding.what));
        }
        let all: Vec<&str> = wrong.into_iter().map(String::as_str).collect();
        return Err(fail(
            Code::CircuitMismatch,
            format!("{} is not what is there: {}", args.file.display(), all.join("; ")),
        ));
    }
    let registration = match (&args.sample_public, &args.sample_proof, args.verifier) {
        (Some(public), Some(proof), Some(verifier)) => {
            let sample = SampleJson::read(public, proof)?;
            Some(registration(&descriptor, digest, &files, &sample, verifier, &args.uri)?)
        }
        _ => None,
    };
    show(context, &descriptor, digest, &findings, &absent, registration.as_ref());
    Ok(())
}

fn show(
    context: &Context,
    descriptor: &Descriptor,
    digest: Digest,
    findings: &[Finding],
    absent: &[&str],
    registration: Option<&Registration>,
) {
    let listed: Vec<Value> = findings
        .iter()
        .map(|finding| json!({ "what": finding.what, "says": finding.said.as_ref().ok() }))
        .collect();
    let json = json!({
        "name": descriptor.name,
        "sha256": format!("0x{}", digest.to_hex()),
        "findings": listed,
        "not_at_hand": absent,
        "registration": registration,
    });
    context.out.result(&json, || {
        let row = |finding: &Finding| vec![finding.what.clone(), finding.said.clone().unwrap_or_default()];
        let mut text = table(&["what", "is"], &findings.iter().map(row).collect::<Vec<_>>());
        if !absent.is_empty() {
            text.push_str(&format!(
                "Not at hand, and not looked at: {}. Name files with --from, or pass --fetch.\n",
                absent.join(", ")
            ));
        }
        if let Some(registration) = registration {
            text.push_str("The sample verifies. It is registered with:\n");
            text.push_str(&serde_json::to_string_pretty(registration).unwrap_or_default());
        }
        text
    });
}

/// Whether a figure is its signer's word; nothing of one that nobody signed.
fn signed(descriptor: &Descriptor, point: &CostPoint) -> Option<Finding> {
    let (signer, signature) = (point.signer.as_ref()?, point.signature.as_deref().unwrap_or_default());
    let key_hash = descriptor.verifier.key_hash.as_deref().unwrap_or_default();
    let message = point.message(&descriptor.name, key_hash);
    let recovered = signature
        .parse::<Signature>()
        .ok()
        .and_then(|signature| signature.recover_address_from_msg(message.as_bytes()).ok());
    let right = signer.parse::<Address>().is_ok_and(|signer| recovered == Some(signer));
    let said = if right {
        Ok(format!("{} ms on {}, signed by {signer}", point.milliseconds, point.machine))
    } else {
        Err(format!(
            "the figure of {} was not signed by {}",
            point.machine.escape_default(),
            signer.escape_default()
        ))
    };
    Some(Finding { what: "cost".to_owned(), said })
}

/// What the chain has registered, beside the descriptor.
fn against(descriptor: &Descriptor, digest: Digest, registered: &Registered) -> Vec<Finding> {
    let said = |right: bool, is: String, wrong: String| if right { Ok(is) } else { Err(wrong) };
    let hash = B256::from(digest.0);
    let key_hash = descriptor.verifier.key_hash.as_ref().and_then(|hash| hash.parse::<B256>().ok());
    let development = descriptor.setup == Setup::Development;
    let word = |development| if development { "development keys" } else { "keys of a ceremony" };
    let finding = |what: &str, said| Finding { what: what.to_owned(), said };
    vec![
        finding(
            "registered descriptor",
            said(
                hash == registered.descriptor_hash,
                format!("{hash}"),
                format!("the chain has the descriptor {} and this one is {hash}", registered.descriptor_hash),
            ),
        ),
        finding(
            "registered key",
            said(
                key_hash == Some(registered.key_hash),
                registered.key_hash.to_string(),
                format!(
                    "the chain has the key {} and the descriptor {}",
                    registered.key_hash,
                    key_hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
                ),
            ),
        ),
        finding(
            "registered setup",
            said(
                development == registered.development,
                word(development).to_owned(),
                format!(
                    "the chain says {} and the descriptor {}",
                    word(registered.development),
                    word(development)
                ),
            ),
        ),
    ]
}
