//! The reference rollup, tracked: what the state was before each block, so that the block can be proven.
//!
//! The chain's events are the only source. Before anything is proven, the slot's statement is checked against the posted
//! block: its roots, the hash of its bytes, the rollup's domain. What the sequencer claims is not believed but computed:
//! a block whose claimed root is wrong is still provable (its output `correct` is 0).
//!
//! **The state before a block is found by its root, whichever way that was reached.** A claim may be of any state: the
//! genesis, one that an older block led to, or one that a block led to which fell. What is known are the genesis, the state
//! after the base (the last block behind which all is settled), and the states after every block that is kept and itself
//! starts from a known state. Kept are the blocks of slots that are known (open, pending, or ended within reach of a reorg),
//! the finalised ones after the base, and whatever these need. What is forgotten with the base, and a claim could still be
//! of: states of the rollup before it, and after blocks that fell long ago. A claim of these is wrong (accounts' nonces only
//! grow), so that the block behind it falls and no bond of what builds on it is at stake. Only a block that starts from a root
//! of no known state cannot be proven.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use alloy::primitives::{Address, Bytes, U256, keccak256};
use alloy::sol_types::SolValue as _;
use provery_circuits::payload::{JobError, JobTerms};
use provery_circuits::{BlockContext, BlockJob, Params, State, word};
use provery_types::{Event, LoggedEvent, RollupRecord, statement_hash};

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
    #[error("the rollup's events make no sense ({0}), so none of them is believed")]
    Nonsense(String),
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
    /// The root after it, once computed.
    after: Option<U256>,
}

impl Posted {
    /// Whether another says the same.
    fn says(&self, other: &Self) -> bool {
        (self.parent, self.old_root, self.new_root, &self.data)
            == (other.parent, other.old_root, other.new_root, &other.data)
    }
}

/// A state, and how it came to be known.
struct Known {
    state: State,
    /// The block that first led to it; nothing for the genesis.
    by: Option<u64>,
}

/// What must be kept for the blocks at hand.
#[derive(Default)]
struct Needed {
    blocks: BTreeSet<u64>,
    roots: BTreeSet<U256>,
}

