use std::{fs, path::Path};

use super::*;
use crate::{KeyError, key_import};

fn import(from: &Path, to: &Path, expected: Option<&[u8; 32]>) -> Result<key_import::Imported, KeyError> {
    key_import::import(from, to, NAME, expected, |_| Ok(()))
}

#[test]
fn keys_of_somebody_else_are_put_in_place_once_they_are_right() {
    let [theirs, mine] = [(); 2].map(|()| tempfile::tempdir().expect("is made"));
    generate(20, theirs.path());
    let folder = theirs.path().join("as-they-call-it");
    fs::rename(theirs.path().join(NAME), &folder).expect("is renamed");

    let keys = mine.path().join("keys");
    let imported = import(&folder, &keys, None).expect("are whole");
    assert!(!imported.at_hand && keys::load(&keys, NAME, None).is_ok());
    assert!(import(&folder, &keys, Some(&imported.keys.verifying.hash)).expect("are there").at_hand);
    let left = fs::read_dir(&keys).expect("is there").count();
    assert_eq!(left, 1, "nothing beside the keys is left");
}

#[test]
fn what_is_not_right_is_refused_by_what_differs_and_leaves_nothing() {
    let [theirs, mine] = [(); 2].map(|()| tempfile::tempdir().expect("is made"));
    generate(20, theirs.path());
    let folder = theirs.path().join(NAME);
    let error = import(&folder, mine.path(), Some(&[7; 32])).expect_err("is another than registered");
    assert!(matches!(error, KeyError::KeyHash { .. }), "{error}");
    let unfit = key_import::import(&folder, mine.path(), NAME, None, |_| {
        Err(KeyError::UnknownCircuit { circuit: "x".to_owned() })
    });
    assert!(unfit.is_err());
    assert!(matches!(import(theirs.path(), mine.path(), None), Err(KeyError::Missing { .. })), "no keys");
    fs::write(folder.join("proving.key"), b"cut").expect("is written");
    assert!(import(&folder, mine.path(), None).is_err(), "damaged");
    assert!(!keys::has_any(mine.path(), NAME), "nothing came in");
}

#[test]
fn keys_of_another_setup_are_not_replaced() {
    let [theirs, mine] = [(); 2].map(|()| tempfile::tempdir().expect("is made"));
    generate(20, theirs.path());
    generate(21, mine.path());
    let before = keys::load(mine.path(), NAME, None).expect("are there").verifying.hash;
    let error = import(&theirs.path().join(NAME), mine.path(), None).expect_err("are others");
    assert!(matches!(&error, KeyError::Another { .. }), "{error}");
    assert_eq!(keys::load(mine.path(), NAME, None).expect("are there").verifying.hash, before);
}
