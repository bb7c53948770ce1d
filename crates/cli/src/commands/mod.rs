//! One file per command group. Each parses its arguments, does its effects through [`Session`], and prints one result.

pub mod calibrate;
pub mod credit;
pub mod deploy;
pub mod doctor;
pub mod keys;
pub mod keystore;
pub mod manual;
pub mod market;
pub mod node;
pub mod pool;
pub mod prove;
pub mod prover;
pub mod rollup;
pub mod slot;
pub mod status;
pub mod token;
pub mod verifier;
pub mod worker;
