//! `provery completions` and `provery man`: what shells and `man` know about the commands.

use std::{fs, io::Write, path::PathBuf};

use clap::Args;
use clap_complete::Shell;
use eyre::Result;
use serde_json::json;

use crate::{
    error::{Code, fail},
    output::Output,
};

const PROGRAM: &str = "provery";

#[derive(Debug, Args)]
#[command(after_help = "Example: provery completions bash")]
pub(crate) struct CompletionsArgs {
    /// For which shell; `source <(provery completions bash)` takes it over at once
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: provery man --dir man/man1")]
pub(crate) struct ManArgs {
    /// Where to write them, one file a command; `man --local-file FILE` shows one
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, PROGRAM, &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| fail(Code::Io, format!("the script cannot be written: {error}")))
}

pub(crate) fn pages(out: Output, args: &ManArgs, command: clap::Command) -> Result<()> {
    let failed =
        |error: std::io::Error| fail(Code::Io, format!("{} cannot be written: {error}", args.dir.display()));
    let count = commands(&command);
    fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(command, &args.dir).map_err(failed)?;
    out.result(&json!({ "directory": args.dir, "pages": count }), || {
        format!("{count} manual pages are in {}; read one with `man --local-file FILE`", args.dir.display())
    });
    Ok(())
}

/// How many commands there are, this one included.
fn commands(command: &clap::Command) -> usize {
    1 + command.get_subcommands().map(commands).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_command_has_a_manual_page_with_its_example() {
        let folder = tempfile::tempdir().expect("makes a folder");
        pages(Output { json: false }, &ManArgs { dir: folder.path().to_owned() }, Cli::command())
            .expect("writes");
        let files = fs::read_dir(folder.path()).expect("reads").count();
        assert_eq!(files, commands(&Cli::command()));
        let text = fs::read_to_string(folder.path().join("provery-slot-show.1")).expect("is there");
        assert!(text.contains("Example: ") && text.contains("market"), "{text}");
    }

    #[test]
    fn every_shell_gets_every_command() {
        use clap::ValueEnum;
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), PROGRAM, &mut script);
            let script = String::from_utf8(script).expect("is text");
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
