#![allow(clippy::unwrap_used)]

mod writers;

use std::{
    fs::{self, File},
    path::PathBuf,
};

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine, g2};
use ark_ec::{AffineRepr, CurveGroup, short_weierstrass::SWCurveConfig};
use ark_ff::{BigInteger, Field, PrimeField};
use ark_groth16::{Groth16, VerifyingKey};
use ark_snark::SNARK;
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::writers::{arkworks, gnark, random_key, snarkjs};
use super::{
    Format, ImportError, MAX_KEY_BYTES, MAX_PUBLIC_INPUTS, check, parse_key, parse_key_as, read_key,
};
use crate::{
    proof::{decode, from_word},
    solidity::{SolidityError, circom_order, g1_words, generate, generate_ordered, key_hash, key_words},
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/proofs").join(name)
}

fn fixture_json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixture(name)).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

fn inputs(value: &Value) -> Vec<Fr> {
    let words = value.as_array().unwrap().iter();
    words.map(|word| from_word(&bytes(word).try_into().unwrap()).unwrap()).collect()
}

/// The key of sample.circom's Groth16, as snarkjs wrote it.
fn snarkjs_json() -> Value {
    fixture_json("groth16_verification_key.json")
}

fn from_snarkjs(json: &Value) -> Result<VerifyingKey<Bn254>, ImportError> {
    parse_key_as(json.to_string().as_bytes(), Format::Snarkjs)
}

fn sample() -> VerifyingKey<Bn254> {
    from_snarkjs(&snarkjs_json()).unwrap()
}

// ------------------------------------------------------------------ keys and proofs of others

#[test]
fn a_key_of_snarkjs_accepts_the_proof_of_snarkjs() {
    let (key, format) = read_key(&fixture("groth16_verification_key.json")).unwrap();
    assert_eq!(format, Format::Snarkjs);
    let vector = fixture_json("groth16.json");
    let proof = decode(&bytes(&vector["proof"])).unwrap();
    // The fixture has the market's order.
    let market = inputs(&vector["inputs"]);
    let order = circom_order(3, 1, true).unwrap();
    let mut circuit = market.clone();
    order.iter().zip(&market).for_each(|(to, input)| circuit[*to] = *input);
    assert!(Groth16::<Bn254>::verify(&key, &circuit, &proof).unwrap());
    for i in 0..3 {
        let mut changed = circuit.clone();
        changed[i] += Fr::ONE;
        assert!(!Groth16::<Bn254>::verify(&key, &changed, &proof).unwrap());
    }
    assert!(!Groth16::<Bn254>::verify(&key, &market, &proof).unwrap());
}

/// gnark's key of SP1's wrapper and a proof for it, which SP1 checks with sha256 of the public values, cut to 253 bits.
#[test]
fn a_key_of_gnark_accepts_the_proof_of_gnark() {
    let (key, format) = read_key(&fixture("sp1_groth16_vk.bin")).unwrap();
    assert_eq!(format, Format::Gnark);
    let vector = fixture_json("sp1_groth16.json");
    let envelope = bytes(&vector["proof"]);
    let values: Vec<u8> = vector["inputs"].as_array().unwrap().iter().flat_map(bytes).collect();
    let mut digest: [u8; 32] = Sha256::digest(&values).into();
    digest[0] &= 0x1f;
    let mut words = vec![bytes(&vector["id"]), digest.to_vec()];
    words.extend(envelope[4..100].chunks(32).map(<[u8]>::to_vec));
    let inputs: Vec<Fr> =
        words.into_iter().map(|word| from_word(&word.try_into().unwrap()).unwrap()).collect();
    let proof = decode(&envelope[100..]).unwrap();
    assert!(Groth16::<Bn254>::verify(&key, &inputs, &proof).unwrap());
}

#[test]
fn every_form_gives_the_same_key() {
    let mut rng = StdRng::seed_from_u64(1);
    for public_inputs in [1, 2, 17, MAX_PUBLIC_INPUTS] {
        let (key, beta, delta) = random_key(public_inputs, &mut rng);
        for compressed in [false, true] {
            assert_eq!(parse_key(&arkworks(&key, compressed)).unwrap(), (key.clone(), Format::Arkworks));
            let mut form = gnark(&key, &beta, &delta, compressed);
            assert_eq!(parse_key(&form).unwrap(), (key.clone(), Format::Gnark), "before gnark 0.8");
            form.extend([0; 8]);
            assert_eq!(parse_key(&form).unwrap(), (key.clone(), Format::Gnark));
        }
        let json = snarkjs(&key).to_string();
        assert!((json.len() as u64) < MAX_KEY_BYTES / 10);
        assert_eq!(parse_key(json.as_bytes()).unwrap(), (key.clone(), Format::Snarkjs));
        assert_eq!(parse_key(format!(" \n{json}\n").as_bytes()).unwrap(), (key, Format::Snarkjs));
    }
}

