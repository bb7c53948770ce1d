//! One file per command group. Each parses its arguments, does its effects through [`Session`], and prints one result.

pub mod allocate;
pub mod calibrate;
pub mod credit;
pub mod deploy;
pub mod deposit;
pub mod doctor;
pub mod earnings;
pub mod hand_over;
pub mod keys;
pub mod keystore;
pub mod manual;
pub mod market;
pub mod market_terms;
pub mod node;
pub mod offer;
pub mod pool;
pub mod pool_exit;
pub mod pool_operator;
pub mod pool_policy;
pub mod pool_show;
pub mod prove;
pub mod prover;
pub mod prover_status;
pub mod rollup;
pub mod sequence;
pub mod slot;
pub mod slot_end;
pub mod status;
pub mod submitter;
pub mod token;
pub mod verifier;
pub mod worker;

use eyre::Result;

use crate::{
    args::{Cli, Command},
    config::{ENV_PRIVATE_KEY, Key, Settings},
    logs,
    output::Output,
    session::Session,
};

/// What every command has.
#[derive(Debug)]
pub struct Context {
    pub settings: Settings,
    pub out: Output,
}

impl Context {
    /// Where two keys are named, which of them signs.
    pub fn say_which_key(&self) {
        if let (true, Key::Keystore { path, .. }) = (self.settings.passed_over, &self.settings.key) {
            self.out.warn(&format!(
                "the keystore {} signs, not {ENV_PRIVATE_KEY}, which is set, too",
                path.display()
            ));
        }
    }

    /// The chain and its deployment, to read.
    pub async fn reader(&self) -> Result<Session> {
        Session::open(&self.settings, false).await
    }

    /// The chain and its deployment, with the key that signs.
    pub async fn signer(&self) -> Result<Session> {
        self.say_which_key();
        Session::open(&self.settings, true).await
    }
}

pub async fn run(cli: Cli, out: Output) -> Result<()> {
    // What is told about the commands themselves needs no settings.
    match &cli.command {
        Command::Completions(args) => return manual::completions(args),
        Command::Man(args) => return manual::pages(out, args),
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
        Command::Status => status::run(&context).await,
        Command::Keys(command) => keys::run(&context, command),
        Command::Calibrate(args) => calibrate::run(&context, args),
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
