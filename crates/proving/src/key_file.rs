//! The proving key's file: a header, then arrays that are used where they lie.
//!
//! ```text
//! header   256 bytes: magic, version, sha256 of the verifying key's file, counts (little-endian u64)
//! G1       β, δ, then the queries H, L, A, B                    64 bytes a point
//! G2       the query B                                         128 bytes a point
//! Fr       the table of coefficients                            32 bytes a value, Montgomery limbs
//! u32      the variables that the points of L, A and B belong to
//! rows     for each of the matrices A, B, C: ends of rows (u32), entries (column, coefficient: 2 × u32)
//! ```
//!
//! Points at infinity (variables that a query does not use) are left out, so no multiplication meets one.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    mem::size_of,
    ops::Range,
    path::Path,
};

use ark_bn254::{Bn254, Fr};
use ark_ec::AffineRepr;
use ark_groth16::ProvingKey;
use memmap2::Mmap;
use rayon::prelude::*;

use crate::{
    error::KeyError,
    matrix::{Entry, Matrices, Matrix},
    raw::{self, Plain, RawG1, RawG2, as_bytes, cast_slice},
};

const MAGIC: [u8; 8] = *b"PROVERYK";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 256;
const COUNTS_AT: usize = 48;

/// How many of everything a key holds; with it the place of every array is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Public inputs and the constant one before them.
    pub(crate) instances: usize,
    pub(crate) witnesses: usize,
    pub(crate) constraints: usize,
    h: usize,
    l: usize,
    a: usize,
    b: usize,
    coefficients: usize,
    entries: [usize; 3],
}

impl Counts {
    fn to_words(self) -> [usize; 11] {
        let [ea, eb, ec] = self.entries;
        [
            self.instances,
            self.witnesses,
            self.constraints,
            self.h,
            self.l,
            self.a,
            self.b,
            self.coefficients,
            ea,
            eb,
            ec,
        ]
    }

    fn from_words(words: [usize; 11]) -> Self {
        let [instances, witnesses, constraints, h, l, a, b, coefficients, ea, eb, ec] = words;
        Self { instances, witnesses, constraints, h, l, a, b, coefficients, entries: [ea, eb, ec] }
    }
}

/// Where every array lies, in bytes from the start of the file.
#[derive(Debug, Clone)]
struct Layout {
    fixed: Range<usize>,
    h: Range<usize>,
    l: Range<usize>,
    a: Range<usize>,
    b1: Range<usize>,
    b2: Range<usize>,
    coefficients: Range<usize>,
    entries: [Range<usize>; 3],
    l_index: Range<usize>,
    a_index: Range<usize>,
    b_index: Range<usize>,
    ends: [Range<usize>; 3],
    total: usize,
}

impl Layout {
    /// `None` if the counts are so large that no file could hold them.
    fn of(counts: &Counts) -> Option<Self> {
        let mut at = HEADER_BYTES;
        let mut take = |count: usize, size: usize| {
            let start = at;
            at = at.checked_add(count.checked_mul(size)?)?;
            Some(start..at)
        };
        let (g1, g2, word) = (size_of::<RawG1>(), size_of::<RawG2>(), size_of::<u32>());
        let entry = size_of::<Entry>();
        let [ea, eb, ec] = counts.entries;
        Some(Self {
            fixed: take(2, g1)?,
            h: take(counts.h, g1)?,
            l: take(counts.l, g1)?,
            a: take(counts.a, g1)?,
            b1: take(counts.b, g1)?,
            b2: take(counts.b, g2)?,
            coefficients: take(counts.coefficients, size_of::<[u64; 4]>())?,
            entries: [take(ea, entry)?, take(eb, entry)?, take(ec, entry)?],
            l_index: take(counts.l, word)?,
            a_index: take(counts.a, word)?,
            b_index: take(counts.b, word)?,
            ends: [
                take(counts.constraints, word)?,
                take(counts.constraints, word)?,
                take(counts.constraints, word)?,
            ],
            total: at,
        })
    }
}

