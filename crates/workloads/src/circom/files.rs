//! A circuit's descriptor and artifacts on disk: `<keys>/<circuit>/descriptor.json`, and every file that it names under
//! `<keys>/artifacts/sha256/<digest>`. What is there is what its name says: `provery circuit fetch` checked it when it came.

use std::{
    fs,
    path::{Path, PathBuf},
};

use provery_circom::Artifacts;
use provery_descriptor::{Descriptor, Digest, Role, Store};
use provery_proving::{KeyError, keys};

use super::circuit_name;

const DESCRIPTOR: &str = "descriptor.json";
const ARTIFACTS: &str = "artifacts";

/// A circuit whose files are at hand.
#[derive(Clone, Debug)]
pub struct Files {
    /// As deployment files name the circuit.
    pub circuit: String,
    /// The document.
    pub descriptor: Descriptor,
    /// What it names.
    pub artifacts: Artifacts,
}

impl Files {
    /// The files under `keys` of the circuit whose descriptor has this digest.
    pub fn open(keys: &Path, digest: &Digest) -> Result<Self, KeyError> {
        let circuit = circuit_name(digest);
        let descriptor = descriptor(keys, digest)?;
        let wrong = |reason: String| KeyError::Described { circuit: circuit.clone(), reason };
        let store = store(keys);
        let find = |role: Role| descriptor.artifacts.get(&role).map(|artifact| (role, store.get(artifact)));
        let needed = |role: Role| match find(role) {
            Some((_, Some(path))) => Ok(path),
            Some((role, None)) => {
                Err(KeyError::NotFetched { circuit: circuit.clone(), what: role.to_string() })
            }
            None => Err(wrong(format!("it names no {role}, without which nothing is proven"))),
        };
        // One of both makes witnesses.
        let graph = find(Role::WitnessGraph).and_then(|(_, path)| path);
        let program = if graph.is_none() { find(Role::WitnessWasm) } else { None };
        if graph.is_none() && program.is_none() && find(Role::WitnessGraph).is_some() {
            needed(Role::WitnessGraph)?;
        }
        let artifacts = Artifacts {
            zkey: needed(Role::ProvingKey)?,
            wasm: program.map(|_| needed(Role::WitnessWasm)).transpose()?,
            graph,
            // Without them a witness that was posted is not told from one that satisfies the circuit.
            r1cs: find(Role::Constraints).map(|_| needed(Role::Constraints)).transpose()?,
            sym: find(Role::Symbols).and_then(|(_, path)| path),
        };
        Ok(Self { circuit, descriptor, artifacts })
    }
}

/// The descriptor under `keys` that has this digest.
pub fn descriptor(keys: &Path, digest: &Digest) -> Result<Descriptor, KeyError> {
    let circuit = circuit_name(digest);
    let path = descriptor_path(keys, &circuit);
    let bytes = fs::read(&path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            KeyError::NotFetched { circuit: circuit.clone(), what: "descriptor".to_owned() }
        } else {
            KeyError::Io { path: path.clone(), source: error }
        }
    })?;
    Descriptor::registered(&bytes, *digest)
        .map_err(|error| KeyError::Described { circuit, reason: error.to_string() })
}

/// Where the descriptor of a circuit is kept.
pub fn descriptor_path(keys: &Path, circuit: &str) -> PathBuf {
    keys::directory_of(keys, circuit).join(DESCRIPTOR)
}

/// Where the artifacts of all circuits are kept.
pub fn store(keys: &Path) -> Store {
    Store::new(&keys.join(ARTIFACTS))
}
