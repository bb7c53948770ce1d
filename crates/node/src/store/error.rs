//! What can be wrong with a data directory.

use std::path::PathBuf;

/// Each says what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "data directory {path} cannot be used ({source}): check its permissions or pass another --data-dir"
    )]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(
        "data directory {path} is used by another node (pid {holder}): stop it or pass another --data-dir"
    )]
    InUse { path: PathBuf, holder: String },
    #[error(
        "the database {path} cannot be opened ({reason}): check the disk, or remove the file to follow the chain anew"
    )]
    Open { path: PathBuf, reason: String },
    #[error(
        "data directory {path} has schema {found} and this program reads {expected}: use the version that wrote it, or another --data-dir"
    )]
    Schema { path: PathBuf, found: u32, expected: u32 },
    #[error("data directory {path} belongs to another chain, market or prover: pass another --data-dir")]
    Foreign { path: PathBuf },
    #[error("the node's database failed ({0}): check the disk's space and health, then start the node again")]
    Database(#[from] Box<redb::Error>),
    #[error("a record could not be encoded ({0}), which is a bug")]
    Encode(serde_json::Error),
    #[error(
        "the node's database holds a record that cannot be read ({0}): remove the data directory to follow the chain anew"
    )]
    Decode(serde_json::Error),
}

impl StoreError {
    /// Whether the disk may be at fault, so that opening the store again later may help.
    pub fn is_disk(&self) -> bool {
        matches!(self, Self::Directory { .. } | Self::Open { .. } | Self::Database(_))
    }
}

macro_rules! database_errors {
    ($($error:ty),+) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })+
    };
}

database_errors!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);
