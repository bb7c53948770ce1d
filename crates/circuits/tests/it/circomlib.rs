//! `tests/vectors/circomlib.json`, made by circomlibjs: ours are the same hashes, points, keys and signatures.

use std::{fs, path::PathBuf, str::FromStr};

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::PrimeField;
use ark_relations::gr1cs::ConstraintSystem;
use provery_circuits::{
    Fr, KeyPair, PublicKey, Signature, Transfer,
    babyjub::Affine,
    gadgets::{self, Builder, Num, edwards::Point},
    poseidon, word,
};
use serde_json::Value;

fn vectors() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/circomlib.json");
    let text = fs::read_to_string(path).expect("tests/vectors/circomlib.json is committed");
    serde_json::from_str(&text).expect("it is JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is a list"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a string"))
}

fn field(value: &Value) -> Fr {
    Fr::from_str(value.as_str().expect("a string")).expect("a number below the modulus")
}

fn fields(value: &Value, name: &str) -> Vec<Fr> {
    list(value, name).iter().map(field).collect()
}

fn bytes(value: &Value, name: &str) -> [u8; 32] {
    let bytes = hex::decode(text(value, name)).expect("hexadecimal digits");
    bytes.try_into().expect("32 bytes")
}

fn key(value: &Value) -> PublicKey {
    let [x, y] = fields(value, "public")[..] else { panic!("two coordinates") };
    PublicKey { x, y }
}

fn signature(value: &Value) -> Signature {
    let [x, y] = fields(value, "r8")[..] else { panic!("two coordinates") };
    Signature {
        r8_x: word::from_field(&x),
        r8_y: word::from_field(&y),
        s: word::from_field(&field(&value["s"])),
    }
}

/// The value a gadget computes, with every constraint of it satisfied.
fn in_circuit<T>(gadget: impl FnOnce(&Builder) -> T) -> T {
    let cs = ConstraintSystem::new_ref();
    let result = gadget(&Builder::new(cs.clone()));
    assert!(cs.is_satisfied().expect("a complete system"));
    result
}

fn wire(builder: &Builder, value: Fr) -> Num {
    builder.witness(Some(value)).expect("a wire")
}

#[test]
fn hashes() {
    let vectors = vectors();
    let cases = [list(&vectors, "hashes"), list(&vectors, "chains")].concat();
    assert_eq!(cases.len(), 20);
    for case in &cases {
        let (inputs, hash) = (fields(case, "inputs"), field(&case["hash"]));
        assert_eq!(poseidon::hash(&inputs), hash, "{} inputs", inputs.len());
        let constrained = in_circuit(|builder| {
            let wires: Vec<_> = inputs.iter().map(|input| wire(builder, *input)).collect();
            gadgets::poseidon::hash(builder, &wires).expect("it synthesises").value()
        });
        assert_eq!(constrained, Some(hash), "{} inputs", inputs.len());
    }
}

#[test]
fn multiples_of_the_generator() {
    for case in list(&vectors(), "multiples") {
        let scalar = field(&case["scalar"]).into_bigint();
        let point = Affine::generator().mul_bigint(scalar).into_affine();
        let [x, y] = fields(case, "point")[..] else { panic!("two coordinates") };
        assert_eq!((point.x, point.y), (x, y));
        assert_eq!(PublicKey { x, y }.pack(), bytes(case, "packed"));
        assert_eq!(PublicKey::unpack(&bytes(case, "packed")), Some(PublicKey { x, y }));
        let constrained = in_circuit(|builder| {
            let bits = builder.bits(wire(builder, field(&case["scalar"])), 254).expect("it synthesises");
            let base = Affine::generator();
            let base = Point { x: wire(builder, base.x), y: wire(builder, base.y) };
            let product = base.multiply(builder, &bits).expect("it synthesises");
            // The tables reach as far as 252 bits.
            let small = bits[252..].iter().all(|bit| bit.value() == Some(false));
            let fixed = gadgets::edwards::multiply_generator(builder, &bits[..252]).expect("it synthesises");
            assert!(!small || (fixed.x.value(), fixed.y.value()) == (Some(x), Some(y)));
            (product.x.value(), product.y.value())
        });
        assert_eq!(constrained, (Some(x), Some(y)));
    }
}

#[test]
fn keys_and_signatures() {
    for case in list(&vectors(), "keys") {
        let pair = KeyPair::from_private(&bytes(case, "private"));
        assert_eq!(pair.public(), key(case));
        assert_eq!(pair.public().pack(), bytes(case, "packed"));
        for signed in list(case, "signatures") {
            let message = field(&signed["message"]);
            assert_eq!(pair.sign(&message), signature(signed));
            assert!(pair.public().verify(&message, &signature(signed)));
            assert!(!pair.public().verify(&(message + Fr::from(1u8)), &signature(signed)));
        }
    }
}

/// What circomlibjs accepted when the file was made is what we sign today.
#[test]
fn a_transfer_of_ours() {
    let ours = &vectors()["ours"];
    let number = |name| ours["transfer"][name].as_u64().expect("a number");
    let transfer = Transfer {
        from: number("from") as u32,
        to: number("to") as u32,
        amount: number("amount"),
        fee: number("fee") as u32,
        nonce: number("nonce"),
    };
    let domain = field(&ours["domain"]);
    let pair = KeyPair::from_private(&bytes(ours, "private"));
    assert_eq!(pair.public(), key(ours));
    assert_eq!(transfer.message(&domain), field(&ours["message"]));
    assert_eq!(transfer.sign(&pair, &domain).signature, signature(ours));
    assert!(pair.public().verify(&transfer.message(&domain), &signature(ours)));
}