// ------------------------------------------------------------------ the verifier that is made of them

#[test]
fn a_verifier_says_the_hash_of_the_key_as_it_came() {
    let key = sample();
    let plain = generate(&key, "Sample").unwrap();
    let ordered = generate_ordered(&key, "Sample", &circom_order(3, 1, true).unwrap()).unwrap();
    let hash = hex::encode(key_hash(&key));
    assert_eq!(hash, hex::encode(Sha256::digest(arkworks(&key, false))));
    for source in [&plain, &ordered] {
        assert!(source.contains(&format!("bytes32 private constant KEY_HASH = 0x{hash};")));
        assert!(!source.contains("{{"));
    }
    assert_ne!(plain, ordered);
    assert!(ordered.contains("those of this contract are its 1, 0, 2.\n"));
    assert!(!plain.contains("in another order"));
    // x is the contract's first input and the circuit's second.
    let x = hex::encode(g1_words(&key.gamma_abc_g1[2])[0]);
    assert!(ordered.contains(&format!("uint256 private constant IC1_X = 0x{x};")));
    assert!(plain.contains(&format!("uint256 private constant IC2_X = 0x{x};")));
}

#[test]
fn the_orders_of_a_market_and_of_circom() {
    assert_eq!(circom_order(6, 2, true).unwrap(), [2, 3, 4, 0, 1, 5]);
    assert_eq!(circom_order(5, 2, false).unwrap(), [2, 3, 4, 0, 1]);
    assert_eq!(circom_order(3, 0, true).unwrap(), [0, 1, 2]);
    assert_eq!(circom_order(2, 2, false).unwrap(), [0, 1]);
    assert_eq!(circom_order(2, 2, true), Err(SolidityError::NoPlaceForPayee { inputs: 2, outputs: 2 }));
    assert!(circom_order(2, usize::MAX, true).is_err());
    for order in [&[0, 1][..], &[0, 1, 1], &[0, 1, 3], &[0, 1, 2, 3]] {
        assert_eq!(generate_ordered(&sample(), "A", order), Err(SolidityError::Order(3)));
    }
}

// ------------------------------------------------------------------ bad keys, each by name

/// The error of a key that was changed in one place, the same from every form that can write it.
fn refused(change: impl Fn(&mut VerifyingKey<Bn254>)) -> String {
    let mut key = sample();
    change(&mut key);
    let errors = [
        from_snarkjs(&snarkjs(&key)).unwrap_err().to_string(),
        parse_key_as(&arkworks(&key, false), Format::Arkworks).unwrap_err().to_string(),
    ];
    assert_eq!(errors[0], errors[1]);
    errors[0].clone()
}

#[test]
fn a_key_without_a_contribution_is_refused() {
    let path = fixture("groth16_unfinished_verification_key.json");
    let error = read_key(&path).unwrap_err().to_string();
    assert!(error.starts_with("delta of the verifying key is the generator"), "{error}");
    assert!(error.ends_with("nobody contributed to the second phase of its setup"), "{error}");

    let g1 = G1Affine::generator();
    let g2 = G2Affine::generator();
    for sign in [Fr::ONE, -Fr::ONE] {
        let of_g2 = (g2 * sign).into_affine();
        let of_g1 = (g1 * sign).into_affine();
        assert!(refused(|key| key.delta_g2 = of_g2).contains("delta of the verifying key is the generator"));
        assert!(refused(|key| key.beta_g2 = of_g2).contains("beta of the verifying key is the generator"));
        assert!(refused(|key| key.alpha_g1 = of_g1).contains("nobody contributed to the powers of tau"));
        assert!(refused(|key| key.delta_g2 = (key.gamma_g2 * sign).into_affine()).contains("delta"));
    }
}

/// snarkjs leaves gamma at 1: refusing that would refuse nearly every key.
#[test]
fn gamma_may_be_the_generator() {
    let key = sample();
    assert_eq!(key.gamma_g2, G2Affine::generator());
    let mut rng = StdRng::seed_from_u64(2);
    let (key, ..) = random_key(2, &mut rng);
    assert!(parse_key(&arkworks(&key, true)).is_ok());
    let forged = VerifyingKey { delta_g2: -key.gamma_g2, ..key };
    let error = parse_key(&arkworks(&forged, true)).unwrap_err().to_string();
    assert!(error.starts_with("gamma and delta of the verifying key are the same up to sign"), "{error}");
}

