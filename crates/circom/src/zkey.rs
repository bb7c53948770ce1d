//! `.zkey`: snarkjs' proving key for Groth16, read where it lies.
//!
//! Points are affine and in Montgomery form, as arkworks and halo2curves keep them, but at any address and with infinity among
//! them, so a proof copies what it multiplies. Section 4 holds the matrices A and B alone, each value times R², with a row of A for
//! each public input after the constraints. Section 9 is for evaluations at odd powers of a root of unity of twice the domain's order.

use std::{ops::Range, path::Path};

use ark_bn254::{Bn254, Fr, FrConfig, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ff::{AdditiveGroup, FftField, Field};
use ark_groth16::VerifyingKey;
use provery_proving::{RawG1, RawG2, solidity};
use rayon::prelude::*;

use crate::{
    container::{Container, Cursor},
    error::FileError,
    field::{self, BYTES},
    r1cs::R1cs,
};

const MAGIC: &str = "zkey";
const VERSION: u32 = 1;
const GROTH16: u32 = 1;
const KIND: u32 = 1;
const HEADER: u32 = 2;
const IC: u32 = 3;
const COEFFICIENTS: u32 = 4;
const A: u32 = 5;
const B1: u32 = 6;
const B2: u32 = 7;
const C: u32 = 8;
const H: u32 = 9;
const CONTRIBUTIONS: u32 = 10;
/// matrix, row, wire, value
const COEFFICIENT_BYTES: usize = 12 + BYTES;

/// A Groth16 proving key of snarkjs in a mapped file.
#[derive(Debug)]
pub struct Zkey {
    file: Container,
    wires: u32,
    public: u32,
    domain: u32,
    beta_g1: G1Affine,
    delta_g1: G1Affine,
    verifying: VerifyingKey<Bn254>,
    coefficients: Range<usize>,
    queries: [Range<usize>; 5],
}

/// Points that multiply values of wires, or the quotient's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Query {
    A,
    B1,
    B2,
    C,
    H,
}

