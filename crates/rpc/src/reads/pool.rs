//! What pools of delegated stake, and their factory, say now.

use std::{collections::BTreeSet, ops::RangeInclusive};

use alloy::{
    primitives::{Address, U256},
    providers::RootProvider,
    rpc::types::Filter,
    sol_types::SolEvent,
};
use provery_bindings::{DelegationPool, DelegationPoolPolicies, DelegationPools, Policy};
use provery_types::DELEGATION_POOLS;

use super::history::each_range;
use crate::{Chain, ChainError, reads::read::read};

/// A pool as its creation tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSummary {
    /// Its address, by which it is a prover.
    pub pool: Address,
    /// Who runs it.
    pub operator: Address,
    /// Share of every loss, in bps, that the operator's own stake bears before anyone else.
    pub first_loss_bps: u16,
    /// Where its metadata are, as its creation told; its creator's text.
    pub uri: String,
}

/// A pool's record. Amounts are asset wei, with losses, vested rewards and unharvested credit taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRecord {
    /// Who runs it.
    pub operator: Address,
    /// Share of every loss, in bps, that the operator's own stake bears before anyone else.
    pub first_loss_bps: U256,
    /// The operator's part of every reward, in bps.
    pub commission_bps: U256,
    /// The commission announced (bps), and from when it may be set (unix seconds); not once that lapsed.
    pub next_commission: Option<(U256, u64)>,
    /// What the operator may ask back of its own, and from when (unix seconds); not once that lapsed.
    pub operator_exit: Option<(U256, u64)>,
    /// How often the operator announced something.
    pub revision: U256,
    /// Seconds that a batch unbonds, and for which an announcement can be acted on once it is due.
    pub exit_time: u64,
    /// Seconds of notice, the longest that an exit takes.
    pub notice: u64,
    /// The operator's own, without what it asked back.
    pub operator_stake: U256,
    /// The delegators', with what still vests.
    pub delegated: U256,
    /// Of the delegated, what no share is worth yet.
    pub unvested: U256,
    /// Delegators' exits that are not settled.
    pub exiting: U256,
    /// The operator's exits that are not settled.
    pub operator_exiting: U256,
    /// All delegators' shares.
    pub shares: U256,
    /// What the operator may withdraw.
    pub owed_to_operator: U256,
    /// The markets it may serve, will be allowed to, or left last.
    pub markets: Vec<PoolMarket>,
    /// The batch that takes exits.
    pub open_batch: U256,
    /// The batch that the registry unbonds.
    pub unbonding_batch: Option<U256>,
}

/// What a pool may do in a market, as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolMarket {
    /// The market's id.
    pub market: U256,
    /// None: nothing.
    pub policy: Option<PoolPolicy>,
    /// In force instead from this unix second on.
    pub next: Option<(PoolPolicy, u64)>,
}

/// The most a pool may have bonded in a market at once, and under which of its terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPolicy {
    /// Units of stake.
    pub exposure: u16,
    /// Of the market's terms.
    pub versions: RangeInclusive<u32>,
}

impl PoolMarket {
    fn new(market: U256, policy: &Policy) -> Self {
        let next = PoolPolicy {
            exposure: policy.nextExposure,
            versions: policy.nextFromVersion..=policy.nextToVersion,
        };
        let next_from = policy.nextFrom.to::<u64>();
        Self {
            market,
            policy: (policy.exposure != 0).then_some(PoolPolicy {
                exposure: policy.exposure,
                versions: policy.fromVersion..=policy.toVersion,
            }),
            next: (next_from != 0).then_some((next, next_from)),
        }
    }
}

/// A batch of exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolBatch {
    /// Asset wei of delegators, as far as not claimed.
    pub assets: U256,
    /// Asset wei of the operator.
    pub operator_stake: U256,
    /// Unix seconds; not given while it takes exits.
    pub ready_at: Option<u64>,
    /// What its delegators hold of it: each is worth an equal part of `assets`.
    pub exit_shares: U256,
    /// Unix seconds of the first exit in it.
    pub asked_at: Option<u64>,
}

impl PoolBatch {
    /// The fewest exit shares that are worth `assets`.
    pub fn shares_for(&self, assets: U256) -> U256 {
        match self.assets {
            U256::ZERO => U256::MAX,
            worth => assets.saturating_mul(self.exit_shares).div_ceil(worth),
        }
    }
}

impl PoolRecord {
    /// Shares nobody holds; they back one asset wei. The first delegation gets as many shares for a wei.
    pub const VIRTUAL_SHARES: u64 = 1_000_000;

    /// The fewest shares that are worth `assets`.
    pub fn shares_for(&self, assets: U256) -> U256 {
        let (worth, shares) = self.price();
        assets.saturating_mul(shares).div_ceil(worth)
    }

    /// What as many shares as a first delegation gets for an asset wei are worth, in 10^-9 asset wei.
    pub fn share_price_nano(&self) -> U256 {
        let (worth, shares) = self.price();
        worth.saturating_mul(U256::from(Self::VIRTUAL_SHARES * 1_000_000_000)) / shares
    }

