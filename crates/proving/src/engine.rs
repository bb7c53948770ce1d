//! The seam under which the heavy arithmetic lies: multi-scalar multiplications and Fourier transforms.

use std::fmt;

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::VariableBaseMSM;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use halo2curves::{group::Curve, msm::msm_best};
use rayon::prelude::*;

use crate::raw::{self, RawG1, RawG2};

/// Powers of a root of unity, or a coset of them.
pub type Domain = Radix2EvaluationDomain<Fr>;

/// Heavy arithmetic of a proof. Bases and scalars have the same length, and no base is infinity.
pub trait Engine: Send + Sync + fmt::Debug {
    /// What to call this engine in logs.
    fn name(&self) -> &'static str;

    /// Σ scalarᵢ · baseᵢ in G1.
    fn msm_g1(&self, bases: &[RawG1], scalars: &[Fr]) -> G1Projective;

    /// Σ scalarᵢ · baseᵢ in G2.
    fn msm_g2(&self, bases: &[RawG2], scalars: &[Fr]) -> G2Projective;

    /// Coefficients to evaluations over `domain`. `values` has the domain's size.
    fn fft(&self, domain: &Domain, values: &mut Vec<Fr>);

    /// Evaluations over `domain` to coefficients. `values` has the domain's size.
    fn ifft(&self, domain: &Domain, values: &mut Vec<Fr>);
}

impl Engine for Box<dyn Engine> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn msm_g1(&self, bases: &[RawG1], scalars: &[Fr]) -> G1Projective {
        (**self).msm_g1(bases, scalars)
    }

    fn msm_g2(&self, bases: &[RawG2], scalars: &[Fr]) -> G2Projective {
        (**self).msm_g2(bases, scalars)
    }

    fn fft(&self, domain: &Domain, values: &mut Vec<Fr>) {
        (**self).fft(domain, values);
    }

    fn ifft(&self, domain: &Domain, values: &mut Vec<Fr>) {
        (**self).ifft(domain, values);
    }
}

/// The fastest engine that this processor can run.
pub fn fastest() -> Box<dyn Engine> {
    choose(has_assembly())
}

fn choose(assembly: bool) -> Box<dyn Engine> {
    if assembly { Box::new(Halo2curves) } else { Box::new(Arkworks) }
}

/// Whether the assembly that halo2curves is built with runs here: on x86-64 it uses MULX (BMI2), ADCX and ADOX (ADX) without asking.
fn has_assembly() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("adx") && std::arch::is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    return true;
}

/// halo2curves' multiplications, with points borrowed from the key file as they lie, and ark-poly's transforms, which are
/// the faster ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Halo2curves;

impl Engine for Halo2curves {
    fn name(&self) -> &'static str {
        "halo2curves"
    }

    fn msm_g1(&self, bases: &[RawG1], scalars: &[Fr]) -> G1Projective {
        let scalars: Vec<_> = scalars.par_iter().map(raw::fr_to_halo).collect();
        raw::g1_from_halo(&msm_best(&scalars, raw::g1_slice_as_halo(bases)).to_affine()).into()
    }

    fn msm_g2(&self, bases: &[RawG2], scalars: &[Fr]) -> G2Projective {
        let scalars: Vec<_> = scalars.par_iter().map(raw::fr_to_halo).collect();
        raw::g2_from_halo(&msm_best(&scalars, raw::g2_slice_as_halo(bases)).to_affine()).into()
    }

    fn fft(&self, domain: &Domain, values: &mut Vec<Fr>) {
        domain.fft_in_place(values);
    }

    fn ifft(&self, domain: &Domain, values: &mut Vec<Fr>) {
        domain.ifft_in_place(values);
    }
}

/// ark-ec and ark-poly throughout: points are converted from the key file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arkworks;

impl Engine for Arkworks {
    fn name(&self) -> &'static str {
        "arkworks"
    }

    fn msm_g1(&self, bases: &[RawG1], scalars: &[Fr]) -> G1Projective {
        let bases: Vec<_> = bases.par_iter().map(G1Affine::from).collect();
        G1Projective::msm_unchecked(&bases, scalars)
    }

    fn msm_g2(&self, bases: &[RawG2], scalars: &[Fr]) -> G2Projective {
        let bases: Vec<_> = bases.par_iter().map(G2Affine::from).collect();
        G2Projective::msm_unchecked(&bases, scalars)
    }

    fn fft(&self, domain: &Domain, values: &mut Vec<Fr>) {
        domain.fft_in_place(values);
    }

    fn ifft(&self, domain: &Domain, values: &mut Vec<Fr>) {
        domain.ifft_in_place(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_without_the_instructions_gets_an_engine_that_needs_none() {
        assert_eq!(choose(false).name(), "arkworks");
        assert_eq!(choose(true).name(), "halo2curves");
    }
}