#[test]
fn a_point_that_is_zero_is_refused() {
    let zero = "is the point at infinity";
    for (name, error) in [
        ("alpha", refused(|key| key.alpha_g1 = G1Affine::zero())),
        ("beta", refused(|key| key.beta_g2 = G2Affine::zero())),
        ("gamma", refused(|key| key.gamma_g2 = G2Affine::zero())),
        ("delta", refused(|key| key.delta_g2 = G2Affine::zero())),
    ] {
        assert!(error.starts_with(name) && error.contains(zero), "{error}");
    }
    let error = refused(|key| key.gamma_abc_g1[0] = G1Affine::zero());
    assert!(error.starts_with("IC_0 is the point at infinity: the circuit's constant one"), "{error}");
    let error = refused(|key| key.gamma_abc_g1[3] = G1Affine::zero());
    let unbound = "IC_3 is the point at infinity, so a proof says nothing of public input 2";
    assert!(error.starts_with(unbound), "{error}");
}

#[test]
fn a_point_off_its_curve_is_refused() {
    let off = G1Affine::new_unchecked(Fq::from(1), Fq::from(3));
    let off_g2 = G2Affine::new_unchecked(Fq2::from(1), Fq2::from(3));
    for (name, error) in [
        ("alpha", refused(|key| key.alpha_g1 = off)),
        ("beta", refused(|key| key.beta_g2 = off_g2)),
        ("gamma", refused(|key| key.gamma_g2 = off_g2)),
        ("delta", refused(|key| key.delta_g2 = off_g2)),
        ("IC_2", refused(|key| key.gamma_abc_g1[2] = off)),
    ] {
        assert!(error.starts_with(&format!("{name} is not on its curve")), "{error}");
    }
}

#[test]
fn a_point_outside_the_subgroup_is_refused() {
    let outside = (0u64..)
        .filter_map(|x| {
            let x = Fq2::from(x);
            let y = (x.square() * x + g2::Config::COEFF_B).sqrt()?;
            Some(G2Affine::new_unchecked(x, y))
        })
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    for (name, error) in [
        ("beta", refused(|key| key.beta_g2 = outside)),
        ("gamma", refused(|key| key.gamma_g2 = outside)),
        ("delta", refused(|key| key.delta_g2 = outside)),
    ] {
        assert!(error.starts_with(&format!("{name} is on its curve but not in the subgroup")), "{error}");
    }
}

#[test]
fn inputs_with_one_point_are_refused() {
    let error = refused(|key| key.gamma_abc_g1[3] = -key.gamma_abc_g1[1]);
    assert!(error.contains("a proof binds only their sum or difference"), "{error}");
    assert!(error.starts_with("public inputs 0 and 2"), "{error}");
}

fn json_error(change: impl Fn(&mut Value)) -> String {
    let mut json = snarkjs_json();
    change(&mut json);
    from_snarkjs(&json).unwrap_err().to_string()
}

#[test]
fn another_protocol_and_another_curve_are_refused() {
    for name in ["plonk", "fflonk"] {
        let path = fixture(&format!("{name}_verification_key.json"));
        let error = read_key(&path).unwrap_err();
        assert!(matches!(&error, ImportError::Protocol { found } if found == name), "{error}");
    }
    for name in ["bls12381", "bls12-381", "pallas", ""] {
        let error = json_error(|json| json["curve"] = json!(name));
        assert!(error.starts_with(&format!("the key is over the curve {name:?}")), "{error}");
    }
    for name in ["bn254", "BN128", "alt-bn128", "bn128 "] {
        let mut json = snarkjs_json();
        json["curve"] = json!(name);
        from_snarkjs(&json).unwrap();
    }
    let error = json_error(|json| json["protocol"] = json!("x".repeat(1000)));
    assert!(error.len() < 300, "{error}");
}

