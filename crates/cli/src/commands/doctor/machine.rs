//! This machine: the data directory and its disk, the proving keys, what was measured.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, U256};
use provery_node::earning::Lack;
use provery_proving::keys;
use provery_puzzle::CIRCUIT_NAME;
use provery_workloads::Workloads;

use super::{Findings, served::Served};
use crate::{
    amount::Currency,
    backends,
    commands::{
        calibrate::{self, Calibration},
        node::config,
    },
    config::node::NodeValues,
    error_report,
    session::Session,
};

/// Bytes that a node's database may grow by at once, below which it is likely to stop.
const LEAST_SPACE: u64 = 100 << 20;
/// Bytes below which to make room.
const LOW_SPACE: u64 = 1 << 30;

/// What a slot costs here and how long a proof takes.
#[derive(Debug, Clone)]
pub(super) struct Measured(Calibration);

impl Measured {
    fn seconds(&self, served: &Served) -> Option<u64> {
        self.0.seconds_of(&served.rollup.circuit)
    }

    pub(super) fn cost(&self, served: &Served, asset: &Currency) -> Option<U256> {
        self.0.cost_of(&served.rollup.circuit, asset)
    }
}

/// Whether a node runs in the data directory.
pub(super) fn data_dir(values: &NodeValues, found: &mut Findings) -> bool {
    let Some(dir) = &values.data_dir else {
        found.fail("data", "the node has no directory to keep its database in", "--data-dir .provery/node");
        return false;
    };
    let mut looked = config::Findings::default();
    let running = config::data_dir(dir, &mut looked);
    if let Some(address) = values.http_address() {
        config::page(address, running, &mut looked);
    }
    let fine = looked.problems.is_empty();
    for problem in looked.problems {
        found.fail("data", problem, "provery node config check");
    }
    for warning in looked.warnings {
        found.warn("data", warning, "provery node config check");
    }
    if running {
        found.ok("data", format!("a node runs in {}", dir.display()));
    } else if fine {
        found.ok("data", format!("{} is free", dir.display()));
    }
    if let Some(free) = free_space(dir) {
        space(free, dir, found);
    }
    running
}

fn space(free: u64, dir: &Path, found: &mut Findings) {
    let says = format!("{} MiB are free where {} is", free >> 20, dir.display());
    let next = format!("df -h {}", dir.display());
    match free {
        0..LEAST_SPACE => found.fail("disk", says, next),
        LEAST_SPACE..LOW_SPACE => found.warn("disk", says, next),
        _ => found.ok("disk", says),
    }
}

