//! Circuits compiled from source by circom's compiler, proven here and by snarkjs.

#![allow(clippy::unwrap_used)]

mod allocations;
mod files;
mod fixtures;
mod programs;
mod proofs;
