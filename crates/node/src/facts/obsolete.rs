//! Which events need not be kept.

use std::collections::BTreeSet;

use alloy::primitives::U256;
use provery_types::{Event, LoggedEvent, SlotKey};
use provery_workloads::SourceLog;

use super::{Facts, inputs::source_log};

/// Which of `events` need not be kept: all of them up to a block that no reorg takes back, in order. `then` are the facts as of
/// that block, pruned, since whatever was said later may be taken back; `now` has what is tracked, which forgets nothing that a
/// reorg could bring back. Folding the others gives the same facts, and so it does with whatever comes after that block.
pub fn obsolete(events: &[LoggedEvent], then: &Facts, now: &Facts) -> Vec<(u64, u64)> {
    let mut newer: BTreeSet<String> = BTreeSet::new();
    let mut gone = Vec::new();
    for logged in events.iter().rev() {
        if !now.is_ours(logged) || useless(logged, then, now, &mut newer) {
            gone.push((logged.block.number, logged.log_index));
        }
    }
    gone.reverse();
    gone
}

/// `newer`: of what only the last word counts, those whose last word is kept already.
fn useless(logged: &LoggedEvent, facts: &Facts, now: &Facts, newer: &mut BTreeSet<String>) -> bool {
    let forgotten =
        |market: &U256, id: &u64| !facts.slots.contains_key(&SlotKey { market: *market, id: *id });
    let mut said_again = |what: String| !newer.insert(what);
    match &logged.event {
        Event::SlotOpened { slot, .. }
        | Event::SlotAssigned { slot }
        | Event::SlotTransferred { slot, .. } => forgotten(&slot.market, &slot.id),
        Event::TransferOffered { market, id, digest, .. } => {
            forgotten(market, id) || newer.contains(&format!("revoked {digest}"))
        }
        // The offer before it goes with it; one after it was seen already.
        Event::TransferRevoked { digest, .. } => {
            newer.insert(format!("revoked {digest}"));
            true
        }
        Event::SlotProven { market, id, .. }
        | Event::SlotExpired { market, id, .. }
        | Event::SlotCancelled { market, id }
        | Event::SlotDropped { market, id, .. }
        | Event::SlotPending { market, id, .. }
        | Event::SlotResolved { market, id, .. } => forgotten(market, id),
        // About a slot to come: kept.
        Event::MechanismLog { market, slot: id, .. } => {
            forgotten(market, id) && *id < facts.next_slot(*market)
        }
        // Slots that opened later are untouched by it, however often it is folded.
        Event::ChainCut { market, id, .. } => {
            let from = SlotKey { market: *market, id: *id };
            let mut fallen = facts.from(from).filter_map(|key| facts.slots.get(&key));
            !fallen.any(|fact| fact.fell || fact.premise_fell)
        }
        Event::SlotEstablished { market, .. } => said_again(format!("established {market}")),
        Event::WorkloadLog { .. } => {
            let kept = |log: SourceLog<'_>| now.watchers(log.address).any(|tracked| tracked.keeps(&log));
            !source_log(logged).is_some_and(kept)
        }
        // What is announced takes nothing's place yet.
        Event::TermsSet { terms_hash, market, from, .. } => {
            let at_once = *from <= logged.block.timestamp;
            !facts.terms.contains_key(terms_hash)
                || (at_once && said_again(format!("terms {market} {terms_hash}")))
        }
        Event::AllocationSet { prover, market, .. } => {
            said_again(format!("allocation {market} {prover}"))
                || !facts.commitments.contains_key(&(*market, *prover))
        }
        Event::WeightSet { market, id, .. } => said_again(format!("weight {market} {id}")),
        Event::EpochSeeded { epoch, .. } | Event::EpochSeedless { epoch } => !facts.seeded.contains(epoch),
        Event::ProverResumed { prover } | Event::ProverPaused { prover } => {
            // The last, and the last that is not this node's own.
            let last = !said_again(format!("pause {prover}"));
            let own = facts.own_turns.contains(&logged.tx_hash);
            let word = !own && !said_again(format!("word about {prover}"));
            (!last && !word) || !facts.provers.contains_key(prover)
        }
        // It outlives the stake: who comes back is still suspended.
        Event::ProverSuspended { prover, market } => said_again(format!("suspension {market} {prover}")),
        // It says that the suspension is over, and, until a proof that no reorg can take back, that nothing was proven since.
        Event::ProverReinstated { prover, market } => {
            said_again(format!("suspension {market} {prover}"));
            let proven = facts.returns.get(&(*market, *prover)).copied().flatten();
            said_again(format!("return {market} {prover}")) || proven.is_some()
        }
        other => !Facts::wants(other),
    }
}
