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

/// What was said of a statement last.
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
    said: BTreeMap<B256, Said>,
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

    /// What a log says of a statement; nothing of another market's.
    fn read(&self, log: &LogData) -> Result<Option<(B256, What)>, String> {
        let wrong = |error: alloy::sol_types::Error| error.to_string();
        let (market, statement, what) = match log.topics().first() {
            Some(&InputPosted::SIGNATURE_HASH) => {
                let event = InputPosted::decode_log_data(log).map_err(wrong)?;
                (event.market, event.statement, What::Posted(event.input))
            }
            Some(&InputLinked::SIGNATURE_HASH) => {
                let event = InputLinked::decode_log_data(log).map_err(wrong)?;
                (event.market, event.statement, What::Linked)
            }
            _ => return Ok(None),
        };
        Ok((market == self.market).then_some((statement, what)))
    }

    fn input(&self, stated: &Statement<'_>) -> Result<Bytes, Refusal> {
        if self.input == Input::Statement {
            return Ok(Bytes::new());
        }
        let refuse = |why, what: &str| Err(Refusal::new(why, format!("slot {}: {what}", stated.slot.id)));
        match self.said.get(&stated.slot.statement).map(|said| &said.what) {
            None => refuse(Why::NotPosted, "its requester has posted no input for its statement"),
            Some(What::Linked) => {
                refuse(Why::Hidden, "its input is linked, and this program takes posted inputs alone")
            }
            Some(What::Posted(input)) if input.len() > MAX_INPUT => {
                refuse(Why::Unusable, "its input is larger than 16 MiB")
            }
            Some(What::Posted(input)) => Ok(input.clone()),
        }
    }
}

impl Tracker for Inputs {
    fn topics(&self) -> Vec<B256> {
        vec![InputPosted::SIGNATURE_HASH, InputLinked::SIGNATURE_HASH]
    }

    fn apply(&mut self, log: &SourceLog<'_>) -> Result<(), String> {
        if log.address == self.address
            && let Some((statement, what)) = self.read(log.data)?
        {
            self.said.insert(statement, Said { block: log.block.number, index: log.index, what });
        }
        Ok(())
    }

    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        self.input(stated).map(|_| ())
    }

    fn job(&mut self, stated: &Statement<'_>, payee: Address) -> Result<Job, Refusal> {
        let input = self.input(stated)?;
        let job = CircuitJob { statement: stated.inputs.to_vec(), payee, input };
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
            said.block.saturating_add(MOST_AHEAD) > deep || wanted.contains(statement)
        });
    }

    fn keeps(&self, log: &SourceLog<'_>) -> bool {
        let said = self.read(log.data).ok().flatten().and_then(|(statement, _)| self.said.get(&statement));
        said.is_some_and(|said| (said.block, said.index) == (log.block.number, log.index))
    }
}
