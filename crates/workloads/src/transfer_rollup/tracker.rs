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

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use provery_circuits::{
    BlockContext, BlockJob, Params, State,
    payload::{JobError, JobTerms},
    word,
};
use provery_types::RollupRecord;

use super::{
    domain,
    events::{Said, TOPICS},
};
use crate::{Fetched, Job, Numbered, Refusal, SourceLog, Statement, Tracker, Why};

/// Why a slot's block cannot be proven.
#[derive(Debug, thiserror::Error)]
enum RollupError {
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

impl From<RollupError> for Refusal {
    fn from(error: RollupError) -> Self {
        let why = match &error {
            RollupError::NotPosted(_) => Why::NotPosted,
            RollupError::NoGenesis | RollupError::Genesis(_) => Why::NotBegun,
            RollupError::StatementMismatch { .. } => Why::Mismatch,
            RollupError::UnknownState { .. } => Why::Hidden,
            RollupError::Unusable { .. } | RollupError::Job(_) => Why::Unusable,
        };
        Self::new(why, error.to_string())
    }
}

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

/// One rollup. See the module.
pub struct Rollup {
    address: Address,
    params: Params,
    domain: [u8; 32],
    genesis: Option<(U256, Bytes)>,
    /// A finalised block and the state after it; the finalised ones before it are forgotten.
    base: Option<(u64, State)>,
    posted: BTreeMap<u64, Posted>,
    finalized: u64,
    /// States by root, computed when first needed.
    states: BTreeMap<U256, Known>,
}

impl fmt::Debug for Rollup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollup")
            .field("address", &self.address)
            .field("finalized", &self.finalized)
            .field("posted", &self.posted.len())
            .field("states", &self.states.len())
            .finish_non_exhaustive()
    }
}

impl Rollup {
    /// Nothing posted yet.
    pub fn new(record: &RollupRecord, params: Params, chain_id: u64) -> Self {
        Self {
            address: record.address,
            params,
            domain: domain(chain_id, record.address).to_be_bytes(),
            genesis: None,
            base: None,
            posted: BTreeMap::new(),
            finalized: 0,
            states: BTreeMap::new(),
        }
    }

    fn take(&mut self, said: Said) -> Result<(), String> {
        match said {
            Said::Genesis { root, accounts } => {
                if self.genesis.as_ref().is_some_and(|(before, _)| *before != root) {
                    return Err("it has two beginnings".to_owned());
                }
                self.genesis = Some((root, accounts));
            }
            Said::Posted { number, parent, old_root, new_root, data } => {
                // Every walk back ends because numbers fall.
                if parent >= number {
                    return Err(format!("block {number} builds on block {parent}"));
                }
                let posted = Posted { parent, old_root, new_root, data, after: None };
                if let Some(before) = self.posted.get(&number)
                    && !before.says(&posted)
                {
                    return Err(format!("block {number} was posted twice"));
                }
                self.posted.insert(number, posted);
            }
        }
        Ok(())
    }

    /// The block that a slot is about, if the slot states what the block says.
    fn stated(&self, stated: &Statement<'_>) -> Result<&Posted, RollupError> {
        let number = stated.slot.id;
        let posted = self.posted.get(&number).ok_or(RollupError::NotPosted(number))?;
        let expected = [
            ("old root", posted.old_root),
            ("new root", posted.new_root),
            ("data hash", U256::from_be_bytes(keccak256(&posted.data).0)),
            ("domain", U256::from_be_bytes(self.domain)),
        ];
        let mismatch = |field| RollupError::StatementMismatch { number, field };
        for (index, (field, value)) in expected.iter().enumerate() {
            if stated.inputs.get(index) != Some(value) {
                return Err(mismatch(field));
            }
        }
        if stated.inputs.len() != expected.len() {
            return Err(mismatch("number of inputs"));
        }
        Ok(posted)
    }

