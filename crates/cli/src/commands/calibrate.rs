//! `provery calibrate`: how long a proof takes on this machine, how much memory it needs, and what a slot costs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use alloy::primitives::U256;
use clap::Args;
use eyre::Result;
use provery_proving::keys;
use provery_workloads::{Circuit, Workloads};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    amount::Currency,
    backends, config,
    context::Context,
    cost::{Cost, Decimal, Energy, Gas, Prices},
    error::{Code, fail},
    files,
    output::{Step, Steps, table},
};

/// Name of the file in the keys' directory.
pub(crate) const FILE: &str = "calibration.json";
/// Format of the file.
const VERSION: u32 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "Example: provery calibrate --circuit transfer-block-d16-n8 --watts 65 --electricity 0.25"
)]
pub(crate) struct CalibrateArgs {
    /// Which circuits [default: every workload's circuit whose keys are there]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    circuit: Vec<String>,
    /// Proofs a circuit; the median counts
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Where the keys are kept [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The file to write; circuits in it that are not measured now stay [default: calibration.json beside the keys]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    prices: PriceArgs,
}

/// What a slot costs by.
#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// What the machine draws while it proves, in watts
    #[arg(long, value_name = "W", requires = "electricity", help_heading = "Cost of a slot")]
    watts: Option<Decimal>,
    /// Price of a kilowatt-hour, in whole units of the market's asset
    #[arg(long, value_name = "PRICE", requires = "watts", help_heading = "Cost of a slot")]
    electricity: Option<Decimal>,
    /// Price of an hour of the machine, in whole units of the market's asset
    #[arg(long, value_name = "PRICE", help_heading = "Cost of a slot")]
    hardware_per_hour: Option<Decimal>,
    /// Price of gas, in gwei of the chain's native coin
    #[arg(long, value_name = "GWEI", requires = "asset_price", help_heading = "Cost of a slot")]
    gas_price_gwei: Option<Decimal>,
    /// Gas of the transaction that delivers a proof
    #[arg(long, value_name = "GAS", default_value_t = 300_000, help_heading = "Cost of a slot")]
    gas_per_slot: u64,
    /// Price of one native coin, in whole units of the market's asset
    #[arg(long, value_name = "PRICE", requires = "gas_price_gwei", help_heading = "Cost of a slot")]
    asset_price: Option<Decimal>,
}

/// What was measured, by circuit, as the file holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    version: u32,
    circuits: BTreeMap<String, Measured>,
}

/// One circuit on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    /// Median wall time from a job's bytes to a verified proof, in milliseconds.
    pub millis: u64,
    /// How many proofs that is the median of.
    pub runs: u32,
    /// By how much the largest resident set of the process (VmHWM) exceeded what was resident before the keys were
    /// loaded, in bytes; the mapped pages of the proving key count. `None` where the system does not tell.
    pub peak_bytes: Option<u64>,
    /// Processors that this program could use.
    pub cores: usize,
    /// sha256 of the verifying key's file.
    pub key_hash: String,
    /// When it was measured, in unix seconds.
    pub measured_at: u64,
    /// What a slot costs, if prices were given.
    pub cost: Option<Cost>,
}

impl Measured {
    /// Of proofs that took these times.
    pub(crate) fn new(
        name: &str,
        times: &mut [Duration],
        peak_bytes: Option<u64>,
        key_hash: String,
        prices: &Prices,
    ) -> Result<Self> {
        let millis = u64::try_from(median(times).as_millis()).unwrap_or(u64::MAX).max(1);
        let cost = if prices.is_empty() {
            None
        } else {
            let cost = prices.cost(millis).ok_or_else(|| {
                fail(
                    Code::Usage,
                    format!("a slot of {name} would cost more than 256 bits hold; give smaller prices"),
                )
            })?;
            Some(cost)
        };
        Ok(Self {
            millis,
            runs: u32::try_from(times.len()).unwrap_or(u32::MAX),
            peak_bytes,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            key_hash,
            measured_at: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            cost,
        })
    }

