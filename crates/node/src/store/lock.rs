//! One process per data directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::StoreError;

const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// A data directory that this process alone may use. The lock goes with the value, and with the process however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Create the directory if need be and lock it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Directory { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(io)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("node.lock"))
            .map_err(io)?;
        let mut locked = lock.try_lock();
        // Whoever looks whether a node runs holds the lock for a moment.
        for _ in 0..TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(PAUSE);
            locked = lock.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's id only makes the message better.
                let _ = lock.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "unknown" } else { holder }.to_owned();
                return Err(StoreError::InUse { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        lock.set_len(0).map_err(io)?;
        lock.rewind().map_err(io)?;
        writeln!(lock, "{}", std::process::id()).map_err(io)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let held = DataDir::open(dir.path()).expect("the first to come gets it");
        let error = DataDir::open(dir.path()).expect_err("the second does not");
        assert_eq!(
            error.to_string(),
            format!(
                "data directory {} is used by another node (pid {}): stop it or pass another --data-dir",
                dir.path().display(),
                std::process::id()
            )
        );
        drop(held);
        DataDir::open(dir.path()).expect("free again");
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("data");
        fs::write(&path, "").expect("a file");
        assert!(matches!(DataDir::open(&path), Err(StoreError::Directory { .. })));
    }
}
