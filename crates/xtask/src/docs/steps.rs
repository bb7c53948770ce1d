//! Steps of the guides that can be followed to the letter: a block of code that begins with `file=PATH` is that whole file, and one
//! with `line=PATH after="TEXT"` is what is added in that file after the one line that contains the text.

use std::path::{Path, PathBuf};

use eyre::{Result, bail, ensure, eyre};

use super::{read, write};

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    File { path: PathBuf, text: String },
    Line { path: PathBuf, after: String, text: String },
}

/// The steps of a page, in order.
pub(super) fn of(page: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let mut text = String::new();
        for line in lines.by_ref() {
            if line.trim_start() == "```" {
                break;
            }
            text.push_str(line.get(indent..).unwrap_or_default());
            text.push('\n');
        }
        if let Some(path) = value(info, "file=") {
            steps.push(Step::File { path: path.into(), text });
        } else if let Some(path) = value(info, "line=") {
            let after = value(info, "after=").ok_or_else(|| eyre!("a line for {path} is after none"))?;
            steps.push(Step::Line { path: path.into(), after: after.to_owned(), text });
        }
    }
    Ok(steps)
}

/// What stands behind a name: up to the next space, or between quotes.
fn value<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = info.split_once(name)?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(value, _)| value),
        None => rest.split_whitespace().next(),
    }
}

impl Step {
    /// Does it in a checkout.
    pub(super) fn follow(&self, root: &Path) -> Result<()> {
        match self {
            Self::File { path, text } => {
                ensure!(!root.join(path).exists(), "{} is there already", path.display());
                write(&root.join(path), text)
            }
            Self::Line { path, after, text } => {
                let mut file = String::new();
                let mut found = 0;
                for line in read(&root.join(path))?.lines() {
                    file.push_str(line);
                    file.push('\n');
                    if line.contains(after) {
                        found += 1;
                        file.push_str(text);
                    }
                }
                match found {
                    1 => write(&root.join(path), file),
                    0 => bail!("{} has no line with {after:?}", path.display()),
                    _ => bail!("{} has {found} lines with {after:?}", path.display()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    const PAGES: [&str; 2] = ["docs/guides/add-a-mechanism.md", "docs/guides/add-a-workload.md"];

    /// New files, and one line in one list.
    #[test]
    fn the_guides_steps_can_be_followed_and_change_one_line_of_what_there_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let scratch = std::env::temp_dir().join(format!("provery-steps-{}", std::process::id()));
        for page in PAGES {
            let steps = of(&read(&root.join(page)).expect("is there")).expect("has steps");
            let mut changed = Vec::new();
            for step in &steps {
                match step {
                    Step::File { path, .. } => {
                        assert!(!root.join(path).exists(), "{page}: {} is taken", path.display())
                    }
                    Step::Line { path, .. } => {
                        let text = read(&root.join(path)).expect("is there");
                        write(&scratch.join(path), &text).expect("writes");
                        changed.push((path, text));
                    }
                }
                step.follow(&scratch).unwrap_or_else(|error| panic!("{page}: {error}"));
            }
            assert!(steps.len() > changed.len() && changed.len() == 1, "{page}: {changed:?}");
            for (path, before) in changed {
                let after = read(&scratch.join(path)).expect("is there");
                assert_eq!(after.lines().count(), before.lines().count() + 1, "{page}");
            }
        }
        fs::remove_dir_all(scratch).expect("removes");
    }

    /// Whoever follows a guide has nothing to mend before ./script/test.
    #[test]
    fn the_rust_of_the_guides_is_formatted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let scratch = std::env::temp_dir().join(format!("provery-format-{}", std::process::id()));
        for page in PAGES {
            for step in of(&read(&root.join(page)).expect("is there")).expect("has steps") {
                let Step::File { path, .. } = &step else { continue };
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue;
                }
                step.follow(&scratch).expect("writes");
                let mut rustfmt = Command::new("rustfmt");
                rustfmt
                    .args(["--edition", "2024", "--check", "--config-path"])
                    .arg(root.join("rustfmt.toml"));
                let output = rustfmt.arg(scratch.join(path)).output().expect("starts");
                assert!(output.status.success(), "{page}: {}", String::from_utf8_lossy(&output.stdout));
            }
        }
        fs::remove_dir_all(scratch).expect("removes");
    }

    #[test]
    fn a_block_loses_the_indentation_of_its_step() {
        let page = "1. x\n\n   ```rust file=a/b.rs\n   fn f() {\n       g();\n\n   }\n   ```\n\n   ```rust line=l.rs after=\"a, b\"\n       c,\n   ```\n";
        let steps = of(page).expect("parses");
        assert_eq!(
            steps,
            [
                Step::File { path: "a/b.rs".into(), text: "fn f() {\n    g();\n\n}\n".to_owned() },
                Step::Line { path: "l.rs".into(), after: "a, b".to_owned(), text: "    c,\n".to_owned() },
            ]
        );
    }
}
