//! Between field elements, EVM words and bytes.

use ark_ff::{BigInteger, BigInteger256, PrimeField};
use sha3::{Digest, Keccak256};

use crate::Fr;

/// A 32-byte EVM word, big-endian.
pub type Word = [u8; 32];

/// The big-endian word of a field element. Always below the modulus.
pub fn from_field(value: &Fr) -> Word {
    to_be(value.into_bigint())
}

/// The field element of a word, or `None` if the word is not below the modulus.
pub fn to_field(word: &Word) -> Option<Fr> {
    Fr::from_bigint(from_be(word))
}

/// The field element of big-endian bytes, reduced by the modulus.
pub fn reduce(bytes: &[u8]) -> Fr {
    Fr::from_be_bytes_mod_order(bytes)
}

/// The word of an address: its 20 bytes on the right.
pub fn from_address(address: &[u8; 20]) -> Word {
    let mut word = [0; 32];
    word[12..].copy_from_slice(address);
    word
}

/// Ethereum's Keccak-256 of the concatenation of `parts`.
pub fn keccak256(parts: &[&[u8]]) -> Word {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The integer of a big-endian word.
pub(crate) fn from_be(word: &Word) -> BigInteger256 {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(word.rchunks_exact(8)) {
        *limb = bytes.iter().fold(0, |acc, byte| acc << 8 | u64::from(*byte));
    }
    BigInteger256::new(limbs)
}

/// The big-endian word of an integer.
pub(crate) fn to_be(value: BigInteger256) -> Word {
    let mut word = [0; 32];
    word.copy_from_slice(&value.to_bytes_be());
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_the_modulus() {
        let modulus = to_be(Fr::MODULUS);
        assert_eq!(to_field(&modulus), None);
        assert_eq!(reduce(&modulus), Fr::from(0u8));
        let last = from_field(&-Fr::from(1u8));
        assert_eq!(to_field(&last), Some(-Fr::from(1u8)));
        let mut counted = [0; 32];
        counted[30] = 1;
        assert_eq!(to_field(&counted), Some(Fr::from(256u16)));
    }

    #[test]
    fn keccak_of_nothing() {
        assert_eq!(keccak256(&[])[..4], [0xc5, 0xd2, 0x46, 0x01]);
    }
}
