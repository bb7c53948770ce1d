//! `provery init`: a project around a circuit, that runs at once.

mod find;
mod render;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use eyre::Result;
use provery_descriptor::Descriptor;
use serde_json::json;

use self::{
    find::Found,
    render::{INPUT, Project},
};
use crate::{
    config::Settings,
    context::Context,
    error::{Code, fail},
    files,
    output::fields,
};

#[derive(Debug, Args)]
#[command(after_help = "Example: provery init --circuit membership --out membership-market")]
pub(crate) struct InitArgs {
    /// A folder with what circom and snarkjs wrote (.r1cs, .sym, .wasm, .zkey, and an input's JSON), or with a descriptor and its files
    #[arg(long, value_name = "DIR")]
    circuit: PathBuf,
    /// The folder to make [default: the circuit's name, with -market behind]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How the circuit is called, if it has no descriptor [default: the .r1cs' name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The public signal that is paid, if it has no descriptor [default: the one named payee]
    #[arg(long, value_name = "SIGNAL")]
    payee: Option<String>,
    /// No public signal is paid: proofs are committed to before they are shown
    #[arg(long, conflicts_with = "payee")]
    no_payee: bool,
    /// The contracts' sources: contracts/src of a checkout, or the npm package's folder [default: looked for from here and from --out
    /// upwards]
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: &InitArgs) -> Result<()> {
    let found = Found::look(&args.circuit)?;
    let (descriptor, bytes) = found.descriptor(args.name.as_deref(), args.payee.as_deref(), args.no_payee)?;
    provable(&descriptor)?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}-market", descriptor.name)));
    let taken = fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some());
    if taken || out.is_file() {
        return Err(fail(
            Code::Usage,
            format!(
                "{} is there already, and nothing in it is replaced; choose another --out",
                out.display()
            ),
        ));
    }
    let contracts = contracts(args.contracts.as_deref(), &out)?;
    let solc = contracts.join("../../script/solc").canonicalize().ok();
    let input = found.input()?;
    let file = format!("{}.json", descriptor.name);
    let deployment = deployment(&context.settings);
    let text = |path: &Path| path.display().to_string().replace(['"', '\\'], "");
    let (contracts, solc) = (text(&contracts), solc.as_deref().map(text));
    let deployment = deployment.as_deref().map(text);
    let project = Project {
        descriptor: &descriptor,
        file: &file,
        input: input.as_ref().map(|(name, value)| (name.as_str(), value)),
        contracts: &contracts,
        solc: solc.as_deref(),
        deployment: deployment.as_deref(),
    };
    let mut written = Vec::new();
    for (path, content) in project.render() {
        files::write(&out.join(&path), content.as_bytes())?;
        written.push(path);
    }
    executable(&out.join("up.sh"))?;
    files::write(&out.join(&file), &bytes)?;
    written.push(file.clone());
    for path in found.files() {
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        let to = out.join("circuit").join(&name);
        files::make_folder(&out.join("circuit")).and_then(|()| fs::copy(path, &to)).map_err(|error| {
            fail(Code::Io, format!("{} cannot be copied to {}: {error}", path.display(), to.display()))
        })?;
        written.push(format!("circuit/{}", name.display()));
    }
    written.sort();
    show(context, &out, &project, &written, input.is_some());
    Ok(())
}

fn show(context: &Context, out: &Path, project: &Project<'_>, written: &[String], has_input: bool) {
    let json = json!({
        "directory": out,
        "name": project.descriptor.name,
        "descriptor": project.file,
        "contract": project.contract(),
        "market": project.market(),
        "files": written,
        "input": has_input,
    });
    context.out.result(&json, || {
        let next = match has_input {
            true => "forge test, then ./up.sh: see its README.md".to_owned(),
            false => format!("put an input that is proven into circuit/{INPUT}; then forge test and ./up.sh: see its README.md"),
        };
        fields(&[
            ("wrote", format!("{}, {} files", out.display(), written.len())),
            ("circuit", project.descriptor.name.clone()),
            ("requester", format!("src/{}.sol", project.contract())),
            ("next", next),
        ])
    });
}