/// Where what a rollup says stopped making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Nonsense {
    /// The posted block that did, if it was one.
    number: Option<u64>,
    /// The chain's block in which it was said.
    block: u64,
    reason: String,
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
    /// A finalised block and the state after it; the finalised ones before it are forgotten.
    base: Option<(u64, State)>,
    posted: BTreeMap<u64, Posted>,
    finalized: u64,
    /// States by root, computed when first needed.
    states: BTreeMap<U256, Known>,
    nonsense: Option<Nonsense>,
    /// How often something was learnt: what could not be proven before may be now.
    edition: u64,
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
            states: BTreeMap::new(),
            nonsense: None,
            edition: 0,
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

    /// Take in an event of the rollup's contract, whoever wrote that: the first that makes no sense is the last.
    pub fn apply(&mut self, logged: &LoggedEvent) {
        if self.nonsense.is_some() {
            return;
        }
        self.edition += 1;
        if let Err(reason) = self.take(&logged.event) {
            let number = match &logged.event {
                Event::BlockPosted { number, .. } => Some(*number),
                _ => None,
            };
            self.nonsense = Some(Nonsense { number, block: logged.block.number, reason });
        }
    }

    /// No reorg takes back block `deep`: what was said before nonsense of that age is of no use any more.
    pub(crate) fn forget_nonsense(&mut self, deep: u64) {
        if self.nonsense.as_ref().is_some_and(|nonsense| nonsense.block <= deep) {
            self.posted.clear();
            self.states.clear();
        }
    }

    fn take(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::GenesisSet { root, accounts } => {
                if self.genesis.as_ref().is_some_and(|(before, _)| before != root) {
                    return Err("it has two beginnings".to_owned());
                }
                self.genesis = Some((*root, accounts.clone()));
            }
            Event::BlockPosted { number, parent, old_root, new_root, data } => {
                // Every walk back ends because numbers fall.
                if parent >= number {
                    return Err(format!("block {number} builds on block {parent}"));
                }
                let posted = Posted {
                    parent: *parent,
                    old_root: *old_root,
                    new_root: *new_root,
                    data: data.clone(),
                    after: None,
                };
                if let Some(before) = self.posted.get(number)
                    && !before.says(&posted)
                {
                    return Err(format!("block {number} was posted twice"));
                }
                self.posted.insert(*number, posted);
            }
            Event::Malformed { reason } => return Err(reason.clone()),
            _ => {}
        }
        Ok(())
    }

    /// Why nothing that it says is believed, if that is so.
    pub fn nonsense(&self) -> Option<&str> {
        self.nonsense.as_ref().map(|nonsense| nonsense.reason.as_str())
    }

    /// Whether it is this posted block that made no sense.
    pub(crate) fn turned_at(&self, number: u64) -> bool {
        self.nonsense.as_ref().is_some_and(|nonsense| nonsense.number == Some(number))
    }

    /// Whether its beginning is known, from which all other states follow.
    pub fn has_begun(&self) -> bool {
        self.base.is_some() || self.genesis.is_some()
    }

    /// Rises whenever something is learnt.
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// The circuit that proves its blocks; nothing if no circuit has their size.
    pub fn circuit(&self) -> Option<String> {
        Some(self.params(0).ok()?.circuit_name())
    }

    /// A block is final, with all that it builds on.
    pub(crate) fn finalize(&mut self, number: u64) {
        self.finalized = number;
    }

    /// The job that proves a slot and pays `payee`, after checking that the slot is about the block it should be.
    pub fn prepare(&mut self, fact: &SlotFact, payee: Address) -> Result<Prepared, RollupError> {
        let number = fact.slot.id;
        let posted = self.stated(fact)?;
        let (claimed_root, data) = (posted.new_root, posted.data.clone());
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

    /// Whether all is here that a proof of a slot takes.
    pub fn provable(&mut self, fact: &SlotFact) -> Result<(), RollupError> {
        self.stated(fact)?;
        self.state_before(fact.slot.id)?;
        Ok(())
    }

    /// The block that a slot is about, if the slot states what the block says.
    fn stated(&self, fact: &SlotFact) -> Result<&Posted, RollupError> {
        let number = fact.slot.id;
        self.sensible()?;
        let posted = self.posted.get(&number).ok_or(RollupError::NotPosted(number))?;
        let expected = [
            ("old root", posted.old_root),
            ("new root", posted.new_root),
            ("data hash", U256::from_be_bytes(keccak256(&posted.data).0)),
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
        Ok(posted)
    }

    fn params(&self, number: u64) -> Result<Params, RollupError> {
        let unusable = |reason: String| RollupError::Unusable { number, reason };
        let block_txs = usize::try_from(self.block_txs).map_err(|error| unusable(error.to_string()))?;
        Params::new(block_txs).map_err(|error| unusable(error.to_string()))
    }

    fn sensible(&self) -> Result<(), RollupError> {
        match &self.nonsense {
            Some(nonsense) => Err(RollupError::Nonsense(nonsense.reason.clone())),
            None => Ok(()),
        }
    }

    /// The state that a posted block starts from.
    pub fn state_before(&mut self, number: u64) -> Result<State, RollupError> {
        self.sensible()?;
        let root = self.posted.get(&number).ok_or(RollupError::NotPosted(number))?.old_root;
        self.find(root)?.ok_or(RollupError::UnknownState { number })
    }

    /// The state with this root, computed if need be; nothing if no known state has it.
    fn find(&mut self, root: U256) -> Result<Option<State>, RollupError> {
        if self.base.is_none() && self.genesis.is_none() {
            return Err(RollupError::NoGenesis);
        }
        loop {
            if let Some(state) = self.known(root)? {
                return Ok(Some(state));
            }
            let unapplied = self.posted.iter().filter(|(_, posted)| posted.after.is_none());
            let numbers: Vec<u64> = unapplied.map(|(number, _)| *number).collect();
            let mut progress = false;
            for number in numbers {
                if self.apply_block(number)? {
                    progress = true;
                    if self.states.contains_key(&root) {
                        break;
                    }
                }
            }
            if !progress {
                return Ok(None);
            }
        }
    }

    fn known(&mut self, root: U256) -> Result<Option<State>, RollupError> {
        if let Some(known) = self.states.get(&root) {
            return Ok(Some(known.state.clone()));
        }
        if let Some((_, state)) = &self.base
            && root_of(state) == root
        {
            return Ok(Some(state.clone()));
        }
        let Some((_, accounts)) = self.genesis.as_ref().filter(|(genesis, _)| *genesis == root) else {
            return Ok(None);
        };
        let state = State::from_genesis(accounts).map_err(|error| RollupError::Genesis(error.to_string()))?;
        if root_of(&state) != root {
            return Err(RollupError::Genesis("its accounts have another root".to_owned()));
        }
        self.states.insert(root, Known { state: state.clone(), by: None });
        Ok(Some(state))
    }

    /// Compute the state after a block, if the one before it is known. Whether that was possible.
    fn apply_block(&mut self, number: u64) -> Result<bool, RollupError> {
        let Some(posted) = self.posted.get(&number) else { return Ok(false) };
        let (old_root, data) = (posted.old_root, posted.data.clone());
        let Some(mut state) = self.known(old_root)? else { return Ok(false) };
        let params = self.params(number)?;
        let unusable = |reason: String| RollupError::Unusable { number, reason };
        let domain = word::to_field(&self.domain)
            .ok_or_else(|| unusable("its domain is no field element".to_owned()))?;
        // A block that cannot be applied leads nowhere; that it cannot is said when it is to be proven.
        let applied = state.apply_block(&data, &BlockContext { params, domain });
        let after = if applied.is_ok() { root_of(&state) } else { old_root };
        if let Some(posted) = self.posted.get_mut(&number) {
            posted.after = Some(after);
        }
        // What is known already does not come to be known by this.
        if self.known(after)?.is_none() {
            self.states.insert(after, Known { state, by: Some(number) });
        }
        Ok(true)
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
        self.edition += 1;
        Ok(())
    }

    /// Whether a posted block is still kept.
    pub(crate) fn keeps(&self, number: u64) -> bool {
        self.posted.contains_key(&number)
    }

    /// Move the base as far as nothing needs what is before it, and forget the blocks that nothing needs. `slots`: those
    /// known, by number.
    pub(crate) fn advance_base(&mut self, slots: &[u64]) {
        if self.nonsense.is_some() {
            return;
        }
        let starts: Vec<U256> =
            slots.iter().filter_map(|slot| Some(self.posted.get(slot)?.old_root)).collect();
        // So that what each of them builds on is computed; where it cannot be, nothing is needed.
        if starts.into_iter().any(|root| self.find(root).is_err()) {
            return;
        }
        let first = slots.iter().copied().min();
        let base = first.map_or(self.finalized, |first| self.finalized.min(first.saturating_sub(1)));
        let mut needed = None;
        if let Some((candidate, state)) = self.candidate(base) {
            needed = self.needed(slots, candidate, Some(root_of(&state)));
            if needed.is_some() {
                self.base = Some((candidate, state));
            }
        }
        if needed.is_none() {
            let (from, root) =
                self.base().map_or((0, None), |(number, state)| (number, Some(root_of(state))));
            needed = self.needed(slots, from, root);
        }
        let Some(needed) = needed else { return };
        self.posted.retain(|number, _| needed.blocks.contains(number));
        let base = self.base().map(|(_, state)| root_of(state));
        self.states.retain(|root, known| match known.by {
            Some(by) => Some(*root) != base && needed.blocks.contains(&by),
            None => needed.roots.contains(root),
        });
        // Computed again if it is needed: the block that first led there is gone.
        for posted in self.posted.values_mut() {
            posted.after = posted.after.filter(|root| Some(*root) == base || self.states.contains_key(root));
        }
    }

    /// The last finalised block that is not above `most`, if that is after the base, and the state after it. Finalised blocks
    /// are those that the last of them builds on.
    fn candidate(&mut self, most: u64) -> Option<(u64, State)> {
        let mut candidate = self.finalized;
        while candidate > most {
            candidate = self.posted.get(&candidate)?.parent;
        }
        if candidate <= self.base().map_or(0, |(number, _)| number) {
            return None;
        }
        let root = self.posted.get(&candidate)?.new_root;
        Some((candidate, self.find(root).ok()??))
    }

    /// What must be kept so that every block of `slots` that starts from a known state still does, and the finalised blocks
    /// after `base` too. Nothing if that takes states that a base with this root would forget.
    fn needed(&self, slots: &[u64], base: u64, base_root: Option<U256>) -> Option<Needed> {
        let mut needed = Needed::default();
        needed.blocks.extend(slots.iter().filter(|slot| self.posted.contains_key(slot)));
        let mut line = self.finalized;
        while line > base
            && let Some(posted) = self.posted.get(&line)
        {
            needed.blocks.insert(line);
            line = posted.parent;
        }
        let genesis = self.genesis.as_ref().map(|(root, _)| *root);
        let mut open: Vec<u64> = needed.blocks.iter().copied().collect();
        while let Some(number) = open.pop() {
            let Some(posted) = self.posted.get(&number) else { continue };
            let root = posted.old_root;
            if !needed.roots.insert(root) || Some(root) == base_root || Some(root) == genesis {
                continue;
            }
            if let Some(by) = self.states.get(&root).and_then(|known| known.by) {
                if needed.blocks.insert(by) {
                    open.push(by);
                }
            } else if self.base().is_some_and(|(_, state)| root_of(state) == root) {
                // Known no longer if the base moves. What is neither is a root that no known state has.
                return None;
            }
        }
        Some(needed)
    }
}

fn root_of(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
}
