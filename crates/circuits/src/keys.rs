//! EdDSA-Poseidon over Baby Jubjub, as circomlib has it: any wallet that signs with circomlibjs's `signPoseidon` signs for
//! this rollup.
//!
//! - A private key is 32 bytes. Its BLAKE-512 hash gives, pruned as Ed25519's, an integer s (first half) and what nonces
//!   are derived from (second half); the public key is A = (s / 8)·B8, with B8 = [`babyjub`](crate::babyjub)'s generator.
//! - A signature of a field element M is (R8, S) with R8 = r·B8, r = BLAKE-512(second half, M) mod l,
//!   h = poseidon(R8.x, R8.y, A.x, A.y, M) and S = r + h·s mod l.
//! - It is valid if and only if S < l, R8 and A are on the curve, 8·A is not the neutral element, and
//!   **S·B8 = R8 + 8·h·A**.
//!
//! So it is valid if and only if both circomlib's `EdDSAPoseidonVerifier` and circomlibjs's `verifyPoseidon` accept it: the
//! former does not look whether the points are on the curve, the latter takes keys of low order, for which anybody can
//! sign. A part of low order beside one of order l in A is of no effect, since it vanishes in 8·A and the key is hashed
//! with it; R8 can have none, being S·B8 - 8·h·A. A neutral R8 is a nonce of 0, which only the key's holder can use.
//!
//! Coordinates arrive as 32 bytes and are reduced by the modulus.

use std::fmt;

use ark_ec::{AffineRepr, CurveGroup, PrimeGroup, twisted_edwards::TECurveConfig};
use ark_ff::{BigInteger, Field, PrimeField, Zero};
use blake_hash::{Blake512, Digest};

use crate::{
    Fr,
    babyjub::{Affine, BabyJubjub, Projective, Scalar},
    poseidon,
    word::{self, Word},
};

/// Bytes of a signature: R8.x, R8.y and S, each 32, big-endian.
pub const SIGNATURE_BYTES: usize = 96;

/// A public key: two coordinates that need not be on the curve. The all-zero key of an empty account is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PublicKey {
    /// First coordinate.
    pub x: Fr,
    /// Second coordinate.
    pub y: Fr,
}

/// A signature as it stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// First coordinate of R8, reduced by the field's modulus when read.
    pub r8_x: Word,
    /// Second coordinate of R8, likewise.
    pub r8_y: Word,
    /// S, valid only below the group's order.
    pub s: Word,
}

/// A private key with its public key. Development material: scalar multiplication here is not constant-time.
#[derive(Clone)]
pub struct KeyPair {
    /// s / 8.
    secret: Scalar,
    nonce_key: [u8; 32],
    public: PublicKey,
}

impl PublicKey {
    /// Whether the key is a point of the curve. An account exists if and only if its key is.
    pub fn is_on_curve(&self) -> bool {
        self.point().is_on_curve()
    }

    /// Whether `signature` signs `message` under this key. See the module for the equation.
    pub fn verify(&self, message: &Fr, signature: &Signature) -> bool {
        let r8 = Affine::new_unchecked(word::reduce(&signature.r8_x), word::reduce(&signature.r8_y));
        let key = self.point();
        let s = word::from_be(&signature.s);
        if s >= Scalar::MODULUS || !key.is_on_curve() || !r8.is_on_curve() {
            return false;
        }
        let cleared = key.mul_by_cofactor_to_group();
        if cleared.is_zero() {
            return false;
        }
        let challenge = challenge(&r8, self, message).into_bigint();
        Projective::generator().mul_bigint(s) == cleared.mul_bigint(challenge) + r8
    }

    /// circomlib's `packPoint`: y, little-endian, with the top bit saying whether x is above half the modulus.
    pub fn pack(&self) -> [u8; 32] {
        let mut bytes = word::from_field(&self.y);
        bytes.reverse();
        bytes[31] |= u8::from(is_high(&self.x)) << 7;
        bytes
    }

    /// The point that [`PublicKey::pack`] packed, or `None` if there is none.
    pub fn unpack(bytes: &[u8; 32]) -> Option<Self> {
        let mut word = *bytes;
        let high = word[31] >> 7 == 1;
        word[31] &= 0x7f;
        word.reverse();
        let y = word::to_field(&word)?;
        let square = y.square();
        let below = BabyJubjub::COEFF_A - BabyJubjub::COEFF_D * square;
        let x = ((Fr::from(1u8) - square) / below).sqrt()?;
        Some(Self { x: if is_high(&x) == high { x } else { -x }, y })
    }

    fn point(&self) -> Affine {
        Affine::new_unchecked(self.x, self.y)
    }
}

