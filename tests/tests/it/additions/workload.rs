//! A workload, by the guide's steps.

use eyre::{Result, ensure};

use super::scratch::{changed, check, follow, scratch, sources};

#[test]
fn a_workload_is_one_file_and_one_word() -> Result<()> {
    let copy = scratch("additions-workload")?;
    let before = sources(&copy)?;
    follow("add-a-workload.md", &copy)?;
    check(&copy)?;
    let after = sources(&copy)?;
    assert_eq!(changed(&before, &after), ["crates/workloads/src/lib.rs", "crates/workloads/src/numbers.rs"]);
    assert_eq!(before.len() + 1, after.len());
    // The reference rollup's own operator has commands of its own; nothing else knows a workload by its name.
    let mut looked = 0;
    for (path, bytes) in &after {
        let neutral = ["crates/node/src", "crates/worker/src", "crates/cli/src"];
        let neutral = neutral.iter().any(|folder| path.starts_with(folder));
        if neutral && !path.starts_with("crates/cli/src/commands/rollup") {
            looked += 1;
            ensure!(
                !String::from_utf8_lossy(bytes).contains("transfer_rollup"),
                "{} names a workload",
                path.display()
            );
        }
    }
    ensure!(looked > 100, "only {looked} files were looked at");
    Ok(())
}
