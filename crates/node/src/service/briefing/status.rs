//! The status, as it is published.

use provery_rpc::EndpointHealth;

use super::scene::Scene;
use crate::{
    book::unix_millis,
    concern::Concern,
    earning::{Shortfall, Situation, earns_nothing},
    monitor::{
        BalanceStatus, BreakerStatus, ChainStatus, ConcernStatus, EndpointStatus, NodeStatus, PauseStatus,
        StakeStatus, Status, WorkersStatus, disk,
    },
    pause::Turn,
    service::presence::{draws::turn, reason::PauseReason},
    slots::SlotStage,
};

/// What is so now, in a node that was started at `started_at` (unix seconds).
pub(super) fn status(
    scene: &Scene<'_>,
    situation: &Situation,
    started_at: u64,
    concerns: &[Concern],
    shortfalls: &[Shortfall],
) -> Status {
    let Scene { handles, book, account, presence, .. } = *scene;
    let facts = book.facts();
    let ending = |key| facts.slot(key).and_then(|fact| fact.ended.as_ref()).map(|ended| ended.tx);
    let (slots, open, ended) = disk::slots(book.work(), handles.me(), ending);
    let queue = slots.get(SlotStage::Queued.name()).copied().unwrap_or_default();
    let seen = account.seen();
    let said = presence.said().map(PauseReason::name);
    let breaker = &presence.breaker;
    let breaker_open = !breaker.taking(book.failing());
    let workers = scene.proofs.workers();
    Status {
        node: NodeStatus {
            prover: handles.me(),
            key: Some(handles.sender.address()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at,
            role: handles.role().name().to_owned(),
            draining: scene.tenure.is_draining(),
            taking: scene.policy.taking,
            breaker: BreakerStatus {
                open: breaker_open,
                reason: breaker.reason().filter(|_| breaker_open).or(said).map(str::to_owned),
                failures: breaker.failures(),
            },
            paused_on_chain: facts.prover_status(handles.me()).paused,
            paused: pause_status(&turn(handles, book), scene.pause_reason),
            earns_nothing: scene.is_caught_up && earns_nothing(situation),
        },
        chain: chain_status(scene),
        slots,
        open,
        ended,
        outbox: handles.sender.status(),
        workers: WorkersStatus {
            runner: workers.runner().to_owned(),
            most: workers.most() as u64,
            running: workers.status().borrow().len() as u64,
            queue,
        },
        asset: Some(handles.chain.asset().unit()),
        stake: seen.map(|seen| StakeStatus {
            free: seen.stake.saturating_sub(seen.bonded).to_string(),
            bonded: seen.bonded.to_string(),
            credit: seen.credit.to_string(),
        }),
        balance: account.funds.balance().map(|balance| BalanceStatus {
            wei: balance.to_string(),
            low: account.funds.low(),
            proofs_left: account.funds.proofs_left(),
        }),
        concerns: concerns.iter().map(concern).collect(),
        shortfalls: shortfalls.to_vec(),
    }
}

fn chain_status(scene: &Scene<'_>) -> ChainStatus {
    let rpc = scene.handles.chain.rpc();
    let health = scene.intake.feed.health.borrow();
    let head = health.head.map(|head| head.number);
    let position = scene.book.head().map(|head| head.number);
    ChainStatus {
        chain_id: rpc.chain_id(),
        head,
        position,
        lag_blocks: head.unwrap_or_default().saturating_sub(position.unwrap_or_default()),
        head_age_secs: health.head.map_or(0, |head| (unix_millis() / 1_000).saturating_sub(head.timestamp)),
        unread_secs: health.failing_since.map_or(0, |since| since.elapsed().as_secs()),
        last_error: health.last_error.clone(),
        reorgs: health.reorgs,
        deepest_reorg: health.deepest_reorg,
        endpoints: rpc.endpoints().into_iter().map(endpoint).collect(),
    }
}

/// Whose pause keeps the prover out of the draws, or is about to, and why. A node whose own pause or resumption is not mined yet is
/// not to be relied on.
fn pause_status(turn: &Turn, pause_reason: Option<PauseReason>) -> Option<PauseStatus> {
    if !turn.paused && turn.coming.is_none() {
        return None;
    }
    Some(match turn.paused && turn.held {
        true => PauseStatus { by: "operator".to_owned(), why: None },
        false => PauseStatus {
            by: "node".to_owned(),
            why: Some(pause_reason.map_or("coming_back", PauseReason::name).to_owned()),
        },
    })
}

fn concern(concern: &Concern) -> ConcernStatus {
    ConcernStatus {
        code: concern.code.to_owned(),
        alarm: concern.is_alarm(),
        market: concern.market.to_string(),
        slot: concern.slot,
        message: concern.message.clone(),
    }
}

fn endpoint(health: EndpointHealth) -> EndpointStatus {
    EndpointStatus {
        name: health.name,
        up: health.up,
        head: health.head,
        lag_blocks: health.lag_blocks,
        failures: health.failures,
        total_failures: health.total_failures,
        requests: health.requests,
        last_error: health.last_error,
        left_because: health.left_because.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_once_its_own_resumption_is_mined_and_read() {
        let says = |turn: Turn, pause_reason| pause_status(&turn, pause_reason).map(|it| (it.by, it.why));
        let turn = |paused, coming| Turn { registered: true, paused, coming, held: false };
        let node = |why: &str| Some(("node".to_owned(), Some(why.to_owned())));
        assert_eq!(says(turn(false, None), None), None);
        assert_eq!(says(turn(true, None), None), node("coming_back"));
        assert_eq!(says(turn(true, Some(false)), None), node("coming_back"));
        // A restart came between the pause and its block: both are under way.
        assert_eq!(says(turn(false, Some(false)), None), node("coming_back"));
        assert_eq!(says(turn(false, Some(true)), Some(PauseReason::Overloaded)), node("overloaded"));
        let held = Turn { held: true, ..turn(true, None) };
        assert_eq!(says(held, None), Some(("operator".to_owned(), None)));
    }
}
