//! Inputs of slots that are not on the chain, on disk under their digests.

use std::{collections::BTreeSet, fs, path::Path};

use provery_descriptor::{Artifact, Digest, Store};
use provery_workloads::Fetched;

/// The folder of a node's data directory that they are in.
const FOLDER: &str = "inputs";

/// See the module.
#[derive(Clone, Debug)]
pub struct Inputs {
    folder: std::path::PathBuf,
    store: Store,
}

impl Inputs {
    /// Those of the node with this data directory.
    pub fn new(data_dir: &Path) -> Self {
        let folder = data_dir.join(FOLDER);
        Self { store: Store::new(&folder), folder }
    }

    /// Where they are put.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Forget all but these, as far as the disk lets it.
    pub fn retain(&self, wanted: &BTreeSet<Digest>) {
        let Ok(files) = fs::read_dir(self.folder.join("sha256")) else { return };
        let wanted: BTreeSet<String> = wanted.iter().map(|digest| digest.to_hex()).collect();
        for file in files.flatten() {
            if file.file_name().to_str().is_none_or(|name| !wanted.contains(name)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

impl Fetched for Inputs {
    /// What was damaged since is not there.
    fn get(&self, artifact: &Artifact) -> Option<Vec<u8>> {
        let bytes = fs::read(self.store.get(artifact)?).ok()?;
        (Digest::of(&bytes) == artifact.digest).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_not_there_and_what_nobody_wants_goes() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let inputs = Inputs::new(directory.path());
        let artifact = |bytes: &[u8]| Artifact {
            media_type: String::new(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            urls: Vec::new(),
        };
        let put = |bytes: &[u8]| {
            let file = inputs.store().begin().expect("a file");
            fs::write(file.path(), bytes).expect("written");
            inputs.store().keep(file, Digest::of(bytes)).expect("kept");
        };
        put(b"one");
        put(b"two");
        assert_eq!(inputs.get(&artifact(b"one")), Some(b"one".to_vec()));
        fs::write(inputs.store().path(Digest::of(b"one")), b"eno").expect("damaged");
        assert_eq!(inputs.get(&artifact(b"one")), None);
        inputs.retain(&[Digest::of(b"one")].into());
        assert_eq!(inputs.get(&artifact(b"two")), None);
        assert!(inputs.store().path(Digest::of(b"one")).exists());
    }
}
