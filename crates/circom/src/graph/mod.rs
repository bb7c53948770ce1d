//! Witness programs as graphs of operations: the files of iden3's circom-witnesscalc (`wtns.graph.001` and `.002`). A graph has no loops and
//! no branches, so what it takes is known before it runs: one pass over its nodes. It is the quicker way where circom-witnesscalc
//! can make one, which it cannot of circuits whose control flow depends on signals.
//!
//! ```text
//! "wtns.graph.00" '1' | '2', number of nodes (u64), each node with its length before it, metadata likewise, where metadata begin (u64)
//! ```
//!
//! Nodes and metadata are protocol buffers; the numbers of their fields are those of the format's `messages.proto`.

use std::{collections::BTreeMap, path::Path};

use ark_bn254::Fr;
use ark_ff::{One as _, Zero as _};

mod operation;
mod wire;

use operation::{Binary, Unary};
use wire::Message;

use crate::{
    calculator::{Limits, OpenError},
    container,
    error::{WitnessError, cut, graph_malformed},
    field,
    input::Input,
};

const MAGIC: &[u8] = b"wtns.graph.00";
/// Nodes between two looks at whether somebody waits no more.
const SLICE: usize = 1 << 14;
/// Bytes of the shortest node, with its length: what bounds the number of nodes by the file's size.
const SHORTEST_NODE: usize = 3;
/// Values that inputs may have, at most: one may have no node, so the number of nodes does not bound it.
const MOST_INPUTS: u64 = 1 << 22;

/// One value, of earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Input(u32),
    Constant(Fr),
    Unary(Unary, u32),
    Binary(Binary, u32, u32),
    /// The second if the first is not zero, else the third.
    Choice(u32, u32, u32),
}

/// A circuit's witness program.
#[derive(Debug, Clone)]
pub struct WitnessGraph {
    nodes: Vec<Node>,
    /// The node of each wire.
    wires: Vec<u32>,
    /// Where each input's values are among all of them, of which the first is one, and how many.
    inputs: BTreeMap<String, (u32, u32)>,
    /// How many there are, with that one.
    values: usize,
}

