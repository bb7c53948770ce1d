//! `provery circuit show`.

use alloy::primitives::B256;
use clap::Args;
use eyre::Result;
use provery_types::text::plain;
use serde_json::json;

use crate::{address, context::Context, output::fields};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A circuit's id in the CircuitRegistry
    #[arg(value_name = "ID", value_parser = address::circuit_id)]
    id: B256,
}

pub(super) async fn run(context: &Context, args: ShowArgs) -> Result<()> {
    let session = context.reader().await?;
    let circuit = session.chain.circuit(args.id).await?;
    let uri = session.chain.circuit_uri(args.id).await?;
    let code = session.chain.rpc().code_hash(circuit.verifier).await?;
    let changed = code != Some(circuit.codeHash);
    let (system, interface) = (text(circuit.proofSystem), text(circuit.verifierInterface));
    let json = json!({
        "circuit": args.id,
        "verifier": circuit.verifier,
        "verifier_interface": interface,
        "proof_system": system,
        "key_hash": circuit.keyHash,
        "key_checked": circuit.keyChecked,
        "descriptor": format!("sha256:{}", alloy::hex::encode(circuit.descriptorHash)),
        "uri": uri,
        "public_inputs": circuit.inputs,
        "payee_bound": circuit.payeeBound,
        "development": circuit.development,
        "author": circuit.author,
        "royalty_bps": circuit.royaltyBps,
        "code_may_change": circuit.codeMayChange,
        "code_changed": changed,
    });
    context.out.result(&json, || {
        let marks = [
            (circuit.development, "development keys: worthless outside of a development chain"),
            (!circuit.payeeBound, "does not bind the payee: proofs are committed to before they are shown"),
            (!circuit.keyChecked, "the verifier does not tell its key's hash"),
            (circuit.codeMayChange, "the verifier's code may change: it delegates, or can destroy itself"),
            (changed, "the verifier's code is not what was registered: no market can take it now"),
        ];
        let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, text)| *text).collect();
        fields(&[
            ("circuit", args.id.to_string()),
            ("proof system", system.clone()),
            ("verifier", format!("{} ({interface})", circuit.verifier)),
            ("public inputs", circuit.inputs.to_string()),
            ("key hash", circuit.keyHash.to_string()),
            ("descriptor", format!("sha256:{} {}", alloy::hex::encode(circuit.descriptorHash), plain(&uri))),
            ("author", format!("{}, {} bps of each reward", circuit.author, circuit.royaltyBps)),
            ("mind", if marks.is_empty() { "nothing".to_owned() } else { marks.join("; ") }),
        ])
    });
    Ok(())
}

/// A short string out of a word, as far as it can be shown.
pub(in crate::commands) fn text(word: B256) -> String {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(32);
    plain(&String::from_utf8_lossy(&word[..end]))
}
