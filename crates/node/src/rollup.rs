//! The reference rollup, tracked: what the state was before each block, so that the block can be proven.
//!
//! The chain's events are the only source. Before anything is proven, the slot's statement is checked against the posted
//! block: its roots, the hash of its bytes, the rollup's domain. What the sequencer claims is not believed but computed:
//! a block whose claimed root is wrong is still provable (its output `correct` is 0), and only a block built on a claim
//! that was wrong is not, since nobody knows a state with that root.

use std::collections::BTreeMap;
use std::fmt;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue as _;
use provery_circuits::payload::{JobError, JobTerms};
use provery_circuits::{BlockContext, BlockJob, Params, State, word};
use provery_types::{Event, RollupRecord, statement_hash};

use crate::facts::SlotFact;

/// Why a slot's block cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum RollupError {
    #[error("no rollup of the deployment file posts blocks in market {0}: add the rollup to the file")]
    UnknownMarket(U256),
    #[error("the rollup has not posted block {0}, so its slot is not the rollup's")]
    NotPosted(u64),
    #[error("the rollup's genesis is not known: the deployment file's first block is too late")]
    NoGenesis,
    #[error("the rollup's genesis is not what its event says: {0}")]
    Genesis(String),
    #[error(
        "the slot's {field} is not that of the posted block {number}: the requester states something else"
    )]
    StatementMismatch { number: u64, field: &'static str },
    #[error("block {number} starts from a root that no known state has, so nobody can prove it")]
    UnknownState { number: u64 },
    #[error("block {number} cannot be applied: {reason}")]
    Unusable { number: u64, reason: String },
    #[error(transparent)]
    Job(#[from] JobError),
}

#[cfg(test)]
mod tests;

#[derive(Debug)]
struct Posted {
    parent: u64,
    old_root: U256,
    new_root: U256,
    data: Bytes,
}

/// A block ready to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The circuit's name.
    pub circuit: String,
    /// An encoded [`BlockJob`].
    pub job: Vec<u8>,
    /// Whether the block leads to the root that the sequencer claims.
    pub correct: bool,
}

/// One rollup. See the module.
pub struct Rollup {
    market: U256,
    block_txs: u64,
    domain: [u8; 32],
    genesis: Option<(U256, Bytes)>,
    /// A finalised block and the state after it; everything before it is forgotten.
    base: Option<(u64, State)>,
    posted: BTreeMap<u64, Posted>,
    finalized: u64,
    /// States after blocks, computed when first needed.
    after: BTreeMap<u64, State>,
}

impl fmt::Debug for Rollup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollup")
            .field("market", &self.market)
            .field("finalized", &self.finalized)
            .field("posted", &self.posted.len())
            .finish_non_exhaustive()
    }
}

/// What a rollup's signatures and proofs are bound to.
pub fn domain(chain_id: u64, rollup: Address) -> U256 {
    U256::from_be_bytes(keccak256((U256::from(chain_id), rollup).abi_encode()).0) >> 8
}

impl Rollup {
    /// Nothing posted yet.
    pub fn new(record: &RollupRecord, chain_id: u64) -> Self {
        Self {
            market: record.market,
            block_txs: record.block_txs,
            domain: domain(chain_id, record.address).to_be_bytes(),
            genesis: None,
            base: None,
            posted: BTreeMap::new(),
            finalized: 0,
            after: BTreeMap::new(),
        }
    }

    /// The market its blocks are slots of.
    pub fn market(&self) -> U256 {
        self.market
    }

    /// The last block known to be finalised; 0 is genesis.
    pub fn finalized(&self) -> u64 {
        self.finalized
    }

