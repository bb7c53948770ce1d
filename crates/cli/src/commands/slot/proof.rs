//! `provery slot proof`: the proof that a slot was settled by, as snarkjs writes one.

use std::path::PathBuf;

use alloy::primitives::U256;
use clap::Args;
use eyre::Result;
use provery_circom::ProofJson;
use provery_indexer::Outcome;
use provery_proving::proof;
use serde_json::json;

use super::{chosen::SlotArg, settled};
use crate::{
    backends, config,
    context::Context,
    error::{Code, fail},
    files,
};

#[derive(Debug, Args)]
pub(crate) struct ProofArgs {
    #[command(flatten)]
    pub slot: SlotArg,
    /// The folder to write proof.json and public.json into
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Where the circuits' files are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: ProofArgs) -> Result<()> {
    let session = context.reader().await?;
    let id = args.slot.slot.get();
    let market = session.market_or_only(args.slot.market.as_ref())?;
    let record = session.deployment().rollup_of_market(market).cloned().ok_or_else(|| {
        fail(
            Code::RollupNotFound,
            format!(
                "the deployment file does not say which circuit market {market} has; add the market to it"
            ),
        )
    })?;
    let history = session.history().await?;
    let slot = history.slot(market, id).ok_or_else(|| {
        fail(
            Code::SlotNotFound,
            format!(
                "market {market} has no slot {id}; `provery slot list --market {market}` shows those it has"
            ),
        )
    })?;
    let Outcome::Proven { tx, .. } = slot.outcome else {
        return Err(fail(
            Code::NotReady,
            format!("slot {id} of market {market} is not proven; there is no proof yet"),
        ));
    };
    let call = settled::call(&session, tx).await?;
    let circuit = backends::circuit(&record.circuit)?;
    let keys = config::keys_dir(args.keys);
    let found = circuit.groth16(&keys, &call.publicInputs, &call.proof)?;
    let found = found.ok_or_else(|| {
        fail(Code::ProofForAnother, format!("the proof of slot {id} is none of {}", record.circuit))
    })?;
    let read = proof::decode(&found.points).map_err(|error| fail(Code::ProofInvalid, error.to_string()))?;
    let public: Vec<String> = found.signals.iter().map(U256::to_string).collect();
    let (proof_file, public_file) = (args.out.join("proof.json"), args.out.join("public.json"));
    std::fs::create_dir_all(&args.out)
        .map_err(|error| fail(Code::Io, format!("{} cannot be made: {error}", args.out.display())))?;
    files::write(&proof_file, &serde_json::to_vec_pretty(&ProofJson::new(&read))?)?;
    files::write(&public_file, &serde_json::to_vec_pretty(&public)?)?;
    let json = json!({ "market": market.to_string(), "slot": id, "tx": tx, "proof": proof_file, "public": public_file });
    context.out.result(&json, || {
        format!(
            "wrote {} and {}: what settled slot {id} of market {market}",
            proof_file.display(),
            public_file.display()
        )
    });
    Ok(())
}
