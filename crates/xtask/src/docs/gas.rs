//! The page of every gas figure, from the committed snapshots.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use eyre::{Context, Result};

use super::read;

const FORKS: [&str; 2] = ["prague", "osaka"];

pub(super) fn page(root: &Path) -> Result<String> {
    let mut figures = Vec::new();
    for fork in FORKS {
        let path = root.join(format!("contracts/snapshots/gas-{fork}.json"));
        let of_fork: BTreeMap<String, String> =
            serde_json::from_str(&read(&path)?).wrap_err_with(|| format!("reading {}", path.display()))?;
        figures.push(of_fork);
    }
    Ok(table(&figures))
}

fn table(figures: &[BTreeMap<String, String>]) -> String {
    let mut page = "# Every figure\n\nGas of whole transactions, from `contracts/snapshots`, which `./script/gas --check` measures again. The floor \
                    is what no implementation can go below: base, calldata and pairing.\n\n| name | Prague | Osaka | floor |\n|---|--:|--:|--:|\n"
        .to_owned();
    let mut names: Vec<&String> =
        figures.iter().flat_map(BTreeMap::keys).filter(|name| !name.ends_with(".floor")).collect();
    names.sort();
    names.dedup();
    for name in names {
        let of = |fork: usize, name: &str| {
            figures.get(fork).and_then(|it| it.get(name)).map_or("", String::as_str)
        };
        let floor = of(0, &format!("{name}.floor"));
        let _ = writeln!(page, "| `{name}` | {} | {} | {floor} |", of(0, name), of(1, name));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_its_floor_beside_it() {
        let of = |gas: &str| {
            BTreeMap::from([("prove".to_owned(), gas.to_owned()), ("prove.floor".to_owned(), "2".to_owned())])
        };
        let page = table(&[of("3"), of("4")]);
        assert!(page.ends_with("| `prove` | 3 | 4 | 2 |\n"), "{page}");
        assert!(!page.contains("prove.floor"));
    }
}
