//! The Groth16 prover over mapped keys: ark-groth16's proof in meaning, with its own arithmetic underneath.

use std::time::Duration;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, FftField, Field, UniformRand};
use ark_groth16::{Groth16, PreparedVerifyingKey, Proof, prepare_verifying_key};
use ark_poly::EvaluationDomain;
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, OptimizationGoal, SynthesisError, SynthesisMode,
};
use ark_std::rand::rngs::OsRng;
use rayon::prelude::*;

use crate::{
    backend::{Clock, Phase, Progress, alive},
    engine::{Domain, Engine},
    error::ProveError,
    keys::{Keys, Manifest, VerifyingKeyFile},
    proof::{self, PROOF_BYTES},
};

/// The assignment of every variable.
const WITNESS: Phase = Phase::new("witness");
/// The quotient polynomial.
const FFT: Phase = Phase::new("fft");
/// The proof's points.
const MSM: Phase = Phase::new("msm");
/// The check of the finished proof.
const VERIFY: Phase = Phase::new("verify");
/// The phases of a proof, in order.
pub const PHASES: [Phase; 4] = [WITNESS, FFT, MSM, VERIFY];

/// A proof that verifies, its public inputs, and how long each phase took.
#[derive(Debug, Clone)]
pub struct Proven {
    /// Its three points; it was verified.
    pub proof: Proof<Bn254>,
    /// Public inputs in the circuit's order, without the constant one.
    pub inputs: Vec<Fr>,
    /// How long each phase took, in their order.
    pub timings: Vec<(Phase, Duration)>,
}

/// Proves any arkworks circuit whose keys it was given.
#[derive(Debug)]
pub struct ArkworksBackend {
    keys: Keys,
    pub(crate) prepared: PreparedVerifyingKey<Bn254>,
    engine: Box<dyn Engine>,
}

impl ArkworksBackend {
    /// A prover of the circuit that these keys are for, with the arithmetic of `engine`.
    pub fn new(keys: Keys, engine: impl Engine + 'static) -> Self {
        let prepared = prepare_verifying_key(&keys.verifying.key);
        Self { keys, prepared, engine: Box::new(engine) }
    }

    /// What its keys say about themselves.
    pub fn manifest(&self) -> &Manifest {
        &self.keys.verifying.manifest
    }

    /// sha256 of the verifying key's file, as registered on chain.
    pub fn key_hash(&self) -> &[u8; 32] {
        &self.keys.verifying.hash
    }

    /// Prove that `circuit` is satisfied.
    pub fn prove_circuit(
        &self,
        circuit: impl ConstraintSynthesizer<Fr>,
        progress: &dyn Progress,
    ) -> Result<Proven, ProveError> {
        self.prove_with(circuit, Fr::rand(&mut OsRng), Fr::rand(&mut OsRng), progress)
    }

    /// Prove with given randomness. Two proofs with the same randomness give the witness away: for tests.
    pub(crate) fn prove_with(
        &self,
        circuit: impl ConstraintSynthesizer<Fr>,
        r: Fr,
        s: Fr,
        progress: &dyn Progress,
    ) -> Result<Proven, ProveError> {
        let mut clock = Clock::new(progress);
        let assignment = clock.phase(WITNESS, || self.assign(circuit))?;
        let h = clock.phase(FFT, || self.quotient(&assignment, progress))?;
        let proof = clock.phase(MSM, || self.points(&assignment, &h, r, s, progress))?;
        let inputs = assignment[1..self.keys.proving.counts().instances].to_vec();
        clock.phase(VERIFY, || match Groth16::<Bn254>::verify_proof(&self.prepared, &proof, &inputs) {
            Ok(true) => Ok(()),
            _ => Err(ProveError::Invalid),
        })?;
        Ok(Proven { proof, inputs, timings: clock.into_timings() })
    }

    /// Values of all variables: one, public inputs, witnesses. The matrices are in the key, so none are built.
    fn assign(&self, circuit: impl ConstraintSynthesizer<Fr>) -> Result<Vec<Fr>, ProveError> {
        let cs = ConstraintSystem::new_ref();
        cs.set_optimization_goal(OptimizationGoal::Constraints);
        cs.set_mode(SynthesisMode::Prove { construct_matrices: false, generate_lc_assignments: false });
        circuit.generate_constraints(cs.clone())?;
        let cs = cs.borrow().ok_or(SynthesisError::MissingCS)?;
        let (instances, witnesses) = (cs.instance_assignment()?, cs.witness_assignment()?);
        let counts = self.keys.proving.counts();
        if (instances.len(), witnesses.len()) != (counts.instances, counts.witnesses) {
            return Err(ProveError::Shape {
                expected_inputs: counts.instances - 1,
                expected_witnesses: counts.witnesses,
                actual_inputs: instances.len() - 1,
                actual_witnesses: witnesses.len(),
            });
        }
        Ok([instances, witnesses].concat())
    }

