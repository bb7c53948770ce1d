//! A circuit's files in a folder, as circom and snarkjs leave them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use eyre::Result;
use provery_circom::descriptor::{Files, Given, InputGiven, Payee, derive};
use provery_descriptor::{Descriptor, Role, document::MAX_BYTES};
use serde_json::Value;

use crate::{
    commands::circuit::{describe::of_derive, files::bounded},
    error::{Code, fail},
};

/// A longer input is not looked at, bytes.
const MOST_INPUT: u64 = 1 << 20;
/// What has such an ending is for this.
const ENDINGS: [(&str, Role); 4] = [
    ("r1cs", Role::Constraints),
    ("sym", Role::Symbols),
    ("wasm", Role::WitnessWasm),
    ("zkey", Role::ProvingKey),
];

/// What is in a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    files: Files,
    /// A descriptor, and its bytes.
    described: Option<(Descriptor, Vec<u8>)>,
    input: Option<PathBuf>,
}

impl Found {
    /// What is in `path`, or, of a descriptor's file, beside it.
    pub(super) fn look(path: &Path) -> Result<Self> {
        let io =
            |error| fail(Code::Io, format!("{} cannot be read: {error}; check --circuit", path.display()));
        let is_file = fs::metadata(path).map_err(io)?.is_file();
        let folder =
            if is_file { path.parent().unwrap_or(Path::new("")).to_owned() } else { path.to_owned() };
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let mut entries = list(&folder).map_err(io)?;
        // circom puts the witness program into a folder of its own.
        let inner: Vec<PathBuf> = entries
            .iter()
            .filter(|it| it.is_dir() && it.to_string_lossy().ends_with("_js"))
            .cloned()
            .collect();
        for inner in inner {
            entries.extend(list(&inner).map_err(io)?);
        }
        let mut found = Self::default();
        for (ending, role) in ENDINGS {
            let mut fitting = entries.iter().filter(|it| it.is_file() && has_ending(it, ending));
            let Some(first) = fitting.next() else { continue };
            let more: Vec<_> = fitting.filter(|it| it.file_name() != first.file_name()).collect();
            if let Some(second) = more.first() {
                return Err(fail(
                    Code::Usage,
                    format!(
                        "{} has {} and {}, and which is meant is not clear; leave one .{ending} there",
                        path.display(),
                        first.display(),
                        second.display()
                    ),
                ));
            }
            found.files.insert(role, first.clone());
        }
        let json: Vec<&PathBuf> =
            entries.iter().filter(|it| it.is_file() && has_ending(it, "json")).collect();
        let described = |path: &Path| {
            let bytes = bounded(path, MAX_BYTES as u64).ok()?;
            Some((Descriptor::parse(&bytes).ok()?, bytes))
        };
        found.described = match is_file {
            true => Some(described(path).ok_or_else(|| {
                fail(
                    Code::DescriptorInvalid,
                    format!(
                        "{} is no descriptor; give the folder of the circuit's files instead",
                        path.display()
                    ),
                )
            })?),
            false => json.iter().find_map(|path| described(path)),
        };
        let named =
            |path: &&&PathBuf| path.file_name().is_some_and(|it| it.to_string_lossy().contains("input"));
        found.input = json.iter().find(named).map(|path| (*path).clone());
        Ok(found)
    }

    /// The descriptor that is there, or one derived from the files.
    pub(super) fn descriptor(
        &self,
        name: Option<&str>,
        payee: Option<&str>,
        no_payee: bool,
    ) -> Result<(Descriptor, Vec<u8>)> {
        if let Some(described) = &self.described {
            if name.is_some() || payee.is_some() || no_payee {
                return Err(fail(
                    Code::Usage,
                    "the folder has a descriptor, which says name and payee; leave out --name, --payee and --no-payee",
                ));
            }
            return Ok(described.clone());
        }
        for (ending, role) in ENDINGS {
            if !self.files.contains_key(&role) {
                return Err(fail(
                    Code::ArtifactUnavailable,
                    format!("there is no .{ending} in --circuit{}", hint(role)),
                ));
            }
        }
        let stem = self.files.get(&Role::Constraints).and_then(|path| path.file_stem());
        let usual = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let given = Given {
            name: name.map_or(usual, str::to_owned),
            description: String::new(),
            files: self.files.clone(),
            payee: match payee {
                _ if no_payee => Payee::Nobody,
                Some(name) => Payee::Named(name.to_owned()),
                None => Payee::Usual,
            },
            kinds: Default::default(),
            meanings: Default::default(),
            url_base: None,
            input: InputGiven { sources: Vec::new(), schema: None },
            notes: Value::Null,
        };
        let descriptor = derive(&given).map_err(|error| of_derive(&error))?;
        let bytes = descriptor.to_bytes()?;
        Ok((descriptor, bytes))
    }

    /// The input's name and content, if there is one that is JSON.
    pub(super) fn input(&self) -> Result<Option<(String, Value)>> {
        let Some(path) = &self.input else { return Ok(None) };
        let value = serde_json::from_slice(&bounded(path, MOST_INPUT)?).map_err(|error| {
            fail(
                Code::Usage,
                format!("{} is no input in JSON: {error}; correct it or move it away", path.display()),
            )
        })?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A name goes into a script.
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !plain {
            return Err(fail(Code::Usage, format!("call the input {} input.json", path.display())));
        }
        Ok(Some((name, value)))
    }

    /// Every file that a project takes along.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.values().chain(&self.input)
    }
}

fn hint(role: Role) -> &'static str {
    match role {
        Role::ProvingKey => {
            ": it is the key, which a ceremony or snarkjs makes, and for development `provery circuit setup --r1cs … --out …`"
        }
        _ => ": circom writes it, with --r1cs --sym --wasm",
    }
}

fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|it| it == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("is made");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("has one")).expect("is made");
            fs::write(path, "{}").expect("is written");
        }
        folder
    }

    #[test]
    fn files_are_found_as_circom_leaves_them() {
        let folder = folder(&["a.r1cs", "a.sym", "a_js/a.wasm", "a_final.zkey", "input.json", "vkey.json"]);
        let found = Found::look(folder.path()).expect("is clear");
        assert_eq!(found.files.len(), 4);
        assert_eq!(found.input().expect("is JSON").expect("is there").0, "input.json");
        assert!(found.described.is_none());
    }

    #[test]
    fn what_is_missing_or_there_twice_is_said() {
        let none = folder(&["a.r1cs", "a.sym", "a.wasm"]);
        let error =
            Found::look(none.path()).expect("reads").descriptor(None, None, false).expect_err("no key");
        assert!(error.to_string().contains("provery circuit setup"), "{error}");
        let two = folder(&["a.r1cs", "a.sym", "a.wasm", "a_0.zkey", "a_1.zkey"]);
        let error = Found::look(two.path()).expect_err("which").to_string();
        assert!(error.contains("a_0.zkey") && error.contains("a_1.zkey"), "{error}");
        assert!(Found::look(Path::new("/no/such")).is_err());
        let file = none.path().join("a.sym");
        assert!(Found::look(&file).expect_err("none").to_string().contains("no descriptor"));
    }
}