    /// What the machine costs for a slot, in base units of the asset: gas is not in it.
    pub(crate) fn machine_cost(&self, asset: &Currency) -> U256 {
        self.cost.map_or(U256::ZERO, |cost| cost.energy.base(asset).saturating_add(cost.hardware.base(asset)))
    }
}

impl Calibration {
    /// Read the file that `provery calibrate` wrote.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        Self::read(path)?.ok_or_else(|| {
            fail(
                Code::Io,
                format!(
                    "there is no calibration file {}; write one with `provery calibrate`",
                    path.display()
                ),
            )
        })
    }

    /// What the file holds, or nothing yet if there is none.
    pub(crate) fn or_new(path: &Path) -> Result<Self> {
        Ok(Self { version: VERSION, ..Self::read(path)?.unwrap_or_default() })
    }

    /// Put a circuit's figures in place of those that there were.
    /// Keep what was measured. What a slot costs stays as it was, if no prices came with the new figure.
    pub(crate) fn put(&mut self, circuit: &str, mut measured: Measured) {
        if measured.cost.is_none() {
            measured.cost = self.circuits.get(circuit).and_then(|known| known.cost);
        }
        self.circuits.insert(circuit.to_owned(), measured);
    }

    /// Write the file anew.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        files::write(path, format!("{}\n", serde_json::to_string_pretty(self)?).as_bytes())
    }

    /// What was measured of `circuit`.
    pub(crate) fn of(&self, circuit: &str) -> Option<&Measured> {
        self.circuits.get(circuit)
    }

    /// What a slot of `circuit` costs, in base units of the asset; `None` if it was not measured, or without prices.
    pub(crate) fn cost_of(&self, circuit: &str, asset: &Currency) -> Option<U256> {
        Some(self.circuits.get(circuit)?.cost?.total.base(asset))
    }

    /// Seconds that a proof of `circuit` takes, rounded up; `None` if it was not measured.
    pub(crate) fn seconds_of(&self, circuit: &str) -> Option<u64> {
        Some(self.circuits.get(circuit)?.millis.div_ceil(1000))
    }

    /// The file's content; `None` if there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(fail(
                    Code::Io,
                    format!(
                        "the calibration file {} cannot be read: {error}; check its permissions",
                        path.display()
                    ),
                ));
            }
        };
        let invalid = |reason: String| {
            fail(
                Code::Config,
                format!(
                    "{} is not a calibration file of this version ({reason}); move it away and run `provery \
                     calibrate`",
                    path.display()
                ),
            )
        };
        let read: Self = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if read.version != VERSION {
            return Err(invalid(format!("its version is {}", read.version)));
        }
        Ok(Some(read))
    }
}

impl PriceArgs {
    /// What was given; the user is told what is left out, if anything was.
    pub(crate) fn prices(&self, context: &Context) -> Prices {
        let prices = self.given();
        if !prices.is_empty() {
            warn_of_missing(context, &prices);
        }
        prices
    }

    fn given(&self) -> Prices {
        let energy = self.watts.zip(self.electricity).map(|(watts, price)| Energy { watts, price });
        let gas = self.gas_price_gwei.zip(self.asset_price);
        let gas = gas.map(|(gwei, coin)| Gas { used: self.gas_per_slot, gwei, coin });
        Prices { energy, hardware: self.hardware_per_hour, gas }
    }
}

pub(crate) fn run(context: &Context, args: CalibrateArgs) -> Result<()> {
    let dir = config::keys_dir(args.keys.clone());
    let path = args.out.clone().unwrap_or_else(|| dir.join(FILE));
    let circuits = chosen(&args.circuit, &dir)?;
    let prices = args.prices.prices(context);
    // Whatever can be refused is refused before the machine is busy for minutes.
    let mut calibration = Calibration::or_new(&path)?;
    files::check_writable(&path)?;

    let mut steps = context.out.steps(circuits.len() * (1 + args.runs as usize));
    let memory = Memory::before();
    for circuit in &circuits {
        let measured = measure(&**circuit, &dir, args.runs, &prices, &memory, &mut steps)?;
        calibration.put(&circuit.name(), measured);
    }
    calibration.write(&path)?;

    let names: Vec<String> = circuits.iter().map(|circuit| circuit.name()).collect();
    show(context, &path, &names, &calibration);
    Ok(())
}

