//! A node from its start to its end: tasks, and what is begun anew when the disk fails.

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use provery_descriptor::Reach;
use provery_rpc::{Chain, new_heads};
use provery_txmgr::{JournalError, SendError, Sender, SenderConfig, Signer};
use provery_workloads::Workloads;
use serde_json::json;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Service,
    briefing::{
        Briefing,
        deposits::{self, Deposits},
    },
    feed::{Feed, Start},
    grown,
    handles::Handles,
    intake::Intake,
    preparations::Preparations,
    proofs::Proofs,
    serve,
};
use crate::{
    book::Book,
    config::NodeConfig,
    error::NodeError,
    inputs::Inputs,
    monitor::{AddressFile, Monitor, Server},
    proof_pool::Workers,
    report::Reporter,
    stop::Stop,
    store::{DataDir, Identity, PendingTable, Store, StoreError},
    supervisor::{Supervisor, SupervisorError, TaskError},
};
use provery_worker::{
    NatsConfig, ProofRunner,
    lease::{self, Role},
};

/// What the loop's own end may take on top of the bound for a last delivery.
const GRACE: Duration = Duration::from_secs(2);
/// How long a leader that is gone is waited for.
const LEASE: Duration = Duration::from_secs(10);
/// After a run of this length, a failure is a new one.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// The first pause before the store is opened again, and the longest.
const STORE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What a node works with.
#[derive(Debug)]
pub struct Parts {
    /// With the deployment as it is at the start.
    pub chain: Chain,
    /// What signs for the account that sends: the prover itself, a submitter of its, or anyone, since the payee is an input of the proof.
    pub signer: Signer,
    /// What makes the proofs.
    pub runner: Arc<dyn ProofRunner>,
    /// The circuits that the runner proves.
    pub circuits: Vec<String>,
    /// What is known of what markets prove.
    pub workloads: Workloads,
}

/// What is seen from outside, and where.
struct Page {
    monitor: Monitor,
    at: Option<SocketAddr>,
}

