//! Keys on disk: `<directory>/<circuit>/{proving.key, verifying.key, manifest.json}`.
//!
//! Keys made here come from a seed, so whoever knows the seed can forge proofs: they are for development chains only. The
//! manifest says so, and so does the key itself, whatever its manifest says: see [`is_marked`]. Files are written beside their final place, flushed, and renamed, the manifest last: a
//! reader sees the old keys, the new keys or a hash that does not match, never half a file that loads.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    rc::Rc,
    time::Instant,
};

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G1Projective, G2Projective};
use ark_ec::AffineRepr;
use ark_ff::{Field, PrimeField, UniformRand};
use ark_groth16::{Groth16, ProvingKey, VerifyingKey};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, OptimizationGoal, SynthesisError,
    SynthesisMode,
};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_std::rand::{CryptoRng, RngCore};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::KeyError,
    key_file::{self, ProvingKeyFile},
    matrix::Matrices,
};

const PROVING: &str = "proving.key";
const VERIFYING: &str = "verifying.key";
/// The file that says what the others are.
pub const MANIFEST: &str = "manifest.json";

/// All that a directory of keys has.
pub(crate) const FILES: [&str; 3] = [PROVING, VERIFYING, MANIFEST];

/// More than this and the numbers of variables no longer fit the key file.
const MAX_CONSTRAINTS: usize = 1 << 28;

/// What a directory of keys says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The circuit's name, which is the directory's.
    pub circuit: String,
    /// Parameters of the circuit, as its crate writes them.
    pub params: serde_json::Value,
    /// How many constraints it has.
    pub constraints: usize,
    /// How many witnesses: variables that are no public input.
    pub witnesses: usize,
    /// How many public inputs, without the constant one.
    pub public_inputs: usize,
    /// The file `proving.key`.
    pub proving_key: FileRecord,
    /// The file `verifying.key`.
    pub verifying_key: FileRecord,
    /// The secrets of the setup are known: worthless outside a development chain.
    pub development: bool,
    /// sha256 of the seed of a development setup.
    pub seed_hash: Option<String>,
}

/// Length and sha256 of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileRecord {
    /// Its length.
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// A verifying key as it was loaded.
#[derive(Debug, Clone)]
pub struct VerifyingKeyFile {
    /// What its directory says about it.
    pub manifest: Manifest,
    /// The key itself.
    pub key: VerifyingKey<Bn254>,
    /// sha256 of the file: the key hash that is registered on chain.
    pub hash: [u8; 32],
}

/// Both keys, checked against the manifest and each other.
#[derive(Debug)]
pub struct Keys {
    /// The verifying key, and the manifest of both.
    pub verifying: VerifyingKeyFile,
    /// The proving key, mapped from its file.
    pub proving: ProvingKeyFile,
}

/// Where the keys of `circuit` are kept under `directory`.
pub fn directory_of(directory: &Path, circuit: &str) -> PathBuf {
    directory.join(circuit)
}

/// Run a development setup from `seed` and write its keys under `directory`. Keys that are already there are kept if
/// they come from the same constraints, parameters and seed and their hashes are right; keys that are not from a
/// development setup are never replaced.
pub fn generate<C: ConstraintSynthesizer<Fr> + Clone>(
    circuit: C,
    name: &str,
    params: serde_json::Value,
    seed: &[u8],
    directory: &Path,
) -> Result<Manifest, KeyError> {
    let well_named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(well_named) {
        return Err(KeyError::Name { name: name.to_owned() });
    }
    let directory = directory_of(directory, name);
    let seed_hash = hex::encode(Sha256::digest(seed));
    if let Ok(manifest) = read_manifest(&directory, name) {
        if !manifest.development {
            return Err(KeyError::NotDevelopment { directory });
        }
        let same = manifest.params == params && manifest.seed_hash.as_deref() == Some(&seed_hash);
        let good = |keys: Keys| is_marked(&keys.verifying.key) && is_for(&keys, circuit.clone());
        if same && load_from(&directory, name, None).is_ok_and(good) {
            tracing::info!(circuit = name, "keys are up to date");
            return Ok(manifest);
        }
    }

    let started = Instant::now();
    let synthesis = |source| KeyError::Synthesis { circuit: name.to_owned(), source };
    let (key, matrices) = setup(circuit, &mut setup_rng(name, seed)).map_err(synthesis)?;
    let constraints = matrices.rows[0].ends.len();
    if constraints > MAX_CONSTRAINTS {
        return Err(KeyError::TooLarge { circuit: name.to_owned(), constraints });
    }
    tracing::info!(circuit = name, constraints, elapsed = ?started.elapsed(), "setup finished");

    fs::create_dir_all(&directory).map_err(|source| KeyError::Io { path: directory.clone(), source })?;
    let verifying_key = write_file(&directory, VERIFYING, |out| {
        key.vk.serialize_uncompressed(out).map_err(io::Error::other)
    })?;
    let key_hash = decode_hash(&verifying_key.sha256).unwrap_or_default();
    let proving_key =
        write_file(&directory, PROVING, |out| key_file::write(out, &key, &matrices, &key_hash))?;
    let manifest = Manifest {
        circuit: name.to_owned(),
        params,
        constraints,
        witnesses: key.l_query.len(),
        public_inputs: key.vk.gamma_abc_g1.len() - 1,
        proving_key,
        verifying_key,
        development: true,
        seed_hash: Some(seed_hash),
    };
    write_file(&directory, MANIFEST, |out| {
        serde_json::to_writer_pretty(&mut *out, &manifest)?;
        out.write_all(b"\n")
    })?;
    sync_directory(&directory).map_err(|source| KeyError::Io { path: directory.clone(), source })?;
    tracing::info!(circuit = name, elapsed = ?started.elapsed(), "keys written");
    Ok(manifest)
}

