//! Crash points: a test kills or stops the node exactly where it is about to write, or has just written, what it goes on
//! from.
//!
//! `PROVERY_CRASH=<point>:<before|after>:<n>` makes the process kill itself at the n-th time it comes to a point, as
//! SIGKILL would: nothing is flushed, dropped or said. With `:stop` at the end it stops itself there instead, as SIGSTOP
//! would, until somebody continues it. Without the variable, points cost a comparison.

use std::sync::Mutex;

use rustix::process::{Signal, getpid, kill_process};

/// The environment variable.
pub const ENV_CRASH: &str = "PROVERY_CRASH";

/// What is written, apart from `work:<stage>` for every stage that a slot enters.
pub mod point {
    /// Blocks, their events and the work they lead to.
    pub const BLOCK: &str = "block";
    /// Blocks are taken back.
    pub const REORG: &str = "reorg";
    /// A finished proof.
    pub const PROOF: &str = "proof";
    /// What is obsolete is deleted.
    pub const COMPACT: &str = "compact";
    /// A transaction that is signed for a new nonce.
    pub const PENDING_SIGNED: &str = "pending:signed";
    /// One that is signed for the same nonce, with other fees or as a cancellation.
    pub const PENDING_REPLACED: &str = "pending:replaced";
    /// A transaction is mined, or something else about it has changed.
    pub const PENDING_MINED: &str = "pending:mined";
    /// A reorg took back the block it was mined in.
    pub const PENDING_UNMINED: &str = "pending:unmined";
    /// A transaction is forgotten.
    pub const PENDING_REMOVED: &str = "pending:removed";
    /// This node's own pause, signed.
    pub const PAUSED: &str = "meta:paused";
    /// This node's own resumption, signed.
    pub const RESUMED: &str = "meta:resumed";
}

/// Where to crash, if anywhere.
#[derive(Debug, Default)]
pub(super) struct CrashPoint(Option<Target>);

#[derive(Debug)]
struct Target {
    point: String,
    before: bool,
    signal: Signal,
    /// Times left until it is time.
    left: Mutex<u64>,
}

impl CrashPoint {
    pub(super) fn from_env() -> Self {
        Self(std::env::var(ENV_CRASH).ok().as_deref().and_then(parse))
    }

    pub(super) fn before(&self, points: &[String]) {
        self.at(points, true);
    }

    pub(super) fn after(&self, points: &[String]) {
        self.at(points, false);
    }

    fn at(&self, points: &[String], before: bool) {
        let Some(target) = self.0.as_ref().filter(|target| target.before == before) else { return };
        let met = points.iter().filter(|point| **point == target.point).count() as u64;
        let Ok(mut left) = target.left.lock() else { return };
        let due = (1..=met).contains(&*left);
        *left = left.saturating_sub(met);
        drop(left);
        if due {
            // Cannot fail for the process itself; if it did, the test would see a node that goes on.
            let _ = kill_process(getpid(), target.signal);
        }
    }
}

fn parse(text: &str) -> Option<Target> {
    let (text, signal) = text.strip_suffix(":stop").map_or((text, Signal::KILL), |text| (text, Signal::STOP));
    let (rest, times) = text.rsplit_once(':')?;
    let (point, when) = rest.rsplit_once(':')?;
    let before = match when {
        "before" => true,
        "after" => false,
        _ => return None,
    };
    let left = times.parse().ok().filter(|times| *times > 0)?;
    Some(Target { point: point.to_owned(), before, signal, left: Mutex::new(left) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_with_its_side_and_count() {
        let target = parse("work:proved:after:3").expect("is well-formed");
        assert_eq!((target.point.as_str(), target.before), ("work:proved", false));
        assert_eq!(*target.left.lock().expect("is not poisoned"), 3);
        assert_eq!(target.signal, Signal::KILL);
        let stop = parse("block:before:2:stop").expect("is well-formed");
        assert_eq!((stop.point.as_str(), stop.signal), ("block", Signal::STOP));
        for wrong in
            ["", "block", "block:before", "block:amid:1", "block:before:0", "block:before:x", "block:stop"]
        {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn other_points_are_passed() {
        let crash = CrashPoint(parse("proof:before:1"));
        crash.before(&["block".to_owned()]);
        crash.after(&["proof".to_owned()]);
    }
}
