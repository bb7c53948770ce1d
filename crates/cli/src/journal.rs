//! What a command of several transactions sends, on disk before it is sent: the same command, run again after it was
//! interrupted, goes on from there and pays for nothing twice.
//!
//! A journal is a folder beside the deployment file: `plan.json` says what is being done, and each pending transaction has a file. It is gone
//! once the command is done.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use eyre::Result;
use provery_txmgr::{Journal, JournalError, PendingTransaction};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Code, fail},
    files,
};

const PLAN: &str = "plan.json";
const LOCK: &str = "lock";

/// What a command is to do, as far as a later run of it must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Such as `deploy`.
    pub command: String,
    /// Whose key signs.
    pub account: Address,
    /// Which chain: an id alone may be another one's, too.
    pub genesis: B256,
    /// Every choice by the name that people know it by.
    pub choices: BTreeMap<String, String>,
}

impl Plan {
    /// What two plans differ in, in words; nothing if one can go on with the other.
    fn differs(&self, before: &Self) -> Option<String> {
        let mut names: Vec<String> = self
            .choices
            .keys()
            .chain(before.choices.keys())
            .filter(|name| self.choices.get(*name) != before.choices.get(*name))
            .cloned()
            .collect();
        if self.account != before.account {
            names.push(format!("the key ({} before)", before.account));
        }
        names.sort();
        names.dedup();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// The journal of one command, this process's alone.
#[derive(Debug)]
pub(crate) struct CommandJournal {
    folder: PathBuf,
    /// Pending transactions that an earlier run left.
    pub found: usize,
    /// What is at its place now, if anything, is another's.
    ended: bool,
    /// Held until the command ends.
    _lock: fs::File,
}

/// Where the journal of a command about a deployment file is.
pub(crate) fn path_of(deployment: &Path, what: &str) -> PathBuf {
    let mut name = deployment.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{what}.unfinished"));
    deployment.with_file_name(name)
}

impl CommandJournal {
    /// Begin a journal, or go on with the one that an earlier run left.
    pub(crate) fn open(folder: &Path, plan: &Plan) -> Result<Self> {
        let io = |error: std::io::Error| {
            fail(Code::Io, format!("the journal {} cannot be used: {error}", folder.display()))
        };
        let Some(lock) = locked(folder).map_err(io)? else {
            return Err(fail(
                Code::DataDirBusy,
                format!(
                    "another `provery {}` is at work on {}; wait until it ends",
                    plan.command,
                    folder.display()
                ),
            ));
        };
        let path = folder.join(PLAN);
        let found = stored(folder).map_err(io)?.len();
        // What was sent is paid for: it is forgotten by nobody but whoever removes the folder.
        if found > 0 {
            let before = fs::read(&path).map_err(|error| error.to_string());
            let before = before
                .and_then(|text| serde_json::from_slice::<Plan>(&text).map_err(|error| error.to_string()));
            let hindrance = match before {
                Err(error) => Some(unreadable(plan, folder, found, &error)),
                Ok(before) if before.genesis != plan.genesis => Some(elsewhere(plan, folder, found)),
                Ok(before) => plan.differs(&before).map(|differs| unfinished(plan, folder, &differs)),
            };
            if let Some(hindrance) = hindrance {
                return Err(fail(Code::Unfinished, hindrance));
            }
        }
        files::write(&path, &serde_json::to_vec_pretty(plan)?)?;
        Ok(Self { folder: folder.to_path_buf(), found, ended: false, _lock: lock })
    }

    pub(crate) fn pending(&self) -> Arc<dyn Journal> {
        Arc::new(Folder(self.folder.clone()))
    }

    /// Everything is done and written down elsewhere.
    pub(crate) fn done(mut self) -> Result<()> {
        self.ended = true;
        discard(&self.folder).map_err(|error| {
            fail(Code::Io, format!("the journal {} cannot be removed: {error}", self.folder.display()))
        })
    }
}

/// The lock of a journal's folder, which is made if it is missing; nothing if another process has it.
fn locked(folder: &Path) -> std::io::Result<Option<fs::File>> {
    let path = folder.join(LOCK);
    loop {
        files::make_folder(folder)?;
        let lock = match fs::File::create(&path) {
            Ok(lock) => lock,
            // Whoever had it has just removed the folder.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        // A lock on a file that was removed meanwhile keeps nobody out.
        let held = same_file::Handle::from_file(lock.try_clone()?)?;
        if same_file::Handle::from_path(&path).is_ok_and(|there| there == held) {
            return Ok(Some(lock));
        }
    }
}

/// Remove a journal, whole or not at all: one of which a part is left would have the rest sent again. Only for whoever holds its lock.
fn discard(folder: &Path) -> std::io::Result<()> {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(".done");
    let aside = folder.with_file_name(name);
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(folder, &aside)?;
    files::sync_folder(folder)?;
    loop {
        match fs::remove_dir_all(&aside) {
            // Another process was about to lock it when it was moved, and made its file in here.
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => return removed,
        }
    }
}

impl Drop for CommandJournal {
    /// Where nothing was sent, nothing is left.
    fn drop(&mut self) {
        if !self.ended && stored(&self.folder).is_ok_and(|pending| pending.is_empty()) {
            let _ = discard(&self.folder);
        }
    }
}

fn unfinished(plan: &Plan, folder: &Path, differs: &str) -> String {
    format!(
        "an earlier `provery {}` was interrupted after it had sent transactions, and differs in {differs}; run it as it was and it \
         goes on from there, or remove {} to begin anew without what it paid for",
        plan.command,
        folder.display()
    )
}

fn unreadable(plan: &Plan, folder: &Path, sent: usize, error: &str) -> String {
    format!(
        "an earlier `provery {}` was interrupted after it had sent {sent} transactions, and what it was to do cannot be read \
         ({error}: {}); restore that file, or remove {} to begin anew without what it paid for",
        plan.command,
        folder.join(PLAN).display(),
        folder.display()
    )
}

fn elsewhere(plan: &Plan, folder: &Path, sent: usize) -> String {
    format!(
        "an earlier `provery {}` was interrupted after it had sent {sent} transactions on another chain than this one, whose first \
         block differs; run it there and it goes on, or, if that chain is no more, remove {}",
        plan.command,
        folder.display()
    )
}

/// The files of pending transactions, and what is in them.
fn stored(folder: &Path) -> std::io::Result<Vec<(PathBuf, PendingTransaction)>> {
    let mut pending = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "pending") {
            let transaction = serde_json::from_slice(&fs::read(&path)?).map_err(std::io::Error::other)?;
            pending.push((path, transaction));
        }
    }
    Ok(pending)
}

/// Pending transactions as files, one a nonce.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn path(&self, account: Address, nonce: u64) -> PathBuf {
        self.0.join(format!("{account}-{nonce}.pending"))
    }
}

