//! The program behind script/chaos.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use provery_tests::chaos::{Descendants, Options, run};
use serde_json::{Value, json};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// Nodes, a chain and the wire between them, with everything going wrong that can be made to: no stake may be lost, no slot
/// missed, nothing paid twice.
#[derive(Debug, Parser)]
#[command(
    name = "chaos",
    after_help = "Example:\n  ./script/chaos --seconds 90 --seed 7\n  ./script/chaos --seconds 3600 --seed 1 --quota 1000 --json | tail -n 1\n  \
                  ./script/chaos --seconds 3600 --crash-points --crashes 20\n  ./script/chaos --seconds 3600 --soak"
)]
struct Args {
    /// For how long faults are injected; setting the stage and settling come on top, and up to as much again if quotas are
    /// not reached
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..))]
    seconds: u64,
    /// Decides which faults happen
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Nodes, each a process with a stake of its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=8))]
    provers: u64,
    /// How often each fault on the wire is to happen [default: once every 6 seconds]
    #[arg(long, value_name = "N")]
    quota: Option<u64>,
    /// Kill nothing and let faults be rare: measures memory and descriptors
    #[arg(long)]
    soak: bool,
    /// Crash nodes at every point at which they write, before and after, one after the other
    #[arg(long, conflicts_with = "soak")]
    crash_points: bool,
    /// How often each of these points is to be met, before and after its write
    #[arg(long, value_name = "N", default_value_t = 0, requires = "crash_points")]
    crashes: u64,
    /// Of the asset, which with 18 is the one for development and else one as strict about allowances as the oldest in use
    /// [default: 6 or 18, by seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=18))]
    asset_decimals: Option<u8>,
    /// Milliseconds between two blocks
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..))]
    block_ms: u64,
    /// One JSON object a line; the last one is the summary
    #[arg(long)]
    json: bool,
    /// Where logs, keys and the nodes' data go. Emptied of everything but keys at the start
    #[arg(long, value_name = "DIR", default_value = ".chaos")]
    dir: PathBuf,
}

/// How long what goes on may take to end once the run is over.
const END: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            code = play(&args) => code,
            signal = interrupted() => {
                eprintln!("told to end, and all that was started with it");
                ExitCode::from(128_u8.saturating_add(signal))
            }
        }
    });
    // What a task started is killed when the task is dropped; what that started may not notice for a while.
    let started = Descendants::now();
    runtime.shutdown_timeout(END);
    started.kill();
    code
}

/// Resolves to the number of a signal to end.
async fn interrupted() -> u8 {
    let of = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut signals) => _ = signals.recv().await,
            // Then it ends the program as it always did.
            Err(_) => std::future::pending().await,
        }
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    };
    tokio::select! {
        number = of(SignalKind::terminate()) => number,
        number = of(SignalKind::interrupt()) => number,
        number = of(SignalKind::hangup()) => number,
    }
}

async fn play(args: &Args) -> ExitCode {
    let options = Options {
        seconds: args.seconds,
        seed: args.seed,
        provers: args.provers,
        quota: args.quota.unwrap_or(args.seconds.div_ceil(6)),
        soak: args.soak,
        crash_points: args.crash_points,
        crashes: args.crashes,
        decimals: args.asset_decimals,
        block_ms: args.block_ms,
        dir: args.dir.clone(),
    };
    let say = |line: Value| if args.json { println!("{line}") } else { eprintln!("{}", text(&line)) };
    let failed = match run(&options, &say).await {
        Ok(summary) => {
            if args.json {
                println!("{}", json!({ "summary": summary }));
            } else {
                print!("{}", summary.text());
            }
            !summary.failures.is_empty()
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            if args.json {
                println!("{}", json!({ "error": { "message": format!("{error:#}") } }));
            }
            true
        }
    };
    if failed {
        eprintln!(
            "failed with seed {}; what was injected: {}",
            args.seed,
            args.dir.join("events.jsonl").display()
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A line for people.
fn text(line: &Value) -> String {
    let number = |name: &str| line[name].as_u64().unwrap_or(0);
    match line["event"].as_str().unwrap_or_default() {
        "stage" => line["step"].as_str().unwrap_or_default().to_owned(),
        "progress" => format!(
            "{:>5} s  block {}  slots {} ({} open)  nodes up {}  faults {}{}",
            number("at_s"),
            number("block"),
            number("slots"),
            number("open"),
            number("nodes"),
            number("faults"),
            match number("missing") {
                0 => String::new(),
                missing => format!("  quotas to reach {missing}"),
            }
        ),
        "settling" => "no more faults; waiting for every slot to end".to_owned(),
        _ => line.to_string(),
    }
}
