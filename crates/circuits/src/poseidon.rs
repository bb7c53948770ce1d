//! Poseidon over the scalar field of BN254, as circomlib has it: parameters and the native hash.
//!
//! [`hash`] of one to sixteen inputs is circomlib's `poseidon(n)`: the permutation of width n + 1 on (0, inputs…), and of
//! the result the first element. S-box x⁵, 8 full rounds and [`PARTIAL_ROUNDS`] partial ones, which are the paper's figures
//! for 128 bits of security ("Poseidon: A New Hash Function for Zero-Knowledge Proof Systems", USENIX Security 2021,
//! <https://eprint.iacr.org/2019/458>, tables 2 and 8) rounded up. Round constants and Cauchy matrices come from the
//! paper's Grain LFSR (appendices E and B). `tests/vectors/circomlib.json` pins all sixteen widths.
//!
//! # Longer inputs
//!
//! More than sixteen inputs are a chain of the same permutations: h₀ = n · 2⁶⁴ for n inputs, then for each run of sixteen
//! (the last may be shorter) hᵢ₊₁ = the first element of the permutation on (hᵢ, run…), and the last h is the hash. In
//! circomlib that is `PoseidonEx` with `initialState`, in circomlibjs `poseidon(run, h)`. It is a sponge whose rate is
//! overwritten: one element of 254 bits is carried and all others are given anew, so as in any sponge a collision needs
//! about 2¹²⁷ evaluations of the permutations or their inverses. The start fixes the length, and by that the width of
//! every permutation: nothing is padded, a longer input is no continuation of a shorter one, and h₀ is never 0, where
//! `poseidon(n)` begins. (The hash is the carried element itself, so this is no MAC.) A run of sixteen is the cheapest in
//! the circuit: 38 constraints an input, where runs of two take 120.
//!
//! # Speed
//!
//! In a partial round only the first element passes an S-box, so the constants of the others can be carried on to a
//! later round, and the matrix can be split into one that commutes with the round and a sparse one (the paper's
//! appendix B, and "Neptune"): 2t - 1 products instead of t². Both are computed when a width is first used.

use std::sync::OnceLock;

use ark_crypto_primitives::sponge::poseidon::find_poseidon_ark_and_mds;
use ark_ff::{Field, PrimeField, Zero};

use crate::Fr;

/// The most inputs a single permutation takes.
pub const MAX_INPUTS: usize = 16;
/// Rounds with an S-box on every element, half of them before the partial rounds and half after.
pub const FULL_ROUNDS: usize = 8;
/// Rounds with an S-box on the first element alone, for 1, 2, … inputs.
pub const PARTIAL_ROUNDS: [usize; MAX_INPUTS] =
    [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];

/// Full rounds before the partial ones, and after.
pub(crate) const HALF: usize = FULL_ROUNDS / 2;

/// A permutation: what is added and multiplied in each round, in the order of the rounds.
///
/// The first full rounds add `constants`, apply the S-box and multiply by `matrix`. Each partial round adds its
/// constant to the first element, applies the S-box there and multiplies by its sparse matrix. The last partial round
/// multiplies by `last` instead. Then come the other full rounds. Matrices are stored row by row.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Elements of the state.
    pub width: usize,
    /// Of each full round, one for each element.
    pub constants: [Vec<Fr>; FULL_ROUNDS],
    /// Of every full round.
    pub matrix: Vec<Fr>,
    /// Of each partial round, for the first element.
    pub partial_constants: Vec<Fr>,
    /// Of each partial round but the last.
    pub sparse: Vec<Sparse>,
    /// Of the last partial round.
    pub last: Vec<Fr>,
}

/// A matrix whose elements below the first row are those of the identity, except in the first column.
#[derive(Clone, Debug)]
pub struct Sparse {
    /// The first row.
    pub row: Vec<Fr>,
    /// The first column below the first row.
    pub column: Vec<Fr>,
}

/// The permutation for `inputs` inputs, generated at first use; below 1 and above 16 that for the nearest of them.
pub fn parameters(inputs: usize) -> &'static Parameters {
    static PARAMETERS: [OnceLock<Parameters>; MAX_INPUTS] = [const { OnceLock::new() }; MAX_INPUTS];
    let inputs = inputs.clamp(1, MAX_INPUTS);
    PARAMETERS[inputs - 1].get_or_init(|| Parameters::generate(inputs))
}

