//! Where things are, as ARCHITECTURE.md says.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("reads the folder") {
        let path = entry.expect("is there").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn errors_and_events_are_declared_in_interfaces_alone() {
    let mut sources = Vec::new();
    files(&root().join("contracts/src"), &mut sources);
    let (mut declared, mut elsewhere) = (0, Vec::new());
    for path in sources {
        let text = fs::read_to_string(&path).expect("is text");
        let declares = |line: &&str| {
            let line = line.trim_start();
            ["error ", "event "].iter().any(|word| line.starts_with(word)) && line.contains('(')
        };
        for line in text.lines().filter(declares) {
            match path.iter().any(|part| part == "interfaces") {
                true => declared += 1,
                false => elsewhere.push(format!("{}: {}", path.display(), line.trim())),
            }
        }
    }
    assert!(declared > 100, "only {declared} were found");
    assert!(elsewhere.is_empty(), "not in interfaces:\n{}", elsewhere.join("\n"));
}

/// What has to stay free of what: crates that everything proves with know no circuit, and those below the node know no node.
#[test]
fn dependencies_point_one_way() {
    const MAY_NEED: [(&str, &[&str]); 10] = [
        ("types", &["bindings"]),
        ("circuits", &[]),
        ("proving", &[]),
        ("puzzle", &["circuits", "proving"]),
        ("descriptor", &[]),
        ("circom", &["descriptor", "proving"]),
        ("mechanisms", &["bindings", "types"]),
        ("workloads", &["bindings", "circom", "circuits", "descriptor", "proving", "types"]),
        ("rpc", &["bindings", "types"]),
        ("indexer", &["mechanisms", "types"]),
    ];
    for (name, may) in MAY_NEED {
        let manifest = root().join("crates").join(name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("has a manifest");
        let (_, dependencies) = text.split_once("[dependencies]").expect("has dependencies");
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines() {
            let Some(needed) = line.strip_prefix("provery-") else { continue };
            let needed = needed.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(may.contains(&needed), "provery-{name} needs provery-{needed}");
        }
    }
}
