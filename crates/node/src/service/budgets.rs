//! What each transaction may cost: what it gains and the loss that it avoids, as of now.

use std::{collections::HashMap, time::Duration};

use alloy::primitives::U256;
use provery_mechanisms::view::expires_at;
use provery_txmgr::Waiting;
use provery_types::{Slot, SlotKey, Terms};

use super::{
    context::Context, fee_budget, handles::Handles, keeper_task::KeeperTask, presence::reason::PauseReason,
};
use crate::{
    book::Book,
    pause::{PAUSE, RESUME},
    slots::SlotStage,
};

/// Seconds before the end of a window from which on a proof may cost all that it is worth.
const URGENT: u64 = 30;

/// What an order may cost, and by when it should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spending {
    /// Wei of the chain's currency.
    pub budget: Option<U256>,
    /// Wei left to the key.
    pub reserve: U256,
    /// Unix seconds.
    pub due: Option<u64>,
}

impl Spending {
    /// As much as another may, and by then.
    fn raised_to(self, other: Self) -> Self {
        Self {
            budget: self.budget.zip(other.budget).map(|(one, other)| one.max(other)),
            reserve: self.reserve.min(other.reserve),
            due: self.due.into_iter().chain(other.due).min(),
        }
    }
}

/// What waits keeps what is behind it from being mined, so it may cost what any of that may. In the order of nonces.
fn in_line(mut waiting: Vec<(String, Spending)>) -> Vec<(String, Spending)> {
    let mut behind: Option<Spending> = None;
    for (_, spending) in waiting.iter_mut().rev() {
        *spending = behind.map_or(*spending, |behind| spending.raised_to(behind));
        behind = Some(*spending);
    }
    waiting
}

/// What the asset is worth in the chain's currency, as the operator says.
fn rate(handles: &Handles) -> fee_budget::Rate {
    fee_budget::Rate::new(handles.tunables().gas_wei_per_asset, handles.chain.asset().decimals())
}

/// A proof: a part of what it earns and saves; all of it when time runs out.
pub(super) fn of_proof(context: Context<'_>, slot: &Slot, terms: &Terms) -> Spending {
    let Context { handles, book, account, policy } = context;
    let held = slot.prover == handles.me();
    let until = if held { slot.exclusiveUntil.to::<u64>() } else { expires_at(slot, terms) };
    let urgent = policy.now.saturating_add(URGENT) >= until;
    let at_stake = held && !book.fell(SlotKey::of(slot));
    let worth = fee_budget::of_proof(slot, terms, at_stake, policy.now);
    let bps = if urgent { fee_budget::ALL } else { handles.tunables().budget_bps };
    let reserve = if at_stake { U256::ZERO } else { account.funds.kept_back() };
    Spending { budget: Some(rate(handles).wei(worth, bps)), reserve, due: Some(until) }
}

/// What furthers the hold on a slot, or sees a bid through.
pub(super) fn of_action(context: Context<'_>, key: SlotKey, kind: &str) -> Spending {
    let Context { handles, book, account, policy } = context;
    let coming = || book.facts().market_terms(key.market);
    let terms = book.open_slot(key).map(|(_, terms)| terms).or_else(coming);
    let price = terms.map(|terms| terms.price.to::<U256>()).unwrap_or_default();
    let saved = match kind {
        "reveal" | "settle" => book.bid_at_stake(key, policy),
        _ => U256::ZERO,
    };
    let reserve = if saved.is_zero() { account.funds.kept_back() } else { U256::ZERO };
    let budget = rate(handles).wei(fee_budget::of_mechanism_action(price, saved), fee_budget::ALL);
    Spending { budget: Some(budget), reserve, due: None }
}

/// What keeps the prover in order. A pause saves what the prover exposes, and is due at once where the next draw would cost it
/// (`pause_reason`); being out of the draws costs more the longer it waits (`waited`); what is not worth anything by itself may cost
/// a hundredth of what the key has.
pub(super) fn of_upkeep(
    context: Context<'_>,
    task: &KeeperTask,
    waited: Duration,
    pause_reason: Option<PauseReason>,
) -> Spending {
    let Context { handles, book, account, policy } = context;
    let worth = match task {
        KeeperTask::Pause => exposed(handles, book),
        KeeperTask::Resume
        | KeeperTask::Reinstate(_)
        | KeeperTask::Sync(_)
        | KeeperTask::Accept(_)
        | KeeperTask::Standing(..) => {
            fee_budget::of_being_drawn(best_price(handles, book), waited, handles.params.epoch_length)
        }
        KeeperTask::Expire(key) | KeeperTask::Resolve(key) | KeeperTask::Drop(key) => {
            bound_in(handles, book, *key) / U256::from(10)
        }
        KeeperTask::Withdraw => account.seen().map(|seen| seen.credit / U256::from(10)).unwrap_or_default(),
        KeeperTask::Seed(_) => best_price(handles, book) / U256::from(10),
        KeeperTask::MechanismAction(..) => U256::ZERO,
    };
    let by_worth = rate(handles).wei(worth, fee_budget::ALL);
    // Nothing is known of the key's funds at first.
    let budget = account.funds.balance().map(|balance| by_worth.max(balance / U256::from(100)));
    let reserve = if *task == KeeperTask::Pause { U256::ZERO } else { account.funds.kept_back() };
    let urgent = *task == KeeperTask::Pause
        && matches!(
            pause_reason,
            Some(PauseReason::Stopping | PauseReason::BreakerOpen | PauseReason::LowBalance)
        );
    Spending { budget, reserve, due: urgent.then_some(policy.now) }
}

