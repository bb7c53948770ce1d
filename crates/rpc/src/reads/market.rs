//! What market, registry and reference rollup say now.

use std::{ops::RangeInclusive, time::Duration};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::Filter,
    sol_types::SolEvent,
};
use provery_bindings::{
    Circuit, CircuitRegistry::CircuitRegistered, DevelopmentToken, IBondEscrow, Position, ProofMarket, Prover,
};
use provery_types::{Slot, SlotState, Terms, terms_hash};

use super::{history::each_range, read::read};
use crate::{Chain, ChainError, logs::RANGE};

/// Before each time that terms are looked for.
const TERMS_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// A market's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketRecord {
    /// The only account that may change its terms for slots to come, or take back unused funds.
    pub creator: Address,
    /// Of the terms in force.
    pub terms_hash: B256,
    /// How many slots may be open at once.
    pub capacity: u32,
    /// How many were ever opened.
    pub slots: u64,
    /// Asset wei.
    pub funds: U256,
}

/// A registry's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryParams {
    /// Asset wei in one unit of weight.
    pub stake_unit: U256,
    /// Seconds.
    pub epoch_length: u64,
    /// Seconds before an epoch in which its weights can no longer change.
    pub freeze: u64,
    /// Misses in a row that suspend a prover.
    pub suspend_after: u64,
    /// Seconds a slot's expiry window may have at most.
    pub max_window: u64,
    /// Seconds from asking stake back to getting it.
    pub unbonding: u64,
}

/// What a market says of its terms beside the ones in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermsRecord {
    /// The last version, announced or in force.
    pub version: u32,
    /// Terms announced, by hash, and from when they may be used (unix seconds).
    pub announced: Option<(B256, u64)>,
    /// Held slots missed in a row.
    pub misses: u8,
}

/// Ranges that together are all blocks from `first` to `head`, the likely ones first: around `begins`, then ever larger ones from
/// the head down.
fn terms_ranges(first: u64, begins: Option<u64>, head: u64) -> Vec<RangeInclusive<u64>> {
    let mut ranges = Vec::new();
    if let Some(block) = begins {
        ranges.push(block.saturating_sub(RANGE / 2).max(first)..=(block + RANGE / 2).min(head));
    }
    let (mut end, mut size) = (head, RANGE);
    while end >= first {
        let start = end.saturating_sub(size - 1).max(first);
        ranges.push(start..=end);
        let Some(below) = start.checked_sub(1) else { break };
        (end, size) = (below, size.saturating_mul(4));
    }
    ranges
}

impl Chain {
    /// Wei a unit of gas that a transaction which should be mined soon may cost.
    pub async fn max_fee(&self) -> Result<u128, ChainError> {
        self.rpc().max_fee().await
    }

    /// A prover's record; all zero if it never registered.
    pub async fn prover(&self, prover: Address) -> Result<Prover, ChainError> {
        read!(self, self.registry_contract(), proverOf(prover))
    }

    /// The prover with an id.
    pub async fn prover_by_id(&self, id: u32) -> Result<Option<Address>, ChainError> {
        Ok(some(read!(self, self.registry_contract(), proverById(id))?))
    }

    /// The prover a submitter key belongs to.
    pub async fn prover_of_submitter(&self, submitter: Address) -> Result<Option<Address>, ChainError> {
        Ok(some(read!(self, self.registry_contract(), proverOfSubmitter(submitter))?))
    }

    /// Asset wei a prover may allocate or ask back.
    pub async fn free_stake(&self, prover: Address) -> Result<U256, ChainError> {
        read!(self, self.registry_contract(), freeStake(prover))
    }

    /// Asset wei that a prover has in bonds of a market's slots.
    pub async fn bonded(&self, market: U256, prover: Address) -> Result<U256, ChainError> {
        read!(self, self.registry_contract(), bondedOf(market, prover))
    }

    /// Units that a prover has allocated to a market.
    pub async fn allocation(&self, market: U256, prover: Address) -> Result<U256, ChainError> {
        read!(self, self.registry_contract(), allocationOf(market, prover))
    }

    /// What a prover puts behind a market.
    pub async fn position(&self, market: U256, prover: Address) -> Result<Position, ChainError> {
        read!(self, self.registry_contract(), positionOf(market, prover))
    }

    /// Whether a prover nominated a key.
    pub async fn is_nominated(&self, prover: Address, submitter: Address) -> Result<bool, ChainError> {
        read!(self, self.registry_contract(), isNominated(prover, submitter))
    }

    /// Frozen weight of a prover in the current epoch, in units.
    pub async fn weight(&self, market: U256, prover: Address) -> Result<U256, ChainError> {
        read!(self, self.registry_contract(), weightOf(market, prover))
    }

    /// Frozen total weight in the current epoch, in units.
    pub async fn total_weight(&self, market: U256) -> Result<U256, ChainError> {
        read!(self, self.registry_contract(), totalWeight(market))
    }

