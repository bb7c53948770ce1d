//! The inputs of a market's slots, as its requester posts them.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256},
    sol_types::SolEvent as _,
};
use provery_bindings::SlotInputs::{InputLinked, InputPosted};
use provery_descriptor::{Artifact, Digest};
use provery_types::{RollupRecord, statement_hash};
use url::Url;

use super::{Input, job::CircuitJob};
use crate::{
    Fetched, Job, MOST_INPUT_BYTES, MOST_URL_BYTES, Needs, Refusal, SourceLog, Statement, Tracker, Why,
};

/// How long before its slot opens an input may be posted, in blocks. What is older and of no slot that is known is forgotten.
pub const MOST_AHEAD: u64 = 1_000;
/// More inputs of one statement do not count.
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
    Posted(Digest, Bytes),
    /// Elsewhere, by its hash.
    Linked(Artifact),
}

impl What {
    fn size(&self) -> u64 {
        match self {
            Self::Posted(_, input) => input.len() as u64,
            Self::Linked(artifact) => artifact.size,
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Posted(digest, _) => *digest,
            Self::Linked(artifact) => artifact.digest,
        }
    }

    /// Nothing if nobody could fetch it.
    fn linked(event: &InputLinked) -> Option<Self> {
        let url = Some(&event.url).filter(|url| url.len() <= MOST_URL_BYTES)?;
        let url: Url = url.parse().ok()?;
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_http.then(|| {
            Self::Linked(Artifact {
                media_type: "application/octet-stream".to_owned(),
                digest: Digest(event.digest.0),
                size: event.size,
                urls: vec![url],
            })
        })
    }
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
                (event.market, event.statement, What::Posted(Digest::of(&event.input), event.input))
            }
            InputLinked::SIGNATURE_HASH => {
                let event = InputLinked::decode_log_data(log).ok()?;
                (event.market, event.statement, What::linked(&event)?)
            }
            _ => return None,
        };
        (market == self.market).then_some((statement, what))
    }

    /// What was said of a slot's statement, in that order: what comes later takes nothing back.
    fn of(&self, stated: &Statement<'_>) -> impl Iterator<Item = &What> {
        self.said.get(&stated.slot.statement).into_iter().flatten().map(|said| &said.what)
    }

    fn nothing_said(&self, stated: &Statement<'_>) -> Result<(), Refusal> {
        if self.input == Input::Statement || self.of(stated).next().is_some() {
            return Ok(());
        }
        let message = format!("slot {}: its requester has posted no input for its statement", stated.slot.id);
        Err(Refusal::new(Why::NotPosted, message))
    }

    fn inputs(&self, stated: &Statement<'_>, fetched: &dyn Fetched) -> Result<Vec<Bytes>, Refusal> {
        self.nothing_said(stated)?;
        if self.input == Input::Statement {
            return Ok(vec![Bytes::new()]);
        }
        let (first, later): (Vec<_>, Vec<_>) =
            self.of(stated).partition(|what| fetched.first().contains(&what.digest()));
        let here = first.into_iter().chain(later).filter_map(|what| match what {
            What::Posted(_, input) => Some(input.clone()),
            What::Linked(artifact) => fetched.get(artifact).map(Bytes::from),
        });
        let here: Vec<Bytes> = here.collect();
        if here.is_empty() {
            let message = format!("slot {}: its input is linked, and was not fetched", stated.slot.id);
            return Err(Refusal::new(Why::Unfetched, message));
        }
        Ok(here)
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
            let size = said.iter().map(|said| said.what.size()).fold(what.size(), u64::saturating_add);
            if said.len() < MOST_INPUTS && size <= MOST_INPUT_BYTES {
                said.push(Said { block: log.block.number, index: log.index, what });
            }
        }
        Ok(())
    }

    fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        self.nothing_said(stated)
    }

    fn needs(&self, stated: &Statement<'_>) -> Needs {
        if self.input == Input::Statement {
            return Needs { check: true, ..Needs::default() };
        }
        let mut needs = Needs { check: true, only_linked: true, ..Needs::default() };
        for what in self.of(stated) {
            match what {
                What::Posted(digest, _) => {
                    needs.only_linked = false;
                    needs.posted.push(*digest);
                }
                What::Linked(artifact) => {
                    let same = |it: &&mut Artifact| (it.digest, it.size) == (artifact.digest, artifact.size);
                    match needs.linked.iter_mut().find(same) {
                        // The same from elsewhere.
                        Some(known) => known.urls.extend(artifact.urls.iter().cloned()),
                        None => needs.linked.push(artifact.clone()),
                    }
                }
            }
        }
        needs
    }

    fn job(&mut self, stated: &Statement<'_>, payee: Address, fetched: &dyn Fetched) -> Result<Job, Refusal> {
        let inputs = self.inputs(stated, fetched)?;
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
