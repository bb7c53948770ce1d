use super::*;

fn sample() -> Descriptor {
    let input = |name: &str, kind, role| PublicInput { name: name.to_owned(), kind, role, signal: None, meaning: String::new() };
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
    let cases: [(&str, Change); 9] = [
        ("no name", |it| it.name = "../keys".to_owned()),
        ("no name", |it| it.name = ".".to_owned()),
        ("named root", |it| it.public_inputs[1].name = "root".to_owned()),
        ("come first", |it| it.public_inputs.swap(0, 2)),
        ("no public input is the payee", |it| it.public_inputs.truncate(2)),
        ("2 public inputs are the payee", |it| it.public_inputs[1].role = PublicRole::Payee),
        ("witnessWasm", |it| it.artifacts.clear()),
        ("where a slot's input", |it| it.input.sources.clear()),
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
