//! Keys as others write them, for what is read to be compared with.

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{PrimeField, UniformRand};
use ark_groth16::VerifyingKey;
use ark_serialize::CanonicalSerialize;
use ark_std::rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::solidity::{g1_words, g2_words};

pub(super) fn arkworks(key: &VerifyingKey<Bn254>, compressed: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if compressed { key.serialize_compressed(&mut out) } else { key.serialize_uncompressed(&mut out) }
        .unwrap();
    out
}

fn gnark_g1(point: &G1Affine, compressed: bool) -> Vec<u8> {
    gnark_point(g1_words(point).concat(), point.is_zero(), compressed, point.y > -point.y)
}

fn gnark_g2(point: &G2Affine, compressed: bool) -> Vec<u8> {
    gnark_point(g2_words(point).concat(), point.is_zero(), compressed, point.y > -point.y)
}

fn gnark_point(mut raw: Vec<u8>, infinity: bool, compressed: bool, larger: bool) -> Vec<u8> {
    if compressed {
        raw.truncate(raw.len() / 2);
        raw[0] |= match (infinity, larger) {
            (true, _) => 0x40,
            (false, false) => 0x80,
            (false, true) => 0xc0,
        };
    }
    raw
}

/// `beta` and `delta` are their secrets, for the halves in G1.
pub(super) fn gnark(
    key: &VerifyingKey<Bn254>,
    beta: &G1Affine,
    delta: &G1Affine,
    compressed: bool,
) -> Vec<u8> {
    let mut out = gnark_g1(&key.alpha_g1, compressed);
    out.extend(gnark_g1(beta, compressed));
    out.extend(gnark_g2(&key.beta_g2, compressed));
    out.extend(gnark_g2(&key.gamma_g2, compressed));
    out.extend(gnark_g1(delta, compressed));
    out.extend(gnark_g2(&key.delta_g2, compressed));
    out.extend((key.gamma_abc_g1.len() as u32).to_be_bytes());
    out.extend(key.gamma_abc_g1.iter().flat_map(|point| gnark_g1(point, compressed)));
    out
}

/// A key with random secrets and its halves in G1.
pub(super) fn random_key(
    public_inputs: usize,
    rng: &mut StdRng,
) -> (VerifyingKey<Bn254>, G1Affine, G1Affine) {
    let (beta, delta) = (Fr::rand(rng), Fr::rand(rng));
    let g1 = |scalar: Fr| (G1Affine::generator() * scalar).into_affine();
    let g2 = |scalar: Fr| (G2Affine::generator() * scalar).into_affine();
    let key = VerifyingKey {
        alpha_g1: g1(Fr::rand(rng)),
        beta_g2: g2(beta),
        gamma_g2: g2(Fr::rand(rng)),
        delta_g2: g2(delta),
        gamma_abc_g1: (0..=public_inputs).map(|_| g1(Fr::rand(rng))).collect(),
    };
    (key, g1(beta), g1(delta))
}

pub(super) fn snarkjs(key: &VerifyingKey<Bn254>) -> Value {
    let number = |word: &[u8; 32]| Decimal(*word).to_string();
    let g1 = |point: &G1Affine| {
        let [x, y] = g1_words(point);
        if point.is_zero() { json!(["0", "1", "0"]) } else { json!([number(&x), number(&y), "1"]) }
    };
    let g2 = |point: &G2Affine| {
        let [x1, x0, y1, y0] = g2_words(point);
        if point.is_zero() {
            json!([["0", "0"], ["1", "0"], ["0", "0"]])
        } else {
            json!([[number(&x0), number(&x1)], [number(&y0), number(&y1)], ["1", "0"]])
        }
    };
    json!({
        "protocol": "groth16",
        "curve": "bn128",
        "nPublic": key.gamma_abc_g1.len() - 1,
        "vk_alpha_1": g1(&key.alpha_g1),
        "vk_beta_2": g2(&key.beta_g2),
        "vk_gamma_2": g2(&key.gamma_g2),
        "vk_delta_2": g2(&key.delta_g2),
        "IC": key.gamma_abc_g1.iter().map(g1).collect::<Vec<_>>(),
    })
}

struct Decimal([u8; 32]);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Fq::from_be_bytes_mod_order(&self.0).into_bigint())
    }
}
