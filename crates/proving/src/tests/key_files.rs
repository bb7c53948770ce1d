use std::{fs, path::PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::{Halo2curves, KeyError, ProveError};

const LENGTH: usize = 20;

fn fresh() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    generate(LENGTH, directory.path());
    let keys = directory.path().join(NAME);
    (directory, keys)
}

fn load_error(directory: &TempDir) -> KeyError {
    keys::load(directory.path(), NAME, None).expect_err("the keys were tampered with")
}

/// Change a file, and on request make the manifest agree with the change.
fn tamper(keys: &Path, file: &str, update_manifest: bool, change: impl FnOnce(&mut Vec<u8>)) {
    let path = keys.join(file);
    let mut bytes = fs::read(&path).expect("the file is there");
    let old = hex::encode(Sha256::digest(&bytes));
    let old_length = format!("\"bytes\": {}", bytes.len());
    change(&mut bytes);
    fs::write(&path, &bytes).expect("the file can be written");
    if update_manifest {
        let manifest = keys.join("manifest.json");
        let text = fs::read_to_string(&manifest).expect("the manifest is there");
        let text = text
            .replace(&old, &hex::encode(Sha256::digest(&bytes)))
            .replace(&old_length, &format!("\"bytes\": {}", bytes.len()));
        fs::write(&manifest, text).expect("the manifest can be written");
    }
}

#[test]
fn fresh_keys_load_and_say_what_they_are() {
    let (directory, path) = fresh();
    let keys = keys::load(directory.path(), NAME, None).expect("fresh keys load");
    let manifest = &keys.verifying.manifest;
    assert!(manifest.development);
    assert_eq!((manifest.circuit.as_str(), manifest.public_inputs), (NAME, 2));
    assert_eq!(manifest.constraints, 2 * LENGTH + 1);
    assert_eq!(manifest.params, json!({ "length": LENGTH }));
    assert_eq!(manifest.seed_hash, Some(hex::encode(Sha256::digest(b"seed"))));
    let file = fs::read(path.join("verifying.key")).expect("it was written");
    assert_eq!(keys.verifying.hash, <[u8; 32]>::from(Sha256::digest(file)));
    let left: Vec<_> =
        fs::read_dir(path).expect("it is a directory").map(|entry| entry.map(|e| e.file_name())).collect();
    assert_eq!(left.len(), 3, "no temporary file is left: {left:?}");

    let alone =
        keys::load_verifying(directory.path(), NAME, Some(&keys.verifying.hash)).expect("its hash is right");
    assert_eq!(alone.key, keys.verifying.key);
}

#[test]
fn generation_is_repeatable_and_cached() {
    let (directory, path) = fresh();
    let first = fs::metadata(path.join("proving.key")).and_then(|m| m.modified()).expect("it was written");
    let manifest = generate(LENGTH, directory.path());
    let second =
        fs::metadata(path.join("proving.key")).and_then(|m| m.modified()).expect("it is still there");
    assert_eq!(first, second, "it was not written again");
    assert_eq!(manifest, generate(LENGTH, tempfile::tempdir().expect("there is room").path()));

    let other_seed =
        keys::generate(Steps::shape(LENGTH), NAME, manifest.params.clone(), b"tree", directory.path())
            .expect("another seed replaces development keys");
    assert_ne!(other_seed.verifying_key, manifest.verifying_key);
    let other_size = generate(LENGTH + 1, directory.path());
    assert_ne!(other_size.constraints, manifest.constraints);
    keys::load(directory.path(), NAME, None).expect("the replaced keys load");
}

#[test]
fn keys_of_a_circuit_that_has_changed_are_generated_again() {
    let (directory, _) = fresh();
    let old = keys::load(directory.path(), NAME, None).expect("fresh keys load");
    let changed = Steps { constant: 4, ..Steps::shape(LENGTH) };
    let manifest = old.verifying.manifest.clone();
    let new =
        keys::generate(changed, NAME, manifest.params.clone(), b"seed", directory.path()).expect("it works");
    assert_ne!(new.verifying_key, manifest.verifying_key);

    // The keys of one do not prove the other.
    let changed = Steps { constant: 4, ..Steps::new(LENGTH, 5) };
    let error =
        ArkworksBackend::new(old, Halo2curves).prove_circuit(changed, &()).expect_err("the keys are old");
    assert!(matches!(error, ProveError::Unsatisfied { .. }), "{error}");
}

