//! A made-up rollup for tests: what its contract says, block by block, and what the jobs that prove it are about.

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256, keccak256},
    sol_types::SolEvent as _,
};
use provery_bindings::TransferRollup::BlockPosted;
use provery_circuits::{BlockContext, BlockJob, Params, State, Traffic, word};
use provery_types::RollupRecord;

use crate::transfer_rollup::{NAME, Parameters, domain, events::Said};

pub mod squares;

/// Its record in a deployment file.
pub fn record(address: Address, market: U256, block_size: usize) -> RollupRecord {
    RollupRecord {
        name: "payments".to_owned(),
        address,
        code_hash: B256::ZERO,
        block: 1,
        market,
        workload: NAME.to_owned(),
        circuit: circuit(block_size),
        circuit_id: B256::repeat_byte(9),
        key_hash: B256::ZERO,
        sources: Vec::new(),
        parameters: Parameters { sequencer: Address::repeat_byte(0x22) }.to_value(),
    }
}

/// The circuit of a block size.
pub fn circuit(block_size: usize) -> String {
    Params::new(block_size).map(|params| params.circuit_name()).unwrap_or_default()
}

/// Its contract says how it begins.
pub fn genesis(root: U256, accounts: impl Into<Bytes>) -> LogData {
    Said::Genesis { root, accounts: accounts.into() }.encode()
}

/// Its contract says that a block was posted.
pub fn posted(number: u64, parent: u64, old_root: U256, new_root: U256, data: impl Into<Bytes>) -> LogData {
    Said::Posted { number, parent, old_root, new_root, data: data.into() }.encode()
}

/// Its contract says what does not decode.
pub fn cut_short() -> LogData {
    LogData::new_unchecked(vec![BlockPosted::SIGNATURE_HASH], vec![7].into())
}

/// Whether it is how it begins.
pub fn is_genesis(log: &LogData) -> bool {
    matches!(Said::decode(log), Ok(Some(Said::Genesis { .. })))
}

/// The number of the block that was posted, if it is that.
pub fn posted_number(log: &LogData) -> Option<u64> {
    match Said::decode(log) {
        Ok(Some(Said::Posted { number, .. })) => Some(number),
        _ => None,
    }
}

/// Accounts, and the states that their transfers lead to.
#[derive(Debug)]
pub struct Rollup {
    traffic: Traffic,
    domain: U256,
    params: Params,
}

/// A block to post.
#[derive(Clone, Debug)]
pub struct Block {
    /// As it is posted.
    pub data: Bytes,
    /// What it leads to.
    pub after: State,
    /// What its slot states, if the block is said to lead from one root to another.
    domain: U256,
}

impl Rollup {
    /// Of `accounts` accounts.
    pub fn new(chain_id: u64, address: Address, block_size: usize, accounts: usize) -> Self {
        let traffic = Traffic::new(1, accounts);
        let params = Params::new(block_size).expect("a size");
        Self { traffic, domain: domain(chain_id, address), params }
    }

    /// The state it begins with.
    pub fn beginning(&self) -> State {
        State::new(&self.traffic.accounts()).expect("a state")
    }

    /// What its contract says of that.
    pub fn genesis(&self) -> LogData {
        genesis(root(&self.beginning()), self.traffic.genesis_bytes())
    }

    /// A full block on a state.
    pub fn next(&mut self, from: &State) -> Block {
        let word = self.domain.to_be_bytes();
        let data = self.traffic.next_block(from, self.params.block_txs(), &word).expect("a block");
        let domain = word::to_field(&word).expect("a field element");
        let mut after = from.clone();
        after.apply_block(&data, &BlockContext { params: self.params, domain }).expect("applied");
        Block { data: data.into(), after, domain: self.domain }
    }
}

impl Block {
    /// What its slot states.
    pub fn inputs(&self, old_root: U256, new_root: U256) -> Vec<U256> {
        vec![old_root, new_root, U256::from_be_bytes(keccak256(&self.data).0), self.domain]
    }
}

/// A state's root, as a slot states it.
pub fn root(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
}

/// Whom a job's proof pays, and the public inputs it will have.
pub fn about(job: &[u8]) -> (Address, Vec<U256>) {
    let job = BlockJob::from_bytes(job).expect("a job");
    let inputs = job.public_inputs_market().into_iter().map(U256::from_be_bytes).collect();
    (job.statement().payee.into(), inputs)
}
