//! Files of circuits that have a descriptor, put where provers look for them and listed from there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::B256;
use eyre::Result;
use provery_circom::Zkey;
use provery_descriptor::{Artifact, ArtifactError, Descriptor, Digest, Role, Setup};
use provery_workloads::circom::{
    circuit_name, descriptor_of,
    files::{descriptor, descriptor_path, store},
};
use serde_json::{Value, json};

use super::files::{descriptor_bytes, keep, named, of_artifact, role_of, unwritable};
use crate::{
    context::Context,
    error::{Code, fail},
    output::table,
};

/// A circuit and its descriptor.
pub(in crate::commands) struct Described {
    descriptor: Descriptor,
    digest: Digest,
    bytes: Vec<u8>,
}

/// The circuit that is meant, by its descriptor's file or by its name, if it is one that is described.
pub(in crate::commands) fn of(
    circuit: Option<&str>,
    file: Option<&Path>,
    keys: &Path,
) -> Result<Option<Described>> {
    let path = match (file, circuit) {
        (Some(file), _) => file.to_owned(),
        (None, Some(name)) if descriptor_of(name).is_some() => {
            let path = descriptor_path(keys, name);
            if !path.exists() {
                return Err(fail(
                    Code::ArtifactUnavailable,
                    format!(
                        "the descriptor of {name} is not under {}; name it with --descriptor, or run `provery circuit fetch`",
                        keys.display()
                    ),
                ));
            }
            path
        }
        (None, _) => return Ok(None),
    };
    let bytes = descriptor_bytes(&path)?;
    let descriptor = Descriptor::parse(&bytes)
        .map_err(|error| fail(Code::DescriptorInvalid, format!("{}: {error}", path.display())))?;
    Ok(Some(Described { descriptor, digest: Digest::of(&bytes), bytes }))
}

impl Described {
    /// Keep a file, or those of a folder, that the descriptor names.
    pub(in crate::commands) fn import(
        &self,
        context: &Context,
        source: &Path,
        key_hash: Option<B256>,
        keys: &Path,
    ) -> Result<()> {
        let circuit = circuit_name(&self.digest);
        let own = self.descriptor.verifier.key_hash.as_ref().and_then(|hash| hash.parse::<B256>().ok());
        if let Some(expected) = key_hash.filter(|expected| own != Some(*expected)) {
            return Err(fail(
                Code::KeyHashMismatch,
                format!(
                    "the descriptor is about the key {}, and --key-hash says {expected}; get the descriptor of that circuit",
                    own.unwrap_or_default()
                ),
            ));
        }
        let store = store(keys);
        let paths = match source.to_str().and_then(|text| text.parse::<Digest>().ok()) {
            Some(digest) => vec![store.path(digest)],
            None => named(&[source.to_owned()])?,
        };
        let mut kept = Vec::new();
        for path in &paths {
            // In a folder there may be other files; what has the ending of one that is wanted must be it.
            if let Some((role, artifact)) = self.named_by(path)? {
                let (copied, _) = store.import(path).map_err(|error| unwritable(&error))?;
                if copied != artifact.digest {
                    return Err(fail(
                        Code::CircuitMismatch,
                        format!("{} changed while it was copied; run this again", path.display()),
                    ));
                }
                kept.push((role, artifact.digest, store.path(artifact.digest)));
            }
        }
        if kept.is_empty() {
            let wanted: Vec<String> =
                self.descriptor.artifacts.iter().map(|(role, it)| format!("{role} {}", it.digest)).collect();
            return Err(fail(
                Code::CircuitMismatch,
                format!(
                    "{} is none of the files of {}, and nothing was kept; it has {}",
                    source.display(),
                    self.descriptor.name,
                    wanted.join(", ")
                ),
            ));
        }
        keep(keys, &self.bytes, &self.digest)?;
        let files: Vec<Value> = kept
            .iter()
            .map(|(role, digest, path)| json!({ "role": role, "digest": digest, "file": path }))
            .collect();
        let json =
            json!({ "circuit": circuit, "name": self.descriptor.name, "key_hash": own, "artifacts": files });
        context.out.result(&json, || {
            let rows: Vec<Vec<String>> = kept
                .iter()
                .map(|(role, digest, path)| {
                    vec![role.to_string(), digest.to_string(), path.display().to_string()]
                })
                .collect();
            format!("{circuit}\n{}", table(&["artifact", "digest", "file"], &rows))
        });
        Ok(())
    }

