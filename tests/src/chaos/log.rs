//! Every injected fault, one JSON object a line: what it takes to understand a run that failed.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use eyre::{Context, Result};
use serde_json::{Value, json};

/// This machine's clock in unix milliseconds.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Writes the log and counts what is in it. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct EventLog {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
    /// The chain's head, as the miner knows it.
    head: Arc<AtomicU64>,
}

impl EventLog {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(Mutex::new(file)),
            counts: Arc::default(),
            head: Arc::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    pub(super) fn set_head(&self, head: u64) {
        self.head.store(head, Ordering::Relaxed);
    }

    /// A fault was injected: counted, and written.
    pub(super) fn injected(&self, fault: &str, target: &str, details: Value) {
        if let Ok(mut counts) = self.counts.lock() {
            *counts.entry(fault.to_owned()).or_default() += 1;
        }
        self.line(json!({ "fault": fault, "target": target, "details": details }));
    }

    /// Something else that explains the run, such as a node that ended by itself.
    pub(super) fn note(&self, event: &str, target: &str, details: Value) {
        self.line(json!({ "event": event, "target": target, "details": details }));
    }

    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().map(|counts| counts.clone()).unwrap_or_default()
    }

    fn line(&self, mut line: Value) {
        line["at_ms"] = now_ms().into();
        line["block"] = self.head().into();
        if let Ok(mut file) = self.file.lock() {
            // A log that cannot be written must not end the run; the counts remain.
            let _ = writeln!(file, "{line}");
        }
    }
}
