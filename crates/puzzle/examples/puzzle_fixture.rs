//! Writes the mined ticket that the Solidity tests use: tests/vectors/puzzle_proof.json and the verifier of its key.
//!
//! Example: cargo run -p provery-puzzle --example puzzle_fixture -- .provery/keys

use std::{error::Error, fs, num::NonZeroUsize, path::Path, sync::atomic::AtomicBool};

use provery_proving::solidity;
use provery_puzzle::{Miner, PuzzleProver};
use serde_json::json;

/// A round of a market's in the tests: its seed has 128 bits, as the mechanism's.
const ROUND_SEED: [u8; 16] = *b"round in testing";
const MARKET: u8 = 1;
/// The payee of tests/vectors/block_proof.json.
const PROVER: [u8; 20] = *b"payee of the fixture";
/// Zeros that the output begins with, beyond the two of every field element: good for any target not far below the
/// easiest.
const ZERO_BITS: u32 = 6;
const KEY_SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let keys = std::env::args().nth(1).ok_or("pass a directory for keys")?;
    let keys = Path::new(&keys);
    provery_puzzle::generate_keys(&KEY_SEED.to_be_bytes(), keys)?;
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let source = solidity::generate(&provery_puzzle::load_verifying(keys, None)?.key, "PuzzleVerifier")?;
    fs::write(root.join("contracts/test/verifiers/generated/PuzzleVerifier.sol"), source)?;

    let (mut seed, mut market, mut target) = ([0; 32], [0; 32], [0; 32]);
    seed[16..].copy_from_slice(&ROUND_SEED);
    market[31] = MARKET;
    target[0] = 1 << (6 - ZERO_BITS);
    let miner = Miner { seed, market, prover: PROVER };
    let ticket = miner
        .search(&target, 0, NonZeroUsize::MIN, &AtomicBool::new(false))
        .ok_or("the search was cancelled")?;
    let proven = PuzzleProver::load(keys, None)?.prove(&ticket.challenge, &())?;
    if proven.output != ticket.output {
        return Err("the proof is of another output".into());
    }

    let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let fixture = json!({
        "about": "a mined ticket; written by the example puzzle_fixture of provery-puzzle",
        "seed": hex(&seed),
        "market": hex(&market),
        "prover": hex(&PROVER),
        "nonce": ticket.nonce,
        "challenge": hex(&ticket.challenge),
        "output": hex(&ticket.output),
        "proof": hex(&proven.proof),
    });
    fs::write(root.join("tests/vectors/puzzle_proof.json"), serde_json::to_string_pretty(&fixture)? + "\n")?;
    println!(
        "wrote tests/vectors/puzzle_proof.json and contracts/test/verifiers/generated/PuzzleVerifier.sol"
    );
    Ok(())
}
