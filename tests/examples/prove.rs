//! What a proof of a circom circuit takes as a whole process, against other programs in the same run: key and witness are read,
//! the proof is made and written. See `./script/bench --help`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use eyre::{Context as _, Result, ensure, eyre};
use provery_tests::{Circom, program};
use serde_json::{Value, json};

/// How often a process' memory is looked at; its peak never falls, so only the last moment can be missed.
const LOOK: Duration = Duration::from_millis(5);

/// Measures `provery circuit prove` against other provers of the same key and witness
#[derive(Debug, Parser)]
#[command(
    name = "./script/bench prove",
    after_help = "Example: ./script/bench prove --sizes 14,16 --repeat 5 --against rapidsnark=build/prover"
)]
struct Options {
    /// Domains to prove over, as powers of two
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [14, 16, 18], value_parser = clap::value_parser!(u32).range(10..=22))]
    sizes: Vec<u32>,
    /// Proofs by each program; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    repeat: u32,
    /// Another prover with snarkjs' arguments (ZKEY WTNS PROOF PUBLIC), besides snarkjs itself
    #[arg(long, value_name = "NAME=PROGRAM")]
    against: Vec<String>,
    /// The program that is measured [default: the one that tests are built with]
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Where circuits and keys are kept for the next run
    #[arg(long, value_name = "DIR", default_value = ".provery/bench")]
    dir: PathBuf,
    /// One JSON object a size
    #[arg(long)]
    json: bool,
}

/// How a prover is asked for a proof, whose files go into the folder.
type Asked = Box<dyn Fn(&Circuit, &Path) -> Command>;

/// One prover.
struct Contender {
    name: String,
    command: Asked,
    times: Vec<Duration>,
    /// Bytes.
    peak: u64,
}

/// A circuit's files.
struct Circuit {
    folder: PathBuf,
    constraints: u64,
}

impl Circuit {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let ours = match &options.program {
        Some(path) => path.canonicalize().wrap_err_with(|| format!("{} is not there", path.display()))?,
        None => program("provery")?,
    };
    let version = String::from_utf8(Command::new(&ours).arg("--version").output()?.stdout)?;
    if !options.json {
        println!("{}; load {}", version.trim(), load());
        println!("constraints  prover        seconds  of ours  peak MiB  load ms");
    }
    for size in &options.sizes {
        measure(&options, &ours, *size, version.trim())?;
    }
    Ok(())
}

fn measure(options: &Options, ours: &Path, size: u32, version: &str) -> Result<()> {
    let circuit = circuit(&options.dir, ours, size)?;
    let mut contenders = contenders(options, ours)?;
    let out = tempfile::tempdir()?;
    let before = load();
    let mut loading = Vec::new();
    for _ in 0..options.repeat {
        for contender in &mut contenders {
            let place = out.path().join(&contender.name);
            fs::create_dir_all(&place)?;
            let (took, peak, said) = watched((contender.command)(&circuit, &place), &contender.name)?;
            contender.times.push(took);
            contender.peak = contender.peak.max(peak);
            if let Some(ms) =
                serde_json::from_slice::<Value>(&said).ok().and_then(|it| it["load_ms"].as_u64())
            {
                loading.push(ms);
            }
        }
    }
    let proof = out.path().join(&contenders[0].name);
    let verify = [&circuit.at("vkey.json"), &proof.join("public.json"), &proof.join("proof.json")];
    finished(snarkjs(&["groth16", "verify"]).args(verify), "snarkjs refuses our proof")?;
    loading.sort_unstable();
    let load_ms = loading.get(loading.len() / 2).copied().unwrap_or_default();
    let medians: Vec<Duration> = contenders.iter_mut().map(|it| median(&mut it.times)).collect();
    if options.json {
        let provers: Vec<Value> = contenders
            .iter()
            .zip(&medians)
            .map(|(it, time)| {
                json!({ "name": it.name, "ms": time.as_millis() as u64, "peak_mib": it.peak >> 20,
                        "ours_to_it": medians[0].as_secs_f64() / time.as_secs_f64() })
            })
            .collect();
        let line = json!({ "version": version, "domain": 1_u64 << size, "constraints": circuit.constraints, "repeat": options.repeat,
            "load_before": before, "load_after": load(), "key_load_ms": load_ms, "provers": provers });
        println!("{line}");
        return Ok(());
    }
    for (at, (it, time)) in contenders.iter().zip(&medians).enumerate() {
        let seconds = time.as_secs_f64();
        println!(
            "{:>11}  {:<12} {:>8.2}  {:>6.2}×  {:>8}  {:>7}",
            circuit.constraints,
            it.name,
            seconds,
            seconds / medians[0].as_secs_f64(),
            it.peak >> 20,
            if at == 0 { load_ms.to_string() } else { String::new() }
        );
    }
    Ok(())
}

