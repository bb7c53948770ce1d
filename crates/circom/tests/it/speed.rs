//! Times, printed: `cargo nextest run -p provery-circom --run-ignored only --no-capture speed`.

use std::{fs, time::Instant};

use provery_circom::{CircomBackend, Limits, R1cs, Wtns, Zkey};

use crate::fixtures::{Circuit, Setup, fixture, try_node};

fn measure(length: u32) {
    let fixture = fixture(&Circuit { name: "chain", length, setup: Setup::Seeded });
    let started = Instant::now();
    let key = Zkey::open(&fixture.path("zkey")).unwrap();
    let zkey = started.elapsed();
    R1cs::open(&fixture.path("r1cs")).unwrap();
    let r1cs = started.elapsed() - zkey;
    println!("domain 2^{}: zkey open {zkey:?}, r1cs open {r1cs:?}", key.domain_size().ilog2());
    assert!(zkey.as_millis() < 150, "{zkey:?}");

    let mut artifacts = fixture.artifacts();
    let input = fixture.read("input.json");
    for with in ["r1cs, input", "input", "wtns"] {
        let job = if with == "wtns" { fs::read(fixture.path("wtns")).unwrap() } else { input.clone() };
        let started = Instant::now();
        let backend = CircomBackend::open("chain", &artifacts, Limits::default()).unwrap();
        let proven = backend.prove_job(&job, &()).unwrap();
        println!("  ours ({with}): {:?} {:?}", started.elapsed(), proven.timings);
        artifacts.r1cs = None;
    }
    Wtns::open(&fixture.path("wtns")).unwrap().values().unwrap();
    let directory = fixture.path("zkey").parent().unwrap().to_owned();
    let started = Instant::now();
    let output = try_node(&["snarkjs", directory.to_str().unwrap(), "chain"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("  snarkjs groth16 prove (wtns), whole process: {:?}", started.elapsed());
}

#[test]
#[ignore = "takes minutes and says little while other tests run"]
fn a_chain_of_2_to_the_14() {
    measure(67);
}

#[test]
#[ignore = "takes minutes and says little while other tests run"]
fn a_chain_of_2_to_the_16() {
    measure(270);
}

#[test]
#[ignore = "takes minutes and says little while other tests run"]
fn a_chain_of_2_to_the_18() {
    measure(1_080);
}
