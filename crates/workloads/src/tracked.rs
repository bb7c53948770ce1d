//! One market that is tracked, whatever its workload: what is checked and kept for all of them alike.

use alloy::primitives::{Address, B256, LogData, U256};
use provery_types::{RollupRecord, Terms, statement_hash};
use serde::{Deserialize, Serialize};

use crate::{Fetched, Job, Needs, Numbered, Refusal, Shape, SourceLog, Statement, Tracker, Why};

/// A market and its tracker.
#[derive(Debug)]
pub struct Tracked {
    market: U256,
    address: Address,
    sources: Vec<Address>,
    workload: String,
    circuit: String,
    shape: Option<Shape>,
    circuit_id: B256,
    topics: Vec<B256>,
    numbers_slots: bool,
    /// Nothing once it is for good that what was said makes no sense.
    tracker: Option<Box<dyn Tracker>>,
    nonsense: Option<Nonsense>,
    /// How often something was learnt: what could not be proven before may be now.
    edition: u64,
}

/// Where what is said stopped making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Nonsense {
    /// The log that did, by its block and its place there.
    at: (u64, u64),
    reason: String,
}

/// What is on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    workload: String,
    circuit: String,
    /// Why nothing is believed, if that is so; there is no state then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonsense: Option<String>,
}

impl Tracked {
    pub(crate) fn new(record: &RollupRecord, shape: Option<Shape>, tracker: Box<dyn Tracker>) -> Self {
        Self {
            market: record.market,
            address: record.address,
            sources: record.sources.clone(),
            workload: record.workload.clone(),
            circuit: record.circuit.clone(),
            shape,
            circuit_id: record.circuit_id,
            topics: tracker.topics(),
            numbers_slots: tracker.numbers_slots(),
            tracker: Some(tracker),
            nonsense: None,
            edition: 0,
        }
    }

    /// The market whose slots it is about.
    pub fn id(&self) -> U256 {
        self.market
    }

    /// The contract that opens the slots.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The circuit that proves its slots.
    pub fn circuit(&self) -> &str {
        &self.circuit
    }

    /// Whether that circuit proves slots under these terms.
    pub fn proves_under(&self, terms: &Terms) -> Result<(), Refusal> {
        Refusal::unless_of(self.circuit_id, terms)?;
        Refusal::unless_in_time(terms)?;
        self.shape.map_or(Ok(()), |shape| shape.unless_of(terms))
    }

    /// Rises whenever something is learnt.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether it reads the logs of a contract.
    pub fn watches(&self, address: Address) -> bool {
        self.address == address || self.sources.contains(&address)
    }

    /// Whether it reads the logs of a contract that another reads, too.
    pub fn reads_with(&self, other: &Self) -> bool {
        self.watches(other.address) || other.sources.iter().any(|address| self.watches(*address))
    }

    /// Whether a log is one that it takes in.
    pub fn reads(&self, address: Address, log: &LogData) -> bool {
        let known = log.topics().first().is_some_and(|topic| self.topics.contains(topic));
        known && self.nonsense.is_none() && self.watches(address)
    }

    /// Take in the next log, whoever wrote the contract: the first that makes no sense is the last.
    pub fn apply(&mut self, log: &SourceLog<'_>) {
        if !self.reads(log.address, log.data) {
            return;
        }
        let Some(tracker) = &mut self.tracker else { return };
        self.edition += 1;
        if let Err(reason) = tracker.apply(log) {
            self.nonsense = Some(Nonsense { at: (log.block.number, log.index), reason });
        }
    }

    /// A slot is proven right, with all that it builds on.
    pub fn established(&mut self, slot: u64) {
        if let Some(tracker) = &mut self.tracker {
            tracker.established(slot);
        }
    }

    /// Why nothing that was said is believed, if that is so.
    pub fn nonsense(&self) -> Option<&str> {
        self.nonsense.as_ref().map(|nonsense| nonsense.reason.as_str())
    }

    /// Whether its beginning is known.
    pub fn has_begun(&self) -> bool {
        self.tracker.as_ref().is_some_and(|tracker| tracker.has_begun())
    }

