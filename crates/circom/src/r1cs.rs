//! `.r1cs`: the constraints `<A, w> · <B, w> = <C, w>` over the wires `w`.

use std::{fmt, ops::Range, path::Path};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Zero};
use rayon::prelude::*;

use crate::{
    container::{Container, Cursor},
    error::FileError,
    field::{self, BYTES},
};

const MAGIC: &str = "r1cs";
const VERSION: u32 = 1;
const HEADER: u32 = 1;
const CONSTRAINTS: u32 = 2;
const LABELS: u32 = 3;
const CUSTOM_GATES: [u32; 2] = [4, 5];
const LABEL_BYTES: usize = 8;
/// A constraint has three lengths at least.
const LEAST_CONSTRAINT_BYTES: u64 = 12;
const TERM_BYTES: usize = 4 + BYTES;
/// Constraints that one task evaluates.
const BLOCK: u32 = 1024;

/// How many of everything a circuit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// With the constant one, which is wire 0.
    pub wires: u32,
    /// Public outputs: the wires after the constant one.
    pub outputs: u32,
    /// Public inputs: the wires after the outputs.
    pub public_inputs: u32,
    /// Private inputs, of which only those that occur in a constraint have a wire.
    pub private_inputs: u32,
    /// Rows of the constraint system.
    pub constraints: u32,
    /// Signals before simplification.
    pub labels: u64,
}

impl Shape {
    /// Public inputs of a proof: outputs first, then inputs.
    pub fn public(&self) -> u32 {
        self.outputs + self.public_inputs
    }
}

/// A circuit's constraints in a mapped file.
#[derive(Debug)]
pub struct R1cs {
    file: Container,
    shape: Shape,
    labels: Range<usize>,
}

/// A linear combination as it lies in the file.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a>(&'a [[u8; TERM_BYTES]]);

impl fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Terms<'_> {
    /// Wires and their coefficients; nothing for a coefficient that is not below the modulus.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Option<Fr>)> {
        self.0.iter().map(|term| {
            let mut wire = [0; 4];
            wire.copy_from_slice(&term[..4]);
            let mut coefficient = [0; BYTES];
            coefficient.copy_from_slice(&term[4..]);
            (u32::from_le_bytes(wire), field::from_plain(&coefficient))
        })
    }
}

/// The three linear combinations of a constraint.
pub(crate) type Constraint<'a> = [Terms<'a>; 3];

