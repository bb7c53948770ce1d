use std::cell::{Cell, RefCell};

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_groth16::Groth16;
use ark_poly::EvaluationDomain;
use ark_std::rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    Arkworks, Domain, Halo2curves, PHASES, Phase, Progress, ProofFormatError, ProveError, RawG1, RawG2,
    keys::{setup, setup_rng},
    proof,
};

const LENGTH: usize = 700;

#[test]
fn both_engines_prove_what_arkworks_proves() {
    let mut rng = StdRng::seed_from_u64(1);
    let (r, s) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
    let circuit = Steps::new(LENGTH, 5);
    let (key, _) = setup(Steps::shape(LENGTH), &mut setup_rng(NAME, b"seed")).expect("the setup works");
    let expected = Groth16::<Bn254>::create_proof_with_reduction(circuit.clone(), &key, r, s)
        .expect("ark-groth16 proves it");
    for backend in [backend(LENGTH, Halo2curves), backend(LENGTH, Arkworks)] {
        let proven = backend.prove_with(circuit.clone(), r, s, &()).expect("the statement is true");
        assert_eq!(proven.proof, expected);
    }
}

#[test]
fn arkworks_verifies_a_random_proof_and_only_for_its_inputs_in_their_order() {
    let backend = backend(LENGTH, Halo2curves);
    let circuit = Steps::new(LENGTH, 5);
    let proven = backend.prove_circuit(circuit.clone(), &()).expect("the statement is true");
    let [start, end] = [Fr::from(5), circuit.end().expect("the start is given")];
    assert_eq!(proven.inputs, [start, end]);
    let verifies = |inputs: &[Fr]| {
        Groth16::<Bn254>::verify_proof(&backend.prepared, &proven.proof, inputs)
            .expect("two inputs are given")
    };
    assert!(verifies(&[start, end]));
    assert!(!verifies(&[end, start]));
    assert!(!verifies(&[start, end + Fr::ONE]));
    assert_eq!(proof::encode_inputs(&proven.inputs)[0][31], 5);

    let again = backend.prove_circuit(circuit, &()).expect("the statement is true");
    assert_ne!(again.proof, proven.proof, "proofs are randomised");
}

#[test]
fn a_false_statement_is_an_error_that_names_the_constraint() {
    let backend = backend(20, Halo2curves);
    let error =
        backend.prove_circuit(Steps { offset: Fr::ONE, ..Steps::new(20, 5) }, &()).expect_err("it is false");
    assert!(matches!(error, ProveError::Unsatisfied { constraint: 40 }), "{error}");
}

#[test]
fn a_circuit_of_another_shape_is_an_error() {
    let error =
        backend(20, Halo2curves).prove_circuit(Steps::new(21, 5), &()).expect_err("the keys are for 20");
    assert!(
        matches!(error, ProveError::Shape { expected_witnesses: 41, actual_witnesses: 43, .. }),
        "{error}"
    );
}

#[test]
fn a_circuit_without_its_witness_is_an_error() {
    let error =
        backend(20, Halo2curves).prove_circuit(Steps::shape(20), &()).expect_err("there is no witness");
    assert!(matches!(error, ProveError::Synthesis(SynthesisError::AssignmentMissing)), "{error}");
}

#[test]
fn a_key_that_makes_bad_proofs_is_an_error() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let mut keys = [b"seed", b"tree"].map(|seed| {
        keys::generate(Steps::shape(20), NAME, json!({ "length": 20 }), seed, directory.path())
            .expect("it works");
        keys::load(directory.path(), NAME, None).expect("fresh keys load")
    });
    let [one, other] = &mut keys;
    std::mem::swap(&mut one.verifying, &mut other.verifying);
    for keys in keys {
        let error = ArkworksBackend::new(keys, Halo2curves)
            .prove_circuit(Steps::new(20, 5), &())
            .expect_err("the keys do not belong together");
        assert!(matches!(error, ProveError::Invalid), "{error}");
    }
}

/// Gives up at the `limit`-th question.
#[derive(Default)]
struct Impatient {
    limit: usize,
    asked: Cell<usize>,
    phases: RefCell<Vec<Phase>>,
}

impl Progress for Impatient {
    fn phase(&self, phase: Phase) {
        self.phases.borrow_mut().push(phase);
    }

    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.limit
    }
}

#[test]
fn a_proof_can_be_cancelled_between_all_its_steps() {
    let backend = backend(20, Halo2curves);
    let patient = Impatient { limit: usize::MAX, ..Default::default() };
    let proven = backend.prove_circuit(Steps::new(20, 5), &patient).expect("nobody cancels");
    assert_eq!(*patient.phases.borrow(), PHASES);
    assert_eq!(proven.timings.iter().map(|timing| timing.0).collect::<Vec<_>>(), PHASES);

    // Four phases, six transforms, five multiplications and the end of them.
    assert_eq!(patient.asked.get(), 4 + 6 + 5 + 1);
    for limit in 0..patient.asked.get() {
        let progress = Impatient { limit, ..Default::default() };
        let error = backend.prove_circuit(Steps::new(20, 5), &progress).expect_err("it was cancelled");
        assert!(matches!(error, ProveError::Cancelled), "{error}");
        assert_eq!(progress.asked.get(), limit + 1, "nothing is done after the cancellation");
    }
}