/// Points of a query that are not infinity, and which variable each belongs to.
fn dense<A, R>(query: &[A], first: usize) -> (Vec<u32>, Vec<R>)
where
    A: AffineRepr,
    R: for<'a> From<&'a A> + Send,
{
    query
        .par_iter()
        .enumerate()
        .filter(|(_, point)| !point.is_zero())
        .map(|(i, point)| ((first + i) as u32, R::from(point)))
        .unzip()
}

/// Write a proving key in the layout above. `key_hash` is the sha256 of the verifying key's file.
pub(crate) fn write(
    out: &mut dyn Write,
    key: &ProvingKey<Bn254>,
    matrices: &Matrices,
    key_hash: &[u8; 32],
) -> io::Result<()> {
    let instances = key.vk.gamma_abc_g1.len();
    let (l_index, l): (_, Vec<RawG1>) = dense(&key.l_query, instances);
    let (a_index, a): (_, Vec<RawG1>) = dense(&key.a_query, 0);
    let (b_index, b1): (_, Vec<RawG1>) = dense(&key.b_g1_query, 0);
    let (b2_index, b2): (Vec<u32>, Vec<RawG2>) = dense(&key.b_g2_query, 0);
    let h: Vec<RawG1> = key.h_query.par_iter().map(RawG1::from).collect();
    if b_index != b2_index || key.h_query.par_iter().any(AffineRepr::is_zero) {
        return Err(io::Error::other("the key has points at infinity where none can be"));
    }
    let counts = Counts {
        instances,
        witnesses: key.l_query.len(),
        constraints: matrices.rows[0].ends.len(),
        h: h.len(),
        l: l.len(),
        a: a.len(),
        b: b1.len(),
        coefficients: matrices.coefficients.len(),
        entries: [0, 1, 2].map(|i| matrices.rows[i].entries.len()),
    };
    let coefficients: Vec<_> = matrices.coefficients.iter().map(raw::fr_to_limbs).collect();

    let mut header = [0u8; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..48].copy_from_slice(key_hash);
    for (slot, count) in header[COUNTS_AT..].chunks_exact_mut(8).zip(counts.to_words()) {
        slot.copy_from_slice(&(count as u64).to_le_bytes());
    }
    out.write_all(&header)?;
    out.write_all(as_bytes(&[RawG1::from(&key.beta_g1), RawG1::from(&key.delta_g1)]))?;
    for points in [&h, &l, &a, &b1] {
        out.write_all(as_bytes(points))?;
    }
    out.write_all(as_bytes(&b2))?;
    out.write_all(as_bytes(&coefficients))?;
    for rows in &matrices.rows {
        out.write_all(as_bytes(&rows.entries))?;
    }
    for index in [&l_index, &a_index, &b_index] {
        out.write_all(as_bytes(index))?;
    }
    for rows in &matrices.rows {
        out.write_all(as_bytes(&rows.ends))?;
    }
    Ok(())
}

/// Points of one query, each with the variable that it is multiplied by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a, P> {
    pub(crate) points: &'a [P],
    pub(crate) variables: &'a [u32],
}

/// A proving key that lies in a mapped file.
pub struct ProvingKeyFile {
    map: Mmap,
    counts: Counts,
    layout: Layout,
    key_hash: [u8; 32],
    coefficients: Vec<Fr>,
}

