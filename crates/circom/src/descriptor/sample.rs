use ark_bn254::{Bn254, Fr};
use ark_ff::{BigInteger, PrimeField};
use ark_groth16::{Groth16, VerifyingKey, prepare_verifying_key};
use provery_descriptor::{Descriptor, InputType};
use provery_proving::proof;

use super::SampleError;
use crate::json::{ProofJson, public_from_json};

/// A proof and what it is about, as a market hands both to the circuit's verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// In the market's order: statement, outputs, payee. Big-endian words.
    pub public_inputs: Vec<[u8; 32]>,
    /// As the generated verifier reads it.
    pub proof: Vec<u8>,
}

/// snarkjs' public.json and proof.json as a market has them. The proof verifies with `key`, and the values are of the types that the
/// descriptor says.
pub fn sample(
    descriptor: &Descriptor,
    key: &VerifyingKey<Bn254>,
    public: &[u8],
    proof: &[u8],
) -> Result<Sample, SampleError> {
    let expected = descriptor.public_inputs.len();
    let actual = key.gamma_abc_g1.len().saturating_sub(1);
    if actual != expected {
        return Err(SampleError::Key { expected, actual });
    }
    let values = public_from_json(public)?;
    if values.len() != expected {
        return Err(SampleError::Count { expected, actual: values.len() });
    }
    let read = ProofJson::read(proof)?;
    let verified = Groth16::<Bn254>::verify_proof(&prepare_verifying_key(key), &read, &values);
    if !matches!(verified, Ok(true)) {
        return Err(SampleError::Invalid);
    }
    // A descriptor that was read names each signal once.
    let signals = descriptor.signals().unwrap_or_default();
    let mut public_inputs = Vec::with_capacity(expected);
    for (input, signal) in descriptor.public_inputs.iter().zip(signals) {
        let value = values[signal];
        if value.into_bigint().num_bits() > bits(input.kind) {
            return Err(SampleError::Kind {
                name: input.name.clone(),
                value: value.into_bigint().to_string(),
                kind: input.kind,
            });
        }
        public_inputs.push(proof::word(&value));
    }
    Ok(Sample { public_inputs, proof: proof::encode(&read).to_vec() })
}

fn bits(kind: InputType) -> u32 {
    match kind {
        InputType::Field => Fr::MODULUS_BIT_SIZE,
        InputType::Address => 160,
        InputType::Bool => 1,
        InputType::Uint32 => 32,
        InputType::Uint64 => 64,
        InputType::Uint128 => 128,
    }
}
