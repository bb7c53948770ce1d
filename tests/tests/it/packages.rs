//! What is published to npm, as those who install it have it: packed, installed in an empty folder without a network, and used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Result, ensure, eyre};
use provery_tests::{anvil_program, program};
use serde_json::json;

/// What integrators' contracts import, and so has to compile with their compiler.
const RANGE: &str = "pragma solidity ^0.8.20;";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Run a command to its end; what it printed.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {out}{err}");
    Ok(out.into_owned())
}

/// npm without a registry, and with nothing kept of one.
fn npm(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("npm");
    let quiet = ["--offline", "--no-audit", "--no-fund", "--loglevel=error"];
    command.args(args).args(quiet).current_dir(folder).env("npm_config_cache", folder.join(".npm"));
    command
}

/// Make packages, and say where they are.
fn package(args: &[&str], into: &Path) -> Result<Vec<PathBuf>> {
    let script = repository().join("script/package");
    let printed = said(Command::new(script).args(args).arg(into).env("npm_config_cache", into.join(".npm")))?;
    Ok(printed.lines().map(PathBuf::from).collect())
}

/// Install tarballs in a project.
fn install(project: &Path, tarballs: &[PathBuf]) -> Result<()> {
    fs::write(project.join("package.json"), json!({ "name": "project", "private": true }).to_string())?;
    let tarballs: Vec<String> = tarballs.iter().map(|tarball| tarball.display().to_string()).collect();
    let args: Vec<&str> = ["install"].into_iter().chain(tarballs.iter().map(String::as_str)).collect();
    said(&mut npm(project, &args)).map(drop)
}

/// Every Solidity file under `folder`, by its path from `root` on.
fn sources(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "sol") {
            found.insert(path.strip_prefix(root)?.display().to_string(), fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn contracts() -> Result<BTreeMap<String, String>> {
    let root = repository().join("contracts/src");
    let mut found = BTreeMap::new();
    sources(&root, &root, &mut found)?;
    Ok(found)
}

/// The block of the package's README with this name.
fn block(name: &str) -> Result<String> {
    let readme = fs::read_to_string(repository().join("packages/contracts/README.md"))?;
    let block = readme.split_once(&format!("```toml {name}\n")).and_then(|(_, rest)| rest.split_once("```"));
    block.map(|(block, _)| block.to_owned()).ok_or_else(|| eyre!("the README has no block {name}"))
}

/// The examples for integrators, with what they call the contracts replaced; and a contract that needs what the peers bring.
fn requesters(project: &Path, contracts: &str) -> Result<()> {
    let folder = project.join("src");
    fs::create_dir_all(&folder)?;
    let mut examples = BTreeMap::new();
    let root = repository().join("examples/requester");
    sources(&root, &root, &mut examples)?;
    ensure!(examples.len() >= 3, "{:?}", examples.keys());
    for (name, source) in examples {
        fs::write(folder.join(name), source.replace("\"provery/", &format!("\"{contracts}/")))?;
    }
    let peers = format!(
        "// SPDX-License-Identifier: MIT\npragma solidity 0.8.30;\n\
         import {{ DevelopmentToken }} from \"{contracts}/examples/DevelopmentToken.sol\";\n\
         import {{ SealedBidAuction }} from \"{contracts}/mechanisms/SealedBidAuction.sol\";\n\
         contract Peers is DevelopmentToken {{ function auction() external pure returns (bytes memory) {{ return type(SealedBidAuction).creationCode; }} }}\n"
    );
    fs::write(folder.join("Peers.sol"), peers)?;
    Ok(())
}

/// Compile a project whose foundry.toml has the README's remappings.
fn compile(project: &Path, remappings: &str) -> Result<()> {
    let solc = repository().join("script/solc").canonicalize()?;
    let settings = format!(
        "offline = true\nsolc = {:?}\nevm_version = \"prague\"\noptimizer = true\n",
        solc.display().to_string()
    );
    fs::write(
        project.join("foundry.toml"),
        format!("[profile.default]\n{settings}auto_detect_remappings = false\n{remappings}"),
    )?;
    let forge = anvil_program()?.display().to_string().replace("anvil", "forge");
    said(
        Command::new(forge)
            .args(["build", "--color", "never"])
            .current_dir(project)
            .env_remove("FOUNDRY_SOLC"),
    )?;
    for contract in ["ProofFirstRollup", "MinimalRequester", "AttestedVerifier", "Peers"] {
        let artifact = project.join(format!("out/{contract}.sol/{contract}.json"));
        ensure!(artifact.exists(), "{} is missing", artifact.display());
    }
    Ok(())
}

/// The package and its peers, as npm would have them.
fn installed(project: &Path, into: &Path) -> Result<()> {
    let mut tarballs = package(&["contracts"], into)?;
    for peer in ["@openzeppelin/contracts", "solady"] {
        let folder = repository().join("node_modules").join(peer);
        let folder = folder.canonicalize()?.display().to_string();
        let made = said(&mut npm(into, &["pack", "--ignore-scripts", "--silent", &folder]))?;
        tarballs.push(into.join(made.trim()));
    }
    install(project, &tarballs)
}

#[test]
fn a_fresh_foundry_project_compiles_requesters_against_the_package_and_against_a_checkout() -> Result<()> {
    let (packages, project, other) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    installed(project.path(), packages.path())?;
    requesters(project.path(), "@provery/contracts")?;
    compile(project.path(), &block("npm")?)?;

    // As a submodule would be.
    let checkout = other.path().join("lib/provery/contracts/src");
    for (path, source) in contracts()? {
        let at = checkout.join(path);
        fs::create_dir_all(at.parent().ok_or_else(|| eyre!("{} is in no folder", at.display()))?)?;
        fs::write(at, source)?;
    }
    fs::rename(project.path().join("node_modules"), other.path().join("node_modules"))?;
    fs::remove_dir_all(other.path().join("node_modules/@provery"))?;
    requesters(other.path(), "provery")?;
    compile(other.path(), &block("checkout")?)
}

#[test]
fn the_package_has_the_contracts_and_what_explains_them_and_nothing_else() -> Result<()> {
    let packages = tempfile::tempdir()?;
    let tarballs = package(&["contracts"], packages.path())?;
    let [tarball] = tarballs.as_slice() else { return Err(eyre!("not one tarball: {tarballs:?}")) };
    let listed = said(Command::new("tar").arg("-tzf").arg(tarball))?;
    let listed: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_prefix("package/")).collect();
    let contracts = contracts()?;
    let more = ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"];
    let expected: BTreeSet<&str> = contracts.keys().map(String::as_str).chain(more).collect();
    ensure!(listed == expected, "{:?}", listed.symmetric_difference(&expected));
    Ok(())
}

/// What a file imports from the same folder of sources.
fn imports<'a>(path: &Path, source: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let quoted =
        source.lines().filter(|line| line.starts_with("import ")).filter_map(|line| line.split('"').nth(1));
    quoted.map(move |import| {
        let mut at = folder.clone();
        for part in Path::new(import).components() {
            match part {
                std::path::Component::ParentDir => drop(at.pop()),
                std::path::Component::Normal(name) => at.push(name),
                _ => {}
            }
        }
        at
    })
}

