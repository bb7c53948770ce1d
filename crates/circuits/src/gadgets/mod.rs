//! The gadgets of the block circuit, written straight onto `ark-relations`.
//!
//! `ark-r1cs-std` has all of these, but at a price that dominates synthesis here (a reference-counted handle and a
//! tracing span for every addition) and with more constraints where this circuit can do with fewer. A wire here is two
//! words and a value, copied freely.
//!
//! Constraints are laid out A · B = C with the longer combination in A and values that are not needed elsewhere kept
//! out of B, because a Groth16 prover pays for every variable in B with a multiplication in G2.

pub mod builder;
pub mod compare;
pub mod eddsa;
pub mod edwards;
pub mod merkle;
pub mod poseidon;

pub use builder::{Bit, Builder, Num};