impl Signature {
    /// R8.x, R8.y, S.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        for (part, word) in bytes.chunks_exact_mut(32).zip([&self.r8_x, &self.r8_y, &self.s]) {
            part.copy_from_slice(word);
        }
        bytes
    }

    /// Any 96 bytes are a signature, though seldom a valid one.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_BYTES]) -> Self {
        let part = |i: usize| {
            let mut word = [0; 32];
            word.copy_from_slice(&bytes[32 * i..32 * (i + 1)]);
            word
        };
        Self { r8_x: part(0), r8_y: part(1), s: part(2) }
    }
}

impl KeyPair {
    /// The key pair of a private key.
    pub fn from_private(key: &[u8; 32]) -> Self {
        let hash = Blake512::digest(key);
        let (mut pruned, mut nonce_key) = ([0; 32], [0; 32]);
        pruned.copy_from_slice(&hash[..32]);
        nonce_key.copy_from_slice(&hash[32..]);
        pruned[0] &= 0xf8;
        pruned[31] = pruned[31] & 0x7f | 0x40;
        pruned.reverse();
        let secret = Scalar::from_be_bytes_mod_order(&word::to_be(word::from_be(&pruned) >> 3));
        let public = (Affine::generator() * secret).into_affine();
        Self { secret, nonce_key, public: PublicKey { x: public.x, y: public.y } }
    }

    /// The public key.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs `message`. Equal messages give equal signatures.
    pub fn sign(&self, message: &Fr) -> Signature {
        let mut little = word::from_field(message);
        little.reverse();
        let hash = Blake512::new().chain(self.nonce_key).chain(little).finalize();
        let nonce = Scalar::from_le_bytes_mod_order(&hash);
        let r8 = (Affine::generator() * nonce).into_affine();
        let challenge = challenge(&r8, &self.public, message);
        let challenge = Scalar::from_le_bytes_mod_order(&challenge.into_bigint().to_bytes_le());
        let s = nonce + challenge * self.secret * Scalar::from(8u8);
        Signature {
            r8_x: word::from_field(&r8.x),
            r8_y: word::from_field(&r8.y),
            s: word::to_be(s.into_bigint()),
        }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

fn challenge(r8: &Affine, key: &PublicKey, message: &Fr) -> Fr {
    poseidon::hash(&[r8.x, r8.y, key.x, key.y, *message])
}

/// Whether a field element is above (p - 1) / 2.
fn is_high(value: &Fr) -> bool {
    value.into_bigint() > Fr::MODULUS_MINUS_ONE_DIV_TWO
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (KeyPair, Fr, Signature) {
        let pair = KeyPair::from_private(&[7; 32]);
        let message = Fr::from(1234u16);
        let signature = pair.sign(&message);
        (pair, message, signature)
    }

    #[test]
    fn sign_and_verify() {
        let (pair, message, signature) = signed();
        assert!(pair.public().is_on_curve());
        assert!(pair.public().verify(&message, &signature));
        assert_eq!(Signature::from_bytes(&signature.to_bytes()), signature);
    }

    #[test]
    fn every_part_is_bound() {
        let (pair, message, signature) = signed();
        let other = KeyPair::from_private(&[8; 32]).public();
        assert!(!other.verify(&message, &signature));
        assert!(!pair.public().verify(&(message + Fr::from(1u8)), &signature));
        for byte in [31, 63, 95] {
            let mut bytes = signature.to_bytes();
            bytes[byte] ^= 1;
            assert!(!pair.public().verify(&message, &Signature::from_bytes(&bytes)), "byte {byte}");
        }
    }

    #[test]
    fn s_must_be_canonical() {
        let (pair, message, mut signature) = signed();
        let mut s = word::from_be(&signature.s);
        assert!(!s.add_with_carry(&Scalar::MODULUS));
        signature.s = word::to_be(s);
        assert!(!pair.public().verify(&message, &signature));
    }

    #[test]
    fn packed_keys() {
        for byte in 0..8 {
            let key = KeyPair::from_private(&[byte; 32]).public();
            assert_eq!(PublicKey::unpack(&key.pack()), Some(key));
            let negative = PublicKey { x: -key.x, y: key.y };
            assert_eq!(PublicKey::unpack(&negative.pack()), Some(negative));
        }
        let unpacks = |top: u8| {
            let mut bytes = [0xff; 32];
            bytes[31] = top;
            PublicKey::unpack(&bytes).is_some()
        };
        assert!(!unpacks(0x7f), "not below the modulus");
        assert!(!PublicKey::default().is_on_curve());
    }
}
