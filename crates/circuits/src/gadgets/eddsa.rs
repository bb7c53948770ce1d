//! Verification of a signature of [`crate::keys`] as a bit: any input at all leaves the circuit satisfiable.

use ark_ff::PrimeField;
use ark_relations::gr1cs::SynthesisError;

use super::{
    Bit, Builder, Num, compare,
    edwards::{Point, multiply_generator},
    poseidon,
};
use crate::{Fr, babyjub::Scalar};

/// Bits of the generator's order.
const ORDER_BITS: usize = 251;

/// What is verified.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The signer's key: any two field elements.
    pub key: Point,
    /// Whether `key` is on the curve.
    pub key_on_curve: Bit,
    /// The signature's R8: any two field elements.
    pub r8: Point,
    /// The signature's S: 256 bits, least significant first.
    pub s: &'a [Bit],
    /// The signed message.
    pub message: Num,
}

/// Whether the signature is valid: S below the group's order, both points on the curve, 8·A not neutral, and
/// S·B8 = R8 + 8·h·A.
///
/// 8·A is neutral where 4·A is (0, ±1), the only points of the curve with x = 0.
pub fn verify(builder: &Builder, statement: &Statement<'_>) -> Result<Bit, SynthesisError> {
    let Statement { key, key_on_curve, r8, s, message } = *statement;
    let r8_on_curve = r8.is_on_curve(builder)?;
    let canonical = compare::is_below(builder, s, &Scalar::MODULUS)?;

    let challenge = poseidon::hash(builder, &[r8.x, r8.y, key.x, key.y, message])?;
    let bits = builder.bits(challenge, Fr::MODULUS_BIT_SIZE as usize)?;
    let mut largest = Fr::MODULUS;
    largest.0[0] -= 1;
    compare::enforce_at_most(builder, &bits, &largest)?;

    let left = multiply_generator(builder, &s[..ORDER_BITS + 1])?;
    let fourfold = key.or_neutral(builder, key_on_curve)?.double(builder)?.double(builder)?;
    let of_low_order = builder.is_zero(fourfold.x)?;
    let right = fourfold
        .double(builder)?
        .multiply(builder, &bits)?
        .add(builder, &r8.or_neutral(builder, r8_on_curve)?)?;
    let equal = left.is_equal(builder, &right)?;
    builder.all(&[canonical, key_on_curve, r8_on_curve, builder.not(of_low_order)?, equal])
}
