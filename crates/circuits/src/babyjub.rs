//! Baby Jubjub (EIP-2494) with circomlib's coordinates and generator.
//!
//! The curve is 168700 x² + y² = 1 + 168696 x² y² over the scalar field of BN254. It has 8 · l points, with l prime. The
//! generator is circomlib's `Base8`, of order l. `ark-ed-on-bn254` has the same curve with x scaled so that the first
//! coefficient is 1, and another generator; only what both share is taken from there.

use ark_ec::{
    CurveConfig,
    twisted_edwards::{self, MontCurveConfig, TECurveConfig},
};
use ark_ff::MontFp;

use crate::Fr;

/// Integers modulo l = 2736030358979909402780800718157159386076813972158567259200215660948447373041.
pub type Scalar = ark_ed_on_bn254::Fr;
/// A point as a pair of coordinates.
pub type Affine = twisted_edwards::Affine<BabyJubjub>;
/// A point to compute with.
pub type Projective = twisted_edwards::Projective<BabyJubjub>;

/// The curve's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BabyJubjub;

impl CurveConfig for BabyJubjub {
    type BaseField = Fr;
    type ScalarField = Scalar;

    const COFACTOR: &'static [u64] = &[8];
    const COFACTOR_INV: Scalar = ark_ed_on_bn254::EdwardsConfig::COFACTOR_INV;
}

impl TECurveConfig for BabyJubjub {
    type MontCurveConfig = Self;

    const COEFF_A: Fr = MontFp!("168700");
    const COEFF_D: Fr = MontFp!("168696");
    const GENERATOR: Affine = Affine::new_unchecked(
        MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
        MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
    );
}

impl MontCurveConfig for BabyJubjub {
    type TECurveConfig = Self;

    const COEFF_A: Fr = MontFp!("168698");
    const COEFF_B: Fr = MontFp!("1");
}

#[cfg(test)]
mod tests {
    use ark_ec::{AffineRepr, PrimeGroup};
    use ark_ff::{Field, PrimeField, Zero};

    use super::*;

    #[test]
    fn facts_the_circuit_relies_on() {
        assert!(<BabyJubjub as TECurveConfig>::COEFF_A.legendre().is_qr(), "with a square a");
        assert!(BabyJubjub::COEFF_D.legendre().is_qnr(), "and a non-square d addition is complete");
        assert!(Affine::generator().is_on_curve());
        assert!(!Affine::generator().is_zero());
        assert!(Projective::generator().mul_bigint(Scalar::MODULUS).is_zero());
        assert_eq!(
            Scalar::MODULUS.to_string(),
            "2736030358979909402780800718157159386076813972158567259200215660948447373041"
        );
    }
}
