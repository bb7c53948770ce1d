//! A workload of a few lines: a slot states the square of a number that the rollup's contract says before. What is here is all
//! that a workload takes; tests add it to the list's, and one makes it a word of the list.

use std::{path::Path, sync::Arc};

use alloy::primitives::{Address, B256, U256};
use provery_proving::{KeyError, ProofBackend, ProofVerifier, keys::Manifest};
use provery_types::RollupRecord;

use crate::{Circuit, Fetched, Job, Refusal, SourceLog, Statement, Tracker, Why, Workload};

/// See the module.
pub static WORKLOAD: Squares = Squares;

/// The first topic of the log that says a number.
pub const SAID: B256 = B256::repeat_byte(0x5a);

/// The workload.
#[derive(Clone, Copy, Debug)]
pub struct Squares;

impl Workload for Squares {
    fn name(&self) -> &'static str {
        "squares"
    }

    fn circuit(&self, name: &str) -> Option<Arc<dyn Circuit>> {
        (name == "square").then(|| Arc::new(Square) as Arc<dyn Circuit>)
    }

    fn example(&self) -> String {
        "square".to_owned()
    }

    fn track(&self, _: u64, record: &RollupRecord) -> Result<Box<dyn Tracker>, Refusal> {
        match record.parameters["limit"].as_u64() {
            Some(limit) => Ok(Box::new(Numbers { limit, said: Vec::new() })),
            None => Err(Refusal::new(Why::Parameters, "how large a number may be is not said")),
        }
    }
}

/// The numbers that were said, and in which block.
#[derive(Debug)]
struct Numbers {
    limit: u64,
    said: Vec<(u64, U256)>,
}

impl Tracker for Numbers {
    fn topics(&self) -> Vec<B256> {
        vec![SAID]
    }

    fn apply(&mut self, log: &SourceLog<'_>) -> Result<(), String> {
        let number = U256::try_from_be_slice(&log.data.data).ok_or("it is no number")?;
        if number > U256::from(self.limit) {
            return Err(format!("{number} is too large"));
        }
        self.said.push((log.block.number, number));
        Ok(())
    }

    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        match stated.inputs {
            [square] if self.said.iter().any(|(_, it)| it * it == *square) => Ok(()),
            [_] => Err(Refusal::new(Why::NotPosted, "no number with this square was said")),
            _ => Err(Refusal::new(Why::Mismatch, "a square is one number")),
        }
    }

    fn job(&mut self, stated: &Statement<'_>, payee: Address, _: &dyn Fetched) -> Result<Job, Refusal> {
        self.ready(stated)?;
        let bytes = [&stated.inputs[0].to_be_bytes::<32>()[..], payee.as_slice()].concat();
        let deadline = stated.slot.exclusiveUntil.to::<u64>();
        Ok(Job { circuit: "square".to_owned(), bytes, size: 1, deadline, claim_correct: true })
    }

    fn forget(&mut self, slots: &[Statement<'_>], deep: u64) {
        if slots.is_empty() {
            self.said.retain(|(block, _)| *block > deep);
        }
    }

    fn keeps(&self, log: &SourceLog<'_>) -> bool {
        self.said.iter().any(|(block, _)| *block == log.block.number)
    }
}

/// Its one circuit, for which nobody has made keys.
#[derive(Debug)]
struct Square;

impl Circuit for Square {
    fn name(&self) -> String {
        "square".to_owned()
    }

    fn descriptor_hash(&self) -> B256 {
        B256::repeat_byte(0x5d)
    }

    fn size(&self) -> u64 {
        1
    }

    fn setup(&self, _: &[u8], _: &Path) -> Result<Manifest, KeyError> {
        Err(KeyError::UnknownCircuit { circuit: self.name() })
    }

    fn prover(&self, _: &Path, _: Option<&[u8; 32]>) -> Result<Arc<dyn ProofBackend>, KeyError> {
        Err(KeyError::UnknownCircuit { circuit: self.name() })
    }

    fn verifier(&self, _: &Path, _: Option<&[u8; 32]>) -> Result<Arc<dyn ProofVerifier>, KeyError> {
        Err(KeyError::UnknownCircuit { circuit: self.name() })
    }

    fn sample(&self) -> Result<Vec<u8>, Refusal> {
        Ok(vec![0; 52])
    }
}
