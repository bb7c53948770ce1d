//! contracts/src → crates/bindings/abi/*.json, through foundry-compilers with the settings of foundry.toml.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use eyre::{Context, Result, bail, ensure, eyre};
use foundry_compilers::{
    Project, ProjectBuilder, ProjectPathsConfig,
    artifacts::{
        BytecodeHash, EvmVersion, Remapping, Settings, SettingsMetadata, output_selection::OutputSelection,
    },
    solc::{Solc, SolcCompiler, SolcLanguage, SolcSettings},
};
use serde_json::{Value, json};

/// What the bindings are made from, besides every mechanism: contracts that are deployed, and interfaces that anyone may
/// implement.
const EXPORTED: &[&str] = &[
    "BlockVerifier",
    "CircuitRegistry",
    "DelegationPool",
    "DelegationPoolPolicies",
    "DelegationPools",
    "DevelopmentToken",
    "IBondEscrow",
    "IMechanism",
    "IVerifier",
    "ProofMarket",
    "ProofMarketExt",
    "ProverRegistry",
    "SlotInputs",
    "SlotTransfers",
    "TermsRules",
    "TransferRollup",
];

/// The market hands what it does not know itself to its extension: its ABI is that of both.
const EXTENDED: (&str, &str) = ("ProofMarket", "ProofMarketExt");

const REMAPPINGS: &[(&str, &str)] =
    &[("@openzeppelin/", "node_modules/@openzeppelin/"), ("solady/", "node_modules/solady/src/")];

pub(crate) fn run(root: &Path, solc: &Path, check: bool, only: Option<&str>) -> Result<()> {
    let root = root.canonicalize()?;
    let artifacts = compile(&root, solc, only)?;
    let folder = root.join("crates/bindings/abi");
    fs::create_dir_all(&folder)?;
    let mut drifted = Vec::new();
    let wanted: Vec<&str> = only.map_or_else(|| EXPORTED.to_vec(), |name| vec![name]);
    if let Some(missing) = wanted.iter().find(|name| !artifacts.contains_key(**name)) {
        bail!("contracts/src has no contract {missing} to export");
    }
    for (name, artifact) in &artifacts {
        let text = serde_json::to_string_pretty(artifact)? + "\n";
        let path = folder.join(format!("{name}.json"));
        if fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        if check {
            drifted.push(name.as_str());
        } else {
            fs::write(&path, text).wrap_err_with(|| format!("writing {}", path.display()))?;
            println!("wrote crates/bindings/abi/{name}.json");
        }
    }
    ensure!(
        drifted.is_empty(),
        "crates/bindings/abi is not what contracts/src compiles to ({}); run `cargo xtask contracts` and commit the result",
        drifted.join(", ")
    );
    Ok(())
}

/// Contract name → `{abi, bytecode}`; of `only` one of them, if it is given.
fn compile(root: &Path, solc: &Path, only: Option<&str>) -> Result<BTreeMap<String, Value>> {
    let solc = if solc.is_relative() && !solc.exists() { root.join(solc) } else { solc.to_path_buf() };
    let solc = Solc::new(&solc).wrap_err_with(|| {
        format!("{} does not answer as a Solidity compiler; run script/setup", solc.display())
    })?;
    let mut settings = Settings {
        evm_version: Some(EvmVersion::Prague),
        via_ir: Some(true),
        output_selection: OutputSelection::common_output_selection([
            "abi".to_string(),
            "evm.bytecode.object".to_string(),
        ]),
        ..Default::default()
    };
    settings.optimizer.enabled = Some(true);
    settings.optimizer.runs = Some(10_000);
    settings.metadata = Some(SettingsMetadata {
        use_literal_content: None,
        bytecode_hash: Some(BytecodeHash::None),
        cbor_metadata: Some(false),
    });
    let paths = ProjectPathsConfig::builder()
        .root(root)
        .sources(root.join("contracts/src"))
        .remappings(REMAPPINGS.iter().map(|(name, path)| Remapping {
            context: None,
            name: (*name).to_string(),
            path: root.join(path).display().to_string(),
        }))
        .build_with_root::<SolcLanguage>(root);
    let project: Project<SolcCompiler> = ProjectBuilder::<SolcCompiler>::new(Default::default())
        .paths(paths)
        .settings(SolcSettings { settings, ..Default::default() })
        .offline()
        .ephemeral()
        .no_artifacts()
        .build(SolcCompiler::Specific(solc))?;
    let output = match only {
        Some(name) => project.compile_files(source(&root.join("contracts/src"), name))?,
        None => project.compile()?,
    };
    if output.has_compiler_errors() {
        bail!("contracts/src does not compile:\n{output}");
    }
    let mut artifacts = BTreeMap::new();
    for (path, name, contract) in output.output().contracts.contracts_with_files() {
        let exported = path.starts_with(root.join("contracts/src")) && EXPORTED.contains(&name.as_str());
        let mechanism = path.starts_with(root.join("contracts/src/mechanisms"));
        if !exported && !mechanism || only.is_some_and(|only| only != name) {
            continue;
        }
        let abi = contract.abi.as_ref().ok_or_else(|| eyre!("{name} came without an ABI"))?;
        let bytecode = contract
            .evm
            .as_ref()
            .and_then(|evm| evm.bytecode.as_ref())
            .and_then(|bytecode| bytecode.object.as_bytes())
            .ok_or_else(|| eyre!("{name} came without linked bytecode"))?;
        // Abstract, or the library of a mechanism's packed parameters: nothing to deploy.
        if mechanism && (bytecode.is_empty() || abi.is_empty()) {
            continue;
        }
        artifacts.insert(name.clone(), json!({ "abi": abi, "bytecode": bytecode }));
    }
    // The market alone would be written without its extension.
    ensure!(only != Some(EXTENDED.0), "{} is exported with all others; leave --only out", EXTENDED.0);
    if only.is_none() {
        extend(&mut artifacts)?;
    }
    Ok(artifacts)
}

/// The file under `folder` that a contract is in.
fn source(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|file| file.to_str() == Some(&format!("{name}.sol"))) {
                found.push(path);
            }
        }
    }
    found
}

/// Adds to the market's ABI what its extension has beyond it.
fn extend(artifacts: &mut BTreeMap<String, Value>) -> Result<()> {
    let (name, extension) = EXTENDED;
    let more = artifacts.get(extension).and_then(|artifact| artifact["abi"].as_array()).cloned();
    let more = more.ok_or_else(|| eyre!("{extension} came without an ABI"))?;
    let own = artifacts.get_mut(name).and_then(|artifact| artifact["abi"].as_array_mut());
    let own = own.ok_or_else(|| eyre!("{name} came without an ABI"))?;
    for item in more {
        if item["type"] != "constructor" && !own.contains(&item) {
            own.push(item);
        }
    }
    own.sort_by_key(|item| (item["type"].to_string(), item["name"].to_string()));
    Ok(())
}
