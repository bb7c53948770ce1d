//! snarkjs' JSON: verification_key.json, proof.json, public.json.

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use ark_groth16::{Proof, VerifyingKey};
use provery_proving::{
    import::{self, Format},
    proof,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{error::JsonError, input::digits_of};

const PROOF: &str = "proof";
const PUBLIC: &str = "list of public inputs";
const GROTH16: &str = "groth16";
/// snarkjs' word for bn254.
const BN128: &str = "bn128";

type G1Json = [String; 3];
type G2Json = [[String; 2]; 3];

/// snarkjs' verification_key.json. What snarkjs adds for itself (`vk_alphabeta_12`) is neither read nor written: it follows from the
/// rest, and no verifier needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyingKeyJson {
    protocol: String,
    curve: String,
    #[serde(rename = "nPublic")]
    public: usize,
    vk_alpha_1: G1Json,
    vk_beta_2: G2Json,
    vk_gamma_2: G2Json,
    vk_delta_2: G2Json,
    #[serde(rename = "IC")]
    ic: Vec<G1Json>,
}

impl VerifyingKeyJson {
    /// The document as snarkjs would write it for `key`.
    pub fn new(key: &VerifyingKey<Bn254>) -> Self {
        Self {
            protocol: GROTH16.to_owned(),
            curve: BN128.to_owned(),
            public: key.gamma_abc_g1.len().saturating_sub(1),
            vk_alpha_1: g1_json(&key.alpha_g1),
            vk_beta_2: g2_json(&key.beta_g2),
            vk_gamma_2: g2_json(&key.gamma_g2),
            vk_delta_2: g2_json(&key.delta_g2),
            ic: key.gamma_abc_g1.iter().map(g1_json).collect(),
        }
    }

    /// Read the key. Refused are other curves and proof systems, points outside of their groups, and keys that accept forged proofs.
    pub fn read(json: &[u8]) -> Result<VerifyingKey<Bn254>, JsonError> {
        Ok(import::parse_key_as(json, Format::Snarkjs)?)
    }
}

/// snarkjs' proof.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofJson {
    pi_a: G1Json,
    pi_b: G2Json,
    pi_c: G1Json,
    protocol: String,
    curve: String,
}

impl ProofJson {
    /// The document as snarkjs would write it for `proof`.
    pub fn new(proof: &Proof<Bn254>) -> Self {
        Self {
            pi_a: g1_json(&proof.a),
            pi_b: g2_json(&proof.b),
            pi_c: g1_json(&proof.c),
            protocol: GROTH16.to_owned(),
            curve: BN128.to_owned(),
        }
    }

    /// Read the proof. Its points are in their groups and not infinity.
    pub fn read(json: &[u8]) -> Result<Proof<Bn254>, JsonError> {
        let document: Self = parse(PROOF, json)?;
        check_system(PROOF, &document.protocol, &document.curve)?;
        let points = Proof {
            a: g1(PROOF, "pi_a", &document.pi_a)?,
            b: g2(PROOF, "pi_b", &document.pi_b)?,
            c: g1(PROOF, "pi_c", &document.pi_c)?,
        };
        Ok(proof::decode(&proof::encode(&points))?)
    }
}

/// snarkjs' public.json.
pub fn public_to_json(inputs: &[Fr]) -> Vec<String> {
    inputs.iter().map(decimal).collect()
}

/// Read snarkjs' public.json.
pub fn public_from_json(json: &[u8]) -> Result<Vec<Fr>, JsonError> {
    let numbers: Vec<String> = serde_json::from_slice(json).map_err(|error| malformed(PUBLIC, error))?;
    let read = |(index, text): (usize, &String)| number(PUBLIC, &format!("input {index}"), text);
    numbers.iter().enumerate().map(read).collect()
}

fn malformed(what: &'static str, reason: impl ToString) -> JsonError {
    JsonError::Json { what, reason: reason.to_string() }
}

fn parse<T: DeserializeOwned>(what: &'static str, json: &[u8]) -> Result<T, JsonError> {
    let document: Value = serde_json::from_slice(json).map_err(|error| malformed(what, error))?;
    // serde takes lists for structs, too.
    let members = document.as_object().ok_or_else(|| malformed(what, "it is no object"))?;
    // The system first: documents of others lack what is asked for below.
    if let Some(protocol) = members.get("protocol").and_then(Value::as_str) {
        let curve = members.get("curve").and_then(Value::as_str);
        check_system(what, protocol, curve.unwrap_or(BN128))?;
    }
    serde_json::from_value(document).map_err(|error| malformed(what, error))
}

fn check_system(what: &'static str, protocol: &str, curve: &str) -> Result<(), JsonError> {
    if protocol == GROTH16 && import::is_bn254(curve) {
        return Ok(());
    }
    let plain = |text: &str| text.chars().take(32).filter(|c| !c.is_control()).collect::<String>();
    Err(JsonError::System { what, found: format!("{} on {}", plain(protocol), plain(curve)) })
}

fn decimal<F: PrimeField>(value: &F) -> String {
    value.into_bigint().to_string()
}

fn number<F: PrimeField>(what: &'static str, field: &str, text: &str) -> Result<F, JsonError> {
    let value: Option<F> = if text.len() <= 80 { digits_of(text, 10) } else { None };
    // What was reduced on the way is written differently.
    value
        .filter(|value| decimal(value) == text)
        .ok_or_else(|| JsonError::Number { what, field: field.to_owned() })
}

fn g1_json(point: &G1Affine) -> G1Json {
    let (x, y) = point.xy().unwrap_or((Fq::from(0), Fq::from(1)));
    let z = Fq::from(u8::from(!point.is_zero()));
    [x, y, z].map(|coordinate| decimal(&coordinate))
}

fn g2_json(point: &G2Affine) -> G2Json {
    let (x, y) = point.xy().unwrap_or((Fq2::from(0), Fq2::from(1)));
    let z = Fq2::from(u8::from(!point.is_zero()));
    [x, y, z].map(|coordinate| [decimal(&coordinate.c0), decimal(&coordinate.c1)])
}

/// The point is not judged here.
fn g1(what: &'static str, field: &str, [x, y, z]: &G1Json) -> Result<G1Affine, JsonError> {
    match z.as_str() {
        "1" => Ok(G1Affine::new_unchecked(number(what, field, x)?, number(what, field, y)?)),
        "0" => Ok(G1Affine::identity()),
        _ => Err(JsonError::Projective { what, field: field.to_owned() }),
    }
}

/// The point is not judged here.
fn g2(what: &'static str, field: &str, [x, y, z]: &G2Json) -> Result<G2Affine, JsonError> {
    let number = |[c0, c1]: &[String; 2]| {
        Ok::<_, JsonError>(Fq2::new(number(what, field, c0)?, number(what, field, c1)?))
    };
    match [z[0].as_str(), z[1].as_str()] {
        ["1", "0"] => Ok(G2Affine::new_unchecked(number(x)?, number(y)?)),
        ["0", "0"] => Ok(G2Affine::identity()),
        _ => Err(JsonError::Projective { what, field: field.to_owned() }),
    }
}
