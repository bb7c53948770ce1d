//! Proofs, both ways.

use ark_bn254::{Bn254, Fr};
use ark_groth16::{Groth16, prepare_verifying_key};
use provery_circom::{
    CircomBackend, CircomError, Input, JobInput, Limits, ProofJson, R1cs, VerifyingKeyJson,
    WitnessCalculator, WitnessError, Wtns, Zkey, describe, public_from_json, public_to_json,
};
use provery_proving::{Arkworks, Phase, Progress, ProofBackend, ProveError, proof, solidity};
use serde_json::Value;

use crate::fixtures::{
    CHAIN, Circuit, EDDSA, Fixture, MERKLE, REFUSALS, SMALL_MERKLE, Setup, fixture, snarkjs_verifies,
};

fn backend(fixture: &Fixture) -> CircomBackend {
    CircomBackend::open("tested", &fixture.artifacts(), Limits::default()).unwrap()
}

fn holds(fixture: &Fixture, proof: &ark_groth16::Proof<Bn254>, inputs: &[Fr]) -> bool {
    let key = VerifyingKeyJson::read(&fixture.read("vkey.json")).unwrap();
    Groth16::<Bn254>::verify_proof(&prepare_verifying_key(&key), proof, inputs).unwrap()
}

/// Everything that must agree between snarkjs and us about one circuit.
fn agree(circuit: &Circuit) {
    let fixture = fixture(circuit);
    let backend = backend(&fixture);
    backend.key().check().unwrap();

    // snarkjs' witness is ours.
    let wtns = Wtns::open(&fixture.path("wtns")).unwrap().values().unwrap();
    let input = fixture.read("input.json");
    assert_eq!(backend.witness(&JobInput::read(&input, Vec::new()).unwrap(), &()).unwrap(), wtns);
    assert_eq!(Wtns::from_bytes(Wtns::encode(&wtns)).unwrap().values().unwrap(), wtns);

    // Our proof verifies in snarkjs, and not for another payee.
    let proven = backend.prove_job(&input, &()).unwrap();
    let public = public_to_json(&proven.inputs);
    let json = serde_json::to_string(&ProofJson::new(&proven.proof)).unwrap();
    assert!(snarkjs_verifies(&fixture, &serde_json::to_string(&public).unwrap(), &json));
    let mut other = public.clone();
    let payee = other.iter_mut().find(|it| **it == 0xc0ff_ee00u32.to_string()).unwrap();
    *payee = "1".to_owned();
    assert!(!snarkjs_verifies(&fixture, &serde_json::to_string(&other).unwrap(), &json));
    assert_eq!(ProofJson::read(json.as_bytes()).unwrap(), proven.proof);
    assert_eq!(public_from_json(&fixture.read("public.json")).unwrap(), proven.inputs);

    // snarkjs' proof verifies here, and is written back as it was read.
    let theirs = ProofJson::read(&fixture.read("proof.json")).unwrap();
    assert!(holds(&fixture, &theirs, &proven.inputs));
    let written = serde_json::to_value(ProofJson::new(&theirs)).unwrap();
    assert_eq!(written, serde_json::from_slice::<Value>(&fixture.read("proof.json")).unwrap());

    // The key is the same in the zkey and in snarkjs' export, which has one member more.
    let key = VerifyingKeyJson::read(&fixture.read("vkey.json")).unwrap();
    assert_eq!(&key, backend.key().verifying_key());
    assert_eq!(solidity::verifying_key_hash(&key), backend.key().key_hash());
    let mut exported: Value = serde_json::from_slice(&fixture.read("vkey.json")).unwrap();
    exported.as_object_mut().unwrap().remove("vk_alphabeta_12");
    assert_eq!(serde_json::to_value(VerifyingKeyJson::new(&key)).unwrap(), exported);

    // As a backend: what the verifier contract reads, from an input and from a witness file.
    for job in [input, fixture.read("wtns")] {
        let output = ProofBackend::prove(&backend, &job, &()).unwrap();
        assert_eq!(output.public_inputs, proof::encode_inputs(&proven.inputs));
        assert!(holds(&fixture, &proof::decode(&output.proof).unwrap(), &proven.inputs));
        let phases: Vec<_> = output.timings.iter().map(|(phase, _)| phase.as_str()).collect();
        assert_eq!(phases, ["witness", "fft", "msm", "verify"]);
    }

    // The key's matrices are the circuit's, and the payee is bound.
    let description = describe(&fixture.artifacts()).unwrap();
    assert_eq!(description.payee_bound, Some(true), "{description:?}");
    assert_eq!(description.development, circuit.setup == Setup::Seeded);
}

