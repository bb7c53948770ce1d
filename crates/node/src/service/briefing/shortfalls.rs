//! For which reasons nothing will be earned, as this node sees it: said when they come, and in the status.

use provery_types::RollupRecord;
use tracing::{info, warn};

use super::{deposits::Deposits, scene::Scene};
use crate::{
    earning::{Pause, Served, Shortfall, Situation, shortfalls},
    service::{handles::Handles, presence::reason::PauseReason},
};

/// What decides whether anything is earned.
pub(super) fn situation(scene: &Scene<'_>, deposits: &Deposits, is_pool: bool) -> Situation {
    let Scene { handles, book, account, .. } = *scene;
    let tunables = handles.tunables();
    let prover_status = book.facts().prover_status(handles.me());
    let is_served = |rollup: &&RollupRecord| book.is_to_serve(rollup.market);
    let rollups = handles.chain.deployment().rollups.iter();
    Situation {
        prover: handles.me(),
        pool: is_pool,
        registered: prover_status.registered,
        pause: prover_status.paused.then(|| pause(scene)),
        taking: tunables.taking,
        rescue: tunables.rescue,
        mine: handles.config.puzzle.is_some(),
        cost: tunables.minimum_reward,
        stake_unit: handles.params.stake_unit,
        proofs_left: account.funds.balance().map(|_| account.funds.proofs_left()),
        markets: rollups.filter(is_served).map(|rollup| served(scene, deposits, rollup)).collect(),
    }
}

/// Whose the pause on the chain is.
fn pause(scene: &Scene<'_>) -> Pause {
    if scene.book.facts().held_out(scene.handles.me()) {
        Pause::Operator
    } else {
        Pause::Node(scene.pause_reason.map(PauseReason::name))
    }
}

fn served(scene: &Scene<'_>, deposits: &Deposits, rollup: &RollupRecord) -> Served {
    let (me, facts, market) = (scene.handles.me(), scene.book.facts(), rollup.market);
    let commitment = facts.commitment(market, me);
    let terms = facts.market_terms(market).cloned().unwrap_or_default();
    let served = Served::new(scene.handles.chain.deployment(), rollup, &terms);
    Served {
        units: commitment.units,
        exposure: commitment.exposure,
        accepted: (commitment.from_version, commitment.to_version),
        suspended: facts.suspended(market, me),
        deposit: deposits.get(&terms.mechanism).copied(),
        lack: scene.book.lack(market),
        ..served
    }
}

/// Look at what keeps anything from being earned, and say what is new. `said`: what was said last.
pub(super) fn mind(said: &mut Vec<Shortfall>, situation: &Situation, handles: &Handles) {
    let now = shortfalls(situation, |amount| handles.chain.asset().show(amount));
    let same = |a: &Shortfall, b: &Shortfall| (&a.code, &a.market) == (&b.code, &b.market);
    for it in &now {
        if !said.iter().any(|before| same(before, it)) {
            let (code, market) = (it.code.as_str(), it.market.as_deref());
            let (message, next) = (it.message.as_str(), it.next.as_str());
            warn!(code, market, message, next, "something keeps this node from earning");
        }
    }
    for it in said.iter() {
        if !now.iter().any(|after| same(after, it)) {
            let (code, market) = (it.code.as_str(), it.market.as_deref());
            info!(code, market, "it no longer keeps this node from earning");
        }
    }
    *said = now;
}
