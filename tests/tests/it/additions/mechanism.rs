//! A seventh mechanism, and that nothing but its own files and the list knows one by name.

use std::{collections::BTreeSet, fs, path::PathBuf};

use eyre::{Result, ensure, eyre};
use provery_mechanisms::registry;

use super::scratch::{Scratch, files, root};

const LIST: &str = "crates/bindings/src/lib.rs";

/// The paths in the steps that the docs give, for a mechanism called `name` whose contract is `Name`.
fn steps(contract: &str, module: &str) -> Result<BTreeSet<String>> {
    const MARK: &str = "`crates/mechanisms/src/name.rs`";
    let mut documents: Vec<PathBuf> = vec![root().join("CONTRIBUTING.md"), root().join("ARCHITECTURE.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { documents.push(path) }
        }
    }
    let texts = documents.into_iter().filter_map(|path| fs::read_to_string(path).ok());
    let text =
        texts.into_iter().find(|text| text.contains(MARK)).ok_or_else(|| eyre!("no document has {MARK}"))?;
    // The numbered list around it.
    let at = text.find(MARK).unwrap_or_default();
    let start = text[..at].rfind("\n1. ").ok_or_else(|| eyre!("the steps have no first one"))?;
    let end = text[at..].find("\n\n").map_or(text.len(), |end| at + end);
    let named = text[start..end]
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && word.contains('.'));
    Ok(named.map(|path| path.replace("Name", contract).replace("name.rs", &format!("{module}.rs"))).collect())
}

#[test]
fn a_mechanism_is_added_by_the_steps_and_no_other_file_changes() -> Result<()> {
    const INTERFACE: &str = include_str!("../../../fixtures/mechanism/IAppointment.sol");
    const CONTRACT: &str = include_str!("../../../fixtures/mechanism/Appointment.sol");
    const CLIENT: &str = include_str!("../../../fixtures/mechanism/appointment.rs");
    let abi = "crates/bindings/abi/Appointment.json";
    let written = [
        ("contracts/src/interfaces/IAppointment.sol", INTERFACE),
        ("contracts/src/mechanisms/Appointment.sol", CONTRACT),
        ("crates/mechanisms/src/appointment.rs", CLIENT),
    ];

    let mut scratch = Scratch::new("mechanism")?;
    for (path, text) in written {
        scratch.write(path, text)?;
    }
    scratch.makes(abi);
    let line = "            appointment: Appointment = \"abi/Appointment.json\",";
    scratch.add_line(LIST, "agreement: Agreement", line)?;
    scratch.put()?;
    scratch.run("provery-xtask", &["contracts", "--only", "Appointment"])?;
    scratch.check()?;

    let changed: BTreeSet<String> =
        written.iter().map(|(path, _)| *path).chain([abi, LIST]).map(str::to_owned).collect();
    assert_eq!(scratch.changed()?, changed);
    assert_eq!(scratch.new_lines(LIST)?, 1);
    let steps = steps("Appointment", "appointment")?;
    let unnamed: Vec<_> = changed.difference(&steps).collect();
    assert!(unnamed.is_empty(), "the steps do not name {unnamed:?}, only {steps:?}");
    Ok(())
}

/// Where a mechanism's name is at home, and why.
const HOMES: [(&str, &str); 3] = [
    ("crates/mechanisms/src/", "each has a file there"),
    ("crates/bindings/", "the list, and the ABIs"),
    (
        "crates/cli/src/commands/offer.rs",
        "`provery prover offer` signs and revokes offers of one mechanism alone",
    ),
];

/// What of a source is no test's.
fn without_tests(path: &str, text: &str) -> String {
    let test = ["tests.rs", "testing.rs", "_tests.rs"].iter().any(|end| path.ends_with(end));
    if test || path.contains("/tests/") {
        return String::new();
    }
    // Examples may name one: they are what a person types.
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    lines.filter(|line| !line.contains("Example:")).collect::<Vec<_>>().join("\n")
}

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
    const ORDINARY: [&str; 3] = ["agreement", "mining", "race"];
    let list = fs::read_to_string(root().join(LIST))?;
    let mut found = Vec::new();
    let mut looked = 0;
    for (path, bytes) in files(root())? {
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
        assert!(root().join(home).exists(), "{home} is no more ({why})");
    }
    Ok(())
}
