//! Builds and tests share what they compile.

use std::{collections::BTreeSet, process::Command};

/// Packages of the workspace with the features that are on, for these kinds of dependencies.
fn selected(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "--format",
            "{p} {f}",
            "--edges",
            edges,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("text");
    tree.lines().map(|line| line.trim_end_matches(" (*)").trim_end().to_owned()).collect()
}

#[test]
fn tests_turn_on_no_feature_that_a_build_leaves_off() {
    let (build, tests) = (selected("normal,build"), selected("normal,build,dev"));
    assert!(build.len() > 100, "the tree is not what it was");
    let twice: Vec<&String> = build.difference(&tests).collect();
    assert!(
        twice.is_empty(),
        "these are compiled twice, with all that depends on them, since tests turn on more of their features; \
         turn these on in crates/xtask/Cargo.toml: {twice:#?}"
    );
}