/// Ours first.
fn contenders(options: &Options, ours: &Path) -> Result<Vec<Contender>> {
    let contender =
        |name: &str, command: Asked| Contender { name: name.to_owned(), command, times: Vec::new(), peak: 0 };
    let program = ours.to_owned();
    let own = move |circuit: &Circuit, out: &Path| {
        let mut command = Command::new(&program);
        command.args(["circuit", "prove", "--json", "--zkey"]).arg(circuit.at("zkey"));
        command
            .arg("--input")
            .arg(circuit.at("wtns"))
            .arg("--out")
            .arg(out)
            .env("PROVERY_CONFIG", "/dev/null");
        command
    };
    let mut contenders = vec![
        contender("provery", Box::new(own)),
        contender("snarkjs", Box::new(|circuit, out| proving(snarkjs(&["groth16", "prove"]), circuit, out))),
    ];
    for other in &options.against {
        let (name, path) =
            other.split_once('=').ok_or_else(|| eyre!("--against {other}: write NAME=PROGRAM"))?;
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "--against {name}: there is no program {}", path.display());
        let path = path.canonicalize()?;
        contenders
            .push(contender(name, Box::new(move |circuit, out| proving(Command::new(&path), circuit, out))));
    }
    Ok(contenders)
}

/// With the arguments that snarkjs' and rapidsnark's provers take.
fn proving(mut command: Command, circuit: &Circuit, out: &Path) -> Command {
    command.args([circuit.at("zkey"), circuit.at("wtns"), out.join("proof.json"), out.join("public.json")]);
    command
}

fn snarkjs(arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(Circom::modules().join("snarkjs/build/cli.cjs")).args(arguments);
    command
}

/// A chain of squarings that fills the domain, with a key of ours and a witness, made once.
fn circuit(dir: &Path, ours: &Path, size: u32) -> Result<Circuit> {
    fs::create_dir_all(dir)?;
    let folder = dir.canonicalize()?.join(format!("squares-{size}"));
    // One row each for the public signals, of which there are two, and for the constant one.
    let constraints = (1_u64 << size) - 3;
    let circuit = Circuit { folder, constraints };
    if circuit.at("vkey.json").exists() {
        return Ok(circuit);
    }
    eprintln!("making a circuit of {constraints} constraints, its key and a witness (kept for the next run)");
    let _ = fs::remove_dir_all(&circuit.folder);
    fs::create_dir_all(&circuit.folder)?;
    let source = format!(
        "pragma circom 2.1.0;\ntemplate Squares(n) {{\n    signal input payee;\n    signal input start;\n    signal output end;\n    \
         signal s[n];\n    s[0] <== start * payee;\n    for (var i = 1; i < n - 1; i++) {{\n        s[i] <== s[i - 1] * s[i - 1] + i;\n    \
         }}\n    s[n - 1] <== s[n - 2] * s[n - 2] + payee;\n    end <== s[n - 1] * payee;\n}}\n\
         component main {{public [payee]}} = Squares({});\n",
        constraints - 1
    );
    fs::write(circuit.at("squares.circom"), source)?;
    Circom::compile(&circuit.at("squares.circom"), &circuit.folder, &["--O1"])?;
    fs::write(circuit.at("input.json"), r#"{"payee": "12648430", "start": "3"}"#)?;
    let path = |name: &str| circuit.at(name).display().to_string();
    let setup = ["circuit", "setup", "--r1cs", &path("squares.r1cs"), "--out", &path("zkey")];
    finished(Command::new(ours).args(setup).env("PROVERY_CONFIG", "/dev/null"), "the key cannot be made")?;
    let wasm = path("squares_js/squares.wasm");
    let witness = ["wtns", "calculate", &wasm, &path("input.json"), &path("wtns")];
    finished(&mut snarkjs(&witness), "the witness cannot be made")?;
    let export = ["zkey", "export", "verificationkey", &path("zkey"), &path("vkey.json")];
    finished(&mut snarkjs(&export), "snarkjs does not read our key")?;
    Ok(circuit)
}

fn finished(command: &mut Command, otherwise: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{otherwise}: {}", String::from_utf8_lossy(&said).trim());
    Ok(())
}

/// Run to the end: how long it took, its peak memory in bytes, and what it printed.
fn watched(mut command: Command, name: &str) -> Result<(Duration, u64, Vec<u8>)> {
    let started = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.wrap_err_with(|| format!("{name} does not start"))?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(bytes) = peak_of(&status) {
            peak = peak.max(bytes);
            std::thread::sleep(LOOK);
        }
        peak
    });
    let output = child.wait_with_output()?;
    let took = started.elapsed();
    let peak = watcher.join().map_err(|_| eyre!("the watcher of memory failed"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok((took, peak, output.stdout))
}

/// The most memory a process has had at once, in bytes; nothing once it has ended.
fn peak_of(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What else the machine does: the load average of the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}
