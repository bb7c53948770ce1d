//! What each transaction may cost: what it gains and the loss that it avoids, as of now.

use alloy::primitives::U256;
use provery_mechanisms::view::expires_at;
use provery_types::{Slot, Terms};

use super::upkeep::Task;
use super::{Service, worth};
use crate::book::Policy;
use crate::facts::SlotKey;
use crate::slots::SlotStage;

/// Seconds before the end of a window from which on a proof may cost all that it is worth.
const URGENT: u64 = 30;

/// What an order may cost, and by when it should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spending {
    /// Wei of the chain's currency.
    pub budget: Option<U256>,
    /// Wei left to the key.
    pub keep: U256,
    /// Unix seconds.
    pub due: Option<u64>,
}

impl Service {
    fn rate(&self) -> worth::Rate {
        worth::Rate::new(self.config.gas_wei_per_asset, self.chain.asset().decimals())
    }

    /// A proof: a part of what it earns and saves; all of it when time runs out.
    pub(super) fn proof_spending(&self, slot: &Slot, terms: &Terms, now: u64) -> Spending {
        let held = slot.prover == self.config.prover;
        let until = if held { slot.exclusiveUntil.to::<u64>() } else { expires_at(slot, terms) };
        let urgent = now.saturating_add(URGENT) >= until;
        let at_stake = held && !self.book.fell(SlotKey::of(slot));
        let worth = worth::of_proof(slot, terms, at_stake, now);
        let bps = if urgent { worth::ALL } else { self.tunables().budget_bps };
        let keep = if at_stake { U256::ZERO } else { self.funds.kept_back() };
        Spending { budget: Some(self.rate().wei(worth, bps)), keep, due: Some(until) }
    }

    /// What furthers the hold on a slot, or sees a bid through.
    pub(super) fn errand_spending(&self, key: SlotKey, kind: &str, policy: &Policy) -> Spending {
        let coming = || self.book.facts().market_terms(key.market);
        let terms = self.book.open_slot(key).map(|(_, terms)| terms).or_else(coming);
        let price = terms.map(|terms| terms.price.to::<U256>()).unwrap_or_default();
        let saved = match kind {
            "reveal" | "settle" => self.book.bid_at_stake(key, policy),
            _ => U256::ZERO,
        };
        let keep = if saved.is_zero() { self.funds.kept_back() } else { U256::ZERO };
        let budget = self.rate().wei(worth::of_errand(price, saved), worth::ALL);
        Spending { budget: Some(budget), keep, due: None }
    }

    /// What keeps the prover in order. A pause saves what the prover exposes; what is not worth anything by itself may cost a
    /// hundredth of what the key has.
    pub(super) fn upkeep_spending(&self, task: &Task) -> Spending {
        let worth = match task {
            Task::Pause => self.exposed(),
            Task::Resume | Task::Reinstate(_) | Task::Sync(_) | Task::Accept(_) => self.best_price(),
            Task::Expire(key) | Task::Resolve(key) | Task::Drop(key) => self.bound_in(*key) / U256::from(10),
            Task::Withdraw => self.upkeep.seen().map(|seen| seen.credit / U256::from(10)).unwrap_or_default(),
            Task::Seed(_) => self.best_price() / U256::from(10),
            Task::Errand(..) => U256::ZERO,
        };
        let by_worth = self.rate().wei(worth, worth::ALL);
        // Nothing is known of the key's funds at first.
        let budget = self.funds.balance().map(|balance| by_worth.max(balance / U256::from(100)));
        let keep = if *task == Task::Pause { U256::ZERO } else { self.funds.kept_back() };
        Spending { budget, keep, due: None }
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

    /// Asset wei that are this prover's once a slot ends: its bond, and about what it is paid.
    fn bound_in(&self, key: SlotKey) -> U256 {
        let Some(fact) = self.book.facts().slot(key).filter(|fact| fact.slot.prover == self.config.prover)
        else {
            return U256::ZERO;
        };
        let bond = self.book.facts().terms(fact.terms_hash).map(|terms| terms.bond.to::<U256>());
        bond.unwrap_or_default().saturating_add(fact.slot.price.to::<U256>())
    }

    /// What is under way may cost what it is worth now, and not what it was when it was signed.
    pub(super) fn renew_budgets(&self, policy: &Policy) {
        let renew = |tag: &str, it: Spending| self.sender.renew(tag, it.budget, it.keep, it.due);
        for (key, record) in self.book.work() {
            if record.work.stage == SlotStage::Submitting
                && let Some((slot, terms)) = self.book.open_slot(key)
            {
                renew(&proof_tag(slot), self.proof_spending(slot, terms, policy.now));
            }
        }
        for task in self.upkeep.under_way() {
            if let Task::Errand(key, kind) = task {
                renew(&errand_tag(*key, kind), self.errand_spending(*key, kind, policy));
            }
        }
    }
}

pub(super) fn proof_tag(slot: &Slot) -> String {
    format!("prove:{}:{}:{}", slot.market, slot.id, slot.statement)
}

pub(super) fn errand_tag(key: SlotKey, kind: &str) -> String {
    format!("{kind}:{}:{}", key.market, key.id)
}
