//! The book: docs, and the pages that are made for it. `stage` lays out what mdBook then builds; `links` finds links that lead nowhere.
//!
//! | in the repository | in the book |
//! |---|---|
//! | `docs/…` | `…` |
//! | a Markdown file elsewhere that a page links to | a chapter under `project/` |
//! | an interface of the contracts | its page under `reference/contracts/`, made by `forge doc` |
//! | any other file that a page links to | a copy under `files/` |

mod contracts;
mod gas;
mod links;
mod markdown;
mod stage;
mod steps;

use std::{
    fs,
    path::{Path, PathBuf},
};

use eyre::{Context, Result, ensure};

/// Pages that are made for the book and are not in the repository.
const MADE: [&str; 2] = ["docs/reference/contracts", "docs/reference/gas-figures.md"];

/// Checks the documents; and lays the book out in `into`, if that is given, with the contracts' pages that `forge doc` wrote.
pub(crate) fn run(root: &Path, into: Option<(&Path, &Path)>) -> Result<()> {
    let root = root.canonicalize()?;
    let broken = links::broken(&root)?;
    ensure!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    let Some((into, forge)) = into else { return Ok(()) };
    stage::run(&root, into, forge)?;
    let broken = links::broken_in_book(&into.join("src"))?;
    ensure!(broken.is_empty(), "links of the book that lead nowhere:\n{}", broken.join("\n"));
    Ok(())
}

/// Follows the steps that a page gives, in a checkout.
pub(crate) fn follow(page: &Path, checkout: &Path) -> Result<()> {
    let steps = steps::of(&read(page)?)?;
    ensure!(!steps.is_empty(), "{} has no steps to follow", page.display());
    steps.iter().try_for_each(|step| step.follow(checkout))
}

/// Every file under a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).wrap_err_with(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).wrap_err_with(|| format!("reading {}", path.display()))
}

fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).wrap_err_with(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, text).wrap_err_with(|| format!("writing {}", path.display()))
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// A path without `.` and `..`, whether or not it is there.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
    }

    #[test]
    fn every_link_of_the_documents_leads_somewhere() {
        let broken = links::broken(&root()).expect("reads the documents");
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn what_a_newcomer_reads_first_is_short() {
        for (name, most) in [("README.md", 6 * 1024), ("ARCHITECTURE.md", 12 * 1024)] {
            let size = read(&root().join(name)).expect("is there").len();
            assert!(
                size <= most,
                "{name} has {size} bytes, of at most {most}: what is longer belongs into docs"
            );
        }
    }

    /// At most 15 Rust files and 5 contracts, and all of them there.
    #[test]
    fn the_path_of_one_block_is_of_files_that_exist() {
        let text = read(&root().join("ARCHITECTURE.md")).expect("is there");
        let path = text.split("## The path of one block").nth(1).expect("has the path");
        let path = path.split("\n## ").next().unwrap_or_default();
        let mut named: Vec<&str> = path
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| word.ends_with(".rs") || word.ends_with(".sol"))
            .collect();
        for file in &named {
            assert!(root().join(file).is_file(), "{file} is not there");
        }
        named.sort_unstable();
        named.dedup();
        let contracts = named.iter().filter(|file| file.ends_with(".sol")).count();
        assert!(contracts <= 5 && named.len() - contracts <= 15 && named.len() > 10, "{named:?}");
    }

    #[test]
    fn every_page_is_in_the_books_list() {
        let docs = root().join("docs");
        let summary = read(&docs.join("SUMMARY.md")).expect("is there");
        for page in files(&docs).expect("reads docs").into_iter().filter(|path| is_markdown(path)) {
            let name = page.strip_prefix(&docs).expect("is in docs").display().to_string();
            assert!(
                name == "SUMMARY.md" || summary.contains(&format!("({name})")),
                "{name} is not in docs/SUMMARY.md"
            );
        }
    }
}
