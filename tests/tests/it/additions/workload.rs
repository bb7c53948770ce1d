//! What is added by the steps that a guide gives, in a scratch copy of the sources, changes no other file.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Result, ensure, eyre};
use provery_tests::program;

/// What a workspace is made of.
const SOURCES: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "contracts", "crates", "foundry.toml", "provery.example.toml", "tests"];

pub(super) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every file under `path`, from `root` on.
pub(super) fn files(root: &Path, path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            files(root, &entry?.path(), found)?;
        }
    } else if path.exists() {
        found.insert(path.strip_prefix(root)?.to_owned(), fs::read(path)?);
    }
    Ok(())
}

pub(super) fn sources(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for source in SOURCES {
        files(root, &root.join(source), &mut found)?;
    }
    Ok(found)
}

/// A copy of the sources beside what is built, at the same place each time and as old as they are: what did not change is not
/// compiled again.
pub(super) fn scratch(copy: &Path) -> Result<PathBuf> {
    let copy = copy.to_owned();
    let ours = sources(repository())?;
    for stale in sources(&copy)?.into_keys().filter(|path| !ours.contains_key(path)) {
        fs::remove_file(copy.join(stale))?;
    }
    for (path, bytes) in ours {
        let (from, to) = (repository().join(&path), copy.join(&path));
        fs::create_dir_all(to.parent().ok_or_else(|| eyre!("{} is in no folder", to.display()))?)?;
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            fs::write(&to, &bytes)?;
        }
        File::options().write(true).open(&to)?.set_modified(fs::metadata(&from)?.modified()?)?;
    }
    Ok(copy)
}

#[test]
fn a_workload_is_one_file_and_one_word() -> Result<()> {
    let target = program("provery")?.parent().and_then(Path::parent).map(Path::to_owned);
    let target = target.ok_or_else(|| eyre!("the programs are in no target folder"))?;
    let copy = scratch(&target.join("additions"))?;
    let before = sources(&copy)?;

    let guide = repository().join("docs/guides/add-a-workload.md");
    let followed = Command::new(program("provery-xtask")?)
        .arg("follow")
        .arg(guide)
        .arg("--checkout")
        .arg(&copy)
        .output()?;
    ensure!(followed.status.success(), "{}", String::from_utf8_lossy(&followed.stderr));
    let checked = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--locked", "--package", "provery-workloads", "--lib"])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", &target)
        .output()?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let after = sources(&copy)?;
    let changed: Vec<&Path> = after
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
        .map(|(path, _)| path.as_path())
        .collect();
    let expected = ["crates/workloads/src/lib.rs", "crates/workloads/src/numbers.rs"].map(Path::new);
    ensure!(changed == expected && before.len() + 1 == after.len(), "{changed:?}");
    // Nothing of the node, the workers or the command line knows a workload by its name.
    for (path, bytes) in &after {
        let neutral = ["crates/node/src", "crates/worker/src"].iter().any(|folder| path.starts_with(folder));
        let text = String::from_utf8_lossy(bytes);
        ensure!(!neutral || !text.contains("transfer_rollup"), "{} names a workload", path.display());
    }
    Ok(())
}
