//! A deployment file that grows while the node runs: a rollup that was created is served without a restart.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use provery_rpc::{Chain, ChainError, load_deployment};
use provery_types::Deployment;
use provery_workloads::Workloads;
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tracing::{debug, info, warn};

use crate::vetting;

/// How often the file is read.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Watch the file, and tell of what the deployment has more of. Ends when nobody listens.
pub(super) async fn watch(
    path: PathBuf,
    mut chain: Chain,
    circuits: Vec<String>,
    workloads: Workloads,
    tell: mpsc::Sender<Chain>,
) {
    let mut tick = tokio::time::interval(READ_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // As last read, whatever came of it.
    let mut seen: Option<Deployment> = None;
    while !tell.is_closed() {
        tick.tick().await;
        let Some(file) = read(&path).await else { continue };
        if seen.as_ref() == Some(&file) {
            continue;
        }
        let Some(grown) = grow(chain.deployment(), &file, &circuits, &workloads) else {
            seen = Some(file);
            continue;
        };
        let grown = match fit(&chain, grown, &workloads).await {
            Ok(Some(grown)) => grown,
            Ok(None) => {
                seen = Some(file);
                continue;
            }
            // Read again in a moment.
            Err(error) if error.is_transient() => {
                debug!(%error, "the new rollups cannot be checked yet");
                continue;
            }
            Err(error) => {
                seen = Some(file);
                warn!(file = %path.display(), %error, "the deployment file names what the chain has not");
                continue;
            }
        };
        match Chain::connect(chain.rpc().clone(), grown).await {
            Ok(connected) => {
                seen = Some(file);
                let rollups = connected.deployment().rollups.len();
                info!(file = %path.display(), rollups, "the deployment has grown");
                chain = connected.clone();
                if tell.send(connected).await.is_err() {
                    return;
                }
            }
            // Read again in a moment.
            Err(error) if error.is_transient() => debug!(%error, "the new deployment cannot be checked yet"),
            Err(error) => {
                seen = Some(file);
                warn!(file = %path.display(), %error, "the deployment file has changed to one that the chain has not");
            }
        }
    }
}

/// Without the new rollups that nothing may be staked on; nothing if there are no others.
async fn fit(
    chain: &Chain,
    mut grown: Deployment,
    workloads: &Workloads,
) -> Result<Option<Deployment>, ChainError> {
    let before = chain.deployment().rollups.len();
    for rollup in grown.rollups.split_off(before) {
        match vetting::vet(chain, workloads, &rollup).await? {
            Ok(()) => grown.rollups.push(rollup),
            Err(refusal) => {
                warn!(market = %rollup.market, code = refusal.why.code(), %refusal, "a new rollup is not served");
            }
        }
    }
    Ok((grown.rollups.len() > before).then_some(grown))
}

async fn read(path: &Path) -> Option<Deployment> {
    let at = path.to_owned();
    let read = tokio::task::spawn_blocking(move || load_deployment(&at)).await.ok()?;
    read.inspect_err(|error| debug!(%error, "the deployment file cannot be read")).ok()
}

/// What is served, and the file's new rollups that can be; nothing if there are none. What the file has no longer goes on: its
/// slots may be held.
fn grow(
    now: &Deployment,
    file: &Deployment,
    circuits: &[String],
    workloads: &Workloads,
) -> Option<Deployment> {
    let new = file.rollups.iter().filter(|it| now.rollups.iter().all(|known| known.address != it.address));
    if (now.chain_id, now.market()) != (file.chain_id, file.market()) {
        if new.count() > 0 {
            warn!("the deployment file is of another deployment now: start the node anew to serve that");
        }
        return None;
    }
    let mut grown = now.clone();
    for rollup in new {
        match workloads.knows(rollup) {
            Ok(()) if circuits.contains(&rollup.circuit) => grown.rollups.push(rollup.clone()),
            Err(refusal) => {
                warn!(market = %rollup.market, code = refusal.why.code(), %refusal, "a new rollup is not served")
            }
            Ok(()) => warn!(
                rollup = rollup.name,
                circuit = rollup.circuit,
                "a new rollup's circuit is not loaded: start the node anew, with its keys, to serve it"
            ),
        }
    }
    (grown.rollups.len() > now.rollups.len()).then_some(grown)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, U256};
    use provery_types::RollupRecord;

    use super::*;
    use crate::testing::deployment;

    #[test]
    fn a_deployment_grows_by_rollups_that_can_be_proven_and_loses_none() {
        let now = deployment();
        let circuits = [now.rollups[0].circuit.clone()];
        let grow = |now: &Deployment, file: &Deployment| grow(now, file, &circuits, &Workloads::default());
        assert_eq!(grow(&now, &now), None);
        let second = RollupRecord {
            address: Address::repeat_byte(7),
            market: U256::from(2),
            ..now.rollups[0].clone()
        };
        let third = RollupRecord {
            address: Address::repeat_byte(8),
            circuit: provery_workloads::testing::circuit(64),
            ..second.clone()
        };
        let unknown =
            RollupRecord { address: Address::repeat_byte(9), workload: "knitting".into(), ..second.clone() };
        let file = Deployment { rollups: vec![second.clone(), third, unknown], ..now.clone() };
        let grown = grow(&now, &file).expect("it has grown");
        assert_eq!(grown.rollups, [now.rollups[0].clone(), second]);
        let other = Deployment { chain_id: 1, ..file };
        assert_eq!(grow(&now, &other), None);
    }
}