    fn price(&self) -> (U256, U256) {
        let vested = self.delegated.saturating_sub(self.unvested);
        (vested + U256::ONE, self.shares + U256::from(Self::VIRTUAL_SHARES))
    }
}

impl Chain {
    /// Whether a pool was created by this deployment's factory, so that its code is known.
    pub async fn is_pool(&self, pool: Address) -> Result<bool, ChainError> {
        if self.deployment().address(DELEGATION_POOLS).is_zero() {
            return Ok(false);
        }
        read!(self, self.pools_contract(), isPool(pool))
    }

    /// Every pool of this deployment's factory, oldest first.
    pub async fn pools(&self) -> Result<Vec<PoolSummary>, ChainError> {
        let factory = self.deployment().address(DELEGATION_POOLS);
        let mut pools = Vec::new();
        if factory.is_zero() {
            return Ok(pools);
        }
        let filter =
            Filter::new().address(factory).event_signature(DelegationPools::PoolCreated::SIGNATURE_HASH);
        let head = self.rpc().head().await?.number;
        each_range(self.rpc(), filter, self.deployment().block, head, |log| {
            if let Ok(event) = DelegationPools::PoolCreated::decode_log(&log.inner) {
                let DelegationPools::PoolCreated {
                    pool, operator, firstLossBps: first_loss_bps, uri, ..
                } = event.data;
                pools.push(PoolSummary { pool, operator, first_loss_bps, uri });
            }
        })
        .await?;
        Ok(pools)
    }

    /// A pool's record. Ask [`Self::is_pool`] first.
    pub async fn pool(&self, pool: Address) -> Result<PoolRecord, ChainError> {
        let contract = self.pool_contract(pool);
        let totals = read!(self, contract, totals())?;
        let commission = read!(self, contract, commission())?;
        let batches = read!(self, contract, currentBatches())?;
        let next_from = self.number("commission", commission.nextFrom)?;
        let operator_exit = read!(self, contract, operatorExit())?;
        let operator_exit_from = self.number("operatorExit", operator_exit.from)?;
        let policies = read!(self, contract, policies())?;
        let mut markets = Vec::new();
        for market in read!(self, self.policies_contract(policies), servedBy(pool))? {
            markets.push(self.policy(policies, pool, market).await?);
        }
        Ok(PoolRecord {
            operator: read!(self, contract, operator())?,
            first_loss_bps: read!(self, contract, firstLossBps())?,
            commission_bps: commission.bps,
            next_commission: (next_from != 0).then_some((commission.nextBps, next_from)),
            operator_exit: (operator_exit_from != 0).then_some((operator_exit.amount, operator_exit_from)),
            revision: read!(self, contract, revision())?,
            exit_time: self.number("EXIT_TIME", read!(self, contract, EXIT_TIME())?)?,
            notice: self.number("NOTICE", read!(self, contract, NOTICE())?)?,
            operator_stake: totals.operatorStake,
            delegated: totals.delegated,
            unvested: totals.unvested,
            exiting: totals.exiting,
            operator_exiting: totals.operatorExiting,
            shares: totals.shares,
            owed_to_operator: read!(self, contract, owedToOperator())?,
            markets,
            open_batch: batches.open,
            unbonding_batch: (!batches.unbonding.is_zero()).then_some(batches.unbonding),
        })
    }

    /// What a pool may do in a market.
    pub async fn pool_market(&self, pool: Address, market: U256) -> Result<PoolMarket, ChainError> {
        let policies = read!(self, self.pool_contract(pool), policies())?;
        self.policy(policies, pool, market).await
    }

    async fn policy(&self, policies: Address, pool: Address, market: U256) -> Result<PoolMarket, ChainError> {
        let policy = read!(self, self.policies_contract(policies), policyOf(pool, market))?;
        Ok(PoolMarket::new(market, &policy))
    }

    /// A batch of a pool's exits; all zero if there never was one.
    pub async fn pool_batch(&self, pool: Address, batch: U256) -> Result<PoolBatch, ChainError> {
        let found = read!(self, self.pool_contract(pool), batches(batch))?;
        let ready_at = self.number("batches", found.readyAt)?;
        let asked_at = self.number("batches", found.askedAt)?;
        Ok(PoolBatch {
            assets: found.assets,
            operator_stake: found.operatorStake,
            ready_at: (ready_at != 0).then_some(ready_at),
            exit_shares: found.exitShares,
            asked_at: (asked_at != 0).then_some(asked_at),
        })
    }

    /// A delegator's shares, and what they are worth in asset wei.
    pub async fn pool_shares(&self, pool: Address, delegator: Address) -> Result<(U256, U256), ChainError> {
        let contract = self.pool_contract(pool);
        Ok((read!(self, contract, sharesOf(delegator))?, read!(self, contract, assetsOf(delegator))?))
    }