    /// What a file is; nothing if it is none that the descriptor names. An error says how it differs from the one that it passes for.
    fn named_by(&self, path: &Path) -> Result<Option<(Role, &Artifact)>> {
        let mut differs = None;
        for (role, artifact) in &self.descriptor.artifacts {
            match artifact.verify(*role, path) {
                Ok(()) => return Ok(Some((*role, artifact))),
                Err(error @ ArtifactError::Io { .. }) => return Err(of_artifact(&error)),
                Err(error) if role_of(path) == Some(*role) => differs = Some((*role, error)),
                Err(_) => {}
            }
        }
        match differs {
            Some((Role::ProvingKey, error)) => Err(self.other_key(path, &error)),
            Some((_, error)) => Err(of_artifact(&error)),
            None => Ok(None),
        }
    }

    /// How a proving key differs: it proves something else, or the same with other bytes.
    fn other_key(&self, path: &Path, error: &ArtifactError) -> eyre::Report {
        let Ok(key) = Zkey::open(path) else { return of_artifact(error) };
        let theirs = B256::from(key.key_hash());
        let ours = self.descriptor.verifier.key_hash.as_ref().and_then(|hash| hash.parse::<B256>().ok());
        if ours == Some(theirs) {
            return fail(
                Code::CircuitMismatch,
                format!(
                    "{error}: it has the circuit's verifying key ({theirs}), and its bytes are not those that are described, as after \
                     another export"
                ),
            );
        }
        fail(
            Code::KeyHashMismatch,
            format!(
                "{} is another key: its hash is {theirs}, and {} has {}; get the one that the circuit was registered with",
                path.display(),
                self.descriptor.name,
                ours.unwrap_or_default()
            ),
        )
    }
}

/// A circuit whose descriptor was kept.
pub(in crate::commands) struct Kept {
    circuit: String,
    folder: PathBuf,
    /// The descriptor, with the files that it names and that are not at hand; or what is wrong with it.
    found: Result<(Descriptor, Vec<Role>), String>,
}

/// Those under a directory of keys, by name.
pub(in crate::commands) fn kept(keys: &Path) -> Vec<Kept> {
    let Ok(entries) = fs::read_dir(keys) else { return Vec::new() };
    let store = store(keys);
    let mut found: Vec<Kept> = entries
        .flatten()
        .filter_map(|entry| {
            let circuit = entry.file_name().to_string_lossy().into_owned();
            let digest = descriptor_of(&circuit)?;
            let read = descriptor(keys, &digest).map_err(|error| error.to_string()).map(|descriptor| {
                let missing = descriptor.artifacts.iter().filter(|(_, it)| store.get(it).is_none());
                let missing = missing.map(|(role, _)| *role).collect();
                (descriptor, missing)
            });
            Some(Kept { circuit, folder: entry.path(), found: read })
        })
        .collect();
    found.sort_by(|a, b| a.circuit.cmp(&b.circuit));
    found
}

/// Whether whoever made the key can forge proofs.
fn is_development(descriptor: &Descriptor) -> bool {
    descriptor.setup == Setup::Development
}

/// Whether one of the programs that it names is there, if it names any.
fn makes_witnesses(descriptor: &Descriptor, missing: &[Role]) -> bool {
    let programs = [Role::WitnessGraph, Role::WitnessWasm];
    let mut named = programs.iter().filter(|role| descriptor.artifacts.contains_key(role)).peekable();
    named.peek().is_none() || named.any(|role| !missing.contains(role))
}

impl Kept {
    /// As a program takes it.
    pub(in crate::commands) fn json(&self) -> Value {
        match &self.found {
            Ok((descriptor, missing)) => json!({
                "circuit": self.circuit,
                "name": descriptor.name,
                "directory": self.folder,
                // A key alone proves; names and constraints explain what does not.
                "valid": !missing.contains(&Role::ProvingKey) && makes_witnesses(descriptor, missing),
                "missing": missing,
                "development": is_development(descriptor),
                "constraints": descriptor.constraints,
                "public_inputs": descriptor.public_inputs.len(),
                "key_hash": descriptor.verifier.key_hash.as_ref().map(|hash| format!("0x{hash}")),
            }),
            Err(problem) => {
                json!({ "circuit": self.circuit, "directory": self.folder, "valid": false, "problem": problem })
            }
        }
    }

    /// As a row of a table: circuit, constraints, setup, key hash.
    pub(in crate::commands) fn row(&self) -> Vec<String> {
        match &self.found {
            Ok((descriptor, missing)) => vec![
                format!("{} ({})", self.circuit, descriptor.name),
                descriptor.constraints.map_or_else(|| "-".to_owned(), |count| count.to_string()),
                if is_development(descriptor) { "development" } else { "ceremony" }.to_owned(),
                match missing.as_slice() {
                    [] => format!("0x{}", descriptor.verifier.key_hash.as_deref().unwrap_or_default()),
                    some => {
                        let names: Vec<&str> = some.iter().map(|role| role.as_str()).collect();
                        format!("not at hand: {}", names.join(", "))
                    }
                },
            ],
            Err(problem) => vec![self.circuit.clone(), "-".into(), "unusable".into(), problem.clone()],
        }
    }
}
