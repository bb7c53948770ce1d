//! Links that lead nowhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use eyre::Result;

use super::{MADE, files, is_markdown, markdown, plain, read};

/// Of every document of the repository. Pages that are made when the book is built count as there.
pub(super) fn broken(root: &Path) -> Result<Vec<String>> {
    let mut documents: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_file() && is_markdown(&path) {
            documents.push(path);
        }
    }
    for folder in ["docs", "examples"] {
        let folder = root.join(folder);
        if folder.is_dir() {
            documents.extend(files(&folder)?.into_iter().filter(|path| is_markdown(path)));
        }
    }
    documents.sort();
    let is_made = |path: &Path| {
        let path = path.strip_prefix(root).unwrap_or(path);
        MADE.iter().any(|made| path.starts_with(made))
    };
    check(&documents, root, &is_made)
}

/// Of a book that is laid out: nothing may lead out of it.
pub(super) fn broken_in_book(src: &Path) -> Result<Vec<String>> {
    let src = src.canonicalize()?;
    let pages: Vec<PathBuf> = files(&src)?.into_iter().filter(|path| is_markdown(path)).collect();
    check(&pages, &src, &|_| false)
}

fn check(documents: &[PathBuf], within: &Path, is_made: &dyn Fn(&Path) -> bool) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for document in documents {
        let text = read(document)?;
        let folder = document.parent().unwrap_or(within);
        for link in markdown::links(&text).into_iter().chain(markdown::includes(&text)) {
            if !markdown::is_local(&link.target) {
                continue;
            }
            let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let to = if path.is_empty() { document.clone() } else { plain(&folder.join(path)) };
            if is_made(&to) {
                continue;
            }
            let there = to.starts_with(within) && to.exists();
            let named = anchor.is_empty()
                || !there
                || !is_markdown(&to)
                || markdown::anchors(&read(&to)?).iter().any(|it| it == anchor);
            if !there || !named {
                let line = 1 + text[..link.at.start].matches('\n').count();
                let name = document.strip_prefix(within).unwrap_or(document).display();
                broken.push(format!("{name}:{line}: {}", link.target));
            }
        }
    }
    Ok(broken)
}
