//! `provery node`: a prover, unattended; and how it is looked at and configured.

pub(crate) mod config;
pub(crate) mod pace;
mod page;
mod probe;
mod reload;
pub(crate) mod run;
mod secret;
pub(crate) mod status;

use clap::{Args, Subcommand};
use eyre::Result;

use crate::{config::node::NodeValues, context::Context, output::Output};

/// The documented configuration.
pub(crate) const EXAMPLE: &str = include_str!("../../../../../provery.example.toml");

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example: provery node --data-dir .provery/node-1 --market 1 --keystore prover.json --json"
)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    values: NodeValues,
    /// The same as --rescue=false
    #[arg(long, conflicts_with = "rescue")]
    no_rescue: bool,
    /// The same as --upkeep=false
    #[arg(long, conflicts_with = "upkeep")]
    no_upkeep: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// What a node is doing; or, if it does not run, what it left on disk
    Status(status::StatusArgs),
    /// The configuration file
    #[command(subcommand, after_help = "Example: provery node config check --config provery.toml")]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Whether the settings are right, as far as that can be said without the chain; and where each comes from
    #[command(after_help = "Example: provery node config check --config provery.toml --json")]
    Check,
    /// Print a configuration file with every key documented
    #[command(after_help = "Example: provery node config example")]
    Example,
}

impl NodeArgs {
    /// Whether this is a service, rather than a look at one.
    pub(crate) fn runs(&self) -> bool {
        self.command.is_none()
    }

    /// Done at once, whatever the configuration is: the answer is whether that was all.
    pub(crate) fn without_settings(&self, out: Output) -> bool {
        if !matches!(self.command, Some(NodeCommand::Config(ConfigCommand::Example))) {
            return false;
        }
        out.result(&serde_json::json!({ "example": EXAMPLE }), || EXAMPLE.to_owned());
        true
    }

    /// URLs among the flags.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        let values = &self.run.values;
        [&values.ws_url, &values.nats_url].into_iter().flatten().map(String::as_str)
    }
}

impl RunArgs {
    /// The flags as values, the negative ones included.
    pub(crate) fn flags(&self) -> NodeValues {
        let mut values = self.values.clone();
        if self.no_rescue {
            values.rescue = Some(false);
        }
        if self.no_upkeep {
            values.upkeep = Some(false);
        }
        values
    }
}

pub(crate) async fn run(context: &Context, args: NodeArgs) -> Result<()> {
    match args.command {
        None => run::run(context, &args.run.flags()).await,
        Some(NodeCommand::Status(args)) => status::run(context, args).await,
        Some(NodeCommand::Config(ConfigCommand::Check)) => config::check(context),
        // Done before the settings were read.
        Some(NodeCommand::Config(ConfigCommand::Example)) => Ok(()),
    }
}