/// Run a node until it is told to stop or something fails for good.
///
/// A disk that fails is not that: nothing is done whose record cannot be written, and the store is opened again until it
/// can.
pub async fn run(config: NodeConfig, parts: Parts, stop: Stop) -> Result<(), NodeError> {
    let reporter = Arc::new(if config.report {
        Reporter::stdout(config.prover)
    } else {
        Reporter::silent(config.prover)
    });
    let monitor = Monitor::new();
    let server = config.http.map(Server::bind).transpose()?;
    let shown = Page { monitor: monitor.clone(), at: server.as_ref().map(|server| server.address()) };
    let page = async {
        match server {
            Some(server) => server.run(monitor.clone(), CancellationToken::new()).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        result = begin_anew(&config, &parts, &stop, &reporter, &shown) => result,
        ended = page => ended.map_err(NodeError::from),
    };
    reporter.node("stopped", json!({}));
    result
}

/// Run, and run again for as long as it is the disk that fails, or nobody can be asked.
async fn begin_anew(
    config: &NodeConfig,
    parts: &Parts,
    stop: &Stop,
    reporter: &Arc<Reporter>,
    page: &Page,
) -> Result<(), NodeError> {
    let mut pause = STORE_PAUSE.0;
    let mut begun = false;
    // What was taken in while running is served after a rest, too.
    let served = watch::Sender::new(parts.chain.clone());
    loop {
        let started = Instant::now();
        let result = supervise(config, parts, &served, stop, reporter, page, &mut begun).await;
        if started.elapsed() >= SETTLED_AFTER {
            pause = STORE_PAUSE.0;
        }
        let Err(error) = &result else { return result };
        // What is wrong from the start is for the operator to mend.
        let again = begun && (is_disk(error) || is_away(error)) && !stop.now.is_cancelled();
        let fields = json!({ "code": error.code(), "message": error.to_string(), "retried": again });
        reporter.node("error", fields);
        if !again {
            return result;
        }
        page.monitor.failure(error.code());
        warn!(error = %error, pause_s = pause.as_secs(), "the disk or the chain failed, so the node rests and begins anew");
        tokio::select! {
            // It did not get to pause its prover.
            () = stop.now.cancelled() => return result,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(STORE_PAUSE.1);
    }
}

async fn supervise(
    config: &NodeConfig,
    parts: &Parts,
    served: &watch::Sender<Chain>,
    stop: &Stop,
    reporter: &Arc<Reporter>,
    page: &Page,
    begun: &mut bool,
) -> Result<(), NodeError> {
    let (chain, signer) = (&served.borrow().clone(), &parts.signer);
    let deployment = chain.deployment().clone();
    for rollup in &deployment.rollups {
        let serves = config.markets.as_ref().is_none_or(|markets| markets.contains(&rollup.market));
        if let Err(refusal) = parts.workloads.knows(rollup) {
            warn!(market = %rollup.market, code = refusal.why.code(), %refusal, "a market is not served");
        } else if serves && !parts.circuits.contains(&rollup.circuit) {
            return Err(NodeError::NoBackend { circuit: rollup.circuit.clone() });
        }
    }
    let directory = DataDir::open(&config.data_dir)?;
    // Given up when this ends, whatever ends it.
    let _address = address_file(config, page.at)?;
    let identity =
        Identity { chain_id: deployment.chain_id, market: deployment.market(), prover: config.prover };
    let store = Arc::new(Store::open(directory, &identity)?);
    let confirmations = config.confirmations.saturating_sub(1);
    let sending = SenderConfig { confirmations, ..SenderConfig::new(config.poll) };
    let journal = Arc::new(PendingTable::new(store.clone()));
    let sender = Sender::open(chain.rpc().clone(), signer.clone(), sending, journal)?;
    let (mut book, cursor) =
        Book::open(store, deployment, config.prover, config.markets.clone(), parts.workloads.clone())?;
    book.know_circuits(parts.circuits.iter().cloned());
    let inputs = Inputs::new(&config.data_dir);
    book.keep_inputs(inputs.clone());
    // What fails from here on may pass.
    *begun = true;
    let params = chain.registry_params().await?;
    let pool = chain.is_pool(config.prover).await?;
    book.know_submitter(serve::serve(chain, &sender, config.prover).await?);
    let resumed = book.work().filter(|(_, record)| record.work.stage.engaged()).count();
    info!(prover = %config.prover, data_dir = %config.data_dir.display(), resumed, "node started");
    let at = book.head().map(|head| head.number);
    reporter.node("started", json!({ "block": at, "resumed": resumed }));
    let token = stop.now.child_token();
    let mut supervisor = Supervisor::new(token.clone(), config.shutdown_bound + GRACE);
    let wake = Arc::new(Notify::new());
    if let Some(url) = &config.ws_url {
        let heads = new_heads(url.expose().to_owned(), wake.clone(), token.clone());
        supervisor.spawn("new_heads", async move {
            heads.await;
            Ok(())
        });
    }
    let (tell, grown) = mpsc::channel(1);
    if let Some(path) = config.deployment.clone() {
        let watch = grown::watch(path, chain.clone(), parts.circuits.clone(), parts.workloads.clone(), tell);
        let token = token.clone();
        supervisor.spawn("deployment", async move {
            tokio::select! {
                () = watch => {}
                () = token.cancelled() => {}
            }
            Ok(())
        });
    }
    let start = Start { cursor, past_from: book.past_from() };
    let (feed, follow) = Feed::new(chain.clone(), start, config.poll, wake, grown);
    supervisor.spawn("follower", {
        let token = token.clone();
        async move {
            tokio::select! {
                () = token.cancelled() => Ok(()),
                ended = follow => ended.map_err(TaskError::from),
            }
        }
    });
    let roles = compete(config, &sender, &mut supervisor, &token);
    supervisor.spawn("outbox", {
        let (sender, token, roles) = (sender.clone(), token.clone(), roles.clone());
        async move { keep(sender, roles, token).await.map_err(TaskError::from) }
    });
    let (to_deposits, seen_deposits) = watch::channel(Deposits::default());
    supervisor.spawn("deposits", {
        let (chain, key, token) = (chain.clone(), signer.address(), token.clone());
        async move {
            deposits::watch_deposits(chain, key, to_deposits, token).await;
            Ok(())
        }
    });
    let (workers, results) = Workers::new(parts.runner.clone(), config.workers, reporter.clone());
    let handles = Handles {
        config: config.clone(),
        chain: chain.clone(),
        params,
        sender,
        reporter: reporter.clone(),
        monitor: page.monitor.clone(),
        roles,
    };
    let reach = if chain.rpc().is_development() { Reach::Loopback } else { Reach::Public };
    let preparations = Preparations::new(parts.runner.clone(), inputs, reach);
    let proofs = Proofs::new(workers, parts.circuits.clone(), config.first_estimate);
    let intake = Intake::new(feed, served.clone());
    let service =
        Service::new(handles, book, intake, proofs, preparations, Briefing::new(seen_deposits, pool));
    let stop = Stop { drain: stop.drain.clone(), now: token };
    supervisor.spawn("service", async move { service.run(results, stop).await.map_err(TaskError::from) });
    supervisor.run().await.map_err(NodeError::from)
}

/// Write down where the server is, in the data directory that this node holds.
fn address_file(config: &NodeConfig, at: Option<SocketAddr>) -> Result<Option<AddressFile>, NodeError> {
    AddressFile::clear(&config.data_dir);
    let write = |address| {
        AddressFile::write(&config.data_dir, address)
            .map_err(|source| StoreError::Directory { path: config.data_dir.clone(), source }.into())
    };
    at.map(write).transpose()
}

/// The task that competes for the lease, if this node is one of several.
fn compete(
    config: &NodeConfig,
    sender: &Sender,
    supervisor: &mut Supervisor,
    token: &CancellationToken,
) -> watch::Receiver<Role> {
    let Some(nats) = config.nats.as_ref().filter(|nats| nats.standby) else { return Role::alone() };
    let server = NatsConfig { prefix: nats.prefix.clone(), ..NatsConfig::new(nats.url.expose()) };
    let name = format!("{}-{}", config.prover, sender.address());
    let node_id = std::process::id().to_string();
    let (roles, task) = lease::lead(server, name, node_id, LEASE, token.clone());
    supervisor.spawn("leader", async move { task.await.map_err(TaskError::from) });
    roles
}

/// Look after the outbox while this node is the one that acts.
async fn keep(
    sender: Sender,
    mut roles: watch::Receiver<Role>,
    token: CancellationToken,
) -> Result<(), SendError> {
    loop {
        if roles.borrow_and_update().may_act() {
            let acting = token.child_token();
            tokio::select! {
                kept = sender.run(acting.clone()) => return kept,
                () = deposed(&mut roles) => acting.cancel(),
            }
        }
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            changed = roles.changed() => if changed.is_err() {
                token.cancelled().await;
                return Ok(());
            },
        }
    }
}

/// Until this node no longer acts.
async fn deposed(roles: &mut watch::Receiver<Role>) {
    loop {
        let role = *roles.borrow_and_update();
        match role {
            Role::Alone => std::future::pending().await,
            Role::Leader { until } if role.may_act() => tokio::time::sleep_until(until.into()).await,
            Role::Leader { .. } | Role::Standby => return,
        }
    }
}

/// Whether no endpoint could be asked when the node began anew.
fn is_away(error: &NodeError) -> bool {
    matches!(error, NodeError::Chain(error) if error.is_transient())
}

/// Whether the disk may be at fault, wherever in the node that was met.
fn is_disk(error: &NodeError) -> bool {
    let task = match error {
        NodeError::Task(SupervisorError::Failed { source, .. }) => source.as_ref(),
        NodeError::Store(error) => return error.is_disk(),
        NodeError::Send(SendError::Journal(_)) => return true,
        _ => return false,
    };
    let mut cause: Option<&(dyn Error + 'static)> = Some(task);
    while let Some(error) = cause {
        if error.downcast_ref::<JournalError>().is_some()
            || matches!(error.downcast_ref(), Some(SendError::Journal(_)))
            || error.downcast_ref::<StoreError>().is_some_and(StoreError::is_disk)
            || error.downcast_ref::<NodeError>().is_some_and(is_disk)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_seen_through_the_task_that_met_it() {
        let met = |source: TaskError| is_disk(&SupervisorError::Failed { task: "service", source }.into());
        let full = || StoreError::Database(Box::new(redb::Error::Io(std::io::ErrorKind::StorageFull.into())));
        assert!(is_disk(&full().into()));
        assert!(met(Box::new(NodeError::from(full()))));
        assert!(met(Box::new(SendError::Journal(JournalError("full".to_owned())))));
        assert!(!met("something else".into()));
        assert!(!is_disk(&StoreError::Schema { path: "x".into(), found: 9, expected: 2 }.into()));
        assert!(!is_disk(&SupervisorError::Panicked { task: "service" }.into()));
    }
}
