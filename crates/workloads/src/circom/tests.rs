use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolEvent as _,
};
use ark_bn254::Fr;
use provery_bindings::SlotInputs::{InputLinked, InputPosted};
use provery_descriptor::{Artifact, Descriptor};
use provery_proving::proof;
use provery_types::{BlockRef, Slot, statement_hash};
use serde_json::json;

use super::{job::CircuitJob, layout::Layout, tracker::MOST_INPUTS, *};
use crate::{Fetched, MOST_URL_BYTES, Needs, SourceLog, Statement, Workloads};

const MARKET: U256 = U256::from_limbs([5, 0, 0, 0]);
const INPUTS: Address = Address::repeat_byte(0x1b);
const PAYEE: Address = Address::repeat_byte(0x44);

/// circom's order: out, root, path[0], path[1], payee.
fn descriptor(payee_bound: bool) -> Descriptor {
    let input = |name: &str, kind: &str, role: &str, signal: u32| json!({ "name": name, "type": kind, "role": role, "signal": signal });
    let mut inputs = vec![
        input("root", "field", "statement", 1),
        input("path[0]", "field", "statement", 2),
        input("path[1]", "field", "statement", 3),
        input("out", "field", "output", 0),
    ];
    if payee_bound {
        inputs.push(input("payee", "address", "payee", 4));
    }
    serde_json::from_value(json!({
        "version": 1,
        "name": "merkle",
        "proofSystem": "groth16",
        "curve": "bn254",
        "publicInputs": inputs,
        "payeeBound": payee_bound,
        "verifier": { "interface": "IVerifier" },
        "setup": { "kind": "development" },
        "witness": { "kind": "external" },
        "input": { "sources": ["posted"] },
    }))
    .expect("a descriptor")
}

fn record(parameters: Value) -> RollupRecord {
    RollupRecord {
        name: "merkle".to_owned(),
        address: INPUTS,
        code_hash: B256::ZERO,
        block: 1,
        market: MARKET,
        workload: NAME.to_owned(),
        circuit: circuit_name(&Digest::of(b"descriptor")),
        circuit_id: B256::ZERO,
        key_hash: B256::ZERO,
        sources: Vec::new(),
        parameters,
    }
}

fn job() -> CircuitJob {
    CircuitJob { statement: [7, 8, 9].map(U256::from).to_vec(), payee: PAYEE, inputs: vec![Bytes::new()] }
}

#[test]
fn a_circuit_is_named_by_its_descriptor() {
    let digest = Digest::of(b"descriptor");
    let name = circuit_name(&digest);
    let circuit = Workloads::default().circuit(&name).expect("it is known");
    assert_eq!((circuit.name(), circuit.descriptor_hash()), (name.clone(), B256::from(digest.0)));
    for bad in ["circom-", "circom-0123", &name.to_uppercase(), &name[1..], &format!("{name}0")] {
        assert!(WORKLOAD.circuit(bad).is_none(), "{bad}");
    }
}

#[test]
fn parameters_are_two_words() {
    for (parameters, right) in [
        (json!({ "input": "posted" }), true),
        (json!({ "input": "statement" }), true),
        (json!({ "input": "elsewhere" }), false),
        (json!({ "input": "posted", "more": 1 }), false),
        (Value::Null, false),
    ] {
        let read = WORKLOAD.track(1, &record(parameters.clone()));
        assert_eq!(read.is_ok(), right, "{parameters}");
    }
}

#[test]
fn public_inputs_come_in_the_markets_order_and_go_back() {
    for bound in [true, false] {
        let layout = Layout::of(&descriptor(bound)).expect("a layout");
        assert_eq!((layout.stated(), layout.outputs()), (3, 1));
        let payee = U256::from_be_slice(PAYEE.as_slice());
        let signals: Vec<Fr> = [3u64, 7, 8, 9].map(Fr::from).into_iter().collect();
        let signals = if bound {
            [signals, vec![proof::from_word(&payee.to_be_bytes()).expect("below the order")]].concat()
        } else {
            signals
        };
        let words = layout.public_inputs(&job(), &signals).expect("the job's");
        let expected = [U256::from(7), U256::from(8), U256::from(9), U256::from(3), payee];
        assert_eq!(words, expected.map(|word| word.to_be_bytes()));
        assert_eq!(layout.signals_of(&words).as_deref(), Some(&signals[..]));
        let other = CircuitJob { payee: INPUTS, ..job() };
        assert_eq!(layout.public_inputs(&other, &signals).is_none(), bound, "another payee");
        let other = CircuitJob { statement: [7, 8, 8].map(U256::from).to_vec(), ..job() };
        assert!(layout.public_inputs(&other, &signals).is_none(), "another statement");
    }
}