/// A market's slots state something.
fn provable(descriptor: &Descriptor) -> Result<()> {
    if descriptor.inputs_of(provery_descriptor::PublicRole::Statement).next().is_some() {
        return Ok(());
    }
    Err(fail(
        Code::TermsRejected,
        format!(
            "{} has no public input that a slot could state, so no market of it is possible; declare one as public",
            descriptor.name
        ),
    ))
}

/// The deployment's file, if it is named or where it usually is.
fn deployment(settings: &Settings) -> Option<PathBuf> {
    let usual = || {
        let mut found = fs::read_dir("deployments").ok()?.flatten().map(|entry| entry.path());
        let first = found.find(|path| path.extension().is_some_and(|ending| ending == "json"))?;
        // Of several it is not clear which.
        found.all(|path| path.extension().is_none_or(|ending| ending != "json")).then_some(first)
    };
    let path = settings.deployment.clone().or_else(usual)?;
    std::path::absolute(path).ok()
}

/// Where the contracts are.
fn contracts(given: Option<&Path>, out: &Path) -> Result<PathBuf> {
    const PLACES: [&str; 4] =
        ["", "contracts/src", "lib/provery/contracts/src", "node_modules/@provery/contracts"];
    let is_there = |folder: &Path| folder.join("interfaces/IProofMarket.sol").is_file();
    let absolute = |folder: &Path| {
        folder.canonicalize().map_err(|error| fail(Code::Io, format!("{}: {error}", folder.display())))
    };
    if let Some(given) = given {
        let found = PLACES.iter().map(|place| given.join(place)).find(|folder| is_there(folder));
        let missing = || {
            fail(
                Code::Usage,
                format!(
                    "{} has no interfaces/IProofMarket.sol; give contracts/src of a checkout, or the folder of npm's package",
                    given.display()
                ),
            )
        };
        return absolute(&found.ok_or_else(missing)?);
    }
    let here = std::env::current_dir().unwrap_or_default();
    let out = std::path::absolute(out).unwrap_or_default();
    let above = here.ancestors().chain(out.ancestors());
    let mut places = above.flat_map(|folder| PLACES.iter().skip(1).map(move |place| folder.join(place)));
    match places.find(|folder| is_there(folder)) {
        Some(found) => absolute(&found),
        None => Err(fail(
            Code::Usage,
            "the contracts that a requester imports were not found from here upwards; npm install @provery/contracts, or name them with \
             --contracts",
        )),
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|error| fail(Code::Io, format!("{} cannot be made executable: {error}", path.display())))
}

#[cfg(not(unix))]
fn executable(_path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_are_found_where_they_are_named_or_said_to_be_missing() {
        let folder = tempfile::tempdir().expect("is made");
        let out = folder.path().join("out");
        let code = |result: Result<PathBuf>| {
            result.expect_err("fails").downcast_ref::<crate::error::Failure>().expect("is a failure").code
        };
        assert_eq!(code(contracts(Some(folder.path()), &out)), Code::Usage);
        let package = folder.path().join("node_modules/@provery/contracts/interfaces");
        fs::create_dir_all(&package).expect("is made");
        fs::write(package.join("IProofMarket.sol"), "").expect("is written");
        let found = contracts(Some(folder.path()), &out).expect("is there");
        assert!(found.ends_with("node_modules/@provery/contracts") && found.is_absolute());
    }

    #[test]
    fn a_circuit_that_states_nothing_makes_no_market() {
        let empty = json!({
            "version": 1, "name": "t", "description": "", "proofSystem": "groth16", "curve": "bn254", "constraints": 9,
            "payeeBound": false, "publicInputs": [], "verifier": { "interface": "IVerifier", "keyHash": "00".repeat(32) },
            "artifacts": {}, "setup": { "kind": "development" }, "witness": { "kind": "external" },
            "input": { "schema": {}, "sources": ["posted"] }, "cost": [], "notes": null,
        });
        let descriptor: Descriptor = serde_json::from_value(empty).expect("is a descriptor");
        assert!(provable(&descriptor).is_err());
    }
}
