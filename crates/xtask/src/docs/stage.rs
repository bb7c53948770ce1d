//! Lays the book out: every page where it belongs, and what its links lead to.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use eyre::{Context, Result};

use super::{contracts, files, gas, is_markdown, markdown, plain, read, write};

/// Their files have a page each, by the name of what is in them.
const DOCUMENTED: [&str; 2] = ["contracts/src/interfaces", "contracts/src/types"];

/// Where files of the repository are in the book.
#[derive(Debug, Default)]
struct Layout {
    /// Those outside of docs that a page links to, and are yet to be put there.
    wanted: Vec<PathBuf>,
    placed: BTreeMap<PathBuf, PathBuf>,
}

impl Layout {
    /// `path` is one of the repository, from its root.
    fn place(&mut self, path: &Path) -> PathBuf {
        if let Ok(inside) = path.strip_prefix("docs") {
            // mdBook makes index.html of both, and leaves links to the other name as they are.
            return if inside == Path::new("README.md") {
                PathBuf::from("index.md")
            } else {
                inside.to_path_buf()
            };
        }
        if let Some(file) = DOCUMENTED.iter().find_map(|folder| path.strip_prefix(folder).ok()) {
            return Path::new("reference/contracts").join(file.with_extension("md"));
        }
        if let Some(placed) = self.placed.get(path) {
            return placed.clone();
        }
        let name = path.display().to_string();
        let place = if is_markdown(path) {
            Path::new("project").join(name.replace('/', "-"))
        } else {
            // A browser shows these and does not know their endings.
            PathBuf::from(format!("files/{name}.txt"))
        };
        self.wanted.push(path.to_path_buf());
        self.placed.insert(path.to_path_buf(), place.clone());
        place
    }

    /// A page of the repository, as it is in the book.
    fn page(&mut self, from: &Path, text: &str) -> String {
        let to = self.place(from);
        let folder = from.parent().unwrap_or(Path::new(""));
        let mut page = text.to_owned();
        let mut found = markdown::links(text);
        found.extend(markdown::includes(text));
        found.sort_by_key(|link| link.at.start);
        for link in found.into_iter().rev() {
            let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            if path.is_empty() || !markdown::is_local(&link.target) {
                continue;
            }
            let place = self.place(&plain(&folder.join(path)));
            let hash = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
            page.replace_range(link.at, &format!("{}{hash}", between(&to, &place)));
        }
        page
    }
}

/// The relative path from a page to another.
fn between(page: &Path, other: &Path) -> String {
    let up = page.parent().map_or(0, |folder| folder.components().count());
    format!("{}{}", "../".repeat(up), other.display())
}

pub(super) fn run(root: &Path, into: &Path, forge: &Path) -> Result<()> {
    let src = into.join("src");
    if src.exists() {
        fs::remove_dir_all(&src).wrap_err_with(|| format!("removing {}", src.display()))?;
    }
    let mut layout = Layout::default();
    let mut summary = String::new();
    for path in files(&root.join("docs"))? {
        let own = path.strip_prefix(root).unwrap_or(&path);
        if own.ends_with("book.toml") {
            write(&into.join("book.toml"), read(&path)?)?;
        } else if own.ends_with("SUMMARY.md") {
            summary = read(&path)?.replace("(README.md)", "(index.md)");
        } else if is_markdown(own) {
            let page = layout.page(own, &read(&path)?);
            let place = layout.place(own);
            write(&src.join(place), page)?;
        } else {
            let bytes = fs::read(&path).wrap_err_with(|| format!("reading {}", path.display()))?;
            write(&src.join(layout.place(own)), bytes)?;
        }
    }
    let (index, pages) = contracts::pages(forge)?;
    let mut listed = String::new();
    for (name, page) in &pages {
        write(&src.join(format!("reference/contracts/{name}.md")), page)?;
        let _ = writeln!(listed, "  - [{name}](reference/contracts/{name}.md)");
    }
    write(&src.join("reference/contracts/README.md"), index)?;
    write(&src.join("reference/gas-figures.md"), gas::page(root)?)?;

    let mut project = String::new();
    while let Some(path) = layout.wanted.pop() {
        let bytes = linked(&root.join(&path)).wrap_err_with(|| format!("reading {}", path.display()))?;
        let place = layout.place(&path);
        if is_markdown(&path) {
            let text = String::from_utf8(bytes).wrap_err_with(|| format!("reading {}", path.display()))?;
            let title = markdown::title(&text).unwrap_or("?");
            let _ = writeln!(project, "- [{title}]({})", place.display());
            let page = layout.page(&path, &text);
            write(&src.join(place), page)?;
        } else {
            write(&src.join(place), bytes)?;
        }
    }
    write(&src.join("SUMMARY.md"), with(&summary, &listed, &project))?;
    Ok(())
}

/// What a reader finds behind a link: a file, or the names of what is in a folder.
fn linked(path: &Path) -> io::Result<Vec<u8>> {
    if !path.is_dir() {
        return fs::read(path);
    }
    let mut names =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names.iter().flat_map(|name| [name.as_encoded_bytes(), b"\n"].concat()).collect())
}

/// The list of pages, with those of the contracts under theirs and those of the project at the end.
fn with(summary: &str, contracts: &str, project: &str) -> String {
    let mut lines = String::new();
    for line in summary.lines() {
        let _ = writeln!(lines, "{line}");
        if line.contains("(reference/contracts/README.md)") {
            lines.push_str(contracts);
        }
    }
    match lines.split_once("---\n") {
        Some((before, after)) => format!("{before}# Project\n\n{project}\n---\n{after}"),
        None => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_files_are_in_the_book() {
        let mut layout = Layout::default();
        let text = "[a](../../ARCHITECTURE.md#seams) [b](../alerts.yml) [c](../../contracts/src/interfaces/IRandomness.sol) [d](#own) \
                    [e](https://x.y) [f](../../provery.example.toml)";
        let page = layout.page(Path::new("docs/guides/x.md"), text);
        assert_eq!(
            page,
            "[a](../project/ARCHITECTURE.md#seams) [b](../alerts.yml) [c](../reference/contracts/IRandomness.md) [d](#own) \
             [e](https://x.y) [f](../files/provery.example.toml.txt)"
        );
        assert_eq!(layout.wanted.len(), 2);
        let back = layout.page(Path::new("ARCHITECTURE.md"), "[x](docs/guides/x.md)");
        assert_eq!(back, "[x](../guides/x.md)");
    }

    #[test]
    fn a_link_to_a_folder_shows_what_is_in_it() {
        let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/src/verifiers/adapters");
        let listed = String::from_utf8(linked(&adapters).expect("listed")).expect("names");
        assert!(listed.starts_with("Halo2AbiAdapter.sol\nHalo2Adapter.sol\n"), "{listed}");
        assert_eq!(
            linked(&adapters.join("Halo2Adapter.sol")).expect("read"),
            fs::read(adapters.join("Halo2Adapter.sol")).expect("read")
        );
        assert!(linked(&adapters.join("c.sol")).is_err());
    }

    #[test]
    fn pages_that_are_made_are_listed() {
        let summary = "- [Contracts](reference/contracts/README.md)\n\n---\n\n[Limits](limits.md)\n";
        let list = with(summary, "  - [A](a.md)\n", "- [P](p.md)\n");
        assert_eq!(
            list,
            "- [Contracts](reference/contracts/README.md)\n  - [A](a.md)\n\n# Project\n\n- [P](p.md)\n\n---\n\n[Limits](limits.md)\n"
        );
    }
}
