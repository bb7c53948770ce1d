use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use provery_descriptor::{
    Artifact, Curve, Descriptor, Digest, InputSource, InputType, ProofSystem, PublicInput, PublicRole, Role,
    Setup, SlotInput, VerifierInterface, Witness, document::VERSION,
};
use provery_proving::solidity;
use serde_json::Value;

use super::{DeriveError, Files, InputGiven, artifacts, schema};
use crate::{
    calculator::{Limits, OpenError, WitnessCalculator},
    describe::{Opened, PAYEE},
    error::FileError,
    graph::WitnessGraph,
    json::VerifyingKeyJson,
    r1cs::R1cs,
};

/// Which public signal is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Payee {
    /// The one that is named `payee`.
    #[default]
    Usual,
    /// The one of this name.
    Named(String),
    /// None: proofs are committed to before they are shown.
    Nobody,
}

/// What a descriptor's maker has and says; the rest follows from the files.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// How deployment files, jobs and directories will name the circuit.
    pub name: String,
    /// What it proves, in a sentence.
    pub description: String,
    /// The circuit's files: .zkey, .r1cs and .sym are needed.
    pub files: Files,
    /// Which public signal is paid.
    pub payee: Payee,
    /// Of public signals, by name: which values they take. Any, if nothing is said.
    pub kinds: BTreeMap<String, InputType>,
    /// Of public signals, by name: what they stand for.
    pub meanings: BTreeMap<String, String>,
    /// The folder on the web where the files will be, under their names.
    pub url_base: Option<String>,
    /// What the input looks like and where it comes from.
    pub input: InputGiven,
    /// What its maker adds.
    pub notes: Value,
}

/// Make a circuit's descriptor of its files. It was read back when this returns.
pub fn derive(given: &Given) -> Result<Descriptor, DeriveError> {
    let missing = |role: Role| DeriveError::Missing(role);
    let need = |role: Role| given.files.get(&role).ok_or_else(|| missing(role));
    need(Role::Constraints)?;
    let sym_path = need(Role::Symbols)?;
    let opened = Opened::open(&artifacts(&given.files).ok_or_else(|| missing(Role::ProvingKey))?)?;
    let (Some(r1cs), Some(sym)) = (&opened.r1cs, &opened.sym) else {
        return Err(missing(if opened.r1cs.is_none() { Role::Constraints } else { Role::Symbols }));
    };
    let key = opened.key.verifying_key();
    if let Some(path) = given.files.get(&Role::VerifyingKey)
        && VerifyingKeyJson::read(&read(path)?)? != *key
    {
        return Err(DeriveError::OtherKey { path: path.clone() });
    }
    if let Some(path) = given.files.get(&Role::WitnessWasm) {
        program_of(path, r1cs)?;
    }
    if let Some(path) = given.files.get(&Role::WitnessGraph) {
        graph(path)?;
    }
    let outputs = r1cs.shape().outputs as usize;
    let public_inputs = public_inputs(given, &opened, outputs, sym_path)?;
    let payee = public_inputs.iter().find(|input| input.role == PublicRole::Payee);
    let derived = match &given.input.schema {
        Some(schema) => schema.clone(),
        None => schema::of(r1cs.shape(), sym, payee.map(|payee| payee.name.as_str()))?,
    };
    let mut sources: BTreeSet<_> = given.input.sources.iter().copied().collect();
    if sources.is_empty() {
        sources.insert(InputSource::Posted);
    }
    let setup = match (given.files.get(&Role::Transcript), opened.is_development()) {
        (Some(_), true) => return Err(DeriveError::NotOfCeremony),
        (Some(path), false) => Setup::Ceremony { transcript: Some(digest(path)?.0) },
        (None, _) => Setup::Development,
    };
    let constraints = Some(r1cs.shape().constraints.into());
    let descriptor = Descriptor {
        version: VERSION,
        name: given.name.clone(),
        description: given.description.clone(),
        proof_system: ProofSystem::Groth16,
        curve: Curve::Bn254,
        constraints,
        payee_bound: payee.is_some(),
        public_inputs,
        verifier: VerifierInterface {
            interface: "IVerifier".to_owned(),
            key_hash: Some(hex::encode(solidity::key_hash(key))),
        },
        artifacts: described(given)?,
        setup,
        witness: if given.files.contains_key(&Role::WitnessWasm) {
            Witness::CircomWasm
        } else if given.files.contains_key(&Role::WitnessGraph) {
            Witness::CircomGraph
        } else {
            Witness::External
        },
        input: SlotInput { schema: derived, sources },
        cost: Vec::new(),
        notes: given.notes.clone(),
    };
    Ok(Descriptor::parse(&descriptor.to_bytes()?)?)
}

