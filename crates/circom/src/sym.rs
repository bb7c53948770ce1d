//! `.sym`: the names of signals, a line each: `label,wire,component,name`. A signal without a wire has wire −1.

use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::{container, error::FileError, r1cs::R1cs};

/// A circuit's names in a mapped file.
#[derive(Debug)]
pub struct Sym {
    path: PathBuf,
    map: Mmap,
}

/// A signal as a `.sym` file describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal<'a> {
    /// Its number before simplification.
    pub label: u64,
    /// Nothing for a signal that simplification removed.
    pub wire: Option<u32>,
    /// Its full name, such as `main.root`.
    pub name: &'a str,
}

impl Sym {
    /// Map the names of a circuit. Lines are read when they are asked for.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let map = container::map(path)?;
        let sym = Self { path: path.to_owned(), map };
        sym.signals().next().transpose()?;
        Ok(sym)
    }

    /// All signals, in the order of their labels.
    pub fn signals(&self) -> impl Iterator<Item = Result<Signal<'_>, FileError>> {
        let lines = self.map.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.enumerate().map(|(index, line)| {
            parse(line).ok_or_else(|| FileError::Malformed {
                path: self.path.clone(),
                reason: format!("line {} is not label,wire,component,name", index + 1),
            })
        })
    }

    /// Whether these are names of the circuit with these constraints: each wire's label must be that of a signal on it.
    pub fn is_of(&self, r1cs: &R1cs) -> Result<(), FileError> {
        let labels: Vec<u64> = r1cs.labels().collect();
        let mut named = vec![false; labels.len()];
        for signal in self.signals() {
            let signal = signal?;
            let Some(wire) = signal.wire.and_then(|wire| usize::try_from(wire).ok()) else { continue };
            let Some(label) = labels.get(wire) else {
                return Err(self.of_another(labels.len(), wire + 1));
            };
            named[wire] |= *label == signal.label;
        }
        let count = named.iter().skip(1).filter(|named| **named).count();
        if count + 1 == labels.len() { Ok(()) } else { Err(self.of_another(labels.len(), count + 1)) }
    }

    fn of_another(&self, expected: usize, actual: usize) -> FileError {
        FileError::Mismatch {
            path: self.path.clone(),
            what: "wires with names",
            expected: expected as u64,
            actual: actual as u64,
        }
    }

    /// The first name of each of `wires`, in their order; nothing for a wire without one.
    pub fn names_of(&self, wires: &[u32]) -> Result<Vec<Option<&str>>, FileError> {
        let mut names = vec![None; wires.len()];
        let mut sorted: Vec<(u32, usize)> = wires.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        for signal in self.signals() {
            let signal = signal?;
            let Some(wire) = signal.wire else { continue };
            let first = sorted.partition_point(|&(other, _)| other < wire);
            for &(_, index) in sorted[first..].iter().take_while(|&&(other, _)| other == wire) {
                names[index].get_or_insert(signal.name);
            }
        }
        Ok(names)
    }
}

fn parse(line: &[u8]) -> Option<Signal<'_>> {
    let mut fields = std::str::from_utf8(line).ok()?.trim_end_matches('\r').splitn(4, ',');
    let label = fields.next()?.parse().ok()?;
    let wire: i64 = fields.next()?.parse().ok()?;
    let _component: u64 = fields.next()?.parse().ok()?;
    let name = fields.next().filter(|name| !name.is_empty())?;
    let wire = if wire == -1 { None } else { Some(u32::try_from(wire).ok()?) };
    Some(Signal { label, wire, name })
}