#[test]
fn a_wrong_number_of_inputs_is_refused() {
    let error = json_error(|json| json["nPublic"] = json!(2));
    assert!(error.starts_with("the key says it has 2 public inputs and has points for 3"), "{error}");
    let error = json_error(|json| {
        json["IC"].as_array_mut().unwrap().pop();
    });
    assert!(error.starts_with("the key says it has 3 public inputs and has points for 2"), "{error}");
    let error = json_error(|json| json["nPublic"] = json!(u64::MAX));
    assert!(error.contains("more than the 128"), "{error}");
    let error = json_error(|json| {
        json["nPublic"] = json!(0);
        json["IC"].as_array_mut().unwrap().truncate(1);
    });
    assert!(error.contains("has no public input"), "{error}");
    let (large, ..) = random_key(MAX_PUBLIC_INPUTS + 1, &mut StdRng::seed_from_u64(3));
    for form in [arkworks(&large, false), snarkjs(&large).to_string().into_bytes()] {
        let error = parse_key(&form).unwrap_err();
        assert!(matches!(error, ImportError::TooManyPublicInputs { found: 129 }), "{error}");
    }
}

#[test]
fn a_number_has_one_way_to_be_written() {
    let modulus = Fq::MODULUS.to_string();
    let huge = "9".repeat(77);
    let longer = "9".repeat(100_000);
    for bad in ["", "01", "00", "+1", "-1", "0x1", "1 ", "1e3", "١", &modulus, &huge, &longer] {
        let error = json_error(|json| json["vk_alpha_1"][0] = json!(bad));
        assert!(error.starts_with("a coordinate of alpha is not the one way"), "{error}");
        let error = json_error(|json| json["vk_delta_2"][1][0] = json!(bad));
        assert!(error.starts_with("a coordinate of delta is not the one way"), "{error}");
        let error = json_error(|json| json["IC"][1][1] = json!(bad));
        assert!(error.starts_with("a coordinate of IC_1 is not the one way"), "{error}");
    }
    for (at, value) in [("/vk_alpha_1/2", json!("2")), ("/vk_beta_2/2/1", json!("1")), ("/IC/0/2", json!(""))]
    {
        let error = json_error(|json| *json.pointer_mut(at).unwrap() = value.clone());
        assert!(error.contains("is not written as a point"), "{error}");
    }
    for (at, value) in [
        ("/vk_alpha_1/0", json!(1)),
        ("/vk_alpha_1", json!(["1", "2"])),
        ("/vk_beta_2/0", json!(["1", "2", "3"])),
        ("/IC", json!({})),
        ("/nPublic", json!(-1)),
        ("/nPublic", json!("3")),
        ("/protocol", json!(null)),
    ] {
        let error = json_error(|json| *json.pointer_mut(at).unwrap() = value.clone());
        assert!(error.starts_with("this is no verification_key.json of snarkjs"), "{error}");
    }
    let twice = snarkjs_json().to_string().replacen('{', r#"{"nPublic":3,"#, 1);
    let error = parse_key(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("duplicate field"), "{error}");
}

#[test]
fn a_binary_key_has_one_way_to_be_written() {
    // The sign in arkworks' encoding that is not compressed is redundant, and checked.
    let key = sample();
    let mut form = arkworks(&key, false);
    form[63] ^= 0x80;
    let error = parse_key(&form).unwrap_err().to_string();
    assert!(error.starts_with("a coordinate of alpha is not the one way"), "{error}");

    let (key, beta, delta) = random_key(2, &mut StdRng::seed_from_u64(4));
    let mut form = gnark(&key, &beta, &delta, false);
    let plus_modulus = |at: usize, form: &mut Vec<u8>| {
        let value = Fq::from_be_bytes_mod_order(&form[at..at + 32]).into_bigint();
        let mut sum = value;
        assert!(!sum.add_with_carry(&Fq::MODULUS));
        form[at..at + 32].copy_from_slice(&sum.to_bytes_be());
    };
    plus_modulus(32, &mut form);
    let error = parse_key(&form).unwrap_err().to_string();
    assert!(error.starts_with("a coordinate of alpha is not the one way"), "{error}");

    // One compressed point among points that are not.
    let mut form = gnark(&key, &beta, &delta, false);
    form[64] |= 0x80;
    let error = parse_key(&form).unwrap_err().to_string();
    assert!(error.starts_with("beta in G1 is not written as a point"), "{error}");
    let mut form = gnark(&key, &beta, &delta, true);
    form[32] = 0x41;
    let error = parse_key(&form).unwrap_err().to_string();
    assert!(error.starts_with("beta in G1 is not written as a point"), "{error}");
}

#[test]
fn halves_of_different_secrets_are_refused() {
    let (key, beta, delta) = random_key(2, &mut StdRng::seed_from_u64(5));
    let error = parse_key(&gnark(&key, &delta, &delta, true)).unwrap_err();
    assert!(matches!(error, ImportError::Halves("beta")), "{error}");
    let error = parse_key(&gnark(&key, &beta, &beta, false)).unwrap_err();
    assert!(matches!(error, ImportError::Halves("delta")), "{error}");
}

#[test]
fn gnarks_commitments_are_refused() {
    let (key, beta, delta) = random_key(2, &mut StdRng::seed_from_u64(6));
    let form = gnark(&key, &beta, &delta, true);
    // One list with one committed input; and none, but a key.
    for tail in [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0, 0, 0, 0, 0, 0, 0, 1]]
    {
        let error = parse_key(&[&form[..], tail].concat()).unwrap_err().to_string();
        assert!(error.starts_with("the key has 1 Pedersen commitments, a gnark extension"), "{error}");
    }
}

