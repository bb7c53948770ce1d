//! What a command of several transactions sends, on disk before it is sent: the same command, run again after it was
//! interrupted, goes on from there and pays for nothing twice.
//!
//! A journal is a folder beside the deployment file: `plan.json` says what is being done, and each intent has a file. It is gone
//! once the command is done.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use eyre::Result;
use provery_chain::{Intent, Journal, JournalError};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Code, fail},
    files,
};

const PLAN: &str = "plan.json";
const LOCK: &str = "lock";

/// What a command is to do, as far as a later run of it must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
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
pub struct CommandJournal {
    folder: PathBuf,
    /// Intents that an earlier run left.
    pub found: usize,
    /// Held until the command ends.
    _lock: fs::File,
}

/// Where the journal of a command about a deployment file is.
pub fn path_of(deployment: &Path, what: &str) -> PathBuf {
    let mut name = deployment.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{what}.unfinished"));
    deployment.with_file_name(name)
}

impl CommandJournal {
    /// Begin a journal, or go on with the one that an earlier run left.
    pub fn open(folder: &Path, plan: &Plan) -> Result<Self> {
        let io = |error: std::io::Error| {
            fail(Code::Io, format!("the journal {} cannot be used: {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(io)?;
        let lock = fs::File::create(folder.join(LOCK)).map_err(io)?;
        if lock.try_lock().is_err() {
            return Err(fail(
                Code::DataDirBusy,
                format!(
                    "another `provery {}` is at work on {}; wait until it ends",
                    plan.command,
                    folder.display()
                ),
            ));
        }
        let path = folder.join(PLAN);
        let before = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Plan>(&text).ok());
        let intents = stored(folder).map_err(io)?;
        match before {
            Some(before) if before.genesis == plan.genesis => {
                if let Some(differs) = plan.differs(&before).filter(|_| !intents.is_empty()) {
                    return Err(fail(Code::Unfinished, unfinished(plan, folder, &differs)));
                }
            }
            // Of a chain that is no more, or of nothing that was sent.
            _ => {
                for (path, _) in &intents {
                    fs::remove_file(path).map_err(io)?;
                }
            }
        }
        files::write(&path, &serde_json::to_vec_pretty(plan)?)?;
        let found = stored(folder).map_err(io)?.len();
        Ok(Self { folder: folder.to_path_buf(), found, _lock: lock })
    }

    pub fn intents(&self) -> Arc<dyn Journal> {
        Arc::new(Folder(self.folder.clone()))
    }

    /// Everything is done and written down elsewhere.
    pub fn done(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(|error| {
            fail(Code::Io, format!("the journal {} cannot be removed: {error}", self.folder.display()))
        })
    }
}

impl Drop for CommandJournal {
    /// Where nothing was sent, nothing is left.
    fn drop(&mut self) {
        if stored(&self.folder).is_ok_and(|intents| intents.is_empty()) {
            let _ = fs::remove_dir_all(&self.folder);
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

/// The files of intents, and what is in them.
fn stored(folder: &Path) -> std::io::Result<Vec<(PathBuf, Intent)>> {
    let mut intents = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "intent") {
            let intent = serde_json::from_slice(&fs::read(&path)?).map_err(std::io::Error::other)?;
            intents.push((path, intent));
        }
    }
    Ok(intents)
}

/// Intents as files, one a nonce.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn path(&self, account: Address, nonce: u64) -> PathBuf {
        self.0.join(format!("{account}-{nonce}.intent"))
    }
}

fn unwritten(error: &dyn std::fmt::Display) -> JournalError {
    JournalError(error.to_string())
}

impl Journal for Folder {
    fn load(&self, account: Address) -> Result<Vec<Intent>, JournalError> {
        let stored = stored(&self.0).map_err(|error| unwritten(&error))?;
        let mut intents: Vec<Intent> =
            stored.into_iter().map(|(_, intent)| intent).filter(|intent| intent.account == account).collect();
        intents.sort_by_key(|intent| intent.nonce);
        Ok(intents)
    }

    fn put(&self, intent: &Intent) -> Result<(), JournalError> {
        let text = serde_json::to_vec(intent).map_err(|error| unwritten(&error))?;
        files::write(&self.path(intent.account, intent.nonce), &text).map_err(|error| unwritten(&error))
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
    use provery_chain::Signed;

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

    fn intent(nonce: u64) -> Intent {
        let signed = Signed {
            hash: B256::ZERO,
            raw: Bytes::from_static(&[1]),
            max_fee: 1,
            max_priority_fee: 1,
            cancels: false,
        };
        Intent {
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
        first.intents().put(&intent(12)).expect("writes");
        first.intents().put(&intent(3)).expect("writes");
        first.intents().put(&intent(4)).expect("writes");
        first.intents().remove(ACCOUNT, 4).expect("removes");
        let busy = CommandJournal::open(&path, &plan("1", 1)).expect_err("is at work");
        assert_eq!(busy.downcast_ref::<Failure>().map(|failure| failure.code), Some(Code::DataDirBusy));
        drop(first);

        let other = CommandJournal::open(&path, &plan("2", 1)).expect_err("is another").to_string();
        assert!(other.contains("--stake-unit") && other.contains("1.json.deploy"), "{other}");

        let again = CommandJournal::open(&path, &plan("1", 1)).expect("goes on");
        assert_eq!(again.found, 2);
        assert_eq!(again.intents().load(ACCOUNT).expect("reads"), [intent(3), intent(12)]);
        assert_eq!(again.intents().load(Address::ZERO).expect("reads"), []);
        again.done().expect("ends");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[test]
    fn a_chain_that_is_no_more_leaves_nothing() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("journal");
        let first = CommandJournal::open(&path, &plan("1", 1)).expect("begins");
        first.intents().put(&intent(3)).expect("writes");
        drop(first);
        assert_eq!(CommandJournal::open(&path, &plan("2", 2)).expect("begins anew").found, 0);
    }
}
