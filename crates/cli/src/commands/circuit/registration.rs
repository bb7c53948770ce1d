//! What a circuit is registered with, made offline.

use std::path::Path;

use alloy::primitives::{Address, B256, Bytes, U256};
use eyre::Result;
use provery_bindings as bindings;
use provery_circom::{
    CircomBackend, Limits, ProofJson, SampleError,
    descriptor::{Files, artifacts, sample, verifying_key},
    public_to_json,
};
use provery_descriptor::{Descriptor, Digest, ProofSystem, Setup};
use serde::Serialize;

use super::files::bounded;
use crate::error::{Code, fail};

/// Longer samples are refused unread, bytes.
const MOST_SAMPLE: u64 = 1 << 20;
/// Longer inputs likewise.
const MOST_INPUT: u64 = 64 << 20;

/// The arguments of a registration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Registration {
    /// The contract that checks proofs.
    pub verifier: Address,
    pub proof_system: ProofSystem,
    /// What the contract looks like from outside.
    pub verifier_interface: String,
    /// What the contract answers to `keyHash()`.
    pub key_hash: B256,
    /// sha256 of the descriptor.
    pub descriptor_hash: B256,
    /// Whether somebody knows the setup's secrets.
    pub development: bool,
    /// Whether proofs bind who is paid.
    pub payee_bound: bool,
    /// Where the descriptor is.
    pub uri: String,
    /// A statement, outputs and payee, in the market's order.
    pub sample_inputs: Vec<B256>,
    /// A proof of them that the contract must take.
    pub sample_proof: Bytes,
}

impl Registration {
    /// As the registry takes it, with a royalty in bps.
    pub(super) fn call(&self, royalty_bps: u16) -> Result<(bindings::Registration, bindings::Sample)> {
        let system = serde_json::to_value(self.proof_system)?;
        let registration = bindings::Registration {
            verifier: self.verifier,
            proofSystem: short(system.as_str().unwrap_or_default())?,
            verifierInterface: short(&self.verifier_interface)?,
            keyHash: self.key_hash,
            descriptorHash: self.descriptor_hash,
            development: self.development,
            payeeBound: self.payee_bound,
            royaltyBps: royalty_bps,
            uri: self.uri.clone(),
        };
        let inputs = self.sample_inputs.iter().map(|word| U256::from_be_bytes(word.0)).collect();
        Ok((registration, bindings::Sample { publicInputs: inputs, proof: self.sample_proof.clone() }))
    }
}

/// A short string in a word.
fn short(text: &str) -> Result<B256> {
    if text.len() > 31 {
        return Err(fail(
            Code::DescriptorInvalid,
            format!(
                "the descriptor's verifier interface {text:?} has more than 31 letters; give it a shorter name"
            ),
        ));
    }
    Ok(B256::right_padding_from(text.as_bytes()))
}

/// A sample as snarkjs writes it: public.json and proof.json.
#[derive(Debug, Clone)]
pub(crate) struct SampleJson {
    public: Vec<u8>,
    proof: Vec<u8>,
}

impl SampleJson {
    /// Out of files.
    pub(crate) fn read(public: &Path, proof: &Path) -> Result<Self> {
        Ok(Self { public: bounded(public, MOST_SAMPLE)?, proof: bounded(proof, MOST_SAMPLE)? })
    }

    /// Proven now from an input, with the circuit's files; paid to `payee` if the circuit binds it and the input names nobody.
    pub(crate) fn prove(
        descriptor: &Descriptor,
        files: &Files,
        input: &Path,
        payee: Address,
    ) -> Result<Self> {
        let artifacts = artifacts(files).ok_or_else(|| {
            fail(
                Code::CircuitMismatch,
                "a sample takes the circuit's proving key; name it with --from, or fetch it",
            )
        })?;
        let input = super::bench::job(descriptor, bounded(input, MOST_INPUT)?, &payee.to_string())?;
        let proven =
            CircomBackend::open(&descriptor.name, &artifacts, Limits::default())?.prove_job(&input, &())?;
        Ok(Self {
            public: serde_json::to_vec(&public_to_json(&proven.inputs))?,
            proof: serde_json::to_vec(&ProofJson::new(&proven.proof))?,
        })
    }
}

/// From a descriptor, the circuit's files and a sample to what is registered. The sample was verified here.
pub(crate) fn registration(
    descriptor: &Descriptor,
    digest: Digest,
    files: &Files,
    json: &SampleJson,
    verifier: Address,
    uri: &str,
) -> Result<Registration> {
    let wrong = |error: SampleError| {
        let code = match error {
            SampleError::Invalid => Code::ProofInvalid,
            _ => Code::CircuitMismatch,
        };
        fail(code, error.to_string())
    };
    let key = verifying_key(descriptor, files).map_err(|reason| fail(Code::CircuitMismatch, reason))?;
    let sample = sample(descriptor, &key, &json.public, &json.proof).map_err(wrong)?;
    let key_hash = descriptor.verifier.key_hash.as_deref().unwrap_or_default();
    Ok(Registration {
        verifier,
        proof_system: descriptor.proof_system,
        verifier_interface: descriptor.verifier.interface.clone(),
        key_hash: key_hash.parse().map_err(|_| {
            fail(
                Code::DescriptorInvalid,
                "the descriptor does not say the verifier's key hash; write it anew",
            )
        })?,
        descriptor_hash: B256::from(digest.0),
        development: descriptor.setup == Setup::Development,
        payee_bound: descriptor.payee_bound,
        uri: uri.to_owned(),
        sample_inputs: sample.public_inputs.into_iter().map(B256::from).collect(),
        sample_proof: sample.proof.into(),
    })
}