    /// A delegator's exit shares in a batch.
    pub async fn pool_exit_shares(
        &self,
        pool: Address,
        batch: U256,
        delegator: Address,
    ) -> Result<U256, ChainError> {
        read!(self, self.pool_contract(pool), exitSharesOf(batch, delegator))
    }

    /// The batches in which a delegator ever had a part.
    pub async fn pool_exits(&self, pool: Address, delegator: Address) -> Result<BTreeSet<U256>, ChainError> {
        let filter = Filter::new()
            .address(pool)
            .event_signature(DelegationPool::ExitRequested::SIGNATURE_HASH)
            .topic1(delegator);
        let head = self.rpc().head().await?.number;
        let mut batches = BTreeSet::new();
        each_range(self.rpc(), filter, self.deployment().block, head, |log| {
            if let Ok(event) = DelegationPool::ExitRequested::decode_log(&log.inner) {
                batches.insert(event.data.batch);
            }
        })
        .await?;
        Ok(batches)
    }

    fn pools_contract(&self) -> DelegationPools::DelegationPoolsInstance<RootProvider> {
        DelegationPools::new(self.deployment().address(DELEGATION_POOLS), self.rpc().provider().clone())
    }

    fn policies_contract(
        &self,
        policies: Address,
    ) -> DelegationPoolPolicies::DelegationPoolPoliciesInstance<RootProvider> {
        DelegationPoolPolicies::new(policies, self.rpc().provider().clone())
    }

    fn pool_contract(&self, pool: Address) -> DelegationPool::DelegationPoolInstance<RootProvider> {
        DelegationPool::new(pool, self.rpc().provider().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(delegated: u64, unvested: u64, shares: u64) -> PoolRecord {
        PoolRecord {
            operator: Address::ZERO,
            first_loss_bps: U256::ZERO,
            commission_bps: U256::ZERO,
            next_commission: None,
            operator_exit: None,
            revision: U256::ZERO,
            exit_time: 0,
            notice: 0,
            operator_stake: U256::ZERO,
            delegated: U256::from(delegated),
            unvested: U256::from(unvested),
            exiting: U256::ZERO,
            operator_exiting: U256::ZERO,
            shares: U256::from(shares),
            owed_to_operator: U256::ZERO,
            markets: Vec::new(),
            open_batch: U256::ONE,
            unbonding_batch: None,
        }
    }

    #[test]
    fn shares_for_an_amount_are_worth_it_and_one_fewer_are_not() {
        for pool in [pool(0, 0, 0), pool(100, 0, 100_000_000), pool(150, 7, 100_000_000)] {
            let (worth, shares) = pool.price();
            let worth_of = |number: U256| number * worth / shares;
            for assets in [1, 3, 50, 100].map(U256::from) {
                let needed = pool.shares_for(assets);
                assert!(worth_of(needed) >= assets);
                assert!(worth_of(needed - U256::ONE) < assets);
            }
        }
    }

    #[test]
    fn exit_shares_for_an_amount_are_worth_it_and_one_fewer_are_not() {
        for (assets, shares) in [(100, 100), (70, 100), (1, 100)].map(|(a, b)| (U256::from(a), U256::from(b)))
        {
            let batch = PoolBatch {
                assets,
                operator_stake: U256::ZERO,
                ready_at: None,
                exit_shares: shares,
                asked_at: None,
            };
            let needed = batch.shares_for(U256::ONE);
            assert!(needed * assets / shares >= U256::ONE);
            assert!((needed - U256::ONE) * assets / shares < U256::ONE);
            assert_eq!(batch.shares_for(assets), shares);
        }
        let empty = PoolBatch {
            assets: U256::ZERO,
            operator_stake: U256::ZERO,
            ready_at: None,
            exit_shares: U256::ZERO,
            asked_at: None,
        };
        assert_eq!(empty.shares_for(U256::ONE), U256::MAX);
    }

    #[test]
    fn what_is_not_allowed_is_no_policy() {
        let policy = Policy {
            exposure: 0,
            fromVersion: 0,
            toVersion: 0,
            nextExposure: 5,
            nextFromVersion: 1,
            nextToVersion: 2,
            nextFrom: alloy::primitives::aliases::U40::from(9),
        };
        let market = PoolMarket::new(U256::ONE, &policy);
        assert_eq!(market.policy, None);
        assert_eq!(market.next, Some((PoolPolicy { exposure: 5, versions: 1..=2 }, 9)));
    }

    #[test]
    fn a_share_is_worth_what_has_dripped() {
        assert_eq!(pool(0, 0, 0).share_price_nano(), U256::from(1_000_000_000));
        assert_eq!(pool(99, 0, 99_000_000).share_price_nano(), U256::from(1_000_000_000));
        assert_eq!(pool(149, 0, 99_000_000).share_price_nano(), U256::from(1_500_000_000));
        assert_eq!(pool(149, 50, 99_000_000).share_price_nano(), U256::from(1_000_000_000));
    }
}
