//! What the documents tell people to type exists.

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

#[test]
fn every_command_and_flag_that_the_documents_name_exists() {
    let documents = [
        ("README.md", include_str!("../../../../README.md")),
        ("OPERATING.md", include_str!("../../../../OPERATING.md")),
        ("ARCHITECTURE.md", include_str!("../../../../ARCHITECTURE.md")),
        ("docs/forks.md", include_str!("../../../../docs/forks.md")),
        ("docs/randomness.md", include_str!("../../../../docs/randomness.md")),
        ("provery.example.toml", include_str!("../../../../provery.example.toml")),
    ];
    let mut seen = 0;
    for (document, text) in documents {
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
