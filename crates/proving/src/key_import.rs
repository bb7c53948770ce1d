//! Keys that somebody else set up, put where provers look for them: copied, checked as they will be loaded, and only then in place.

use std::{fs, io, path::Path};

use crate::{
    error::KeyError,
    keys::{self, FILES, Keys, directory_of},
};

/// What became of an import.
#[derive(Debug)]
pub struct Imported {
    /// Both keys, from where they are now.
    pub keys: Keys,
    /// Whether they were there before.
    pub at_hand: bool,
}

/// Put the keys of `circuit` in the folder `source` under `directory`. `expected` is the key hash that is registered on chain, if it is
/// known; `fits` says whether what is under a directory are keys of the circuit. Keys of another setup that are there already are not
/// replaced.
pub fn import(
    source: &Path,
    directory: &Path,
    circuit: &str,
    expected: Option<&[u8; 32]>,
    fits: impl FnOnce(&Path) -> Result<(), KeyError>,
) -> Result<Imported, KeyError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::Io { path, source }
    };
    let place = directory_of(directory, circuit);
    fs::create_dir_all(directory).map_err(io(directory))?;
    let staged = tempfile::Builder::new().prefix(".import-").tempdir_in(directory).map_err(io(directory))?;
    let folder = directory_of(staged.path(), circuit);
    fs::create_dir(&folder).map_err(io(&folder))?;
    for file in FILES {
        let from = source.join(file);
        copy(&from, &folder.join(file)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeyError::Missing { circuit: circuit.to_owned(), path: from.clone() },
            _ => KeyError::Io { path: from.clone(), source: error },
        })?;
    }
    // Before the sight of what is there already: a folder that is not right itself is the first thing to say.
    let brought = keys::load(staged.path(), circuit, expected)?;
    fits(staged.path())?;
    if keys::has_any(directory, circuit) {
        let there = keys::load(directory, circuit, None)?;
        if there.verifying.hash != brought.verifying.hash {
            return Err(KeyError::Another {
                directory: place,
                there: hex::encode(there.verifying.hash),
                brought: hex::encode(brought.verifying.hash),
            });
        }
        return Ok(Imported { keys: there, at_hand: true });
    }
    drop(brought);
    fs::rename(&folder, &place).map_err(io(&place))?;
    Ok(Imported { keys: keys::load(directory, circuit, expected)?, at_hand: false })
}

/// Copies what is a file, and follows no pipe or device.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::metadata(from)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()
}