#[test]
fn a_merkle_membership_with_snarkjs_keys_is_proven_both_ways() {
    agree(&SMALL_MERKLE);
}

#[test]
fn a_merkle_membership_of_ten_levels_is_proven_both_ways() {
    agree(&MERKLE);
}

#[test]
fn an_eddsa_signature_is_proven_both_ways() {
    agree(&EDDSA);
}

#[test]
fn a_poseidon_chain_is_proven_both_ways() {
    agree(&CHAIN);
}

// Minutes of snarkjs for powers of tau of this size: for ./script/assure.
#[test]
fn circuits_with_snarkjs_keys_of_2_to_the_13_are_proven_both_ways() {
    agree(&Circuit { setup: Setup::Snarkjs(13), ..MERKLE });
    agree(&Circuit { setup: Setup::Snarkjs(13), ..EDDSA });
}

/// The bytes of a key, and where its coefficients begin and end.
fn coefficients(fixture: &Fixture) -> (Vec<u8>, std::ops::Range<usize>) {
    let bytes = fixture.read("zkey");
    let mut at = 12;
    loop {
        let number = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
        at += 12;
        if number == 4 {
            return (bytes, at + 4..at + length);
        }
        at += length;
    }
}

#[test]
fn the_order_of_a_keys_coefficients_does_not_matter() {
    const RECORD: usize = 44;
    // Enough of them for several cores to share.
    let fixture = fixture(&CHAIN);
    let (mut bytes, range) = coefficients(&fixture);
    let records = &mut bytes[range].as_chunks_mut::<RECORD>().0;
    assert!(records.len() > 1 << 12, "{}", records.len());
    records.reverse();
    let directory = tempfile::tempdir().unwrap();
    let zkey = directory.path().join("reversed.zkey");
    std::fs::write(&zkey, &bytes).unwrap();
    let artifacts = provery_circom::Artifacts { zkey, ..fixture.artifacts() };
    let backend = CircomBackend::open("reversed", &artifacts, Limits::default()).unwrap();
    let proven = backend.prove_job(&fixture.read("wtns"), &()).unwrap();
    assert!(holds(&fixture, &proven.proof, &proven.inputs));
    // But such a key is not said to be of the constraints.
    assert!(describe(&artifacts).unwrap_err().to_string().contains("is not the one"));
}

#[test]
fn the_slower_engine_makes_proofs_of_the_same_key() {
    let fixture = fixture(&SMALL_MERKLE);
    let backend = CircomBackend::with_engine("m", &fixture.artifacts(), Limits::default(), Arkworks).unwrap();
    let proven = backend.prove_job(&fixture.read("wtns"), &()).unwrap();
    assert!(holds(&fixture, &proven.proof, &proven.inputs));
}