impl fmt::Debug for ProvingKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvingKeyFile").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl ProvingKeyFile {
    /// Map a file of `expected_bytes` whose content passes `check_hash`.
    pub(crate) fn open(
        path: &Path,
        expected_bytes: u64,
        check_hash: impl FnOnce(&[u8]) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.to_owned(), source };
        let malformed =
            |reason: &str| KeyError::Malformed { path: path.to_owned(), reason: reason.to_owned() };
        let file = File::open(path).map_err(io)?;
        let actual = file.metadata().map_err(io)?.len();
        if actual != expected_bytes {
            return Err(KeyError::Length { path: path.to_owned(), expected: expected_bytes, actual });
        }
        // SAFETY: key files are never changed in place: `keys::generate` writes a new file and renames it over the old
        // one, which leaves this mapping with the old content.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        if !map.starts_with(&MAGIC) {
            return Err(KeyError::NotAProvingKey { path: path.to_owned() });
        }
        let header = map.get(..HEADER_BYTES).ok_or_else(|| malformed("it ends within its header"))?;
        let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if version != VERSION {
            return Err(KeyError::Version { path: path.to_owned(), expected: VERSION, actual: version });
        }
        check_hash(&map)?;

        let mut key_hash = [0; 32];
        key_hash.copy_from_slice(&header[16..48]);
        let mut words = [0; 11];
        for (word, bytes) in words.iter_mut().zip(header[COUNTS_AT..].chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte)) as usize;
        }
        let counts = Counts::from_words(words);
        let layout = Layout::of(&counts)
            .filter(|layout| layout.total == map.len())
            .ok_or_else(|| malformed("its counts do not add up to its length"))?;
        let coefficients =
            slice::<[u64; 4]>(&map, &layout.coefficients).iter().map(raw::fr_from_limbs).collect();
        let key = Self { map, counts, layout, key_hash, coefficients };
        key.check().map_err(malformed)?;
        Ok(key)
    }

    /// Everything that a proof relies on in order not to panic.
    fn check(&self) -> Result<(), &'static str> {
        let variables = self.variables();
        let domain = self
            .counts
            .constraints
            .checked_add(self.counts.instances)
            .and_then(usize::checked_next_power_of_two);
        if self.counts.instances == 0 || domain.is_none() || domain != self.counts.h.checked_add(1) {
            return Err("its sizes do not fit together");
        }
        let indices = [self.a().variables, self.b_g1().variables, self.l().variables];
        if !indices.iter().all(|index| index.iter().all(|&variable| (variable as usize) < variables)) {
            return Err("a point belongs to no variable");
        }
        if !self.matrices().iter().all(|matrix| matrix.is_well_formed(variables)) {
            return Err("a matrix has entries outside of it");
        }
        Ok(())
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Instances and witnesses.
    pub(crate) fn variables(&self) -> usize {
        self.counts.instances.saturating_add(self.counts.witnesses)
    }

    /// sha256 of the verifying key's file that this key belongs to.
    pub(crate) fn key_hash(&self) -> &[u8; 32] {
        &self.key_hash
    }

    pub(crate) fn beta_g1(&self) -> &RawG1 {
        &slice(&self.map, &self.layout.fixed)[0]
    }

    pub(crate) fn delta_g1(&self) -> &RawG1 {
        &slice(&self.map, &self.layout.fixed)[1]
    }

    pub(crate) fn h(&self) -> &[RawG1] {
        slice(&self.map, &self.layout.h)
    }

    pub(crate) fn l(&self) -> Query<'_, RawG1> {
        self.query(&self.layout.l, &self.layout.l_index)
    }

    pub(crate) fn a(&self) -> Query<'_, RawG1> {
        self.query(&self.layout.a, &self.layout.a_index)
    }

    pub(crate) fn b_g1(&self) -> Query<'_, RawG1> {
        self.query(&self.layout.b1, &self.layout.b_index)
    }

    pub(crate) fn b_g2(&self) -> Query<'_, RawG2> {
        self.query(&self.layout.b2, &self.layout.b_index)
    }

    pub(crate) fn matrices(&self) -> [Matrix<'_>; 3] {
        [0, 1, 2].map(|i| {
            Matrix::new(
                slice(&self.map, &self.layout.ends[i]),
                slice(&self.map, &self.layout.entries[i]),
                &self.coefficients,
            )
        })
    }

    /// Whether these are the matrices in the file.
    pub(crate) fn holds(&self, matrices: &Matrices) -> bool {
        self.coefficients == matrices.coefficients
            && self.matrices().iter().zip(&matrices.rows).all(|(held, rows)| held.is(rows))
    }

    fn query<P: Plain>(&self, points: &Range<usize>, variables: &Range<usize>) -> Query<'_, P> {
        Query { points: slice(&self.map, points), variables: slice(&self.map, variables) }
    }
}

/// An array of the file. Ranges come from `Layout`, whose arrays start at multiples of what they hold: the map starts
/// at a page, the header is 256 bytes, and the arrays follow in order of falling alignment.
fn slice<'a, T: Plain>(map: &'a Mmap, range: &Range<usize>) -> &'a [T] {
    cast_slice(&map[range.clone()]).expect("arrays of a key file are aligned")
}
