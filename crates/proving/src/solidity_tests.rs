#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use ark_bn254::{Fq2, g2};
use ark_ec::short_weierstrass::SWCurveConfig;
use ark_ff::{Field, UniformRand};
use ark_groth16::Groth16;
use ark_relations::{
    gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError},
    lc,
};
use ark_snark::SNARK;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::*;

/// "I know w such that input i is w^(i+2)."
#[derive(Clone)]
struct Powers {
    inputs: usize,
    w: Option<Fr>,
}

impl ConstraintSynthesizer<Fr> for Powers {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let missing = SynthesisError::AssignmentMissing;
        let w = cs.new_witness_variable(|| self.w.ok_or(missing))?;
        let mut last = w;
        for i in 0..self.inputs {
            let power = cs.new_input_variable(|| self.w.map(|w| w.pow([i as u64 + 2])).ok_or(missing))?;
            cs.enforce_r1cs_constraint(|| lc!() + last, || lc!() + w, || lc!() + power)?;
            last = power;
        }
        Ok(())
    }
}

struct Fixture {
    vk: VerifyingKey<Bn254>,
    inputs: Vec<Fr>,
    proof: Proof<Bn254>,
    rerandomized: Proof<Bn254>,
}

impl Fixture {
    fn new(k: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(0x70726f76657279 + k as u64);
        let (pk, vk) =
            Groth16::<Bn254>::circuit_specific_setup(Powers { inputs: k, w: None }, &mut rng).unwrap();
        let w = Fr::rand(&mut rng);
        let inputs: Vec<Fr> = (0..k).map(|i| w.pow([i as u64 + 2])).collect();
        let proof = Groth16::<Bn254>::prove(&pk, Powers { inputs: k, w: Some(w) }, &mut rng).unwrap();
        let rerandomized = Groth16::<Bn254>::rerandomize_proof(&vk, &proof, &mut rng);
        for proof in [&proof, &rerandomized] {
            assert!(Groth16::<Bn254>::verify(&vk, &inputs, proof).unwrap());
        }
        Self { vk, inputs, proof, rerandomized }
    }

    /// Keys in alphabetical order: serde_json writes them so whether or not it preserves order.
    fn to_json(&self) -> Value {
        let words = |words: &[[u8; 32]]| words.iter().map(|word| hex0x(word)).collect::<Vec<_>>();
        json!({
            "alpha": words(&g1_words(&self.vk.alpha_g1)),
            "beta": words(&g2_words(&self.vk.beta_g2)),
            "delta": words(&g2_words(&self.vk.delta_g2)),
            "gamma": words(&g2_words(&self.vk.gamma_g2)),
            "ic": self.vk.gamma_abc_g1.iter().flat_map(|p| words(&g1_words(p))).collect::<Vec<_>>(),
            "inputs": self.inputs.iter().map(|i| hex0x(&i.into_bigint().to_bytes_be())).collect::<Vec<_>>(),
            "key_hash": hex0x(&key_hash(&self.vk)),
            "outside_subgroup": words(&g2_words(&outside_subgroup())),
            "proof": hex0x(&proof_to_bytes(&self.proof)),
            "rerandomized": hex0x(&proof_to_bytes(&self.rerandomized)),
        })
    }
}

