//! `.wtns`: the values of all wires.

use std::{ops::Range, path::Path};

use ark_bn254::Fr;
use ark_ff::One;
use rayon::prelude::*;

use crate::{
    container::Container,
    error::FileError,
    field::{self, BYTES},
};

const MAGIC: &str = "wtns";
const VERSION: u32 = 2;
const HEADER: u32 = 1;
const VALUES: u32 = 2;

/// A witness as snarkjs and circom's programs write it.
#[derive(Debug)]
pub struct Wtns {
    file: Container,
    count: u32,
    values: Range<usize>,
}

impl Wtns {
    /// Map a witness file. Its values are read by [`Wtns::values`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::of(Container::open(path, MAGIC, VERSION)?)
    }

    /// Read the bytes of a witness file, which errors call `the witness`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FileError> {
        Self::of(Container::from_bytes("the witness", bytes, MAGIC, VERSION)?)
    }

    /// Whether bytes are meant to be a witness file.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC.as_bytes())
    }

    fn of(file: Container) -> Result<Self, FileError> {
        let mut header = file.cursor(HEADER, "header")?;
        let width = header.u32("size of a number")?;
        let prime = header.bytes(width.into(), "prime")?;
        if let Some(found) = field::other_than_fr(prime) {
            return Err(FileError::Curve { path: file.path().to_owned(), found });
        }
        let count = header.u32("number of values")?;
        if width as usize != BYTES || !header.is_at_end() {
            return Err(file.malformed("its header has another length than bn254 gives it"));
        }
        if count == 0 {
            return Err(file.malformed("it has no values"));
        }
        let values = file.array(VALUES, "values", count.into(), BYTES as u64)?;
        Ok(Self { file, count, values })
    }

    /// How many values there are, with the constant one.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Never: the constant one is always there.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values of all wires, the constant one first. Fails where one is not below the modulus, or the first is not one.
    pub fn values(&self) -> Result<Vec<Fr>, FileError> {
        let (numbers, _) = self.file.bytes()[self.values.clone()].as_chunks::<BYTES>();
        let read = |(wire, bytes)| {
            field::from_plain(bytes)
                .ok_or_else(|| self.file.malformed(format!("value {wire} is not below the field's modulus")))
        };
        let values: Vec<Fr> = numbers.par_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        if values.first().is_some_and(One::is_one) {
            Ok(values)
        } else {
            Err(self.file.malformed("its first value is not one"))
        }
    }

    /// A witness file of `values`.
    pub fn encode(values: &[Fr]) -> Vec<u8> {
        use ark_ff::PrimeField;
        let mut out = Vec::with_capacity(76 + BYTES * values.len());
        let section = |out: &mut Vec<u8>, number: u32, length: usize| {
            out.extend(number.to_le_bytes());
            out.extend((length as u64).to_le_bytes());
        };
        out.extend(MAGIC.as_bytes());
        out.extend(VERSION.to_le_bytes());
        out.extend(2u32.to_le_bytes());
        section(&mut out, HEADER, 4 + BYTES + 4);
        out.extend((BYTES as u32).to_le_bytes());
        out.extend(field::le_bytes(&Fr::MODULUS));
        out.extend((values.len() as u32).to_le_bytes());
        section(&mut out, VALUES, BYTES * values.len());
        out.extend(values.iter().flat_map(field::to_plain));
        out
    }
}
