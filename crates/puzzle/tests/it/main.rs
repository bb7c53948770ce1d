//! The puzzle's circuit against its native twin, the search, the shared vectors, and proofs of tickets.

mod chain;
mod prover;