/// A point of the twist that is not in G2.
fn outside_subgroup() -> G2Affine {
    (0u64..)
        .filter_map(|x| {
            let x = Fq2::from(x);
            let y = (x.square() * x + g2::Config::COEFF_B).sqrt()?;
            Some(G2Affine::new_unchecked(x, y))
        })
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap()
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", to_hex(bytes))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a committed file, or writes it if PROVERY_REGENERATE is set.
fn assert_file(path: &str, expected: &str) {
    let path = repository().join(path);
    if std::env::var_os("PROVERY_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(
        found == expected,
        "{} is out of date: run the test again with PROVERY_REGENERATE=1",
        path.display()
    );
}

fn fq(value: &Value) -> Fq {
    let text = value.as_str().unwrap().trim_start_matches("0x");
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
    Fq::from_be_bytes_mod_order(&bytes)
}

fn g1(words: &[Value]) -> G1Affine {
    G1Affine::new(fq(&words[0]), fq(&words[1]))
}

fn g2(words: &[Value]) -> G2Affine {
    G2Affine::new(Fq2::new(fq(&words[1]), fq(&words[0])), Fq2::new(fq(&words[3]), fq(&words[2])))
}

fn key_from_json(vector: &Value) -> VerifyingKey<Bn254> {
    let words = |name: &str| vector[name].as_array().unwrap().as_slice();
    VerifyingKey {
        alpha_g1: g1(words("alpha")),
        beta_g2: g2(words("beta")),
        gamma_g2: g2(words("gamma")),
        delta_g2: g2(words("delta")),
        gamma_abc_g1: words("ic").chunks_exact(2).map(g1).collect(),
    }
}

#[test]
fn vectors_and_generated_verifiers_are_up_to_date() {
    for k in [1, 5, 9] {
        let vector = format!("tests/vectors/groth16_k{k}.json");
        let fixture = Fixture::new(k);
        assert_file(&vector, &format!("{:#}\n", fixture.to_json()));

        // The contract comes from the committed key, as the vectors' other readers see it.
        let committed = std::fs::read_to_string(repository().join(&vector)).unwrap();
        let vk = key_from_json(&serde_json::from_str(&committed).unwrap());
        assert_eq!(vk, fixture.vk);
        let name = format!("Groth16K{k}Verifier");
        assert_file(
            &format!("contracts/test/verifiers/generated/{name}.sol"),
            &generate(&vk, &name).unwrap(),
        );
    }
}

/// Of a key of snarkjs, with the public inputs in a market's order.
#[test]
fn the_verifier_of_a_snarkjs_key_is_up_to_date() {
    let path = repository().join("tests/vectors/proofs/groth16_verification_key.json");
    let (vk, _) = crate::import::read_key(&path).unwrap();
    let order = circom_order(3, 1, true).unwrap();
    assert_file(
        "contracts/test/verifiers/generated/SnarkjsSampleVerifier.sol",
        &generate_ordered(&vk, "SnarkjsSampleVerifier", &order).unwrap(),
    );
}

/// The block verifier's check is the generated one, with the key in variables instead of constants.
#[test]
fn the_block_verifier_checks_as_generated_verifiers_do() {
    const MARK: &str = "            // From here on as generated: a test of crates/proving compares.\n";
    let path = "contracts/src/verifiers/Groth16Check.sol";
    let source = std::fs::read_to_string(repository().join(path)).unwrap();
    let (head, _) = source.split_once(MARK).unwrap();
    let check = with_local_names(&check(BLOCK_INPUTS));
    assert!(check.contains("mstore(0x2e0, negGammaY0)"));
    assert_file(path, &format!("{head}{MARK}{check}        }}\n    }}\n}}\n"));
}

/// NEG_ALPHA_X → negAlphaX.
fn with_local_names(code: &str) -> String {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let local = |word: &str| -> String {
        let constant = word.contains('_')
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && !word.contains(|c: char| c.is_ascii_lowercase());
        if !constant {
            return word.to_owned();
        }
        let (first, others) = word.split_once('_').unwrap();
        let others = others.split('_').map(|part| part[..1].to_owned() + &part[1..].to_lowercase());
        first.to_lowercase() + &others.collect::<String>()
    };
    let mut out = String::new();
    let mut rest = code;
    while !rest.is_empty() {
        let end = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out += &local(word);
        let gap = after.find(in_name).unwrap_or(after.len());
        out += &after[..gap];
        rest = &after[gap..];
    }
    out
}

#[test]
fn the_block_verifier_is_given_its_key_in_the_order_of_the_hash() {
    let vk = Fixture::new(3).vk;
    let arguments = block_verifier_arguments(&vk).unwrap();
    assert_eq!(arguments.len(), 32 * (2 + 3 * 4 + 4 * 2));
    assert_eq!(Sha256::digest(&arguments)[..], verifying_key_hash(&vk));
    assert_eq!(
        block_verifier_arguments(&Fixture::new(2).vk),
        Err(SolidityError::PublicInputCount { expected: 3, found: 2 })
    );
    let forged = VerifyingKey { delta_g2: vk.gamma_g2, ..vk };
    assert_eq!(block_verifier_arguments(&forged), Err(SolidityError::Related("gamma", "delta")));
}

#[test]
fn a_key_has_the_hash_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let circuit = Powers { inputs: 2, w: None };
    let manifest = crate::keys::generate(circuit, "powers", json!({}), b"seed", directory.path()).unwrap();
    let key = crate::keys::load_verifying(directory.path(), "powers", None).unwrap();
    assert_eq!(key_hash(&key.key), key.hash);
    assert_eq!(to_hex(&key_hash(&key.key)), manifest.verifying_key.sha256);
}

#[test]
fn no_placeholder_is_left() {
    let source = generate(&Fixture::new(2).vk, "Two").unwrap();
    assert!(!source.contains("{{") && !source.contains("}}"));
    assert!(source.contains("contract Two {"));
}

#[test]
fn contract_names_are_checked() {
    let vk = Fixture::new(1).vk;
    for name in ["", "1st", "verifier", "A B", "A;", "Ä", "_A", "A{}"] {
        assert_eq!(generate(&vk, name), Err(SolidityError::ContractName(name.to_owned())));
    }
    assert!(generate(&vk, "A_1b").is_ok());
}

#[test]
fn the_number_of_inputs_is_checked() {
    let mut vk = Fixture::new(1).vk;
    assert_eq!(check_key(&vk, 1), Ok(()));
    assert_eq!(check_key(&vk, 2), Err(SolidityError::PublicInputCount { expected: 2, found: 1 }));
    vk.gamma_abc_g1.truncate(1);
    assert_eq!(generate(&vk, "A"), Err(SolidityError::NoPublicInputs));
    vk.gamma_abc_g1.clear();
    assert_eq!(generate(&vk, "A"), Err(SolidityError::NoPublicInputs));
    vk.gamma_abc_g1 = vec![G1Affine::generator(); MAX_PUBLIC_INPUTS + 2];
    assert_eq!(generate(&vk, "A"), Err(SolidityError::TooManyPublicInputs(MAX_PUBLIC_INPUTS + 1)));
}