#[cfg(unix)]
fn free_space(dir: &Path) -> Option<u64> {
    let full = std::path::absolute(dir).ok()?;
    let there: PathBuf = full.ancestors().find(|path| path.exists())?.to_owned();
    let stat = rustix::fs::statvfs(&there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_dir: &Path) -> Option<u64> {
    None
}

/// The keys of each circuit are here, whole, and those that the chain knows.
pub(super) fn keys(session: &Session, served: &mut [Served], dir: &Path, mine: bool, found: &mut Findings) {
    let development = session.chain.rpc().is_development();
    let mut seen: Vec<(String, B256, Option<Lack>)> = Vec::new();
    for served in served {
        let rollup = &served.rollup;
        let (circuit, hash) = (rollup.circuit.clone(), rollup.key_hash);
        if let Some((.., lack)) = seen.iter().find(|(a, b, _)| (a, *b) == (&circuit, hash)) {
            served.lack = served.lack.take().or_else(|| lack.clone());
            continue;
        }
        let lack = match backends::load(rollup, dir) {
            Ok(_) => {
                found.ok("keys", format!("those of {circuit} are here, as the chain knows them"));
                None
            }
            Err(report) => {
                let known = Workloads::default().circuit(&circuit);
                let next = known.map_or_else(
                    || "provery status".to_owned(),
                    |known| known.how_to_get(rollup.circuit_id, development),
                );
                found.fail("keys", error_report::explain(&report).message, next);
                Some(Lack::Keys { circuit: circuit.clone() })
            }
        };
        served.lack = served.lack.take().or_else(|| lack.clone());
        seen.push((circuit, hash, lack));
    }
    if mine {
        match keys::load(dir, CIRCUIT_NAME, None) {
            Ok(_) => found.ok("keys", "those of the mining puzzle are here"),
            Err(error) => found.fail("keys", error.to_string(), "provery keys generate --puzzle"),
        }
    }
}

/// What `calibrate` or `circuit bench` wrote.
pub(super) fn measured(values: &NodeValues, dir: &Path, found: &mut Findings) -> Option<Measured> {
    let here = dir.join(calibrate::FILE);
    let file = values.cost_from.clone().or_else(|| here.exists().then_some(here))?;
    let calibration = found.note("measured", Calibration::load(&file), "provery calibrate")?;
    Some(Measured(calibration))
}

/// What a proof takes here against what the market allows. `least` is what the node works for at least there.
pub(super) fn against(
    served: &Served,
    measured: Option<&Measured>,
    least: Option<U256>,
    asset: &Currency,
    found: &mut Findings,
) {
    let seconds = measured.and_then(|measured| measured.seconds(served));
    let known = Workloads::default().circuit(&served.rollup.circuit);
    let next = known.map_or_else(|| "provery calibrate".to_owned(), |it| it.how_to_measure());
    let next = format!("{next}, with your prices");
    speed(&served.name(), seconds, served.terms.exclusiveWindow.into(), &next, found);
    match least {
        Some(least) => found
            .ok("price", format!("nothing of {} is worked for below {}", served.name(), asset.show(least))),
        None => found.warn(
            "price",
            format!("what a slot of {} costs is not known, so anything is worked for", served.name()),
            next,
        ),
    }
}

fn speed(name: &str, seconds: Option<u64>, window: u64, next: &str, found: &mut Findings) {
    match seconds {
        Some(seconds) if seconds >= window => found.fail(
            "speed",
            format!("a proof takes {seconds} s here, and {name} allows {window} s"),
            "provery market match; another market, or a faster machine",
        ),
        Some(seconds) => {
            found.ok("speed", format!("a proof takes {seconds} s here of the {window} s that {name} allows"))
        }
        None => found.warn("speed", format!("how long a proof for {name} takes here was not measured"), next),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    fn levels(look: impl FnOnce(&mut Findings)) -> Vec<Level> {
        let mut found = Findings::default();
        look(&mut found);
        found.0.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_machine_too_slow_for_a_market_is_found() {
        let of = |seconds| levels(|found| speed("market 1", seconds, 60, "calibrate", found));
        assert_eq!([of(Some(59)), of(Some(60)), of(None)], [[Level::Ok], [Level::Fail], [Level::Warn]]);
    }

    #[test]
    fn a_full_disk_is_found() {
        let of = |free| levels(|found| space(free, Path::new("x"), found));
        assert_eq!(of(1 << 20), [Level::Fail]);
        assert_eq!(of(500 << 20), [Level::Warn]);
        assert_eq!(of(5 << 30), [Level::Ok]);
        assert!(free_space(Path::new(".")).is_some_and(|free| free > 0));
    }

    #[test]
    fn a_data_directory_is_looked_at() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let values = |dir: &Path| NodeValues { data_dir: Some(dir.to_owned()), ..NodeValues::default() };
        assert_eq!(levels(|found| assert!(!data_dir(&NodeValues::default(), found))), [Level::Fail]);
        let looked = levels(|found| assert!(!data_dir(&values(&folder.path().join("new")), found)));
        assert_eq!(looked[0], Level::Ok);
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("writes");
        assert_eq!(levels(|found| assert!(!data_dir(&values(&file), found)))[0], Level::Fail);
    }
}
