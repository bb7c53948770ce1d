//! What the documents tell people to type exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;

use super::Cli;

/// Commands that a document has in backticks or in blocks to type.
fn commands_in(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "));
    let lines = text.lines().map(str::to_owned);
    let named = spans.chain(lines).filter_map(|line| {
        let line = line.trim_start_matches("./target/debug/").trim();
        line.strip_prefix("provery ")
            .map(|rest| rest.split(['#', '|', ';', '&', '>']).next().unwrap_or_default().to_owned())
    });
    named.collect()
}

/// Every document of the repository and every chapter of the book, and what they say.
fn documents() -> Vec<(String, String)> {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut folders = vec![PathBuf::from(ROOT).join("docs")];
    let mut files = vec![PathBuf::from(ROOT).join("provery.example.toml")];
    let own = fs::read_dir(ROOT).expect("reads the repository");
    files.extend(own.map(|entry| entry.expect("is there").path()).filter(|path| is_markdown(path)));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("reads docs") {
            let path = entry.expect("is there").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_markdown(&path) {
                files.push(path);
            }
        }
    }
    files
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("is text")))
        .collect()
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

#[test]
fn every_command_and_flag_that_the_documents_name_exists() {
    let documents = documents();
    let mut seen = 0;
    for (document, text) in &documents {
        for named in commands_in(text) {
            let mut root = Cli::command();
            root.build();
            let mut command = &root;
            let mut flags = Vec::new();
            let mut may_nest = true;
            for word in named.split_whitespace() {
                let sub = command.find_subcommand(word.trim_end_matches([',', ')', '.']));
                match (word.strip_prefix("--"), sub) {
                    (Some(flag), _) => flags
                        .push(flag.split('=').next().unwrap_or_default().trim_end_matches(',').to_owned()),
                    (None, Some(sub)) if may_nest => command = sub,
                    _ => {
                        // A group's name alone may be said of all that is in it; another word is one of its commands.
                        let words = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                        assert!(
                            !may_nest
                                || !words
                                || !command.has_subcommands()
                                || command.get_arguments().any(|it| it.is_positional()),
                            "{document}: `provery {named}` has no {word}"
                        );
                        may_nest = false;
                    }
                }
            }
            for flag in flags {
                let known = |command: &clap::Command| {
                    command.get_arguments().any(|it| it.get_long() == Some(flag.as_str()))
                };
                assert!(
                    known(command) || known(&root) || flag == "help",
                    "{document}: `provery {named}` has no --{flag}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} commands were seen");
}
