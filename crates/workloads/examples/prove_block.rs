//! How long keys and a proof of one block take on this machine, by phase, with both engines.
//!
//! `cargo run -p provery-workloads --example prove_block -- --txs 8 --repeat 3`

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use provery_circuits::{BlockJob, Params, State, Traffic, payload::JobTerms, state::BlockContext, word};
use provery_proving::{Arkworks, Engine, Phase, Progress, fastest};
use provery_workloads::transfer_rollup::backend::{self, BlockBackend};

struct Options {
    txs: usize,
    repeat: usize,
    keys: PathBuf,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { txs: 8, repeat: 1, keys: std::env::temp_dir().join("provery-prove-block") };
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{flag} needs a value"));
        match flag.as_str() {
            "--txs" => options.txs = value()?.parse()?,
            "--repeat" => options.repeat = value()?.parse()?,
            "--keys" => options.keys = value()?.into(),
            _ => return Err(format!("{flag} is not one of --txs N, --repeat N, --keys DIRECTORY").into()),
        }
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let params = Params::new(options.txs)?;

    let (manifest, elapsed) = timed(|| backend::generate_keys(&params, b"prove_block", &options.keys))?;
    println!(
        "{}: {} constraints, {} MB of proving key",
        manifest.circuit,
        manifest.constraints,
        manifest.proving_key.bytes >> 20
    );
    println!("keys generate {:>8} ms (a check of the cache if they were there)", ms(elapsed));

    let mut traffic = Traffic::new(7, 64);
    let state = State::from_genesis(&traffic.genesis_bytes())?;
    let domain = word::from_field(&word::reduce(b"prove_block"));
    let data = traffic.next_block(&state, options.txs, &domain)?;
    let context = BlockContext { params, domain: word::reduce(&domain) };
    let claimed_root = word::from_field(&state.clone().apply_block(&data, &context)?.new_root);
    let terms = JobTerms { params, payee: [0x11; 20], domain, claimed_root };
    let (job, elapsed) = timed(|| BlockJob::from_state(&state, &data, &terms))?;
    println!("job           {:>8} ms", ms(elapsed));

    let fast = run(&options, &params, &job, fastest())?;
    let plain = run(&options, &params, &job, Arkworks)?;
    println!("{:.2} times as fast as arkworks' own (best of each)", plain.as_secs_f64() / fast.as_secs_f64());
    Ok(())
}

fn run(
    options: &Options,
    params: &Params,
    job: &BlockJob,
    engine: impl Engine + 'static,
) -> Result<Duration, Box<dyn Error>> {
    println!("{}", engine.name());
    let (keys, elapsed) = timed(|| backend::load_keys(params, &options.keys, None))?;
    println!("  key load    {:>8} ms", ms(elapsed));
    let backend = BlockBackend::with_engine(keys, engine);
    let mut best = Duration::MAX;
    for _ in 0..options.repeat {
        let (output, elapsed) = timed(|| backend.prove_job(job, &Cpu))?;
        for (phase, elapsed) in &output.timings {
            println!("  {:<11} {:>8} ms", phase.as_str(), ms(*elapsed));
        }
        println!("  proof       {:>8} ms", ms(elapsed));
        best = best.min(elapsed);
    }
    Ok(best)
}

/// Prints when a phase begins how much processor time was used up to then: on a machine that does other things too, only
/// processor time compares.
struct Cpu;

impl Progress for Cpu {
    fn phase(&self, phase: Phase) {
        if let Some(used) = cpu_ms() {
            println!("  {phase} begins at {used} ms of processor time");
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

/// Processor time of this process, where the system tells (in hundredths of a second).
fn cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 10)
}

fn timed<T, E>(run: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let started = Instant::now();
    run().map(|result| (result, started.elapsed()))
}

fn ms(duration: Duration) -> u128 {
    duration.as_millis()
}
