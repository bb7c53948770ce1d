//! Calls that take asset wei from the key, with the allowance they need.

use crate::{
    error::SendError,
    order::{Mined, Order},
    sender::Sender,
};
use alloy::primitives::{Address, U256};
use provery_rpc::Chain;

impl Sender {
    /// Stake asset wei, with the allowance it needs.
    pub async fn stake(&self, chain: &Chain, amount: U256) -> Result<Mined, SendError> {
        self.allow(chain, "stake", chain.deployment().registry(), amount).await?;
        self.send(chain.calls().stake(amount)).await
    }

    /// Fund a market, with the allowance it needs.
    pub async fn fund(&self, chain: &Chain, market: U256, amount: U256) -> Result<Mined, SendError> {
        chain.market(market).await?;
        self.allow(chain, "fund", chain.deployment().market(), amount).await?;
        self.send(chain.calls().fund(market, amount)).await
    }

    /// [`Self::fund`] under a tag: what a journal holds under it is gone on with, and not paid twice.
    pub async fn fund_once(
        &self,
        chain: &Chain,
        market: U256,
        amount: U256,
        tag: &str,
    ) -> Result<Mined, SendError> {
        if !self.live(tag) {
            chain.market(market).await?;
            self.allow(chain, "fund", chain.deployment().market(), amount).await?;
        }
        let call = chain.calls().fund(market, amount);
        self.deliver(Order { tag: tag.to_owned(), ..Order::new(call) }).await
    }

    /// Deposit asset wei in a mechanism's escrow, for the bonds of this key's bids, with the allowance it needs.
    pub async fn deposit(&self, chain: &Chain, mechanism: Address, amount: U256) -> Result<Mined, SendError> {
        self.allow(chain, "deposit", mechanism, amount).await?;
        self.send(chain.calls().deposit(mechanism, amount)).await
    }

    /// Delegate asset wei to a pool, with the allowance it needs, as long as its operator announced nothing since the revision
    /// `seen`. Ask [`Chain::is_pool`] first: an allowance is trust.
    pub async fn delegate(
        &self,
        chain: &Chain,
        pool: Address,
        amount: U256,
        seen: U256,
    ) -> Result<Mined, SendError> {
        self.allow(chain, "pool_delegate", pool, amount).await?;
        self.send(chain.calls().pool(pool).delegate(amount, seen)).await
    }

    /// Add asset wei to a pool's own stake of its operator, which is this key, with the allowance it needs.
    pub async fn stake_operator(
        &self,
        chain: &Chain,
        pool: Address,
        amount: U256,
    ) -> Result<Mined, SendError> {
        self.allow(chain, "pool_stake", pool, amount).await?;
        self.send(chain.calls().pool(pool).stake_operator(amount)).await
    }

    async fn allow(
        &self,
        chain: &Chain,
        kind: &'static str,
        spender: Address,
        needed: U256,
    ) -> Result<(), SendError> {
        let account = self.address();
        let balance = chain.asset_balance(account).await?;
        if balance < needed {
            let show = |base| chain.asset().show(base);
            return Err(SendError::AssetUnderfunded {
                kind,
                account,
                balance: show(balance),
                needed: show(needed),
                missing: show(needed.saturating_sub(balance)),
            });
        }
        let allowed = chain.asset_allowance(account, spender).await?;
        if allowed >= needed {
            return Ok(());
        }
        let approve = |amount| chain.calls().approve(spender, amount);
        // Strict tokens take no allowance in the place of one that is left over; to others it need not be set to zero first, and
        // some of those refuse zero.
        if !allowed.is_zero() {
            match self.check(&approve(needed)).await {
                Ok(_) => {}
                Err(SendError::Reverted { .. } | SendError::Rejected { .. }) => {
                    self.send(approve(U256::ZERO)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.send(approve(needed)).await?;
        Ok(())
    }
}
