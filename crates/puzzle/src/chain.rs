//! The chain, the circuit of its end, and the search.

use std::{
    num::NonZeroUsize,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use provery_circuits::{
    Fr,
    gadgets::{self, Builder},
    poseidon,
    word::{self, Word},
};

/// Hashes in a chain. At 246 constraints each the circuit just fits in 2¹⁴ rows, so a proof takes a fraction of a second.
pub const STEPS: usize = 64;

/// The circuit's name, under which its keys are kept.
pub const CIRCUIT_NAME: &str = "puzzle-poseidon-n64";

/// What the tags of the steps begin with.
const TAG: &[u8; 15] = b"provery/puzzle/";

/// The second input of each step's hash.
fn tags() -> &'static [Fr; STEPS] {
    static TAGS: OnceLock<[Fr; STEPS]> = OnceLock::new();
    TAGS.get_or_init(|| {
        std::array::from_fn(|step| {
            let mut bytes = [0; TAG.len() + 1];
            bytes[..TAG.len()].copy_from_slice(TAG);
            bytes[TAG.len()] = step as u8;
            word::reduce(&bytes)
        })
    })
}

/// The end of the chain that starts at `challenge`.
pub fn output(challenge: &Fr) -> Fr {
    tags().iter().fold(*challenge, |x, tag| poseidon::hash(&[x, *tag]))
}

/// "The chain that starts at the first public input ends at the second."
#[derive(Clone, Copy, Debug)]
pub struct PuzzleCircuit {
    /// Challenge and output, not needed to generate keys.
    pub inputs: Option<[Fr; 2]>,
}

impl PuzzleCircuit {
    /// The circuit without an assignment, for key generation.
    pub const fn blank() -> Self {
        Self { inputs: None }
    }

    /// The circuit of the chain from `challenge`, with its true output.
    pub fn of(challenge: &Fr) -> Self {
        Self { inputs: Some([*challenge, output(challenge)]) }
    }
}

impl ConstraintSynthesizer<Fr> for PuzzleCircuit {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let builder = &Builder::new(cs);
        let challenge = builder.input(self.inputs.map(|inputs| inputs[0]))?;
        let output = builder.input(self.inputs.map(|inputs| inputs[1]))?;
        let mut x = challenge;
        for tag in tags() {
            x = gadgets::poseidon::hash(builder, &[x, builder.constant(*tag)?])?;
        }
        builder.assert_equal(x, output)
    }
}

/// One prover's tries in one round of one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miner {
    /// The round's seed, as the mechanism states it.
    pub seed: Word,
    /// The market's id.
    pub market: Word,
    /// The registered prover that the ticket is for.
    pub prover: [u8; 20],
}

/// One try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What makes this try differ from the prover's others.
    pub nonce: u64,
    /// Start of the chain, below 2²⁴⁸.
    pub challenge: Word,
    /// End of the chain, below the field's modulus.
    pub output: Word,
}

impl Miner {
    /// `uint256(keccak256(abi.encode(seed, market, prover, nonce))) >> 8`.
    pub fn challenge(&self, nonce: u64) -> Word {
        let mut last = [0; 32];
        last[24..].copy_from_slice(&nonce.to_be_bytes());
        let hash = word::keccak256(&[&self.seed, &self.market, &word::from_address(&self.prover), &last]);
        let mut challenge = [0; 32];
        challenge[1..].copy_from_slice(&hash[..31]);
        challenge
    }

    /// The try with this nonce, whether it wins or not.
    pub fn ticket(&self, nonce: u64) -> Ticket {
        let challenge = self.challenge(nonce);
        // Below 2²⁴⁸ and so below the modulus: nothing is reduced.
        let output = word::from_field(&output(&word::reduce(&challenge)));
        Ticket { nonce, challenge, output }
    }

    /// A ticket whose output is below `target`, from nonces that count up from `start` (and wrap); `None` once `cancel`
    /// is set. Blocks, and uses as many threads as it may. With one thread it is the first such ticket, with more
    /// one of the first.
    ///
    /// `cancel` is looked at before every try, which takes one or two milliseconds.
    pub fn search(
        &self,
        target: &Word,
        start: u64,
        threads: NonZeroUsize,
        cancel: &AtomicBool,
    ) -> Option<Ticket> {
        let found = AtomicBool::new(false);
        let step = threads.get() as u64;
        let run = |offset: u64| {
            let mut nonce = start.wrapping_add(offset);
            while !cancel.load(Ordering::Relaxed) && !found.load(Ordering::Relaxed) {
                let ticket = self.ticket(nonce);
                // Words are big-endian: their order as bytes is their order as numbers.
                if ticket.output < *target {
                    found.store(true, Ordering::Relaxed);
                    return Some(ticket);
                }
                nonce = nonce.wrapping_add(step);
            }
            None
        };
        thread::scope(|scope| {
            let run = &run;
            let others: Vec<_> = (1..step).map(|offset| scope.spawn(move || run(offset))).collect();
            let mine = run(0);
            let theirs = others.into_iter().filter_map(|thread| thread.join().ok().flatten());
            mine.into_iter().chain(theirs).min_by_key(|ticket| ticket.nonce.wrapping_sub(start))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_the_length() {
        assert_eq!(CIRCUIT_NAME, format!("puzzle-poseidon-n{STEPS}"));
    }

    #[test]
    fn steps_differ() {
        let x = Fr::from(7u8);
        let mut outputs: Vec<_> =
            tags().iter().map(|tag| word::from_field(&poseidon::hash(&[x, *tag]))).collect();
        outputs.sort_unstable();
        outputs.dedup();
        assert_eq!(outputs.len(), STEPS);
    }
}
