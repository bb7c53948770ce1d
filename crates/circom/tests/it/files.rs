//! Damaged files: errors, never a panic, never memory beyond the order of the file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use provery_circom::{
    Artifacts, CircomBackend, FileError, Input, Limits, ProofJson, R1cs, Sym, VerifyingKeyJson,
    WitnessCalculator, Wtns, Zkey, public_from_json,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::{
    allocations,
    fixtures::{Circuit, Fixture, REFUSALS, SMALL_MERKLE, compiled, fixture},
};

const CASES: usize = 2_000;
/// Buffers of the file's order, and constants of the libraries.
const MOST_AT_ONCE: usize = 4 << 20;

/// `PROVERY_FUZZ_SEED=n` repeats a run.
fn seed() -> u64 {
    let given = std::env::var("PROVERY_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    })
}

/// One kind of damage after another.
fn damage(whole: &[u8], case: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let mut below = |most: usize| rng.next_u64() as usize % most;
    match case % 4 {
        0 => bytes.truncate(below(whole.len())),
        1 => {
            let place = below(whole.len());
            bytes[place] ^= 1 << below(8);
        }
        // A number that may be a length, mostly near the start, where most of them are.
        2 => {
            let reach = if case % 8 == 2 { whole.len().min(256) } else { whole.len() };
            let number = [u32::MAX, i32::MAX as u32, 1 << 31, 1 << 24, 0, whole.len() as u32][below(6)];
            let place = below(reach.saturating_sub(4).max(1)) & !3;
            for (slot, byte) in bytes[place..].iter_mut().zip(number.to_le_bytes()) {
                *slot = byte;
            }
        }
        _ => {
            for _ in 0..1 + below(16) {
                let place = below(whole.len());
                bytes[place] = below(256) as u8;
            }
        }
    }
    bytes
}

/// Hand damaged files to `read`, which says whether it took one.
fn fuzz(whole: &[u8], cases: usize, mut read: impl FnMut(&Path, &[u8]) -> Result<(), String>) {
    let seed = seed();
    println!("PROVERY_FUZZ_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let mut refused = BTreeMap::new();
    allocations::forget();
    for case in 0..cases {
        let bytes = damage(whole, case, &mut rng);
        // A new file each time, because the last may still be mapped.
        let _ = fs::remove_file(&path);
        fs::write(&path, &bytes).unwrap();
        if let Err(reason) = read(&path, &bytes) {
            assert!(!reason.is_empty() && reason.len() < 2_000, "{reason}");
            *refused
                .entry(reason.chars().filter(|c| c.is_alphabetic()).take(60).collect::<String>())
                .or_insert(0) += 1;
        }
    }
    let total: usize = refused.values().sum();
    println!("{total} of {cases} refused, for {} reasons", refused.len());
    assert!(total > cases / 4, "most damage is seen: {refused:?}");
    let most = MOST_AT_ONCE.max(8 * whole.len());
    assert!(allocations::largest() <= most, "{} bytes at once", allocations::largest());
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[test]
fn damaged_keys_are_refused_or_prove_as_before() {
    let good = fixture(&REFUSALS);
    let job = good.read("wtns");
    fuzz(&good.read("zkey"), CASES, |path, _| {
        let artifacts = Artifacts { zkey: path.to_owned(), wasm: None, graph: None, r1cs: None, sym: None };
        let backend = CircomBackend::open("damaged", &artifacts, Limits::default()).map_err(text)?;
        backend.prove_job(&job, &()).map(|_| ()).map_err(text)
    });
}

#[test]
fn damaged_keys_are_found_by_the_slow_check() {
    let good = fixture(&REFUSALS);
    fuzz(&good.read("zkey"), CASES, |path, _| Zkey::open(path).and_then(|key| key.check()).map_err(text));
}

#[test]
fn damaged_constraints_are_refused() {
    let good = fixture(&REFUSALS);
    let values = Wtns::open(&good.path("wtns")).unwrap().values().unwrap();
    fuzz(&good.read("r1cs"), CASES, |path, _| {
        let r1cs = R1cs::open(path).map_err(text)?;
        r1cs.check().map_err(text)?;
        for wire in 0..4 {
            r1cs.binds(wire).map_err(text)?;
        }
        match r1cs.unsatisfied(&values).map_err(text)? {
            None => Ok(()),
            Some(constraint) => {
                r1cs.wires_of(constraint).map_err(text)?;
                Err(format!("constraint {constraint} is not satisfied"))
            }
        }
    });
}

#[test]
fn damaged_witnesses_are_refused() {
    let good = fixture(&REFUSALS);
    let r1cs = R1cs::open(&good.path("r1cs")).unwrap();
    fuzz(&good.read("wtns"), CASES, |path, bytes| {
        let values = Wtns::open(path).and_then(|wtns| wtns.values()).map_err(text);
        let again = Wtns::from_bytes(bytes.to_vec()).and_then(|wtns| wtns.values()).map_err(text);
        assert_eq!(values.is_ok(), again.is_ok());
        match r1cs.unsatisfied(&values?).map_err(text)? {
            None => Ok(()),
            Some(constraint) => Err(format!("constraint {constraint} is not satisfied")),
        }
    });
}

#[test]
fn damaged_names_are_refused_or_are_other_names() {
    let good = fixture(&SMALL_MERKLE);
    let whole = good.read("sym");
    // Damage to letters of names makes other names, so numbers are what is looked at.
    let lines = whole.split_inclusive(|&byte| byte == b'\n').take(40).flatten().copied().collect::<Vec<u8>>();
    fuzz(&lines, CASES, |path, _| {
        let sym = Sym::open(path).map_err(text)?;
        sym.names_of(&[1, 2, 3, u32::MAX]).map_err(text)?;
        let count = sym.signals().count();
        if count == 40 { Ok(()) } else { Err(format!("{count} names")) }
    });
}

#[test]
fn damaged_json_is_refused() {
    let good = fixture(&REFUSALS);
    fuzz(&good.read("vkey.json"), CASES, |_, bytes| VerifyingKeyJson::read(bytes).map(|_| ()).map_err(text));
    fuzz(&good.read("proof.json"), CASES, |_, bytes| ProofJson::read(bytes).map(|_| ()).map_err(text));
    fuzz(&good.read("public.json"), CASES, |_, bytes| public_from_json(bytes).map(|_| ()).map_err(text));
    fuzz(&good.read("input.json"), CASES, |_, bytes| Input::from_json(bytes).map(|_| ()).map_err(text));
}

#[test]
fn damaged_programs_are_refused_or_stopped() {
    let good = fixture(&REFUSALS);
    let whole = fs::read(good.wasm()).unwrap();
    let input = Input::from_json(&good.read("input.json")).unwrap();
    let limits = Limits { steps: 5_000_000, memory: 1 << 24, ..Limits::default() };
    let expected =
        WitnessCalculator::from_bytes(&whole, limits).unwrap().calculate(&input, &|| false).unwrap();
    fuzz(&whole, CASES, |_, bytes| {
        let calculator = WitnessCalculator::from_bytes(bytes, limits).map_err(text)?;
        let values = calculator.calculate(&input, &|| false).map_err(text)?;
        if values == expected { Ok(()) } else { Err("another witness".to_owned()) }
    });
}

/// A copy of `file` with bytes at `at` replaced.
fn patched(file: PathBuf, at: usize, new: &[u8], directory: &Path) -> PathBuf {
    let mut bytes = fs::read(file).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    let path = directory.join(format!("patched-{at}"));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn curves_protocols_versions_and_kinds_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let good: Fixture = fixture(&REFUSALS);
    let refuse = |error: FileError, part: &str| assert!(error.to_string().contains(part), "{error}");

    // The protocol's number follows the headers of file and section.
    for (number, name) in [(2u32, "plonk"), (10, "fflonk"), (77, "protocol 77")] {
        let path = patched(good.path("zkey"), 24, &number.to_le_bytes(), directory.path());
        refuse(Zkey::open(&path).unwrap_err(), name);
        fs::remove_file(path).unwrap();
    }
    refuse(
        Zkey::open(&patched(good.path("zkey"), 4, &[9], directory.path())).unwrap_err(),
        "format version 9",
    );
    refuse(Zkey::open(&good.path("r1cs")).unwrap_err(), "is no zkey file");
    refuse(R1cs::open(&good.path("zkey")).unwrap_err(), "is no r1cs file");
    refuse(Wtns::open(&directory.path().join("none")).unwrap_err(), "could not be read");
    refuse(Wtns::open(directory.path()).unwrap_err(), "could not be read");
    let empty = directory.path().join("empty");
    fs::write(&empty, []).unwrap();
    refuse(Zkey::open(&empty).unwrap_err(), "is no zkey file");

    // A circuit compiled for other curves.
    let other = |flag| compiled(&Circuit { name: "refusals", ..REFUSALS }, &["--prime", flag]);
    let bls = other("bls12381");
    refuse(R1cs::open(&bls.path("r1cs")).unwrap_err(), "bls12-381");
    refuse(R1cs::open(&other("goldilocks").path("r1cs")).unwrap_err(), "goldilocks");
    refuse(R1cs::open(&other("grumpkin").path("r1cs")).unwrap_err(), "bn254's base field");
    let program = WitnessCalculator::open(&bls.wasm(), Limits::default()).unwrap();
    let input = Input::from_json(&bls.read("input.json")).unwrap();
    let error = program.calculate(&input, &|| false).unwrap_err().to_string();
    assert!(error.contains("for bls12-381"), "{error}");
}

#[test]
fn a_key_without_a_contribution_is_refused() {
    // Until somebody contributes, snarkjs' δ is the generator, as γ is, and anyone can forge proofs.
    let small = fixture(&SMALL_MERKLE);
    let error = Zkey::open(&small.path("unfinished.zkey")).unwrap_err().to_string();
    assert!(error.contains("delta of the verifying key") && error.contains("nobody contributed"), "{error}");
}
