//! The layout of points in a key file and the only conversions between the libraries that use them.
//!
//! A point is its affine coordinates as little-endian Montgomery limbs; (0, 0) is infinity. halo2curves keeps points in
//! memory in exactly this form, so a mapped key file can be handed to its multi-scalar multiplication as it is. That
//! this holds is checked below when the crate is compiled.

use std::mem::{align_of, size_of};

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};
use halo2curves::bn256;

#[cfg(not(target_endian = "little"))]
compile_error!("key files are mapped as little-endian limbs");

type Limbs = [u64; 4];

/// A point of G1 as it lies in a key file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawG1 {
    x: Limbs,
    y: Limbs,
}

/// A point of G2 as it lies in a key file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawG2 {
    x: [Limbs; 2],
    y: [Limbs; 2],
}

impl RawG1 {
    /// A point of G1 in bytes.
    pub const BYTES: usize = size_of::<Self>();

    /// The point that lies in `bytes`, wherever they are. Nothing is checked.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let [x, y] = words(bytes);
        Self { x, y }
    }

    /// As they lie in files: both coordinates, Montgomery form, little-endian.
    pub fn as_bytes(&self) -> &[u8] {
        as_bytes(std::slice::from_ref(self))
    }

    /// Whether the coordinates are below the modulus and the point is on the curve, which is its group, or infinity.
    pub fn is_valid(&self) -> bool {
        are_fq([&self.x, &self.y]) && G1Affine::from(self).is_on_curve()
    }

    /// Whether it is the point at infinity.
    pub fn is_infinity(&self) -> bool {
        (self.x, self.y) == ([0; 4], [0; 4])
    }
}

impl RawG2 {
    /// A point of G2 in bytes.
    pub const BYTES: usize = size_of::<Self>();

    /// The point that lies in `bytes`, wherever they are. Nothing is checked.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let [x0, x1, y0, y1] = words(bytes);
        Self { x: [x0, x1], y: [y0, y1] }
    }

    /// As they lie in files: both coordinates, Montgomery form, little-endian.
    pub fn as_bytes(&self) -> &[u8] {
        as_bytes(std::slice::from_ref(self))
    }

    /// Whether the coordinates are below the modulus and the point is on the curve, or infinity. Its group is a part of the curve:
    /// whether it is in that is not said.
    pub fn is_on_curve(&self) -> bool {
        let ([x0, x1], [y0, y1]) = (&self.x, &self.y);
        are_fq([x0, x1, y0, y1]) && G2Affine::from(self).is_on_curve()
    }

    /// Whether it is the point at infinity.
    pub fn is_infinity(&self) -> bool {
        (self.x, self.y) == ([[0; 4]; 2], [[0; 4]; 2])
    }
}

