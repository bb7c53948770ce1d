//! The proof backend of a circom circuit.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use ark_bn254::{Bn254, Fr};
use ark_groth16::Proof;
use provery_proving::{
    Clock, Engine, Phase, Progress, ProofBackend, ProofOutput, ProveError, alive, fastest, proof,
};

use crate::{
    calculator::{Limits, OpenError, WitnessCalculator},
    error::{CircomError, FileError, Names, WitnessError},
    graph::WitnessGraph,
    input::Input,
    json::{ProofJson, public_from_json},
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
    /// To make them sooner: taken where it is there.
    pub graph: Option<PathBuf>,
    /// To tell which constraint a witness does not satisfy.
    pub r1cs: Option<PathBuf>,
    /// To tell which signals that is about.
    pub sym: Option<PathBuf>,
}

/// What a proof is made from.
#[derive(Debug, Clone, PartialEq)]
pub enum JobInput {
    /// Values of the circuit's inputs.
    Signals(Input),
    /// Values of all wires, as circom's programs write them: a `.wtns` file's bytes.
    Witness(Vec<u8>),
}

impl JobInput {
    /// snarkjs' input.json, or a `.wtns` file's bytes; nothing is an input without signals. `set` are signals that have these values,
    /// whatever the document says of them.
    pub fn read(bytes: &[u8], set: Vec<(String, Vec<Fr>)>) -> Result<Self, CircomError> {
        if Wtns::is_one(bytes) {
            return Ok(Self::Witness(bytes.to_vec()));
        }
        let json = if bytes.is_empty() { b"{}" } else { bytes };
        let mut input = Input::from_json(json).map_err(WitnessError::from)?;
        input.set(set);
        Ok(Self::Signals(input))
    }
}

/// The values of all wires for a job.
#[derive(Debug, Clone)]
pub struct Prepared {
    values: Vec<Fr>,
    /// As a `.wtns` file has them.
    pub wtns: Vec<u8>,
}

/// What makes witnesses.
#[derive(Debug)]
enum Calculator {
    Program(WitnessCalculator),
    Graph(WitnessGraph),
}

impl Calculator {
    fn open(artifacts: &Artifacts, limits: Limits) -> Result<Option<Self>, OpenError> {
        if let Some(path) = &artifacts.graph {
            return WitnessGraph::open(path, limits).map(|graph| Some(Self::Graph(graph)));
        }
        let program = artifacts.wasm.as_ref().map(|path| WitnessCalculator::open(path, limits));
        Ok(program.transpose()?.map(Self::Program))
    }

    fn calculate(&self, input: &Input, cancelled: &dyn Fn() -> bool) -> Result<Vec<Fr>, WitnessError> {
        match self {
            Self::Program(program) => program.calculate(input, cancelled),
            Self::Graph(graph) => graph.calculate(input, cancelled),
        }
    }
}

impl Prepared {
    /// The values of all wires, as [`CircomBackend::witness`] found them.
    pub fn of(values: Vec<Fr>) -> Self {
        Self { wtns: Wtns::encode(&values), values }
    }
}

/// Proves one circom circuit. A job is snarkjs' input.json, or a `.wtns` file's bytes.
#[derive(Debug)]
pub struct CircomBackend {
    name: String,
    prover: Prover,
    calculator: Option<Calculator>,
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
        let calculator = Calculator::open(artifacts, limits).map_err(|error| match error {
            OpenError::File(error) => CircomError::File(error),
            OpenError::Program(error) => CircomError::Witness(error),
        })?;
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

