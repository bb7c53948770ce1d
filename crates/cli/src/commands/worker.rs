//! `provery worker`: proofs for nodes, in a process of its own or on a machine of its own.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{ArgGroup, Args, Subcommand};
use eyre::Result;
use provery_worker::{
    NatsConfig, Processes,
    fault::Fault,
    jetstream::{self, ServeConfig},
    stdio::{self, StdioConfig},
};
use serde_json::json;

use crate::{
    config,
    error::{Code, fail},
    output::{Output, table},
    signals,
};

const ENV_NATS_URL: &str = "PROVERY_NATS_URL";

#[derive(Debug, Args)]
#[command(
    after_help = "Example: provery worker --nats nats://127.0.0.1:4222 --keys .provery/keys",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    group(ArgGroup::new("source").args(["stdio", "nats"]))
)]
pub(crate) struct WorkerArgs {
    /// Serve the process that started this one: a JSON line a job on standard input, JSON lines on standard output. It
    /// ends with its input, and by nothing else
    #[arg(long)]
    stdio: bool,
    #[command(flatten)]
    nats: NatsArgs,
    /// Where keys are, and are put when they come from NATS [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Take only jobs of this circuit; may be given more than once [default: every one]
    #[arg(long, value_name = "NAME", conflicts_with = "stdio")]
    circuit: Vec<String>,
    /// Proofs at a time; one already uses every core
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "stdio")]
    jobs: usize,
    /// How people tell this worker from others [default: the machine's name and the process's number]
    #[arg(long, value_name = "NAME", conflicts_with = "stdio")]
    name: Option<String>,
    /// Most MiB of address space for one proof, keys included; one that needs more fails [default: no limit]
    #[arg(long, value_name = "N")]
    memory_mib: Option<u64>,
    #[command(subcommand)]
    command: Option<WorkerCommand>,
}

#[derive(Debug, Args)]
struct NatsArgs {
    /// Serve the nodes that ask through this NATS server, with JetStream [env: PROVERY_NATS_URL]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// What names on the server begin with
    #[arg(long, value_name = "PREFIX", default_value = "provery")]
    nats_prefix: String,
    /// A file whose first line is user:password, or a token
    #[arg(long, value_name = "FILE")]
    nats_credentials: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum WorkerCommand {
    /// Proving keys on NATS
    #[command(subcommand, after_help = "Example: provery worker keys push --nats nats://127.0.0.1:4222")]
    Keys(WorkerKeys),
}

#[derive(Debug, Subcommand)]
enum WorkerKeys {
    /// Put keys on NATS, for workers that lack them; nodes do so when they start
    #[command(
        after_help = "Example: provery worker keys push --nats nats://127.0.0.1:4222 --keys .provery/keys"
    )]
    Push {
        #[command(flatten)]
        nats: NatsArgs,
        /// Where the keys are [env: PROVERY_KEYS_DIR] [default: .provery/keys]
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
        /// Only this circuit's; may be given more than once [default: every one's that is there]
        #[arg(long, value_name = "NAME")]
        circuit: Vec<String>,
    },
}

impl NatsArgs {
    fn config(self) -> Option<NatsConfig> {
        let url = self.nats.or_else(|| std::env::var(ENV_NATS_URL).ok().filter(|url| !url.is_empty()))?;
        Some(NatsConfig { url, prefix: self.nats_prefix, credentials: self.nats_credentials })
    }
}

pub(crate) async fn run(out: Output, args: WorkerArgs) -> Result<()> {
    if let Some(WorkerCommand::Keys(WorkerKeys::Push { nats, keys, circuit })) = args.command {
        return push(out, nats, &config::keys_dir(keys), circuit).await;
    }
    let keys_dir = config::keys_dir(args.keys);
    let fault = Fault::from_env().map_err(|error| fail(Code::Config, error.to_string()))?;
    if args.stdio {
        // Its node wants the proof even while it winds down.
        signals::ignore()?;
        let config = StdioConfig { keys_dir, memory_mib: args.memory_mib, fault };
        return Ok(tokio::task::spawn_blocking(move || stdio::serve(config)).await??);
    }
    let nats = args.nats.config().ok_or_else(nowhere)?;
    let stop = signals::stop_token()?;
    let program = this_program()?;
    let mut limits: Vec<OsString> = Vec::new();
    if let Some(mib) = args.memory_mib {
        limits.extend(["--memory-mib".into(), mib.to_string().into()]);
    }
    let processes = Processes::new(program, keys_dir.clone(), limits, args.jobs);
    let name = args.name.unwrap_or_else(name);
    let config = ServeConfig { nats, name, keys_dir, circuits: args.circuit };
    let report = Arc::new(move |event| out.line(&event));
    Ok(jetstream::serve(config, processes, report, stop).await?)
}

async fn push(out: Output, nats: NatsArgs, keys_dir: &Path, circuits: Vec<String>) -> Result<()> {
    let nats = nats.config().ok_or_else(nowhere)?;
    let circuits = if circuits.is_empty() { circuits_in(keys_dir) } else { circuits };
    if circuits.is_empty() {
        return Err(fail(
            Code::KeyFileMissing,
            format!(
                "{} holds no keys; make some with `provery keys generate --circuit transfer-block-d16-n8`",
                keys_dir.display()
            ),
        ));
    }
    let pushed = jetstream::push(&nats, keys_dir, &circuits).await?;
    let lines: Vec<_> = pushed
        .iter()
        .map(|(circuit, hash, there)| json!({ "circuit": circuit, "key_hash": hash, "pushed": !there }))
        .collect();
    out.result(&json!({ "keys": lines }), || {
        let row = |(circuit, hash, there): &(String, _, bool)| {
            vec![circuit.clone(), format!("{hash}"), if *there { "was there" } else { "pushed" }.to_owned()]
        };
        table(&["circuit", "key hash", "state"], &pushed.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

/// Circuits with keys in a directory: those of blocks, which are all that nodes give to workers.
fn circuits_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let with_keys = entries.filter(|entry| entry.path().join("manifest.json").is_file());
    let mut circuits: Vec<String> = with_keys
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != provery_puzzle::CIRCUIT_NAME)
        .collect();
    circuits.sort();
    circuits
}

fn nowhere() -> eyre::Report {
    fail(
        Code::Usage,
        format!("nobody to work for: give --nats with the address of a NATS server, or set {ENV_NATS_URL}"),
    )
}

/// The program that worker processes run: this one.
pub(crate) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| {
        fail(Code::Io, format!("the path of this program is not known ({error}); start it by its full path"))
    })
}

/// A name that is good enough for logs.
fn name() -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    format!("{}-{}", machine.as_deref().unwrap_or("worker"), std::process::id())
}
