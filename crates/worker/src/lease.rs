//! Which of several nodes acts: a lease in a NATS key-value bucket whose entries the server forgets after a while.
//!
//! No clock of one machine is compared with another's. The server forgets an entry `lease` after it has *received* it; a
//! leader counts two thirds of a lease from when it *sent* it, on its own monotonic clock. So it has stopped to believe
//! in itself at least a third of a lease before another can follow it, if its messages never arrive, if the server is
//! away, or if the machine stood still.
//!
//! [`Role::may_act`] looks at the clock when it is asked: a process that was stopped for a minute and goes on sees that
//! it leads no more even before any task of this module has run again. Ask it right before acting. (A machine that was
//! suspended as a whole is another matter: its monotonic clock slept, too.)

use std::{
    future::Future,
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use async_nats::jetstream::{
    kv::{Operation, Store},
    stream::{self, DiscardPolicy},
};
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{NatsConfig, NatsError, jetstream::Bus};

/// What a node is among those with the same prover and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// There are no others.
    Alone,
    /// It acts, until then, unless the lease is renewed before.
    Leader {
        /// When the lease ends.
        until: Instant,
    },
    /// Another acts, or nobody knows.
    Standby,
}

impl Role {
    /// Whether to act, at this moment.
    pub fn may_act(&self) -> bool {
        match self {
            Self::Alone => true,
            Self::Leader { until } => Instant::now() < *until,
            Self::Standby => false,
        }
    }

    /// The name that logs and reports use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Leader { .. } if self.may_act() => "leader",
            Self::Leader { .. } | Self::Standby => "standby",
        }
    }

    /// The role of a node without NATS.
    pub fn alone() -> watch::Receiver<Self> {
        watch::channel(Self::Alone).1
    }
}

/// Why nobody can ever lead.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// NATS cannot be used as it is configured.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The lease that was asked for: it is shorter than a second.
    #[error("a lease of {0:?} is too short: make it a second at least")]
    Lease(Duration),
}

/// The least lease that makes sense over a network.
const LEAST_LEASE: Duration = Duration::from_secs(1);
/// How long giving up the lease may take.
const RELEASE: Duration = Duration::from_secs(2);

/// Compete for the lease `name` (one for each prover and key) as `node_id`. The future competes until `shutdown` is
/// cancelled, and then releases the lease, for another to lead at once: cancel it when this node has stopped acting.
///
/// Receivers are notified when the role changes, and see a renewed `until` without being notified.
pub fn lead(
    nats: NatsConfig,
    name: String,
    node_id: String,
    lease: Duration,
    shutdown: CancellationToken,
) -> (watch::Receiver<Role>, impl Future<Output = Result<(), LeaderError>> + Send) {
    let (role, roles) = watch::channel(Role::Standby);
    (roles, compete(nats, name, node_id, lease, role, shutdown))
}

async fn compete(
    nats: NatsConfig,
    name: String,
    node_id: String,
    lease: Duration,
    role: watch::Sender<Role>,
    shutdown: CancellationToken,
) -> Result<(), LeaderError> {
    if lease < LEAST_LEASE {
        return Err(LeaderError::Lease(lease));
    }
    let bus = Bus::connect(&nats, &format!("provery node {node_id}")).await?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/=".contains(c);
    let key = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    // Two nodes with one id are two nodes.
    let value = format!("{node_id} {}", B256::random());
    let mut candidate = Candidate { bus, key, value, lease, role, held: None };
    let mut said = false;
    loop {
        let result = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            result = candidate.run() => result,
        };
        // Whatever went wrong, a lease that was confirmed holds until its time.
        match result {
            Err(error) if !said => {
                warn!(%error, "the lease cannot be had; trying again");
                said = true;
            }
            Err(error) => debug!(%error, "the lease can still not be had"),
            Ok(()) => said = false,
        }
        candidate.lapse();
        let retry = (lease / 12).max(Duration::from_millis(100));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = candidate.expiry() => candidate.lapse(),
            () = sleep(retry) => {}
        }
    }
    candidate.release().await;
    Ok(())
}

/// A lease that is ours: until when we believe so, and the entry's revision, which may be newer than we know.
#[derive(Clone, Copy)]
struct Held {
    revision: u64,
    until: Instant,
}

struct Candidate {
    bus: Bus,
    key: String,
    value: String,
    lease: Duration,
    role: watch::Sender<Role>,
    held: Option<Held>,
}

impl Candidate {
    /// How long one request may take, so that several fit into what a leader believes.
    fn patience(&self) -> Duration {
        (self.lease / 6).max(Duration::from_millis(200))
    }

    async fn bucket(&mut self) -> Result<Store, NatsError> {
        let bucket = format!("{}-leaders", self.bus.prefix());
        let limit = self.patience();
        if let Ok(Ok(store)) = timeout(limit, self.bus.js.get_key_value(&bucket)).await {
            return Ok(store);
        }
        // A bucket is a stream. (The client's own call begins with a question whose answer by 2.9 it cannot read.)
        let config = stream::Config {
            name: format!("KV_{bucket}"),
            description: Some("which node acts".to_owned()),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: 1,
            max_age: self.lease,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            num_replicas: 1,
            ..Default::default()
        };
        let make = "keep leases";
        self.bus.within(2 * limit, make, self.bus.js.create_stream(config)).await?;
        self.bus.within(limit, make, self.bus.js.get_key_value(&bucket)).await
    }

