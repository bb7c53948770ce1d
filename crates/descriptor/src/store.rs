//! Artifacts on disk, each under its digest, so that a file is what its name says or is not there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{artifact::Artifact, digest::Digest};

/// A directory of artifacts: `sha256/<digits>`.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// In `root`, which is made when something is put into it.
    pub fn new(root: &Path) -> Self {
        Self { directory: root.join("sha256") }
    }

    /// Where an artifact is, or would be.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(digest.to_hex())
    }

    /// An artifact's file, if it is there. Every byte was hashed when it was put there; a size that differs says that it was
    /// damaged since.
    pub fn get(&self, artifact: &Artifact) -> Option<PathBuf> {
        let path = self.path(artifact.digest);
        let size = fs::metadata(&path).ok()?.len();
        (size == artifact.size).then_some(path)
    }

    /// Hash an artifact's file again.
    pub fn is_intact(&self, artifact: &Artifact) -> io::Result<bool> {
        let file = fs::File::open(self.path(artifact.digest))?;
        let (digest, size) = Digest::of_reader(file)?;
        Ok(digest == artifact.digest && size == artifact.size)
    }

    /// A file to write an artifact into; [`Self::keep`] puts it in its place.
    pub fn begin(&self) -> io::Result<NamedTempFile> {
        fs::create_dir_all(&self.directory)?;
        NamedTempFile::new_in(&self.directory)
    }

    /// Put a file whose digest was computed while it was written in its place.
    pub fn keep(&self, file: NamedTempFile, digest: Digest) -> io::Result<PathBuf> {
        file.as_file().sync_all()?;
        let path = self.path(digest);
        file.persist(&path)?;
        Ok(path)
    }

    /// Copy a file that is on this machine already.
    pub fn import(&self, path: &Path) -> io::Result<(Digest, u64)> {
        let mut copy = self.begin()?;
        io::copy(&mut fs::File::open(path)?, &mut copy)?;
        let (digest, size) = Digest::of_reader(copy.reopen()?)?;
        self.keep(copy, digest)?;
        Ok((digest, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_what_it_holds_and_damage_shows() {
        let root = tempfile::tempdir().expect("is made");
        let source = root.path().join("a.zkey");
        fs::write(&source, b"key").expect("is written");
        let store = Store::new(&root.path().join("store"));
        let artifact =
            |size| Artifact { media_type: "x/y".to_owned(), digest: Digest::of(b"key"), size, urls: vec![] };
        assert_eq!(store.get(&artifact(3)), None);
        assert_eq!(store.import(&source).expect("is copied"), (Digest::of(b"key"), 3));
        let path = store.get(&artifact(3)).expect("is there");
        assert!(store.is_intact(&artifact(3)).expect("is read"));
        fs::write(path, b"kez").expect("is damaged");
        assert!(!store.is_intact(&artifact(3)).expect("is read"));
        fs::write(store.path(Digest::of(b"key")), b"ke").expect("is cut");
        assert_eq!(store.get(&artifact(3)), None);
    }
}
