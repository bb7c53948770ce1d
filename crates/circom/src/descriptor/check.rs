use ark_bn254::Bn254;
use ark_groth16::VerifyingKey;
use provery_descriptor::{Descriptor, ProofSystem, PublicRole, Role, Setup};
use provery_proving::solidity;

use super::{Files, artifacts, derive};
use crate::{describe::Opened, json::VerifyingKeyJson, zkey::Zkey};

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub what: String,
    /// What is so; or what is wrong, in a sentence.
    pub said: Result<String, String>,
}

/// Findings as they are made.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: impl Into<String>, said: Result<String, String>) {
        self.0.push(Finding { what: what.into(), said });
    }

    fn expect(&mut self, what: &str, right: bool, is: impl Into<String>, wrong: impl Into<String>) {
        self.add(what, if right { Ok(is.into()) } else { Err(wrong.into()) });
    }
}

/// Compare a descriptor with the files that are at hand: each with its digest and size, then what they say with what it says. Of a
/// proof system other than groth16 only digests are compared.
pub fn check(descriptor: &Descriptor, files: &Files) -> Vec<Finding> {
    let mut found = Findings::default();
    let mut whole = Files::new();
    for (role, path) in files {
        let Some(artifact) = descriptor.artifacts.get(role) else { continue };
        let verified = artifact.verify(*role, path);
        if verified.is_ok() {
            whole.insert(*role, path.clone());
        }
        let said = verified.map(|()| format!("{} is {}", path.display(), artifact.digest));
        found.add(format!("artifact {role}"), said.map_err(|error| error.to_string()));
    }
    if descriptor.proof_system == ProofSystem::Groth16 {
        // What is not the file that is described says nothing of the circuit.
        groth16(descriptor, &whole, &mut found);
    }
    found.0
}

/// The key that proofs of the circuit verify with, of a file that is the described one; or why there is none, in a sentence.
pub fn verifying_key(descriptor: &Descriptor, files: &Files) -> Result<VerifyingKey<Bn254>, String> {
    let whole = |role| {
        let (path, artifact) = (files.get(&role)?, descriptor.artifacts.get(&role)?);
        Some(artifact.verify(role, path).map(|()| path).map_err(|error| error.to_string()))
    };
    let key = if let Some(path) = whole(Role::VerifyingKey) {
        let json = derive::read(path?).map_err(|error| error.to_string())?;
        VerifyingKeyJson::read(&json).map_err(|error| error.to_string())?
    } else if let Some(path) = whole(Role::ProvingKey) {
        Zkey::open(path?).map_err(|error| error.to_string())?.verifying_key().clone()
    } else {
        return Err(
            "neither the proving key nor the verifying key is at hand; name one with `--from`".to_owned()
        );
    };
    let (expected, actual) = (&descriptor.verifier.key_hash, hex::encode(solidity::key_hash(&key)));
    match expected {
        Some(expected) if *expected == actual => Ok(key),
        _ => Err(format!(
            "the key hashes to {actual}, which is not what the descriptor says; get the right file"
        )),
    }
}

