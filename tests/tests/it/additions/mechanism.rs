//! Another mechanism, and that nothing but its own files and the list knows one by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Result, ensure};
use provery_mechanisms::registry;
use provery_tests::program;

use super::scratch::{changed, check, done, files, follow, repository, scratch, sources, without_tests};

const LIST: &str = "crates/bindings/src/lib.rs";

#[test]
fn a_mechanism_is_its_own_files_and_one_line_of_the_list() -> Result<()> {
    let copy = scratch("additions-mechanism")?;
    let modules = copy.join("node_modules");
    if !modules.exists() {
        std::os::unix::fs::symlink(repository().join("node_modules").canonicalize()?, modules)?;
    }
    let before = sources(&copy)?;

    follow("add-a-mechanism.md", &copy)?;
    done(
        Command::new(program("provery-xtask")?)
            .args(["contracts", "--only", "FirstCome", "--root"])
            .arg(&copy)
            .arg("--solc")
            .arg(repository().join("script/solc").canonicalize()?),
    )?;
    check(&copy)?;

    let after = sources(&copy)?;
    let expected = [
        "contracts/src/mechanisms/FirstCome.sol",
        "contracts/test/mechanisms/FirstCome.t.sol",
        "crates/bindings/abi/FirstCome.json",
        LIST,
        "crates/mechanisms/src/first_come.rs",
    ];
    assert_eq!(changed(&before, &after), expected);
    assert_eq!(before.len() + expected.len() - 1, after.len());
    let lines = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        files.get(Path::new(LIST)).map_or(0, |file| file.iter().filter(|byte| **byte == b'\n').count())
    };
    assert_eq!(lines(&after), lines(&before) + 1);
    Ok(())
}

/// Where a mechanism's name is at home, and why.
const HOMES: [(&str, &str); 4] = [
    ("crates/mechanisms/src/", "each has a file there"),
    ("crates/bindings/", "the list, and the ABIs"),
    (
        "crates/cli/src/commands/prover/offer.rs",
        "`provery prover offer` signs and revokes offers of one mechanism alone",
    ),
    ("crates/cli/src/commands/prover/ask.rs", "`provery prover ask` keeps the asks of one mechanism alone"),
];

/// The words of a source: names, and texts that are one word.
fn mentions(text: &str, word: &str, alone: bool) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let whole = !before.ends_with(part) && !after.starts_with(part);
        let path = before.ends_with("::") || after.starts_with("::");
        let quoted = before.ends_with(['"', '`', '{']) && after.starts_with(['"', '`', '}', ',']);
        whole && (!alone || path || quoted)
    })
}

#[test]
fn no_file_but_a_mechanisms_own_names_it() -> Result<()> {
    // Words that sentences have for themselves count where they are a path or stand in quotes.
    const ORDINARY: [&str; 4] = ["agreement", "asks", "mining", "race"];
    let list = fs::read_to_string(repository().join(LIST))?;
    let mut all = BTreeMap::new();
    for folder in ["crates", "script"] {
        files(repository(), &repository().join(folder), &mut all)?;
    }
    let mut found = Vec::new();
    let mut looked = 0;
    for (path, bytes) in all {
        let path = path.display().to_string();
        let source = path.starts_with("crates/") && path.ends_with(".rs") || path.starts_with("script/");
        if !source || HOMES.iter().any(|(home, _)| path.starts_with(home)) {
            continue;
        }
        let text = without_tests(&path, &String::from_utf8(bytes)?);
        looked += usize::from(!text.is_empty());
        for mechanism in registry() {
            // `name: Name = …`
            let (contract, word) = (mechanism.name(), mechanism.word());
            let line = list.lines().find(|line| line.contains(&format!(": {contract} =")));
            let module = line.and_then(|line| line.trim().split(':').next()).unwrap_or_default();
            ensure!(!module.is_empty(), "{contract} is not in the list");
            for name in BTreeSet::from([contract, module, word]) {
                if mentions(&text, name, ORDINARY.contains(&name)) {
                    found.push(format!("{path}: {name}"));
                }
            }
        }
    }
    assert!(looked > 100, "the sources are not where they were");
    assert!(found.is_empty(), "mechanisms are named outside their own files:\n{}", found.join("\n"));
    for (home, why) in HOMES {
        assert!(repository().join(home).exists(), "{home} is no more ({why})");
    }
    Ok(())
}
