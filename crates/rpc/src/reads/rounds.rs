//! Rounds of mining.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
    providers::RootProvider,
};
use provery_bindings::Mining;

use crate::{Chain, ChainError, reads::read::read};

/// A market's round, as of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MiningRound {
    /// The slot it is for.
    pub slot: u64,
    /// The block it began in.
    pub started_in: u64,
    /// Nothing as long as the contract does not know it.
    pub seed: Option<B256>,
}

impl Chain {
    /// A market's round of the mining mechanism at `contract`, as of the block with this hash.
    pub async fn mining_round(
        &self,
        contract: Address,
        market: U256,
        block: B256,
    ) -> Result<MiningRound, ChainError> {
        let round = self.mining(contract).round(market).block(BlockId::hash(block)).call().await;
        let round = round.map_err(|error| ChainError::contract(self.rpc().name(), "round", error))?;
        let seed = (!round.seed.is_zero()).then(|| B256::from(round.seed));
        Ok(MiningRound { slot: round.slot, started_in: round.startedIn, seed })
    }

    /// Whether a beacon seeds the rounds, and not the chain's own blocks.
    pub async fn mining_has_beacon(&self, contract: Address) -> Result<bool, ChainError> {
        let beacon = read!(self, self.mining(contract), randomness())?;
        Ok(!beacon.is_zero())
    }

    fn mining(&self, contract: Address) -> Mining::MiningInstance<RootProvider> {
        Mining::new(contract, self.rpc().provider().clone())
    }
}
