//! [`crate::poseidon`] in the circuit: three constraints an S-box, 240 for a first permutation and 243 for later ones,
//! plus two every [`OUTLINE_EVERY`] partial rounds.
//!
//! In partial rounds the second and third element stay linear combinations that grow by one term a round. Left alone
//! they would make up most of the constraint matrices, so now and then they are given variables of their own.

use ark_ff::Zero;
use ark_relations::gr1cs::SynthesisError;

use super::{Builder, Num};
use crate::{
    Fr,
    poseidon::{FULL_ROUNDS, Parameters, RATE, WIDTH, initial_capacity, is_full, parameters, sbox},
};

/// Partial rounds between two outlinings of the linear elements.
pub const OUTLINE_EVERY: usize = 15;

/// A sponge for a fixed number of inputs. Copying it forks the hash, so two hashes with equal beginnings share the cost.
#[derive(Clone, Copy, Debug)]
pub struct Sponge {
    capacity: Capacity,
    rate: Option<[Num; RATE]>,
}

#[derive(Clone, Copy, Debug)]
enum Capacity {
    Constant(Fr),
    Wire(Num),
}

impl Sponge {
    /// A sponge that will absorb `length` elements in all.
    pub fn new(length: usize) -> Self {
        Self { capacity: Capacity::Constant(initial_capacity(length)), rate: None }
    }

    /// Absorbs two elements and permutes.
    pub fn absorb(&mut self, builder: &Builder, pair: [Num; RATE]) -> Result<(), SynthesisError> {
        let rate = match self.rate {
            None => pair,
            Some([a, b]) => [builder.add(a, pair[0])?, builder.add(b, pair[1])?],
        };
        let [capacity, a, b] = permute(builder, self.capacity, rate)?;
        self.capacity = Capacity::Wire(capacity);
        self.rate = Some([a, b]);
        Ok(())
    }

    /// The hash of what was absorbed.
    pub fn squeeze(&self, builder: &Builder) -> Num {
        self.rate.map_or_else(|| builder.zero(), |[first, _]| first)
    }
}

/// The hash of `inputs`, as [`crate::poseidon::hash`].
pub fn hash(builder: &Builder, inputs: &[Num]) -> Result<Num, SynthesisError> {
    let mut sponge = Sponge::new(inputs.len());
    for pair in inputs.chunks(RATE) {
        let second = pair.get(1).copied().unwrap_or_else(|| builder.zero());
        sponge.absorb(builder, [pair[0], second])?;
    }
    Ok(sponge.squeeze(builder))
}

fn permute(builder: &Builder, capacity: Capacity, rate: [Num; RATE]) -> Result<[Num; WIDTH], SynthesisError> {
    let Parameters { round_constants, matrix } = parameters();
    let one = Fr::from(1u8);
    let first = round_constants[0];
    let mut constant = None;
    let mut state = [
        match capacity {
            Capacity::Constant(value) => {
                constant = Some(sbox(value + first[0]));
                builder.zero()
            }
            Capacity::Wire(num) => builder.combine(&[(one, num)], first[0])?,
        },
        builder.combine(&[(one, rate[0])], first[1])?,
        builder.combine(&[(one, rate[1])], first[2])?,
    ];
    for round in 0..round_constants.len() {
        let boxed = if is_full(round) { WIDTH } else { 1 };
        for element in &mut state[constant.map_or(0, |_| 1)..boxed] {
            let square = builder.mul(*element, *element)?;
            let cube = builder.mul(*element, square)?;
            *element = builder.mul(cube, square)?;
        }
        let known = constant.take().unwrap_or_default();
        let next = round_constants.get(round + 1).copied().unwrap_or([Fr::zero(); WIDTH]);
        let mut mixed = state;
        for ((row, added), element) in matrix.iter().zip(next).zip(&mut mixed) {
            let terms: [(Fr, Num); WIDTH] = std::array::from_fn(|j| (row[j], state[j]));
            *element = builder.combine(&terms, row[0] * known + added)?;
        }
        state = mixed;
        if !is_full(round) && (round + 1 - FULL_ROUNDS / 2).is_multiple_of(OUTLINE_EVERY) {
            for element in &mut state[1..] {
                *element = builder.outline(*element)?;
            }
        }
    }
    Ok(state)
}