impl R1cs {
    /// Map a circuit's constraints. The header and the lengths of sections are checked; constraints are when they are read, or by
    /// [`R1cs::check`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = Container::open(path, MAGIC, VERSION)?;
        let mut header = file.cursor(HEADER, "header")?;
        let width = header.u32("size of a number")?;
        let prime = header.bytes(width.into(), "prime")?;
        if let Some(found) = field::other_than_fr(prime) {
            return Err(FileError::Curve { path: path.to_owned(), found });
        }
        let mut next = |what| header.u32(what);
        let (wires, outputs) = (next("number of wires")?, next("number of outputs")?);
        let (public_inputs, private_inputs) =
            (next("number of public inputs")?, next("number of private inputs")?);
        let labels = header.u64("number of labels")?;
        let constraints = header.u32("number of constraints")?;
        if width as usize != BYTES || !header.is_at_end() {
            return Err(file.malformed("its header has another length than bn254 gives it"));
        }
        let public = u64::from(outputs) + u64::from(public_inputs);
        if public >= wires.into() {
            return Err(file.malformed(format!(
                "it has {wires} wires, too few for {public} public ones and the constant"
            )));
        }
        if CUSTOM_GATES
            .iter()
            .any(|&section| file.range(section, "custom gates").is_ok_and(|range| range.len() > 4))
        {
            return Err(file.malformed("it uses custom gates, which are for PLONK alone"));
        }
        let bytes = file.range(CONSTRAINTS, "constraints")?.len() as u64;
        if u64::from(constraints) * LEAST_CONSTRAINT_BYTES > bytes {
            return Err(
                file.malformed(format!("{constraints} constraints do not fit in its {bytes} bytes of them"))
            );
        }
        let label_range = file.array(LABELS, "labels of wires", wires.into(), LABEL_BYTES as u64)?;
        let shape = Shape { wires, outputs, public_inputs, private_inputs, constraints, labels };
        Ok(Self { file, shape, labels: label_range })
    }

    /// Counts of what it has.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The label of each wire: the number by which a `.sym` file knows its signal.
    pub fn labels(&self) -> impl Iterator<Item = u64> {
        let (labels, _) = self.file.bytes()[self.labels.clone()].as_chunks::<LABEL_BYTES>();
        labels.iter().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// Read every constraint: wires and coefficients must exist.
    pub fn check(&self) -> Result<(), FileError> {
        self.each_block(|first, cursor, count| {
            for index in first..first + count {
                for terms in constraint(cursor)? {
                    for (wire, coefficient) in terms.iter() {
                        if wire >= self.shape.wires || coefficient.is_none() {
                            return Err(self.bad_term(index));
                        }
                    }
                }
            }
            Ok(None::<()>)
        })
        .map(|_| ())
    }

    /// The first constraint that the values do not satisfy.
    pub fn unsatisfied(&self, values: &[Fr]) -> Result<Option<u32>, FileError> {
        if values.len() != self.shape.wires as usize {
            return Err(FileError::Mismatch {
                path: self.path().to_owned(),
                what: "wires",
                expected: values.len() as u64,
                actual: self.shape.wires.into(),
            });
        }
        let evaluate = |terms: Terms<'_>| {
            terms.iter().try_fold(Fr::ZERO, |sum, (wire, coefficient)| {
                Some(sum + coefficient? * values.get(wire as usize)?)
            })
        };
        self.each_block(|first, cursor, count| {
            for index in first..first + count {
                let [a, b, c] = constraint(cursor)?.map(evaluate);
                let (Some(a), Some(b), Some(c)) = (a, b, c) else {
                    return Err(self.bad_term(index));
                };
                if a * b != c {
                    return Ok(Some(index));
                }
            }
            Ok(None)
        })
    }

    /// The wires of one constraint, each once, without the constant.
    pub fn wires_of(&self, constraint: u32) -> Result<Vec<u32>, FileError> {
        let mut wires = Vec::new();
        self.each(|index, terms| {
            if index == constraint {
                wires.extend(
                    terms.iter().flat_map(Terms::iter).map(|(wire, _)| wire).filter(|&wire| wire != 0),
                );
            }
            Ok(index < constraint)
        })?;
        wires.sort_unstable();
        wires.dedup();
        Ok(wires)
    }

    /// Whether some constraint depends on `wire`: as a polynomial of all wires `A · B − C` keeps it once like terms are added up, so
    /// that a constraint such as `0 · x = 0` or `x · 1 = x` does not count.
    pub fn binds(&self, wire: u32) -> Result<bool, FileError> {
        let mut bound = false;
        self.each(|index, constraint| {
            bound = depends_on(constraint, wire).ok_or_else(|| self.bad_term(index))?;
            Ok(!bound)
        })?;
        Ok(bound)
    }

    /// Visit constraints in order until `visit` says no.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(u32, &Constraint<'_>) -> Result<bool, FileError>,
    ) -> Result<(), FileError> {
        let mut cursor = self.file.cursor(CONSTRAINTS, "constraints")?;
        for index in 0..self.shape.constraints {
            if !visit(index, &constraint(&mut cursor)?)? {
                return Ok(());
            }
        }
        self.no_rest(&cursor)
    }

    /// Run `work` on blocks of constraints on all cores, and take what the first block that found something found.
    fn each_block<T: Send>(
        &self,
        work: impl Fn(u32, &mut Cursor<'_>, u32) -> Result<Option<T>, FileError> + Sync,
    ) -> Result<Option<T>, FileError> {
        let mut cursor = self.file.cursor(CONSTRAINTS, "constraints")?;
        let mut blocks = Vec::new();
        for index in 0..self.shape.constraints {
            if index % BLOCK == 0 {
                blocks.push((index, cursor.clone()));
            }
            constraint(&mut cursor)?;
        }
        self.no_rest(&cursor)?;
        blocks
            .into_par_iter()
            .map(|(first, mut cursor)| work(first, &mut cursor, BLOCK.min(self.shape.constraints - first)))
            .find_map_first(Result::transpose)
            .transpose()
    }

    fn no_rest(&self, cursor: &Cursor<'_>) -> Result<(), FileError> {
        if cursor.is_at_end() {
            return Ok(());
        }
        Err(self.file.malformed(format!("{} bytes follow its last constraint", cursor.left())))
    }

    fn bad_term(&self, constraint: u32) -> FileError {
        self.file.malformed(format!(
            "constraint {constraint} has a wire that does not exist or a coefficient that is not below the modulus"
        ))
    }
}

fn constraint<'a>(cursor: &mut Cursor<'a>) -> Result<Constraint<'a>, FileError> {
    let mut terms = || {
        let count = cursor.u32("constraints")?;
        let bytes = cursor.bytes(u64::from(count) * TERM_BYTES as u64, "constraints")?;
        Ok(Terms(bytes.as_chunks().0))
    };
    Ok([terms()?, terms()?, terms()?])
}

/// Whether `A · B − C` depends on `x`, with `A = a·x + A'` and so on: `x²` has the factor ab, and `x` the linear form a·B' + b·A' − c.
/// `None` where a coefficient is no field element.
fn depends_on([a, b, c]: &Constraint<'_>, wire: u32) -> Option<bool> {
    let split = |terms: &Terms<'_>| {
        let mut own = Fr::ZERO;
        let mut others = Vec::new();
        for (other, coefficient) in terms.iter() {
            if other == wire {
                own += coefficient?;
            } else {
                others.push((other, coefficient?));
            }
        }
        Some((own, others))
    };
    let occurs = |terms: &Terms<'_>| terms.iter().any(|(other, _)| other == wire);
    if ![a, b, c].into_iter().any(occurs) {
        return Some(false);
    }
    let ((a, a_rest), (b, b_rest), (c, _)) = (split(a)?, split(b)?, split(c)?);
    if !(a * b).is_zero() {
        return Some(true);
    }
    let mut form: Vec<(u32, Fr)> = b_rest.iter().map(|&(wire, value)| (wire, a * value)).collect();
    form.extend(a_rest.iter().map(|&(wire, value)| (wire, b * value)));
    form.push((0, -c));
    form.sort_unstable_by_key(|&(wire, _)| wire);
    Some(
        form.chunk_by(|(left, _), (right, _)| left == right)
            .any(|same| !same.iter().map(|(_, value)| value).sum::<Fr>().is_zero()),
    )
}
