//! What each transaction may cost: what it gains and the loss that it avoids, as of now.

use std::collections::HashMap;
use std::time::Duration;

use alloy::primitives::U256;
use provery_mechanisms::view::expires_at;
use provery_txmgr::Waiting;
use provery_types::{Slot, SlotKey, Terms};

use super::pause_reason::PauseReason;
use super::upkeep::Task;
use super::{Service, fee_budget};
use crate::book::Policy;
use crate::pause::{PAUSE, RESUME};
use crate::slots::SlotStage;

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

impl Service {
    fn rate(&self) -> fee_budget::Rate {
        fee_budget::Rate::new(self.tunables().gas_wei_per_asset, self.chain.asset().decimals())
    }

    /// A proof: a part of what it earns and saves; all of it when time runs out.
    pub(super) fn proof_spending(&self, slot: &Slot, terms: &Terms, now: u64) -> Spending {
        let held = slot.prover == self.config.prover;
        let until = if held { slot.exclusiveUntil.to::<u64>() } else { expires_at(slot, terms) };
        let urgent = now.saturating_add(URGENT) >= until;
        let at_stake = held && !self.book.fell(SlotKey::of(slot));
        let worth = fee_budget::of_proof(slot, terms, at_stake, now);
        let bps = if urgent { fee_budget::ALL } else { self.tunables().budget_bps };
        let reserve = if at_stake { U256::ZERO } else { self.funds.kept_back() };
        Spending { budget: Some(self.rate().wei(worth, bps)), reserve, due: Some(until) }
    }

    /// What furthers the hold on a slot, or sees a bid through.
    pub(super) fn action_spending(&self, key: SlotKey, kind: &str, policy: &Policy) -> Spending {
        let coming = || self.book.facts().market_terms(key.market);
        let terms = self.book.open_slot(key).map(|(_, terms)| terms).or_else(coming);
        let price = terms.map(|terms| terms.price.to::<U256>()).unwrap_or_default();
        let saved = match kind {
            "reveal" | "settle" => self.book.bid_at_stake(key, policy),
            _ => U256::ZERO,
        };
        let reserve = if saved.is_zero() { self.funds.kept_back() } else { U256::ZERO };
        let budget = self.rate().wei(fee_budget::of_mechanism_action(price, saved), fee_budget::ALL);
        Spending { budget: Some(budget), reserve, due: None }
    }

    /// What keeps the prover in order. A pause saves what the prover exposes, and is due at once where the next draw would cost it;
    /// being out of the draws costs more the longer it waits (`waited`); what is not worth anything by itself may cost a hundredth
    /// of what the key has.
    pub(super) fn upkeep_spending(&self, task: &Task, waited: Duration) -> Spending {
        let worth = match task {
            Task::Pause => self.exposed(),
            Task::Resume | Task::Reinstate(_) | Task::Sync(_) | Task::Accept(_) => {
                fee_budget::of_being_drawn(self.best_price(), waited, self.upkeep.epoch_length())
            }
            Task::Expire(key) | Task::Resolve(key) | Task::Drop(key) => self.bound_in(*key) / U256::from(10),
            Task::Withdraw => self.upkeep.seen().map(|seen| seen.credit / U256::from(10)).unwrap_or_default(),
            Task::Seed(_) => self.best_price() / U256::from(10),
            Task::MechanismAction(..) => U256::ZERO,
        };
        let by_worth = self.rate().wei(worth, fee_budget::ALL);
        // Nothing is known of the key's funds at first.
        let budget = self.funds.balance().map(|balance| by_worth.max(balance / U256::from(100)));
        let reserve = if *task == Task::Pause { U256::ZERO } else { self.funds.kept_back() };
        let urgent = *task == Task::Pause
            && matches!(
                self.pause_reason(),
                Some(PauseReason::Stopping | PauseReason::BreakerOpen | PauseReason::LowBalance)
            );
        Spending { budget, reserve, due: urgent.then(|| self.chain_clock.now()) }
    }

    /// Asset wei that draws may bond while this prover is in them.
    fn exposed(&self) -> U256 {
        let me = self.config.prover;
        let facts = self.book.facts();
        let exposed = facts.leaves(me).into_iter().map(|(market, _)| {
            let commitment = facts.commitment(market, me);
            U256::from(commitment.units.min(commitment.exposure)).saturating_mul(self.upkeep.stake_unit())
        });
        exposed.fold(U256::ZERO, U256::saturating_add)
    }

    /// The highest price (asset wei) of a slot in the markets that this prover has stake behind: what being in the draws may earn.
    fn best_price(&self) -> U256 {
        let facts = self.book.facts();
        let served = facts.leaves(self.config.prover).into_iter().filter(|(_, leaf)| leaf.allocation > 0);
        let prices = served.filter_map(|(market, _)| Some(facts.market_terms(market)?.price.to::<U256>()));
        prices.max().unwrap_or_default()
    }

    /// The same in wei of the chain's currency.
    pub(super) fn best_pay(&self) -> U256 {
        self.rate().wei(self.best_price(), fee_budget::ALL)
    }

    /// Asset wei that are this prover's once a slot ends: its bond, and about what it is paid.
    fn bound_in(&self, key: SlotKey) -> U256 {
        let Some(fact) = self.book.facts().slot(key).filter(|fact| fact.slot.prover == self.config.prover)
        else {
            return U256::ZERO;
        };
        let bond = self.book.facts().terms(fact.terms_hash).map(|terms| terms.bond.to::<U256>());
        bond.unwrap_or_default().saturating_add(fact.slot.price.to::<U256>())
    }

    /// What is under way may cost what it is worth now, and not what it was when it was signed; and no less than what waits behind
    /// it.
    pub(super) fn renew_budgets(&self, policy: &Policy) {
        let waiting = self.sender.waiting();
        if waiting.is_empty() {
            return;
        }
        let mut worth: HashMap<String, Spending> = HashMap::new();
        for (key, record) in self.book.work() {
            if record.work.stage == SlotStage::Submitting
                && let Some((slot, terms)) = self.book.open_slot(key)
            {
                worth.insert(proof_tag(slot), self.proof_spending(slot, terms, policy.now));
            }
        }
        for (task, tag, waited) in self.upkeep.under_way() {
            let spending = match task {
                Task::MechanismAction(key, kind) => self.action_spending(*key, kind, policy),
                task => self.upkeep_spending(task, waited),
            };
            worth.insert(tag.to_owned(), spending);
        }
        // What a life before this one signed.
        let unknown = |it: &Waiting| match it.kind.as_str() {
            PAUSE => self.upkeep_spending(&Task::Pause, Duration::ZERO),
            RESUME => self.upkeep_spending(&Task::Resume, Duration::ZERO),
            _ => Spending { budget: it.budget, reserve: it.reserve, due: it.due },
        };
        let waiting = waiting.into_iter().map(|it| {
            let spending = worth.get(&it.tag).copied().unwrap_or_else(|| unknown(&it));
            (it.tag, spending)
        });
        for (tag, it) in in_line(waiting.collect()) {
            self.sender.renew(&tag, it.budget, it.reserve, it.due);
        }
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
