//! One generated Solidity file to bytecode, with the settings of foundry.toml.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use alloy::primitives::{Bytes, hex};
use eyre::Result;
use serde_json::{Value, json};

use crate::error::{Code, fail};

pub(crate) const ENV_SOLC: &str = "PROVERY_SOLC";
/// What the project's contracts are compiled with.
pub(crate) const VERSION: &str = "0.8.30";

const FILE: &str = "Verifier.sol";

/// The creation code of contract `name` in `source`, which imports nothing.
pub(crate) fn compile(source: &str, name: &str) -> Result<Bytes> {
    let path = find()?;
    let version = version(&path)?;
    if version != VERSION {
        return Err(fail(
            Code::Compiler,
            format!("{} is Solidity {version} and {VERSION} is needed; {HOW_TO_MEND}", path.display()),
        ));
    }
    let output = standard_json(&path, &input(source)).map_err(|error| {
        fail(Code::Compiler, format!("the Solidity compiler {} failed: {error}", path.display()))
    })?;
    bytecode(&output, name)
}

const HOW_TO_MEND: &str = "run script/setup, or point PROVERY_SOLC to the right compiler";

/// What the compiler calls itself, without its build: "0.8.30".
fn version(path: &Path) -> Result<String> {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let version = text.as_deref().map(String::from_utf8_lossy).and_then(|text| {
        let (_, after) = text.split_once("Version: ")?;
        Some(after.split(['+', '-', '\n']).next()?.trim().to_owned())
    });
    version.ok_or_else(|| {
        fail(
            Code::Compiler,
            format!("{} does not answer as a Solidity compiler; {HOW_TO_MEND}", path.display()),
        )
    })
}

/// The compiler's answer to `input`.
fn standard_json(path: &Path, input: &Value) -> io::Result<Value> {
    let mut compiler = Command::new(path)
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It answers only when it has read everything.
    if let Some(mut stdin) = compiler.stdin.take() {
        stdin.write_all(&serde_json::to_vec(input)?)?;
    }
    let output = compiler.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn input(source: &str) -> Value {
    json!({
        "language": "Solidity",
        "sources": { FILE: { "content": source } },
        "settings": {
            "evmVersion": "prague",
            "viaIR": true,
            "optimizer": { "enabled": true, "runs": 1_000_000 },
            "metadata": { "bytecodeHash": "none", "appendCBOR": false },
            "outputSelection": { "*": { "*": ["evm.bytecode.object"] } },
        },
    })
}

fn bytecode(output: &Value, name: &str) -> Result<Bytes> {
    let errors: Vec<&str> = output["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|error| error["severity"] == "error")
        .filter_map(|error| error["formattedMessage"].as_str().or_else(|| error["message"].as_str()))
        .collect();
    if let Some(first) = errors.first() {
        return Err(fail(
            Code::Compiler,
            format!("the generated verifier does not compile: {}", first.trim()),
        ));
    }
    output["contracts"][FILE][name]["evm"]["bytecode"]["object"]
        .as_str()
        .and_then(|text| hex::decode(text).ok())
        .filter(|code| !code.is_empty())
        .map(Bytes::from)
        .ok_or_else(|| {
            fail(Code::Compiler, format!("the Solidity compiler gave no code for the contract {name}"))
        })
}

/// `PROVERY_SOLC`, else script/solc here or where this program was built, else solc on PATH.
fn find() -> Result<PathBuf> {
    if let Some(path) = env::var_os(ENV_SOLC).filter(|value| !value.is_empty()) {
        return Ok(path.into());
    }
    let here = env::current_dir().ok();
    let program = env::current_exe().ok();
    let ancestors =
        here.iter().flat_map(|path| path.ancestors()).chain(program.iter().flat_map(|path| path.ancestors()));
    let beside = ancestors.map(|folder| folder.join("script/solc"));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join("solc"));
    beside
        .chain(on_path)
        .find(|candidate| is_program(candidate))
        .ok_or_else(|| fail(Code::Compiler, format!("there is no Solidity compiler; {HOW_TO_MEND}")))
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
        result.expect_err("fails").downcast_ref::<Failure>().expect("is a failure").code
    }

    #[test]
    fn compiler_output_is_read() {
        let good = json!({ "contracts": { FILE: { "V": { "evm": { "bytecode": { "object": "6001" } } } } } });
        assert_eq!(bytecode(&good, "V").expect("has code"), Bytes::from(vec![0x60, 1]));
        assert_eq!(code(bytecode(&good, "W")), Code::Compiler);
        let bad = json!({ "errors": [{ "severity": "error", "formattedMessage": "no" }] });
        assert_eq!(code(bytecode(&bad, "V")), Code::Compiler);
    }
}
