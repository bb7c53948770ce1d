//! What can be wrong with a data directory.

use std::path::PathBuf;

/// Each says what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be created, locked or written.
    #[error(
        "data directory {path} cannot be used ({source}): check its permissions or pass another --data-dir"
    )]
    Directory {
        /// The data directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process holds the directory.
    #[error(
        "data directory {path} is used by another node (pid {holder}): stop it or pass another --data-dir"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Its process id, as it wrote itself down, or "unknown".
        holder: String,
    },
    /// The database cannot be opened.
    #[error(
        "the database {path} cannot be opened ({reason}): check the disk, or remove the file to follow the chain anew"
    )]
    Open {
        /// The database's file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The database was written by a program of another version.
    #[error(
        "data directory {path} has schema {found} and this program reads {expected}: use the version that wrote it, or another --data-dir"
    )]
    Schema {
        /// The data directory.
        path: PathBuf,
        /// The database's schema; 0 if it names none.
        found: u32,
        /// This program's.
        expected: u32,
    },
    /// The database is about another chain, market or prover.
    #[error("data directory {path} belongs to another chain, market or prover: pass another --data-dir")]
    Foreign {
        /// The data directory.
        path: PathBuf,
    },
    /// The database failed.
    #[error("the node's database failed ({0}): check the disk's space and health, then start the node again")]
    Database(#[from] Box<redb::Error>),
    /// A record cannot be written as JSON.
    #[error("a record could not be encoded ({0}), which is a bug")]
    Encode(serde_json::Error),
    /// A record is not the JSON that it should be.
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
