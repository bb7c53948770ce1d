//! A copy of the repository's sources to change and to check. It stays in the target folder, and what is written anew is only
//! what differs, so that a second run has little to compile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use eyre::{Context, Result, ensure, eyre};
use provery_tests::program;

/// What a build reads.
const SOURCES: [&str; 9] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "contracts",
    "crates",
    "foundry.toml",
    "provery.example.toml",
    "script",
    "tests",
];

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The files under `from`, by their path in the repository.
pub fn files(from: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut left: Vec<PathBuf> = SOURCES.iter().map(|source| from.join(source)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if path.exists() {
            found.insert(path.strip_prefix(from)?.to_string_lossy().into_owned(), fs::read(&path)?);
        }
    }
    Ok(found)
}

#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    before: BTreeMap<String, Vec<u8>>,
    after: BTreeMap<String, Vec<u8>>,
    /// Files that a command makes.
    made: BTreeSet<String>,
}

impl Scratch {
    pub fn new(name: &str) -> Result<Self> {
        let dir = program("provery")?.with_file_name("additions").join(name);
        fs::create_dir_all(&dir)?;
        let before = files(root())?;
        ensure!(before.len() > 100, "the sources are not where they were");
        Ok(Self { dir, after: before.clone(), before, made: BTreeSet::new() })
    }

    /// A new file.
    pub fn write(&mut self, path: &str, text: &str) -> Result<()> {
        ensure!(self.after.insert(path.to_owned(), text.into()).is_none(), "{path} is there already");
        Ok(())
    }

    /// One line more, after the one that has `after` in it.
    pub fn add_line(&mut self, path: &str, after: &str, line: &str) -> Result<()> {
        let file = self.after.get_mut(path).ok_or_else(|| eyre!("there is no {path}"))?;
        let text = String::from_utf8(file.clone())?;
        let at = text.find(after).ok_or_else(|| eyre!("{path} has no {after}"))?;
        let end = text[at..].find('\n').ok_or_else(|| eyre!("{path} ends there"))? + at + 1;
        *file = [&text[..end], line, "\n", &text[end..]].concat().into();
        Ok(())
    }

    /// A file that a command makes.
    pub fn makes(&mut self, path: &str) {
        self.made.insert(path.to_owned());
    }

    /// Bring the copy up to date.
    pub fn put(&self) -> Result<()> {
        for path in files(&self.dir)?.keys() {
            if !self.after.contains_key(path) && !self.made.contains(path) {
                fs::remove_file(self.dir.join(path))?;
            }
        }
        for (path, bytes) in &self.after {
            let to = self.dir.join(path);
            if fs::read(&to).is_ok_and(|there| there == *bytes) {
                continue;
            }
            fs::create_dir_all(to.parent().ok_or_else(|| eyre!("{path} has no folder"))?)?;
            fs::write(&to, bytes)?;
            fs::set_permissions(
                &to,
                fs::metadata(root().join(path)).or_else(|_| fs::metadata(&to))?.permissions(),
            )?;
        }
        let modules = self.dir.join("node_modules");
        if !modules.exists() {
            std::os::unix::fs::symlink(fs::canonicalize(root().join("node_modules"))?, &modules)?;
        }
        Ok(())
    }

    /// A program of this repository, at work on the copy.
    pub fn run(&self, name: &str, args: &[&str]) -> Result<()> {
        let mut command = Command::new(program(name)?);
        told(command.args(args).arg("--root").arg(&self.dir).current_dir(&self.dir).output()?)
    }

    /// Compile everything there is. What others wrote is compiled already, and shared.
    pub fn check(&self) -> Result<()> {
        let target = program("provery")?.ancestors().nth(2).map(Path::to_path_buf);
        let target = target.ok_or_else(|| eyre!("the programs are in no target folder"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["check", "--workspace", "--offline", "--locked", "--quiet"]).current_dir(&self.dir);
        command.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
        // What cargo told this test about its own package is not for the copy's.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_BIN_")
                || name == "CARGO_MANIFEST_DIR"
            {
                command.env_remove(name);
            }
        }
        told(command.output()?)
    }

    /// The files that are others than in the repository, as they are on the disk.
    pub fn changed(&self) -> Result<BTreeSet<String>> {
        let now = files(&self.dir)?;
        let paths: BTreeSet<&String> = now.keys().chain(self.before.keys()).collect();
        Ok(paths.into_iter().filter(|path| now.get(*path) != self.before.get(*path)).cloned().collect())
    }

    /// How many lines of a file are new.
    pub fn new_lines(&self, path: &str) -> Result<usize> {
        let lines = |files: &BTreeMap<String, Vec<u8>>| -> Result<usize> {
            let file = files.get(path).ok_or_else(|| eyre!("there is no {path}"))?;
            Ok(file.iter().filter(|byte| **byte == b'\n').count())
        };
        Ok(lines(&self.after)? - lines(&self.before)?)
    }
}

fn told(output: Output) -> Result<()> {
    let said = String::from_utf8(output.stderr).wrap_err("a program writes text")?;
    ensure!(output.status.success(), "{}", said.chars().take(4_000).collect::<String>());
    Ok(())
}
