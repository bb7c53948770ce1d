//! The puzzle's circuit against its native twin, the search, and `tests/vectors/puzzle.json`, which the Solidity tests read
//! too. `PROVERY_REGENERATE=1` writes it.

use std::{
    env, fs,
    num::NonZeroUsize,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ark_ff::{BigInteger, Field, PrimeField};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystem, OptimizationGoal};
use provery_circuits::{Fr, Word, word};
use provery_puzzle::{Miner, PuzzleCircuit, STEPS, output};
use serde_json::{Value, json};

const MINER: Miner = Miner { seed: [0x5e; 32], market: [0; 32], prover: [0xa5; 20] };
const ONE_THREAD: NonZeroUsize = NonZeroUsize::MIN;

fn is_satisfied(inputs: [Fr; 2]) -> bool {
    let cs = ConstraintSystem::new_ref();
    cs.set_optimization_goal(OptimizationGoal::Constraints);
    PuzzleCircuit { inputs: Some(inputs) }
        .generate_constraints(cs.clone())
        .expect("synthesis does not depend on values");
    cs.is_satisfied().expect("the system is complete")
}

/// What one try in `2^bits` is below.
fn target(bits: u32) -> Word {
    let mut target = Fr::MODULUS;
    target >>= bits;
    let mut word = [0; 32];
    word.copy_from_slice(&target.to_bytes_be());
    word
}

#[test]
fn the_circuit_accepts_the_chain_and_nothing_else() {
    for challenge in [-Fr::ONE, word::reduce(&MINER.challenge(3))] {
        let end = output(&challenge);
        assert!(is_satisfied([challenge, end]));
        assert_eq!(PuzzleCircuit::of(&challenge).inputs, Some([challenge, end]));
        assert!(!is_satisfied([challenge, end + Fr::ONE]), "the output is bound");
        assert!(!is_satisfied([challenge + Fr::ONE, end]), "the challenge is bound");
        assert!(!is_satisfied([end, challenge]), "the order is bound");
    }
}

#[test]
fn the_circuit_fits_its_domain() {
    let cs = ConstraintSystem::new_ref();
    cs.set_optimization_goal(OptimizationGoal::Constraints);
    PuzzleCircuit::of(&Fr::from(5u8)).generate_constraints(cs.clone()).expect("it synthesises");
    // A row for each public input and the constant one comes on top.
    let rows = cs.num_constraints() + 3;
    assert!((1 << 13..=1 << 14).contains(&rows), "{rows} rows");
}

#[test]
fn a_challenge_is_below_the_field_and_belongs_to_one_try() {
    let ticket = MINER.ticket(9);
    assert_eq!(ticket.challenge[0], 0);
    let others = [
        Miner { seed: [0x5f; 32], ..MINER }.ticket(9),
        Miner { market: [1; 32], ..MINER }.ticket(9),
        Miner { prover: [0xa6; 20], ..MINER }.ticket(9),
        MINER.ticket(10),
    ];
    for other in others {
        assert_ne!(other.challenge, ticket.challenge);
        assert_ne!(other.output, ticket.output);
    }
}

#[test]
fn the_search_finds_the_first_winner() {
    let (target, cancel) = (target(4), AtomicBool::new(false));
    let start = u64::MAX - 2;
    let ticket = MINER.search(&target, start, ONE_THREAD, &cancel).expect("it is not cancelled");
    assert!(ticket.output < target);
    assert_eq!(ticket, MINER.ticket(ticket.nonce));
    let tries = ticket.nonce.wrapping_sub(start);
    assert!((0..tries).all(|i| MINER.ticket(start.wrapping_add(i)).output >= target));

    let several = NonZeroUsize::new(3).expect("three is not zero");
    let ticket = MINER.search(&target, start, several, &cancel).expect("it is not cancelled");
    assert!(ticket.output < target);
}

#[test]
fn the_search_ends_when_it_is_cancelled() {
    let cancel = AtomicBool::new(true);
    assert_eq!(MINER.search(&[0xff; 32], 0, ONE_THREAD, &cancel), None, "it does not begin");
    cancel.store(false, Ordering::Relaxed);
    let several = NonZeroUsize::new(2).expect("two is not zero");
    thread::scope(|scope| {
        // Nothing is below zero.
        let search = scope.spawn(|| MINER.search(&[0; 32], 0, several, &cancel));
        thread::sleep(Duration::from_millis(50));
        cancel.store(true, Ordering::Relaxed);
        assert_eq!(search.join().expect("it does not panic"), None);
    });
}

#[test]
fn puzzle_vectors() {
    let hex = |bytes: &[u8]| -> Value { format!("0x{}", hex::encode(bytes)).into() };
    let number = |value: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&value.to_be_bytes());
        word
    };
    let cases: Vec<_> = [(0, 0), (1, 0), (1, 1), (7, 0x0123_4567_89ab_cdef), (u64::MAX, u64::MAX)]
        .into_iter()
        .map(|(market, nonce)| {
            let prover: Word = word::keccak256(&[b"prover", &number(market)]);
            let mut miner = Miner {
                seed: word::keccak256(&[b"seed", &number(market)]),
                market: number(market),
                prover: [0; 20],
            };
            miner.prover.copy_from_slice(&prover[12..]);
            let ticket = miner.ticket(nonce);
            json!({
                "seed": hex(&miner.seed),
                "market": hex(&miner.market),
                "prover": hex(&miner.prover),
                "nonce": hex(&number(nonce)),
                "challenge": hex(&ticket.challenge),
                "output": hex(&ticket.output),
            })
        })
        .collect();
    let vectors = json!({
        "about": "challenge = uint256(keccak256(abi.encode(seed, market, prover, nonce))) >> 8; output = end of the chain of hashes from it",
        "steps": STEPS,
        "cases": cases,
    });
    let text = serde_json::to_string_pretty(&vectors).expect("plain values") + "\n";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/puzzle.json");
    if env::var_os("PROVERY_REGENERATE").is_some() {
        fs::write(&path, &text).expect("the file can be written");
    }
    let committed = fs::read_to_string(&path).expect("tests/vectors/puzzle.json is committed");
    assert_eq!(committed, text, "run with PROVERY_REGENERATE=1 if the change is meant");
}
