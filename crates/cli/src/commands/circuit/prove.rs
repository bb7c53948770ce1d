//! `provery circuit prove`.

use std::{fs, path::PathBuf, time::Instant};

use clap::Args;
use eyre::Result;
use provery_circom::{Artifacts, CircomBackend, JobInput, Limits, ProofJson, public_to_json};
use serde_json::{Map, Value, json};

use super::files::bounded;
use crate::{
    context::Context,
    error::{Code, fail},
    files,
};

/// Longer inputs are refused unread, bytes: a `.wtns` of 2^26 wires.
const MOST_INPUT: u64 = 1 << 31;

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    /// The proving key that snarkjs made
    #[arg(long, value_name = "FILE")]
    zkey: PathBuf,
    /// snarkjs' input.json, or a .wtns file
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The witness program that circom wrote; a .wtns needs none
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// The witness program as a graph of circom-witnesscalc, instead
    #[arg(long, value_name = "FILE", conflicts_with = "wasm")]
    graph: Option<PathBuf>,
    /// The constraints that circom wrote: a witness that does not satisfy them is refused by the number of the first that fails
    #[arg(long, value_name = "FILE")]
    r1cs: Option<PathBuf>,
    /// The names that circom wrote: the refusal names signals, too
    #[arg(long, value_name = "FILE", requires = "r1cs")]
    sym: Option<PathBuf>,
    /// The folder in which to write proof.json and public.json
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

pub(super) fn run(context: &Context, args: ProveArgs) -> Result<()> {
    let (proof_path, public_path) = (args.out.join("proof.json"), args.out.join("public.json"));
    fs::create_dir_all(&args.out).map_err(|error| {
        fail(Code::Io, format!("{} cannot be made: {error}; choose another --out", args.out.display()))
    })?;
    files::check_writable(&proof_path)?;
    let input = JobInput::read(&bounded(&args.input, MOST_INPUT)?, Vec::new())?;
    if matches!(input, JobInput::Signals(_)) && args.wasm.is_none() && args.graph.is_none() {
        return Err(fail(
            Code::Usage,
            "an input.json needs circom's witness program; pass it with --wasm or --graph, or a .wtns as --input",
        ));
    }
    let artifacts =
        Artifacts { zkey: args.zkey, wasm: args.wasm, graph: args.graph, r1cs: args.r1cs, sym: args.sym };
    let started = Instant::now();
    let backend = CircomBackend::open("circuit", &artifacts, Limits::default())?;
    let loaded = started.elapsed();
    let proven = backend.prove_input(&input, &())?;
    let took = started.elapsed();
    files::write(&proof_path, &serde_json::to_vec(&ProofJson::new(&proven.proof))?)?;
    files::write(&public_path, &serde_json::to_vec(&public_to_json(&proven.inputs))?)?;
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let phases: Map<String, Value> =
        proven.timings.iter().map(|(phase, time)| (phase.to_string(), json!(ms(*time)))).collect();
    let json = json!({
        "proof": proof_path,
        "public": public_path,
        "load_ms": ms(loaded),
        "phases_ms": phases,
        "total_ms": ms(took),
    });
    context.out.result(&json, || {
        format!(
            "wrote {} and {}: a proof that verifies, in {:.2} s",
            proof_path.display(),
            public_path.display(),
            took.as_secs_f64()
        )
    });
    Ok(())
}