    /// The values of all wires.
    pub fn witness(&self, input: &JobInput, progress: &dyn Progress) -> Result<Vec<Fr>, CircomError> {
        let values = match input {
            JobInput::Witness(bytes) => {
                let read = || Wtns::from_bytes(bytes.clone())?.values();
                read().map_err(CircomError::Given)?
            }
            JobInput::Signals(input) => {
                let calculator = self.calculator.as_ref().ok_or(CircomError::NoCalculator)?;
                calculator
                    .calculate(input, &|| progress.cancelled())
                    .map_err(|error| self.name_missing(error, input))?
            }
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
        self.prove_input(&JobInput::read(job, Vec::new())?, progress)
    }

    /// Prove from signals or from a witness. The proof was verified when this returns.
    pub fn prove_input(&self, input: &JobInput, progress: &dyn Progress) -> Result<Proven, CircomError> {
        let mut clock = Clock::new(progress);
        let values = clock.phase(WITNESS, || self.witness(input, progress))?;
        let proven = self.prover.prove(&values, clock, progress);
        // With the constraints at hand the witness was found to satisfy them, so the key or this machine is at fault.
        proven.map_err(|error| match error {
            CircomError::Invalid if self.r1cs.is_none() => CircomError::Unchecked,
            other => other,
        })
    }

    /// Whether `proof` is one of the circuit's public signals `inputs`.
    pub fn holds(&self, proof: &Proof<Bn254>, inputs: &[Fr]) -> bool {
        self.prover.holds(proof, inputs)
    }

    /// A job's witness, for a prover of others.
    pub fn prepare(&self, job: &[u8], progress: &dyn Progress) -> Result<Prepared, CircomError> {
        Ok(Prepared::of(self.witness(&JobInput::read(job, Vec::new())?, progress)?))
    }

    /// A proof that somebody else made of a witness, as snarkjs' proof.json, and its public signals: checked here. Public signals, as
    /// public.json, must be the witness' if there are any.
    pub fn accept(
        &self,
        prepared: &Prepared,
        proof_json: &[u8],
        public_json: Option<&[u8]>,
    ) -> Result<(Proof<Bn254>, Vec<Fr>), CircomError> {
        let foreign = || CircomError::Prove(ProveError::Foreign);
        let inputs = prepared.values.get(1..=self.prover.key.public_inputs()).ok_or_else(foreign)?;
        let read = ProofJson::read(proof_json)?;
        if let Some(json) = public_json
            && public_from_json(json)? != inputs
        {
            return Err(foreign());
        }
        if !self.prover.holds(&read, inputs) {
            return Err(foreign());
        }
        Ok((read, inputs.to_vec()))
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

/// A circuit whose witness is computed here, and whose proof others may make of it.
pub trait WitnessBackend: fmt::Debug + Send + Sync {
    /// Its name.
    fn circuit(&self) -> &str;

    /// A job's witness.
    fn prepare(&self, job: &[u8], progress: &dyn Progress) -> Result<Prepared, ProveError>;

    /// What the market takes, out of a proof that others made of the job's witness: snarkjs' proof.json, and public.json if there is
    /// one. Both are checked.
    fn accept(
        &self,
        job: &[u8],
        prepared: &Prepared,
        proof: &[u8],
        public: Option<&[u8]>,
    ) -> Result<ProofOutput, ProveError>;
}

impl WitnessBackend for CircomBackend {
    fn circuit(&self) -> &str {
        &self.name
    }

    fn prepare(&self, job: &[u8], progress: &dyn Progress) -> Result<Prepared, ProveError> {
        Ok(Self::prepare(self, job, progress)?)
    }

    fn accept(
        &self,
        _job: &[u8],
        prepared: &Prepared,
        proof: &[u8],
        public: Option<&[u8]>,
    ) -> Result<ProofOutput, ProveError> {
        let (points, inputs) = Self::accept(self, prepared, proof, public)?;
        Ok(ProofOutput {
            public_inputs: proof::encode_inputs(&inputs),
            proof: proof::encode(&points).to_vec(),
            timings: Vec::new(),
        })
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

    fn check(&self, job: &[u8], progress: &dyn Progress) -> Result<(), ProveError> {
        let input = JobInput::read(job, Vec::new())?;
        Ok(self.witness(&input, progress).map(|_| ())?)
    }
}
