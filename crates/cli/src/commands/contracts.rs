//! `provery contracts`: what others need to see for themselves that a deployment's contracts are those of the sources.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use clap::{Args, Subcommand};
use eyre::Result;
use provery_types::Deployment;
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{Code, fail},
    files, solc,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ContractsCommand {
    /// Write the compiler's input for each contract of a deployment, by which explorers and Sourcify verify its source
    #[command(
        after_help = "Example: provery contracts standard-json --deployment deployments/1.json --out verification"
    )]
    StandardJson(StandardJsonArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StandardJsonArgs {
    /// The contracts' sources, of the version that was deployed: of a checkout, or the folder of the npm package
    #[arg(long, value_name = "DIR", default_value = "contracts/src")]
    sources: PathBuf,
    /// Where npm put OpenZeppelin and Solady
    #[arg(long, value_name = "DIR", default_value = "node_modules")]
    libraries: PathBuf,
    /// The folder to write to: a file for each contract, and index.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Where the project's own sources are, as explorers show them.
const ROOT: &str = "contracts/src";
/// What the sources call the libraries, and where npm puts them.
const LIBRARIES: [(&str, &str); 2] = [("@openzeppelin/", "@openzeppelin/"), ("solady/", "solady/src/")];
/// The compiler with its build, as explorers name it.
const COMPILER: &str = "v0.8.30+commit.73712a01";

pub(crate) fn run(context: &Context, command: ContractsCommand) -> Result<()> {
    let ContractsCommand::StandardJson(args) = command;
    let path =
        context.settings.deployment.clone().ok_or_else(|| {
            fail(Code::Usage, "which deployment is not clear; give its file with --deployment")
        })?;
    let deployment = files::read_deployment(&path)?;
    if deployment.compiler != solc::VERSION {
        return Err(fail(
            Code::WrongContract,
            format!(
                "{} was compiled by Solidity {} and this program is of a version that is by {}; use the program that deployed it",
                path.display(),
                deployment.compiler,
                solc::VERSION
            ),
        ));
    }
    let sources = Sources { own: args.sources, libraries: args.libraries };
    let written = write(&deployment, &sources, &args.out)?;
    let skipped: Vec<&String> =
        deployment.contracts.keys().filter(|name| !written.contains_key(*name)).collect();
    context.out.result(&json!({ "out": args.out, "contracts": written, "without_source": skipped }), || {
        let mut text = format!("wrote the input for {} contracts to {}", written.len(), args.out.display());
        if !skipped.is_empty() {
            let names: Vec<&str> = skipped.iter().map(|name| name.as_str()).collect();
            text += &format!(
                "; generated, so `provery verifier generate` has the source of {}",
                names.join(", ")
            );
        }
        text
    });
    Ok(())
}

/// What is written of each contract, by its name.
fn write(deployment: &Deployment, sources: &Sources, out: &Path) -> Result<BTreeMap<String, Value>> {
    let mut written = BTreeMap::new();
    for (name, record) in &deployment.contracts {
        let Some(unit) = sources.unit_of(name)? else { continue };
        let file = format!("{name}.json");
        let input = sources.standard_json(&unit)?;
        files::write(&out.join(&file), &serde_json::to_vec_pretty(&input)?)?;
        let entry = json!({
            "address": record.address,
            "contract": format!("{unit}:{name}"),
            "compiler": COMPILER,
            "input": file,
        });
        written.insert(name.clone(), entry);
    }
    let index = json!({ "chain_id": deployment.chain_id, "contracts": written });
    files::write(&out.join("index.json"), &serde_json::to_vec_pretty(&index)?)?;
    Ok(written)
}

/// Where sources are.
#[derive(Debug)]
struct Sources {
    own: PathBuf,
    libraries: PathBuf,
}

impl Sources {
    /// The source unit that a contract of this name is in; none if it is generated.
    fn unit_of(&self, name: &str) -> Result<Option<String>> {
        let file = format!("{name}.sol");
        let mut folders = vec![self.own.clone()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).map_err(|error| {
                fail(
                    Code::Io,
                    format!(
                        "the sources in {} cannot be read: {error}; give them with --sources",
                        folder.display()
                    ),
                )
            })?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|found| *found == *file) {
                    let within = path.strip_prefix(&self.own)?;
                    let parts: Vec<_> = within.iter().map(|part| part.to_string_lossy()).collect();
                    return Ok(Some(format!("{ROOT}/{}", parts.join("/"))));
                }
            }
        }
        Ok(None)
    }

    fn read(&self, unit: &str) -> Result<String> {
        let library = LIBRARIES
            .iter()
            .find_map(|(name, folder)| Some(self.libraries.join(folder).join(unit.strip_prefix(name)?)));
        let own = || unit.strip_prefix(ROOT).map(|rest| self.own.join(rest.trim_start_matches('/')));
        let path = library.or_else(own).ok_or_else(|| {
            fail(
                Code::Compiler,
                format!("the sources import {unit}, which is neither theirs nor a library's"),
            )
        })?;
        fs::read_to_string(&path).map_err(|error| {
            fail(
                Code::Io,
                format!(
                    "the source {} cannot be read: {error}; give --sources and --libraries, or run script/setup",
                    path.display()
                ),
            )
        })
    }

    /// The compiler's input for a unit: it and all that it imports, with the settings of foundry.toml.
    fn standard_json(&self, unit: &str) -> Result<Value> {
        let mut sources = BTreeMap::new();
        let mut open = vec![unit.to_owned()];
        while let Some(unit) = open.pop() {
            if sources.contains_key(&unit) {
                continue;
            }
            let content = self.read(&unit)?;
            open.extend(imports(&content).map(|import| resolve(&unit, import)));
            sources.insert(unit, json!({ "content": content }));
        }
        Ok(json!({
            "language": "Solidity",
            "sources": sources,
            "settings": {
                "evmVersion": "prague",
                "viaIR": true,
                "optimizer": { "enabled": true, "runs": 10_000 },
                "metadata": { "bytecodeHash": "none", "appendCBOR": false },
                "libraries": {},
                "remappings": [],
                "outputSelection": {
                    "*": { "*": ["abi", "evm.bytecode", "evm.deployedBytecode", "evm.methodIdentifiers", "metadata"] },
                },
            },
        }))
    }
}

