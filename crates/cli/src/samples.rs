//! Sample proofs: no circuit is registered without one.

use std::{fs, path::Path};

use alloy::primitives::{Bytes, U256};
use eyre::Result;
use provery_bindings::Sample;
use provery_proving::{KeyError, ProofOutput, keys};
use provery_workloads::Circuit;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Code, fail},
    files, output,
};

const FILE: &str = "sample.json";

/// A proof of the circuit's sample job, kept beside the circuit's keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SampleFile {
    public_inputs: Vec<U256>,
    proof: Bytes,
}

impl SampleFile {
    fn output(&self) -> ProofOutput {
        ProofOutput {
            public_inputs: self.public_inputs.iter().map(U256::to_be_bytes).collect(),
            proof: self.proof.to_vec(),
            timings: Vec::new(),
        }
    }
}

/// The circuit's sample and a proof of it, out of the keys' directory or made now. Blocking: a proof takes seconds.
pub(crate) fn prove(circuit: &dyn Circuit, dir: &Path, hash: &[u8; 32]) -> Result<Sample> {
    let job = circuit.sample()?;
    let path = keys::directory_of(dir, &circuit.name()).join(FILE);
    let verifier = circuit.verifier(dir, Some(hash))?;
    let kept = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<SampleFile>(&text).ok());
    if let Some(kept) = kept.filter(|kept| verifier.verify(&job, &kept.output()).is_ok()) {
        return Ok(Sample { publicInputs: kept.public_inputs, proof: kept.proof });
    }
    let waiting = output::spinner(&format!("proving a sample of circuit {}", circuit.name()));
    let backend = circuit.prover(dir, Some(hash)).map_err(|error| match error {
        KeyError::Missing { circuit, path } => fail(
            Code::KeyFileMissing,
            format!(
                "registering circuit {circuit} takes a proof of a sample, and {} is missing: copy the proving key there, or \
                 {FILE} from where the circuit was proven before",
                path.display()
            ),
        ),
        other => other.into(),
    })?;
    let output = backend.prove(&job, &());
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    let output = output?;
    let made = SampleFile {
        public_inputs: output.public_inputs.iter().map(|word| U256::from_be_bytes(*word)).collect(),
        proof: output.proof.into(),
    };
    // A folder that cannot be written to costs a proof the next time.
    if let Ok(text) = serde_json::to_vec_pretty(&made) {
        let _ = files::write(&path, &text);
    }
    Ok(Sample { publicInputs: made.public_inputs, proof: made.proof })
}
