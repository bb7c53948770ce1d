//! What a circuit's files tell about it.

use std::path::Path;

use provery_proving::keys;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    backend::{self, Artifacts},
    container,
    error::{CircomError, FileError},
    r1cs::R1cs,
    sym::Sym,
    zkey::Zkey,
};

/// The name by which circuits call the address that is paid.
pub(crate) const PAYEE: &str = "payee";

/// A circuit as its files show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// `groth16`.
    pub proof_system: &'static str,
    /// `bn254`.
    pub curve: &'static str,
    /// Nothing without the circuit's `.r1cs`.
    pub constraints: Option<u32>,
    /// With the constant one.
    pub wires: usize,
    /// Rows of the evaluation domain, a power of two.
    pub domain_size: usize,
    /// In the order of a proof: outputs first.
    pub public_inputs: Vec<PublicInput>,
    /// Whether exactly one public input is named `payee` and a constraint depends on it. Nothing if the files do not tell.
    pub payee_bound: Option<bool>,
    /// What the generated verifier's `verifyingKeyHash()` answers, hexadecimal.
    pub verifying_key_hash: String,
    /// Contributions that the key claims; only `snarkjs zkey verify` can check them.
    pub contributions: Option<u32>,
    /// Made by this program from a seed: anyone who knows it can forge proofs.
    pub development: bool,
    /// The files that were looked at.
    pub artifacts: Vec<Artifact>,
}

/// A public input of a circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicInput {
    /// Nothing without the circuit's `.sym`.
    pub name: Option<String>,
    /// Whether some constraint depends on it: see [`R1cs::binds`]. Nothing without the circuit's `.r1cs`.
    pub bound: Option<bool>,
}

/// A file of a circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its usual ending: zkey, wasm, r1cs or sym.
    pub kind: &'static str,
    /// Size, bytes.
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

impl Artifact {
    fn of(kind: &'static str, path: &Path) -> Result<Self, FileError> {
        let map = container::map(path)?;
        Ok(Self { kind, bytes: map.len() as u64, sha256: hex::encode(Sha256::digest(&map)) })
    }
}

/// A circuit's files, opened and found to be of one circuit.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) key: Zkey,
    pub(crate) r1cs: Option<R1cs>,
    pub(crate) sym: Option<Sym>,
    /// In the order of a proof: outputs first.
    pub(crate) public_inputs: Vec<PublicInput>,
}

impl Opened {
    /// Constraints are believed only if the key's matrices A and B are theirs, entry for entry; C cannot be compared, because a key
    /// does not hold it.
    pub(crate) fn open(artifacts: &Artifacts) -> Result<Self, FileError> {
        let key = Zkey::open(&artifacts.zkey)?;
        let r1cs = artifacts.r1cs.as_deref().map(R1cs::open).transpose()?;
        let sym = artifacts.sym.as_deref().map(Sym::open).transpose()?;
        if let Some(r1cs) = &r1cs {
            backend::fits(r1cs, &key)?;
            r1cs.check()?;
            key.is_of(r1cs)?;
            if let Some(sym) = &sym {
                sym.is_of(r1cs)?;
            }
        }
        let wires: Vec<u32> = (1..).take(key.public_inputs()).collect();
        let names = match &sym {
            Some(sym) => sym.names_of(&wires)?,
            None => vec![None; wires.len()],
        };
        let mut public_inputs = Vec::with_capacity(wires.len());
        for (&wire, name) in wires.iter().zip(names) {
            let name = name.map(|name| name.strip_prefix("main.").unwrap_or(name).to_owned());
            let bound = r1cs.as_ref().map(|r1cs| r1cs.binds(wire)).transpose()?;
            public_inputs.push(PublicInput { name, bound });
        }
        Ok(Self { key, r1cs, sym, public_inputs })
    }

    /// Whether the key was made by this program from a seed.
    pub(crate) fn is_development(&self) -> bool {
        keys::is_marked(self.key.verifying_key())
    }
}

/// Read all that a circuit's files tell.
pub fn describe(artifacts: &Artifacts) -> Result<Description, CircomError> {
    let opened = Opened::open(artifacts)?;
    let development = opened.is_development();
    let Opened { key, r1cs, sym, public_inputs } = opened;
    let payees: Vec<&PublicInput> =
        public_inputs.iter().filter(|input| input.name.as_deref() == Some(PAYEE)).collect();
    let payee_bound = match (&r1cs, &sym, payees.as_slice()) {
        (Some(_), Some(_), [payee]) => payee.bound,
        (Some(_), Some(_), _) => Some(false),
        _ => None,
    };
    let files = [
        ("zkey", Some(&artifacts.zkey)),
        ("wasm", artifacts.wasm.as_ref()),
        ("r1cs", artifacts.r1cs.as_ref()),
        ("sym", artifacts.sym.as_ref()),
    ];
    let files = files.into_iter().filter_map(|(kind, path)| Some(Artifact::of(kind, path?)));
    Ok(Description {
        proof_system: "groth16",
        curve: "bn254",
        constraints: r1cs.as_ref().map(|r1cs| r1cs.shape().constraints),
        wires: key.wires(),
        domain_size: key.domain_size(),
        payee_bound,
        public_inputs,
        verifying_key_hash: hex::encode(key.key_hash()),
        contributions: key.contributions(),
        development,
        artifacts: files.collect::<Result<_, _>>()?,
    })
}