impl Query {
    const ALL: [(Self, u32, &'static str, usize); 5] = [
        (Self::A, A, "points A", RawG1::BYTES),
        (Self::B1, B1, "points B1", RawG1::BYTES),
        (Self::B2, B2, "points B2", RawG2::BYTES),
        (Self::C, C, "points C", RawG1::BYTES),
        (Self::H, H, "points H", RawG1::BYTES),
    ];

    fn name(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// Which of the two matrices a coefficient belongs to, and where.
#[derive(Debug, Clone, Copy)]
struct Coefficient {
    matrix: u32,
    row: u32,
    wire: u32,
    /// The value times R.
    value: Option<Fr>,
}

impl Zkey {
    /// Map a proving key. The header, the lengths of all sections and the verifying key's points are checked; the points that are
    /// multiplied are when a proof reads them, or by [`Zkey::check`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = Container::open(path, MAGIC, VERSION)?;
        let mut kind = file.cursor(KIND, "protocol")?;
        let protocol = kind.u32("protocol")?;
        if protocol != GROTH16 {
            let found = match protocol {
                2 => "plonk".to_owned(),
                10 => "fflonk".to_owned(),
                other => format!("protocol {other}"),
            };
            return Err(FileError::Protocol { path: path.to_owned(), found });
        }
        let mut header = file.cursor(HEADER, "header")?;
        for other_than in [field::other_than_fq, field::other_than_fr] {
            let width = header.u32("size of a number")?;
            if let Some(found) = other_than(header.bytes(width.into(), "prime")?) {
                return Err(FileError::Curve { path: path.to_owned(), found });
            }
            if width as usize != BYTES {
                return Err(file.malformed(format!("its numbers have {width} bytes, and bn254's {BYTES}")));
            }
        }
        let wires = header.u32("number of wires")?;
        let public = header.u32("number of public inputs")?;
        let domain = header.u32("size of the domain")?;
        if public >= wires {
            return Err(file.malformed(format!("it has {wires} wires, too few for {public} public inputs")));
        }
        if !domain.is_power_of_two() || domain.trailing_zeros() >= Fr::TWO_ADICITY {
            return Err(file.malformed(format!("{domain} is no size of a domain")));
        }
        let alpha_g1 = read_g1(&file, &mut header, "alpha")?;
        let beta_g1 = read_g1(&file, &mut header, "beta")?;
        let beta_g2 = read_g2(&file, &mut header, "beta")?;
        let gamma_g2 = read_g2(&file, &mut header, "gamma")?;
        let delta_g1 = read_g1(&file, &mut header, "delta")?;
        let delta_g2 = read_g2(&file, &mut header, "delta")?;
        if !kind.is_at_end() || !header.is_at_end() {
            return Err(file.malformed("its header is longer than groth16's on bn254"));
        }

        file.array(IC, "points IC", u64::from(public) + 1, RawG1::BYTES as u64)?;
        let mut points = file.cursor(IC, "points IC")?;
        if public as usize > solidity::MAX_PUBLIC_INPUTS {
            let source = solidity::SolidityError::TooManyPublicInputs(public as usize);
            return Err(FileError::Key { path: path.to_owned(), source });
        }
        let gamma_abc_g1 =
            (0..=public).map(|_| read_g1(&file, &mut points, "IC")).collect::<Result<_, _>>()?;
        let verifying = VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 };
        solidity::check_key(&verifying, public as usize)
            .map_err(|source| FileError::Key { path: path.to_owned(), source })?;

        let mut count = file.cursor(COEFFICIENTS, "coefficients")?;
        let count = u64::from(count.u32("number of coefficients")?);
        let coefficients = file.range(COEFFICIENTS, "coefficients")?;
        if (coefficients.len() as u64) != 4 + count * COEFFICIENT_BYTES as u64 {
            return Err(file.malformed(format!(
                "section {COEFFICIENTS}, its coefficients, has {} bytes, which is not what {count} of them take",
                coefficients.len()
            )));
        }
        let private = wires - public - 1;
        let counts = [wires, wires, wires, private, domain];
        let mut queries = std::array::from_fn(|_| 0..0);
        for (((_, section, what, size), count), range) in Query::ALL.into_iter().zip(counts).zip(&mut queries)
        {
            *range = file.array(section, what, count.into(), size as u64)?;
        }
        let coefficients = coefficients.start + 4..coefficients.end;
        Ok(Self { file, wires, public, domain, beta_g1, delta_g1, verifying, coefficients, queries })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Length of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.length()
    }

    /// Wires with the constant one: the length of a witness.
    pub fn wires(&self) -> usize {
        self.wires as usize
    }

    /// Public inputs of a proof, without the constant one.
    pub fn public_inputs(&self) -> usize {
        self.public as usize
    }

    /// Size of the domain: a power of two, at least constraints + public inputs + 1.
    pub fn domain_size(&self) -> usize {
        self.domain as usize
    }

    /// The verifying key in it, whose points were checked.
    pub fn verifying_key(&self) -> &VerifyingKey<Bn254> {
        &self.verifying
    }

    /// What the generated verifier's `verifyingKeyHash()` answers.
    pub fn key_hash(&self) -> [u8; 32] {
        solidity::verifying_key_hash(&self.verifying)
    }

    /// How many contributions the key says it had; nothing if it does not say. Whether they were made can be checked by `snarkjs zkey
    /// verify` alone.
    pub fn contributions(&self) -> Option<u32> {
        const CIRCUIT_HASH: u64 = 64;
        let mut cursor = self.file.cursor(CONTRIBUTIONS, "contributions").ok()?;
        cursor.bytes(CIRCUIT_HASH, "circuit hash").ok()?;
        cursor.u32("number of contributions").ok()
    }

    pub(crate) fn beta_g1(&self) -> G1Affine {
        self.beta_g1
    }

    pub(crate) fn delta_g1(&self) -> G1Affine {
        self.delta_g1
    }

    /// Check everything that can be without the transcript: every point is on its curve and in its group, the ratio of β and δ is the same
    /// in both groups, and every coefficient has its place. Slow: the checks of groups in G2 take as long as half a proof.
    pub fn check(&self) -> Result<(), FileError> {
        // Compared by their ratio, because a key does not say of which generator of G1 its points are multiples.
        let beta = Bn254::pairing(self.beta_g1, self.verifying.delta_g2);
        if beta != Bn254::pairing(self.delta_g1, self.verifying.beta_g2) {
            return Err(self.file.malformed("its beta or its delta differs between G1 and G2"));
        }
        for query in [Query::A, Query::B1, Query::C, Query::H] {
            let bad = self.g1(query).par_iter().position_first(|bytes| !RawG1::from_bytes(bytes).is_valid());
            bad.map_or(Ok(()), |index| Err(self.bad_point(query, index)))?;
        }
        let (points, _) = self.bytes_of(Query::B2).as_chunks::<{ RawG2::BYTES }>();
        let bad = points.par_iter().position_first(|bytes| {
            let raw = RawG2::from_bytes(bytes);
            !raw.is_on_curve() || !G2Affine::from(&raw).is_in_correct_subgroup_assuming_on_curve()
        });
        bad.map_or(Ok(()), |index| Err(self.bad_point(Query::B2, index)))?;
        self.records().par_iter().enumerate().try_for_each(|(index, record)| {
            let record = coefficient(record);
            if self.holds(&record) { Ok(()) } else { Err(self.bad_coefficient(index)) }
        })
    }

    /// Whether the key's matrices are those of `r1cs`, in the order in which snarkjs writes them: an error says where they differ.
    pub fn is_of(&self, r1cs: &R1cs) -> Result<(), FileError> {
        let (r, mut records) = (field::r(), self.records().iter());
        let shape = *r1cs.shape();
        let other = |row: u32| FileError::Malformed {
            path: r1cs.path().to_owned(),
            reason: format!(
                "its constraint {row} is not the one that {} was made for",
                self.path().display()
            ),
        };
        let mut same = |matrix, row, wire, value: Option<Fr>| {
            records.next().map(coefficient).is_some_and(|record| {
                (record.matrix, record.row, record.wire) == (matrix, row, wire)
                    && record.value.zip(value).is_some_and(|(kept, value)| kept == value * r)
            })
        };
        r1cs.each(|row, constraint| {
            for (matrix, terms) in (0..2).zip(constraint) {
                if !terms.iter().all(|(wire, value)| same(matrix, row, wire, value)) {
                    return Err(other(row));
                }
            }
            Ok(true)
        })?;
        let rows = shape.constraints..=shape.constraints + self.public;
        for (input, row) in (0..).zip(rows) {
            if !same(0, row, input, Some(Fr::ONE)) {
                return Err(other(row));
            }
        }
        match records.next() {
            None => Ok(()),
            Some(_) => Err(self.file.malformed("it has more coefficients than its circuit")),
        }
    }

    fn bytes_of(&self, query: Query) -> &[u8] {
        &self.file.bytes()[self.queries[query as usize].clone()]
    }

    fn g1(&self, query: Query) -> &[[u8; RawG1::BYTES]] {
        self.bytes_of(query).as_chunks().0
    }

    /// The points of `query` and their scalars where neither is nothing: no engine takes infinity, and zeros need no work. Points
    /// are copied, so that what was checked is what is multiplied.
    pub(crate) fn pairs_g1(&self, query: Query, scalars: &[Fr]) -> Result<(Vec<RawG1>, Vec<Fr>), FileError> {
        let read = |bytes: &[u8; RawG1::BYTES]| {
            let point = RawG1::from_bytes(bytes);
            point.is_valid().then_some((!point.is_infinity()).then_some(point))
        };
        self.pairs(query, self.g1(query), scalars, read)
    }

    /// The same in G2.
    pub(crate) fn pairs_g2(&self, query: Query, scalars: &[Fr]) -> Result<(Vec<RawG2>, Vec<Fr>), FileError> {
        let read = |bytes: &[u8; RawG2::BYTES]| {
            let point = RawG2::from_bytes(bytes);
            point.is_on_curve().then_some((!point.is_infinity()).then_some(point))
        };
        self.pairs(query, self.bytes_of(query).as_chunks().0, scalars, read)
    }

    fn pairs<P: Send, const N: usize>(
        &self,
        query: Query,
        points: &[[u8; N]],
        scalars: &[Fr],
        read: impl Fn(&[u8; N]) -> Option<Option<P>> + Sync,
    ) -> Result<(Vec<P>, Vec<Fr>), FileError> {
        const TASK: usize = 1 << 12;
        let tasks: Vec<(Vec<P>, Vec<Fr>)> = points
            .par_chunks(TASK)
            .zip(scalars.par_chunks(TASK))
            .enumerate()
            .map(|(task, (points, scalars))| {
                let mut pairs = (Vec::with_capacity(points.len()), Vec::with_capacity(points.len()));
                for (index, (bytes, scalar)) in points.iter().zip(scalars).enumerate() {
                    if *scalar == Fr::ZERO {
                        continue;
                    }
                    match read(bytes) {
                        Some(Some(point)) => {
                            pairs.0.push(point);
                            pairs.1.push(*scalar);
                        }
                        Some(None) => {}
                        None => return Err(self.bad_point(query, task * TASK + index)),
                    }
                }
                Ok(pairs)
            })
            .collect::<Result<_, _>>()?;
        let count = tasks.iter().map(|(points, _)| points.len()).sum();
        let mut pairs = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (points, scalars) in tasks {
            pairs.0.extend(points);
            pairs.1.extend(scalars);
        }
        Ok(pairs)
    }

    fn records(&self) -> &[[u8; COEFFICIENT_BYTES]] {
        self.file.bytes()[self.coefficients.clone()].as_chunks().0
    }

    fn holds(&self, record: &Coefficient) -> bool {
        record.matrix < 2 && record.row < self.domain && record.wire < self.wires && record.value.is_some()
    }

    /// The rows of A and of B over the whole domain, applied to the values of wires.
    pub(crate) fn rows(&self, values: &[Fr]) -> Result<[Vec<Fr>; 2], FileError> {
        let domain = self.domain as usize;
        let mut rows = [vec![Fr::ZERO; domain], vec![Fr::ZERO; domain]];
        if !self.sum_sorted(values, &mut rows)? {
            rows.iter_mut().for_each(|row| row.fill(Fr::ZERO));
            let [a, b] = &mut rows;
            self.sum(values, 0, self.records(), 0, a, b)?;
        }
        // Values came times R² and were read as if times R: one R is left in every sum.
        let inverse = field::r().inverse().unwrap_or_default();
        for row in &mut rows {
            row.par_iter_mut().with_min_len(512).for_each(|sum| *sum *= inverse);
        }
        Ok(rows)
    }

    /// snarkjs writes coefficients in the order of rows, so that cores can share them; says whether they are.
    fn sum_sorted(&self, values: &[Fr], rows: &mut [Vec<Fr>; 2]) -> Result<bool, FileError> {
        const TASK: usize = 1 << 11;
        let records = self.records();
        let row_of = |index: usize| coefficient(&records[index]).row;
        // Where tasks begin: at the first record of a row.
        let mut starts: Vec<usize> = vec![0];
        while let Some(&last) = starts.last() {
            let mut next = last + TASK;
            while next < records.len() && row_of(next) == row_of(next - 1) {
                next += 1;
            }
            if next >= records.len() {
                break;
            }
            starts.push(next);
        }
        let [mut a, mut b] = rows.each_mut().map(Vec::as_mut_slice);
        let mut tasks = Vec::with_capacity(starts.len());
        let mut first_row = 0;
        for (task, &start) in starts.iter().enumerate() {
            let (end, last_row) = match starts.get(task + 1) {
                Some(&next) => (next, row_of(next)),
                None => (records.len(), self.domain),
            };
            if last_row < first_row || last_row > self.domain {
                return Ok(false);
            }
            let (own_a, own_b);
            (own_a, a) = a.split_at_mut((last_row - first_row) as usize);
            (own_b, b) = b.split_at_mut((last_row - first_row) as usize);
            tasks.push((start..end, first_row, own_a, own_b));
            first_row = last_row;
        }
        let done: Vec<bool> = tasks
            .into_par_iter()
            .map(|(range, first_row, a, b)| {
                self.sum(values, range.start, &records[range.clone()], first_row, a, b)
            })
            .collect::<Result<_, _>>()?;
        Ok(done.into_iter().all(|done| done))
    }

    /// Add records to rows that begin with `first_row`. False if one belongs to another row.
    fn sum(
        &self,
        values: &[Fr],
        first: usize,
        records: &[[u8; COEFFICIENT_BYTES]],
        first_row: u32,
        a: &mut [Fr],
        b: &mut [Fr],
    ) -> Result<bool, FileError> {
        for (index, record) in records.iter().enumerate() {
            let record = coefficient(record);
            let bad = || self.bad_coefficient(first + index);
            if !self.holds(&record) {
                return Err(bad());
            }
            let value = record.value.zip(values.get(record.wire as usize)).ok_or_else(bad)?;
            let rows = if record.matrix == 0 { &mut *a } else { &mut *b };
            let row = record.row.checked_sub(first_row).and_then(|row| rows.get_mut(row as usize));
            let Some(row) = row else { return Ok(false) };
            *row += value.0 * value.1;
        }
        Ok(true)
    }

    fn bad_point(&self, query: Query, index: usize) -> FileError {
        self.file.malformed(format!("point {index} of its {} is not in its group", query.name()))
    }

    fn bad_coefficient(&self, index: usize) -> FileError {
        self.file.malformed(format!("coefficient {index} has no place in its matrices"))
    }
}

fn coefficient(record: &[u8; COEFFICIENT_BYTES]) -> Coefficient {
    let word = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
    let mut value = [0; BYTES];
    value.copy_from_slice(&record[12..]);
    Coefficient {
        matrix: word(0),
        row: word(4),
        wire: word(8),
        value: field::from_montgomery::<FrConfig>(&value),
    }
}

fn read_g1(file: &Container, cursor: &mut Cursor<'_>, name: &str) -> Result<G1Affine, FileError> {
    let raw = RawG1::from_bytes(&cursor.take(name)?);
    if raw.is_valid() { Ok(G1Affine::from(&raw)) } else { Err(not_in_group(file, name)) }
}

fn read_g2(file: &Container, cursor: &mut Cursor<'_>, name: &str) -> Result<G2Affine, FileError> {
    let raw = RawG2::from_bytes(&cursor.take(name)?);
    let point = G2Affine::from(&raw);
    if raw.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve() {
        Ok(point)
    } else {
        Err(not_in_group(file, name))
    }
}

fn not_in_group(file: &Container, name: &str) -> FileError {
    let source = solidity::SolidityError::NotInGroup(name.to_owned());
    FileError::Key { path: file.path().to_owned(), source }
}
