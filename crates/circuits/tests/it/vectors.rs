//! `tests/vectors/block_statement.json`, which the Solidity verifier reads too. `PROVERY_REGENERATE=1` writes it.

use std::{env, fs, path::PathBuf};

use provery_circuits::{BlockJob, Fr, Params, State, Traffic, payload::JobTerms, word};
use serde_json::{Value, json};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/block_statement.json")
}

fn hex(bytes: &[u8]) -> Value {
    format!("0x{}", hex::encode(bytes)).into()
}

fn case(name: &str, payee: u8, data: Vec<u8>, state: &State, claimed_root: Option<Fr>) -> Value {
    let params = Params::new(8).expect("the demo's size");
    let mut terms = JobTerms {
        params,
        payee: [payee; 20],
        domain: word::from_field(&Fr::from(31_337u32)),
        claimed_root: word::from_field(&claimed_root.unwrap_or_default()),
    };
    let mut job = BlockJob::from_state(state, &data, &terms).expect("any bytes that fit are a block");
    if claimed_root.is_none() {
        terms.claimed_root = word::from_field(&job.trace().new_root);
        job = BlockJob::from_state(state, &data, &terms).expect("any bytes that fit are a block");
    }
    let [c, r, y] = job.groth16_inputs().map(|input| hex(&word::from_field(&input)));
    let statement = job.statement();
    json!({
        "name": name,
        "blockTxs": params.block_txs(),
        "payee": hex(&statement.payee),
        "domain": hex(&statement.domain),
        "oldRoot": hex(&statement.old_root),
        "newRoot": hex(&statement.claimed_root),
        "correct": statement.correct,
        "data": hex(&data),
        "dataHash": hex(&word::keccak256(&[&data])),
        "publicInputs": job.public_inputs_market().iter().map(|word| hex(word)).collect::<Vec<_>>(),
        "coefficients": job.fingerprint().coefficients.iter().map(|m| hex(&word::from_field(m))).collect::<Vec<_>>(),
        "C": c,
        "r": r,
        "y": y,
    })
}

#[test]
fn block_statement_vectors() {
    let mut traffic = Traffic::new(42, 16);
    let state = State::from_genesis(&traffic.genesis_bytes()).expect("the traffic's genesis");
    let full = traffic.next_block(&state, 8, &word::from_field(&Fr::from(31_337u32))).expect("a whole state");
    let garbage: Vec<u8> = (0..333u32).map(|i| word::keccak256(&[&i.to_be_bytes()])[0]).collect();
    let vectors = Value::Array(vec![
        case("empty", 0x11, Vec::new(), &state, None),
        case("garbage of odd length", 0xff, garbage, &state, Some(Fr::from(1u8))),
        case("eight transfers", 0xa5, full, &state, None),
    ]);
    let text = serde_json::to_string_pretty(&vectors).expect("plain values") + "\n";
    let path = path();
    if env::var_os("PROVERY_REGENERATE").is_some() {
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("the folder can be made");
        fs::write(&path, &text).expect("the file can be written");
    }
    let committed = fs::read_to_string(&path).expect("tests/vectors/block_statement.json is committed");
    assert_eq!(committed, text, "run with PROVERY_REGENERATE=1 if the change is meant");
}