#[test]
fn damaged_keys_are_generated_again() {
    let (directory, path) = fresh();
    tamper(&path, "proving.key", false, |bytes| bytes[1000] ^= 1);
    generate(LENGTH, directory.path());
    keys::load(directory.path(), NAME, None).expect("they were mended");
}

#[test]
fn keys_of_a_ceremony_are_never_replaced() {
    let (directory, path) = fresh();
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("it was written");
    fs::write(&manifest, text.replace("\"development\": true", "\"development\": false"))
        .expect("it can be written");
    let error = keys::generate(Steps::shape(LENGTH), NAME, json!(null), b"seed", directory.path());
    assert!(matches!(error, Err(KeyError::NotDevelopment { .. })), "{error:?}");
}

#[test]
fn a_manifest_cannot_make_a_ceremony_of_development_keys() {
    let (directory, path) = fresh();
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("it was written");
    let text = text.replace("\"development\": true", "\"development\": false");
    fs::write(&manifest, text).expect("it can be written");
    let error = load_error(&directory);
    assert!(matches!(error, KeyError::Disguised { .. }), "{error}");
    let error = keys::load_verifying(directory.path(), NAME, None).expect_err("its verifying key alone, too");
    assert!(matches!(error, KeyError::Disguised { .. }), "{error}");
}

#[test]
fn a_key_of_another_setup_is_not_marked() {
    let (directory, _) = fresh();
    let marked = keys::load_verifying(directory.path(), NAME, None).expect("fresh keys load").key;
    assert!(keys::is_marked(&marked));
    let other = ark_groth16::VerifyingKey { alpha_g1: (marked.alpha_g1 + marked.alpha_g1).into(), ..marked };
    assert!(!keys::is_marked(&other));
}

#[test]
fn a_name_cannot_leave_the_directory() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    for name in ["", "..", "a/b", ".hidden", "ä"] {
        let error = keys::generate(Steps::shape(1), name, json!(null), b"seed", directory.path());
        assert!(matches!(error, Err(KeyError::Name { .. })), "{name}: {error:?}");
    }
}

#[test]
fn missing_files_say_how_to_get_them() {
    for file in ["manifest.json", "verifying.key", "proving.key"] {
        let (directory, path) = fresh();
        fs::remove_file(path.join(file)).expect("it was there");
        let error = load_error(&directory);
        assert!(matches!(error, KeyError::Missing { .. }), "{file}: {error}");
        assert!(error.to_string().contains("provery keys generate"), "{error}");
    }
}

#[test]
fn truncated_and_padded_files_are_refused() {
    for file in ["verifying.key", "proving.key"] {
        for change in
            [|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1), |bytes: &mut Vec<u8>| bytes.push(0)]
        {
            let (directory, path) = fresh();
            tamper(&path, file, false, change);
            let error = load_error(&directory);
            assert!(matches!(error, KeyError::Length { .. }), "{file}: {error}");
        }
    }
    let (directory, path) = fresh();
    tamper(&path, "manifest.json", false, |bytes| bytes.truncate(bytes.len() / 2));
    assert!(matches!(load_error(&directory), KeyError::Malformed { .. }));
}

#[test]
fn changed_files_are_refused() {
    for file in ["verifying.key", "proving.key"] {
        let (directory, path) = fresh();
        tamper(&path, file, false, |bytes| {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        });
        let error = load_error(&directory);
        assert!(matches!(error, KeyError::Hash { .. }), "{file}: {error}");
    }
}