/// The circuits to measure, the smallest first.
fn chosen(names: &[String], dir: &Path) -> Result<Vec<Arc<dyn Circuit>>> {
    let mut chosen: Vec<Arc<dyn Circuit>> =
        names.iter().map(|name| backends::circuit(name)).collect::<Result<_>>()?;
    if chosen.is_empty() {
        chosen = present(dir);
    }
    chosen.sort_by_key(|circuit| (circuit.size(), circuit.name()));
    chosen.dedup_by_key(|circuit| circuit.name());
    if chosen.is_empty() {
        return Err(fail(
            Code::KeyFileMissing,
            format!(
                "{} holds no keys of a workload's circuit; make some with `provery keys generate --circuit {}`",
                dir.display(),
                Workloads::default().example()
            ),
        ));
    }
    Ok(chosen)
}

/// The workloads' circuits that have keys.
fn present(dir: &Path) -> Vec<Arc<dyn Circuit>> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let workloads = Workloads::default();
    names.filter(|name| keys::has_any(dir, name)).filter_map(|name| workloads.circuit(&name)).collect()
}

fn warn_of_missing(context: &Context, prices: &Prices) {
    let parts = [
        (prices.energy.is_none(), "electricity (--watts, --electricity)"),
        (prices.hardware.is_none(), "hardware (--hardware-per-hour)"),
        (prices.gas.is_none(), "gas (--gas-price-gwei, --asset-price)"),
    ];
    let missing: Vec<&str> = parts.iter().filter(|part| part.0).map(|part| part.1).collect();
    if !missing.is_empty() {
        context.out.warn(&format!("the cost of a slot leaves out {}", missing.join(" and ")));
    }
}

fn measure(
    circuit: &dyn Circuit,
    dir: &Path,
    runs: u32,
    prices: &Prices,
    memory: &Memory,
    steps: &mut Steps,
) -> Result<Measured> {
    let name = circuit.name();
    let job = circuit.sample()?;
    memory.reset();
    let step = steps.start(&format!("{name}: loading the keys"));
    let started = Instant::now();
    let key_hash = keys::load_verifying(dir, &name, None).map(|key| key.manifest.verifying_key.sha256);
    let loaded = key_hash.and_then(|hash| Ok((hash, circuit.prover(dir, None)?)));
    let (key_hash, backend) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            step.finish("failed");
            return Err(error.into());
        }
    };
    step.finish(&seconds(started.elapsed()));
    let mut times = Vec::new();
    for run in 1..=runs {
        let step = steps.start(&format!("{name}: proof {run} of {runs}"));
        let started = Instant::now();
        let proof = backend.prove(&job, &());
        let took = started.elapsed();
        finish(step, proof.is_ok(), took);
        proof?;
        times.push(took);
    }
    Measured::new(&name, &mut times, memory.peak(), format!("0x{key_hash}"), prices)
}

fn finish(step: Step, proven: bool, took: Duration) {
    step.finish(&if proven { seconds(took) } else { "failed".to_owned() });
}

/// The middle of the times; of two middle ones the slower.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// What the process has in memory, where /proc tells.
#[derive(Debug)]
pub(crate) struct Memory {
    before: Option<u64>,
}

impl Memory {
    pub(crate) fn before() -> Self {
        Self { before: status_bytes("VmRSS") }
    }

    /// Let VmHWM begin anew. Where that is refused the circuits' order helps: the largest comes last.
    pub(crate) fn reset(&self) {
        let _ = fs::write("/proc/self/clear_refs", "5");
    }

    /// Bytes at the highest since the reset, above what there was at first.
    pub(crate) fn peak(&self) -> Option<u64> {
        Some(status_bytes("VmHWM")?.saturating_sub(self.before?))
    }
}