impl Parameters {
    fn generate(inputs: usize) -> Self {
        let (width, partial_rounds) = (inputs + 1, PARTIAL_ROUNDS[inputs - 1]);
        let (mut constants, rows) = find_poseidon_ark_and_mds::<Fr>(
            u64::from(Fr::MODULUS_BIT_SIZE),
            inputs,
            FULL_ROUNDS as u64,
            partial_rounds as u64,
            0,
        );
        let matrix = rows.concat();

        // Constants that meet no S-box pass through the matrix into the next round.
        let mut partial_constants = Vec::with_capacity(partial_rounds);
        for round in HALF..HALF + partial_rounds {
            let mut carried = std::mem::replace(&mut constants[round], vec![Fr::zero(); width]);
            partial_constants.push(std::mem::take(&mut carried[0]));
            for (constant, row) in constants[round + 1].iter_mut().zip(matrix.chunks(width)) {
                *constant += dot(row, &carried);
            }
        }
        let mut full = constants.into_iter().enumerate();
        let constants = std::array::from_fn(|_| {
            full.find(|(round, _)| !(HALF..HALF + partial_rounds).contains(round))
                .map(|(_, constants)| constants)
                .unwrap_or_default()
        });

        // M = M'·M'' with M' = [1, 0; 0, N] and M'' = [m, v; N⁻¹w, 1]. M' commutes with the S-box of the next round, so
        // that round's matrix becomes M·M', and so on.
        let mut current = matrix.clone();
        let mut sparse = Vec::with_capacity(partial_rounds - 1);
        for _ in 1..partial_rounds {
            let below = current.split_off(width);
            let column: Vec<_> = below.chunks(width).map(|row| row[0]).collect();
            let square: Vec<_> = below.chunks(width).map(|row| row[1..].to_vec()).collect();
            let next = matrix.chunks(width).flat_map(|row| {
                let square = &square;
                let product = move |j: usize| row[1..].iter().zip(square).map(|(a, row)| *a * row[j]).sum();
                std::iter::once(row[0]).chain((0..width - 1).map(product))
            });
            let next = next.collect();
            sparse.push(Sparse {
                row: std::mem::replace(&mut current, next),
                column: solve(square.clone(), column),
            });
        }
        Self { width, constants, matrix, partial_constants, sparse, last: current }
    }
}

/// x with `matrix`·x = `right`, for a matrix that can be inverted: those of the permutations can, being products of
/// submatrices of Cauchy matrices.
fn solve(mut matrix: Vec<Vec<Fr>>, mut right: Vec<Fr>) -> Vec<Fr> {
    for i in 0..right.len() {
        if let Some(pivot) = (i..right.len()).find(|row| !matrix[*row][i].is_zero()) {
            matrix.swap(i, pivot);
            right.swap(i, pivot);
        }
        let inverse = matrix[i][i].inverse().unwrap_or_default();
        matrix[i].iter_mut().for_each(|element| *element *= inverse);
        right[i] *= inverse;
        let (row, result) = (matrix[i].clone(), right[i]);
        for (j, other) in matrix.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let factor = other[i];
            other.iter_mut().zip(&row).for_each(|(element, above)| *element -= factor * above);
            right[j] -= factor * result;
        }
    }
    right
}

fn dot(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(a, b)| *a * b).sum()
}

/// What the chain for `length` inputs starts from.
pub(crate) fn chain_start(length: usize) -> Fr {
    Fr::from((length as u128) << 64)
}

/// x⁵.
pub(crate) fn sbox(x: Fr) -> Fr {
    x.square().square() * x
}

/// The first element of the permutation of `state`, which has `T` elements.
fn permute<const T: usize>(mut state: [Fr; T]) -> Fr {
    let Parameters { constants, matrix, partial_constants, sparse, last, .. } = parameters(T - 1);
    let (matrix, last) = (matrix.as_chunks().0, last.as_chunks().0);
    let full = |state: &mut [Fr; T], constants: &[Fr]| {
        for (element, constant) in state.iter_mut().zip(constants) {
            *element = sbox(*element + constant);
        }
    };
    for constants in &constants[..HALF] {
        full(&mut state, constants);
        state = multiply(matrix, &state);
    }
    for (constant, Sparse { row, column }) in partial_constants.iter().zip(sparse) {
        let boxed = sbox(state[0] + constant);
        state[0] = boxed;
        let first = row.first_chunk().map_or_else(Fr::zero, |row| Fr::sum_of_products(row, &state));
        for (element, factor) in state[1..].iter_mut().zip(column) {
            *element += boxed * factor;
        }
        state[0] = first;
    }
    state[0] = sbox(state[0] + partial_constants.last().copied().unwrap_or_default());
    state = multiply(last, &state);
    for constants in &constants[HALF..FULL_ROUNDS - 1] {
        full(&mut state, constants);
        state = multiply(matrix, &state);
    }
    full(&mut state, &constants[FULL_ROUNDS - 1]);
    Fr::sum_of_products(&matrix[0], &state)
}

