//! No two files of a crate need one another: in each folder its files, and its folders with all that is in them, have an order in
//! which each needs only those before it. A folder's `mod.rs` stands above its files, and tests are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

type Module = Vec<String>;

/// The modules of a crate, by path; of each its source without tests and comments.
fn modules(src: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("reads the crate") {
            let path = entry.expect("is there").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(src).expect("is inside").with_extension("");
                let mut module: Module =
                    inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
                if !module.iter().any(|part| is_test(part)) {
                    found.insert(module, source(&fs::read_to_string(&path).expect("is text")));
                }
            }
        }
    }
    found
}

fn is_test(part: &str) -> bool {
    part == "tests" || part == "testing" || part.ends_with("_tests")
}

fn source(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// `prefix::{a, b::{c}}` as the paths that it stands for.
fn expand(prefix: &[String], tree: &str, paths: &mut Vec<Module>) {
    let Some((head, group)) = tree.split_once('{') else {
        let tail = tree.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
        paths.push(prefix.iter().cloned().chain(tail).collect());
        return;
    };
    let head = head.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    let prefix: Module = prefix.iter().cloned().chain(head).collect();
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = group[start..at].trim();
                if !item.is_empty() {
                    expand(&prefix, item, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// What a source imports; with what it makes known under its own name in `aliases`.
fn imports(module: &Module, source: &str, aliases: &mut BTreeMap<Module, Module>) -> Vec<Module> {
    let mut all = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let (statement, after) = rest[at + 4..].split_once(';').unwrap_or((&rest[at + 4..], ""));
        if line.is_empty() || line.starts_with("pub") {
            let mut paths = Vec::new();
            expand(&[], statement, &mut paths);
            for path in &mut paths {
                let Some(last) = path.pop() else { continue };
                let (item, name) = last.split_once(" as ").unwrap_or((&last, &last));
                path.push(item.trim().to_owned());
                if line.starts_with("pub") {
                    let alias = module.iter().cloned().chain([name.trim().to_owned()]).collect();
                    aliases.insert(alias, path.clone());
                }
            }
            all.extend(paths);
            rest = after;
        } else {
            rest = &rest[at + 4..];
        }
    }
    all
}

/// Paths from the crate's root, or from above, in the midst of code.
fn mentions(source: &str) -> Vec<Module> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = source.split(|c: char| !is_path(c));
    let words = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    words.map(|word| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()).collect()
}

/// The module that a path leads to, from where it is said. What a module makes known under its own name leads on.
fn resolve(
    modules: &BTreeMap<Module, String>,
    aliases: &BTreeMap<Module, Module>,
    from: &Module,
    path: &[String],
    steps: usize,
) -> Option<Module> {
    let (mut at, mut rest) = (from.clone(), path);
    match rest.first().map(String::as_str)? {
        "crate" => (at, rest) = (Module::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {}
        first => {
            at.push(first.to_owned());
            let known = modules.contains_key(&at) || aliases.contains_key(&at);
            at.pop();
            // Another crate's.
            if !known {
                return None;
            }
        }
    }
    while rest.first().is_some_and(|part| part == "super") {
        at.pop();
        rest = &rest[1..];
    }
    while let Some(part) = rest.first() {
        let mut next = at.clone();
        next.push(part.clone());
        if modules.contains_key(&next) {
            (at, rest) = (next, &rest[1..]);
        } else if let Some(alias) = aliases.get(&next).filter(|_| steps > 0) {
            let path: Module = alias.iter().chain(&rest[1..]).cloned().collect();
            return resolve(modules, aliases, &at, &path, steps - 1).or(Some(at));
        } else {
            break;
        }
    }
    Some(at)
}

/// In each folder, what needs what, as far as both are in it.
fn needs(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let mut aliases = BTreeMap::new();
    let mut paths = BTreeMap::new();
    for (module, source) in modules {
        let mut all = imports(module, source, &mut aliases);
        all.extend(mentions(source));
        paths.insert(module, all);
    }
    let mut needs: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, paths) in paths {
        for to in paths.iter().filter_map(|path| resolve(modules, &aliases, from, path, 8)) {
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
                let folder = needs.entry(from[..common].to_vec()).or_default();
                folder.entry(a.clone()).or_default().insert(b.clone());
            }
        }
    }
    needs
}

/// Those of a folder that lead back to themselves.
fn circle(needs: &BTreeMap<String, BTreeSet<String>>) -> Vec<&String> {
    let leads_back = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = needs[start].iter().collect();
        while let Some(next) = open.pop() {
            if next == start {
                return true;
            }
            if seen.insert(next) {
                open.extend(needs.get(next).into_iter().flatten());
            }
        }
        false
    };
    needs.keys().filter(|start| leads_back(start)).collect()
}

#[test]
fn no_files_of_a_crate_need_one_another() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut circles = Vec::new();
    let mut looked = 0;
    for entry in fs::read_dir(crates).expect("reads the crates") {
        let source = entry.expect("is there").path().join("src");
        if !source.is_dir() {
            continue;
        }
        let modules = modules(&source);
        looked += modules.len();
        for (folder, needs) in needs(&modules) {
            let found = circle(&needs);
            if !found.is_empty() {
                circles.push(format!("{}/{}: {found:?}", source.display(), folder.join("/")));
            }
        }
    }
    assert!(looked > 300, "only {looked} files were looked at");
    assert!(circles.is_empty(), "these need one another:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found_through_folders_and_names_made_known_elsewhere() {
    let modules = |files: &[(&str, &str)]| {
        let module =
            |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        files.iter().map(|(path, text)| (module(path), source(text))).collect::<BTreeMap<Module, String>>()
    };
    let found = |files: &[(&str, &str)]| {
        needs(&modules(files)).values().flat_map(|needs| circle(needs).len().checked_sub(1)).count()
    };
    let root = ("", "mod a;\nmod b;\npub use b::inner::Item;");
    let inner = ("b/inner", "use crate::a::Other;\npub struct Item;");
    assert_eq!(found(&[root, ("a", "use crate::{\n    Item,\n};"), ("b", "pub mod inner;"), inner]), 1);
    assert_eq!(found(&[root, ("a", "fn f() -> crate::b::inner::Item {}"), ("b", ""), inner]), 1);
    // One way, in tests, in words, or of another crate.
    assert_eq!(found(&[root, ("a", "use std::b;"), ("b", ""), inner]), 0);
    assert_eq!(
        found(&[root, ("a", "// crate::Item\n#[cfg(test)]\nmod tests {\n    use crate::Item;"), inner]),
        0
    );
    // A file and what is below it may.
    assert_eq!(found(&[("", ""), ("b", "use inner::Item;"), ("b/inner", "use super::Outer;")]), 0);
}
