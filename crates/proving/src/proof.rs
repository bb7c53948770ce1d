//! A Groth16 proof as the EVM reads it: `A.x, A.y, B.x₁, B.x₀, B.y₁, B.y₀, C.x, C.y`, 32 bytes each, big-endian, the
//! imaginary part first (EIP-197).

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};
use ark_groth16::Proof;

use crate::error::ProofFormatError;

/// Length of an encoded proof.
pub const PROOF_BYTES: usize = 256;

/// A field element as a 32-byte big-endian word.
pub fn word<F: PrimeField>(value: &F) -> [u8; 32] {
    let mut out = [0; 32];
    let bytes = value.into_bigint().to_bytes_be();
    out[32 - bytes.len()..].copy_from_slice(&bytes);
    out
}

/// A big-endian word as a field element; `None` unless it is below the modulus.
pub fn from_word<F: PrimeField>(word: &[u8; 32]) -> Option<F> {
    let value = F::from_be_bytes_mod_order(word);
    (self::word(&value) == *word).then_some(value)
}

/// Public inputs as words.
pub fn encode_inputs(inputs: &[Fr]) -> Vec<[u8; 32]> {
    inputs.iter().map(word).collect()
}

/// Encode a proof.
pub fn encode(proof: &Proof<Bn254>) -> [u8; PROOF_BYTES] {
    let (a, b, c) = (&proof.a, &proof.b, &proof.c);
    let mut out = [0; PROOF_BYTES];
    let coordinates = [a.x, a.y, b.x.c1, b.x.c0, b.y.c1, b.y.c0, c.x, c.y];
    for (slot, coordinate) in out.chunks_exact_mut(32).zip(coordinates) {
        slot.copy_from_slice(&word(&coordinate));
    }
    out
}

/// Decode a proof: every coordinate below the modulus, every point on its curve, in its group, and not infinity.
pub fn decode(bytes: &[u8]) -> Result<Proof<Bn254>, ProofFormatError> {
    if bytes.len() != PROOF_BYTES {
        return Err(ProofFormatError::Length { expected: PROOF_BYTES, actual: bytes.len() });
    }
    let mut coordinates = [Fq::default(); 8];
    for (index, (slot, coordinate)) in bytes.chunks_exact(32).zip(&mut coordinates).enumerate() {
        let mut word = [0; 32];
        word.copy_from_slice(slot);
        *coordinate = from_word(&word).ok_or(ProofFormatError::Coordinate { index })?;
    }
    let [ax, ay, bx1, bx0, by1, by0, cx, cy] = coordinates;
    let g1 = |x, y, point| {
        // G1 has cofactor one: on the curve is in the group.
        let decoded = G1Affine::new_unchecked(x, y);
        if !decoded.is_zero() && decoded.is_on_curve() {
            Ok(decoded)
        } else {
            Err(ProofFormatError::NotOnCurve { point })
        }
    };
    let b = G2Affine::new_unchecked(Fq2::new(bx0, bx1), Fq2::new(by0, by1));
    if b.is_zero() || !b.is_on_curve() {
        return Err(ProofFormatError::NotOnCurve { point: 'B' });
    }
    if !b.is_in_correct_subgroup_assuming_on_curve() {
        return Err(ProofFormatError::NotInGroup { point: 'B' });
    }
    Ok(Proof { a: g1(ax, ay, 'A')?, b, c: g1(cx, cy, 'C')? })
}
