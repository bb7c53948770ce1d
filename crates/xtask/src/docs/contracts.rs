//! The contracts' pages: what `forge doc` wrote of the interfaces, one file each, in one flat folder.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use eyre::{Result, ensure};

use super::{files, markdown, read};

const HEAD: &str = "# Contracts

Made by `forge doc` from the NatSpec of the interfaces and types. Implementations inherit it; what they say beyond it is about how, and is in the source. Read `IProofMarket`, \
                    `IProverRegistry` and `IMechanism` first.

";

/// Pages by the contract's name, and the page that lists them.
pub(super) fn pages(forge: &Path) -> Result<(String, Vec<(String, String)>)> {
    let mut pages = Vec::new();
    for path in files(&forge.join("src"))? {
        if let Some(name) = name(&path) {
            pages.push((name, flat(&read(&path)?)));
        }
    }
    ensure!(!pages.is_empty(), "forge doc wrote nothing into {}", forge.display());
    pages.sort();
    let mut index = HEAD.to_owned();
    for (name, _) in &pages {
        let _ = writeln!(index, "- [{name}]({name}.md)");
    }
    Ok((index, pages))
}

/// `interface.IRace.md` → `IRace`.
fn name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let mut parts = file.split('.');
    match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
        ("interface" | "struct" | "enum" | "library" | "type", name, Some("md"), None) => {
            Some(name.to_owned())
        }
        _ => None,
    }
}

/// Links lead to the page's name alone.
fn flat(text: &str) -> String {
    let mut flat = text.to_owned();
    for link in markdown::links(text).into_iter().rev() {
        if let Some(name) = name(&PathBuf::from(link.target)) {
            flat.replace_range(link.at, &format!("{name}.md"));
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_between_interfaces_lead_to_their_pages() {
        let text = "[IMechanism](/contracts/src/interfaces/IMechanism.sol/interface.IMechanism.md) [x](y.md)";
        assert_eq!(flat(text), "[IMechanism](IMechanism.md) [x](y.md)");
        assert_eq!(name(Path::new("src/README.md")), None);
    }
}
