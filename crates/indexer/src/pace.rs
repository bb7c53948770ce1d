//! How a market went of late: what its slots cost, how soon they were proven, and by how many.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256};

use crate::{
    history::History,
    record::{MarketHistory, Outcome},
};

/// What the newest slots of a market came to, of those opened under one hash of terms or under any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    /// Slots that are counted.
    pub opened: u64,
    /// Those that a proof ended.
    pub proven: u64,
    /// Those that nobody proved in time.
    pub expired: u64,
    /// Unix seconds of the first opening that is counted.
    pub since: Option<u64>,
    /// From opening to proof, rising.
    seconds: Vec<u64>,
    /// Prices (asset wei) of those proven, as they were given out, the oldest first.
    pub prices: Vec<u128>,
    /// Whose proofs they were.
    pub payees: BTreeSet<Address>,
}

impl Pace {
    /// Of the newest `most` slots of a market, under these terms alone if their hash is given.
    pub fn of(market: &MarketHistory, terms: Option<B256>, most: usize) -> Self {
        let mut pace = Self::default();
        let fits = |hash: B256| terms.is_none_or(|terms| terms == hash);
        let newest = market.slots.values().rev().filter(|slot| fits(slot.terms_hash)).take(most);
        for slot in newest {
            let opened = slot.slot.openedAt.to::<u64>();
            pace.opened += 1;
            pace.since = Some(pace.since.map_or(opened, |since: u64| since.min(opened)));
            match &slot.outcome {
                Outcome::Proven { payee, at, .. } => {
                    pace.proven += 1;
                    pace.seconds.push(at.saturating_sub(opened));
                    pace.prices.push(slot.slot.price.to());
                    pace.payees.insert(*payee);
                }
                Outcome::Expired { .. } => pace.expired += 1,
                Outcome::Open | Outcome::Cancelled { .. } | Outcome::Dropped { .. } => {}
            }
        }
        pace.seconds.sort_unstable();
        pace.prices.reverse();
        pace
    }

    /// Seconds from opening to proof that so many in a hundred did not exceed; nothing if nothing was proven.
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        let rank = (self.seconds.len() * percent).div_ceil(100).max(1);
        self.seconds.get(rank - 1).copied()
    }

    /// Slots opened in an hour, times a thousand, up to `now` (unix seconds); nothing if none was. What is younger than an hour is
    /// taken for an hour.
    pub fn hourly_milli(&self, now: u64) -> Option<u64> {
        let age = now.saturating_sub(self.since?).max(3_600);
        Some(u64::try_from(u128::from(self.opened) * 3_600_000 / u128::from(age)).unwrap_or(u64::MAX))
    }
}

impl History {
    /// Who could bond a slot of `market` under `version` of its terms now, with its weight in the draws of `epoch`.
    pub fn able(
        &self,
        market: U256,
        (version, bond): (u32, U256),
        epoch: u64,
        unit: U256,
    ) -> Vec<(Address, u64)> {
        let Some(record) = self.markets.get(&market) else { return Vec::new() };
        let behind =
            self.provers.iter().filter(|(_, it)| it.stakes.get(&market).is_some_and(|it| it.units > 0));
        behind
            .filter(|(prover, _)| self.is_able(**prover, market, (version, bond), unit))
            .map(|(prover, it)| (*prover, record.weights.at(it.id, epoch)))
            .collect()
    }

    /// Whether a prover could bond a slot of `market` under `version` of its terms now.
    pub fn is_able(&self, prover: Address, market: U256, (version, bond): (u32, U256), unit: U256) -> bool {
        self.record(prover, market, version, unit)
            .is_some_and(|it| !it.paused && !it.suspended && it.accepts && U256::from(it.free) >= bond)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::{U40, U96};
    use provery_types::Slot;

    use super::*;
    use crate::record::{At, ChainStatus, SlotRecord};

    fn slot(id: u64, opened: u64, price: u64, outcome: Outcome) -> SlotRecord {
        let slot = Slot { id, openedAt: U40::from(opened), price: U96::from(price), ..Slot::default() };
        SlotRecord {
            slot,
            assigned: Address::ZERO,
            terms_hash: B256::repeat_byte(if id == 1 { 1 } else { 2 }),
            statement_inputs: Vec::new(),
            opened: At::default(),
            passed_over: 0,
            outcome,
            pending: None,
            chain_status: ChainStatus::Open,
            settled: false,
        }
    }

    fn proven(payee: u8, at: u64) -> Outcome {
        let (zero, payee) = (U256::ZERO, Address::repeat_byte(payee));
        Outcome::Proven { payee, reward: zero, premium: zero, missed_by: None, at, tx: B256::ZERO }
    }

    fn market() -> MarketHistory {
        let expired = Outcome::Expired { forfeited: U256::ZERO, at: 900, tx: B256::ZERO };
        let slots = [
            slot(1, 100, 9, proven(1, 200)),
            slot(2, 100, 5, proven(1, 110)),
            slot(3, 200, 6, proven(2, 230)),
            slot(4, 300, 7, expired),
            slot(5, 400, 8, Outcome::Open),
        ];
        MarketHistory { slots: slots.into_iter().map(|it| (it.slot.id, it)).collect(), ..Default::default() }
    }

    #[test]
    fn a_market_says_how_soon_and_for_how_much_by_what_it_did() {
        let pace = Pace::of(&market(), None, usize::MAX);
        assert_eq!((pace.opened, pace.proven, pace.expired, pace.payees.len()), (5, 3, 1, 2));
        assert_eq!(pace.prices, [9, 5, 6], "the oldest first");
        assert_eq!(
            [1, 50, 95, 100].map(|it| pace.percentile(it)),
            [Some(10), Some(30), Some(100), Some(100)]
        );
        let of_terms = Pace::of(&market(), Some(B256::repeat_byte(2)), usize::MAX);
        assert_eq!((of_terms.opened, of_terms.percentile(95)), (4, Some(30)), "other terms' are left out");
        let newest = Pace::of(&market(), None, 2);
        assert_eq!((newest.opened, newest.percentile(50), newest.since), (2, None, Some(300)));
    }

    #[test]
    fn demand_is_slots_an_hour_and_a_young_market_is_not_extrapolated() {
        let pace = Pace::of(&market(), None, usize::MAX);
        assert_eq!(pace.hourly_milli(400), Some(5_000));
        assert_eq!(pace.hourly_milli(100 + 36_000), Some(500));
        assert_eq!(Pace::default().hourly_milli(400), None, "no history");
    }
}
