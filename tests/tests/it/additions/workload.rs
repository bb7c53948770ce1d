//! A workload, by the guide's steps, and that nothing but the workload's own knows it by name.

use std::collections::BTreeMap;

use eyre::{Result, ensure};

use super::scratch::{changed, check, files, follow, repository, scratch, sources, without_tests};

#[test]
fn a_workload_is_one_file_and_one_word() -> Result<()> {
    let copy = scratch("additions-workload")?;
    let before = sources(&copy)?;
    follow("add-a-workload.md", &copy)?;
    check(&copy)?;
    let after = sources(&copy)?;
    assert_eq!(changed(&before, &after), ["crates/workloads/src/lib.rs", "crates/workloads/src/numbers.rs"]);
    assert_eq!(before.len() + 1, after.len());
    Ok(())
}

/// By which the reference rollup, its contract and its circuit are known.
const NAMES: [&str; 4] = ["transfer_rollup", "TransferRollup", "provery_circuits", "post_block"];

#[test]
fn no_crate_that_serves_all_workloads_names_one() -> Result<()> {
    const NEUTRAL: [&str; 6] = ["cli", "indexer", "node", "rpc", "txmgr", "worker"];
    let mut all = BTreeMap::new();
    for name in NEUTRAL {
        let folder = repository().join("crates").join(name).join("src");
        files(repository(), &folder, &mut all)?;
    }
    let (mut found, mut looked) = (Vec::new(), 0);
    for (path, bytes) in all {
        // `provery rollup` is the reference rollup's own operator: it creates one and posts its blocks.
        if path.starts_with("crates/cli/src/commands/rollup") {
            continue;
        }
        let path = path.display().to_string();
        let text = without_tests(&path, &String::from_utf8(bytes)?);
        looked += usize::from(!text.is_empty());
        found.extend(NAMES.iter().filter(|name| text.contains(**name)).map(|name| format!("{path}: {name}")));
    }
    ensure!(looked > 200, "only {looked} files were looked at");
    ensure!(found.is_empty(), "a workload is named outside its own files:\n{}", found.join("\n"));
    Ok(())
}