/// Load the keys of `circuit` from under `directory`. `expected` is the key hash registered on chain, if there is one.
pub fn load(directory: &Path, circuit: &str, expected: Option<&[u8; 32]>) -> Result<Keys, KeyError> {
    load_from(&directory_of(directory, circuit), circuit, expected)
}

/// Load the verifying key alone.
pub fn load_verifying(
    directory: &Path,
    circuit: &str,
    expected: Option<&[u8; 32]>,
) -> Result<VerifyingKeyFile, KeyError> {
    let directory = directory_of(directory, circuit);
    let manifest = read_manifest(&directory, circuit)?;
    read_verifying(&directory, manifest, expected)
}

fn load_from(directory: &Path, circuit: &str, expected: Option<&[u8; 32]>) -> Result<Keys, KeyError> {
    let started = Instant::now();
    let manifest = read_manifest(directory, circuit)?;
    let verifying = read_verifying(directory, manifest, expected)?;
    let path = directory.join(PROVING);
    let record = &verifying.manifest.proving_key;
    let proving =
        match ProvingKeyFile::open(&path, record.bytes, |content| check_hash(&path, content, record)) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(KeyError::Missing { circuit: circuit.to_owned(), path });
            }
            other => other?,
        };
    let fits = proving.key_hash() == &verifying.hash
        && proving.counts().instances == verifying.key.gamma_abc_g1.len()
        && proving.counts().witnesses == verifying.manifest.witnesses
        && proving.counts().constraints == verifying.manifest.constraints;
    if !fits {
        return Err(KeyError::Mismatch { path });
    }
    tracing::info!(circuit, bytes = record.bytes, elapsed = ?started.elapsed(), "keys loaded");
    Ok(Keys { verifying, proving })
}

fn read_manifest(directory: &Path, circuit: &str) -> Result<Manifest, KeyError> {
    let path = directory.join(MANIFEST);
    let bytes = read(&path, circuit)?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| KeyError::Malformed { path: path.clone(), reason: error.to_string() })?;
    if manifest.circuit != circuit {
        return Err(KeyError::Circuit { path, expected: circuit.to_owned(), actual: manifest.circuit });
    }
    Ok(manifest)
}

fn read_verifying(
    directory: &Path,
    manifest: Manifest,
    expected: Option<&[u8; 32]>,
) -> Result<VerifyingKeyFile, KeyError> {
    let path = directory.join(VERIFYING);
    let bytes = read(&path, &manifest.circuit)?;
    let record = &manifest.verifying_key;
    if bytes.len() as u64 != record.bytes {
        return Err(KeyError::Length { path, expected: record.bytes, actual: bytes.len() as u64 });
    }
    check_hash(&path, &bytes, record)?;
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    if let Some(expected) = expected.filter(|expected| **expected != hash) {
        return Err(KeyError::KeyHash { path, expected: hex::encode(expected), actual: hex::encode(hash) });
    }
    let key = VerifyingKey::deserialize_uncompressed(&*bytes)
        .map_err(|error| KeyError::Malformed { path: path.clone(), reason: error.to_string() })?;
    if key.gamma_g2 == key.delta_g2 {
        let reason = "γ equals δ, so anyone could forge proofs".to_owned();
        return Err(KeyError::Malformed { path, reason });
    }
    if is_marked(&key) && !manifest.development {
        return Err(KeyError::Disguised { path });
    }
    Ok(VerifyingKeyFile { manifest, key, hash })
}

/// Whether there are keys of a circuit under `directory`, whole or not.
pub fn has_any(directory: &Path, circuit: &str) -> bool {
    let directory = directory_of(directory, circuit);
    [MANIFEST, VERIFYING, PROVING].iter().any(|file| directory.join(file).is_file())
}

/// Whether a key comes from a development setup: its α is a point that only such a setup aims at. It is in the file whose hash is the
/// key's name, and in the verifier's code, so it cannot be taken away from a key.
pub fn is_marked(key: &VerifyingKey<Bn254>) -> bool {
    key.alpha_g1 == development_mark()
}

