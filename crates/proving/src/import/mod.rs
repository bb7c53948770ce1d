//! Groth16 verifying keys over BN254 from other systems: snarkjs's JSON, arkworks' and gnark's binary forms.
//!
//! A key comes from a stranger and decides which proofs are accepted, so nothing of it is taken on trust: every number has one
//! encoding, every point is on its curve and in its group, and what is known to let proofs be forged is refused by name
//! ([`solidity::check_key`]). That somebody knows the secrets of the setup cannot be seen from a key.

mod arkworks;
mod error;
mod gnark;
mod snarkjs;

use std::{fs::File, io::Read, path::Path};

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_groth16::VerifyingKey;

use crate::{
    proof,
    solidity::{self, MAX_PUBLIC_INPUTS},
};

pub use error::ImportError;

/// A key file larger than this is not read. One for the most public inputs has 60 kB in snarkjs's JSON.
pub const MAX_KEY_BYTES: u64 = 1 << 20;

/// Who wrote a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `verification_key.json`.
    Snarkjs,
    /// `VerifyingKey<Bn254>` by `CanonicalSerialize`, compressed or not.
    Arkworks,
    /// `VerifyingKey` by `WriteTo` (compressed) or `WriteRawTo`.
    Gnark,
}

/// Read the verifying key in a file, whoever of the three wrote it.
pub fn read_key(path: &Path) -> Result<(VerifyingKey<Bn254>, Format), ImportError> {
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(MAX_KEY_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_KEY_BYTES {
        return Err(ImportError::TooLarge { path: path.to_owned() });
    }
    parse_key(&bytes)
}

/// The verifying key in `bytes`, whoever of the three wrote it: their first bytes and lengths tell them apart.
pub fn parse_key(bytes: &[u8]) -> Result<(VerifyingKey<Bn254>, Format), ImportError> {
    let format = format_of(bytes).ok_or(ImportError::Unrecognised)?;
    Ok((parse_key_as(bytes, format)?, format))
}

/// The verifying key in `bytes`, as `format` has it.
pub fn parse_key_as(bytes: &[u8], format: Format) -> Result<VerifyingKey<Bn254>, ImportError> {
    let key = match format {
        Format::Snarkjs => snarkjs::parse(bytes),
        Format::Arkworks => arkworks::parse(bytes),
        Format::Gnark => gnark::parse(bytes),
    }?;
    check(&key)?;
    Ok(key)
}

/// Whether snarkjs' documents may call bn254 so.
pub fn is_bn254(curve: &str) -> bool {
    snarkjs::is_bn254(curve)
}

fn format_of(bytes: &[u8]) -> Option<Format> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        return Some(Format::Snarkjs);
    }
    // An arkworks key has exactly the length that it says; a gnark key may go on.
    if arkworks::fits(bytes) {
        return Some(Format::Arkworks);
    }
    gnark::fits(bytes).then_some(Format::Gnark)
}

fn check(key: &VerifyingKey<Bn254>) -> Result<(), ImportError> {
    let found = key.gamma_abc_g1.len().saturating_sub(1);
    check_count(found as u64)?;
    let ic = (0..).map(|i| format!("IC_{i}")).zip(&key.gamma_abc_g1);
    for (name, point) in std::iter::once(("alpha".to_owned(), &key.alpha_g1)).chain(ic) {
        // G1 is the whole curve.
        if !point.is_zero() && !point.is_on_curve() {
            return Err(ImportError::OffCurve { point: name });
        }
    }
    for (name, point) in [("beta", &key.beta_g2), ("gamma", &key.gamma_g2), ("delta", &key.delta_g2)] {
        check_g2(name, point)?;
    }
    match key.gamma_abc_g1.iter().position(AffineRepr::is_zero) {
        Some(0) => return Err(ImportError::NoConstant),
        Some(i) => return Err(ImportError::UnboundInput { input: i - 1 }),
        None => {}
    }
    Ok(solidity::check_key(key, found)?)
}

fn check_g2(name: &str, point: &G2Affine) -> Result<(), ImportError> {
    if !point.is_zero() && !point.is_on_curve() {
        return Err(ImportError::OffCurve { point: name.to_owned() });
    }
    if !point.is_in_correct_subgroup_assuming_on_curve() {
        return Err(ImportError::OutsideSubgroup { point: name.to_owned() });
    }
    Ok(())
}

fn check_count(public_inputs: u64) -> Result<(), ImportError> {
    if public_inputs > MAX_PUBLIC_INPUTS as u64 {
        return Err(ImportError::TooManyPublicInputs { found: public_inputs });
    }
    Ok(())
}

/// A point of G1 from its coordinates; (0, 0) is infinity. Not checked to be on the curve.
fn g1(x: Fq, y: Fq) -> G1Affine {
    if (x, y) == Default::default() { G1Affine::identity() } else { G1Affine::new_unchecked(x, y) }
}

/// The same for G2.
fn g2(x: Fq2, y: Fq2) -> G2Affine {
    if (x, y) == Default::default() { G2Affine::identity() } else { G2Affine::new_unchecked(x, y) }
}

fn be_coordinate(point: &str, word: &[u8; 32]) -> Result<Fq, ImportError> {
    proof::from_word(word).ok_or_else(|| ImportError::NotCanonical { point: point.to_owned() })
}

#[cfg(test)]
mod tests;
