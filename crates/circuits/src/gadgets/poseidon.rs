//! [`crate::poseidon`] in the circuit: three constraints an S-box, of which a first element that is a constant saves one
//! S-box.
//!
//! Constraints of a permutation with n inputs that starts from a constant: 240 for 2, 297 for 4, 321 for 5, 609 for 16, plus
//! n for each outlining. In partial rounds the elements without an S-box stay linear combinations that grow by one term a
//! round. Left alone they would make up most of the constraint matrices, so now and then they are given variables of
//! their own: rarely in a wide state, whose combinations are long from the start.

use ark_ff::{One, Zero};
use ark_relations::gr1cs::SynthesisError;

use super::{Builder, Num};
use crate::{
    Fr,
    poseidon::{FULL_ROUNDS, HALF, MAX_INPUTS, Parameters, chain_start, parameters, sbox},
};

/// Partial rounds between two outlinings of the linear elements.
const fn outline_every(width: usize) -> usize {
    8 * (width - 1) - 1
}

/// The first element of a permutation's state.
#[derive(Clone, Copy, Debug)]
enum First {
    Constant(Fr),
    Wire(Num),
}

/// The hash of `inputs`, as [`crate::poseidon::hash`].
pub fn hash(builder: &Builder, inputs: &[Num]) -> Result<Num, SynthesisError> {
    let start = if inputs.len() > MAX_INPUTS { chain_start(inputs.len()) } else { Fr::zero() };
    let mut first = First::Constant(start);
    for run in inputs.chunks(MAX_INPUTS) {
        first = First::Wire(permute(builder, first, run)?);
    }
    match first {
        First::Constant(value) => builder.constant(value),
        First::Wire(num) => Ok(num),
    }
}

/// The first element of the permutation of (`first`, `inputs`…).
fn permute(builder: &Builder, first: First, inputs: &[Num]) -> Result<Num, SynthesisError> {
    let parameters = parameters(inputs.len());
    let Parameters { width, constants, matrix, partial_constants, sparse, last } = parameters;
    let rows = |matrix: &'static [Fr]| matrix.chunks(*width);

    let mut state = Vec::with_capacity(*width);
    // A constant first element is kept apart until the first multiplication.
    let mut known = Fr::zero();
    match first {
        First::Constant(value) => {
            known = sbox(value + constants[0][0]);
            state.push(builder.zero());
        }
        First::Wire(num) => state.push(boxed(builder, num, constants[0][0])?),
    }
    for (input, constant) in inputs.iter().zip(&constants[0][1..]) {
        state.push(boxed(builder, *input, *constant)?);
    }
    state = multiply(builder, rows(matrix), &state, known)?;
    for constants in &constants[1..HALF] {
        all_boxed(builder, &mut state, constants)?;
        state = multiply(builder, rows(matrix), &state, Fr::zero())?;
    }
    for (round, (sparse, constant)) in sparse.iter().zip(partial_constants).enumerate() {
        state[0] = boxed(builder, state[0], *constant)?;
        let next = linear(builder, &sparse.row, &state, Fr::zero())?;
        for (i, factor) in sparse.column.iter().enumerate() {
            state[i + 1] = builder.combine(&[(Fr::one(), state[i + 1]), (*factor, state[0])], Fr::zero())?;
        }
        state[0] = next;
        if (round + 1).is_multiple_of(outline_every(*width)) {
            for element in &mut state[1..] {
                *element = builder.outline(*element)?;
            }
        }
    }
    state[0] = boxed(builder, state[0], partial_constants.last().copied().unwrap_or_default())?;
    state = multiply(builder, rows(last), &state, Fr::zero())?;
    for constants in &constants[HALF..FULL_ROUNDS - 1] {
        all_boxed(builder, &mut state, constants)?;
        state = multiply(builder, rows(matrix), &state, Fr::zero())?;
    }
    all_boxed(builder, &mut state, &constants[FULL_ROUNDS - 1])?;
    linear(builder, &matrix[..*width], &state, Fr::zero())
}

/// (`num` + `constant`)⁵.
fn boxed(builder: &Builder, num: Num, constant: Fr) -> Result<Num, SynthesisError> {
    let num = builder.combine(&[(Fr::one(), num)], constant)?;
    let square = builder.mul(num, num)?;
    let cube = builder.mul(num, square)?;
    builder.mul(cube, square)
}

fn all_boxed(builder: &Builder, state: &mut [Num], constants: &[Fr]) -> Result<(), SynthesisError> {
    for (element, constant) in state.iter_mut().zip(constants) {
        *element = boxed(builder, *element, *constant)?;
    }
    Ok(())
}

/// `rows` times the state, to whose first element `known` is added.
fn multiply<'a>(
    builder: &Builder,
    rows: impl Iterator<Item = &'a [Fr]>,
    state: &[Num],
    known: Fr,
) -> Result<Vec<Num>, SynthesisError> {
    rows.map(|row| linear(builder, row, state, known)).collect()
}

fn linear(builder: &Builder, row: &[Fr], state: &[Num], known: Fr) -> Result<Num, SynthesisError> {
    let terms: Vec<_> = row.iter().copied().zip(state.iter().copied()).collect();
    builder.combine(&terms, row[0] * known)
}
