//! The command line: the list of commands. Each group's own arguments live with its code.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        calibrate::CalibrateArgs,
        circuit::CircuitCommand,
        contracts::ContractsCommand,
        credit::CreditCommand,
        deploy::DeployArgs,
        doctor::DoctorArgs,
        init::InitArgs,
        keys::KeysCommand,
        keystore::KeystoreCommand,
        manual::{CompletionsArgs, ManArgs},
        market::MarketCommand,
        node::NodeArgs,
        pool::PoolCommand,
        prove::ProveArgs,
        prover::ProverCommand,
        rollup::RollupCommand,
        slot::SlotCommand,
        token::TokenCommand,
        verifier::VerifierCommand,
        worker::WorkerArgs,
    },
    global::Global,
};

/// Version, commit and profile: which program this is, for whoever reads a report of a fault.
pub(crate) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROVERY_COMMIT"), ", ", env!("PROVERY_PROFILE"), ")");

/// A permissionless proof market for rollups: deploy it, run a prover, post blocks and watch them get proven.
///
/// Results go to standard output, progress, errors and logs to standard error. PROVERY_LOG filters the logs: a level (error, warn,
/// info, debug, trace), or levels by part (`info,provery_rpc=debug`). Nodes and workers log from info on, other commands from warn.
#[derive(Debug, Parser)]
#[command(
    name = "provery",
    version = VERSION,
    after_help = "Example: provery node --data-dir .provery/node-1 --keystore prover.json --rpc-url \
     http://127.0.0.1:8545",
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Deploy the market, its registries, every mechanism and the factory of pools
    Deploy(DeployArgs),
    /// The source of a deployment's contracts, for others to verify
    #[command(subcommand, after_help = "Example: provery contracts standard-json --out verification")]
    Contracts(ContractsCommand),
    /// Chain, deployment, epoch and seed
    #[command(after_help = "Example: provery status --json")]
    Status,
    /// Proving keys: of the reference rollup's circuit, of the mining puzzle, and of circuits of one's own
    #[command(subcommand, after_help = "Example: provery keys show")]
    Keys(KeysCommand),
    /// Measure this machine: how long a proof takes, how much memory it needs, what a slot costs
    Calibrate(CalibrateArgs),
    /// Circuits of one's own, written in circom: their descriptors and files
    #[command(subcommand, after_help = "Example: provery circuit check merkle-10.json --from build")]
    Circuit(CircuitCommand),
    /// Write a project around a circuit that runs at once: descriptor, requester contract with tests, settings, and each command to type
    Init(InitArgs),
    /// Encrypted files for signing keys
    #[command(subcommand, after_help = "Example: provery keystore address --keystore prover.json")]
    Keystore(KeystoreCommand),
    /// Solidity verifiers made from verifying keys
    #[command(
        subcommand,
        after_help = "Example: provery verifier generate --circuit transfer-block-d16-n8 --out Verifier.sol"
    )]
    Verifier(VerifierCommand),
    /// The reference rollup: create it, fund its market, post blocks
    #[command(subcommand, after_help = "Example: provery rollup status --name demo")]
    Rollup(RollupCommand),
    /// The asset of a development chain
    #[command(subcommand, after_help = "Example: provery token mint --amount 100 --keystore prover.json")]
    Token(TokenCommand),
    /// This account as a prover: identity, stake, allocations
    #[command(subcommand, after_help = "Example: provery prover status --keystore prover.json")]
    Prover(ProverCommand),
    /// Provers whose stake many put up together: delegate, or operate one
    #[command(subcommand, after_help = "Example: provery pool list")]
    Pool(PoolCommand),
    /// Markets and their terms
    #[command(subcommand, after_help = "Example: provery market list")]
    Market(MarketCommand),
    /// Slots, and why they went to whom
    #[command(subcommand, after_help = "Example: provery slot show 3 --market 1")]
    Slot(SlotCommand),
    /// Prove one slot by hand, whatever assigned it
    Prove(ProveArgs),
    /// What this account has earned
    #[command(subcommand, after_help = "Example: provery credit withdraw --keystore prover.json")]
    Credit(CreditCommand),
    /// Run a prover: watch, win slots, prove, submit, collect, unattended
    ///
    /// Its log goes to standard error; PROVERY_LOG filters it (PROVERY_LOG=debug, PROVERY_LOG=info,provery_rpc=debug).
    Node(Box<NodeArgs>),
    /// Whether a node with these settings would earn: the chain, the machine, the keys, the stake; and what to type next
    Doctor(Box<DoctorArgs>),
    /// Make proofs for nodes, without a chain or a key that signs
    ///
    /// Its log goes to standard error; PROVERY_LOG filters it (PROVERY_LOG=debug).
    Worker(WorkerArgs),
    /// Print what completes these commands in a shell
    Completions(CompletionsArgs),
    /// Write manual pages
    Man(ManArgs),
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_argument_model_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn visit(command: &clap::Command, path: &str, seen: &mut usize) {
            *seen += 1;
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = help.strip_prefix("Example: ").unwrap_or_else(|| panic!("{path} has no example"));
            assert_eq!(example.lines().count(), 1, "{path}: one line");
            assert!(example.contains(path), "{path}: the example is of another command: {example}");
            // What help shows must itself parse.
            let words: Vec<&str> = example.split_whitespace().collect();
            let start = words.iter().position(|word| *word == "provery").expect("names the program");
            Cli::try_parse_from(&words[start..]).unwrap_or_else(|error| panic!("{path}: {error}"));
            for sub in command.get_subcommands() {
                visit(sub, &format!("{path} {}", sub.get_name()), seen);
            }
        }
        let mut seen = 0;
        visit(&Cli::command(), "provery", &mut seen);
        assert!(seen > 30, "only {seen} commands were seen");
    }

    /// Words that lead to a command, down to those that have no others below them.
    fn commands(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, clap::Command)>) {
        for sub in command.get_subcommands() {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            commands(sub, &path, found);
            found.push((path, sub.clone()));
        }
    }

    #[test]
    fn every_address_is_checked_before_any_work() {
        let mut found = Vec::new();
        commands(&Cli::command(), &["provery".to_owned()], &mut found);
        let mut seen = 0;
        for (path, command) in &found {
            for argument in command.get_arguments() {
                let is_address = argument.get_value_parser().type_id() == std::any::TypeId::of::<Address>();
                let named =
                    argument.get_value_names().is_some_and(|names| names.iter().any(|it| it == "ADDRESS"));
                assert!(is_address || !named, "{path:?} {}: not an address", argument.get_id());
                if !is_address {
                    continue;
                }
                seen += 1;
                for (value, said) in [
                    ("0x70997970c51812dc3A010C7d01b50e0d17dc79C8", "EIP-55"),
                    ("0x0000000000000000000000000000000000000000", "zero"),
                    ("vitalik.eth", "not resolved"),
                ] {
                    let flag = argument.get_long().map(|long| format!("--{long}={value}"));
                    let line = path.iter().cloned().chain([flag.unwrap_or(value.to_owned())]);
                    let error = Cli::try_parse_from(line).expect_err("is refused").to_string();
                    assert!(error.contains(said), "{path:?} {}: {error}", argument.get_id());
                }
            }
        }
        assert!(seen > 20, "only {seen} were seen");
    }

    #[test]
    fn no_flag_takes_a_key() {
        fn visit(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(
                    !id.contains("private") && !id.contains("secret") && id != "key" && id != "password",
                    "{id}"
                );
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
