//! Numbers as circom's files hold them: 32 bytes little-endian, plain or in Montgomery form, and the fields they can be of.

use ark_bn254::{Fq, Fr};
use ark_ff::{BigInt, BigInteger, Field, Fp, MontBackend, MontConfig, PrimeField};

/// A number of 32 bytes.
pub(crate) const BYTES: usize = 32;

/// The limbs of 32 little-endian bytes.
pub(crate) fn limbs(bytes: &[u8; BYTES]) -> BigInt<4> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
    }
    BigInt(limbs)
}

/// The value whose Montgomery form is written; nothing unless it is below the modulus.
pub(crate) fn from_montgomery<C: MontConfig<4>>(bytes: &[u8; BYTES]) -> Option<Fp<MontBackend<C, 4>, 4>> {
    let limbs = limbs(bytes);
    (limbs < C::MODULUS).then(|| Fp::new_unchecked(limbs))
}

/// R = 2²⁵⁶, by which Montgomery forms are multiplied.
pub(crate) fn r() -> Fr {
    Fr::from(2).pow([8 * BYTES as u64])
}

/// The value that is written plainly; nothing unless it is below the modulus.
pub(crate) fn from_plain(bytes: &[u8; BYTES]) -> Option<Fr> {
    Fr::from_bigint(limbs(bytes))
}

/// The value as 32 plain little-endian bytes.
pub(crate) fn to_plain(value: &Fr) -> [u8; BYTES] {
    le_bytes(&value.into_bigint())
}

pub(crate) fn le_bytes(value: &BigInt<4>) -> [u8; BYTES] {
    let mut out = [0; BYTES];
    for (slot, limb) in out.chunks_exact_mut(8).zip(value.0) {
        slot.copy_from_slice(&limb.to_le_bytes());
    }
    out
}

/// Primes that circom and snarkjs know, big-endian.
const PRIMES: [(&str, &str); 9] = [
    ("bn254's base field", "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47"),
    ("bn254's scalar field", "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"),
    ("bls12-381", "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"),
    (
        "bls12-381",
        "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    ),
    ("bls12-377", "12ab655e9a2ca55660b44d1e5c37b00159aa76fed00000010a11800000000001"),
    ("goldilocks", "ffffffff00000001"),
    ("pallas", "40000000000000000000000000000000224698fc094cf91b992d30ed00000001"),
    ("vesta", "40000000000000000000000000000000224698fc0994a8dd8c46eb2100000001"),
    ("secq256r1", "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
];

/// What to call the field of a prime in little-endian bytes; nothing if it is the scalar field of bn254.
pub(crate) fn other_than_fr(prime: &[u8]) -> Option<String> {
    other_than(prime, &Fr::MODULUS)
}

/// The same for the base field.
pub(crate) fn other_than_fq(prime: &[u8]) -> Option<String> {
    other_than(prime, &Fq::MODULUS)
}

fn other_than(prime: &[u8], expected: &BigInt<4>) -> Option<String> {
    let hex: String = prime.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    let digits = hex.trim_start_matches('0');
    if digits == hex::encode(expected.to_bytes_be()).trim_start_matches('0') {
        return None;
    }
    let known = PRIMES.iter().find(|(_, prime)| *prime == digits);
    Some(known.map_or_else(|| format!("a field of prime 0x{digits}"), |(name, _)| (*name).to_owned()))
}
