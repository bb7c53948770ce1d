//! The inputs of a market's slots, as its requester posts them.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256},
    sol_types::SolEvent as _,
};
use provery_bindings::SlotInputs::{InputLinked, InputPosted};
use provery_types::{RollupRecord, statement_hash};

use super::{Input, job::CircuitJob};
use crate::{Job, Refusal, SourceLog, Statement, Tracker, Why};

/// How long before its slot opens an input may be posted, in blocks. What is older and of no slot that is known is forgotten.
pub const MOST_AHEAD: u64 = 1_000;
/// A larger input is not taken, bytes.
pub const MAX_INPUT: usize = 16 << 20;

/// More inputs for one statement are not taken.
pub const MOST_INPUTS: usize = 32;

/// What was said of a statement. All of it is kept: whatever was a witness of a statement once still is, and a requester that could
/// take an input back could have those miss whom it bound with it.
#[derive(Clone, Debug)]
struct Said {
    block: u64,
    index: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Posted(Bytes),
    Linked,
}

/// One market. See the module.
#[derive(Debug)]
pub struct Inputs {
    market: U256,
    address: Address,
    circuit: String,
    input: Input,
    said: BTreeMap<B256, Vec<Said>>,
}

impl Inputs {
    /// Nothing posted yet.
    pub fn new(record: &RollupRecord, input: Input) -> Self {
        Self {
            market: record.market,
            address: record.address,
            circuit: record.circuit.clone(),
            input,
            said: BTreeMap::new(),
        }
    }

    /// What a log says of a statement; nothing of another market's, or if it makes no sense: that says nothing of other slots.
    fn read(&self, log: &LogData) -> Option<(B256, What)> {
        let (market, statement, what) = match *log.topics().first()? {
            InputPosted::SIGNATURE_HASH => {
                let event = InputPosted::decode_log_data(log).ok()?;
                (event.market, event.statement, What::Posted(event.input))
            }
            InputLinked::SIGNATURE_HASH => {
                let event = InputLinked::decode_log_data(log).ok()?;
                (event.market, event.statement, What::Linked)
            }
            _ => return None,
        };
        (market == self.market).then_some((statement, what))
    }

    fn inputs(&self, stated: &Statement<'_>) -> Result<Vec<Bytes>, Refusal> {
        if self.input == Input::Statement {
            return Ok(vec![Bytes::new()]);
        }
        let refuse = |why, what: &str| Err(Refusal::new(why, format!("slot {}: {what}", stated.slot.id)));
        let said = self.said.get(&stated.slot.statement).map(Vec::as_slice).unwrap_or_default();
        let posted: Vec<Bytes> = said
            .iter()
            .filter_map(|said| match &said.what {
                What::Posted(input) => Some(input.clone()),
                What::Linked => None,
            })
            .collect();
        let size: usize = posted.iter().map(|input| input.len()).sum();
        match (said.len(), posted.len()) {
            (0, _) => refuse(Why::NotPosted, "its requester has posted no input for its statement"),
            (_, 0) => refuse(Why::Hidden, "its input is linked, and this program takes posted inputs alone"),
            (all, _) if all > MOST_INPUTS => {
                refuse(Why::Unusable, "too many inputs were posted for its statement")
            }
            _ if size > MAX_INPUT => refuse(Why::Unusable, "its inputs are larger than 16 MiB"),
            _ => Ok(posted),
        }
    }
}

impl Tracker for Inputs {
    fn topics(&self) -> Vec<B256> {
        vec![InputPosted::SIGNATURE_HASH, InputLinked::SIGNATURE_HASH]
    }

    fn apply(&mut self, log: &SourceLog<'_>) -> Result<(), String> {
        if log.address == self.address
            && let Some((statement, what)) = self.read(log.data)
        {
            let said = self.said.entry(statement).or_default();
            if said.len() <= MOST_INPUTS {
                said.push(Said { block: log.block.number, index: log.index, what });
            }
        }
        Ok(())
    }

    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        self.inputs(stated).map(|_| ())
    }

    fn job(&mut self, stated: &Statement<'_>, payee: Address) -> Result<Job, Refusal> {
        let inputs = self.inputs(stated)?;
        let job = CircuitJob { statement: stated.inputs.to_vec(), payee, inputs };
        Ok(Job {
            circuit: self.circuit.clone(),
            bytes: job.to_bytes(),
            size: 1,
            deadline: stated.slot.exclusiveUntil.to(),
            claim_correct: true,
        })
    }

    fn forget(&mut self, slots: &[Statement<'_>], deep: u64) {
        let wanted: Vec<B256> = slots.iter().map(|slot| statement_hash(slot.inputs)).collect();
        self.said.retain(|statement, said| {
            said.iter().any(|said| said.block.saturating_add(MOST_AHEAD) > deep) || wanted.contains(statement)
        });
    }

    fn keeps(&self, log: &SourceLog<'_>) -> bool {
        let Some((statement, _)) = self.read(log.data) else { return false };
        let here = |said: &Said| (said.block, said.index) == (log.block.number, log.index);
        self.said.get(&statement).is_some_and(|said| said.iter().any(here))
    }
}