#[test]
fn engines_agree() {
    let mut rng = StdRng::seed_from_u64(2);
    let special = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2)];
    // Below and above the sizes at which the libraries change their algorithm.
    for size in [1usize, 2, 5, 40, 1000, 20_000] {
        let scalars: Vec<_> =
            (0..size).map(|i| if i % 3 == 0 { special[i / 3 % 4] } else { Fr::rand(&mut rng) }).collect();
        // Repeated points force doublings and cancellations.
        let distinct = size.div_ceil(2).min(3000);
        let g1: Vec<_> = (0..distinct).map(|_| G1Projective::generator() * Fr::rand(&mut rng)).collect();
        let g1 = G1Projective::normalize_batch(&g1);
        let g1: Vec<_> = (0..size).map(|i| RawG1::from(&g1[i % distinct])).collect();
        assert_eq!(Halo2curves.msm_g1(&g1, &scalars), Arkworks.msm_g1(&g1, &scalars), "G1, {size}");
        if size <= 1000 {
            let g2: Vec<_> = (0..distinct).map(|_| G2Projective::generator() * Fr::rand(&mut rng)).collect();
            let g2 = G2Projective::normalize_batch(&g2);
            let g2: Vec<_> = (0..size).map(|i| RawG2::from(&g2[i % distinct])).collect();
            assert_eq!(Halo2curves.msm_g2(&g2, &scalars), Arkworks.msm_g2(&g2, &scalars), "G2, {size}");
        }

        let plain = Domain::new(size).expect("there is such a root of unity");
        let coset = plain.get_coset(Fr::from(7)).expect("seven is not zero");
        for domain in [plain, coset] {
            let mut values = scalars.clone();
            values.resize(domain.size(), Fr::ZERO);
            let (mut halo, mut ark) = (values.clone(), values.clone());
            Halo2curves.fft(&domain, &mut halo);
            Arkworks.fft(&domain, &mut ark);
            assert_eq!(halo, ark);
            let x = domain.element(domain.size() - 1);
            assert_eq!(
                halo.last().copied(),
                Some(values.iter().rev().fold(Fr::ZERO, |sum, value| sum * x + value))
            );
            Halo2curves.ifft(&domain, &mut halo);
            assert_eq!(halo, values);
            Arkworks.ifft(&domain, &mut ark);
            assert_eq!(ark, values);
        }
    }
    assert_eq!(Halo2curves.msm_g1(&[], &[]), G1Projective::ZERO);
    assert_eq!(Halo2curves.msm_g2(&[], &[]), G2Projective::ZERO);
}

#[test]
fn points_at_infinity_are_zeros_in_a_key_file() {
    assert_eq!(G1Affine::from(&RawG1::from(&G1Affine::identity())), G1Affine::identity());
    assert_eq!(G2Affine::from(&RawG2::from(&G2Affine::identity())), G2Affine::identity());
}

#[test]
fn proofs_have_the_precompiles_order_and_bad_bytes_are_refused() {
    let proven =
        backend(20, Halo2curves).prove_circuit(Steps::new(20, 5), &()).expect("the statement is true");
    let bytes = proof::encode(&proven.proof);
    assert_eq!(proof::decode(&bytes).as_ref(), Ok(&proven.proof));
    let b = &proven.proof.b;
    let words: Vec<_> = bytes.chunks(32).collect();
    for (at, coordinate) in
        [(0, proven.proof.a.x), (2, b.x.c1), (3, b.x.c0), (4, b.y.c1), (5, b.y.c0), (7, proven.proof.c.y)]
    {
        assert_eq!(words[at], proof::word(&coordinate));
    }

    let refused = |bytes: &[u8]| proof::decode(bytes).expect_err("it is no proof");
    assert_eq!(refused(&bytes[..255]), ProofFormatError::Length { expected: 256, actual: 255 });
    assert_eq!(refused(&[0; 256]), ProofFormatError::NotOnCurve { point: 'B' });
    for (at, point) in [(31, 'A'), (95, 'B'), (255, 'C')] {
        let mut bad = bytes;
        bad[at] ^= 1;
        assert_eq!(refused(&bad), ProofFormatError::NotOnCurve { point });
    }
    for (index, word) in [(6, 192..224), (2, 64..96)] {
        let mut bad = bytes;
        bad[word].fill(0xff);
        assert_eq!(refused(&bad), ProofFormatError::Coordinate { index });
    }
    // A point of the twist outside of the group.
    let mut rng = StdRng::seed_from_u64(3);
    let outside =
        std::iter::repeat_with(|| G2Affine::get_point_from_x_unchecked(UniformRand::rand(&mut rng), true))
            .flatten()
            .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
            .expect("almost every point is outside");
    let outside = proof::encode(&ark_groth16::Proof { b: outside, ..proven.proof });
    assert_eq!(refused(&outside), ProofFormatError::NotInGroup { point: 'B' });
}
