//! Proofs of a circuit's jobs, as the market takes them: public inputs in the market's order, and before the proof of a circuit that
//! does not bind the payee a salt, which its commitment hides behind.

use std::time::{Duration, Instant};

use ark_bn254::{Bn254, Fr};
use ark_groth16::Proof;
use provery_circom::{CircomBackend, JobInput, Limits, Prepared, Proven, WitnessBackend, Wtns};
use provery_proving::{
    KeyError, Progress, ProofBackend, ProofOutput, ProofVerifier, ProveError, proof, solidity,
};

use super::{files::Files, job::CircuitJob, layout::Layout};

/// Bytes of the salt before a proof that does not bind its payee.
pub const SALT_BYTES: usize = 32;

/// Once the inputs before it took this long, no further input of a job is tried: whoever posts many takes every prover's time.
const MOST_TIME: Duration = Duration::from_secs(300);

/// Proves the jobs of one circuit.
#[derive(Debug)]
pub struct CircuitBackend {
    circuit: String,
    layout: Layout,
    circom: CircomBackend,
}

impl CircuitBackend {
    /// With the circuit's files; `hash` is that of its verifying key, if it is known.
    pub fn open(files: &Files, hash: Option<&[u8; 32]>) -> Result<Self, KeyError> {
        let (layout, circom) = open(files, hash)?;
        Ok(Self { circuit: files.circuit.clone(), layout, circom })
    }

    /// The witness of the first input of which there is one that is of the job's statement and payee.
    fn witness(&self, job: &CircuitJob, progress: &dyn Progress) -> Result<Vec<Fr>, ProveError> {
        witness(&self.layout, &self.circom, job, progress)
    }

    /// As the market takes it.
    fn output(
        &self,
        job: &CircuitJob,
        points: &Proof<Bn254>,
        signals: &[Fr],
    ) -> Result<ProofOutput, ProveError> {
        let public_inputs = self.layout.public_inputs(job, signals).ok_or_else(another_statement)?;
        let mut proof = if self.layout.payee_bound() { Vec::new() } else { salt()?.to_vec() };
        proof.extend(proof::encode(points));
        Ok(ProofOutput { public_inputs, proof, timings: Vec::new() })
    }
}

fn witness(
    layout: &Layout,
    circom: &CircomBackend,
    job: &CircuitJob,
    progress: &dyn Progress,
) -> Result<Vec<Fr>, ProveError> {
    let begun = Instant::now();
    let mut failure = another_statement();
    for (index, bytes) in job.inputs.iter().enumerate() {
        if index > 0 && begun.elapsed() > MOST_TIME {
            // Others may be right: that is not known, and nobody's fault but this machine's.
            return Err(ProveError::Refused {
                reason: format!(
                    "{} of {} inputs were tried in {MOST_TIME:?}, and none was right",
                    index,
                    job.inputs.len()
                ),
            });
        }
        let of_input = || {
            let input = JobInput::read(bytes, layout.signals(job)?)?;
            let values = circom.witness(&input, progress)?;
            let signals = values.get(1..=layout.len()).unwrap_or_default();
            match layout.public_inputs(job, signals) {
                Some(_) => Ok(values),
                None => Err(another_statement()),
            }
        };
        match of_input() {
            Err(error) if error.is_of_job() => failure = error,
            // Another input would fare no better.
            ended => return ended,
        }
    }
    Err(failure)
}

fn read(job: &[u8]) -> Result<CircuitJob, ProveError> {
    CircuitJob::from_bytes(job).map_err(|reason| ProveError::Job { reason })
}

fn another_statement() -> ProveError {
    ProveError::Unprovable {
        reason: "the input that was posted is a witness of another statement or payee: its requester has to post another"
            .to_owned(),
    }
}

