//! The mining puzzle: a chain of hashes whose start is bound to a round and a prover, and the circuit that proves its end.
//!
//! output = H_{n−1}(… H₁(H₀(challenge)) …) with n = [`STEPS`] and Hᵢ(x) = poseidon(x, tagᵢ) of circomlib, where tagᵢ is the integer
//! of the bytes `provery/puzzle/` followed by the byte i. The tags keep the steps distinct, so no stretch of one chain
//! is a stretch of another at a different place, and keep the puzzle apart from every other use of the hash.
//!
//! The output is a function of the challenge alone. Whoever changes the proof of a ticket, which Groth16 allows anybody
//! to do, has the same ticket still: another try takes another nonce and a whole chain. A try costs [`STEPS`]
//! permutations; only the ticket that is handed in costs a proof as well.
//!
//! The public inputs of the circuit are the challenge and the output, in this order, and both stand in constraints. The
//! verifier must refuse inputs at or above the field's modulus, as a ticket would else have several outputs.

mod chain;
mod prover;

pub use chain::{CIRCUIT_NAME, Miner, PuzzleCircuit, STEPS, Ticket, output};
pub use prover::{PuzzleProof, PuzzleProver, generate_keys, load_keys, load_verifying};
