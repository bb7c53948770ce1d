//! `provery`: the command line of the proof market.

mod amount;
mod args;
mod backends;
mod commands;
mod config;
mod cost;
mod error;
mod failures;
mod files;
mod history;
mod hygiene;
mod logs;
mod output;
mod session;
mod signals;
mod signer;
mod solc;
mod terms;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Cli, Command},
    error::{Code, Failure},
    output::Output,
};

/// Gives back what it does not need: a node that runs for months keeps no memory of its busiest moment.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let out = Output { json: cli.global.json };
    let service = match &cli.command {
        Command::Node(args) => args.runs(),
        Command::Worker(_) => true,
        _ => false,
    };
    logs::init(service);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(eyre::Report::new)
        .and_then(|runtime| runtime.block_on(commands::run(cli, out)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            out.failure(&failures::explain(&report));
            ExitCode::FAILURE
        }
    }
}

/// Help and versions succeed; a wrong command line exits with 2.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|argument| argument == "--json") {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Output { json: true }.line(&Failure::new(Code::Usage, message).to_json());
    }
    ExitCode::from(2)
}
