//! What sealed bids are derived from: the same at every start, and known to nobody else. A bid that nobody can open any more costs
//! its deposit.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use alloy::{
    primitives::{B256, keccak256},
    signers::k256::elliptic_curve::rand_core::{OsRng, RngCore as _},
};
use eyre::Result;
use provery_txmgr::Signer;
use zeroize::Zeroizing;

use crate::{
    error::{Code, fail},
    files,
};

/// Where it is kept, in the data directory, if it does not follow from a key.
const FILE: &str = "bids.secret";

/// From the key, where that is here; else from a file that is made once.
pub(super) fn of(signer: &Signer, data_dir: &Path) -> Result<B256> {
    match signer.key() {
        Some(key) => {
            let key = Zeroizing::new(key.to_bytes().0);
            let seed = Zeroizing::new([key.as_slice(), b"provery sealed bids"].concat());
            Ok(keccak256(seed.as_slice()))
        }
        None => kept(&data_dir.join(FILE)),
    }
}

fn kept(path: &Path) -> Result<B256> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            text.trim().parse().map_err(|_| {
                fail(
                    Code::DataDirInvalid,
                    format!("{shown} is damaged, and sealed bids cannot be opened without it; restore it from a backup"),
                )
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path).map_err(|error| fail(Code::Io, format!("{shown} cannot be written: {error}")))
        }
        Err(error) => Err(fail(Code::Io, format!("{shown} cannot be read: {error}"))),
    }
}

/// Its owner's alone, and whole or not there.
fn make(path: &Path) -> io::Result<B256> {
    let folder = path.parent().unwrap_or(Path::new("."));
    files::make_folder(folder)?;
    let mut secret = B256::ZERO;
    OsRng.fill_bytes(secret.as_mut_slice());
    let text = Zeroizing::new(format!("{secret}\n"));
    let mut file = tempfile::Builder::new().prefix(".secret-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    files::sync_folder(path)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use alloy::{primitives::Address, signers::local::PrivateKeySigner};
    use provery_txmgr::RemoteSigner;

    use super::*;

    #[test]
    fn a_key_elsewhere_has_a_secret_that_outlives_the_process_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let data_dir = folder.path().join("node");
        let remote: Signer =
            RemoteSigner::new("http://127.0.0.1:9", Address::repeat_byte(1)).expect("a URL").into();
        let first = of(&remote, &data_dir).expect("makes it");
        assert_eq!(of(&remote, &data_dir).expect("reads it"), first);
        assert_ne!(of(&remote, &folder.path().join("other")).expect("makes it"), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(data_dir.join(FILE)).expect("is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(data_dir.join(FILE), "0x12").expect("damages it");
        assert!(of(&remote, &data_dir).expect_err("is damaged").to_string().contains("backup"));
    }

    #[test]
    fn a_key_here_needs_no_file() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let key: Signer = PrivateKeySigner::random().into();
        assert_eq!(
            of(&key, folder.path()).expect("is derived"),
            of(&key, folder.path()).expect("is derived")
        );
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
    }
}