fn groth16(descriptor: &Descriptor, files: &Files, found: &mut Findings) {
    let expected = descriptor.verifier.key_hash.as_deref();
    let same_key = |key: &VerifyingKey<Bn254>| {
        let actual = hex::encode(solidity::key_hash(key));
        match expected {
            Some(expected) if expected == actual => {
                Ok(format!("its verifying key hashes to {actual}, as the verifier says"))
            }
            Some(expected) => Err(format!(
                "its verifying key hashes to {actual} and the verifier has {expected}: one of them is of another circuit or setup"
            )),
            None => Err(format!(
                "its verifying key hashes to {actual}, and the descriptor does not say what the verifier has"
            )),
        }
    };
    if let Some(path) = files.get(&Role::VerifyingKey) {
        let key = derive::read(path).map_err(|error| error.to_string());
        let key = key.and_then(|json| VerifyingKeyJson::read(&json).map_err(|error| error.to_string()));
        found.add("verifying key", key.and_then(|key| same_key(&key)));
    }
    if let Some(path) = files.get(&Role::WitnessWasm) {
        let runs = derive::program(path).map(|()| "is a witness program of circom 2".to_owned());
        found.add("witness program", runs.map_err(|error| error.to_string()));
    }
    if let Some(path) = files.get(&Role::WitnessGraph) {
        let runs = derive::graph(path).map(|()| "is a graph of circom-witnesscalc".to_owned());
        found.add("witness graph", runs.map_err(|error| error.to_string()));
    }
    let Some(artifacts) = artifacts(files) else {
        return;
    };
    let opened = match Opened::open(&artifacts) {
        Ok(opened) => opened,
        Err(error) => return found.add("proving key", Err(error.to_string())),
    };
    found.add("proving key", same_key(opened.key.verifying_key()));
    if let (Some(path), Some(r1cs)) = (files.get(&Role::WitnessWasm), &opened.r1cs) {
        let fits =
            derive::program_of(path, r1cs).map(|()| "is of the circuit with these constraints".to_owned());
        found.add("witness program's circuit", fits.map_err(|error| error.to_string()));
    }
    let ceremony = matches!(descriptor.setup, Setup::Ceremony { .. });
    found.expect(
        "setup",
        !(ceremony && opened.is_development()),
        if ceremony {
            "says a ceremony; only `snarkjs zkey verify` can check it"
        } else {
            "says development"
        },
        "says a ceremony, and the key is a development key, made from a seed that its maker knows",
    );
    let (described, actual) = (descriptor.public_inputs.len(), opened.key.public_inputs());
    found.expect(
        "public inputs",
        described == actual,
        format!("{actual}, as the key has"),
        format!("the descriptor has {described} and the key has {actual}"),
    );
    if described == actual {
        signals(descriptor, &opened, found);
    }
}

/// Names, roles and the payee, as far as constraints and names are at hand.
fn signals(descriptor: &Descriptor, opened: &Opened, found: &mut Findings) {
    let places = descriptor.signals().unwrap_or_default();
    let described = || descriptor.public_inputs.iter().zip(places.iter().copied());
    if opened.sym.is_some() {
        let wrong = described().find(|(input, signal)| {
            opened.public_inputs.get(*signal).and_then(|it| it.name.as_ref()) != Some(&input.name)
        });
        found.add(
            "names",
            wrong.map_or(Ok("as the .sym has them".to_owned()), |(input, signal)| {
                Err(format!(
                    "public signal {signal} is not named {} in the .sym",
                    input.name.escape_default()
                ))
            }),
        );
    }
    // Without constraints nothing is said of the payee, neither right nor wrong.
    let Some(r1cs) = &opened.r1cs else { return };
    let actual = u64::from(r1cs.shape().constraints);
    found.expect(
        "constraints",
        descriptor.constraints == Some(actual),
        actual.to_string(),
        format!(
            "the descriptor has {} and the .r1cs has {actual}",
            descriptor.constraints.map_or_else(|| "none".to_owned(), |count| count.to_string())
        ),
    );
    let outputs = r1cs.shape().outputs as usize;
    let wrong = described().find(|(input, signal)| match input.role {
        PublicRole::Statement => *signal < outputs,
        PublicRole::Output => *signal >= outputs,
        PublicRole::Payee => false,
    });
    found.add(
        "roles",
        wrong.map_or(Ok(format!("{outputs} outputs, as the .r1cs has")), |(input, _)| {
            Err(format!(
                "{} is described as {:?}, and the .r1cs has its {outputs} outputs first",
                input.name.escape_default(),
                input.role
            ))
        }),
    );
    let payee = described().find(|(input, _)| input.role == PublicRole::Payee);
    let bound = payee.and_then(|(_, signal)| opened.public_inputs.get(signal)?.bound) == Some(true);
    let said = match (descriptor.payee_bound, payee, bound) {
        (true, Some((payee, _)), true) => {
            Ok(format!("a constraint depends on {}", payee.name.escape_default()))
        }
        (true, ..) => Err("the descriptor says that it is bound, and no constraint depends on it".to_owned()),
        (false, ..) => Ok("not bound, and the descriptor says so".to_owned()),
    };
    found.add("payee", said);
}
