//! `provery`: the command line of the proof market.

mod address;
mod amount;
mod args;
mod backends;
mod commands;
mod config;
mod context;
mod cost;
mod dispatch;
mod error;
mod error_report;
mod files;
mod global;
mod hardening;
mod journal;
mod logs;
mod market_ref;
mod output;
mod samples;
mod session;
mod signals;
mod signer;
mod solc;
mod terms;
mod time;
mod told;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Cli, Command},
    error::{Code, Failure, Told},
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
        .and_then(|runtime| runtime.block_on(dispatch::run(cli, out)));
    let failure = match result {
        Ok(()) => output::unwritten(),
        Err(report) if report.is::<Told>() => return ExitCode::FAILURE,
        Err(report) => Some(error_report::explain(&report)),
    };
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            out.failure(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Help and versions succeed; a wrong command line exits with 2.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if !error.use_stderr() {
        if let Err(error) = printed {
            output::note_unwritten(&error);
        }
        return match output::unwritten() {
            None => ExitCode::SUCCESS,
            Some(failure) => {
                Output { json: false }.failure(&failure);
                ExitCode::FAILURE
            }
        };
    }
    if std::env::args().any(|argument| argument == "--json") {
        Output { json: true }.line(&Failure::new(Code::Usage, one_sentence(&error.to_string())).to_json());
    }
    ExitCode::from(2)
}

/// All that an error of the command line says, but for how to ask for help.
fn one_sentence(text: &str) -> String {
    let lines = text.trim_start_matches("error: ").lines().map(str::trim);
    let said =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    said.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_error_is_whole_in_json() {
        let error =
            Cli::try_parse_from(["provery", "rollup", "create"]).expect_err("lacks flags").to_string();
        let said = one_sentence(&error);
        assert!(said.contains("--name") && said.contains("--block-txs"), "{said}");
        assert!(!said.contains('\n') && !said.contains("Usage") && !said.starts_with("error"), "{said}");
    }
}