/// Asset wei that draws may bond while this prover is in them.
fn exposed(handles: &Handles, book: &Book) -> U256 {
    let (me, facts) = (handles.me(), book.facts());
    let exposed = facts.leaves(me).into_iter().map(|(market, _)| {
        let commitment = facts.commitment(market, me);
        U256::from(commitment.units.min(commitment.exposure)).saturating_mul(handles.params.stake_unit)
    });
    exposed.fold(U256::ZERO, U256::saturating_add)
}

/// The highest price (asset wei) of a slot in the markets that this prover has stake behind: what being in the draws may earn.
fn best_price(handles: &Handles, book: &Book) -> U256 {
    let facts = book.facts();
    let served = facts.leaves(handles.me()).into_iter().filter(|(_, leaf)| leaf.allocation > 0);
    let prices = served.filter_map(|(market, _)| Some(facts.market_terms(market)?.price.to::<U256>()));
    prices.max().unwrap_or_default()
}

/// The same in wei of the chain's currency.
pub(super) fn best_pay(handles: &Handles, book: &Book) -> U256 {
    rate(handles).wei(best_price(handles, book), fee_budget::ALL)
}

/// Asset wei that are this prover's once a slot ends: its bond, and about what it is paid.
fn bound_in(handles: &Handles, book: &Book, key: SlotKey) -> U256 {
    let Some(fact) = book.facts().slot(key).filter(|fact| fact.slot.prover == handles.me()) else {
        return U256::ZERO;
    };
    let bond = book.facts().terms(fact.terms_hash).map(|terms| terms.bond.to::<U256>());
    bond.unwrap_or_default().saturating_add(fact.slot.price.to::<U256>())
}

/// What is under way may cost what it is worth now, and not what it was when it was signed; and no less than what waits behind
/// it. `keeper`: those under way, the tags of their orders, and for how long they are.
pub(super) fn renew<'a>(
    context: Context<'_>,
    keeper: impl Iterator<Item = (&'a KeeperTask, &'a str, Duration)>,
    pause_reason: Option<PauseReason>,
) {
    let Context { handles, book, .. } = context;
    let waiting = handles.sender.waiting();
    if waiting.is_empty() {
        return;
    }
    let mut worth: HashMap<String, Spending> = HashMap::new();
    for (key, record) in book.work() {
        if record.work.stage == SlotStage::Submitting
            && let Some((slot, terms)) = book.open_slot(key)
        {
            worth.insert(proof_tag(slot), of_proof(context, slot, terms));
        }
    }
    let of_upkeep = |task: &KeeperTask, waited| of_upkeep(context, task, waited, pause_reason);
    for (task, tag, waited) in keeper {
        let spending = match task {
            KeeperTask::MechanismAction(key, kind) => of_action(context, *key, kind),
            task => of_upkeep(task, waited),
        };
        worth.insert(tag.to_owned(), spending);
    }
    // What a life before this one signed.
    let unknown = |it: &Waiting| match it.kind.as_str() {
        PAUSE => of_upkeep(&KeeperTask::Pause, Duration::ZERO),
        RESUME => of_upkeep(&KeeperTask::Resume, Duration::ZERO),
        _ => Spending { budget: it.budget, reserve: it.reserve, due: it.due },
    };
    let waiting = waiting.into_iter().map(|it| {
        let spending = worth.get(&it.tag).copied().unwrap_or_else(|| unknown(&it));
        (it.tag, spending)
    });
    for (tag, it) in in_line(waiting.collect()) {
        handles.sender.renew(&tag, it.budget, it.reserve, it.due);
    }
}

pub(super) fn proof_tag(slot: &Slot) -> String {
    format!("prove:{}:{}:{}", slot.market, slot.id, slot.statement)
}

pub(super) fn action_tag(key: SlotKey, kind: &str) -> String {
    format!("{kind}:{}:{}", key.market, key.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spending(budget: u64, due: Option<u64>) -> Spending {
        Spending { budget: Some(U256::from(budget)), reserve: U256::from(budget), due }
    }

    #[test]
    fn what_is_in_the_way_may_cost_what_it_keeps_from_being_mined() {
        let line = |spendings: &[Spending]| {
            let waiting = spendings.iter().map(|it| (String::new(), *it)).collect();
            in_line(waiting).into_iter().map(|(_, it)| it).collect::<Vec<_>>()
        };
        let (sync, proof, last) = (spending(5, None), spending(90, Some(1_000)), spending(2, Some(2_000)));
        let raised = Spending { budget: proof.budget, reserve: U256::from(2), due: Some(1_000) };
        let [first, second, third] = line(&[sync, proof, last])[..] else { panic!("three") };
        assert_eq!((first, second, third), (raised, raised, last));
        assert_eq!(line(&[proof, sync])[1], sync, "what is ahead is no reason");
        let boundless = Spending { budget: None, ..proof };
        assert_eq!(line(&[sync, boundless])[0].budget, None);
    }
}
