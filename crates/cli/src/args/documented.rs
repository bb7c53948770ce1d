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

/// The words after this at the start of a line, where lines that end with a backslash go on.
fn lines_of(text: &str, start: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.trim().strip_prefix(start))
        .map(|rest| rest.trim().to_owned())
        .collect()
}

/// What a container runs: a list of words as JSON.
fn words(list: &str) -> Vec<String> {
    let list = &list[list.find('[').expect("a list")..];
    serde_json::from_str(list).expect("is JSON")
}

#[test]
fn the_unit_and_the_container_run_commands_that_exist() {
    const UNIT: &str = include_str!("../../../../docs/provery.service");
    const CONTAINER: &str = include_str!("../../../../Containerfile");
    let parses = |words: &[String]| {
        let parsed = Cli::try_parse_from(words);
        assert!(parsed.is_ok(), "{words:?}: {}", parsed.expect_err("fails"));
    };
    let mut seen = 0;
    for line in lines_of(UNIT, "ExecStart=") {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert!(words[0].ends_with("/provery"), "{words:?}");
        parses(&words);
        seen += 1;
    }
    let entry = lines_of(CONTAINER, "ENTRYPOINT").iter().map(|list| words(list)).next().expect("has one");
    assert_eq!(entry, ["provery"]);
    for list in lines_of(CONTAINER, "CMD") {
        parses(&[entry.clone(), words(&list)].concat());
        seen += 1;
    }
    for list in lines_of(CONTAINER, "HEALTHCHECK") {
        parses(&words(&list));
        seen += 1;
    }
    assert_eq!(seen, 3, "the unit's command, the container's, and its check");
}

#[test]
fn the_container_is_nobodys_root_and_is_built_by_the_pinned_compiler() {
    const CONTAINER: &str = include_str!("../../../../Containerfile");
    let user = lines_of(CONTAINER, "USER ").pop().expect("names one");
    assert!(!user.starts_with("root") && !user.starts_with('0'), "{user}");
    let toolchain = include_str!("../../../../rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).expect("names one");
    let build = lines_of(CONTAINER, "FROM ").into_iter().next().expect("builds");
    assert!(build.starts_with(&format!("rust:{}-", channel.trim_matches('"'))), "{build}: {channel}");
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