#[test]
fn the_job_decides_the_public_signals() {
    let layout = Layout::of(&descriptor(true)).expect("a layout");
    let signals = layout.signals(&job()).expect("they fit");
    let payee =
        proof::from_word(&U256::from_be_slice(PAYEE.as_slice()).to_be_bytes()).expect("below the order");
    let expected =
        [("root", vec![Fr::from(7)]), ("path", vec![Fr::from(8), Fr::from(9)]), ("payee", vec![payee])];
    assert_eq!(signals, expected.map(|(name, values)| (name.to_owned(), values)));
    let short = CircuitJob { statement: vec![U256::from(7)], ..job() };
    assert!(layout.signals(&short).is_err());
    let large = CircuitJob { statement: vec![U256::MAX; 3], ..job() };
    assert!(layout.signals(&large).expect_err("no field element").to_string().contains("root"));
}

/// A market of which one slot states 7, 8, 9.
struct Scene {
    tracker: Box<dyn Tracker>,
    slot: Slot,
    inputs: Vec<U256>,
    fetched: Here,
}

/// What was fetched, by its digest.
#[derive(Debug, Default)]
struct Here(BTreeMap<Digest, Vec<u8>>, Vec<Digest>);

impl Fetched for Here {
    fn get(&self, artifact: &Artifact) -> Option<Vec<u8>> {
        self.0.get(&artifact.digest).cloned()
    }

    fn first(&self) -> &[Digest] {
        &self.1
    }
}

impl Scene {
    fn new(parameters: Value) -> Self {
        let inputs = job().statement;
        let slot = Slot { market: MARKET, id: 1, statement: statement_hash(&inputs), ..Slot::default() };
        Self {
            tracker: WORKLOAD.track(1, &record(parameters)).expect("parameters"),
            slot,
            inputs,
            fetched: Here::default(),
        }
    }

    fn says(&mut self, block: u64, market: U256, text: &'static [u8]) {
        let event = InputPosted { market, statement: self.slot.statement, input: text.into() };
        self.log(block, INPUTS, &event.encode_log_data()).expect("it decodes");
    }

    fn link(&self, url: &str, bytes: &[u8]) -> InputLinked {
        InputLinked {
            market: MARKET,
            statement: self.slot.statement,
            url: url.to_owned(),
            digest: B256::from(Digest::of(bytes).0),
            size: bytes.len() as u64,
        }
    }

    fn links(&mut self, block: u64, url: &str, bytes: &[u8]) {
        let data = self.link(url, bytes).encode_log_data();
        self.log(block, INPUTS, &data).expect("it decodes");
    }

    fn needs(&self) -> Needs {
        self.tracker.needs(&Statement { slot: &self.slot, inputs: &self.inputs })
    }

    fn log(&mut self, block: u64, address: Address, data: &alloy::primitives::LogData) -> Result<(), String> {
        let block = BlockRef { number: block, ..BlockRef::default() };
        self.tracker.apply(&SourceLog { address, block, index: 0, data })
    }

    fn job(&mut self) -> Result<CircuitJob, Why> {
        let stated = Statement { slot: &self.slot, inputs: &self.inputs };
        let job = self.tracker.job(&stated, PAYEE, &self.fetched).map_err(|refusal| refusal.why)?;
        Ok(CircuitJob::from_bytes(&job.bytes).expect("a job"))
    }
}

#[test]
fn a_slot_is_proven_from_what_its_requester_posted_whatever_it_says_later() {
    let mut scene = Scene::new(json!({ "input": "posted" }));
    assert_eq!(scene.job(), Err(Why::NotPosted));
    scene.says(3, MARKET + U256::ONE, b"another market's");
    assert_eq!(scene.job(), Err(Why::NotPosted));
    scene.says(4, MARKET, b"first");
    scene.says(5, MARKET, b"last");
    let both = vec![Bytes::from_static(b"first"), Bytes::from_static(b"last")];
    assert_eq!(scene.job().map(|job| job.inputs), Ok(both.clone()));
    scene.links(6, "https://example.org", b"linked");
    let topics = vec![InputPosted::SIGNATURE_HASH, B256::ZERO, B256::ZERO];
    let senseless = alloy::primitives::LogData::new_unchecked(topics, vec![1].into());
    scene.log(7, INPUTS, &senseless).expect("it says nothing of others");
    assert_eq!(scene.job().map(|job| job.inputs), Ok(both.clone()), "a link takes nothing back");
    for block in 8..50 {
        scene.says(block, MARKET, b"more");
    }
    let many = scene.job().map(|job| job.inputs).expect("nor do many");
    assert_eq!((&many[..2], many.len()), (&both[..], MOST_INPUTS - 1), "one of those that count is linked");
}

