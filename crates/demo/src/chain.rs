//! What the demo reads from the chain.

use std::time::Duration;

use alloy::{
    primitives::{B256, U256},
    providers::Provider as _,
};
use eyre::{Result, eyre};
use provery_bindings::IBondEscrow;
use provery_mechanisms::Mechanism;
use provery_rpc::{Follower, FollowerConfig, Rpc, Update};
use provery_types::{Event, LoggedEvent};

use crate::{asking, stage::Stage, summary::Balances};

/// Short, so that a block is seen when it is there: what nodes take to notice it is measured from then.
const POLL: Duration = Duration::from_millis(10);

/// A view of the chain and its events from the deployment on.
#[derive(Debug)]
pub(crate) struct Chain {
    chain: provery_rpc::Chain,
    follower: Follower,
    withdrawn: U256,
    mechanism: &'static dyn Mechanism,
}

/// One block's events.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub events: Vec<LoggedEvent>,
}

impl Chain {
    pub(crate) async fn connect(stage: &Stage, mechanism: &'static dyn Mechanism) -> Result<Self> {
        let rpc = Rpc::connect(&stage.anvil.rpc_url).await?;
        let chain = provery_rpc::Chain::connect(rpc, stage.deployment.clone()).await?;
        let follower = Follower::new(chain.clone(), [], FollowerConfig::new(POLL));
        Ok(Self { chain, follower, withdrawn: U256::ZERO, mechanism })
    }

    /// The next block's events; nothing for a reorganisation, which a local chain does not have.
    pub(crate) async fn next(&mut self) -> Result<Option<Seen>> {
        let seen = match self.follower.next().await? {
            Update::Block { events, .. } => Some(Seen { events }),
            Update::Range(blocks) => {
                Some(Seen { events: blocks.into_iter().flat_map(|(_, events)| events).collect() })
            }
            Update::Past { .. } | Update::Reorg { .. } => None,
        };
        self.follower.stored();
        for logged in seen.iter().flat_map(|seen| &seen.events) {
            if let Event::Withdrawn { amount, .. } = logged.event {
                self.withdrawn += amount;
            }
        }
        Ok(seen)
    }

    /// Stake that draws see in this epoch, in units.
    pub(crate) async fn total_weight(&self, market: U256) -> Result<u64> {
        Ok(u64::try_from(self.chain.total_weight(market).await?)?)
    }

    /// Gas of a whole transaction.
    pub(crate) async fn gas_used(&self, tx: B256) -> Result<u64> {
        let receipt = self.chain.rpc().provider().get_transaction_receipt(tx).await?;
        Ok(receipt.ok_or_else(|| eyre!("transaction {tx} has no receipt"))?.gas_used)
    }

    /// Stake of the provers that nodes run for, all together.
    pub(crate) async fn honest_stake(&self, stage: &Stage) -> Result<U256> {
        let mut sum = U256::ZERO;
        for (prover, _) in &stage.provers {
            sum += U256::from(self.chain.prover(prover.address).await?.stake);
        }
        Ok(sum)
    }

    /// Of how many proofs the requester of a circuit was told, of the first `slots` that it asked for.
    pub(crate) async fn told(&self, stage: &Stage, slots: u64) -> Result<Option<u64>> {
        asking::told(&self.chain, stage, slots).await
    }

    /// Every balance there is, read at one moment at which nothing is going on.
    pub(crate) async fn balances(&mut self, stage: &Stage) -> Result<Balances> {
        let chain = &self.chain;
        let mut balances = Balances {
            funded: stage.funded,
            staked: stage.staked,
            funds_left: chain.market(stage.rollup.market).await?.funds,
            withdrawn: self.withdrawn,
            burned: chain.burned().await?,
            market_tokens: chain.asset_balance(stage.deployment.market()).await?,
            registry_tokens: chain.asset_balance(stage.deployment.registry()).await?,
            ..Balances::default()
        };
        if stage.deposited > U256::ZERO {
            self.escrow(stage, &mut balances).await?;
        }
        let chain = &self.chain;
        for prover in stage.everyone() {
            balances.credits += chain.credits(prover.address).await?;
            balances.stakes_left += U256::from(chain.prover(prover.address).await?.stake);
        }
        Ok(balances)
    }

    /// What the mechanism's own escrow holds.
    async fn escrow(&self, stage: &Stage, balances: &mut Balances) -> Result<()> {
        let market = stage.rollup.market;
        let address = self.chain.terms(market).await?.mechanism;
        let escrow = IBondEscrow::new(address, self.chain.rpc().provider().clone());
        balances.deposited = stage.deposited;
        balances.escrow_tokens = self.chain.asset_balance(address).await?;
        balances.deposits_burned = escrow.burned().call().await?;
        for prover in stage.everyone() {
            balances.deposits_left += escrow.balanceOf(prover.address).call().await?;
        }
        if let Some(rounds) = self.mechanism.rounds() {
            // The next slot may be somebody's already.
            let answer = self.chain.raw_call(address, rounds.request(market), None, "round").await?;
            let round = rounds.round(&answer).ok_or_else(|| eyre!("{address} tells no round"))?;
            balances.deposits_locked = round.locked.map(U256::from).unwrap_or_default();
        }
        Ok(())
    }
}