#[test]
fn interfaces_and_all_that_they_import_leave_the_compiler_to_the_integrator() -> Result<()> {
    let contracts = contracts()?;
    let mut open: Vec<PathBuf> =
        contracts.keys().filter(|path| path.starts_with("interfaces/")).map(PathBuf::from).collect();
    ensure!(open.len() > 15, "{open:?}");
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop() {
        let source = contracts.get(&path.display().to_string());
        let source = source.ok_or_else(|| eyre!("an interface imports {} from elsewhere", path.display()))?;
        ensure!(source.lines().any(|line| line == RANGE), "{} has not the range `{RANGE}`", path.display());
        if seen.insert(path.clone()) {
            open.extend(imports(&path, source));
        }
    }
    Ok(())
}

#[test]
fn the_prebuilt_program_is_installed_for_this_platform_and_starts() -> Result<()> {
    let (packages, project) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let provery = program("provery")?;
    let tarballs = package(&["cli", &provery.display().to_string()], packages.path())?;
    ensure!(tarballs.len() == 2, "{tarballs:?}");
    let npx = |args: &[&str]| {
        let mut command = Command::new("npx");
        command.args(["--no", "--offline", "provery"]).args(args).current_dir(project.path());
        command
    };

    // The launcher alone, as with --omit=optional.
    install(project.path(), &tarballs[..1])?;
    let alone = npx(&["--version"]).output()?;
    let told = String::from_utf8_lossy(&alone.stderr);
    ensure!(alone.status.code() == Some(1) && told.contains("--omit=optional"), "{alone:?}");
    ensure!(told.contains("@provery/cli-"), "{told}");

    install(project.path(), &tarballs)?;
    let direct = said(Command::new(&provery).arg("--version"))?;
    ensure!(said(&mut npx(&["--version"]))? == direct);
    // It ends as the program ends.
    let wrong = npx(&["no-such-command"]).output()?;
    let expected = Command::new(&provery).arg("no-such-command").output()?;
    ensure!(wrong.status.code() == expected.status.code(), "{wrong:?}");
    Ok(())
}