#[test]
fn a_key_that_is_cut_or_longer_is_refused() {
    let (key, beta, delta) = random_key(2, &mut StdRng::seed_from_u64(7));
    for compressed in [false, true] {
        let mut form = gnark(&key, &beta, &delta, compressed);
        form.extend([0; 9]);
        let error = parse_key(&form).unwrap_err();
        assert!(matches!(error, ImportError::Length { .. }), "{error}");
        let form = arkworks(&key, compressed);
        for length in 0..form.len() {
            parse_key(&form[..length]).unwrap_err();
            parse_key_as(&form[..length], Format::Arkworks).unwrap_err();
        }
        parse_key_as(&[&form[..], &[0]].concat(), Format::Arkworks).unwrap_err();
    }
    // A count of points that no memory holds.
    let mut form = arkworks(&key, false);
    form[448..456].fill(0xff);
    parse_key_as(&form, Format::Arkworks).unwrap_err();
    let mut form = gnark(&key, &beta, &delta, false);
    form[576..580].fill(0xff);
    let error = parse_key_as(&form, Format::Gnark).unwrap_err();
    assert!(matches!(error, ImportError::Length { .. }), "{error}");
}

#[test]
fn what_is_no_key_is_refused() {
    for bytes in [&b""[..], b"\0", b"PK\x03\x04", b"zkey\x01\0\0\0", &[0xff; 4096], &[0; 4096]] {
        let error = parse_key(bytes).unwrap_err();
        assert!(matches!(error, ImportError::Unrecognised | ImportError::Length { .. }), "{error}");
    }
    for bytes in [&b"{"[..], b"{}", b"{\"protocol\":1}", &b"{\"a\":".repeat(100_000)[..]] {
        let error = parse_key(bytes).unwrap_err();
        assert!(matches!(error, ImportError::Json { .. }), "{error}");
    }
}

#[test]
fn an_oversized_file_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("verification_key.json");
    let file = File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = read_key(&path).unwrap_err();
    assert!(matches!(error, ImportError::TooLarge { .. }), "{error}");
    assert!(matches!(read_key(&directory.path().join("none")), Err(ImportError::Io { .. })));
}

// ------------------------------------------------------------------ noise

/// Whatever bytes come, an error or a key that passes every check.
#[test]
fn noise_is_an_error_and_never_a_panic() {
    let mut rng = StdRng::seed_from_u64(0x70726f76657279);
    let (key, beta, delta) = random_key(2, &mut rng);
    let gnark = |compressed| [gnark(&key, &beta, &delta, compressed), vec![0; 8]].concat();
    let forms = [
        (fs::read(fixture("groth16_verification_key.json")).unwrap(), Format::Snarkjs),
        (arkworks(&key, false), Format::Arkworks),
        (arkworks(&key, true), Format::Arkworks),
        (gnark(false), Format::Gnark),
        (gnark(true), Format::Gnark),
    ];
    for (form, format) in forms {
        parse_key_as(&form, format).unwrap();
        for _ in 0..300 {
            let mut bytes = form.clone();
            for _ in 0..rng.gen_range(1..4) {
                let at = rng.gen_range(0..bytes.len());
                match rng.gen_range(0..4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes[at] = rng.r#gen(),
                    2 => {
                        bytes.splice(at..at, [rng.r#gen::<u8>()]);
                    }
                    _ => bytes[at] ^= 1 << rng.gen_range(0..8),
                }
            }
            for parsed in [
                parse_key(&bytes).map(|(key, _)| key),
                parse_key_as(&bytes, Format::Snarkjs),
                parse_key_as(&bytes, Format::Arkworks),
                parse_key_as(&bytes, Format::Gnark),
            ] {
                match parsed {
                    Ok(key) => assert!(check(&key).is_ok() && key_words(&key).len() >= 18),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
