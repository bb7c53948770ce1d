//! gnark's `VerifyingKey` over BN254, by `WriteTo` (compressed) or `WriteRawTo`, all big-endian:
//!
//! alpha (G1), beta (G1), beta (G2), gamma (G2), delta (G1), delta (G2), the number of IC points (4 bytes), those points; then,
//! since gnark 0.8, the commitments: how many lists of committed inputs there are (4 bytes), each with its length (4 bytes) and
//! numbers (8 bytes), and how many Pedersen keys (4 bytes), two points of G2 each.
//!
//! A coordinate of G2 has its imaginary part first. The two highest bits of a point: 00 not compressed, 10 and 11 compressed with the
//! smaller or the larger y, 01 compressed infinity. Infinity that is not compressed is zeros.

use ark_bn254::{Bn254, Fq2, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use ark_groth16::VerifyingKey;

use super::{ImportError, be_coordinate, check_count, check_g2, g1, g2};

const FLAGS: u8 = 0b1100_0000;
const LARGER: u8 = 0b1100_0000;
const INFINITY: u8 = 0b0100_0000;

/// Bytes before the number of IC points, and bytes of an IC point: not compressed, compressed.
const SHAPES: [(usize, u64); 2] = [(3 * 64 + 3 * 128, 64), (3 * 32 + 3 * 64, 32)];

/// Whether the bytes may be such a key: what follows the points is looked at later.
pub(super) fn fits(bytes: &[u8]) -> bool {
    least_length(bytes).is_some_and(|least| least <= bytes.len() as u64)
}

/// What the bytes must have at least by the number of points they say they have. The first point tells whether they are compressed.
fn least_length(bytes: &[u8]) -> Option<u64> {
    let compressed = bytes.first()? & FLAGS != 0;
    let (at, point) = SHAPES[usize::from(compressed)];
    let (_, rest) = bytes.split_at_checked(at)?;
    Some(at as u64 + 4 + point * u64::from(u32::from_be_bytes(*rest.first_chunk()?)))
}

pub(super) fn parse(bytes: &[u8]) -> Result<VerifyingKey<Bn254>, ImportError> {
    let found = bytes.len() as u64;
    let expected = least_length(bytes).ok_or(ImportError::Unrecognised)?;
    if expected > found {
        return Err(ImportError::Length { expected, found });
    }

    let raw = bytes.first().is_some_and(|first| first & FLAGS == 0);
    let mut rest = Reader { rest: bytes, total: found, raw };
    let alpha_g1 = rest.g1("alpha")?;
    let beta_g1 = rest.g1("beta in G1")?;
    let beta_g2 = rest.g2("beta")?;
    let gamma_g2 = rest.g2("gamma")?;
    let delta_g1 = rest.g1("delta in G1")?;
    let delta_g2 = rest.g2("delta")?;
    let points = rest.number()?;
    check_count(u64::from(points.saturating_sub(1)))?;
    let gamma_abc_g1: Vec<_> = (0..points).map(|i| rest.g1(&format!("IC_{i}"))).collect::<Result<_, _>>()?;
    rest.no_commitments()?;

    // No proof is checked with these, but a key whose halves differ is not the one that it seems.
    for (name, in_g1, in_g2) in [("beta", beta_g1, beta_g2), ("delta", delta_g1, delta_g2)] {
        if !in_g1.is_zero() && !in_g1.is_on_curve() {
            return Err(ImportError::OffCurve { point: format!("{name} in G1") });
        }
        check_g2(name, &in_g2)?;
        if Bn254::pairing(in_g1, G2Affine::generator()) != Bn254::pairing(G1Affine::generator(), in_g2) {
            return Err(ImportError::Halves(name));
        }
    }
    Ok(VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 })
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Length of the whole key.
    total: u64,
    /// Points are not compressed.
    raw: bool,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            let missing = N as u64 - self.rest.len() as u64;
            return Err(ImportError::Length { expected: self.total + missing, found: self.total });
        };
        self.rest = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u32, ImportError> {
        self.take().map(u32::from_be_bytes)
    }

    fn g1(&mut self, name: &str) -> Result<G1Affine, ImportError> {
        let (flag, first) = self.first(name)?;
        if self.raw {
            return Ok(g1(be_coordinate(name, &first)?, be_coordinate(name, &self.take()?)?));
        }
        if flag == INFINITY {
            return zeros(name, &first).map(|()| G1Affine::identity());
        }
        G1Affine::get_point_from_x_unchecked(be_coordinate(name, &first)?, flag == LARGER)
            .ok_or_else(|| ImportError::OffCurve { point: name.to_owned() })
    }

    fn g2(&mut self, name: &str) -> Result<G2Affine, ImportError> {
        let (flag, first) = self.first(name)?;
        let second = self.take()?;
        if flag == INFINITY {
            return zeros(name, &[first, second].concat()).map(|()| G2Affine::identity());
        }
        let x = Fq2::new(be_coordinate(name, &second)?, be_coordinate(name, &first)?);
        if self.raw {
            let [imaginary, real] = [self.take()?, self.take()?];
            return Ok(g2(x, Fq2::new(be_coordinate(name, &real)?, be_coordinate(name, &imaginary)?)));
        }
        G2Affine::get_point_from_x_unchecked(x, flag == LARGER)
            .ok_or_else(|| ImportError::OffCurve { point: name.to_owned() })
    }

    /// The first word of a point without its flag. All points are written one way.
    fn first(&mut self, name: &str) -> Result<(u8, [u8; 32]), ImportError> {
        let mut first = self.take::<32>()?;
        let flag = first[0] & FLAGS;
        if self.raw != (flag == 0) {
            return Err(ImportError::Encoding { point: name.to_owned() });
        }
        first[0] &= !FLAGS;
        Ok((flag, first))
    }

    /// The end of the key: nothing, as before gnark 0.8, or no commitments.
    fn no_commitments(&mut self) -> Result<(), ImportError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let lists = self.number()?;
        if lists != 0 {
            return Err(ImportError::Commitments(lists.into()));
        }
        let keys = self.number()?;
        if keys != 0 {
            return Err(ImportError::Commitments(keys.into()));
        }
        if !self.rest.is_empty() {
            let expected = self.total - self.rest.len() as u64;
            return Err(ImportError::Length { expected, found: self.total });
        }
        Ok(())
    }
}

fn zeros(name: &str, bytes: &[u8]) -> Result<(), ImportError> {
    if bytes.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(ImportError::Encoding { point: name.to_owned() })
    }
}
