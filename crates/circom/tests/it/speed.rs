//! Times, printed: `cargo nextest run -p provery-circom --run-ignored only --no-capture speed`.

use std::{fs, time::Instant};

use provery_circom::{Artifacts, CircomBackend, Limits, R1cs, Zkey};

use crate::fixtures::{Circuit, Setup, fixture, try_node};

/// The most memory that this process had, mapped files included.
fn most_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned()
}

fn measure(length: u32) {
    let fixture = fixture(&Circuit { name: "chain", length, setup: Setup::Seeded });
    let started = Instant::now();
    let key = Zkey::open(&fixture.path("zkey")).unwrap();
    let zkey = started.elapsed();
    R1cs::open(&fixture.path("r1cs")).unwrap();
    let r1cs = started.elapsed() - zkey;
    println!("domain 2^{}: zkey open {zkey:?}, r1cs open {r1cs:?}", key.domain_size().ilog2());
    assert!(zkey.as_millis() < 150, "{zkey:?}");

    // The least first, so that the most memory so far is that of this one.
    for (with, r1cs) in [("wtns", None), ("input", None), ("input and r1cs", Some(fixture.path("r1cs")))] {
        let job = fixture.read(if with == "wtns" { "wtns" } else { "input.json" });
        let started = Instant::now();
        let artifacts = Artifacts { r1cs, ..fixture.artifacts() };
        let backend = CircomBackend::open("chain", &artifacts, Limits::default()).unwrap();
        let proven = backend.prove_job(&job, &()).unwrap();
        println!("  ours ({with}): {:?} {:?}, {}", started.elapsed(), proven.timings, most_memory());
    }
    let directory = fixture.path("zkey").parent().unwrap().to_owned();
    let started = Instant::now();
    let output = try_node(&["snarkjs", directory.to_str().unwrap(), "chain"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let memory = String::from_utf8_lossy(&output.stdout);
    println!("  snarkjs groth16 prove (wtns), whole process: {:?}, {}", started.elapsed(), memory.trim());
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
