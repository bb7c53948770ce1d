//! A circuit of circom with development keys, an input and a proof of snarkjs, made once and kept below the target directory.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Result, ensure};
use provery_circom::{R1cs, write_development_key};

use crate::program;

/// The files of the circuit `refusals`: public signals are its output `c`, then `payee` and `ignored`, on which no constraint
/// depends.
#[derive(Debug)]
pub struct Circom {
    directory: PathBuf,
}

const NAME: &str = "refusals";

impl Circom {
    /// Compile it, unless another test did.
    pub fn refusals() -> Result<Self> {
        let script = Self::sources().join("fixtures.cjs");
        let source = Self::sources().join(format!("circuits/{NAME}.circom"));
        let kept = program("provery")?.with_file_name("test-circuits");
        fs::create_dir_all(&kept)?;
        let lock = File::create(kept.join("lock"))?;
        lock.lock()?;
        let directory = kept.join(NAME);
        let newest = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
        let made = newest(&directory);
        if made.is_none() || newest(&source) > made || newest(&script) > made {
            let partial = kept.join("partial");
            let _ = fs::remove_dir_all(&partial);
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&partial)?;
            let path = partial.display().to_string();
            Self::compile(&source, &partial, &["--O2"])?;
            node(&["input", &path, NAME, "0"])?;
            let r1cs = R1cs::open(&partial.join(format!("{NAME}.r1cs")))?;
            write_development_key(&r1cs, b"tests", &partial.join(format!("{NAME}.zkey")))?;
            node(&["prove", &path, NAME])?;
            fs::copy(partial.join(format!("{NAME}_js/{NAME}.wasm")), partial.join(format!("{NAME}.wasm")))?;
            fs::rename(&partial, &directory)?;
        }
        Ok(Self { directory })
    }

    /// Compile a circuit's source into `out`.
    pub fn compile(source: &Path, out: &Path, flags: &[&str]) -> Result<()> {
        let (source, out) = (source.display().to_string(), out.display().to_string());
        node(&[&["compile", &out, &source], flags].concat())
    }

    /// Where the sources of circuits, and the script that compiles them, are.
    fn sources() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/circom/tests/it")
    }

    /// The packages of npm.
    pub fn modules() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules")
    }

    /// The folder with all of it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file: `zkey`, `wasm`, `r1cs`, `sym`, `wtns`, or `input`, `vkey`, `proof` and `public` with `.json` behind.
    pub fn path(&self, ending: &str) -> String {
        self.directory.join(format!("{NAME}.{ending}")).display().to_string()
    }
}

fn node(arguments: &[&str]) -> Result<()> {
    let script = Circom::sources().join("fixtures.cjs");
    let output = Command::new("node").arg(script).arg(Circom::modules()).args(arguments).output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    Ok(())
}
