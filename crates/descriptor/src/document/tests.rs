use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::json;

use super::*;

fn sample() -> Descriptor {
    let input = |name: &str, kind, role| PublicInput {
        name: name.to_owned(),
        kind,
        role,
        signal: None,
        meaning: String::new(),
    };
    Descriptor {
        version: VERSION,
        name: "merkle-10".to_owned(),
        description: "Knows a leaf below a root.".to_owned(),
        proof_system: ProofSystem::Groth16,
        curve: Curve::Bn254,
        constraints: Some(2_450),
        public_inputs: vec![
            input("root", InputType::Field, PublicRole::Statement),
            input("index", InputType::Uint32, PublicRole::Output),
            input("payee", InputType::Address, PublicRole::Payee),
        ],
        payee_bound: true,
        verifier: VerifierInterface { interface: "IVerifier".to_owned(), key_hash: Some("ab".repeat(32)) },
        artifacts: [(
            Role::WitnessWasm,
            Artifact {
                media_type: "application/wasm".to_owned(),
                digest: Digest::of(b"wasm"),
                size: 4,
                urls: vec!["https://example.org/merkle.wasm".parse().expect("is a URL")],
            },
        )]
        .into(),
        setup: Setup::Development,
        witness: Witness::CircomWasm,
        input: SlotInput { schema: Value::Null, sources: [InputSource::Posted].into() },
        cost: vec![CostPoint {
            machine: "two cores".to_owned(),
            constraints: 2_450,
            milliseconds: 120,
            mebibytes: 40,
            signer: None,
            signature: None,
        }],
        notes: Value::Null,
    }
}

#[test]
fn is_read_as_it_is_written() {
    let bytes = sample().to_bytes().expect("is written");
    assert_eq!(Descriptor::parse(&bytes).expect("is read"), sample());
    let digest = sample().digest().expect("has one");
    assert_eq!(Descriptor::registered(&bytes, digest).expect("is the one"), sample());
    assert!(matches!(Descriptor::registered(&bytes, Digest::of(b"")), Err(DescriptorError::Digest { .. })));
}

