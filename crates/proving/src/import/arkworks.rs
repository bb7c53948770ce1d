//! `VerifyingKey<Bn254>` of arkworks: alpha, beta, gamma, delta, the number of IC points (8 bytes, little-endian) and those points.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_groth16::VerifyingKey;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize, Compress, Validate};

use super::{ImportError, check_count};

/// Where the number of IC points is.
const fn count_at(compress: Compress) -> usize {
    7 * g1_bytes(compress)
}

const fn g1_bytes(compress: Compress) -> usize {
    match compress {
        Compress::Yes => 32,
        Compress::No => 64,
    }
}

/// The number of IC points, if the bytes go so far.
fn count(bytes: &[u8], compress: Compress) -> Option<u64> {
    let (_, rest) = bytes.split_at_checked(count_at(compress))?;
    rest.first_chunk().map(|count| u64::from_le_bytes(*count))
}

/// The length that the bytes say they have.
fn length(bytes: &[u8], compress: Compress) -> Option<u64> {
    let points = count(bytes, compress)?.checked_mul(g1_bytes(compress) as u64)?;
    points.checked_add(count_at(compress) as u64 + 8)
}

fn compression(bytes: &[u8]) -> Option<Compress> {
    [Compress::No, Compress::Yes]
        .into_iter()
        .find(|compress| length(bytes, *compress) == Some(bytes.len() as u64))
}

/// Whether the bytes have the length of such a key.
pub(super) fn fits(bytes: &[u8]) -> bool {
    compression(bytes).is_some()
}

pub(super) fn parse(bytes: &[u8]) -> Result<VerifyingKey<Bn254>, ImportError> {
    let found = bytes.len() as u64;
    let Some(compress) = compression(bytes) else {
        return Err(match length(bytes, Compress::No).or_else(|| length(bytes, Compress::Yes)) {
            Some(expected) => ImportError::Length { expected, found },
            None => ImportError::Unrecognised,
        });
    };
    let points = count(bytes, compress).unwrap_or_default();
    check_count(points.saturating_sub(1))?;

    let mut rest = bytes;
    let alpha_g1: G1Affine = point("alpha", &mut rest, compress)?;
    let [beta_g2, gamma_g2, delta_g2]: [G2Affine; 3] = [
        point("beta", &mut rest, compress)?,
        point("gamma", &mut rest, compress)?,
        point("delta", &mut rest, compress)?,
    ];
    rest = rest.get(8..).unwrap_or_default();
    let gamma_abc_g1 =
        (0..points).map(|i| point(&format!("IC_{i}"), &mut rest, compress)).collect::<Result<_, _>>()?;
    Ok(VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 })
}

/// A point, which must be written as arkworks writes it. Its group is checked later, so that the reason can be said.
fn point<P: CanonicalDeserialize + CanonicalSerialize>(
    name: &str,
    rest: &mut &[u8],
    compress: Compress,
) -> Result<P, ImportError> {
    let encoding = || ImportError::Encoding { point: name.to_owned() };
    let from = *rest;
    let point = P::deserialize_with_mode(&mut *rest, compress, Validate::No).map_err(|_| encoding())?;
    let mut again = Vec::with_capacity(from.len() - rest.len());
    point.serialize_with_mode(&mut again, compress).map_err(|_| encoding())?;
    if from[..from.len() - rest.len()] != again[..] {
        return Err(ImportError::NotCanonical { point: name.to_owned() });
    }
    Ok(point)
}