#[test]
fn a_description_names_what_the_files_tell() {
    let merkle = fixture(&SMALL_MERKLE);
    let told = serde_json::to_value(describe(&merkle.artifacts()).unwrap()).unwrap();
    assert_eq!(told["proofSystem"], "groth16");
    assert_eq!(told["contributions"], 1);
    let bound = |name| serde_json::json!({ "name": name, "bound": true });
    assert_eq!(told["publicInputs"], Value::Array(vec![bound("root"), bound("payee")]));
    assert_eq!(told["artifacts"][0]["kind"], "zkey");

    // Without constraints or names nothing is claimed.
    let mut artifacts = merkle.artifacts();
    artifacts.r1cs = None;
    let less = describe(&artifacts).unwrap();
    assert_eq!((less.constraints, less.payee_bound), (None, None));

    let refusals = fixture(&REFUSALS);
    let told = describe(&refusals.artifacts()).unwrap();
    let inputs: Vec<_> = told
        .public_inputs
        .iter()
        .map(|input| (input.name.as_deref().unwrap(), input.bound.unwrap()))
        .collect();
    assert_eq!(inputs, [("c", true), ("payee", true), ("ignored", false)]);

    // Constraints of another circuit are not believed.
    artifacts.r1cs = Some(refusals.path("r1cs"));
    assert!(describe(&artifacts).unwrap_err().to_string().contains("belongs to another circuit"));
}

/// A change to the input of the circuit that refuses.
fn refused(change: &[(&str, Value)], remove: &[&str]) -> CircomError {
    let fixture = fixture(&REFUSALS);
    let mut input: Value = serde_json::from_slice(&fixture.read("input.json")).unwrap();
    let members = input.as_object_mut().unwrap();
    for (name, value) in change {
        members.insert((*name).to_owned(), value.clone());
    }
    for name in remove {
        members.remove(*name);
    }
    backend(&fixture).prove_job(input.to_string().as_bytes(), &()).unwrap_err()
}

#[test]
fn an_input_that_does_not_fit_is_refused_with_the_signals_name() {
    let error = refused(&[("extra", 1.into())], &[]);
    assert_eq!(
        error.to_string(),
        "the circuit has no input extra: check its spelling against the circuit's `signal input`s"
    );
    let error = refused(&[("a", vec![1, 2, 3].into())], &[]).to_string();
    assert!(error.starts_with("a got 3 values and the circuit takes 2"), "{error}");
    let error = refused(&[], &["b", "a"]).to_string();
    assert!(error.starts_with("the input sets 2 of the circuit's 5 input values, not a, b:"), "{error}");
    let error = refused(&[("b", Value::Null)], &[]).to_string();
    assert!(error.starts_with("the value of b is null"), "{error}");
}

#[test]
fn an_assertion_that_fails_is_named_by_template_and_line() {
    let error = refused(&[("b", 7.into())], &[]);
    assert!(matches!(&error, CircomError::Witness(WitnessError::Assert { .. })), "{error}");
    assert!(error.to_string().contains("Refusals") && error.to_string().contains("line"), "{error}");
}

#[test]
fn a_witness_that_breaks_a_constraint_is_refused_with_constraint_and_signals() {
    let fixture = fixture(&REFUSALS);
    let mut values = Wtns::open(&fixture.path("wtns")).unwrap().values().unwrap();
    let last = values.len() - 1;
    values[last] += Fr::from(1);
    let job = Wtns::encode(&values);
    let error = backend(&fixture).prove_job(&job, &()).unwrap_err();
    let CircomError::Unsatisfied { constraint, names } = &error else { panic!("{error}") };
    let r1cs = R1cs::open(&fixture.path("r1cs")).unwrap();
    assert_eq!(r1cs.unsatisfied(&values).unwrap().map(u64::from), Some(*constraint));
    assert!(names.0.contains(&"main.inverse".to_owned()), "{error}");
    assert!(error.to_string().contains(&format!("constraint {constraint}, of signals main.")), "{error}");

    // Without the constraints the proof does not verify, and the error says what would help.
    let mut artifacts = fixture.artifacts();
    artifacts.r1cs = None;
    let backend = CircomBackend::open("r", &artifacts, Limits::default()).unwrap();
    let error = backend.prove_job(&job, &()).unwrap_err();
    assert!(matches!(&error, CircomError::Unchecked) && error.to_string().contains(".r1cs"), "{error}");
    assert!(
        ProveError::from(error).is_of_job(),
        "whoever posts a witness is not believed to have a good one"
    );

    let error = backend.prove_job(&Wtns::encode(&values[..last]), &()).unwrap_err();
    assert!(matches!(error, CircomError::WitnessLength { .. }), "{error}");
    artifacts.wasm = None;
    let backend = CircomBackend::open("r", &artifacts, Limits::default()).unwrap();
    assert!(matches!(backend.prove_job(b"{}", &()).unwrap_err(), CircomError::NoCalculator));
}

