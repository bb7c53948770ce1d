//! Writes the proven block that the Solidity tests use, with the key of its circuit: tests/vectors/block_proof.json.
//!
//! Example: cargo run -p provery-workloads --example block_fixture -- .provery/keys

use std::{error::Error, fs, path::Path};

use provery_circuits::{
    Params, State, Traffic,
    payload::{BlockJob, JobTerms},
    word,
};
use provery_proving::solidity;
use provery_workloads::transfer_rollup::backend::{self, BlockBackend};
use serde_json::json;

/// The rollup's address in the tests; with the chain's id it decides what transfers are signed for.
const ROLLUP: [u8; 20] = *b"rollup under testing";
const CHAIN_ID: u64 = 31337;
const PAYEE: [u8; 20] = *b"payee of the fixture";
const BLOCK_TXS: usize = 8;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let keys = std::env::args().nth(1).ok_or("pass a directory for keys")?;
    let params = Params::new(BLOCK_TXS)?;
    backend::generate_keys(&params, &SEED.to_be_bytes(), Path::new(&keys))?;
    let keys = backend::load_keys(&params, Path::new(&keys), None)?;
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let key = solidity::key_words(&keys.verifying.key);
    let key_hash = solidity::key_hash(&keys.verifying.key);

    let mut chain_id = [0; 32];
    chain_id[24..].copy_from_slice(&CHAIN_ID.to_be_bytes());
    let hash = word::keccak256(&[&chain_id, &word::from_address(&ROLLUP)]);
    let mut domain = [0; 32];
    domain[1..].copy_from_slice(&hash[..31]);

    let mut traffic = Traffic::new(SEED, 16);
    let genesis = traffic.genesis_bytes();
    let state = State::from_genesis(&genesis)?;
    let data = traffic.next_block(&state, BLOCK_TXS, &domain)?;
    let mut after = state.clone();
    let context = provery_circuits::BlockContext { params, domain: word::reduce(&domain) };
    after.apply_block(&data, &context)?;
    let terms = JobTerms { params, payee: PAYEE, domain, claimed_root: after.root_word() };
    let job = BlockJob::from_state(&state, &data, &terms)?;
    let output = BlockBackend::new(keys).prove_job(&job, &())?;

    let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let words = |words: &[[u8; 32]]| words.iter().map(|word| hex(word)).collect::<Vec<_>>();
    let fixture = json!({
        "about": "a proven block of the reference rollup; written by the example block_fixture of provery-workloads",
        "chainId": CHAIN_ID,
        "rollup": hex(&ROLLUP),
        "keyHash": hex(&key_hash),
        "payee": hex(&PAYEE),
        "genesis": hex(&genesis),
        "data": hex(&data),
        "publicInputs": words(&output.public_inputs),
        "proof": hex(&output.proof),
        "verifyingKey": words(&key),
    });
    fs::write(root.join("tests/vectors/block_proof.json"), serde_json::to_string_pretty(&fixture)? + "\n")?;
    println!("wrote tests/vectors/block_proof.json");
    Ok(())
}