    /// The state that a posted block starts from.
    fn state_before(&mut self, number: u64) -> Result<State, RollupError> {
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
        let unusable = |reason: String| RollupError::Unusable { number, reason };
        let domain = word::to_field(&self.domain)
            .ok_or_else(|| unusable("its domain is no field element".to_owned()))?;
        // A block that cannot be applied leads nowhere; that it cannot is said when it is to be proven.
        let applied = state.apply_block(&data, &BlockContext { params: self.params, domain });
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
    fn base(&self) -> Option<(u64, &State)> {
        self.base.as_ref().map(|(number, state)| (*number, state))
    }

    /// Move the base as far as nothing needs what is before it, and forget the blocks that nothing needs. `slots`: those
    /// known, by number.
    fn advance_base(&mut self, slots: &[u64]) {
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

impl Tracker for Rollup {
    fn topics(&self) -> Vec<B256> {
        TOPICS.to_vec()
    }

    fn apply(&mut self, log: &SourceLog<'_>) -> Result<(), String> {
        match Said::decode(log.data)? {
            Some(said) if log.address == self.address => self.take(said),
            _ => Ok(()),
        }
    }

    /// A block is final, with all that it builds on.
    fn established(&mut self, slot: u64) {
        self.finalized = slot;
    }

    fn has_begun(&self) -> bool {
        self.base.is_some() || self.genesis.is_some()
    }

    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        self.stated(stated)?;
        self.state_before(stated.slot.id)?;
        Ok(())
    }

    fn job(&mut self, stated: &Statement<'_>, payee: Address, _: &dyn Fetched) -> Result<Job, Refusal> {
        let posted = self.stated(stated)?;
        let (claimed_root, data) = (posted.new_root, posted.data.clone());
        let terms = JobTerms {
            params: self.params,
            payee: payee.into_array(),
            domain: self.domain,
            claimed_root: claimed_root.to_be_bytes(),
        };
        let before = self.state_before(stated.slot.id)?;
        let job = BlockJob::from_state(&before, &data, &terms).map_err(RollupError::from)?;
        Ok(Job {
            circuit: self.params.circuit_name(),
            claim_correct: job.statement().correct,
            bytes: job.to_bytes(),
            size: self.params.block_txs() as u64,
            deadline: stated.slot.exclusiveUntil.to::<u64>(),
        })
    }

    fn forget(&mut self, slots: &[Statement<'_>], _deep: u64) {
        self.advance_base(&slots.iter().map(|stated| stated.slot.id).collect::<Vec<_>>());
    }

    fn keeps(&self, log: &SourceLog<'_>) -> bool {
        match Said::decode(log.data) {
            Ok(Some(Said::Posted { number, .. })) => self.posted.contains_key(&number),
            // Its beginning is never forgotten: a block may claim to lead back there.
            Ok(Some(Said::Genesis { .. })) => true,
            _ => false,
        }
    }

    /// The base: its number, and the state after it.
    fn snapshot(&self) -> Option<Vec<u8>> {
        let (number, state) = self.base()?;
        Some([&number.to_be_bytes()[..], &state.to_bytes()].concat())
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        let (number, state) = snapshot.split_first_chunk().ok_or("it ends too early")?;
        let state = State::from_bytes(state).map_err(|error| error.to_string())?;
        let number = u64::from_be_bytes(*number);
        (self.base, self.finalized) = (Some((number, state)), number);
        Ok(())
    }

    fn numbered(&self, log: &SourceLog<'_>) -> Option<Numbered> {
        if log.address != self.address {
            return None;
        }
        match Said::decode(log.data).ok()?? {
            Said::Genesis { .. } => Some(Numbered::Begins),
            // Whatever it builds on: what must have been posted shows by its slot, not by what a rollup says.
            Said::Posted { number, parent, .. } => (parent < number).then_some(Numbered::Number(number)),
        }
    }

    fn numbers_slots(&self) -> bool {
        true
    }
}

fn root_of(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
}
