//! A copy of the sources to add something to.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Result, ensure, eyre};
use provery_tests::program;

const VERSION: &str = concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"");

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

/// What of a source is no test's.
pub(super) fn without_tests(path: &str, text: &str) -> String {
    let test = ["tests.rs", "testing.rs", "_tests.rs"].iter().any(|end| path.ends_with(end));
    if test || path.contains("/tests/") {
        return String::new();
    }
    // Examples may name one: they are what a person types.
    let mut kept = Vec::new();
    let mut lines = text.lines().filter(|line| !line.contains("Example:"));
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push(line);
            continue;
        }
        // A file of tests is declared anywhere; those in the file itself are its end.
        if lines.next().is_some_and(|item| item.starts_with("mod ") && item.ends_with('{')) {
            break;
        }
    }
    kept.join("\n")
}

/// Run a command to its end; what it said is the error if it fails.
pub(super) fn done(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.chars().take(4_000).collect::<String>());
    Ok(())
}

/// The folder that builds go to.
fn target() -> Result<PathBuf> {
    let target = program("provery")?.parent().and_then(Path::parent).map(Path::to_owned);
    target.ok_or_else(|| eyre!("the programs are in no target folder"))
}

/// A copy of the sources beside what is built, at the same place each time and as old as they are: what did not change is not
/// compiled again. Of a version of its own: cargo takes what is built of one copy for
/// another's, wherever it lies, if names and versions are the same.
pub(super) fn scratch(name: &str) -> Result<PathBuf> {
    let copy = target()?.join(name);
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
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    ensure!(text.contains(VERSION), "the workspace has another version");
    fs::write(&manifest, text.replacen(VERSION, &format!("version = \"0.0.0-{name}\""), 1))?;
    Ok(copy)
}

/// Follow the steps of a guide in a copy.
pub(super) fn follow(guide: &str, copy: &Path) -> Result<()> {
    let guide = repository().join("docs/guides").join(guide);
    done(Command::new(program("provery-xtask")?).arg("follow").arg(guide).arg("--checkout").arg(copy))
}

/// Check all of a copy, so that nothing is left out that would have to learn of what was added.
pub(super) fn check(copy: &Path) -> Result<()> {
    done(
        Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--offline", "--workspace"])
            .current_dir(copy)
            .env("CARGO_TARGET_DIR", target()?)
            .env("CARGO_INCREMENTAL", "0"),
    )
}

/// What is another file now, or a new one; not the lock file, which repeats the version.
pub(super) fn changed(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<String> {
    let changed = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes));
    changed.map(|(path, _)| path.display().to_string()).filter(|path| path != "Cargo.lock").collect()
}
