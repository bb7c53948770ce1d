//! Descriptors and circuits' files on this machine.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use eyre::Result;
use provery_circom::descriptor::Files;
use provery_descriptor::{ArtifactError, Descriptor, Digest, Role, Store, document::MAX_BYTES};
use provery_workloads::circom::{
    circuit_name, descriptor_of,
    files::{descriptor_path, store},
};

use crate::{
    config,
    error::{Code, fail},
    files,
};

/// Where the files of a circuit may be.
#[derive(Debug, Args)]
pub(super) struct Places {
    /// A file of the circuit, or a folder with some; may be given more than once [default: those that were fetched]
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeysDir,
}

/// Where fetched files are kept.
#[derive(Debug, Args)]
pub(super) struct KeysDir {
    /// Where circuits' files are kept, beside the keys [env: PROVERY_KEYS_DIR] [default: .provery/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

impl KeysDir {
    fn path(&self) -> PathBuf {
        config::keys_dir(self.keys.clone())
    }

    pub(super) fn store(&self) -> Store {
        store(&self.path())
    }
}

impl Places {
    pub(super) fn store(&self) -> Store {
        self.keys.store()
    }

    /// Where circuits' files are kept.
    pub(super) fn keys_dir(&self) -> PathBuf {
        self.keys.path()
    }

    /// Put a descriptor, whose digest this is, where provers look for it.
    pub(super) fn keep(&self, bytes: &[u8], digest: &Digest) -> Result<()> {
        keep(&self.keys.path(), bytes, digest)
    }

    /// The descriptor in a file; or that of the circuit that deployment files call so, if it was fetched.
    pub(super) fn described(&self, file: &Path) -> Result<(Descriptor, Digest)> {
        let known = file.to_str().filter(|name| descriptor_of(name).is_some());
        match known.filter(|_| !file.exists()) {
            Some(name) => read(&descriptor_path(&self.keys.path(), name)),
            None => read(file),
        }
    }

    /// The descriptor of this digest among what is named and what was fetched, as bytes.
    pub(super) fn descriptor(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let kept = descriptor_path(&self.keys.path(), &circuit_name(digest));
        let json = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        let named = named(&self.from)?.into_iter().filter(json);
        for path in named.chain([kept]) {
            match bounded(&path, MAX_BYTES as u64) {
                Ok(bytes) if Digest::of(&bytes) == *digest => return Ok(Some(bytes)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The files that are there, by what they are for. One that was named and is another than described is among them, so that it
    /// is refused by its name.
    pub(super) fn find(&self, descriptor: &Descriptor, store: &Store) -> Result<Files> {
        let named = named(&self.from)?;
        let mut files = Files::new();
        for (role, artifact) in &descriptor.artifacts {
            let mut candidates = named.iter().filter(|path| role_of(path) == Some(*role)).peekable();
            let first = candidates.peek().copied();
            let right = candidates.find(|path| artifact.verify(*role, path).is_ok());
            let other =
                || named.iter().find(|path| role_of(path).is_none() && artifact.verify(*role, path).is_ok());
            let found = right.or_else(other).or(first).cloned().or_else(|| store.get(artifact));
            files.extend(found.map(|path| (*role, path)));
        }
        Ok(files)
    }

    /// Put a file that is named here and is the one that is described into the store; nothing if none is.
    pub(super) fn import(
        &self,
        descriptor: &Descriptor,
        role: Role,
        store: &Store,
    ) -> Result<Option<PathBuf>> {
        let Some(artifact) = descriptor.artifacts.get(&role) else { return Ok(None) };
        let named = named(&self.from)?;
        let mut wrong = None;
        let of_role = |path: &&PathBuf| role_of(path).is_none_or(|it| it == role);
        for path in named.iter().filter(of_role) {
            match artifact.verify(role, path) {
                Ok(()) => {
                    store.import(path).map_err(|error| unwritable(&error))?;
                    return Ok(store.get(artifact));
                }
                Err(error) if role_of(path) == Some(role) => wrong = Some(error),
                Err(_) => {}
            }
        }
        match wrong {
            Some(error) => Err(of_artifact(&error)),
            None => Ok(None),
        }
    }
}

/// Put a descriptor, whose digest this is, under a directory of keys.
pub(super) fn keep(keys: &Path, bytes: &[u8], digest: &Digest) -> Result<()> {
    let path = descriptor_path(keys, &circuit_name(digest));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| unwritable(&error))?;
    }
    files::write(&path, bytes)
}

pub(super) fn unwritable(error: &std::io::Error) -> eyre::Report {
    fail(Code::Io, format!("the file cannot be kept: {error}; see to the disk, or name another --keys"))
}

pub(super) fn of_artifact(error: &ArtifactError) -> eyre::Report {
    let code = if matches!(error, ArtifactError::Io { .. }) { Code::Io } else { Code::CircuitMismatch };
    fail(code, error.to_string())
}

/// The files that are named, and those in folders that are.
pub(super) fn named(from: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut named = Vec::new();
    for path in from {
        let io = |error| fail(Code::Io, format!("{} cannot be read: {error}; check --from", path.display()));
        if fs::metadata(path).map_err(io)?.is_dir() {
            let entries = fs::read_dir(path).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
            let mut files: Vec<_> =
                entries.iter().map(fs::DirEntry::path).filter(|it| it.is_file()).collect();
            files.sort();
            named.extend(files);
        } else {
            named.push(path.clone());
        }
    }
    Ok(named)
}

/// What a file is for, by its usual ending.
pub(super) fn role_of(path: &Path) -> Option<Role> {
    match path.extension()?.to_str()? {
        "zkey" => Some(Role::ProvingKey),
        "wasm" => Some(Role::WitnessWasm),
        "r1cs" => Some(Role::Constraints),
        "sym" => Some(Role::Symbols),
        // As circom-witnesscalc's own examples name it.
        "wcd" => Some(Role::WitnessGraph),
        _ => None,
    }
}

/// The descriptor in a file, and its digest.
pub(crate) fn read(path: &Path) -> Result<(Descriptor, Digest)> {
    let bytes = descriptor_bytes(path)?;
    let descriptor = Descriptor::parse(&bytes)
        .map_err(|error| fail(Code::DescriptorInvalid, format!("{}: {error}", path.display())))?;
    Ok((descriptor, Digest::of(&bytes)))
}

/// A descriptor's file.
pub(crate) fn descriptor_bytes(path: &Path) -> Result<Vec<u8>> {
    at_most(path, MAX_BYTES as u64, Code::DescriptorInvalid)
}

/// A file of at most `most` bytes; a longer one is refused without being read further.
pub(crate) fn bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    at_most(path, most, Code::Usage)
}

fn at_most(path: &Path, most: u64, code: Code) -> Result<Vec<u8>> {
    let io = |error| fail(Code::Io, format!("{} cannot be read: {error}; check the path", path.display()));
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most {
        return Err(fail(
            code,
            format!(
                "{} has more than {most} bytes, the most that is taken here; is it the right file?",
                path.display()
            ),
        ));
    }
    Ok(bytes)
}
