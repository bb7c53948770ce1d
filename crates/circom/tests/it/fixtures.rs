//! Compiled circuits with keys, inputs and proofs of snarkjs, made once and kept below the target directory.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use provery_circom::{Artifacts, R1cs, write_development_key};
use sha2::{Digest, Sha256};

/// Where the keys of a circuit come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// snarkjs, with a powers of tau of this size: minutes for each power above eleven.
    Snarkjs(u32),
    /// [`write_development_key`].
    Seeded,
}

/// A circuit below `circuits`, of a length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circuit {
    pub name: &'static str,
    pub length: u32,
    pub setup: Setup,
}

pub(crate) const SMALL_MERKLE: Circuit = Circuit { name: "merkle", length: 1, setup: Setup::Snarkjs(8) };
pub(crate) const MERKLE: Circuit = Circuit { name: "merkle", length: 10, setup: Setup::Seeded };
pub(crate) const EDDSA: Circuit = Circuit { name: "eddsa", length: 0, setup: Setup::Seeded };
pub(crate) const CHAIN: Circuit = Circuit { name: "chain", length: 8, setup: Setup::Seeded };
pub(crate) const REFUSALS: Circuit = Circuit { name: "refusals", length: 0, setup: Setup::Seeded };

const SEED: &[u8] = b"tests of circom circuits";

/// The files of a circuit.
#[derive(Debug)]
pub(crate) struct Fixture {
    directory: PathBuf,
    name: &'static str,
}

impl Fixture {
    pub(crate) fn path(&self, ending: &str) -> PathBuf {
        self.directory.join(format!("{}.{ending}", self.name))
    }

    pub(crate) fn read(&self, ending: &str) -> Vec<u8> {
        fs::read(self.path(ending)).unwrap()
    }

    pub(crate) fn wasm(&self) -> PathBuf {
        self.directory.join(format!("{0}_js/{0}.wasm", self.name))
    }

    pub(crate) fn artifacts(&self) -> Artifacts {
        Artifacts {
            zkey: self.path("zkey"),
            wasm: Some(self.wasm()),
            graph: None,
            r1cs: Some(self.path("r1cs")),
            sym: Some(self.path("sym")),
        }
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

fn kept() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circom");
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn modules() -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules");
    assert!(
        modules.join("snarkjs").exists(),
        "run `npm ci` first: these tests compile circuits with circom2"
    );
    modules
}

/// Run a command of fixtures.cjs.
pub(crate) fn try_node(arguments: &[&str]) -> Output {
    Command::new("node").arg(here().join("fixtures.cjs")).arg(modules()).args(arguments).output().unwrap()
}

pub(crate) fn node(arguments: &[&str]) {
    let output = try_node(arguments);
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&text));
}

/// Whether snarkjs takes a proof.
pub(crate) fn snarkjs_verifies(fixture: &Fixture, public: &str, proof: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (public_path, proof_path) = (directory.path().join("public"), directory.path().join("proof"));
    fs::write(&public_path, public).unwrap();
    fs::write(&proof_path, proof).unwrap();
    let key = fixture.path("vkey.json");
    let [key, public, proof] = [&key, &public_path, &proof_path].map(|path| path.to_str().unwrap());
    let output = try_node(&["verify", key, public, proof]);
    match output.status.code() {
        Some(0) => true,
        Some(2) => false,
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// A directory named by what is in it, which `make` fills unless another test did.
fn once(label: &str, contents: &[&[u8]], make: impl FnOnce(&Path)) -> PathBuf {
    let mut hash = Sha256::new();
    for part in contents {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let place = kept().join(format!("{label}-{}", &hex::encode(hash.finalize())[..16]));
    let lock = File::create(place.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !place.exists() {
        let partial = place.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir_all(&partial).unwrap();
        make(&partial);
        fs::rename(&partial, &place).unwrap();
    }
    place
}

/// The circuit's files, made now if they are not there.
pub(crate) fn fixture(circuit: &Circuit) -> Fixture {
    compiled(circuit, &[])
}

/// The same with other flags of the compiler. A circuit for another curve has no keys.
pub(crate) fn compiled(circuit: &Circuit, flags: &[&str]) -> Fixture {
    let Circuit { name, length, setup } = *circuit;
    let source = fs::read_to_string(here().join(format!("circuits/{name}.circom"))).unwrap();
    let source = source.replace("LENGTH", &length.to_string());
    let script = fs::read(here().join("fixtures.cjs")).unwrap();
    let lock = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../package-lock.json")).unwrap();
    let kind = format!("{setup:?} {flags:?} {length}");
    let directory = once(name, &[source.as_bytes(), &script, &lock, kind.as_bytes()], |directory| {
        let path = directory.to_str().unwrap();
        let circom = directory.join(format!("{name}.circom"));
        fs::write(&circom, &source).unwrap();
        let optimise = ["compile", path, circom.to_str().unwrap(), "--O2"];
        node(&[&optimise, flags].concat());
        node(&["input", path, name, &length.to_string()]);
        if !flags.is_empty() {
            return;
        }
        match setup {
            Setup::Seeded => {
                let r1cs = R1cs::open(&directory.join(format!("{name}.r1cs"))).unwrap();
                write_development_key(&r1cs, SEED, &directory.join(format!("{name}.zkey"))).unwrap();
            }
            Setup::Snarkjs(power) => {
                let powers = once("powers", &[&script, &power.to_le_bytes()], |directory| {
                    node(&["powers", directory.to_str().unwrap(), &power.to_string()]);
                });
                node(&["setup", path, name, powers.join("final.ptau").to_str().unwrap()]);
            }
        }
        node(&["prove", path, name]);
    });
    Fixture { directory, name }
}
