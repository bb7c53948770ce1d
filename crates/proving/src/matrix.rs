//! The constraint matrices as a key file holds them: compressed rows whose coefficients are numbers into one table.
//!
//! Keeping them spares every proof the building of symbolic linear combinations: only the assignment is synthesised.

use std::collections::HashMap;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, One};
use ark_relations::gr1cs::{ConstraintSystem, R1CS_PREDICATE_LABEL, SynthesisError};
use rayon::prelude::*;

use crate::raw::Plain;

/// A non-zero entry of a row.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) column: u32,
    pub(crate) coefficient: u32,
}

// SAFETY: `repr(C)` struct of two integers of one size.
unsafe impl Plain for Entry {}

/// Number of the coefficient 1 in every table; a product with it is skipped.
const ONE: u32 = 0;

/// One matrix under construction.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// `ends[i]` is where row `i` ends in `entries`; it starts where row `i - 1` ends.
    pub(crate) ends: Vec<u32>,
    pub(crate) entries: Vec<Entry>,
}

/// The three matrices of a constraint system and the table of their coefficients.
#[derive(Debug)]
pub(crate) struct Matrices {
    pub(crate) coefficients: Vec<Fr>,
    pub(crate) rows: [Rows; 3],
}

impl Matrices {
    /// Read the matrices of a finalised constraint system.
    pub(crate) fn of(cs: &ConstraintSystem<Fr>) -> Result<Self, SynthesisError> {
        let predicate = cs
            .predicate_constraint_systems
            .get(R1CS_PREDICATE_LABEL)
            .ok_or(SynthesisError::PredicateNotFound)?;
        if predicate.num_constraints() != cs.num_constraints() {
            return Err(SynthesisError::PredicateNotFound);
        }
        let [a, b, c] = predicate.get_constraints().as_slice() else {
            return Err(SynthesisError::ArityMismatch);
        };
        let mut table = HashMap::from([(Fr::ONE, ONE)]);
        let mut coefficients = vec![Fr::ONE];
        let mut read = |variables: &[_]| {
            let mut rows = Rows { ends: Vec::with_capacity(variables.len()), entries: Vec::new() };
            for &variable in variables {
                for &(coefficient, variable) in cs.get_lc(variable).iter() {
                    if coefficient == Fr::ZERO || variable.is_zero() {
                        continue;
                    }
                    let column = variable
                        .get_variable_index(cs.num_instance_variables())
                        .and_then(|index| u32::try_from(index).ok())
                        .ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
                    let coefficient = *table.entry(coefficient).or_insert_with(|| {
                        coefficients.push(coefficient);
                        coefficients.len() as u32 - 1
                    });
                    rows.entries.push(Entry { column, coefficient });
                }
                rows.ends.push(
                    u32::try_from(rows.entries.len())
                        .map_err(|_| SynthesisError::PolynomialDegreeTooLarge)?,
                );
            }
            Ok::<_, SynthesisError>(rows)
        };
        let rows = [read(a)?, read(b)?, read(c)?];
        Ok(Self { coefficients, rows })
    }
}

/// A matrix borrowed from a key file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    ends: &'a [u32],
    entries: &'a [Entry],
    coefficients: &'a [Fr],
}

impl<'a> Matrix<'a> {
    pub(crate) fn new(ends: &'a [u32], entries: &'a [Entry], coefficients: &'a [Fr]) -> Self {
        Self { ends, entries, coefficients }
    }

    /// Whether these are the same rows, given the same table of coefficients.
    pub(crate) fn is(&self, rows: &Rows) -> bool {
        self.ends == rows.ends && self.entries == rows.entries
    }

    /// Whether every row, column and coefficient lies inside the matrix, so that nothing below can panic.
    pub(crate) fn is_well_formed(&self, columns: usize) -> bool {
        self.ends.is_sorted()
            && self.ends.last().is_none_or(|&end| end as usize == self.entries.len())
            && self.entries.par_iter().all(|entry| {
                (entry.column as usize) < columns && (entry.coefficient as usize) < self.coefficients.len()
            })
            && self.coefficients.first().is_some_and(Fr::is_one)
    }

    /// `out[i] = <row i, assignment>`.
    pub(crate) fn apply(&self, assignment: &[Fr], out: &mut [Fr]) {
        out.par_iter_mut().zip(0..self.ends.len()).with_min_len(512).for_each(|(out, row)| {
            let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
            *out = self.entries[start..self.ends[row] as usize].iter().fold(Fr::ZERO, |sum, entry| {
                let value = assignment[entry.column as usize];
                if entry.coefficient == ONE {
                    sum + value
                } else {
                    sum + value * self.coefficients[entry.coefficient as usize]
                }
            });
        });
    }
}
