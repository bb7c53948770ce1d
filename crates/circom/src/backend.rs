//! The proof backend of a circom circuit.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use ark_bn254::Fr;
use provery_proving::{
    Clock, Engine, Phase, Progress, ProofBackend, ProofOutput, ProveError, alive, fastest, proof,
};

use crate::{
    calculator::{Limits, OpenError, WitnessCalculator},
    error::{CircomError, FileError, Names, WitnessError},
    input::Input,
    prove::{Proven, Prover},
    r1cs::R1cs,
    sym::Sym,
    wtns::Wtns,
    zkey::Zkey,
};

/// The values of all wires, and whether they satisfy the circuit.
const WITNESS: Phase = Phase::new("witness");
/// Names of missing inputs that a sentence has room for.
const MOST_MISSING: usize = 8;

/// The files of a circuit. The key is needed; what else is there makes more possible, or errors clearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    /// The proving key.
    pub zkey: PathBuf,
    /// To make witnesses of inputs.
    pub wasm: Option<PathBuf>,
    /// To tell which constraint a witness does not satisfy.
    pub r1cs: Option<PathBuf>,
    /// To tell which signals that is about.
    pub sym: Option<PathBuf>,
}

/// Proves one circom circuit. A job is snarkjs' input.json, or a `.wtns` file's bytes.
#[derive(Debug)]
pub struct CircomBackend {
    name: String,
    prover: Prover,
    calculator: Option<WitnessCalculator>,
    r1cs: Option<R1cs>,
    sym: Option<Sym>,
}

impl CircomBackend {
    /// Open a circuit's files. `name` is what the market calls the circuit.
    pub fn open(name: &str, artifacts: &Artifacts, limits: Limits) -> Result<Self, CircomError> {
        Self::with_engine(name, artifacts, limits, fastest())
    }

    /// With an engine other than the fastest.
    pub fn with_engine(
        name: &str,
        artifacts: &Artifacts,
        limits: Limits,
        engine: impl Engine + 'static,
    ) -> Result<Self, CircomError> {
        let key = Zkey::open(&artifacts.zkey)?;
        let open_program = |path: &PathBuf| match WitnessCalculator::open(path, limits) {
            Ok(calculator) => Ok(calculator),
            Err(OpenError::File(error)) => Err(CircomError::File(error)),
            Err(OpenError::Program(error)) => Err(CircomError::Witness(error)),
        };
        let calculator = artifacts.wasm.as_ref().map(open_program).transpose()?;
        let r1cs = artifacts.r1cs.as_deref().map(R1cs::open).transpose()?;
        if let Some(r1cs) = &r1cs {
            fits(r1cs, &key)?;
        }
        let sym = artifacts.sym.as_deref().map(Sym::open).transpose()?;
        Ok(Self { name: name.to_owned(), prover: Prover::new(key, engine), calculator, r1cs, sym })
    }

    /// The proving key.
    pub fn key(&self) -> &Zkey {
        &self.prover.key
    }

    /// The values of all wires for a job.
    pub fn witness(&self, job: &[u8], progress: &dyn Progress) -> Result<Vec<Fr>, CircomError> {
        let values = if Wtns::is_one(job) {
            Wtns::from_bytes(job.to_vec())?.values()?
        } else {
            let calculator = self.calculator.as_ref().ok_or(CircomError::NoCalculator)?;
            let input = Input::from_json(job).map_err(WitnessError::from)?;
            calculator
                .calculate(&input, &|| progress.cancelled())
                .map_err(|error| self.name_missing(error, &input))?
        };
        if values.len() != self.prover.key.wires() {
            let (expected, actual) = (self.prover.key.wires() as u64, values.len() as u64);
            return Err(CircomError::WitnessLength { expected, actual });
        }
        alive(progress)?;
        if let Some(r1cs) = &self.r1cs
            && let Some(constraint) = r1cs.unsatisfied(&values)?
        {
            let names = self.names_in(r1cs, constraint)?;
            return Err(CircomError::Unsatisfied { constraint: constraint.into(), names });
        }
        Ok(values)
    }

    /// Prove one job. The proof was verified when this returns.
    pub fn prove_job(&self, job: &[u8], progress: &dyn Progress) -> Result<Proven, CircomError> {
        let mut clock = Clock::new(progress);
        let values = clock.phase(WITNESS, || self.witness(job, progress))?;
        self.prover.prove(&values, clock, progress)
    }

    fn names_in(&self, r1cs: &R1cs, constraint: u32) -> Result<Names, FileError> {
        let Some(sym) = &self.sym else { return Ok(Names::default()) };
        let wires = r1cs.wires_of(constraint)?;
        let names = sym.names_of(&wires)?;
        let name =
            |(wire, name): (&u32, Option<&str>)| name.map_or_else(|| format!("wire {wire}"), str::to_owned);
        Ok(Names(wires.iter().zip(names).map(name).collect()))
    }

    /// Add to an error about missing inputs which they are, if the files tell.
    fn name_missing(&self, error: WitnessError, input: &Input) -> CircomError {
        let WitnessError::Missing { set, expected, .. } = error else { return error.into() };
        let missing = match (&self.r1cs, &self.sym) {
            (Some(r1cs), Some(sym)) => missing_inputs(r1cs, sym, input),
            _ => Vec::new(),
        };
        WitnessError::Missing { set, expected, missing }.into()
    }
}

/// Names of inputs that the circuit has and `input` has not: labels count outputs first, then inputs.
fn missing_inputs(r1cs: &R1cs, sym: &Sym, input: &Input) -> Vec<String> {
    let shape = r1cs.shape();
    let first = u64::from(shape.outputs) + 1;
    let end = first + u64::from(shape.public_inputs) + u64::from(shape.private_inputs);
    let given: BTreeSet<&str> = input.signals().map(|(name, _)| name).collect();
    let mut missing: Vec<String> = Vec::new();
    for signal in sym.signals().map_while(Result::ok).take_while(|signal| signal.label < end) {
        let name = signal.name.strip_prefix("main.").unwrap_or(signal.name);
        // Of an array only the last indices are of the signal: those before may be of buses.
        let of = |given: &&str| {
            name.strip_prefix(*given).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        let base = name.split('[').next().unwrap_or(name);
        if signal.label >= first && !given.iter().any(of) && !missing.iter().any(|it| it == base) {
            missing.push(base.to_owned());
            if missing.len() == MOST_MISSING {
                break;
            }
        }
    }
    missing
}

/// Whether constraints and key can be of one circuit.
pub(crate) fn fits(r1cs: &R1cs, key: &Zkey) -> Result<(), FileError> {
    let shape = r1cs.shape();
    let rows = u64::from(shape.constraints) + u64::from(shape.public()) + 1;
    let pairs = [
        ("wires", key.wires() as u64, u64::from(shape.wires)),
        ("public inputs", key.public_inputs() as u64, u64::from(shape.public())),
        ("rows of the domain", key.domain_size() as u64, rows.next_power_of_two()),
    ];
    match pairs.into_iter().find(|(_, expected, actual)| expected != actual) {
        None => Ok(()),
        Some((what, expected, actual)) => {
            let path = Path::to_owned(r1cs.path());
            Err(FileError::Mismatch { path, what, expected, actual })
        }
    }
}

impl ProofBackend for CircomBackend {
    fn circuit(&self) -> &str {
        &self.name
    }

    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let proven = self.prove_job(job, progress)?;
        Ok(ProofOutput {
            public_inputs: proof::encode_inputs(&proven.inputs),
            proof: proof::encode(&proven.proof).to_vec(),
            timings: proven.timings,
        })
    }
}