#[test]
fn only_the_canonical_form_counts() {
    let bytes = sample().to_bytes().expect("is written");
    let text = String::from_utf8(bytes).expect("is text");
    let spaced = text.replacen(':', ": ", 1);
    assert!(matches!(Descriptor::parse(spaced.as_bytes()), Err(DescriptorError::NotCanonical)));
    let pretty = serde_json::to_vec_pretty(&sample()).expect("is written");
    assert!(matches!(Descriptor::parse(&pretty), Err(DescriptorError::NotCanonical)));
    let twice = text.replacen('{', r#"{"name":"other","#, 1);
    assert!(matches!(Descriptor::parse(twice.as_bytes()), Err(DescriptorError::Syntax(_))));
    let unknown = text.replacen('{', r#"{"a":1,"#, 1);
    assert!(matches!(Descriptor::parse(unknown.as_bytes()), Err(DescriptorError::Syntax(_))));
    assert!(matches!(Descriptor::parse(&vec![b' '; MAX_BYTES + 1]), Err(DescriptorError::TooLong(_))));
}

#[test]
fn what_contradicts_itself_is_refused_by_a_sentence() {
    type Change = fn(&mut Descriptor);
    let cases: [(&str, Change); 14] = [
        ("no name", |it| it.name = "../keys".to_owned()),
        ("no name", |it| it.name = ".".to_owned()),
        ("named root", |it| it.public_inputs[1].name = "root".to_owned()),
        ("come first", |it| it.public_inputs.swap(0, 2)),
        ("no public input is the payee", |it| it.public_inputs.truncate(2)),
        ("2 public inputs are the payee", |it| it.public_inputs[1].role = PublicRole::Payee),
        ("witnessWasm", |it| it.artifacts.clear()),
        ("9 URLs", |it| {
            for artifact in it.artifacts.values_mut() {
                let url = artifact.urls[0].clone();
                artifact.urls.resize(9, url);
            }
        }),
        ("where a slot's input", |it| it.input.sources.clear()),
        ("each of the circuit's once", |it| it.public_inputs[0].signal = Some(1)),
        ("each of the circuit's once", |it| it.public_inputs[2].signal = Some(3)),
        ("9007199254740992", |it| it.constraints = Some(1 << 53)),
        ("1.5", |it| it.notes = json!([{ "ratio": 1.5 }])),
        ("key hash", |it| it.verifier.key_hash = Some("0x12".to_owned())),
    ];
    for (says, change) in cases {
        let mut descriptor = sample();
        change(&mut descriptor);
        let error = descriptor.validate().expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_type_and_takes_its_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/circuit-descriptor.schema.json");
    let schema = serde_json::to_string_pretty(&Descriptor::schema()).expect("is written") + "\n";
    if std::env::var_os("PROVERY_REGENERATE").is_some() {
        std::fs::write(path, &schema).expect("can be written");
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(published, schema, "run this test with PROVERY_REGENERATE=1");
    let document = serde_json::to_value(sample()).expect("is written");
    let validator = jsonschema::validator_for(&Descriptor::schema()).expect("is a schema");
    assert!(validator.is_valid(&document));
    let mut wrong = document;
    wrong["artifacts"]["witnessWasm"]["digest"] = "sha256:12".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn signals_are_the_circuits_places() {
    let mut descriptor = sample();
    assert_eq!(descriptor.signals(), Some(vec![0, 1, 2]));
    // As circom has them: the output first.
    descriptor.public_inputs[0].signal = Some(1);
    descriptor.public_inputs[1].signal = Some(0);
    descriptor.validate().expect("is a permutation");
    assert_eq!(descriptor.signals(), Some(vec![1, 0, 2]));
}

#[test]
fn a_figure_is_signed_with_the_circuit_that_it_is_of() {
    let point = sample().cost.remove(0);
    let message = point.message("merkle-10", "ab");
    assert_ne!(message, point.message("merkle-11", "ab"));
    assert_ne!(message, CostPoint { milliseconds: 121, ..point.clone() }.message("merkle-10", "ab"));
    assert!(message.ends_with("milliseconds: 120\nmebibytes: 40"), "{message}");
}

/// `PROVERY_FUZZ_SEED=n` repeats a run.
fn runner(cases: u32) -> TestRunner {
    let given = std::env::var("PROVERY_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand_seed);
    println!("PROVERY_FUZZ_SEED={seed}");
    let rng_seed = RngSeed::Fixed(seed);
    TestRunner::new(Config { cases, rng_seed, failure_persistence: None, ..Config::default() })
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// A document is either refused by a short sentence or is the very bytes that it writes.
fn sound(bytes: &[u8]) -> Result<(), TestCaseError> {
    match Descriptor::parse(bytes) {
        Ok(read) => prop_assert_eq!(read.to_bytes().expect("is written"), bytes),
        Err(error) => {
            let text = error.to_string();
            prop_assert!(!text.is_empty() && text.len() < 1_000, "{}", text);
        }
    }
    Ok(())
}

#[test]
fn damaged_documents_are_refused_or_are_what_they_say() {
    let whole = sample().to_bytes().expect("is written");
    let length = whole.len();
    let damage = (0..4u8, 0..length, any::<u8>(), prop::collection::vec(any::<u8>(), 0..64));
    runner(2_000)
        .run(&damage, |(kind, at, byte, more)| {
            let mut bytes = whole.clone();
            match kind {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes[at] = byte,
                _ => drop(bytes.splice(at..at, more)),
            }
            sound(&bytes)?;
            let registered = Descriptor::registered(&bytes, Digest::of(&whole));
            prop_assert_eq!(registered.is_ok(), bytes == whole);
            Ok(())
        })
        .expect("holds");
}

#[test]
fn documents_of_any_shape_are_refused_or_are_what_they_say() {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(6, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let document = serde_json::to_value(sample()).expect("is written");
    let members: Vec<String> = document.as_object().expect("is one").keys().cloned().collect();
    runner(2_000)
        .run(&(0..members.len(), value), |(member, value)| {
            let mut changed = document.clone();
            changed[&members[member]] = value.clone();
            sound(&serde_json_canonicalizer::to_vec(&changed).expect("is written"))?;
            let mut noted = sample();
            noted.notes = value;
            sound(&noted.to_bytes().expect("is written"))
        })
        .expect("holds");
}

#[test]
fn neither_depth_nor_length_costs_more_than_an_error() {
    let text = String::from_utf8(sample().to_bytes().expect("is written")).expect("is text");
    for deep in ["[", r#"{"a":"#] {
        let nested = text.replacen("\"name\"", &format!("\"notes\":{},\"name\"", deep.repeat(40_000)), 1);
        assert!(matches!(Descriptor::parse(nested.as_bytes()), Err(DescriptorError::Syntax(_))));
    }
    let long = text.replacen("\"name\"", &format!("\"{}\":1,\"name\"", "x".repeat(100_000)), 1);
    assert!(Descriptor::parse(long.as_bytes()).expect_err("is unknown").to_string().len() < 500);
    let endless = vec![b'['; MAX_BYTES * 4];
    assert!(matches!(Descriptor::parse(&endless), Err(DescriptorError::TooLong(_))));
}