#[test]
fn what_is_linked_is_named_by_its_hash_and_proven_from_once_it_is_here() {
    let mut scene = Scene::new(json!({ "input": "posted" }));
    scene.links(5, "ftp://example.org/a", b"linked");
    scene.links(5, "https:", b"linked");
    scene.links(5, &format!("https://example.org/{}", "a".repeat(MOST_URL_BYTES)), b"linked");
    assert_eq!(scene.job(), Err(Why::NotPosted), "none that anybody could fetch");
    scene.links(6, "https://example.org/a", b"linked");
    scene.links(7, "http://example.net/b", b"linked");
    let needs = scene.needs();
    assert_eq!((needs.linked.len(), needs.only_linked, needs.check), (1, true, true));
    let artifact = &needs.linked[0];
    assert_eq!((artifact.digest, artifact.size, artifact.urls.len()), (Digest::of(b"linked"), 6, 2));
    assert_eq!(scene.job(), Err(Why::Unfetched));
    scene.fetched.0.insert(Digest::of(b"linked"), b"linked".to_vec());
    let linked = Bytes::from_static(b"linked");
    assert_eq!(scene.job().map(|job| job.inputs), Ok(vec![linked.clone(), linked]));
    scene.says(8, MARKET, b"posted");
    let later = scene.needs();
    assert!(!later.only_linked && later.posted == [Digest::of(b"posted")] && needs.posted.is_empty());
    // An input that is too large for any prover takes the others' place no more than many do.
    let link = InputLinked { size: u64::MAX, ..scene.link("https://example.org/c", b"c") };
    scene.log(9, INPUTS, &link.encode_log_data()).expect("it decodes");
    assert_eq!(scene.needs(), later);
}

#[test]
fn inputs_among_which_a_witness_was_found_come_before_all_others() {
    let mut scene = Scene::new(json!({ "input": "posted" }));
    for junk in [b"junk 1", b"junk 2"] {
        scene.links(5, "https://example.org/junk", junk);
        scene.fetched.0.insert(Digest::of(junk), junk.to_vec());
    }
    scene.links(5, "https://example.org/good", b"good");
    scene.says(6, MARKET, b"fine");
    scene.says(7, MARKET, b"more");
    scene.fetched.0.insert(Digest::of(b"good"), b"good".to_vec());
    scene.fetched.1 = [b"fine", b"good"].map(|bytes| Digest::of(bytes)).to_vec();
    let inputs = scene.job().map(|job| job.inputs);
    assert_eq!(inputs, Ok(["good", "fine", "junk 1", "junk 2", "more"].map(Bytes::from).to_vec()));
}

#[test]
fn a_market_whose_statements_say_everything_needs_nothing_posted() {
    let mut scene = Scene::new(json!({ "input": "statement" }));
    assert_eq!(scene.job(), Ok(job()));
}

#[test]
fn inputs_of_slots_that_are_over_are_forgotten() {
    let mut scene = Scene::new(json!({ "input": "posted" }));
    scene.says(4, MARKET, b"input");
    let (slot, inputs) = (scene.slot.clone(), scene.inputs.clone());
    let stated = [Statement { slot: &slot, inputs: &inputs }];
    scene.tracker.forget(&stated, 10_000);
    assert!(scene.job().is_ok(), "its slot is open");
    scene.tracker.forget(&[], 1_003);
    assert!(scene.job().is_ok(), "its slot may be still to come");
    scene.tracker.forget(&[], 1_004);
    assert_eq!(scene.job(), Err(Why::NotPosted));
}

#[test]
fn what_to_type_for_a_circuit_from_elsewhere_is_what_works_for_it() {
    let workloads = Workloads::default();
    let name = circuit_name(&provery_descriptor::Digest::of(b"x"));
    let described = workloads.circuit(&name).expect("is one");
    let id = B256::repeat_byte(7);
    // It has neither a sample nor a setup of this program's.
    assert!(described.sample().is_err());
    assert_eq!(described.how_to_measure(), format!("provery circuit bench {name} --input INPUT.json"));
    assert_eq!(described.how_to_get(id, true), format!("provery circuit fetch {id}"));
    let own = workloads.circuit(&workloads.example()).expect("is one");
    assert!(own.how_to_measure().starts_with("provery calibrate --circuit "));
    assert!(own.how_to_get(id, true).starts_with("provery keys generate --circuit "));
    assert!(own.how_to_get(id, false).starts_with("provery keys import DIR --circuit "));
}