impl WitnessGraph {
    /// Read a graph from its file.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        Ok(Self::from_bytes(&container::map(path)?, limits)?)
    }

    /// Whether these bytes begin as a graph does.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Take a graph from memory. Every node is of earlier ones, and every input and wire has one, or it is refused.
    pub fn from_bytes(bytes: &[u8], limits: Limits) -> Result<Self, WitnessError> {
        let version = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first());
        let Some((version @ (b'1' | b'2'), rest)) = version else {
            return Err(graph_malformed("it does not begin with wtns.graph.001 or wtns.graph.002"));
        };
        let cut_off = || graph_malformed("it is cut off");
        let (count, rest) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let (body, at) = rest.split_last_chunk::<8>().ok_or_else(cut_off)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).unwrap_or(usize::MAX);
        if count > body.len() / SHORTEST_NODE {
            return Err(graph_malformed("it has fewer nodes than it says"));
        }
        // Each is kept, and its value while a witness is made.
        if count.saturating_mul(size_of::<Node>() + size_of::<Fr>()) > limits.memory {
            return Err(WitnessError::Memory { limit: limits.memory });
        }
        let mut messages = Message::new(body);
        let mut nodes = Vec::with_capacity(count);
        for index in 0..count {
            let message = messages.delimited().ok_or_else(cut_off)?;
            let node = node(message, index)
                .ok_or_else(|| graph_malformed(&format!("node {index} makes no sense")))?;
            nodes.push(node);
        }
        let metadata = messages.delimited().ok_or_else(cut_off)?;
        let before = bytes.len() as u64 - 8 - metadata_length(metadata);
        if !messages.is_empty() || u64::from_le_bytes(*at) != before {
            return Err(graph_malformed("its metadata are not where it says"));
        }
        let (wires, inputs) = described(metadata, *version == b'2')?;
        let values =
            inputs.values().map(|(offset, count)| u64::from(*offset) + u64::from(*count)).max().unwrap_or(1);
        let most = nodes
            .iter()
            .filter_map(|node| if let Node::Input(at) = node { Some(u64::from(*at)) } else { None })
            .max();
        if values > MOST_INPUTS || most.is_some_and(|most| most >= values.max(1)) {
            return Err(graph_malformed("a node is of an input that the circuit has not"));
        }
        if wires.iter().any(|wire| *wire as usize >= nodes.len()) {
            return Err(graph_malformed("a wire has no node"));
        }
        Ok(Self { nodes, wires, inputs, values: usize::try_from(values.max(1)).unwrap_or(1) })
    }

    /// The values of all wires for `input`, the constant one first. `cancelled` is asked every few milliseconds.
    pub fn calculate(&self, input: &Input, cancelled: &dyn Fn() -> bool) -> Result<Vec<Fr>, WitnessError> {
        let given = self.values(input)?;
        let mut values: Vec<Fr> = Vec::with_capacity(self.nodes.len());
        let at = |values: &[Fr], index: u32| values.get(index as usize).copied().unwrap_or_default();
        for (index, node) in self.nodes.iter().enumerate() {
            if index % SLICE == 0 && cancelled() {
                return Err(WitnessError::Cancelled);
            }
            let value = match *node {
                Node::Input(input) => at(&given, input),
                Node::Constant(value) => value,
                Node::Unary(operation, a) => operation.apply(at(&values, a)),
                Node::Binary(operation, a, b) => operation.apply(at(&values, a), at(&values, b)),
                Node::Choice(which, yes, no) => {
                    at(&values, if at(&values, which).is_zero() { no } else { yes })
                }
            };
            values.push(value);
        }
        Ok(self.wires.iter().map(|wire| at(&values, *wire)).collect())
    }

    /// The inputs' values, each where its nodes look.
    fn values(&self, input: &Input) -> Result<Vec<Fr>, WitnessError> {
        let mut values = vec![Fr::zero(); self.values];
        values[0] = Fr::one();
        let mut set = 0;
        for (signal, given) in input.signals() {
            let Some((offset, count)) =
                self.inputs.get(signal).map(|(at, count)| (*at as usize, *count as usize))
            else {
                return Err(WitnessError::UnknownSignal { signal: cut(signal) });
            };
            if count != given.len() {
                let signal = cut(signal);
                return Err(WitnessError::ValueCount { signal, expected: count as u64, actual: given.len() });
            }
            values[offset..offset + count].copy_from_slice(given);
            set += count as u64;
        }
        let expected = self.inputs.values().map(|(_, count)| u64::from(*count)).sum();
        if set != expected {
            let has = |name: &str| input.signals().any(|(given, _)| given == name);
            let missing = self.inputs.keys().filter(|name| !has(name)).take(8).cloned().collect();
            return Err(WitnessError::Missing { set, expected, missing });
        }
        Ok(values)
    }
}

/// Bytes of a message with its length before it.
fn metadata_length(metadata: Message<'_>) -> u64 {
    let (length, mut prefix) = (metadata.len() as u64, 1);
    while length >> (7 * prefix) > 0 {
        prefix += 1;
    }
    length + prefix
}

/// The node at `index`, of earlier ones.
fn node(mut message: Message<'_>, index: usize) -> Option<Node> {
    let (kind, value) = message.field()?;
    if !message.is_empty() {
        return None;
    }
    let mut parts = value.message()?;
    // Fields that are zero are left out.
    let (mut numbers, mut bytes) = ([0_u64; 5], None);
    while !parts.is_empty() {
        let (field, value) = parts.field()?;
        match (kind, field) {
            (2, 1) => bytes = Some(value.bytes()?),
            _ => *numbers.get_mut(usize::try_from(field).ok()?)? = value.number()?,
        }
    }
    let [_, first, second, third, fourth] = numbers;
    let earlier = |number: u64| u32::try_from(number).ok().filter(|at| (*at as usize) < index);
    Some(match kind {
        1 => Node::Input(u32::try_from(first).ok()?),
        2 => Node::Constant(constant(Message::new(bytes.unwrap_or_default()))?),
        3 => Node::Unary(Unary::of(first)?, earlier(second)?),
        4 => Node::Binary(Binary::of(first)?, earlier(second)?, earlier(third)?),
        5 if first == 0 => Node::Choice(earlier(second)?, earlier(third)?, earlier(fourth)?),
        _ => return None,
    })
}