impl ProofBackend for CircuitBackend {
    fn circuit(&self) -> &str {
        &self.circuit
    }

    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let job = read(job)?;
        let witness = JobInput::Witness(Wtns::encode(&self.witness(&job, progress)?));
        let Proven { proof, inputs, timings } = self.circom.prove_input(&witness, progress)?;
        Ok(ProofOutput { timings, ..self.output(&job, &proof, &inputs)? })
    }

    fn check(&self, job: &[u8], progress: &dyn Progress) -> Result<(), ProveError> {
        self.witness(&read(job)?, progress).map(|_| ())
    }
}

impl WitnessBackend for CircuitBackend {
    fn circuit(&self) -> &str {
        &self.circuit
    }

    fn prepare(&self, job: &[u8], progress: &dyn Progress) -> Result<Prepared, ProveError> {
        Ok(Prepared::of(self.witness(&read(job)?, progress)?))
    }

    fn accept(
        &self,
        job: &[u8],
        prepared: &Prepared,
        proof: &[u8],
        public: Option<&[u8]>,
    ) -> Result<ProofOutput, ProveError> {
        let (points, signals) = self.circom.accept(prepared, proof, public)?;
        self.output(&read(job)?, &points, &signals)
    }
}

fn salt() -> Result<[u8; SALT_BYTES], ProveError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| ProveError::Refused {
        reason: format!("the system has no randomness for a salt: {error}"),
    })?;
    Ok(salt)
}

/// Checks proofs that were made elsewhere.
#[derive(Debug)]
pub struct CircuitVerifier {
    layout: Layout,
    circom: CircomBackend,
    hash: [u8; 32],
}

impl CircuitVerifier {
    /// With the circuit's files; `hash` is that of its verifying key, if it is known.
    pub fn open(files: &Files, hash: Option<&[u8; 32]>) -> Result<Self, KeyError> {
        let (layout, circom) = open(files, hash)?;
        let hash = solidity::key_hash(circom.key().verifying_key());
        Ok(Self { layout, circom, hash })
    }
}

impl ProofVerifier for CircuitVerifier {
    fn key_hash(&self) -> &[u8; 32] {
        &self.hash
    }

    fn verify(&self, job: &[u8], output: &ProofOutput) -> Result<(), ProveError> {
        let job = read(job)?;
        let signals = self.layout.signals_of(&output.public_inputs).ok_or(ProveError::Foreign)?;
        if self.layout.public_inputs(&job, &signals).as_ref() != Some(&output.public_inputs) {
            return Err(ProveError::Foreign);
        }
        let salt = if self.layout.payee_bound() { 0 } else { SALT_BYTES };
        let points = output.proof.get(salt..).ok_or(ProveError::Foreign)?;
        let points = proof::decode(points).map_err(|_| ProveError::Foreign)?;
        if self.circom.holds(&points, &signals) { Ok(()) } else { Err(ProveError::Foreign) }
    }

    fn check(&self, job: &[u8], progress: &dyn Progress) -> Result<(), ProveError> {
        witness(&self.layout, &self.circom, &read(job)?, progress).map(|_| ())
    }
}

fn open(files: &Files, hash: Option<&[u8; 32]>) -> Result<(Layout, CircomBackend), KeyError> {
    let wrong = |reason: String| KeyError::Described { circuit: files.circuit.clone(), reason };
    let layout = Layout::of(&files.descriptor).map_err(wrong)?;
    let circom = CircomBackend::open(&files.circuit, &files.artifacts, Limits::default())
        .map_err(|error| wrong(error.to_string()))?;
    let key = circom.key();
    if key.public_inputs() != layout.len() {
        let (found, told) = (key.public_inputs(), layout.len());
        return Err(wrong(format!("its key has {found} public inputs, and its descriptor {told}")));
    }
    // Only a verifier that this program generates tells the hash of the key itself.
    let ours = files.descriptor.verifier.interface == "IVerifier";
    if let Some(expected) = hash.filter(|_| ours) {
        let actual = solidity::key_hash(key.verifying_key());
        if *expected != actual {
            let (expected, actual) = (hex::encode(expected), hex::encode(actual));
            return Err(KeyError::KeyHash { path: files.artifacts.zkey.clone(), expected, actual });
        }
    }
    Ok((layout, circom))
}
