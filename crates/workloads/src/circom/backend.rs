//! Proofs of a circuit's jobs, as the market takes them: public inputs in the market's order, and before the proof of a circuit that
//! does not bind the payee a salt, which its commitment hides behind.

use provery_circom::{CircomBackend, JobInput, Limits, Proven, Wtns};
use provery_proving::{
    KeyError, Progress, ProofBackend, ProofOutput, ProofVerifier, ProveError, proof, solidity,
};

use super::{files::Files, job::CircuitJob, layout::Layout};

/// Bytes of the salt before a proof that does not bind its payee.
pub const SALT_BYTES: usize = 32;

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
    fn witness(&self, job: &CircuitJob, progress: &dyn Progress) -> Result<JobInput, ProveError> {
        let mut failure = another_statement();
        for bytes in &job.inputs {
            let of_input = || {
                let input = JobInput::read(bytes, self.layout.signals(job)?)?;
                let values = self.circom.witness(&input, progress)?;
                let signals = values.get(1..=self.layout.len()).unwrap_or_default();
                match self.layout.public_inputs(job, signals) {
                    Some(_) => Ok(JobInput::Witness(Wtns::encode(&values))),
                    None => Err(another_statement()),
                }
            };
            match of_input() {
                Err(ProveError::Cancelled) => return Err(ProveError::Cancelled),
                Err(error) => failure = error,
                found => return found,
            }
        }
        Err(failure)
    }
}

fn another_statement() -> ProveError {
    ProveError::Refused {
        reason: "the input that was posted is a witness of another statement or payee: its requester has to post another"
            .to_owned(),
    }
}

impl ProofBackend for CircuitBackend {
    fn circuit(&self) -> &str {
        &self.circuit
    }

    fn prove(&self, job: &[u8], progress: &dyn Progress) -> Result<ProofOutput, ProveError> {
        let job = CircuitJob::from_bytes(job).map_err(|reason| ProveError::Job { reason })?;
        let Proven { proof: points, inputs, timings } =
            self.circom.prove_input(&self.witness(&job, progress)?, progress)?;
        let public_inputs = self.layout.public_inputs(&job, &inputs).ok_or_else(another_statement)?;
        let mut proof = if self.layout.payee_bound() { Vec::new() } else { salt()?.to_vec() };
        proof.extend(proof::encode(&points));
        Ok(ProofOutput { public_inputs, proof, timings })
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
        let job = CircuitJob::from_bytes(job).map_err(|reason| ProveError::Job { reason })?;
        let signals = self.layout.signals_of(&output.public_inputs).ok_or(ProveError::Foreign)?;
        if self.layout.public_inputs(&job, &signals).as_ref() != Some(&output.public_inputs) {
            return Err(ProveError::Foreign);
        }
        let salt = if self.layout.payee_bound() { 0 } else { SALT_BYTES };
        let points = output.proof.get(salt..).ok_or(ProveError::Foreign)?;
        let points = proof::decode(points).map_err(|_| ProveError::Foreign)?;
        if self.circom.holds(&points, &signals) { Ok(()) } else { Err(ProveError::Foreign) }
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
