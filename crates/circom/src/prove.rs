//! Groth16 over a zkey, with the engine that proves our own circuits.

use std::time::Duration;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{FftField, UniformRand};
use ark_groth16::{Groth16, PreparedVerifyingKey, Proof, prepare_verifying_key};
use ark_poly::EvaluationDomain;
use ark_std::rand::rngs::OsRng;
use provery_proving::{Clock, Domain, Engine, Phase, Progress, alive};
use rayon::prelude::*;

use crate::{
    error::CircomError,
    zkey::{Query, Zkey},
};

/// The rows of the matrices and the quotient's evaluations.
const FFT: Phase = Phase::new("fft");
/// The proof's points.
const MSM: Phase = Phase::new("msm");
/// The check of the finished proof.
const VERIFY: Phase = Phase::new("verify");

/// A proof that verifies, its public inputs, and how long each phase took.
#[derive(Debug, Clone)]
pub struct Proven {
    /// It verifies.
    pub proof: Proof<Bn254>,
    /// Public inputs in the circuit's order, without the constant one: outputs first.
    pub inputs: Vec<Fr>,
    /// How long each phase took.
    pub timings: Vec<(Phase, Duration)>,
}

/// Proves with one key.
#[derive(Debug)]
pub(crate) struct Prover {
    pub(crate) key: Zkey,
    prepared: PreparedVerifyingKey<Bn254>,
    engine: Box<dyn Engine>,
}

impl Prover {
    pub(crate) fn new(key: Zkey, engine: impl Engine + 'static) -> Self {
        let prepared = prepare_verifying_key(key.verifying_key());
        Self { key, prepared, engine: Box::new(engine) }
    }

    /// Prove that `values`, those of all wires, satisfy the circuit.
    pub(crate) fn prove(
        &self,
        values: &[Fr],
        mut clock: Clock<'_>,
        progress: &dyn Progress,
    ) -> Result<Proven, CircomError> {
        if values.len() != self.key.wires() {
            let (expected, actual) = (self.key.wires() as u64, values.len() as u64);
            return Err(CircomError::WitnessLength { expected, actual });
        }
        let quotient = clock.phase(FFT, || self.quotient(values, progress))?;
        let (r, s) = (Fr::rand(&mut OsRng), Fr::rand(&mut OsRng));
        let proof = clock.phase(MSM, || self.points(values, &quotient, r, s, progress))?;
        let inputs = values[1..=self.key.public_inputs()].to_vec();
        clock
            .phase(VERIFY, || if self.holds(&proof, &inputs) { Ok(()) } else { Err(CircomError::Invalid) })?;
        Ok(Proven { proof, inputs, timings: clock.into_timings() })
    }

    /// Whether `proof` is one of `inputs`.
    pub(crate) fn holds(&self, proof: &Proof<Bn254>, inputs: &[Fr]) -> bool {
        matches!(Groth16::<Bn254>::verify_proof(&self.prepared, proof, inputs), Ok(true))
    }

    /// a·b − c at the odd powers of a root of unity of order 2n, where a, b and c interpolate the rows' values and c = a·b on the domain:
    /// snarkjs' keys are made for these, not for the quotient's coefficients.
    fn quotient(&self, values: &[Fr], progress: &dyn Progress) -> Result<Vec<Fr>, CircomError> {
        let size = self.key.domain_size();
        let no_domain = || CircomError::Prove(ark_domain_error());
        let domain = Domain::new(size).ok_or_else(no_domain)?;
        let root = Fr::get_root_of_unity(2 * size as u64).ok_or_else(no_domain)?;
        let coset = domain.get_coset(root).ok_or_else(no_domain)?;

        let [mut a, mut b] = self.key.rows(values)?;
        let mut c: Vec<Fr> = a.par_iter().zip(&b).map(|(a, b)| *a * b).collect();
        for values in [&mut a, &mut b, &mut c] {
            alive(progress)?;
            self.engine.ifft(&domain, values);
            alive(progress)?;
            self.engine.fft(&coset, values);
        }
        a.par_iter_mut().zip(&b).zip(&c).for_each(|((a, b), c)| *a = *a * b - c);
        Ok(a)
    }

    fn points(
        &self,
        values: &[Fr],
        quotient: &[Fr],
        r: Fr,
        s: Fr,
        progress: &dyn Progress,
    ) -> Result<Proof<Bn254>, CircomError> {
        let (key, vk) = (&self.key, self.key.verifying_key());
        let g1 = |query, values: &[Fr]| {
            alive(progress)?;
            let (points, scalars) = key.pairs_g1(query, values)?;
            Ok::<G1Projective, CircomError>(self.msm_g1(&points, &scalars))
        };
        let delta: G1Affine = key.delta_g1();
        let a = g1(Query::A, values)? + vk.alpha_g1 + delta * r;
        let b_g1 = g1(Query::B1, values)? + key.beta_g1() + delta * s;
        alive(progress)?;
        let (points, scalars) = key.pairs_g2(Query::B2, values)?;
        let b = if points.is_empty() { Default::default() } else { self.engine.msm_g2(&points, &scalars) };
        drop((points, scalars));
        let b = b + vk.beta_g2 + vk.delta_g2 * s;
        let private = &values[key.public_inputs() + 1..];
        let c = g1(Query::C, private)? + g1(Query::H, quotient)? + a * s + b_g1 * r - delta * (r * s);
        alive(progress)?;
        Ok(Proof { a: a.into_affine(), b: b.into_affine(), c: c.into_affine() })
    }

    fn msm_g1(&self, points: &[provery_proving::RawG1], scalars: &[Fr]) -> G1Projective {
        if points.is_empty() { G1Projective::default() } else { self.engine.msm_g1(points, scalars) }
    }
}

/// A domain that the field has no root of unity for; keys with one are refused when they are opened.
fn ark_domain_error() -> provery_proving::ProveError {
    provery_proving::ProveError::Refused { reason: "the key's domain is too large for bn254".to_owned() }
}
