//! EdDSA over Baby-Jubjub with Poseidon as the hash.
//!
//! The curve is `ark-ed-on-bn254`'s form of Baby-Jubjub (EIP-2494): x² + y² = 1 + d x² y² with d = 168696/168700 over the
//! scalar field of BN254, cofactor 8, and B its generator of prime order
//! l = 2736030358979909402780800718157159386076813972158567259200215660948447373041.
//! The scheme follows RFC 8032 (EdDSA, Ed25519's equation without the cofactor) with these choices:
//!
//! - secret a in \[0, l), public key A = a·B as a pair of coordinates;
//! - R = k·B with k derived from the key and the message, so signing needs no randomness;
//! - challenge h = Poseidon(R.x, R.y, A.x, A.y, domain, message), as an integer below the field's modulus;
//! - s = k + h·a mod l; valid if and only if s < l, R and A are on the curve, and **s·B = R + h·A**.
//!
//! h·A is a multiplication by the integer h, not reduced by l: for a key outside the prime-order subgroup the two differ,
//! and the circuit does the same. Coordinates arrive as 32 bytes and are reduced by the modulus.

use std::fmt;

use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fr as Scalar};
use ark_ff::{BigInteger, PrimeField};

use crate::{
    Fr, poseidon,
    word::{self, Word},
};

/// Bytes of a signature: R.x, R.y and s, each 32, big-endian.
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
    /// First coordinate of R, reduced by the field's modulus when read.
    pub r_x: Word,
    /// Second coordinate of R, likewise.
    pub r_y: Word,
    /// s, valid only below the group's order.
    pub s: Word,
}

/// A secret key with its public key. Development material: scalar multiplication here is not constant-time.
#[derive(Clone)]
pub struct KeyPair {
    secret: Scalar,
    nonce_key: Word,
    public: PublicKey,
}

impl PublicKey {
    /// Whether the key is a point of the curve. An account exists if and only if its key is.
    pub fn is_on_curve(&self) -> bool {
        self.point().is_on_curve()
    }

    /// Whether `signature` signs `message` in `domain` under this key. See the module for the equation.
    pub fn verify(&self, domain: &Fr, message: &Fr, signature: &Signature) -> bool {
        let r = EdwardsAffine::new_unchecked(word::reduce(&signature.r_x), word::reduce(&signature.r_y));
        let key = self.point();
        let s = word::from_be(&signature.s);
        if s >= Scalar::MODULUS || !key.is_on_curve() || !r.is_on_curve() {
            return false;
        }
        let challenge = challenge(&r, self, domain, message).into_bigint();
        EdwardsProjective::generator().mul_bigint(s) == EdwardsProjective::from(key).mul_bigint(challenge) + r
    }

    fn point(&self) -> EdwardsAffine {
        EdwardsAffine::new_unchecked(self.x, self.y)
    }
}

impl Signature {
    /// R.x, R.y, s.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        for (part, word) in bytes.chunks_exact_mut(32).zip([&self.r_x, &self.r_y, &self.s]) {
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
        Self { r_x: part(0), r_y: part(1), s: part(2) }
    }
}

impl KeyPair {
    /// The key pair of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = wide_scalar(&[b"provery/eddsa/secret", seed]);
        let nonce_key = word::keccak256(&[b"provery/eddsa/nonce", seed]);
        let public = affine((EdwardsAffine::generator() * secret).into_affine());
        Self { secret, nonce_key, public }
    }

    /// The public key.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs `message` in `domain`. Equal inputs give equal signatures.
    pub fn sign(&self, domain: &Fr, message: &Fr) -> Signature {
        let nonce = wide_scalar(&[&self.nonce_key, &word::from_field(domain), &word::from_field(message)]);
        let r = (EdwardsAffine::generator() * nonce).into_affine();
        let challenge = challenge(&r, &self.public, domain, message);
        let challenge = Scalar::from_le_bytes_mod_order(&challenge.into_bigint().to_bytes_le());
        let s = nonce + challenge * self.secret;
        Signature {
            r_x: word::from_field(&r.x),
            r_y: word::from_field(&r.y),
            s: word::to_be(s.into_bigint()),
        }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

fn affine(point: EdwardsAffine) -> PublicKey {
    PublicKey { x: point.x, y: point.y }
}

fn challenge(r: &EdwardsAffine, key: &PublicKey, domain: &Fr, message: &Fr) -> Fr {
    poseidon::hash(&[r.x, r.y, key.x, key.y, *domain, *message])
}

/// A scalar from 64 hashed bytes, so that its bias is negligible.
fn wide_scalar(parts: &[&[u8]]) -> Scalar {
    let inner = word::keccak256(parts);
    let wide = [word::keccak256(&[&inner, &[0]]), word::keccak256(&[&inner, &[1]])].concat();
    Scalar::from_be_bytes_mod_order(&wide)
}

#[cfg(test)]
mod tests {
    use ark_ff::Zero;

    use super::*;

    fn signed() -> (KeyPair, Fr, Fr, Signature) {
        let pair = KeyPair::from_seed(&[7; 32]);
        let (domain, message) = (Fr::from(5u8), Fr::from(1234u16));
        let signature = pair.sign(&domain, &message);
        (pair, domain, message, signature)
    }

    #[test]
    fn sign_and_verify() {
        let (pair, domain, message, signature) = signed();
        assert!(pair.public().is_on_curve());
        assert!(pair.public().verify(&domain, &message, &signature));
        assert_eq!(Signature::from_bytes(&signature.to_bytes()), signature);
    }

    #[test]
    fn every_part_is_bound() {
        let (pair, domain, message, signature) = signed();
        let one = Fr::from(1u8);
        let other = KeyPair::from_seed(&[8; 32]).public();
        assert!(!other.verify(&domain, &message, &signature));
        assert!(!pair.public().verify(&(domain + one), &message, &signature));
        assert!(!pair.public().verify(&domain, &(message + one), &signature));
        for byte in [31, 63, 95] {
            let mut bytes = signature.to_bytes();
            bytes[byte] ^= 1;
            assert!(!pair.public().verify(&domain, &message, &Signature::from_bytes(&bytes)), "byte {byte}");
        }
    }

    #[test]
    fn s_must_be_canonical() {
        let (pair, domain, message, mut signature) = signed();
        let mut s = word::from_be(&signature.s);
        assert!(!s.add_with_carry(&Scalar::MODULUS));
        signature.s = word::to_be(s);
        assert!(!pair.public().verify(&domain, &message, &signature));
    }

    #[test]
    fn curve_facts_the_circuit_relies_on() {
        use ark_ec::twisted_edwards::TECurveConfig;
        use ark_ff::Field;
        type Config = ark_ed_on_bn254::EdwardsConfig;

        assert_eq!(Config::COEFF_A, Fr::from(1u8));
        assert!(Config::COEFF_D.legendre().is_qnr(), "a non-square d makes addition complete");
        assert!(!EdwardsAffine::generator().is_zero());
        assert!(EdwardsProjective::generator().mul_bigint(Scalar::MODULUS).is_zero());
        assert_eq!(
            Scalar::MODULUS.to_string(),
            "2736030358979909402780800718157159386076813972158567259200215660948447373041"
        );
        assert!(!PublicKey::default().is_on_curve());
    }
}
