//! `provery circuit bench`.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy::signers::SignerSync as _;
use clap::Args;
use eyre::Result;
use provery_circom::{CircomBackend, Limits, descriptor::artifacts};
use provery_descriptor::{CostPoint, Descriptor, Digest, ProofSystem, PublicRole, Role};
use provery_proving::ProofBackend as _;
use provery_workloads::circom::circuit_name;
use serde_json::{Value, json};

use super::files::{Places, bounded, of_artifact};
use crate::{
    commands::calibrate::{self, Calibration, Measured, Memory, PriceArgs},
    context::Context,
    error::{Code, fail},
    files,
    output::fields,
    signer,
};

/// Longer inputs are refused unread, bytes.
const MOST_INPUT: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The descriptor, or the name that deployment files have for the circuit, if it was fetched
    #[arg(value_name = "DESCRIPTOR")]
    file: PathBuf,
    /// A sample of what slots bring: snarkjs' input.json, with or without the payee
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    places: Places,
    /// How many proofs; the median counts
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How the figure names this machine [default: its processor and how many threads it runs]
    #[arg(long, value_name = "TEXT")]
    machine: Option<String>,
    /// Sign the figure with the key of --keystore, and add it to a copy of the descriptor, which --out names
    #[arg(long, requires = "out")]
    sign: bool,
    /// The copy to write; its sha256 is another than the descriptor's
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
    /// Where what was measured is kept, as `provery calibrate` keeps it: nodes, `doctor` and `market match` go by it [default:
    /// calibration.json beside the keys]
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(context: &Context, args: BenchArgs) -> Result<()> {
    let (descriptor, digest) = args.places.described(&args.file)?;
    if descriptor.proof_system != ProofSystem::Groth16 {
        return Err(fail(
            Code::Usage,
            "this program proves circom's groth16 circuits alone; measure others with their own prover",
        ));
    }
    let job = job(&descriptor, bounded(&args.input, MOST_INPUT)?, "1")?;
    // Whatever can be refused is refused before the machine is busy for minutes.
    let signing = if args.sign {
        context.say_which_key();
        let signer = signer::load(&context.settings)?;
        Some(signer.key().cloned().ok_or_else(|| {
            fail(Code::BadKey, "a remote signer signs no figures; sign with a keystore, or leave out --sign")
        })?)
    } else {
        None
    };
    if let Some(path) = &args.out {
        files::check_writable(path)?;
    }
    let kept = args.calibration.clone().unwrap_or_else(|| args.places.keys_dir().join(calibrate::FILE));
    let mut calibration = Calibration::or_new(&kept)?;
    files::check_writable(&kept)?;
    let prices = args.prices.prices(context);
    let store = args.places.store();
    let found = args.places.find(&descriptor, &store)?;
    for (role, path) in &found {
        if let Some(artifact) = descriptor.artifacts.get(role) {
            artifact.verify(*role, path).map_err(|error| of_artifact(&error))?;
        }
    }
    // One of both makes witnesses.
    let program =
        if found.contains_key(&Role::WitnessGraph) { Role::WitnessGraph } else { Role::WitnessWasm };
    let needed = [Role::ProvingKey, program].into_iter().find(|role| !found.contains_key(role));
    let (None, Some(artifacts)) = (needed, artifacts(&found)) else {
        return Err(fail(
            Code::ArtifactUnavailable,
            format!(
                "the artifact {} is not at hand; name it with --from, or run `provery circuit fetch`",
                needed.unwrap_or(Role::ProvingKey)
            ),
        ));
    };
    let memory = Memory::before();
    memory.reset();
    let refused = |error: &dyn std::fmt::Display| fail(Code::KeyFileInvalid, error.to_string());
    let backend = CircomBackend::open(&descriptor.name, &artifacts, Limits::default())
        .map_err(|error| refused(&error))?;
    let mut steps = context.out.steps(args.runs as usize);
    let mut times: Vec<Duration> = Vec::new();
    for run in 1..=args.runs {
        let step = steps.start(&format!("{}: proof {run} of {}", descriptor.name, args.runs));
        let started = Instant::now();
        let proof = backend.prove(&job, &());
        let took = started.elapsed();
        step.finish(&if proof.is_ok() {
            format!("{:.2} s", took.as_secs_f64())
        } else {
            "failed".to_owned()
        });
        proof?;
        times.push(took);
    }
    let peak = memory.peak();
    let key_hash = format!("0x{}", descriptor.verifier.key_hash.as_deref().unwrap_or_default());
    let measured = Measured::new(&descriptor.name, &mut times, peak, key_hash, &prices)?;
    let circuit = circuit_name(&digest);
    calibration.put(&circuit, measured.clone());
    calibration.write(&kept)?;
    let mut point = CostPoint {
        machine: args.machine.unwrap_or_else(machine),
        constraints: descriptor.constraints.unwrap_or(backend.key().domain_size() as u64),
        milliseconds: measured.millis,
        mebibytes: peak.map_or(0, |bytes| bytes.div_ceil(1 << 20)),
        signer: None,
        signature: None,
    };
    let mut written = None;
    if let (Some(signer), Some(path)) = (signing, &args.out) {
        let key_hash = descriptor.verifier.key_hash.as_deref().unwrap_or_default();
        let signature = signer
            .sign_message_sync(point.message(&descriptor.name, key_hash).as_bytes())
            .map_err(|error| fail(Code::BadKey, format!("the figure cannot be signed: {error}")))?;
        point.signer = Some(signer.address().to_string());
        point.signature = Some(format!("0x{}", alloy::primitives::hex::encode(signature.as_bytes())));
        let mut copy = descriptor.clone();
        copy.cost.push(point.clone());
        let bytes = copy.to_bytes()?;
        Descriptor::parse(&bytes).map_err(|error| fail(Code::DescriptorInvalid, error.to_string()))?;
        files::write(path, &bytes)?;
        written = Some((path, format!("0x{}", Digest::of(&bytes).to_hex())));
    }
    let json = json!({
        "name": descriptor.name,
        "circuit": circuit,
        "runs": args.runs,
        "calibration": kept,
        "slot_cost": measured.cost,
        "cost": point,
        "file": written.as_ref().map(|(path, _)| path),
        "sha256": written.as_ref().map(|(_, hash)| hash),
    });
    context.out.result(&json, || {
        let mut rows = vec![
            ("machine", point.machine.clone()),
            ("constraints", point.constraints.to_string()),
            ("a proof", format!("{:.2} s, the median of {}", point.milliseconds as f64 / 1e3, args.runs)),
            ("peak memory", format!("{} MiB", point.mebibytes)),
        ];
        if let Some(cost) = &measured.cost {
            rows.push(("a slot costs", format!("{} of the market's asset", cost.total)));
        }
        rows.push(("kept in", kept.display().to_string()));
        if let Some((path, hash)) = &written {
            rows.push(("wrote", format!("{}, sha256 {hash}", path.display())));
        }
        fields(&rows)
    });
    Ok(())
}

/// What the backend is given: the input, with some payee if it has none.
pub(super) fn job(descriptor: &Descriptor, input: Vec<u8>, paid: &str) -> Result<Vec<u8>> {
    let Some(payee) = descriptor.inputs_of(PublicRole::Payee).next() else { return Ok(input) };
    // What is no JSON object is refused by the backend, in its own words.
    let Ok(Value::Object(mut members)) = serde_json::from_slice(&input) else { return Ok(input) };
    if members.contains_key(&payee.name) {
        return Ok(input);
    }
    members.insert(payee.name.clone(), json!(paid));
    Ok(serde_json::to_vec(&members)?)
}

/// This machine, in a few words.
fn machine() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{model}, {threads} threads")
}