fn unwritten(error: &dyn std::fmt::Display) -> JournalError {
    JournalError(error.to_string())
}

impl Journal for Folder {
    fn load(&self, account: Address) -> Result<Vec<PendingTransaction>, JournalError> {
        let stored = stored(&self.0).map_err(|error| unwritten(&error))?;
        let mut pending: Vec<PendingTransaction> = stored
            .into_iter()
            .map(|(_, pending)| pending)
            .filter(|pending| pending.account == account)
            .collect();
        pending.sort_by_key(|pending| pending.nonce);
        Ok(pending)
    }

    fn put(&self, pending: &PendingTransaction) -> Result<(), JournalError> {
        let text = serde_json::to_vec(pending).map_err(|error| unwritten(&error))?;
        files::write(&self.path(pending.account, pending.nonce), &text).map_err(|error| unwritten(&error))
    }

    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError> {
        match fs::remove_file(self.path(account, nonce)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritten(&error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Bytes, U256};
    use provery_txmgr::Signed;

    use super::*;
    use crate::error::Failure;

    const ACCOUNT: Address = Address::repeat_byte(1);

    fn plan(unit: &str, genesis: u8) -> Plan {
        Plan {
            command: "deploy".into(),
            account: ACCOUNT,
            genesis: B256::repeat_byte(genesis),
            choices: [("--stake-unit".to_string(), unit.to_string())].into(),
        }
    }

    fn pending(nonce: u64) -> PendingTransaction {
        let signed = Signed {
            hash: B256::ZERO,
            raw: Bytes::from_static(&[1]),
            max_fee: 1,
            max_priority_fee: 1,
            cancels: false,
        };
        PendingTransaction {
            account: ACCOUNT,
            nonce,
            tag: format!("deploy:{nonce}"),
            kind: "deploy".into(),
            to: None,
            data: Bytes::from_static(&[2]),
            value: U256::ZERO,
            gas: 1,
            budget: None,
            spend: Default::default(),
            deadline: None,
            signed: vec![signed],
            mined: None,
        }
    }

    #[test]
    fn what_was_sent_is_there_for_the_next_run_of_the_same_command() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = path_of(&folder.path().join("1.json"), "deploy");
        let first = CommandJournal::open(&path, &plan("1", 1)).expect("begins");
        first.pending().put(&pending(12)).expect("writes");
        first.pending().put(&pending(3)).expect("writes");
        first.pending().put(&pending(4)).expect("writes");
        first.pending().remove(ACCOUNT, 4).expect("removes");
        let busy = CommandJournal::open(&path, &plan("1", 1)).expect_err("is at work");
        assert_eq!(busy.downcast_ref::<Failure>().map(|failure| failure.code), Some(Code::DataDirBusy));
        drop(first);

        let other = CommandJournal::open(&path, &plan("2", 1)).expect_err("is another").to_string();
        assert!(other.contains("--stake-unit") && other.contains("1.json.deploy"), "{other}");

        let again = CommandJournal::open(&path, &plan("1", 1)).expect("goes on");
        assert_eq!(again.found, 2);
        assert_eq!(again.pending().load(ACCOUNT).expect("reads"), [pending(3), pending(12)]);
        assert_eq!(again.pending().load(Address::ZERO).expect("reads"), []);
        again.done().expect("ends");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    fn refused(path: &Path, plan: &Plan) -> String {
        let error = CommandJournal::open(path, plan).expect_err("is refused");
        assert_eq!(error.downcast_ref::<Failure>().map(|failure| failure.code), Some(Code::Unfinished));
        error.to_string()
    }

    #[test]
    fn what_was_sent_is_forgotten_by_nobody_but_whoever_removes_the_folder() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("journal");
        let first = CommandJournal::open(&path, &plan("1", 1)).expect("begins");
        first.pending().put(&pending(3)).expect("writes");
        drop(first);

        let other_chain = refused(&path, &plan("1", 2));
        assert!(other_chain.contains("another chain") && other_chain.contains("remove"), "{other_chain}");
        let kept = fs::read(path.join(PLAN)).expect("is there");
        for spoilt in [Some("{"), Some(""), None] {
            match spoilt {
                Some(text) => fs::write(path.join(PLAN), text).expect("writes"),
                None => fs::remove_file(path.join(PLAN)).expect("removes"),
            }
            let unreadable = refused(&path, &plan("1", 1));
            assert!(
                unreadable.contains("plan.json") && unreadable.contains("1 transactions"),
                "{unreadable}"
            );
        }
        fs::write(path.join(PLAN), kept).expect("writes");
        assert_eq!(CommandJournal::open(&path, &plan("1", 1)).expect("goes on").found, 1);
    }

    #[test]
    fn where_nothing_was_sent_any_plan_begins() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("journal");
        fs::create_dir_all(&path).expect("makes it");
        fs::write(path.join(PLAN), "{").expect("writes");
        assert_eq!(CommandJournal::open(&path, &plan("1", 1)).expect("begins").found, 0);
        assert!(!path.exists(), "nothing is left");
    }

    #[test]
    fn a_lock_whose_file_was_removed_while_it_was_awaited_is_none() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("journal");
        let (running, most) = (std::sync::atomic::AtomicU32::new(0), std::sync::atomic::AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    use std::sync::atomic::Ordering::SeqCst;
                    for _ in 0..300 {
                        let Ok(journal) = CommandJournal::open(&path, &plan("1", 1)) else { continue };
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, SeqCst);
                        journal.done().expect("ends");
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1, "two at once");
    }
}
