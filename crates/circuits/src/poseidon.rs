//! Poseidon over the scalar field of BN254: parameters and the native hash.
//!
//! Width t = 3 (rate 2, capacity 1), S-box x⁵, R_F = 8 full and R_P = 57 partial rounds: the instance for 128 bits of
//! security in a 254-bit field from "Poseidon: A New Hash Function for Zero-Knowledge Proof Systems" (Grassi,
//! Khovratovich, Rechberger, Roy, Schofnegger; USENIX Security 2021, <https://eprint.iacr.org/2019/458>, table 2 and
//! section 5). Round constants and the Cauchy matrix come from the paper's Grain LFSR (appendices E and B), so they are
//! those of the authors' reference script for (field 254 bits, t = 3, R_F = 8, R_P = 57), which circomlib uses too.
//!
//! [`hash`] is the paper's constant-input-length sponge (section 4.2): the capacity starts at `length · 2⁶⁴`, inputs are
//! added to the two rate elements pair by pair with a permutation after each pair (an odd last element stands alone),
//! and the output is the first rate element. Inputs of different lengths therefore never collide by padding.

use std::sync::OnceLock;

use ark_crypto_primitives::sponge::poseidon::find_poseidon_ark_and_mds;
use ark_ff::{Field, PrimeField, Zero};

use crate::Fr;

/// Elements in the permutation's state.
pub const WIDTH: usize = 3;
/// Input elements a permutation absorbs.
pub const RATE: usize = 2;
/// Rounds with an S-box on every element, half of them before the partial rounds and half after.
pub const FULL_ROUNDS: usize = 8;
/// Rounds with an S-box on the first element alone.
pub const PARTIAL_ROUNDS: usize = 57;
/// All rounds.
pub const ROUNDS: usize = FULL_ROUNDS + PARTIAL_ROUNDS;

/// Round constants and matrix of the permutation.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Added to the state before the S-boxes of each round.
    pub round_constants: [[Fr; WIDTH]; ROUNDS],
    /// Row `i` gives element `i` of the state after a round.
    pub matrix: [[Fr; WIDTH]; WIDTH],
}

/// The parameters, generated at first use.
pub fn parameters() -> &'static Parameters {
    static PARAMETERS: OnceLock<Parameters> = OnceLock::new();
    PARAMETERS.get_or_init(|| {
        let (constants, matrix) = find_poseidon_ark_and_mds::<Fr>(
            u64::from(Fr::MODULUS_BIT_SIZE),
            RATE,
            FULL_ROUNDS as u64,
            PARTIAL_ROUNDS as u64,
            0,
        );
        Parameters {
            round_constants: std::array::from_fn(|round| std::array::from_fn(|i| constants[round][i])),
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| matrix[i][j])),
        }
    })
}

/// Whether round `round` has an S-box on every element.
pub(crate) const fn is_full(round: usize) -> bool {
    round < FULL_ROUNDS / 2 || round >= FULL_ROUNDS / 2 + PARTIAL_ROUNDS
}

/// The capacity element a hash of `length` inputs starts from.
pub(crate) fn initial_capacity(length: usize) -> Fr {
    Fr::from((length as u128) << 64)
}

/// x⁵.
pub(crate) fn sbox(x: Fr) -> Fr {
    x.square().square() * x
}

/// The permutation: in each round add constants, apply the S-box, multiply by the matrix.
pub fn permute(state: &mut [Fr; WIDTH]) {
    let Parameters { round_constants, matrix } = parameters();
    for (round, constants) in round_constants.iter().enumerate() {
        for (element, constant) in state.iter_mut().zip(constants) {
            *element += constant;
        }
        let boxed = if is_full(round) { WIDTH } else { 1 };
        for element in &mut state[..boxed] {
            *element = sbox(*element);
        }
        *state = std::array::from_fn(|i| Fr::sum_of_products(&matrix[i], state));
    }
}

/// The hash of `inputs`. Element 0 of the state is the capacity.
pub fn hash(inputs: &[Fr]) -> Fr {
    let mut state = [initial_capacity(inputs.len()), Fr::zero(), Fr::zero()];
    for pair in inputs.chunks(RATE) {
        for (element, input) in state[1..].iter_mut().zip(pair) {
            *element += input;
        }
        permute(&mut state);
    }
    state[1]
}

#[cfg(test)]
mod tests {
    use ark_crypto_primitives::sponge::{
        CryptographicSponge, FieldBasedCryptographicSponge,
        poseidon::{PoseidonConfig, PoseidonSponge},
    };
    use ark_ff::MontFp;

    use super::*;

    /// circomlib's `poseidon([1, 2])`, which is the first element of the permutation of (0, 1, 2).
    #[test]
    fn permutation_is_the_published_instance() {
        let mut state = [Fr::from(0u8), Fr::from(1u8), Fr::from(2u8)];
        permute(&mut state);
        assert_eq!(
            state[0],
            MontFp!("7853200120776062878684798364095072458815029376092732009249414926327459813530")
        );
    }

    #[test]
    fn sponge_agrees_with_arkworks() {
        let parameters = parameters();
        let config = PoseidonConfig::new(
            FULL_ROUNDS,
            PARTIAL_ROUNDS,
            5,
            parameters.matrix.iter().map(|row| row.to_vec()).collect(),
            parameters.round_constants.iter().map(|row| row.to_vec()).collect(),
            RATE,
            1,
        );
        for length in 1..=7u64 {
            let inputs: Vec<Fr> = (0..length).map(|i| Fr::from(i * i + 3)).collect();
            let mut sponge = PoseidonSponge::new(&config);
            sponge.state[0] = initial_capacity(inputs.len());
            sponge.absorb(&inputs);
            assert_eq!(hash(&inputs), sponge.squeeze_native_field_elements(1)[0], "length {length}");
        }
    }

    #[test]
    fn lengths_do_not_collide() {
        let one = Fr::from(1u8);
        assert_ne!(hash(&[one]), hash(&[one, Fr::zero()]));
        assert_ne!(hash(&[one, one, one]), hash(&[one, one, one, Fr::zero()]));
    }
}
