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

    /// Forget what was not fetched to its end, when nothing is being fetched.
    pub fn drop_unfinished(&self) {
        self.remove(|name| !is_digest(name));
    }

    /// Forget all but these and what is being fetched, as far as the disk lets it.
    pub fn retain(&self, wanted: &BTreeSet<Digest>) {
        let wanted: BTreeSet<String> = wanted.iter().map(|digest| digest.to_hex()).collect();
        self.remove(|name| is_digest(name) && !wanted.contains(name));
    }

    fn remove(&self, is_of_no_use: impl Fn(&str) -> bool) {
        let Ok(files) = fs::read_dir(self.folder.join("sha256")) else { return };
        for file in files.flatten() {
            if file.file_name().to_str().is_none_or(&is_of_no_use) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Whether a file is there as a whole: until it is, it has another name.
fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
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
        let unfinished = inputs.store().begin().expect("a file");
        inputs.retain(&[].into());
        assert!(unfinished.path().exists() && !inputs.store().path(Digest::of(b"one")).exists());
        inputs.drop_unfinished();
        assert!(!unfinished.path().exists());
    }
}
