//! `verification_key.json` of snarkjs: decimal numbers as strings, points projective with the real part first and Z = 1.

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ff::{BigInt, PrimeField};
use ark_groth16::VerifyingKey;
use serde::Deserialize;

use super::{ImportError, check_count, g1, g2};

/// Told first, so that a key of another protocol is not refused for the fields that it lacks.
#[derive(Deserialize)]
struct Head {
    protocol: String,
    curve: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "nPublic")]
    public_inputs: u64,
    vk_alpha_1: [String; 3],
    vk_beta_2: [[String; 2]; 3],
    vk_gamma_2: [[String; 2]; 3],
    vk_delta_2: [[String; 2]; 3],
    // vk_alphabeta_12 follows from alpha and beta, and is not read.
    #[serde(rename = "IC")]
    ic: Vec<[String; 3]>,
}

/// Whether snarkjs takes a name for bn254: it looks at letters and digits alone, in any case.
pub(super) fn is_bn254(curve: &str) -> bool {
    let letters: String = curve.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    ["bn128", "bn254", "altbn128"].contains(&letters.to_ascii_lowercase().as_str())
}

pub(super) fn parse(bytes: &[u8]) -> Result<VerifyingKey<Bn254>, ImportError> {
    let json = |error: serde_json::Error| ImportError::Json { reason: shortened(error.to_string(), 160) };
    let Head { protocol, curve } = serde_json::from_slice(bytes).map_err(json)?;
    if protocol != "groth16" {
        return Err(ImportError::Protocol { found: shortened(protocol, 32) });
    }
    if !is_bn254(&curve) {
        return Err(ImportError::Curve { found: shortened(curve, 32) });
    }
    let body: Body = serde_json::from_slice(bytes).map_err(json)?;
    check_count(body.public_inputs)?;
    if body.public_inputs.checked_add(1) != Some(body.ic.len() as u64) {
        return Err(ImportError::PublicInputs {
            declared: body.public_inputs,
            found: body.ic.len().saturating_sub(1),
        });
    }
    Ok(VerifyingKey {
        alpha_g1: point_g1("alpha", &body.vk_alpha_1)?,
        beta_g2: point_g2("beta", &body.vk_beta_2)?,
        gamma_g2: point_g2("gamma", &body.vk_gamma_2)?,
        delta_g2: point_g2("delta", &body.vk_delta_2)?,
        gamma_abc_g1: (0..)
            .zip(&body.ic)
            .map(|(i, point)| point_g1(&format!("IC_{i}"), point))
            .collect::<Result<_, _>>()?,
    })
}

/// What a file says goes into an error: not all of it.
fn shortened(text: String, most: usize) -> String {
    text.chars().take(most).collect()
}

fn point_g1(name: &str, [x, y, z]: &[String; 3]) -> Result<G1Affine, ImportError> {
    let (x, y) = (coordinate(name, x)?, coordinate(name, y)?);
    match z.as_str() {
        "1" => Ok(g1(x, y)),
        "0" => Ok(G1Affine::identity()),
        _ => Err(ImportError::Encoding { point: name.to_owned() }),
    }
}

fn point_g2(name: &str, [x, y, z]: &[[String; 2]; 3]) -> Result<G2Affine, ImportError> {
    let (x, y) = (extension(name, x)?, extension(name, y)?);
    match (z[0].as_str(), z[1].as_str()) {
        ("1", "0") => Ok(g2(x, y)),
        ("0", "0") => Ok(G2Affine::identity()),
        _ => Err(ImportError::Encoding { point: name.to_owned() }),
    }
}

fn extension(name: &str, [real, imaginary]: &[String; 2]) -> Result<Fq2, ImportError> {
    Ok(Fq2::new(coordinate(name, real)?, coordinate(name, imaginary)?))
}

/// Digits only, no zeros before them, below the modulus.
fn coordinate(name: &str, text: &str) -> Result<Fq, ImportError> {
    let not_canonical = || ImportError::NotCanonical { point: name.to_owned() };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    // The modulus has 77 digits.
    if !digits || text.is_empty() || text.len() > 77 || (text.len() > 1 && text.starts_with('0')) {
        return Err(not_canonical());
    }
    let mut limbs = [0u64; 4];
    for digit in text.bytes() {
        let mut carry = u128::from(digit - b'0');
        for limb in &mut limbs {
            carry += u128::from(*limb) * 10;
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            return Err(not_canonical());
        }
    }
    Fq::from_bigint(BigInt(limbs)).ok_or_else(not_canonical)
}