/// A line of /proc/self/status that is in kibibytes.
fn status_bytes(name: &str) -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, name)
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn show(context: &Context, path: &Path, names: &[String], calibration: &Calibration) {
    let measured: Vec<_> =
        names.iter().filter_map(|name| Some((name, calibration.circuits.get(name)?))).collect();
    let circuits: Vec<_> = measured
        .iter()
        .map(|(name, measured)| {
            let mut json = json!(measured);
            json["circuit"] = json!(name);
            json
        })
        .collect();
    context.out.result(&json!({ "file": path, "circuits": circuits }), || {
        let priced = measured.iter().any(|(_, measured)| measured.cost.is_some());
        let mut heading = vec!["circuit", "seconds", "peak memory"];
        if priced {
            heading.extend(["electricity", "hardware", "gas", "cost of a slot"]);
        }
        let rows: Vec<Vec<String>> = measured
            .iter()
            .map(|(name, measured)| {
                let mut row = vec![
                    (*name).clone(),
                    format!("{}.{:03}", measured.millis / 1000, measured.millis % 1000),
                    measured
                        .peak_bytes
                        .map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20)),
                ];
                if let Some(cost) = &measured.cost {
                    row.extend([cost.energy, cost.hardware, cost.gas].map(|part| part.to_string()));
                    row.push(cost.total.to_string());
                }
                row
            })
            .collect();
        let mut text = table(&heading, &rows);
        text.push_str(
            "\nSeconds are wall time, the median of the proofs. Peak memory is the growth of the process's \
             largest resident set (VmHWM), with the mapped proving key.\n",
        );
        if priced {
            text.push_str("Costs are in whole units of the market's asset.\n");
        }
        if !priced {
            text.push_str("For the cost of a slot give prices: see `provery calibrate --help`.\n");
        }
        text.push_str(&format!("Wrote {}.\n", path.display()));
        text
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    fn measured(millis: u64, total: Option<&str>) -> Measured {
        let none = Decimal::default();
        let cost = total.map(|total| total.parse().expect("a number"));
        let cost = cost.map(|total| Cost { energy: total, hardware: none, gas: none, total });
        let key_hash = "0x00".to_owned();
        Measured { millis, runs: 3, peak_bytes: Some(5 << 20), cores: 2, key_hash, measured_at: 1, cost }
    }

    fn code(result: Result<Calibration>) -> Code {
        result.expect_err("fails").downcast_ref::<Failure>().expect("is a failure").code
    }

    #[test]
    fn a_file_tells_time_and_cost_by_circuit() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join(FILE);
        assert_eq!(code(Calibration::load(&path)), Code::Io);
        assert_eq!(Calibration::read(&path).expect("nothing is wrong"), None);

        let circuits =
            [("a".to_owned(), measured(4001, Some("3.75"))), ("b".to_owned(), measured(1, None))].into();
        let calibration = Calibration { version: VERSION, circuits };
        fs::write(&path, serde_json::to_string(&calibration).expect("plain values")).expect("writes");
        let loaded = Calibration::load(&path).expect("loads");
        assert_eq!(loaded, calibration);
        assert_eq!(
            [loaded.seconds_of("a"), loaded.seconds_of("b"), loaded.seconds_of("c")],
            [Some(5), Some(1), None]
        );
        assert_eq!(
            ["a", "b", "c"]
                .map(|name| loaded.cost_of(name, &Currency::asset("USDC", 6).expect("a usual one"))),
            [Some(U256::from(3_750_000)), None, None]
        );

        for broken in ["{", "{\"version\":1,\"circuits\":{}}"] {
            fs::write(&path, broken).expect("writes");
            assert_eq!(code(Calibration::load(&path)), Code::Config, "{broken}");
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |times: &[u64]| {
            let mut times: Vec<_> = times.iter().map(|time| Duration::from_secs(*time)).collect();
            median(&mut times).as_secs()
        };
        assert_eq!([of(&[]), of(&[4]), of(&[9, 1]), of(&[3, 9, 1])], [0, 4, 9, 3]);
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\tprovery\nVmHWM:\t    2048 kB\nVmRSS:\t     3 kB\n";
        assert_eq!(field(status, "VmHWM"), Some(2 << 20));
        assert_eq!(field(status, "VmRSS"), Some(3072));
        assert_eq!(field(status, "Vm"), None);
    }
}
