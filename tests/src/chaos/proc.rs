//! Processes from the outside: signals, limits, memory, descriptors. Linux tells; elsewhere nothing is known.

use std::{fs, path::PathBuf};

use rustix::process::{Pid, Signal, kill_process};

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Send a signal; whether there was such a process.
pub fn signal(pid: u32, signal: Signal) -> bool {
    pid_of(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Let files grow to `bytes` and no further; to any size if not given.
#[cfg(target_os = "linux")]
pub fn limit_files(pid: u32, bytes: Option<u64>) -> bool {
    use rustix::process::{Resource, Rlimit, prlimit};
    let limit = Rlimit { current: bytes, maximum: None };
    pid_of(pid).is_some_and(|pid| prlimit(Some(pid), Resource::Fsize, limit).is_ok())
}

#[cfg(not(target_os = "linux"))]
pub fn limit_files(_: u32, _: Option<u64>) -> bool {
    false
}

/// Child processes.
pub fn children(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|child| parent(*child) == Some(pid))
        .collect()
}

/// All that came of this process.
#[derive(Debug)]
pub struct Descendants(Vec<(u32, u64)>);

impl Descendants {
    pub fn now() -> Self {
        Self::of(std::process::id())
    }

    pub fn of(pid: u32) -> Self {
        let mut found = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                found.extend(started(child).map(|ticks| (child, ticks)));
                parents.push(child);
            }
        }
        Self(found)
    }

    /// Those that still run: a number may be another process's by now.
    pub fn left(&self) -> impl Iterator<Item = u32> {
        self.0.iter().filter(|(pid, ticks)| started(*pid) == Some(*ticks)).map(|(pid, _)| *pid)
    }

    pub fn kill(&self) {
        for pid in self.left() {
            signal(pid, Signal::KILL);
        }
    }
}

/// Ticks after the machine's start at which it was started; nothing if it has ended.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may have spaces in it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok()).flatten()
}

fn parent(pid: u32) -> Option<u32> {
    field(pid, "PPid:")
}

/// Resident memory in KiB that is no file's.
pub fn resident_kib(pid: u32) -> Option<u64> {
    field(pid, "RssAnon:").map(u64::from)
}

/// Whether it is stopped, as by SIGSTOP.
pub fn stopped(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains("T (stopped)"))
}

fn field(pid: u32, name: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Open descriptors.
pub fn descriptors(pid: u32) -> Option<u64> {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    fs::read_dir(folder).ok().map(|entries| entries.count() as u64)
}