/// What a source imports, as it names it. Every import of ours, and of the libraries', begins a line and ends at its semicolon.
fn imports(source: &str) -> impl Iterator<Item = &str> {
    let starts =
        source.match_indices("import").filter(move |(at, _)| *at == 0 || source.as_bytes()[at - 1] == b'\n');
    starts.filter_map(move |(at, _)| source[at..].split(';').next()?.split('"').nth(1))
}

/// The unit that `import` means in `unit`.
fn resolve(unit: &str, import: &str) -> String {
    if !import.starts_with('.') {
        return import.to_owned();
    }
    let mut parts: Vec<&str> = unit.split('/').collect();
    parts.pop();
    for part in Path::new(import).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.extend(name.to_str()),
            _ => {}
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    #[test]
    fn imports_are_found_and_resolved() {
        let source = "// import \"no\";\nimport { A } from \"../A.sol\";\nimport {\n    B,\n    C\n} from \"lib/B.sol\";\nimport \"./D.sol\";\n";
        let found: Vec<String> =
            imports(source).map(|import| resolve("contracts/src/x/Y.sol", import)).collect();
        assert_eq!(found, ["contracts/src/A.sol", "lib/B.sol", "contracts/src/x/D.sol"]);
    }

    #[test]
    fn every_contract_of_the_bindings_has_a_source_and_the_settings_are_foundrys() {
        let sources = Sources {
            own: Path::new(REPOSITORY).join(ROOT),
            libraries: Path::new(REPOSITORY).join("node_modules"),
        };
        let mut names: Vec<&str> =
            provery_mechanisms::registry().iter().map(|mechanism| mechanism.name()).collect();
        names.extend(provery_types::REQUIRED_CONTRACTS);
        for name in names {
            assert!(sources.unit_of(name).expect("reads").is_some(), "{name}");
        }
        assert_eq!(sources.unit_of("PuzzleVerifier").expect("reads"), None, "generated");

        let foundry: toml::Table = include_str!("../../../../foundry.toml").parse().expect("is TOML");
        let profile = &foundry["profile"]["default"];
        // Without the libraries, which a checkout that has no tools lacks.
        let unit = sources.unit_of("TermsRules").expect("reads").expect("is there");
        let settings = &sources.standard_json(&unit).expect("needs no library")["settings"];
        assert_eq!(settings["evmVersion"].as_str(), profile["evm_version"].as_str());
        assert_eq!(settings["optimizer"]["runs"].as_i64(), profile["optimizer_runs"].as_integer());
        assert_eq!(settings["viaIR"].as_bool(), profile["via_ir"].as_bool());
        assert_eq!(settings["metadata"]["bytecodeHash"].as_str(), profile["bytecode_hash"].as_str());
        assert_eq!(settings["metadata"]["appendCBOR"].as_bool(), profile["cbor_metadata"].as_bool());
    }
}
