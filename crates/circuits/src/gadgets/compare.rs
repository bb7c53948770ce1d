//! Comparison of bits with a constant.
//!
//! Both walk the constant's bits from the top in runs of equal bits. The number is smaller as soon as one of its bits
//! under a run of ones is 0 with everything above equal, and larger as soon as one under a run of zeros is 1.

use ark_ff::{BigInteger, BigInteger256, Field, One};
use ark_relations::gr1cs::SynthesisError;

use super::{Bit, Builder, Num};
use crate::Fr;

/// Runs of equal bits of `constant` over the length of `bits`, from the top: the constant's bit and the number's bits.
fn runs<'a>(bits: &'a [Bit], constant: &BigInteger256) -> Vec<(bool, &'a [Bit])> {
    let mut runs = Vec::new();
    let mut end = bits.len();
    while end > 0 {
        let ones = constant.get_bit(end - 1);
        let start = (0..end).rev().take_while(|i| constant.get_bit(*i) == ones).last().unwrap_or(end - 1);
        runs.push((ones, &bits[start..end]));
        end = start;
    }
    runs
}

/// Whether the integer of `bits` (least significant first) is below `constant`, which must fit in as many bits.
pub fn is_below(builder: &Builder, bits: &[Bit], constant: &BigInteger256) -> Result<Bit, SynthesisError> {
    let mut equal: Option<Bit> = None;
    let mut below = Vec::new();
    for (ones, run) in runs(bits, constant) {
        let mut together: Vec<Bit> = equal.into_iter().collect();
        for bit in run {
            together.push(if ones { *bit } else { builder.not(*bit)? });
        }
        let still = builder.all(&together)?;
        if ones {
            below.push((Fr::one(), equal.map_or_else(|| builder.one(), Bit::num)));
            below.push((-Fr::one(), still.num()));
        }
        equal = Some(still);
    }
    // At most one of the differences is 1.
    Ok(Builder::assume_bit(builder.combine(&below, Fr::from(0u8))?))
}

/// Enforces that the integer of `bits` (least significant first) is at most `constant`, which must fit in as many bits.
///
/// Two constraints a run of ones and the zeros after it. `equal` is forced to 1 while everything above is equal; where
/// it is not, the prover may choose it freely, and can only burden itself.
pub fn enforce_at_most(
    builder: &Builder,
    bits: &[Bit],
    constant: &BigInteger256,
) -> Result<(), SynthesisError> {
    let mut equal = builder.one();
    for (ones, run) in runs(bits, constant) {
        let mut nums: Vec<Num> = run.iter().map(|bit| bit.num()).collect();
        if ones {
            nums.push(equal);
            let minus_one = -Fr::one();
            let terms: Vec<_> = nums.iter().map(|num| (minus_one, *num)).collect();
            let missing = builder.combine(&terms, Fr::from(nums.len() as u64))?;
            let inverse =
                builder.witness(missing.value().map(|value| value.inverse().unwrap_or_default()))?;
            let still = builder.witness(missing.value().map(|value| Fr::from(value == Fr::from(0u8))))?;
            builder.enforce(missing, inverse, builder.sub(builder.one(), still)?)?;
            equal = still;
        } else {
            builder.enforce(builder.sum(&nums)?, equal, builder.zero())?;
        }
    }
    Ok(())
}
