//! Rounds: the right to the next slot of a market is to be had while the one before is open.

use alloy::primitives::{Address, B256, Bytes, U256};

/// A market's round, as the mechanism's contract has it at some block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The slot it is for.
    pub slot: u64,
    /// The block it began in.
    pub started_in: u64,
    /// Nothing as long as the contract does not know it.
    pub seed: Option<B256>,
    /// Asset wei that the ticket of whoever has the right locks; nothing while nobody has it.
    pub locked: Option<u128>,
}

/// How rounds are read, and what follows from what was read.
pub trait Rounds: std::fmt::Debug + Send + Sync {
    /// What to call the contract with for a market's round.
    fn request(&self, market: U256) -> Bytes;

    /// What it answered; nothing if that is no round.
    fn round(&self, answer: &[u8]) -> Option<Round>;

    /// What to call the contract with for the beacon's address, which is zero where the chain's own blocks seed rounds.
    fn beacon_request(&self) -> Bytes;

    /// The block whose hash seeds a round that began in block `started_in`, for a ticket that block `next` takes in. Nothing as
    /// long as there is none before `next`.
    fn seed_block(&self, started_in: u64, next: u64) -> Option<u64>;

    /// The seed of a market's round for `slot`, from a block's hash or a beacon's value; `contract` is the mechanism's.
    fn seed(&self, value: B256, chain_id: u64, contract: Address, market: U256, slot: u64) -> B256;
}