/// What α is in a development setup: the first point of the curve whose x is a hash of these words and a number.
pub fn development_mark() -> G1Affine {
    let at = |number: u32| {
        let hash = Sha256::new_with_prefix("provery development setup: alpha")
            .chain_update(number.to_le_bytes())
            .finalize();
        G1Affine::get_point_from_x_unchecked(Fq::from_le_bytes_mod_order(&hash), false)
    };
    // Every second number has a point.
    (0..=u32::MAX).find_map(at).unwrap_or_else(G1Affine::generator)
}

fn read(path: &Path, circuit: &str) -> Result<Vec<u8>, KeyError> {
    fs::read(path).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            KeyError::Missing { circuit: circuit.to_owned(), path: path.to_owned() }
        } else {
            KeyError::Io { path: path.to_owned(), source }
        }
    })
}

fn check_hash(path: &Path, content: &[u8], record: &FileRecord) -> Result<(), KeyError> {
    let actual = hex::encode(Sha256::digest(content));
    if actual == record.sha256 {
        return Ok(());
    }
    Err(KeyError::Hash { path: path.to_owned(), expected: record.sha256.clone(), actual })
}

fn decode_hash(hash: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    hex::decode_to_slice(hash, &mut out).ok().map(|()| out)
}

/// Write a file beside its place, flush it to the disk, rename it.
fn write_file(
    directory: &Path,
    name: &str,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<FileRecord, KeyError> {
    let path = directory.join(name);
    let write = || {
        let temporary = tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(directory)?;
        let mut out =
            Hashing { inner: BufWriter::with_capacity(1 << 20, temporary), hash: Sha256::new(), bytes: 0 };
        fill(&mut out)?;
        let temporary = out.inner.into_inner().map_err(|error| error.into_error())?;
        temporary.as_file().sync_all()?;
        let file = temporary.persist(&path).map_err(|error| error.error)?;
        make_readable(&file)?;
        Ok(FileRecord { bytes: out.bytes, sha256: hex::encode(out.hash.finalize()) })
    };
    write().map_err(|source| KeyError::Io { path: path.clone(), source })
}

/// Temporary files are private to their owner; keys are public.
#[cfg(unix)]
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether keys were made for exactly the constraints of `circuit`: its code may have changed under the same name.
fn is_for(keys: &Keys, circuit: impl ConstraintSynthesizer<Fr>) -> bool {
    let cs = ConstraintSystem::new_ref();
    cs.set_optimization_goal(OptimizationGoal::Constraints);
    cs.set_mode(SynthesisMode::Setup);
    if circuit.generate_constraints(cs.clone()).is_err() {
        return false;
    }
    cs.finalize();
    cs.borrow().is_some_and(|cs| {
        let counts = keys.proving.counts();
        (cs.num_instance_variables(), cs.num_witness_variables()) == (counts.instances, counts.witnesses)
            && Matrices::of(&cs).is_ok_and(|matrices| keys.proving.holds(&matrices))
    })
}

/// Keeps hold of the constraint system that the setup synthesises, so that it need not be synthesised again.
struct Capture<C> {
    circuit: C,
    system: Rc<RefCell<ConstraintSystemRef<Fr>>>,
}

impl<C: ConstraintSynthesizer<Fr>> ConstraintSynthesizer<Fr> for Capture<C> {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        self.circuit.generate_constraints(cs.clone())?;
        self.system.replace(cs);
        Ok(())
    }
}

pub(crate) fn setup<C: ConstraintSynthesizer<Fr>>(
    circuit: C,
    rng: &mut SetupRng,
) -> Result<(ProvingKey<Bn254>, Matrices), SynthesisError> {
    let system = Rc::new(RefCell::new(ConstraintSystemRef::None));
    let capture = Capture { circuit, system: Rc::clone(&system) };
    let [alpha, beta, gamma, delta] = std::array::from_fn(|_| Fr::rand(rng));
    // So that α in G1 is the mark; everything else is as random as in any setup.
    let inverse: Fr = alpha.inverse().ok_or(SynthesisError::DivisionByZero)?;
    let g1: G1Projective = development_mark() * inverse;
    let g2 = G2Projective::rand(rng);
    let key =
        Groth16::<Bn254>::generate_parameters_with_qap(capture, alpha, beta, gamma, delta, g1, g2, rng)?;
    let system = system.replace(ConstraintSystemRef::None);
    let matrices = Matrices::of(&*system.borrow().ok_or(SynthesisError::MissingCS)?)?;
    Ok((key, matrices))
}

/// ChaCha20 for the traits of arkworks' version of `rand`.
pub(crate) struct SetupRng(ChaCha20Rng);

pub(crate) fn setup_rng(name: &str, seed: &[u8]) -> SetupRng {
    let mut hash = Sha256::new_with_prefix("provery development setup\0");
    for part in [name.as_bytes(), seed] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    SetupRng(ChaCha20Rng::from_seed(hash.finalize().into()))
}

impl RngCore for SetupRng {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), ark_std::rand::Error> {
        self.0.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for SetupRng {}
