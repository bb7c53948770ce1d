//! Which events are kept: those about markets that are served, about this prover, and about provers with stake there. What
//! strangers do elsewhere decides nothing here, and would grow without end.

use alloy::primitives::{Address, U256};
use provery_types::{Deployment, Event, LoggedEvent};
use provery_workloads::Workloads;

use super::{Facts, slots_market};

/// Whose facts they are, and of which markets.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Nobody in particular, if not given: then everything is kept.
    pub(super) me: Option<Address>,
    /// Markets that are served although no rollup of theirs is known.
    named: Vec<U256>,
}

impl Facts {
    /// What concerns `me` and the markets it serves: those named, or every one of the deployment's rollups.
    pub fn of(deployment: &Deployment, me: Address, markets: Option<&[U256]>, workloads: &Workloads) -> Self {
        let mut facts = Self {
            scope: Scope { me: Some(me), named: markets.unwrap_or_default().to_vec() },
            ..Self::default()
        };
        facts.track_all(deployment, markets, workloads);
        facts
    }

    /// Whether a market is served.
    pub fn is_served(&self, market: U256) -> bool {
        self.scope.named.contains(&market) || self.tracked(market).is_some()
    }

    /// Whether an event is one to keep, as far as what came before it tells.
    pub fn concerns(&self, logged: &LoggedEvent) -> bool {
        if !Self::wants(&logged.event) || !self.is_ours(logged) {
            return false;
        }
        let Some(me) = self.scope.me else { return true };
        match &logged.event {
            // Who is paused may come to have stake in what is served.
            Event::ProverPaused { .. } => true,
            Event::ProverResumed { prover } => {
                *prover == me || self.provers.contains_key(prover) || self.may_matter_later(logged)
            }
            Event::TransferRevoked { digest, .. } => {
                self.may_matter_later(logged)
                    || self.offers.values().any(|offers| offers.contains_key(digest))
            }
            Event::WorkloadLog { log } => {
                self.watchers(logged.address).any(|tracked| tracked.reads(logged.address, log))
            }
            _ => true,
        }
    }

    /// Whether an event is about this prover or a market that is served, or about all of them.
    pub(crate) fn is_ours(&self, logged: &LoggedEvent) -> bool {
        let Some(me) = self.scope.me else { return true };
        match &logged.event {
            Event::AllocationSet { market, prover, .. }
            | Event::ProverSuspended { market, prover }
            | Event::ProverReinstated { market, prover } => *prover == me || self.is_served(*market),
            // Of others it decides nothing: whether they are in the draws follows from the rest.
            Event::WeightSet { id, .. } => self.prover_id(me) == Some(*id),
            Event::ProverRegistered { prover, .. } => *prover == me,
            event => slots_market(event).is_none_or(|market| self.is_served(*market)),
        }
    }

    /// Whether these are somebody else's facts: an event that is kept is about them all the same.
    pub(super) fn is_stranger(&self, prover: Address) -> bool {
        self.scope.me.is_some_and(|me| me != prover)
    }
}

/// An event as it is kept: texts that nothing is decided by are left out.
pub fn trimmed(logged: &LoggedEvent) -> LoggedEvent {
    let mut kept = logged.clone();
    if let Event::ProverRegistered { uri, .. } = &mut kept.event {
        uri.clear();
    }
    kept
}
