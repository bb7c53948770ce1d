//! From a parsed command line to the command that it names.

use clap::CommandFactory as _;
use eyre::Result;

use crate::{
    args::{Cli, Command},
    commands::{
        calibrate, circuit, contracts, credit, deploy, doctor, init, keys, keystore, manual, market, node,
        pool, prove, prover, rollup, slot, status, token, verifier, worker,
    },
    config::Settings,
    context::Context,
    logs,
    output::Output,
};

/// Run what was asked for.
pub(crate) async fn run(cli: Cli, out: Output) -> Result<()> {
    // What is told about the commands themselves needs no settings.
    match &cli.command {
        Command::Completions(args) => return manual::completions(args, Cli::command()),
        Command::Man(args) => return manual::pages(out, args, Cli::command()),
        _ => {}
    }
    // A worker needs no settings, and must not stumble over a configuration that is being edited.
    if let Command::Worker(args) = cli.command {
        return worker::run(out, args).await;
    }
    if matches!(&cli.command, Command::Node(args) if args.without_settings(out)) {
        return Ok(());
    }
    let context = Context { settings: Settings::load(&cli.global)?, out };
    logs::hide(context.settings.urls());
    if let Command::Node(args) = &cli.command {
        logs::hide(args.urls());
    }
    match cli.command {
        Command::Deploy(args) => deploy::run(&context, args).await,
        Command::Contracts(command) => contracts::run(&context, command),
        Command::Status => status::run(&context).await,
        Command::Keys(command) => keys::run(&context, command),
        Command::Calibrate(args) => calibrate::run(&context, args),
        Command::Circuit(command) => circuit::run(&context, command).await,
        Command::Init(args) => init::run(&context, &args),
        Command::Keystore(command) => keystore::run(&context, command),
        Command::Verifier(command) => verifier::run(&context, command),
        Command::Rollup(command) => rollup::run(&context, command).await,
        Command::Token(command) => token::run(&context, command).await,
        Command::Prover(command) => prover::run(&context, command).await,
        Command::Pool(command) => pool::run(&context, command).await,
        Command::Market(command) => market::run(&context, command).await,
        Command::Slot(command) => slot::run(&context, command).await,
        Command::Prove(args) => prove::run(&context, args).await,
        Command::Credit(command) => credit::run(&context, command).await,
        Command::Node(args) => node::run(&context, *args).await,
        Command::Doctor(args) => doctor::run(&context, *args).await,
        Command::Worker(args) => worker::run(out, args).await,
        // Done before the settings were read.
        Command::Completions(_) | Command::Man(_) => Ok(()),
    }
}
