//! The source that explorers are given compiles to what was deployed.

use std::{fs, path::Path, process::Command};

use eyre::{Result, ensure, eyre};
use provery_bindings::{CircuitRegistry, ProverRegistry, SlotTransfers, TermsRules};
use provery_tests::{Anvil, Provery, key};
use serde_json::Value;

/// Those that compile in seconds, and one whose constructor and immutables are none too simple.
const COMPILED: [&str; 4] = ["CircuitRegistry", "TermsRules", "SlotTransfers", "ProverRegistry"];

/// The creation code of a contract as the repository's compiler makes it of a standard JSON input.
fn compiled(input: &Path, unit: &str, name: &str) -> Result<String> {
    let solc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../script/solc");
    let output = Command::new(solc).args(["--standard-json", "--whole"]).arg(input).output()?;
    let output: Value = serde_json::from_slice(&output.stdout)?;
    let code = output["contracts"][unit][name]["evm"]["bytecode"]["object"].as_str();
    code.map(str::to_owned).ok_or_else(|| eyre!("{name} does not compile: {}", output["errors"]))
}

#[tokio::test]
async fn the_input_that_explorers_are_given_compiles_to_what_was_deployed() -> Result<()> {
    let anvil = Anvil::start().await?;
    let deployer = key(1);
    anvil.set_balance(deployer.address().to_string(), "0x3635c9adc5dea00000").await?;
    let provery = Provery::new(&anvil.url())?;
    provery.ok(Some(&deployer.to_bytes().to_string()), &["deploy"]).await?;

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (own, libraries) = (root.join("contracts/src"), root.join("node_modules"));
    let (own, libraries) = (own.display().to_string(), libraries.display().to_string());
    let args =
        ["contracts", "standard-json", "--sources", &own, "--libraries", &libraries, "--out", "verification"];
    let said = provery.ok(None, &args).await?;
    ensure!(said["without_source"] == serde_json::json!(["PuzzleVerifier"]), "{said}");

    let folder = provery.dir.path().join("verification");
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let deployment: Value = serde_json::from_slice(&fs::read(provery.deployment())?)?;
    for (name, record) in deployment["contracts"].as_object().into_iter().flatten() {
        ensure!(
            name == "PuzzleVerifier" || index["contracts"][name]["address"] == record["address"],
            "{name}"
        );
    }
    for name in COMPILED {
        let code = match name {
            "CircuitRegistry" => &CircuitRegistry::BYTECODE,
            "TermsRules" => &TermsRules::BYTECODE,
            "SlotTransfers" => &SlotTransfers::BYTECODE,
            _ => &ProverRegistry::BYTECODE,
        };
        let unit = index["contracts"][name]["contract"].as_str().unwrap_or_default();
        let unit = unit.strip_suffix(&format!(":{name}")).unwrap_or_default();
        ensure!(
            format!("0x{}", compiled(&folder.join(format!("{name}.json")), unit, name)?) == code.to_string(),
            "{name} compiles to other code"
        );
    }
    Ok(())
}