    /// The current epoch.
    pub async fn epoch(&self) -> Result<u64, ChainError> {
        let epoch = read!(self, self.registry_contract(), epoch())?;
        self.number("epoch", epoch)
    }

    /// The registry's constants.
    pub async fn registry_params(&self) -> Result<RegistryParams, ChainError> {
        let registry = self.registry_contract();
        Ok(RegistryParams {
            stake_unit: read!(self, registry, STAKE_UNIT())?,
            epoch_length: self.number("EPOCH_LENGTH", read!(self, registry, EPOCH_LENGTH())?)?,
            freeze: self.number("FREEZE", read!(self, registry, FREEZE())?)?,
            suspend_after: self.number("SUSPEND_AFTER", read!(self, registry, SUSPEND_AFTER())?)?,
            max_window: self.number("MAX_WINDOW", read!(self, registry, MAX_WINDOW())?)?,
            unbonding: self.number("UNBONDING", read!(self, registry, UNBONDING())?)?,
        })
    }

    /// The last epoch that has come and whose seed is known, and the seed; both 0 if that is neither this one nor the last.
    pub async fn seed(&self) -> Result<(u64, U256), ChainError> {
        let seeds = self.seeds_contract();
        let current = read!(self, seeds, currentSeed())?;
        let epoch = self.number("currentSeed", current.epoch)?;
        if current.known {
            return Ok((epoch, current.seed));
        }
        let before = epoch.saturating_sub(1);
        let last = read!(self, seeds, seedOf(U256::from(before)))?;
        Ok(if last.known { (before, last.seed) } else { Default::default() })
    }

    /// Unix seconds: the first block at or after it seeds `epoch`.
    pub async fn seed_time(&self, epoch: u64) -> Result<u64, ChainError> {
        let time = read!(self, self.seeds_contract(), seedTime(U256::from(epoch)))?;
        self.number("seedTime", time)
    }

    /// Draws a slot makes before it is left open to all.
    pub async fn max_draws(&self) -> Result<u64, ChainError> {
        let draws = read!(self, self.seeds_contract(), MAX_DRAWS())?;
        self.number("MAX_DRAWS", draws)
    }

    /// Credit of an account in asset wei.
    pub async fn credits(&self, account: Address) -> Result<U256, ChainError> {
        read!(self, self.market_contract(), credits(account))
    }

    /// The number of markets; ids are 1 to this.
    pub async fn market_count(&self) -> Result<U256, ChainError> {
        read!(self, self.market_contract(), marketCount())
    }

    /// A market's record; fails with [`ChainError::MarketNotFound`] if there is none.
    pub async fn market(&self, market: U256) -> Result<MarketRecord, ChainError> {
        let record = match read!(self, self.market_contract(), markets(market)) {
            Err(ChainError::Reverted { error, .. }) if error.name == "MarketNotFound" => {
                return Err(ChainError::MarketNotFound(market));
            }
            record => record?,
        };
        if record.creator.is_zero() {
            return Err(ChainError::MarketNotFound(market));
        }
        Ok(MarketRecord {
            creator: record.creator,
            terms_hash: record.termsHash,
            capacity: record.capacity,
            slots: record.slots,
            funds: U256::from(record.funds),
        })
    }

    /// What a market says of its terms beside the ones in force.
    pub async fn terms_record(&self, market: U256) -> Result<TermsRecord, ChainError> {
        let record = read!(self, self.market_contract(), termsOf(market))?;
        let from: u64 = record.from.to();
        let announced = (!record.announced.is_zero()).then_some((record.announced, from));
        Ok(TermsRecord { version: record.version, announced, misses: record.misses })
    }

    /// A market's current terms, from its last `TermsSet` event and checked against the chain's hash.
    pub async fn terms(&self, market: U256) -> Result<Terms, ChainError> {
        self.terms_of(market, self.market(market).await?.terms_hash).await
    }

    /// A market's terms that have the hash `wanted`, in force or announced.
    pub async fn terms_of(&self, market: U256, wanted: B256) -> Result<Terms, ChainError> {
        let filter = Filter::new()
            .address(self.deployment().market())
            .event_signature(ProofMarket::TermsSet::SIGNATURE_HASH)
            .topic1(market)
            .topic2(wanted);
        // An endpoint that answers empty is not believed at once: the hash says that there is such an event.
        for pause in TERMS_PAUSES {
            tokio::time::sleep(pause).await;
            let head = self.rpc().head().await?.number;
            for range in self.where_terms_may_be(market, head) {
                let mut terms = None;
                each_range(self.rpc(), filter.clone(), *range.start(), *range.end(), |log| {
                    if let Ok(event) = ProofMarket::TermsSet::decode_log(&log.inner) {
                        terms = Some(event.data.terms);
                    }
                })
                .await?;
                if let Some(terms) = terms.filter(|terms| terms_hash(terms) == wanted) {
                    return Ok(terms);
                }
            }
        }
        Err(ChainError::TermsNotFound { market, terms_hash: wanted })
    }

