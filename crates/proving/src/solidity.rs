//! Solidity verifiers: one standalone contract per Groth16 verifying key, with the key in its code.

use std::fmt::Write as _;

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, Field, PrimeField};
use ark_groth16::{Proof, VerifyingKey};
use ark_serialize::CanonicalSerialize;
use sha2::{Digest, Sha256};

const TEMPLATE: &str = include_str!("Groth16Verifier.sol.tmpl");
/// From inputs and a proof in memory to the answer: the part that generated verifiers share with the block verifier, whose key
/// is not in its source.
const CHECK: &str = include_str!("Groth16Check.yul.tmpl");

/// More inputs than this and the unrolled contract would come near the limit on a contract's size.
pub const MAX_PUBLIC_INPUTS: usize = 128;

/// What the block circuit's proofs are about: C, r and y.
const BLOCK_INPUTS: usize = 3;

/// Length of a proof on chain.
pub const PROOF_BYTES: usize = 256;

/// Why no verifier is generated for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolidityError {
    /// The name that was asked for cannot be a contract's.
    #[error(
        "'{0}' is no contract name: use ASCII letters, digits and underscores, starting with an upper-case letter"
    )]
    ContractName(String),
    /// Nothing is stated by a proof.
    #[error("the verifying key has no public input: a proof for it would state nothing")]
    NoPublicInputs,
    /// So many would not fit in a contract.
    #[error(
        "the verifying key has {0} public inputs, more than the {MAX_PUBLIC_INPUTS} that fit in a contract"
    )]
    TooManyPublicInputs(usize),
    /// The key is another circuit's.
    #[error(
        "the verifying key has {found} public inputs where the circuit has {expected}: it belongs to another circuit"
    )]
    PublicInputCount {
        /// The circuit's, without the constant one.
        expected: usize,
        /// The key's, without the constant one.
        found: usize,
    },
    /// The named point of the key is the one at infinity.
    #[error(
        "{0} of the verifying key is the point at infinity: the key is broken and would accept forged proofs"
    )]
    Infinity(String),
    /// The named point of the key is not on its curve, or not in its group.
    #[error("{0} of the verifying key is not in its group: the key is damaged")]
    NotInGroup(String),
    /// The named point of the key, which the second word's secret makes, is a generator: the secret is 1.
    #[error(
        "{0} of the verifying key is the generator of its group up to sign, so its secret is known and proofs can be forged \
         with it: nobody contributed to {1} of its setup"
    )]
    Generator(&'static str, &'static str),
    /// These two points of the key have one x coordinate, so that their terms can be traded for each other.
    #[error(
        "{0} and {1} of the verifying key are the same up to sign, so it accepts forged proofs: \
         its setup was not finished (no contribution was made to it)"
    )]
    Related(&'static str, &'static str),
    /// The points of these two inputs, counted from 0, have one x coordinate.
    #[error(
        "public inputs {0} and {1} have the same point in the verifying key up to sign, so a proof binds only \
         their sum or difference"
    )]
    InputsNotSeparate(usize, usize),
    /// The order that was asked for is none of all public inputs, of which there are so many.
    #[error(
        "the order of the public inputs does not name each of the circuit's {0} once, as 0 to {0} less one"
    )]
    Order(usize),
    /// Every public input is an output.
    #[error(
        "a circuit with {inputs} public inputs, of which {outputs} are outputs, has no place for a payee"
    )]
    NoPlaceForPayee {
        /// Public inputs, outputs among them.
        inputs: usize,
        /// Those that the circuit computes.
        outputs: usize,
    },
}

/// The source of a contract that verifies proofs for `vk`. It implements `IVerifier` and depends on no other file.
pub fn generate(vk: &VerifyingKey<Bn254>, contract_name: &str) -> Result<String, SolidityError> {
    let order: Vec<usize> = (0..vk.gamma_abc_g1.len().saturating_sub(1)).collect();
    generate_ordered(vk, contract_name, &order)
}