/// In a market's order: what is stated, what is computed, who is paid.
fn public_inputs(
    given: &Given,
    opened: &Opened,
    outputs: usize,
    sym: &Path,
) -> Result<Vec<PublicInput>, DeriveError> {
    let name = |(signal, input): (usize, &crate::describe::PublicInput)| {
        let path = sym.to_owned();
        input.name.clone().ok_or(DeriveError::Unnamed { path, signal })
    };
    let names: Vec<String> = opened.public_inputs.iter().enumerate().map(name).collect::<Result<_, _>>()?;
    let place = |wanted: &str| {
        names
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(|| DeriveError::NoSignal { name: wanted.to_owned(), known: names.join(", ") })
    };
    for named in given.kinds.keys().chain(given.meanings.keys()) {
        place(named)?;
    }
    let payee = match &given.payee {
        Payee::Nobody => None,
        Payee::Named(name) => Some(place(name)?),
        Payee::Usual => Some(place(PAYEE).map_err(|_| DeriveError::NoPayee)?),
    };
    if let Some(payee) = payee
        && opened.public_inputs[payee].bound != Some(true)
    {
        return Err(DeriveError::Unbound { name: names[payee].clone() });
    }
    // Whoever computes an output would choose who is paid, with the statement alone fixed: a payee is given, not found.
    if let Some(payee) = payee.filter(|payee| *payee < outputs) {
        return Err(DeriveError::OutputPayee { name: names[payee].clone() });
    }
    let mut inputs: Vec<PublicInput> = Vec::with_capacity(names.len());
    for (signal, name) in names.iter().enumerate() {
        let role = match signal {
            _ if Some(signal) == payee => PublicRole::Payee,
            _ if signal < outputs => PublicRole::Output,
            _ => PublicRole::Statement,
        };
        let usual = if role == PublicRole::Payee { InputType::Address } else { InputType::Field };
        inputs.push(PublicInput {
            name: name.clone(),
            kind: given.kinds.get(name).copied().unwrap_or(usual),
            role,
            signal: u32::try_from(signal).ok(),
            meaning: given.meanings.get(name).cloned().unwrap_or_default(),
        });
    }
    inputs.sort_by_key(|input| input.role);
    for (place, input) in (0..).zip(&mut inputs) {
        input.signal = input.signal.filter(|signal| *signal != place);
    }
    Ok(inputs)
}

fn described(given: &Given) -> Result<BTreeMap<Role, Artifact>, DeriveError> {
    let mut described = BTreeMap::new();
    for (&role, path) in &given.files {
        let (digest, size) = digest(path)?;
        let urls = given.url_base.iter().map(|base| address(base, path)).collect::<Result<_, _>>()?;
        described.insert(role, Artifact { media_type: role.media_type().to_owned(), digest, size, urls });
    }
    Ok(described)
}

fn address(base: &str, path: &Path) -> Result<url::Url, DeriveError> {
    let wrong = |reason: &dyn std::fmt::Display| DeriveError::UrlBase {
        url: base.chars().take(200).collect(),
        reason: reason.to_string(),
    };
    let mut url: url::Url = base.parse().map_err(|error| wrong(&error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&"it is neither http nor https"));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    url.path_segments_mut().map_err(|()| wrong(&"it has no path"))?.pop_if_empty().push(&name);
    Ok(url)
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> FileError + '_ {
    |source| FileError::Io { path: path.to_owned(), source }
}

fn digest(path: &Path) -> Result<(Digest, u64), FileError> {
    Digest::of_reader(File::open(path).map_err(io(path))?).map_err(io(path))
}

/// A key in JSON, of which no more is read than one may have.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io(path))?;
    file.take(provery_proving::import::MAX_KEY_BYTES).read_to_end(&mut bytes).map_err(io(path))?;
    Ok(bytes)
}

/// Whether a file is a witness program of circom's.
pub(super) fn program(path: &Path) -> Result<(), DeriveError> {
    WitnessCalculator::open(path, Limits::default()).map(drop).map_err(of_open)
}

/// A program of the circuit with these constraints.
pub(super) fn program_of(path: &Path, r1cs: &R1cs) -> Result<(), DeriveError> {
    let program = WitnessCalculator::open(path, Limits::default()).map_err(of_open)?;
    let (wires, inputs) = program.sizes()?;
    let shape = r1cs.shape();
    let expected = u64::from(shape.public_inputs) + u64::from(shape.private_inputs);
    for (what, expected, actual) in
        [("wires", u64::from(shape.wires), wires), ("input values", expected, inputs)]
    {
        if expected != actual {
            return Err(FileError::Mismatch { path: path.to_owned(), what, expected, actual }.into());
        }
    }
    Ok(())
}

pub(super) fn graph(path: &Path) -> Result<(), DeriveError> {
    WitnessGraph::open(path, Limits::default()).map(drop).map_err(of_open)
}

fn of_open(error: OpenError) -> DeriveError {
    match error {
        OpenError::File(error) => error.into(),
        OpenError::Program(error) => error.into(),
    }
}