    /// Whether all is at hand that a proof of a slot takes.
    pub fn ready(&mut self, stated: &Statement<'_>) -> Result<(), Refusal> {
        self.asked(stated)?.ready(stated)
    }

    /// What its proof takes that the chain does not have, or does not tell.
    pub fn needs(&mut self, stated: &Statement<'_>) -> Needs {
        self.asked(stated).map(|tracker| tracker.needs(stated)).unwrap_or_default()
    }

    /// The job that proves a slot and pays `payee`.
    pub fn job(
        &mut self,
        stated: &Statement<'_>,
        payee: Address,
        fetched: &dyn Fetched,
    ) -> Result<Job, Refusal> {
        self.asked(stated)?.job(stated, payee, fetched)
    }

    /// The tracker, if it may be asked about a slot.
    fn asked(&mut self, stated: &Statement<'_>) -> Result<&mut dyn Tracker, Refusal> {
        if let Some(Nonsense { reason, .. }) = &self.nonsense {
            let message =
                format!("the rollup's events make no sense ({reason}), so none of them is believed");
            return Err(Refusal::new(Why::Nonsense, message));
        }
        if statement_hash(stated.inputs) != stated.slot.statement {
            let message = format!("the statement of slot {} is not the hash of its inputs", stated.slot.id);
            return Err(Refusal::new(Why::Mismatch, message));
        }
        match &mut self.tracker {
            Some(tracker) => Ok(&mut **tracker),
            None => Err(Refusal::new(Why::Untracked, "nothing is tracked")),
        }
    }

    /// Forget what can matter no more: see [`Tracker::forget`].
    pub fn forget(&mut self, slots: &[Statement<'_>], deep: u64) {
        match &self.nonsense {
            None => {
                if let Some(tracker) = &mut self.tracker {
                    tracker.forget(slots, deep);
                }
            }
            Some(nonsense) if nonsense.at.0 <= deep => self.tracker = None,
            // A reorganisation may take it back, and all that was said before counts again.
            Some(_) => {}
        }
    }

    /// Whether a log must stay on disk.
    pub fn keeps(&self, log: &SourceLog<'_>) -> bool {
        let Some(tracker) = &self.tracker else { return false };
        let turned = self.nonsense.as_ref().is_some_and(|it| it.at == (log.block.number, log.index));
        turned || (self.watches(log.address) && tracker.keeps(log))
    }

    /// Where folding the kept logs starts from; nothing if that is nothing.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        let mut header =
            Header { workload: self.workload.clone(), circuit: self.circuit.clone(), nonsense: None };
        let state = match &self.tracker {
            Some(tracker) => tracker.snapshot()?,
            None => {
                header.nonsense = Some(self.nonsense()?.to_owned());
                Vec::new()
            }
        };
        let mut bytes = serde_json::to_vec(&header).ok()?;
        bytes.push(b'\n');
        bytes.extend(state);
        Some(bytes)
    }

    /// Start from a snapshot.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        let end = snapshot.iter().position(|byte| *byte == b'\n').ok_or("it has no beginning")?;
        let header: Header = serde_json::from_slice(&snapshot[..end]).map_err(|error| error.to_string())?;
        if (&header.workload, &header.circuit) != (&self.workload, &self.circuit) {
            return Err(format!(
                "it is of workload {} and circuit {}, and the deployment file names others",
                header.workload, header.circuit
            ));
        }
        if let Some(reason) = header.nonsense {
            (self.nonsense, self.tracker) = (Some(Nonsense { at: (0, 0), reason }), None);
            return Ok(());
        }
        self.edition += 1;
        self.tracker.as_mut().ok_or("nothing is tracked")?.restore(&snapshot[end + 1..])
    }

    /// What a log says about the numbers of logs.
    pub fn numbered(&self, log: &SourceLog<'_>) -> Option<Numbered> {
        let reads = self.reads(log.address, log.data);
        self.tracker.as_ref().filter(|_| reads)?.numbered(log)
    }

    /// Whether each slot that its contract opens comes with a numbered log.
    pub fn numbers_slots(&self) -> bool {
        self.numbers_slots
    }
}
