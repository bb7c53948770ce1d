//! What to send to pools of delegated stake, and to their factory. Pure.

use std::ops::RangeInclusive;

use alloy::primitives::{Address, U256};
use provery_bindings::{DelegationPool, DelegationPools};

use crate::calls::{Call, Calls};

/// Builders of the calls to one pool. Shares are the pool's own, amounts are asset wei.
#[derive(Clone, Copy, Debug)]
pub struct PoolCalls {
    pool: Address,
}

impl Calls {
    /// Create a pool that the sender operates, for good.
    pub fn create_pool(&self, first_loss_bps: u16, commission_bps: u16, uri: &str) -> Call {
        let call = DelegationPools::createCall {
            firstLossBps: first_loss_bps,
            commissionBps: commission_bps,
            uri: uri.to_string(),
        };
        Call::new("create_pool", self.pools, &call)
    }

    /// Builders of the calls to the pool at this address.
    pub fn pool(&self, pool: Address) -> PoolCalls {
        PoolCalls { pool }
    }
}

impl PoolCalls {
    // Delegators.

    /// Needs an allowance; [`crate::Sender::delegate`] sees to it. Refused if the operator announced anything since the
    /// revision `seen`.
    pub fn delegate(&self, amount: U256, seen: U256) -> Call {
        Call::new("pool_delegate", self.pool, &DelegationPool::delegateCall { amount, seen })
    }

    /// Ask back what so many shares are worth: they become exit shares of the open batch.
    pub fn request_exit(&self, shares: U256) -> Call {
        Call::new("pool_exit", self.pool, &DelegationPool::requestExitCall { shares })
    }

    /// Exit shares of the open batch become shares again. Refused like [`Self::delegate`].
    pub fn take_back_exit(&self, exit_shares: U256, seen: U256) -> Call {
        let call = DelegationPool::takeBackExitCall { exitShares: exit_shares, seen };
        Call::new("pool_take_back", self.pool, &call)
    }

    /// Send the sender's part of a batch to `to`; the batch is settled before, if it is ready.
    pub fn claim(&self, batch: U256, to: Address) -> Call {
        Call::new("pool_claim", self.pool, &DelegationPool::claimCall { batch, to })
    }

    // Anyone.

    /// Turn the pool's credit into commission and stake, and take in what was slashed.
    pub fn harvest(&self) -> Call {
        Call::new("pool_harvest", self.pool, &DelegationPool::harvestCall {})
    }

    /// Settle the batch that is unbonding if it is ready, and start the next.
    pub fn advance(&self) -> Call {
        Call::new("pool_advance", self.pool, &DelegationPool::advanceCall {})
    }

    /// Lower the allocation to a market by what waiting exits need.
    pub fn free_up(&self, market: U256) -> Call {
        Call::new("pool_free_up", self.pool, &DelegationPool::freeUpCall { marketId: market })
    }

    // The operator.

    /// Needs an allowance; [`crate::Sender::stake_operator`] sees to it.
    pub fn stake_operator(&self, amount: U256) -> Call {
        Call::new("pool_stake", self.pool, &DelegationPool::stakeOperatorCall { amount })
    }

    /// Announce that own stake will be asked back; zero takes the announcement back.
    pub fn announce_operator_exit(&self, amount: U256) -> Call {
        let call = DelegationPool::announceOperatorExitCall { amount };
        Call::new("pool_announce_operator_exit", self.pool, &call)
    }

    /// Ask back what was announced.
    pub fn request_operator_exit(&self) -> Call {
        Call::new("pool_operator_exit", self.pool, &DelegationPool::requestOperatorExitCall {})
    }

    /// Send commission and own stake that was settled to `to`.
    pub fn withdraw_operator(&self, to: Address) -> Call {
        Call::new("pool_withdraw", self.pool, &DelegationPool::withdrawOperatorCall { to })
    }

    /// A lower commission holds at once; a higher one is announced.
    pub fn set_commission(&self, bps: u16) -> Call {
        Call::new("pool_commission", self.pool, &DelegationPool::setCommissionCall { bps })
    }

    /// Apply the rise that was announced.
    pub fn raise_commission(&self) -> Call {
        Call::new("pool_raise_commission", self.pool, &DelegationPool::raiseCommissionCall {})
    }

    /// Announce a wider policy in a market: so many units bonded at once, under these versions of its terms.
    pub fn announce_market(&self, market: U256, exposure: u16, versions: RangeInclusive<u32>) -> Call {
        let call = DelegationPool::announceMarketCall {
            marketId: market,
            exposure,
            fromVersion: *versions.start(),
            toVersion: *versions.end(),
        };
        Call::new("pool_announce", self.pool, &call)
    }

    /// Narrow the policy in a market at once; to nothing with an exposure of zero.
    pub fn narrow_market(&self, market: U256, exposure: u16, versions: RangeInclusive<u32>) -> Call {
        let call = DelegationPool::narrowMarketCall {
            marketId: market,
            exposure,
            fromVersion: *versions.start(),
            toVersion: *versions.end(),
        };
        Call::new("pool_narrow", self.pool, &call)
    }

    /// Within the policy in force.
    pub fn allocate(&self, market: U256, units: U256, exposure: U256) -> Call {
        let call = DelegationPool::allocateCall { marketId: market, units, exposure };
        Call::new("pool_allocate", self.pool, &call)
    }

    /// Nominate a key to act for the pool, or end that; the key answers with [`Calls::serve`].
    pub fn set_submitter(&self, submitter: Address, allowed: bool) -> Call {
        let call = DelegationPool::setSubmitterCall { submitter, allowed };
        Call::new("pool_set_submitter", self.pool, &call)
    }

    /// The pool's metadata are at `uri` from now on.
    pub fn set_uri(&self, uri: &str) -> Call {
        Call::new("pool_set_uri", self.pool, &DelegationPool::setUriCall { uri: uri.to_string() })
    }
}