    /// Get hold of the lease and keep it. Returns when it is another's or lost, and fails when the server does.
    async fn run(&mut self) -> Result<(), NatsError> {
        let store = self.bucket().await?;
        // Everybody must go by what the server does.
        let kept =
            self.bus.within(self.patience(), "tell how long leases are", store.status()).await?.max_age();
        if !kept.is_zero() && kept != self.lease {
            warn!(lease = ?kept, "leases on this server last otherwise than configured; going by the server");
            self.lease = kept;
        }
        if self.held.is_none() && !self.seize(&store).await? {
            return self.stand_by(&store).await;
        }
        loop {
            sleep(self.lease / 6).await;
            if !self.renew(&store).await? {
                return Ok(());
            }
        }
    }

    /// Become leader if nobody is.
    async fn seize(&mut self, store: &Store) -> Result<bool, NatsError> {
        let asked = Instant::now();
        let value = self.value.clone().into_bytes().into();
        let created = timeout(2 * self.patience(), store.create(&self.key, value)).await;
        let revision = match created {
            Ok(Ok(revision)) => revision,
            // Refused, or an answer that was lost on the way.
            _ => match self.mine(store).await? {
                Some(revision) => revision,
                None => return Ok(false),
            },
        };
        self.confirm(revision, asked);
        Ok(true)
    }

    /// Whether we lead still.
    async fn renew(&mut self, store: &Store) -> Result<bool, NatsError> {
        let Some(held) = self.held else { return Ok(false) };
        let asked = Instant::now();
        let value = self.value.clone().into_bytes().into();
        if let Ok(Ok(revision)) =
            timeout(self.patience(), store.update(&self.key, value, held.revision)).await
        {
            self.confirm(revision, asked);
            return Ok(true);
        }
        // An answer may have been lost: then the entry is ours, under a revision that we do not know.
        match self.mine(store).await? {
            Some(revision) => {
                self.held = Some(Held { revision, ..held });
                Ok(held.until > Instant::now())
            }
            None => {
                self.held = None;
                self.announce(Role::Standby);
                Ok(false)
            }
        }
    }

    /// The entry's revision if it is ours.
    async fn mine(&self, store: &Store) -> Result<Option<u64>, NatsError> {
        let entry = self.bus.within(self.patience(), "tell who leads", store.entry(&self.key)).await?;
        Ok(entry
            .filter(|entry| entry.operation == Operation::Put && entry.value == self.value.as_bytes())
            .map(|entry| entry.revision))
    }

    /// The server had the entry, after `asked`.
    fn confirm(&mut self, revision: u64, asked: Instant) {
        let until = asked + self.lease * 2 / 3;
        self.held = Some(Held { revision, until });
        self.announce(Role::Leader { until });
    }

    /// Wait until the lease may be free: it was released, or some time has passed.
    async fn stand_by(&mut self, store: &Store) -> Result<(), NatsError> {
        self.announce(Role::Standby);
        let released = async {
            let Ok(mut changes) = store.watch(&self.key).await else {
                return std::future::pending().await;
            };
            while let Some(Ok(entry)) = changes.next().await {
                if entry.operation != Operation::Put {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            () = released => {}
            () = sleep(self.lease / 4) => {}
        }
        Ok(())
    }

    /// When belief in the lease ends.
    async fn expiry(&self) {
        match self.held {
            Some(held) => sleep_until(held.until.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Stop to believe what is too old.
    fn lapse(&mut self) {
        if self.held.is_some_and(|held| held.until <= Instant::now()) {
            self.held = None;
            self.announce(Role::Standby);
        }
    }

    fn announce(&self, now: Role) {
        self.role.send_if_modified(|role| {
            let changed = std::mem::discriminant(role) != std::mem::discriminant(&now);
            *role = now;
            if changed {
                info!(role = now.name(), lease = self.key, "role");
            }
            changed
        });
    }

    /// Stop leading, and let another begin at once.
    async fn release(mut self) {
        let held = self.held.take();
        self.announce(Role::Standby);
        let Some(held) = held else { return };
        let give = async {
            let store = self.bucket().await.ok()?;
            if store.delete_expect_revision(&self.key, Some(held.revision)).await.is_err() {
                let revision = self.mine(&store).await.ok()??;
                store.delete_expect_revision(&self.key, Some(revision)).await.ok()?;
            }
            Some(())
        };
        if timeout(RELEASE, give).await.ok().flatten().is_none() {
            warn!("the lease could not be released; it ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_whose_time_is_over_may_not_act() {
        let now = Instant::now();
        assert!(Role::Alone.may_act());
        assert!(!Role::Standby.may_act());
        assert!(Role::Leader { until: now + Duration::from_secs(60) }.may_act());
        let late = Role::Leader { until: now };
        assert!(!late.may_act());
        assert_eq!(late.name(), "standby");
    }

    #[tokio::test]
    async fn nonsense_is_refused_and_a_server_that_is_away_makes_nobody_leader() {
        let stop = CancellationToken::new();
        let short =
            lead(NatsConfig::new("127.0.0.1:1"), "k".into(), "n".into(), Duration::ZERO, stop.clone());
        assert!(matches!(short.1.await, Err(LeaderError::Lease(_))));
        let lease = Duration::from_secs(2);
        let bad = NatsConfig { prefix: "a.b".into(), ..NatsConfig::new("nats://user:hunter2@127.0.0.1:1") };
        assert!(!format!("{bad:?}").contains("hunter2"));
        let refused = lead(bad, "k".into(), "n".into(), lease, stop.clone());
        assert!(matches!(refused.1.await, Err(LeaderError::Nats(NatsError::Prefix(_)))));

        let (role, competing) =
            lead(NatsConfig::new("127.0.0.1:1"), "k".into(), "n".into(), lease, stop.clone());
        let task = tokio::spawn(competing);
        assert!(!role.borrow().may_act());
        stop.cancel();
        task.await.expect("no panic").expect("a graceful end");
    }
}