fn words<const BYTES: usize, const N: usize>(bytes: &[u8; BYTES]) -> [Limbs; N] {
    const { assert!(BYTES == N * size_of::<Limbs>()) };
    let mut out = [[0; 4]; N];
    for (limb, bytes) in out.as_flattened_mut().iter_mut().zip(bytes.as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    out
}

fn are_fq<const N: usize>(coordinates: [&Limbs; N]) -> bool {
    coordinates.into_iter().all(|limbs| BigInt(*limbs) < Fq::MODULUS)
}

impl From<&G1Affine> for RawG1 {
    fn from(point: &G1Affine) -> Self {
        match point.xy() {
            Some((x, y)) => Self { x: x.0.0, y: y.0.0 },
            None => Self { x: [0; 4], y: [0; 4] },
        }
    }
}

impl From<&RawG1> for G1Affine {
    /// Does not check that the point is on the curve: key files are checked by their hash.
    fn from(raw: &RawG1) -> Self {
        let (x, y) = (Fq::new_unchecked(BigInt(raw.x)), Fq::new_unchecked(BigInt(raw.y)));
        if x == Fq::ZERO && y == Fq::ZERO { Self::identity() } else { Self::new_unchecked(x, y) }
    }
}

impl From<&G2Affine> for RawG2 {
    fn from(point: &G2Affine) -> Self {
        match point.xy() {
            Some((x, y)) => Self { x: [x.c0.0.0, x.c1.0.0], y: [y.c0.0.0, y.c1.0.0] },
            None => Self { x: [[0; 4]; 2], y: [[0; 4]; 2] },
        }
    }
}

impl From<&RawG2> for G2Affine {
    /// Does not check that the point is on the curve: key files are checked by their hash.
    fn from(raw: &RawG2) -> Self {
        let fq2 = |c: &[Limbs; 2]| Fq2::new(Fq::new_unchecked(BigInt(c[0])), Fq::new_unchecked(BigInt(c[1])));
        let (x, y) = (fq2(&raw.x), fq2(&raw.y));
        if x == Fq2::ZERO && y == Fq2::ZERO { Self::identity() } else { Self::new_unchecked(x, y) }
    }
}

pub(crate) fn fr_to_limbs(value: &Fr) -> Limbs {
    value.0.0
}

pub(crate) fn fr_from_limbs(limbs: &Limbs) -> Fr {
    Fr::new_unchecked(BigInt(*limbs))
}

/// The same scalar in halo2curves: both keep Montgomery limbs with R = 2^256.
pub(crate) fn fr_to_halo(value: &Fr) -> bn256::Fr {
    bn256::Fr(value.0.0)
}

pub(crate) fn g1_from_halo(point: &bn256::G1Affine) -> G1Affine {
    G1Affine::from(&RawG1 { x: point.x.0, y: point.y.0 })
}

pub(crate) fn g2_from_halo(point: &bn256::G2Affine) -> G2Affine {
    // SAFETY: both types are 128 bytes of plain limbs in the same order (`LAYOUT` below), and every bit pattern is a
    // valid `RawG2`.
    let raw = unsafe { std::mem::transmute::<bn256::G2Affine, RawG2>(*point) };
    G2Affine::from(&raw)
}

pub(crate) fn g1_slice_as_halo(points: &[RawG1]) -> &[bn256::G1Affine] {
    // SAFETY: size, alignment and order of the limbs are the same (`LAYOUT` below), every bit pattern of limbs is a
    // valid value of either type, and the length is that of the borrowed slice.
    unsafe { std::slice::from_raw_parts(points.as_ptr().cast(), points.len()) }
}

pub(crate) fn g2_slice_as_halo(points: &[RawG2]) -> &[bn256::G2Affine] {
    // SAFETY: as for `g1_slice_as_halo`.
    unsafe { std::slice::from_raw_parts(points.as_ptr().cast(), points.len()) }
}

/// Compile-time proof that halo2curves' points are laid out like ours: a point built from numbered limbs must come out
/// with its limbs in order. `transmute` also checks the sizes.
const LAYOUT: () = {
    const fn limbs(from: u64) -> bn256::Fq {
        bn256::Fq([from, from + 1, from + 2, from + 3])
    }
    let g1 = bn256::G1Affine { x: limbs(0), y: limbs(4) };
    let g2 =
        bn256::G2Affine { x: bn256::Fq2::new(limbs(0), limbs(4)), y: bn256::Fq2::new(limbs(8), limbs(12)) };
    // SAFETY: all are structs of `u64` alone, without padding, and of the same size.
    let g1: [u64; 8] = unsafe { std::mem::transmute(g1) };
    // SAFETY: as above.
    let g2: [u64; 16] = unsafe { std::mem::transmute(g2) };
    let mut i = 0;
    while i < 16 {
        assert!(g2[i] == i as u64);
        assert!(i >= 8 || g1[i] == i as u64);
        i += 1;
    }
    assert!(size_of::<RawG1>() == 64 && size_of::<RawG2>() == 128);
    assert!(align_of::<RawG1>() == align_of::<bn256::G1Affine>());
    assert!(align_of::<RawG2>() == align_of::<bn256::G2Affine>());
};
const _: () = LAYOUT;

/// Types that may be read from and written as bytes.
///
/// # Safety
/// No padding, no invalid bit pattern, no interior mutability.
pub(crate) unsafe trait Plain: Copy + 'static {}

// SAFETY: integers, and `repr(C)` structs and arrays of integers of one size.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for Limbs {}
// SAFETY: as above.
unsafe impl Plain for RawG1 {}
// SAFETY: as above.
unsafe impl Plain for RawG2 {}

/// Bytes as a slice of `T`; `None` if they are misaligned or do not divide evenly.
pub(crate) fn cast_slice<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    let aligned = bytes.as_ptr().addr().is_multiple_of(align_of::<T>());
    if !aligned || !bytes.len().is_multiple_of(size_of::<T>()) {
        return None;
    }
    // SAFETY: alignment and size were checked, `Plain` allows every bit pattern, and the borrow is kept.
    Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) })
}

/// A slice of `T` as its bytes.
pub(crate) fn as_bytes<T: Plain>(items: &[T]) -> &[u8] {
    // SAFETY: `Plain` types have no padding, and the length is that of the borrowed slice in bytes.
    unsafe { std::slice::from_raw_parts(items.as_ptr().cast(), size_of_val(items)) }
}

#[cfg(test)]
mod tests {
    use ark_bn254::{G1Projective, G2Projective};
    use ark_ec::{CurveGroup, PrimeGroup};
    use halo2curves::group::prime::PrimeCurveAffine;

    use super::*;

    #[test]
    fn points_mean_the_same_in_both_libraries() {
        let (g1, g2) = (G1Projective::generator().into_affine(), G2Projective::generator().into_affine());
        assert_eq!(g1_slice_as_halo(&[RawG1::from(&g1)])[0], bn256::G1Affine::generator());
        assert_eq!(g2_slice_as_halo(&[RawG2::from(&g2)])[0], bn256::G2Affine::generator());
        assert_eq!(g1_from_halo(&bn256::G1Affine::generator()), g1);
        assert_eq!(g2_from_halo(&bn256::G2Affine::generator()), g2);
        assert_eq!(g1_from_halo(&bn256::G1Affine::identity()), G1Affine::identity());
        assert_eq!(g2_from_halo(&bn256::G2Affine::identity()), G2Affine::identity());
        assert_eq!(fr_to_halo(&Fr::from(6)) * bn256::Fr::from(7), bn256::Fr::from(42));
    }

    #[test]
    fn casts_refuse_what_does_not_fit() {
        let words = [[1u64, 2, 3, 4], [5, 6, 7, 8]];
        let bytes = as_bytes(&words);
        assert_eq!(cast_slice::<Limbs>(bytes), Some(&words[..]));
        assert_eq!(cast_slice::<Limbs>(&bytes[..63]), None);
        assert_eq!(cast_slice::<Limbs>(&bytes[4..36]), None);
    }
}