fn multiply<const T: usize>(matrix: &[[Fr; T]], state: &[Fr; T]) -> [Fr; T] {
    std::array::from_fn(|i| Fr::sum_of_products(&matrix[i], state))
}

/// The first element of the permutation of (`first`, `inputs`…), for one to sixteen inputs. Without any, `first`.
fn compress(first: Fr, inputs: &[Fr]) -> Fr {
    fn of<const T: usize>(first: Fr, inputs: &[Fr]) -> Fr {
        let mut state = [Fr::zero(); T];
        state[0] = first;
        state[1..].copy_from_slice(inputs);
        permute(state)
    }
    let of = match inputs.len() {
        1 => of::<2>,
        2 => of::<3>,
        3 => of::<4>,
        4 => of::<5>,
        5 => of::<6>,
        6 => of::<7>,
        7 => of::<8>,
        8 => of::<9>,
        9 => of::<10>,
        10 => of::<11>,
        11 => of::<12>,
        12 => of::<13>,
        13 => of::<14>,
        14 => of::<15>,
        15 => of::<16>,
        16 => of::<17>,
        _ => return first,
    };
    of(first, inputs)
}

/// The hash of `inputs`: circomlib's `poseidon` for one to sixteen, a chain for more. The hash of nothing is 0.
pub fn hash(inputs: &[Fr]) -> Fr {
    if inputs.len() <= MAX_INPUTS {
        return compress(Fr::zero(), inputs);
    }
    inputs.chunks(MAX_INPUTS).fold(chain_start(inputs.len()), compress)
}

#[cfg(test)]
mod tests {
    use ark_ff::MontFp;

    use super::*;

    /// The permutation as the paper writes it.
    fn plain(first: Fr, inputs: &[Fr]) -> Fr {
        let partial = PARTIAL_ROUNDS[inputs.len() - 1];
        let (constants, matrix) = find_poseidon_ark_and_mds::<Fr>(
            u64::from(Fr::MODULUS_BIT_SIZE),
            inputs.len(),
            FULL_ROUNDS as u64,
            partial as u64,
            0,
        );
        let mut state = [&[first], inputs].concat();
        for (round, constants) in constants.iter().enumerate() {
            for (i, (element, constant)) in state.iter_mut().zip(constants).enumerate() {
                *element += constant;
                if i == 0 || !(HALF..HALF + partial).contains(&round) {
                    *element = sbox(*element);
                }
            }
            state = matrix.iter().map(|row| dot(row, &state)).collect();
        }
        state[0]
    }

    fn inputs(length: usize) -> Vec<Fr> {
        (0..length as u64).map(|i| Fr::from(i * i + 3)).collect()
    }

    #[test]
    fn the_published_value() {
        assert_eq!(
            hash(&[Fr::from(1u8), Fr::from(2u8)]),
            MontFp!("7853200120776062878684798364095072458815029376092732009249414926327459813530")
        );
    }

    #[test]
    fn sparse_rounds_change_nothing() {
        for length in 1..=MAX_INPUTS {
            let inputs = inputs(length);
            assert_eq!(hash(&inputs), plain(Fr::zero(), &inputs), "{length} inputs");
        }
    }

    #[test]
    fn long_inputs_are_a_chain() {
        let inputs = inputs(35);
        let start = Fr::from(35u8) * Fr::from(1u128 << 64);
        let first = plain(start, &inputs[..16]);
        let second = plain(first, &inputs[16..32]);
        assert_eq!(hash(&inputs), plain(second, &inputs[32..]));
    }

    #[test]
    fn lengths_do_not_collide() {
        let mut hashes: Vec<_> = (0..=40).map(|length| hash(&vec![Fr::zero(); length])).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 41);
    }
}