    /// Where to look for a market's terms, so that it costs what they are old and not what the chain is: where its rollup
    /// begins, and then from the head down.
    fn where_terms_may_be(&self, market: U256, head: u64) -> Vec<RangeInclusive<u64>> {
        let begins = self.deployment().rollup_of_market(market).map(|rollup| rollup.block);
        terms_ranges(self.deployment().block, begins, head)
    }

    /// Whether a slot is open, exactly as given, under these terms.
    pub async fn is_open(&self, slot: &Slot, terms: &Terms) -> Result<bool, ChainError> {
        read!(self, self.market_contract(), isOpen(slot.clone(), terms.clone()))
    }

    /// How a slot ended; `None` while it is open, was never opened, or a later slot took its place.
    pub async fn slot_state(&self, market: U256, id: u64) -> Result<SlotState, ChainError> {
        let state = read!(self, self.market_contract(), slotState(market, id))?;
        SlotState::from_u8(state).ok_or_else(|| self.senseless("slotState", format!("state {state}")))
    }

    /// Asset wei that a key deposited with a mechanism that keeps bonds of its own, less those that are locked.
    pub async fn deposited(&self, escrow: Address, key: Address) -> Result<U256, ChainError> {
        // Every such mechanism's escrow is the same contract.
        let escrow = IBondEscrow::new(escrow, self.rpc().provider().clone());
        read!(self, escrow, balanceOf(key))
    }

    /// Asset wei that are burned and not yet swept.
    pub async fn burned(&self) -> Result<U256, ChainError> {
        read!(self, self.market_contract(), burned())
    }

    /// An account's asset wei.
    pub async fn asset_balance(&self, account: Address) -> Result<U256, ChainError> {
        read!(self, self.asset_contract(), balanceOf(account))
    }

    /// Asset wei that `spender` may take from `owner`.
    pub async fn asset_allowance(&self, owner: Address, spender: Address) -> Result<U256, ChainError> {
        read!(self, self.asset_contract(), allowance(owner, spender))
    }

    /// A registered circuit.
    pub async fn circuit(&self, circuit: B256) -> Result<Circuit, ChainError> {
        read!(self, self.circuits_contract(), circuitOf(circuit))
    }

    /// Where a circuit's descriptor is, as it was registered; empty if that was not said, or the chain's logs no longer tell.
    pub async fn circuit_uri(&self, circuit: B256) -> Result<String, ChainError> {
        let head = self.rpc().head().await?.number;
        let filter = Filter::new()
            .address(self.deployment().circuits())
            .event_signature(CircuitRegistered::SIGNATURE_HASH)
            .topic1(circuit);
        let (first, mut uri) = (self.deployment().block, None);
        each_range(self.rpc(), filter, first, head, |log| {
            uri = CircuitRegistered::decode_log(&log.inner).ok().map(|event| event.data.uri);
        })
        .await?;
        Ok(uri.unwrap_or_default())
    }

    /// The slot that a market's next one builds on; 0 is the chain's origin.
    pub async fn chain_head(&self, market: U256) -> Result<u64, ChainError> {
        Ok(read!(self, self.market_contract(), chainOf(market))?.head)
    }

    /// The block in which a proof that does not bind its payee was committed to, if it was.
    pub async fn committed_at(&self, commitment: B256) -> Result<Option<u64>, ChainError> {
        let block = read!(self, self.market_contract(), committedAt(commitment))?;
        Ok((!block.is_zero()).then(|| block.saturating_to()))
    }

    fn asset_contract(&self) -> DevelopmentToken::DevelopmentTokenInstance<alloy::providers::RootProvider> {
        DevelopmentToken::new(self.deployment().asset, self.rpc().provider().clone())
    }

    pub(crate) fn number(&self, method: &'static str, value: U256) -> Result<u64, ChainError> {
        u64::try_from(value).map_err(|_| self.senseless(method, value.to_string()))
    }

    /// What an endpoint answered to `method` makes no sense.
    pub fn senseless(&self, method: &'static str, reason: String) -> ChainError {
        ChainError::Inconsistent { url: self.rpc().name().to_string(), method, reason }
    }
}

fn some(address: Address) -> Option<Address> {
    (!address.is_zero()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_looked_for_where_they_are_likely_and_everywhere_in_the_end() {
        assert_eq!(terms_ranges(10, None, 500), [10..=500]);
        assert_eq!(terms_ranges(0, Some(5_000), 20_000)[0], 4_000..=6_000);
        let ranges = terms_ranges(100, Some(150), 1_000_000);
        assert_eq!((ranges[0].clone(), ranges[1].clone()), (100..=1_150, 998_001..=1_000_000));
        assert!(ranges.len() < 10, "{ranges:?}");
        let down: Vec<_> = ranges[1..].iter().rev().collect();
        assert!(down.windows(2).all(|pair| *pair[0].end() + 1 == *pair[1].start()));
        assert_eq!(*down[0].start(), 100);
        assert_eq!(terms_ranges(0, None, 0), [0..=0]);
    }
}
