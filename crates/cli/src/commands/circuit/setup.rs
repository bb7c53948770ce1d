//! `provery circuit setup`.

use std::path::PathBuf;

use clap::Args;
use eyre::Result;
use provery_circom::{R1cs, write_development_key};
use serde_json::json;

use crate::{
    context::Context,
    error::{Code, fail},
    files,
    output::spinner,
};

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// The constraints that circom wrote
    #[arg(long, value_name = "FILE")]
    r1cs: PathBuf,
    /// The key to write: a .zkey, as snarkjs reads it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Decides the key
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(context: &Context, args: SetupArgs) -> Result<()> {
    files::check_writable(&args.out)?;
    if args.out.exists() {
        return Err(fail(
            Code::Usage,
            format!(
                "{} is there already, and a key that proofs were made with is not replaced; choose another --out",
                args.out.display()
            ),
        ));
    }
    let r1cs = R1cs::open(&args.r1cs)?;
    let shape = *r1cs.shape();
    let waiting = spinner(&format!("making a development key for {} constraints", shape.constraints));
    let written = write_development_key(&r1cs, &args.seed.to_be_bytes(), &args.out);
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    written?;
    let json = json!({ "file": args.out, "constraints": shape.constraints, "development": true });
    context.out.result(&json, || {
        format!(
            "wrote {}: a development key of {} constraints, whose secrets are known",
            args.out.display(),
            shape.constraints
        )
    });
    Ok(())
}
