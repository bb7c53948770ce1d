//! docs/reference/cli.md: every command and flag, as the program itself describes them. `PROVERY_REGENERATE=1` writes it.

use std::{env, fmt::Write as _, fs, path::Path};

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
const NOTE: &str = "<!-- Made from the program by a test of provery-cli; PROVERY_REGENERATE=1 writes it. -->";

/// Help as Markdown in which nothing is markup but code, in a cell of a table or outside.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (i, part) in text.replace('\n', " ").replace('|', "\\|").split('`').enumerate() {
        if i > 0 {
            plain.push('`');
        }
        if i % 2 == 1 {
            plain.push_str(part);
        } else {
            let part = part.replace('&', "&amp;").replace('<', "&lt;");
            plain.push_str(&part.replace('*', "\\*").replace('_', "\\_"));
        }
    }
    plain
}

/// How an argument is typed.
fn typed(argument: &Arg) -> String {
    let names: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect();
    let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let value = if takes_value { names.join(" ") } else { String::new() };
    match (argument.get_long(), argument.is_require_equals_set()) {
        (Some(long), true) => format!("--{long}[={value}]"),
        (Some(long), false) => format!("--{long} {value}").trim_end().to_owned(),
        (None, _) => value,
    }
}

/// What an argument means; what is so if it is not given; what else it may be.
fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(|help| plain(&help.to_string())).unwrap_or_default();
    let is_flag = matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if !is_flag && !defaults.is_empty() {
        let _ = write!(text, " [default: {}]", plain(&defaults.join(" ")));
    }
    let values: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !is_flag && !values.is_empty() {
        let _ = write!(text, " [{}]", plain(&values.join(", ")));
    }
    if argument.is_required_set() {
        text.push_str(" (required)");
    }
    text
}

fn table<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = arguments
        .filter(|argument| {
            !argument.is_hide_set() && argument.get_id() != "help" && argument.get_id() != "version"
        })
        .map(|argument| format!("| `{}` | {} |\n", typed(argument).replace('|', "\\|"), meaning(argument)))
        .collect();
    if !rows.is_empty() {
        let _ = write!(page, "| | |\n|---|---|\n{}\n", rows.concat());
    }
}

fn describe(page: &mut String, command: &Command, path: &str, depth: usize) {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<String> = about.split("\n\n").map(plain).collect();
    let _ = write!(page, "{} {path}\n\n{}\n\n", "#".repeat(depth.min(4)), paragraphs.join("\n\n"));
    if !command.has_subcommands() {
        let usage = command.clone().render_usage().to_string();
        let _ = write!(page, "```text\n{}\n```\n\n", usage.trim_start_matches("Usage: "));
    }
    table(page, command.get_arguments().filter(|argument| !argument.is_global_set()));
    if let Some(example) = command.get_after_help() {
        let example = example.to_string();
        let _ = write!(page, "Example: `{}`\n\n", example.trim_start_matches("Example: "));
    }
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        describe(page, sub, &format!("{path} {}", sub.get_name()), depth + 1);
    }
}

fn reference() -> String {
    let mut root = Cli::command();
    root.build();
    let about = root.get_long_about().map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<String> = about.split("\n\n").map(plain).collect();
    let mut page = format!("# Commands\n\n{NOTE}\n\n{}\n\n## Global options\n\n", paragraphs.join("\n\n"));
    page.push_str("Every command takes these.\n\n");
    table(&mut page, root.get_arguments());
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        describe(&mut page, command, &format!("provery {}", command.get_name()), 2);
    }
    page.trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_is_what_the_program_says() {
    let page = reference();
    if env::var_os("PROVERY_REGENERATE").is_some() {
        fs::write(PAGE, &page).expect("writes the page");
    }
    let committed = fs::read_to_string(Path::new(PAGE)).unwrap_or_default();
    assert!(
        committed == page,
        "docs/reference/cli.md is out of date: run the test again with PROVERY_REGENERATE=1"
    );
}

#[test]
fn the_reference_has_every_command_and_flag() {
    fn visit(command: &Command, path: &str, page: &str) {
        assert!(page.contains(&format!("# {path}\n")), "{path}");
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for long in shown.filter_map(Arg::get_long).filter(|long| *long != "help") {
            assert!(page.contains(&format!("`--{long}")), "{path} --{long}");
        }
        for sub in command.get_subcommands() {
            visit(sub, &format!("{path} {}", sub.get_name()), page);
        }
    }
    let page = reference();
    for command in Cli::command().get_subcommands() {
        visit(command, &format!("provery {}", command.get_name()), &page);
    }
}