    /// Take in an event of the rollup's contract.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::GenesisSet { root, accounts } => self.genesis = Some((*root, accounts.clone())),
            Event::BlockPosted { number, parent, old_root, new_root, data } => {
                let posted =
                    Posted { parent: *parent, old_root: *old_root, new_root: *new_root, data: data.clone() };
                self.posted.insert(*number, posted);
            }
            Event::BlockFinalized { number, .. } => self.finalized = *number,
            _ => {}
        }
    }

    /// The job that proves a slot and pays `payee`, after checking that the slot is about the block it should be.
    pub fn prepare(&mut self, fact: &SlotFact, payee: Address) -> Result<Prepared, RollupError> {
        let number = fact.slot.id;
        let posted = self.posted.get(&number).ok_or(RollupError::NotPosted(number))?;
        let (claimed_root, data) = (posted.new_root, posted.data.clone());
        let expected = [
            ("old root", posted.old_root),
            ("new root", claimed_root),
            ("data hash", U256::from_be_bytes(keccak256(&data).0)),
            ("domain", U256::from_be_bytes(self.domain)),
        ];
        let mismatch = |field| RollupError::StatementMismatch { number, field };
        for (index, (field, value)) in expected.iter().enumerate() {
            if fact.inputs.get(index) != Some(value) {
                return Err(mismatch(field));
            }
        }
        if fact.inputs.len() != expected.len() {
            return Err(mismatch("number of inputs"));
        }
        if statement_hash(&fact.inputs) != fact.slot.statement {
            return Err(mismatch("statement hash"));
        }
        let terms = JobTerms {
            params: self.params(number)?,
            payee: payee.into_array(),
            domain: self.domain,
            claimed_root: claimed_root.to_be_bytes(),
        };
        let before = self.state_before(number)?;
        let job = BlockJob::from_state(&before, &data, &terms)?;
        Ok(Prepared {
            circuit: terms.params.circuit_name(),
            correct: job.statement().correct,
            job: job.to_bytes(),
        })
    }

    fn params(&self, number: u64) -> Result<Params, RollupError> {
        let unusable = |reason: String| RollupError::Unusable { number, reason };
        let block_txs = usize::try_from(self.block_txs).map_err(|error| unusable(error.to_string()))?;
        Params::new(block_txs).map_err(|error| unusable(error.to_string()))
    }

    /// The state that a posted block starts from.
    pub fn state_before(&mut self, number: u64) -> Result<State, RollupError> {
        let posted = self.posted.get(&number).ok_or(RollupError::NotPosted(number))?;
        let (parent, old_root) = (posted.parent, posted.old_root);
        let state = self.state_after(parent)?;
        if U256::from_be_bytes(state.root_word()) != old_root {
            return Err(RollupError::UnknownState { number });
        }
        Ok(state)
    }

    /// The state after a block (0: genesis), computed from the nearest ancestor whose state is at hand.
    fn state_after(&mut self, number: u64) -> Result<State, RollupError> {
        let mut missing = Vec::new();
        let mut at = number;
        let mut state = loop {
            if let Some(known) = self.known_after(at)? {
                break known;
            }
            missing.push(at);
            at = self.posted.get(&at).ok_or(RollupError::NotPosted(at))?.parent;
        };
        while let Some(next) = missing.pop() {
            let params = self.params(next)?;
            let posted = self.posted.get(&next).ok_or(RollupError::NotPosted(next))?;
            if U256::from_be_bytes(state.root_word()) != posted.old_root {
                return Err(RollupError::UnknownState { number: next });
            }
            let unusable = |reason: String| RollupError::Unusable { number: next, reason };
            let domain = word::to_field(&self.domain)
                .ok_or_else(|| unusable("its domain is no field element".into()))?;
            state
                .apply_block(&posted.data, &BlockContext { params, domain })
                .map_err(|error| unusable(error.to_string()))?;
            self.after.insert(next, state.clone());
        }
        Ok(state)
    }

    fn known_after(&mut self, number: u64) -> Result<Option<State>, RollupError> {
        if let Some((base, state)) = &self.base
            && *base == number
        {
            return Ok(Some(state.clone()));
        }
        if let Some(state) = self.after.get(&number) {
            return Ok(Some(state.clone()));
        }
        if number != 0 {
            return Ok(None);
        }
        let (root, accounts) = self.genesis.as_ref().ok_or(RollupError::NoGenesis)?;
        let state = State::from_genesis(accounts).map_err(|error| RollupError::Genesis(error.to_string()))?;
        if U256::from_be_bytes(state.root_word()) != *root {
            return Err(RollupError::Genesis("its accounts have another root".to_owned()));
        }
        self.after.insert(0, state.clone());
        Ok(Some(state))
    }

    /// The block before which all is forgotten, and the state after it.
    pub fn base(&self) -> Option<(u64, &State)> {
        self.base.as_ref().map(|(number, state)| (*number, state))
    }

    /// Start from a snapshot.
    pub(crate) fn restore(&mut self, number: u64, state: &[u8]) -> Result<(), String> {
        let state = State::from_bytes(state).map_err(|error| error.to_string())?;
        self.base = Some((number, state));
        self.finalized = number;
        Ok(())
    }

    /// Move the base as far as nothing open needs what is before it: up to the last finalised block under `first_open`
    /// that every later block builds on.
    pub(crate) fn advance_base(&mut self, first_open: Option<u64>) {
        let most = first_open.map_or(self.finalized, |open| self.finalized.min(open.saturating_sub(1)));
        let from = self.base().map_or(0, |(number, _)| number);
        // The last finalised block that is not above `most`: finalised blocks are the ancestors of the last of them.
        let mut candidate = self.finalized;
        while candidate > most {
            match self.posted.get(&candidate) {
                Some(posted) => candidate = posted.parent,
                None => return,
            }
        }
        if candidate <= from {
            return;
        }
        // A later block that forks off before the candidate still needs what came before it.
        if self.posted.range(candidate + 1..).any(|(_, posted)| posted.parent < candidate) {
            return;
        }
        let Ok(state) = self.state_after(candidate) else { return };
        self.base = Some((candidate, state));
        self.posted.retain(|number, _| *number > candidate);
        self.after.retain(|number, _| *number > candidate);
    }

    /// The claimed root of a posted block, for display.
    pub fn claimed_root(&self, number: u64) -> Option<B256> {
        self.posted.get(&number).map(|posted| B256::from(posted.new_root))
    }
}