#[test]
fn files_of_another_kind_or_version_are_refused_whatever_the_manifest_says() {
    let (directory, path) = fresh();
    tamper(&path, "proving.key", true, |bytes| bytes[0] = b'X');
    assert!(matches!(load_error(&directory), KeyError::NotAProvingKey { .. }));

    let (directory, path) = fresh();
    tamper(&path, "proving.key", true, |bytes| bytes[8] = 2);
    assert!(matches!(load_error(&directory), KeyError::Version { expected: 1, actual: 2, .. }));

    let (directory, path) = fresh();
    tamper(&path, "proving.key", true, |bytes| bytes.truncate(100));
    assert!(matches!(load_error(&directory), KeyError::Malformed { .. }));

    let (directory, path) = fresh();
    tamper(&path, "verifying.key", true, |bytes| bytes[0] ^= 1);
    assert!(matches!(load_error(&directory), KeyError::Malformed { .. } | KeyError::Mismatch { .. }));
}

#[test]
fn counts_that_do_not_fit_are_refused_before_they_are_used() {
    // Every count of the header, made larger, smaller and absurd.
    for count in 0..11 {
        for value in [0u64, 1, 78, u64::MAX, u64::MAX / 64, 1 << 63] {
            let (directory, path) = fresh();
            tamper(&path, "proving.key", true, |bytes| {
                bytes[48 + 8 * count..][..8].copy_from_slice(&value.to_le_bytes());
            });
            let error = load_error(&directory);
            assert!(matches!(error, KeyError::Malformed { .. } | KeyError::Mismatch { .. }), "{error}");
        }
    }
}

#[test]
fn indices_that_point_outside_are_refused() {
    // The last words of the file are ends of rows, before them lie the variables of points.
    let (directory, path) = fresh();
    tamper(&path, "proving.key", true, |bytes| {
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    assert!(matches!(load_error(&directory), KeyError::Malformed { .. }));

    let (directory, path) = fresh();
    tamper(&path, "proving.key", true, |bytes| {
        let at = bytes.len() - 3 * 4 * (2 * LENGTH + 1) - 4;
        bytes[at..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    assert!(matches!(load_error(&directory), KeyError::Malformed { .. }));
}

#[test]
fn keys_of_another_circuit_are_refused() {
    let (directory, path) = fresh();
    fs::rename(&path, directory.path().join("walks")).expect("it can be moved");
    let error = keys::load(directory.path(), "walks", None).expect_err("they are for another circuit");
    assert!(
        matches!(&error, KeyError::Circuit { expected, actual, .. } if expected == "walks" && actual == NAME)
    );
    assert!(keys::load_verifying(directory.path(), "walks", None).is_err());
}

#[test]
fn keys_other_than_the_deployments_are_refused() {
    let (directory, _) = fresh();
    let hash = keys::load(directory.path(), NAME, None).expect("fresh keys load").verifying.hash;
    keys::load(directory.path(), NAME, Some(&hash)).expect("the hash is right");
    let error = keys::load(directory.path(), NAME, Some(&[7; 32])).expect_err("the hash is wrong");
    assert!(matches!(error, KeyError::KeyHash { .. }), "{error}");
}

#[test]
fn a_proving_key_of_another_setup_is_refused() {
    let (directory, path) = fresh();
    let other = tempfile::tempdir().expect("there is room for temporary files");
    keys::generate(Steps::shape(LENGTH), NAME, json!({ "length": LENGTH }), b"tree", other.path())
        .expect("it works");
    let theirs = fs::read(other.path().join(NAME).join("proving.key")).expect("it was written");
    tamper(&path, "proving.key", true, |bytes| *bytes = theirs);
    assert!(matches!(load_error(&directory), KeyError::Mismatch { .. }));
}

#[test]
fn loaded_keys_survive_their_replacement() {
    let (directory, _) = fresh();
    let keys = keys::load(directory.path(), NAME, None).expect("fresh keys load");
    generate(LENGTH + 50, directory.path());
    let backend = ArkworksBackend::new(keys, Halo2curves);
    backend.prove_circuit(Steps::new(LENGTH, 5), &()).expect("the old keys are still mapped");
}