/// The order in which a market has the public inputs of a circom circuit, for [`generate_ordered`]. circom has outputs, statement,
/// payee, if the payee is the last public input that the circuit declares; a market has statement, outputs, payee. Of a
/// circuit that does not bind the payee (`binds_payee` is false) the outputs come last.
pub fn circom_order(
    public_inputs: usize,
    outputs: usize,
    binds_payee: bool,
) -> Result<Vec<usize>, SolidityError> {
    let tail = usize::from(binds_payee);
    let statement = outputs.checked_add(tail).and_then(|taken| public_inputs.checked_sub(taken));
    let Some(statement) = statement else {
        return Err(SolidityError::NoPlaceForPayee { inputs: public_inputs, outputs });
    };
    let end = statement + outputs;
    Ok((outputs..end).chain(0..outputs).chain(end..public_inputs).collect())
}

/// As [`generate`], for a contract that takes the public inputs in another order: its input `i` is the circuit's input `order[i]`.
/// `keyHash()` is still that of `vk` as it was given, `verifyingKeyHash()` that of the key in the contract's order.
pub fn generate_ordered(
    vk: &VerifyingKey<Bn254>,
    contract_name: &str,
    order: &[usize],
) -> Result<String, SolidityError> {
    check_contract_name(contract_name)?;
    let k = vk.gamma_abc_g1.len().saturating_sub(1);
    check_key(vk, k)?;
    let key_hash = key_hash(vk);
    let in_order: Vec<usize> = (0..k).collect();
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted != in_order {
        return Err(SolidityError::Order(k));
    }
    let reordered = order != in_order;
    let ic = std::iter::once(0).chain(order.iter().map(|input| input + 1));
    let vk = &VerifyingKey { gamma_abc_g1: ic.map(|i| vk.gamma_abc_g1[i]).collect(), ..vk.clone() };

    let mut constants = String::new();
    let mut constant = |name: &str, words: &[[u8; 32]]| {
        let suffixes: &[&str] = if words.len() == 2 { &["X", "Y"] } else { &["X_1", "X_0", "Y_1", "Y_0"] };
        for (suffix, word) in suffixes.iter().zip(words) {
            let _ = writeln!(constants, "    uint256 private constant {name}_{suffix} = 0x{};", to_hex(word));
        }
    };
    constant("NEG_ALPHA", &g1_words(&-vk.alpha_g1));
    constant("BETA", &g2_words(&vk.beta_g2));
    constant("NEG_GAMMA", &g2_words(&-vk.gamma_g2));
    constant("NEG_DELTA", &g2_words(&-vk.delta_g2));
    for (i, point) in vk.gamma_abc_g1.iter().enumerate() {
        constant(&format!("IC{i}"), &g1_words(point));
    }

    let inputs_at = inputs_at(k);
    let mut ranges = String::new();
    for i in 0..k {
        let input = inputs_at + 32 * i;
        let _ = writeln!(ranges, "            bad := or(bad, gt(mload({input:#05x}), MAX_INPUT))");
    }

    let order_in_words = if reordered {
        let list: Vec<String> = order.iter().map(usize::to_string).collect();
        format!(
            "/// @dev The circuit has its public inputs in another order: those of this contract are its {}.\n",
            list.join(", ")
        )
    } else {
        String::new()
    };
    let inputs_in_words = if k == 1 { "1 public input".to_owned() } else { format!("{k} public inputs") };
    Ok(TEMPLATE
        .replace("{{NAME}}", contract_name)
        .replace("{{INPUTS_IN_WORDS}}", &inputs_in_words)
        .replace("{{K}}", &k.to_string())
        .replace("{{MAX_INPUT}}", &to_hex(&(-Fr::ONE).into_bigint().to_bytes_be()))
        .replace("{{ORDER}}", &order_in_words)
        .replace("{{FILE_HASH}}", &to_hex(&key_hash))
        .replace("{{KEY_HASH}}", &to_hex(&verifying_key_hash(vk)))
        .replace("{{CONSTANTS}}", &constants)
        .replace("{{INPUTS_AT}}", &format!("{inputs_at:#05x}"))
        .replace("{{INPUTS_SIZE}}", &format!("{:#05x}", 32 * k))
        .replace("{{CALLDATA_SIZE}}", &format!("{:#05x}", 4 + 32 * (2 + 1 + k + 1) + PROOF_BYTES))
        .replace("{{RANGES}}", &ranges)
        .replace("{{ENOUGH_GAS}}", &enough_gas(k))
        .replace("{{CHECK}}", &check(k)))
}

