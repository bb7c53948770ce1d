//! Verification of a signature of [`crate::keys`] as a bit: any input at all leaves the circuit satisfiable.

use ark_ff::PrimeField;
use ark_relations::gr1cs::SynthesisError;

use super::{
    Bit, Builder, Num, compare,
    edwards::{Point, multiply_generator},
    poseidon,
};
use crate::Fr;

/// Bits of the generator's order.
const ORDER_BITS: usize = 251;

/// What is verified.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The signer's key: any two field elements.
    pub key: Point,
    /// Whether `key` is on the curve.
    pub key_on_curve: Bit,
    /// The signature's R: any two field elements.
    pub r: Point,
    /// The signature's s: 256 bits, least significant first.
    pub s: &'a [Bit],
    /// What the signature is bound to.
    pub domain: Num,
    /// The signed message.
    pub message: Num,
}

/// Whether the signature is valid: s below the group's order, both points on the curve, and s·B = R + h·A.
pub fn verify(builder: &Builder, statement: &Statement<'_>) -> Result<Bit, SynthesisError> {
    let Statement { key, key_on_curve, r, s, domain, message } = *statement;
    let r_on_curve = r.is_on_curve(builder)?;
    let canonical = compare::is_below(builder, s, &ark_ed_on_bn254::Fr::MODULUS)?;

    let challenge = poseidon::hash(builder, &[r.x, r.y, key.x, key.y, domain, message])?;
    let bits = builder.bits(challenge, Fr::MODULUS_BIT_SIZE as usize)?;
    let mut largest = Fr::MODULUS;
    largest.0[0] -= 1;
    compare::enforce_at_most(builder, &bits, &largest)?;

    let left = multiply_generator(builder, &s[..ORDER_BITS + 1])?;
    let right = key
        .or_neutral(builder, key_on_curve)?
        .multiply(builder, &bits)?
        .add(builder, &r.or_neutral(builder, r_on_curve)?)?;
    let equal = left.is_equal(builder, &right)?;
    builder.all(&[canonical, key_on_curve, r_on_curve, equal])
}