    /// Coefficients of h = (a·b − c) / (Xⁿ − 1), where a, b and c interpolate the rows' values.
    ///
    /// A transform fewer than the usual seven: reduced modulo Xⁿ − gⁿ (which is what evaluating on the coset of g and
    /// interpolating gives) a·b = c + h·(Xⁿ − 1) becomes c + (gⁿ − 1)·h, so c never goes to the coset.
    fn quotient(&self, assignment: &[Fr], progress: &dyn Progress) -> Result<Vec<Fr>, ProveError> {
        let counts = self.keys.proving.counts();
        let size = counts.constraints + counts.instances;
        let domain = Domain::new(size).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let coset = domain.get_coset(Fr::GENERATOR).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;

        let [mut a, mut b, mut c] = self.keys.proving.matrices().map(|matrix| {
            let mut values = vec![Fr::ZERO; domain.size()];
            matrix.apply(assignment, &mut values[..counts.constraints]);
            values
        });
        let unsatisfied = (&a, &b, &c).into_par_iter().position_first(|(a, b, c)| *a * b != *c);
        if let Some(constraint) = unsatisfied {
            return Err(ProveError::Unsatisfied { constraint });
        }
        // One row for each public input makes their polynomials independent, as in ark-groth16.
        a[counts.constraints..size].copy_from_slice(&assignment[..counts.instances]);

        let engine = &*self.engine;
        for values in [&mut a, &mut b, &mut c] {
            alive(progress)?;
            engine.ifft(&domain, values);
        }
        for values in [&mut a, &mut b] {
            alive(progress)?;
            engine.fft(&coset, values);
        }
        let mut h = a;
        h.par_iter_mut().zip(&b).for_each(|(a, b)| *a *= b);
        alive(progress)?;
        engine.ifft(&coset, &mut h);
        // The generator is of no power-of-two order, so gⁿ is not one.
        let scale = (coset.offset_pow_size - Fr::ONE).inverse().unwrap_or_default();
        h.par_iter_mut().zip(&c).for_each(|(h, c)| *h = (*h - c) * scale);
        // Its degree is at most n − 2.
        h.truncate(self.keys.proving.h().len());
        Ok(h)
    }

    fn points(
        &self,
        assignment: &[Fr],
        h: &[Fr],
        r: Fr,
        s: Fr,
        progress: &dyn Progress,
    ) -> Result<Proof<Bn254>, ProveError> {
        let (key, vk, engine) = (&self.keys.proving, &self.keys.verifying.key, &*self.engine);
        let scalars = |variables: &[u32]| -> Vec<Fr> {
            variables.par_iter().map(|&i| assignment[i as usize]).collect()
        };
        let g1 = |points, scalars: &[Fr]| {
            alive(progress)?;
            Ok::<G1Projective, ProveError>(engine.msm_g1(points, scalars))
        };

        let delta = G1Affine::from(key.delta_g1());
        let a = g1(key.a().points, &scalars(key.a().variables))? + vk.alpha_g1 + delta * r;
        let b_scalars = scalars(key.b_g1().variables);
        let b_g1 = g1(key.b_g1().points, &b_scalars)? + G1Affine::from(key.beta_g1()) + delta * s;
        alive(progress)?;
        let b = engine.msm_g2(key.b_g2().points, &b_scalars) + vk.beta_g2 + vk.delta_g2 * s;
        let l = g1(key.l().points, &scalars(key.l().variables))?;
        let c = l + g1(key.h(), h)? + a * s + b_g1 * r - delta * (r * s);
        alive(progress)?;
        Ok(Proof { a: a.into_affine(), b: b.into_affine(), c: c.into_affine() })
    }
}

/// Checks proofs against one verifying key.
#[derive(Debug)]
pub struct Groth16Check {
    hash: [u8; 32],
    prepared: PreparedVerifyingKey<Bn254>,
}

impl Groth16Check {
    /// A check against this key.
    pub fn new(key: &VerifyingKeyFile) -> Self {
        Self { hash: key.hash, prepared: prepare_verifying_key(&key.key) }
    }

    /// sha256 of the verifying key's file.
    pub fn key_hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Whether the points are a proof of these public inputs.
    pub fn holds(&self, points: &[u8; PROOF_BYTES], inputs: &[Fr]) -> bool {
        proof::decode(points).is_ok_and(|proof| {
            matches!(Groth16::<Bn254>::verify_proof(&self.prepared, &proof, inputs), Ok(true))
        })
    }
}