#[test]
fn keys_that_accept_forgeries_are_refused() {
    let good = Fixture::new(2).vk;
    type Spoil = fn(&mut VerifyingKey<Bn254>);
    let cases: [(Spoil, SolidityError); 6] = [
        (|vk| vk.delta_g2 = vk.gamma_g2, SolidityError::Related("gamma", "delta")),
        (|vk| vk.delta_g2 = -vk.gamma_g2, SolidityError::Related("gamma", "delta")),
        (|vk| vk.beta_g2 = vk.gamma_g2, SolidityError::Related("beta", "gamma")),
        (|vk| vk.beta_g2 = -vk.delta_g2, SolidityError::Related("beta", "delta")),
        (|vk| vk.gamma_abc_g1[2] = vk.gamma_abc_g1[1], SolidityError::InputsNotSeparate(0, 1)),
        (|vk| vk.gamma_abc_g1[2] = -vk.gamma_abc_g1[1], SolidityError::InputsNotSeparate(0, 1)),
    ];
    for (spoil, error) in cases {
        let mut vk = good.clone();
        spoil(&mut vk);
        assert_eq!(generate(&vk, "A"), Err(error));
    }
}

/// The forgery that the check on gamma and delta is there for: any inputs, from one honest proof.
#[test]
fn a_key_whose_gamma_is_delta_accepts_a_forgery() {
    let Fixture { mut vk, inputs, .. } = Fixture::new(2);
    vk.delta_g2 = vk.gamma_g2;
    let lie: Vec<Fr> = inputs.iter().map(|i| *i + Fr::from(1u64)).collect();
    // e(alpha, beta) cancels against itself, and C takes away what the inputs contributed.
    let l = vk.gamma_abc_g1[0] + vk.gamma_abc_g1[1] * lie[0] + vk.gamma_abc_g1[2] * lie[1];
    let forged = Proof { a: vk.alpha_g1, b: vk.beta_g2, c: (-l).into() };
    assert!(Groth16::<Bn254>::verify(&vk, &lie, &forged).unwrap());
    assert_eq!(check_key(&vk, 2), Err(SolidityError::Related("gamma", "delta")));
}

#[test]
fn points_at_infinity_are_refused() {
    let good = Fixture::new(1).vk;
    type Spoil = fn(&mut VerifyingKey<Bn254>);
    let cases: [(Spoil, &str); 6] = [
        (|vk| vk.alpha_g1 = G1Affine::zero(), "alpha"),
        (|vk| vk.beta_g2 = G2Affine::zero(), "beta"),
        (|vk| vk.gamma_g2 = G2Affine::zero(), "gamma"),
        (|vk| vk.delta_g2 = G2Affine::zero(), "delta"),
        (|vk| vk.gamma_abc_g1[0] = G1Affine::zero(), "IC_0"),
        (|vk| vk.gamma_abc_g1[1] = G1Affine::zero(), "IC_1"),
    ];
    for (spoil, name) in cases {
        let mut vk = good.clone();
        spoil(&mut vk);
        assert_eq!(generate(&vk, "A"), Err(SolidityError::Infinity(name.to_owned())));
    }
}

#[test]
fn points_outside_their_group_are_refused() {
    let good = Fixture::new(1).vk;
    let off_curve = G1Affine::new_unchecked(Fq::from(1u64), Fq::from(3u64));
    let outside = outside_subgroup();
    assert!(outside.is_on_curve());

    let mut vk = good.clone();
    vk.alpha_g1 = off_curve;
    assert_eq!(generate(&vk, "A"), Err(SolidityError::NotInGroup("alpha".to_owned())));
    let mut vk = good.clone();
    vk.gamma_abc_g1[1] = off_curve;
    assert_eq!(generate(&vk, "A"), Err(SolidityError::NotInGroup("IC_1".to_owned())));
    let mut vk = good;
    vk.gamma_g2 = outside;
    assert_eq!(generate(&vk, "A"), Err(SolidityError::NotInGroup("gamma".to_owned())));
}

#[test]
fn a_proof_is_written_in_the_order_of_the_precompile() {
    let Fixture { proof, .. } = Fixture::new(1);
    let bytes = proof_to_bytes(&proof);
    let at = |i: usize| Fq::from_be_bytes_mod_order(&bytes[32 * i..32 * (i + 1)]);
    assert_eq!((at(0), at(1)), (proof.a.x, proof.a.y));
    assert_eq!((at(2), at(3)), (proof.b.x.c1, proof.b.x.c0));
    assert_eq!((at(4), at(5)), (proof.b.y.c1, proof.b.y.c0));
    assert_eq!((at(6), at(7)), (proof.c.x, proof.c.y));
    let infinity = Proof::<Bn254>::default();
    assert_eq!(proof_to_bytes(&infinity), [0; PROOF_BYTES]);
}