/// Where the inputs are in memory, behind two words that are free. Where they fit they go to a part of the pairing's memory
/// that is written later, and cost no memory of their own.
const fn inputs_at(k: usize) -> usize {
    if k <= 8 { 0x140 } else { 0x340 }
}

/// The check itself, which ends the call. Its key has the names of the constants in the template.
fn check(k: usize) -> String {
    let mut steps = String::new();
    for i in 0..k {
        let ic = i + 1;
        let y = inputs_at(k) + 32 * i - 32;
        let x = y - 32;
        let product = format!("shl(returndatasize(), staticcall(gas(), 7, {x:#05x}, 0x60, 0x280, 0x40))");
        let product =
            if i == 0 { format!("let ok := {product}") } else { format!("ok := and(ok, {product})") };
        let _ = write!(
            steps,
            "
            mstore({x:#05x}, IC{ic}_X)
            mstore({y:#05x}, IC{ic}_Y)
            {product}
            ok := and(ok, shl(returndatasize(), staticcall(gas(), 6, 0x240, 0x80, 0x240, 0x40)))
"
        );
    }
    CHECK.replace("{{STEPS}}", &steps)
}

/// Gas with which a call is answered whatever the proof, in words: the products, and a pairing that leaves more than 3,000 gas
/// when it fails.
fn enough_gas(k: usize) -> String {
    let thousands = 200 + 7 * k;
    if thousands < 1000 {
        format!("{thousands},000")
    } else {
        format!("{},{:03},000", thousands / 1000, thousands % 1000)
    }
}

/// Whether a verifier may be made of `vk`, a key for `public_inputs` inputs. A key that passes is well formed; whether somebody
/// knows the secrets of its setup cannot be seen from it.
pub fn check_key(vk: &VerifyingKey<Bn254>, public_inputs: usize) -> Result<(), SolidityError> {
    let found = vk.gamma_abc_g1.len().saturating_sub(1);
    if found != public_inputs {
        return Err(SolidityError::PublicInputCount { expected: public_inputs, found });
    }
    if found == 0 {
        return Err(SolidityError::NoPublicInputs);
    }
    if found > MAX_PUBLIC_INPUTS {
        return Err(SolidityError::TooManyPublicInputs(found));
    }

    let twisted = [("beta", &vk.beta_g2), ("gamma", &vk.gamma_g2), ("delta", &vk.delta_g2)];
    check_g1("alpha", &vk.alpha_g1)?;
    for (name, point) in twisted {
        if point.is_zero() {
            return Err(SolidityError::Infinity(name.to_owned()));
        }
        if !(point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve()) {
            return Err(SolidityError::NotInGroup(name.to_owned()));
        }
    }
    for (i, point) in vk.gamma_abc_g1.iter().enumerate() {
        check_g1(&format!("IC_{i}"), point)?;
    }

    // Setups begin with all secrets 1, and every contribution multiplies its own in. gamma stays 1 in those of snarkjs: nothing is
    // hidden by it, as long as delta is another.
    let is_generator = [
        ("alpha", "the powers of tau", vk.alpha_g1.x == G1Affine::generator().x),
        ("beta", "the powers of tau", vk.beta_g2.x == G2Affine::generator().x),
        ("delta", "the second phase", vk.delta_g2.x == G2Affine::generator().x),
    ];
    if let Some((name, phase, _)) = is_generator.into_iter().find(|(_, _, is)| *is) {
        return Err(SolidityError::Generator(name, phase));
    }

    // Two pairs of the equation with the same point of G2 melt into one, and then its terms can be traded against
    // each other: with gamma = delta, for example, subtracting from C what other inputs add to L.
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        if twisted[a].1.x == twisted[b].1.x {
            return Err(SolidityError::Related(twisted[a].0, twisted[b].0));
        }
    }
    for (j, point) in vk.gamma_abc_g1.iter().enumerate().skip(2) {
        if let Some(i) = vk.gamma_abc_g1[1..j].iter().position(|other| other.x == point.x) {
            return Err(SolidityError::InputsNotSeparate(i, j - 1));
        }
    }
    Ok(())
}

/// What the contract's `keyHash()` answers, and the hash by which a key is known: sha256 of the key as arkworks writes it without
/// compression, which is the file `verifying.key`.
pub fn key_hash(vk: &VerifyingKey<Bn254>) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Writing to a hash cannot fail.
    let _ = vk.serialize_uncompressed(&mut hash);
    hash.finalize().into()
}

/// What the contract's `verifyingKeyHash()` answers: sha256 of alpha, beta, gamma, delta, IC_0, IC_1, ... as EIP-197 words.
pub fn verifying_key_hash(vk: &VerifyingKey<Bn254>) -> [u8; 32] {
    Sha256::digest(key_words(vk).concat()).into()
}

/// The arguments of `BlockVerifier`'s constructor for the block circuit's key, as the ABI encodes them. What makes a key fit for
/// no verifier is said here by name; the contract refuses it, too.
pub fn block_verifier_arguments(vk: &VerifyingKey<Bn254>) -> Result<Vec<u8>, SolidityError> {
    check_key(vk, BLOCK_INPUTS)?;
    Ok(key_words(vk).concat())
}

/// alpha, beta, gamma, delta, IC_0, IC_1, ... as EIP-197 words.
pub fn key_words(vk: &VerifyingKey<Bn254>) -> Vec<[u8; 32]> {
    let mut words = g1_words(&vk.alpha_g1).to_vec();
    words.extend([&vk.beta_g2, &vk.gamma_g2, &vk.delta_g2].into_iter().flat_map(g2_words));
    words.extend(vk.gamma_abc_g1.iter().flat_map(g1_words));
    words
}

/// A proof as the contract reads it: A.x, A.y, B.x1, B.x0, B.y1, B.y0, C.x, C.y, big-endian, imaginary parts first.
pub fn proof_to_bytes(proof: &Proof<Bn254>) -> [u8; PROOF_BYTES] {
    let mut bytes = [0; PROOF_BYTES];
    let words = [&g1_words(&proof.a)[..], &g2_words(&proof.b), &g1_words(&proof.c)].concat();
    for (to, word) in bytes.chunks_exact_mut(32).zip(&words) {
        to.copy_from_slice(word);
    }
    bytes
}

/// A point of G1 as EIP-196 writes it: x, y; zeros for the point at infinity.
pub fn g1_words(point: &G1Affine) -> [[u8; 32]; 2] {
    match point.xy() {
        Some((x, y)) => [word(&x), word(&y)],
        None => [[0; 32]; 2],
    }
}

/// A point of G2 as EIP-197 writes it: the imaginary part of x, the real part of x, the same of y; zeros for infinity.
pub fn g2_words(point: &G2Affine) -> [[u8; 32]; 4] {
    match point.xy() {
        Some((x, y)) => [word(&x.c1), word(&x.c0), word(&y.c1), word(&y.c0)],
        None => [[0; 32]; 4],
    }
}

fn word(coordinate: &Fq) -> [u8; 32] {
    let mut word = [0; 32];
    word.copy_from_slice(&coordinate.into_bigint().to_bytes_be());
    word
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An upper-case first letter also rules out every keyword of Solidity.
fn check_contract_name(name: &str) -> Result<(), SolidityError> {
    let starts = name.starts_with(|c: char| c.is_ascii_uppercase());
    if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(())
    } else {
        Err(SolidityError::ContractName(name.to_owned()))
    }
}

fn check_g1(name: &str, point: &G1Affine) -> Result<(), SolidityError> {
    if point.is_zero() {
        return Err(SolidityError::Infinity(name.to_owned()));
    }
    // G1 is the whole curve.
    if !point.is_on_curve() {
        return Err(SolidityError::NotInGroup(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "solidity_tests.rs"]
mod tests;
