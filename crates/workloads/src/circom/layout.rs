//! How a circuit's public signals are a market's public inputs: circom has outputs first, a market statement, outputs, payee.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use ark_bn254::Fr;
use provery_descriptor::{Descriptor, PublicInput, PublicRole};
use provery_proving::{ProveError, proof};

use super::job::CircuitJob;

/// How a circuit's public signals are a market's public inputs.
#[derive(Clone, Debug)]
pub struct Layout {
    inputs: Vec<PublicInput>,
    /// For each of the market's inputs, payee apart if it is not bound, its place among the circuit's signals.
    places: Vec<usize>,
    payee_bound: bool,
}

impl Layout {
    /// Of the circuit that a descriptor describes.
    pub fn of(descriptor: &Descriptor) -> Result<Self, String> {
        let payees = descriptor.inputs_of(PublicRole::Payee).count();
        if payees != usize::from(descriptor.payee_bound) {
            return Err("its payee is a public input and takes part in no constraint".to_owned());
        }
        Ok(Self {
            inputs: descriptor.public_inputs.clone(),
            places: descriptor.signals().ok_or("its signals do not name each of the circuit's once")?,
            payee_bound: descriptor.payee_bound,
        })
    }

    /// How many public signals the circuit has.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Whether the payee is one of them.
    pub fn payee_bound(&self) -> bool {
        self.payee_bound
    }

    /// The circuit's public signals, in its own order, as a market takes them: statement, outputs, and the payee if it is bound.
    /// Nothing if they are not as many as the circuit has.
    pub fn in_market_order(&self, signals: &[U256]) -> Option<Vec<U256>> {
        if signals.len() != self.inputs.len() {
            return None;
        }
        self.places.iter().map(|place| signals.get(*place).copied()).collect()
    }

    /// A market's public inputs as the circuit's public signals, in its own order.
    pub fn in_circuit_order(&self, inputs: &[U256]) -> Option<Vec<U256>> {
        if inputs.len() != self.inputs.len() + usize::from(!self.payee_bound) {
            return None;
        }
        let mut signals = vec![U256::ZERO; self.inputs.len()];
        for (input, place) in inputs.iter().zip(&self.places) {
            *signals.get_mut(*place)? = *input;
        }
        Some(signals)
    }

    /// How many of the market's public inputs are the statement's.
    pub fn stated(&self) -> usize {
        self.inputs.iter().filter(|input| input.role == PublicRole::Statement).count()
    }

    /// How many are outputs.
    pub fn outputs(&self) -> usize {
        self.inputs.iter().filter(|input| input.role == PublicRole::Output).count()
    }

    /// The public signals that the job decides, by name: the values of an array in its order.
    pub(super) fn signals(&self, job: &CircuitJob) -> Result<Vec<(String, Vec<Fr>)>, ProveError> {
        let refused = |reason: String| ProveError::Job { reason };
        let stated = self.stated();
        if stated != job.statement.len() {
            return Err(refused(format!(
                "the slot states {} inputs and the circuit has {stated}",
                job.statement.len()
            )));
        }
        let payee = U256::from_be_slice(job.payee.as_slice());
        let mut statement = job.statement.iter();
        let mut at_place: BTreeMap<usize, (&str, Fr)> = BTreeMap::new();
        for (input, place) in self.inputs.iter().zip(&self.places) {
            let value = match input.role {
                PublicRole::Statement => statement.next().copied().unwrap_or_default(),
                PublicRole::Payee => payee,
                PublicRole::Output => continue,
            };
            let field = proof::from_word(&value.to_be_bytes()).ok_or_else(|| {
                refused(format!("the slot states {value} as {}, which no signal can be", input.name))
            })?;
            at_place.insert(*place, (&input.name, field));
        }
        let mut signals: Vec<(String, Vec<Fr>)> = Vec::new();
        for (name, value) in at_place.into_values() {
            let name = base(name);
            match signals.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value),
                None => signals.push((name.to_owned(), vec![value])),
            }
        }
        Ok(signals)
    }

    /// What the market is given, if the circuit's signals are those of the job.
    pub(super) fn public_inputs(&self, job: &CircuitJob, signals: &[Fr]) -> Option<Vec<[u8; 32]>> {
        if signals.len() != self.inputs.len() {
            return None;
        }
        let payee = U256::from_be_slice(job.payee.as_slice()).to_be_bytes();
        let mut statement = job.statement.iter();
        let mut words = Vec::with_capacity(self.inputs.len() + 1);
        for (input, place) in self.inputs.iter().zip(&self.places) {
            let word: [u8; 32] = proof::word(signals.get(*place)?);
            let right = match input.role {
                PublicRole::Statement => statement.next().is_some_and(|stated| stated.to_be_bytes() == word),
                PublicRole::Payee => word == payee,
                PublicRole::Output => true,
            };
            if !right {
                return None;
            }
            words.push(word);
        }
        if !self.payee_bound {
            words.push(payee);
        }
        Some(words)
    }

    /// The circuit's signals in the market's public inputs.
    pub(super) fn signals_of(&self, words: &[[u8; 32]]) -> Option<Vec<Fr>> {
        let mut signals = vec![Fr::default(); self.inputs.len()];
        if words.len() != self.inputs.len() + usize::from(!self.payee_bound) {
            return None;
        }
        for (word, place) in words.iter().zip(&self.places) {
            *signals.get_mut(*place)? = proof::from_word(word)?;
        }
        Some(signals)
    }
}

/// A signal's name without the indices at its end.
fn base(name: &str) -> &str {
    let mut name = name;
    while let Some(open) = name.strip_suffix(']').and_then(|rest| rest.rfind('[')) {
        name = &name[..open];
    }
    name
}