#[test]
fn a_backend_gives_reasons_in_whole_sentences_and_stops_when_told() {
    let fixture = fixture(&CHAIN);
    let backend = backend(&fixture);
    assert_eq!(backend.circuit(), "tested");
    let error = ProofBackend::prove(&backend, b"{\"start\": 1}", &()).unwrap_err();
    assert!(matches!(&error, ProveError::Unprovable { .. }), "{error:?}");
    assert!(error.to_string().contains("not payee"), "{error}");
    for bad in [&b"{\"start\": 1}"[..], b"no JSON", b"wtns", b"{\"start\": 1, \"nosuch\": 2}"] {
        for checked in [backend.check(bad, &()).err(), ProofBackend::prove(&backend, bad, &()).err()] {
            let error = checked.expect("refused");
            assert!(error.is_of_job(), "the job is at fault, and not this machine: {error:?}");
        }
    }
    backend.check(&fixture.read("input.json"), &()).expect("it holds");

    /// Wants the proof until a phase begins.
    struct Until(&'static str, std::sync::atomic::AtomicBool);
    impl Progress for Until {
        fn phase(&self, phase: Phase) {
            if phase.as_str() == self.0 {
                self.1.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        fn cancelled(&self) -> bool {
            self.1.load(std::sync::atomic::Ordering::Relaxed)
        }
    }
    for phase in ["witness", "fft", "msm"] {
        let error = ProofBackend::prove(&backend, &fixture.read("input.json"), &Until(phase, false.into()))
            .unwrap_err();
        assert!(matches!(error, ProveError::Cancelled), "{phase}: {error}");
    }
}

#[test]
fn a_witness_program_runs_again_after_a_refusal() {
    let fixture = fixture(&CHAIN);
    let calculator = WitnessCalculator::open(&fixture.wasm(), Limits::default()).unwrap();
    let bad = Input::from_json(br#"{"start": 1}"#).unwrap();
    calculator.calculate(&bad, &|| false).unwrap_err();
    let good = Input::from_json(&fixture.read("input.json")).unwrap();
    let values = calculator.calculate(&good, &|| false).unwrap();
    assert_eq!(values.len(), Zkey::open(&fixture.path("zkey")).unwrap().wires());
}

#[test]
fn keys_and_proofs_of_others_are_refused_by_name() {
    let fixture = fixture(&SMALL_MERKLE);
    let text = String::from_utf8(fixture.read("vkey.json")).unwrap();
    let mut key: Value = serde_json::from_str(&text).unwrap();
    let refuse = |change: &dyn Fn(&mut Value), part: &str| {
        let mut changed = key.clone();
        change(&mut changed);
        let error = VerifyingKeyJson::read(changed.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refuse(&|key| key["curve"] = "bls12381".into(), "curve \"bls12381\"");
    refuse(&|key| key["protocol"] = "plonk".into(), "protocol \"plonk\"");
    refuse(&|key| key["vk_delta_2"] = key["vk_gamma_2"].clone(), "forged");
    refuse(&|key| key["vk_alpha_1"][0] = "1".into(), "alpha");
    refuse(&|key| key["IC"][1] = serde_json::json!(["0", "1", "0"]), "infinity");
    refuse(&|key| key["IC"][1][2] = "2".into(), "IC_1 is not written as a point");
    refuse(&|key| key["vk_alpha_1"][0] = "01".into(), "a coordinate of alpha");
    refuse(&|key| key["nPublic"] = 3.into(), "says it has 3 public inputs and has points for 2");
    key["vk_alpha_1"] = Value::Null;
    assert!(VerifyingKeyJson::read(key.to_string().as_bytes()).is_err());
    assert!(ProofJson::read(b"{}").is_err());
    assert!(public_from_json(b"[\"-1\"]").is_err());
}