/// A number of at most 32 bytes, little-endian, below the prime.
fn constant(message: Message<'_>) -> Option<Fr> {
    field::from_plain(&big(message)?)
}

fn big(mut message: Message<'_>) -> Option<[u8; field::BYTES]> {
    let mut out = [0; field::BYTES];
    while !message.is_empty() {
        let (1, value) = message.field()? else { return None };
        let bytes = value.bytes()?;
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        out.get_mut(..end)?.copy_from_slice(&bytes[..end]);
    }
    Some(out)
}

type Described = (Vec<u32>, BTreeMap<String, (u32, u32)>);

/// What the metadata say: the wires' nodes, and where inputs are.
fn described(mut metadata: Message<'_>, second: bool) -> Result<Described, WitnessError> {
    let bad = || graph_malformed("its metadata make no sense");
    let (mut wires, mut inputs) = (Vec::new(), BTreeMap::new());
    while !metadata.is_empty() {
        let (field, value) = metadata.field().ok_or_else(bad)?;
        match field {
            // Several numbers in one run, or one by one.
            1 => match value.message() {
                Some(mut packed) => {
                    while !packed.is_empty() {
                        wires.push(packed.varint().and_then(|wire| wire.try_into().ok()).ok_or_else(bad)?);
                    }
                }
                None => wires.push(value.index().ok_or_else(bad)?),
            },
            2 if !second => {
                let (name, place) = value.message().and_then(mapped).ok_or_else(bad)?;
                inputs.insert(name, place);
            }
            3 => {
                let prime = value.message().and_then(big).ok_or_else(bad)?;
                if let Some(found) = field::other_than_fr(&prime) {
                    return Err(WitnessError::Curve { found });
                }
            }
            5 if second => inputs = listed(value.bytes().ok_or_else(bad)?)?,
            _ => {}
        }
    }
    if wires.is_empty() { Err(bad()) } else { Ok((wires, inputs)) }
}

/// An entry of a map: a name, and where that input's values are.
fn mapped(mut entry: Message<'_>) -> Option<(String, (u32, u32))> {
    let (mut name, mut place) = (String::new(), (0, 0));
    while !entry.is_empty() {
        match entry.field()? {
            (1, value) => name = String::from_utf8(value.bytes()?.to_vec()).ok()?,
            (2, value) => {
                let mut description = value.message()?;
                while !description.is_empty() {
                    match description.field()? {
                        (1, value) => place.0 = value.index()?,
                        (2, value) => place.1 = value.index()?,
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
    }
    Some((name, place))
}

/// The second version's list of inputs: the first of them is right after the one.
fn listed(bytes: &[u8]) -> Result<BTreeMap<String, (u32, u32)>, WitnessError> {
    let mut list = List(bytes);
    let bad = || graph_malformed("its list of inputs makes no sense");
    let mut found = Vec::new();
    for _ in 0..list.word().ok_or_else(bad)? {
        let (name, offset, count, bus) = list.input().ok_or_else(bad)?;
        if bus {
            return Err(graph_malformed(&format!("its input {name} is a bus, which only the .wasm takes")));
        }
        found.push((name, offset, count));
    }
    let first = found.iter().map(|(_, offset, _)| *offset).min().unwrap_or_default();
    let placed = found
        .into_iter()
        .map(|(name, offset, count)| Some((name, ((offset - first).checked_add(1)?, count))));
    placed.collect::<Option<_>>().ok_or_else(bad)
}

/// Little-endian words and texts, one after the other.
struct List<'a>(&'a [u8]);

impl List<'_> {
    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*word))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.word()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    /// Name, place, how many values, and whether it is of a type.
    fn input(&mut self) -> Option<(String, u32, u32, bool)> {
        let (name, offset, dimensions) = (self.text()?, self.word()?, self.word()?);
        let mut count = 1_u32;
        for _ in 0..dimensions {
            count = count.checked_mul(self.word()?)?;
        }
        let (typed, rest) = self.0.split_first()?;
        self.0 = rest;
        if *typed == 1 {
            self.text()?;
        }
        Some((name, offset, count, *typed == 1))
    }
}

#[cfg(test)]
mod tests;
